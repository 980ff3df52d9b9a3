//! Money, in whole nano-dollars, and what tokens cost.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::protocol::TokenUsage;

/// An amount in nano-dollars (10⁻⁹ US dollars). 1 USD is 1 000 000 000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NanoUsd(pub i64);

impl NanoUsd {
    /// The amount in US dollars, for showing; never for adding up.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a float is what JSON and pages show; sums are made in integers")]
    pub fn as_usd(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

impl fmt::Display for NanoUsd {
    /// Dollars with all nine decimals, exact: `0.000012500`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let whole = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:09}", whole / 1_000_000_000, whole % 1_000_000_000)
    }
}

/// What one million tokens of each kind cost, in nano-dollars per million tokens.
///
/// A part that is `None` is unknown: a usage that needs it has no cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Price {
    /// Input tokens that no cache served.
    pub input: Option<i64>,
    /// Output tokens, reasoning included.
    pub output: Option<i64>,
    /// Input tokens that the provider read from its prompt cache.
    pub cache_read: Option<i64>,
    /// Input tokens that the provider wrote into its prompt cache.
    pub cache_write: Option<i64>,
    /// Those of them that it keeps for an hour.
    pub cache_write_1h: Option<i64>,
}

/// A price that cannot be one.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("{0} is not a price: it must be 0 or more, and below 1 000 000 US dollars per million tokens")]
pub struct PriceError(pub f64);

impl Price {
    /// Turns US dollars per million tokens into this type's unit, rounded to the nano-dollar.
    ///
    /// # Errors
    /// The figure is negative, not finite, or a million dollars or more.
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked before the cast")]
    pub fn per_million(usd: f64) -> Result<i64, PriceError> {
        if usd.is_finite() && (0.0..1e6).contains(&usd) { Ok((usd * 1e9).round() as i64) } else { Err(PriceError(usd)) }
    }

    /// What this usage costs, or `None` where tokens or a price that it needs are unknown.
    ///
    /// `Σ tokens × price ÷ 10⁶` over the disjoint kinds (uncached input, cache read, cache write for
    /// minutes and for an hour, output with reasoning), rounded once, half up, to the nano-dollar. Example: 1 000 input tokens of which
    /// 400 were read from the cache, at 3 and 0.3 USD: (600 × 3 + 400 × 0.3) / 10⁶ = 0.00192 USD.
    #[must_use]
    pub fn cost(&self, usage: &TokenUsage) -> Option<NanoUsd> {
        usage.input_tokens?;
        let output = usage.output_tokens?;
        let kinds = usage.buckets();
        let mut total: i128 = 0;
        for (tokens, price) in [
            (kinds.uncached_input, self.input),
            (kinds.cache_read, self.cache_read),
            (kinds.cache_write_5m, self.cache_write),
            (kinds.cache_write_1h, self.cache_write_1h),
            (Some(output), self.output),
        ] {
            let tokens = tokens.unwrap_or(0);
            if tokens > 0 {
                total += i128::from(tokens) * i128::from(price?);
            }
        }
        i64::try_from((total + 500_000) / 1_000_000).ok().map(NanoUsd)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(input: u64, cached: u64, output: u64) -> TokenUsage {
        TokenUsage {
            input_tokens: Some(input),
            output_tokens: Some(output),
            cached_input_tokens: Some(cached),
            ..TokenUsage::default()
        }
    }

    #[test]
    fn cached_tokens_are_billed_once_and_at_their_own_price() {
        let price = Price {
            input: Some(Price::per_million(3.0).unwrap()),
            output: Some(Price::per_million(15.0).unwrap()),
            cache_read: Some(Price::per_million(0.3).unwrap()),
            cache_write: None,
            cache_write_1h: None,
        };
        assert_eq!(price.cost(&usage(1000, 400, 0)), Some(NanoUsd(1_920_000)));
        assert_eq!(price.cost(&usage(0, 0, 1)), Some(NanoUsd(15_000)));
    }

    #[test]
    fn an_unknown_price_or_count_has_no_cost_and_a_price_of_zero_costs_nothing() {
        let unknown = Price { input: Some(1), ..Price::default() };
        assert_eq!(unknown.cost(&usage(10, 0, 10)), None);
        assert_eq!(Price::default().cost(&usage(10, 0, 10)), None);
        let unwritten = Price::default();
        let free = Price { input: Some(0), output: Some(0), cache_read: Some(0), ..unwritten };
        assert_eq!(free.cost(&usage(10, 5, 10)), Some(NanoUsd(0)));
        assert_eq!(free.cost(&TokenUsage::default()), None);
    }

    #[test]
    fn tokens_written_for_an_hour_have_their_own_price() {
        let price = Price { input: Some(1), output: Some(0), cache_write: Some(1_000_000), ..Price::default() };
        let written = TokenUsage {
            input_tokens: Some(30),
            output_tokens: Some(0),
            cache_write_tokens: Some(30),
            cache_write_1h_tokens: Some(20),
            ..TokenUsage::default()
        };
        assert_eq!(price.cost(&written), None, "the price of an hour is unknown");
        let known = Price { cache_write_1h: Some(2_000_000), ..price };
        assert_eq!(known.cost(&written), Some(NanoUsd(50)));
    }

    #[test]
    fn amounts_print_exactly_and_round_half_up_once() {
        assert_eq!(NanoUsd(12_500).to_string(), "0.000012500");
        assert_eq!(NanoUsd(-1).to_string(), "-0.000000001");
        let unwritten = Price::default();
        let half = Price { input: Some(500_000), output: Some(0), cache_read: Some(0), ..unwritten };
        assert_eq!(half.cost(&usage(1, 0, 0)), Some(NanoUsd(1)));
    }

    #[test]
    fn prices_out_of_range_are_refused() {
        for usd in [-0.1, f64::NAN, f64::INFINITY, 1e6] {
            assert!(Price::per_million(usd).is_err());
        }
        assert_eq!(Price::per_million(0.075), Ok(75_000_000));
    }
}
