//! The JSON Schema of the configuration, generated from the types, and questions to it.

use std::sync::LazyLock;

use serde_json::Value;

use super::Config;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| schemars::schema_for!(Config).to_value());

/// The JSON Schema (2020-12) of `xrouter.toml`.
#[must_use]
pub fn json_schema() -> &'static Value {
    &SCHEMA
}

/// Follows `$ref`, and takes the branch of an `anyOf` that is not null.
pub(super) fn resolve(schema: &'static Value) -> &'static Value {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        return SCHEMA.pointer(name.trim_start_matches('#')).map_or(schema, resolve);
    }
    let branch = schema
        .get("anyOf")
        .and_then(Value::as_array)
        .and_then(|branches| branches.iter().find(|branch| branch.get("type").and_then(Value::as_str) != Some("null")));
    branch.map_or(schema, resolve)
}

/// The schema of a table's member, or of any member of a map.
pub(super) fn member(schema: &'static Value, name: &str) -> Option<&'static Value> {
    let schema = resolve(schema);
    schema
        .get("properties")
        .and_then(|properties| properties.get(name))
        .or_else(|| schema.get("additionalProperties").filter(|additional| additional.is_object()))
}

/// The names of a table's members.
pub(super) fn members(schema: &'static Value) -> impl Iterator<Item = (&'static str, &'static Value)> {
    resolve(schema)
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, schema)| (name.as_str(), schema))
}

/// The schema of a dotted key.
pub(super) fn find(key: &str) -> Option<&'static Value> {
    let mut schema: &'static Value = &SCHEMA;
    for segment in key.split('.') {
        schema = member(schema, segment)?;
    }
    Some(schema)
}

/// `string`, `integer`, `number`, `boolean`, `object` or `array`.
pub(super) fn kind(schema: &'static Value) -> &'static str {
    let schema = resolve(schema);
    match schema.get("type") {
        Some(Value::String(kind)) => kind,
        Some(Value::Array(kinds)) => {
            kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or("string")
        }
        _ => "string",
    }
}

/// The words that a key takes, if it is a choice.
pub(super) fn choices(schema: &'static Value) -> Option<Vec<&'static str>> {
    let schema = resolve(schema);
    let words = |list: &'static Value, of: fn(&'static Value) -> Option<&'static str>| {
        list.as_array().map(|items| items.iter().filter_map(of).collect::<Vec<_>>())
    };
    schema
        .get("enum")
        .and_then(|list| words(list, Value::as_str))
        .or_else(|| schema.get("oneOf").and_then(|list| words(list, |branch| branch.get("const")?.as_str())))
}

/// Whether values of this key must not be shown.
pub(super) fn is_secret(schema: &'static Value) -> bool {
    resolve(schema).get("writeOnly").and_then(Value::as_bool).unwrap_or(false)
}

/// Every dotted key that holds a value.
pub(super) fn all_keys() -> Vec<String> {
    fn walk(schema: &'static Value, prefix: &str, keys: &mut Vec<String>) {
        for (name, schema) in members(schema) {
            let key = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
            if members(schema).next().is_some() {
                walk(schema, &key, keys);
            } else {
                keys.push(key);
            }
        }
    }
    let mut keys = Vec::new();
    walk(&SCHEMA, "", &mut keys);
    keys
}
