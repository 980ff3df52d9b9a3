//! Anthropic's Messages API.
//!
//! Source: <https://platform.claude.com/docs/en/api/messages/create>, "Streaming messages", "Errors",
//! "Extended thinking" and "Prompt caching" there (read 2026-11-25). Read `request.rs` first.

mod answer;
mod content;
mod model;
mod request;
mod schema;

pub(super) use answer::{Stream, whole};
pub(super) use request::encode;

use super::Source;
use super::listing::{Cursor, Listing};
use crate::protocol::{TokenBuckets, TokenUsage};

/// The pages that this folder follows.
pub(super) const SOURCES: &[Source] = &[
    Source { page: "https://platform.claude.com/docs/en/api/messages/create", read: "2026-11-25" },
    Source { page: "https://platform.claude.com/docs/en/about-claude/models/overview", read: "2026-11-25" },
    Source { page: "https://platform.claude.com/docs/en/build-with-claude/structured-outputs", read: "2026-11-25" },
    Source { page: "https://platform.claude.com/docs/en/build-with-claude/prompt-caching", read: "2026-11-25" },
];

/// Its list of models: pages go on from the last model's id.
pub(super) const LISTING: Listing = Listing {
    query: &[("limit", "1000")],
    cursor: Some(Cursor { parameter: "after_id", told_in: "last_id", if_true: Some("has_more") }),
    ..Listing::PLAIN
};

/// Whether it takes a picture by its address.
pub(super) fn takes_address(url: &str) -> bool {
    url.starts_with("https://")
}

/// `usage` as this API writes it: `input_tokens` are those that no cache served or kept.
///
/// Source: the Messages API's `usage` object (read 2026-11-25).
#[derive(Debug, Clone, Copy, Default, serde::Deserialize)]
#[serde(default)]
struct Usage {
    input_tokens: crate::protocol::Count,
    cache_read_input_tokens: crate::protocol::Count,
    cache_creation_input_tokens: crate::protocol::Count,
    cache_creation: Option<CacheCreation>,
    output_tokens: crate::protocol::Count,
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Debug, Clone, Copy, Default, serde::Deserialize)]
#[serde(default)]
struct CacheCreation {
    ephemeral_1h_input_tokens: crate::protocol::Count,
}

#[derive(Debug, Clone, Copy, Default, serde::Deserialize)]
#[serde(default)]
struct OutputDetails {
    thinking_tokens: crate::protocol::Count,
}

impl Usage {
    /// Lies a later report over an earlier one: what it does not say stays.
    fn then(self, later: Usage) -> Usage {
        let or = |later: crate::protocol::Count, earlier: crate::protocol::Count| {
            crate::protocol::Count(later.0.or(earlier.0))
        };
        Usage {
            input_tokens: or(later.input_tokens, self.input_tokens),
            cache_read_input_tokens: or(later.cache_read_input_tokens, self.cache_read_input_tokens),
            cache_creation_input_tokens: or(later.cache_creation_input_tokens, self.cache_creation_input_tokens),
            cache_creation: later.cache_creation.or(self.cache_creation),
            output_tokens: or(later.output_tokens, self.output_tokens),
            output_tokens_details: later.output_tokens_details.or(self.output_tokens_details),
        }
    }

    fn read(self) -> TokenUsage {
        let hour = self.cache_creation.unwrap_or_default().ephemeral_1h_input_tokens.0;
        let thinking = self.output_tokens_details.unwrap_or_default().thinking_tokens.0;
        TokenBuckets {
            uncached_input: self.input_tokens.0,
            cache_read: self.cache_read_input_tokens.0,
            cache_write_5m: self.cache_creation_input_tokens.0.map(|all| all.saturating_sub(hour.unwrap_or(0))),
            cache_write_1h: hour,
            output: self.output_tokens.0.map(|all| all.saturating_sub(thinking.unwrap_or(0))),
            reasoning: thinking,
        }
        .inclusive()
    }
}
