//! The forms of fields, and what the API says of a field with another form.

use serde_json::{Map, Value, json};

use super::super::turn::Refusal;
use super::Checked;

/// The body of an error.
pub(super) fn error(refusal: &Refusal) -> Value {
    let kind = match refusal.code {
        Some("max_tokens_per_request") => "max_tokens_per_request",
        _ => "invalid_request_error",
    };
    json!({
        "error": { "message": refusal.message, "type": kind, "param": refusal.param, "code": refusal.code },
    })
}

/// The refusal of a body that is not the JSON object that it should be.
pub(super) fn no_json() -> Refusal {
    let message = "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your \
                   HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid \
                   JSON. If you have trouble figuring out how to fix this, please contact us through our help center \
                   at help.openai.com.)";
    Refusal::new(400, message)
}

/// The refusal of a field that the older endpoints do not know.
pub(super) fn unrecognized(fields: &Map<String, Value>, known: &[&str]) -> Checked {
    let unknown: Vec<&str> = fields.keys().map(String::as_str).filter(|name| !known.contains(name)).collect();
    match unknown.as_slice() {
        [] => Ok(()),
        [name] => Err(Refusal::new(400, format!("Unrecognized request argument supplied: {name}"))),
        names => Err(Refusal::new(400, format!("Unrecognized request arguments supplied: {}", names.join(", ")))),
    }
}

/// The model of a request.
pub(super) fn model(asked: &Value) -> Result<&str, Refusal> {
    match asked["model"].as_str() {
        Some("") | None => Err(Refusal::new(400, "you must provide a model parameter")),
        Some(model) => Ok(model),
    }
}

/// A field that is there and not null.
pub(super) fn given<'a>(asked: &'a Value, name: &str) -> Option<&'a Value> {
    asked.get(name).filter(|value| !value.is_null())
}

/// The refusal of a request without a field.
pub(super) fn missing(name: &str) -> Refusal {
    Refusal::at(400, name, format!("Missing required parameter: '{name}'.")).coded("missing_required_parameter")
}

/// The refusal of a field that does not exist.
pub(super) fn unknown(name: &str) -> Refusal {
    Refusal::at(400, name, format!("Unknown parameter: '{name}'.")).coded("unknown_parameter")
}

/// The refusal of a field with a value of the wrong type.
pub(super) fn mistyped(name: &str, value: &Value, wanted: &str) -> Refusal {
    let is = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a decimal",
        Value::Number(_) => "an integer",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    let message = format!("Invalid type for '{name}': expected {wanted}, but got {is} instead.");
    Refusal::at(400, name, message).coded("invalid_type")
}

/// A text.
pub(super) fn text<'a>(name: &str, value: &'a Value) -> Result<&'a str, Refusal> {
    value.as_str().ok_or_else(|| mistyped(name, value, "a string"))
}

/// True or false.
pub(super) fn flag(name: &str, value: &Value) -> Checked {
    if value.is_boolean() { Ok(()) } else { Err(mistyped(name, value, "a boolean")) }
}

/// An object that has only known fields.
pub(super) fn object<'a>(name: &str, value: &'a Value, known: &[&str]) -> Result<&'a Map<String, Value>, Refusal> {
    let fields = value.as_object().ok_or_else(|| mistyped(name, value, "an object"))?;
    match fields.keys().find(|field| !known.contains(&field.as_str())) {
        Some(field) => Err(unknown(&format!("{name}.{field}"))),
        None => Ok(fields),
    }
}

/// A whole number in a range.
pub(super) fn integer(name: &str, value: &Value, least: i64, most: i64) -> Checked {
    // What is too big for a signed number is above every maximum here.
    let number = value.as_i64().or_else(|| value.as_u64().map(|_| i64::MAX));
    let Some(number) = number else { return Err(mistyped(name, value, "an integer")) };
    if number < least {
        return Err(
            out_of_range(name, value, "integer below minimum", ">=", &least.into()).coded("integer_below_min_value")
        );
    }
    if number > most {
        return Err(
            out_of_range(name, value, "integer above maximum", "<=", &most.into()).coded("integer_above_max_value")
        );
    }
    Ok(())
}

/// A number in a range.
pub(super) fn decimal(name: &str, value: &Value, least: i32, most: i32) -> Checked {
    let Some(number) = value.as_f64() else { return Err(mistyped(name, value, "a decimal")) };
    if number < f64::from(least) {
        return Err(
            out_of_range(name, value, "decimal below minimum", ">=", &least.into()).coded("decimal_below_min_value")
        );
    }
    if number > f64::from(most) {
        return Err(
            out_of_range(name, value, "decimal above maximum", "<=", &most.into()).coded("decimal_above_max_value")
        );
    }
    Ok(())
}

fn out_of_range(name: &str, value: &Value, what: &str, sign: &str, bound: &Value) -> Refusal {
    let message = format!("Invalid '{name}': {what} value. Expected a value {sign} {bound}, but got {value} instead.");
    Refusal::at(400, name, message)
}

/// An array whose length is in a range.
pub(super) fn array<'a>(name: &str, value: &'a Value, least: usize, most: usize) -> Result<&'a [Value], Refusal> {
    let Some(items) = value.as_array() else { return Err(mistyped(name, value, "an array")) };
    let length = items.len();
    if length == 0 && least > 0 {
        let message = format!(
            "Invalid '{name}': empty array. Expected an array with minimum length {least}, but got an empty array \
             instead."
        );
        return Err(Refusal::at(400, name, message).coded("empty_array"));
    }
    if length > most {
        let message = format!(
            "Invalid '{name}': array too long. Expected an array with maximum length {most}, but got an array with \
             length {length} instead."
        );
        return Err(Refusal::at(400, name, message).coded("array_above_max_length"));
    }
    Ok(items)
}

/// Options of a stream, which only a stream may have.
pub(super) fn stream_options(asked: &Value, known: &[&str]) -> Checked {
    let Some(options) = given(asked, "stream_options") else { return Ok(()) };
    if asked["stream"] != true {
        let message = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
        return Err(Refusal::at(400, "stream_options", message));
    }
    let options = object("stream_options", options, known)?;
    options.iter().try_for_each(|(name, value)| flag(&format!("stream_options.{name}"), value))
}
