//! Groq: strict about properties, and with measurements of its own in an answer.

use serde_json::{Value, json};

use super::super::turn::Refusal;
use super::dress::{is_chunk, is_last, rename_reasoning, set, speeches, usage};
use super::{Checked, extra, given, list, role};

/// Fields that Groq's requests may have.
const FIELDS: [&str; 26] = [
    "model",
    "messages",
    "temperature",
    "top_p",
    "max_tokens",
    "max_completion_tokens",
    "stream",
    "stream_options",
    "stop",
    "seed",
    "user",
    "n",
    "response_format",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "functions",
    "function_call",
    "presence_penalty",
    "frequency_penalty",
    "service_tier",
    "reasoning_effort",
    "reasoning_format",
    "include_reasoning",
    "search_settings",
    "compound_custom",
];

/// Checks a request.
pub(super) fn check(asked: &Value) -> Checked {
    for name in ["logprobs", "top_logprobs", "logit_bias"] {
        if asked.get(name).is_some() {
            return Err(Refusal::new(400, format!("property '{name}' is not supported")));
        }
    }
    if let Some(name) = extra(asked, &FIELDS) {
        let hint = if name == "store" { ", did you mean 'stop'?" } else { "" };
        return Err(Refusal::new(400, format!("property '{name}' is unsupported{hint}")));
    }
    if given(asked, "n").is_some_and(|n| *n != 1) {
        return Err(Refusal::new(400, "'n' : number must be at most 1"));
    }
    if let Some(tier) = given(asked, "service_tier") {
        let tiers = ["auto", "on_demand", "flex", "performance"];
        if !tier.as_str().is_some_and(|tier| tiers.contains(&tier)) {
            return Err(Refusal::new(400, format!("'service_tier' : value must be one of {}", tiers.join(", "))));
        }
    }
    if let Some(effort) = given(asked, "reasoning_effort") {
        let model = asked["model"].as_str().unwrap_or_default();
        let efforts: &[&str] = if model.contains("qwen") {
            &["none", "default"]
        } else if model.contains("gpt-oss") {
            &["low", "medium", "high"]
        } else {
            &["none", "default", "low", "medium", "high"]
        };
        if !effort.as_str().is_some_and(|effort| efforts.contains(&effort)) {
            let message = format!("'reasoning_effort' : value must be one of {}", efforts.join(", "));
            return Err(Refusal::new(400, message));
        }
    }
    for (index, tool) in list(asked, "tools").iter().enumerate() {
        let known = ["name", "description", "parameters", "strict"];
        if let Some(name) = extra(tool, &["type", "function"]).or_else(|| extra(&tool["function"], &known)) {
            return Err(Refusal::new(400, format!("'tools.{index}' : property '{name}' is unsupported")));
        }
    }
    for (index, message) in list(asked, "messages").iter().enumerate() {
        check_message(index, message)?;
    }
    Ok(())
}

fn check_message(index: usize, message: &Value) -> Checked {
    let role = role(message);
    let known: &[&str] = match role {
        "assistant" => &["role", "content", "tool_calls", "function_call"],
        "tool" => &["role", "content", "tool_call_id"],
        _ => &["role", "content"],
    };
    let refusal = |at: &str, name: &str| {
        let message = format!(
            "'messages.{index}' : for 'role:{role}' the following must be satisfied\
             [('{at}' : property '{name}' is unsupported)]"
        );
        Err(Refusal::new(400, message))
    };
    if let Some(name) = extra(message, known) {
        return refusal(&format!("messages.{index}"), name);
    }
    for (part, value) in list(message, "content").iter().enumerate() {
        if let Some(name) = extra(value, &["type", value["type"].as_str().unwrap_or_default()]) {
            return refusal(&format!("messages.{index}.content.{part}"), name);
        }
    }
    for (call, value) in list(message, "tool_calls").iter().enumerate() {
        if let Some(name) = extra(value, &["id", "type", "function"]) {
            return refusal(&format!("messages.{index}.tool_calls.{call}"), name);
        }
    }
    Ok(())
}

/// Adds the times, and what Groq keeps in a field of its own.
pub(super) fn dress(answer: &mut Value) {
    rename_reasoning(answer);
    if let Some(usage) = usage(answer) {
        set(usage, "queue_time", json!(0.0184));
        set(usage, "prompt_time", json!(0.0021));
        set(usage, "completion_time", json!(0.105));
        set(usage, "total_time", json!(0.1071));
    }
    if !is_chunk(answer) {
        answer["service_tier"] = json!("on_demand");
        answer["usage_breakdown"] = Value::Null;
        answer["x_groq"] = json!({ "id": "req_simulated", "seed": 1_650_207_339 });
        return;
    }
    if is_last(answer) {
        let mut own = json!({ "id": "req_simulated" });
        if answer["usage"].is_object() {
            own["usage"] = answer["usage"].clone();
        }
        answer["x_groq"] = own;
    } else if speeches(answer).any(|speech| speech.contains_key("role")) {
        answer["x_groq"] = json!({ "id": "req_simulated", "seed": 1_650_207_339 });
    }
}

/// The body of an error.
pub(super) fn error(status: u16, message: &str) -> Value {
    let (kind, code) = match status {
        401 => ("invalid_request_error", Some("invalid_api_key")),
        404 => ("invalid_request_error", Some("model_not_found")),
        429 => ("tokens", Some("rate_limit_exceeded")),
        498 => ("capacity_exceeded", Some("capacity_exceeded")),
        500.. => ("internal_server_error", None),
        _ => ("invalid_request_error", None),
    };
    let mut error = json!({ "error": { "message": message, "type": kind } });
    if let Some(code) = code {
        error["error"]["code"] = json!(code);
    }
    error
}
