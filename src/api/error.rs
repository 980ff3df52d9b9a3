//! Errors as HTTP: OpenAI's envelope and headers. Which failure becomes which status, [`Reason::status_and_code`] says.

use poem::http::{HeaderValue, StatusCode, header};
use poem::{IntoResponse, Response};
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiResponse, Object};

use crate::gateway::{GatewayError, Reason, Unsupported};
use crate::protocol::{ErrorBody, ErrorEnvelope, RequestError};
use crate::providers::{EncodeError, ProviderError, Verdict, whole_seconds};
use crate::routing::UnknownName;
use crate::store::StoreError;

/// An error answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    status: StatusCode,
    body: Box<ErrorBody>,
    retry_after: Option<String>,
}

/// OpenAI's error envelope, for the document.
#[derive(Object)]
#[oai(rename = "Error")]
struct ErrorSchema {
    /// What went wrong.
    error: ErrorBodySchema,
}

/// What went wrong.
#[derive(Object)]
#[oai(rename = "ErrorBody")]
struct ErrorBodySchema {
    /// A sentence for people: what, where and what to do.
    message: String,
    /// The kind of error: `invalid_request_error`, `authentication_error`, `not_found_error`, `rate_limit_error`,
    /// `api_error`, or the provider's own where its refusal of the request is handed on.
    #[oai(rename = "type")]
    kind: String,
    /// A stable word for programs.
    code: Option<String>,
    /// The request's field that is at fault.
    param: Option<String>,
    /// The provider whose answer this is, if one answered.
    provider: Option<String>,
    /// The name of that upstream in the configuration.
    upstream: Option<String>,
}

impl ApiError {
    /// An error of the router's own.
    #[must_use]
    pub fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        let body = ErrorBody {
            message: message.into(),
            kind: kind_of(status).to_owned(),
            code: Some(code.to_owned()),
            param: None,
            provider: None,
            upstream: None,
        };
        ApiError { status, body: Box::new(body), retry_after: None }
    }

    /// A request that is at fault in one field.
    #[must_use]
    pub fn invalid(param: &str, message: impl Into<String>) -> Self {
        let mut error = Self::new(StatusCode::BAD_REQUEST, "invalid_request", message);
        error.body.param = Some(param.to_owned());
        error
    }

    /// The router's own fault. It says nothing but where to look.
    #[must_use]
    pub fn internal() -> Self {
        let message = "the router failed; its log has the cause under this answer's X-Request-Id";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", message)
    }
}

fn kind_of(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 | 403 => "authentication_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    }
}

impl From<&GatewayError> for ApiError {
    fn from(error: &GatewayError) -> Self {
        let (status, code) = error.reason.status_and_code();
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
        let mut answer = Self::new(status, code, error.to_string());
        match &error.reason {
            Reason::Request(RequestError::Malformed { param, .. }) => {
                answer.body.param = param.map(str::to_owned);
            }
            Reason::Request(RequestError::Field { param, .. }) => answer.body.param = Some(param.clone()),
            Reason::Name(UnknownName::Tier(_)) => answer.body.param = Some("X-Xrouter-Tier".to_owned()),
            Reason::Name(UnknownName::Preset(_)) | Reason::NoEmbeddings { .. } => {
                answer.body.param = Some("model".to_owned());
            }
            Reason::Limit { limit, .. } => {
                answer.body.param = matches!(limit, Unsupported::Context { .. }).then(|| "messages".to_owned());
            }
            Reason::NoUpstream(_) => {}
            Reason::Upstream { error, upstream } => answer.upstream(error, upstream),
        }
        answer
    }
}

impl ApiError {
    fn upstream(&mut self, error: &ProviderError, upstream: &str) {
        self.body.upstream = Some(upstream.to_owned());
        match error {
            ProviderError::NoModel { .. } => self.body.param = Some("model".to_owned()),
            ProviderError::Encode(EncodeError::Invalid { param, .. }) => {
                self.body.upstream = None;
                self.body.param = Some(param.clone());
            }
            ProviderError::Encode(EncodeError::Inexpressible { provider, param, .. }) => {
                self.body.provider = Some(provider.as_str().to_owned());
                self.body.param = Some(param.clone());
            }
            ProviderError::Picture { param, .. } => self.body.param = Some(param.clone()),
            ProviderError::Unreachable { provider, .. }
            | ProviderError::Timeout { provider, .. }
            | ProviderError::Malformed { provider, .. } => self.body.provider = Some(provider.as_str().to_owned()),
            ProviderError::Status { provider, detail, retry_after, message, .. } => {
                self.body.provider = Some(provider.as_str().to_owned());
                if error.verdict() == Verdict::Operator {
                    self.body.message = format!("upstream {upstream}: {}", error.public_message());
                    return;
                }
                self.retry_after = retry_after.map(|wait| whole_seconds(wait).to_string());
                if error.verdict() == Verdict::Client {
                    self.body.message.clone_from(message);
                    if let Some(detail) = detail {
                        if !detail.kind.is_empty() {
                            self.body.kind.clone_from(&detail.kind);
                        }
                        self.body.param.clone_from(&detail.param);
                        self.body.code = detail.code.clone().or_else(|| self.body.code.take());
                    }
                }
            }
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        if let StoreError::TooSlow = error {
            tracing::warn!("a query of the history took too long");
            return Self::new(StatusCode::SERVICE_UNAVAILABLE, "history_too_slow", error.to_string());
        }
        tracing::error!(error = ?error, "a query of the history failed");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "history_unavailable", error.to_string())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let json = serde_json::to_string(&ErrorEnvelope { error: *self.body }).unwrap_or_default();
        let mut response = Response::builder().status(self.status).content_type("application/json").body(json);
        if let Some(value) = self.retry_after.and_then(|value| HeaderValue::try_from(value).ok()) {
            response.headers_mut().insert(header::RETRY_AFTER, value);
        }
        response
    }
}

impl From<ApiError> for poem::Error {
    fn from(error: ApiError) -> Self {
        poem::Error::from_response(error.into_response())
    }
}

impl ApiResponse for ApiError {
    fn meta() -> MetaResponses {
        let error = |status, description| MetaResponse {
            description,
            status: Some(status),
            status_range: None,
            content: vec![MetaMediaType { content_type: "application/json", schema: ErrorSchema::schema_ref() }],
            headers: Vec::new(),
        };
        MetaResponses {
            responses: vec![
                error(400, "The request is at fault; `param` names the field"),
                error(401, "The key is missing or wrong"),
                error(503, "The router or every upstream is not available now"),
            ],
        }
    }

    fn register(registry: &mut Registry) {
        ErrorSchema::register(registry);
    }
}
