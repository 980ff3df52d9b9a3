//! Reading the machine: one file per kind of part.

mod amd;
mod apple;
mod nvidia;
mod pci;

use std::path::Path;

use sysinfo::{CpuRefreshKind, Disks, MemoryRefreshKind, RefreshKind, System};

use super::snapshot::{Cpu, Disk, Gpu, Memory, Snapshot};

impl Snapshot {
    /// Reads the machine.
    #[must_use]
    pub fn take() -> Self {
        let what = RefreshKind::nothing()
            .with_cpu(CpuRefreshKind::nothing())
            .with_memory(MemoryRefreshKind::nothing().with_ram());
        let system = System::new_with_specifics(what).ok();
        let mut notes = Vec::new();
        if system.is_none() {
            notes.push("the system does not tell what it has".to_owned());
        }
        let memory = system.as_ref().map(memory).unwrap_or_default();
        let cpu = system.as_ref().and_then(|system| system.cpus().first()).map(|cpu| cpu.brand().trim().to_owned());
        let cpu = Cpu {
            name: cpu.filter(|name| !name.is_empty()).or_else(device),
            logical_cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            physical_cores: System::physical_core_count().ok(),
            features: features(),
        };
        let gpus = gpus(&cpu, &memory, Path::new("/sys"), &mut notes);
        let (os, arch) = (std::env::consts::OS.to_owned(), std::env::consts::ARCH.to_owned());
        Snapshot { os, arch, cpu, memory, disks: disks(), gpus, notes }
    }
}

fn memory(system: &System) -> Memory {
    let limit = system.cgroup_limits();
    let of_container = limit.as_ref().map(|limit| limit.total_memory);
    let free = limit.as_ref().map(|limit| limit.free_memory);
    let (total, available) = (system.total_memory(), system.available_memory());
    Memory {
        total: Some(total).filter(|bytes| *bytes > 0),
        available: Some(free.map_or(available, |free| free.min(available))).filter(|bytes| *bytes > 0),
        // Outside of a container the limit is all there is.
        container_limit: of_container.filter(|limit| *limit < total),
    }
}

/// The name of a small board, which has no processor's name.
fn device() -> Option<String> {
    let name = std::fs::read_to_string("/proc/device-tree/model").ok()?;
    let name = name.trim_end_matches('\0').trim().to_owned();
    (!name.is_empty()).then_some(name)
}

fn features() -> Vec<String> {
    let mut found: Vec<&str> = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        let all =
            [("avx2", std::is_x86_feature_detected!("avx2")), ("avx512", std::is_x86_feature_detected!("avx512f"))];
        found.extend(all.into_iter().filter(|(_, has)| *has).map(|(name, _)| name));
        // The compiler's own detection of AMX is not stable yet; Linux names it.
        let listed = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        if listed.lines().take(64).any(|line| line.starts_with("flags") && line.contains(" amx_tile")) {
            found.push("amx");
        }
    }
    #[cfg(target_arch = "aarch64")]
    if std::arch::is_aarch64_feature_detected!("neon") {
        found.push("neon");
    }
    found.into_iter().map(str::to_owned).collect()
}

/// Disks of some size that can be written to.
fn disks() -> Vec<Disk> {
    const WORTH: u64 = 1 << 30;
    let Ok(listed) = Disks::new_with_refreshed_list() else { return Vec::new() };
    let mut disks: Vec<Disk> = listed
        .iter()
        .filter(|disk| !disk.is_read_only() && disk.total_space() > WORTH)
        .map(|disk| Disk {
            mount: disk.mount_point().display().to_string(),
            total: disk.total_space(),
            available: disk.available_space(),
        })
        .collect();
    // One file system may be mounted at many places: the shortest path stands for it.
    disks.sort_by(|one, other| one.mount.len().cmp(&other.mount.len()).then_with(|| one.mount.cmp(&other.mount)));
    let mut kept: Vec<Disk> = Vec::new();
    for disk in disks {
        if !kept.iter().any(|known| (known.total, known.available) == (disk.total, disk.available)) {
            kept.push(disk);
        }
    }
    kept
}

/// Free bytes of the disk that a file is, or will be, on.
#[must_use]
pub fn free_space(path: &Path) -> Option<u64> {
    let path = std::path::absolute(path).ok()?;
    let disks = Disks::new_with_refreshed_list().ok()?;
    let holds = disks.iter().filter(|disk| path.starts_with(disk.mount_point()));
    holds.max_by_key(|disk| disk.mount_point().as_os_str().len()).map(sysinfo::Disk::available_space)
}

