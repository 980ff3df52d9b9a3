//! The body for an upstream of this family: the client's bytes, with as few edits as it takes.

use std::borrow::Cow;

use super::super::drops::{Drops, EncodeError};
use super::super::{Context, Outbound};
use super::messages;
use super::model::{self, Tools};
use crate::catalog::Provider;
use crate::protocol::{ChatRequest, Members, UsageChunk};

/// Fields that Mistral takes; any other is a 422.
const MISTRAL: &[&str] = &[
    "model",
    "messages",
    "temperature",
    "top_p",
    "max_tokens",
    "stream",
    "stop",
    "random_seed",
    "metadata",
    "response_format",
    "tools",
    "tool_choice",
    "presence_penalty",
    "frequency_penalty",
    "n",
    "prediction",
    "parallel_tool_calls",
    "reasoning_effort",
    "prompt_mode",
    "guardrails",
    "prompt_cache_key",
    "safe_prompt",
];
/// Fields that Groq takes; any other is a 400.
const GROQ: &[&str] = &[
    "model",
    "messages",
    "temperature",
    "top_p",
    "max_tokens",
    "max_completion_tokens",
    "stream",
    "stream_options",
    "stop",
    "seed",
    "response_format",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "presence_penalty",
    "frequency_penalty",
    "reasoning_effort",
    "reasoning_format",
    "include_reasoning",
    "service_tier",
    "user",
    "search_settings",
    "compound_custom",
    "citation_options",
    "documents",
    "disable_tool_validation",
];
/// Fields that Perplexity takes, besides those whose names begin with `search_` and `return_`.
const PERPLEXITY: &[&str] = &[
    "model",
    "messages",
    "temperature",
    "top_p",
    "top_k",
    "max_tokens",
    "stream",
    "stream_mode",
    "stop",
    "n",
    "logprobs",
    "top_logprobs",
    "response_format",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "presence_penalty",
    "frequency_penalty",
    "reasoning_effort",
    "web_search_options",
    "language_preference",
    "enable_search_classifier",
    "disable_search",
    "last_updated_after_filter",
    "last_updated_before_filter",
];
/// What Together's API has no word for.
const NOT_TOGETHER: &[&str] = &[
    "stream_options",
    "parallel_tool_calls",
    "user",
    "store",
    "metadata",
    "service_tier",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "prediction",
    "verbosity",
    "modalities",
    "audio",
    "web_search_options",
];
/// What OpenAI's reasoning models refuse, and the value that goes without saying.
const NOT_REASONING: &[(&str, &str)] = &[
    ("temperature", "1"),
    ("top_p", "1"),
    ("presence_penalty", "0"),
    ("frequency_penalty", "0"),
    ("logprobs", "false"),
    ("top_logprobs", "0"),
    ("logit_bias", "{}"),
];
/// What Azure's dated API versions do not know yet, and the version from which they do. The newer `/openai/v1` knows
/// all of it.
const AZURE_SINCE: &[(&str, &str)] = &[
    ("store", "2024-12-01"),
    ("metadata", "2024-12-01"),
    ("reasoning_effort", "2024-12-01"),
    ("prediction", "2025-01-01"),
    ("modalities", "2025-01-01"),
    ("audio", "2025-01-01"),
    ("verbosity", "2026"),
    ("service_tier", "2026"),
    ("prompt_cache_key", "2026"),
    ("prompt_cache_retention", "2026"),
    ("prompt_cache_options", "2026"),
    ("safety_identifier", "2026"),
    ("web_search_options", "2026"),
];
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
    let provider = context.upstream.provider;
    let mut drops = Drops::new(provider, context.upstream.drop_params);
    // Azure knows its deployments only, whatever model they serve.
    let deployment = context.upstream.deployment.as_deref().filter(|_| provider == Provider::AzureOpenai);
    let patched = request.with_model(deployment.unwrap_or(context.model), usage_chunk(provider));
    if passes(context, &patched) {
        return Ok(Outbound { body: patched, dropped: Vec::new() });
    }
    let text = std::str::from_utf8(&patched).unwrap_or_default();
    let Some(mut body) = Members::parse(text) else { return Ok(Outbound { body: patched, dropped: Vec::new() }) };
    let before = body.clone();
    let mut changed = match provider {
        Provider::Openai => openai(&mut body, context, &mut drops)?,
        Provider::AzureOpenai => openai(&mut body, context, &mut drops)? | azure(&mut body, context, &mut drops)?,
        Provider::Ollama => rename(&mut body, "max_completion_tokens", "max_tokens"),
        Provider::Mistral => {
            allowed_tools(&mut body);
            rename(&mut body, "max_completion_tokens", "max_tokens");
            rename(&mut body, "seed", "random_seed");
            mistral_effort(&mut body);
            only(&mut body, |name| MISTRAL.contains(&name), &mut drops)?;
            true
        }
        Provider::Groq => {
            allowed_tools(&mut body);
            groq_tier(&mut body, &mut drops);
            match body.get("reasoning_effort") {
                Some("\"minimal\"") => body.set("reasoning_effort", "\"low\""),
                Some("\"xhigh\"" | "\"max\"") => body.set("reasoning_effort", "\"high\""),
                _ => {}
            }
            only(&mut body, |name| GROQ.contains(&name), &mut drops)?;
            true
        }
        Provider::Perplexity => {
            allowed_tools(&mut body);
            perplexity(&mut body, &mut drops)?;
            rename(&mut body, "max_completion_tokens", "max_tokens");
            let takes =
                |name: &str| PERPLEXITY.contains(&name) || name.starts_with("search_") || name.starts_with("return_");
            only(&mut body, takes, &mut drops)?;
            true
        }
        Provider::Together => {
            allowed_tools(&mut body);
            rename(&mut body, "max_completion_tokens", "max_tokens");
            together(&mut body);
            only(&mut body, |name| !NOT_TOGETHER.contains(&name), &mut drops)?;
            true
        }
        _ => false,
    };
    if !matches!(provider, Provider::OpenaiCompatible | Provider::Openrouter | Provider::Xrouter)
        && let Some(tools) = body.get("tools").and_then(unmarked_tools)
    {
        body.set("tools", tools);
        drops.hint("cache_control");
        changed = true;
    }
    let edited =
        before.get("messages").map(|messages| messages::edit(context.upstream, messages, &mut drops)).transpose()?;
    if let Some(edited) = edited.flatten() {
        body.set("messages", edited);
        changed = true;
    }
    let bytes = if changed { body.to_json().into() } else { patched.clone() };
    Ok(Outbound { body: bytes, dropped: drops.into_names() })
}

