//! Shapes that the document shows and the chat path never builds: it reads and writes requests and answers as bytes.

use poem_openapi::Object;
use poem_openapi::types::Any;
use serde_json::Value;

/// A chat request. Only the main fields are listed; every other field of OpenAI's API goes on to upstreams that have a
/// word for it.
#[derive(Object)]
pub(super) struct ChatCompletionRequest {
    /// `xrouter/cheap`, `xrouter/medium` and `xrouter/frontier`, also without `xrouter/`, force a tier; `auto:save`,
    /// `auto:balanced` and `auto:quality` carry a preset; `auto` and every other name let the router decide.
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

/// An embeddings request. Fields that are not listed go on as they are.
#[derive(Object)]
pub(super) struct EmbeddingRequest {
    /// The model. It is replaced where the upstream has one of its own.
    model: Option<String>,
    /// A text, a list of texts, or tokens.
    input: Any<Value>,
    /// `float` or `base64`.
    encoding_format: Option<String>,
    /// How many dimensions a vector is to have.
    dimensions: Option<i64>,
}

/// Vectors, in OpenAI's form.
#[derive(Object)]
pub(super) struct EmbeddingList {
    /// `list`
    object: String,
    /// One entry for each text: `{"object": "embedding", "index": 0, "embedding": [...]}`.
    data: Vec<Any<Value>>,
    /// The model that answered.
    model: String,
    /// Token counts.
    usage: Option<Any<Value>>,
}

/// A chat answer in OpenAI's form.
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
