//! The merged configuration as it may be shown: every key, its value, its origin; no secret.

use figment::value::Value;

use super::check::shown;
use super::layers::{self, Merged};
use super::origin::Origin;
use super::problem::ConfigError;
use super::schema;
use super::sources::Sources;

/// One key of the merged configuration.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The key, dotted.
    pub key: String,
    /// Its value, secrets as `[redacted]`.
    pub value: String,
    /// Where it was written.
    pub origin: Origin,
}

/// Merges the layers and lists every key that has a value, in the schema's order.
///
/// # Errors
/// A file cannot be read or parsed, or a variable that it names is not set.
pub fn show(sources: &Sources) -> Result<Vec<Shown>, ConfigError> {
    let merged = layers::merge(sources)?;
    let mut rows = Vec::new();
    for (name, table) in schema::members(schema::json_schema()) {
        if let Ok(value) = merged.figment.find_value(name) {
            walk(&merged, table, &value, name, &mut rows);
        }
    }
    Ok(rows)
}

fn walk(merged: &Merged, schema: &'static serde_json::Value, value: &Value, key: &str, rows: &mut Vec<Shown>) {
    match value {
        Value::Dict(_, members) => {
            let order: Vec<&str> = schema::members(schema).map(|(name, _)| name).collect();
            let place = |name: &str| order.iter().position(|known| *known == name).unwrap_or(order.len());
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| place(name));
            for (name, member) in members {
                let member_schema = schema::member(schema, name).unwrap_or(&serde_json::Value::Null);
                walk(merged, member_schema, member, &format!("{key}.{name}"), rows);
            }
        }
        Value::Array(_, items) => {
            let item_schema = schema::resolve(schema).get("items").unwrap_or(&serde_json::Value::Null);
            for (index, item) in items.iter().enumerate() {
                walk(merged, item_schema, item, &format!("{key}.{index}"), rows);
            }
        }
        leaf => {
            let text = shown(schema, leaf);
            let value = match leaf {
                Value::String(..) if !schema::is_secret(schema) => format!("{:?}", text.trim_matches('`')),
                _ => text.trim_matches('`').to_owned(),
            };
            let origin = merged.origin_of(key, leaf.tag()).unwrap_or(Origin::Default);
            rows.push(Shown { key: key.to_owned(), value, origin });
        }
    }
}
