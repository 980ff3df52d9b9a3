//! Shapes that the document shows and the chat path never builds: there, bytes pass through.

use poem_openapi::Object;
use poem_openapi::types::Any;
use serde_json::Value;

/// A chat request. Only what the router looks at is listed; every other field of OpenAI's API passes through.
#[derive(Object)]
pub(super) struct ChatCompletionRequest {
    /// `auto` or any name lets the router decide; `xrouter/cheap`, `xrouter/medium` and `xrouter/frontier` force a tier.
    #[oai(default = "auto")]
    model: String,
    /// The conversation, oldest message first.
    messages: Vec<ChatMessage>,
    /// Whether the answer is streamed as server-sent events.
    stream: Option<bool>,
    /// `{"include_usage": true}` asks for a last chunk with token counts.
    stream_options: Option<Any<Value>>,
    /// Functions that the model may call.
    tools: Option<Vec<Any<Value>>>,
}

fn auto() -> String {
    "auto".to_owned()
}

/// One message.
#[derive(Object)]
pub(super) struct ChatMessage {
    /// `system`, `developer`, `user`, `assistant` or `tool`.
    role: String,
    /// A text, or a list of parts.
    content: Option<Any<Value>>,
}

/// A chat answer, as the upstream wrote it.
#[derive(Object)]
pub(super) struct ChatCompletion {
    /// The answer's id.
    id: String,
    /// `chat.completion`
    object: String,
    /// Seconds since the epoch.
    created: i64,
    /// The model that answered.
    model: String,
    /// The answers.
    choices: Vec<Any<Value>>,
    /// Token counts.
    usage: Option<Any<Value>>,
}
