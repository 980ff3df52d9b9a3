//! Apple's chips: the graphics part uses the machine's memory.

use crate::hardware::snapshot::{Cpu, Gpu, Kind, Memory, Vendor};

/// The chip's graphics part, if this is such a machine.
pub(super) fn chip(cpu: &Cpu, memory: &Memory) -> Option<Gpu> {
    let name = cpu.name.as_deref().filter(|name| name.starts_with("Apple "))?;
    Some(Gpu {
        vendor: Vendor::Apple,
        name: name.to_owned(),
        kind: Kind::Unified,
        memory_total: memory.total,
        memory_free: memory.available,
        compute_capability: None,
        driver: None,
    })
}
