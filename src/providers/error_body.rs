//! What an error answer says, in whichever shape: its status as it is meant, its message, its code, and how
//! long to wait.
//!
//! Sources: the pages on errors of each provider's API reference (read 2026-11-25); `docs/providers.md` has a
//! table.

use reqwest::header::HeaderMap;
use serde_json::Value;

use super::openai::quirks;
use super::{ProviderError, cohere, retry_after};
use crate::catalog::Provider;
use crate::protocol::{ErrorBody, Timestamp};

/// Longest error text that is passed on, in characters.
const LONGEST_MESSAGE: usize = 1_000;

/// What an answer with an error status, or an error inside of a stream (status 200), says.
#[must_use]
pub fn read_error(provider: Provider, status: u16, headers: &HeaderMap, body: &[u8]) -> ProviderError {
    let json = serde_json::from_slice::<Value>(body).ok();
    let told = json.as_ref().and_then(shape);
    let status = meant(provider, status, told.as_ref());
    let retry_after = retry_after::from_headers(headers, status == 429, Timestamp::now())
        .or_else(|| told.as_ref().and_then(|told| told.delay.as_deref()).and_then(retry_after::duration))
        .or_else(|| {
            told.as_ref()
                .filter(|told| status == 429 && !told.daily)
                .and_then(|told| retry_after::from_message(&told.message))
        });
    let message = match &told {
        Some(told) => told.message.clone(),
        None => shorten(String::from_utf8_lossy(body).trim()),
    };
    let message = if message.is_empty() { "no message".to_owned() } else { message };
    let detail = told.map(|told| {
        let code = if is_too_long(&told.message) { Some("context_length_exceeded".to_owned()) } else { told.code };
        Box::new(ErrorBody {
            message: told.message,
            kind: told.kind,
            code,
            param: told.param,
            provider: None,
            upstream: None,
        })
    });
    ProviderError::Status { provider, status, message, detail, retry_after }
}

/// Whether a JSON text is an error in any of the shapes, though its status or its place says otherwise.
#[must_use]
pub fn is_error(json: &[u8]) -> bool {
    let Ok(value) = serde_json::from_slice::<Value>(json) else { return false };
    let value = value.get(0).unwrap_or(&value);
    value.get("error").is_some_and(|error| error.is_object() || error.is_string())
        || value["type"] == "error"
        || value["object"] == "error"
}

/// What is said, before it is interpreted.
#[derive(Debug, Default)]
struct Told {
    message: String,
    kind: String,
    code: Option<String>,
    param: Option<String>,
    /// A status that stands in the body.
    status: Option<u16>,
    /// Google's `reason`s.
    reason: Option<String>,
    /// Google's `retryDelay`.
    delay: Option<String>,
    /// Whether the prompt is what is refused.
    flagged: bool,
    /// Whether it is a day's quota that is used up.
    daily: bool,
}

