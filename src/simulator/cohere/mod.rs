//! Cohere's chat API, version 2, strictly: what the real API refuses is refused.
//!
//! Source: <https://docs.cohere.com/reference/chat>, <https://docs.cohere.com/reference/errors> and
//! <https://docs.cohere.com/v2/docs/streaming> (read 2026-11-25).

mod answer;
mod asked;
mod fields;
mod form;
mod messages;

pub(super) use answer::{error, error_event, events, whole};
pub(super) use asked::understand;
pub(super) use form::Form;

use poem::http::HeaderMap;
use serde_json::Value;

use super::turn::Refusal;
use fields::{check_field, combinations};
use messages::{check_messages, images};

/// What a check finds.
type Checked = Result<(), Refusal>;

/// Fields that a request may have; any other is refused.
const FIELDS: [&str; 21] = [
    "model",
    "messages",
    "stream",
    "tools",
    "strict_tools",
    "documents",
    "citation_options",
    "response_format",
    "safety_mode",
    "max_tokens",
    "stop_sequences",
    "temperature",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "k",
    "p",
    "logprobs",
    "tool_choice",
    "thinking",
    "priority",
];

const FORM: Form = Form { page: "https://docs.cohere.com/reference/chat" };

/// Checks a request as the real API does.
pub(super) fn check(
    headers: &HeaderMap,
    asked: &Value,
    _model_in_path: &str,
    _stream_in_path: bool,
) -> Result<(), Refusal> {
    key(headers)?;
    let fields = FORM.object("body", asked, &FIELDS)?;
    if asked["model"].as_str().is_none_or(str::is_empty) {
        return Err(Refusal::at(400, "model", "a model parameter is required for this endpoint."));
    }
    for (name, value) in fields {
        check_field(name, value)?;
    }
    combinations(asked)?;
    let list = FORM.list("messages", &asked["messages"])?;
    if list.is_empty() {
        return Err(Refusal::at(400, "messages", "invalid request: messages must not be empty."));
    }
    check_messages(list)?;
    images(list)
}

/// Checks that a request has a key; which one, the simulator knows.
pub(super) fn key(headers: &HeaderMap) -> Checked {
    let value = headers.get("authorization").and_then(|value| value.to_str().ok());
    if value.and_then(|value| value.strip_prefix("Bearer ")).is_none_or(str::is_empty) {
        return Err(Refusal::new(401, "no api key supplied"));
    }
    Ok(())
}
