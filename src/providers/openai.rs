//! OpenAI's chat dialect, in which requests and answers pass through byte for byte but for the
//! fields that must change.

use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{ProviderError, Target};
use crate::catalog::Provider;
use crate::protocol::{ChatRequest, ErrorBody, UsageChunk};

/// Longest error text that is passed on, in characters.
const LONGEST_MESSAGE: usize = 1_000;

/// The body for a target: the request with the model that it is to be answered by.
#[must_use]
pub fn encode(target: &Target, request: &ChatRequest<'_>, model: &str) -> Bytes {
    request.with_model(model, usage_chunk(target.upstream.provider))
}

/// Mistral and Perplexity report usage in a stream's last chunk by themselves; Mistral refuses the
/// option as an unknown field (422).
///
/// Source: their API references, read 2026-11-23.
fn usage_chunk(provider: Provider) -> UsageChunk {
    match provider {
        Provider::Mistral => UsageChunk::Remove,
        Provider::Perplexity => UsageChunk::Leave,
        _ => UsageChunk::Ask,
    }
}

/// What an answer with an error status, or an error inside a stream, says.
#[must_use]
pub fn error_from_answer(provider: Provider, status: u16, retry_after: Option<String>, body: &[u8]) -> ProviderError {
    let detail = read_error(body);
    let message = match &detail {
        Some(detail) => detail.message.clone(),
        None => shorten(String::from_utf8_lossy(body).trim()),
    };
    let message = if message.is_empty() { "no message".to_owned() } else { message };
    ProviderError::Status { provider, status, message, detail: detail.map(Box::new), retry_after }
}

/// `{"error": {"message", "type", "code", "param"}}` as OpenAI writes it, and the shorter forms that
/// its followers write: `{"error": "text"}` and `{"message": "text"}`.
fn read_error(body: &[u8]) -> Option<ErrorBody> {
    #[derive(Deserialize)]
    struct Envelope {
        error: Option<Inner>,
        message: Option<Text>,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Inner {
        Full {
            message: Option<Text>,
            #[serde(rename = "type")]
            kind: Option<Text>,
            code: Option<Text>,
            param: Option<Text>,
        },
        Short(String),
        Other(IgnoredAny),
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Text {
        Plain(String),
        Number(serde_json::Number),
        Other(IgnoredAny),
    }
    impl Text {
        fn text(self) -> Option<String> {
            match self {
                Text::Plain(text) => Some(shorten(&text)),
                Text::Number(number) => Some(number.to_string()),
                Text::Other(_) => None,
            }
        }
    }
    let envelope: Envelope = serde_json::from_slice(body).ok()?;
    let plain = |message: String| ErrorBody {
        message,
        kind: String::new(),
        code: None,
        param: None,
        provider: None,
        upstream: None,
    };
    match envelope.error {
        Some(Inner::Full { message, kind, code, param }) => Some(ErrorBody {
            kind: kind.and_then(Text::text).unwrap_or_default(),
            code: code.and_then(Text::text),
            param: param.and_then(Text::text),
            ..plain(message.and_then(Text::text).unwrap_or_default())
        }),
        Some(Inner::Short(message)) => Some(plain(shorten(&message))),
        Some(Inner::Other(_)) | None => envelope.message.and_then(Text::text).map(plain),
    }
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(LONGEST_MESSAGE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_read_in_all_their_forms() {
        let cases: [(&[u8], &str, Option<&str>); 6] = [
            (br#"{"error":{"message":"m","type":"t","code":"c","param":"p"}}"#, "m", Some("c")),
            (br#"{"error":{"message":"m","code":503}}"#, "m", Some("503")),
            (br#"{"error":"short"}"#, "short", None),
            (br#"{"message":"bare","object":"error"}"#, "bare", None),
            (b"<html>bad gateway</html>", "<html>bad gateway</html>", None),
            (b"", "no message", None),
        ];
        for (body, expected, expected_code) in cases {
            let error = error_from_answer(Provider::Openai, 500, None, body);
            let ProviderError::Status { message, detail, .. } = error else { panic!("not a status") };
            assert_eq!(message, expected);
            assert_eq!(detail.and_then(|detail| detail.code).as_deref(), expected_code);
        }
    }

    #[test]
    fn a_long_error_page_is_cut() {
        let error = error_from_answer(Provider::Openai, 500, None, "é".repeat(5_000).as_bytes());
        assert!(error.to_string().chars().count() < 1_100);
    }
}
