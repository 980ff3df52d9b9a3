//! Cohere's chat API, version 1, strictly: what the real API refuses is refused.
//!
//! Source: <https://docs.cohere.com/v1/reference/chat> and <https://docs.cohere.com/reference/errors>
//! (read 2026-11-25).

use poem::http::HeaderMap;
use serde_json::{Map, Value, json};

use super::cohere::{Form, key};
use super::turn::{Asked, Call, Finish, Refusal, Said, Tool, Usage};

/// Fields that a request may have; any other is refused.
const FIELDS: [&str; 26] = [
    "message",
    "model",
    "stream",
    "preamble",
    "chat_history",
    "conversation_id",
    "prompt_truncation",
    "connectors",
    "search_queries_only",
    "documents",
    "citation_quality",
    "temperature",
    "max_tokens",
    "max_input_tokens",
    "k",
    "p",
    "seed",
    "stop_sequences",
    "frequency_penalty",
    "presence_penalty",
    "raw_prompting",
    "tools",
    "tool_results",
    "force_single_step",
    "response_format",
    "safety_mode",
];

/// Names of Python's types that a parameter can have; those of JSON Schema are not among them.
const TYPES: [&str; 16] = [
    "str", "int", "float", "bool", "list", "dict", "tuple", "set", "List", "Dict", "Tuple", "Set", "Any", "Optional",
    "Union", "Literal",
];

const FORM: Form = Form { page: "https://docs.cohere.com/v1/reference/chat" };

type Checked = Result<(), Refusal>;

/// Checks a request as the real API does.
pub(super) fn check(
    headers: &HeaderMap,
    asked: &Value,
    _model_in_path: &str,
    _stream_in_path: bool,
) -> Result<(), Refusal> {
    key(headers)?;
    let fields = FORM.object("body", asked, &FIELDS)?;
    for (name, value) in fields {
        field(name, value)?;
    }
    let Some(message) = asked.get("message") else {
        return Err(Refusal::at(400, "message", "invalid request: message is required."));
    };
    conversation(asked, FORM.text("message", message)?)?;
    combinations(asked)?;
    // The real API would answer with lines of JSON. Nobody here reads those, so it is a mistake to ask for them.
    let accepts = headers.get("accepts").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if asked["stream"] == true && accepts != "text/event-stream" {
        let message = "invalid request: a stream of events needs the header 'Accepts: text/event-stream'.";
        return Err(Refusal::at(400, "stream", message));
    }
    Ok(())
}

fn field(name: &str, value: &Value) -> Checked {
    match name {
        "stream" | "search_queries_only" | "raw_prompting" | "force_single_step" => FORM.flag(name, value),
        "model" | "preamble" | "conversation_id" => FORM.text(name, value).map(|_| ()),
        "chat_history" => FORM.list(name, value)?.iter().enumerate().try_for_each(|(index, turn)| history(index, turn)),
        "prompt_truncation" => FORM.one_of(name, value, &["OFF", "AUTO", "AUTO_PRESERVE_ORDER"]),
        "connectors" => FORM.list(name, value).map(|_| ()),
        "documents" => FORM.list(name, value)?.iter().try_for_each(document),
        "citation_quality" => FORM.one_of(name, value, &["ENABLED", "DISABLED", "FAST", "ACCURATE", "OFF"]),
        "temperature" | "frequency_penalty" | "presence_penalty" => FORM.number(name, value, 0.0, 1.0),
        "max_tokens" | "max_input_tokens" => FORM.integer(name, value, 0, i64::MAX),
        "k" => FORM.integer(name, value, 0, 500),
        "p" => FORM.number(name, value, 0.01, 0.99),
        "seed" => FORM.integer(name, value, i64::MIN, i64::MAX),
        "stop_sequences" => FORM.stop_sequences(value),
        "tools" => FORM.list(name, value)?.iter().try_for_each(tool),
        "tool_results" => FORM.list(name, value)?.iter().try_for_each(tool_result),
        "response_format" => response_format(value),
        "safety_mode" => FORM.one_of(name, value, &["CONTEXTUAL", "STRICT", "NONE"]),
        // The message is checked with the conversation.
        _ => Ok(()),
    }
}

fn response_format(value: &Value) -> Checked {
    FORM.object("response_format", value, &["type", "schema"])?;
    FORM.one_of("response_format.type", &value["type"], &["text", "json_object"])?;
    match value.get("schema") {
        Some(schema) if !schema.is_object() => Err(FORM.mistyped("response_format.schema", schema, "Object")),
        _ => Ok(()),
    }
}

fn document(value: &Value) -> Checked {
    let Some(fields) = value.as_object() else { return Err(FORM.mistyped("documents", value, "Object")) };
    fields.values().try_for_each(|value| FORM.text("documents", value).map(|_| ()))
}

