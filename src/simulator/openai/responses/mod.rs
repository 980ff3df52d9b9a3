//! `POST /v1/responses`: what a request may be, apart from its items and tools.
//!
//! Source: OpenAI's API reference, "Create a model response" (read 2026-12-01), and refusals that others have seen.
//! Read `talk.rs` for what is answered, and `events.rs` for the order in which a stream tells it.

mod answer;
mod events;
mod ids;
mod input;
mod items;
mod talk;
mod tools;

use serde_json::Value;

use super::super::family;
use super::super::turn::Refusal;
use super::shape::Kind::{Any, Decimal, Each, Flag, Integer, List, Object, Of, OneOf, SomeOf, Text};
use super::shape::{self, Field, may, need, null};
use super::{Checked, Endpoint, form, models};
use crate::catalog::Provider;

pub(super) const ENDPOINT: Endpoint = Endpoint { check, answer: answer::answer };

const INCLUDES: &[&str] = &[
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
];

const TIERS: &[&str] = &["auto", "default", "flex", "scale", "priority", "fast", "ultrafast"];
const SUMMARIES: &[&str] = &["auto", "concise", "detailed"];
const EFFORTS: &[&str] = &["none", "minimal", "low", "medium", "high", "xhigh", "max"];

const REASONING: &[Field] = &[
    null("context", OneOf(&["auto", "current_turn", "all_turns"])),
    null("effort", OneOf(EFFORTS)),
    null("generate_summary", OneOf(SUMMARIES)),
    may("mode", Text),
    null("summary", OneOf(SUMMARIES)),
];

const REQUEST: &[Field] = &[
    need("model", Text),
    may("input", Any),
    may("access_programs", Object),
    null("background", Flag),
    may("background_options", Object),
    // Codex sends it, and OpenAI takes it.
    null("client_metadata", Object),
    null("context_management", Each(&[need("type", OneOf(&["compaction"])), null("compact_threshold", Any)])),
    null("conversation", Any),
    may("image", Object),
    null("include", SomeOf(INCLUDES)),
    null("instructions", Text),
    null("max_output_tokens", Integer(16, i64::MAX)),
    null("max_tool_calls", Integer(1, i64::MAX)),
    null("metadata", Object),
    null("moderation", Object),
    null("parallel_tool_calls", Flag),
    null("previous_response_id", Text),
    null("prompt", Object),
    null("prompt_cache_key", Text),
    may("prompt_cache_options", Object),
    null("prompt_cache_retention", OneOf(&["in_memory", "24h"])),
    null("reasoning", Of(REASONING)),
    null("safety_identifier", Text),
    null("service_tier", OneOf(TIERS)),
    null("store", Flag),
    null("stream", Flag),
    null("stream_options", Any),
    null("temperature", Decimal(0, 2)),
    may("text", Of(&[may("format", Any), null("verbosity", OneOf(&["low", "medium", "high"]))])),
    may("tool_choice", Any),
    may("tools", List),
    null("top_logprobs", Integer(0, 20)),
    null("top_p", Decimal(0, 1)),
    null("truncation", OneOf(&["auto", "disabled"])),
    may("user", Text),
];

/// Fields of chat completions, and where they are here.
const MOVED: [(&str, &str); 5] = [
    ("messages", "input"),
    ("response_format", "text.format"),
    ("max_tokens", "max_output_tokens"),
    ("reasoning_effort", "reasoning.effort"),
    ("verbosity", "text.verbosity"),
];

fn check(provider: Provider, asked: &Value) -> Checked {
    if let Some((old, new)) = MOVED.iter().find(|(old, _)| asked.get(old).is_some()) {
        let message = format!(
            "Unsupported parameter: '{old}'. In the Responses API, this parameter has moved to '{new}'. Try again with \
             the new parameter. See the API documentation for more information: \
             https://platform.openai.com/docs/api-reference/responses/create."
        );
        return Err(Refusal::at(400, old, message).coded("unsupported_parameter"));
    }
    shape::object("", asked, REQUEST)?;
    form::stream_options(asked, &["include_obfuscation"])?;
    before(asked)?;
    input::check(asked)?;
    tools::check(asked)?;
    format(asked)?;
    // A relative serves models of its own.
    if provider == Provider::Openai { check_model(asked) } else { Ok(()) }
}

