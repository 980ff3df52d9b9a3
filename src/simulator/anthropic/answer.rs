//! Answers, whole and as a stream, and errors, as the API writes them.

use serde_json::{Value, json};

use super::super::turn::{Call, Finish, Said, Usage};
use super::thinking::signature;

/// The plain answer.
pub(in super::super) fn whole(said: &Said) -> Value {
    let mut content = Vec::new();
    if let Some(thinking) = &said.thinking {
        content.push(json!({ "type": "thinking", "thinking": thinking, "signature": signature(thinking) }));
    }
    if !said.pieces.is_empty() {
        content.push(json!({ "type": "text", "text": said.pieces.concat(), "citations": null }));
    }
    for call in &said.calls {
        content.push(json!({
            "type": "tool_use", "id": call.id, "name": call.name, "input": arguments(call),
            "caller": { "type": "direct" },
        }));
    }
    let mut answer = json!({
        "id": said.id, "type": "message", "role": "assistant", "model": said.model, "content": content,
        "stop_reason": stop_reason(said.finish), "stop_sequence": null, "stop_details": stop_details(said.finish),
        "container": null,
    });
    if let Some(counted) = said.usage {
        answer["usage"] = usage(counted, counted.output);
        answer["usage"]["output_tokens_details"] = json!({ "thinking_tokens": counted.reasoning });
    }
    answer
}

/// The answer as a stream.
pub(in super::super) fn events(said: &Said) -> Vec<String> {
    let mut message = json!({
        "id": said.id, "type": "message", "role": "assistant", "model": said.model, "content": [],
        "stop_reason": null, "stop_sequence": null,
    });
    if let Some(counted) = said.usage {
        message["usage"] = usage(counted, 1);
    }
    let mut events = vec![event(&json!({ "type": "message_start", "message": message }))];
    for (index, (start, deltas)) in blocks(said).iter().enumerate() {
        events.extend(block_events(index, start, deltas));
    }
    // After the beginning of the first block.
    events.insert(events.len().min(2), event(&json!({ "type": "ping" })));
    let mut end = json!({
        "type": "message_delta", "delta": { "stop_reason": stop_reason(said.finish), "stop_sequence": null },
    });
    if said.finish == Finish::Blocked {
        end["delta"]["stop_details"] = stop_details(said.finish);
    }
    if let Some(counted) = said.usage {
        end["usage"] = json!({
            "output_tokens": counted.output, "output_tokens_details": { "thinking_tokens": counted.reasoning },
        });
    }
    events.push(event(&end));
    events.push(event(&json!({ "type": "message_stop" })));
    events
}

/// The blocks of an answer: how each begins, and what is added to it.
fn blocks(said: &Said) -> Vec<(Value, Vec<Value>)> {
    let mut blocks = Vec::new();
    if let Some(thinking) = &said.thinking {
        let start = json!({ "type": "thinking", "thinking": "", "signature": "" });
        let pieces = thinking.split_inclusive(' ');
        let mut deltas: Vec<Value> =
            pieces.map(|piece| json!({ "type": "thinking_delta", "thinking": piece })).collect();
        deltas.push(json!({ "type": "signature_delta", "signature": signature(thinking) }));
        blocks.push((start, deltas));
    }
    if !said.pieces.is_empty() {
        let start = json!({ "type": "text", "text": "" });
        let pieces = said.pieces.iter();
        blocks.push((start, pieces.map(|piece| json!({ "type": "text_delta", "text": piece })).collect()));
    }
    for call in &said.calls {
        let start = json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": {} });
        let mut deltas = vec![json!({ "type": "input_json_delta", "partial_json": "" })];
        // A call without arguments has no more than an empty piece.
        if call.pieces.concat() != "{}" {
            let pieces = call.pieces.iter();
            deltas.extend(pieces.map(|piece| json!({ "type": "input_json_delta", "partial_json": piece })));
        }
        blocks.push((start, deltas));
    }
    blocks
}

/// The events of one block of an answer.
fn block_events(index: usize, start: &Value, deltas: &[Value]) -> Vec<String> {
    let mut events = vec![event(&json!({ "type": "content_block_start", "index": index, "content_block": start }))];
    for delta in deltas {
        events.push(event(&json!({ "type": "content_block_delta", "index": index, "delta": delta })));
    }
    events.push(event(&json!({ "type": "content_block_stop", "index": index })));
    events
}

/// An event of a stream, named by its type.
fn event(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap_or_default())
}

/// The usage as the API counts it: input tokens are those that the cache had no part in.
fn usage(usage: Usage, output: u64) -> Value {
    json!({
        "input_tokens": usage.input.saturating_sub(usage.cached + usage.written),
        "cache_creation_input_tokens": usage.written,
        "cache_read_input_tokens": usage.cached,
        "cache_creation": { "ephemeral_5m_input_tokens": usage.written, "ephemeral_1h_input_tokens": 0 },
        "output_tokens": output,
        "service_tier": "standard",
        "inference_geo": "global",
    })
}

/// The arguments of a call, as an object.
fn arguments(call: &Call) -> Value {
    let arguments = serde_json::from_str::<Value>(&call.pieces.concat()).unwrap_or_default();
    if arguments.is_object() { arguments } else { json!({}) }
}

fn stop_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "end_turn",
        Finish::Length => "max_tokens",
        Finish::Calls => "tool_use",
        Finish::Blocked => "refusal",
    }
}

fn stop_details(finish: Finish) -> Value {
    if finish == Finish::Blocked {
        return json!({ "type": "refusal", "category": null, "explanation": null });
    }
    Value::Null
}

/// The body of an error.
pub(in super::super) fn error(status: u16, message: &str) -> Value {
    let kind = match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        409 => "conflict_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        529 => "overloaded_error",
        500..=599 => "api_error",
        _ => "invalid_request_error",
    };
    json!({ "type": "error", "error": { "type": kind, "message": message }, "request_id": "req_simulated" })
}

/// An error in the middle of a stream.
pub(in super::super) fn error_event(message: &str) -> String {
    event(&json!({ "type": "error", "error": { "type": "api_error", "message": message } }))
}