/// One earlier turn.
fn history(index: usize, turn: &Value) -> Checked {
    match turn["role"].as_str().unwrap_or_default() {
        "TOOL" => {
            FORM.object("chat_history", turn, &["role", "tool_results"])?;
            let results = FORM.list("chat_history.tool_results", &turn["tool_results"])?;
            results.iter().try_for_each(tool_result)
        }
        "USER" | "CHATBOT" | "SYSTEM" => {
            FORM.object("chat_history", turn, &["role", "message", "tool_calls"])?;
            let calls = match turn.get("tool_calls") {
                Some(calls) => FORM.list("chat_history.tool_calls", calls)?,
                None => &[],
            };
            calls.iter().try_for_each(tool_call)?;
            let message = match turn.get("message") {
                Some(message) => Some(FORM.text("chat_history.message", message)?),
                None => None,
            };
            // Only a turn that calls something can be without words.
            if message.is_none_or(|message| message.is_empty() && calls.is_empty()) {
                let message = "invalid request: all elements in history must have a message.";
                return Err(Refusal::at(400, "chat_history", message));
            }
            Ok(())
        }
        _ => {
            let message = format!(
                "invalid request: Invalid role in chat_history at index {index}. \
                 Role must be one of the following: User, Chatbot, System, Tool"
            );
            Err(Refusal::at(400, "chat_history", message))
        }
    }
}

fn tool_call(call: &Value) -> Checked {
    FORM.object("tool_calls", call, &["name", "parameters"])?;
    FORM.text("tool_calls.name", &call["name"])?;
    if call["parameters"].is_object() {
        return Ok(());
    }
    Err(FORM.mistyped("tool_calls.parameters", &call["parameters"], "Object"))
}

fn tool_result(result: &Value) -> Checked {
    FORM.object("tool_results", result, &["call", "outputs"])?;
    tool_call(&result["call"])?;
    let outputs = FORM.list("tool_results.outputs", &result["outputs"])?;
    match outputs.iter().find(|output| !output.is_object()) {
        Some(output) => Err(FORM.mistyped("tool_results.outputs", output, "Object")),
        None => Ok(()),
    }
}

/// A name of letters, digits and underscores that does not begin with a digit.
fn name(at: &str, name: &str) -> Checked {
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    if begins && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_') {
        return Ok(());
    }
    let message = format!(
        "invalid request: {at} '{name}' can only contain a-z, A-Z, 0-9 and _, and must not begin with a digit."
    );
    Err(Refusal::at(400, at, message))
}

fn tool(tool: &Value) -> Checked {
    FORM.object("tools", tool, &["name", "description", "parameter_definitions"])?;
    name("tools.name", FORM.text("tools.name", &tool["name"])?)?;
    FORM.text("tools.description", &tool["description"])?;
    let Some(definitions) = tool.get("parameter_definitions") else { return Ok(()) };
    let at = "tools.parameter_definitions";
    let Some(definitions) = definitions.as_object() else { return Err(FORM.mistyped(at, definitions, "Object")) };
    for (parameter, definition) in definitions {
        name(at, parameter)?;
        FORM.object(at, definition, &["description", "type", "required"])?;
        let kind = FORM.text("tools.parameter_definitions.type", &definition["type"])?;
        if !TYPES.contains(&kind.split('[').next().unwrap_or_default()) {
            let message = format!("invalid request: '{kind}' of parameter '{parameter}' is not a valid Python type.");
            return Err(Refusal::at(400, at, message));
        }
        if let Some(description) = definition.get("description") {
            FORM.text("tools.parameter_definitions.description", description)?;
        }
        if let Some(required) = definition.get("required") {
            FORM.flag("tools.parameter_definitions.required", required)?;
        }
    }
    Ok(())
}

