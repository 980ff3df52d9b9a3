//! Cohere's chat API, version 2, strictly: what the real API refuses is refused.
//!
//! Source: <https://docs.cohere.com/reference/chat>, <https://docs.cohere.com/reference/errors> and
//! <https://docs.cohere.com/v2/docs/streaming> (read 2026-11-25).

use poem::http::HeaderMap;
use serde_json::{Map, Value, json};

use super::turn::{Asked, Call, Finish, Refusal, Said, Tool, Usage};

/// Fields that a request may have; any other is refused.
const FIELDS: [&str; 21] = [
    "model",
    "messages",
    "stream",
    "tools",
    "strict_tools",
    "documents",
    "citation_options",
    "response_format",
    "safety_mode",
    "max_tokens",
    "stop_sequences",
    "temperature",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "k",
    "p",
    "logprobs",
    "tool_choice",
    "thinking",
    "priority",
];

/// Most images of a request, and most bytes of them.
const MOST_IMAGES: usize = 20;
const MOST_IMAGE_BYTES: usize = 20 * 1024 * 1024;

const FORM: Form = Form { page: "https://docs.cohere.com/reference/chat" };

type Checked = Result<(), Refusal>;

/// The forms that fields can have, and what the API says of a field with another form.
#[derive(Clone, Copy)]
pub(super) struct Form {
    /// The page that its messages refer to.
    pub(super) page: &'static str,
}

impl Form {
    /// The refusal of a field that does not exist.
    pub(super) fn unknown(self, name: &str) -> Refusal {
        let page = self.page;
        let message =
            format!("unknown field: parameter '{name}' is not a valid field. For proper usage, please refer to {page}");
        Refusal::at(422, name, message)
    }

    /// The refusal of a field with a value of the wrong type.
    pub(super) fn mistyped(self, name: &str, value: &Value, wanted: &str) -> Refusal {
        let page = self.page;
        let is = match value {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "Object",
        };
        let message = format!(
            "invalid type: parameter '{name}' is of type {is} but should be of type {wanted}. \
             For proper usage, please refer to {page}"
        );
        Refusal::at(422, name, message)
    }

    /// An object that has only known fields.
    pub(super) fn object<'a>(
        self,
        name: &str,
        value: &'a Value,
        known: &[&str],
    ) -> Result<&'a Map<String, Value>, Refusal> {
        let fields = value.as_object().ok_or_else(|| self.mistyped(name, value, "Object"))?;
        match fields.keys().find(|field| !known.contains(&field.as_str())) {
            Some(unknown) => Err(self.unknown(unknown)),
            None => Ok(fields),
        }
    }

    pub(super) fn list<'a>(self, name: &str, value: &'a Value) -> Result<&'a [Value], Refusal> {
        value.as_array().map(Vec::as_slice).ok_or_else(|| self.mistyped(name, value, "array"))
    }

    pub(super) fn text<'a>(self, name: &str, value: &'a Value) -> Result<&'a str, Refusal> {
        value.as_str().ok_or_else(|| self.mistyped(name, value, "string"))
    }

    pub(super) fn flag(self, name: &str, value: &Value) -> Checked {
        if value.is_boolean() { Ok(()) } else { Err(self.mistyped(name, value, "bool")) }
    }

    pub(super) fn one_of(self, name: &str, value: &Value, words: &[&str]) -> Checked {
        let word = self.text(name, value)?;
        if words.contains(&word) {
            return Ok(());
        }
        let words = words.join(", ");
        Err(Refusal::at(400, name, format!("invalid request: {name} must be one of {words}, but is '{word}'")))
    }

    pub(super) fn number(self, name: &str, value: &Value, least: f64, most: f64) -> Checked {
        let number = value.as_f64().ok_or_else(|| self.mistyped(name, value, "float"))?;
        if (least..=most).contains(&number) {
            return Ok(());
        }
        let message = format!("invalid request: {name} must be between {least:?} and {most:?} inclusive.");
        Err(Refusal::at(400, name, message))
    }

    pub(super) fn integer(self, name: &str, value: &Value, least: i64, most: i64) -> Checked {
        // What does not fit into an `i64` is only too great.
        let number = if value.is_u64() { Some(value.as_i64().unwrap_or(i64::MAX)) } else { value.as_i64() };
        let number = number.ok_or_else(|| self.mistyped(name, value, "int"))?;
        if (least..=most).contains(&number) {
            return Ok(());
        }
        Err(Refusal::at(400, name, format!("invalid request: {name} must be between {least} and {most} inclusive.")))
    }

    /// At most five sequences that end the output.
    pub(super) fn stop_sequences(self, value: &Value) -> Checked {
        let sequences = self.list("stop_sequences", value)?;
        if sequences.len() > 5 {
            let message = "invalid request: at most 5 stop_sequences can be specified.";
            return Err(Refusal::at(400, "stop_sequences", message));
        }
        sequences.iter().try_for_each(|sequence| self.text("stop_sequences", sequence).map(|_| ()))
    }
}

