//! The response object, and how it is sent.
//!
//! Source: OpenAI's API reference, "The response object" (read 2026-12-01).

use serde_json::{Value, json};

use super::super::super::Reply;
use super::super::super::turn::{Finish, Usage};
use super::super::{Scene, Sent, Written, form};
use super::events::events;
use super::ids;
use super::talk::{said, talk};

/// Whether a request wants something in the answer.
pub(super) fn includes(asked: &Value, what: &str) -> bool {
    asked["include"].as_array().is_some_and(|includes| includes.iter().any(|include| include == what))
}

/// Answers a request that was checked.
pub(super) fn answer(scene: &Scene<'_>) -> Written {
    let talk = talk(scene);
    let stored = scene.asked["store"] != false;
    let id = |index: usize| ids::id(talk.items[index].prefix(), stored, scene.number, index);
    let last = talk.items.len().saturating_sub(1);
    // Only the last item is one that was broken off.
    let finish = |index: usize| if index == last { talk.finish } else { Finish::Stop };
    let output = (0..talk.items.len()).map(|index| talk.items[index].json(&id(index), true, finish(index)));
    let mut response = response(scene, &ids::id("resp", stored, scene.number, 0));
    let begun = response.clone();
    response["output"] = output.collect();
    response["status"] = json!("completed");
    response["completed_at"] = json!(1_700_000_001);
    let reason = match talk.finish {
        Finish::Length => Some("max_output_tokens"),
        Finish::Blocked => Some("content_filter"),
        _ => None,
    };
    if let Some(reason) = reason {
        response["status"] = json!("incomplete");
        response["completed_at"] = Value::Null;
        response["incomplete_details"] = json!({ "reason": reason });
    }
    if *scene.reply != Reply::WithoutUsage {
        response["usage"] = usage(talk.usage);
    }
    let sent = if scene.asked["stream"] == true {
        let (events, failure) = events(scene, &talk.items, &begun, &response);
        Sent::Events(events, failure)
    } else {
        Sent::Whole(response, talk.items.iter().map(|item| said(item).len()).sum())
    };
    Written { sent, usage: talk.usage }
}

fn usage(usage: Usage) -> Value {
    json!({
        "input_tokens": usage.input,
        "input_tokens_details": { "cached_tokens": usage.cached, "cache_write_tokens": usage.written },
        "output_tokens": usage.output, "output_tokens_details": { "reasoning_tokens": usage.reasoning },
        "total_tokens": usage.input + usage.output,
    })
}

/// The response as it is when it begins: what was asked, with what is assumed where nothing was said.
fn response(scene: &Scene<'_>, id: &str) -> Value {
    let asked = scene.asked;
    let or = |name: &str, usual: Value| form::given(asked, name).cloned().unwrap_or(usual);
    let within = |name: &str, member: &str, usual: Value| form::given(&asked[name], member).cloned().unwrap_or(usual);
    json!({
        "id": id,
        "object": "response",
        "created_at": 1_700_000_000,
        "status": "in_progress",
        "background": false,
        "completed_at": null,
        "error": null,
        "incomplete_details": null,
        "instructions": or("instructions", Value::Null),
        "max_output_tokens": or("max_output_tokens", Value::Null),
        "max_tool_calls": or("max_tool_calls", Value::Null),
        "model": scene.model,
        "output": [],
        "parallel_tool_calls": or("parallel_tool_calls", json!(true)),
        "previous_response_id": or("previous_response_id", Value::Null),
        "prompt_cache_key": or("prompt_cache_key", Value::Null),
        "prompt_cache_retention": or("prompt_cache_retention", Value::Null),
        "reasoning": {
            "effort": within("reasoning", "effort", Value::Null),
            "summary": within("reasoning", "summary", Value::Null),
        },
        "safety_identifier": or("safety_identifier", Value::Null),
        "service_tier": "default",
        "store": or("store", json!(true)),
        "temperature": or("temperature", json!(1.0)),
        "text": {
            "format": within("text", "format", json!({ "type": "text" })),
            "verbosity": within("text", "verbosity", json!("medium")),
        },
        "tool_choice": or("tool_choice", json!("auto")),
        "tools": or("tools", json!([])),
        "top_logprobs": or("top_logprobs", json!(0)),
        "top_p": or("top_p", json!(1.0)),
        "truncation": or("truncation", json!("disabled")),
        "usage": null,
        "user": or("user", Value::Null),
        "metadata": or("metadata", json!({})),
    })
}
