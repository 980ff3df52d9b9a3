//! OpenAI's chat completions, strictly: what the real API refuses is refused.
//!
//! Source: OpenAI's API reference, "Create chat completion" and "The chat completion chunk object"
//! (read 2026-11-23).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use poem::http::StatusCode;
use poem::web::Data;
use poem::{Body, Request, Response, handler};
use serde_json::{Value, json};

use super::answer::{Turn, count_tokens, input_tokens, pieces, turn};
use super::{Counts, Reply, Shared, lock};

/// Fields that a request may have; any other is refused.
const KNOWN_FIELDS: [&str; 38] = [
    "model",
    "messages",
    "stream",
    "stream_options",
    "temperature",
    "top_p",
    "max_tokens",
    "max_completion_tokens",
    "n",
    "stop",
    "seed",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "logprobs",
    "top_logprobs",
    "logit_bias",
    "presence_penalty",
    "frequency_penalty",
    "user",
    "metadata",
    "store",
    "service_tier",
    "reasoning_effort",
    "verbosity",
    "modalities",
    "audio",
    "prediction",
    "functions",
    "function_call",
    "prompt_cache_key",
    "safety_identifier",
    "web_search_options",
    "x_client_field",
    "top_k",
    "min_p",
    "cache_prompt",
];

fn refusal(status: u16, message: &str, param: Option<&str>) -> Response {
    let body =
        json!({ "error": { "message": message, "type": "invalid_request_error", "param": param, "code": null } });
    respond(status, "application/json", body.to_string().into())
}

fn respond(status: u16, content_type: &str, body: Vec<u8>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Response::builder().status(status).content_type(content_type).body(body)
}

/// Checks a request as the real API does; the refusal if it fails.
fn check(request: &Value) -> Option<Response> {
    let Some(fields) = request.as_object() else { return Some(refusal(400, "the body must be a JSON object", None)) };
    if let Some(unknown) = fields.keys().find(|name| !KNOWN_FIELDS.contains(&name.as_str())) {
        return Some(refusal(400, &format!("Unrecognized request argument supplied: {unknown}"), Some(unknown)));
    }
    if request["model"].as_str().is_none_or(str::is_empty) {
        return Some(refusal(400, "you must provide a model parameter", Some("model")));
    }
    let Some(messages) = request["messages"].as_array().filter(|messages| !messages.is_empty()) else {
        return Some(refusal(400, "[] is too short - 'messages'", Some("messages")));
    };
    for (index, message) in messages.iter().enumerate() {
        let role = message["role"].as_str().unwrap_or_default();
        if !["system", "developer", "user", "assistant", "tool", "function"].contains(&role) {
            return Some(refusal(
                400,
                &format!("'{role}' is not one of the roles"),
                Some(&format!("messages.[{index}].role")),
            ));
        }
        if role == "tool" && !message["tool_call_id"].is_string() {
            return Some(refusal(
                400,
                "Missing parameter 'tool_call_id'",
                Some(&format!("messages.[{index}].tool_call_id")),
            ));
        }
    }
    if fields.contains_key("stream_options") && request["stream"] != true {
        return Some(refusal(
            400,
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            Some("stream_options"),
        ));
    }
    None
}

#[handler]
pub(super) fn models(Data(shared): Data<&Arc<Shared>>) -> Response {
    let list = json!({ "object": "list", "data": [{ "id": shared.profile.model, "object": "model", "created": 0, "owned_by": "simulator" }] });
    respond(200, "application/json", list.to_string().into())
}

#[handler]
pub(super) async fn complete(request: &Request, body: Body, shared: Data<&Arc<Shared>>) -> Response {
    let shared: Arc<Shared> = (*shared).clone();
    shared.count(|counts| counts.requests += 1);
    let body = body.into_bytes().await.unwrap_or_default();
    {
        let mut last = lock(&shared.last);
        last.request = body.to_vec();
        last.answer.clear();
        let text = |value: &poem::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        last.headers = request.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    }
    if let Some(key) = &shared.profile.api_key
        && request.header("authorization") != Some(&format!("Bearer {key}"))
    {
        let shown = request.header("authorization").unwrap_or("none");
        return refusal(401, &format!("Incorrect API key provided: {shown}"), None);
    }
    let Ok(asked) = serde_json::from_slice::<Value>(&body) else { return refusal(400, "the body is no JSON", None) };
    if let Some(refusal) = check(&asked) {
        return refusal;
    }
    let reply = shared.reply();
    match &reply {
        Reply::Status { status, body, retry_after } => {
            let mut response = respond(*status, "application/json", body.clone().into());
            if let Some(value) = retry_after.as_deref().and_then(|value| value.parse().ok()) {
                response.headers_mut().insert("retry-after", value);
            }
            return response;
        }
        Reply::Silence => return std::future::pending().await,
        Reply::Raw { content_type, body } => return respond(200, content_type, body.clone()),
        _ => {}
    }
    let said = Said::new(&shared, &asked, &reply);
    if asked["stream"] == true { streamed(shared, &asked, &said, &reply) } else { whole(&shared, said).await }
}

