//! `xrouter hardware`: what this machine has, and what suits it.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use console::style;

use super::{Failure, bench};
use crate::hardware::{Advice, Fit, Gpu, Kind, Snapshot, Speed, advise, gib};

/// Show what this machine has, and which local engine and models suit it
#[derive(Debug, clap::Args)]
pub(super) struct Hardware {
    /// As JSON
    #[arg(long)]
    json: bool,
    /// Advise for a machine that was recorded with --json, instead of this one
    #[arg(long, value_name = "FILE")]
    snapshot: Option<PathBuf>,
    /// Measure a local engine that runs at this address: speed, tools, JSON, and how well it classifies
    #[arg(long, value_name = "URL", conflicts_with = "snapshot")]
    bench: Option<String>,
    /// With --bench: the model [default: the first that it lists]
    #[arg(long, requires = "bench")]
    model: Option<String>,
    /// With --bench: variable that holds its key
    #[arg(long, value_name = "NAME", requires = "bench")]
    key_env: Option<String>,
}

impl Hardware {
    pub(super) async fn run(self) -> Result<(), Failure> {
        if let Some(url) = &self.bench {
            return bench::run(url, self.model.as_deref(), self.key_env.as_deref(), self.json).await;
        }
        let snapshot = match &self.snapshot {
            Some(file) => recorded(file)?,
            None => Snapshot::take(),
        };
        let advice = advise(&snapshot);
        if self.json {
            let json = serde_json::json!({ "snapshot": snapshot, "advice": advice });
            println!("{json:#}");
            return Ok(());
        }
        for (name, text) in lines(&snapshot) {
            println!("{:<11}{text}", style(name).dim());
        }
        println!();
        print(&advice);
        Ok(())
    }
}

/// A snapshot as `--json` wrote it, with or without the advice around it.
fn recorded(file: &std::path::Path) -> Result<Snapshot, Failure> {
    let read = || -> anyhow::Result<Snapshot> {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let json: serde_json::Value = serde_json::from_str(&text).context("it is no JSON")?;
        let snapshot = json.get("snapshot").unwrap_or(&json).clone();
        serde_json::from_value(snapshot).map_err(|error| anyhow!("{} is no snapshot: {error}", file.display()))
    };
    read().map_err(Failure::Usage)
}

/// What a machine has, a line each: a name and a text.
pub(super) fn lines(snapshot: &Snapshot) -> Vec<(&'static str, String)> {
    let cpu = &snapshot.cpu;
    let physical = cpu.physical_cores.map(|cores| format!(" ({cores} physical)")).unwrap_or_default();
    let features = if cpu.features.is_empty() { String::new() } else { format!(", {}", cpu.features.join(", ")) };
    let known = |bytes: Option<u64>| bytes.map_or("unknown".to_owned(), |bytes| format!("{} GiB", gib(bytes)));
    let memory = &snapshot.memory;
    let mut lines = vec![
        ("system", format!("{} on {}", snapshot.os, snapshot.arch)),
        ("processor", cpu.name.clone().unwrap_or_else(|| "unknown".to_owned())),
        ("cores", format!("{}{physical}{features}", cpu.logical_cores)),
        ("memory", format!("{}, {} available", known(memory.total), known(memory.available))),
    ];
    if let Some(limit) = memory.container_limit {
        lines.push(("container", format!("at most {} GiB of it", gib(limit))));
    }
    lines.extend(
        snapshot
            .disks
            .iter()
            .map(|disk| ("disk", format!("{}: {} GiB, {} GiB free", disk.mount, gib(disk.total), gib(disk.available)))),
    );
    lines.extend(snapshot.gpus.iter().map(|gpu| ("GPU", card(gpu))));
    if snapshot.gpus.is_empty() {
        lines.push(("GPU", "none found".to_owned()));
    }
    lines.extend(snapshot.notes.iter().map(|note| ("note", note.clone())));
    lines
}

fn card(gpu: &Gpu) -> String {
    let mut parts = vec![gpu.name.clone()];
    parts.push(
        match gpu.kind {
            Kind::Dedicated => "dedicated",
            Kind::Integrated => "integrated",
            Kind::Unified => "shares the machine's memory",
        }
        .to_owned(),
    );
    if gpu.kind != Kind::Unified {
        parts.push(match (gpu.memory_total, gpu.memory_free) {
            (Some(total), Some(free)) => format!("{} GiB, {} GiB free", gib(total), gib(free)),
            (Some(total), None) => format!("{} GiB", gib(total)),
            (None, _) => "memory unknown".to_owned(),
        });
    }
    parts.extend(gpu.compute_capability.map(|version| format!("compute capability {}.{}", version / 10, version % 10)));
    parts.extend(gpu.driver.as_ref().map(|driver| format!("driver {driver}")));
    parts.join(", ")
}

fn print(advice: &Advice) {
    println!("{} {}: {}", style("engine").bold(), style(advice.engine.as_str()).green().bold(), advice.reason);
    println!("room for a model in {}: {} GiB", advice.place, gib(advice.budget));
    if !advice.fits.is_empty() {
        println!("\n{} with {} tokens of context", style("models that fit").bold(), advice.context);
        println!(
            "  {:<16} {:>6} {:>9} {:>9} {:>9} {:>9}  speed (an estimate)",
            "", "form", "weights", "context", "engine", "sum/GiB"
        );
        for (at, fit) in advice.fits.iter().enumerate() {
            let line = row(fit);
            let is_first = advice.recommended == Some(at);
            println!("{} {}", if is_first { style("→").green().to_string() } else { " ".to_owned() }, line);
        }
    }
    for note in &advice.notes {
        println!("{} {note}", style("note").yellow());
    }
    if advice.steps.is_empty() {
        return;
    }
    println!("\n{}", style("to begin").bold());
    for step in &advice.steps {
        println!("  {:<8} {}", step.what, style(&step.command).cyan());
    }
    println!("\n{}", style("and in xrouter.toml").bold());
    for line in advice.toml.lines() {
        println!("  {line}");
    }
}

fn row(fit: &Fit) -> String {
    let speed = match fit.speed {
        Speed::Fast => style(fit.speed.as_str()).green(),
        Speed::Fair => style(fit.speed.as_str()),
        Speed::Slow | Speed::TooSlow => style(fit.speed.as_str()).yellow(),
    };
    format!(
        "{:<16} {:>6} {:>9} {:>9} {:>9} {:>9}  {speed}, about {} tokens/s",
        fit.name,
        fit.format,
        gib(fit.weights),
        gib(fit.kv_cache),
        gib(fit.overhead),
        gib(fit.needed),
        fit.tokens_per_second
    )
}
