//! From a conversation to a request of version 2.

use super::super::drops::{Drops, EncodeError};
use super::super::json::{described, list, object, quote, word};
use super::super::{Context, Outbound};
use super::sampling;
use crate::catalog::Provider;
use crate::protocol::Members;
use crate::protocol::conversation::{
    Conversation, Effort, Image, Part, PartKind, ResponseFormat, Tool, ToolChoice, Turn,
};

/// The API's own fields, for clients that know it.
const OWN: [&str; 4] = ["safety_mode", "documents", "citation_options", "priority"];
/// What stands for a turn that says nothing, where the API wants one that does.
const EMPTY: &str = "(empty message)";

pub(in super::super) fn encode(
    conversation: &Conversation<'_>,
    context: &Context<'_>,
    stream: bool,
) -> Result<Outbound, EncodeError> {
    let options = &conversation.options;
    let mut drops = Drops::new(Provider::Cohere, context.upstream.drop_params);
    let shared =
        ["seed", "presence_penalty", "frequency_penalty", "top_k", "thinking", "logprobs", "parallel_tool_calls"];
    let has: Vec<&str> = shared.into_iter().chain(OWN).collect();
    drops.options(options, &has)?;
    drops.one_call_at_a_time(conversation)?;
    drops.marks(conversation, false, true);
    let mut body = object([("model", quote(context.model).into())]);
    body.set("messages", messages(conversation, context, &mut drops)?);
    if stream {
        body.set("stream", "true");
    }
    let tools = tools(conversation, &mut body, &mut drops);
    match &options.response_format {
        None | Some(ResponseFormat::Text) => {}
        Some(_) if tools => drops.cannot("response_format", "it takes no format together with tools")?,
        Some(ResponseFormat::Object) => body.set("response_format", r#"{"type":"json_object"}"#),
        Some(ResponseFormat::Schema { schema, description, .. }) => {
            let schema = described(schema, description.as_deref());
            body.set("response_format", format!(r#"{{"type":"json_object","json_schema":{schema}}}"#));
        }
    }
    if let Some(thinking) = options.thinking {
        body.set("thinking", thinking);
    } else if let Some(effort) = options.effort {
        body.set("thinking", thinking(effort, options.max_tokens));
    }
    if options.logprobs {
        body.set("logprobs", "true");
    }
    sampling(options, &mut body, &mut drops)?;
    for (name, value) in &options.unknown {
        if let Some(name) = OWN.iter().find(|known| *known == name) {
            body.set(name, *value);
        }
    }
    Ok(Outbound { body: body.to_json().into(), dropped: drops.into_names() })
}

/// What a model may think, with some room left for the answer.
fn thinking(effort: Effort, limit: Option<u64>) -> String {
    let budget = match effort {
        Effort::None => return r#"{"type":"disabled"}"#.to_owned(),
        Effort::Minimal => 512,
        Effort::Low => 1_024,
        Effort::Medium => 4_096,
        // As much as it likes.
        Effort::High | Effort::Xhigh | Effort::Max => return r#"{"type":"enabled"}"#.to_owned(),
    };
    let budget = limit.map_or(budget, |limit| budget.min((limit / 5 * 4).max(1)));
    format!(r#"{{"type":"enabled","token_budget":{budget}}}"#)
}

/// Writes the tools; whether there are any.
fn tools(conversation: &Conversation<'_>, body: &mut Members<'_>, drops: &mut Drops) -> bool {
    let shown: Vec<&Tool<'_>> = match &conversation.tool_choice {
        Some(ToolChoice::Named(name)) => conversation.tools.iter().filter(|tool| tool.name == *name).collect(),
        Some(ToolChoice::Allowed { names, .. }) => {
            conversation.tools.iter().filter(|tool| names.contains(&tool.name)).collect()
        }
        _ => conversation.tools.iter().collect(),
    };
    if shown.is_empty() {
        return false;
    }
    let all_strict = shown.iter().all(|tool| tool.strict == Some(true));
    for tool in shown.iter().filter(|tool| tool.strict == Some(true) && !all_strict) {
        drops.hint(&format!("{}.function.strict", tool.path));
    }
    let written = shown.iter().map(|tool| {
        let mut function = object([("name", quote(&tool.name).into())]);
        if let Some(description) = &tool.description {
            function.set("description", quote(description));
        }
        function.set("parameters", tool.parameters.unwrap_or(r#"{"type":"object","properties":{}}"#));
        format!(r#"{{"type":"function","function":{}}}"#, function.to_json())
    });
    body.set("tools", list(written));
    if all_strict {
        body.set("strict_tools", "true");
    }
    // A tool that is named is the only one that is shown.
    match &conversation.tool_choice {
        None | Some(ToolChoice::Auto | ToolChoice::Allowed { required: false, .. }) => {}
        Some(ToolChoice::None) => body.set("tool_choice", word!("NONE")),
        Some(ToolChoice::Required | ToolChoice::Named(_) | ToolChoice::Allowed { required: true, .. }) => {
            body.set("tool_choice", word!("REQUIRED"));
        }
    }
    true
}

/// The system text stands first, whatever its place was: the API refuses it elsewhere.
fn messages(conversation: &Conversation<'_>, context: &Context<'_>, drops: &mut Drops) -> Result<String, EncodeError> {
    let mut written = Vec::with_capacity(conversation.turns.len());
    let instructions: Vec<&str> = conversation
        .turns
        .iter()
        .filter_map(|turn| match turn {
            Turn::Instruction { parts } => Some(parts),
            _ => None,
        })
        .flatten()
        .filter_map(|part| match &part.kind {
            PartKind::Text(text) if !text.trim().is_empty() => Some(text.as_ref()),
            _ => None,
        })
        .collect();
    if !instructions.is_empty() {
        written.push(message("system", &quote(&instructions.join("\n\n"))));
    }
    // Results that come late stand with the others of their calls.
    let mut after_calls = None;
    let mut last_is_user = false;
    for turn in &conversation.turns {
        match turn {
            Turn::Instruction { .. } => {}
            Turn::User { parts } => {
                last_is_user = true;
                written.extend(content(parts, context, drops)?.map(|parts| message("user", &parts)));
            }
            Turn::Assistant { parts, calls, reasoning } => {
                let text = texts(parts);
                let mut json = object([("role", word!("assistant"))]);
                if calls.is_empty() {
                    if text.trim().is_empty() {
                        continue;
                    }
                    json.set("content", quote(&text));
                } else {
                    let calls = calls.iter().map(|call| {
                        format!(
                            r#"{{"id":{},"type":"function","function":{{"name":{},"arguments":{}}}}}"#,
                            quote(&call.id),
                            quote(&call.name),
                            quote(&call.arguments)
                        )
                    });
                    json.set("tool_calls", list(calls));
                    // What it says beside its calls is its plan.
                    let plan =
                        if text.trim().is_empty() { reasoning.text.as_deref().unwrap_or_default() } else { &text };
                    if !plan.trim().is_empty() {
                        json.set("tool_plan", quote(plan));
                    }
                    after_calls = Some(written.len() + 1);
                }
                last_is_user = false;
                written.push(json.to_json());
            }
            Turn::Result { call_id, parts, .. } => {
                let text = texts(parts);
                if let Some(part) =
                    parts.iter().find(|part| !matches!(part.kind, PartKind::Text(_) | PartKind::Refusal(_)))
                {
                    drops.cannot(&part.path, "a tool's result is text there")?;
                }
                let text = if text.trim().is_empty() { EMPTY.to_owned() } else { text };
                let json = object([
                    ("role", word!("tool")),
                    ("tool_call_id", quote(call_id).into()),
                    ("content", quote(&text).into()),
                ]);
                let at = after_calls.unwrap_or(written.len()).min(written.len());
                written.insert(at, json.to_json());
                after_calls = Some(at + 1);
            }
        }
    }
    let nothing_said = written.len() == usize::from(!instructions.is_empty());
    if nothing_said || (last_is_user && written.last().is_some_and(|last| last.starts_with(r#"{"role":"assistant""#))) {
        written.push(message("user", &quote(EMPTY)));
    }
    Ok(list(written))
}

fn message(role: &str, content: &str) -> String {
    format!(r#"{{"role":"{role}","content":{content}}}"#)
}

pub(super) fn texts(parts: &[Part<'_>]) -> String {
    let mut whole = String::new();
    for part in parts {
        if let PartKind::Text(text) | PartKind::Refusal(text) = &part.kind {
            if !whole.is_empty() && !text.is_empty() {
                whole.push('\n');
            }
            whole.push_str(text);
        }
    }
    whole
}

/// A user's content; `None` if there is nothing in it.
fn content(parts: &[Part<'_>], context: &Context<'_>, drops: &mut Drops) -> Result<Option<String>, EncodeError> {
    if parts.iter().all(|part| matches!(part.kind, PartKind::Text(_))) && parts.len() == 1 {
        let text = texts(parts);
        return Ok((!text.trim().is_empty()).then(|| quote(&text)));
    }
    let mut written = Vec::with_capacity(parts.len());
    for part in parts {
        match &part.kind {
            PartKind::Text(text) | PartKind::Refusal(text) => {
                if !text.trim().is_empty() {
                    written.push(format!(r#"{{"type":"text","text":{}}}"#, quote(text)));
                }
            }
            PartKind::Image(image) => {
                let url = match image {
                    Image::Data { media_type, data } => format!("data:{media_type};base64,{data}"),
                    Image::Url(url) => match context.fetched.get(url.as_ref()) {
                        Some((media_type, data)) => format!("data:{media_type};base64,{data}"),
                        None => url.to_string(),
                    },
                };
                let detail = part.detail.as_ref().map(|detail| format!(r#","detail":{}"#, quote(detail)));
                let detail = detail.unwrap_or_default();
                written.push(format!(r#"{{"type":"image_url","image_url":{{"url":{}{detail}}}}}"#, quote(&url)));
            }
            PartKind::Audio { .. } => drops.cannot(&part.path, "its API has no sound")?,
            PartKind::File(_) => drops.cannot(&part.path, "its API takes no files in messages")?,
        }
    }
    Ok((!written.is_empty()).then(|| list(written)))
}
