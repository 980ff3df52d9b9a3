//! Checks the items of a request: each by itself, and each call with its output.

use serde_json::Value;

use super::super::super::turn::Refusal;
use super::super::shape::{self, Field};
use super::super::{Checked, form};
use super::items::{INPUT_PARTS, OUTPUT_PARTS, TYPES};
use super::{ids, tools};

/// Codex writes it on its items, and OpenAI takes it.
const PASSED_THROUGH: &str = "internal_chat_message_metadata_passthrough";

/// Checks the input.
pub(super) fn check(asked: &Value) -> Checked {
    let Some(input) = form::given(asked, "input") else { return Ok(()) };
    if input.is_string() {
        return Ok(());
    }
    let Some(items) = input.as_array() else {
        return Err(form::mistyped("input", input, "one of a string or array of input items"));
    };
    items.iter().enumerate().try_for_each(|(index, item)| check_item(&format!("input[{index}]"), item))?;
    // What was before this request is not known here.
    if asked["previous_response_id"].is_string() { Ok(()) } else { pairs(items) }
}

/// The type of an item; one without is a message, or a reference.
pub(super) fn type_of(item: &Value) -> &str {
    match item["type"].as_str() {
        Some(name) => name,
        None if item.get("role").is_none() && item["id"].is_string() => "item_reference",
        None => "message",
    }
}

fn check_item(place: &str, item: &Value) -> Checked {
    if !item.is_object() {
        return Err(form::mistyped(place, item, "an input item"));
    }
    let name = type_of(item);
    let Some(kind) = TYPES.iter().find(|kind| kind.name == name) else {
        let known: Vec<&str> = TYPES.iter().map(|kind| kind.name).collect();
        return Err(shape::invalid_value(place, name, &known));
    };
    if kind.shape.is_empty() {
        return Ok(());
    }
    let mut known = item.clone();
    known.as_object_mut().and_then(|fields| fields.remove(PASSED_THROUGH));
    shape::object(place, &known, kind.shape)?;
    let id = item["id"].as_str();
    if let Some(id) = id.filter(|id| !id.starts_with(kind.prefix)) {
        return Err(ids::misnamed(&format!("{place}.id"), id, kind.prefix));
    }
    match name {
        "message" => {
            let parts = if item["role"] == "assistant" { OUTPUT_PARTS } else { INPUT_PARTS };
            content(&format!("{place}.content"), &item["content"], parts)
        }
        "function_call_output" | "custom_tool_call_output" => {
            content(&format!("{place}.output"), &item["output"], INPUT_PARTS)
        }
        "additional_tools" | "tool_search_output" => tools::check_list(&format!("{place}.tools"), &item["tools"]),
        "item_reference" => id.filter(|id| !ids::is_kept(id)).map_or(Ok(()), |id| Err(ids::lost(id))),
        "reasoning" | "compaction" => match item["encrypted_content"].as_str() {
            Some(sealed) => ids::check_seal(sealed),
            None => id.filter(|id| !ids::is_kept(id)).map_or(Ok(()), |id| Err(ids::lost(id))),
        },
        _ => Ok(()),
    }
}

/// A content: a text, or parts of these types.
fn content(place: &str, content: &Value, types: &[(&str, &[Field])]) -> Checked {
    if content.is_string() {
        return Ok(());
    }
    if !content.is_array() {
        return Err(form::mistyped(place, content, "one of an array of objects or string"));
    }
    shape::each(place, content, |place, part| {
        if part.get("type").is_none() && part.is_object() {
            return Err(form::missing(&format!("{place}.type")));
        }
        let name = part["type"].as_str().unwrap_or_default();
        match types.iter().find(|(known, _)| *known == name) {
            Some((_, shape)) => shape::object(place, part, shape),
            None => Err(shape::invalid_value(place, name, &types.iter().map(|(known, _)| *known).collect::<Vec<_>>())),
        }
    })
}

/// Every call has an output, and every output a call before it.
fn pairs(items: &[Value]) -> Checked {
    let id = |item: &Value| item["call_id"].as_str().unwrap_or_default().to_owned();
    for (call, words) in [("function_call", "function call"), ("custom_tool_call", "custom tool call")] {
        let output = format!("{call}_output");
        let mut open: Vec<String> = Vec::new();
        for item in items {
            if type_of(item) == call {
                open.push(id(item));
            } else if type_of(item) == output {
                let Some(at) = open.iter().position(|open| *open == id(item)) else {
                    let message = format!("No tool call found for {words} output with call_id {}.", id(item));
                    return Err(Refusal::at(400, "input", message));
                };
                open.remove(at);
            }
        }
        if let Some(open) = open.first() {
            return Err(Refusal::at(400, "input", format!("No tool output found for {words} {open}.")));
        }
    }
    Ok(())
}
