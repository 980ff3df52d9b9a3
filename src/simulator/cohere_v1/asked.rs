//! A request that has been checked, understood.

use serde_json::{Map, Value, json};

use super::super::turn::{Asked, Tool};
use super::conversation::filled;

/// Reads a request that has been checked.
pub(in super::super) fn understand(asked: &Value, _model_in_path: &str, _stream_in_path: bool) -> Asked {
    let history = filled(asked, "chat_history");
    let results = filled(asked, "tool_results");
    let message = asked["message"].as_str().unwrap_or_default();
    let before = history.iter().rfind(|turn| turn["role"] == "USER").and_then(|turn| turn["message"].as_str());
    let question = if message.is_empty() { before.unwrap_or_default() } else { message };
    let mut texts: Vec<String> = Vec::new();
    texts.extend(asked["preamble"].as_str().map(str::to_owned));
    for turn in history {
        texts.extend(turn["message"].as_str().map(str::to_owned));
        texts.extend(outputs(filled(turn, "tool_results")));
    }
    texts.extend(outputs(results));
    texts.push(message.to_owned());
    let turns = history.len() + usize::from(!message.is_empty()) + usize::from(!results.is_empty());
    let format = &asked["response_format"];
    Asked {
        model: asked["model"].as_str().unwrap_or_default().to_owned(),
        question: question.to_owned(),
        texts,
        turns,
        after_tool: !results.is_empty() || (message.is_empty() && !history.is_empty()),
        tools: filled(asked, "tools").iter().map(understand_tool).collect(),
        may_call: true,
        parallel: true,
        named: None,
        schema: format.get("schema").cloned(),
        json: format["type"] == "json_object",
        limit: asked["max_tokens"].as_u64(),
        thinks: false,
        cached: turns > 2,
        stream: asked["stream"] == true,
        include_usage: true,
    }
}

fn understand_tool(tool: &Value) -> Tool {
    let definitions = tool["parameter_definitions"].as_object().into_iter().flatten();
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (name, definition) in definitions {
        properties.insert(name.clone(), schema(definition["type"].as_str().unwrap_or_default()));
        if definition["required"] == true {
            required.push(Value::String(name.clone()));
        }
    }
    Tool {
        name: tool["name"].as_str().unwrap_or_default().to_owned(),
        schema: json!({ "type": "object", "properties": properties, "required": required }),
    }
}

/// The JSON schema of a Python type.
fn schema(python: &str) -> Value {
    let (outer, inner) = python.split_once('[').unwrap_or((python, ""));
    match outer {
        "int" => json!({ "type": "integer" }),
        "float" => json!({ "type": "number" }),
        "bool" => json!({ "type": "boolean" }),
        "dict" | "Dict" => json!({ "type": "object" }),
        "list" | "tuple" | "set" | "List" | "Tuple" | "Set" => {
            json!({ "type": "array", "items": schema(inner.trim_end_matches(']')) })
        }
        "Optional" => schema(inner.trim_end_matches(']')),
        _ => json!({ "type": "string" }),
    }
}

fn outputs(results: &[Value]) -> impl Iterator<Item = String> {
    results.iter().map(|result| result["outputs"].to_string())
}
