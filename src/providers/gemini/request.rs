//! From a conversation to a `generateContent` request.

use super::super::drops::{Drops, EncodeError};
use super::super::json::{described, list, number, object, quote, word};
use super::super::{Context, Outbound};
use super::content::{self, Content};
use crate::catalog::Provider;
use crate::protocol::Members;
use crate::protocol::conversation::{Conversation, Effort, Options, ResponseFormat, Tool, ToolChoice};

pub(in super::super) fn encode(
    conversation: &Conversation<'_>,
    context: &Context<'_>,
) -> Result<Outbound, EncodeError> {
    let options = &conversation.options;
    let mut drops = Drops::new(Provider::Gemini, context.upstream.drop_params);
    let has = [
        "seed",
        "n",
        "presence_penalty",
        "frequency_penalty",
        "logprobs",
        "top_logprobs",
        "top_k",
        "service_tier",
        "thinking",
        "parallel_tool_calls",
        "modalities",
        "safetySettings",
        "safety_settings",
        "cachedContent",
        "cached_content",
        "labels",
    ];
    drops.options(options, &has)?;
    if options.thinking.is_some() {
        drops.cannot("thinking", "use reasoning_effort")?;
    }
    drops.one_call_at_a_time(conversation)?;
    drops.marks(conversation, false, false);
    if options.others.contains(&"modalities") {
        drops.cannot("modalities", "only text answers are translated")?;
    }
    let turns: Content = content::content(conversation, context, &mut drops)?;
    if turns.ends_with_model() && !is_old(context.model) {
        let param = format!("messages[{}]", conversation.turns.len().saturating_sub(1));
        return Err(drops.never(&param, "Gemini does not go on with an assistant message; end with a user message"));
    }
    let mut body = object([("contents", turns.contents().into())]);
    if !turns.system.is_empty() {
        body.set("systemInstruction", format!(r#"{{"parts":{}}}"#, list(&turns.system)));
    }
    if !conversation.tools.is_empty() {
        let tools =
            conversation.tools.iter().map(|tool| declaration(tool, &mut drops)).collect::<Result<Vec<_>, _>>()?;
        body.set("tools", format!(r#"[{{"functionDeclarations":{}}}]"#, list(tools)));
        if let Some(choice) = conversation.tool_choice.as_ref().map(tool_choice) {
            body.set("toolConfig", format!(r#"{{"functionCallingConfig":{choice}}}"#));
        }
    }
    let generation = generation(options, context.model, !conversation.tools.is_empty(), &mut drops)?;
    if generation.iter().next().is_some() {
        body.set("generationConfig", generation.to_json());
    }
    match options.service_tier.as_deref() {
        None | Some("auto") => {}
        Some("default" | "standard") => body.set("serviceTier", "\"standard\""),
        Some(tier @ ("flex" | "priority")) => body.set("serviceTier", quote(tier)),
        Some(_) => drops.hint("service_tier"),
    }
    // The API's own fields, for clients that know it.
    for (name, value) in &options.unknown {
        let name = match name.as_ref() {
            "safetySettings" | "safety_settings" => "safetySettings",
            "cachedContent" | "cached_content" => "cachedContent",
            "labels" => "labels",
            _ => continue,
        };
        body.set(name, *value);
    }
    Ok(Outbound { body: body.to_json().into(), dropped: drops.into_names() })
}

/// Whether a model is of the generations before 3.
pub(super) fn is_old(model: &str) -> bool {
    ["gemini-1", "gemini-2"].iter().any(|prefix| model.contains(prefix))
}

fn declaration(tool: &Tool<'_>, drops: &mut Drops) -> Result<String, EncodeError> {
    let begins = |character: char| character.is_ascii_alphabetic() || character == '_';
    if !tool.name.starts_with(begins) {
        let reason = "a function's name begins with a letter or `_` there";
        return Err(drops.never(&format!("{}.function.name", tool.path), reason));
    }
    if tool.strict == Some(true) {
        // Calls are held to their schema as well as its models can; there is no switch for it.
        drops.hint(&format!("{}.function.strict", tool.path));
    }
    let mut json = object([("name", quote(&tool.name).into())]);
    if let Some(description) = &tool.description {
        json.set("description", quote(description));
    }
    // The whole of JSON Schema is taken there; the older `parameters` takes a subset without `$ref`.
    if let Some(parameters) = tool.parameters {
        json.set("parametersJsonSchema", parameters);
    }
    Ok(json.to_json())
}

fn tool_choice(choice: &ToolChoice<'_>) -> String {
    let named = |mode: &str, names: &[std::borrow::Cow<'_, str>]| {
        format!(r#"{{"mode":"{mode}","allowedFunctionNames":{}}}"#, list(names.iter().map(|name| quote(name))))
    };
    match choice {
        ToolChoice::Auto => r#"{"mode":"AUTO"}"#.to_owned(),
        ToolChoice::None => r#"{"mode":"NONE"}"#.to_owned(),
        ToolChoice::Required => r#"{"mode":"ANY"}"#.to_owned(),
        ToolChoice::Named(name) => named("ANY", std::slice::from_ref(name)),
        ToolChoice::Allowed { names, required: true } => named("ANY", names),
        ToolChoice::Allowed { names, required: false } => named("VALIDATED", names),
    }
}

fn generation<'a>(
    options: &Options<'a>,
    model: &str,
    has_tools: bool,
    drops: &mut Drops,
) -> Result<Members<'a>, EncodeError> {
    let mut config = Members::default();
    if let Some(temperature) = options.temperature {
        config.set("temperature", number(temperature));
    }
    if let Some(top_p) = options.top_p {
        config.set("topP", number(top_p));
    }
    if let Some(top_k) = options.top_k {
        config.set("topK", top_k.to_string());
    }
    if let Some(limit) = options.max_tokens {
        config.set("maxOutputTokens", limit.to_string());
    }
    if !options.stop.is_empty() {
        if options.stop.len() > 5 {
            return Err(drops.never("stop", "Gemini takes five stop texts at most"));
        }
        config.set("stopSequences", list(options.stop.iter().map(|stop| quote(stop))));
    }
    if let Some(seed) = options.seed {
        // A signed 32-bit number there.
        match i32::try_from(seed) {
            Ok(seed) => config.set("seed", seed.to_string()),
            Err(_) => drops.cannot("seed", "it is a 32-bit number there")?,
        }
    }
    if let Some(n) = options.n.filter(|n| *n != 1) {
        if is_old(model) {
            config.set("candidateCount", n.to_string());
        } else {
            drops.cannot("n", "this model gives one answer")?;
        }
    }
    for (param, value) in
        [("presence_penalty", options.presence_penalty), ("frequency_penalty", options.frequency_penalty)]
    {
        if value.is_some_and(|value| value != 0.0) {
            drops.cannot(param, "its models take no penalties")?;
        }
    }
    if options.logprobs {
        drops.cannot("logprobs", "its models do not tell them")?;
        if options.top_logprobs.is_some() {
            drops.hint("top_logprobs");
        }
    }
    match &options.response_format {
        None | Some(ResponseFormat::Text) => {}
        Some(_) if has_tools && is_old(model) => {
            drops.cannot("response_format", "this model takes no format together with tools")?;
        }
        Some(ResponseFormat::Object) => config.set("responseMimeType", word!("application/json")),
        Some(ResponseFormat::Schema { schema, description, .. }) => {
            config.set("responseMimeType", word!("application/json"));
            config.set("responseJsonSchema", described(schema, description.as_deref()));
        }
    }
    if let Some(effort) = options.effort {
        let thinking = thinking(effort, model, drops)?;
        config.set("thinkingConfig", thinking);
    }
    Ok(config)
}

/// Google's own table of efforts, from "OpenAI compatibility" (read 2026-11-25): a level from Gemini 3 on, a
/// budget before.
fn thinking(effort: Effort, model: &str, drops: &mut Drops) -> Result<String, EncodeError> {
    let asked = |what: String| format!(r#"{{"includeThoughts":true,{what}}}"#);
    if is_old(model) {
        let budget = match effort {
            Effort::None if model.contains("pro") => {
                drops.cannot("reasoning_effort", "this model always thinks")?;
                return Ok(r#"{"includeThoughts":false}"#.to_owned());
            }
            Effort::None => return Ok(r#"{"thinkingBudget":0}"#.to_owned()),
            Effort::Minimal | Effort::Low => 1_024,
            Effort::Medium => 8_192,
            Effort::High | Effort::Xhigh | Effort::Max => 24_576,
        };
        return Ok(asked(format!(r#""thinkingBudget":{budget}"#)));
    }
    let level = match effort {
        Effort::None => {
            drops.cannot("reasoning_effort", "this model always thinks")?;
            return Ok(r#"{"includeThoughts":false}"#.to_owned());
        }
        Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High | Effort::Xhigh | Effort::Max => "high",
    };
    Ok(asked(format!(r#""thinkingLevel":"{level}""#)))
}
