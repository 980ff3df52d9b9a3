//! The body for an upstream of this family: the client's bytes, with as few edits as its quirks ask for.

use serde_json::value::RawValue;

use super::super::drops::{Drops, EncodeError};
use super::super::{Context, Outbound};
use super::messages;
use super::quirks::{CallAt, Fields, Passes, Quirks, Stop, Takes, quirks};
use crate::protocol::{ChatRequest, Members};

/// Values with which a field asks for nothing.
const NOTHING: &[(&str, &[&str])] = &[
    ("n", &["1"]),
    ("logprobs", &["false"]),
    ("top_logprobs", &["0"]),
    ("logit_bias", &["{}"]),
    ("store", &["false"]),
    ("metadata", &["{}"]),
    ("parallel_tool_calls", &["true"]),
    ("presence_penalty", &["0", "0.0"]),
    ("frequency_penalty", &["0", "0.0"]),
    ("modalities", &[r#"["text"]"#]),
    ("service_tier", &["\"auto\""]),
    ("verbosity", &["\"medium\""]),
    ("functions", &["[]"]),
];

/// The body for an upstream: the request with the model that it is to be answered by.
pub(in super::super) fn encode(request: &ChatRequest<'_>, context: &Context<'_>) -> Result<Outbound, EncodeError> {
    let Quirks { call, fields, roles, stop, usage, .. } = quirks(context.upstream.provider);
    let mut drops = Drops::new(context.upstream.provider, context.upstream.drop_params);
    let deployment = match call.at {
        CallAt::Deployment => context.upstream.deployment.as_deref(),
        CallAt::ChatCompletions => None,
    };
    let patched = request.with_model(deployment.unwrap_or(context.model), usage.chunk);
    if passes(&fields.passes, context.model, &patched) {
        return Ok(Outbound { body: patched, dropped: Vec::new() });
    }
    let text = std::str::from_utf8(&patched).unwrap_or_default();
    let Some(mut body) = Members::parse(text) else { return Ok(Outbound { body: patched, dropped: Vec::new() }) };
    let before = body.clone();
    let mut changed = edit(fields, *stop, &mut body, context, &mut drops)?;
    if !fields.cache_marks
        && let Some(tools) = body.get("tools").and_then(unmarked_tools)
    {
        body.set("tools", tools);
        drops.hint("cache_control");
        changed = true;
    }
    let edited = before
        .get("messages")
        .map(|messages| messages::edit(roles, fields.cache_marks, context.upstream, messages, &mut drops))
        .transpose()?;
    if let Some(edited) = edited.flatten() {
        body.set("messages", edited);
        changed = true;
    }
    let bytes = if changed { body.to_json().into() } else { patched.clone() };
    Ok(Outbound { body: bytes, dropped: drops.into_names() })
}

/// Whether nothing in a request needs an edit.
fn passes(passes: &Passes, model: &str, body: &[u8]) -> bool {
    let needles = match passes {
        Passes::Without(needles) => needles,
        Passes::WithoutFor(is_one, needles) if is_one(model) => needles,
        Passes::Never | Passes::WithoutFor(..) => return false,
    };
    needles.iter().all(|needle| memchr::memmem::find(body, needle).is_none())
}

/// Edits the fields; whether anything changed.
fn edit(
    fields: &Fields,
    stop: Stop,
    body: &mut Members<'_>,
    context: &Context<'_>,
    drops: &mut Drops,
) -> Result<bool, EncodeError> {
    let mut changed = !fields.allowed_tools && show_allowed_tools(body);
    for (name, own) in fields.renames {
        changed |= rename(body, name, own);
    }
    for word in fields.words {
        let known = body.get(word.field).and_then(|value| value.strip_prefix('"')?.strip_suffix('"'));
        if known != Some(word.openai) {
            continue;
        }
        changed = true;
        if let Some(own) = word.own {
            body.set(word.field, format!("\"{own}\""));
        } else {
            body.remove(word.field);
            drops.hint(word.field);
        }
    }
    if stop == Stop::List
        && let Some(text) = body.get("stop").filter(|stop| stop.starts_with('"'))
    {
        let list = format!("[{text}]");
        body.set("stop", list);
        changed = true;
    }
    changed |= (fields.edit)(body, context, drops)?;
    changed |= match fields.takes {
        Takes::All => false,
        Takes::Only { names, prefixes } => {
            let takes =
                |name: &str| names.contains(&name) || prefixes.iter().any(|beginning| name.starts_with(beginning));
            only(body, takes, drops)?
        }
        Takes::AllBut(names) => only(body, |name| !names.contains(&name), drops)?,
        Takes::Since(since) => match context.upstream.azure_version() {
            None => false,
            Some(version) => {
                let knows = |name: &str| since.iter().all(|(field, since)| *field != name || version >= *since);
                only(body, knows, drops)?
            }
        },
    };
    Ok(changed)
}

/// Gives a field another name; whether it was there.
pub(super) fn rename(body: &mut Members<'_>, name: &str, other: &'static str) -> bool {
    if body.get(name).is_none() {
        return false;
    }
    // Where both stand, the one that is renamed counts.
    body.remove(other);
    body.rename(name, other);
    true
}

/// Takes out fields with values that ask for nothing.
pub(super) fn leave_unsaid(body: &mut Members<'_>, names: &[&str]) {
    for name in names {
        if body.get(name).is_some_and(|value| is_nothing(name, value)) {
            body.remove(name);
        }
    }
}

fn is_nothing(name: &str, value: &str) -> bool {
    let compact: String = value.split_ascii_whitespace().collect();
    NOTHING.iter().any(|(known, values)| *known == name && values.contains(&compact.as_str()))
}

/// Takes out what a provider does not take: silently where it asks for nothing, else refused or told. Whether anything
/// was taken out.
fn only(body: &mut Members<'_>, takes: impl Fn(&str) -> bool, drops: &mut Drops) -> Result<bool, EncodeError> {
    for (name, value) in body.iter().filter(|(name, _)| !takes(name)) {
        if value != "null" && name != "stream_options" && !is_nothing(name, value) {
            drops.cannot(name, "its API has nothing like it")?;
        }
    }
    let before = body.iter().count();
    body.keep(takes);
    Ok(body.iter().count() != before)
}

/// Tools that are not allowed are not shown, where the API has no list of those that are. Whether there is such a list.
fn show_allowed_tools(body: &mut Members<'_>) -> bool {
    let chosen = body.get("tool_choice").and_then(Members::parse);
    let allowed = chosen.as_ref().and_then(|choice| choice.get("allowed_tools")).and_then(Members::parse);
    let Some(allowed) = allowed else { return false };
    let name_of = |tool: &str| {
        let function = Members::parse(tool).and_then(|tool| tool.get("function").map(str::to_owned))?;
        Members::parse(&function)?.get("name").map(str::to_owned)
    };
    let list_of = |json: Option<&str>| -> Vec<String> {
        let tools: Vec<&RawValue> = json.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
        tools.into_iter().map(|tool| tool.get().to_owned()).collect()
    };
    let names: Vec<String> = list_of(allowed.get("tools")).iter().filter_map(|tool| name_of(tool)).collect();
    let shown =
        list_of(body.get("tools")).into_iter().filter(|tool| name_of(tool).is_some_and(|name| names.contains(&name)));
    let tools = super::super::json::list(shown);
    let mode = allowed.get("mode").unwrap_or("\"auto\"").to_owned();
    body.set("tools", tools);
    body.set("tool_choice", mode);
    true
}

/// Tools without prompt-cache markers; `None` if there are none.
fn unmarked_tools(tools: &str) -> Option<String> {
    memchr::memmem::find(tools.as_bytes(), b"\"cache_control\"")?;
    let tools: Vec<&RawValue> = serde_json::from_str(tools).ok()?;
    let written = tools.into_iter().map(|tool| match Members::parse(tool.get()) {
        Some(mut members) => {
            members.remove("cache_control");
            members.to_json()
        }
        None => tool.get().to_owned(),
    });
    Some(super::super::json::list(written))
}
