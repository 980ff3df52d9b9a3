//! `xrouter classify`: the decision for a text, explained.

use std::collections::BTreeMap;
use std::io::{BufRead, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, anyhow};
use console::{StyledObject, style};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::offline::{Extent, Offline};
use super::{ConfigFile, Failure};
use crate::catalog::{ByTier, Tier};
use crate::config::Sources;
use crate::protocol::ChatRequest;
use crate::routing::{Decided, Feature};

/// Longest text that is read from standard input, in bytes.
const LARGEST_TEXT: u64 = 5_000_000;

/// Show how a text is decided, and why.
#[derive(Debug, clap::Args)]
pub(super) struct Classify {
    /// The text, or - to read it from standard input
    #[arg(required_unless_present = "jsonl")]
    text: Option<String>,
    #[command(flatten)]
    file: ConfigFile,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// How much to tell
    #[arg(long, value_enum, default_value = "reason")]
    explain: Explain,
    /// Decide every line of a file (or of standard input, -): chat requests with an "id" and, if they are known, "headers";
    /// or lines of {"id", "prompt"}; lines of {"id", "tier", "score", …} come out
    #[arg(long, value_name = "FILE", conflicts_with = "text")]
    jsonl: Option<PathBuf>,
    /// With --jsonl: time every decision, from the parsed request on, and tell the quantiles instead of the decisions
    #[arg(long, requires = "jsonl")]
    latency: bool,
}

/// How much is told of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Explain {
    /// The reason in words.
    Reason,
    /// Also what each part adds to the classifier's sum.
    Full,
}

/// What the embedded classifier makes of a text.
struct Judged {
    probabilities: ByTier<f64>,
    features: Vec<Feature>,
}

/// The body of a request with one message.
fn message(text: &str) -> String {
    serde_json::json!({ "messages": [{ "role": "user", "content": text }] }).to_string()
}

/// One line of `--jsonl`.
#[derive(Deserialize)]
struct Line {
    id: serde_json::Value,
    prompt: Option<String>,
    messages: Option<Box<RawValue>>,
    model: Option<Box<RawValue>>,
    /// The headers that the request comes with, if they are known.
    headers: Option<BTreeMap<String, String>>,
}

impl Classify {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let sources = self.file.sources()?;
        if let Some(file) = self.jsonl {
            return many(&file, &sources, self.latency).await;
        }
        let text = match self.text.unwrap_or_default() {
            dash if dash == "-" => {
                let mut text = String::new();
                std::io::stdin().take(LARGEST_TEXT).read_to_string(&mut text)?;
                text
            }
            text => text,
        };
        let body = message(text.trim());
        let request = ChatRequest::parse(body.as_bytes()).map_err(|error| Failure::Usage(error.into()))?;
        let offline = Offline::new(&sources)?;
        let begun = Instant::now();
        let decided = offline.decide(&request, Extent::Words, None).await;
        let took = begun.elapsed();
        let (decided, _) = decided.map_err(|error| Failure::Usage(error.into()))?;
        let input = offline.input(&request);
        let judged = offline.classifier.embedded().map(|embedded| Judged {
            probabilities: embedded.need(&input).probabilities(),
            features: embedded.explain(&input),
        });
        if self.json {
            print_json(&decided, judged.as_ref());
        } else {
            print(&decided, judged.as_ref(), self.explain == Explain::Full, took);
        }
        Ok(())
    }
}