/// Whether nothing in a request needs an edit, told by a look at its bytes: most requests are read once and not again.
fn passes(context: &Context<'_>, body: &[u8]) -> bool {
    let needles: &[&[u8]] = match context.upstream.provider {
        Provider::Openrouter | Provider::Xrouter => &[],
        Provider::OpenaiCompatible => &[b"\"reasoning_details\"", b"\"provider_fields\""],
        Provider::Ollama => &[
            b"\"max_completion_tokens\"",
            b"\"arguments\"",
            b"\"cache_control\"",
            b"\"reasoning_details\"",
            b"\"provider_fields\"",
        ],
        Provider::Openai if !model::reasons(context.model) => {
            &[b"\"reasoning_details\"", b"\"reasoning_content\"", b"\"cache_control\"", b"\"provider_fields\""]
        }
        _ => return false,
    };
    needles.iter().all(|needle| memchr::memmem::find(body, needle).is_none())
}

/// Mistral, Together and Perplexity report usage by themselves; Mistral refuses the option as an unknown field
/// (422).
fn usage_chunk(provider: Provider) -> UsageChunk {
    match provider {
        Provider::Mistral | Provider::Together | Provider::Perplexity => UsageChunk::Remove,
        _ => UsageChunk::Ask,
    }
}

fn rename(body: &mut Members<'_>, name: &str, other: &'static str) -> bool {
    if body.get(name).is_none() {
        return false;
    }
    // The older field stands beside the newer one in some requests: the newer one counts.
    body.remove(other);
    body.rename(name, other);
    true
}

