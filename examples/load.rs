//! What `wrk` cannot measure: latency at a fixed rate, how long a stream's first chunk takes, and streams that stand idle.
//!
//! `load rate URL RATE SECONDS [stream]`: requests at fixed times, whether or not answers have come, over kept connections;
//! each is timed from the moment at which it is handed to its connection. With `stream` the time to the first byte of the body is taken.
//! `load idle URL COUNT`: opens streams and prints how many are open; holds them until its input ends.
//! `load slow PORT`: an upstream whose streams send one chunk and then nothing.
//! Everything is on 127.0.0.1.
#![expect(clippy::print_stdout, reason = "an example prints figures")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use hdrhistogram::Histogram;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep_until};

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Connection = SendRequest<Full<Bytes>>;

/// What an idle stream's upstream says.
const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
const CHUNK: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"bench\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Hello\"},\"finish_reason\":null}]}\n\n";

fn body(number: usize, stream: bool) -> Bytes {
    let text = format!("Question {number}: what is the capital of Portugal, and what should I see there in two days?");
    let messages = serde_json::json!([
        { "role": "system", "content": "You are a helpful assistant." },
        { "role": "user", "content": text },
    ]);
    serde_json::json!({ "model": "auto", "messages": messages, "stream": stream }).to_string().into()
}

fn request(uri: &Uri, number: usize, stream: bool) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    Request::post(uri.path())
        .header("host", uri.authority().map_or("127.0.0.1", |authority| authority.as_str()))
        .header("content-type", "application/json")
        .body(Full::new(body(number, stream)))
}

async fn connect(uri: &Uri) -> Result<Connection, Failure> {
    let address = (uri.host().ok_or("no host")?, uri.port_u16().unwrap_or(80));
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(socket)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// Sends one request and reads its answer; returns when the first byte of the body came.
async fn ask(connection: &mut Connection, request: Request<Full<Bytes>>) -> Result<Instant, Failure> {
    connection.ready().await?;
    let mut answer = connection.send_request(request).await?;
    if !answer.status().is_success() {
        return Err(format!("status {}", answer.status()).into());
    }
    let mut first = None;
    while let Some(frame) = answer.body_mut().frame().await {
        frame?;
        first.get_or_insert_with(Instant::now);
    }
    first.ok_or_else(|| "an empty answer".into())
}

async fn rate(url: &str, rate: u32, seconds: u32, stream: bool) -> Result<(), Failure> {
    let uri: Uri = url.parse()?;
    let times = Arc::new(Mutex::new(Histogram::<u64>::new(3)?));
    let idle = Arc::new(Mutex::new(Vec::<Connection>::new()));
    let begin = Instant::now() + Duration::from_millis(50);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..rate * seconds {
        sleep_until(begin + Duration::from_secs(1) * number / rate).await;
        // The runtime's timer is exact to a millisecond, which is none of the answer's.
        let due = Instant::now();
        let (uri, times, idle) = (uri.clone(), times.clone(), idle.clone());
        tasks.spawn(async move {
            let kept = idle.lock().map_err(|_| "a task panicked")?.pop();
            let mut connection = match kept {
                Some(connection) => connection,
                None => connect(&uri).await?,
            };
            let first = ask(&mut connection, request(&uri, number as usize, stream)?).await?;
            let us = (if stream { first } else { Instant::now() }).duration_since(due).as_micros();
            // The first second is for connections and caches.
            if number >= rate {
                times.lock().map_err(|_| "a task panicked")?.record(u64::try_from(us)?)?;
            }
            idle.lock().map_err(|_| "a task panicked")?.push(connection);
            Ok::<_, Failure>(())
        });
    }
    let (mut failed, mut error) = (0, None);
    while let Some(done) = tasks.join_next().await {
        if let Err(reason) = done? {
            failed += 1;
            error.get_or_insert(reason);
        }
    }
    let times = times.lock().map_err(|_| "a task panicked")?;
    let at = |quantile| times.value_at_quantile(quantile);
    println!(
        "p50 {} p90 {} p99 {} p99.9 {} µs, {} requests, {failed} failed",
        at(0.5),
        at(0.9),
        at(0.99),
        at(0.999),
        times.len()
    );
    error.map_or(Ok(()), Err)
}

async fn idle(url: &str, count: usize) -> Result<(), Failure> {
    let uri: Uri = url.parse()?;
    let mut held = Vec::new();
    for number in 0..count {
        let mut connection = connect(&uri).await?;
        let mut answer = connection.send_request(request(&uri, number, true)?).await?;
        answer.body_mut().frame().await.ok_or("an empty stream")??;
        held.push((connection, answer));
    }
    println!("{count} open");
    tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink())).await??;
    Ok(())
}

async fn slow(port: u16) -> Result<(), Failure> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (mut socket, _) = listener.accept().await?;
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            // One request a connection: its end is not looked for.
            if socket.read(&mut buffer).await.is_ok_and(|length| length > 0) {
                let said = format!("{HEAD}{:x}\r\n{CHUNK}\r\n", CHUNK.len());
                let _ = socket.write_all(said.as_bytes()).await;
            }
            while socket.read(&mut buffer).await.is_ok_and(|length| length > 0) {}
        });
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["rate", url, requests, seconds] => rate(url, requests.parse()?, seconds.parse()?, false).await,
        ["rate", url, requests, seconds, "stream"] => rate(url, requests.parse()?, seconds.parse()?, true).await,
        ["idle", url, count] => idle(url, count.parse()?).await,
        ["slow", port] => slow(port.parse()?).await,
        _ => Err("usage: load rate URL RATE SECONDS [stream] | idle URL COUNT | slow PORT".into()),
    }
}
