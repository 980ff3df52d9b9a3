//! Checks the tools of a request and the choice among them, and lists those that can be called.

use serde_json::Value;

use super::super::super::turn::Refusal;
use super::super::shape::Kind::{Any, Each, Flag, List, Object, Of, OneOf, SomeOf, Text};
use super::super::shape::{self, Field, may, need, null};
use super::super::{Checked, form};

const CALLERS: &[&str] = &["direct", "programmatic"];

const FUNCTION: &[Field] = &[
    need("type", Text),
    need("name", Text),
    null("parameters", Object),
    null("strict", Flag),
    null("description", Text),
    null("output_schema", Object),
    null("allowed_callers", SomeOf(CALLERS)),
    may("defer_loading", Flag),
    may("async", Flag),
];

const CUSTOM: &[Field] = &[
    need("type", Text),
    need("name", Text),
    may("description", Text),
    may("format", Any),
    null("allowed_callers", SomeOf(CALLERS)),
    may("defer_loading", Flag),
    may("async", Flag),
];

const PLACE: &[Field] = &[
    may("type", OneOf(&["approximate"])),
    null("city", Text),
    null("country", Text),
    null("region", Text),
    null("timezone", Text),
];

const WEB_SEARCH: &[Field] = &[
    need("type", Text),
    may("external_web_access", Flag),
    null("filters", Of(&[null("allowed_domains", List)])),
    may("search_context_size", OneOf(&["low", "medium", "high"])),
    // Codex sends it, and OpenAI takes it.
    may("search_content_types", SomeOf(&["text", "image"])),
    null("user_location", Of(PLACE)),
];

const TOOL_SEARCH: &[Field] = &[
    need("type", Text),
    null("description", Text),
    may("execution", OneOf(&["server", "client"])),
    null("parameters", Object),
];

const NAMESPACE: &[Field] = &[need("type", Text), need("name", Text), need("description", Text), need("tools", List)];

const ALLOWED: &[Field] = &[need("type", Text), may("name", Text), may("namespace", Text), may("server_label", Text)];

/// The types of tools, in the order of the alphabet, with those that run at the provider and are not looked into.
const TYPES: [&str; 17] = [
    "apply_patch",
    "code_interpreter",
    "computer",
    "computer_use_preview",
    "custom",
    "file_search",
    "function",
    "image_generation",
    "local_shell",
    "mcp",
    "namespace",
    "programmatic_tool_calling",
    "shell",
    "tool_search",
    "web_search",
    "web_search_2025_08_26",
    "web_search_preview",
];

/// A tool that the model can call.
pub(super) struct Callable<'a> {
    pub(super) name: &'a str,
    pub(super) namespace: Option<&'a str>,
    /// JSON Schema of its arguments; none if it takes a free text.
    pub(super) schema: Option<&'a Value>,
}

/// The tools of a request, wherever it has them.
pub(super) fn offered(asked: &Value) -> impl Iterator<Item = &Value> {
    let items = asked["input"].as_array().into_iter().flatten();
    let later = items.filter(|item| item["type"] == "additional_tools" || item["type"] == "tool_search_output");
    std::iter::once(asked).chain(later).flat_map(|holder| holder["tools"].as_array().into_iter().flatten())
}

/// The tools of a request that can be called.
pub(super) fn callables(asked: &Value) -> Vec<Callable<'_>> {
    let mut callables = Vec::new();
    for tool in offered(asked) {
        let (namespace, tools) = match tool["type"].as_str() {
            Some("namespace") => (tool["name"].as_str(), tool["tools"].as_array().map(Vec::as_slice)),
            Some("function" | "custom") => (None, Some(std::slice::from_ref(tool))),
            _ => (None, None),
        };
        callables.extend(tools.into_iter().flatten().map(|tool| Callable {
            name: tool["name"].as_str().unwrap_or_default(),
            namespace,
            schema: (tool["type"] == "function").then_some(&tool["parameters"]),
        }));
    }
    callables
}

/// Checks the tools and the choice.
pub(super) fn check(asked: &Value) -> Checked {
    if let Some(tools) = asked.get("tools") {
        check_list("tools", tools)?;
    }
    asked.get("tool_choice").map_or(Ok(()), |choice| check_choice(asked, choice))
}

/// Checks a list of tools.
pub(super) fn check_list(place: &str, tools: &Value) -> Checked {
    shape::each(place, tools, |place, tool| check_tool(place, tool, &TYPES))
}

