//! JSON written as text, so that what a client or a provider wrote is handed on byte for byte.

use std::borrow::Cow;
use std::fmt::Write;

use crate::protocol::Members;

/// A text as a JSON string.
pub(super) fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Values as a JSON list.
pub(super) fn list<T: AsRef<str>>(values: impl IntoIterator<Item = T>) -> String {
    let mut json = String::from("[");
    for (at, value) in values.into_iter().enumerate() {
        if at > 0 {
            json.push(',');
        }
        json.push_str(value.as_ref());
    }
    json.push(']');
    json
}

/// A number as JSON: whole ones without a point.
pub(super) fn number(number: f64) -> String {
    let mut json = String::new();
    let _ = write!(json, "{number}");
    json
}

/// An object with these members.
pub(super) fn object<'a, const N: usize>(members: [(&'static str, Cow<'a, str>); N]) -> Members<'a> {
    let mut object = Members::default();
    for (name, value) in members {
        object.set(name, value);
    }
    object
}

/// A JSON Schema with what the client says that it is for, where it does not say so itself.
pub(super) fn described(schema: &str, description: Option<&str>) -> String {
    match (Members::parse(schema), description) {
        (Some(mut members), Some(description)) if !members.has("description") => {
            members.set("description", quote(description));
            members.to_json()
        }
        _ => schema.to_owned(),
    }
}

/// A JSON string that is known when the program is compiled.
macro_rules! word {
    ($text:literal) => {
        std::borrow::Cow::Borrowed(concat!("\"", $text, "\""))
    };
}
pub(super) use word;
