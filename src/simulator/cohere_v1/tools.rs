//! Tools, whose parameters have types of Python, and their calls and results.

use serde_json::Value;

use super::super::turn::Refusal;
use super::{Checked, FORM};

/// Names of Python's types that a parameter can have; those of JSON Schema are not among them.
const TYPES: [&str; 16] = [
    "str", "int", "float", "bool", "list", "dict", "tuple", "set", "List", "Dict", "Tuple", "Set", "Any", "Optional",
    "Union", "Literal",
];

/// Checks a tool.
pub(super) fn tool(tool: &Value) -> Checked {
    FORM.object("tools", tool, &["name", "description", "parameter_definitions"])?;
    name("tools.name", FORM.text("tools.name", &tool["name"])?)?;
    FORM.text("tools.description", &tool["description"])?;
    let Some(definitions) = tool.get("parameter_definitions") else { return Ok(()) };
    let at = "tools.parameter_definitions";
    let Some(definitions) = definitions.as_object() else { return Err(FORM.mistyped(at, definitions, "Object")) };
    for (parameter, definition) in definitions {
        name(at, parameter)?;
        FORM.object(at, definition, &["description", "type", "required"])?;
        let kind = FORM.text("tools.parameter_definitions.type", &definition["type"])?;
        if !TYPES.contains(&kind.split('[').next().unwrap_or_default()) {
            let message = format!("invalid request: '{kind}' of parameter '{parameter}' is not a valid Python type.");
            return Err(Refusal::at(400, at, message));
        }
        if let Some(description) = definition.get("description") {
            FORM.text("tools.parameter_definitions.description", description)?;
        }
        if let Some(required) = definition.get("required") {
            FORM.flag("tools.parameter_definitions.required", required)?;
        }
    }
    Ok(())
}

/// A name of letters, digits and underscores that does not begin with a digit.
fn name(at: &str, name: &str) -> Checked {
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    if begins && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_') {
        return Ok(());
    }
    let message = format!(
        "invalid request: {at} '{name}' can only contain a-z, A-Z, 0-9 and _, and must not begin with a digit."
    );
    Err(Refusal::at(400, at, message))
}

/// Checks a call of a tool.
pub(super) fn tool_call(call: &Value) -> Checked {
    FORM.object("tool_calls", call, &["name", "parameters"])?;
    FORM.text("tool_calls.name", &call["name"])?;
    if call["parameters"].is_object() {
        return Ok(());
    }
    Err(FORM.mistyped("tool_calls.parameters", &call["parameters"], "Object"))
}

/// Checks the results of a call.
pub(super) fn tool_result(result: &Value) -> Checked {
    FORM.object("tool_results", result, &["call", "outputs"])?;
    tool_call(&result["call"])?;
    let outputs = FORM.list("tool_results.outputs", &result["outputs"])?;
    match outputs.iter().find(|output| !output.is_object()) {
        Some(output) => Err(FORM.mistyped("tool_results.outputs", output, "Object")),
        None => Ok(()),
    }
}
