//! Token counts, as OpenAI's API reports them and as they are kept.

use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::text::Text;

/// More tokens than any request can have. A larger figure is a lie and is treated as not reported,
/// which also keeps every sum of them inside 64 bits.
const MOST_TOKENS: u64 = 100_000_000;

/// The tokens of one request, inclusive as in OpenTelemetry's GenAI conventions: `input_tokens`
/// includes the cached ones and those written to the cache, `output_tokens` includes reasoning.
///
/// `None` means not reported; it is never shown as 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TokenUsage {
    /// All input tokens.
    pub input_tokens: Option<u64>,
    /// Those of them that the provider read from its prompt cache.
    pub cached_input_tokens: Option<u64>,
    /// Those of them that the provider wrote to its prompt cache.
    pub cache_write_tokens: Option<u64>,
    /// Those of the written ones that are kept for an hour instead of some minutes: they cost more.
    pub cache_write_1h_tokens: Option<u64>,
    /// All output tokens.
    pub output_tokens: Option<u64>,
    /// Those of them that were spent on reasoning.
    pub reasoning_tokens: Option<u64>,
}

/// The same tokens in kinds that do not overlap, as they are billed. Providers' own figures are read into
/// these first, because some include one kind in another and some do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TokenBuckets {
    /// Input that no cache served or kept.
    pub uncached_input: Option<u64>,
    /// Input read from the provider's prompt cache.
    pub cache_read: Option<u64>,
    /// Input written to it, for some minutes.
    pub cache_write_5m: Option<u64>,
    /// Input written to it, for an hour.
    pub cache_write_1h: Option<u64>,
    /// Output that is no reasoning.
    pub output: Option<u64>,
    /// Reasoning.
    pub reasoning: Option<u64>,
}

impl TokenBuckets {
    /// The inclusive figures. A part that is unknown adds nothing; a sum without its main part is unknown.
    #[must_use]
    pub fn inclusive(&self) -> TokenUsage {
        let count = |count: Option<u64>| count.filter(|count| *count <= MOST_TOKENS);
        let sum = |parts: &[Option<u64>]| parts.iter().copied().flatten().reduce(u64::saturating_add);
        let write = count(sum(&[self.cache_write_5m, self.cache_write_1h]));
        TokenUsage {
            input_tokens: count(self.uncached_input.and_then(|main| sum(&[Some(main), self.cache_read, write]))),
            cached_input_tokens: count(self.cache_read),
            cache_write_tokens: write,
            cache_write_1h_tokens: count(self.cache_write_1h),
            output_tokens: count(self.output.and_then(|main| sum(&[Some(main), self.reasoning]))),
            reasoning_tokens: count(self.reasoning),
        }
    }
}

/// Where a row's token counts come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageSource {
    /// The provider said so.
    Reported,
    /// The provider did not say; they were counted here with a tokenizer that may not be its own.
    Estimated,
    /// Nobody said; the counts are `NULL`.
    #[default]
    Absent,
}

impl UsageSource {
    /// The number that is stored.
    #[must_use]
    pub const fn number(self) -> i64 {
        match self {
            UsageSource::Absent => 0,
            UsageSource::Reported => 1,
            UsageSource::Estimated => 2,
        }
    }

    /// The source of a stored number.
    #[must_use]
    pub const fn from_number(number: i64) -> Option<Self> {
        match number {
            0 => Some(UsageSource::Absent),
            1 => Some(UsageSource::Reported),
            2 => Some(UsageSource::Estimated),
            _ => None,
        }
    }

    /// The name in the API and in exports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            UsageSource::Reported => "reported",
            UsageSource::Estimated => "estimated",
            UsageSource::Absent => "absent",
        }
    }
}

impl TokenUsage {
    /// The same tokens in kinds that do not overlap.
    #[must_use]
    pub fn buckets(&self) -> TokenBuckets {
        let read = self.cached_input_tokens;
        let write = self.cache_write_tokens;
        let hour = self.cache_write_1h_tokens;
        let without = |whole: Option<u64>, parts: [Option<u64>; 2]| {
            whole.map(|whole| parts.iter().flatten().fold(whole, |rest, part| rest.saturating_sub(*part)))
        };
        TokenBuckets {
            uncached_input: without(self.input_tokens, [read, write]),
            cache_read: read,
            cache_write_5m: without(write, [hour, None]),
            cache_write_1h: hour,
            output: without(self.output_tokens, [self.reasoning_tokens, None]),
            reasoning: self.reasoning_tokens,
        }
    }

