//! `xrouter demo`: the whole thing on a fresh machine, with simulated upstreams and real sockets.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow};
use bytes::Bytes;
use console::style;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use tokio_util::sync::CancellationToken;

use super::signal::{self, Signal};
use super::{Failure, load};
use crate::app::{App, AppError};
use crate::catalog::{NanoUsd, Provider, Source, Tier};
use crate::config::Sources;
use crate::providers::Client;
use crate::simulator::{Profile, Prompt, Simulator, Voice, prompts};
use crate::store::{Row, Store, milliseconds};
use crate::telemetry;

/// Pause between two requests, so that the table can be read as it grows.
const PAUSE: Duration = Duration::from_millis(150);

/// Show the whole thing at work, with simulated upstreams; needs no key.
#[derive(Debug, clap::Args)]
pub(super) struct Demo {
    /// Port to serve on [default: 3000, or a free one if that is taken]
    #[arg(long)]
    port: Option<u16>,
    /// Example requests to send before it only serves
    #[arg(long, value_name = "N", default_value_t = 24)]
    requests: usize,
    /// End after so many seconds
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// Keep the history in this file instead of a temporary one
    #[arg(long, value_name = "FILE")]
    db: Option<PathBuf>,
}

/// A history that is removed when the demo ends.
struct TemporaryFile(PathBuf);

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        for suffix in ["", "-wal", "-shm", ".lock"] {
            let mut path = self.0.clone().into_os_string();
            path.push(suffix);
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Demo {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let temporary = self
            .db
            .is_none()
            .then(|| TemporaryFile(std::env::temp_dir().join(format!("xrouter-demo-{}.db", std::process::id()))));
        let working = std::env::current_dir()?;
        let db = match (&self.db, &temporary) {
            (Some(db), _) => working.join(db),
            (None, Some(file)) => file.0.clone(),
            (None, None) => return Err(Failure::Running(anyhow!("there is no place for the history"))),
        };
        let [cheap, medium, frontier] = profiles();
        let simulators =
            [Simulator::start(cheap).await?, Simulator::start(medium).await?, Simulator::start(frontier).await?];
        let app = self.open(&simulators, &db).await?;
        let store = app.store.clone();
        let url = format!("http://{}", app.address);
        let stop = CancellationToken::new();
        let signalled = signal::wait(stop.clone());
        println!(
            "{} demo: router, three simulated upstreams (OpenAI, Gemini, Anthropic), no key needed",
            style("xrouter").bold()
        );
        println!("  listening   {}", style(&url).bold());
        println!("  dashboard   {}", style(format!("{url}/dashboard")).cyan().bold());
        println!();

        let serving = tokio::spawn(app.serve(stop.clone(), Duration::from_secs(1)));
        let signalled = tokio::spawn(signalled);
        if let Some(seconds) = self.seconds {
            let stop = stop.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                stop.cancel();
            });
        }
        let showing = async {
            if self.requests > 0 {
                show(&url, &store, self.requests).await?;
            }
            farewell(&url, self.seconds.is_none());
            Ok::<(), anyhow::Error>(())
        };
        let shown = tokio::select! {
            shown = showing => shown,
            () = stop.cancelled() => Ok(()),
        };
        if shown.is_err() {
            stop.cancel();
        }
        stop.cancelled().await;
        let served = serving.await.context("the server broke off").map_err(Failure::Running)?;
        let signal = signalled.await.ok().flatten();
        drop(temporary);
        shown.map_err(Failure::Running)?;
        served?;
        if signal == Some(Signal::Interrupt) { Err(Failure::Interrupted) } else { Ok(()) }
    }

    async fn open(&self, simulators: &[Simulator; 3], db: &Path) -> Result<App, Failure> {
        let port = self.port.unwrap_or(3000);
        match open(simulators, db, port).await {
            // Nobody asked for 3000 in particular.
            Err(Failure::Running(error)) if self.port.is_none() && is_taken(&error) => open(simulators, db, 0).await,
            other => other,
        }
    }
}

fn is_taken(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(AppError::Listen { .. }))
}

/// A fast local model, a cloud model, and a frontier model that thinks: in three dialects.
fn profiles() -> [Profile; 3] {
    let profile = |provider, model: &str, first_ms, per_us, reasoning_percent| Profile {
        voice: Voice::Of(provider),
        model: model.to_owned(),
        api_key: None,
        first_token: Duration::from_millis(first_ms),
        per_token: Duration::from_micros(per_us),
        reasoning_percent,
    };
    [
        profile(Provider::OpenaiCompatible, "local-8b", 40, 3_000, 0),
        profile(Provider::Gemini, "cloud-120b", 180, 2_000, 0),
        profile(Provider::Anthropic, "frontier-1", 420, 5_000, 60),
    ]
}

