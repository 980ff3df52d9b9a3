//! A request's body, read up to a limit, and without a copy where it comes in one piece.

use std::pin::pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use poem::Body;
use poem::http::StatusCode;

use super::ApiError;

/// Longest wait for the next piece of a body.
const PIECE: Duration = Duration::from_secs(30);

/// Reads a body of at most `limit` bytes. `told` is its length if the client says it.
///
/// # Errors
/// It is larger than that, it breaks off, or its next piece takes longer than 30 s.
pub async fn read(body: Body, limit: usize, told: Option<usize>) -> Result<Bytes, ApiError> {
    let too_large = || {
        let message = format!("the body is larger than {limit} bytes (server.body_limit)");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
    };
    let broken = |error: std::io::Error| {
        ApiError::new(StatusCode::BAD_REQUEST, "invalid_request", format!("the body broke off: {error}"))
    };
    if told.is_some_and(|told| told > limit) {
        return Err(too_large());
    }
    let mut pieces = pin!(body.into_bytes_stream());
    let too_slow = |_| {
        let message = format!("nothing more of the body came within {PIECE:?}");
        ApiError::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", message)
    };
    let mut piece = async || {
        let piece = tokio::time::timeout(PIECE, pieces.try_next()).await;
        piece.map_err(too_slow)?.map_err(broken)
    };
    let Some(first) = piece().await? else { return Ok(Bytes::new()) };
    let mut next = piece().await?;
    if next.is_none() && first.len() <= limit {
        return Ok(first);
    }
    let mut whole = BytesMut::with_capacity(told.unwrap_or(first.len() * 4).min(limit));
    whole.extend_from_slice(&first);
    while let Some(bytes) = next {
        if whole.len() + bytes.len() > limit {
            return Err(too_large());
        }
        whole.extend_from_slice(&bytes);
        next = piece().await?;
    }
    if whole.len() > limit { Err(too_large()) } else { Ok(whole.freeze()) }
}
