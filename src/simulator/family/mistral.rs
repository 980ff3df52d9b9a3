//! Mistral: strict about fields, the order of roles and the calls' ids.

use serde_json::{Value, json};

use super::super::turn::Refusal;
use super::dress::{choices, is_chunk, set, speech, usage};
use super::{Checked, extra, given, list, role};

/// Fields that Mistral's requests may have.
const FIELDS: [&str; 22] = [
    "model",
    "messages",
    "temperature",
    "top_p",
    "max_tokens",
    "stream",
    "stop",
    "random_seed",
    "metadata",
    "response_format",
    "tools",
    "tool_choice",
    "presence_penalty",
    "frequency_penalty",
    "n",
    "prediction",
    "parallel_tool_calls",
    "reasoning_effort",
    "prompt_mode",
    "guardrails",
    "prompt_cache_key",
    "safe_prompt",
];

/// Checks a request.
pub(super) fn check(asked: &Value) -> Checked {
    if let Some(name) = extra(asked, &FIELDS) {
        let inner = if asked[name].get("include_usage").is_some() { ".include_usage" } else { "" };
        return Err(extra_forbidden(&format!("{name}{inner}")));
    }
    if asked["temperature"].as_f64().is_some_and(|temperature| temperature > 1.5) {
        return Err(Refusal::at(422, "temperature", "Input should be less than or equal to 1.5"));
    }
    if given(asked, "reasoning_effort").is_some_and(|effort| effort != "high" && effort != "none") {
        return Err(Refusal::at(422, "reasoning_effort", "Input should be 'high' or 'none'"));
    }
    if let Some(choice) = given(asked, "tool_choice") {
        let known = match choice.as_str() {
            Some(word) => ["auto", "none", "any", "required"].contains(&word),
            None => choice["function"]["name"].is_string() && extra(choice, &["type", "function"]).is_none(),
        };
        if !known {
            return Err(Refusal::at(422, "tool_choice", "Input should be 'auto', 'none', 'any' or 'required'"));
        }
    }
    for (index, tool) in list(asked, "tools").iter().enumerate() {
        if let Some(name) = extra(tool, &["type", "function"]) {
            return Err(extra_forbidden(&format!("tools.{index}.{name}")));
        }
        if let Some(name) = extra(&tool["function"], &["name", "description", "strict", "parameters"]) {
            return Err(extra_forbidden(&format!("tools.{index}.function.{name}")));
        }
    }
    let messages = list(asked, "messages");
    for (index, message) in messages.iter().enumerate() {
        check_message(index, message)?;
    }
    check_order(messages)
}

fn check_message(index: usize, message: &Value) -> Checked {
    let role = role(message);
    let at = format!("messages.{index}.{role}");
    let known: &[&str] = match role {
        "system" | "user" => &["role", "content"],
        "assistant" => &["role", "content", "tool_calls", "prefix"],
        "tool" => &["role", "content", "tool_call_id", "name"],
        other => {
            let path = format!("messages.{index}");
            return Err(invalid_tag(&path, other, "'assistant', 'system', 'tool', 'user'"));
        }
    };
    if let Some(name) = extra(message, known) {
        return Err(extra_forbidden(&format!("{at}.{name}")));
    }
    for (part, value) in list(message, "content").iter().enumerate() {
        check_part(&format!("{at}.content.{part}"), value)?;
    }
    let calls = list(message, "tool_calls");
    for (call, value) in calls.iter().enumerate() {
        let at = format!("{at}.tool_calls.{call}");
        if let Some(name) = extra(value, &["id", "type", "function", "index"]) {
            return Err(extra_forbidden(&format!("{at}.{name}")));
        }
        if let Some(name) = extra(&value["function"], &["name", "arguments"]) {
            return Err(extra_forbidden(&format!("{at}.function.{name}")));
        }
        check_id(&value["id"])?;
    }
    if role == "tool" {
        check_id(&message["tool_call_id"])?;
    }
    if message["tool_calls"].is_array() && calls.is_empty() {
        return Err(Refusal::at(422, &format!("{at}.tool_calls"), "List should have at least 1 item"));
    }
    let wordless = match &message["content"] {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(parts) => parts.is_empty(),
        _ => false,
    };
    if role == "assistant" && wordless && calls.is_empty() {
        let message = "Assistant message must have either content or tool_calls, but not none.";
        return Err(Refusal::new(400, message));
    }
    Ok(())
}

fn check_part(at: &str, part: &Value) -> Checked {
    let kind = part["type"].as_str().unwrap_or_default();
    let known: &[&str] = match kind {
        "text" => &["type", "text"],
        "image_url" => &["type", "image_url"],
        "thinking" => &["type", "thinking", "closed", "signature"],
        "document_url" => &["type", "document_url", "document_name"],
        "input_audio" => &["type", "input_audio"],
        "reference" => &["type", "reference_ids"],
        "file" => &["type", "file_id"],
        _ => {
            let message = format!("Input tag '{kind}' found using 'type' does not match any of the expected tags");
            return Err(Refusal::at(422, at, message));
        }
    };
    match extra(part, known) {
        Some(name) => Err(extra_forbidden(&format!("{at}.{kind}.{name}"))),
        None => Ok(()),
    }
}