/// What the request goes on from.
fn before(asked: &Value) -> Checked {
    let previous = asked["previous_response_id"].as_str();
    let conversation = form::given(asked, "conversation");
    if let Some(conversation) = conversation {
        if previous.is_some() {
            let message = "Mutually exclusive parameters: 'previous_response_id' and 'conversation'. Ensure you are \
                           only providing one of these parameters in your request.";
            return Err(Refusal::at(400, "previous_response_id", message).coded("mutually_exclusive_parameters"));
        }
        let id = conversation.as_str().or_else(|| conversation["id"].as_str()).unwrap_or_default();
        return Err(Refusal::new(404, format!("Conversation with id '{id}' not found.")));
    }
    match previous {
        Some(id) if !id.starts_with("resp") => Err(ids::misnamed("previous_response_id", id, "resp")),
        Some(id) if !ids::is_kept(id) => {
            let message = format!("Previous response with id '{id}' not found.");
            Err(Refusal::at(400, "previous_response_id", message).coded("previous_response_not_found"))
        }
        None if form::given(asked, "input").is_none() && form::given(asked, "prompt").is_none() => {
            Err(form::missing("input"))
        }
        _ => Ok(()),
    }
}

/// The form of the answer's text.
fn format(asked: &Value) -> Checked {
    let Some(format) = asked["text"].get("format") else { return Ok(()) };
    let place = "text.format";
    if format.get("type").is_none() {
        return Err(if format.is_object() {
            form::missing("text.format.type")
        } else {
            form::mistyped(place, format, "an object")
        });
    }
    shape::one_of("text.format.type", &format["type"], &["json_object", "json_schema", "text"])?;
    if format["type"] != "json_schema" {
        shape::object(place, format, &[need("type", Text)])?;
        let says_json = asked["input"].to_string().to_lowercase().contains("json")
            || asked["instructions"].to_string().to_lowercase().contains("json");
        if format["type"] == "json_object" && !says_json {
            let message = "Response input messages must contain the word 'json' in some form to use 'text.format' of \
                           type 'json_object'.";
            return Err(Refusal::at(400, "input", message));
        }
        return Ok(());
    }
    let schema = [
        need("type", Text),
        need("name", Text),
        need("schema", Object),
        may("description", Text),
        null("strict", Flag),
    ];
    shape::object(place, format, &schema)?;
    let name = format["name"].as_str().unwrap_or_default();
    tools::well_named("text.format.name", name)?;
    if format["strict"] == true
        && let Some(lack) = tools::lack_of_strictness(&format["schema"], "")
    {
        let message = format!("Invalid schema for response_format '{name}': {lack}");
        return Err(Refusal::at(400, "text.format.schema", message).coded("invalid_json_schema"));
    }
    Ok(())
}

fn check_model(asked: &Value) -> Checked {
    let model = asked["model"].as_str().unwrap_or_default();
    let reasons = family::reasons(model);
    if !models::chats(model) && !reasons {
        let message = format!("The requested model '{model}' does not exist.");
        return Err(Refusal::at(400, "model", message).coded("model_not_found"));
    }
    let unsupported = |name: &str| {
        let message = format!("Unsupported parameter: '{name}' is not supported with this model.");
        Err(Refusal::at(400, name, message).coded("unsupported_parameter"))
    };
    if reasons {
        let rests = asked["reasoning"]["effort"] == "none";
        return match ["temperature", "top_p"].into_iter().find(|name| form::given(asked, name).is_some() && !rests) {
            Some(name) => unsupported(name),
            None => Ok(()),
        };
    }
    for name in ["effort", "summary"] {
        if form::given(&asked["reasoning"], name).is_some() {
            return unsupported(&format!("reasoning.{name}"));
        }
    }
    if answer::includes(asked, "reasoning.encrypted_content") {
        return Err(Refusal::at(400, "include", "Encrypted content is not supported with this model."));
    }
    Ok(())
}
