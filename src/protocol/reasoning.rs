//! What a model thought, in the blocks in which it goes to clients and comes back.

use serde::{Deserialize, Serialize};

/// Blocks that only Anthropic's models can read or check.
pub const ANTHROPIC: &str = "anthropic-claude-v1";
/// Signatures that only Gemini can read.
pub const GEMINI: &str = "google-gemini-v1";

/// One member of a message's `reasoning_details`.
///
/// `type` is `reasoning.text` (with `text` and perhaps `signature`), `reasoning.summary` (with
/// `summary`) or `reasoning.encrypted` (with `data`); `format` tells whose it is. The shape is the one that
/// OpenRouter publishes, "Reasoning tokens: preserving reasoning blocks" (read 2026-11-25), so that clients
/// that keep the one keep the other.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReasoningDetail {
    /// What it is.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// The thought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The thought in short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// What nobody but the provider can read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// The provider's proof that it wrote the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// The tool call to which it belongs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Its place among the blocks of the answer, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
}

impl ReasoningDetail {
    /// A thought as text, with its signature if it has one.
    #[must_use]
    pub fn text(format: &str, index: u64, text: Option<String>, signature: Option<String>) -> Self {
        let (kind, format) = ("reasoning.text".to_owned(), Some(format.to_owned()));
        ReasoningDetail { kind, text, signature, format, index: Some(index), ..Self::default() }
    }

    /// A block that nobody but the provider can read.
    #[must_use]
    pub fn encrypted(format: &str, index: u64, data: String, id: Option<String>) -> Self {
        let (kind, format) = ("reasoning.encrypted".to_owned(), Some(format.to_owned()));
        ReasoningDetail { kind, data: Some(data), id, format, index: Some(index), ..Self::default() }
    }

    /// Whether it belongs to a provider's models.
    #[must_use]
    pub fn is_of(&self, format: &str) -> bool {
        self.format.as_deref() == Some(format)
    }
}
