//! Azure with API version 2024-10-21: a request that is newer is refused, and every answer is filtered.

use serde_json::{Value, json};

use super::dress::{choices, hide_reasoning, is_chunk};
use super::openai::{foreign, model_rules, unknown_parameter, unsupported_value};
use super::{Checked, list, role};

/// Fields that came to Azure after API version 2024-10-21.
const NEWER_THAN_AZURE: [&str; 11] = [
    "reasoning_effort",
    "store",
    "metadata",
    "prediction",
    "verbosity",
    "modalities",
    "audio",
    "service_tier",
    "prompt_cache_key",
    "safety_identifier",
    "web_search_options",
];

/// Azure with API version 2024-10-21.
pub(super) fn check(asked: &Value) -> Checked {
    if let Some(name) = NEWER_THAN_AZURE.iter().find(|name| asked.get(**name).is_some()) {
        return Err(unknown_parameter(name));
    }
    if let Some(index) = list(asked, "messages").iter().position(|message| role(message) == "developer") {
        let name = format!("messages[{index}].role");
        return Err(unsupported_value(&name, &json!("developer"), "Use 'system' instead."));
    }
    foreign(asked)?;
    model_rules(asked)
}

/// Adds what the filter found.
pub(super) fn dress(answer: &mut Value) {
    hide_reasoning(answer);
    for choice in choices(answer) {
        let blocked = choice["finish_reason"] == "content_filter";
        let said = choice["delta"]["content"].is_string() || choice["message"]["content"].is_string();
        choice["content_filter_results"] = if said || blocked { filter(blocked) } else { json!({}) };
    }
    if !is_chunk(answer) {
        answer["prompt_filter_results"] = prompt_filter();
    }
}

/// What the filter found in the prompt.
pub(super) fn prompt_filter() -> Value {
    json!([{ "prompt_index": 0, "content_filter_results": filter(false) }])
}

fn filter(blocked: bool) -> Value {
    let severity = if blocked { "high" } else { "safe" };
    json!({
        "hate": { "filtered": false, "severity": "safe" }, "self_harm": { "filtered": false, "severity": "safe" },
        "sexual": { "filtered": false, "severity": "safe" }, "violence": { "filtered": blocked, "severity": severity },
    })
}
