//! Kept connections to upstreams that speak plain HTTP/1.1, as local engines do: a sender of hyper's for each, handed
//! back when its answer was read to the end.
//!
//! hyper-util's pool, which the others go over, does the same and more: it races connections, waits in a task of its own
//! until one is free again, and speaks HTTP/2. That costs 8 000 instructions a request (docs/performance.md).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{Stream, stream};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, HeaderValue};
use hyper::http::uri::{Authority, PathAndQuery};
use hyper::{Request, Response, Uri};
use tower_service::Service as _;

use super::connector::Connector;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Connections, shared by all clones.
#[derive(Debug, Clone)]
pub(super) struct PlainPool {
    connector: Connector,
    idle_for: Duration,
    most_idle: usize,
    hosts: Arc<Mutex<Vec<Host>>>,
}

/// The idle connections to one authority, the one that was used last at the end. There are few authorities.
#[derive(Debug)]
struct Host {
    authority: Authority,
    idle: Vec<Idle>,
}

#[derive(Debug)]
struct Idle {
    sender: SendRequest<Full<Bytes>>,
    since: Instant,
}

/// The rest of an answer; its connection is kept once the end was read.
#[derive(Debug)]
pub(super) struct PlainBody {
    body: Incoming,
    /// Gone once it was handed back.
    lease: Option<(SendRequest<Full<Bytes>>, Authority, PlainPool)>,
}

impl PlainPool {
    /// Connections are kept for so long, at most so many to one authority.
    pub(super) fn new(connector: Connector, idle_for: Duration, most_idle: usize) -> Self {
        PlainPool { connector, idle_for, most_idle, hosts: Arc::default() }
    }

    /// Sends a request over a kept connection or a new one. A kept one that turns out to be dead before anything of the
    /// request went out is passed over.
    ///
    /// # Errors
    /// No connection, or it broke.
    pub(super) async fn send(&self, mut request: Request<Full<Bytes>>) -> Result<Response<PlainBody>, BoxError> {
        let uri = request.uri();
        let authority = uri.authority().cloned().ok_or("the address has no host")?;
        let address = uri.clone();
        let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        let host = HeaderValue::try_from(host_of(&authority))?;
        request.headers_mut().entry(HOST).or_insert(host);
        *request.uri_mut() = Uri::from(path);
        loop {
            let (mut sender, is_kept) = match self.take(&authority) {
                Some(sender) => (sender, true),
                // Boxed: it is large, and rare.
                None => (Box::pin(self.connect(address.clone())).await?, false),
            };
            // It is ready at once, or gone.
            if is_kept && sender.ready().await.is_err() {
                continue;
            }
            match sender.try_send_request(request).await {
                Ok(response) => {
                    let lease = Some((sender, authority, self.clone()));
                    return Ok(response.map(|body| PlainBody { body, lease }));
                }
                Err(mut error) => match error.take_message().filter(|_| is_kept) {
                    Some(unsent) => request = unsent,
                    None => return Err(error.into_error().into()),
                },
            }
        }
    }

    async fn connect(&self, address: Uri) -> Result<SendRequest<Full<Bytes>>, BoxError> {
        let stream = self.connector.clone().call(address).await?;
        let (mut sender, connection) = http1::handshake(stream).await?;
        tokio::spawn(async move {
            // Whoever waits for an answer gets the error too.
            if let Err(error) = connection.await {
                tracing::debug!(error = %error, "a connection to an upstream ended");
            }
        });
        sender.ready().await?;
        Ok(sender)
    }

    /// A connection that waits for a request.
    fn take(&self, authority: &Authority) -> Option<SendRequest<Full<Bytes>>> {
        let mut hosts = self.hosts();
        let idle = &mut hosts.iter_mut().find(|host| host.authority == *authority)?.idle;
        while let Some(Idle { sender, since }) = idle.pop() {
            // What is older lies before it.
            if since.elapsed() > self.idle_for {
                idle.clear();
            } else if !sender.is_closed() {
                return Some(sender);
            }
        }
        None
    }

    fn keep(&self, sender: SendRequest<Full<Bytes>>, authority: Authority) {
        if sender.is_closed() {
            return;
        }
        let mut hosts = self.hosts();
        // Nobody asks those hosts again, maybe: what is too old there is closed here.
        for Host { idle, .. } in hosts.iter_mut() {
            if idle.first().is_some_and(|oldest| oldest.since.elapsed() > self.idle_for) {
                idle.retain(|it| it.since.elapsed() <= self.idle_for);
            }
        }
        let at = hosts.iter().position(|host| host.authority == authority).unwrap_or_else(|| {
            hosts.push(Host { authority, idle: Vec::new() });
            hosts.len() - 1
        });
        let idle = &mut hosts[at].idle;
        if idle.len() < self.most_idle {
            idle.push(Idle { sender, since: Instant::now() });
        }
    }

    fn hosts(&self) -> MutexGuard<'_, Vec<Host>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PlainBody {
    /// Its pieces of data.
    pub(super) fn into_stream(self) -> impl Stream<Item = Result<Bytes, hyper::Error>> {
        stream::try_unfold(self, |mut body| async { Ok(body.chunk().await?.map(|chunk| (chunk, body))) })
    }

