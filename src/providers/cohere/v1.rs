//! Version 1 of the API: a message and a history, and calls without ids.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::super::ProviderError;
use super::super::drops::{Drops, EncodeError};
use super::super::json::{described, list, object, quote};
use super::super::pieces::{Piece, Said, Whole};
use super::super::{Context, Outbound};
use super::request::texts;
use super::{Usage, cite, failed, finish, sampling};
use crate::catalog::Provider;
use crate::protocol::Members;
use crate::protocol::conversation::{Call, Conversation, PartKind, ResponseFormat, Tool, ToolChoice, Turn};

pub(in super::super) fn encode(
    conversation: &Conversation<'_>,
    context: &Context<'_>,
    stream: bool,
) -> Result<Outbound, EncodeError> {
    let options = &conversation.options;
    let mut drops = Drops::new(Provider::Cohere, context.upstream.drop_params);
    drops.options(options, &["seed", "presence_penalty", "frequency_penalty", "top_k"])?;
    drops.marks(conversation, false, true);
    if options.effort.is_some_and(|effort| effort != crate::protocol::conversation::Effort::None) {
        drops.cannot("reasoning_effort", "version 1 of its API has no thinking")?;
    }
    let mut body = Members::default();
    history(conversation, &mut body, &mut drops)?;
    body.set("model", quote(context.model));
    if stream {
        body.set("stream", "true");
    }
    let has_tools = !conversation.tools.is_empty();
    // Results of earlier calls need their tools, whatever may be called now.
    let hidden = conversation.tool_choice == Some(ToolChoice::None) && !body.has("tool_results");
    if has_tools && !hidden {
        let allowed = |tool: &&Tool<'_>| match &conversation.tool_choice {
            Some(ToolChoice::Named(name)) => tool.name == *name,
            Some(ToolChoice::Allowed { names, .. }) => names.contains(&tool.name),
            _ => true,
        };
        let shown = conversation.tools.iter().filter(allowed);
        body.set("tools", list(shown.map(|tool| definition(tool, &drops)).collect::<Result<Vec<_>, _>>()?));
        let forced = matches!(
            conversation.tool_choice,
            Some(ToolChoice::Required | ToolChoice::Named(_) | ToolChoice::Allowed { required: true, .. })
        );
        if forced {
            drops.cannot("tool_choice", "version 1 of its API cannot be made to call a tool")?;
        }
    }
    match &options.response_format {
        None | Some(ResponseFormat::Text) => {}
        Some(_) if has_tools => drops.cannot("response_format", "it takes no format together with tools")?,
        Some(ResponseFormat::Object) => body.set("response_format", r#"{"type":"json_object"}"#),
        Some(ResponseFormat::Schema { schema, description, .. }) => {
            let schema = described(schema, description.as_deref());
            body.set("response_format", format!(r#"{{"type":"json_object","schema":{schema}}}"#));
        }
    }
    sampling(options, &mut body, &mut drops)?;
    Ok(Outbound { body: body.to_json().into(), dropped: drops.into_names() })
}

/// The last thing said is the message, or the results of tools; what was before it is the history.
fn history(conversation: &Conversation<'_>, body: &mut Members<'_>, drops: &mut Drops) -> Result<(), EncodeError> {
    let mut preamble = Vec::new();
    let mut entries: Vec<Entry> = Vec::new();
    let mut calls: Vec<&Call<'_>> = Vec::new();
    for turn in &conversation.turns {
        match turn {
            Turn::Instruction { parts } => preamble.push(texts(parts)),
            Turn::User { parts } => {
                if let Some(part) = parts.iter().find(|part| !matches!(part.kind, PartKind::Text(_))) {
                    drops.cannot(&part.path, "version 1 of its API takes text only")?;
                }
                let text = texts(parts);
                match entries.last_mut() {
                    Some(Entry::User(before)) => {
                        before.push('\n');
                        before.push_str(&text);
                    }
                    // The API wants the model to have spoken between a tool's result and the next message.
                    Some(Entry::Results(_)) => {
                        entries.push(Entry::Model { text: "OK.".to_owned(), calls: "[]".to_owned() });
                        entries.push(Entry::User(text));
                    }
                    _ => entries.push(Entry::User(text)),
                }
            }
            Turn::Assistant { parts, calls: made, .. } => {
                calls = made.iter().collect();
                entries.push(Entry::Model { text: texts(parts), calls: list(made.iter().map(call)) });
            }
            Turn::Result { call_id, parts, .. } => {
                let Some(made) = calls.iter().find(|made| made.id == *call_id) else { continue };
                let text = texts(parts);
                let output = match serde_json::from_str::<Value>(&text) {
                    Ok(Value::Object(object)) => Value::Object(object),
                    _ => json!({ "result": text }),
                };
                let result = format!(r#"{{"call":{},"outputs":[{output}]}}"#, call(made));
                match entries.iter_mut().rev().find(|entry| matches!(entry, Entry::Results(_) | Entry::Model { .. })) {
                    Some(Entry::Results(results)) => results.push(result),
                    _ => entries.push(Entry::Results(vec![result])),
                }
            }
        }
    }
    let preamble: Vec<_> = preamble.into_iter().filter(|text| !text.trim().is_empty()).collect();
    if !preamble.is_empty() {
        body.set("preamble", quote(&preamble.join("\n\n")));
    }
    match entries.pop() {
        Some(Entry::Results(results)) => {
            body.set("message", "\"\"");
            body.set("tool_results", list(results));
        }
        Some(Entry::User(text)) if !text.trim().is_empty() => body.set("message", quote(&text)),
        Some(Entry::User(_)) | None => body.set("message", quote("(empty message)")),
        Some(Entry::Model { .. }) => {
            let param = format!("messages[{}]", conversation.turns.len().saturating_sub(1));
            return Err(drops.never(&param, "version 1 of its API does not go on with an assistant message"));
        }
    }
    if !entries.is_empty() {
        body.set("chat_history", list(entries.iter().filter_map(Entry::to_json)));
    }
    Ok(())
}

enum Entry {
    User(String),
    Model { text: String, calls: String },
    Results(Vec<String>),
}

impl Entry {
    fn to_json(&self) -> Option<String> {
        Some(match self {
            Entry::User(text) if text.trim().is_empty() => return None,
            Entry::User(text) => format!(r#"{{"role":"USER","message":{}}}"#, quote(text)),
            Entry::Model { text, calls } if calls == "[]" => {
                if text.trim().is_empty() {
                    return None;
                }
                format!(r#"{{"role":"CHATBOT","message":{}}}"#, quote(text))
            }
            Entry::Model { text, calls } => {
                let text = if text.trim().is_empty() { "I will call tools." } else { text };
                format!(r#"{{"role":"CHATBOT","message":{},"tool_calls":{calls}}}"#, quote(text))
            }
            Entry::Results(results) => format!(r#"{{"role":"TOOL","tool_results":{}}}"#, list(results)),
        })
    }
}

fn call(call: &Call<'_>) -> String {
    format!(r#"{{"name":{},"parameters":{}}}"#, quote(&call.name), call.arguments)
}

/// A tool as version 1 has it: its parameters by name, with types of Python.
fn definition(tool: &Tool<'_>, drops: &Drops) -> Result<String, EncodeError> {
    let fits = |name: &str| {
        !name.starts_with(|character: char| character.is_ascii_digit())
            && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
    };
    if !fits(&tool.name) {
        let reason = "version 1 of its API takes names of letters, digits and `_`";
        return Err(drops.never(&format!("{}.function.name", tool.path), reason));
    }
    let description = tool.description.as_deref().unwrap_or(&tool.name);
    let mut json = object([("name", quote(&tool.name).into()), ("description", quote(description).into())]);
    let schema: Value = tool.parameters.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut definitions = serde_json::Map::new();
    for (name, parameter) in schema["properties"].as_object().into_iter().flatten() {
        if !fits(name) {
            let reason = format!("version 1 of its API cannot have a parameter named `{name}`");
            return Err(drops.never(&format!("{}.function.parameters", tool.path), &reason));
        }
        let kind = match parameter["type"].as_str() {
            Some("integer") => "int",
            Some("number") => "float",
            Some("boolean") => "bool",
            Some("array") => "list",
            Some("object") => "dict",
            _ => "str",
        };
        // What the types cannot say, the model reads.
        let simple = parameter
            .as_object()
            .is_some_and(|members| members.keys().all(|key| matches!(key.as_str(), "type" | "description" | "title")));
        let mut description = parameter["description"].as_str().unwrap_or_default().to_owned();
        if !simple {
            let _ = write!(description, " (JSON Schema: {parameter})");
        }
        let is_required = required.iter().any(|known| known == name);
        definitions.insert(
            name.clone(),
            json!({ "description": description.trim_start(), "type": kind, "required": is_required }),
        );
    }
    if !definitions.is_empty() {
        json.set("parameter_definitions", Value::Object(definitions).to_string());
    }
    Ok(json.to_json())
}

fn malformed(reason: &str) -> ProviderError {
    ProviderError::Malformed { provider: Provider::Cohere, reason: reason.to_owned() }
}

fn calls(answer: &Value, said: &mut Vec<Said>) {
    for call in answer["tool_calls"].as_array().into_iter().flatten() {
        let name = call["name"].as_str().unwrap_or_default().to_owned();
        said.push(Said::Piece(0, Piece::Call { id: None, name }));
        said.push(Said::Piece(0, Piece::Arguments(call["parameters"].to_string())));
    }
}

/// A whole answer.
pub(in super::super) fn whole(body: &[u8]) -> Result<Whole, ProviderError> {
    let answer: Value = serde_json::from_slice(body).map_err(|error| malformed(&error.to_string()))?;
    let Some(text) = answer["text"].as_str() else { return Err(malformed("it has no text")) };
    let id = answer["generation_id"].as_str().map(str::to_owned);
    let mut said = vec![Said::Head { id, model: None }, Said::Piece(0, Piece::Text(text.to_owned()))];
    calls(&answer, &mut said);
    let raw_usage = usage(&answer, &mut said);
    end(&answer, answer["finish_reason"].as_str(), &mut said)?;
    Ok(Whole { said, raw_usage, native: None })
}

/// The tokens; as they were written.
fn usage(answer: &Value, said: &mut Vec<Said>) -> Option<String> {
    let meta = answer.get("meta").filter(|meta| meta.is_object())?;
    said.push(Said::Usage(Usage::of(meta)));
    Some(meta.to_string())
}

/// What the answer rests on, and the end.
fn end(answer: &Value, reason: Option<&str>, said: &mut Vec<Said>) -> Result<(), ProviderError> {
    cite(answer["citations"].as_array().map(Vec::as_slice).unwrap_or_default(), said);
    for name in ["documents", "search_results", "search_queries"] {
        if answer[name].as_array().is_some_and(|list| !list.is_empty()) {
            said.push(Said::Field(name, answer[name].clone()));
        }
    }
    let reason = reason.unwrap_or("COMPLETE");
    let Some(finish) = finish(reason, said) else { return Err(failed(&format!("the model ended with {reason}"))) };
    said.push(Said::Piece(0, Piece::Finish(finish)));
    Ok(())
}

/// Reads the events of a stream.
#[derive(Debug, Default)]
pub(in super::super) struct Stream {
    raw: Option<String>,
    done: bool,
}

impl Stream {
    /// Whether the answer is complete.
    pub(in super::super) fn is_done(&self) -> bool {
        self.done
    }

    /// `meta` as it was written.
    pub(in super::super) fn raw_usage(&self) -> Option<String> {
        self.raw.clone()
    }

    /// One event.
    pub(in super::super) fn event(&mut self, data: &[u8], said: &mut Vec<Said>) -> Result<(), ProviderError> {
        let event: Value = serde_json::from_slice(data).map_err(|error| malformed(&format!("an event: {error}")))?;
        match event["event_type"].as_str().unwrap_or_default() {
            "stream-start" => {
                said.push(Said::Head { id: event["generation_id"].as_str().map(str::to_owned), model: None });
            }
            "text-generation" => {
                let text = event["text"].as_str().unwrap_or_default().to_owned();
                said.push(Said::Piece(0, Piece::Text(text)));
            }
            "tool-calls-generation" => {
                // The plan also comes in pieces before; here it is whole.
                let plan = event["text"].as_str().unwrap_or_default().to_owned();
                said.push(Said::Piece(0, Piece::Text(plan)));
                calls(&event, said);
            }
            "stream-end" => {
                let reason = event["finish_reason"].as_str();
                self.raw = usage(&event["response"], said);
                end(&event["response"], reason, said)?;
                self.done = true;
            }
            _ => {}
        }
        Ok(())
    }
}
