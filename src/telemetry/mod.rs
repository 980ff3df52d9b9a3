//! The log, metrics and traces.
//!
//! Enters: the `[log]` table, and what happens (`events.rs`). Leaves: lines, each with the id of its request, and figures
//! for Prometheus. Bodies of requests, prompts and keys are never logged, by anybody; of an upstream's error, its text is.
//! Read `events.rs` first.

pub mod events;
mod family;
mod metrics;
mod names;
pub mod spans;

use std::path::Path;

use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config;

pub use metrics::Metrics;
pub use names::provider_name;

/// Starts the log on standard error, and in a file a day if that is wanted.
///
/// # Errors
/// The folder of the log files cannot be made.
pub fn start(config: &config::Log, folder: &Path, colours: bool) -> std::io::Result<Option<WorkerGuard>> {
    let filter = EnvFilter::try_new(&config.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let screen = fmt::layer().with_writer(std::io::stderr).with_ansi(colours).with_target(false);
    let (file, guard) = if config.to_file {
        let folder = folder.join(&config.dir);
        std::fs::create_dir_all(&folder)?;
        let (writer, guard) = tracing_appender::non_blocking(tracing_appender::rolling::daily(folder, "xrouter.log"));
        (Some(fmt::layer().json().with_writer(writer)), Some(guard))
    } else {
        (None, None)
    };
    // One filter for both: a filter of each layer is asked again at every step of a request's span.
    // A second start, as in tests, keeps the first log.
    let _ = tracing_subscriber::registry().with(filter).with(screen).with(file).try_init();
    Ok(guard)
}
