//! Sends requests to upstreams: connections, pools, the time limit for connecting. `pictures.rs` has a client of its
//! own.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode, Url};

use super::{ProviderError, Target};
use crate::catalog::Provider;
use crate::telemetry::spans::TraceContext;

const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACE_STATE: HeaderName = HeaderName::from_static("tracestate");

/// Largest plain answer, in bytes.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;
/// How long an idle connection is kept.
const POOL_IDLE: Duration = Duration::from_secs(90);

/// Sends requests. Cheap to clone; the pools are shared.
#[derive(Debug, Clone)]
pub struct Client {
    /// By connect time-out, and whether the system's proxy is passed by.
    pools: HashMap<(Duration, bool), reqwest::Client>,
}

/// An answer that has begun.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    provider: Provider,
    response: reqwest::Response,
}

impl Client {
    /// Prepares a pool for each of the given kinds of upstream: connect time-out, and whether it is local.
    ///
    /// # Errors
    /// TLS cannot be set up.
    #[expect(clippy::disallowed_methods, reason = "this builds the clients that others share")]
    pub fn new(kinds: impl IntoIterator<Item = (Duration, bool)>) -> Result<Self, reqwest::Error> {
        // A second call, as in tests, finds the provider installed: that is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut pools = HashMap::new();
        for (connect, local) in kinds {
            if pools.contains_key(&(connect, local)) {
                continue;
            }
            let mut builder = reqwest::Client::builder()
                .connect_timeout(connect)
                .pool_idle_timeout(POOL_IDLE)
                .pool_max_idle_per_host(256)
                .tcp_nodelay(true)
                .redirect(reqwest::redirect::Policy::none())
                // Retrying is the gateway's; this also saves a copy of every request.
                .retry(reqwest::retry::never().max_retries_per_request(0));
            if local {
                builder = builder.no_proxy();
            }
            pools.insert((connect, local), builder.build()?);
        }
        Ok(Client { pools })
    }

    /// Sends a chat request to a target, as a part of the client's trace if there is one, and waits for its answer's head.
    ///
    /// # Errors
    /// No connection, or it broke.
    pub async fn chat(
        &self,
        target: &Target,
        model: &str,
        stream: bool,
        body: Bytes,
        trace: Option<&TraceContext>,
    ) -> Result<Reply, ProviderError> {
        let upstream = &target.upstream;
        let kind = (upstream.timeouts.connect, upstream.endpoint.is_local());
        let mut request = reqwest::Request::new(Method::POST, target.url(model, stream));
        *request.body_mut() = Some(body.into());
        target.sign(&mut request);
        if let Some((parent, state)) = trace.map(TraceContext::headers) {
            let state = state.and_then(|state| HeaderValue::try_from(state).ok());
            let headers = request.headers_mut();
            headers.extend(HeaderValue::try_from(parent).ok().map(|parent| (TRACE_PARENT, parent)));
            headers.extend(state.map(|state| (TRACE_STATE, state)));
        }
        self.send(kind, upstream.provider, request).await
    }

    /// Asks a target for the list of its models: one page of it.
    ///
    /// # Errors
    /// No connection, or it broke.
    pub async fn models(&self, target: &Target, url: Url) -> Result<Reply, ProviderError> {
        let upstream = &target.upstream;
        let kind = (upstream.timeouts.connect, upstream.endpoint.is_local());
        let mut request = reqwest::Request::new(Method::GET, url);
        target.sign(&mut request);
        self.send(kind, upstream.provider, request).await
    }

    /// Sends any JSON body.
    ///
    /// # Errors
    /// No connection, or it broke.
    pub async fn post(
        &self,
        kind: (Duration, bool),
        provider: Provider,
        url: Url,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Reply, ProviderError> {
        let mut request = reqwest::Request::new(Method::POST, url);
        *request.headers_mut() = headers;
        *request.body_mut() = Some(body.into());
        self.send(kind, provider, request).await
    }

    async fn send(
        &self,
        kind: (Duration, bool),
        provider: Provider,
        request: reqwest::Request,
    ) -> Result<Reply, ProviderError> {
        let pool = self.pools.get(&kind).or_else(|| self.pools.values().next());
        let Some(pool) = pool else {
            return Err(ProviderError::Unreachable { provider, reason: "no connection pool".to_owned() });
        };
        let response = pool.execute(request).await.map_err(|error| unreachable(provider, error, kind.0))?;
        Ok(Reply { status: response.status(), headers: response.headers().clone(), provider, response })
    }
}

impl Reply {
    /// What its body is, as it says; empty if it does not.
    #[must_use]
    pub fn content_type(&self) -> &str {
        self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The next piece of the body; `None` at its end.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, ProviderError> {
        let provider = self.provider;
        self.response.chunk().await.map_err(|error| ProviderError::Unreachable {
            provider,
            reason: format!("its answer broke off ({})", cause(&error)),
        })
    }

    /// The whole body.
    ///
    /// # Errors
    /// The connection broke, or the body is larger than 64 MiB.
    pub async fn body(&mut self) -> Result<Bytes, ProviderError> {
        let Some(first) = self.chunk().await? else { return Ok(Bytes::new()) };
        let Some(second) = self.chunk().await? else { return Ok(first) };
        let mut whole = Vec::with_capacity(4 * (first.len() + second.len()));
        whole.extend_from_slice(&first);
        let mut next = Some(second);
        while let Some(chunk) = next {
            if whole.len() + chunk.len() > LARGEST_ANSWER {
                let reason = format!("it is larger than {LARGEST_ANSWER} bytes");
                return Err(ProviderError::Malformed { provider: self.provider, reason });
            }
            whole.extend_from_slice(&chunk);
            next = self.chunk().await?;
        }
        Ok(Bytes::from(whole))
    }
}

fn unreachable(provider: Provider, error: reqwest::Error, connect: Duration) -> ProviderError {
    // `connect_timeout` is the only limit that the client itself has.
    if error.is_timeout() {
        return ProviderError::Timeout { provider, limit: connect };
    }
    ProviderError::Unreachable { provider, reason: cause(&error.without_url()) }
}

/// The innermost cause, which says most ("connection refused").
fn cause(error: &reqwest::Error) -> String {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(next) = deepest.source() {
        deepest = next;
    }
    deepest.to_string()
}
