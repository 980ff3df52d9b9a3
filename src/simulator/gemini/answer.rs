//! Answers, whole and as a stream, and errors, as the API writes them.

use serde_json::{Value, json};

use super::super::turn::{Call, Finish, Said, Usage};
use super::signatures::{signature, signs};

/// The plain answer.
pub(in super::super) fn whole(said: &Said) -> Value {
    let mut all = parts(said);
    let text = said.pieces.concat();
    let thoughts = usize::from(said.thinking.is_some());
    let pieces = thoughts..thoughts + said.pieces.len();
    let joined = (!said.pieces.is_empty()).then(|| json!({ "text": text }));
    all.splice(pieces, joined);
    response(said, &all, Some(said.finish), visible(said))
}

/// The answer as a stream.
pub(in super::super) fn events(said: &Said) -> Vec<String> {
    let event = |response: &Value| format!("data: {response}\r\n\r\n");
    if said.finish == Finish::Blocked {
        return vec![event(&response(said, &[], Some(Finish::Blocked), 0))];
    }
    let parts = parts(said);
    let visible = visible(said);
    let count = parts.len() as u64;
    let mut events = Vec::with_capacity(parts.len() + 1);
    for (part, done) in parts.iter().zip(1..) {
        events.push(event(&response(said, std::slice::from_ref(part), None, visible * done / count)));
    }
    let end = if parts.is_empty() { Vec::new() } else { vec![json!({ "text": "" })] };
    events.push(event(&response(said, &end, Some(said.finish), visible)));
    events
}

/// An answer with these parts; without a reason to finish it is a piece of a stream.
fn response(said: &Said, parts: &[Value], finish: Option<Finish>, candidates: u64) -> Value {
    let mut response = json!({});
    if finish == Some(Finish::Blocked) {
        response["promptFeedback"] = json!({ "blockReason": "SAFETY" });
    } else {
        let mut candidate = json!({ "content": { "role": "model" }, "index": 0 });
        if !parts.is_empty() {
            candidate["content"] = json!({ "parts": parts, "role": "model" });
        }
        if let Some(finish) = finish {
            candidate["finishReason"] = json!(finish_reason(finish));
        }
        response["candidates"] = json!([candidate]);
    }
    if let Some(usage) = said.usage {
        response["usageMetadata"] = usage_metadata(usage, candidates);
    }
    response["modelVersion"] = json!(said.model);
    response["responseId"] = json!(said.id);
    response
}

/// The parts of an answer as they are streamed; the texts are in pieces.
fn parts(said: &Said) -> Vec<Value> {
    let mut parts = Vec::new();
    if let Some(thinking) = &said.thinking {
        parts.push(json!({ "text": thinking, "thought": true }));
    }
    parts.extend(said.pieces.iter().map(|piece| json!({ "text": piece })));
    parts.extend(said.calls.iter().enumerate().map(|(at, call)| call_part(call, at == 0, &said.model)));
    parts
}

/// A part with a function call; only the first call of an answer is signed.
fn call_part(call: &Call, first: bool, model: &str) -> Value {
    let arguments = serde_json::from_str::<Value>(&call.pieces.concat()).unwrap_or_default();
    let arguments = if arguments.is_object() { arguments } else { json!({}) };
    let mut part = json!({ "functionCall": { "name": call.name } });
    // A call without arguments has no `args`.
    if arguments != json!({}) {
        part["functionCall"]["args"] = arguments.clone();
    }
    if signs(model) {
        part["functionCall"]["id"] = Value::String(call.id.clone());
        if first {
            part["thoughtSignature"] = Value::String(signature(&call.name, &arguments));
        }
    }
    part
}

/// The usage as the API counts it: thoughts are apart from the rest of the output. Counts of 0 are left out.
fn usage_metadata(usage: Usage, candidates: u64) -> Value {
    let mut counts = json!({ "promptTokenCount": usage.input });
    let total = usage.input + candidates + usage.reasoning;
    for (name, count) in [
        ("cachedContentTokenCount", usage.cached),
        ("candidatesTokenCount", candidates),
        ("thoughtsTokenCount", usage.reasoning),
        ("totalTokenCount", total),
    ] {
        if count > 0 {
            counts[name] = json!(count);
        }
    }
    counts["promptTokensDetails"] = json!([{ "modality": "TEXT", "tokenCount": usage.input }]);
    counts
}

/// The tokens of the answer itself.
fn visible(said: &Said) -> u64 {
    said.usage.map_or(0, |usage| usage.output.saturating_sub(usage.reasoning))
}

fn finish_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::Calls => "STOP",
        Finish::Length => "MAX_TOKENS",
        Finish::Blocked => "SAFETY",
    }
}

/// The body of an error.
pub(in super::super) fn error(status: u16, message: &str) -> Value {
    let name = match status {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        501 => "UNIMPLEMENTED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        500..=599 => "INTERNAL",
        _ => "INVALID_ARGUMENT",
    };
    let mut body = json!({ "error": { "code": status, "message": message, "status": name } });
    if message.starts_with("API key not valid") {
        body["error"]["details"] = json!([{
            "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID",
            "domain": "googleapis.com", "metadata": { "service": "generativelanguage.googleapis.com" },
        }]);
    }
    body
}

/// An error in the middle of a stream.
pub(in super::super) fn error_event(message: &str) -> String {
    format!("data: {}\r\n\r\n", error(503, message))
}
