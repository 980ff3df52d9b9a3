//! Providers that speak OpenAI's dialect with rules and peculiarities of their own.
//!
//! Source: the providers' references, their SDKs, and refusals that others have seen: OpenAI, Mistral, Groq
//! (<https://console.groq.com/docs/openai>), Together (<https://github.com/togethercomputer/openapi>), Perplexity
//! (<https://github.com/perplexityai/perplexity-py>), Azure (the specification of API version 2024-10-21),
//! `OpenRouter` (<https://openrouter.ai/docs>) and Ollama (<https://docs.ollama.com/api/openai-compatibility>)
//! (read 2026-11-25).

use serde_json::{Map, Value, json};

use super::turn::Refusal;

type Checked = Result<(), Refusal>;

/// Fields that Mistral's requests may have.
const MISTRAL_FIELDS: [&str; 22] = [
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

/// Fields that Groq's requests may have.
const GROQ_FIELDS: [&str; 26] = [
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
    "user",
    "n",
    "response_format",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "functions",
    "function_call",
    "presence_penalty",
    "frequency_penalty",
    "service_tier",
    "reasoning_effort",
    "reasoning_format",
    "include_reasoning",
    "search_settings",
    "compound_custom",
];

/// Fields that came to Azure after API version 2024-10-21.
const NEWER_THAN_AZURE: [&str; 11] = [
    "reasoning_effort",
    "store",
    "metadata",
    "prediction",
    "verbosity",
    "modalities",
    "audio",
    "service_tier",
    "prompt_cache_key",
    "safety_identifier",
    "web_search_options",
];

/// Fields in messages, parts and tools that other providers have and OpenAI does not.
const FOREIGN: [&str; 4] = ["reasoning_content", "reasoning", "reasoning_details", "cache_control"];

/// Checks what a provider refuses beyond the general shape.
pub(super) fn check(provider: &str, asked: &Value) -> Result<(), Refusal> {
    match provider {
        "openai" => {
            foreign(asked)?;
            model_rules(asked)?;
            effort(asked)
        }
        "azure_openai" => azure(asked),
        "mistral" => mistral(asked),
        "groq" => groq(asked),
        "together" => together(asked),
        "perplexity" => perplexity(asked),
        "openrouter" => openrouter(asked),
        "ollama" => ollama(asked),
        _ => Ok(()),
    }
}

// ---- Reading requests ----

/// A field that is there and not null.
fn given<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value.get(name).filter(|value| !value.is_null())
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn role(message: &Value) -> &str {
    message["role"].as_str().unwrap_or_default()
}

/// The first field of an object that is not known.
fn extra<'a>(value: &'a Value, known: &[&str]) -> Option<&'a str> {
    value.as_object()?.keys().map(String::as_str).find(|name| !known.contains(name))
}

/// Whether a number is given that is not this one.
fn differs(value: &Value, name: &str, from: f64) -> bool {
    value[name].as_f64().is_some_and(|number| (number - from).abs() > f64::EPSILON)
}

fn has_tools(asked: &Value) -> bool {
    !list(asked, "tools").is_empty() || !list(asked, "functions").is_empty()
}

// ---- OpenAI ----

fn foreign(asked: &Value) -> Checked {
    for (index, message) in list(asked, "messages").iter().enumerate() {
        let at = format!("messages[{index}]");
        native(&at, message)?;
        for (part, value) in list(message, "content").iter().enumerate() {
            native(&format!("{at}.content[{part}]"), value)?;
        }
        for (call, value) in list(message, "tool_calls").iter().enumerate() {
            native(&format!("{at}.tool_calls[{call}]"), value)?;
        }
    }
    for (index, tool) in list(asked, "tools").iter().enumerate() {
        native(&format!("tools[{index}]"), tool)?;
        native(&format!("tools[{index}].function"), &tool["function"])?;
    }
    Ok(())
}

fn native(at: &str, value: &Value) -> Checked {
    match FOREIGN.iter().find(|name| value.get(**name).is_some()) {
        Some(name) => Err(unknown_parameter(&format!("{at}.{name}"))),
        None => Ok(()),
    }
}

fn unknown_parameter(name: &str) -> Refusal {
    Refusal::at(400, name, format!("Unknown parameter: '{name}'."))
}

fn unsupported_parameter(name: &str) -> Refusal {
    let message = format!("Unsupported parameter: '{name}' is not supported with this model.");
    Refusal::at(400, name, message)
}

fn unsupported_value(name: &str, value: &Value, supported: &str) -> Refusal {
    let shown = value.as_str().map_or_else(|| value.to_string(), |value| format!("'{value}'"));
    let message = format!("Unsupported value: '{name}' does not support {shown} with this model. {supported}");
    Refusal::at(400, name, message)
}

/// What the name of one of OpenAI's models says about it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Family<'a> {
    /// One that begins with an `o` and a number.
    O,
    /// A GPT: its version, and what follows it.
    Gpt {
        major: u32,
        minor: u32,
        dotted: bool,
        variant: &'a str,
    },
    /// Another one that reasons.
    Reasoner,
    Other,
}

