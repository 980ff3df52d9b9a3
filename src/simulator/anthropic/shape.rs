//! What values look like, and the refusal of those that look otherwise.

use serde_json::{Map, Value};

use super::super::turn::Refusal;
use super::Checked;

/// The refusal of a request.
pub(super) fn refuse<T>(message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(400, message))
}

/// The members of a list; none if it is no list.
pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The fields of an object, which it must be.
pub(super) fn object<'a>(value: &'a Value, path: &str) -> Result<&'a Map<String, Value>, Refusal> {
    match value.as_object() {
        Some(fields) => Ok(fields),
        None => refuse(format!("{path}: Input should be a valid dictionary")),
    }
}

/// Refuses fields that are not known. The path is that of the object, without a dot at its end.
pub(super) fn only(fields: &Map<String, Value>, known: &[&str], path: &str) -> Checked {
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(unknown) => refuse(format!("{path}.{unknown}: Extra inputs are not permitted")),
        None => Ok(()),
    }
}

/// Whether a text is a name of letters, digits, underscores and dashes.
pub(super) fn is_name(text: &str, most: usize) -> bool {
    let allowed = |character: char| character.is_ascii_alphanumeric() || character == '_' || character == '-';
    !text.is_empty() && text.len() <= most && text.chars().all(allowed)
}

/// Whether a text can be decoded as base64.
pub(super) fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let allowed = |character: char| character.is_ascii_alphanumeric() || character == '+' || character == '/';
    !body.is_empty() && text.len() - body.len() <= 2 && body.chars().all(allowed)
}