async fn open(simulators: &[Simulator; 3], db: &Path, port: u16) -> Result<App, Failure> {
    let [cheap, medium, frontier] = simulators.each_ref().map(Simulator::base_url);
    let store = toml::Value::from(format!("sqlite://{}", db.display()));
    // Prices are in the range of real ones; a local model costs its electricity, which is written as 0.
    let text = format!(
        r#"
[server]
host = "127.0.0.1"
port = {port}
[store]
url = {store}
[log]
level = "warn"
[tiers.cheap]
provider = "openai_compatible"
base_url = "{cheap}"
model = "local-8b"
name = "local"
price = {{ input = 0.0, output = 0.0, cache_read = 0.0, cache_write = 0.0 }}
[tiers.medium]
provider = "gemini"
base_url = "{medium}"
model = "cloud-120b"
name = "cloud"
local = false
price = {{ input = 0.15, output = 0.6, cache_read = 0.075, cache_write = 0.15 }}
[tiers.frontier]
provider = "anthropic"
base_url = "{frontier}"
model = "frontier-1"
name = "frontier"
local = false
price = {{ input = 2.0, output = 10.0, cache_read = 0.2, cache_write = 2.5 }}
"#
    );
    let loaded = load(&Sources::from_toml(text))?;
    let _log = telemetry::start(&loaded.config.log, Path::new("."), console::colors_enabled_stderr())?;
    Ok(App::open(&loaded).await?)
}

/// Sends the example requests and prints a line for each.
async fn show(url: &str, store: &Store, requests: usize) -> anyhow::Result<()> {
    let client = Client::new([(Duration::from_secs(5), true)])?;
    let width = usize::from(console::Term::stdout().size().1).clamp(80, 140);
    let prompt_width = width - 60;
    println!(
        "{}",
        style(format!(
            "{:<prompt_width$}  {:<9}{:<9}{:>8}  {:>7}  {:>9}  {:>9}",
            "request", "tier", "by", "took", "in+out", "cost", "so far"
        ))
        .dim()
    );
    let mut so_far = NanoUsd(0);
    for prompt in prompts().iter().cycle().take(requests) {
        let id = crate::protocol::RequestId::fresh();
        send(&client, url, prompt, id.as_str()).await?;
        store.flush().await;
        let newest = store.newest(20).await?;
        let row = newest.into_iter().find(|row| row.request_id == id.as_str());
        let row = row.ok_or_else(|| anyhow!("the request is not in the history"))?;
        so_far.0 += row.cost.map_or(0, |cost| cost.0);
        print_line(prompt, &row, so_far, prompt_width);
        tokio::time::sleep(PAUSE).await;
    }
    let cost: i64 = so_far.0;
    let saved = store.usage_by_tier(crate::store::Period::default()).await?.figures.total.saved.0;
    println!();
    println!(
        "{} requests cost ${:.6}; the same tokens on the frontier tier alone: ${:.6}, so {} saved",
        requests,
        NanoUsd(cost).as_usd(),
        NanoUsd(cost + saved).as_usd(),
        style(format!("${:.6}", NanoUsd(saved).as_usd())).green().bold(),
    );
    Ok(())
}

async fn send(client: &Client, url: &str, prompt: &Prompt, id: &str) -> anyhow::Result<()> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("x-request-id", HeaderValue::try_from(id)?);
    let body = Bytes::from(prompt.body().to_string());
    let url = format!("{url}/v1/chat/completions").parse()?;
    let mut reply = client.post((Duration::from_secs(5), true), Provider::Xrouter, &url, headers, body).await?;
    while reply.chunk().await?.is_some() {}
    Ok(())
}

fn print_line(prompt: &Prompt, row: &Row, so_far: NanoUsd, prompt_width: usize) {
    let mark = if prompt.tools {
        "⚒ "
    } else if prompt.stream {
        "≋ "
    } else {
        ""
    };
    let text = format!("{mark}{}", prompt.text);
    let text = console::truncate_str(&text, prompt_width, "…");
    let text = console::pad_str(&text, prompt_width, console::Alignment::Left, None);
    let tier = format!("{:<9}", row.tier.map_or("none", Tier::as_str));
    let painted = match row.tier {
        Some(Tier::Cheap) => style(tier).green(),
        Some(Tier::Medium) => style(tier).blue(),
        Some(Tier::Frontier) => style(tier).magenta(),
        None => style(tier).red(),
    };
    let tokens = |count: Option<u64>| count.map_or("?".to_owned(), |count| count.to_string());
    let cost = row.cost.map_or("unknown".to_owned(), |cost| format!("${:.6}", cost.as_usd()));
    println!(
        "{text}  {painted}{:<9}{:>5.0} ms  {:>7}  {cost:>9}  {:>9}",
        row.source.map_or("", Source::as_str),
        row.duration_us.map(milliseconds).unwrap_or_default(),
        format!("{}+{}", tokens(row.usage.input_tokens), tokens(row.usage.output_tokens)),
        format!("${:.6}", so_far.as_usd()),
    );
}

fn farewell(url: &str, until_stopped: bool) {
    println!();
    println!("Open {} and watch the figures fill up while you try:", style(format!("{url}/dashboard")).cyan().bold());
    println!();
    println!("  curl -i {url}/v1/chat/completions -H 'Content-Type: application/json' \\");
    println!("    -d '{{\"model\":\"auto\",\"messages\":[{{\"role\":\"user\",\"content\":\"Good morning!\"}}]}}'");
    println!("  curl {url}/usage");
    println!();
    println!("The marks: ≋ streamed, ⚒ with tools. Decided before: the source is `cache`.");
    if until_stopped {
        println!("Ctrl-C ends it.");
    }
}
