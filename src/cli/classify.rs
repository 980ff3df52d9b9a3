//! `xrouter classify`: the decision for a text, explained.

use std::borrow::Cow;
use std::io::{BufRead, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, anyhow};
use console::style;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{ConfigFile, Failure, load};
use crate::app;
use crate::catalog::Tier;
use crate::config::{Sources, Strategy};
use crate::protocol::ChatRequest;
use crate::routing::{self, Classified, Embedded, Feature, Input, Thresholds};

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
    /// With --jsonl: also the value of every feature, for whoever fits weights
    #[arg(long, hide = true, requires = "jsonl")]
    features: bool,
}

/// One line of `--jsonl`.
#[derive(Deserialize)]
struct Line {
    id: serde_json::Value,
    prompt: Option<String>,
    messages: Option<Box<RawValue>>,
}

impl Classify {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let sources = self.file.sources()?;
        if let Some(file) = self.jsonl {
            return many(&file, &sources, self.features);
        }
        let text = match self.text.unwrap_or_default() {
            dash if dash == "-" => {
                let mut text = String::new();
                std::io::stdin().take(LARGEST_TEXT).read_to_string(&mut text)?;
                text
            }
            text => text,
        };
        let input = Input { text: Cow::Borrowed(text.trim()) };
        let begun = Instant::now();
        // Without a configuration, the embedded classifier with its defaults.
        let (classified, thresholds) = if sources.is_empty() {
            let thresholds = Thresholds::default();
            let decision = Embedded::new(thresholds).classify(&input);
            (Classified::embedded(decision), thresholds)
        } else {
            let loaded = load(&sources)?;
            let config = &loaded.config.classifier;
            let thresholds = Thresholds { medium_at: config.medium_at, frontier_at: config.frontier_at };
            (app::classify(&loaded, &input).await?, thresholds)
        };
        let took = begun.elapsed();
        let features = Embedded::new(thresholds).explain(&input);
        if self.json {
            print_json(&classified, &features);
        } else {
            print(&classified, &features, took);
        }
        Ok(())
    }
}

/// Decides every line of a file.
fn many(file: &Path, sources: &Sources, with_features: bool) -> Result<(), Failure> {
    let (thresholds, strategy, max_chars) = if sources.is_empty() {
        (Thresholds::default(), Strategy::CurrentRequest, 8_000)
    } else {
        let config = load(sources)?.config.classifier;
        (Thresholds { medium_at: config.medium_at, frontier_at: config.frontier_at }, config.strategy, config.max_chars)
    };
    let classifier = Embedded::new(thresholds);
    let input: Box<dyn BufRead> = if file == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(std::io::BufReader::new(
            std::fs::File::open(file)
                .with_context(|| format!("cannot read {}", file.display()))
                .map_err(Failure::Usage)?,
        ))
    };
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
            (None, Some(messages)) => format!("{{\"messages\":{}}}", messages.get()),
            _ => return Err(invalid("it has neither or both of `prompt` and `messages`".to_owned())),
        };
        let request = ChatRequest::parse(body.as_bytes()).map_err(|error| invalid(error.to_string()))?;
        let input = routing::input(&request, strategy, max_chars);
        let decision = classifier.classify(&input);
        let mut answer = serde_json::json!({
            "id": line.id, "tier": decision.tier.number(), "score": decision.score, "confidence": decision.confidence,
            "source": decision.source.as_str(), "reasons": decision.reason.split(", ").collect::<Vec<_>>(),
        });
        if with_features {
            answer["features"] = classifier.explain(&input).iter().map(|feature| feature.value).collect();
        }
        writeln!(out, "{answer}")?;
    }
    out.flush()?;
    Ok(())
}

fn print_json(classified: &Classified, features: &[Feature]) {
    let decision = &classified.decision;
    let features: Vec<_> = features
        .iter()
        .map(|feature| serde_json::json!({ "name": feature.name, "value": feature.value, "contribution": feature.contribution }))
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
        println!("  {:<20} {:>5.2}  {:>+6.2}  {bar}", feature.name, feature.value, feature.contribution);
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a contribution is a small figure")]
fn bar_length(contribution: f64) -> usize {
    (contribution.abs() * 10.0).round().min(40.0) as usize
}
