//! One message of a conversation.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::invalid;
use super::part::{self, Part};
use crate::protocol::text::Text;
use crate::protocol::{ReasoningDetail, RequestError};

/// A message.
#[derive(Debug, Clone)]
pub enum Turn<'a> {
    /// `system` or `developer`: what the model is told by whoever runs it.
    Instruction {
        /// Texts.
        parts: Vec<Part<'a>>,
    },
    /// What the user says.
    User {
        /// Texts, images, sounds, files.
        parts: Vec<Part<'a>>,
    },
    /// What the model said.
    Assistant {
        /// Texts and refusals.
        parts: Vec<Part<'a>>,
        /// The tools that it called.
        calls: Vec<Call<'a>>,
        /// What it thought.
        reasoning: Reasoning<'a>,
    },
    /// What a tool gave back.
    Result {
        /// The id of the call that it answers.
        call_id: Cow<'a, str>,
        /// Texts and images.
        parts: Vec<Part<'a>>,
        /// Where it stands, as in `messages[3]`.
        path: String,
        /// The client's prompt-cache marker, as it wrote it.
        cache_control: Option<Cow<'a, str>>,
    },
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call<'a> {
    /// Its id, as the client writes it.
    pub id: Cow<'a, str>,
    /// The tool's name.
    pub name: Cow<'a, str>,
    /// A JSON object.
    pub arguments: Cow<'a, str>,
}

/// What a model thought before it spoke.
#[derive(Debug, Clone, Default)]
pub struct Reasoning<'a> {
    /// As text.
    pub text: Option<Cow<'a, str>>,
    /// In blocks, with what only its provider can read.
    pub details: Vec<ReasoningDetail>,
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow, default)]
    role: Option<Text<'a>>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    refusal: Option<Text<'a>>,
    #[serde(borrow, default)]
    tool_calls: Option<Vec<&'a RawValue>>,
    #[serde(borrow, default)]
    tool_call_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    reasoning_content: Option<Text<'a>>,
    #[serde(borrow, default)]
    reasoning: Option<&'a RawValue>,
    #[serde(default)]
    reasoning_details: Option<Vec<serde_json::Value>>,
    #[serde(borrow, default)]
    cache_control: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct WireCall<'a> {
    #[serde(borrow, default)]
    id: Option<Text<'a>>,
    #[serde(borrow, default)]
    function: Option<Function<'a>>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow, default)]
    name: Option<Text<'a>>,
    #[serde(borrow, default)]
    arguments: Option<Text<'a>>,
}

pub(super) fn read<'a>(json: &'a str, path: &str) -> Result<Turn<'a>, RequestError> {
    if !json.starts_with('{') {
        return Err(invalid(path, "it must be an object"));
    }
    let wire: Wire<'a> = serde_json::from_str(json).map_err(|error| invalid(path, &error.to_string()))?;
    let mut parts = part::read_all(wire.content.map(RawValue::get), path)?;
    let cache_control: Option<Cow<'a, str>> = wire.cache_control.map(|marker| Cow::Borrowed(marker.get()));
    if let (Some(marker), Some(last)) = (&cache_control, parts.last_mut()) {
        last.cache_control.get_or_insert_with(|| marker.clone());
    }
    let role = wire.role.map(|role| role.0);
    Ok(match role.as_deref() {
        Some("system" | "developer") => Turn::Instruction { parts },
        Some("user") => Turn::User { parts },
        Some("assistant") => {
            if let Some(refusal) = wire.refusal.filter(|refusal| !refusal.0.is_empty()) {
                let kind = part::PartKind::Refusal(refusal.0);
                parts.push(Part { kind, cache_control: None, detail: None, path: format!("{path}.refusal") });
            }
            let calls = wire.tool_calls.unwrap_or_default();
            let calls = calls
                .into_iter()
                .enumerate()
                .map(|(index, call)| read_call(call.get(), &format!("{path}.tool_calls[{index}]")))
                .collect::<Result<Vec<_>, _>>()?;
            let plain = || wire.reasoning.and_then(|text| serde_json::from_str::<Text<'a>>(text.get()).ok());
            let reasoning = Reasoning {
                text: wire.reasoning_content.or_else(plain).map(|text| text.0).filter(|text| !text.is_empty()),
                // What cannot be read was not written by a router: it is another's business.
                details: wire
                    .reasoning_details
                    .unwrap_or_default()
                    .into_iter()
                    .filter_map(|detail| serde_json::from_value(detail).ok())
                    .collect(),
            };
            Turn::Assistant { parts, calls, reasoning }
        }
        Some("tool") => {
            let call_id = wire.tool_call_id.map(|id| id.0).filter(|id| !id.is_empty());
            let call_id = call_id.ok_or_else(|| invalid(&format!("{path}.tool_call_id"), "it is missing"))?;
            Turn::Result { call_id, parts, path: path.to_owned(), cache_control }
        }
        Some(other) => {
            let reason = format!("`{other}` is none of system, developer, user, assistant, tool");
            return Err(invalid(&format!("{path}.role"), &reason));
        }
        None => return Err(invalid(&format!("{path}.role"), "it is missing")),
    })
}

