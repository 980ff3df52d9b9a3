//! Keys that must never be seen.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::layers::Merged;
use super::problem::Problem;

/// A text that prints as `[redacted]` and cannot be serialised.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Secret(text.into())
    }

    /// The text itself, for who sends it, compares it, or writes it into `.env`.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "writeOnly": true })
    }
}

/// The secret of a table: its `api_key`, or the content of its `api_key_file`.
pub(super) fn resolve(
    table: &str,
    literal: Option<&Secret>,
    file: Option<&str>,
    folder: &Path,
    merged: &Merged,
    problems: &mut Vec<Problem>,
) -> Option<Secret> {
    let file_key = format!("{table}.api_key_file");
    let Some(file) = file else { return literal.filter(|key| !key.expose().is_empty()).cloned() };
    if literal.is_some() {
        problems.push(merged.problem(&file_key, format!("{table}.api_key is set as well"), "keep one of the two"));
        return None;
    }
    match std::fs::read_to_string(super::beside(folder, file)) {
        Ok(text) if !text.trim().is_empty() => Some(Secret::new(text.trim())),
        Ok(_) => {
            problems.push(merged.problem(&file_key, format!("`{file}` is empty"), "put the key into it, on one line"));
            None
        }
        Err(error) => {
            let hint = "a relative path is relative to the configuration's folder";
            problems.push(merged.problem(&file_key, format!("cannot read `{file}`: {error}"), hint));
            None
        }
    }
}
