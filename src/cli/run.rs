//! `xrouter run`: serve.

use anyhow::anyhow;
use console::style;
use tokio_util::sync::CancellationToken;

use super::signal::{self, Signal};
use super::{ConfigFile, Failure, load};
use crate::app::{App, DRAIN};
use crate::catalog::{Catalog, Tier};
use crate::config::{ClassifierKind, Loaded, Sources};
use crate::telemetry;

/// Serve.
#[derive(Debug, clap::Args)]
pub(super) struct Run {
    #[command(flatten)]
    file: ConfigFile,
}

impl Run {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let sources = self.file.sources()?;
        if sources.is_empty() {
            return Err(Failure::Usage(unconfigured()));
        }
        let loaded = load(&sources)?;
        let folder =
            sources.config_file.as_deref().and_then(std::path::Path::parent).unwrap_or(&sources.working_folder);
        let _log = telemetry::start(&loaded.config.log, folder, console::colors_enabled_stderr())?;
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }
        let app = App::open(&loaded).await?;
        let stop = CancellationToken::new();
        let signalled = signal::wait(stop.clone());
        announce(&app, &loaded, &sources);
        let (served, signal) = tokio::join!(app.serve(stop.clone(), DRAIN), signalled);
        served?;
        if signal == Some(Signal::Interrupt) { Err(Failure::Interrupted) } else { Ok(()) }
    }
}

/// What `run` says where nothing is configured.
fn unconfigured() -> anyhow::Error {
    anyhow!(
        "there is no configuration: no -c FILE, no ./xrouter.toml, none in the user's configuration folder, and no \
         variable such as FRONTIER_BASE_URL is set\n\
         `xrouter demo` shows the router at work with simulated upstreams, without any key\n\
         `xrouter init` writes an xrouter.toml, question by question\n\
         xrouter.toml.example lists every key"
    )
}

fn announce(app: &App, loaded: &Loaded, sources: &Sources) {
    let config = &loaded.config;
    let host =
        if app.address.ip().is_unspecified() { "127.0.0.1".to_owned() } else { config.server.bind_host().to_owned() };
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let url = format!("http://{host}:{}", app.address.port());
    let from = sources.config_file.as_ref().map_or("the environment".to_owned(), |file| file.display().to_string());
    println!(
        "{} {} listens on {} ({from})",
        style("xrouter").bold(),
        env!("CARGO_PKG_VERSION"),
        style(app.address).bold()
    );
    let kind = match config.classifier.effective_kind() {
        ClassifierKind::Embedded => "embedded".to_owned(),
        ClassifierKind::Off => "off: everything goes to the frontier tier".to_owned(),
        other => {
            let model = loaded.upstreams.classifier.as_ref().map_or("", |endpoint| endpoint.model.as_str());
            format!("{} ({model})", if other == ClassifierKind::Llm { "llm" } else { "cascade" })
        }
    };
    println!("  classifier  {kind}");
    for tier in Tier::ALL {
        for upstream in loaded.upstreams.of(tier) {
            let local = if upstream.local { ", local" } else { "" };
            println!("  {:<10}  {} at {}{local}", tier.as_str(), upstream.name, upstream.endpoint.root());
        }
    }
    println!("  history     {}", app.store.path().display());
    println!("  prices      of {}", Catalog::embedded().read_on());
    println!("  dashboard   {}", style(format!("{url}/dashboard")).cyan());
}
