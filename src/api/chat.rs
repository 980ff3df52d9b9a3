//! `POST /v1/chat/completions`.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use poem::http::{HeaderName, HeaderValue, StatusCode, header};
use poem::{Body, IntoResponse, Request, Response};
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiResponse, OpenApi};
use tracing::Span;

use super::body::JsonBody;
use super::conversation::Names;
use super::schema::{ChatCompletion, ChatCompletionRequest};
use super::{ApiError, Shared, Tag, body};
use crate::gateway::{Answer, AnswerBody, CacheControl, ChatCall, GatewayError, Meter, Route};
use crate::protocol::{Arrival, Caller, RequestId};
use crate::routing::TIER_HEADER;
use crate::telemetry::spans::TraceContext;

/// Microseconds that an answer waited for upstreams, up to the first event of a stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct UpstreamWait(pub(super) i64);

pub(super) struct ChatApi(pub(super) Arc<Shared>);

#[OpenApi]
impl ChatApi {
    /// Answer a conversation
    ///
    /// The router decides how strong a model the request needs and sends it to the cheapest tier that
    /// can do it. `model` may force a tier (`xrouter/cheap`, `xrouter/medium`, `xrouter/frontier`, also without
    /// `xrouter/`); every other name lets the router decide. The header `X-Xrouter-Tier` forces a tier too, and
    /// wins; with `auto` it says nothing, and the model's name counts. `X-Xrouter-Session` names the conversation, by
    /// which the history can be searched. Fields that are not listed here go on to upstreams with OpenAI's API, with
    /// few edits. For other providers the request is translated; a field that one has no word for is refused (400,
    /// `unsupported_parameter`, `param` names it), or left out and named in the answer's `X-Xrouter-Dropped-Params`
    /// where the upstream is configured so. Where `[response_cache]` is on, an equal request with temperature 0 and
    /// without tools gets the same bytes again, which `X-Xrouter-Cache: hit` tells; `Cache-Control: no-cache` asks
    /// anew, `no-store` also keeps nothing. Also served without `/v1`.
    #[oai(path = "/v1/chat/completions", method = "post", operation_id = "createChatCompletion", tag = "Tag::Chat")]
    async fn create(&self, request: &Request, body: JsonBody<ChatCompletionRequest>) -> Result<ChatAnswer, ApiError> {
        Ok(ChatAnswer(self.0.chat(request, body.take()).await))
    }
}

impl Shared {
    /// Answers a chat request. Errors are answers too, as they carry the same headers.
    pub(super) async fn chat(&self, request: &Request, body: Body) -> Response {
        let call = match self.call(request, body).await {
            Ok(call) => call,
            Err(error) => return error.into_response(),
        };
        // Boxed here, so that the layers around it do not each copy a future of some kilobytes.
        let answer = Box::pin(self.gateway.chat(call)).await;
        self.respond(answer)
    }

    /// What the gateway answers, as it goes out.
    pub(super) fn respond(&self, answer: Result<Answer, GatewayError>) -> Response {
        let (mut response, route) = match answer {
            Ok(Answer { body: AnswerBody::Whole(bytes), route }) => {
                (Response::builder().content_type("application/json").body(bytes), Some(route))
            }
            Ok(Answer { body: AnswerBody::Stream(meter), route }) => (event_stream(pieces(meter)), Some(route)),
            Ok(Answer { body: AnswerBody::Replay(bytes), route }) => (event_stream(Body::from(bytes)), Some(route)),
            Err(error) => (ApiError::from(&error).into_response(), error.route),
        };
        if let Some(route) = &route {
            self.tell(&mut response, route);
            response.extensions_mut().insert(UpstreamWait(route.upstream_us));
        }
        response
    }

    /// A request as the gateway takes it.
    pub(super) async fn call(&self, request: &Request, body: Body) -> Result<ChatCall, ApiError> {
        let body = self.read(request, body).await?;
        Ok(self.call_with(request, body))
    }

