//! Tools that a request declares, and how they may be called.

use serde_json::Value;

use super::super::turn::Refusal;
use super::Checked;
use super::schema::{check_schema, schema_type};
use super::shape::{has, invalid, is_texts, list, objects, only, refuse};

const TOOL_FIELDS: [&str; 9] = [
    "functionDeclarations",
    "googleSearch",
    "googleSearchRetrieval",
    "codeExecution",
    "urlContext",
    "googleMaps",
    "fileSearch",
    "computerUse",
    "mcpServers",
];

/// Checks the tools; the names of the functions.
pub(super) fn check_tools(tools: &Value) -> Result<Vec<&str>, Refusal> {
    let mut names = Vec::new();
    for (index, tool) in objects(tools, "tools")?.iter().enumerate() {
        let path = format!("tools[{index}]");
        only(tool, &TOOL_FIELDS, &path)?;
        let declared = objects(&tool["functionDeclarations"], &format!("{path}.function_declarations"))?;
        let other = TOOL_FIELDS.iter().skip(1).any(|field| has(tool, field));
        if declared.is_empty() && !other {
            return refuse(format!("{path}.tool_type: required one_of 'tool_type' must have one initialized field"));
        }
        for (at, function) in declared.iter().enumerate() {
            let name = check_declaration(function, &format!("{path}.function_declarations[{at}]"))?;
            if names.contains(&name) {
                return refuse(format!("Duplicate function declaration found: {name}"));
            }
            names.push(name);
        }
    }
    Ok(names)
}

fn check_declaration<'a>(function: &'a Value, path: &str) -> Result<&'a str, Refusal> {
    only(
        function,
        &["name", "description", "parameters", "parametersJsonSchema", "response", "responseJsonSchema", "behavior"],
        path,
    )?;
    let name = function["name"].as_str().unwrap_or_default();
    let first = name.chars().next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
    let allowed = |character: char| character.is_ascii_alphanumeric() || "_.:-".contains(character);
    if !first || name.len() > 128 || !name.chars().all(allowed) {
        return refuse(format!(
            "* GenerateContentRequest.{path}.name: Invalid function name. Must start with a letter or an underscore. \
             Must be alphanumeric (a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), or dashes (-), with a \
             maximum length of 128."
        ));
    }
    if has(function, "description") && !function["description"].is_string() {
        return invalid(&format!("{path}.description"), "TYPE_STRING", &function["description"]);
    }
    if has(function, "behavior") {
        return refuse(format!("* GenerateContentRequest.{path}.behavior: only supported by the Live API"));
    }
    let (older, newer) = (&function["parameters"], &function["parametersJsonSchema"]);
    if !older.is_null() && !newer.is_null() {
        return refuse(format!(
            "* GenerateContentRequest.{path}: parameters and parameters_json_schema are mutually exclusive"
        ));
    }
    if !newer.is_null() && (!newer.is_object() || (has(newer, "type") && newer["type"] != "object")) {
        return refuse(format!("* GenerateContentRequest.{path}.parameters_json_schema: must describe an object"));
    }
    if older.is_null() {
        return Ok(name);
    }
    check_schema(older, &format!("{path}.parameters"))?;
    if schema_type(older) != "OBJECT" {
        return refuse(format!("* GenerateContentRequest.{path}.parameters: schema should be of type OBJECT"));
    }
    if older["properties"].as_object().is_none_or(serde_json::Map::is_empty) {
        return refuse(format!(
            "* GenerateContentRequest.{path}.parameters.properties: should be non-empty for OBJECT type"
        ));
    }
    Ok(name)
}

/// Checks how functions may be called.
pub(super) fn check_tool_config(config: &Value, declared: &[&str]) -> Checked {
    only(config, &["functionCallingConfig", "retrievalConfig", "includeServerSideToolInvocations"], "tool_config")?;
    let calling = &config["functionCallingConfig"];
    if calling.is_null() {
        return Ok(());
    }
    let path = "tool_config.function_calling_config";
    only(calling, &["mode", "allowedFunctionNames"], path)?;
    let mode = &calling["mode"];
    let modes = ["MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"];
    if has(calling, "mode") && !modes.iter().any(|known| mode == known) {
        return invalid(
            &format!("{path}.mode"),
            "type.googleapis.com/google.ai.generativelanguage.v1beta.FunctionCallingConfig.Mode",
            mode,
        );
    }
    if declared.is_empty() {
        return refuse("Function calling config is set without function_declarations.");
    }
    let allowed = &calling["allowedFunctionNames"];
    if !allowed.is_null() && !is_texts(allowed) {
        return invalid(&format!("{path}.allowed_function_names"), "TYPE_STRING", allowed);
    }
    if !list(allowed).is_empty() && mode != "ANY" && mode != "VALIDATED" {
        return refuse("Allowed function names can only be set when the function calling mode is ANY or VALIDATED.");
    }
    let names = list(allowed).iter().filter_map(Value::as_str);
    if let Some(unknown) = names.into_iter().find(|name| !declared.contains(name)) {
        return refuse(format!(
            "* GenerateContentRequest.{path}.allowed_function_names: '{unknown}' is not one of the \
             function_declarations"
        ));
    }
    Ok(())
}
