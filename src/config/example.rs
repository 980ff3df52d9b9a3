//! `xrouter.toml.example`, generated from the schema's descriptions and the defaults.

use std::fmt::Write as _;

use serde_json::Value;

use super::schema;

const HEAD: &str = "\
# xrouter.toml: every key but those of rules (`classifier.rules`, `classifier.rules_off`), which docs/classifier.md has,
# with its meaning and its default. Keys that are commented out have no default value; what they show is an example.
# Strings may hold ${NAME} from the environment or .env.
";

/// The text of the example file.
///
/// # Panics
/// Never in a released binary: a test parses the same defaults.
#[must_use]
pub fn example() -> String {
    let defaults: Value =
        toml::from_str(include_str!("../../config/default.toml")).expect("config/default.toml parses: a test reads it");
    let mut text = HEAD.to_owned();
    for (name, table) in schema::members(schema::json_schema()) {
        if name == "embeddings" {
            write_reference(&mut text, name, table);
        } else {
            write_table(&mut text, name, table, &defaults[name]);
        }
    }
    text
}

fn write_table(text: &mut String, name: &str, table: &'static Value, defaults: &Value) {
    let (tables, keys): (Vec<_>, Vec<_>) = schema::members(table).partition(|(_, schema)| is_table(schema));
    text.push('\n');
    describe(text, table);
    let _ = writeln!(text, "[{name}]");
    for (key, schema) in keys {
        if schema::kind(schema) == "array" {
            continue; // written below, as a list of tables
        }
        describe(text, schema);
        match (defaults.get(key), schema.get("example").or_else(|| schema::resolve(schema).get("example"))) {
            (Some(value), _) => writeln!(text, "{key} = {}", inline(value)),
            (None, Some(example)) => writeln!(text, "# {key} = {}", inline(example)),
            (None, None) => writeln!(text, "# {key} ="),
        }
        .expect("writing to a string does not fail");
    }
    for (key, schema) in tables {
        let name = format!("{name}.{key}");
        if name == "tiers.medium" || name == "tiers.frontier" {
            write_reference(text, &name, schema);
        } else {
            write_table(text, &name, schema, &defaults[key]);
        }
    }
    if name == "tiers.cheap" {
        text.push_str(
            "\n# A tier with several upstreams has a list instead:\n# [[tiers.cheap.upstreams]]\n# provider = \"groq\"\n# … and the other keys above\n",
        );
    }
}

/// A table of an upstream, all of whose keys stand elsewhere.
fn write_reference(text: &mut String, name: &str, table: &'static Value) {
    text.push('\n');
    describe(text, table);
    let _ = writeln!(text, "[{name}]\n# The keys of [tiers.cheap].");
}

/// Whether a key is a table of its own. Prices and headers are written on one line.
fn is_table(schema: &'static Value) -> bool {
    let has_example = schema.get("example").is_some() || schema::resolve(schema).get("example").is_some();
    !has_example && schema::members(schema).next().is_some()
}

fn describe(text: &mut String, schema: &'static Value) {
    let own = schema.get("description").or_else(|| schema::resolve(schema).get("description"));
    for line in own.and_then(Value::as_str).unwrap_or_default().lines() {
        let _ = writeln!(text, "# {}", line.trim());
    }
}

fn inline(value: &Value) -> String {
    match value {
        Value::String(text) if text.contains('\n') => format!("\"\"\"\n{text}\"\"\""),
        Value::Object(members) => {
            let members: Vec<_> =
                members.iter().map(|(key, value)| format!("{} = {}", bare(key), inline(value))).collect();
            format!("{{ {} }}", members.join(", "))
        }
        other => other.to_string(),
    }
}

fn bare(key: &str) -> String {
    if key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)) {
        key.to_owned()
    } else {
        format!("{key:?}")
    }
}
