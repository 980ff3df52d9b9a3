//! What this machine has: one snapshot, read once.
//!
//! Enters: what the system and the NVIDIA driver tell. Leaves: a [`Snapshot`]. A reading that is not
//! to be had is `None` or an empty list, never an error. Read this file first.

use nvml_wrapper::Nvml;
use serde::Serialize;
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

/// The machine at one moment. Sizes are in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// The processor's name.
    pub cpu: Option<String>,
    /// Cores that the scheduler sees.
    pub logical_cores: usize,
    /// Physical cores, if known.
    pub physical_cores: Option<usize>,
    /// Memory of the machine, or what a container may have of it.
    pub memory_total: Option<u64>,
    /// Memory that is free to use now.
    pub memory_available: Option<u64>,
    /// Graphics cards, each with its own memory.
    pub gpus: Vec<Gpu>,
}

/// One graphics card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gpu {
    /// Its name.
    pub name: String,
    /// Its memory.
    pub memory_total: u64,
    /// The free part of it.
    pub memory_free: u64,
}

impl Snapshot {
    /// Reads the machine.
    #[must_use]
    pub fn take() -> Self {
        let what = RefreshKind::nothing()
            .with_cpu(CpuRefreshKind::nothing())
            .with_memory(MemoryRefreshKind::nothing().with_ram());
        let system = System::new_with_specifics(what).ok();
        let limit = system.as_ref().and_then(System::cgroup_limits);
        let memory = |of_machine: Option<u64>, of_container: Option<u64>| match (of_machine, of_container) {
            (Some(machine), Some(container)) => Some(machine.min(container)),
            (machine, container) => machine.or(container),
        };
        let cpu = system.as_ref().and_then(|system| system.cpus().first()).map(|cpu| cpu.brand().trim().to_owned());
        Snapshot {
            cpu: cpu.filter(|name| !name.is_empty()),
            logical_cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            physical_cores: System::physical_core_count().ok(),
            memory_total: memory(
                system.as_ref().map(System::total_memory),
                limit.as_ref().map(|limit| limit.total_memory),
            ),
            memory_available: memory(
                system.as_ref().map(System::available_memory),
                limit.as_ref().map(|limit| limit.free_memory),
            ),
            gpus: nvidia(),
        }
    }
}

/// NVIDIA cards by NVML; none without a driver. A card that fails half-way is left out.
fn nvidia() -> Vec<Gpu> {
    let Ok(nvml) = Nvml::init() else { return Vec::new() };
    let count = nvml.device_count().unwrap_or(0);
    (0..count)
        .filter_map(|index| {
            let device = nvml.device_by_index(index).ok()?;
            let memory = device.memory_info().ok()?;
            Some(Gpu { name: device.name().ok()?, memory_total: memory.total, memory_free: memory.free })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_at_least_a_core_and_some_memory() {
        let snapshot = Snapshot::take();
        assert!(snapshot.logical_cores >= 1);
        assert!(snapshot.memory_total.is_some_and(|bytes| bytes > 0));
        assert!(snapshot.memory_available <= snapshot.memory_total);
    }
}