fn filled<'a>(asked: &'a Value, name: &str) -> &'a [Value] {
    asked[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// How the message, the results and the earlier turns go together.
fn conversation(asked: &Value, message: &str) -> Checked {
    let results = filled(asked, "tool_results");
    let history = filled(asked, "chat_history");
    let last = history.last();
    let after_tool = last.is_some_and(|turn| turn["role"] == "TOOL");
    if message.is_empty() && results.is_empty() && !after_tool {
        let message = "invalid request: message must be at least 1 token long or tool results must be specified.";
        return Err(Refusal::at(400, "message", message));
    }
    if !message.is_empty() && after_tool {
        let message = "invalid request: cannot specify message if the last entry in chat history contains tool results";
        return Err(Refusal::at(400, "message", message));
    }
    if results.is_empty() {
        return Ok(());
    }
    if filled(asked, "tools").is_empty() {
        return Err(Refusal::at(
            400,
            "tool_results",
            "invalid request: tool_results can only be specified with tools.",
        ));
    }
    if asked["force_single_step"] == true {
        return Ok(());
    }
    if !message.is_empty() {
        let message = "invalid request: cannot specify both message and tool_results in multistep mode";
        return Err(Refusal::at(400, "message", message));
    }
    // Results belong to calls, and the calls to the model's last turn.
    let calls = last.filter(|turn| turn["role"] == "CHATBOT").map(|turn| filled(turn, "tool_calls"));
    let calls = calls.unwrap_or_default();
    match results.iter().find(|result| !calls.contains(&result["call"])) {
        Some(result) => {
            let call = &result["call"];
            let message = format!("invalid request: the last turn in chat history does not have the tool call {call}");
            Err(Refusal::at(400, "tool_results", message))
        }
        None if results.len() < calls.len() => {
            Err(Refusal::at(400, "tool_results", "invalid request: some tool calls have no tool results"))
        }
        None => Ok(()),
    }
}

/// Fields that do not go together.
fn combinations(asked: &Value) -> Checked {
    let grounds = ["connectors", "documents", "tools", "tool_results"];
    let grounded = grounds.iter().any(|name| !filled(asked, name).is_empty());
    if grounded && asked["response_format"]["type"] == "json_object" {
        let message = "invalid request: response_format is not supported with RAG.";
        return Err(Refusal::at(400, "response_format", message));
    }
    Ok(())
}

/// Reads a request that has been checked.
pub(super) fn understand(asked: &Value, _model_in_path: &str, _stream_in_path: bool) -> Asked {
    let history = filled(asked, "chat_history");
    let results = filled(asked, "tool_results");
    let message = asked["message"].as_str().unwrap_or_default();
    let before = history.iter().rfind(|turn| turn["role"] == "USER").and_then(|turn| turn["message"].as_str());
    let question = if message.is_empty() { before.unwrap_or_default() } else { message };
    let mut texts: Vec<String> = Vec::new();
    texts.extend(asked["preamble"].as_str().map(str::to_owned));
    for turn in history {
        texts.extend(turn["message"].as_str().map(str::to_owned));
        texts.extend(outputs(filled(turn, "tool_results")));
    }
    texts.extend(outputs(results));
    texts.push(message.to_owned());
    let turns = history.len() + usize::from(!message.is_empty()) + usize::from(!results.is_empty());
    let format = &asked["response_format"];
    Asked {
        model: asked["model"].as_str().unwrap_or_default().to_owned(),
        question: question.to_owned(),
        texts,
        turns,
        after_tool: !results.is_empty() || (message.is_empty() && !history.is_empty()),
        tools: filled(asked, "tools").iter().map(understand_tool).collect(),
        may_call: true,
        parallel: true,
        named: None,
        schema: format.get("schema").cloned(),
        json: format["type"] == "json_object",
        limit: asked["max_tokens"].as_u64(),
        thinks: false,
        cached: turns > 2,
        stream: asked["stream"] == true,
        include_usage: true,
    }
}

fn outputs(results: &[Value]) -> impl Iterator<Item = String> {
    results.iter().map(|result| result["outputs"].to_string())
}

fn understand_tool(tool: &Value) -> Tool {
    let definitions = tool["parameter_definitions"].as_object().into_iter().flatten();
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (name, definition) in definitions {
        properties.insert(name.clone(), schema(definition["type"].as_str().unwrap_or_default()));
        if definition["required"] == true {
            required.push(Value::String(name.clone()));
        }
    }
    Tool {
        name: tool["name"].as_str().unwrap_or_default().to_owned(),
        schema: json!({ "type": "object", "properties": properties, "required": required }),
    }
}

/// The JSON schema of a Python type.
fn schema(python: &str) -> Value {
    let (outer, inner) = python.split_once('[').unwrap_or((python, ""));
    match outer {
        "int" => json!({ "type": "integer" }),
        "float" => json!({ "type": "number" }),
        "bool" => json!({ "type": "boolean" }),
        "dict" | "Dict" => json!({ "type": "object" }),
        "list" | "tuple" | "set" | "List" | "Tuple" | "Set" => {
            json!({ "type": "array", "items": schema(inner.trim_end_matches(']')) })
        }
        "Optional" => schema(inner.trim_end_matches(']')),
        _ => json!({ "type": "string" }),
    }
}

/// A turn that calls something is complete too: there is no reason of its own for it.
fn finish_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::Calls => "COMPLETE",
        Finish::Length => "MAX_TOKENS",
        Finish::Blocked => "ERROR_TOXIC",
    }
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

/// Calls have no ids, and their parameters are an object.
fn call(call: &Call) -> Value {
    let parameters: Value = serde_json::from_str(&call.pieces.concat()).unwrap_or_else(|_| json!({}));
    json!({ "name": call.name, "parameters": parameters })
}

/// The plain answer.
pub(super) fn whole(said: &Said) -> Value {
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

fn event(kind: &str, fields: Value) -> String {
    let mut data = json!({ "is_finished": kind == "stream-end", "event_type": kind });
    if let (Some(data), Value::Object(fields)) = (data.as_object_mut(), fields) {
        data.extend(fields);
    }
    format!("event: {kind}\ndata: {data}\n\n")
}

/// The streamed answer, as it is with the header `Accepts: text/event-stream`.
pub(super) fn events(said: &Said) -> Vec<String> {
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

/// The body of an error.
pub(super) fn error(_status: u16, message: &str) -> Value {
    json!({ "id": "dfd4d59f-0000-4000-8000-000000000000", "message": message })
}

/// An error in the middle of a stream: it ends the answer.
pub(super) fn error_event(message: &str) -> String {
    let response = json!({ "text": "", "finish_reason": "ERROR" });
    event("stream-end", json!({ "finish_reason": "ERROR", "error": message, "response": response }))
}
