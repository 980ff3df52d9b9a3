//! What is read of an answer on its way through: its model, whether it finished, its usage.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::TokenUsage;

/// The parts of a plain answer (`chat.completion`) that are looked at.
#[derive(Debug, Deserialize)]
pub struct AnswerView<'a> {
    /// The model that answered, as the provider names it.
    #[serde(borrow, default)]
    pub model: Option<Cow<'a, str>>,
    /// Present in every real answer; a body without it is not one.
    #[serde(borrow)]
    choices: Vec<EndView<'a>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

/// How one of the answers ended.
#[derive(Debug, Deserialize)]
struct EndView<'a> {
    #[serde(borrow, default)]
    finish_reason: Option<Cow<'a, str>>,
    #[serde(default)]
    error: Option<IgnoredAny>,
}

/// Whether a finish reason says that the model failed.
fn is_failure(reason: Option<&str>) -> bool {
    matches!(reason, Some("error" | "insufficient_system_resource"))
}

impl AnswerView<'_> {
    /// Whether the model failed, though the status says that all is well.
    #[must_use]
    pub fn is_failed(&self) -> bool {
        self.choices.iter().any(|choice| choice.error.is_some() || is_failure(choice.finish_reason.as_deref()))
    }

    /// Token counts, if the provider reported any.
    #[must_use]
    pub fn token_usage(&self) -> Option<TokenUsage> {
        self.usage.and_then(|raw| serde_json::from_str(raw.get()).ok())
    }

    /// The same, as the provider wrote it.
    #[must_use]
    pub fn raw_usage(&self) -> Option<String> {
        self.usage.map(|raw| raw.get().to_owned())
    }
}

/// The parts of a stream's chunk (`chat.completion.chunk`) that are looked at.
#[derive(Debug, Deserialize)]
pub struct ChunkView<'a> {
    /// The model that answers, as the provider names it.
    #[serde(borrow, default)]
    pub model: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    choices: Option<Vec<ChoiceView<'a>>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct ChoiceView<'a> {
    #[serde(borrow, default)]
    delta: Option<DeltaView<'a>>,
    #[serde(borrow, default)]
    finish_reason: Option<Cow<'a, str>>,
}

#[derive(Debug, Deserialize)]
struct DeltaView<'a> {
    #[serde(borrow, default)]
    content: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    reasoning_content: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    reasoning: Option<Cow<'a, str>>,
    #[serde(default)]
    tool_calls: Option<Vec<IgnoredAny>>,
}

impl<'a> ChunkView<'a> {
    fn choices(&self) -> &[ChoiceView<'a>] {
        self.choices.as_deref().unwrap_or_default()
    }

    /// Token counts, if this chunk carries them.
    #[must_use]
    pub fn token_usage(&self) -> Option<TokenUsage> {
        self.usage.and_then(|raw| serde_json::from_str(raw.get()).ok())
    }

    /// The same, as the provider wrote it.
    #[must_use]
    pub fn raw_usage(&self) -> Option<String> {
        self.usage.map(|raw| raw.get().to_owned())
    }

    /// Whether this chunk carries only usage: the one that a client gets when it asks for
    /// `stream_options.include_usage`.
    #[must_use]
    pub fn is_usage_only(&self) -> bool {
        self.choices().is_empty() && self.usage.is_some()
    }

    /// Whether the model said something in this chunk: text, reasoning or a tool call.
    #[must_use]
    pub fn has_output(&self) -> bool {
        let says = |text: &Option<Cow<'_, str>>| text.as_deref().is_some_and(|text| !text.is_empty());
        self.choices().iter().filter_map(|choice| choice.delta.as_ref()).any(|delta| {
            says(&delta.content)
                || says(&delta.reasoning_content)
                || says(&delta.reasoning)
                || delta.tool_calls.as_ref().is_some_and(|calls| !calls.is_empty())
        })
    }

    /// Whether a choice ends with this chunk.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.choices().iter().any(|choice| choice.finish_reason.is_some())
    }

    /// Whether the provider reports a failure in the middle of the stream.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.error.is_some() || self.choices().iter().any(|choice| is_failure(choice.finish_reason.as_deref()))
    }

    /// The text of the first choice in this chunk, empty if there is none.
    #[must_use]
    pub fn text(&self) -> &str {
        self.choices()
            .first()
            .and_then(|choice| choice.delta.as_ref())
            .and_then(|delta| delta.content.as_deref())
            .unwrap_or_default()
    }
}