fn gpus(cpu: &Cpu, memory: &Memory, sys: &Path, notes: &mut Vec<String>) -> Vec<Gpu> {
    let mut gpus = nvidia::cards(notes);
    gpus.extend(apple::chip(cpu, memory));
    for card in pci::cards(sys) {
        match card.vendor {
            // NVML knows more of these; without it, only that they are there.
            pci::NVIDIA if gpus.is_empty() => {
                let what =
                    "an NVIDIA card is there, and its driver is not loaded or too old: install it to use the card";
                notes.push(what.to_owned());
            }
            pci::AMD => gpus.push(amd::card(&card)),
            pci::INTEL => gpus.push(pci::intel(&card)),
            _ => {}
        }
    }
    notes.dedup();
    gpus
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hardware::snapshot::{Kind, Vendor};

    /// A card as Linux shows it: a folder of small files.
    fn card(sys: &Path, name: &str, files: &[(&str, &str)]) {
        let folder = sys.join("class/drm").join(name).join("device");
        std::fs::create_dir_all(&folder).unwrap();
        for (file, text) in files {
            std::fs::write(folder.join(file), format!("{text}\n")).unwrap();
        }
    }

    fn read(sys: &Path) -> (Vec<Gpu>, Vec<String>) {
        let mut notes = Vec::new();
        let found = gpus(&Cpu::default(), &Memory::default(), sys, &mut notes);
        (found, notes)
    }

    #[test]
    fn cards_are_read_as_linux_lists_them_integrated_ones_told_apart() {
        let sys = tempfile::tempdir().unwrap();
        card(sys.path(), "card0", &[("vendor", "0x8086"), ("device", "0x46a6")]);
        card(
            sys.path(),
            "card1",
            &[
                ("vendor", "0x1002"),
                ("device", "0x744c"),
                ("mem_info_vram_total", "25753026560"),
                ("mem_info_vram_used", "1073741824"),
            ],
        );
        card(sys.path(), "card2", &[("vendor", "0x1002"), ("device", "0x1681"), ("mem_info_vram_total", "536870912")]);
        card(sys.path(), "card3", &[("vendor", "0x8086"), ("device", "0x56a0")]);
        // Outputs of a card, and what is none.
        card(sys.path(), "card1-HDMI-A-1", &[("vendor", "0x1002")]);
        card(sys.path(), "renderD128", &[("vendor", "0x1002")]);
        let (found, _) = read(sys.path());
        let told: Vec<(&str, Kind, Option<u64>)> =
            found.iter().map(|gpu| (gpu.name.as_str(), gpu.kind, gpu.memory_free)).collect();
        assert_eq!(
            told,
            [
                ("Intel graphics", Kind::Integrated, None),
                ("AMD Radeon RX 7900 XTX", Kind::Dedicated, Some(24_679_284_736)),
                ("AMD graphics", Kind::Integrated, None),
                ("Intel Arc", Kind::Dedicated, None),
            ]
        );
    }

    #[test]
    fn a_card_of_nvidia_without_its_driver_is_told() {
        let sys = tempfile::tempdir().unwrap();
        card(sys.path(), "card0", &[("vendor", "0x10de"), ("device", "0x2684")]);
        let (found, notes) = read(sys.path());
        // On a machine that has such a card and its driver, that one is told instead.
        let has_driver = found.iter().any(|gpu| gpu.vendor == Vendor::Nvidia);
        assert!(has_driver || notes.iter().any(|note| note.contains("its driver is not loaded")), "{notes:?}");
    }

    #[test]
    fn files_that_are_odd_or_not_there_are_no_cards() {
        let sys = tempfile::tempdir().unwrap();
        assert!(read(&sys.path().join("nowhere")).0.iter().all(|gpu| gpu.vendor == Vendor::Nvidia));
        card(sys.path(), "card0", &[("vendor", "what")]);
        card(sys.path(), "card1", &[("vendor", "0x1002"), ("mem_info_vram_total", "-5"), ("product_name", " ")]);
        let (found, _) = read(sys.path());
        let amd: Vec<&Gpu> = found.iter().filter(|gpu| gpu.vendor == Vendor::Amd).collect();
        assert_eq!((amd.len(), amd[0].memory_total, amd[0].name.as_str()), (1, None, "AMD graphics"));
    }

    #[test]
    fn a_chip_of_apple_shares_the_machine_s_memory() {
        let cpu = Cpu { name: Some("Apple M3 Max".to_owned()), ..Cpu::default() };
        let memory = Memory { total: Some(64 << 30), available: Some(40 << 30), container_limit: None };
        let gpu = apple::chip(&cpu, &memory).unwrap();
        assert_eq!((gpu.kind, gpu.memory_total), (Kind::Unified, Some(64 << 30)));
        assert!(apple::chip(&Cpu { name: Some("AMD EPYC".to_owned()), ..cpu }, &memory).is_none());
    }

    #[test]
    fn a_machine_has_at_least_a_core_and_some_memory() {
        let snapshot = Snapshot::take();
        assert!(snapshot.cpu.logical_cores >= 1);
        assert!(snapshot.memory.total.is_some_and(|bytes| bytes > 0));
        assert!(snapshot.memory.available <= snapshot.memory.total);
    }
}
