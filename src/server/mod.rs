//! Serves an endpoint on a listener, connection by connection.
//!
//! Enters: a bound listener and a poem endpoint. Leaves: answers. Own code instead of poem's server,
//! because that goes on polling a connection whose client has left, so that a handler that waits for
//! a silent upstream is never cancelled; here the handler is dropped with its connection.
//! Knows nothing of paths or bodies.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use poem::Endpoint;
use poem::http::uri::Scheme;
use poem::web::{LocalAddr, RemoteAddr};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long a connection may take to send a request's head, and be idle between two.
const HEAD: Duration = Duration::from_mins(2);
/// Pause after an accept that failed, as when the process has no file descriptor left.
const AFTER_ERROR: Duration = Duration::from_millis(50);

/// Serves until `stop`, then lets requests under way end for at most `drain`.
///
/// # Errors
/// The listener has no address.
pub async fn serve<E>(listener: TcpListener, endpoint: E, stop: CancellationToken, drain: Duration) -> io::Result<()>
where
    E: Endpoint + 'static,
{
    let endpoint = Arc::new(endpoint);
    let local = LocalAddr(listener.local_addr()?.into());
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // Those that have ended are forgotten as they end.
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, remote)) => {
                let _ = stream.set_nodelay(true);
                let remote = RemoteAddr(remote.into());
                connections.spawn(connection(stream, endpoint.clone(), local.clone(), remote, &graceful));
            }
            Err(error) => {
                tracing::warn!(error = %error, "a connection could not be accepted");
                tokio::time::sleep(AFTER_ERROR).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(drain, graceful.shutdown()).await.is_err() && drain > Duration::ZERO {
        tracing::warn!(limit = ?drain, "requests were still under way at the end");
    }
    // What is cut settles its record when it is dropped, so it must be gone before the history closes.
    connections.shutdown().await;
    Ok(())
}

/// One connection, until its client or the graceful end closes it.
fn connection<E>(
    stream: TcpStream,
    endpoint: Arc<E>,
    local: LocalAddr,
    remote: RemoteAddr,
    graceful: &GracefulShutdown,
) -> impl Future<Output = ()> + Send + use<E>
where
    E: Endpoint + 'static,
{
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let (endpoint, local, remote) = (endpoint.clone(), local.clone(), remote.clone());
        async move {
            let response = endpoint.get_response((request, local, remote, Scheme::HTTP).into()).await;
            Ok::<_, Infallible>(response.into())
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let watched = graceful.watch(connection);
    async move {
        // A client that leaves is no news; the handler was dropped and has recorded it.
        if let Err(error) = watched.await {
            tracing::debug!(error = %error, "a connection ended");
        }
    }
}
