//! A request that has been checked, understood.

use serde_json::Value;

use super::super::turn::{Asked, Tool};
use super::cache::markable;
use super::model::Model;
use super::shape::list;

/// Reads a request that has been checked.
pub(in super::super) fn understand(asked: &Value, _model_in_path: &str, _stream_in_path: bool) -> Asked {
    let messages = list(&asked["messages"]);
    let mut all = texts(&asked["system"]);
    for message in messages {
        all.extend(texts(&message["content"]));
        for block in list(&message["content"]) {
            match block["type"].as_str() {
                Some("tool_result") => all.extend(texts(&block["content"])),
                Some("tool_use") => all.push(block["input"].to_string()),
                _ => {}
            }
        }
    }
    let users = messages.iter().rev().filter(|message| message["role"] == "user");
    let question = users.map(|message| texts(&message["content"]).join(" ")).find(|text| !text.is_empty());
    let last = messages.last().and_then(|message| list(&message["content"]).last());
    let model = asked["model"].as_str().unwrap_or_default();
    let choice = &asked["tool_choice"];
    let tools = list(&asked["tools"]).iter().filter(|tool| tool.get("input_schema").is_some());
    let tool = |tool: &Value| Tool {
        name: tool["name"].as_str().unwrap_or_default().to_owned(),
        schema: tool["input_schema"].clone(),
    };
    let thinks = match asked["thinking"]["type"].as_str() {
        Some(kind) => kind != "disabled",
        None => Model::named(model).is_some_and(|model| model.version >= (5, 0)),
    };
    let marked = |block: &&Value| !block["cache_control"].is_null();
    Asked {
        model: model.to_owned(),
        question: question.unwrap_or_default(),
        texts: all,
        turns: messages.len(),
        after_tool: last.is_some_and(|block| block["type"] == "tool_result"),
        tools: tools.map(tool).collect(),
        may_call: choice["type"] != "none",
        parallel: choice["disable_parallel_tool_use"] != true,
        named: choice["name"].as_str().map(str::to_owned),
        schema: asked["output_config"]["format"].get("schema").cloned(),
        json: false,
        limit: asked["max_tokens"].as_u64(),
        thinks,
        cached: !asked["cache_control"].is_null() || markable(asked).iter().any(marked),
        stream: asked["stream"] == true,
        include_usage: true,
    }
}

/// The texts of a content: a text, or blocks.
fn texts(content: &Value) -> Vec<String> {
    match content {
        Value::String(text) => vec![text.clone()],
        Value::Array(blocks) => blocks.iter().filter_map(|block| block["text"].as_str()).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}