fn shape(json: &Value) -> Option<Told> {
    // Google wraps it into a list where it streams.
    let json = json.get(0).unwrap_or(json);
    let text = |value: &Value| match value {
        Value::String(text) => Some(shorten(text)),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let outer_message = || match &json["message"] {
        Value::String(text) => Some(shorten(text)),
        // Mistral's list of what is wrong with each field.
        Value::Object(_) => {
            Some(details(&json["message"]["detail"]).unwrap_or_else(|| shorten(&json["message"].to_string())))
        }
        _ => details(&json["detail"]),
    };
    let error = &json["error"];
    match error {
        Value::Object(_) => {
            let details = error["details"].as_array().map(Vec::as_slice).unwrap_or_default();
            let of = |name: &str| details.iter().find_map(|detail| detail[name].as_str()).map(str::to_owned);
            // Google's word, and Anthropic's newer one, say more than a number.
            let word = text(&error["status"]).filter(|_| error["status"].is_string());
            let code = text(&error["details"]["error_code"])
                .or_else(|| of("reason"))
                .or_else(|| word.filter(|_| !error["code"].is_string()))
                .or_else(|| text(&error["code"]));
            Some(Told {
                message: text(&error["message"]).unwrap_or_else(|| shorten(&error.to_string())),
                kind: text(&error["type"])
                    .or_else(|| text(&error["status"]).filter(|_| error["type"].is_null()))
                    .unwrap_or_default(),
                param: text(&error["param"]),
                status: [&error["code"], &error["status_code"], &error["status"]].into_iter().find_map(status_of),
                reason: of("reason"),
                // A day's quota is not filled again in the seconds that it names.
                delay: of("retryDelay").filter(|_| !is_daily(details)),
                daily: is_daily(details),
                flagged: error["metadata"]["reasons"].is_array() || error["metadata"]["flagged_input"].is_string(),
                code,
            })
        }
        Value::String(message) => Some(Told {
            message: shorten(message),
            code: text(&json["code"]),
            status: status_of(&json["code"]),
            ..Told::default()
        }),
        _ => Some(Told {
            message: outer_message()?,
            kind: text(&json["type"]).unwrap_or_default(),
            code: text(&json["code"]),
            param: text(&json["param"]),
            status: [&json["code"], &json["statusCode"], &json["raw_status_code"]].into_iter().find_map(status_of),
            ..Told::default()
        }),
    }
}

/// Whether it is a quota of the day that Google says is used up.
fn is_daily(details: &[Value]) -> bool {
    let violations = details.iter().flat_map(|detail| detail["violations"].as_array().into_iter().flatten());
    violations.filter_map(|violation| violation["quotaId"].as_str()).any(|id| id.contains("PerDay"))
}

/// `[{"loc": ["body", "x"], "msg": …}]` or a text.
fn details(detail: &Value) -> Option<String> {
    match detail {
        Value::String(text) => Some(shorten(text)),
        Value::Array(list) => {
            let lines = list.iter().map(|item| {
                let place: Vec<String> = item["loc"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter(|part| **part != "body")
                    .map(|part| part.as_str().map_or_else(|| part.to_string(), str::to_owned))
                    .collect();
                format!("{}: {}", place.join("."), item["msg"].as_str().unwrap_or("is refused"))
            });
            Some(shorten(&lines.collect::<Vec<_>>().join("; ")))
        }
        _ => None,
    }
}

fn status_of(value: &Value) -> Option<u16> {
    let number = match value {
        Value::Number(number) => number.as_u64().and_then(|number| u16::try_from(number).ok()),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }?;
    (400..600).contains(&number).then_some(number)
}

/// A status by which a provider means another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Meant {
    /// The status that it sends.
    pub(super) status: u16,
    /// When it means another one.
    pub(super) when: When,
    /// The status that is meant.
    pub(super) means: u16,
}

/// What of an error tells that another status is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// The status alone.
    Always,
    /// One of these codes.
    Code(&'static [&'static str]),
    /// It says that the prompt is what is refused.
    Flagged,
    /// Its message says that the conversation is longer than the model's context.
    TooLong,
}

/// The statuses by which a provider means others.
const fn statuses(provider: Provider) -> &'static [Meant] {
    match provider {
        Provider::Anthropic | Provider::Gemini => &[],
        Provider::Cohere => cohere::STATUSES,
        Provider::Openai
        | Provider::AzureOpenai
        | Provider::Mistral
        | Provider::Groq
        | Provider::Together
        | Provider::Perplexity
        | Provider::Openrouter
        | Provider::Ollama
        | Provider::Xrouter
        | Provider::OpenaiCompatible => quirks(provider).errors.statuses,
    }
}

/// The status that is meant. Inside of a stream it stands in the body or follows from the kind of error.
fn meant(provider: Provider, status: u16, told: Option<&Told>) -> u16 {
    let kind = told.map_or("", |told| told.kind.as_str());
    let code = told.and_then(|told| told.code.as_deref()).unwrap_or_default();
    let message = told.map_or("", |told| told.message.as_str());
    if told.and_then(|told| told.reason.as_deref()).is_some_and(|reason| reason.starts_with("API_KEY_")) {
        return 401;
    }
    // What was paid for is used up: waiting does not help.
    if status == 429 && matches!(code, "insufficient_quota" | "enforced_spend_limit_reached") {
        return 402;
    }
    let is_meant = |meant: &&Meant| {
        meant.status == status
            && match meant.when {
                When::Always => true,
                When::Code(codes) => codes.contains(&code),
                When::Flagged => told.is_some_and(|told| told.flagged),
                When::TooLong => is_too_long(message),
            }
    };
    if let Some(meant) = statuses(provider).iter().find(is_meant) {
        return meant.means;
    }
    if (400..600).contains(&status) {
        return status;
    }
    if let Some(status) = told.and_then(|told| told.status) {
        return status;
    }
    match kind {
        "invalid_request_error" | "INVALID_ARGUMENT" | "FAILED_PRECONDITION" => 400,
        "authentication_error" | "UNAUTHENTICATED" => 401,
        "billing_error" => 402,
        "permission_error" | "PERMISSION_DENIED" => 403,
        "not_found_error" | "NOT_FOUND" => 404,
        "request_too_large" => 413,
        "rate_limit_error" | "RESOURCE_EXHAUSTED" => 429,
        "overloaded_error" => 529,
        "timeout_error" | "DEADLINE_EXCEEDED" => 504,
        "UNAVAILABLE" => 503,
        _ => match code {
            "rate_limit_exceeded" | "insufficient_quota" => 429,
            "server_overloaded" => 503,
            _ => 502,
        },
    }
}

