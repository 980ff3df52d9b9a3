//! What values look like, and the refusal of those that look otherwise.

use serde_json::Value;

use super::super::turn::Refusal;
use super::Checked;

/// Whether a value is of a type.
pub(super) type Test = fn(&Value) -> bool;

/// The refusal of a request.
pub(super) fn refuse<T>(message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(400, message))
}

/// The refusal of a value that is not of its type.
pub(super) fn invalid<T>(path: &str, kind: &str, value: &Value) -> Result<T, Refusal> {
    refuse(format!("Invalid value at '{path}' ({kind}), {value}"))
}

/// Refuses fields that are not known. The path is empty for the whole request.
pub(super) fn only(value: &Value, known: &[&str], path: &str) -> Checked {
    let fields = match value {
        Value::Null => return Ok(()),
        Value::Object(fields) => fields,
        Value::Array(_) => {
            return refuse(format!(
                "Invalid JSON payload received. Unknown name \"{path}\": Proto field is not repeating, cannot start \
                 list."
            ));
        }
        _ => return invalid(path, "TYPE_MESSAGE", value),
    };
    let Some(unknown) = fields.keys().find(|name| !known.contains(&name.as_str())) else { return Ok(()) };
    let place = if path.is_empty() { String::new() } else { format!(" at '{path}'") };
    refuse(format!("Invalid JSON payload received. Unknown name \"{unknown}\"{place}: Cannot find field."))
}

/// Refuses a value that is no list of objects.
pub(super) fn objects<'a>(value: &'a Value, path: &str) -> Result<&'a [Value], Refusal> {
    match value {
        Value::Null => Ok(&[]),
        Value::Array(values) if values.iter().all(Value::is_object) => Ok(values),
        _ => invalid(path, "TYPE_MESSAGE", value),
    }
}

/// The members of a list; none if it is no list.
pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Whether a value is there; Google takes null for absence.
pub(super) fn has(value: &Value, field: &str) -> bool {
    value.get(field).is_some_and(|value| !value.is_null())
}

/// Whether a value is an integer of 32 bits.
pub(super) fn is_integer(value: &Value) -> bool {
    value.as_i64().is_some_and(|value| i32::try_from(value).is_ok())
}

/// Whether a value is a list of texts.
pub(super) fn is_texts(value: &Value) -> bool {
    value.as_array().is_some_and(|values| values.iter().all(Value::is_string))
}

/// Whether a text can be decoded as base64, in either of its two alphabets.
pub(super) fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let allowed = |character: char| character.is_ascii_alphanumeric() || "+/-_".contains(character);
    !body.is_empty() && text.len() - body.len() <= 2 && body.chars().all(allowed)
}
