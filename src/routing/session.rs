//! Whether a conversation keeps its tier: a switch in its middle loses the provider's prompt cache and
//! confuses tool use.
//!
//! Enters: what is known of the conversation and what was decided for its next step. Leaves: the
//! decision that holds. Pure; times and prices are handed in.

use std::borrow::Cow;

use super::{Decision, Source, Step};
use crate::catalog::{Price, Tier};

/// A conversation as it stood after its last step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pin {
    /// The tier that its last turn was decided for.
    pub tier: Tier,
    /// When that was, in milliseconds since the epoch.
    pub last_ms: i64,
    /// What its last answer cost in tokens, if that is known.
    pub warm: Option<Warm>,
}

/// What a provider's prompt cache holds of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Warm {
    /// The tier that answered.
    pub tier: Tier,
    /// Input tokens of the last step.
    pub input: i64,
    /// How many of them the provider said that it had in its cache, or wrote into it; `None` if it says nothing of it.
    pub cached: Option<i64>,
    /// Output tokens of the last step.
    pub output: i64,
}

/// When a conversation may go down.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// After so long without a step a conversation is free again, in milliseconds.
    pub idle_ms: i64,
    /// How long a provider's prompt cache lives, in milliseconds.
    pub cache_ms: i64,
    /// Whether it may also go down before, where that is cheaper.
    pub when_cheaper: bool,
}

/// The tier of a tool loop's step, which is not asked again.
#[must_use]
pub fn keeps(pin: &Pin, step: Step, rule: &Rule, now_ms: i64) -> Option<Decision> {
    (step == Step::Loop && !is_idle(pin, rule, now_ms))
        .then(|| Decision::settled(pin.tier, Source::Session, "a tool loop keeps its turn's tier"))
}

/// What holds for a person's turn: up at once, down only where it is cheaper or after a pause.
///
/// `prices` are those of each tier's first upstream, nothing where they are unknown.
#[must_use]
pub fn turn(pin: &Pin, asked: Decision, step: Step, rule: &Rule, now_ms: i64, prices: &[Option<Price>; 3]) -> Decision {
    // An agent's errand is no part of the conversation, and what is idle is free.
    if asked.tier >= pin.tier || step == Step::SideCall || is_idle(pin, rule, now_ms) {
        return asked;
    }
    if rule.when_cheaper
        && let Some(warm) = &pin.warm
        && is_cheaper(pin, warm, asked.tier, rule, now_ms, prices)
    {
        let reason = Cow::Owned(format!("cheaper than {} though its prompt cache is lost; {}", pin.tier, asked.reason));
        return Decision { reason, ..asked };
    }
    let reason = Cow::Owned(format!("the conversation stays at {}; alone it would be {}", pin.tier, asked.tier));
    Decision { tier: pin.tier, source: Source::Session, reason, ..asked }
}

fn is_idle(pin: &Pin, rule: &Rule, now_ms: i64) -> bool {
    now_ms.saturating_sub(pin.last_ms) > rule.idle_ms
}

/// Whether the next step costs less one tier down, all of its input read anew there, than here, where the
/// cache is warm. Unknown prices make nothing cheaper.
fn is_cheaper(pin: &Pin, warm: &Warm, down: Tier, rule: &Rule, now_ms: i64, prices: &[Option<Price>; 3]) -> bool {
    let is_warm = warm.tier == pin.tier && now_ms.saturating_sub(pin.last_ms) <= rule.cache_ms;
    let cached = match (is_warm, warm.cached) {
        (false, _) => 0,
        (true, Some(cached)) => cached.clamp(0, warm.input.max(0)),
        // What nobody tells may be all of it.
        (true, None) => warm.input.max(0),
    };
    let stay = cost(prices[pin.tier as usize], warm.input - cached, cached, warm.output);
    let switch = cost(prices[down as usize], warm.input, 0, warm.output);
    matches!((stay, switch), (Some(stay), Some(switch)) if switch < stay)
}

