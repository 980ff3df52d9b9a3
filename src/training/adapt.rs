//! A model that is fitted to its owner: the shipped weights, and what their own requests add to them.
//!
//! Enters: a model, and texts with the tiers that were right, or could have been. Leaves: the same model with other weights
//! of its two boundaries. Both boundaries are logistic regressions again, which start from what the model says of each text
//! and are held to it by an L2 penalty: some dozens of labels move what they are about, and little else. What would move
//! every text alike is left to the thresholds.

use super::fit::{Block, blocks};
use super::owner::Label;
use super::solve::Problem;
use crate::catalog::Tier;
use crate::routing::inside::{FRONTIER, LETTER_SLOTS, MEDIUM, WORD_SLOTS, scan, squared};
use crate::routing::{Model, Thresholds};

/// How strongly the weights are held to those of the model.
const PENALTY: f64 = 1.0;
/// Steps of a fit.
const STEPS: usize = 60;

/// A text with what is known of its tier.
#[derive(Debug, Clone)]
pub struct Captured {
    /// What is known.
    pub label: Label,
    /// What was classified.
    pub text: String,
}

/// A model, and how it does.
#[derive(Debug, Clone)]
pub struct Adapted {
    /// Fitted to all labels.
    pub model: Model,
    /// By how many tiers the model in force misses, weighted.
    pub before: f64,
    /// The same, each half of the labels decided by a model that was fitted to the other half.
    pub after: f64,
    /// All weights together.
    pub weight: f64,
}

/// Fits a model to its owner's requests; `None` from fewer than [`FEWEST`](super::FEWEST) labels with a text. `base` is one
/// that never saw them; `in_force` may have been fitted to them before.
#[must_use]
pub fn adapt(base: &Model, in_force: &Model, captured: &[Captured], thresholds: Thresholds) -> Option<Adapted> {
    if captured.len() < super::FEWEST {
        return None;
    }
    let (one, other): (Vec<&Captured>, Vec<&Captured>) = captured.iter().partition(|it| it.label.is_in_first_half());
    let cost = |model: &Model, captured: &[&Captured]| -> f64 {
        captured.iter().map(|it| it.label.cost(thresholds.tier(scan(&it.text, |scan| model.sums(scan).score())))).sum()
    };
    let all: Vec<&Captured> = captured.iter().collect();
    Some(Adapted {
        model: fitted(base, &all),
        before: cost(in_force, &all),
        after: cost(&fitted(base, &other), &one) + cost(&fitted(base, &one), &other),
        weight: captured.iter().map(|it| it.label.weight).sum(),
    })
}

fn fitted(model: &Model, captured: &[&Captured]) -> Model {
    let read: Vec<(Block, [f64; 2])> =
        captured.iter().map(|it| scan(&it.text, |scan| (blocks(scan), model.sums(scan).boundaries))).collect();
    let mut fitted = model.clone();
    for (boundary, (sum, tier)) in [(MEDIUM, Tier::Medium), (FRONTIER, Tier::Frontier)].into_iter().enumerate() {
        let mut problem = Problem {
            rows: Vec::new(),
            labels: Vec::new(),
            weights: Vec::new(),
            offsets: Some(Vec::new()),
            size: WORD_SLOTS + LETTER_SLOTS,
            penalty: PENALTY,
        };
        for (it, (block, said)) in captured.iter().zip(&read) {
            let label = if it.label.least >= tier {
                1.0
            } else if it.label.most < tier {
                0.0
            } else {
                continue;
            };
            problem.rows.push(block);
            problem.labels.push(label);
            problem.weights.push(it.label.weight);
            problem.offsets.get_or_insert_default().push(said[boundary]);
        }
        add(&mut fitted, sum, &problem.solve(STEPS));
    }
    fitted
}

/// Adds to the weights of a sum, each rounded to its byte in the scale that it has: what is not moved stays as it is.
fn add(model: &mut Model, sum: usize, more: &[f32]) {
    let (words, letters) = more.split_at(WORD_SLOTS);
    let scales = model.scales[sum];
    for (weights, more, scale) in
        [(&mut model.words, words, scales.words), (&mut model.letters, letters, scales.letters)]
    {
        if scale <= 0.0 {
            continue;
        }
        for (weight, more) in weights.iter_mut().zip(more).filter(|(_, more)| **more != 0.0) {
            weight[sum] = byte(f32::from(squared(weight[sum])) + more / scale);
        }
    }
}

/// The byte whose signed square is nearest.
#[expect(clippy::cast_possible_truncation, reason = "at most 127")]
fn byte(squared: f32) -> i8 {
    (squared.abs().sqrt().round().min(127.0) * squared.signum()) as i8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(at: usize, text: String, tier: Tier) -> Captured {
        let label = Label { id: "r".repeat(at), score: 0.5, least: tier, most: tier, weight: 1.0 };
        Captured { label, text }
    }

    /// Somebody to whom their reconciliations are hard, whatever the model thinks, and for whom greetings stay greetings.
    fn of_an_owner() -> Vec<Captured> {
        let hard =
            ["ledger", "invoices", "payroll", "deposits", "refunds", "stock", "fees", "rents", "duties", "grants"];
        let easy = ["Ann", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gus", "Hal", "Ida", "Jo"];
        let mut all = Vec::new();
        for (at, what) in (0..30).zip(hard.iter().cycle()) {
            all.push(captured(
                2 * at,
                format!("reconcile the {what} of week {} with the bank statement", "x".repeat(at)),
                Tier::Frontier,
            ));
            all.push(captured(
                2 * at + 1,
                format!("good morning {}, {}how are you?", easy[at % 10], "so ".repeat(at)),
                Tier::Cheap,
            ));
        }
        all
    }

    #[test]
    fn a_model_learns_what_is_hard_for_its_owner_and_keeps_the_rest() {
        let model = Model::shipped();
        let thresholds = Thresholds::default();
        let adapted = adapt(&model, &model, &of_an_owner(), thresholds).unwrap();
        assert!(adapted.after < adapted.before / 4.0, "{} → {} of {}", adapted.before, adapted.after, adapted.weight);
        let tier = |model: &Model, text: &str| thresholds.tier(scan(text, |scan| model.sums(scan).score()));
        assert_eq!(tier(&adapted.model, "reconcile the vouchers of march with the bank statement"), Tier::Frontier);
        for text in [
            "hi",
            "What is the capital of Australia?",
            "Write a SQL query that returns the top 10 customers by revenue",
            "证明：每个有限整环都是域",
        ] {
            assert_eq!(tier(&adapted.model, text), tier(&model, text), "{text}");
        }
        let read = Model::read(&adapted.model.write()).unwrap();
        assert_eq!(read.words, adapted.model.words);
    }

    #[test]
    fn few_labels_make_no_model() {
        assert!(
            adapt(
                &Model::shipped(),
                &Model::shipped(),
                &of_an_owner()[..super::super::FEWEST - 1],
                Thresholds::default()
            )
            .is_none()
        );
    }
}
