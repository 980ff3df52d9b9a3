//! Cohere's chat API, version 1, strictly: what the real API refuses is refused.
//!
//! Source: <https://docs.cohere.com/v1/reference/chat> and <https://docs.cohere.com/reference/errors>
//! (read 2026-11-25).

mod answer;
mod asked;
mod conversation;
mod tools;

pub(super) use answer::{error, error_event, events, whole};
pub(super) use asked::understand;

use poem::http::HeaderMap;
use serde_json::Value;

use super::cohere::{Form, key};
use super::turn::Refusal;
use conversation::{conversation, filled, history};
use tools::{tool, tool_result};

/// What a check finds.
type Checked = Result<(), Refusal>;

/// Fields that a request may have; any other is refused.
const FIELDS: [&str; 26] = [
    "message",
    "model",
    "stream",
    "preamble",
    "chat_history",
    "conversation_id",
    "prompt_truncation",
    "connectors",
    "search_queries_only",
    "documents",
    "citation_quality",
    "temperature",
    "max_tokens",
    "max_input_tokens",
    "k",
    "p",
    "seed",
    "stop_sequences",
    "frequency_penalty",
    "presence_penalty",
    "raw_prompting",
    "tools",
    "tool_results",
    "force_single_step",
    "response_format",
    "safety_mode",
];

const FORM: Form = Form { page: "https://docs.cohere.com/v1/reference/chat" };

/// Checks a request as the real API does.
pub(super) fn check(
    headers: &HeaderMap,
    asked: &Value,
    _model_in_path: &str,
    _stream_in_path: bool,
) -> Result<(), Refusal> {
    key(headers)?;
    let fields = FORM.object("body", asked, &FIELDS)?;
    for (name, value) in fields {
        field(name, value)?;
    }
    let Some(message) = asked.get("message") else {
        return Err(Refusal::at(400, "message", "invalid request: message is required."));
    };
    conversation(asked, FORM.text("message", message)?)?;
    combinations(asked)?;
    // The real API would answer with lines of JSON. Nobody here reads those, so it is a mistake to ask for them.
    let accepts = headers.get("accepts").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if asked["stream"] == true && accepts != "text/event-stream" {
        let message = "invalid request: a stream of events needs the header 'Accepts: text/event-stream'.";
        return Err(Refusal::at(400, "stream", message));
    }
    Ok(())
}

fn field(name: &str, value: &Value) -> Checked {
    match name {
        "stream" | "search_queries_only" | "raw_prompting" | "force_single_step" => FORM.flag(name, value),
        "model" | "preamble" | "conversation_id" => FORM.text(name, value).map(|_| ()),
        "chat_history" => FORM.list(name, value)?.iter().enumerate().try_for_each(|(index, turn)| history(index, turn)),
        "prompt_truncation" => FORM.one_of(name, value, &["OFF", "AUTO", "AUTO_PRESERVE_ORDER"]),
        "connectors" => FORM.list(name, value).map(|_| ()),
        "documents" => FORM.list(name, value)?.iter().try_for_each(document),
        "citation_quality" => FORM.one_of(name, value, &["ENABLED", "DISABLED", "FAST", "ACCURATE", "OFF"]),
        "temperature" | "frequency_penalty" | "presence_penalty" => FORM.number(name, value, 0.0, 1.0),
        "max_tokens" | "max_input_tokens" => FORM.integer(name, value, 0, i64::MAX),
        "k" => FORM.integer(name, value, 0, 500),
        "p" => FORM.number(name, value, 0.01, 0.99),
        "seed" => FORM.integer(name, value, i64::MIN, i64::MAX),
        "stop_sequences" => FORM.stop_sequences(value),
        "tools" => FORM.list(name, value)?.iter().try_for_each(tool),
        "tool_results" => FORM.list(name, value)?.iter().try_for_each(tool_result),
        "response_format" => response_format(value),
        "safety_mode" => FORM.one_of(name, value, &["CONTEXTUAL", "STRICT", "NONE"]),
        // The message is checked with the conversation.
        _ => Ok(()),
    }
}

fn response_format(value: &Value) -> Checked {
    FORM.object("response_format", value, &["type", "schema"])?;
    FORM.one_of("response_format.type", &value["type"], &["text", "json_object"])?;
    match value.get("schema") {
        Some(schema) if !schema.is_object() => Err(FORM.mistyped("response_format.schema", schema, "Object")),
        _ => Ok(()),
    }
}

fn document(value: &Value) -> Checked {
    let Some(fields) = value.as_object() else { return Err(FORM.mistyped("documents", value, "Object")) };
    fields.values().try_for_each(|value| FORM.text("documents", value).map(|_| ()))
}

/// Fields that do not go together.
fn combinations(asked: &Value) -> Checked {
    let grounds = ["connectors", "documents", "tools", "tool_results"];
    let grounded = grounds.iter().any(|name| !filled(asked, name).is_empty());
    if grounded && asked["response_format"]["type"] == "json_object" {
        let message = "invalid request: response_format is not supported with RAG.";
        return Err(Refusal::at(400, "response_format", message));
    }
    Ok(())
}
