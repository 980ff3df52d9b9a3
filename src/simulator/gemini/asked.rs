//! A request that has been checked, understood.

use serde_json::Value;

use super::super::turn::{Asked, Tool};
use super::contents::functions;
use super::schema::either_schema;
use super::shape::{has, list};

/// Reads a request that has been checked.
pub(in super::super) fn understand(asked: &Value, model_in_path: &str, stream_in_path: bool) -> Asked {
    let contents = list(&asked["contents"]);
    let mut all = texts(&asked["systemInstruction"]);
    for content in contents {
        all.extend(texts(content));
        all.extend(functions(content, "functionCall").iter().map(|call| call["args"].to_string()));
        all.extend(functions(content, "functionResponse").iter().map(|result| result["response"].to_string()));
    }
    let users = contents.iter().rev().filter(|content| content["role"] != "model");
    let question = users.map(|content| texts(content).join(" ")).find(|text| !text.is_empty());
    let last = contents.last().and_then(|content| list(&content["parts"]).last());
    let functions = list(&asked["tools"]).iter().flat_map(|tool| list(&tool["functionDeclarations"]));
    let tool = |function: &Value| Tool {
        name: function["name"].as_str().unwrap_or_default().to_owned(),
        schema: either_schema(function, "parameters", "parametersJsonSchema").unwrap_or_default(),
    };
    let calling = &asked["toolConfig"]["functionCallingConfig"];
    let named = match list(&calling["allowedFunctionNames"]) {
        [name] if calling["mode"] == "ANY" => name.as_str().map(str::to_owned),
        _ => None,
    };
    let config = &asked["generationConfig"];
    let schema = either_schema(config, "responseSchema", "responseJsonSchema");
    let thinking = &config["thinkingConfig"];
    Asked {
        model: model_in_path.to_owned(),
        question: question.unwrap_or_default(),
        texts: all,
        turns: contents.len(),
        after_tool: last.is_some_and(|part| has(part, "functionResponse")),
        tools: functions.map(tool).collect(),
        may_call: calling["mode"] != "NONE",
        parallel: true,
        named,
        json: config["responseMimeType"] == "application/json" && schema.is_none(),
        schema,
        limit: config["maxOutputTokens"].as_u64(),
        // Thoughts are shown only to those who ask for them.
        thinks: thinking["includeThoughts"] == true && thinking["thinkingBudget"] != 0,
        cached: contents.len() > 2,
        stream: stream_in_path,
        include_usage: true,
    }
}

/// The texts of a content, without thoughts.
fn texts(content: &Value) -> Vec<String> {
    let parts = list(&content["parts"]).iter().filter(|part| part["thought"] != true);
    parts.filter_map(|part| part["text"].as_str()).map(str::to_owned).collect()
}
