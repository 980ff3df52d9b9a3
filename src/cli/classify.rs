//! `xrouter classify`: the decision for a text, explained.

use std::io::{BufRead, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, anyhow};
use console::style;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::offline::Offline;
use super::{ConfigFile, Failure, load};
use crate::app;
use crate::catalog::Tier;
use crate::config::Sources;
use crate::protocol::ChatRequest;
use crate::routing::{Classified, Feature, Input};

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
    /// Decide every line of a file (or of standard input, -) with the embedded classifier: lines of
    /// {"id", "messages"} or {"id", "prompt"} in, lines of {"id", "tier", "score", …} out
    #[arg(long, value_name = "FILE", conflicts_with = "text")]
    jsonl: Option<PathBuf>,
    /// With --jsonl: time every decision, from the parsed request on, and tell the quantiles instead of the decisions
    #[arg(long, requires = "jsonl")]
    latency: bool,
}

/// One line of `--jsonl`.
#[derive(Deserialize)]
struct Line {
    id: serde_json::Value,
    prompt: Option<String>,
    messages: Option<Box<RawValue>>,
    tools: Option<Box<RawValue>>,
}

impl Classify {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let sources = self.file.sources()?;
        if let Some(file) = self.jsonl {
            return many(&file, &sources, self.latency);
        }
        let text = match self.text.unwrap_or_default() {
            dash if dash == "-" => {
                let mut text = String::new();
                std::io::stdin().take(LARGEST_TEXT).read_to_string(&mut text)?;
                text
            }
            text => text,
        };
        let input = Input::plain(text.trim());
        let begun = Instant::now();
        let offline = Offline::new(&sources)?;
        let mut classified = if sources.is_empty() {
            Classified::embedded(offline.classifier.classify(&input))
        } else {
            app::classify(&load(&sources)?, &input).await?
        };
        classified.decision = offline.ruled(0, None, &input, classified.decision, classified.asked);
        let took = begun.elapsed();
        let features = offline.classifier.explain(&input);
        if self.json {
            print_json(&classified, &features);
        } else {
            print(&classified, &features, took);
        }
        Ok(())
    }
}

/// Decides every line of a file.
fn many(file: &Path, sources: &Sources, latency: bool) -> Result<(), Failure> {
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
        let line: Line = serde_json::from_str(&line).map_err(|error| invalid(error.to_string()))?;
        let body = match (line.prompt, line.messages) {
            (Some(prompt), None) => {
                serde_json::json!({ "messages": [{ "role": "user", "content": prompt }] }).to_string()
            }
            (None, Some(messages)) => {
                let tools = line.tools.as_ref().map_or("[]", |tools| tools.get());
                format!("{{\"messages\":{messages},\"tools\":{tools}}}")
            }
            _ => return Err(invalid("it has neither or both of `prompt` and `messages`".to_owned())),
        };
        let request = ChatRequest::parse(body.as_bytes()).map_err(|error| invalid(error.to_string()))?;
        let begun = Instant::now();
        let decision = offline.decide(&request);
        if latency {
            took.push(begun.elapsed());
            continue;
        }
        let answer = serde_json::json!({
            "id": line.id, "tier": decision.tier.number(), "score": decision.score, "confidence": decision.confidence,
            "source": decision.source.as_str(), "reasons": decision.reason.split([',', ';']).map(str::trim).collect::<Vec<_>>(),
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

fn print_json(classified: &Classified, features: &[Feature]) {
    let decision = &classified.decision;
    let features: Vec<_> = features
        .iter()
        .map(|feature| serde_json::json!({ "name": feature.name, "contribution": feature.contribution }))
        .collect();
    let json = serde_json::json!({
        "tier": decision.tier.number(), "source": decision.source.as_str(), "score": decision.score,
        "confidence": decision.confidence, "reason": decision.reason, "features": features,
    });
    println!("{json:#}");
}

fn print(classified: &Classified, features: &[Feature], took: std::time::Duration) {
    let decision = &classified.decision;
    let tier = match decision.tier {
        Tier::Cheap => style(decision.tier.as_str()).green(),
        Tier::Medium => style(decision.tier.as_str()).blue(),
        Tier::Frontier => style(decision.tier.as_str()).magenta(),
    };
    println!("{} ({}), decided by {} in {took:.1?}", tier.bold(), decision.tier.number(), decision.source.as_str());
    if let (Some(score), Some(confidence)) = (decision.score, decision.confidence) {
        println!("score {score:.3} (0 easy, 1 hard), confidence {confidence:.2}");
    }
    println!("{}", decision.reason);
    println!();
    for feature in features {
        let bar = "▇".repeat(bar_length(feature.contribution));
        let bar = if feature.contribution < 0.0 { style(bar).green() } else { style(bar).magenta() };
        println!("  {:<20} {:>+6.2}  {bar}", feature.name, feature.contribution);
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a contribution is a small figure")]
fn bar_length(contribution: f64) -> usize {
    (contribution.abs() * 10.0).round().min(40.0) as usize
}
