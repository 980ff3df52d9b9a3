//! Answers as this router writes them: `chat.completion` and its chunks.
//!
//! Source: OpenAI's API reference, "The chat completion object" and "The chat completion chunk object"
//! (read 2026-11-25). `reasoning_content` and `reasoning_details` are common extensions; what a provider
//! says that has no place here stands in `provider_fields`.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{ReasoningDetail, TokenUsage};

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Completion {
    /// The provider's id of it.
    pub id: String,
    /// `chat.completion`
    pub object: &'static str,
    /// Seconds since the epoch.
    pub created: i64,
    /// The model that answered.
    pub model: String,
    /// One answer, or as many as were asked for.
    pub choices: Vec<Choice>,
    /// Tokens; absent if the provider did not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<WireUsage>,
    /// The class of service that was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<String>,
    /// What the provider said besides.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub provider_fields: Map<String, Value>,
}

/// One of the answers.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Choice {
    /// Its number, from 0.
    pub index: u64,
    /// What is said.
    pub message: Message,
    /// Probabilities of its tokens.
    pub logprobs: Option<Value>,
    /// Why it ended.
    pub finish_reason: &'static str,
}

/// What the model says.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Message {
    /// `assistant`
    pub role: Role,
    /// Its text; `null` if it only calls tools.
    pub content: Option<String>,
    /// Why it does not answer.
    pub refusal: Option<String>,
    /// What it thought.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// The same in blocks, with what only its provider can read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasoning_details: Vec<ReasoningDetail>,
    /// The tools that it calls.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// Where it has it from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub annotations: Vec<Value>,
}

/// The only role of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The model.
    #[default]
    Assistant,
}

/// A call of a tool, or in a stream a piece of one: id and name first, then its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ToolCall {
    /// Its number among the calls of the answer; in streams only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// Its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `function`
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    /// What is called.
    pub function: Function,
}

/// The function that is called.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Function {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A JSON object, or a piece of one.
    pub arguments: String,
}

impl ToolCall {
    /// A complete call.
    #[must_use]
    pub fn whole(id: String, name: String, arguments: String) -> Self {
        ToolCall {
            index: None,
            id: Some(id),
            kind: Some("function"),
            function: Function { name: Some(name), arguments },
        }
    }

    /// The first piece of a call in a stream.
    #[must_use]
    pub fn begin(index: u64, id: String, name: String) -> Self {
        ToolCall { index: Some(index), ..Self::whole(id, name, String::new()) }
    }

    /// A further piece of a call's arguments.
    #[must_use]
    pub fn arguments(index: u64, piece: String) -> Self {
        ToolCall { index: Some(index), function: Function { name: None, arguments: piece }, ..Self::default() }
    }
}

/// A piece of a streamed answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Chunk {
    /// The provider's id of the answer.
    pub id: String,
    /// `chat.completion.chunk`
    pub object: &'static str,
    /// Seconds since the epoch, the same in all chunks.
    pub created: i64,
    /// The model that answers.
    pub model: String,
    /// What is new; empty in the chunk that carries the usage.
    pub choices: Vec<ChunkChoice>,
    /// Tokens, in the last chunk, for a client that asked for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<WireUsage>,
    /// The class of service that was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<String>,
    /// What the provider said besides.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub provider_fields: Map<String, Value>,
}

/// What is new in one of the answers.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct ChunkChoice {
    /// Its number, from 0.
    pub index: u64,
    /// What is new.
    pub delta: Delta,
    /// Probabilities of its tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<Value>,
    /// Why it ended; `null` until then.
    pub finish_reason: Option<&'static str>,
}

/// What is new.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Delta {
    /// In the first chunk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// More text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// More of why it does not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// More thought.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// Blocks of thought that are complete.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasoning_details: Vec<ReasoningDetail>,
    /// Pieces of tool calls.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// Where it has it from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub annotations: Vec<Value>,
}

/// `usage` as OpenAI's API writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct WireUsage {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_tokens_details: Option<InputDetails>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completion_tokens_details: Option<OutputDetails>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct InputDetails {
    #[serde(skip_serializing_if = "Option::is_none")]
    cached_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_write_tokens: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct OutputDetails {
    reasoning_tokens: u64,
}

impl WireUsage {
    /// The wire form of what a provider reported; `None` if it did not report both kinds.
    ///
    /// Details that are unknown are left out; they are not 0.
    #[must_use]
    pub fn of(usage: &TokenUsage) -> Option<Self> {
        let (input, output) = (usage.input_tokens?, usage.output_tokens?);
        Some(WireUsage {
            prompt_tokens: input,
            completion_tokens: output,
            total_tokens: input + output,
            prompt_tokens_details: usage.cached_input_tokens.or(usage.cache_write_tokens).map(|_| InputDetails {
                cached_tokens: usage.cached_input_tokens,
                cache_write_tokens: usage.cache_write_tokens,
            }),
            completion_tokens_details: usage
                .reasoning_tokens
                .map(|reasoning_tokens| OutputDetails { reasoning_tokens }),
        })
    }
}
