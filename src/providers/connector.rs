//! Opens connections to upstreams: TCP, TLS with the system's root certificates, and a limit for both together.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::ClientConfig;
use tower_service::Service;

/// How long a connection is quiet before it is probed, and how long between probes.
const PROBE: Duration = Duration::from_secs(15);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Opens connections within a limit.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    inner: HttpsConnector<HttpConnector>,
    limit: Duration,
}

/// A connection was not there within the limit.
#[derive(Debug, thiserror::Error)]
#[error("no connection within {0:?}")]
pub(super) struct ConnectTimedOut(Duration);

/// TLS with the system's root certificates.
///
/// # Errors
/// They cannot be read.
pub(super) fn tls() -> Result<ClientConfig, rustls::Error> {
    Ok(ClientConfig::builder().try_with_platform_verifier()?.with_no_client_auth())
}

/// A connector for plain and for TLS connections, HTTP/1.1 and HTTP/2.
pub(super) fn connector(tls: ClientConfig, limit: Duration) -> Connector {
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(limit));
    // A connection that a device on the way has dropped is found dead within a minute, also while an answer is awaited.
    tcp.set_keepalive(Some(PROBE));
    tcp.set_keepalive_interval(Some(PROBE));
    tcp.set_keepalive_retries(Some(3));
    #[cfg(target_os = "linux")]
    tcp.set_tcp_user_timeout(Some(2 * PROBE));
    let inner = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_all_versions();
    Connector { inner: inner.wrap_connector(tcp), limit }
}

impl Service<Uri> for Connector {
    type Response = <HttpsConnector<HttpConnector> as Service<Uri>>::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (connecting, limit) = (self.inner.call(uri), self.limit);
        Box::pin(async move {
            tokio::time::timeout(limit, connecting).await.unwrap_or_else(|_| Err(ConnectTimedOut(limit).into()))
        })
    }
}
