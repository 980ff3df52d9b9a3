//! A request's body, read up to a limit, and without a copy where it comes in one piece.

use std::marker::PhantomData;
use std::pin::pin;
use std::sync::Mutex;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use poem::http::StatusCode;
use poem::{Body, Request, RequestBody};
use poem_openapi::registry::{MetaMediaType, MetaRequest, Registry};
use poem_openapi::types::{ParseError, ParseFromJSON, Type};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use super::ApiError;

/// Longest wait for the next piece of a body.
const PIECE: Duration = Duration::from_secs(30);

/// A JSON body as it comes in, not yet read. `T` is what the document says of it.
pub(super) struct JsonBody<T> {
    body: Mutex<Option<Body>>,
    described: PhantomData<T>,
}

impl<T> JsonBody<T> {
    pub(super) fn take(self) -> Body {
        self.body.into_inner().ok().flatten().unwrap_or_else(Body::empty)
    }
}

impl<'a, T: Type> ApiExtractor<'a> for JsonBody<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let content = vec![MetaMediaType { content_type: "application/json", schema: T::schema_ref() }];
        Some(MetaRequest { description: None, content, required: true })
    }

    async fn from_request(_: &'a Request, body: &mut RequestBody, _: ExtractParamOptions<()>) -> poem::Result<Self> {
        Ok(JsonBody { body: Mutex::new(body.take().ok()), described: PhantomData })
    }
}

/// What a JSON body holds, or what is wrong with it.
pub(super) fn parse<T: ParseFromJSON>(body: &[u8]) -> Result<T, String> {
    let json = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    T::parse_from_json(Some(json)).map_err(ParseError::into_message)
}

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
