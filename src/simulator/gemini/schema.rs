//! The older form of schema, a part of OpenAPI's, and what it is in JSON Schema.

use serde_json::Value;

use super::Checked;
use super::shape::{has, invalid, list, only, refuse};

/// The fields of the older form of schema, a part of OpenAPI's.
const SCHEMA_FIELDS: [&str; 22] = [
    "type",
    "format",
    "title",
    "description",
    "nullable",
    "enum",
    "items",
    "minItems",
    "maxItems",
    "properties",
    "required",
    "minProperties",
    "maxProperties",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "pattern",
    "example",
    "anyOf",
    "propertyOrdering",
    "default",
];

/// Refuses what the older form of schema does not have.
pub(super) fn check_schema(schema: &Value, path: &str) -> Checked {
    only(schema, &SCHEMA_FIELDS, path)?;
    if schema["type"].is_array() {
        return refuse(format!(
            "Invalid JSON payload received. Unknown name \"type\" at '{path}': Proto field is not repeating, cannot \
             start list."
        ));
    }
    let kind = schema_type(schema);
    let kinds = ["STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"];
    if has(schema, "type") && !kinds.contains(&kind.as_str()) {
        return invalid(&format!("{path}.type"), "TYPE_ENUM", &schema["type"]);
    }
    for (at, value) in list(&schema["enum"]).iter().enumerate() {
        if !value.is_string() {
            return invalid(&format!("{path}.enum[{at}]"), "TYPE_STRING", value);
        }
    }
    if has(schema, "enum") && kind != "STRING" {
        return refuse(format!("* GenerateContentRequest.{path}.enum: only allowed for STRING type"));
    }
    if kind == "ARRAY" && !has(schema, "items") {
        return refuse(format!("* GenerateContentRequest.{path}.items: missing field."));
    }
    if has(schema, "items") {
        check_schema(&schema["items"], &format!("{path}.items"))?;
    }
    for (at, member) in list(&schema["anyOf"]).iter().enumerate() {
        check_schema(member, &format!("{path}.any_of[{at}]"))?;
    }
    let properties = &schema["properties"];
    for (at, member) in properties.as_object().into_iter().flatten().map(|(_, member)| member).enumerate() {
        check_schema(member, &format!("{path}.properties[{at}].value"))?;
    }
    for (at, name) in list(&schema["required"]).iter().enumerate() {
        if name.as_str().is_none_or(|name| properties.get(name).is_none()) {
            return refuse(format!("* GenerateContentRequest.{path}.required[{at}]: property is not defined"));
        }
    }
    Ok(())
}

/// The type of a schema, written large.
pub(super) fn schema_type(schema: &Value) -> String {
    schema["type"].as_str().unwrap_or_default().to_uppercase()
}

/// A schema that is given in either of the two forms.
pub(super) fn either_schema(value: &Value, older: &str, newer: &str) -> Option<Value> {
    if has(value, newer) {
        return Some(value[newer].clone());
    }
    has(value, older).then(|| json_schema(&value[older]))
}

/// A schema of the older form as a JSON Schema: its types are written small.
fn json_schema(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Some(kind) = schema["type"].as_str().map(str::to_lowercase) {
        schema["type"] = Value::String(kind);
    }
    if has(&schema, "items") {
        schema["items"] = json_schema(&schema["items"]);
    }
    for member in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        *member.1 = json_schema(member.1);
    }
    for member in schema.get_mut("anyOf").and_then(Value::as_array_mut).into_iter().flatten() {
        *member = json_schema(member);
    }
    schema
}