    /// Whether anything was reported at all.
    #[must_use]
    pub fn source(&self) -> UsageSource {
        if self.input_tokens.is_some() || self.output_tokens.is_some() {
            UsageSource::Reported
        } else {
            UsageSource::Absent
        }
    }
}

/// `usage` as OpenAI's API and its relatives write it: input includes what was cached, output includes
/// reasoning. `prompt_cache_hit_tokens` is `DeepSeek`'s name for the cached ones, `num_cached_tokens` an older
/// one of Mistral's, and Perplexity has `reasoning_tokens` at the top.
///
/// xAI counts reasoning on top of the completion: its total says so (`total = prompt + completion + reasoning`),
/// and that is what is gone by.
///
/// Sources: "The chat completion object" of OpenAI's API reference and the usage objects of the providers named
/// in `docs/providers.md` (read 2026-11-25).
impl<'de> Deserialize<'de> for TokenUsage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Wire {
            prompt_tokens: Count,
            completion_tokens: Count,
            total_tokens: Count,
            prompt_cache_hit_tokens: Count,
            num_cached_tokens: Count,
            reasoning_tokens: Count,
            prompt_tokens_details: Details,
            completion_tokens_details: Details,
        }
        let wire = Wire::deserialize(deserializer)?;
        let input = wire.prompt_tokens_details;
        let reasoning = wire.completion_tokens_details.reasoning_tokens.0.or(wire.reasoning_tokens.0);
        let on_top = match (wire.prompt_tokens.0, wire.completion_tokens.0, wire.total_tokens.0, reasoning) {
            (Some(prompt), Some(completion), Some(total), Some(reasoning)) => {
                reasoning > 0 && total == prompt + completion + reasoning
            }
            _ => false,
        };
        let output = match (wire.completion_tokens.0, reasoning) {
            (Some(completion), Some(reasoning)) if on_top => Some(completion + reasoning),
            (completion, _) => completion,
        };
        Ok(TokenUsage {
            input_tokens: wire.prompt_tokens.0,
            cached_input_tokens: input.cached_tokens.0.or(wire.prompt_cache_hit_tokens.0).or(wire.num_cached_tokens.0),
            cache_write_tokens: input.cache_write_tokens.0,
            cache_write_1h_tokens: None,
            output_tokens: output,
            reasoning_tokens: reasoning,
        })
    }
}

/// What a visitor takes for nothing told: every JSON value but objects and whole numbers.
macro_rules! anything_else {
    ($nothing:expr) => {
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok($nothing)
        }
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok($nothing)
        }
        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok($nothing)
        }
        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok($nothing)
        }
        fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
            Ok($nothing)
        }
        fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
            IgnoredAny.visit_seq(list).map(|_| $nothing)
        }
    };
}

/// Parts of input or output. They may be `null` or anything else: then they say nothing.
#[derive(Default)]
#[expect(clippy::struct_field_names, reason = "these are the names")]
struct Details {
    cached_tokens: Count,
    cache_write_tokens: Count,
    reasoning_tokens: Count,
}

impl<'de> Deserialize<'de> for Details {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Details;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Details, A::Error> {
                let mut details = Details::default();
                while let Some(name) = map.next_key::<Text<'de>>()? {
                    let place = match name.as_str() {
                        "cached_tokens" => &mut details.cached_tokens,
                        "cache_write_tokens" => &mut details.cache_write_tokens,
                        "reasoning_tokens" => &mut details.reasoning_tokens,
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                            continue;
                        }
                    };
                    // What stands twice, as where objects were merged, costs the rest of the usage nothing.
                    *place = map.next_value()?;
                }
                Ok(details)
            }
            fn visit_u64<E>(self, _: u64) -> Result<Details, E> {
                Ok(Details::default())
            }
            anything_else!(Details::default());
        }
        deserializer.deserialize_any(Object)
    }
}