/// Decides every line of a file.
async fn many(file: &Path, sources: &Sources, latency: bool) -> Result<(), Failure> {
    let offline = Offline::new(sources)?;
    let input: Box<dyn BufRead> = if file == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(std::io::BufReader::new(
            std::fs::File::open(file)
                .with_context(|| format!("cannot read {}", file.display()))
                .map_err(Failure::Usage)?,
        ))
    };
    let mut took = Vec::new();
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for (number, line) in (1..).zip(input.lines()) {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let invalid = |reason: String| Failure::Usage(anyhow!("line {number} of {}: {reason}", file.display()));
        let head: Line = serde_json::from_str(&line).map_err(|error| invalid(error.to_string()))?;
        let (body, extent) = match (head.prompt, head.messages) {
            (Some(prompt), None) => (message(&prompt), Extent::Words),
            (None, Some(_)) if head.model.is_some() => (line, Extent::Request),
            (None, Some(_)) => (line, Extent::Conversation),
            _ => return Err(invalid("it has neither or both of `prompt` and `messages`".to_owned())),
        };
        let request = ChatRequest::parse(body.as_bytes()).map_err(|error| invalid(error.to_string()))?;
        let begun = Instant::now();
        let (decided, _) = offline
            .decide(&request, extent, head.headers.as_ref())
            .await
            .map_err(|error| invalid(error.to_string()))?;
        if latency {
            took.push(begun.elapsed());
            continue;
        }
        let decision = decided.decision;
        let unknown: Vec<String> = decided.unknown.iter().map(ToString::to_string).collect();
        let answer = serde_json::json!({
            "id": head.id, "tier": decision.tier.number(), "score": decision.score, "confidence": decision.confidence,
            "source": decision.source.as_str(), "reasons": decision.reason.split("; ").collect::<Vec<_>>(),
            "not_applied": unknown,
        });
        writeln!(out, "{answer}")?;
    }
    out.flush()?;
    if latency {
        took.sort_unstable();
        let quantile = |share: usize| took.get(took.len() * share / 1_000).copied().unwrap_or_default();
        println!(
            "{} decisions: p50 {:.1?}, p90 {:.1?}, p99 {:.1?}, longest {:.1?}",
            took.len(),
            quantile(500),
            quantile(900),
            quantile(990),
            took.last().copied().unwrap_or_default()
        );
    }
    Ok(())
}

fn print_json(decided: &Decided, judged: Option<&Judged>) {
    let decision = &decided.decision;
    let features: Vec<_> = judged
        .iter()
        .flat_map(|judged| &judged.features)
        .map(|feature| serde_json::json!({ "name": feature.name, "contribution": feature.contribution }))
        .collect();
    let probabilities = judged.map(|judged| {
        let of = |tier| judged.probabilities[tier];
        serde_json::json!({ "cheap": of(Tier::Cheap), "medium": of(Tier::Medium), "frontier": of(Tier::Frontier) })
    });
    let unknown: Vec<String> = decided.unknown.iter().map(ToString::to_string).collect();
    let json = serde_json::json!({
        "tier": decision.tier.number(), "source": decision.source.as_str(), "score": decision.score,
        "probabilities": probabilities, "confidence": decision.confidence, "reason": decision.reason,
        "features": features, "not_applied": unknown,
    });
    println!("{json:#}");
}

/// In the colour of a tier.
fn coloured<T>(tier: Tier, what: T) -> StyledObject<T> {
    match tier {
        Tier::Cheap => style(what).green(),
        Tier::Medium => style(what).blue(),
        Tier::Frontier => style(what).magenta(),
    }
}

fn print(decided: &Decided, judged: Option<&Judged>, full: bool, took: std::time::Duration) {
    let decision = &decided.decision;
    println!(
        "{} ({}), decided by {} in {took:.1?}",
        coloured(decision.tier, decision.tier.as_str()).bold(),
        decision.tier.number(),
        decision.source.as_str()
    );
    println!("{}", decision.reason);
    for unknown in &decided.unknown {
        println!("{}", style(unknown).dim());
    }
    let Some(judged) = judged else { return };
    println!();
    for (of, likely) in judged.probabilities.iter() {
        let bar = "▇".repeat(bar_length(likely * 3.0));
        println!("  {:<8} {:>3.0} %  {}", of.as_str(), likely * 100.0, coloured(of, bar));
    }
    if !full {
        return;
    }
    if let (Some(score), Some(confidence)) = (decision.score, decision.confidence) {
        println!("\n  score {score:.3} (0 cheap, 0.5 medium, 1 frontier), confidence {confidence:.2}");
    }
    for feature in &judged.features {
        let bar = "▇".repeat(bar_length(feature.contribution));
        let bar = if feature.contribution < 0.0 { style(bar).green() } else { style(bar).magenta() };
        println!("  {:<20} {:>+6.2}  {bar}", feature.name, feature.contribution);
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a contribution is a small figure")]
fn bar_length(contribution: f64) -> usize {
    (contribution.abs() * 10.0).round().min(40.0) as usize
}