/// Whether a message says that the conversation is longer than the model's context.
fn is_too_long(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    [
        "context length",
        "context size",
        "context window",
        "context_length",
        "too many tokens",
        "prompt is too long",
        "input token count",
        "max_new_tokens` must be",
        "maximum number of tokens allowed",
    ]
    .iter()
    .any(|phrase| message.contains(phrase))
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(LONGEST_MESSAGE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn told(provider: Provider, status: u16, body: &str) -> (u16, String, Option<String>, Option<Duration>) {
        let error = read_error(provider, status, &HeaderMap::new(), body.as_bytes());
        let ProviderError::Status { status, message, detail, retry_after, .. } = error else { panic!("no status") };
        (status, message, detail.and_then(|detail| detail.code), retry_after)
    }

    #[test]
    fn errors_are_read_in_all_their_shapes() {
        use Provider::{Anthropic, AzureOpenai, Cohere, Gemini, Groq, Mistral, OpenaiCompatible, Openrouter};
        let cases = [
            (
                OpenaiCompatible,
                500,
                r#"{"error":{"message":"m","type":"t","code":"c","param":"p"}}"#,
                500,
                "m",
                Some("c"),
            ),
            (
                OpenaiCompatible,
                503,
                r#"{"error":{"message":"Loading model","code":503}}"#,
                503,
                "Loading model",
                Some("503"),
            ),
            (OpenaiCompatible, 500, r#"{"error":"short"}"#, 500, "short", None),
            (OpenaiCompatible, 400, r#"{"code":"Client","error":"text"}"#, 400, "text", Some("Client")),
            (OpenaiCompatible, 400, r#"{"object":"error","message":"bare","code":400}"#, 400, "bare", Some("400")),
            (OpenaiCompatible, 502, "<html>bad gateway</html>", 502, "<html>bad gateway</html>", None),
            (OpenaiCompatible, 500, "", 500, "no message", None),
            (
                Anthropic,
                200,
                r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
                529,
                "Overloaded",
                None,
            ),
            (
                Gemini,
                400,
                r#"{"error":{"code":400,"message":"k","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}"#,
                401,
                "k",
                Some("API_KEY_INVALID"),
            ),
            (
                Gemini,
                503,
                r#"[{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}]"#,
                503,
                "m",
                Some("UNAVAILABLE"),
            ),
            (Gemini, 200, r#"{"error":{"message":"m","status":"UNAVAILABLE"}}"#, 503, "m", Some("UNAVAILABLE")),
            (Cohere, 498, r#"{"message":"invalid api token"}"#, 401, "invalid api token", None),
            (
                Cohere,
                400,
                r#"{"message":"too many tokens: 9"}"#,
                400,
                "too many tokens: 9",
                Some("context_length_exceeded"),
            ),
            (
                Groq,
                498,
                r#"{"error":{"message":"full","code":"capacity_exceeded"}}"#,
                503,
                "full",
                Some("capacity_exceeded"),
            ),
            (
                Mistral,
                422,
                r#"{"object":"error","message":{"detail":[{"loc":["body","x"],"msg":"Extra"}]},"code":null}"#,
                422,
                "x: Extra",
                None,
            ),
            (AzureOpenai, 401, r#"{"statusCode":401,"message":"Unauthorized."}"#, 401, "Unauthorized.", None),
            (Openrouter, 200, r#"{"error":{"code":502,"message":"down"}}"#, 502, "down", Some("502")),
        ];
        for (provider, status, body, meant, message, code) in cases {
            let told = told(provider, status, body);
            assert_eq!((told.0, told.1.as_str(), told.2.as_deref()), (meant, message, code), "{body}");
        }
    }

    #[test]
    fn the_wait_may_stand_in_the_body() {
        let body =
            r#"{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[{"retryDelay":"1.5s"}]}}"#;
        assert_eq!(told(Provider::Gemini, 429, body).3, Some(Duration::from_millis(1_500)));
        let body = r#"{"error":{"code":"429","message":"too many. Please retry after 6 seconds."}}"#;
        assert_eq!(told(Provider::AzureOpenai, 429, body).3, Some(Duration::from_secs(6)));
    }

    #[test]
    fn a_long_error_page_is_cut() {
        let page = "é".repeat(5_000);
        assert!(told(Provider::Openai, 500, &page).1.chars().count() < 1_100);
    }
}
