//! A stream on its way through. In OpenAI's dialect every byte is the upstream's, and on the way its usage is
//! read, the usage chunk is hidden from a client that did not ask for it, and a break is told. Other dialects
//! are read event by event and written anew.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tracing::Span;

use super::estimate;
use super::outcome::Ended;
use super::reading::{Reading, error_in_stream, translate};
use super::record::{UnderWay, end};
use crate::catalog::{Provider, Tier};
use crate::config::Secret;
use crate::protocol::{ChunkView, ErrorBody, ErrorEnvelope};
use crate::providers::{self, ProviderError, Reply, SseSplitter, Target, TurnStore};
use crate::telemetry::events::{Meaning, UpstreamFailed};

/// How long the end of the connection is waited for after `[DONE]`, so that it can be used again.
const LINGER: Duration = Duration::from_millis(250);

/// What of a stream does not change.
#[derive(Debug)]
struct Facts {
    include_usage: bool,
    provider: Provider,
    tier: Tier,
    upstream: String,
    idle: Duration,
    deadline: Option<Instant>,
    turns: TurnStore,
    scope: String,
    /// What no error may show.
    secrets: Vec<Secret>,
}

/// A stream whose first event has come.
#[derive(Debug)]
pub(super) struct Opening {
    reply: Reply,
    splitter: SseSplitter,
    reading: Reading,
    /// Events that have come and are not looked at yet.
    events: Vec<Bytes>,
    /// Events that are written already.
    written: Vec<Bytes>,
    facts: Facts,
}

/// A stream under way to the client. Dropping it closes the upstream and settles the record.
#[derive(Debug)]
pub struct Meter {
    reply: Reply,
    splitter: SseSplitter,
    reading: Reading,
    events: Vec<Bytes>,
    out: VecDeque<Bytes>,
    facts: Facts,
    seen_token: bool,
    finished: bool,
    state: State,
    /// That of the upstream call.
    span: Span,
}

#[derive(Debug)]
enum State {
    /// Events come in.
    Running(Box<UnderWay>),
    /// Nothing more comes in; what waits goes out once the row is kept. After `[DONE]` the end of the connection is waited
    /// for.
    Over { ended: Ended, lingers: bool },
    /// On the way from the one to the other.
    Ending,
}

/// What a stream is opened for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask<'a> {
    pub(super) target: &'a Target,
    pub(super) model: &'a str,
    pub(super) include_usage: bool,
    pub(super) turns: &'a TurnStore,
    pub(super) scope: &'a str,
}

impl Meter {
    /// Reads up to the first event that says something, so that a stream that fails at once can still be answered
    /// by another upstream. Comments before it are kept.
    pub(super) async fn open(mut reply: Reply, ask: Ask<'_>) -> Result<Opening, ProviderError> {
        let upstream = &ask.target.upstream;
        let provider = upstream.provider;
        let malformed = |reason: String| ProviderError::Malformed { provider, reason };
        let kind = reply.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !kind.trim_start().to_ascii_lowercase().starts_with("text/event-stream") {
            let kind = kind.to_owned();
            let body = reply.body().await?;
            if providers::is_error(&body) {
                return Err(providers::read_error(provider, 200, &reply.headers, &body));
            }
            return Err(malformed(format!("its type is `{kind}` instead of text/event-stream")));
        }
        let mut reading = Reading::of(ask.target, ask.model, ask.include_usage);
        let mut splitter = SseSplitter::default();
        let mut events = Vec::new();
        let mut written = Vec::new();
        loop {
            let piece = reply.chunk().await?;
            let at_end = piece.is_none();
            match piece {
                Some(piece) => splitter.push(piece, &mut events).map_err(|error| malformed(error.to_string()))?,
                None => events.extend(splitter.finish()),
            }
            if reading.begun(provider, &mut events, &mut written)? {
                break;
            }
            if at_end {
                if let Reading::Translate(translator) = &mut reading {
                    translator.end(&mut written)?;
                    break;
                }
                return Err(malformed("the stream ended before its first event".to_owned()));
            }
        }
        let facts = Facts {
            include_usage: ask.include_usage,
            provider,
            tier: upstream.tier,
            upstream: upstream.name.clone(),
            idle: upstream.timeouts.idle,
            deadline: upstream.timeouts.stream_total.map(|limit| Instant::now() + limit),
            turns: ask.turns.clone(),
            scope: ask.scope.to_owned(),
            secrets: upstream.secrets().map(Secret::new).collect(),
        };
        Ok(Opening { reply, splitter, reading, events, written, facts })
    }

