//! `xrouter doctor`: whether everything that the configuration names works, a line each, with what fixes it.

use std::path::Path;
use std::time::{Duration, Instant};

use console::style;
use futures_util::future::join_all;

use super::reach::{LIMIT, client, explain};
use super::{ConfigFile, Failure};
use crate::app;
use crate::catalog::{Catalog, Judge};
use crate::config::{ClassifierKind, Loaded, Sources, Upstream};
use crate::protocol::nearest_word;
use crate::providers::{Client, ProviderError, Target, probe};
use crate::routing::Input;
use crate::store::Store;

/// Check the configuration and everything that it names: ports, upstreams, classifier, Redis, history
#[derive(Debug, clap::Args)]
pub(super) struct Doctor {
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    file: ConfigFile,
}

/// Widest column of names.
const WIDEST: usize = 44;

/// What came of one check.
#[derive(Debug, serde::Serialize)]
struct Finding {
    /// What was checked.
    check: String,
    ok: bool,
    /// What was found.
    message: String,
    /// What fixes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

fn good(check: impl Into<String>, message: impl Into<String>) -> Finding {
    Finding { check: check.into(), ok: true, message: message.into(), fix: None }
}

fn bad(check: impl Into<String>, message: impl Into<String>, fix: impl Into<String>) -> Finding {
    Finding { check: check.into(), ok: false, message: message.into(), fix: Some(fix.into()) }
}

impl Doctor {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let mut findings = Vec::new();
        match self.file.sources() {
            Ok(sources) => look(&sources, &mut findings).await,
            Err(failure) => {
                findings.push(bad("configuration", failure.to_string(), "name a file that can be read, with -c"));
            }
        }
        let failed = findings.iter().filter(|finding| !finding.ok).count();
        if self.json {
            println!("{:#}", serde_json::json!({ "ok": failed == 0, "checks": findings }));
        } else {
            let width = findings.iter().map(|finding| finding.check.chars().count()).max().unwrap_or(0).min(WIDEST);
            for finding in &findings {
                print(finding, width);
            }
            println!();
            match failed {
                0 => println!("{}", style("all is well").green().bold()),
                1 => println!("{}", style("one thing is to be fixed").red().bold()),
                more => println!("{}", style(format!("{more} things are to be fixed")).red().bold()),
            }
        }
        if failed == 0 { Ok(()) } else { Err(Failure::Told) }
    }
}

fn print(finding: &Finding, width: usize) {
    let mark = if finding.ok { style("✓").green() } else { style("✗").red().bold() };
    let mut lines = finding.message.lines();
    println!("{mark} {:<width$} {}", finding.check, lines.next().unwrap_or_default());
    lines.for_each(|line| println!("  {:<width$} {line}", ""));
    if let Some(fix) = &finding.fix {
        println!("  {:<width$} {}", "", style(fix).yellow());
    }
}

async fn look(sources: &Sources, findings: &mut Vec<Finding>) {
    if sources.is_empty() {
        findings.push(bad("configuration", "there is none", "`xrouter init` writes one"));
        return;
    }
    let loaded = match crate::config::load(sources) {
        Ok(loaded) => loaded,
        Err(error) => {
            findings.push(bad(
                "configuration",
                error.to_string(),
                "`xrouter config check` tells each problem with its line",
            ));
            return;
        }
    };
    let file = sources.config_file.as_ref().filter(|_| sources.config_text.is_some());
    let from = file.map_or("the environment".to_owned(), |file| file.display().to_string());
    findings.push(good("configuration", format!("{from}: {} upstreams", loaded.upstreams.called().count())));
    findings.extend(loaded.warnings.iter().map(|warning| good("warning", warning)));
    permissions(sources, findings);
    findings.push(port(&loaded).await);
    upstreams(&loaded, findings).await;
    findings.push(classifier(&loaded).await);
    if let Some(url) = &loaded.config.cache.redis_url {
        findings.push(redis(url.expose()).await);
    }
    findings.push(history(&loaded).await);
}

