//! The part of JSON Schema that this API holds an answer to.
//!
//! Source: <https://platform.claude.com/docs/en/build-with-claude/structured-outputs> (read 2026-11-25).

use serde_json::{Map, Value};

/// Keywords that are refused; what they ask for is put into the description, where the model reads it.
const UNHELD: [&str; 14] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "contains",
    "patternProperties",
    "propertyNames",
];

/// Rewrites a schema so that it can be held: every object is closed, and limits become words.
///
/// # Errors
/// An object takes members with any name, which cannot be held.
pub(super) fn adapt(schema: &str) -> Result<String, String> {
    let mut schema: Value = serde_json::from_str(schema).map_err(|error| error.to_string())?;
    walk(&mut schema, 0)?;
    Ok(schema.to_string())
}

fn walk(schema: &mut Value, depth: usize) -> Result<(), String> {
    if depth > 64 {
        return Err("it is nested too deeply".to_owned());
    }
    let Value::Object(members) = schema else { return Ok(()) };
    let is_object = members.get("type").is_some_and(|kind| *kind == "object") || members.contains_key("properties");
    if is_object {
        match members.get("additionalProperties") {
            None | Some(Value::Bool(false)) => {
                members.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
            Some(_) => {
                return Err("an object of it takes members with any name (additionalProperties), which \
                            Anthropic's structured outputs cannot hold an answer to"
                    .to_owned());
            }
        }
    }
    say_limits(members);
    for name in ["properties", "$defs", "definitions"] {
        for inner in members.get_mut(name).and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut) {
            walk(inner, depth + 1)?;
        }
    }
    // `oneOf` is not known; what it means for an answer is the same.
    if let Some(one_of) = members.remove("oneOf") {
        members.entry("anyOf").or_insert(one_of);
    }
    for name in ["anyOf", "allOf", "prefixItems"] {
        for inner in members.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten() {
            walk(inner, depth + 1)?;
        }
    }
    if let Some(items) = members.get_mut("items") {
        walk(items, depth + 1)?;
    }
    Ok(())
}

fn say_limits(members: &mut Map<String, Value>) {
    let mut limits = Vec::new();
    for name in UNHELD {
        if let Some(value) = members.remove(name) {
            limits.push(format!("{name}: {value}"));
        }
    }
    if members.get("minItems").is_some_and(|least| least.as_u64().is_none_or(|least| least > 1)) {
        let least = members.remove("minItems").unwrap_or_default();
        limits.push(format!("minItems: {least}"));
    }
    if !limits.is_empty() {
        let before =
            members.get("description").and_then(Value::as_str).map(|text| format!("{text} ")).unwrap_or_default();
        members.insert("description".to_owned(), format!("{before}({})", limits.join(", ")).into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_closed_and_limits_become_words() {
        let schema = r##"{"type":"object","properties":{"a":{"type":"string","description":"name","minLength":2},
            "b":{"type":"array","minItems":1,"maxItems":3,"items":{"properties":{"c":{"$ref":"#/$defs/d"}}}}},
            "$defs":{"d":{"oneOf":[{"type":"integer","maximum":9},{"type":"null"}]}}}"##;
        let adapted: Value = serde_json::from_str(&adapt(schema).unwrap()).unwrap();
        assert_eq!(adapted["additionalProperties"], false);
        assert_eq!(adapted["properties"]["a"]["description"], "name (minLength: 2)");
        assert_eq!(adapted["properties"]["b"]["minItems"], 1);
        assert_eq!(adapted["properties"]["b"]["items"]["additionalProperties"], false);
        assert_eq!(adapted["$defs"]["d"]["anyOf"][0]["description"], "(maximum: 9)");
        assert!(adapt(r#"{"type":"object","additionalProperties":{"type":"string"}}"#).is_err());
    }
}
