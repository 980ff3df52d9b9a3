//! Sends requests to upstreams: connections, pools, the time limit for connecting. `pictures.rs` has a client of its
//! own.
//!
//! Most requests go over a pool of hyper's. Where the system has a proxy for an address, reqwest sends them: it knows all
//! kinds of proxies, and costs a third more.

use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use async_compression::tokio::bufread::GzipDecoder;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt, TryStreamExt};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::http::uri::Scheme;
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::client::legacy;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use tokio_util::io::{ReaderStream, StreamReader};
use url::Url;

use super::connector::{ConnectTimedOut, Connector, connector, tls};
use super::plain::{PlainBody, PlainPool};
use super::{ProviderError, Target};
use crate::catalog::Provider;
use crate::telemetry::spans::TraceContext;

const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACE_STATE: HeaderName = HeaderName::from_static("tracestate");

/// Largest plain answer, in bytes.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;
/// How long an idle connection is kept.
const POOL_IDLE: Duration = Duration::from_secs(90);
/// How often an HTTP/2 connection with requests on it is asked whether it is there, and how long its answer may take.
const PING: Duration = Duration::from_secs(15);
/// Most idle connections that are kept to one host.
const MOST_IDLE: usize = 256;

/// Sends requests. Cheap to clone; the pools are shared.
#[derive(Debug, Clone)]
pub struct Client {
    /// By connect time-out, and whether the system's proxy is passed by. There are few.
    pools: Vec<((Duration, bool), Pool)>,
}

#[derive(Debug, Clone)]
struct Pool {
    direct: legacy::Client<Connector, Full<Bytes>>,
    /// For addresses without TLS.
    plain: PlainPool,
    /// Where the system's proxies are asked.
    proxied: Option<Proxied>,
}

#[derive(Debug, Clone)]
struct Proxied {
    matcher: Arc<Matcher>,
    client: reqwest::Client,
}

/// A client cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The system's root certificates cannot be read.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    /// A client of reqwest's cannot be built.
    #[error(transparent)]
    Reqwest(#[from] reqwest::Error),
}

/// An answer that has begun.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    provider: Provider,
    body: Body,
}

/// The rest of an answer.
enum Body {
    Plain(Box<PlainBody>),
    Direct(Incoming),
    /// Compressed, though none was asked for.
    Gzip(BoxStream<'static, io::Result<Bytes>>),
    Proxied(reqwest::Response),
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Body::Plain(_) => "Plain",
            Body::Direct(_) => "Direct",
            Body::Gzip(_) => "Gzip",
            Body::Proxied(_) => "Proxied",
        })
    }
}

impl Client {
    /// Prepares a pool for each of the given kinds of upstream: connect time-out, and whether it is local.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(kinds: impl IntoIterator<Item = (Duration, bool)>) -> Result<Self, ClientError> {
        // A second call, as in tests, finds the provider installed: that is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let tls = tls()?;
        let mut pools: Vec<((Duration, bool), Pool)> = Vec::new();
        for (connect, local) in kinds {
            if pools.iter().any(|(kind, _)| *kind == (connect, local)) {
                continue;
            }
            let connector = connector(tls.clone(), connect);
            let plain = PlainPool::new(connector.clone(), POOL_IDLE, MOST_IDLE);
            let direct = legacy::Client::builder(TokioExecutor::new())
                .timer(TokioTimer::new())
                .pool_timer(TokioTimer::new())
                .http2_keep_alive_interval(PING)
                .http2_keep_alive_timeout(PING)
                .pool_idle_timeout(POOL_IDLE)
                .pool_max_idle_per_host(MOST_IDLE)
                .build(connector);
            let proxied = if local { None } else { Some(Proxied::new(tls.clone(), connect)?) };
            pools.push(((connect, local), Pool { direct, plain, proxied }));
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
        self.call(target, target.uri(model, stream)?, body, trace).await
    }

    /// Sends an embeddings request to a target, in the same way.
    ///
    /// # Errors
    /// No connection, or it broke.
    pub async fn embed(
        &self,
        target: &Target,
        model: &str,
        body: Bytes,
        trace: Option<&TraceContext>,
    ) -> Result<Reply, ProviderError> {
        self.call(target, target.embeddings_uri(model)?, body, trace).await
    }

