//! How much memory a plain request asks for: a figure that noise does not move, with a ceiling that only goes down.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::alloc::System;
use std::io::{BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio_util::sync::CancellationToken;
use xrouter::app::App;
use xrouter::config::{self, Sources};

/// Allocations of a request, on all threads of Rust: its own, the history's, and its share of a group's commit.
const MOST_ALLOCATIONS: usize = 140;
/// Requests whose rows are written together.
const GROUP: u32 = 50;
/// Bytes that these ask for.
const MOST_BYTES: usize = 48_000;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ANSWER: &str = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"small","choices":[{"index":0,"message":{"role":"assistant","content":"Here is a short answer to your question."},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":21,"completion_tokens":9,"total_tokens":30,"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}}}"#;

/// An upstream that answers each request on a connection the same, and allocates nothing for it.
fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            std::thread::spawn(move || serve(&stream));
        }
    });
    address
}

fn serve(stream: &TcpStream) {
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{ANSWER}",
        ANSWER.len()
    );
    let mut reader = BufReader::new(stream);
    while let Some(length) = head(&mut reader) {
        std::io::copy(&mut (&mut reader).take(length), &mut std::io::sink()).unwrap();
        let mut out = stream;
        out.write_all(answer.as_bytes()).unwrap();
    }
}

/// Reads a head; the length of the body that follows, nothing at the end of the connection.
fn head(reader: &mut impl std::io::BufRead) -> Option<u64> {
    let (mut length, mut line) = (0, String::with_capacity(1_024));
    loop {
        line.clear();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return None;
        }
        if line == "\r\n" {
            return Some(length);
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap();
        }
    }
}

/// Sends so many requests, each with another question, over one connection.
fn send(connection: &mut BufReader<TcpStream>, numbers: std::ops::Range<u32>, lines: &mut [u8; 4_096]) {
    for number in numbers {
        let mut out = connection.get_ref();
        let mut at = &mut lines[..];
        // The same length for each: what is counted are the router's allocations alone.
        write!(
            at,
            "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 192\r\n\r\n\
             {{\"model\":\"auto\",\"messages\":[{{\"role\":\"system\",\"content\":\"You are a helpful assistant.\"}},{{\"role\":\"user\",\"content\":\
             \"Question {number:06}: what is the capital of Portugal, and what is there to see?\"}}]}}"
        )
        .unwrap();
        let rest = at.len();
        let request = &lines[..lines.len() - rest];
        let begin = request.windows(4).position(|it| it == b"\r\n\r\n").unwrap() + 4;
        assert_eq!(request.len() - begin, 192);
        out.write_all(request).unwrap();
        let length = head(connection).expect("an answer");
        assert_eq!(usize::try_from(length).unwrap(), ANSWER.len());
        let mut body = [0; 1_024];
        connection.read_exact(&mut body[..ANSWER.len()]).unwrap();
    }
}

#[test]
fn a_plain_request_asks_for_no_more_memory_than_it_did() {
    let upstream = upstream();
    let folder = tempfile::tempdir().unwrap();
    let tier = |name: &str| {
        format!(
            "[tiers.{name}]\nbase_url = \"http://{upstream}/v1\"\nmodel = \"small\"\nprice = {{ input = 0.1, output = 0.2 }}\n"
        )
    };
    let toml = ["cheap", "medium", "frontier"].map(tier).concat();
    let mut sources = Sources::from_toml(toml);
    sources.config_file = Some(folder.path().join("xrouter.toml"));
    sources.environment = vec![("XROUTER_SERVER__PORT".to_owned(), "0".to_owned())];
    let loaded = config::load(&sources).unwrap_or_else(|error| panic!("{error}"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let app = runtime.block_on(App::open(&loaded)).unwrap();
    let (address, store, stop) = (app.address, app.store.clone(), CancellationToken::new());
    let server = runtime.spawn(app.serve(stop.clone(), Duration::ZERO));
    let mut connection = BufReader::new(TcpStream::connect(address).unwrap());
    let mut lines = [0; 4_096];
    // Everything that is made once.
    send(&mut connection, 0..600, &mut lines);
    runtime.block_on(store.flush());
    let counted = Region::new(ALLOCATOR);
    let requests = 2_000_usize;
    // The history's groups are of one size, however fast the machine is.
    for first in (1_000..3_000).step_by(GROUP as usize) {
        send(&mut connection, first..first + GROUP, &mut lines);
        runtime.block_on(store.flush());
    }
    let change = counted.change();
    let (allocations, bytes) =
        ((change.allocations + change.reallocations) / requests, change.bytes_allocated / requests);
    println!("{allocations} allocations, {bytes} bytes a request");
    stop.cancel();
    runtime.block_on(server).unwrap().unwrap();
    assert!(allocations <= MOST_ALLOCATIONS, "{allocations} allocations a request");
    assert!(bytes <= MOST_BYTES, "{bytes} bytes a request");
}
