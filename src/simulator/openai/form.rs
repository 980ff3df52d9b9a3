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