    /// The next bytes for the client; `None` at the end.
    pub async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let State::Over { ended, .. } = &mut self.state {
                ended.kept().await;
            }
            if let Some(bytes) = self.out.pop_front() {
                match &mut self.state {
                    State::Running(record) => record.sent(&bytes),
                    State::Over { ended, .. } => ended.sent(&bytes),
                    State::Ending => {}
                }
                return Some(bytes);
            }
            match &mut self.state {
                State::Over { ended, lingers } => {
                    ended.sent_all();
                    if std::mem::take(lingers) {
                        let _ = tokio::time::timeout(LINGER, self.reply.chunk()).await;
                    }
                    return None;
                }
                State::Running(_) => self.advance().await,
                State::Ending => return None,
            }
        }
    }

    /// Settles the record, if that is not done yet: nothing more comes in.
    fn settle(&mut self, error_type: Option<&'static str>, lingers: bool) {
        self.state = match std::mem::replace(&mut self.state, State::Ending) {
            State::Running(record) => State::Over { ended: end(*record, 200, error_type), lingers },
            over => over,
        };
    }

    /// Whether it ended before `[DONE]`.
    fn has_broken(&self) -> bool {
        matches!(self.state, State::Over { lingers: false, .. })
    }

    fn is_running(&self) -> bool {
        matches!(self.state, State::Running(_))
    }

    async fn advance(&mut self) {
        let limit = match self.facts.deadline {
            Some(deadline) => self.facts.idle.min(deadline.saturating_duration_since(Instant::now())),
            None => self.facts.idle,
        };
        let provider = self.facts.provider;
        match tokio::time::timeout(limit, self.reply.chunk()).await {
            Ok(Ok(Some(piece))) => {
                if let Err(error) = self.take(piece) {
                    self.break_off(ProviderError::Malformed { provider, reason: error.to_string() });
                }
            }
            Ok(Ok(None)) => self.end(),
            Ok(Err(error)) => self.break_off(error),
            Err(_) => self.break_off(ProviderError::Timeout { provider, limit }),
        }
    }

    /// Takes a piece of the stream. If every event in it goes out as it came and none is cut, so does the piece
    /// itself, without a copy.
    fn take(&mut self, piece: Bytes) -> Result<(), providers::TooLong> {
        let mut events = std::mem::take(&mut self.events);
        let result = self.splitter.push(piece.clone(), &mut events);
        let whole: usize = events.iter().map(Bytes::len).sum();
        let starts_here = matches!(self.reading, Reading::Pass)
            && events.first().is_some_and(|first| first.as_ptr() == piece.as_ptr());
        let before = self.out.len();
        let mut kept = 0;
        for event in events.drain(..) {
            if !self.is_running() {
                break;
            }
            let length = event.len();
            let sent = self.out.len();
            self.event(event);
            if self.out.len() == sent + 1 && !self.has_broken() {
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

    /// Passes an event on, or translates it, unless it is the usage chunk that the client did not ask for.
    fn event(&mut self, event: Bytes) {
        if let Reading::Translate(translator) = &mut self.reading {
            let mut written = Vec::new();
            let told = translate(translator, &event, &mut written);
            self.say(written);
            if let Err(error) = told {
                self.break_off(error);
            }
            return;
        }
        let Some(data) = providers::data(&event) else {
            self.out.push_back(event);
            return;
        };
        if data.as_ref() == b"[DONE]" {
            self.done(event, true);
            return;
        }
        let Reading::Normalise(normaliser) = &mut self.reading else {
            if self.look(&data) {
                self.out.push_back(event);
            }
            return;
        };
        match normaliser.put_right(&data) {
            Ok(None) => {}
            Ok(Some(json)) => self.put_right(&json),
            Err(error) => self.break_off(error),
        }
    }

    /// An event that was put right goes out.
    fn put_right(&mut self, json: &[u8]) {
        if self.look(json) {
            self.out.push_back([b"data: ", json, b"\n\n"].concat().into());
        }
    }

    /// Reads what an event of OpenAI's dialect tells; whether it goes out.
    fn look(&mut self, data: &[u8]) -> bool {
        if let State::Running(record) = &mut self.state {
            estimate::collect(data, record.seen());
        }
        // A quote inside of a text is escaped, so this is a name or a whole value.
        let wrong = memchr::memmem::find(data, b"\"error\"").is_some();
        let telling = wrong
            || !self.seen_token
            || has_member(data, b"\"usage\"", b'{')
            || has_member(data, b"\"finish_reason\"", b'"');
        if !telling {
            return true;
        }
        let view = serde_json::from_slice::<ChunkView<'_>>(data);
        if view.as_ref().is_ok_and(ChunkView::is_error) || wrong && providers::is_error(data) {
            let error = error_in_stream(self.facts.provider, data);
            self.break_off(error);
            return false;
        }
        let Ok(view) = view else { return true };
        if let State::Running(record) = &mut self.state {
            record.answered(view.model.as_deref(), view.token_usage().zip(view.raw_usage()));
            if !self.seen_token && view.has_output() {
                self.seen_token = true;
                record.first_token();
            }
        }
        self.finished |= view.is_finished();
        self.facts.include_usage || !view.is_usage_only()
    }

    /// What a translator wrote goes out, and what it knows by now is recorded.
    fn say(&mut self, written: Vec<Bytes>) {
        let Reading::Translate(translator) = &self.reading else { return };
        let begins = translator.has_output() && !self.seen_token;
        self.seen_token |= begins;
        if let State::Running(record) = &mut self.state {
            if begins {
                record.first_token();
            }
            for event in &written {
                estimate::collect(event, record.seen());
            }
        }
        if translator.is_ended() || !self.seen_token {
            self.report();
        }
        if let Reading::Translate(translator) = &self.reading
            && translator.is_ended()
            && self.is_running()
        {
            // Before the bytes go out: the next turn may come at once, and who has the last byte is in the history.
            if let Some(turn) = translator.turn() {
                self.facts.turns.keep(&self.facts.scope, self.facts.provider, &turn);
            }
            self.settle(None, true);
        }
        self.out.extend(written);
    }

    /// What a translated stream has reported so far.
    fn report(&mut self) {
        if let (Reading::Translate(translator), State::Running(record)) = (&self.reading, &mut self.state) {
            let usage = translator.raw_usage().map(|raw| (translator.usage(), raw));
            record.answered(Some(translator.model()), usage);
            if !translator.is_ended() {
                record.reported_in_part();
            }
        }
    }

    /// The end, as OpenAI's dialect has it.
    fn done(&mut self, event: Bytes, lingers: bool) {
        if let (Reading::Normalise(normaliser), State::Running(record)) = (&self.reading, &mut self.state) {
            record.answered(None, normaliser.usage());
            if self.facts.include_usage
                && let Some(chunk) = normaliser.usage_chunk()
            {
                self.out.push_back(Bytes::from(format!("data: {chunk}\n\n")));
            }
        }
        // Before the bytes go out: who has the last byte is in the history.
        self.settle(None, lingers);
        self.out.push_back(event);
    }

    /// The upstream closed the stream.
    fn end(&mut self) {
        if let Some(mut rest) = self.splitter.finish() {
            // What comes behind it must not stand in the same event.
            if !rest.ends_with(b"\n\n") {
                rest = [rest.trim_ascii_end(), b"\n\n"].concat().into();
            }
            let before = self.out.len();
            let translates = matches!(self.reading, Reading::Translate(_));
            self.event(rest);
            // A fragment would swallow the error event that follows it.
            if !translates && self.is_running() && !self.finished {
                self.out.truncate(before);
            }
        }
        if !self.is_running() {
            // What came behind `[DONE]` is of no interest, and there is no connection to wait for.
            if let State::Over { lingers, .. } = &mut self.state {
                *lingers = false;
            }
            return;
        }
        if let Reading::Translate(translator) = &mut self.reading {
            let mut written = Vec::new();
            let told = translator.end(&mut written);
            self.say(written);
            if let Err(error) = told {
                self.break_off(error);
            }
        } else if self.finished {
            // Some leave it out; clients wait for it.
            self.done(Bytes::from_static(b"data: [DONE]\n\n"), false);
        } else {
            let reason = "the stream ended before its answer did".to_owned();
            self.break_off(ProviderError::Malformed { provider: self.facts.provider, reason });
        }
    }

    /// Tells the client that the answer is not complete: an error event, and no `[DONE]`.
    fn break_off(&mut self, mut error: ProviderError) {
        if !self.is_running() {
            return;
        }
        self.report();
        error.redact(self.facts.secrets.iter().map(Secret::expose));
        let message = error.public_message();
        if let State::Running(record) = &self.state {
            let failed = UpstreamFailed {
                tier: self.facts.tier,
                upstream: &self.facts.upstream,
                provider: self.facts.provider,
                error_type: "interrupted",
                message: &message,
                meaning: Meaning::BrokeOff,
            };
            self.span.in_scope(|| failed.tell(record.metrics()));
        }
        let envelope = ErrorEnvelope {
            error: ErrorBody {
                message,
                kind: "api_error".to_owned(),
                code: Some("interrupted".to_owned()),
                param: None,
                provider: Some(self.facts.provider.as_str().to_owned()),
                upstream: Some(self.facts.upstream.clone()),
            },
        };
        let json = serde_json::to_string(&envelope).expect("an envelope of texts serialises");
        self.out.push_back(Bytes::from(format!("data: {json}\n\n")));
        self.settle(Some("interrupted"), false);
    }
}

impl Drop for Meter {
    /// The client left: what was reported until then is recorded; the record settles itself.
    fn drop(&mut self) {
        self.report();
    }
}

impl Opening {
    /// Goes on with the request's record; what has come so far is the first to go out.
    pub(super) fn with(self, record: UnderWay, span: Span) -> Meter {
        let Opening { reply, splitter, reading, events, written, facts } = self;
        let mut meter = Meter {
            reply,
            splitter,
            reading,
            events: Vec::new(),
            out: VecDeque::new(),
            facts,
            seen_token: false,
            finished: false,
            state: State::Running(Box::new(record)),
            span,
        };
        if matches!(meter.reading, Reading::Translate(_)) {
            meter.say(written);
        } else {
            for event in written {
                match providers::data(&event) {
                    Some(json) => meter.put_right(&json),
                    None => meter.out.push_back(event),
                }
            }
        }
        for event in events {
            if meter.is_running() {
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
