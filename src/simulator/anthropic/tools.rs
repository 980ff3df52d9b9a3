//! Tools that a request offers, and the choice among them.

use serde_json::{Map, Value};

use super::super::turn::Refusal;
use super::Checked;
use super::output::check_schema;
use super::shape::{is_name, list, object, only, refuse};

/// Checks the tools, whose names must differ.
pub(super) fn check_tools(tools: &[Value]) -> Checked {
    let mut names = Vec::new();
    for (index, tool) in tools.iter().enumerate() {
        let path = format!("tools.{index}");
        let fields = object(tool, &path)?;
        let name = match &tool["type"] {
            Value::Null => check_tool(tool, fields, &format!("{path}.custom"))?,
            kind if kind == "custom" => check_tool(tool, fields, &format!("{path}.custom"))?,
            kind => {
                // Tools of the server have a date at the end of their type.
                let kind = kind.as_str().unwrap_or_default();
                let date = kind.rsplit('_').next().unwrap_or_default();
                if date.len() != 8 || date.parse::<u64>().is_err() {
                    return refuse(format!(
                        "{path}: Input tag '{kind}' found using 'type' does not match any of the expected tags: \
                         'custom', 'bash_20250124', 'web_search_20260318'"
                    ));
                }
                tool["name"].as_str().unwrap_or_default()
            }
        };
        if names.contains(&name) {
            return refuse("tools: Tool names must be unique.");
        }
        names.push(name);
    }
    Ok(())
}

/// Checks a tool of the client's; its name.
fn check_tool<'a>(tool: &'a Value, fields: &Map<String, Value>, path: &str) -> Result<&'a str, Refusal> {
    only(
        fields,
        &[
            "name",
            "description",
            "input_schema",
            "type",
            "strict",
            "cache_control",
            "input_examples",
            "eager_input_streaming",
            "defer_loading",
            "allowed_callers",
        ],
        path,
    )?;
    let Some(name) = tool.get("name") else { return refuse(format!("{path}.name: Field required")) };
    let Some(name) = name.as_str() else { return refuse(format!("{path}.name: Input should be a valid string")) };
    if !is_name(name, 128) {
        return refuse(format!("{path}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"));
    }
    if tool.get("description").is_some_and(|text| !text.is_string()) {
        return refuse(format!("{path}.description: Input should be a valid string"));
    }
    if tool.get("strict").is_some_and(|strict| !strict.is_boolean()) {
        return refuse(format!("{path}.strict: Input should be a valid boolean"));
    }
    let Some(schema) = tool.get("input_schema") else {
        return refuse(format!("{path}.input_schema: Field required"));
    };
    let members = object(schema, &format!("{path}.input_schema"))?;
    match members.get("type") {
        None => return refuse(format!("{path}.input_schema.type: Field required")),
        Some(kind) if kind != "object" => {
            return refuse(format!("{path}.input_schema.type: Input should be 'object'"));
        }
        Some(_) => {}
    }
    if ["oneOf", "anyOf", "allOf"].iter().any(|keyword| members.contains_key(*keyword)) {
        return refuse(format!(
            "{path}.input_schema: input_schema does not support oneOf, allOf, or anyOf at the top level"
        ));
    }
    if members.get("properties").is_some_and(|properties| !properties.is_object())
        || members.get("required").is_some_and(|required| !required.is_array())
    {
        return refuse(format!("{path}.input_schema: JSON schema is invalid. It must match JSON Schema draft 2020-12"));
    }
    if tool["strict"] == true {
        check_schema(schema, schema, path, &mut Vec::new())?;
    }
    Ok(name)
}

/// Checks the choice of a tool.
pub(super) fn check_choice(asked: &Value) -> Checked {
    let Some(choice) = asked.get("tool_choice") else { return Ok(()) };
    let fields = object(choice, "tool_choice")?;
    let kind = choice["type"].as_str().unwrap_or_default();
    let known: &[&str] = match kind {
        "auto" | "any" => &["type", "disable_parallel_tool_use"],
        "tool" => &["type", "name", "disable_parallel_tool_use"],
        "none" => &["type"],
        _ => {
            return refuse(format!(
                "tool_choice: Input tag '{kind}' found using 'type' does not match any of the expected tags: \
                 'auto', 'any', 'tool', 'none'"
            ));
        }
    };
    only(fields, known, &format!("tool_choice.{kind}"))?;
    if choice.get("disable_parallel_tool_use").is_some_and(|disable| !disable.is_boolean()) {
        return refuse(format!("tool_choice.{kind}.disable_parallel_tool_use: Input should be a valid boolean"));
    }
    let tools = list(&asked["tools"]);
    if tools.is_empty() {
        return refuse("tool_choice: tool_choice may only be specified while providing tools");
    }
    if kind == "tool" {
        let Some(name) = choice["name"].as_str() else { return refuse("tool_choice.tool.name: Field required") };
        if !tools.iter().any(|tool| tool["name"] == name) {
            return refuse(format!("tool_choice: Tool '{name}' not found in provided tools"));
        }
    }
    Ok(())
}

/// Whether a request forces a tool.
pub(super) fn forced(asked: &Value) -> bool {
    matches!(asked["tool_choice"]["type"].as_str(), Some("any" | "tool"))
}