/// A complete answer, before it is written down.
struct Said {
    id: String,
    model: String,
    turn: Turn,
    pieces: Vec<String>,
    usage: Option<Usage>,
}

#[derive(Clone, Copy)]
struct Usage {
    input: u64,
    cached: u64,
    output: u64,
    reasoning: u64,
}

impl Said {
    fn new(shared: &Shared, asked: &Value, reply: &Reply) -> Self {
        let turn = match reply {
            Reply::Text(text) => Turn::Text(text.clone()),
            _ => turn(asked),
        };
        let mut said = match &turn {
            Turn::Text(text) => pieces(text),
            Turn::Call(_, arguments) => pieces(arguments),
        };
        let limit = asked["max_completion_tokens"].as_u64().or_else(|| asked["max_tokens"].as_u64());
        // Whoever scripts a text wants to see all of it.
        if let Some(limit) = limit.filter(|_| !matches!(reply, Reply::Text(_))) {
            said.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        }
        let input = input_tokens(asked);
        let visible: u64 = said.iter().map(|piece| count_tokens(piece)).sum();
        let reasoning = visible * shared.profile.reasoning_percent / 100;
        let many = asked["messages"].as_array().is_some_and(|messages| messages.len() > 2);
        let usage = Usage { input, cached: if many { input / 2 } else { 0 }, output: visible + reasoning, reasoning };
        let model = if shared.profile.model.is_empty() {
            asked["model"].as_str().unwrap_or_default()
        } else {
            &shared.profile.model
        };
        Said {
            id: format!("chatcmpl-{}", shared.counts.borrow().requests),
            model: model.to_owned(),
            turn,
            pieces: said,
            usage: (*reply != Reply::WithoutUsage).then_some(usage),
        }
    }

    fn text(&self) -> String {
        self.pieces.concat()
    }

    fn finish_reason(&self) -> &'static str {
        match self.turn {
            Turn::Text(_) => "stop",
            Turn::Call(..) => "tool_calls",
        }
    }
}

impl Usage {
    fn json(self) -> Value {
        json!({
            "prompt_tokens": self.input, "completion_tokens": self.output, "total_tokens": self.input + self.output,
            "prompt_tokens_details": { "cached_tokens": self.cached, "audio_tokens": 0 },
            "completion_tokens_details": { "reasoning_tokens": self.reasoning, "audio_tokens": 0 },
        })
    }

    fn add_to(self, counts: &mut Counts) {
        counts.answered += 1;
        counts.input_tokens += self.input;
        counts.cached_input_tokens += self.cached;
        counts.output_tokens += self.output;
        counts.reasoning_tokens += self.reasoning;
    }
}

async fn whole(shared: &Shared, said: Said) -> Response {
    let tokens = u32::try_from(said.pieces.len()).unwrap_or(u32::MAX);
    let wait = shared.profile.first_token + shared.profile.per_token * tokens;
    if wait > Duration::ZERO {
        tokio::time::sleep(wait).await;
    }
    let message = match &said.turn {
        Turn::Text(_) => json!({ "role": "assistant", "content": said.text(), "refusal": null }),
        Turn::Call(name, _) => json!({ "role": "assistant", "content": null, "tool_calls": [
            { "id": "call_1", "type": "function", "function": { "name": name, "arguments": said.text() } }] }),
    };
    let mut answer = json!({
        "id": said.id, "object": "chat.completion", "created": 1_700_000_000, "model": said.model,
        "choices": [{ "index": 0, "message": message, "logprobs": null, "finish_reason": said.finish_reason() }],
        "system_fingerprint": "fp_simulated", "x_simulated": 1.50,
    });
    if let Some(usage) = said.usage {
        answer["usage"] = usage.json();
        shared.count(|counts| usage.add_to(counts));
    }
    let bytes = answer.to_string().into_bytes();
    lock(&shared.last).answer.clone_from(&bytes);
    respond(200, "application/json", bytes)
}

