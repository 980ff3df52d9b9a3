//! What stands before every path: the request's id, the key, and the shape of errors.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use poem::error::{MethodNotAllowedError, NotFoundError};
use poem::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use poem::{Endpoint, IntoResponse, Request, Response};
use tracing::Instrument as _;

use super::chat::UpstreamWait;
use super::{Access, ApiError, Shared};
use crate::protocol::{Arrival, Caller, RequestId};
use crate::store::milliseconds;
use crate::telemetry::spans;

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Wraps all routes.
pub struct Front<E> {
    routes: E,
    shared: Arc<Shared>,
    access: Access,
}

impl<E> Front<E> {
    /// Puts the front before some routes.
    pub fn new(routes: E, shared: Arc<Shared>, access: Access) -> Self {
        Front { routes, shared, access }
    }
}

impl<E: Endpoint> Endpoint for Front<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let arrival = Arrival::now();
        let id = request
            .headers()
            .get(&REQUEST_ID)
            .and_then(|value| value.to_str().ok())
            .and_then(RequestId::from_client)
            .unwrap_or_else(RequestId::fresh);
        let header = HeaderValue::try_from(id.as_str()).unwrap_or_else(|_| HeaderValue::from_static("invalid"));
        mean_the_same(&mut request);
        let mut response = match self.admit(&request) {
            Err(refusal) => *refusal,
            Ok(caller) => {
                let span = spans::request(id.as_str());
                request.extensions_mut().insert(id);
                request.extensions_mut().insert(caller);
                request.extensions_mut().insert(arrival);
                let answering = AssertUnwindSafe(self.answer(request)).catch_unwind();
                answering.instrument(span.clone()).await.unwrap_or_else(|panic| {
                    span.in_scope(|| tracing::error!(panic = panic_message(&*panic), "a handler panicked"));
                    ApiError::internal().into_response()
                })
            }
        };
        let timing = own_time(&arrival, &response);
        response.headers_mut().insert(SERVER_TIMING, timing);
        response.headers_mut().insert(REQUEST_ID, header);
        Ok(response)
    }
}

impl<E: Endpoint> Front<E> {
    /// The busiest path goes straight to its handler, past a dozen layers that would each copy the
    /// request; the routes know it too, for the document.
    async fn answer(&self, mut request: Request) -> Response {
        if *request.method() == Method::POST && request.uri().path() == "/v1/chat/completions" {
            let body = request.take_body();
            return self.shared.chat(&request, body).await;
        }
        match self.routes.call(request).await {
            Ok(response) => response.into_response(),
            Err(error) => shape(error),
        }
    }
}

impl<E> Front<E> {
    /// Who makes a request.
    ///
    /// # Errors
    /// It may not pass: the answer that says so.
    fn admit(&self, request: &Request) -> Result<Caller, Box<Response>> {
        let path = request.uri().path();
        if self.shared.loopback_only && !names_this_machine(request) {
            let message = "this router has no key and serves this machine only: call it as localhost or by its address, \
                           or set server.api_key or server.host";
            return Err(Box::new(ApiError::new(StatusCode::FORBIDDEN, "foreign_host", message).into_response()));
        }
        if let Some(caller) = self.access.who(request) {
            return Ok(caller);
        }
        if matches!(path, "/healthz" | "/readyz" | "/sign-in") {
            return Ok(Caller::anybody());
        }
        let wants_page = *request.method() == Method::GET
            && (path == "/docs" || path.starts_with("/dashboard"))
            && !request.headers().contains_key(header::AUTHORIZATION);
        if wants_page {
            let elsewhere = Response::builder().status(StatusCode::SEE_OTHER).header(header::LOCATION, "/sign-in");
            return Err(Box::new(elsewhere.finish()));
        }
        let message =
            "the key is missing or wrong: send `Authorization: Bearer KEY` with the router's key (server.api_key)";
        let mut response = ApiError::new(StatusCode::UNAUTHORIZED, "invalid_api_key", message).into_response();
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        Err(Box::new(response))
    }
}

/// Whether `Host` is an address or a name of this machine. A page of another site whose name was made
/// to point here (DNS rebinding) sends that name.
fn names_this_machine(request: &Request) -> bool {
    let Some(host) = request.header(header::HOST) else { return true };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let name = name.trim_end_matches('.');
    name.eq_ignore_ascii_case("localhost")
        || name.to_ascii_lowercase().ends_with(".localhost")
        || name.parse::<std::net::IpAddr>().is_ok()
}

/// What the router itself added to an answer: the time until its head goes out, without that of upstreams.
///
/// Source: W3C, "Server Timing" (read 2026-11-30).
fn own_time(arrival: &Arrival, response: &Response) -> HeaderValue {
    let UpstreamWait(upstream_us) = response.extensions().get().copied().unwrap_or(UpstreamWait(0));
    let own = milliseconds((arrival.elapsed_us() - upstream_us).max(0));
    HeaderValue::try_from(format!("xrouter;dur={own}")).unwrap_or_else(|_| HeaderValue::from_static("xrouter"))
}

/// What a panic says.
fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}

/// Clients whose base URL has no `/v1` mean the same paths, and who names none means the first page.
fn mean_the_same(request: &mut Request) {
    let path = match request.uri().path() {
        "/chat/completions" => "/v1/chat/completions",
        "/embeddings" => "/v1/embeddings",
        "/models" => "/v1/models",
        "/" => "/dashboard",
        _ => return,
    };
    *request.uri_mut() = Uri::from_static(path);
}

/// An error in OpenAI's envelope. One that already carries an answer keeps it.
fn shape(error: poem::Error) -> Response {
    if error.is_from_response() {
        return error.into_response();
    }
    let status = error.status();
    let answer = if error.is::<NotFoundError>() {
        ApiError::new(status, "not_found", "there is nothing at this path; /docs lists what there is")
    } else if error.is::<MethodNotAllowedError>() {
        ApiError::new(status, "method_not_allowed", "this path does not take this method; /docs lists what it takes")
    } else if status.is_server_error() {
        tracing::error!(error = %error, "a handler failed");
        ApiError::internal()
    } else {
        ApiError::new(status, "invalid_request", error.to_string())
    };
    answer.into_response()
}