/// Checks that a request has a key; which one, the simulator knows.
pub(super) fn key(headers: &HeaderMap) -> Checked {
    let value = headers.get("authorization").and_then(|value| value.to_str().ok());
    if value.and_then(|value| value.strip_prefix("Bearer ")).is_none_or(str::is_empty) {
        return Err(Refusal::new(401, "no api key supplied"));
    }
    Ok(())
}

/// Checks a request as the real API does.
pub(super) fn check(
    headers: &HeaderMap,
    asked: &Value,
    _model_in_path: &str,
    _stream_in_path: bool,
) -> Result<(), Refusal> {
    key(headers)?;
    let fields = FORM.object("body", asked, &FIELDS)?;
    if asked["model"].as_str().is_none_or(str::is_empty) {
        return Err(Refusal::at(400, "model", "a model parameter is required for this endpoint."));
    }
    for (name, value) in fields {
        field(name, value)?;
    }
    combinations(asked)?;
    let list = FORM.list("messages", &asked["messages"])?;
    if list.is_empty() {
        return Err(Refusal::at(400, "messages", "invalid request: messages must not be empty."));
    }
    messages(list)?;
    images(list)
}

fn field(name: &str, value: &Value) -> Checked {
    match name {
        "stream" | "strict_tools" | "logprobs" => FORM.flag(name, value),
        "tools" => FORM.list(name, value)?.iter().try_for_each(tool),
        "documents" => FORM.list(name, value)?.iter().filter(|document| !document.is_string()).try_for_each(document),
        "citation_options" => {
            FORM.object(name, value, &["mode"])?;
            match value.get("mode") {
                Some(mode) => FORM.one_of(name, mode, &["ENABLED", "DISABLED", "FAST", "ACCURATE", "OFF"]),
                None => Ok(()),
            }
        }
        "response_format" => response_format(value),
        "safety_mode" => FORM.one_of(name, value, &["CONTEXTUAL", "STRICT", "OFF"]),
        "max_tokens" | "priority" => FORM.integer(name, value, 0, i64::MAX),
        "stop_sequences" => FORM.stop_sequences(value),
        "temperature" | "frequency_penalty" | "presence_penalty" => FORM.number(name, value, 0.0, 1.0),
        "seed" => FORM.integer(name, value, i64::MIN, i64::MAX),
        "k" => FORM.integer(name, value, 0, 500),
        "p" => FORM.number(name, value, 0.01, 0.99),
        "tool_choice" => FORM.one_of(name, value, &["REQUIRED", "NONE"]),
        "thinking" => thinking(value),
        // The model and the messages are checked on their own.
        _ => Ok(()),
    }
}

fn response_format(value: &Value) -> Checked {
    FORM.object("response_format", value, &["type", "json_schema"])?;
    FORM.one_of("response_format.type", &value["type"], &["text", "json_object"])?;
    let Some(schema) = value.get("json_schema") else { return Ok(()) };
    let Some(fields) = schema.as_object() else {
        return Err(FORM.mistyped("response_format.json_schema", schema, "Object"));
    };
    // The schema itself belongs here. What OpenAI wraps around it is no schema.
    if value["type"] == "text" || fields.contains_key("schema") || fields.contains_key("strict") {
        return Err(Refusal::at(400, "response_format", "invalid request: json_schema is not a valid JSON schema."));
    }
    Ok(())
}

