//! OpenAI's chat completions, strictly: what the real API refuses is refused. Its relatives are dressed in
//! `family.rs`.
//!
//! Source: OpenAI's API reference, "Create chat completion" and "The chat completion chunk object"
//! (read 2026-11-23).

use serde_json::{Value, json};

use super::family;
use super::turn::{Asked, Finish, Refusal, Said, Tool, Usage};
use crate::catalog::Provider;

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

/// Checks a request as the real API does.
pub(super) fn check(provider: Provider, request: &Value) -> Result<(), Refusal> {
    let Some(fields) = request.as_object() else {
        return Err(Refusal::new(400, "the body must be a JSON object"));
    };
    // The relatives that know other fields are checked by their own lists.
    let lists = matches!(provider, Provider::Mistral | Provider::Groq | Provider::Together | Provider::Perplexity);
    if let Some(unknown) = fields.keys().find(|name| !lists && !KNOWN_FIELDS.contains(&name.as_str())) {
        return Err(Refusal::at(400, unknown, format!("Unrecognized request argument supplied: {unknown}")));
    }
    if request["model"].as_str().is_none_or(str::is_empty) {
        return Err(Refusal::at(400, "model", "you must provide a model parameter"));
    }
    let Some(messages) = request["messages"].as_array().filter(|messages| !messages.is_empty()) else {
        return Err(Refusal::at(400, "messages", "[] is too short - 'messages'"));
    };
    for (index, message) in messages.iter().enumerate() {
        let role = message["role"].as_str().unwrap_or_default();
        if !["system", "developer", "user", "assistant", "tool", "function"].contains(&role) {
            let param = format!("messages.[{index}].role");
            return Err(Refusal::at(400, &param, format!("'{role}' is not one of the roles")));
        }
        if role == "tool" && !message["tool_call_id"].is_string() {
            let param = format!("messages.[{index}].tool_call_id");
            return Err(Refusal::at(400, &param, "Missing parameter 'tool_call_id'"));
        }
    }
    if fields.contains_key("stream_options") && request["stream"] != true {
        let message = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
        return Err(Refusal::at(400, "stream_options", message));
    }
    Ok(())
}

/// The texts of a content: a string, or text parts.
fn texts(content: &Value) -> Vec<String> {
    match content {
        Value::String(text) => vec![text.clone()],
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// Reads a request that was checked.
pub(super) fn understand(asked: &Value) -> Asked {
    let messages = asked["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let user = messages.iter().rev().find(|message| message["role"] == "user");
    let tools = asked["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
    let tool = |tool: &Value| Tool {
        name: tool["function"]["name"].as_str().unwrap_or("unnamed").to_owned(),
        schema: tool["function"]["parameters"].clone(),
    };
    let format = &asked["response_format"];
    Asked {
        model: asked["model"].as_str().unwrap_or_default().to_owned(),
        question: user.map(|message| texts(&message["content"]).join(" ")).unwrap_or_default(),
        texts: messages.iter().flat_map(|message| texts(&message["content"])).collect(),
        turns: messages.len(),
        after_tool: messages.last().is_some_and(|message| message["role"] == "tool"),
        tools: tools.iter().map(tool).collect(),
        may_call: asked["tool_choice"] != "none",
        parallel: asked["parallel_tool_calls"] != false,
        named: asked["tool_choice"]["function"]["name"].as_str().map(str::to_owned),
        schema: (format["type"] == "json_schema").then(|| format["json_schema"]["schema"].clone()),
        json: format["type"] == "json_object",
        limit: asked["max_completion_tokens"].as_u64().or_else(|| asked["max_tokens"].as_u64()),
        thinks: false,
        cached: messages.len() > 2,
        stream: asked["stream"] == true,
        include_usage: asked["stream_options"]["include_usage"] == true,
    }
}

fn reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
        Finish::Calls => "tool_calls",
        Finish::Blocked => "content_filter",
    }
}

fn usage_json(usage: Usage) -> Value {
    json!({
        "prompt_tokens": usage.input, "completion_tokens": usage.output, "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": { "cached_tokens": usage.cached, "audio_tokens": 0 },
        "completion_tokens_details": { "reasoning_tokens": usage.reasoning, "audio_tokens": 0 },
    })
}

/// The plain answer.
pub(super) fn whole(provider: Provider, said: &Said) -> Value {
    let content = if said.calls.is_empty() { Value::from(said.pieces.concat()) } else { Value::Null };
    let mut message = json!({ "role": "assistant", "content": content, "refusal": null });
    if !said.calls.is_empty() {
        let calls = said.calls.iter().map(|call| {
            json!({ "id": call.id, "type": "function",
                "function": { "name": call.name, "arguments": call.pieces.concat() } })
        });
        message["tool_calls"] = calls.collect();
    }
    let mut answer = json!({
        "id": said.id, "object": "chat.completion", "created": 1_700_000_000, "model": said.model,
        "choices": [{ "index": 0, "message": message, "logprobs": null, "finish_reason": reason(said.finish) }],
        "system_fingerprint": "fp_simulated", "x_simulated": 1.50,
    });
    if let Some(usage) = said.usage {
        answer["usage"] = usage_json(usage);
    }
    family::dress(provider.as_str(), &mut answer);
    answer
}

/// The answer as a stream.
pub(super) fn events(provider: Provider, said: &Said, include_usage: bool) -> Vec<String> {
    let name = provider.as_str();
    let early = family::usage_with_finish(name) && (include_usage || provider != Provider::Groq);
    let event = |choices: Value, usage: Option<Value>| {
        let mut chunk = json!({
            "id": said.id, "object": "chat.completion.chunk", "created": 1_700_000_000, "model": said.model,
            "system_fingerprint": "fp_simulated", "choices": choices,
        });
        match usage {
            Some(usage) => chunk["usage"] = usage,
            None if include_usage => chunk["usage"] = Value::Null,
            None => {}
        }
        family::dress(name, &mut chunk);
        format!("data: {chunk}\n\n")
    };
    let delta = |delta: Value, finish: Option<&str>, usage: Option<Value>| {
        event(json!([{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish }]), usage)
    };
    let mut events = family::first_events(name);
    let call = |index: usize, arguments: &str| json!({ "index": index, "function": { "arguments": arguments } });
    if said.calls.is_empty() {
        events.push(delta(json!({ "role": "assistant", "content": "", "refusal": null }), None, None));
    }
    for piece in &said.pieces {
        events.push(delta(json!({ "content": piece }), None, None));
    }
    for (index, made) in said.calls.iter().enumerate() {
        let mut first = call(index, "");
        first["id"] = made.id.as_str().into();
        first["type"] = "function".into();
        first["function"] = json!({ "name": made.name, "arguments": "" });
        let mut opening = json!({ "tool_calls": [first] });
        if index == 0 {
            opening = json!({ "role": "assistant", "content": null, "tool_calls": opening["tool_calls"] });
        }
        events.push(delta(opening, None, None));
        for piece in &made.pieces {
            events.push(delta(json!({ "tool_calls": [call(index, piece)] }), None, None));
        }
    }
    let usage = said.usage.map(usage_json);
    events.push(delta(json!({}), Some(reason(said.finish)), usage.clone().filter(|_| early)));
    if let Some(usage) = usage.filter(|_| include_usage && !early) {
        events.push(event(json!([]), Some(usage)));
    }
    events.push("data: [DONE]\n\n".to_owned());
    events
}
