//! How strong a model a text needs, as answers to typed questions: a choice, a level, yes or no.
//!
//! Enters: what the embedded classifier says of a text. Leaves: probabilities of the answers. The questions are those of
//! decision models (`POST /v1/systemone`); options and statements name tiers by everyday words.

use crate::catalog::{ByTier, Tier};

/// Words that name a tier, in lower case.
const WORDS: [(Tier, &[&str]); 3] = [
    (
        Tier::Cheap,
        &[
            "cheap",
            "cheapest",
            "small",
            "simple",
            "easy",
            "trivial",
            "low",
            "light",
            "lite",
            "local",
            "fast",
            "mini",
            "nano",
            "basic",
            "weak",
            "haiku",
            "flash",
            "简单",
            "容易",
            "便宜",
            "小模型",
        ],
    ),
    (
        Tier::Medium,
        &["medium", "mid", "middle", "moderate", "standard", "balanced", "normal", "sonnet", "中等", "中档", "普通"],
    ),
    (
        Tier::Frontier,
        &[
            "frontier",
            "large",
            "big",
            "strong",
            "stronger",
            "strongest",
            "hard",
            "difficult",
            "complex",
            "high",
            "advanced",
            "expert",
            "powerful",
            "best",
            "premium",
            "pro",
            "opus",
            "困难",
            "复杂",
            "最强",
            "前沿",
            "大模型",
        ],
    ),
];

/// Longest text in which a tier is looked for, in bytes.
const LONGEST: usize = 4_096;

/// The tier that a text names; `None` if it names none, or several, or is longer than 4 KB.
#[must_use]
pub fn tier_in_words(text: &str) -> Option<Tier> {
    if text.len() > LONGEST {
        return None;
    }
    let lower = text.to_lowercase();
    let single = || lower.split(|character: char| !character.is_alphanumeric());
    let is_there = |word: &&str| if word.is_ascii() { single().any(|it| it == *word) } else { lower.contains(word) };
    let mut named = WORDS.iter().filter(|(_, words)| words.iter().any(is_there)).map(|(tier, _)| *tier);
    let only = named.next()?;
    named.next().is_none().then_some(only)
}

/// How strong a model a text needs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Need {
    /// The log-odds that it needs more than the cheap tier, and that it needs the frontier tier; never rising.
    boundaries: [f64; 2],
}

impl Need {
    /// Of these log-odds.
    #[must_use]
    pub fn new(boundaries: [f64; 2]) -> Self {
        Need { boundaries }
    }

    /// The probability that each tier is the right one. They add up to 1.
    #[must_use]
    pub fn probabilities(&self) -> ByTier<f64> {
        let [medium, frontier] = self.boundaries.map(logistic);
        let all = [1.0 - medium, medium - frontier, frontier];
        ByTier::from_fn(|tier| all[tier as usize])
    }

    /// The probability of each option, all of different tiers. A tier that is no option goes to the next stronger one, and
    /// to the strongest where there is none.
    #[must_use]
    pub fn choice(&self, options: &[Tier]) -> Vec<f64> {
        let mut chosen = vec![0.0; options.len()];
        for (tier, probability) in self.probabilities().iter() {
            let stronger = (0..options.len()).filter(|at| options[*at] >= tier).min_by_key(|at| options[*at]);
            let takes = stronger.or_else(|| (0..options.len()).max_by_key(|at| options[*at]));
            if let Some(at) = takes {
                chosen[at] += probability;
            }
        }
        chosen
    }

    /// The probability of each of so many levels of need, the lowest first. Three are the tiers; the log-odds of the
    /// boundaries between more of them lie on the same line.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "there are at most ten")]
    pub fn levels(&self, count: usize) -> Vec<f64> {
        let [medium, frontier] = self.boundaries;
        let reaches = |level: usize| match level {
            0 => 1.0,
            level if level >= count => 0.0,
            level => logistic(medium + (frontier - medium) * (3.0 * level as f64 / count as f64 - 1.0)),
        };
        (0..count).map(|level| reaches(level) - reaches(level + 1)).collect()
    }

    /// The probability that a statement holds: for the cheap tier, that it is enough; for another, that it or a stronger
    /// one is needed.
    #[must_use]
    pub fn holds(&self, tier: Tier) -> f64 {
        let [medium, frontier] = self.boundaries.map(logistic);
        match tier {
            Tier::Cheap => 1.0 - medium,
            Tier::Medium => medium,
            Tier::Frontier => frontier,
        }
    }
}

fn logistic(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(one: &[f64], other: &[f64]) -> bool {
        one.len() == other.len() && one.iter().zip(other).all(|(one, other)| (one - other).abs() < 1e-9)
    }

    /// More than cheap with probability 0.8, frontier with 0.2.
    fn need() -> Need {
        Need::new([4.0_f64.ln(), -4.0_f64.ln()])
    }

    #[test]
    fn a_choice_gives_each_tier_to_the_next_option_that_can() {
        use Tier::{Cheap, Frontier, Medium};
        assert!(near(&need().choice(&[Frontier, Cheap, Medium]), &[0.2, 0.2, 0.6]));
        assert!(near(&need().choice(&[Cheap, Frontier]), &[0.2, 0.8]));
        assert!(near(&need().choice(&[Medium, Cheap]), &[0.8, 0.2]));
        assert!(near(&need().choice(&[Cheap]), &[1.0]));
    }

    #[test]
    fn levels_are_the_tiers_where_there_are_three_and_always_add_up() {
        assert!(near(&need().levels(3), &[0.2, 0.6, 0.2]));
        assert!(near(&need().levels(2), &[0.5, 0.5]));
        assert!(near(&need().levels(1), &[1.0]));
        for count in 1..=10 {
            let levels = need().levels(count);
            assert!(levels.iter().all(|level| *level >= 0.0), "{levels:?}");
            assert!((levels.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn a_statement_on_a_tier_holds_with_the_tiers_above_it() {
        assert!(near(&Tier::ALL.map(|tier| need().holds(tier)), &[0.2, 0.8, 0.2]));
    }

    #[test]
    fn a_tier_is_named_by_one_of_its_words_alone() {
        for (text, tier) in [
            ("cheap", Some(Tier::Cheap)),
            ("claude-haiku", Some(Tier::Cheap)),
            ("Mid-sized model", Some(Tier::Medium)),
            ("Needs the STRONGEST model", Some(Tier::Frontier)),
            ("复杂的推理", Some(Tier::Frontier)),
            ("billing", None),
            ("cheap or strong", None),
            ("highway", None),
            ("", None),
        ] {
            assert_eq!(tier_in_words(text), tier, "{text}");
        }
    }
}
