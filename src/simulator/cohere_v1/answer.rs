//! Answers, whole and as a stream, and errors, as the API writes them.

use serde_json::{Value, json};

use super::super::turn::{Call, Finish, Said, Usage};

/// The plain answer.
pub(in super::super) fn whole(said: &Said) -> Value {
    let text = said.pieces.concat();
    let mut answer = json!({
        "response_id": format!("{}-response", said.id), "text": text, "generation_id": said.id,
        "chat_history": [{ "role": "CHATBOT", "message": text }], "finish_reason": finish_reason(said.finish),
    });
    if !said.calls.is_empty() {
        answer["tool_calls"] = said.calls.iter().map(call).collect();
    }
    if let Some(usage) = said.usage {
        answer["meta"] = meta(usage);
    }
    answer
}

/// The streamed answer, as it is with the header `Accepts: text/event-stream`.
pub(in super::super) fn events(said: &Said) -> Vec<String> {
    let mut events = vec![event("stream-start", json!({ "generation_id": said.id }))];
    // Before calls, the model's plan comes with them.
    let kind = if said.calls.is_empty() { "text-generation" } else { "tool-calls-chunk" };
    for piece in &said.pieces {
        events.push(event(kind, json!({ "text": piece })));
    }
    for (index, call) in said.calls.iter().enumerate() {
        let first = json!({ "index": index, "name": call.name });
        events.push(event("tool-calls-chunk", json!({ "tool_call_delta": first })));
        for piece in &call.pieces {
            let delta = json!({ "index": index, "parameters": piece });
            events.push(event("tool-calls-chunk", json!({ "tool_call_delta": delta })));
        }
    }
    if !said.calls.is_empty() {
        let calls: Value = said.calls.iter().map(call).collect();
        events.push(event("tool-calls-generation", json!({ "text": said.pieces.concat(), "tool_calls": calls })));
    }
    let end = json!({ "response": whole(said), "finish_reason": finish_reason(said.finish) });
    events.push(event("stream-end", end));
    events
}

fn event(kind: &str, fields: Value) -> String {
    let mut data = json!({ "is_finished": kind == "stream-end", "event_type": kind });
    if let (Some(data), Value::Object(fields)) = (data.as_object_mut(), fields) {
        data.extend(fields);
    }
    format!("event: {kind}\ndata: {data}\n\n")
}

/// Calls have no ids, and their parameters are an object.
fn call(call: &Call) -> Value {
    let parameters: Value = serde_json::from_str(&call.pieces.concat()).unwrap_or_else(|_| json!({}));
    json!({ "name": call.name, "parameters": parameters })
}

/// What is billed is less than what was read and said: the API's own preamble costs nothing.
fn meta(usage: Usage) -> Value {
    json!({
        "api_version": { "version": "1" },
        "billed_units": { "input_tokens": usage.input / 2, "output_tokens": usage.output / 2 },
        "tokens": { "input_tokens": usage.input, "output_tokens": usage.output },
        "cached_tokens": usage.cached,
    })
}

/// A turn that calls something is complete too: there is no reason of its own for it.
fn finish_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::Calls => "COMPLETE",
        Finish::Length => "MAX_TOKENS",
        Finish::Blocked => "ERROR_TOXIC",
    }
}

/// The body of an error.
pub(in super::super) fn error(_status: u16, message: &str) -> Value {
    json!({ "id": "dfd4d59f-0000-4000-8000-000000000000", "message": message })
}

/// An error in the middle of a stream: it ends the answer.
pub(in super::super) fn error_event(message: &str) -> String {
    let response = json!({ "text": "", "finish_reason": "ERROR" });
    event("stream-end", json!({ "finish_reason": "ERROR", "error": message, "response": response }))
}