fn read_call<'a>(json: &'a str, path: &str) -> Result<Call<'a>, RequestError> {
    let wire: WireCall<'a> = serde_json::from_str(json).map_err(|error| invalid(path, &error.to_string()))?;
    let missing = |field: &str| invalid(&format!("{path}.{field}"), "it is missing");
    let id = wire.id.map(|id| id.0).filter(|id| !id.is_empty()).ok_or_else(|| missing("id"))?;
    let function = wire.function.ok_or_else(|| missing("function"))?;
    let name =
        function.name.map(|name| name.0).filter(|name| !name.is_empty()).ok_or_else(|| missing("function.name"))?;
    let arguments = function.arguments.map(|arguments| arguments.0).unwrap_or_default();
    if arguments.trim().is_empty() {
        // A call of a tool without parameters is often written so.
        return Ok(Call { id, name, arguments: Cow::Borrowed("{}") });
    }
    let is_object = arguments.trim_start().starts_with('{') && serde_json::from_str::<&RawValue>(&arguments).is_ok();
    if !is_object {
        return Err(invalid(&format!("{path}.function.arguments"), "it must be a JSON object, written as a string"));
    }
    Ok(Call { id, name, arguments })
}

/// Every tool result must answer a call that an earlier turn made, and every call must be answered before the
/// model speaks again: no provider takes less.
pub(super) fn check_results(turns: &[Turn<'_>]) -> Result<(), RequestError> {
    let mut known: HashSet<&str> = HashSet::new();
    // The calls that wait for their results, by their places: message, and call.
    let mut open: HashMap<&str, (usize, usize)> = HashMap::new();
    let unanswered = |open: &HashMap<&str, (usize, usize)>| {
        let (id, (index, at)) = open.iter().min_by_key(|(_, place)| **place)?;
        let shown: String = id.chars().take(64).collect();
        let path = format!("messages[{index}].tool_calls[{at}].id");
        Some(invalid(&path, &format!("no tool message answers the call `{shown}`")))
    };
    for (index, turn) in turns.iter().enumerate() {
        match turn {
            Turn::Assistant { calls, .. } => {
                if let Some(error) = unanswered(&open) {
                    return Err(error);
                }
                known.extend(calls.iter().map(|call| call.id.as_ref()));
                open.extend(calls.iter().enumerate().map(|(at, call)| (call.id.as_ref(), (index, at))));
            }
            Turn::Result { call_id, path, .. } => {
                if !known.contains(call_id.as_ref()) {
                    let shown: String = call_id.chars().take(64).collect();
                    let reason = format!("no earlier assistant message has a tool call with the id `{shown}`");
                    return Err(invalid(&format!("{path}.tool_call_id"), &reason));
                }
                open.remove(call_id.as_ref());
            }
            _ => {}
        }
    }
    unanswered(&open).map_or(Ok(()), Err)
}
