//! What an answer is kept to: an effort, a format, and schemas of those that can be kept to.

use serde_json::Value;

use super::Checked;
use super::model::EFFORTS;
use super::shape::{list, object, only, refuse};

/// Keywords of JSON Schema that constrained decoding does not support.
const UNSUPPORTED_KEYWORDS: [&str; 25] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
    "uniqueItems",
    "contains",
    "minContains",
    "maxContains",
    "prefixItems",
    "minProperties",
    "maxProperties",
    "patternProperties",
    "propertyNames",
    "dependentRequired",
    "dependentSchemas",
    "unevaluatedProperties",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
];

/// Formats of a string that constrained decoding supports.
const FORMATS: [&str; 9] = ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6"];

/// Checks the effort and the format of the answer.
pub(super) fn check_output(asked: &Value, beta: bool) -> Checked {
    let Some(output) = asked.get("output_config") else { return Ok(()) };
    let known: &[&str] = if beta { &["effort", "format", "task_budget"] } else { &["effort", "format"] };
    only(object(output, "output_config")?, known, "output_config")?;
    if let Some(effort) = output.get("effort").filter(|effort| !effort.is_null())
        && !EFFORTS.iter().any(|known| effort == known)
    {
        return refuse("output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'");
    }
    let Some(format) = output.get("format").filter(|format| !format.is_null()) else { return Ok(()) };
    let fields = object(format, "output_config.format")?;
    only(fields, &["type", "schema"], "output_config.format")?;
    if format["type"] != "json_schema" {
        return refuse("output_config.format.type: Input should be 'json_schema'");
    }
    let Some(schema) = format.get("schema") else { return refuse("output_config.format.schema: Field required") };
    object(schema, "output_config.format.schema")?;
    check_schema(schema, schema, "output_config.format.schema", &mut Vec::new())?;
    let cites = |block: &Value| block["citations"]["enabled"] == true;
    if list(&asked["messages"]).iter().flat_map(|message| list(&message["content"])).any(cites) {
        return refuse("output_config.format: citations are not supported with structured outputs");
    }
    Ok(())
}

/// Refuses a schema that constrained decoding does not support. The open references show recursion.
pub(super) fn check_schema<'a>(schema: &'a Value, root: &'a Value, path: &str, open: &mut Vec<&'a str>) -> Checked {
    let Some(fields) = schema.as_object() else { return Ok(()) };
    if let Some(reference) = schema["$ref"].as_str() {
        let target = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        let Some(target) = target else {
            return refuse(format!("{path}: external or unknown $ref '{reference}' is not supported"));
        };
        if open.contains(&reference) || std::ptr::eq(target, root) {
            return refuse(format!("{path}: Too many recursive definitions in schema"));
        }
        open.push(reference);
        check_schema(target, root, path, open)?;
        open.pop();
    }
    let kind = match &schema["type"] {
        Value::String(kind) => kind.as_str(),
        Value::Array(kinds) if kinds.iter().any(|kind| kind == "object") => "object",
        Value::Array(kinds) => kinds.iter().find_map(Value::as_str).unwrap_or_default(),
        _ if fields.contains_key("properties") => "object",
        _ => "any",
    };
    if kind == "object" && schema["additionalProperties"] != false {
        return refuse(format!("{path}: For 'object' type, 'additionalProperties' must be explicitly set to false"));
    }
    for (keyword, value) in fields {
        check_keyword(keyword, value, kind, path)?;
        match (keyword.as_str(), value) {
            ("properties" | "$defs" | "definitions", Value::Object(members)) => {
                for member in members.values() {
                    check_schema(member, root, path, open)?;
                }
            }
            ("anyOf" | "allOf", Value::Array(members)) => {
                for member in members {
                    check_schema(member, root, path, open)?;
                }
            }
            ("items", member) => check_schema(member, root, path, open)?,
            _ => {}
        }
    }
    Ok(())
}

fn check_keyword(keyword: &str, value: &Value, kind: &str, path: &str) -> Checked {
    match keyword {
        "oneOf" => refuse(format!("{path}: Schema type 'oneOf' is not supported")),
        "minItems" if !matches!(value.as_u64(), Some(0 | 1)) => {
            refuse(format!("{path}: For 'array' type, 'minItems' values other than 0 or 1 are not supported"))
        }
        "format" if value.as_str().is_none_or(|format| !FORMATS.contains(&format) && format != "uuid") => {
            refuse(format!("{path}: For '{kind}' type, format {value} is not supported"))
        }
        "pattern" => {
            let pattern = value.as_str().unwrap_or_default();
            let refused = ["(?=", "(?!", "(?<", "\\b", "\\B", "\\1", "\\2", "\\3"];
            if refused.iter().any(|part| pattern.contains(part)) {
                return refuse(format!("{path}: the pattern {value} is not supported"));
            }
            Ok(())
        }
        "enum" if list(value).iter().any(|value| value.is_object() || value.is_array()) => {
            refuse(format!("{path}: 'enum' may only hold strings, numbers, booleans and null"))
        }
        "allOf" if list(value).iter().any(|member| member.get("$ref").is_some()) => {
            refuse(format!("{path}: 'allOf' with '$ref' is not supported"))
        }
        unsupported if UNSUPPORTED_KEYWORDS.contains(&unsupported) => {
            refuse(format!("{path}: For '{kind}' type, property '{unsupported}' is not supported"))
        }
        _ => Ok(()),
    }
}
