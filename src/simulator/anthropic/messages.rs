//! The system prompt and the messages: their roles, their order, and the calls that belong to results.

use serde_json::Value;

use super::blocks::{check_block, check_text};
use super::shape::{list, object, only, refuse};
use super::{Checked, Version};

/// Checks the system prompt, if it has blocks.
pub(super) fn check_system(system: &Value) -> Checked {
    for (index, block) in list(system).iter().enumerate() {
        let path = format!("system.{index}");
        let fields = object(block, &path)?;
        if block["type"] != "text" {
            return refuse(format!("{path}.type: Input should be 'text'"));
        }
        only(fields, &["type", "text", "citations", "cache_control"], &path)?;
        check_text(&block["text"], "system", &path)?;
    }
    Ok(())
}

/// Checks each message, and all of them together.
pub(super) fn check_messages(asked: &Value, version: Version) -> Checked {
    let messages = list(&asked["messages"]);
    if messages.is_empty() {
        return refuse("messages: at least one message is required");
    }
    for (index, message) in messages.iter().enumerate() {
        check_message(message, index, index + 1 == messages.len(), version)?;
    }
    if messages[0]["role"] != "user" {
        return refuse("messages: first message must use the \"user\" role");
    }
    check_pairs(messages)?;
    let of_tools = |block: &Value| block["type"] == "tool_use" || block["type"] == "tool_result";
    let with_tools = messages.iter().flat_map(|message| list(&message["content"])).any(of_tools);
    if with_tools && list(&asked["tools"]).is_empty() {
        return refuse("Requests which have `tool_use` or `tool_result` blocks in their messages must define tools");
    }
    Ok(())
}

fn check_message(message: &Value, index: usize, last: bool, version: Version) -> Checked {
    let path = format!("messages.{index}");
    let fields = object(message, &path)?;
    let Some(role) = message.get("role") else { return refuse(format!("{path}.role: Field required")) };
    let role = role.as_str().unwrap_or_default();
    match role {
        "user" | "assistant" => {}
        "system" => return refuse("role 'system' is not supported on this model"),
        _ => return refuse(format!("{path}.role: Input should be 'user' or 'assistant'")),
    }
    only(fields, &["role", "content"], &path)?;
    let empty = match &message["content"] {
        Value::String(text) => text.is_empty(),
        Value::Array(blocks) => blocks.is_empty(),
        Value::Null if !fields.contains_key("content") => return refuse(format!("{path}.content: Field required")),
        _ => return refuse(format!("{path}.content: Input should be a valid list")),
    };
    if empty && !(last && role == "assistant") {
        return refuse(format!(
            "{path}: all messages must have non-empty content except for the optional final assistant message"
        ));
    }
    if message["content"].is_string() && !empty {
        check_text(&message["content"], "messages", &format!("{path}.content"))?;
    }
    for (at, block) in list(&message["content"]).iter().enumerate() {
        let path = format!("{path}.content.{at}");
        check_block(block, role, &path)?;
        if version == Version::Newest {
            check_newest(block, role, &path)?;
        }
    }
    Ok(())
}

/// What the API version of 2026-10-21 refuses beside the rest.
fn check_newest(block: &Value, role: &str, path: &str) -> Checked {
    if role == "assistant" && block["type"] == "document" {
        return refuse(format!("{path}: `document` blocks are not permitted in `assistant` messages"));
    }
    if role == "user" && block["type"] == "text" && !list(&block["citations"]).is_empty() {
        return refuse(format!("{path}.text.citations: citations are not permitted in `user` messages"));
    }
    Ok(())
}

/// Every call must be answered in the very next message, and every result must answer a call.
fn check_pairs(messages: &[Value]) -> Checked {
    let mut seen = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| messages.get(before)).unwrap_or(&Value::Null);
        let earlier = ids(before, "tool_use", "id");
        let results = ids(message, "tool_result", "tool_use_id");
        for (at, id) in results.iter().enumerate() {
            if !earlier.contains(id) {
                return refuse(format!(
                    "messages.{index}.content.{at}: unexpected `tool_use_id` found in `tool_result` blocks: {id}. \
                     Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
                ));
            }
            if results[..at].contains(id) {
                return refuse(format!(
                    "messages.{index}.content.{at}: each tool_use must have a single result. Found multiple \
                     `tool_result` blocks with id: {id}"
                ));
            }
        }
        let calls = ids(message, "tool_use", "id");
        for id in &calls {
            if seen.contains(id) {
                return refuse(format!("messages.{index}: `tool_use` ids must be unique"));
            }
            seen.push(*id);
        }
        // Only the results at the beginning of the next message count.
        let next = messages.get(index + 1).map(|next| list(&next["content"])).unwrap_or_default();
        let first = next.iter().take_while(|block| block["type"] == "tool_result");
        let answered: Vec<&str> = first.filter_map(|block| block["tool_use_id"].as_str()).collect();
        let open: Vec<&str> = calls.into_iter().filter(|id| !answered.contains(id)).collect();
        if !open.is_empty() {
            return refuse(format!(
                "messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. Each \
                 `tool_use` block must have a corresponding `tool_result` block in the next message.",
                open.join(", ")
            ));
        }
    }
    Ok(())
}

/// An assistant's message at the end begins the answer.
pub(super) fn check_prefill(asked: &Value) -> Checked {
    if last_role(asked) != "assistant" {
        return Ok(());
    }
    if matches!(asked["thinking"]["type"].as_str(), Some("enabled" | "adaptive")) {
        return refuse("Prefilling assistant messages is not supported when thinking is enabled.");
    }
    if asked["output_config"].get("format").is_some_and(|format| !format.is_null()) {
        return refuse("Prefilling assistant messages is not supported with output_config.format.");
    }
    let content = list(&asked["messages"]).last().map_or(&Value::Null, |message| &message["content"]);
    let text = content.as_str().or_else(|| list(content).last().and_then(|block| block["text"].as_str()));
    if text.is_some_and(|text| text.ends_with(char::is_whitespace)) {
        return refuse("messages: final assistant content cannot end with trailing whitespace");
    }
    Ok(())
}

/// The ids in a message's blocks of a kind.
pub(super) fn ids<'a>(message: &'a Value, kind: &str, field: &str) -> Vec<&'a str> {
    let blocks = list(&message["content"]).iter().filter(|block| block["type"] == kind);
    blocks.filter_map(|block| block[field].as_str()).collect()
}

/// The role of the last message.
pub(super) fn last_role(asked: &Value) -> &str {
    list(&asked["messages"]).last().and_then(|message| message["role"].as_str()).unwrap_or_default()
}
