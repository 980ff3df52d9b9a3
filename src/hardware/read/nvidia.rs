//! NVIDIA's cards, by the driver's own library (NVML).

use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;

use crate::hardware::snapshot::{Gpu, Kind, Vendor};

/// The cards; none without a driver. Of a card that fails half-way, what could be read.
pub(super) fn cards(notes: &mut Vec<String>) -> Vec<Gpu> {
    let nvml = match Nvml::init() {
        Ok(nvml) => nvml,
        // Most machines have none of it.
        Err(NvmlError::LibloadingError(_) | NvmlError::LibraryNotFound) => return Vec::new(),
        Err(error) => {
            notes.push(format!("NVIDIA's library answers: {error}"));
            return Vec::new();
        }
    };
    let count = nvml.device_count().unwrap_or_else(|error| {
        notes.push(format!("NVIDIA's cards cannot be counted: {error}"));
        0
    });
    let driver = nvml.sys_driver_version().ok();
    (0..count)
        .filter_map(|index| {
            let device =
                nvml.device_by_index(index).map_err(|error| notes.push(format!("card {index}: {error}"))).ok()?;
            let memory =
                device.memory_info().map_err(|error| notes.push(format!("memory of card {index}: {error}"))).ok();
            let capability = device.cuda_compute_capability().ok();
            Some(Gpu {
                vendor: Vendor::Nvidia,
                name: device.name().unwrap_or_else(|_| "an NVIDIA card".to_owned()),
                kind: Kind::Dedicated,
                memory_total: memory.as_ref().map(|memory| memory.total),
                memory_free: memory.as_ref().map(|memory| memory.free),
                compute_capability: capability
                    .and_then(|version| u32::try_from(version.major * 10 + version.minor).ok()),
                driver: driver.clone(),
            })
        })
        .collect()
}
