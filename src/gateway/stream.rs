//! A stream on its way through: every byte is the upstream's, and on the way its usage is read, the
//! usage chunk is hidden from a client that did not ask for it, and a break is told.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::record::Record;
use crate::catalog::Provider;
use crate::protocol::{ChunkView, ErrorBody, ErrorEnvelope};
use crate::providers::{self, ProviderError, Reply, SseSplitter, Target};

/// How long the end of the connection is waited for after `[DONE]`, so that it can be used again.
const LINGER: Duration = Duration::from_millis(250);

/// A stream whose first event has come.
#[derive(Debug)]
pub(super) struct Opening {
    reply: Reply,
    splitter: SseSplitter,
    events: Vec<Bytes>,
    hide_usage: bool,
    provider: Provider,
    upstream: String,
    idle: Duration,
    deadline: Option<Instant>,
}

/// A stream under way to the client. Dropping it closes the upstream and settles the record.
#[derive(Debug)]
pub struct Meter {
    reply: Reply,
    splitter: SseSplitter,
    events: Vec<Bytes>,
    out: VecDeque<Bytes>,
    record: Record,
    hide_usage: bool,
    provider: Provider,
    upstream: String,
    idle: Duration,
    deadline: Option<Instant>,
    seen_token: bool,
    finished: bool,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    /// `[DONE]` was seen: nothing more is sent.
    Done,
    Ended,
}

impl Meter {
    /// Reads up to the first event that carries data, so that a stream that fails at once can still
    /// be answered by another upstream. Comments before it are kept.
    pub(super) async fn open(mut reply: Reply, target: &Target, hide_usage: bool) -> Result<Opening, ProviderError> {
        let provider = target.upstream.provider;
        let malformed = |reason: String| ProviderError::Malformed { provider, reason };
        let kind = reply.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !kind.trim_start().to_ascii_lowercase().starts_with("text/event-stream") {
            let kind = kind.to_owned();
            let body = reply.body().await?;
            if let error @ ProviderError::Status { detail: Some(_), .. } =
                providers::error_from_answer(provider, 502, None, &body)
            {
                return Err(error);
            }
            return Err(malformed(format!("its type is `{kind}` instead of text/event-stream")));
        }
        let mut splitter = SseSplitter::default();
        let mut events = Vec::new();
        loop {
            let piece = reply.chunk().await?;
            let at_end = piece.is_none();
            match piece {
                Some(piece) => splitter.push(piece, &mut events).map_err(|error| malformed(error.to_string()))?,
                None => events.extend(splitter.finish()),
            }
            let first = events.iter().filter_map(|event| providers::data(event)).find(|data| !data.is_empty());
            if let Some(data) = first {
                if data.as_ref() != b"[DONE]" {
                    let view: ChunkView<'_> = serde_json::from_slice(&data)
                        .map_err(|error| malformed(format!("its first event: {error}")))?;
                    if view.is_error() {
                        return Err(error_in_stream(provider, &data));
                    }
                }
                break;
            }
            if at_end {
                return Err(malformed("the stream ended before its first event".to_owned()));
            }
        }
        let upstream = &target.upstream;
        Ok(Opening {
            reply,
            splitter,
            events,
            hide_usage,
            provider,
            upstream: upstream.name.clone(),
            idle: upstream.timeouts.idle,
            deadline: upstream.timeouts.stream_total.map(|limit| Instant::now() + limit),
        })
    }

