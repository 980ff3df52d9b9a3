//! Answers, whole and as a stream, and errors, as the API writes them.

use serde_json::{Value, json};

use super::super::turn::{Call, Finish, Said, Usage};

/// The plain answer.
pub(in super::super) fn whole(said: &Said) -> Value {
    let text = said.pieces.concat();
    let mut content = Vec::new();
    if let Some(thinking) = &said.thinking {
        content.push(json!({ "type": "thinking", "thinking": thinking }));
    }
    if said.calls.is_empty() && !text.is_empty() {
        content.push(json!({ "type": "text", "text": text }));
    }
    let mut message = json!({ "role": "assistant" });
    if !content.is_empty() {
        message["content"] = Value::Array(content);
    }
    if !said.calls.is_empty() {
        message["tool_calls"] = said.calls.iter().map(call).collect();
        if !text.is_empty() {
            message["tool_plan"] = Value::String(text);
        }
    }
    let mut answer = json!({ "id": said.id, "finish_reason": finish_reason(said.finish), "message": message });
    if let Some(used) = said.usage {
        answer["usage"] = usage(used);
    }
    answer
}

/// The streamed answer.
pub(in super::super) fn events(said: &Said) -> Vec<String> {
    let mut events = vec![event(&json!({
        "id": said.id, "type": "message-start",
        "delta": { "message": {
            "role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": [],
        } },
    }))];
    let mut index = 0;
    if let Some(thinking) = &said.thinking {
        block(index, "thinking", &thinking.split_inclusive(' ').collect::<Vec<_>>(), &mut events);
        index += 1;
    }
    if said.calls.is_empty() {
        if !said.pieces.is_empty() {
            block(index, "text", &said.pieces.iter().map(String::as_str).collect::<Vec<_>>(), &mut events);
        }
    } else {
        for piece in &said.pieces {
            let delta = json!({ "message": { "tool_plan": piece } });
            events.push(event(&json!({ "type": "tool-plan-delta", "delta": delta })));
        }
        // The calls do not always count from nought: blocks before them count too.
        for (at, call) in said.calls.iter().enumerate() {
            call_events(index + at, call, &mut events);
        }
    }
    let mut delta = json!({ "finish_reason": finish_reason(said.finish) });
    if let Some(used) = said.usage {
        delta["usage"] = usage(used);
    }
    events.push(event(&json!({ "type": "message-end", "delta": delta })));
    events
}

/// The events of one block of content, which is a text or a thinking.
fn block(index: usize, kind: &str, pieces: &[&str], events: &mut Vec<String>) {
    let start = json!({ "type": kind, kind: "" });
    events.push(event(&json!({
        "type": "content-start", "index": index, "delta": { "message": { "content": start } },
    })));
    for piece in pieces {
        events.push(event(&json!({
            "type": "content-delta", "index": index, "delta": { "message": { "content": { kind: piece } } },
        })));
    }
    events.push(event(&json!({ "type": "content-end", "index": index })));
}

fn call_events(index: usize, call: &Call, events: &mut Vec<String>) {
    let start = json!({ "id": call.id, "type": "function", "function": { "name": call.name, "arguments": "" } });
    events.push(event(&json!({
        "type": "tool-call-start", "index": index, "delta": { "message": { "tool_calls": start } },
    })));
    for piece in &call.pieces {
        let delta = json!({ "function": { "arguments": piece } });
        events.push(event(&json!({
            "type": "tool-call-delta", "index": index, "delta": { "message": { "tool_calls": delta } },
        })));
    }
    events.push(event(&json!({ "type": "tool-call-end", "index": index })));
}

fn event(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap_or_default())
}

fn call(call: &Call) -> Value {
    json!({
        "id": call.id, "type": "function",
        "function": { "name": call.name, "arguments": call.pieces.concat() },
    })
}

/// What is billed is less than what was read and said: the API's own preamble costs nothing.
fn usage(usage: Usage) -> Value {
    json!({
        "billed_units": { "input_tokens": float(usage.input / 2), "output_tokens": float(usage.output / 2) },
        "tokens": { "input_tokens": float(usage.input), "output_tokens": float(usage.output) },
        "cached_tokens": float(usage.cached),
    })
}

/// A number as the API writes it, with a fraction.
fn float(number: u64) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

fn finish_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "COMPLETE",
        Finish::Length => "MAX_TOKENS",
        Finish::Calls => "TOOL_CALL",
        Finish::Blocked => "ERROR",
    }
}

/// The body of an error.
pub(in super::super) fn error(_status: u16, message: &str) -> Value {
    json!({ "id": "dfd4d59f-0000-4000-8000-000000000000", "message": message })
}

/// An error in the middle of a stream: it ends the message.
pub(in super::super) fn error_event(message: &str) -> String {
    event(&json!({ "type": "message-end", "delta": { "error": message, "finish_reason": "ERROR" } }))
}