    async fn call(
        &self,
        target: &Target,
        uri: Uri,
        body: Bytes,
        trace: Option<&TraceContext>,
    ) -> Result<Reply, ProviderError> {
        let upstream = &target.upstream;
        let kind = (upstream.timeouts.connect, upstream.endpoint.is_local());
        let mut request = request(Method::POST, uri, body);
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
    pub async fn models(&self, target: &Target, url: &Url) -> Result<Reply, ProviderError> {
        let upstream = &target.upstream;
        let kind = (upstream.timeouts.connect, upstream.endpoint.is_local());
        let mut request = request(Method::GET, uri(upstream.provider, url)?, Bytes::new());
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
        url: &Url,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Reply, ProviderError> {
        let mut request = request(Method::POST, uri(provider, url)?, body);
        *request.headers_mut() = headers;
        self.send(kind, provider, request).await
    }

    async fn send(
        &self,
        kind: (Duration, bool),
        provider: Provider,
        request: Request<Bytes>,
    ) -> Result<Reply, ProviderError> {
        let pool = self.pools.iter().find(|(it, _)| *it == kind).or_else(|| self.pools.first());
        let Some((_, pool)) = pool else {
            return Err(ProviderError::Unreachable { provider, reason: "no connection pool".to_owned() });
        };
        if let Some(proxied) =
            pool.proxied.as_ref().filter(|proxied| proxied.matcher.intercept(request.uri()).is_some())
        {
            // Boxed: it is large, and rare.
            return Box::pin(proxied.send(provider, request, kind.0)).await;
        }
        let request = request.map(Full::new);
        if request.uri().scheme() == Some(&Scheme::HTTP) {
            let response = pool.plain.send(request).await;
            let (head, body) = response.map_err(|error| unreachable(provider, &*error, kind.0))?.into_parts();
            let body = if is_gzip(&head.headers) { gunzip(body.into_stream()) } else { Body::Plain(Box::new(body)) };
            return Ok(Reply { status: head.status, headers: head.headers, provider, body });
        }
        let response = pool.direct.request(request).await;
        let (head, body) = response.map_err(|error| unreachable(provider, &error, kind.0))?.into_parts();
        let body = if is_gzip(&head.headers) { gunzip(body.into_data_stream()) } else { Body::Direct(body) };
        Ok(Reply { status: head.status, headers: head.headers, provider, body })
    }
}

impl Proxied {
    #[expect(clippy::disallowed_methods, reason = "this builds the clients that others share")]
    fn new(mut tls: ClientConfig, connect: Duration) -> Result<Self, reqwest::Error> {
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .connect_timeout(connect)
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(MOST_IDLE)
            .tcp_nodelay(true)
            .redirect(reqwest::redirect::Policy::none())
            // Retrying is the gateway's; this also saves a copy of every request.
            .retry(reqwest::retry::never().max_retries_per_request(0))
            .build()?;
        Ok(Proxied { matcher: Arc::new(Matcher::from_system()), client })
    }

    async fn send(
        &self,
        provider: Provider,
        request: Request<Bytes>,
        connect: Duration,
    ) -> Result<Reply, ProviderError> {
        let failed = |error: reqwest::Error| {
            if error.is_timeout() {
                // `connect_timeout` is the only limit that the client itself has.
                return ProviderError::Timeout { provider, limit: connect };
            }
            ProviderError::Unreachable { provider, reason: cause(&error.without_url()) }
        };
        let request = reqwest::Request::try_from(request).map_err(failed)?;
        let response = self.client.execute(request).await.map_err(failed)?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Reply { status, headers, provider, body: Body::Proxied(response) })
    }
}

fn request(method: Method, uri: Uri, body: Bytes) -> Request<Bytes> {
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    request
}

/// An address as hyper has it.
///
/// # Errors
/// It has characters that no address has, which only a configured one can.
pub(super) fn uri(provider: Provider, url: &Url) -> Result<Uri, ProviderError> {
    url.as_str().parse().map_err(|error: hyper::http::uri::InvalidUri| ProviderError::Unreachable {
        provider,
        reason: format!("its address cannot be used: {error}"),
    })
}

fn is_gzip(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_ENCODING).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"gzip"))
}

fn gunzip(body: impl Stream<Item = Result<Bytes, hyper::Error>> + Send + 'static) -> Body {
    let read = StreamReader::new(Box::pin(body).map_err(io::Error::other));
    let mut decoder = GzipDecoder::new(read);
    // A proxy may compress piece by piece.
    decoder.multiple_members(true);
    Body::Gzip(ReaderStream::new(decoder).boxed())
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
        let broke = |reason: String| ProviderError::Unreachable {
            provider,
            reason: format!("its answer broke off ({reason})"),
        };
        match &mut self.body {
            Body::Proxied(response) => response.chunk().await.map_err(|error| broke(cause(&error))),
            Body::Gzip(pieces) => pieces.next().await.transpose().map_err(|error| broke(cause(&error))),
            Body::Plain(body) => body.chunk().await.map_err(|error| broke(cause(&error))),
            Body::Direct(body) => loop {
                let Some(frame) = body.frame().await else { break Ok(None) };
                // What is no data is a trailer.
                if let Ok(data) = frame.map_err(|error| broke(cause(&error)))?.into_data() {
                    break Ok(Some(data));
                }
            },
        }
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

fn unreachable(provider: Provider, error: &(dyn std::error::Error + 'static), connect: Duration) -> ProviderError {
    // Which of the two limits for connecting ends first is chance: that of the TCP connection or that of all of it.
    let is_late = |cause: &(dyn std::error::Error + 'static)| {
        let io = cause.downcast_ref::<io::Error>();
        cause.is::<ConnectTimedOut>() || io.is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
    };
    if causes(error).any(is_late) {
        return ProviderError::Timeout { provider, limit: connect };
    }
    ProviderError::Unreachable { provider, reason: cause(error) }
}

/// An error and what it came from, outermost first.
fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

/// The innermost cause, which says most ("connection refused").
fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}
