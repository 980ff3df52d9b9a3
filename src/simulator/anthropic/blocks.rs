//! The blocks of a content, each kind with its own fields.

use serde_json::{Map, Value};

use super::Checked;
use super::shape::{is_base64, is_name, list, object, only, refuse};
use super::thinking::signature;

/// Checks a block of a message with this role.
pub(super) fn check_block(block: &Value, role: &str, path: &str) -> Checked {
    let fields = object(block, path)?;
    let Some(kind) = block.get("type") else { return refuse(format!("{path}.type: Field required")) };
    let kind = kind.as_str().unwrap_or_default();
    let Some(known) = block_fields(kind) else {
        return refuse(format!(
            "{path}: Input tag '{kind}' found using 'type' does not match any of the expected tags: 'document', \
             'image', 'redacted_thinking', 'search_result', 'text', 'thinking', 'tool_result', 'tool_use'"
        ));
    };
    let fits = match block_role(kind) {
        Some(_) if role == "tool" => matches!(kind, "image" | "search_result" | "tool_reference"),
        Some(only) => only == role,
        None => true,
    };
    if !fits {
        return refuse(format!("{path}: `{kind}` blocks are not permitted in `{role}` messages"));
    }
    let inner = format!("{path}.{kind}");
    only(fields, known, &inner)?;
    match kind {
        "text" => check_text(&block["text"], "messages", &inner),
        "image" => check_image(&block["source"], &inner),
        "document" => check_document(&block["source"], &inner),
        "tool_use" => check_call(block, &inner),
        "tool_result" => check_result(block, path),
        "thinking" => check_thought(block, path),
        "redacted_thinking" if !block["data"].is_string() => refuse(format!("{inner}.data: Field required")),
        "server_tool_use" if !block["id"].as_str().is_some_and(|id| id.starts_with("srvtoolu_")) => {
            refuse(format!("{inner}.id: String should match pattern '^srvtoolu_[a-zA-Z0-9_]+$'"))
        }
        _ => Ok(()),
    }
}

/// Checks that a text says something.
pub(super) fn check_text(text: &Value, place: &str, path: &str) -> Checked {
    match text.as_str() {
        None => refuse(format!("{path}.text: Input should be a valid string")),
        Some("") => refuse(format!("{place}: text content blocks must be non-empty")),
        Some(text) if text.trim().is_empty() => {
            refuse(format!("{place}: text content blocks must contain non-whitespace text"))
        }
        Some(_) => Ok(()),
    }
}

/// The fields that a kind of block may have.
fn block_fields(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "text" => &["type", "text", "citations", "cache_control"],
        "image" => &["type", "source", "cache_control", "transformations"],
        "document" => &["type", "source", "title", "context", "citations", "cache_control"],
        "tool_use" => &["type", "id", "name", "input", "cache_control", "caller", "toolset_name"],
        "tool_result" => &["type", "tool_use_id", "content", "is_error", "cache_control"],
        "thinking" => &["type", "thinking", "signature"],
        "redacted_thinking" => &["type", "data"],
        "search_result" => &["type", "source", "title", "content", "citations", "cache_control"],
        "server_tool_use" => &["type", "id", "name", "input", "cache_control", "caller"],
        "container_upload" => &["type", "file_id", "cache_control"],
        "tool_reference" => &["type", "tool_name", "cache_control"],
        "web_search_tool_result"
        | "web_fetch_tool_result"
        | "code_execution_tool_result"
        | "bash_code_execution_tool_result"
        | "text_editor_code_execution_tool_result"
        | "tool_search_tool_result" => &["type", "tool_use_id", "content", "cache_control", "caller"],
        _ => return None,
    })
}

/// The one role that a kind of block belongs to, if there is but one. A tool's result holds blocks of "tool".
fn block_role(kind: &str) -> Option<&'static str> {
    match kind {
        "image" | "tool_result" | "search_result" | "container_upload" => Some("user"),
        "tool_use" | "thinking" | "redacted_thinking" | "server_tool_use" => Some("assistant"),
        "tool_reference" => Some("tool"),
        kind if kind.ends_with("_tool_result") => Some("assistant"),
        _ => None,
    }
}

fn check_image(source: &Value, path: &str) -> Checked {
    let fields = object(source, &format!("{path}.source"))?;
    let kind = source["type"].as_str().unwrap_or_default();
    let path = format!("{path}.source.{kind}");
    match kind {
        "base64" => {
            only(fields, &["type", "media_type", "data"], &path)?;
            let media = source["media_type"].as_str().unwrap_or_default();
            if !["image/jpeg", "image/png", "image/gif", "image/webp"].contains(&media) {
                return refuse(format!(
                    "{path}.media_type: Input should be 'image/jpeg', 'image/png', 'image/gif' or 'image/webp'"
                ));
            }
            check_data(&source["data"], &path)
        }
        "url" => check_url(fields, &path),
        "file" => only(fields, &["type", "file_id"], &path),
        _ => refuse(format!(
            "{path}: Input tag '{kind}' found using 'type' does not match any of the expected tags: 'base64', 'url', \
             'file'"
        )),
    }
}