/// A count that may be anything: what is no whole number in range is not reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count(pub Option<u64>);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Whole;
        impl<'de> Visitor<'de> for Whole {
            type Value = Count;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a count")
            }
            fn visit_u64<E>(self, count: u64) -> Result<Count, E> {
                Ok(Count((count <= MOST_TOKENS).then_some(count)))
            }
            anything_else!(Count(None));
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Count, A::Error> {
                IgnoredAny.visit_map(map).map(|_| Count(None))
            }
        }
        deserializer.deserialize_any(Whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_read_with_its_details() {
        let usage: TokenUsage = serde_json::from_str(
            r#"{"prompt_tokens":100,"completion_tokens":20,"total_tokens":120,
               "prompt_tokens_details":{"cached_tokens":60,"audio_tokens":0},
               "completion_tokens_details":{"reasoning_tokens":8}}"#,
        )
        .unwrap();
        assert_eq!(usage.input_tokens, Some(100));
        assert_eq!(usage.cached_input_tokens, Some(60));
        assert_eq!(usage.cache_write_tokens, None);
        assert_eq!(usage.output_tokens, Some(20));
        assert_eq!(usage.reasoning_tokens, Some(8));
        assert_eq!(usage.source(), UsageSource::Reported);
    }

    #[test]
    fn each_relative_says_it_in_its_own_way() {
        let read = |text: &str| serde_json::from_str::<TokenUsage>(text).unwrap();
        let xai = read(
            r#"{"prompt_tokens":100,"completion_tokens":20,"total_tokens":150,
                "completion_tokens_details":{"reasoning_tokens":30}}"#,
        );
        assert_eq!((xai.output_tokens, xai.reasoning_tokens), (Some(50), Some(30)));
        let deepseek = read(
            r#"{"prompt_tokens":10,"completion_tokens":2,"prompt_cache_hit_tokens":6,"prompt_tokens_details":null}"#,
        );
        assert_eq!((deepseek.input_tokens, deepseek.cached_input_tokens), (Some(10), Some(6)));
        let twice =
            read(r#"{"prompt_tokens":10,"prompt_tokens_details":{"cached_tokens":1,"x":[1],"cached_tokens":2}}"#);
        assert_eq!((twice.input_tokens, twice.cached_input_tokens), (Some(10), Some(2)));
        for part in [r#""none""#, "null", "7", "-7", "0.5", "false", "[1,[2]]"] {
            let strange =
                read(&format!(r#"{{"prompt_tokens":10,"completion_tokens":2,"prompt_tokens_details":{part}}}"#));
            assert_eq!((strange.input_tokens, strange.cached_input_tokens), (Some(10), None), "{part}");
        }
    }

    #[test]
    fn buckets_and_inclusive_figures_say_the_same() {
        let buckets = TokenBuckets {
            uncached_input: Some(10),
            cache_read: Some(20),
            cache_write_5m: Some(3),
            cache_write_1h: Some(4),
            output: Some(5),
            reasoning: Some(6),
        };
        let usage = buckets.inclusive();
        assert_eq!((usage.input_tokens, usage.cache_write_tokens, usage.output_tokens), (Some(37), Some(7), Some(11)));
        assert_eq!(usage.buckets(), buckets);
        let unknown = TokenBuckets { cache_read: Some(1), ..TokenBuckets::default() };
        assert_eq!(unknown.inclusive().input_tokens, None, "a sum without its main part is unknown");
    }

    #[test]
    fn a_figure_that_cannot_be_is_not_reported_instead_of_zero() {
        for text in [
            r#"{"prompt_tokens":-1,"completion_tokens":null}"#,
            r#"{"prompt_tokens":1.5,"completion_tokens":"12"}"#,
            r#"{"prompt_tokens":1e30,"completion_tokens":9999999999999999}"#,
            r#"{"prompt_tokens":[1,{"a":2}],"completion_tokens":{"value":{"value":3}},"total_tokens":true}"#,
            r#"{"prompt_tokens_details":null}"#,
            "{}",
        ] {
            let usage: TokenUsage = serde_json::from_str(text).unwrap();
            assert_eq!(usage.source(), UsageSource::Absent, "{text}");
        }
    }
}
