//! A stream on its way through: read by its dialect, measured here. What it tells is recorded, and a break is told.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tracing::Span;

use super::estimate;
use super::outcome::Ended;
use super::record::{UnderWay, end};
use crate::catalog::{Provider, Tier};
use crate::config::Secret;
use crate::protocol::{ErrorBody, ErrorEnvelope, Timestamp};
use crate::providers::{self, Asked, Listener, ProviderError, Reply, StreamReader, Target, TurnStore};
use crate::telemetry::events::{Meaning, UpstreamFailed};

/// How long the end of the connection is waited for after `[DONE]`, so that it can be used again.
const LINGER: Duration = Duration::from_millis(250);

/// What of a stream does not change.
#[derive(Debug)]
struct Facts {
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
    reader: StreamReader,
    facts: Facts,
}

/// A stream under way to the client. Dropping it closes the upstream and settles the record.
#[derive(Debug)]
pub struct Meter {
    reply: Reply,
    reader: StreamReader,
    out: VecDeque<Bytes>,
    facts: Facts,
    state: State,
    /// That of the request.
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
        let framing = ask.target.dialect.framing();
        if !framing.is_type(reply.content_type()) {
            let kind = reply.content_type().to_owned();
            let body = reply.body().await?;
            if providers::is_error(&body) {
                return Err(providers::read_error(provider, 200, &reply.headers, &body));
            }
            let reason = format!("its type is `{kind}` instead of {}", framing.media_type());
            return Err(ProviderError::Malformed { provider, reason });
        }
        let created = Timestamp::now().0 / 1000;
        let asked = Asked { provider, model: ask.model, created, include_usage: ask.include_usage };
        let mut reader = ask.target.dialect.read_stream(asked);
        while !reader.begin(reply.chunk().await?)? {}
        let facts = Facts {
            provider,
            tier: upstream.tier,
            upstream: upstream.name.clone(),
            idle: upstream.timeouts.idle,
            deadline: upstream.timeouts.stream_total.map(|limit| Instant::now() + limit),
            turns: ask.turns.clone(),
            scope: ask.scope.to_owned(),
            secrets: upstream.secrets().map(Secret::new).collect(),
        };
        Ok(Opening { reply, reader, facts })
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
            Ok(Ok(Some(piece))) => self.hear(|reader, out, listener| reader.read(piece, out, listener)),
            Ok(Ok(None)) => {
                self.hear(StreamReader::end);
                // There is no connection to wait for.
                if let State::Over { lingers, .. } = &mut self.state {
                    *lingers = false;
                }
            }
            Ok(Err(error)) => self.break_off(error),
            Err(_) => self.break_off(ProviderError::Timeout { provider, limit }),
        }
    }

    /// Lets the reader go on, and records what it heard.
    fn hear(
        &mut self,
        go_on: impl FnOnce(&mut StreamReader, &mut VecDeque<Bytes>, Listener<'_>) -> Result<(), ProviderError>,
    ) {
        let State::Running(record) = &mut self.state else { return };
        let heard = go_on(&mut self.reader, &mut self.out, &mut |text: &[u8]| estimate::collect(text, record.seen()));
        if self.reader.has_output() {
            record.first_token();
        }
        if self.reader.is_done() {
            self.report();
            // Before the bytes go out: the next turn may come at once, and who has the last byte is in the history.
            if let Some(turn) = self.reader.turn() {
                self.facts.turns.keep(&self.facts.scope, self.facts.provider, &turn);
            }
            self.settle(None, true);
        }
        if let Err(error) = heard {
            self.break_off(error);
        }
    }

    /// Records what the stream has told of itself so far.
    fn report(&mut self) {
        let State::Running(record) = &mut self.state else { return };
        let told = self.reader.told();
        record.answered(told.model.as_deref(), told.usage);
        if told.is_part {
            record.reported_in_part();
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
            self.span.in_scope(|| failed.tell(record.attempts(), record.metrics()));
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
    pub(super) fn with(self, record: UnderWay) -> Meter {
        let Opening { reply, reader, facts } = self;
        let out = VecDeque::new();
        let mut meter =
            Meter { reply, reader, out, facts, state: State::Running(Box::new(record)), span: Span::current() };
        meter.hear(StreamReader::go_on);
        meter
    }
}
