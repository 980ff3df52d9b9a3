//! Graphics processors as Linux lists them, under `class/drm` of `/sys`.

use std::path::{Path, PathBuf};

use crate::hardware::snapshot::{Gpu, Kind, Vendor};

/// Numbers of makers.
pub(super) const NVIDIA: u32 = 0x10de;
pub(super) const AMD: u32 = 0x1002;
pub(super) const INTEL: u32 = 0x8086;

/// A graphics processor on the bus.
#[derive(Debug)]
pub(super) struct Card {
    pub(super) vendor: u32,
    pub(super) device: u32,
    /// Its folder.
    pub(super) folder: PathBuf,
}

/// The cards, in their order; none where there is no such folder.
pub(super) fn cards(sys: &Path) -> Vec<Card> {
    let Ok(entries) = std::fs::read_dir(sys.join("class/drm")) else { return Vec::new() };
    let mut folders: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        // `card0`, not its outputs `card0-HDMI-A-1`.
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_prefix("card"));
            name.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
        })
        .map(|path| path.join("device"))
        .collect();
    folders.sort();
    let card = |folder: PathBuf| {
        let vendor = hexadecimal(&folder.join("vendor"))?;
        Some(Card { vendor, device: hexadecimal(&folder.join("device")).unwrap_or(0), folder })
    };
    folders.into_iter().filter_map(card).collect()
}

fn hexadecimal(file: &Path) -> Option<u32> {
    let text = std::fs::read_to_string(file).ok()?;
    u32::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok()
}

/// A figure in a file of its own.
pub(super) fn figure(file: &Path) -> Option<u64> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// Intel's: Arc cards have numbers of their own, and memory that `/sys` does not tell; the others are part of the
/// processor.
pub(super) fn intel(card: &Card) -> Gpu {
    let is_arc = matches!(card.device, 0x5690..=0x56bf | 0xe200..=0xe2ff);
    Gpu {
        vendor: Vendor::Intel,
        name: if is_arc { "Intel Arc" } else { "Intel graphics" }.to_owned(),
        kind: if is_arc { Kind::Dedicated } else { Kind::Integrated },
        memory_total: None,
        memory_free: None,
        compute_capability: None,
        driver: None,
    }
}