/// Takes out fields with values that ask for nothing.
fn nothing(body: &mut Members<'_>, names: &[&str]) {
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

/// Takes out what a provider does not take: silently where it asks for nothing, else refused or told.
fn only(body: &mut Members<'_>, takes: impl Fn(&str) -> bool, drops: &mut Drops) -> Result<(), EncodeError> {
    for (name, value) in body.iter().filter(|(name, _)| !takes(name)) {
        if value != "null" && name != "stream_options" && !is_nothing(name, value) {
            drops.cannot(name, "its API has nothing like it")?;
        }
    }
    body.keep(takes);
    Ok(())
}

/// Tools that are not allowed are not shown, where the API has no list of those that are.
fn allowed_tools(body: &mut Members<'_>) {
    let chosen = body.get("tool_choice").and_then(Members::parse);
    let allowed = chosen.as_ref().and_then(|choice| choice.get("allowed_tools")).and_then(Members::parse);
    let Some(allowed) = allowed else { return };
    let name_of = |tool: &str| {
        let function = Members::parse(tool).and_then(|tool| tool.get("function").map(str::to_owned))?;
        Members::parse(&function)?.get("name").map(str::to_owned)
    };
    let list_of = |json: Option<&str>| -> Vec<String> {
        let tools: Vec<&serde_json::value::RawValue> =
            json.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
        tools.into_iter().map(|tool| tool.get().to_owned()).collect()
    };
    let names: Vec<String> = list_of(allowed.get("tools")).iter().filter_map(|tool| name_of(tool)).collect();
    let shown =
        list_of(body.get("tools")).into_iter().filter(|tool| name_of(tool).is_some_and(|name| names.contains(&name)));
    let tools = super::super::json::list(shown);
    let mode = allowed.get("mode").unwrap_or("\"auto\"").to_owned();
    body.set("tools", tools);
    body.set("tool_choice", mode);
}

/// What Perplexity takes in part only.
fn perplexity(body: &mut Members<'_>, drops: &mut Drops) -> Result<(), EncodeError> {
    // It refuses even a penalty of zero.
    nothing(body, &["presence_penalty", "frequency_penalty"]);
    let negative = body.get("frequency_penalty").is_some_and(|value| value.starts_with('-'));
    if negative {
        drops.cannot("frequency_penalty", "it must be above 0 there")?;
        body.remove("frequency_penalty");
    }
    let object = body.get("response_format").and_then(Members::parse);
    if object.is_some_and(|format| format.get("type") == Some("\"json_object\"")) {
        drops.cannot("response_format", "it takes a JSON schema only")?;
        body.remove("response_format");
    }
    Ok(())
}

/// Mistral's models think or do not.
fn mistral_effort(body: &mut Members<'_>) {
    match body.get("reasoning_effort") {
        None | Some("null" | "\"none\"" | "\"high\"") => {}
        Some("\"minimal\"") => body.set("reasoning_effort", "\"none\""),
        Some(_) => body.set("reasoning_effort", "\"high\""),
    }
}

/// Groq's classes of service have other names: its `on_demand` is OpenAI's `default`.
fn groq_tier(body: &mut Members<'_>, drops: &mut Drops) {
    match body.get("service_tier") {
        Some("\"default\"") => body.set("service_tier", "\"on_demand\""),
        Some("\"priority\"") => body.set("service_tier", "\"performance\""),
        Some("\"scale\"") => {
            body.remove("service_tier");
            drops.hint("service_tier");
        }
        _ => {}
    }
}

/// Together wants a list of stop texts, and the number of alternatives instead of `logprobs: true`.
fn together(body: &mut Members<'_>) {
    let stop = body.get("stop").filter(|stop| stop.starts_with('"')).map(|stop| format!("[{stop}]"));
    if let Some(stop) = stop {
        body.set("stop", stop);
    }
    match body.get("logprobs") {
        Some("true") => {
            let count =
                body.get("top_logprobs").filter(|count| *count != "null" && *count != "0").unwrap_or("1").to_owned();
            body.set("logprobs", count);
        }
        Some("false") => {
            body.remove("logprobs");
        }
        _ => {}
    }
    body.remove("top_logprobs");
}

/// OpenAI's own models: what a generation calls by another name or refuses; whether anything changed.
fn openai(body: &mut Members<'_>, context: &Context<'_>, drops: &mut Drops) -> Result<bool, EncodeError> {
    let mut changed = false;
    if model::reasons(context.model) {
        changed |= body.get("max_tokens").is_some() && rename(body, "max_tokens", "max_completion_tokens");
        if context.upstream.drop_params {
            for (name, default) in NOT_REASONING {
                let refused = body.get(name).is_some_and(|value| value != "null" && value != *default);
                if refused {
                    drops.cannot(name, "its reasoning models do not take it")?;
                    changed |= body.remove(name);
                }
            }
        }
    }
    let has_tools = body.get("tools").is_some_and(|tools| tools != "null" && tools != "[]");
    let effort = body.get("reasoning_effort").filter(|effort| *effort != "null").map(str::to_owned);
    let asks = effort.as_deref().is_some_and(|effort| effort != "\"none\"");
    // With tools these models answer on this API without reasoning only; the answer needs the tools.
    let set = match model::tools(context.model) {
        _ if !has_tools => false,
        Tools::Fine => false,
        Tools::WithEffortNone => effort.as_deref() != Some("\"none\""),
    };
    if set {
        body.set("reasoning_effort", Cow::Borrowed("\"none\""));
        if asks {
            drops.hint("reasoning_effort");
        }
        changed = true;
    }
    Ok(changed)
}

/// Takes out what an older version of Azure's API would refuse; whether anything changed.
fn azure(body: &mut Members<'_>, context: &Context<'_>, drops: &mut Drops) -> Result<bool, EncodeError> {
    let Some(version) = context.upstream.azure_version() else { return Ok(false) };
    // The last dated version knows the newer name for its reasoning models only.
    let renamed = version <= "2024-10-21"
        && !model::reasons(context.model)
        && rename(body, "max_completion_tokens", "max_tokens");
    let knows = |name: &str| AZURE_SINCE.iter().all(|(field, since)| *field != name || version >= *since);
    let before = body.iter().count();
    only(body, knows, drops)?;
    Ok(renamed || body.iter().count() != before)
}

/// Tools without prompt-cache markers; `None` if there are none.
fn unmarked_tools(tools: &str) -> Option<String> {
    memchr::memmem::find(tools.as_bytes(), b"\"cache_control\"")?;
    let tools: Vec<&serde_json::value::RawValue> = serde_json::from_str(tools).ok()?;
    let written = tools.into_iter().map(|tool| match Members::parse(tool.get()) {
        Some(mut members) => {
            members.remove("cache_control");
            members.to_json()
        }
        None => tool.get().to_owned(),
    });
    Some(super::super::json::list(written))
}
