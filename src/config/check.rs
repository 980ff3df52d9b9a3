//! Holds the merged layers against the schema and reports everything that does not fit at once.

use figment::value::{Dict, Value};

use super::layers::Merged;
use super::problem::{ConfigError, Problem};
use super::{Config, schema};
use crate::protocol::nearest_word;

/// Checks the merged layers and turns them into the typed tables.
pub(super) fn extract(merged: &Merged) -> Result<Config, ConfigError> {
    let root: Dict = merged.figment.extract().map_err(|error| report(&error))?;
    let mut check = Check { merged, problems: Vec::new() };
    // `extract` into a Dict loses the tags that tell the origins, so each table is found again.
    for name in root.keys() {
        let Ok(value) = merged.figment.find_value(name) else { continue };
        check.member(schema::json_schema(), name, &value, name);
    }
    if !check.problems.is_empty() {
        return Err(ConfigError::Invalid(check.problems));
    }
    merged.figment.extract().map_err(|error| report(&error))
}

/// What figment says, for what the schema does not tell.
fn report(error: &figment::Error) -> ConfigError {
    let problems = error
        .clone()
        .into_iter()
        .map(|error| Problem {
            key: error.path.join("."),
            origin: None,
            message: error.kind.to_string(),
            hint: "see `xrouter config schema`".to_owned(),
        })
        .collect();
    ConfigError::Invalid(problems)
}

struct Check<'a> {
    merged: &'a Merged,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn member(&mut self, table: &'static serde_json::Value, name: &str, value: &Value, path: &str) {
        if let Some(schema) = schema::member(table, name) {
            self.value(schema, value, path);
            return;
        }
        let known: Vec<&str> = schema::members(table).map(|(name, _)| name).collect();
        let hint = nearest_word(name, known.iter().copied()).map_or_else(
            || format!("known keys here: {}", known.join(", ")),
            |known| format!("did you mean `{known}`?"),
        );
        self.push(path, value, "is no known key".to_owned(), hint);
    }

    fn value(&mut self, schema: &'static serde_json::Value, value: &Value, path: &str) {
        let kind = schema::kind(schema);
        match (kind, value) {
            ("object", Value::Dict(_, members)) => {
                for (name, member) in members {
                    self.member(schema, name, member, &format!("{path}.{name}"));
                }
            }
            ("array", Value::Array(_, items)) => {
                let Some(item_schema) = schema::resolve(schema).get("items") else { return };
                for (index, item) in items.iter().enumerate() {
                    self.value(item_schema, item, &format!("{path}.{index}"));
                }
            }
            ("boolean", Value::Bool(..)) => {}
            ("integer", Value::Num(_, number)) if number.to_f64().is_none() => self.range(schema, value, path),
            ("number", Value::Num(..)) => self.range(schema, value, path),
            ("string", Value::String(_, text)) => self.choice(schema, text, value, path),
            _ => {
                let allowed = match kind {
                    "boolean" => "true or false (in a variable also yes/no, on/off, 1/0)".to_owned(),
                    "integer" => format!("a whole number{}", limits(schema)),
                    "number" => format!("a number{}", limits(schema)),
                    "object" => "a table (in a variable: a JSON object)".to_owned(),
                    "array" => "a list (in a variable: a JSON list)".to_owned(),
                    _ => "a text in quotes".to_owned(),
                };
                self.push(path, value, format!("{} does not fit", shown(schema, value)), format!("it takes {allowed}"));
            }
        }
    }

    fn range(&mut self, schema: &'static serde_json::Value, value: &Value, path: &str) {
        let Value::Num(_, number) = value else { return };
        let figure = number.to_f64().or_else(|| shown(schema, value).trim_matches('`').parse().ok());
        let Some(figure) = figure else { return };
        let bound = |name: &str| schema::resolve(schema).get(name).and_then(serde_json::Value::as_f64);
        if figure.is_nan()
            || bound("minimum").is_some_and(|least| figure < least)
            || bound("maximum").is_some_and(|most| figure > most)
        {
            let hint = format!("it takes a number{}", limits(schema));
            self.push(path, value, format!("{} is out of range", shown(schema, value)), hint);
        }
    }

    fn choice(&mut self, schema: &'static serde_json::Value, text: &str, value: &Value, path: &str) {
        let Some(words) = schema::choices(schema) else { return };
        if !words.contains(&text) {
            let meant = nearest_word(text, words.iter().copied()).map(|word| format!(" (did you mean `{word}`?)"));
            let hint = format!("it takes {}{}", words.join(", "), meant.unwrap_or_default());
            self.push(path, value, format!("`{text}` is not one of its words"), hint);
        }
    }

    fn push(&mut self, path: &str, value: &Value, message: String, hint: String) {
        let origin = self.merged.origin_of(path, leaf_tag(value));
        self.problems.push(Problem { key: path.to_owned(), origin, message, hint });
    }
}

/// A table's own tag says little: the tag of the first value in it names the layer that wrote it.
fn leaf_tag(value: &Value) -> figment::value::Tag {
    match value {
        Value::Dict(tag, members) => members.values().next().map_or(*tag, leaf_tag),
        other => other.tag(),
    }
}

fn limits(schema: &'static serde_json::Value) -> String {
    let bound = |name: &str| schema::resolve(schema).get(name).map(ToString::to_string);
    match (bound("minimum"), bound("maximum")) {
        (Some(least), Some(most)) => format!(" from {least} to {most}"),
        (Some(least), None) => format!(" from {least} up"),
        (None, Some(most)) => format!(" up to {most}"),
        (None, None) => String::new(),
    }
}

/// A value as it may be shown: secrets as their kind only.
pub(super) fn shown(schema: &'static serde_json::Value, value: &Value) -> String {
    // A table or list that came as a text may hold keys anywhere.
    let unread = matches!(schema::kind(schema), "object" | "array") && matches!(value, Value::String(..));
    if schema::is_secret(schema) || unread {
        return "[redacted]".to_owned();
    }
    match value {
        Value::String(_, text) => format!("`{text}`"),
        Value::Bool(_, flag) => format!("`{flag}`"),
        Value::Num(_, number) => match (number.to_u128(), number.to_i128(), number.to_f64()) {
            (Some(number), _, _) => format!("`{number}`"),
            (_, Some(number), _) => format!("`{number}`"),
            (_, _, Some(number)) => format!("`{number}`"),
            _ => "a number".to_owned(),
        },
        Value::Dict(..) => "a table".to_owned(),
        Value::Array(..) => "a list".to_owned(),
        Value::Char(..) | Value::Empty(..) => "a value of another kind".to_owned(),
    }
}