    /// The next piece of data; nothing at the end.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, hyper::Error> {
        while let Some(frame) = self.body.frame().await {
            // What is no data is a trailer.
            if let Ok(data) = frame?.into_data() {
                return Ok(Some(data));
            }
        }
        if let Some((sender, authority, pool)) = self.lease.take() {
            pool.keep(sender, authority);
        }
        Ok(None)
    }
}

/// What the header `Host` says: without the port if that is the one of plain HTTP.
fn host_of(authority: &Authority) -> &str {
    let text = authority.as_str();
    let text = text.rsplit_once('@').map_or(text, |(_, host)| host);
    text.strip_suffix(":80").unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::mpsc;

    use super::super::connector::{connector, tls};
    use super::*;

    /// What an upstream does with a connection's next request.
    #[derive(Clone, Copy, PartialEq)]
    enum Answer {
        Whole,
        /// And close the connection.
        Last,
        /// Announce more than comes for now.
        Half,
    }

    /// An upstream whose connections answer in this order; it tells each request's connection and head.
    async fn upstream(answers: &'static [Answer]) -> (String, mpsc::UnboundedReceiver<(usize, String)>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/v1/chat?x=1", listener.local_addr().unwrap());
        let (tell, told) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            for number in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, number, answers, tell.clone()));
            }
        });
        (address, told)
    }

    async fn serve(
        mut stream: TcpStream,
        number: usize,
        answers: &[Answer],
        tell: mpsc::UnboundedSender<(usize, String)>,
    ) {
        for answer in answers {
            let mut head = Vec::new();
            while !head.ends_with(b"hello") {
                if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
                    return;
                }
            }
            tell.send((number, String::from_utf8(head).unwrap())).unwrap();
            let length = if *answer == Answer::Half { 9 } else { 2 };
            let reply = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\nhi");
            stream.write_all(reply.as_bytes()).await.unwrap();
            if *answer == Answer::Last {
                return;
            }
        }
        std::future::pending::<()>().await;
    }

    fn pool() -> PlainPool {
        let _ = rustls::crypto::ring::default_provider().install_default();
        PlainPool::new(connector(tls().unwrap(), Duration::from_secs(5)), Duration::from_mins(1), 8)
    }

    fn request(address: &str) -> Request<Full<Bytes>> {
        Request::post(address).body(Full::new(Bytes::from_static(b"hello"))).unwrap()
    }

    async fn read(mut answer: Response<PlainBody>) -> Vec<u8> {
        let mut whole = Vec::new();
        while let Some(chunk) = answer.body_mut().chunk().await.unwrap() {
            whole.extend_from_slice(&chunk);
        }
        whole
    }

    #[tokio::test]
    async fn a_connection_is_kept_and_the_head_is_that_of_an_origin_server() {
        let (address, mut told) = upstream(&[Answer::Whole, Answer::Whole]).await;
        let pool = pool();
        for _ in 0..2 {
            assert_eq!(read(pool.send(request(&address)).await.unwrap()).await, b"hi");
        }
        let (first, head) = told.recv().await.unwrap();
        let (second, _) = told.recv().await.unwrap();
        assert_eq!((first, second), (0, 0));
        let host = address.trim_start_matches("http://").split('/').next().unwrap();
        assert!(head.starts_with("POST /v1/chat?x=1 HTTP/1.1\r\n"), "{head}");
        assert!(head.contains(&format!("host: {host}\r\n")), "{head}");
    }

    #[tokio::test]
    async fn a_kept_connection_that_the_upstream_has_closed_costs_no_request() {
        let (address, mut told) = upstream(&[Answer::Last]).await;
        let pool = pool();
        for number in 0..20 {
            assert_eq!(read(pool.send(request(&address)).await.unwrap()).await, b"hi");
            assert_eq!(told.recv().await.unwrap().0, number);
        }
    }

    #[tokio::test]
    async fn a_connection_whose_answer_was_left_is_not_used_again() {
        let (address, mut told) = upstream(&[Answer::Half]).await;
        let pool = pool();
        for number in 0..2 {
            let mut answer = pool.send(request(&address)).await.unwrap();
            assert_eq!(answer.body_mut().chunk().await.unwrap().unwrap(), "hi");
            assert_eq!(told.recv().await.unwrap().0, number);
        }
    }

    #[tokio::test]
    async fn an_old_connection_is_not_used_again() {
        let (address, mut told) = upstream(&[Answer::Whole]).await;
        let pool = PlainPool { idle_for: Duration::ZERO, ..pool() };
        for number in 0..2 {
            assert_eq!(read(pool.send(request(&address)).await.unwrap()).await, b"hi");
            assert_eq!(told.recv().await.unwrap().0, number);
        }
    }

    #[test]
    fn the_header_host_has_a_port_that_is_not_the_usual_one() {
        for (authority, host) in [
            ("localhost:8080", "localhost:8080"),
            ("localhost:80", "localhost"),
            ("me:word@example.org", "example.org"),
            ("[::1]:80", "[::1]"),
        ] {
            assert_eq!(host_of(&authority.parse().unwrap()), host);
        }
    }
}