impl<'a> Family<'a> {
    fn of(model: &'a str) -> Self {
        if model.starts_with("codex-mini-latest") || model.starts_with("computer-use-preview") {
            return Family::Reasoner;
        }
        let (head, _) = model.split_once('-').unwrap_or((model, ""));
        let digits = head.strip_prefix('o').unwrap_or_default();
        if !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return Family::O;
        }
        Self::gpt(model).unwrap_or(Family::Other)
    }

    fn gpt(model: &'a str) -> Option<Self> {
        let rest = model.strip_prefix("gpt-")?;
        let (number, variant) = rest.split_once('-').unwrap_or((rest, ""));
        let dotted = number.contains('.');
        let (major, minor) = number.split_once('.').unwrap_or((number, "0"));
        Some(Family::Gpt { major: major.parse().ok()?, minor: minor.parse().ok()?, dotted, variant })
    }

    fn reasons(self) -> bool {
        match self {
            Family::O | Family::Reasoner => true,
            Family::Gpt { major, dotted, variant, .. } => {
                major > 5 || (major == 5 && (dotted || !variant.starts_with("chat")))
            }
            Family::Other => false,
        }
    }

    fn at_least(self, version: (u32, u32)) -> bool {
        matches!(self, Family::Gpt { major, minor, .. } if (major, minor) >= version)
    }

    /// Whether the model can be told not to reason.
    fn can_rest(self) -> bool {
        match self {
            Family::Gpt { major: 5, minor, .. } => minor >= 1,
            Family::Gpt { major: 6, variant, .. } => variant.starts_with("sol") || variant.starts_with("luna"),
            _ => false,
        }
    }
}

/// Parameters that a model does not have.
fn model_rules(asked: &Value) -> Checked {
    let model = asked["model"].as_str().unwrap_or_default();
    let family = Family::of(model);
    if model.contains("-search-preview") && given(asked, "temperature").is_some() {
        return Err(unsupported_parameter("temperature"));
    }
    if !family.reasons() {
        return Ok(());
    }
    if given(asked, "max_tokens").is_some() {
        let message = "Unsupported parameter: 'max_tokens' is not supported with this model. \
                       Use 'max_completion_tokens' instead.";
        return Err(Refusal::at(400, "max_tokens", message));
    }
    // From 5.1 on, and before 6, a model that does not reason can be sampled as any other.
    let rests = family.at_least((5, 1)) && !family.at_least((6, 0)) && asked["reasoning_effort"] == "none";
    if !rests {
        for name in ["temperature", "top_p"] {
            if differs(asked, name, 1.0) {
                return Err(unsupported_value(name, &asked[name], "Only the default (1) value is supported."));
            }
        }
        if asked["logprobs"] == true || given(asked, "top_logprobs").is_some() {
            return Err(unsupported_parameter("logprobs"));
        }
    }
    for name in ["presence_penalty", "frequency_penalty"] {
        if differs(asked, name, 0.0) {
            return Err(unsupported_parameter(name));
        }
    }
    if given(asked, "logit_bias").is_some() {
        return Err(unsupported_parameter("logit_bias"));
    }
    let unstoppable = ["o3", "o4-mini", "gpt-6-astra"].iter().any(|name| model.starts_with(name));
    if unstoppable && given(asked, "stop").is_some() {
        return Err(unsupported_parameter("stop"));
    }
    if family == Family::O && given(asked, "verbosity").is_some() {
        return Err(unsupported_parameter("verbosity"));
    }
    Ok(())
}

/// How much a model can reason, and that newer ones have tools here only when they do not.
fn effort(asked: &Value) -> Checked {
    let model = asked["model"].as_str().unwrap_or_default();
    let family = Family::of(model);
    if !family.reasons() {
        return Ok(());
    }
    if let Some(effort) = given(asked, "reasoning_effort") {
        let mut supported = vec!["low", "medium", "high"];
        match family {
            _ if model.starts_with("gpt-5-pro") => supported = vec!["high"],
            Family::Gpt { major: 5, minor: 0, .. } => supported.push("minimal"),
            Family::Gpt { .. } => supported.push("xhigh"),
            _ => {}
        }
        if family.can_rest() {
            supported.push("none");
        }
        if family.at_least((5, 6)) {
            supported.push("max");
        }
        if !effort.as_str().is_some_and(|effort| supported.contains(&effort)) {
            let supported = format!("Supported values are: '{}'.", supported.join("', '"));
            return Err(unsupported_value("reasoning_effort", effort, &supported));
        }
    }
    if has_tools(asked) && family.at_least((5, 4)) && asked["reasoning_effort"] != "none" {
        let way = if family.can_rest() {
            "To use function tools, use /v1/responses or set reasoning_effort to 'none'."
        } else {
            "Please use /v1/responses instead."
        };
        let message = format!(
            "Function tools with reasoning_effort are not supported for {model} in /v1/chat/completions. {way}"
        );
        return Err(Refusal::at(400, "reasoning_effort", message));
    }
    Ok(())
}

// ---- Azure ----