/// Files that hold keys are their owner's alone.
fn permissions(sources: &Sources, findings: &mut Vec<Finding>) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let config = sources.config_file.as_ref().zip(sources.config_text.as_ref());
        // A configuration that names variables holds no key.
        let holds_key = |text: &str| {
            let keys = text
                .lines()
                .filter(|line| line.trim_start().starts_with("api_key ") || line.trim_start().starts_with("api_key="));
            keys.into_iter().any(|line| !line.contains("${"))
        };
        let config = config.filter(|(_, text)| holds_key(text)).map(|(file, _)| file);
        for file in config.into_iter().chain(sources.dotenv.as_ref().map(|(file, _)| file)) {
            let Ok(meta) = std::fs::metadata(file) else { continue };
            let mode = meta.permissions().mode() & 0o777;
            findings.push(if mode.trailing_zeros() >= 6 {
                good("permissions", format!("{} is its owner's alone", file.display()))
            } else {
                let message = format!("{} holds keys and may be read by others (mode {mode:o})", file.display());
                bad("permissions", message, format!("chmod 600 {}", file.display()))
            });
        }
    }
    #[cfg(not(unix))]
    let _ = (sources, findings);
}

async fn port(loaded: &Loaded) -> Finding {
    let server = &loaded.config.server;
    let (host, port) = (server.bind_host(), server.port);
    let name = format!("port {port}");
    match tokio::net::TcpListener::bind((host, port)).await {
        Ok(_) => good(name, format!("free on {host}")),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            let here = if host == "0.0.0.0" { "127.0.0.1" } else { host };
            if is_router(here, port).await {
                return good(name, "a router serves there already");
            }
            let fix = "set server.port (or PORT) to another one, or end the program that uses it";
            bad(name, format!("taken on {host}"), fix)
        }
        Err(error) => {
            bad(name, format!("cannot listen on {host}: {error}"), "set server.host to an address of this machine")
        }
    }
}

/// Whether what listens there is a router.
async fn is_router(host: &str, port: u16) -> bool {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let asking = async {
        let mut stream = tokio::net::TcpStream::connect((host, port)).await.ok()?;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.ok()?;
        let mut answer = Vec::new();
        stream.take(4_096).read_to_end(&mut answer).await.ok()?;
        Some(String::from_utf8_lossy(&answer).to_lowercase().contains("x-request-id"))
    };
    tokio::time::timeout(Duration::from_secs(2), asking).await.ok().flatten().unwrap_or(false)
}

async fn upstreams(loaded: &Loaded, findings: &mut Vec<Finding>) {
    let catalog = Catalog::embedded();
    let client = match client(loaded.upstreams.called()) {
        Ok(client) => client,
        Err(failure) => {
            findings.push(bad("TLS", failure.to_string(), "check the system's certificates"));
            return;
        }
    };
    let all = loaded.upstreams.called().map(|upstream| examine(&client, upstream, &catalog));
    findings.extend(join_all(all).await.into_iter().flatten());
}

/// Address, key and model, streaming: what fails first is told, what follows from it is not.
async fn examine(client: &Client, upstream: &Upstream, catalog: &Catalog) -> Vec<Finding> {
    let name = format!("{} {}", upstream.tier, upstream.name);
    let root = upstream.endpoint.root();
    let target = match Target::new(upstream.clone(), catalog) {
        Ok(target) => target,
        Err(error) => return vec![bad(name, error, "write the key without blanks and line ends")],
    };
    let url = target.models_url();
    let (host, port) = (url.host_str().unwrap_or_default().to_owned(), url.port_or_known_default().unwrap_or(443));
    let bare = host.trim_matches(['[', ']']).to_owned();
    let found = tokio::net::lookup_host((bare.as_str(), port)).await.map(Iterator::count);
    if !found.is_ok_and(|count| count > 0)
        && std::env::var_os("HTTPS_PROXY").or(std::env::var_os("https_proxy")).is_none()
    {
        return vec![bad(
            name,
            format!("no address is known for {host}"),
            "is the name right, and is there a network?",
        )];
    }
    let listed = probe::models(client, &target, LIMIT).await;
    let Some(model) = &upstream.model else {
        return vec![match listed {
            Ok(models) => good(name, format!("{root} answers and lists {} models; requests name theirs", models.len())),
            Err(error) => {
                let (what, fix) = explain(&error, upstream, "");
                bad(name, what, fix)
            }
        }];
    };
    let tried = probe::ask(client, &target, model, false, LIMIT).await;
    let tried = match tried {
        Ok(tried) => tried,
        Err(error) => {
            let (what, mut fix) = explain(&error, upstream, model);
            // Where the list came, the address and the key are right.
            if let (Ok(models), ProviderError::Status { status: 400 | 404, .. }) = (&listed, &error)
                && !models.iter().any(|listed| listed.id == *model)
                && let Some(near) = nearest_word(model, models.iter().map(|listed| listed.id.as_str()))
            {
                fix =
                    format!("it lists {} models, and `{model}` is none of them; did you mean `{near}`?", models.len());
            }
            return vec![bad(name, what, fix)];
        }
    };
    let tokens = tried.usage.output_tokens.map_or("tokens not told".to_owned(), |tokens| format!("{tokens} tokens"));
    let mut findings =
        vec![good(&name, format!("{model} at {root} answers in {} ms ({tokens})", tried.took.as_millis()))];
    findings.push(match probe::ask(client, &target, model, true, LIMIT).await {
        Ok(tried) => good(format!("{name}, stream"), format!("begins after {} ms", tried.took.as_millis())),
        Err(error) => {
            let (what, fix) = explain(&error, upstream, model);
            bad(format!("{name}, stream"), what, fix)
        }
    });
    findings
}

