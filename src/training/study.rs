//! What is compared when a classifier is judged: baselines, and training with a source left out.

use super::Kind;
use super::fit::{Example, Recipe, fit};
use super::graded::{Graded, graded};
use super::measure::{Judged, Report, report};
use crate::routing::Model;
use crate::routing::Thresholds;
use crate::routing::inside::{hash_of, scan};

/// A recipe: what is trained on, and what is calibrated on.
pub type Fit<'f> = dyn Fn(&[&Example<'_>], &[&Example<'_>]) -> Model + 'f;

/// Parts of a cross-validation over prompts of our own.
const FOLDS: u32 = 4;

/// What a model makes of examples.
#[must_use]
pub fn judge<'a>(model: &Model, thresholds: Thresholds, examples: &[&Example<'a>]) -> Vec<Judged<'a>> {
    examples
        .iter()
        .map(|example| {
            let sums = scan(example.text(), |scan| model.sums(scan));
            let tier = thresholds.tier(sums.score());
            let confidence = Some(sums.confidence(tier));
            Judged { row: example.row, score: sums.score(), tier: tier.number(), confidence, alone: None }
        })
        .collect()
}

/// A way to score a text that needs no training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Baseline {
    /// A hash of the text: as good as a draw.
    Random,
    /// The longer, the harder.
    Length,
    /// Words that sound hard, as keyword routers count them.
    Keywords,
}

/// Words that keyword routers look for.
const KEYWORDS: [&str; 16] = [
    "prove",
    "proof",
    "theorem",
    "analyze",
    "architecture",
    "algorithm",
    "optimize",
    "debug",
    "design",
    "complex",
    "step by step",
    "证明",
    "推导",
    "分析",
    "设计",
    "算法",
];

impl Baseline {
    /// Its score of a text, 0 to 1.
    #[must_use]
    pub fn score(self, text: &str) -> f64 {
        let lower = || text.to_lowercase();
        match self {
            Baseline::Random => scan(text, |scan| {
                let mixed = scan.tokens.iter().fold(0_u32, |hash, token| hash.rotate_left(7) ^ token.hash);
                f64::from(mixed.wrapping_mul(0x9e37_79b9)) / f64::from(u32::MAX)
            }),
            #[expect(clippy::cast_precision_loss, reason = "a length is small")]
            Baseline::Length => 1.0 - 1.0 / (1.0 + text.chars().count() as f64 / 500.0),
            Baseline::Keywords => {
                let lower = lower();
                let found = KEYWORDS.iter().filter(|word| lower.contains(**word)).count();
                1.0 - 0.5_f64.powi(i32::try_from(found).unwrap_or(i32::MAX))
            }
        }
    }

    /// What it makes of examples, with the tiers at a third and two thirds.
    #[must_use]
    pub fn judge<'a>(self, examples: &[&Example<'a>]) -> Vec<Judged<'a>> {
        let thresholds = Thresholds { medium_at: 1.0 / 3.0, frontier_at: 2.0 / 3.0 };
        examples
            .iter()
            .map(|example| {
                let score = self.score(example.text());
                Judged { row: example.row, score, tier: thresholds.tier(score).number(), confidence: None, alone: None }
            })
            .collect()
    }
}

/// The figures of sources that were left out of training, each in turn. `groups` are left out together.
#[must_use]
pub fn left_out(
    train: &[&Example<'_>],
    dev: &[&Example<'_>],
    groups: &[&[&str]],
    fit: &Fit<'_>,
    thresholds: Thresholds,
    resamples: usize,
) -> Report {
    let mut judged = Vec::new();
    for group in groups {
        let outside = |example: &&&Example<'_>| !group.contains(&example.row.source.as_str());
        let rest: Vec<&Example<'_>> = train.iter().filter(outside).copied().collect();
        let calibration: Vec<&Example<'_>> = dev.iter().filter(outside).copied().collect();
        let model = fit(&rest, &calibration);
        let unseen = train.iter().chain(dev).filter(|example| !outside(example) && example.row.kind() != Kind::Wrapped);
        judged.extend(judge(&model, thresholds, &unseen.copied().collect::<Vec<_>>()));
    }
    report(&judged, resamples)
}

/// The figures of prompts of our own, each foretold by a model that saw neither it, nor its pair, nor a wrapped copy.
#[must_use]
pub fn cross_validate(
    train: &[&Example<'_>],
    dev: &[&Example<'_>],
    recipe: &Recipe,
    thresholds: Thresholds,
) -> Option<Graded> {
    let fold = |example: &Example<'_>| (hash_of(example.row.held_by()) >> 8) % FOLDS;
    let mut judged = Vec::new();
    for out in 0..FOLDS {
        let is_out = |example: &Example<'_>| example.row.source == "own" && fold(example) == out;
        let rest: Vec<&Example<'_>> = train.iter().filter(|example| !is_out(example)).copied().collect();
        let model = fit(&rest, dev, recipe);
        let unseen = train.iter().filter(|example| is_out(example) && example.row.kind() == Kind::Constructed);
        judged.extend(judge(&model, thresholds, &unseen.copied().collect::<Vec<_>>()));
    }
    graded(&judged)
}
