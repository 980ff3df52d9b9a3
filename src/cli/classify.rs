//! `xrouter classify`: the decision for a text, explained.

use std::borrow::Cow;
use std::io::Read as _;
use std::time::Instant;

use console::style;

use super::{ConfigFile, Failure, load};
use crate::app;
use crate::catalog::Tier;
use crate::routing::{Classified, Embedded, Feature, Input, Thresholds};

/// Longest text that is read from standard input, in bytes.
const LARGEST_TEXT: u64 = 5_000_000;

/// Show how a text is decided, and why.
#[derive(Debug, clap::Args)]
pub(super) struct Classify {
    /// The text, or - to read it from standard input
    text: String,
    #[command(flatten)]
    file: ConfigFile,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Classify {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let text = if self.text == "-" {
            let mut text = String::new();
            std::io::stdin().take(LARGEST_TEXT).read_to_string(&mut text)?;
            text
        } else {
            self.text
        };
        let sources = self.file.sources()?;
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
        if self.json { print_json(&classified, &features) } else { print(&classified, &features, took) }
        Ok(())
    }
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