async fn classifier(loaded: &Loaded) -> Finding {
    let kind = loaded.config.classifier.effective_kind();
    let name = "classifier";
    if kind == ClassifierKind::Off {
        return good(name, "off: everything goes to the frontier tier");
    }
    let begun = Instant::now();
    let input = Input::plain("What is the capital of France?");
    // In a cascade the model may not be asked at all for so clear a question: it is asked alone.
    let mut alone = loaded.clone();
    if kind == ClassifierKind::Cascade {
        alone.config.classifier.kind = Some(ClassifierKind::Llm);
    }
    match app::classifier(&alone) {
        Ok(asked) => {
            let classified = asked.classify(&input).await;
            let verdict = classified.verdict;
            let took = begun.elapsed().as_millis();
            let asked =
                loaded.upstreams.classifier.as_ref().map(|endpoint| endpoint.model.as_str()).unwrap_or_default();
            if verdict.judge == Judge::Nobody {
                let fix = format!(
                    "is `{asked}` there, and does it answer with 0, 1 or 2 alone? A model that thinks first does not"
                );
                return bad(name, verdict.reason.into_owned(), fix);
            }
            let by = if classified.asked { format!("{asked} says") } else { "compiled in, says".to_owned() };
            good(name, format!("{by} {} for an easy question, in {took} ms", verdict.tier))
        }
        Err(error) => bad(name, error.to_string(), "see classifier.base_url and classifier.model"),
    }
}

async fn redis(url: &str) -> Finding {
    let asking = async {
        let client = redis::Client::open(url)?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        redis::cmd("PING").query_async::<String>(&mut connection).await
    };
    let begun = Instant::now();
    match tokio::time::timeout(Duration::from_secs(3), asking).await {
        Ok(Ok(_)) => good("Redis", format!("answers in {} ms", begun.elapsed().as_millis())),
        Ok(Err(error)) => bad(
            "Redis",
            error.to_string(),
            "is it started, and is cache.redis_url right? Without it decisions are made anew",
        ),
        Err(_) => bad("Redis", "no answer within 3 s", "is cache.redis_url right? Without it decisions are made anew"),
    }
}

async fn history(loaded: &Loaded) -> Finding {
    let path = &loaded.database;
    let name = "history";
    if !loaded.config.store.enabled {
        return good(name, "off: nothing is kept");
    }
    let free = crate::hardware::free_space(path)
        .map_or(String::new(), |bytes| format!(", {} GiB free there", crate::hardware::gib(bytes)));
    if !path.exists() {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // Made and taken away again: whether one may write is only known by writing.
        return match tempfile_in(folder) {
            Ok(()) => good(name, format!("{} will be made{free}", path.display())),
            Err(error) => bad(
                name,
                format!("cannot write in {}: {error}", folder.display()),
                "set store.url to a file that this user may write",
            ),
        };
    }
    match Store::reading(path).await {
        Ok(store) => {
            let rows = store.usage_by_tier(crate::store::Period::default()).await;
            let count = rows.map(|rows| rows.figures.total.requests + rows.figures.response_cache.requests);
            match count {
                Ok(count) => good(name, format!("{}: {count} requests{free}", path.display())),
                Err(error) => bad(name, error.to_string(), "`xrouter db stats` tells more"),
            }
        }
        Err(error) => bad(name, error.to_string(), "see docs/history.md"),
    }
}

fn tempfile_in(folder: &Path) -> std::io::Result<()> {
    let mut existing = folder;
    while !existing.exists() {
        existing = existing.parent().unwrap_or(Path::new("/"));
    }
    let file = existing.join(format!(".xrouter-doctor-{}", std::process::id()));
    std::fs::File::create_new(&file)?;
    std::fs::remove_file(file)
}