fn thinking(value: &Value) -> Checked {
    FORM.object("thinking", value, &["type", "token_budget"])?;
    FORM.one_of("thinking.type", &value["type"], &["enabled", "disabled"])?;
    match value.get("token_budget") {
        Some(budget) => FORM.integer("thinking.token_budget", budget, 1, i64::MAX),
        None => Ok(()),
    }
}

fn tool(value: &Value) -> Checked {
    FORM.object("tools", value, &["type", "function"])?;
    FORM.one_of("tools.type", &value["type"], &["function"])?;
    let function = &value["function"];
    FORM.object("tools.function", function, &["name", "description", "parameters"])?;
    if FORM.text("tools.function.name", &function["name"])?.is_empty() {
        return Err(Refusal::at(400, "tools.function.name", "invalid request: all tools must have a name."));
    }
    if let Some(description) = function.get("description") {
        FORM.text("tools.function.description", description)?;
    }
    match function.get("parameters") {
        Some(Value::Object(_)) => Ok(()),
        Some(other) => Err(FORM.mistyped("tools.function.parameters", other, "Object")),
        None => Err(Refusal::at(
            400,
            "tools.function.parameters",
            "invalid request: all tools must have parameters, a JSON schema object.",
        )),
    }
}

fn document(value: &Value) -> Checked {
    FORM.object("documents", value, &["data", "id"])?;
    if !value["data"].is_object() {
        return Err(FORM.mistyped("documents.data", &value["data"], "Object"));
    }
    match value.get("id") {
        Some(id) => FORM.text("documents.id", id).map(|_| ()),
        None => Ok(()),
    }
}

/// Fields that do not go together.
fn combinations(asked: &Value) -> Checked {
    let filled = |name: &str| asked[name].as_array().is_some_and(|values| !values.is_empty());
    let grounded = filled("tools") || filled("documents");
    if grounded && asked["response_format"]["type"] == "json_object" {
        let message = "invalid request: response_format is not supported with RAG.";
        return Err(Refusal::at(400, "response_format", message));
    }
    if grounded && asked.get("safety_mode").is_some() {
        let message = "invalid request: safety_mode is not supported with tools or documents.";
        return Err(Refusal::at(400, "safety_mode", message));
    }
    if asked["tool_choice"] == "REQUIRED" && !filled("tools") {
        let message = "invalid request: tool_choice REQUIRED can only be specified with tools.";
        return Err(Refusal::at(400, "tool_choice", message));
    }
    Ok(())
}

fn messages(messages: &[Value]) -> Checked {
    // The calls of the last assistant message that have no result yet.
    let mut open: Vec<&str> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let role = message["role"].as_str().unwrap_or_default();
        if role != "tool" && !open.is_empty() {
            return Err(unanswered(&open));
        }
        match role {
            "system" if index > 0 => {
                return Err(Refusal::at(400, "messages", "system turn must be the first in the list"));
            }
            "system" => {
                FORM.object("messages", message, &["role", "content"])?;
                content(message, &["text"])?;
            }
            "user" => {
                FORM.object("messages", message, &["role", "content"])?;
                content(message, &["text", "image_url"])?;
            }
            "assistant" => open = assistant(message)?,
            "tool" => {
                FORM.object("messages", message, &["role", "tool_call_id", "content"])?;
                content(message, &["text", "document"])?;
                let id = FORM.text("messages.tool_call_id", &message["tool_call_id"])?;
                let Some(at) = open.iter().position(|call| *call == id) else {
                    let message = format!("invalid request: no tool call of the previous turn has the id '{id}'.");
                    return Err(Refusal::at(400, "messages", message));
                };
                open.remove(at);
            }
            other => {
                let message = format!(
                    "invalid request: Invalid role '{other}' in messages at index {index}. \
                     Role must be one of the following: system, user, assistant, tool"
                );
                return Err(Refusal::at(400, "messages", message));
            }
        }
    }
    if !open.is_empty() {
        return Err(unanswered(&open));
    }
    let last = messages.last().and_then(|message| message["role"].as_str()).unwrap_or_default();
    if last != "user" && last != "tool" {
        let message = "invalid request: the last message must be of role user or tool.";
        return Err(Refusal::at(400, "messages", message));
    }
    Ok(())
}

