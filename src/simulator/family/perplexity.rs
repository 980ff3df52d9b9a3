//! Perplexity: roles that alternate, and an answer with sources and a price.

use serde_json::{Value, json};

use super::super::turn::Refusal;
use super::dress::{choices, is_chunk, is_last, set, usage};
use super::{Checked, given, has_tools, list, role};

/// Checks a request.
pub(super) fn check(asked: &Value) -> Checked {
    for name in ["stream_options", "seed", "user", "max_completion_tokens"] {
        if asked.get(name).is_some() {
            return Err(Refusal::at(400, name, format!("['body', '{name}']: Extra inputs are not permitted")));
        }
    }
    if asked["frequency_penalty"].as_f64().is_some_and(|penalty| penalty <= 0.0) {
        return Err(Refusal::at(400, "frequency_penalty", "Frequency penalty must satisfy p > 0"));
    }
    if asked["response_format"]["type"] == "json_object" {
        let message = "['body', 'response_format', 'type']: Input should be 'text', 'json_schema' or 'regex'";
        return Err(Refusal::at(400, "response_format", message));
    }
    let efforts = ["minimal", "low", "medium", "high"];
    if given(asked, "reasoning_effort").is_some_and(|effort| !efforts.iter().any(|&word| effort == word)) {
        let message = "['body', 'reasoning_effort']: Input should be 'minimal', 'low', 'medium' or 'high'";
        return Err(Refusal::at(400, "reasoning_effort", message));
    }
    let messages = list(asked, "messages");
    if let Some(message) = messages.iter().find(|message| role(message) == "developer" || role(message) == "function") {
        let message = format!("['body', 'messages', 'role']: '{}' is not a valid role", role(message));
        return Err(Refusal::at(400, "messages", message));
    }
    let after_system = messages.iter().skip_while(|message| role(message) == "system");
    let mixed = after_system.enumerate().any(|(index, message)| {
        let turn = if index % 2 == 0 { "user" } else { "assistant" };
        role(message) != turn
    });
    if mixed && !has_tools(asked) {
        let message = "After the (optional) system message(s), user and assistant roles should be alternating.";
        return Err(Refusal::new(400, message));
    }
    let last = messages.last().map(role).unwrap_or_default();
    if last != "user" && last != "tool" {
        return Err(Refusal::new(400, "Last message must have role `user` or `tool`."));
    }
    Ok(())
}

/// Adds the sources and the price.
pub(super) fn dress(answer: &mut Value) {
    let chunk = is_chunk(answer);
    let last = is_last(answer);
    if chunk {
        for choice in choices(answer) {
            let content = choice["delta"]["content"].as_str().unwrap_or_default();
            choice["message"] = json!({ "role": "assistant", "content": content });
        }
        answer["type"] = json!(if last { "end_of_stream" } else { "message" });
        answer["status"] = json!(if last { "COMPLETED" } else { "PENDING" });
        if !last && !answer["usage"].is_object() {
            answer["usage"] = json!({ "prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0 });
        }
    }
    answer["citations"] = json!(["https://example.com/a"]);
    answer["search_results"] = json!([
        { "title": "An example", "url": "https://example.com/a", "date": "2026-01-01", "last_updated": null },
    ]);
    if let Some(usage) = usage(answer) {
        let reasoning = usage.get("completion_tokens_details").map(|details| details["reasoning_tokens"].clone());
        usage.remove("prompt_tokens_details");
        usage.remove("completion_tokens_details");
        let (tokens, request) = if chunk && !last { (0.0, 0.0) } else { (0.000_12, 0.005) };
        set(usage, "search_context_size", json!("low"));
        set(usage, "citation_tokens", json!(0));
        set(usage, "num_search_queries", json!(1));
        set(usage, "reasoning_tokens", reasoning.unwrap_or_else(|| json!(0)));
        set(
            usage,
            "cost",
            json!({
                "input_tokens_cost": tokens, "output_tokens_cost": tokens, "request_cost": request,
                "total_cost": 2.0 * tokens + request,
            }),
        );
    }
}
