//! Thresholds from what their owner's requests came to.
//!
//! Enters: scores with the tiers that were right, or could have been, and the thresholds in force. Leaves: other thresholds,
//! and how they do on requests that they were not made from. Texts are not needed.

use std::hash::BuildHasher as _;

use foldhash::fast::FixedState;

use crate::catalog::Tier;
use crate::routing::Thresholds;

/// Fewest labels that thresholds are made from.
pub const FEWEST: usize = 40;
/// How many wrong decisions a threshold must save before it moves by all of the scale.
const INERTIA: f64 = 2.0;

/// What is known of the right tier for a scored request.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// Names the request.
    pub id: String,
    /// The classifier's score, 0 to 1.
    pub score: f64,
    /// The weakest tier that may be the right one.
    pub least: Tier,
    /// The strongest one.
    pub most: Tier,
    /// What it counts: 1 for what a person reports.
    pub weight: f64,
}

impl Label {
    /// On which side it is held out: halves are told by its id.
    pub(super) fn is_in_first_half(&self) -> bool {
        FixedState::default().hash_one(&self.id) & 1 == 1
    }

    /// By how many tiers a decision misses, times the weight.
    pub(super) fn cost(&self, decided: Tier) -> f64 {
        let away = |from: Tier, to: Tier| f64::from(to.number().saturating_sub(from.number()));
        self.weight * (away(decided, self.least) + away(self.most, decided))
    }
}

/// Thresholds, and how they do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Learnt {
    /// Made from all labels.
    pub thresholds: Thresholds,
    /// By how many tiers decisions with the thresholds in force miss, weighted.
    pub before: f64,
    /// The same, each half of the labels decided with thresholds that were made from the other half.
    pub after: f64,
    /// All weights together.
    pub weight: f64,
}

/// Learns thresholds; `None` from fewer than [`FEWEST`] labels.
#[must_use]
pub fn learn(labels: &[Label], now: Thresholds) -> Option<Learnt> {
    if labels.len() < FEWEST {
        return None;
    }
    let cost = |labels: &[&Label], thresholds: Thresholds| -> f64 {
        labels.iter().map(|label| label.cost(thresholds.tier(label.score))).sum()
    };
    let all: Vec<&Label> = labels.iter().collect();
    let (odd, even): (Vec<&Label>, Vec<&Label>) = all.iter().partition(|label| label.is_in_first_half());
    Some(Learnt {
        thresholds: fitted(&all, now),
        before: cost(&all, now),
        after: cost(&odd, fitted(&even, now)) + cost(&even, fitted(&odd, now)),
        weight: labels.iter().map(|label| label.weight).sum(),
    })
}

/// The thresholds with which decisions miss the least. A boundary between tiers is fitted by itself.
fn fitted(labels: &[&Label], now: Thresholds) -> Thresholds {
    let medium_at = boundary(labels, Tier::Medium, now.medium_at);
    Thresholds { medium_at, frontier_at: boundary(labels, Tier::Frontier, now.frontier_at).max(medium_at) }
}

/// From which score on a tier or a stronger one is decided: where the fewest labels are on the wrong side.
fn boundary(labels: &[&Label], tier: Tier, now: f64) -> f64 {
    // By score, with what is lost below the boundary; a negative loss is one above it.
    let mut sides: Vec<(f64, f64)> = labels
        .iter()
        .filter_map(|label| match (label.least >= tier, label.most < tier) {
            (true, _) => Some((label.score, label.weight)),
            (_, true) => Some((label.score, -label.weight)),
            _ => None,
        })
        .collect();
    sides.sort_by(|one, other| one.0.total_cmp(&other.0));
    let moved = |at: f64| INERTIA * (at - now).abs();
    // Below every score, all that should be below is lost.
    let mut lost: f64 = sides.iter().map(|(_, weight)| (-weight).max(0.0)).sum();
    let at_now: f64 =
        sides.iter().map(|(score, weight)| if *score < now { weight.max(0.0) } else { (-weight).max(0.0) }).sum();
    let (mut best, mut best_at) = (at_now, now);
    for (at, (score, weight)) in sides.iter().enumerate() {
        // With the boundary at this score, all that is before it lies below.
        let is_first = at == 0 || sides[at - 1].0 < *score;
        if is_first && lost + moved(*score) < best {
            (best, best_at) = (lost + moved(*score), *score);
        }
        lost += weight;
    }
    if lost + moved(1.0) < best { 1.0 } else { best_at }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(number: u32, score: f64, least: Tier, most: Tier) -> Label {
        Label { id: format!("r{number}"), score, least, most, weight: 1.0 }
    }

    #[test]
    fn thresholds_move_to_where_the_labels_part() {
        let now = Thresholds { medium_at: 0.4, frontier_at: 0.6 };
        // What scores 0.3 or more was too weak a tier; what scores less was fine.
        let labels: Vec<Label> = (0..100)
            .map(|number| {
                let score = f64::from(number) / 100.0;
                let least = if score >= 0.3 { Tier::Medium } else { Tier::Cheap };
                label(number, score, least, if score >= 0.3 { Tier::Frontier } else { Tier::Cheap })
            })
            .collect();
        let learnt = learn(&labels, now).unwrap();
        assert_eq!(learnt.thresholds, Thresholds { medium_at: 0.3, frontier_at: 0.6 });
        assert!((learnt.before - 10.0).abs() < 1e-9 && learnt.after <= 2.0, "{learnt:?}");
        assert_eq!(learn(&labels[..FEWEST - 1], now), None);
    }

    #[test]
    fn nothing_moves_where_the_decisions_were_right() {
        let now = Thresholds { medium_at: 0.4, frontier_at: 0.6 };
        let labels: Vec<Label> = (0..100)
            .map(|number| {
                let score = f64::from(number) / 100.0;
                label(number, score, now.tier(score), now.tier(score))
            })
            .collect();
        let learnt = learn(&labels, now).unwrap();
        assert!(learnt.thresholds == now && learnt.before < 1e-9 && learnt.after < 1e-9, "{learnt:?}");
    }
}
