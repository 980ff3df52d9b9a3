//! `xrouter hardware`: what this machine has.

use super::Failure;
use crate::hardware::Snapshot;

/// Show what this machine has.
#[derive(Debug, clap::Args)]
pub(super) struct Hardware {
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Hardware {
    pub(super) fn run(self) -> Result<(), Failure> {
        let snapshot = Snapshot::take();
        if self.json {
            let json = serde_json::to_string_pretty(&snapshot).map_err(|error| Failure::Running(error.into()))?;
            println!("{json}");
            return Ok(());
        }
        println!("processor  {}", snapshot.cpu.as_deref().unwrap_or("unknown"));
        let physical = snapshot.physical_cores.map(|cores| format!(" ({cores} physical)")).unwrap_or_default();
        println!("cores      {}{physical}", snapshot.logical_cores);
        println!("memory     {} GiB, {} GiB available", known(snapshot.memory_total), known(snapshot.memory_available));
        if snapshot.gpus.is_empty() {
            println!("GPU        none found (NVIDIA cards are read through the driver's NVML)");
        }
        for gpu in &snapshot.gpus {
            println!("GPU        {}, {} GiB, {} GiB free", gpu.name, gib(gpu.memory_total), gib(gpu.memory_free));
        }
        Ok(())
    }
}

fn known(bytes: Option<u64>) -> String {
    bytes.map_or("unknown".to_owned(), gib)
}

/// Bytes as GiB with one decimal.
fn gib(bytes: u64) -> String {
    let tenths = bytes / (1 << 30) * 10 + (bytes % (1 << 30)) * 10 / (1 << 30);
    format!("{}.{}", tenths / 10, tenths % 10)
}