/// Azure with API version 2024-10-21.
fn azure(asked: &Value) -> Checked {
    if let Some(name) = NEWER_THAN_AZURE.iter().find(|name| asked.get(**name).is_some()) {
        return Err(unknown_parameter(name));
    }
    if let Some(index) = list(asked, "messages").iter().position(|message| role(message) == "developer") {
        let name = format!("messages[{index}].role");
        return Err(unsupported_value(&name, &json!("developer"), "Use 'system' instead."));
    }
    foreign(asked)?;
    model_rules(asked)
}

// ---- Mistral ----

fn extra_forbidden(path: &str) -> Refusal {
    Refusal::at(422, path, "Extra inputs are not permitted")
}

fn invalid_tag(path: &str, tag: &str, tags: &str) -> Refusal {
    let message = format!("Input tag '{tag}' found using 'role' does not match any of the expected tags: {tags}");
    Refusal::at(422, path, message)
}

fn mistral(asked: &Value) -> Checked {
    if let Some(name) = extra(asked, &MISTRAL_FIELDS) {
        let inner = if asked[name].get("include_usage").is_some() { ".include_usage" } else { "" };
        return Err(extra_forbidden(&format!("{name}{inner}")));
    }
    if asked["temperature"].as_f64().is_some_and(|temperature| temperature > 1.5) {
        return Err(Refusal::at(422, "temperature", "Input should be less than or equal to 1.5"));
    }
    if given(asked, "reasoning_effort").is_some_and(|effort| effort != "high" && effort != "none") {
        return Err(Refusal::at(422, "reasoning_effort", "Input should be 'high' or 'none'"));
    }
    if let Some(choice) = given(asked, "tool_choice") {
        let known = match choice.as_str() {
            Some(word) => ["auto", "none", "any", "required"].contains(&word),
            None => choice["function"]["name"].is_string() && extra(choice, &["type", "function"]).is_none(),
        };
        if !known {
            return Err(Refusal::at(422, "tool_choice", "Input should be 'auto', 'none', 'any' or 'required'"));
        }
    }
    for (index, tool) in list(asked, "tools").iter().enumerate() {
        if let Some(name) = extra(tool, &["type", "function"]) {
            return Err(extra_forbidden(&format!("tools.{index}.{name}")));
        }
        if let Some(name) = extra(&tool["function"], &["name", "description", "strict", "parameters"]) {
            return Err(extra_forbidden(&format!("tools.{index}.function.{name}")));
        }
    }
    let messages = list(asked, "messages");
    for (index, message) in messages.iter().enumerate() {
        mistral_message(index, message)?;
    }
    mistral_order(messages)
}

fn mistral_message(index: usize, message: &Value) -> Checked {
    let role = role(message);
    let at = format!("messages.{index}.{role}");
    let known: &[&str] = match role {
        "system" | "user" => &["role", "content"],
        "assistant" => &["role", "content", "tool_calls", "prefix"],
        "tool" => &["role", "content", "tool_call_id", "name"],
        other => {
            let path = format!("messages.{index}");
            return Err(invalid_tag(&path, other, "'assistant', 'system', 'tool', 'user'"));
        }
    };
    if let Some(name) = extra(message, known) {
        return Err(extra_forbidden(&format!("{at}.{name}")));
    }
    for (part, value) in list(message, "content").iter().enumerate() {
        mistral_part(&format!("{at}.content.{part}"), value)?;
    }
    let calls = list(message, "tool_calls");
    for (call, value) in calls.iter().enumerate() {
        let at = format!("{at}.tool_calls.{call}");
        if let Some(name) = extra(value, &["id", "type", "function", "index"]) {
            return Err(extra_forbidden(&format!("{at}.{name}")));
        }
        if let Some(name) = extra(&value["function"], &["name", "arguments"]) {
            return Err(extra_forbidden(&format!("{at}.function.{name}")));
        }
        mistral_id(&value["id"])?;
    }
    if role == "tool" {
        mistral_id(&message["tool_call_id"])?;
    }
    if message["tool_calls"].is_array() && calls.is_empty() {
        return Err(Refusal::at(422, &format!("{at}.tool_calls"), "List should have at least 1 item"));
    }
    let wordless = match &message["content"] {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(parts) => parts.is_empty(),
        _ => false,
    };
    if role == "assistant" && wordless && calls.is_empty() {
        let message = "Assistant message must have either content or tool_calls, but not none.";
        return Err(Refusal::new(400, message));
    }
    Ok(())
}

fn mistral_part(at: &str, part: &Value) -> Checked {
    let kind = part["type"].as_str().unwrap_or_default();
    let known: &[&str] = match kind {
        "text" => &["type", "text"],
        "image_url" => &["type", "image_url"],
        "thinking" => &["type", "thinking", "closed", "signature"],
        "document_url" => &["type", "document_url", "document_name"],
        "input_audio" => &["type", "input_audio"],
        "reference" => &["type", "reference_ids"],
        "file" => &["type", "file_id"],
        _ => {
            let message = format!("Input tag '{kind}' found using 'type' does not match any of the expected tags");
            return Err(Refusal::at(422, at, message));
        }
    };
    match extra(part, known) {
        Some(name) => Err(extra_forbidden(&format!("{at}.{kind}.{name}"))),
        None => Ok(()),
    }
}