fn unanswered(ids: &[&str]) -> Refusal {
    let ids = ids.join(", ");
    Refusal::at(400, "messages", format!("invalid request: the tool calls {ids} have no tool message."))
}

fn empty() -> Refusal {
    Refusal::at(400, "messages", "message must not be empty in a turn")
}

/// Checks a message of the model; the ids of its calls.
fn assistant(message: &Value) -> Result<Vec<&str>, Refusal> {
    FORM.object("messages", message, &["role", "content", "tool_calls", "tool_plan", "citations"])?;
    if let Some(plan) = message.get("tool_plan") {
        FORM.text("messages.tool_plan", plan)?;
    }
    let calls = match message.get("tool_calls") {
        Some(calls) => FORM.list("messages.tool_calls", calls)?,
        None => &[],
    };
    if message.get("content").is_some() || calls.is_empty() {
        content(message, &["text", "thinking"])?;
    }
    let mut ids = Vec::with_capacity(calls.len());
    for call in calls {
        FORM.object("messages.tool_calls", call, &["id", "type", "function"])?;
        FORM.one_of("messages.tool_calls.type", &call["type"], &["function"])?;
        let function = &call["function"];
        FORM.object("messages.tool_calls.function", function, &["name", "arguments"])?;
        FORM.text("messages.tool_calls.function.name", &function["name"])?;
        let arguments = FORM.text("messages.tool_calls.function.arguments", &function["arguments"])?;
        if !serde_json::from_str::<Value>(arguments).is_ok_and(|arguments| arguments.is_object()) {
            let message = "invalid request: the arguments of a tool call must be a JSON object string.";
            return Err(Refusal::at(400, "messages.tool_calls.function.arguments", message));
        }
        ids.push(FORM.text("messages.tool_calls.id", &call["id"])?);
    }
    Ok(ids)
}

fn content(message: &Value, kinds: &[&str]) -> Checked {
    match &message["content"] {
        Value::String(text) => filled(text),
        Value::Array(parts) if !parts.is_empty() => parts.iter().try_for_each(|value| part(value, kinds)),
        Value::Array(_) | Value::Null => Err(empty()),
        other => Err(FORM.mistyped("messages.content", other, "string")),
    }
}

fn filled(text: &str) -> Checked {
    if text.is_empty() { Err(empty()) } else { Ok(()) }
}

fn part(part: &Value, kinds: &[&str]) -> Checked {
    FORM.one_of("messages.content.type", &part["type"], kinds)?;
    match part["type"].as_str().unwrap_or_default() {
        "document" => {
            FORM.object("messages.content", part, &["type", "document"])?;
            document(&part["document"])
        }
        "image_url" => {
            FORM.object("messages.content", part, &["type", "image_url"])?;
            image(&part["image_url"])
        }
        // A text or a thinking, in a field that is named like its type.
        kind => {
            FORM.object("messages.content", part, &["type", kind])?;
            filled(FORM.text("messages.content", &part[kind])?)
        }
    }
}

fn image(image: &Value) -> Checked {
    FORM.object("messages.content.image_url", image, &["url", "detail"])?;
    if let Some(detail) = image.get("detail") {
        FORM.one_of("messages.content.image_url.detail", detail, &["auto", "low", "high"])?;
    }
    let url = FORM.text("messages.content.image_url.url", &image["url"])?;
    if url.starts_with("https://") || url.starts_with("http://") {
        return Ok(());
    }
    let kinds = ["png", "jpeg", "webp", "gif"];
    if kinds.iter().any(|kind| url.strip_prefix(&format!("data:image/{kind};base64,")).is_some_and(base64)) {
        return Ok(());
    }
    let message = "invalid request: an image must be a web URL or a base64 data URI of a png, jpeg, webp or gif.";
    Err(Refusal::at(400, "messages.content.image_url.url", message))
}

