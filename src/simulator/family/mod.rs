//! Providers that speak OpenAI's dialect with rules and peculiarities of their own.
//!
//! Source: the providers' references, their SDKs, and refusals that others have seen: OpenAI, Mistral, Groq
//! (<https://console.groq.com/docs/openai>), Together (<https://github.com/togethercomputer/openapi>), Perplexity
//! (<https://github.com/perplexityai/perplexity-py>), Azure (the specification of API version 2024-10-21),
//! `OpenRouter` (<https://openrouter.ai/docs>) and Ollama (<https://docs.ollama.com/api/openai-compatibility>)
//! (read 2026-11-25).

mod azure;
mod dress;
mod errors;
mod groq;
mod mistral;
mod ollama;
mod openai;
mod openrouter;
mod perplexity;
mod together;

pub(super) use dress::{dress, first_events, usage_with_finish};
pub(super) use errors::error;
pub(super) use openai::reasons;

use serde_json::Value;

use super::turn::Refusal;

/// What a check finds.
type Checked = Result<(), Refusal>;

/// Checks what a provider refuses beyond the general shape.
pub(super) fn check(provider: &str, asked: &Value) -> Result<(), Refusal> {
    match provider {
        "openai" => openai::check(asked),
        "azure_openai" => azure::check(asked),
        "mistral" => mistral::check(asked),
        "groq" => groq::check(asked),
        "together" => together::check(asked),
        "perplexity" => perplexity::check(asked),
        "openrouter" => openrouter::check(asked),
        "ollama" => ollama::check(asked),
        _ => Ok(()),
    }
}

/// A field that is there and not null.
fn given<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value.get(name).filter(|value| !value.is_null())
}

/// The members of a field that is a list; none if it is no list.
fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The role of a message.
fn role(message: &Value) -> &str {
    message["role"].as_str().unwrap_or_default()
}

/// The first field of an object that is not known.
fn extra<'a>(value: &'a Value, known: &[&str]) -> Option<&'a str> {
    value.as_object()?.keys().map(String::as_str).find(|name| !known.contains(name))
}

/// Whether a number is given that is not this one.
fn differs(value: &Value, name: &str, from: f64) -> bool {
    value[name].as_f64().is_some_and(|number| (number - from).abs() > f64::EPSILON)
}

/// Whether a request offers tools.
fn has_tools(asked: &Value) -> bool {
    !list(asked, "tools").is_empty() || !list(asked, "functions").is_empty()
}
