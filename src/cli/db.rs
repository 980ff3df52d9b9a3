//! `xrouter db stats | prune | backup`: care for the history's file.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::time::Instant;

use clap::Subcommand;
use console::style;

use super::{Failure, HistoryFile};
use crate::store;

/// Care for the history's file.
#[derive(Debug, clap::Args)]
pub(super) struct Db {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show what the file holds and how large it is
    Stats {
        #[command(flatten)]
        history: HistoryFile,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove what is too old now, as the router does by itself, and give the space back
    Prune {
        #[command(flatten)]
        history: HistoryFile,
        /// Days of rows to keep [default: `store.keep_days`]
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..))]
        keep_days: Option<u32>,
    },
    /// Write a copy of the file as it is at this moment
    Backup {
        /// The copy; it must not exist yet
        copy: PathBuf,
        #[command(flatten)]
        history: HistoryFile,
    },
    /// Fill a history with made-up requests, for benchmarks and pictures
    #[command(hide = true)]
    Seed {
        /// Requests
        #[arg(long)]
        rows: u64,
        /// The last so many days
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: u32,
        #[command(flatten)]
        history: HistoryFile,
    },
}

impl Db {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self.action {
            Action::Stats { history, json } => stats(&history, json).await,
            Action::Prune { history, keep_days } => prune(&history, keep_days).await,
            Action::Backup { copy, history } => backup(&history, &copy).await,
            Action::Seed { rows, days, history } => seed(&history, rows, days).await,
        }
    }
}

async fn stats(history: &HistoryFile, json: bool) -> Result<(), Failure> {
    let (config, path) = history.find()?;
    let stats = store::stats(&path).await?;
    if json {
        let time = |time: Option<crate::protocol::Timestamp>| time.map(|time| time.to_string());
        println!(
            "{:#}",
            serde_json::json!({
                "path": stats.path, "bytes": stats.bytes, "wal_bytes": stats.wal_bytes,
                "journal_bytes": stats.journal_bytes, "free_bytes": stats.free_bytes, "requests": stats.requests,
                "rows": stats.rows, "oldest": time(stats.oldest), "newest": time(stats.newest),
                "sessions": stats.sessions, "in_flight": stats.in_flight, "hours": stats.hours, "schema": stats.schema,
            })
        );
        return Ok(());
    }
    println!("{}", style(stats.path.display()).bold());
    let line = |name: &str, text: String| println!("  {name:<10}  {text}");
    let wal = format!("{} of write-ahead log", bytes(stats.wal_bytes));
    line("size", format!("{}, {} of it free, and {wal}", bytes(stats.bytes), bytes(stats.free_bytes.unsigned_abs())));
    if stats.journal_bytes > 0 {
        line(
            "journal",
            format!("{} that the next start or the router that runs brings in", bytes(stats.journal_bytes)),
        );
    }
    line("requests", format!("{}, of which {} rows are kept", stats.requests, stats.rows));
    if let (Some(oldest), Some(newest)) = (stats.oldest, stats.newest) {
        line("rows", format!("from {oldest} to {newest}"));
    }
    line("under way", stats.in_flight.to_string());
    line("sessions", stats.sessions.to_string());
    line("sums", format!("{} groups by hour and by day", stats.hours));
    let keep = if config.keep_days == 0 { "for ever".to_owned() } else { format!("for {} days", config.keep_days) };
    line("kept", format!("rows {keep}, sums by minute for {} days, others for ever", config.keep_minute_rollups_days));
    line("schema", stats.schema.to_string());
    Ok(())
}

async fn prune(history: &HistoryFile, keep_days: Option<u32>) -> Result<(), Failure> {
    let (config, path) = history.find()?;
    let days = keep_days.unwrap_or(config.keep_days);
    let shown = std::io::stderr().is_terminal();
    let pruned = store::prune(&path, days, config.keep_minute_rollups_days, |so_far| {
        if shown {
            eprint!("\r{} rows, {} pages …", so_far.rows, so_far.pages);
            let _ = std::io::stderr().flush();
        }
    })
    .await?;
    if shown {
        eprint!("\r\u{1b}[K");
    }
    println!(
        "removed {} rows, {} sums by minute and {} sessions; gave {} back",
        pruned.rows,
        pruned.minutes,
        pruned.sessions,
        bytes(pruned.pages * 4_096)
    );
    Ok(())
}

async fn backup(history: &HistoryFile, copy: &std::path::Path) -> Result<(), Failure> {
    let (_, path) = history.find()?;
    store::backup(&path, copy).await?;
    let size = std::fs::metadata(copy).map_or(0, |file| file.len());
    println!("{} {} ({})", style("✓").green().bold(), copy.display(), bytes(size));
    Ok(())
}

async fn seed(history: &HistoryFile, rows: u64, days: u32) -> Result<(), Failure> {
    let (config, path) = history.find()?;
    let begun = Instant::now();
    let shown = std::io::stderr().is_terminal();
    store::seed(&path, rows, days, config.keep_minute_rollups_days, |written| {
        if shown {
            eprint!("\r{written} rows …");
        }
    })
    .await?;
    if shown {
        eprint!("\r\u{1b}[K");
    }
    let seconds = begun.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate is shown in whole rows")]
    let rate = rows as f64 / seconds;
    println!("{rows} rows over {days} days in {seconds:.1} s: {rate:.0} rows/s");
    Ok(())
}

/// 1.5 GB.
#[expect(clippy::cast_precision_loss, reason = "sizes are shown with one decimal")]
fn bytes(count: u64) -> String {
    let units = ["B", "KB", "MB", "GB", "TB"];
    let mut figure = count as f64;
    let mut unit = 0;
    while figure >= 1_000.0 && unit + 1 < units.len() {
        figure /= 1_000.0;
        unit += 1;
    }
    if unit == 0 { format!("{count} B") } else { format!("{figure:.1} {}", units[unit]) }
}