    /// The same, with a body that is read.
    pub(super) fn call_with(&self, request: &Request, body: Bytes) -> ChatCall {
        let arrival = request.extensions().get::<Arrival>().copied().unwrap_or_else(Arrival::now);
        let tier = request.headers().get(TIER_HEADER).and_then(|value| value.to_str().ok());
        let Names { session, agent } = Names::of(request.headers());
        ChatCall {
            body,
            request_id: request.extensions().get::<RequestId>().cloned().unwrap_or_else(RequestId::fresh),
            tier_header: tier.map(str::to_owned),
            session,
            agent,
            caller: request.extensions().get::<Caller>().cloned().unwrap_or_default(),
            headers: self.rule_headers(request),
            cache_control: cache_control(request),
            arrival,
            trace: trace(request),
        }
    }

    /// The headers that rules look at.
    fn rule_headers(&self, request: &Request) -> Vec<(String, String)> {
        let value = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        let found =
            self.gateway.policy.rules.headers().filter_map(|name| Some((name.to_owned(), value(name)?.to_owned())));
        found.collect()
    }

    /// A JSON body, up to the limit.
    pub(super) async fn read(&self, request: &Request, body: Body) -> Result<Bytes, ApiError> {
        let kind = request.content_type().unwrap_or_default();
        let essence = kind.split(';').next().unwrap_or_default().trim();
        // Also keeps web pages out: a browser asks before it sends this type to another origin.
        if !essence.eq_ignore_ascii_case("application/json") {
            let message = format!("the content type is `{kind}`; send `Content-Type: application/json`");
            return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message));
        }
        let told = request.header(header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
        body::read(body, self.body_limit, told).await
    }

    /// Writes the way that a request took into the answer's headers.
    fn tell(&self, response: &mut Response, route: &Route) {
        const MODEL: HeaderName = HeaderName::from_static("x-xrouter-model");
        const SOURCE: HeaderName = HeaderName::from_static("x-xrouter-source");
        const DROPPED: HeaderName = HeaderName::from_static("x-xrouter-dropped-params");
        const CACHE: HeaderName = HeaderName::from_static("x-xrouter-cache");
        const ATTEMPTS: HeaderName = HeaderName::from_static("x-xrouter-attempts");
        let headers = response.headers_mut();
        headers.insert(&self.decision_header, HeaderValue::from(u16::from(route.decision.number())));
        if let Some(source) = route.source {
            headers.insert(SOURCE, HeaderValue::from_static(source.as_str()));
        }
        headers.insert(ATTEMPTS, HeaderValue::from(route.attempts));
        if let Some(tier) = route.tier {
            headers.insert(&self.upstream_header, HeaderValue::from_static(tier.as_str()));
        }
        if let Some(model) = route.model.as_deref().and_then(|model| HeaderValue::try_from(model).ok()) {
            headers.insert(MODEL, model);
        }
        if let Some(hit) = route.cached {
            headers.insert(CACHE, HeaderValue::from_static(if hit { "hit" } else { "miss" }));
        }
        if !route.dropped.is_empty()
            && let Ok(names) = HeaderValue::try_from(route.dropped.join(", "))
        {
            headers.insert(DROPPED, names);
        }
    }
}

/// The trace that the request is part of.
fn trace(request: &Request) -> Option<TraceContext> {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let trace = TraceContext::read(header("traceparent"), header("tracestate"))?;
    Span::current().record("trace_id", trace.trace_id());
    Some(trace)
}

/// What the request says of the response cache.
fn cache_control(request: &Request) -> CacheControl {
    let mut said = CacheControl::Default;
    for value in request.headers().get_all(header::CACHE_CONTROL) {
        for word in value.to_str().unwrap_or_default().split(',').map(str::trim) {
            if word.eq_ignore_ascii_case("no-store") {
                return CacheControl::NoStore;
            }
            if word.eq_ignore_ascii_case("no-cache") || word.eq_ignore_ascii_case("max-age=0") {
                said = CacheControl::NoCache;
            }
        }
    }
    said
}

fn pieces(meter: Box<Meter>) -> Body {
    let pieces = stream::unfold(meter, |mut meter| async move {
        let bytes = meter.next().await?;
        Some((Ok::<Bytes, std::io::Error>(bytes), meter))
    });
    Body::from_bytes_stream(pieces)
}

fn event_stream(body: Body) -> Response {
    Response::builder()
        .content_type("text/event-stream")
        .header(header::CACHE_CONTROL, "no-cache")
        .header("x-accel-buffering", "no")
        .body(body)
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