/// One event of a stream and the wait before it.
type Timed = (Duration, String);

fn events(shared: &Shared, asked: &Value, said: &Said) -> Vec<Timed> {
    let chunk = |choices: Value, usage: Option<Value>| {
        let mut chunk = json!({
            "id": said.id, "object": "chat.completion.chunk", "created": 1_700_000_000, "model": said.model,
            "system_fingerprint": "fp_simulated", "choices": choices,
        });
        if asked["stream_options"]["include_usage"] == true {
            chunk["usage"] = usage.unwrap_or(Value::Null);
        }
        format!("data: {chunk}\n\n")
    };
    let delta = |delta: Value, finish: Option<&str>| {
        chunk(json!([{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish }]), None)
    };
    let mut events = Vec::with_capacity(said.pieces.len() + 4);
    let first = match &said.turn {
        Turn::Text(_) => json!({ "role": "assistant", "content": "", "refusal": null }),
        Turn::Call(name, _) => json!({ "role": "assistant", "content": null, "tool_calls": [
            { "index": 0, "id": "call_1", "type": "function", "function": { "name": name, "arguments": "" } }] }),
    };
    events.push((shared.profile.first_token, delta(first, None)));
    for piece in &said.pieces {
        let said = match &said.turn {
            Turn::Text(_) => json!({ "content": piece }),
            Turn::Call(..) => json!({ "tool_calls": [{ "index": 0, "function": { "arguments": piece } }] }),
        };
        events.push((shared.profile.per_token, delta(said, None)));
    }
    events.push((Duration::ZERO, delta(json!({}), Some(said.finish_reason()))));
    if let Some(usage) = said.usage.filter(|_| asked["stream_options"]["include_usage"] == true) {
        events.push((Duration::ZERO, chunk(json!([]), Some(usage.json()))));
    }
    events.push((Duration::ZERO, "data: [DONE]\n\n".to_owned()));
    events
}

/// What happens after the last event that is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Proper,
    Cut,
    Stall,
}

/// Counts a stream that the caller closes.
struct Open {
    shared: Arc<Shared>,
    ended: bool,
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.ended {
            self.shared.count(|counts| counts.cancelled += 1);
        }
    }
}

fn streamed(shared: Arc<Shared>, asked: &Value, said: &Said, reply: &Reply) -> Response {
    let mut events = events(&shared, asked, said);
    let ending = match reply {
        Reply::CutAfter(count) => {
            events.truncate(*count);
            Ending::Cut
        }
        Reply::StallAfter(count) => {
            events.truncate(*count);
            Ending::Stall
        }
        Reply::ErrorAfter(count) => {
            events.truncate(*count);
            let error = json!({ "error": { "message": "the model crashed", "type": "server_error", "code": "500" } });
            events.push((Duration::ZERO, format!("data: {error}\n\n")));
            Ending::Cut
        }
        _ => Ending::Proper,
    };
    let open = Open { shared, ended: false };
    let usage = said.usage;
    let body = stream::unfold((events.into_iter(), open), move |(mut events, mut open)| async move {
        let Some((wait, event)) = events.next() else {
            match ending {
                Ending::Stall => std::future::pending().await,
                Ending::Cut => {
                    open.ended = true;
                    // A pause in the body makes the server write out what it has before the cut.
                    tokio::task::yield_now().await;
                    // An error closes the connection without the end of the body.
                    return Some((Err(std::io::Error::other("cut")), (events, open)));
                }
                Ending::Proper => return None,
            }
        };
        if wait > Duration::ZERO {
            tokio::time::sleep(wait).await;
        }
        open.shared.count(|counts| counts.events += 1);
        lock(&open.shared.last).answer.extend_from_slice(event.as_bytes());
        if events.len() == 0 && ending == Ending::Proper {
            open.ended = true;
            if let Some(usage) = usage {
                open.shared.count(|counts| usage.add_to(counts));
            }
        }
        Some((Ok::<Bytes, std::io::Error>(Bytes::from(event)), (events, open)))
    });
    Response::builder().content_type("text/event-stream").body(Body::from_bytes_stream(body))
}
