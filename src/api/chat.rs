//! `POST /v1/chat/completions`.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::stream;
use poem::error::ReadBodyError;
use poem::http::{HeaderName, HeaderValue, StatusCode, header};
use poem::{Body, IntoResponse, Request, RequestBody, Response};
use poem_openapi::registry::{MetaMediaType, MetaRequest, MetaResponse, MetaResponses, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ApiResponse, ExtractParamOptions, OpenApi};

use super::schema::{ChatCompletion, ChatCompletionRequest};
use super::{ApiError, Shared, Tag};
use crate::gateway::{AnswerBody, ChatCall, Route};
use crate::protocol::RequestId;
use crate::routing::TIER_HEADER;

pub(super) struct ChatApi(pub(super) Arc<Shared>);

#[OpenApi]
impl ChatApi {
    /// Answer a conversation
    ///
    /// The router decides how strong a model the request needs and sends it to the cheapest tier that
    /// can do it. `model` may force a tier (`xrouter/cheap`, `xrouter/medium`, `xrouter/frontier`); every
    /// other name lets the router decide, as does the header `X-Xrouter-Tier: auto`. Fields that are not
    /// listed here pass through untouched. Also served without `/v1`.
    #[oai(path = "/v1/chat/completions", method = "post", operation_id = "createChatCompletion", tag = "Tag::Chat")]
    async fn create(&self, request: &Request, body: ChatBody) -> Result<ChatAnswer, ApiError> {
        let shared = &self.0;
        let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        let call = ChatCall {
            body: body.read(shared.body_limit, request).await?,
            request_id: request.extensions().get::<RequestId>().cloned().unwrap_or_else(RequestId::fresh),
            tier_header: text(TIER_HEADER).map(str::to_owned),
            key: shared.key_name.clone(),
            arrived: body.arrived,
        };
        match shared.gateway.chat(call).await {
            Ok(answer) => {
                let mut response = match answer.body {
                    AnswerBody::Whole(bytes) => Response::builder().content_type("application/json").body(bytes),
                    AnswerBody::Stream(meter) => {
                        let pieces = stream::unfold(meter, |mut meter| async move {
                            let bytes = meter.next().await?;
                            Some((Ok::<Bytes, std::io::Error>(bytes), meter))
                        });
                        Response::builder()
                            .content_type("text/event-stream")
                            .header(header::CACHE_CONTROL, "no-cache")
                            .header("x-accel-buffering", "no")
                            .body(Body::from_bytes_stream(pieces))
                    }
                };
                shared.tell(&mut response, &answer.route);
                Ok(ChatAnswer(response))
            }
            Err(error) => {
                let mut response = ApiError::from(&error).into_response();
                if let Some(route) = &error.route {
                    shared.tell(&mut response, route);
                }
                Ok(ChatAnswer(response))
            }
        }
    }
}

impl Shared {
    /// Writes the way that a request took into the answer's headers.
    fn tell(&self, response: &mut Response, route: &Route) {
        const MODEL: HeaderName = HeaderName::from_static("x-xrouter-model");
        const SOURCE: HeaderName = HeaderName::from_static("x-xrouter-source");
        const ATTEMPTS: HeaderName = HeaderName::from_static("x-xrouter-attempts");
        let headers = response.headers_mut();
        headers.insert(&self.decision_header, HeaderValue::from(u16::from(route.decision.number())));
        headers.insert(SOURCE, HeaderValue::from_static(route.source.as_str()));
        headers.insert(ATTEMPTS, HeaderValue::from(route.attempts));
        if let Some(tier) = route.tier {
            headers.insert(&self.upstream_header, HeaderValue::from_static(tier.as_str()));
        }
        if let Some(model) = route.model.as_deref().and_then(|model| HeaderValue::try_from(model).ok()) {
            headers.insert(MODEL, model);
        }
    }
}

/// The body as it comes in, not yet read.
struct ChatBody {
    body: std::sync::Mutex<Option<Body>>,
    arrived: Instant,
}

impl ChatBody {
    /// Reads the body, up to the limit.
    async fn read(&self, limit: usize, request: &Request) -> Result<Bytes, ApiError> {
        let kind = request.content_type().unwrap_or_default();
        let essence = kind.split(';').next().unwrap_or_default().trim();
        // Also keeps web pages out: a browser asks before it sends this type to another origin.
        if !essence.eq_ignore_ascii_case("application/json") {
            let message = format!("the content type is `{kind}`; send `Content-Type: application/json`");
            return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message));
        }
        let body = self.body.lock().ok().and_then(|mut body| body.take()).unwrap_or_else(Body::empty);
        body.into_bytes_limit(limit).await.map_err(|error| match error {
            ReadBodyError::PayloadTooLarge => {
                let message = format!("the body is larger than {limit} bytes (server.body_limit)");
                ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
            }
            other => ApiError::new(StatusCode::BAD_REQUEST, "invalid_request", format!("the body broke off: {other}")),
        })
    }
}

impl<'a> ApiExtractor<'a> for ChatBody {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        ChatCompletionRequest::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(MetaRequest {
            description: Some("A request as in OpenAI's chat completions API"),
            content: vec![MetaMediaType {
                content_type: "application/json",
                schema: ChatCompletionRequest::schema_ref(),
            }],
            required: true,
        })
    }

    async fn from_request(_: &'a Request, body: &mut RequestBody, _: ExtractParamOptions<()>) -> poem::Result<Self> {
        Ok(ChatBody { body: std::sync::Mutex::new(body.take().ok()), arrived: Instant::now() })
    }
}

/// A chat answer: JSON, or an event stream; errors included, as they carry the same headers.
struct ChatAnswer(Response);

impl IntoResponse for ChatAnswer {
    fn into_response(self) -> Response {
        self.0
    }
}

impl ApiResponse for ChatAnswer {
    fn meta() -> MetaResponses {
        let schema = ChatCompletion::schema_ref();
        MetaResponses {
            responses: vec![MetaResponse {
                description: "The upstream's answer: one JSON object, or with `stream: true` server-sent events that \
                    end in `data: [DONE]`. A stream that breaks ends with `data: {\"error\": …}` instead",
                status: Some(200),
                status_range: None,
                content: vec![
                    MetaMediaType { content_type: "application/json", schema: schema.clone() },
                    MetaMediaType { content_type: "text/event-stream", schema: String::schema_ref() },
                ],
                headers: Vec::new(),
            }],
        }
    }

    fn register(registry: &mut Registry) {
        ChatCompletion::register(registry);
    }
}