    /// The next bytes for the client; `None` at the end.
    pub async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(bytes) = self.out.pop_front() {
                return Some(bytes);
            }
            match self.state {
                State::Ended => return None,
                State::Done => {
                    self.state = State::Ended;
                    let _ = tokio::time::timeout(LINGER, self.reply.chunk()).await;
                    return None;
                }
                State::Running => self.advance().await,
            }
        }
    }

    async fn advance(&mut self) {
        let limit = match self.deadline {
            Some(deadline) => self.idle.min(deadline.saturating_duration_since(Instant::now())),
            None => self.idle,
        };
        match tokio::time::timeout(limit, self.reply.chunk()).await {
            Ok(Ok(Some(piece))) => {
                if let Err(error) = self.take(piece) {
                    self.break_off(&ProviderError::Malformed { provider: self.provider, reason: error.to_string() });
                }
            }
            Ok(Ok(None)) => self.end(),
            Ok(Err(error)) => self.break_off(&error),
            Err(_) => self.break_off(&ProviderError::Timeout { provider: self.provider, limit }),
        }
    }

    /// Takes a piece of the stream. If every event in it goes out and none is cut, so does the piece
    /// itself, without a copy.
    fn take(&mut self, piece: Bytes) -> Result<(), providers::TooLong> {
        let mut events = std::mem::take(&mut self.events);
        let result = self.splitter.push(piece.clone(), &mut events);
        let whole: usize = events.iter().map(Bytes::len).sum();
        let starts_here = events.first().is_some_and(|first| first.as_ptr() == piece.as_ptr());
        let before = self.out.len();
        let mut kept = 0;
        for event in events.drain(..) {
            if self.state != State::Running {
                break;
            }
            let length = event.len();
            let sent = self.out.len();
            self.event(event);
            if self.out.len() == sent + 1 && self.state != State::Ended {
                kept += length;
            }
        }
        if starts_here && kept == whole && whole == piece.len() && self.out.len() - before > 1 {
            self.out.truncate(before);
            self.out.push_back(piece);
        }
        self.events = events;
        result
    }

    /// Looks at one event and passes it on, hides it, or ends the stream with it.
    fn event(&mut self, event: Bytes) {
        let Some(data) = providers::data(&event) else {
            self.out.push_back(event);
            return;
        };
        if data.as_ref() == b"[DONE]" {
            self.state = State::Done;
            // Before the bytes go out: who has the last byte is in the history.
            self.record.settle(200, None);
            self.out.push_back(event);
            return;
        }
        let telling = !self.seen_token
            || has_member(&data, b"\"usage\"", b'{')
            || has_member(&data, b"\"finish_reason\"", b'"')
            || has_member(&data, b"\"error\"", b'{')
            || has_member(&data, b"\"error\"", b'"');
        if telling && let Ok(view) = serde_json::from_slice::<ChunkView<'_>>(&data) {
            if view.is_error() {
                let error = error_in_stream(self.provider, &data);
                self.break_off(&error);
                return;
            }
            self.record.answered(view.model.as_deref(), view.usage);
            if !self.seen_token && view.has_output() {
                self.seen_token = true;
                self.record.first_token();
            }
            self.finished |= view.is_finished();
            if self.hide_usage && view.is_usage_only() {
                return;
            }
        }
        self.out.push_back(event);
    }

    /// The upstream closed the stream.
    fn end(&mut self) {
        if let Some(rest) = self.splitter.finish() {
            let before = self.out.len();
            self.event(rest);
            // A fragment would swallow the error event that follows it.
            if self.state == State::Running && !self.finished {
                self.out.truncate(before);
            }
        }
        match self.state {
            State::Running if self.finished => {
                self.state = State::Ended;
                self.record.settle(200, None);
            }
            State::Running => {
                let reason = "the stream ended before its answer did".to_owned();
                self.break_off(&ProviderError::Malformed { provider: self.provider, reason });
            }
            State::Done | State::Ended => self.state = State::Ended,
        }
    }

    /// Tells the client that the answer is not complete: an error event, and no `[DONE]`.
    fn break_off(&mut self, error: &ProviderError) {
        let message = error.public_message();
        tracing::warn!(upstream = %self.upstream, error = message, "a stream broke off");
        self.state = State::Ended;
        let envelope = ErrorEnvelope {
            error: ErrorBody {
                message,
                kind: "api_error".to_owned(),
                code: Some("interrupted".to_owned()),
                param: None,
                provider: Some(self.provider.as_str().to_owned()),
                upstream: Some(self.upstream.clone()),
            },
        };
        let json = serde_json::to_string(&envelope).expect("an envelope of texts serialises");
        self.out.push_back(Bytes::from(format!("data: {json}\n\n")));
        self.record.settle(200, Some("interrupted"));
    }
}

impl Opening {
    /// Goes on with the request's record; what has come so far is the first to go out.
    pub(super) fn with(self, record: Record) -> Meter {
        let Opening { reply, splitter, events, hide_usage, provider, upstream, idle, deadline } = self;
        let mut meter = Meter {
            reply,
            splitter,
            events: Vec::new(),
            out: VecDeque::new(),
            record,
            hide_usage,
            provider,
            upstream,
            idle,
            deadline,
            seen_token: false,
            finished: false,
            state: State::Running,
        };
        for event in events {
            if meter.state == State::Running {
                meter.event(event);
            }
        }
        meter
    }
}

/// Whether JSON text has a member whose value begins with `opening`. An escaped quote before the name
/// cannot match, as its closing one is escaped too.
fn has_member(json: &[u8], name: &[u8], opening: u8) -> bool {
    memchr::memmem::find_iter(json, name).any(|at| {
        let rest = &json[at + name.len()..];
        let mut rest = rest.iter().skip_while(|byte| byte.is_ascii_whitespace());
        rest.next() == Some(&b':') && rest.find(|byte| !byte.is_ascii_whitespace()) == Some(&opening)
    })
}

/// An error event: its status if it names one, else 502.
fn error_in_stream(provider: Provider, data: &[u8]) -> ProviderError {
    let mut error = providers::error_from_answer(provider, 502, None, data);
    if let ProviderError::Status { status, detail: Some(detail), .. } = &mut error
        && let Some(named) = detail.code.as_deref().and_then(|code| code.parse::<u16>().ok())
        && (400..600).contains(&named)
    {
        *status = named;
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_but_not_inside_of_texts() {
        assert!(has_member(br#"{"usage" : {"a":1}}"#, b"\"usage\"", b'{'));
        assert!(!has_member(br#"{"usage":null}"#, b"\"usage\"", b'{'));
        assert!(!has_member(br#"{"content":"say \"usage\":{ now"}"#, b"\"usage\"", b'{'));
        assert!(has_member(br#"{"finish_reason":null,"x":{"finish_reason":"stop"}}"#, b"\"finish_reason\"", b'"'));
    }
}