/// Ids of calls are nine letters and digits.
fn check_id(id: &Value) -> Checked {
    let id = id.as_str().unwrap_or_default();
    if is_id(id) {
        return Ok(());
    }
    let message = format!("Tool call id was {id} but must be a-z, A-Z, 0-9, with a length of 9.");
    Err(Refusal::new(400, message))
}

fn is_id(id: &str) -> bool {
    id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn check_order(messages: &[Value]) -> Checked {
    // The calls that have no result yet.
    let mut open = 0_usize;
    let mut before = "";
    for message in messages {
        let role = role(message);
        let calls = before == "assistant" && open > 0;
        if (role == "tool" && before != "tool" && !calls) || (before == "tool" && (role == "user" || role == "system"))
        {
            return Err(Refusal::new(400, format!("Unexpected role '{role}' after role '{before}'")));
        }
        if (role == "tool") != (open > 0) {
            return Err(Refusal::new(400, "Not the same number of function calls and responses"));
        }
        match role {
            "tool" => open -= 1,
            "assistant" => open = list(message, "tool_calls").len(),
            _ => {}
        }
        before = role;
    }
    if open > 0 {
        return Err(Refusal::new(400, "Not the same number of function calls and responses"));
    }
    let continued = messages.last().is_some_and(|message| message["prefix"] == true);
    if before != "user" && before != "tool" && !(before == "assistant" && continued) {
        let message =
            format!("Expected last role User or Tool (or Assistant with prefix True) for serving but got {before}");
        return Err(Refusal::new(400, message));
    }
    Ok(())
}

fn extra_forbidden(path: &str) -> Refusal {
    Refusal::at(422, path, "Extra inputs are not permitted")
}

fn invalid_tag(path: &str, tag: &str, tags: &str) -> Refusal {
    let message = format!("Input tag '{tag}' found using 'role' does not match any of the expected tags: {tags}");
    Refusal::at(422, path, message)
}

/// Gives an answer Mistral's own form of thinking, calls and usage.
pub(super) fn dress(answer: &mut Value) {
    let chunk = is_chunk(answer);
    for choice in choices(answer) {
        // The reason is spelt so only in a plain answer.
        if !chunk && choice["finish_reason"] == "length" {
            choice["finish_reason"] = json!("model_length");
        }
        let Some(speech) = speech(choice) else { continue };
        speech.remove("refusal");
        if let Some(reasoning) = speech.remove("reasoning_content").filter(Value::is_string) {
            let mut thinking = json!({ "type": "thinking", "thinking": [{ "type": "text", "text": reasoning }] });
            if !chunk {
                thinking["closed"] = json!(true);
            }
            let mut parts = vec![thinking];
            let text = speech.get("content").and_then(Value::as_str).unwrap_or_default();
            if !text.is_empty() {
                parts.push(json!({ "type": "text", "text": text }));
            }
            set(speech, "content", Value::Array(parts));
        }
        match speech.get_mut("tool_calls").and_then(Value::as_array_mut) {
            Some(calls) => calls.iter_mut().for_each(dress_call),
            None if !chunk => set(speech, "tool_calls", Value::Null),
            None => {}
        }
    }
    if chunk {
        answer["p"] = json!("abcdefghij");
    }
    if let Some(usage) = usage(answer) {
        let cached = usage.get("prompt_tokens_details").map_or(Value::Null, |details| details["cached_tokens"].clone());
        set(usage, "num_cached_tokens", cached);
        set(usage, "prompt_audio_seconds", Value::Null);
        set(usage, "request_count", json!(1));
        set(usage, "service_tier", json!("default"));
    }
}

/// A call has an id of nine letters and digits. Its later pieces have an empty name.
fn dress_call(call: &mut Value) {
    match call["id"].as_str() {
        Some(id) if is_id(id) => {}
        Some(id) => {
            let kept: String = id.chars().filter(char::is_ascii_alphanumeric).collect();
            let padded = format!("{kept:0>9}");
            let id = padded[padded.len() - 9..].to_owned();
            call["id"] = Value::String(id);
        }
        None => call["function"]["name"] = json!(""),
    }
}

/// The body of an error, which has one of three forms.
pub(super) fn error(status: u16, message: &str, param: Option<&str>) -> Value {
    let flat = |kind: &str, code: Option<&str>| {
        json!({
            "object": "error", "message": message, "type": kind, "param": null, "code": code,
            "raw_status_code": status,
        })
    };
    match status {
        400 if message.starts_with("Tool call id") => flat("invalid_function_call", Some("3280")),
        400 if message.contains("role") || message.contains("function calls") => {
            flat("invalid_request_message_order", Some("3230"))
        }
        401 => json!({ "message": message }),
        422 => {
            let mut place = vec![json!("body")];
            place.extend(param.into_iter().flat_map(|path| path.split('.')).map(|step| match step.parse::<u64>() {
                Ok(index) => json!(index),
                Err(_) => json!(step),
            }));
            let kind = match message {
                "Extra inputs are not permitted" => "extra_forbidden",
                tag if tag.starts_with("Input tag") => "union_tag_invalid",
                _ => "value_error",
            };
            let detail = json!([{ "type": kind, "loc": place, "msg": message, "input": null }]);
            json!({
                "object": "error", "message": { "detail": detail }, "type": "invalid_request_error", "param": null,
                "code": null,
            })
        }
        429 => flat("rate_limited", Some("1300")),
        500.. => flat("internal_server_error", None),
        _ => flat("invalid_request_error", None),
    }
}
