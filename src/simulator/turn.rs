//! A request understood and an answer before it is written: what all simulated dialects have in common.

use serde_json::Value;

/// A request that the real API would refuse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The status.
    pub(super) status: u16,
    /// What is wrong.
    pub(super) message: String,
    /// The field, where the API names it.
    pub(super) param: Option<String>,
    /// Its code, where the message does not say it already.
    pub(super) code: Option<&'static str>,
}

impl Refusal {
    /// A refusal that names no field.
    pub(super) fn new(status: u16, message: impl Into<String>) -> Self {
        Refusal { status, message: message.into(), param: None, code: None }
    }

    /// A refusal that names a field.
    pub(super) fn at(status: u16, param: &str, message: impl Into<String>) -> Self {
        Refusal { param: Some(param.to_owned()), ..Self::new(status, message) }
    }

    /// The same refusal with a code.
    pub(super) fn coded(self, code: &'static str) -> Self {
        Refusal { code: Some(code), ..self }
    }
}

/// A tool that the model may call.
#[derive(Debug, Clone, Default)]
pub(super) struct Tool {
    pub(super) name: String,
    /// JSON Schema of its arguments; null if there is none.
    pub(super) schema: Value,
}

/// A request, understood.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is something that a request says or does not")]
pub(super) struct Asked {
    pub(super) model: String,
    /// The text of the last user message.
    pub(super) question: String,
    /// Every text, for counting tokens.
    pub(super) texts: Vec<String>,
    /// How many messages.
    pub(super) turns: usize,
    /// Whether the last thing in the conversation is a tool's result.
    pub(super) after_tool: bool,
    pub(super) tools: Vec<Tool>,
    /// Whether tools may be called.
    pub(super) may_call: bool,
    /// Whether several may be called at once.
    pub(super) parallel: bool,
    /// The tool that must be called.
    pub(super) named: Option<String>,
    /// JSON Schema that the answer must keep to.
    pub(super) schema: Option<Value>,
    /// Whether any JSON object is asked for.
    pub(super) json: bool,
    /// Most output tokens.
    pub(super) limit: Option<u64>,
    /// Whether thinking is on.
    pub(super) thinks: bool,
    /// Whether a prompt cache would have a part of it.
    pub(super) cached: bool,
    pub(super) stream: bool,
    /// Whether a stream tells the usage.
    pub(super) include_usage: bool,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finish {
    Stop,
    Length,
    Calls,
    Blocked,
}

/// A call of a tool.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) id: String,
    pub(super) name: String,
    /// JSON of its arguments, in pieces.
    pub(super) pieces: Vec<String>,
}

/// Tokens, inclusive: input has what was cached and written in it, output has reasoning in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usage {
    pub(super) input: u64,
    pub(super) cached: u64,
    pub(super) written: u64,
    pub(super) output: u64,
    pub(super) reasoning: u64,
}

/// A complete answer, before it is written down.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) id: String,
    pub(super) model: String,
    pub(super) thinking: Option<String>,
    /// Its text, in pieces.
    pub(super) pieces: Vec<String>,
    pub(super) calls: Vec<Call>,
    pub(super) finish: Finish,
    pub(super) usage: Option<Usage>,
}
