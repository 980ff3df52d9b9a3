//! What every endpoint does with a request and an answer, whatever is in them: note, script, wait, send, cut, count.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use poem::http::{HeaderValue, StatusCode};
use poem::{Body, Request, Response};

use super::turn::{Refusal, Usage};
use super::voice::Voice;
use super::{Counts, Reply, Shared, lock};

/// A response with this status, type and body.
pub(super) fn respond(status: u16, content_type: &str, body: Vec<u8>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Response::builder().status(status).content_type(content_type).body(body)
}

/// A refusal in the dialect's own shape.
pub(super) fn refuse(voice: Voice, refusal: &Refusal) -> Response {
    let body = voice.error(refusal.status, &refusal.message, refusal.param.as_deref());
    respond(refusal.status, "application/json", body.to_string().into())
}

/// Notes a request, and reads its body.
pub(super) async fn receive(shared: &Shared, request: &Request, body: Body) -> Bytes {
    shared.count(|counts| counts.requests += 1);
    let body = body.into_bytes().await.unwrap_or_default();
    let mut last = lock(&shared.last);
    last.request = body.to_vec();
    last.path = request.uri().to_string();
    last.answer.clear();
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    last.headers = request.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    body
}

/// The answer that a script has ready, whatever was asked.
pub(super) async fn scripted(voice: Voice, reply: &Reply) -> Option<Response> {
    match reply {
        Reply::Status { status, body, retry_after } => {
            let mut response = respond(*status, "application/json", body.clone().into());
            if let Some(value) = retry_after.as_deref().and_then(|value| value.parse().ok()) {
                response.headers_mut().insert("retry-after", value);
            }
            Some(response)
        }
        Reply::Refuse { status, message } => Some(refuse(voice, &Refusal::new(*status, message.as_str()))),
        Reply::Silence => std::future::pending().await,
        Reply::Raw { content_type, body } => Some(respond(200, content_type, body.clone())),
        Reply::Gzip { content_type, body } => {
            let mut response = respond(200, content_type, body.clone());
            response.headers_mut().insert("content-encoding", HeaderValue::from_static("gzip"));
            Some(response)
        }
        _ => None,
    }
}

impl Usage {
    fn add_to(self, counts: &mut Counts) {
        counts.answered += 1;
        counts.input_tokens += self.input;
        counts.cached_input_tokens += self.cached;
        counts.output_tokens += self.output;
        counts.reasoning_tokens += self.reasoning;
    }
}

/// Sends a plain answer of so many pieces.
pub(super) async fn whole(shared: &Shared, bytes: Vec<u8>, pieces: usize, usage: Option<Usage>) -> Response {
    let tokens = u32::try_from(pieces).unwrap_or(u32::MAX);
    let wait = shared.profile.first_token + shared.profile.per_token * tokens;
    if wait > Duration::ZERO {
        tokio::time::sleep(wait).await;
    }
    if let Some(usage) = usage {
        shared.count(|counts| usage.add_to(counts));
    }
    lock(&shared.last).answer.clone_from(&bytes);
    respond(200, "application/json", bytes)
}

/// What happens after the last event that is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Proper,
    Cut,
    Stall,
}

/// Counts a stream that the caller closes.
struct Open {
    shared: Arc<Shared>,
    ended: bool,
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.ended {
            self.shared.count(|counts| counts.cancelled += 1);
        }
    }
}

/// Sends a plain answer of which only a half comes, if the reply cuts it or lets it stall.
pub(super) async fn halved(shared: Arc<Shared>, bytes: String, usage: Option<Usage>, reply: &Reply) -> Response {
    let ending = match reply {
        Reply::CutAfter(_) => Ending::Cut,
        Reply::StallAfter(_) => Ending::Stall,
        _ => return whole(&shared, bytes.into(), 0, usage).await,
    };
    let half = bytes.chars().take(bytes.len() / 2).collect();
    Response::builder().content_type("application/json").body(flow(shared, vec![half], usage, ending))
}

/// Sends a stream of events, as far as the reply lets it; `failure` is the event of a failing model.
pub(super) fn streamed(
    shared: Arc<Shared>,
    mut events: Vec<String>,
    failure: String,
    usage: Option<Usage>,
    reply: &Reply,
) -> Response {
    let ending = match reply {
        Reply::CutAfter(count) => {
            events.truncate(*count);
            Ending::Cut
        }
        Reply::StallAfter(count) => {
            events.truncate(*count);
            Ending::Stall
        }
        Reply::ErrorAfter(count) => {
            events.truncate(*count);
            events.push(failure);
            Ending::Cut
        }
        _ => Ending::Proper,
    };
    Response::builder().content_type("text/event-stream").body(flow(shared, events, usage, ending))
}

fn flow(shared: Arc<Shared>, events: Vec<String>, usage: Option<Usage>, ending: Ending) -> Body {
    let (first, each) = (shared.profile.first_token, shared.profile.per_token);
    let open = Open { shared, ended: false };
    let start = (events.into_iter().enumerate(), open);
    let body = stream::unfold(start, move |(mut events, mut open)| async move {
        let Some((number, event)) = events.next() else {
            match ending {
                Ending::Stall => std::future::pending().await,
                Ending::Cut => {
                    open.ended = true;
                    // A pause in the body makes the server write out what it has before the cut.
                    tokio::task::yield_now().await;
                    // An error closes the connection without the end of the body.
                    return Some((Err(std::io::Error::other("cut")), (events, open)));
                }
                Ending::Proper => return None,
            }
        };
        let is_last = events.len() == 0;
        let wait = match number {
            0 => first,
            _ if is_last => Duration::ZERO,
            _ => each,
        };
        if wait > Duration::ZERO {
            tokio::time::sleep(wait).await;
        }
        open.shared.count(|counts| counts.events += 1);
        lock(&open.shared.last).answer.extend_from_slice(event.as_bytes());
        if is_last && ending == Ending::Proper {
            open.ended = true;
            if let Some(usage) = usage {
                open.shared.count(|counts| usage.add_to(counts));
            }
        }
        Some((Ok::<Bytes, std::io::Error>(Bytes::from(event)), (events, open)))
    });
    Body::from_bytes_stream(body)
}
