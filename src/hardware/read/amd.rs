//! AMD's graphics processors, as the kernel's driver tells of them.

use super::pci::{Card, figure};
use crate::hardware::snapshot::{Gpu, Kind, Vendor};

/// What an integrated one calls its own: a small part of the machine's memory.
const INTEGRATED_BELOW: u64 = 3 << 30;

pub(super) fn card(card: &Card) -> Gpu {
    let total = figure(&card.folder.join("mem_info_vram_total"));
    let used = figure(&card.folder.join("mem_info_vram_used"));
    let named = std::fs::read_to_string(card.folder.join("product_name")).ok();
    let named = named.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    let name = named.or_else(|| known(card.device).map(str::to_owned)).unwrap_or_else(|| "AMD graphics".to_owned());
    let is_integrated = total.is_none_or(|total| total < INTEGRATED_BELOW);
    Gpu {
        vendor: Vendor::Amd,
        name,
        kind: if is_integrated { Kind::Integrated } else { Kind::Dedicated },
        memory_total: total,
        memory_free: total.zip(used).map(|(total, used)| total.saturating_sub(used)),
        compute_capability: None,
        driver: Some("amdgpu".to_owned()),
    }
}

/// Names of some, by their number.
fn known(device: u32) -> Option<&'static str> {
    Some(match device {
        0x74a1 => "AMD Instinct MI300X",
        0x740c | 0x740f => "AMD Instinct MI250",
        0x744c => "AMD Radeon RX 7900 XTX",
        0x747e => "AMD Radeon RX 7800 XT",
        0x73bf => "AMD Radeon RX 6900 XT",
        _ => return None,
    })
}
