//! How long a decision takes, how fast tokens are estimated, and whether memory grows.
//!
//! Every call is timed by itself into a histogram, from the parsed request to the decision with rules; the prompts of a
//! JSONL file (`text`, `prompt` or `messages`; default: the repository's own), then requests of 100 KB. Run it on one core:
//! `taskset -c 0 cargo run --release --example speed -- FILE`.
#![expect(clippy::print_stdout, clippy::cast_precision_loss, reason = "an example prints figures")]

use std::borrow::Cow;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::{Value, json};
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};
use xrouter::catalog::ByTier;
use xrouter::config::Strategy;
use xrouter::protocol::{ChatRequest, estimate};
use xrouter::routing::{self, Embedded, Facts, Policy, Rules, Thresholds};

type Failure = Box<dyn std::error::Error>;

/// Calls before the first that counts.
const WARM_UP: usize = 2_000;
/// How long tokens are estimated for each corpus.
const ESTIMATE: Duration = Duration::from_secs(2);
/// Bytes of a corpus, and of a large request.
const CORPUS: usize = 4 << 20;
const LARGE: usize = 100_000;

struct Router {
    classifier: Embedded,
    policy: Policy,
}

impl Router {
    fn decide(&self, request: &ChatRequest<'_>) -> u8 {
        let input = routing::input(request, Strategy::CurrentRequest, 8_000);
        let facts = Facts {
            step: Some(input.step),
            text: Some(Cow::Borrowed(&input.text)),
            tools: Some(request.tools as u64),
            failures: Some(input.failures as u64),
            model: Some(Cow::Borrowed(&request.model)),
            key: Some(Cow::Borrowed("")),
            effort: Some(Cow::Borrowed("")),
            headers: Some(Cow::Borrowed(&[])),
            ..Facts::default()
        };
        let verdict = self.classifier.classify(&input);
        self.policy.decide(&facts, None, &ByTier::default(), verdict).decision.tier.number()
    }

    fn time(&self, what: &str, bodies: &[String], rounds: usize) -> Result<(), Failure> {
        let requests = bodies.iter().map(|body| ChatRequest::parse(body.as_bytes())).collect::<Result<Vec<_>, _>>()?;
        let mut histogram = Histogram::<u64>::new(3)?;
        for request in requests.iter().cycle().take(WARM_UP) {
            black_box(self.decide(request));
        }
        for request in std::iter::repeat_n(&requests, rounds).flatten() {
            let begun = Instant::now();
            black_box(self.decide(request));
            histogram.record(u64::try_from(begun.elapsed().as_nanos())?)?;
        }
        let at = |share: f64| histogram.value_at_quantile(share) as f64 / 1_000.0;
        println!(
            "{what}: {} decisions, p50 {:.1} µs, p90 {:.1}, p99 {:.1}, p99.9 {:.1}, mean {:.1}",
            histogram.len(),
            at(0.5),
            at(0.9),
            at(0.99),
            at(0.999),
            histogram.mean() / 1_000.0,
        );
        Ok(())
    }
}

fn main() -> Result<(), Failure> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let own = folder.join("training/prompts/first.jsonl");
    let file = std::env::args().nth(1);
    let lines = std::fs::read_to_string(file.as_deref().map_or(own.as_path(), Path::new))?;
    let rows = lines.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    let body = |row: &Value| match &row["messages"] {
        Value::Null => {
            let text = if row["text"].is_null() { &row["prompt"] } else { &row["text"] };
            json!({ "messages": [{ "role": "user", "content": text }] })
        }
        messages => json!({ "messages": messages }),
    };
    let bodies: Vec<String> = rows.iter().map(|row| body(row).to_string()).collect();
    let router = Router {
        classifier: Embedded::new(Thresholds::default()),
        policy: Policy { rules: Rules::new(&[], &[])?, ..Policy::default() },
    };
    router.time("prompts", &bodies, 20_000 / bodies.len().max(1) + 1)?;

    let own = std::fs::read_to_string(own)?;
    let own = own.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    let texts = |lang: &str| {
        let of = own.iter().filter(|row| row["lang"] == lang).filter_map(|row| row["text"].as_str());
        of.collect::<Vec<_>>().join("\n")
    };
    let (english, chinese, code) =
        (filled(&texts("en"), CORPUS), filled(&texts("zh"), CORPUS), code(&folder.join("src"))?);
    let large: Vec<String> = (0..20)
        .map(|at| {
            json!({ "messages": [{ "role": "user", "content": filled(&english[at * 1_000..], LARGE) }] }).to_string()
        })
        .collect();
    router.time("requests of 100 KB", &large, 50)?;

    for (name, corpus) in [("English", &english), ("Chinese", &chinese), ("Rust", &filled(&code, CORPUS))] {
        let (begun, mut bytes) = (Instant::now(), 0_usize);
        while begun.elapsed() < ESTIMATE {
            black_box(estimate(black_box(corpus)));
            bytes += corpus.len();
        }
        println!("tokens of {name}: {:.0} MB/s", bytes as f64 / begun.elapsed().as_secs_f64() / 1e6);
    }

    let requests = bodies.iter().map(|body| ChatRequest::parse(body.as_bytes())).collect::<Result<Vec<_>, _>>()?;
    let mut resident = Vec::new();
    for _ in 0..5 {
        for request in requests.iter().cycle().take(200_000) {
            black_box(router.decide(request));
        }
        resident.push(memory()?);
    }
    println!("memory after each of five times 200 000 decisions: {resident:.1?} MB");
    Ok(())
}

/// A text over and over, to at least so many bytes.
fn filled(text: &str, bytes: usize) -> String {
    let mut filled = String::with_capacity(bytes + text.len());
    while filled.len() < bytes {
        filled.push_str(&text[..text.floor_char_boundary(text.len().min(bytes))]);
        filled.push('\n');
    }
    filled
}

/// All Rust files of a folder.
fn code(folder: &Path) -> Result<String, Failure> {
    let mut all = String::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            all.push_str(&code(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push_str(&std::fs::read_to_string(path)?);
        }
    }
    Ok(all)
}

/// Resident memory of this process, in MB.
fn memory() -> Result<f64, Failure> {
    let id = sysinfo::get_current_pid()?;
    let mut system = System::new()?;
    system.refresh_processes_specifics(
        ProcessesToUpdate::Some(&[id]),
        false,
        ProcessRefreshKind::nothing().with_memory(),
    );
    Ok(system.process(id).ok_or("this process is not listed")?.memory() as f64 / 1e6)
}