fn check_document(source: &Value, path: &str) -> Checked {
    let fields = object(source, &format!("{path}.source"))?;
    let kind = source["type"].as_str().unwrap_or_default();
    let path = format!("{path}.source.{kind}");
    match kind {
        "base64" => {
            only(fields, &["type", "media_type", "data"], &path)?;
            if source["media_type"] != "application/pdf" {
                return refuse(format!("{path}.media_type: Input should be 'application/pdf'"));
            }
            check_data(&source["data"], &path)
        }
        "text" => {
            only(fields, &["type", "media_type", "data"], &path)?;
            if source["media_type"] != "text/plain" {
                return refuse(format!("{path}.media_type: Input should be 'text/plain'"));
            }
            if source["data"].is_string() {
                return Ok(());
            }
            refuse(format!("{path}.data: Input should be a valid string"))
        }
        "url" => check_url(fields, &path),
        "content" => only(fields, &["type", "content"], &path),
        "file" => only(fields, &["type", "file_id"], &path),
        _ => refuse(format!(
            "{path}: Input tag '{kind}' found using 'type' does not match any of the expected tags: 'base64', \
             'content', 'file', 'text', 'url'"
        )),
    }
}

fn check_data(data: &Value, path: &str) -> Checked {
    match data.as_str() {
        Some(data) if is_base64(data) => Ok(()),
        Some(_) => refuse(format!("{path}.data: invalid base64 data")),
        None => refuse(format!("{path}.data: Field required")),
    }
}

fn check_url(fields: &Map<String, Value>, path: &str) -> Checked {
    only(fields, &["type", "url"], path)?;
    let url = fields.get("url").and_then(Value::as_str).unwrap_or_default();
    if url.starts_with("https://") || url.starts_with("http://") {
        return Ok(());
    }
    refuse(format!("{path}.url: Only HTTPS URLs are supported."))
}

fn check_call(call: &Value, path: &str) -> Checked {
    for field in ["id", "name", "input"] {
        if call.get(field).is_none() {
            return refuse(format!("{path}.{field}: Field required"));
        }
    }
    if !call["id"].as_str().is_some_and(|id| is_name(id, usize::MAX)) {
        return refuse(format!("{path}.id: String should match pattern '^[a-zA-Z0-9_-]+$'"));
    }
    match call["name"].as_str() {
        Some("") | None => return refuse(format!("{path}.name: String should have at least 1 character")),
        Some(name) if name.chars().count() > 200 => {
            return refuse(format!("{path}.name: String should have at most 200 characters"));
        }
        Some(_) => {}
    }
    object(&call["input"], &format!("{path}.input")).map(|_| ())
}

fn check_result(result: &Value, path: &str) -> Checked {
    let inner = format!("{path}.tool_result");
    let Some(id) = result.get("tool_use_id") else { return refuse(format!("{inner}.tool_use_id: Field required")) };
    if !id.as_str().is_some_and(|id| is_name(id, usize::MAX)) {
        return refuse(format!("{inner}.tool_use_id: String should match pattern '^[a-zA-Z0-9_-]+$'"));
    }
    if result.get("is_error").is_some_and(|failed| !failed.is_boolean()) {
        return refuse(format!("{inner}.is_error: Input should be a valid boolean"));
    }
    let content = result.get("content");
    let empty = match content {
        None => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(blocks)) => blocks.is_empty(),
        Some(_) => return refuse(format!("{inner}.content: Input should be a valid list")),
    };
    if empty && result["is_error"] == true {
        return refuse(format!("{inner}: content cannot be empty if `is_error` is true"));
    }
    for (at, block) in content.map(list).unwrap_or_default().iter().enumerate() {
        check_block(block, "tool", &format!("{inner}.content.{at}"))?;
    }
    Ok(())
}

fn check_thought(block: &Value, path: &str) -> Checked {
    for field in ["thinking", "signature"] {
        if !block[field].is_string() {
            return refuse(format!("{path}.thinking.{field}: Field required"));
        }
    }
    if block["signature"] == signature(block["thinking"].as_str().unwrap_or_default()).as_str() {
        return Ok(());
    }
    refuse(format!("{path}: Invalid `signature` in `thinking` block"))
}
