//! Token counts, as OpenAI's API reports them and as they are kept.

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

/// More tokens than any request can have. A larger figure is a lie and is treated as not reported,
/// which also keeps every sum of them inside 64 bits.
const MOST_TOKENS: u64 = 1_000_000_000_000;

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
    /// All output tokens.
    pub output_tokens: Option<u64>,
    /// Those of them that were spent on reasoning.
    pub reasoning_tokens: Option<u64>,
}

/// Where a row's token counts come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UsageSource {
    /// The provider said so.
    Reported,
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
        }
    }

    /// The source of a stored number.
    #[must_use]
    pub const fn from_number(number: i64) -> Option<Self> {
        match number {
            0 => Some(UsageSource::Absent),
            1 => Some(UsageSource::Reported),
            _ => None,
        }
    }

    /// The name in the API and in exports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            UsageSource::Reported => "reported",
            UsageSource::Absent => "absent",
        }
    }
}

impl TokenUsage {
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

/// `usage` as OpenAI's API and its followers write it.
///
/// Source: the "chat completion object" of OpenAI's API reference (read 2026-11-23);
/// `prompt_cache_hit_tokens` is DeepSeek's name for the cached ones.
impl<'de> Deserialize<'de> for TokenUsage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Wire {
            prompt_tokens: Count,
            completion_tokens: Count,
            prompt_cache_hit_tokens: Count,
            prompt_tokens_details: Option<InputDetails>,
            completion_tokens_details: Option<OutputDetails>,
        }
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct InputDetails {
            cached_tokens: Count,
            cache_write_tokens: Count,
        }
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct OutputDetails {
            reasoning_tokens: Count,
        }
        let wire = Wire::deserialize(deserializer)?;
        let input = wire.prompt_tokens_details.unwrap_or_default();
        let output = wire.completion_tokens_details.unwrap_or_default();
        Ok(TokenUsage {
            input_tokens: wire.prompt_tokens.0,
            cached_input_tokens: input.cached_tokens.0.or(wire.prompt_cache_hit_tokens.0),
            cache_write_tokens: input.cache_write_tokens.0,
            output_tokens: wire.completion_tokens.0,
            reasoning_tokens: output.reasoning_tokens.0,
        })
    }
}

/// A count that may be anything: what is no whole number in range is not reported.
#[derive(Default)]
struct Count(Option<u64>);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Any {
            Whole(u64),
            Other(IgnoredAny),
        }
        Ok(Count(match Any::deserialize(deserializer)? {
            Any::Whole(count) if count <= MOST_TOKENS => Some(count),
            Any::Whole(_) | Any::Other(_) => None,
        }))
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
    fn a_figure_that_cannot_be_is_not_reported_instead_of_zero() {
        for text in [
            r#"{"prompt_tokens":-1,"completion_tokens":null}"#,
            r#"{"prompt_tokens":1.5,"completion_tokens":"12"}"#,
            r#"{"prompt_tokens":1e30,"completion_tokens":9999999999999999}"#,
            r#"{"prompt_tokens_details":null}"#,
            "{}",
        ] {
            let usage: TokenUsage = serde_json::from_str(text).unwrap();
            assert_eq!(usage.source(), UsageSource::Absent, "{text}");
        }
    }
}
