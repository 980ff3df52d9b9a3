//! The bodies of errors.

use serde_json::{Value, json};

use super::{groq, mistral};

/// The body of an error.
pub(in super::super) fn error(provider: &str, status: u16, message: &str, param: Option<&str>) -> Value {
    match provider {
        "mistral" => mistral::error(status, message, param),
        "groq" => groq::error(status, message),
        // What the gateway refuses, and not the model.
        "azure_openai" if status != 400 => json!({ "error": { "code": status.to_string(), "message": message } }),
        "together" => json!({
            "id": "simulated",
            "error": { "message": message, "type": kind(status), "param": null, "code": null },
        }),
        "perplexity" => {
            let kind = if message.contains("role") { "invalid_message" } else { kind(status) };
            json!({ "error": { "message": message, "type": kind, "code": status } })
        }
        "openrouter" => {
            let mut error = json!({ "error": { "code": status, "message": message }, "user_id": "user_simulated" });
            if status >= 429 {
                error["error"]["metadata"] = json!({ "raw": message, "provider_name": "Simulated" });
            }
            error
        }
        "ollama" => {
            let kind = match status {
                400 => "invalid_request_error",
                404 => "not_found_error",
                _ => "api_error",
            };
            json!({ "error": { "message": message, "type": kind, "param": null, "code": null } })
        }
        _ => json!({
            "error": { "message": message, "type": kind(status), "param": param, "code": code(status, message) },
        }),
    }
}

/// The type of an error in OpenAI's words.
fn kind(status: u16) -> &'static str {
    match status {
        429 => "requests",
        500.. => "server_error",
        _ => "invalid_request_error",
    }
}

/// The code of an error in OpenAI's words.
fn code(status: u16, message: &str) -> Option<&'static str> {
    let codes = [
        ("Unknown parameter", "unknown_parameter"),
        ("Unsupported parameter", "unsupported_parameter"),
        ("Unsupported value", "unsupported_value"),
    ];
    match status {
        400 => codes.iter().find(|(begin, _)| message.starts_with(begin)).map(|(_, code)| *code),
        401 => Some("invalid_api_key"),
        404 => Some("model_not_found"),
        429 => Some("rate_limit_exceeded"),
        503 => Some("server_overloaded"),
        _ => None,
    }
}
