//! The decision: from values to a [`Decision`], in one place.
//!
//! Enters: [`Facts`], what the classifier says, the conversation's [`Pin`], and the [`Policy`] in force. Leaves: what is
//! decided, which rules were looked at, which could not be, and what the conversation is held to from now on. Pure and
//! synchronous: the same values give the same decision, so that a request can be decided again from the history.

use super::rules::Ruled;
use super::session::{keeps, turn};
use super::{Decision, Facts, Named, Pin, Rules, SessionRule, Thresholds, Unapplied, Verdict};
use crate::catalog::{ByTier, Judge, Preset, Price, Source, Step, Tier};

/// What a decision is made by.
#[derive(Debug, Default)]
pub struct Policy {
    /// Whether there is no classifier: everything goes to the frontier tier.
    pub is_off: bool,
    /// Rules over what the classifier says.
    pub rules: Rules,
    /// Whether conversations keep their tiers.
    pub keeps_sessions: bool,
    /// When a conversation may change its tier.
    pub session: SessionRule,
}

/// A decision, and what it took.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    /// The decision.
    pub decision: Decision,
    /// Names of the rules that held, with blanks between them; nothing where no rule was looked at.
    pub held: Option<String>,
    /// Which rules were looked at: bit n is the rule with the nth of [`Rules::marks`].
    pub looked: u64,
    /// Rules that could have changed something and look at what is not known: they were not applied.
    pub unknown: Vec<Unapplied>,
    /// The tier that the conversation is held to from now on; nothing where it stays as it is.
    pub pin: Option<Tier>,
    /// How many failures its tool loop had when it last went up; 0 if it did not.
    pub raised: u64,
}

impl From<Decision> for Decided {
    /// A decision for which nothing was looked at.
    fn from(decision: Decision) -> Self {
        Decided { decision, held: None, looked: 0, unknown: Vec::new(), pin: None, raised: 0 }
    }
}

impl Policy {
    /// Decides. `prices` are those of each tier's first upstream, nothing where they are unknown; they are looked at only
    /// for a conversation that could go down.
    ///
    /// The first step that settles it gives the decision its source: a named tier, no classifier, a tool loop of a
    /// conversation, the classifier, the rules, the conversation.
    #[must_use]
    pub fn decide(
        &self,
        facts: &Facts<'_>,
        pin: Option<&Pin>,
        prices: &ByTier<Option<Price>>,
        verdict: Verdict,
    ) -> Decided {
        if let Some(settled) = self.settled(facts, pin) {
            return settled;
        }
        let step = facts.step.unwrap_or(Step::Turn);
        let verdict = match facts.model.as_deref().and_then(Preset::of_model) {
            Some(preset) => by_preset(verdict, preset),
            None => verdict,
        };
        let judge = verdict.judge;
        let Ruled { mut decision, held, looked, unknown } = self.rules.apply(facts, verdict.into(), judge);
        if let Some(pin) = pin {
            decision = turn(pin, decision, step, &self.session, facts.now_ms, prices);
        }
        // An agent's errand leaves the conversation as it is, and what only stands because the classifier failed must
        // not outlive the failure.
        let holds = step != Step::BackgroundCall && decision.source != Source::Fallback;
        let pin = holds.then_some(decision.tier);
        Decided { decision, held: Some(held).filter(|held| !held.is_empty()), looked, unknown, pin, raised: 0 }
    }

    /// What is decided before any classifier is asked; `None` where it must be asked.
    #[must_use]
    pub fn settled(&self, facts: &Facts<'_>, pin: Option<&Pin>) -> Option<Decided> {
        let settled =
            |decision, pin, raised| Decided { decision, held: None, looked: 0, unknown: Vec::new(), pin, raised };
        let (tier, source, reason) = match facts.named {
            Some(Named::ByHeader(tier)) => (tier, Source::Forced, "named by the header"),
            Some(Named::ByModel(tier)) => (tier, Source::Forced, "named by the model"),
            None if self.is_off => (Tier::Frontier, Source::Disabled, "the classifier is off"),
            None => {
                let (pin, failures) = (pin?, facts.failures.unwrap_or(0));
                let kept = keeps(pin, facts.step.unwrap_or(Step::Turn), failures, &self.session, facts.now_ms)?;
                let tier = kept.tier;
                if tier == pin.tier {
                    return Some(settled(kept, Some(tier), pin.raised));
                }
                // The user's own rules bound a loop that goes up. Those that ship have no say in it.
                let Ruled { mut decision, held, looked, unknown } = self.rules.apply(facts, kept, Judge::Nobody);
                decision.tier = decision.tier.max(pin.tier);
                let (held, tier) = (Some(held).filter(|held| !held.is_empty()), decision.tier);
                return Some(Decided { decision, held, looked, unknown, pin: Some(tier), raised: failures });
            }
        };
        Some(settled(Decision::settled(tier, source, reason), None, 0))
    }
}

/// What the embedded classifier says with the thresholds of the preset that the request's model carries.
fn by_preset(verdict: Verdict, preset: Preset) -> Verdict {
    let score = verdict.score.filter(|_| verdict.judge == Judge::Embedded);
    let Some(tier) = score.map(|score| Thresholds::of(preset).tier(score)).filter(|tier| *tier != verdict.tier) else {
        return verdict;
    };
    let reason = format!("preset {}: {tier} instead of {}; {}", preset.as_str(), verdict.tier, verdict.reason);
    // How sure the classifier is of that tier is not known here.
    Verdict { tier, confidence: None, reason: reason.into(), ..verdict }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preset_in_the_models_name_moves_the_thresholds() {
        let policy = Policy::default();
        let decide = |model: &str, score: f64| {
            let facts = Facts { model: Some(model.into()), ..Facts::default() };
            let verdict = Verdict {
                tier: Thresholds::default().tier(score),
                judge: Judge::Embedded,
                remembered: false,
                score: Some(score),
                confidence: Some(0.9),
                reason: "x".into(),
            };
            let decision = policy.decide(&facts, None, &ByTier::default(), verdict).decision;
            (decision.tier, decision.confidence, decision.reason.into_owned())
        };
        assert_eq!(decide("auto", 0.7), (Tier::Frontier, Some(0.9), "x".to_owned()));
        let saved = (Tier::Medium, None, "preset save: medium instead of frontier; x".to_owned());
        assert_eq!(decide("auto:save", 0.7), saved);
        assert_eq!(decide("auto:quality", 0.2).0, Tier::Medium);
        assert_eq!(decide("auto:quality", 0.1), (Tier::Cheap, Some(0.9), "x".to_owned()));
    }
}
