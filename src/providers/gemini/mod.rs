//! Google's Gemini API.
//!
//! Source: <https://ai.google.dev/api/generate-content>, "Thought signatures", "Function calling" and
//! "Troubleshooting" there (read 2026-11-25). Read `request.rs` first.

mod answer;
mod content;
mod request;

pub(super) use answer::{Stream, whole};
pub(super) use request::encode;

use super::Source;
use super::listing::{Cursor, Listing, Sign};
use crate::protocol::{Count, TokenBuckets, TokenUsage};

/// The pages that this folder follows.
pub(super) const SOURCES: &[Source] = &[
    Source { page: "https://ai.google.dev/api/generate-content", read: "2026-11-25" },
    Source { page: "https://ai.google.dev/gemini-api/docs/openai", read: "2026-11-25" },
];

/// Its list of models, among them many that do not chat.
pub(super) const LISTING: Listing = Listing {
    query: &[("pageSize", "1000")],
    chats: &[Sign::Lists("/supportedGenerationMethods", "generateContent")],
    cursor: Some(Cursor { parameter: "pageToken", told_in: "nextPageToken", if_true: None }),
    ..Listing::PLAIN
};

/// Whether it takes a picture by its address: it must be told the type, and takes no GIF so.
pub(super) fn takes_address(url: &str) -> bool {
    url.starts_with("https://") && content::media_type_of(url).is_some()
}

/// `usageMetadata`: thoughts come on top of the candidates, tool prompts on top of the prompt, and what is
/// cached is a part of the prompt.
///
/// Source: `UsageMetadata` of the API reference (read 2026-11-25).
#[derive(Debug, Clone, Copy, Default, serde::Deserialize)]
#[serde(default)]
struct Usage {
    #[serde(rename = "promptTokenCount")]
    prompt: Count,
    #[serde(rename = "cachedContentTokenCount")]
    cached_content: Count,
    #[serde(rename = "toolUsePromptTokenCount")]
    tool_use_prompt: Count,
    #[serde(rename = "candidatesTokenCount")]
    candidates: Count,
    #[serde(rename = "thoughtsTokenCount")]
    thoughts: Count,
    #[serde(rename = "totalTokenCount")]
    total: Count,
}

impl Usage {
    fn read(self) -> TokenUsage {
        // Counts of zero are left out of the JSON, so a count that is missing beside a total is a zero.
        let told = |count: Count| count.0.or(self.total.0.map(|_| 0));
        let prompt = told(self.prompt);
        TokenBuckets {
            uncached_input: prompt.map(|prompt| {
                let tools = self.tool_use_prompt.0.unwrap_or(0);
                prompt.saturating_sub(self.cached_content.0.unwrap_or(0)).saturating_add(tools)
            }),
            cache_read: told(self.cached_content),
            cache_write_5m: None,
            cache_write_1h: None,
            output: told(self.candidates),
            reasoning: told(self.thoughts),
        }
        .inclusive()
    }
}