fn base64(data: &str) -> bool {
    !data.is_empty() && data.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
}

fn images(messages: &[Value]) -> Checked {
    let parts = messages.iter().filter_map(|message| message["content"].as_array()).flatten();
    let images: Vec<&str> = parts.filter_map(|part| part["image_url"]["url"].as_str()).collect();
    let bytes: usize = images.iter().filter(|url| url.starts_with("data:")).map(|url| url.len() / 4 * 3).sum();
    if images.len() > MOST_IMAGES || bytes > MOST_IMAGE_BYTES {
        let message = "invalid request: a request can have at most 20 images and 20 MB of them.";
        return Err(Refusal::at(400, "messages", message));
    }
    Ok(())
}

/// Reads a request that has been checked.
pub(super) fn understand(asked: &Value, _model_in_path: &str, _stream_in_path: bool) -> Asked {
    let messages = asked["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let model = asked["model"].as_str().unwrap_or_default();
    let question = messages.iter().rfind(|message| message["role"] == "user");
    let mut texts: Vec<String> = messages.iter().flat_map(|message| texts_of(&message["content"])).collect();
    texts.extend(asked["documents"].as_array().into_iter().flatten().map(Value::to_string));
    let tools = asked["tools"].as_array().into_iter().flatten().map(|tool| Tool {
        name: tool["function"]["name"].as_str().unwrap_or_default().to_owned(),
        schema: tool["function"]["parameters"].clone(),
    });
    let format = &asked["response_format"];
    Asked {
        model: model.to_owned(),
        question: question.map(|message| texts_of(&message["content"]).join(" ")).unwrap_or_default(),
        texts,
        turns: messages.len(),
        after_tool: messages.last().is_some_and(|message| message["role"] == "tool"),
        tools: tools.collect(),
        may_call: asked["tool_choice"] != "NONE",
        parallel: true,
        named: None,
        schema: format.get("json_schema").cloned(),
        json: format["type"] == "json_object",
        limit: asked["max_tokens"].as_u64(),
        thinks: match asked["thinking"]["type"].as_str() {
            Some(kind) => kind == "enabled",
            // Reasoning models think unless told not to.
            None => model.contains("reasoning") || model.starts_with("command-a-plus"),
        },
        cached: messages.len() > 2,
        stream: asked["stream"] == true,
        include_usage: true,
    }
}

fn texts_of(content: &Value) -> Vec<String> {
    match content {
        Value::String(text) => vec![text.clone()],
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| match &part["document"] {
                Value::Null => part["text"].as_str().or_else(|| part["thinking"].as_str()).map(str::to_owned),
                document => Some(document.to_string()),
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn finish_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "COMPLETE",
        Finish::Length => "MAX_TOKENS",
        Finish::Calls => "TOOL_CALL",
        Finish::Blocked => "ERROR",
    }
}

/// A number as the API writes it, with a fraction.
fn float(number: u64) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

/// What is billed is less than what was read and said: the API's own preamble costs nothing.
fn usage(usage: Usage) -> Value {
    json!({
        "billed_units": { "input_tokens": float(usage.input / 2), "output_tokens": float(usage.output / 2) },
        "tokens": { "input_tokens": float(usage.input), "output_tokens": float(usage.output) },
        "cached_tokens": float(usage.cached),
    })
}

fn call(call: &Call) -> Value {
    json!({
        "id": call.id, "type": "function",
        "function": { "name": call.name, "arguments": call.pieces.concat() },
    })
}

/// The plain answer.
pub(super) fn whole(said: &Said) -> Value {
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

fn event(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap_or_default())
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

/// The streamed answer.
pub(super) fn events(said: &Said) -> Vec<String> {
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

/// The body of an error.
pub(super) fn error(_status: u16, message: &str) -> Value {
    json!({ "id": "dfd4d59f-0000-4000-8000-000000000000", "message": message })
}

/// An error in the middle of a stream: it ends the message.
pub(super) fn error_event(message: &str) -> String {
    event(&json!({ "type": "message-end", "delta": { "error": message, "finish_reason": "ERROR" } }))
}
