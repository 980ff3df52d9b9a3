//! The fields beside the messages: what each may hold, and which do not go together.

use serde_json::Value;

use super::super::turn::Refusal;
use super::{Checked, FORM};

/// Checks the value of a field.
pub(super) fn check_field(name: &str, value: &Value) -> Checked {
    match name {
        "stream" | "strict_tools" | "logprobs" => FORM.flag(name, value),
        "tools" => FORM.list(name, value)?.iter().try_for_each(tool),
        "documents" => FORM.list(name, value)?.iter().filter(|document| !document.is_string()).try_for_each(document),
        "citation_options" => {
            FORM.object(name, value, &["mode"])?;
            match value.get("mode") {
                Some(mode) => FORM.one_of(name, mode, &["ENABLED", "DISABLED", "FAST", "ACCURATE", "OFF"]),
                None => Ok(()),
            }
        }
        "response_format" => response_format(value),
        "safety_mode" => FORM.one_of(name, value, &["CONTEXTUAL", "STRICT", "OFF"]),
        "max_tokens" | "priority" => FORM.integer(name, value, 0, i64::MAX),
        "stop_sequences" => FORM.stop_sequences(value),
        "temperature" | "frequency_penalty" | "presence_penalty" => FORM.number(name, value, 0.0, 1.0),
        "seed" => FORM.integer(name, value, i64::MIN, i64::MAX),
        "k" => FORM.integer(name, value, 0, 500),
        "p" => FORM.number(name, value, 0.01, 0.99),
        "tool_choice" => FORM.one_of(name, value, &["REQUIRED", "NONE"]),
        "thinking" => thinking(value),
        // The model and the messages are checked on their own.
        _ => Ok(()),
    }
}

fn response_format(value: &Value) -> Checked {
    FORM.object("response_format", value, &["type", "json_schema"])?;
    FORM.one_of("response_format.type", &value["type"], &["text", "json_object"])?;
    let Some(schema) = value.get("json_schema") else { return Ok(()) };
    let Some(fields) = schema.as_object() else {
        return Err(FORM.mistyped("response_format.json_schema", schema, "Object"));
    };
    // The schema itself belongs here. What OpenAI wraps around it is no schema.
    if value["type"] == "text" || fields.contains_key("schema") || fields.contains_key("strict") {
        return Err(Refusal::at(400, "response_format", "invalid request: json_schema is not a valid JSON schema."));
    }
    Ok(())
}

fn thinking(value: &Value) -> Checked {
    FORM.object("thinking", value, &["type", "token_budget"])?;
    FORM.one_of("thinking.type", &value["type"], &["enabled", "disabled"])?;
    match value.get("token_budget") {
        Some(budget) => FORM.integer("thinking.token_budget", budget, 1, i64::MAX),
        None => Ok(()),
    }
}

fn tool(value: &Value) -> Checked {
    FORM.object("tools", value, &["type", "function"])?;
    FORM.one_of("tools.type", &value["type"], &["function"])?;
    let function = &value["function"];
    FORM.object("tools.function", function, &["name", "description", "parameters"])?;
    if FORM.text("tools.function.name", &function["name"])?.is_empty() {
        return Err(Refusal::at(400, "tools.function.name", "invalid request: all tools must have a name."));
    }
    if let Some(description) = function.get("description") {
        FORM.text("tools.function.description", description)?;
    }
    match function.get("parameters") {
        Some(Value::Object(_)) => Ok(()),
        Some(other) => Err(FORM.mistyped("tools.function.parameters", other, "Object")),
        None => Err(Refusal::at(
            400,
            "tools.function.parameters",
            "invalid request: all tools must have parameters, a JSON schema object.",
        )),
    }
}

/// Checks a document.
pub(super) fn document(value: &Value) -> Checked {
    FORM.object("documents", value, &["data", "id"])?;
    if !value["data"].is_object() {
        return Err(FORM.mistyped("documents.data", &value["data"], "Object"));
    }
    match value.get("id") {
        Some(id) => FORM.text("documents.id", id).map(|_| ()),
        None => Ok(()),
    }
}

/// Fields that do not go together.
pub(super) fn combinations(asked: &Value) -> Checked {
    let filled = |name: &str| asked[name].as_array().is_some_and(|values| !values.is_empty());
    let grounded = filled("tools") || filled("documents");
    if grounded && asked["response_format"]["type"] == "json_object" {
        let message = "invalid request: response_format is not supported with RAG.";
        return Err(Refusal::at(400, "response_format", message));
    }
    if grounded && asked.get("safety_mode").is_some() {
        let message = "invalid request: safety_mode is not supported with tools or documents.";
        return Err(Refusal::at(400, "safety_mode", message));
    }
    if asked["tool_choice"] == "REQUIRED" && !filled("tools") {
        let message = "invalid request: tool_choice REQUIRED can only be specified with tools.";
        return Err(Refusal::at(400, "tool_choice", message));
    }
    Ok(())
}
