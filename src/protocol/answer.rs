//! What is read of an answer on its way through: its model, whether it finished, its usage.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::TokenUsage;
use super::text::Text;

/// The parts of a plain answer (`chat.completion`) that are looked at.
#[derive(Debug, Deserialize)]
pub struct AnswerView<'a> {
    #[serde(borrow, default)]
    model: Option<Text<'a>>,
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
    finish_reason: Option<Text<'a>>,
    #[serde(default)]
    error: Option<IgnoredAny>,
}

/// Whether a finish reason says that the model failed.
fn is_failure(reason: Option<&Text<'_>>) -> bool {
    matches!(reason.map(Text::as_str), Some("error" | "insufficient_system_resource"))
}

impl AnswerView<'_> {
    /// The model that answered, as the provider names it.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.model.as_ref().map(Text::as_str)
    }

    /// Whether the model failed, though the status says that all is well.
    #[must_use]
    pub fn is_failed(&self) -> bool {
        self.choices.iter().any(|choice| choice.error.is_some() || is_failure(choice.finish_reason.as_ref()))
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
    #[serde(borrow, default)]
    model: Option<Text<'a>>,
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
    finish_reason: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
struct DeltaView<'a> {
    #[serde(borrow, default)]
    content: Option<Text<'a>>,
    #[serde(borrow, default)]
    reasoning_content: Option<Text<'a>>,
    #[serde(borrow, default)]
    reasoning: Option<Text<'a>>,
    #[serde(default)]
    tool_calls: Option<Vec<IgnoredAny>>,
}

impl<'a> ChunkView<'a> {
    fn choices(&self) -> &[ChoiceView<'a>] {
        self.choices.as_deref().unwrap_or_default()
    }

    /// The model that answers, as the provider names it.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.model.as_ref().map(Text::as_str)
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
        let says = |text: &Option<Text<'_>>| text.as_ref().is_some_and(|text| !text.as_str().is_empty());
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
        self.error.is_some() || self.choices().iter().any(|choice| is_failure(choice.finish_reason.as_ref()))
    }

    /// The text of the first choice in this chunk, empty if there is none.
    #[must_use]
    pub fn text(&self) -> &str {
        self.choices()
            .first()
            .and_then(|choice| choice.delta.as_ref())
            .and_then(|delta| delta.content.as_ref())
            .map(Text::as_str)
            .unwrap_or_default()
    }
}
