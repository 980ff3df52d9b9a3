//! Whether a conversation keeps its tier: a switch in its middle loses the provider's prompt cache and
//! confuses tool use.
//!
//! Enters: what is known of the conversation and what was decided for its next step. Leaves: the
//! decision that holds. Pure; times and prices are handed in.

use std::borrow::Cow;

use super::Decision;
use crate::catalog::{ByTier, NanoUsd, Price, Source, Step, Tier};
use crate::protocol::TokenUsage;

/// A conversation as it stood after its last step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pin {
    /// The tier that its last turn was decided for.
    pub tier: Tier,
    /// When that was, in milliseconds since the epoch.
    pub last_ms: i64,
    /// What its last answer cost in tokens, if that is known.
    pub prompt_cache: Option<PromptCacheState>,
    /// How many failures its tool loop had when it last went up; 0 if it did not. The same step sent again has no more.
    pub raised: u64,
}

/// What a provider's prompt cache holds of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PromptCacheState {
    /// The tier that answered.
    pub tier: Tier,
    /// Input tokens of the last step.
    pub input: u64,
    /// How many of them the provider said that it had in its cache, or wrote into it; `None` if it says nothing of it.
    pub cached: Option<u64>,
    /// Output tokens of the last step.
    pub output: u64,
}

/// When a conversation may go down. By default, at any time.
#[derive(Debug, Clone, Copy, Default)]
pub struct SessionRule {
    /// After so long without a step a conversation is free again, in milliseconds.
    pub idle_ms: i64,
    /// How long a provider's prompt cache lives, in milliseconds.
    pub cache_ms: i64,
    /// Whether it may also go down before, where that is cheaper.
    pub when_cheaper: bool,
    /// Whether a tool loop that fails again and again goes up.
    pub escalates: bool,
}

/// The tier of a tool loop's step, which is not asked again: that of its turn, or the next one up where it fails again and
/// again. Only a person's turn takes it down.
pub(super) fn keeps(pin: &Pin, step: Step, failures: u64, rule: &SessionRule, now_ms: i64) -> Option<Decision> {
    if !step.is_a(Step::ToolLoop) || is_idle(pin, rule, now_ms) {
        return None;
    }
    let is_worse = step == Step::StuckLoop && failures > pin.raised;
    let up = pin.tier.and_up().get(1).filter(|_| is_worse && rule.escalates);
    Some(match up {
        Some(up) => Decision {
            reason: Cow::Owned(format!("a tool loop that fails again and again goes up from {}", pin.tier)),
            ..Decision::settled(*up, Source::Session, "")
        },
        None => Decision::settled(pin.tier, Source::Session, "a tool loop keeps its turn's tier"),
    })
}

/// What holds for a person's turn: up at once, down only where it is cheaper or after a pause.
///
/// `prices` are those of each tier's first upstream, nothing where they are unknown.
pub(super) fn turn(
    pin: &Pin,
    asked: Decision,
    step: Step,
    rule: &SessionRule,
    now_ms: i64,
    prices: &ByTier<Option<Price>>,
) -> Decision {
    // An agent's errand is no part of the conversation, and what is idle is free.
    if asked.tier >= pin.tier || step == Step::BackgroundCall || is_idle(pin, rule, now_ms) {
        return asked;
    }
    if rule.when_cheaper
        && let Some(cache) = &pin.prompt_cache
        && is_cheaper(pin, cache, asked.tier, rule, now_ms, prices)
    {
        let reason = Cow::Owned(format!("cheaper than {} though its prompt cache is lost; {}", pin.tier, asked.reason));
        return Decision { reason, ..asked };
    }
    let reason = Cow::Owned(format!("the conversation stays at {}; alone it would be {}", pin.tier, asked.tier));
    Decision { tier: pin.tier, source: Source::Session, reason, ..asked }
}

fn is_idle(pin: &Pin, rule: &SessionRule, now_ms: i64) -> bool {
    now_ms.saturating_sub(pin.last_ms) > rule.idle_ms
}

/// Whether the next step costs less one tier down, all of its input read anew there, than here, where the
/// cache is warm. Unknown prices make nothing cheaper.
fn is_cheaper(
    pin: &Pin,
    cache: &PromptCacheState,
    down: Tier,
    rule: &SessionRule,
    now_ms: i64,
    prices: &ByTier<Option<Price>>,
) -> bool {
    let is_warm = cache.tier == pin.tier && now_ms.saturating_sub(pin.last_ms) <= rule.cache_ms;
    let cached = match (is_warm, cache.cached) {
        (false, _) => 0,
        // If the provider does not say, all of it may be cached.
        (true, cached) => cached.unwrap_or(cache.input).min(cache.input),
    };
    let stay = step_cost(prices[pin.tier], cache, cached);
    let switch = step_cost(prices[down], cache, 0);
    matches!((stay, switch), (Some(stay), Some(switch)) if switch < stay)
}

