//! Which dialect a simulated upstream speaks, and where each of its parts is written.

use poem::http::HeaderMap;
use serde_json::{Value, json};

use super::turn::{Asked, Refusal, Said};
use super::{anthropic, chat, cohere, cohere_v1, family, gemini};
use crate::catalog::Provider;

/// A dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Voice {
    /// The dialect of a provider; OpenAI's, with its own rules, for those that speak it.
    Of(Provider),
    /// Cohere's older one.
    CohereV1,
}

/// What stands in the path of a request, for dialects that have it there.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    pub(super) model: String,
    pub(super) stream: bool,
}

impl Voice {
    /// The path below which the API is served.
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Voice::Of(provider) => provider.default_prefix(),
            Voice::CohereV1 => "/v1",
        }
    }

    /// Checks a request as the real API does.
    pub(super) fn check(self, headers: &HeaderMap, asked: &Value, place: &Place) -> Result<(), Refusal> {
        match self {
            Voice::CohereV1 => cohere_v1::check(headers, asked, &place.model, place.stream),
            Voice::Of(Provider::Anthropic) => anthropic::check(headers, asked, &place.model, place.stream),
            Voice::Of(Provider::Gemini) => gemini::check(headers, asked, &place.model, place.stream),
            Voice::Of(Provider::Cohere) => cohere::check(headers, asked, &place.model, place.stream),
            Voice::Of(provider) => {
                family::check(provider.as_str(), asked)?;
                chat::check(provider, asked)
            }
        }
    }

    /// Reads a request that was checked.
    pub(super) fn understand(self, asked: &Value, place: &Place) -> Asked {
        match self {
            Voice::CohereV1 => cohere_v1::understand(asked, &place.model, place.stream),
            Voice::Of(Provider::Anthropic) => anthropic::understand(asked, &place.model, place.stream),
            Voice::Of(Provider::Gemini) => gemini::understand(asked, &place.model, place.stream),
            Voice::Of(Provider::Cohere) => cohere::understand(asked, &place.model, place.stream),
            Voice::Of(_) => chat::understand(asked),
        }
    }

    /// The plain answer.
    pub(super) fn whole(self, said: &Said) -> Value {
        match self {
            Voice::CohereV1 => cohere_v1::whole(said),
            Voice::Of(Provider::Anthropic) => anthropic::whole(said),
            Voice::Of(Provider::Gemini) => gemini::whole(said),
            Voice::Of(Provider::Cohere) => cohere::whole(said),
            Voice::Of(provider) => chat::whole(provider, said),
        }
    }

    /// The answer as a stream.
    pub(super) fn events(self, said: &Said, include_usage: bool) -> Vec<String> {
        match self {
            Voice::CohereV1 => cohere_v1::events(said),
            Voice::Of(Provider::Anthropic) => anthropic::events(said),
            Voice::Of(Provider::Gemini) => gemini::events(said),
            Voice::Of(Provider::Cohere) => cohere::events(said),
            Voice::Of(provider) => chat::events(provider, said, include_usage),
        }
    }

    /// The body of an error.
    pub(super) fn error(self, status: u16, message: &str, param: Option<&str>) -> Value {
        match self {
            Voice::CohereV1 => cohere_v1::error(status, message),
            Voice::Of(Provider::Anthropic) => anthropic::error(status, message),
            Voice::Of(Provider::Gemini) => gemini::error(status, message),
            Voice::Of(Provider::Cohere) => cohere::error(status, message),
            Voice::Of(provider) => family::error(provider.as_str(), status, message, param),
        }
    }

    /// An error in the middle of a stream.
    pub(super) fn error_event(self, message: &str) -> String {
        match self {
            Voice::CohereV1 => cohere_v1::error_event(message),
            Voice::Of(Provider::Anthropic) => anthropic::error_event(message),
            Voice::Of(Provider::Gemini) => gemini::error_event(message),
            Voice::Of(Provider::Cohere) => cohere::error_event(message),
            Voice::Of(_) => {
                let error = json!({ "error": { "message": message, "type": "server_error", "code": "500" } });
                format!("data: {error}\n\n")
            }
        }
    }

    /// The key that a request carries, where this API wants it.
    pub(super) fn key(self, headers: &HeaderMap) -> Option<String> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        match self {
            Voice::Of(Provider::Anthropic) => text("x-api-key"),
            Voice::Of(Provider::Gemini) => text("x-goog-api-key"),
            Voice::Of(Provider::AzureOpenai) => text("api-key"),
            _ => text("authorization").map(|value| value.strip_prefix("Bearer ").unwrap_or(&value).to_owned()),
        }
    }

    /// The list of models, as this API writes it.
    pub(super) fn models(self, model: &str) -> Value {
        let model = if model.is_empty() { "simulated" } else { model };
        match self {
            Voice::Of(Provider::Anthropic) => json!({ "data": [{ "type": "model", "id": model, "display_name": model,
                "created_at": "2026-01-01T00:00:00Z", "max_input_tokens": 200_000, "max_tokens": 64_000 }],
                "has_more": false, "first_id": model, "last_id": model }),
            Voice::Of(Provider::Gemini) => json!({ "models": [
                { "name": format!("models/{model}"), "displayName": model, "inputTokenLimit": 1_048_576,
                  "outputTokenLimit": 65_536, "supportedGenerationMethods": ["generateContent", "countTokens"] },
                { "name": "models/embedder", "inputTokenLimit": 2_048, "supportedGenerationMethods": ["embedContent"] }] }),
            Voice::Of(Provider::Cohere) | Voice::CohereV1 => json!({ "models": [
                { "name": model, "endpoints": ["chat"], "context_length": 256_000, "is_deprecated": false }] }),
            Voice::Of(Provider::Ollama) => json!({ "models": [{ "name": model, "model": model, "size": 1,
                "details": { "family": "llama", "parameter_size": "8B" } }] }),
            Voice::Of(Provider::Together) => json!([{ "id": model, "object": "model", "created": 0, "type": "chat",
                "context_length": 131_072 }]),
            Voice::Of(Provider::Openrouter) => json!({ "data": [{ "id": model, "name": model, "created": 0,
                "context_length": 163_840, "pricing": { "prompt": "0.000001", "completion": "0.000002" } }] }),
            Voice::Of(_) => {
                json!({ "object": "list", "data": [{ "id": model, "object": "model", "created": 0, "owned_by": "simulator" }] })
            }
        }
    }
}
