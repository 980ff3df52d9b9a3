//! What a machine has, as it is recorded: advice is a function of this alone.

use serde::{Deserialize, Serialize};

/// The machine at one moment. Sizes are in bytes; what could not be read is `None`, or an empty list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// `linux`, `macos` or `windows`.
    pub os: String,
    /// `x86_64`, `aarch64` and the like.
    pub arch: String,
    /// Its processor.
    pub cpu: Cpu,
    /// Its memory.
    pub memory: Memory,
    /// Its disks.
    #[serde(default)]
    pub disks: Vec<Disk>,
    /// Its graphics processors, each with its own memory.
    #[serde(default)]
    pub gpus: Vec<Gpu>,
    /// What could not be read, a sentence each.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// A processor.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cpu {
    /// Its name.
    pub name: Option<String>,
    /// Cores that the scheduler sees.
    pub logical_cores: usize,
    /// Physical cores.
    pub physical_cores: Option<usize>,
    /// Of `avx2`, `avx512`, `amx` and `neon` those that it has.
    #[serde(default)]
    pub features: Vec<String>,
}

/// Memory of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Memory {
    /// All of it.
    pub total: Option<u64>,
    /// What is free to use now.
    pub available: Option<u64>,
    /// What the container may use, where this is one with a limit.
    pub container_limit: Option<u64>,
}

impl Memory {
    /// What a program may use at most.
    #[must_use]
    pub fn usable(&self) -> Option<u64> {
        match (self.total, self.container_limit) {
            (Some(total), Some(limit)) => Some(total.min(limit)),
            (total, limit) => total.or(limit),
        }
    }
}

/// A disk that files can be put on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// Where it is mounted.
    pub mount: String,
    /// Its size.
    pub total: u64,
    /// What is free of it.
    pub available: u64,
}

/// Who made a graphics processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Vendor {
    /// NVIDIA.
    Nvidia,
    /// AMD.
    Amd,
    /// Intel.
    Intel,
    /// Apple.
    Apple,
}

/// How a graphics processor has its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A card with memory of its own.
    Dedicated,
    /// Part of the processor; it takes a share of the machine's memory.
    Integrated,
    /// The machine's memory is its own.
    Unified,
}

/// A graphics processor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gpu {
    /// Who made it.
    pub vendor: Vendor,
    /// Its name.
    pub name: String,
    /// How it has its memory.
    pub kind: Kind,
    /// Its own memory.
    pub memory_total: Option<u64>,
    /// The free part of it.
    pub memory_free: Option<u64>,
    /// What NVIDIA calls compute capability, as 86 for 8.6.
    pub compute_capability: Option<u32>,
    /// The driver's version.
    pub driver: Option<String>,
}
