//! A request that has been checked, understood.

use serde_json::Value;

use super::super::turn::{Asked, Tool};

/// Reads a request that has been checked.
pub(in super::super) fn understand(asked: &Value, _model_in_path: &str, _stream_in_path: bool) -> Asked {
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
