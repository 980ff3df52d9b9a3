//! The messages: their roles, their order, and the texts and images in them.

use serde_json::Value;

use super::super::turn::Refusal;
use super::fields::document;
use super::{Checked, FORM};

/// Most images of a request, and most bytes of them.
const MOST_IMAGES: usize = 20;
const MOST_IMAGE_BYTES: usize = 20 * 1024 * 1024;

/// Checks the messages: each of them, and that every call has its result.
pub(super) fn check_messages(messages: &[Value]) -> Checked {
    // The calls of the last assistant message that have no result yet.
    let mut open: Vec<&str> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let role = message["role"].as_str().unwrap_or_default();
        if role != "tool" && !open.is_empty() {
            return Err(unanswered(&open));
        }
        match role {
            "system" if index > 0 => {
                return Err(Refusal::at(400, "messages", "system turn must be the first in the list"));
            }
            "system" => {
                FORM.object("messages", message, &["role", "content"])?;
                content(message, &["text"])?;
            }
            "user" => {
                FORM.object("messages", message, &["role", "content"])?;
                content(message, &["text", "image_url"])?;
            }
            "assistant" => open = assistant(message)?,
            "tool" => {
                FORM.object("messages", message, &["role", "tool_call_id", "content"])?;
                content(message, &["text", "document"])?;
                let id = FORM.text("messages.tool_call_id", &message["tool_call_id"])?;
                let Some(at) = open.iter().position(|call| *call == id) else {
                    let message = format!("invalid request: no tool call of the previous turn has the id '{id}'.");
                    return Err(Refusal::at(400, "messages", message));
                };
                open.remove(at);
            }
            other => {
                let message = format!(
                    "invalid request: Invalid role '{other}' in messages at index {index}. \
                     Role must be one of the following: system, user, assistant, tool"
                );
                return Err(Refusal::at(400, "messages", message));
            }
        }
    }
    if !open.is_empty() {
        return Err(unanswered(&open));
    }
    let last = messages.last().and_then(|message| message["role"].as_str()).unwrap_or_default();
    if last != "user" && last != "tool" {
        let message = "invalid request: the last message must be of role user or tool.";
        return Err(Refusal::at(400, "messages", message));
    }
    Ok(())
}

/// Checks how many images a request has.
pub(super) fn images(messages: &[Value]) -> Checked {
    let parts = messages.iter().filter_map(|message| message["content"].as_array()).flatten();
    let images: Vec<&str> = parts.filter_map(|part| part["image_url"]["url"].as_str()).collect();
    let bytes: usize = images.iter().filter(|url| url.starts_with("data:")).map(|url| url.len() / 4 * 3).sum();
    if images.len() > MOST_IMAGES || bytes > MOST_IMAGE_BYTES {
        let message = "invalid request: a request can have at most 20 images and 20 MB of them.";
        return Err(Refusal::at(400, "messages", message));
    }
    Ok(())
}

/// Checks a message of the model; the ids of its calls.
fn assistant(message: &Value) -> Result<Vec<&str>, Refusal> {
    FORM.object("messages", message, &["role", "content", "tool_calls", "tool_plan", "citations"])?;
    if let Some(plan) = message.get("tool_plan") {
        FORM.text("messages.tool_plan", plan)?;
    }
    let calls = match message.get("tool_calls") {
        Some(calls) => FORM.list("messages.tool_calls", calls)?,
        None => &[],
    };
    if message.get("content").is_some() || calls.is_empty() {
        content(message, &["text", "thinking"])?;
    }
    let mut ids = Vec::with_capacity(calls.len());
    for call in calls {
        FORM.object("messages.tool_calls", call, &["id", "type", "function"])?;
        FORM.one_of("messages.tool_calls.type", &call["type"], &["function"])?;
        let function = &call["function"];
        FORM.object("messages.tool_calls.function", function, &["name", "arguments"])?;
        FORM.text("messages.tool_calls.function.name", &function["name"])?;
        let arguments = FORM.text("messages.tool_calls.function.arguments", &function["arguments"])?;
        if !serde_json::from_str::<Value>(arguments).is_ok_and(|arguments| arguments.is_object()) {
            let message = "invalid request: the arguments of a tool call must be a JSON object string.";
            return Err(Refusal::at(400, "messages.tool_calls.function.arguments", message));
        }
        ids.push(FORM.text("messages.tool_calls.id", &call["id"])?);
    }
    Ok(ids)
}

fn content(message: &Value, kinds: &[&str]) -> Checked {
    match &message["content"] {
        Value::String(text) => filled(text),
        Value::Array(parts) if !parts.is_empty() => parts.iter().try_for_each(|value| part(value, kinds)),
        Value::Array(_) | Value::Null => Err(empty()),
        other => Err(FORM.mistyped("messages.content", other, "string")),
    }
}

fn part(part: &Value, kinds: &[&str]) -> Checked {
    FORM.one_of("messages.content.type", &part["type"], kinds)?;
    match part["type"].as_str().unwrap_or_default() {
        "document" => {
            FORM.object("messages.content", part, &["type", "document"])?;
            document(&part["document"])
        }
        "image_url" => {
            FORM.object("messages.content", part, &["type", "image_url"])?;
            image(&part["image_url"])
        }
        // A text or a thinking, in a field that is named like its type.
        kind => {
            FORM.object("messages.content", part, &["type", kind])?;
            filled(FORM.text("messages.content", &part[kind])?)
        }
    }
}

fn image(image: &Value) -> Checked {
    FORM.object("messages.content.image_url", image, &["url", "detail"])?;
    if let Some(detail) = image.get("detail") {
        FORM.one_of("messages.content.image_url.detail", detail, &["auto", "low", "high"])?;
    }
    let url = FORM.text("messages.content.image_url.url", &image["url"])?;
    if url.starts_with("https://") || url.starts_with("http://") {
        return Ok(());
    }
    let kinds = ["png", "jpeg", "webp", "gif"];
    if kinds.iter().any(|kind| url.strip_prefix(&format!("data:image/{kind};base64,")).is_some_and(base64)) {
        return Ok(());
    }
    let message = "invalid request: an image must be a web URL or a base64 data URI of a png, jpeg, webp or gif.";
    Err(Refusal::at(400, "messages.content.image_url.url", message))
}

fn base64(data: &str) -> bool {
    !data.is_empty() && data.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
}

fn filled(text: &str) -> Checked {
    if text.is_empty() { Err(empty()) } else { Ok(()) }
}

fn empty() -> Refusal {
    Refusal::at(400, "messages", "message must not be empty in a turn")
}

fn unanswered(ids: &[&str]) -> Refusal {
    let ids = ids.join(", ");
    Refusal::at(400, "messages", format!("invalid request: the tool calls {ids} have no tool message."))
}