fn check_tool(place: &str, tool: &Value, types: &[&str]) -> Checked {
    if !tool.is_object() {
        return Err(form::mistyped(place, tool, "an object"));
    }
    let Some(kind) = tool.get("type") else { return Err(form::missing(&format!("{place}.type"))) };
    shape::one_of(&format!("{place}.type"), kind, types)?;
    match kind.as_str().unwrap_or_default() {
        "function" => {
            // The form of chat completions is told by what is missing.
            if tool.get("name").is_none() {
                return Err(form::missing(&format!("{place}.name")));
            }
            shape::object(place, tool, FUNCTION)?;
            named(place, tool)?;
            strict(place, tool)
        }
        "custom" => {
            shape::object(place, tool, CUSTOM)?;
            named(place, tool)?;
            tool.get("format").map_or(Ok(()), |format| free_format(&format!("{place}.format"), format))
        }
        "namespace" => {
            shape::object(place, tool, NAMESPACE)?;
            named(place, tool)?;
            shape::each(&format!("{place}.tools"), &tool["tools"], |place, tool| {
                check_tool(place, tool, &["custom", "function"])
            })
        }
        "web_search" | "web_search_2025_08_26" => shape::object(place, tool, WEB_SEARCH),
        "tool_search" => shape::object(place, tool, TOOL_SEARCH),
        _ => Ok(()),
    }
}

fn named(place: &str, tool: &Value) -> Checked {
    well_named(&format!("{place}.name"), tool["name"].as_str().unwrap_or_default())
}

/// Whether a name has only letters, digits, underscores and hyphens.
pub(super) fn well_named(place: &str, name: &str) -> Checked {
    if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-') {
        return Ok(());
    }
    let message = format!(
        "Invalid '{place}': string does not match pattern. Expected a string that matches the pattern \
         '^[a-zA-Z0-9_-]+$'."
    );
    Err(Refusal::at(400, place, message).coded("invalid_value"))
}

fn free_format(place: &str, format: &Value) -> Checked {
    shape::one_of(&format!("{place}.type"), &format["type"], &["grammar", "text"])?;
    if format["type"] == "text" {
        return shape::object(place, format, &[need("type", Text)]);
    }
    let grammar = [need("type", Text), need("syntax", OneOf(&["lark", "regex"])), need("definition", Text)];
    shape::object(place, format, &grammar)
}

fn strict(place: &str, tool: &Value) -> Checked {
    let lack = (tool["strict"] == true).then(|| lack_of_strictness(&tool["parameters"], "")).flatten();
    lack.map_or(Ok(()), |lack| {
        let message = format!("Invalid schema for function '{}': {lack}", tool["name"].as_str().unwrap_or_default());
        Err(Refusal::at(400, &format!("{place}.parameters"), message).coded("invalid_function_parameters"))
    })
}

/// What a schema lacks to be a strict one.
pub(super) fn lack_of_strictness(schema: &Value, context: &str) -> Option<String> {
    if let Some(items) = schema.get("items") {
        return lack_of_strictness(items, &format!("{context}'items', "));
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    if schema["type"] != "object" && properties.is_none() {
        return None;
    }
    let shown = context.trim_end_matches(", ");
    if schema["additionalProperties"] != false {
        return Some(format!(
            "In context=({shown}), 'additionalProperties' is required to be supplied and to be false."
        ));
    }
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, property) in properties.into_iter().flatten() {
        if !required.contains(&name.as_str()) {
            return Some(format!(
                "In context=({shown}), 'required' is required to be supplied and to be an array including every key in \
                 properties. Missing '{name}'."
            ));
        }
        if let Some(lack) = lack_of_strictness(property, &format!("{context}'properties', '{name}', ")) {
            return Some(lack);
        }
    }
    None
}

fn check_choice(asked: &Value, choice: &Value) -> Checked {
    if choice.is_string() {
        return shape::one_of("tool_choice", choice, &["none", "auto", "required"]);
    }
    if !choice.is_object() {
        return Err(form::mistyped("tool_choice", choice, "one of a string or object"));
    }
    let Some(kind) = choice.get("type") else { return Err(form::missing("tool_choice.type")) };
    let kind = form::text("tool_choice.type", kind)?;
    match kind {
        "function" | "custom" => {
            shape::object("tool_choice", choice, &[need("type", Text), need("name", Text)])?;
            let meant =
                |tool: &Callable<'_>| tool.schema.is_some() == (kind == "function") && *tool.name == choice["name"];
            if callables(asked).iter().any(meant) { Ok(()) } else { Err(not_offered(kind)) }
        }
        "allowed_tools" => shape::object(
            "tool_choice",
            choice,
            &[need("type", Text), need("mode", OneOf(&["auto", "required"])), need("tools", Each(ALLOWED))],
        ),
        _ if TYPES.contains(&kind) => {
            if offered(asked).any(|tool| tool["type"] == kind) {
                Ok(())
            } else {
                Err(not_offered(kind))
            }
        }
        _ => Err(shape::invalid_value("tool_choice.type", kind, &["allowed_tools", "custom", "function"])),
    }
}

fn not_offered(kind: &str) -> Refusal {
    Refusal::at(400, "tool_choice", format!("Tool choice '{kind}' not found in 'tools' parameter."))
}
