//! The forms of fields, which both versions of the API have in common.

use serde_json::{Map, Value};

use super::super::turn::Refusal;
use super::Checked;

/// The forms that fields can have, and what the API says of a field with another form.
#[derive(Clone, Copy)]
pub(in super::super) struct Form {
    /// The page that its messages refer to.
    pub(in super::super) page: &'static str,
}

impl Form {
    /// The refusal of a field that does not exist.
    pub(in super::super) fn unknown(self, name: &str) -> Refusal {
        let page = self.page;
        let message =
            format!("unknown field: parameter '{name}' is not a valid field. For proper usage, please refer to {page}");
        Refusal::at(422, name, message)
    }

    /// The refusal of a field with a value of the wrong type.
    pub(in super::super) fn mistyped(self, name: &str, value: &Value, wanted: &str) -> Refusal {
        let page = self.page;
        let is = match value {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "Object",
        };
        let message = format!(
            "invalid type: parameter '{name}' is of type {is} but should be of type {wanted}. \
             For proper usage, please refer to {page}"
        );
        Refusal::at(422, name, message)
    }

    /// An object that has only known fields.
    pub(in super::super) fn object<'a>(
        self,
        name: &str,
        value: &'a Value,
        known: &[&str],
    ) -> Result<&'a Map<String, Value>, Refusal> {
        let fields = value.as_object().ok_or_else(|| self.mistyped(name, value, "Object"))?;
        match fields.keys().find(|field| !known.contains(&field.as_str())) {
            Some(unknown) => Err(self.unknown(unknown)),
            None => Ok(fields),
        }
    }

    /// A list.
    pub(in super::super) fn list<'a>(self, name: &str, value: &'a Value) -> Result<&'a [Value], Refusal> {
        value.as_array().map(Vec::as_slice).ok_or_else(|| self.mistyped(name, value, "array"))
    }

    /// A text.
    pub(in super::super) fn text<'a>(self, name: &str, value: &'a Value) -> Result<&'a str, Refusal> {
        value.as_str().ok_or_else(|| self.mistyped(name, value, "string"))
    }

    /// Checks a truth value.
    pub(in super::super) fn flag(self, name: &str, value: &Value) -> Checked {
        if value.is_boolean() { Ok(()) } else { Err(self.mistyped(name, value, "bool")) }
    }

    /// Checks a text that is one of these words.
    pub(in super::super) fn one_of(self, name: &str, value: &Value, words: &[&str]) -> Checked {
        let word = self.text(name, value)?;
        if words.contains(&word) {
            return Ok(());
        }
        let words = words.join(", ");
        Err(Refusal::at(400, name, format!("invalid request: {name} must be one of {words}, but is '{word}'")))
    }

    /// Checks a number that is not less and not more than these.
    pub(in super::super) fn number(self, name: &str, value: &Value, least: f64, most: f64) -> Checked {
        let number = value.as_f64().ok_or_else(|| self.mistyped(name, value, "float"))?;
        if (least..=most).contains(&number) {
            return Ok(());
        }
        let message = format!("invalid request: {name} must be between {least:?} and {most:?} inclusive.");
        Err(Refusal::at(400, name, message))
    }

    /// Checks an integer that is not less and not more than these.
    pub(in super::super) fn integer(self, name: &str, value: &Value, least: i64, most: i64) -> Checked {
        // What does not fit into an `i64` is only too great.
        let number = if value.is_u64() { Some(value.as_i64().unwrap_or(i64::MAX)) } else { value.as_i64() };
        let number = number.ok_or_else(|| self.mistyped(name, value, "int"))?;
        if (least..=most).contains(&number) {
            return Ok(());
        }
        Err(Refusal::at(400, name, format!("invalid request: {name} must be between {least} and {most} inclusive.")))
    }

    /// At most five sequences that end the output.
    pub(in super::super) fn stop_sequences(self, value: &Value) -> Checked {
        let sequences = self.list("stop_sequences", value)?;
        if sequences.len() > 5 {
            let message = "invalid request: at most 5 stop_sequences can be specified.";
            return Err(Refusal::at(400, "stop_sequences", message));
        }
        sequences.iter().try_for_each(|sequence| self.text("stop_sequences", sequence).map(|_| ()))
    }
}
