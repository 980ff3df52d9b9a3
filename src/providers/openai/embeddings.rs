//! An answer with embeddings: byte for byte, once it is known to be one.

use bytes::Bytes;
use reqwest::header::HeaderMap;

use super::super::error_body;
use super::super::{Answer, ProviderError};
use crate::catalog::Provider;
use crate::protocol::EmbeddingsView;

/// Reads an answer of an embeddings API in OpenAI's form.
///
/// # Errors
/// It is an error, or no such answer.
pub fn read_embeddings(provider: Provider, body: Bytes) -> Result<Answer, ProviderError> {
    let (model, usage) = match serde_json::from_slice::<EmbeddingsView<'_>>(&body) {
        Ok(view) => (view.model().map(str::to_owned), view.usage()),
        Err(_) if error_body::is_error(&body) => {
            return Err(error_body::read_error(provider, 200, &HeaderMap::new(), &body));
        }
        Err(error) => return Err(ProviderError::Malformed { provider, reason: error.to_string() }),
    };
    let (usage, raw_usage) = usage.map_or_else(Default::default, |(usage, raw)| (usage, Some(raw)));
    Ok(Answer { model, usage, raw_usage, turn: None, body })
}