/// Ids of calls are nine letters and digits.
fn mistral_id(id: &Value) -> Checked {
    let id = id.as_str().unwrap_or_default();
    if is_mistral_id(id) {
        return Ok(());
    }
    let message = format!("Tool call id was {id} but must be a-z, A-Z, 0-9, with a length of 9.");
    Err(Refusal::new(400, message))
}

fn is_mistral_id(id: &str) -> bool {
    id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn mistral_order(messages: &[Value]) -> Checked {
    // The calls that have no result yet.
    let mut open = 0_usize;
    let mut before = "";
    for message in messages {
        let role = role(message);
        let calls = before == "assistant" && open > 0;
        if (role == "tool" && before != "tool" && !calls) || (before == "tool" && (role == "user" || role == "system"))
        {
            return Err(Refusal::new(400, format!("Unexpected role '{role}' after role '{before}'")));
        }
        if (role == "tool") != (open > 0) {
            return Err(Refusal::new(400, "Not the same number of function calls and responses"));
        }
        match role {
            "tool" => open -= 1,
            "assistant" => open = list(message, "tool_calls").len(),
            _ => {}
        }
        before = role;
    }
    if open > 0 {
        return Err(Refusal::new(400, "Not the same number of function calls and responses"));
    }
    let continued = messages.last().is_some_and(|message| message["prefix"] == true);
    if before != "user" && before != "tool" && !(before == "assistant" && continued) {
        let message =
            format!("Expected last role User or Tool (or Assistant with prefix True) for serving but got {before}");
        return Err(Refusal::new(400, message));
    }
    Ok(())
}

// ---- Groq ----

fn groq(asked: &Value) -> Checked {
    for name in ["logprobs", "top_logprobs", "logit_bias"] {
        if asked.get(name).is_some() {
            return Err(Refusal::new(400, format!("property '{name}' is not supported")));
        }
    }
    if let Some(name) = extra(asked, &GROQ_FIELDS) {
        let hint = if name == "store" { ", did you mean 'stop'?" } else { "" };
        return Err(Refusal::new(400, format!("property '{name}' is unsupported{hint}")));
    }
    if given(asked, "n").is_some_and(|n| *n != 1) {
        return Err(Refusal::new(400, "'n' : number must be at most 1"));
    }
    if let Some(tier) = given(asked, "service_tier") {
        let tiers = ["auto", "on_demand", "flex", "performance"];
        if !tier.as_str().is_some_and(|tier| tiers.contains(&tier)) {
            return Err(Refusal::new(400, format!("'service_tier' : value must be one of {}", tiers.join(", "))));
        }
    }
    if let Some(effort) = given(asked, "reasoning_effort") {
        let model = asked["model"].as_str().unwrap_or_default();
        let efforts: &[&str] = if model.contains("qwen") {
            &["none", "default"]
        } else if model.contains("gpt-oss") {
            &["low", "medium", "high"]
        } else {
            &["none", "default", "low", "medium", "high"]
        };
        if !effort.as_str().is_some_and(|effort| efforts.contains(&effort)) {
            let message = format!("'reasoning_effort' : value must be one of {}", efforts.join(", "));
            return Err(Refusal::new(400, message));
        }
    }
    for (index, tool) in list(asked, "tools").iter().enumerate() {
        let known = ["name", "description", "parameters", "strict"];
        if let Some(name) = extra(tool, &["type", "function"]).or_else(|| extra(&tool["function"], &known)) {
            return Err(Refusal::new(400, format!("'tools.{index}' : property '{name}' is unsupported")));
        }
    }
    for (index, message) in list(asked, "messages").iter().enumerate() {
        groq_message(index, message)?;
    }
    Ok(())
}

fn groq_message(index: usize, message: &Value) -> Checked {
    let role = role(message);
    let known: &[&str] = match role {
        "assistant" => &["role", "content", "tool_calls", "function_call"],
        "tool" => &["role", "content", "tool_call_id"],
        _ => &["role", "content"],
    };
    let refusal = |at: &str, name: &str| {
        let message = format!(
            "'messages.{index}' : for 'role:{role}' the following must be satisfied\
             [('{at}' : property '{name}' is unsupported)]"
        );
        Err(Refusal::new(400, message))
    };
    if let Some(name) = extra(message, known) {
        return refusal(&format!("messages.{index}"), name);
    }
    for (part, value) in list(message, "content").iter().enumerate() {
        if let Some(name) = extra(value, &["type", value["type"].as_str().unwrap_or_default()]) {
            return refusal(&format!("messages.{index}.content.{part}"), name);
        }
    }
    for (call, value) in list(message, "tool_calls").iter().enumerate() {
        if let Some(name) = extra(value, &["id", "type", "function"]) {
            return refusal(&format!("messages.{index}.tool_calls.{call}"), name);
        }
    }
    Ok(())
}

// ---- Together ----

fn together(asked: &Value) -> Checked {
    let refused = |name: &str, message: &str| Err(Refusal::at(400, name, format!("Input validation error: {message}")));
    if asked.get("max_completion_tokens").is_some() {
        return refused("max_completion_tokens", "unknown field 'max_completion_tokens', use 'max_tokens'");
    }
    if let Some(logprobs) = given(asked, "logprobs")
        && logprobs.as_u64().is_none_or(|number| number > 20)
    {
        return refused("logprobs", "'logprobs' must be an integer between 0 and 20");
    }
    if given(asked, "stop").is_some_and(|stop| !stop.is_array()) {
        return refused("stop", "'stop' must be an array of strings");
    }
    if given(asked, "reasoning_effort")
        .is_some_and(|effort| !["low", "medium", "high"].iter().any(|&word| effort == word))
    {
        return refused("reasoning_effort", "'reasoning_effort' must be one of low, medium, high");
    }
    for message in list(asked, "messages") {
        match role(message) {
            "developer" => return refused("messages", "role 'developer' is not one of system, user, assistant, tool"),
            "tool" if !message["content"].is_string() => {
                return refused("messages", "the content of a tool message must be a string");
            }
            _ => {}
        }
    }
    Ok(())
}

// ---- Perplexity ----

fn perplexity(asked: &Value) -> Checked {
    for name in ["stream_options", "seed", "user", "max_completion_tokens"] {
        if asked.get(name).is_some() {
            return Err(Refusal::at(400, name, format!("['body', '{name}']: Extra inputs are not permitted")));
        }
    }
    if asked["frequency_penalty"].as_f64().is_some_and(|penalty| penalty <= 0.0) {
        return Err(Refusal::at(400, "frequency_penalty", "Frequency penalty must satisfy p > 0"));
    }
    if asked["response_format"]["type"] == "json_object" {
        let message = "['body', 'response_format', 'type']: Input should be 'text', 'json_schema' or 'regex'";
        return Err(Refusal::at(400, "response_format", message));
    }
    let efforts = ["minimal", "low", "medium", "high"];
    if given(asked, "reasoning_effort").is_some_and(|effort| !efforts.iter().any(|&word| effort == word)) {
        let message = "['body', 'reasoning_effort']: Input should be 'minimal', 'low', 'medium' or 'high'";
        return Err(Refusal::at(400, "reasoning_effort", message));
    }
    let messages = list(asked, "messages");
    if let Some(message) = messages.iter().find(|message| role(message) == "developer" || role(message) == "function") {
        let message = format!("['body', 'messages', 'role']: '{}' is not a valid role", role(message));
        return Err(Refusal::at(400, "messages", message));
    }
    let after_system = messages.iter().skip_while(|message| role(message) == "system");
    let mixed = after_system.enumerate().any(|(index, message)| {
        let turn = if index % 2 == 0 { "user" } else { "assistant" };
        role(message) != turn
    });
    if mixed && !has_tools(asked) {
        let message = "After the (optional) system message(s), user and assistant roles should be alternating.";
        return Err(Refusal::new(400, message));
    }
    let last = messages.last().map(role).unwrap_or_default();
    if last != "user" && last != "tool" {
        return Err(Refusal::new(400, "Last message must have role `user` or `tool`."));
    }
    Ok(())
}

// ---- OpenRouter ----

fn openrouter(asked: &Value) -> Checked {
    let efforts = ["max", "xhigh", "high", "medium", "low", "minimal", "none"];
    let short = given(asked, "reasoning_effort");
    let long = given(&asked["reasoning"], "effort");
    for effort in [short, long].into_iter().flatten() {
        if !efforts.iter().any(|&word| effort == word) {
            return Err(Refusal::new(400, format!("reasoning effort must be one of {}", efforts.join(", "))));
        }
    }
    if let (Some(short), Some(long)) = (short, long)
        && short != long
    {
        return Err(Refusal::new(400, "reasoning_effort and reasoning.effort must not differ"));
    }
    Ok(())
}

// ---- Ollama ----

fn ollama(asked: &Value) -> Checked {
    for effort in [given(asked, "reasoning_effort"), given(&asked["reasoning"], "effort")].into_iter().flatten() {
        let efforts = ["high", "medium", "low", "none"];
        if !efforts.iter().any(|&word| effort == word) {
            let shown = effort.as_str().unwrap_or_default();
            let message =
                format!("invalid reasoning value: '{shown}' (must be \"high\", \"medium\", \"low\", or \"none\")");
            return Err(Refusal::new(400, message));
        }
    }
    for message in list(asked, "messages") {
        let calls = list(message, "tool_calls");
        if given(message, "content").is_none() && calls.is_empty() {
            return Err(Refusal::new(400, "invalid message content type: <nil>"));
        }
        for call in calls {
            let arguments = call["function"]["arguments"].as_str().unwrap_or_default();
            if !serde_json::from_str::<Value>(arguments).is_ok_and(|arguments| arguments.is_object()) {
                return Err(Refusal::new(400, "invalid tool call arguments"));
            }
        }
    }
    Ok(())
}

// ---- Answers ----

/// Adds a provider's peculiarities to an answer, or to a chunk of one, in OpenAI's form.
pub(super) fn dress(provider: &str, answer: &mut Value) {
    match provider {
        "openai" => hide_reasoning(answer),
        "azure_openai" => dress_azure(answer),
        "mistral" => dress_mistral(answer),
        "groq" => dress_groq(answer),
        "together" => dress_together(answer),
        "perplexity" => dress_perplexity(answer),
        "openrouter" => dress_openrouter(answer),
        "ollama" => dress_ollama(answer),
        _ => {}
    }
}

/// Events before the first chunk.
pub(super) fn first_events(provider: &str) -> Vec<String> {
    match provider {
        "azure_openai" => {
            let chunk = json!({
                "id": "", "object": "", "created": 0, "model": "", "prompt_filter_results": prompt_filter(),
                "choices": [], "usage": null,
            });
            vec![format!("data: {chunk}\n\n")]
        }
        "openrouter" => vec![": OPENROUTER PROCESSING\n\n".to_owned()],
        _ => Vec::new(),
    }
}

/// Whether the chunk with the finish reason has the usage too.
pub(super) fn usage_with_finish(provider: &str) -> bool {
    matches!(provider, "mistral" | "groq" | "together" | "perplexity")
}

fn is_chunk(answer: &Value) -> bool {
    answer["object"] == "chat.completion.chunk"
}

fn choices(answer: &mut Value) -> impl Iterator<Item = &mut Value> {
    answer.get_mut("choices").and_then(Value::as_array_mut).into_iter().flatten()
}

/// The message of a choice, or its delta.
fn speech(choice: &mut Value) -> Option<&mut Map<String, Value>> {
    let name = if choice.get("delta").is_some() { "delta" } else { "message" };
    choice.get_mut(name).and_then(Value::as_object_mut)
}

fn speeches(answer: &mut Value) -> impl Iterator<Item = &mut Map<String, Value>> {
    choices(answer).filter_map(speech)
}

fn usage(answer: &mut Value) -> Option<&mut Map<String, Value>> {
    answer.get_mut("usage").and_then(Value::as_object_mut)
}

/// Whether a choice of this answer has a reason to end.
fn is_last(answer: &Value) -> bool {
    list(answer, "choices").iter().any(|choice| choice["finish_reason"].is_string())
}

fn set(fields: &mut Map<String, Value>, name: &str, value: Value) {
    fields.insert(name.to_owned(), value);
}

fn hide_reasoning(answer: &mut Value) {
    for speech in speeches(answer) {
        speech.remove("reasoning_content");
    }
}

/// Some write `reasoning` for what others write `reasoning_content` for.
fn rename_reasoning(answer: &mut Value) {
    for speech in speeches(answer) {
        if let Some(reasoning) = speech.remove("reasoning_content") {
            set(speech, "reasoning", reasoning);
        }
    }
}

fn only_counts(answer: &mut Value) {
    if let Some(usage) = usage(answer) {
        usage.retain(|name, _| ["prompt_tokens", "completion_tokens", "total_tokens"].contains(&name.as_str()));
    }
}

fn filter(blocked: bool) -> Value {
    let severity = if blocked { "high" } else { "safe" };
    json!({
        "hate": { "filtered": false, "severity": "safe" }, "self_harm": { "filtered": false, "severity": "safe" },
        "sexual": { "filtered": false, "severity": "safe" }, "violence": { "filtered": blocked, "severity": severity },
    })
}

fn prompt_filter() -> Value {
    json!([{ "prompt_index": 0, "content_filter_results": filter(false) }])
}

fn dress_azure(answer: &mut Value) {
    hide_reasoning(answer);
    for choice in choices(answer) {
        let blocked = choice["finish_reason"] == "content_filter";
        let said = choice["delta"]["content"].is_string() || choice["message"]["content"].is_string();
        choice["content_filter_results"] = if said || blocked { filter(blocked) } else { json!({}) };
    }
    if !is_chunk(answer) {
        answer["prompt_filter_results"] = prompt_filter();
    }
}

fn dress_mistral(answer: &mut Value) {
    let chunk = is_chunk(answer);
    for choice in choices(answer) {
        // The reason is spelt so only in a plain answer.
        if !chunk && choice["finish_reason"] == "length" {
            choice["finish_reason"] = json!("model_length");
        }
        let Some(speech) = speech(choice) else { continue };
        speech.remove("refusal");
        if let Some(reasoning) = speech.remove("reasoning_content").filter(Value::is_string) {
            let mut thinking = json!({ "type": "thinking", "thinking": [{ "type": "text", "text": reasoning }] });
            if !chunk {
                thinking["closed"] = json!(true);
            }
            let mut parts = vec![thinking];
            let text = speech.get("content").and_then(Value::as_str).unwrap_or_default();
            if !text.is_empty() {
                parts.push(json!({ "type": "text", "text": text }));
            }
            set(speech, "content", Value::Array(parts));
        }
        match speech.get_mut("tool_calls").and_then(Value::as_array_mut) {
            Some(calls) => calls.iter_mut().for_each(mistral_call),
            None if !chunk => set(speech, "tool_calls", Value::Null),
            None => {}
        }
    }
    if chunk {
        answer["p"] = json!("abcdefghij");
    }
    if let Some(usage) = usage(answer) {
        let cached = usage.get("prompt_tokens_details").map_or(Value::Null, |details| details["cached_tokens"].clone());
        set(usage, "num_cached_tokens", cached);
        set(usage, "prompt_audio_seconds", Value::Null);
        set(usage, "request_count", json!(1));
        set(usage, "service_tier", json!("default"));
    }
}

/// A call has an id of nine letters and digits. Its later pieces have an empty name.
fn mistral_call(call: &mut Value) {
    match call["id"].as_str() {
        Some(id) if is_mistral_id(id) => {}
        Some(id) => {
            let kept: String = id.chars().filter(char::is_ascii_alphanumeric).collect();
            let padded = format!("{kept:0>9}");
            let id = padded[padded.len() - 9..].to_owned();
            call["id"] = Value::String(id);
        }
        None => call["function"]["name"] = json!(""),
    }
}

fn dress_groq(answer: &mut Value) {
    rename_reasoning(answer);
    if let Some(usage) = usage(answer) {
        set(usage, "queue_time", json!(0.0184));
        set(usage, "prompt_time", json!(0.0021));
        set(usage, "completion_time", json!(0.105));
        set(usage, "total_time", json!(0.1071));
    }
    if !is_chunk(answer) {
        answer["service_tier"] = json!("on_demand");
        answer["usage_breakdown"] = Value::Null;
        answer["x_groq"] = json!({ "id": "req_simulated", "seed": 1_650_207_339 });
        return;
    }
    if is_last(answer) {
        let mut own = json!({ "id": "req_simulated" });
        if answer["usage"].is_object() {
            own["usage"] = answer["usage"].clone();
        }
        answer["x_groq"] = own;
    } else if speeches(answer).any(|speech| speech.contains_key("role")) {
        answer["x_groq"] = json!({ "id": "req_simulated", "seed": 1_650_207_339 });
    }
}

fn dress_together(answer: &mut Value) {
    rename_reasoning(answer);
    only_counts(answer);
    let chunk = is_chunk(answer);
    for choice in choices(answer) {
        if choice["finish_reason"] == "stop" {
            choice["finish_reason"] = json!("eos");
        }
        if let Some(speech) = speech(choice) {
            speech.remove("refusal");
            if chunk {
                set(speech, "role", json!("assistant"));
                set(speech, "token_id", json!(128_006));
            }
        }
        if !chunk {
            choice["seed"] = json!(8_372_659_130_472_u64);
        }
    }
    if !chunk {
        answer["prompt"] = json!([]);
    } else if !answer["usage"].is_object() {
        answer["usage"] = Value::Null;
    }
}

fn dress_perplexity(answer: &mut Value) {
    let chunk = is_chunk(answer);
    let last = is_last(answer);
    if chunk {
        for choice in choices(answer) {
            let content = choice["delta"]["content"].as_str().unwrap_or_default();
            choice["message"] = json!({ "role": "assistant", "content": content });
        }
        answer["type"] = json!(if last { "end_of_stream" } else { "message" });
        answer["status"] = json!(if last { "COMPLETED" } else { "PENDING" });
        if !last && !answer["usage"].is_object() {
            answer["usage"] = json!({ "prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0 });
        }
    }
    answer["citations"] = json!(["https://example.com/a"]);
    answer["search_results"] = json!([
        { "title": "An example", "url": "https://example.com/a", "date": "2026-01-01", "last_updated": null },
    ]);
    if let Some(usage) = usage(answer) {
        let reasoning = usage.get("completion_tokens_details").map(|details| details["reasoning_tokens"].clone());
        usage.remove("prompt_tokens_details");
        usage.remove("completion_tokens_details");
        let (tokens, request) = if chunk && !last { (0.0, 0.0) } else { (0.000_12, 0.005) };
        set(usage, "search_context_size", json!("low"));
        set(usage, "citation_tokens", json!(0));
        set(usage, "num_search_queries", json!(1));
        set(usage, "reasoning_tokens", reasoning.unwrap_or_else(|| json!(0)));
        set(
            usage,
            "cost",
            json!({
                "input_tokens_cost": tokens, "output_tokens_cost": tokens, "request_cost": request,
                "total_cost": 2.0 * tokens + request,
            }),
        );
    }
}

fn dress_openrouter(answer: &mut Value) {
    rename_reasoning(answer);
    for speech in speeches(answer) {
        if let Some(text) = speech.get("reasoning").and_then(Value::as_str) {
            let details = json!([{ "type": "reasoning.text", "text": text, "format": "unknown", "index": 0 }]);
            set(speech, "reasoning_details", details);
        }
    }
    for choice in choices(answer) {
        choice["native_finish_reason"] = choice["finish_reason"].clone();
    }
    answer["provider"] = json!("Simulated");
    if let Some(usage) = usage(answer) {
        set(usage, "cost", json!(0.000_42));
        set(usage, "is_byok", json!(false));
        set(usage, "cost_details", json!({ "upstream_inference_cost": null }));
        if let Some(details) = usage.get_mut("prompt_tokens_details").and_then(Value::as_object_mut) {
            set(details, "cache_write_tokens", json!(0));
        }
    }
}

fn dress_ollama(answer: &mut Value) {
    rename_reasoning(answer);
    only_counts(answer);
    let chunk = is_chunk(answer);
    for speech in speeches(answer) {
        speech.remove("refusal");
        if chunk {
            set(speech, "role", json!("assistant"));
            if !speech.get("content").is_some_and(Value::is_string) {
                set(speech, "content", json!(""));
            }
        }
    }
    answer["system_fingerprint"] = json!("fp_ollama");
}

// ---- Errors ----

/// The body of an error.
pub(super) fn error(provider: &str, status: u16, message: &str, param: Option<&str>) -> Value {
    match provider {
        "mistral" => mistral_error(status, message, param),
        "groq" => groq_error(status, message),
        // What the gateway refuses, and not the model.
        "azure_openai" if status != 400 => json!({ "error": { "code": status.to_string(), "message": message } }),
        "together" => json!({
            "id": "simulated",
            "error": { "message": message, "type": kind(status), "param": null, "code": null },
        }),
        "perplexity" => {
            let kind = if message.contains("role") { "invalid_message" } else { kind(status) };
            json!({ "error": { "message": message, "type": kind, "code": status } })
        }
        "openrouter" => {
            let mut error = json!({ "error": { "code": status, "message": message }, "user_id": "user_simulated" });
            if status >= 429 {
                error["error"]["metadata"] = json!({ "raw": message, "provider_name": "Simulated" });
            }
            error
        }
        "ollama" => {
            let kind = match status {
                400 => "invalid_request_error",
                404 => "not_found_error",
                _ => "api_error",
            };
            json!({ "error": { "message": message, "type": kind, "param": null, "code": null } })
        }
        _ => json!({
            "error": { "message": message, "type": kind(status), "param": param, "code": code(status, message) },
        }),
    }
}

/// The type of an error in OpenAI's words.
fn kind(status: u16) -> &'static str {
    match status {
        429 => "requests",
        500.. => "server_error",
        _ => "invalid_request_error",
    }
}

/// The code of an error in OpenAI's words.
fn code(status: u16, message: &str) -> Option<&'static str> {
    let codes = [
        ("Unknown parameter", "unknown_parameter"),
        ("Unsupported parameter", "unsupported_parameter"),
        ("Unsupported value", "unsupported_value"),
    ];
    match status {
        400 => codes.iter().find(|(begin, _)| message.starts_with(begin)).map(|(_, code)| *code),
        401 => Some("invalid_api_key"),
        404 => Some("model_not_found"),
        429 => Some("rate_limit_exceeded"),
        503 => Some("server_overloaded"),
        _ => None,
    }
}

fn mistral_error(status: u16, message: &str, param: Option<&str>) -> Value {
    let flat = |kind: &str, code: Option<&str>| {
        json!({
            "object": "error", "message": message, "type": kind, "param": null, "code": code,
            "raw_status_code": status,
        })
    };
    match status {
        400 if message.starts_with("Tool call id") => flat("invalid_function_call", Some("3280")),
        400 if message.contains("role") || message.contains("function calls") => {
            flat("invalid_request_message_order", Some("3230"))
        }
        401 => json!({ "message": message }),
        422 => {
            let mut place = vec![json!("body")];
            place.extend(param.into_iter().flat_map(|path| path.split('.')).map(|step| match step.parse::<u64>() {
                Ok(index) => json!(index),
                Err(_) => json!(step),
            }));
            let kind = match message {
                "Extra inputs are not permitted" => "extra_forbidden",
                tag if tag.starts_with("Input tag") => "union_tag_invalid",
                _ => "value_error",
            };
            let detail = json!([{ "type": kind, "loc": place, "msg": message, "input": null }]);
            json!({
                "object": "error", "message": { "detail": detail }, "type": "invalid_request_error", "param": null,
                "code": null,
            })
        }
        429 => flat("rate_limited", Some("1300")),
        500.. => flat("internal_server_error", None),
        _ => flat("invalid_request_error", None),
    }
}

fn groq_error(status: u16, message: &str) -> Value {
    let (kind, code) = match status {
        401 => ("invalid_request_error", Some("invalid_api_key")),
        404 => ("invalid_request_error", Some("model_not_found")),
        429 => ("tokens", Some("rate_limit_exceeded")),
        498 => ("capacity_exceeded", Some("capacity_exceeded")),
        500.. => ("internal_server_error", None),
        _ => ("invalid_request_error", None),
    };
    let mut error = json!({ "error": { "message": message, "type": kind } });
    if let Some(code) = code {
        error["error"]["code"] = json!(code);
    }
    error
}