/// Nano-dollars; `None` where a price is unknown.
fn cost(price: Option<Price>, fresh: i64, cached: i64, output: i64) -> Option<i128> {
    let price = price?;
    let per = |rate: Option<i64>, tokens: i64| rate.map(|rate| i128::from(rate) * i128::from(tokens));
    let fresh = per(price.cache_write.or(price.input), fresh)?;
    Some(fresh + per(price.cache_read.or(price.input), cached)? + per(price.output, output)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule { idle_ms: 300_000, cache_ms: 300_000, when_cheaper: true };

    fn asked(tier: Tier) -> Decision {
        Decision { tier, source: Source::Embedded, score: Some(0.5), confidence: None, reason: Cow::Borrowed("x") }
    }

    fn pin(warm: Option<Warm>) -> Pin {
        Pin { tier: Tier::Frontier, last_ms: 1_000, warm }
    }

    fn price(input: f64, cached: f64, output: f64) -> Price {
        let of = |usd| Some(Price::per_million(usd).unwrap());
        Price { input: of(input), output: of(output), cache_read: of(cached), cache_write: None, cache_write_1h: None }
    }

    #[test]
    fn a_tool_loop_keeps_its_tier_for_thirty_steps() {
        let mut pin = pin(None);
        for step in 1..=30 {
            let now = 1_000 + step * 60_000;
            let kept = keeps(&pin, Step::Loop, &RULE, now).unwrap();
            assert_eq!((kept.tier, kept.source), (Tier::Frontier, Source::Session));
            pin.last_ms = now;
        }
        assert!(keeps(&pin, Step::Turn, &RULE, pin.last_ms).is_none());
        assert!(keeps(&pin, Step::Loop, &RULE, pin.last_ms + 300_001).is_none(), "not for ever");
    }

    #[test]
    fn a_turn_goes_up_at_once_and_down_only_after_a_pause() {
        let none = [None; 3];
        let low = Pin { tier: Tier::Cheap, ..pin(None) };
        assert_eq!(turn(&low, asked(Tier::Frontier), Step::Turn, &RULE, 2_000, &none).tier, Tier::Frontier);
        let stays = turn(&pin(None), asked(Tier::Cheap), Step::Turn, &RULE, 2_000, &none);
        assert_eq!((stays.tier, stays.source), (Tier::Frontier, Source::Session));
        assert_eq!(stays.reason, "the conversation stays at frontier; alone it would be cheap");
        assert_eq!(turn(&pin(None), asked(Tier::Cheap), Step::Turn, &RULE, 301_001, &none).tier, Tier::Cheap);
        assert_eq!(turn(&pin(None), asked(Tier::Cheap), Step::SideCall, &RULE, 2_000, &none).tier, Tier::Cheap);
    }

    #[test]
    fn it_goes_down_where_that_is_cheaper_with_the_cache_lost() {
        let warm = |cached| Some(Warm { tier: Tier::Frontier, input: 100_000, cached: Some(cached), output: 200 });
        let decide = |cached, prices: &[Option<Price>; 3], now| {
            turn(&pin(warm(cached)), asked(Tier::Cheap), Step::Turn, &RULE, now, prices).tier
        };
        // 100 000 tokens: 0.03 $ read from the cache here against 0.06 $ anew there.
        let near = [Some(price(0.6, 0.06, 2.0)), None, Some(price(3.0, 0.3, 15.0))];
        assert_eq!(decide(100_000, &near, 2_000), Tier::Frontier);
        // Nothing cached: 0.30 $ here.
        assert_eq!(decide(0, &near, 2_000), Tier::Cheap);
        // A much cheaper model wins against a warm cache.
        let far = [Some(price(0.1, 0.01, 0.4)), None, Some(price(3.0, 0.3, 15.0))];
        assert_eq!(decide(100_000, &far, 2_000), Tier::Cheap);
        // What is unknown is not cheaper.
        assert_eq!(decide(0, &[None, None, near[2]], 2_000), Tier::Frontier);
        let never = Rule { when_cheaper: false, ..RULE };
        assert_eq!(turn(&pin(warm(0)), asked(Tier::Cheap), Step::Turn, &never, 2_000, &far).tier, Tier::Frontier);
    }
}
