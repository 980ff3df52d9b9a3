//! A whole answer in this dialect.

use bytes::Bytes;
use reqwest::header::HeaderMap;

use super::super::error_body;
use super::super::{Answer, ProviderError};
use super::Normaliser;
use crate::catalog::Provider;
use crate::protocol::AnswerView;

/// An answer in OpenAI's form: byte for byte, but for what a strict client would stumble over.
pub(in super::super) fn whole(provider: Provider, body: Bytes) -> Result<Answer, ProviderError> {
    let body = match Normaliser::new(provider, false) {
        None => body,
        Some(mut normaliser) => normaliser.put_right(&body)?.map(Bytes::from).unwrap_or(body),
    };
    let error = |body: &[u8]| error_body::read_error(provider, 200, &HeaderMap::new(), body);
    // Looked at once as a whole, and not again by each of its texts.
    let text = std::str::from_utf8(&body).map_err(|error| error.to_string());
    let view = text.and_then(|text| serde_json::from_str::<AnswerView<'_>>(text).map_err(|error| error.to_string()));
    let (model, usage, raw_usage) = match view {
        Ok(view) if view.is_failed() => return Err(error(&failed_choice(&body))),
        Ok(view) => (view.model().map(str::to_owned), view.token_usage(), view.raw_usage()),
        Err(_) if error_body::is_error(&body) => return Err(error(&body)),
        Err(reason) => return Err(ProviderError::Malformed { provider, reason }),
    };
    Ok(Answer { model, usage: usage.unwrap_or_default(), raw_usage, turn: None, body })
}

/// What a choice that failed says of it.
fn failed_choice(body: &[u8]) -> Vec<u8> {
    let answer: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let choice = &answer["choices"][0];
    let error = if let Some(error) = choice.get("error") {
        serde_json::json!({ "error": error })
    } else {
        let reason = choice["finish_reason"].as_str().unwrap_or("error");
        serde_json::json!({ "error": { "message": format!("the model ended with `{reason}`") } })
    };
    error.to_string().into_bytes()
}