/// What a step like the last one costs where so many of its input tokens are cached and the rest is read anew, and
/// written into the prompt cache where that has a price; `None` where a price is unknown.
fn step_cost(price: Option<Price>, step: &PromptCacheState, cached: u64) -> Option<NanoUsd> {
    let price = price?;
    let usage = TokenUsage {
        input_tokens: Some(step.input),
        cached_input_tokens: Some(cached),
        cache_write_tokens: price.cache_write.map(|_| step.input - cached),
        output_tokens: Some(step.output),
        ..TokenUsage::default()
    };
    Price { cache_read: price.cache_read.or(price.input), ..price }.cost(&usage)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: SessionRule = SessionRule { idle_ms: 300_000, cache_ms: 300_000, when_cheaper: true, escalates: true };

    fn asked(tier: Tier) -> Decision {
        Decision { tier, source: Source::Embedded, score: Some(0.5), confidence: None, reason: Cow::Borrowed("x") }
    }

    fn pin(prompt_cache: Option<PromptCacheState>) -> Pin {
        Pin { tier: Tier::Frontier, last_ms: 1_000, prompt_cache, raised: 0 }
    }

    fn price(input: f64, cached: f64, output: f64) -> Price {
        let of = |usd| Some(Price::per_million(usd).unwrap());
        Price { input: of(input), output: of(output), cache_read: of(cached), cache_write: None, cache_write_1h: None }
    }

    /// Prices of the cheap and the frontier tier.
    fn by_tier(cheap: Option<Price>, frontier: Option<Price>) -> ByTier<Option<Price>> {
        ByTier::from_fn(|tier| match tier {
            Tier::Cheap => cheap,
            Tier::Medium => None,
            Tier::Frontier => frontier,
        })
    }

    #[test]
    fn a_tool_loop_keeps_its_tier_for_thirty_steps() {
        let mut pin = pin(None);
        for step in 1..=30 {
            let now = 1_000 + step * 60_000;
            let kept = keeps(&pin, Step::ToolLoop, 0, &RULE, now).unwrap();
            assert_eq!((kept.tier, kept.source), (Tier::Frontier, Source::Session));
            pin.last_ms = now;
        }
        assert!(keeps(&pin, Step::Turn, 0, &RULE, pin.last_ms).is_none());
        assert!(keeps(&pin, Step::ToolLoop, 0, &RULE, pin.last_ms + 300_001).is_none(), "not for ever");
    }

    #[test]
    fn a_tool_loop_that_fails_again_and_again_goes_up_once_a_time() {
        let low = Pin { tier: Tier::Cheap, ..pin(None) };
        let up = keeps(&low, Step::StuckLoop, 2, &RULE, 2_000).unwrap();
        assert_eq!((up.tier, up.source), (Tier::Medium, Source::Session));
        assert_eq!(up.reason, "a tool loop that fails again and again goes up from cheap");
        let higher = Pin { tier: up.tier, raised: 2, ..low };
        assert_eq!(keeps(&higher, Step::ToolLoop, 2, &RULE, 2_000).unwrap().tier, Tier::Medium, "it stays there");
        assert_eq!(keeps(&higher, Step::StuckLoop, 2, &RULE, 2_000).unwrap().tier, Tier::Medium, "the same step again");
        assert_eq!(keeps(&pin(None), Step::StuckLoop, 2, &RULE, 2_000).unwrap().tier, Tier::Frontier);
        let never = SessionRule { escalates: false, ..RULE };
        assert_eq!(keeps(&low, Step::StuckLoop, 2, &never, 2_000).unwrap().tier, Tier::Cheap);
    }

    #[test]
    fn a_turn_goes_up_at_once_and_down_only_after_a_pause() {
        let none = ByTier::default();
        let low = Pin { tier: Tier::Cheap, ..pin(None) };
        assert_eq!(turn(&low, asked(Tier::Frontier), Step::Turn, &RULE, 2_000, &none).tier, Tier::Frontier);
        let stays = turn(&pin(None), asked(Tier::Cheap), Step::Turn, &RULE, 2_000, &none);
        assert_eq!((stays.tier, stays.source), (Tier::Frontier, Source::Session));
        assert_eq!(stays.reason, "the conversation stays at frontier; alone it would be cheap");
        assert_eq!(turn(&pin(None), asked(Tier::Cheap), Step::Turn, &RULE, 301_001, &none).tier, Tier::Cheap);
        assert_eq!(turn(&pin(None), asked(Tier::Cheap), Step::BackgroundCall, &RULE, 2_000, &none).tier, Tier::Cheap);
    }

    #[test]
    fn it_goes_down_where_that_is_cheaper_with_the_cache_lost() {
        let warm =
            |cached| Some(PromptCacheState { tier: Tier::Frontier, input: 100_000, cached: Some(cached), output: 200 });
        let decide = |cached, prices: &ByTier<Option<Price>>, now| {
            turn(&pin(warm(cached)), asked(Tier::Cheap), Step::Turn, &RULE, now, prices).tier
        };
        // 100 000 tokens: 0.03 $ read from the cache here against 0.06 $ anew there.
        let near = by_tier(Some(price(0.6, 0.06, 2.0)), Some(price(3.0, 0.3, 15.0)));
        assert_eq!(decide(100_000, &near, 2_000), Tier::Frontier);
        // Nothing cached: 0.30 $ here.
        assert_eq!(decide(0, &near, 2_000), Tier::Cheap);
        // A much cheaper model wins against a warm cache.
        let far = by_tier(Some(price(0.1, 0.01, 0.4)), Some(price(3.0, 0.3, 15.0)));
        assert_eq!(decide(100_000, &far, 2_000), Tier::Cheap);
        // What is unknown is not cheaper.
        assert_eq!(decide(0, &by_tier(None, near[Tier::Frontier]), 2_000), Tier::Frontier);
        let never = SessionRule { when_cheaper: false, ..RULE };
        assert_eq!(turn(&pin(warm(0)), asked(Tier::Cheap), Step::Turn, &never, 2_000, &far).tier, Tier::Frontier);
    }
}
