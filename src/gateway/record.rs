//! The row of a request while it is under way. It reaches the history whatever happens: settled by the step that knows
//! how it ended, else when it is dropped. Settling consumes it: nothing is recorded after the end.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use scopeguard::ScopeGuard;

use super::bill::Bill;
use super::decide::Settled;
use super::estimate::Evidence;
use super::keeping::Keeping;
use super::outcome::{Ended, Listeners, Outcome};
use super::sessions::Held;
use super::{ChatCall, Gateway, Route};
use crate::cache::Kept;
use crate::catalog::{Api, Tier};
use crate::protocol::{Arrival, TokenUsage, UsageSource, first_chars};
use crate::providers::Target;
use crate::store::{AnsweredBy, Attempt, Row, Skipped};
use crate::telemetry::Metrics;
use crate::telemetry::events::{Begun, CandidateSkipped};

/// Longest usage object that is kept as it was written, in bytes.
const LONGEST_RAW: usize = 4_096;
/// Longest name of a model that is kept, in characters.
const LONGEST_MODEL: usize = 256;

/// A request under way: the clock, the row so far, and what its tokens are counted from.
#[derive(Debug)]
pub(super) struct Record {
    listeners: Arc<Listeners>,
    arrival: Arrival,
    /// Boxed, as a record moves a few times.
    row: Box<Row>,
    /// What the tokens are counted from if nobody reports them.
    evidence: Box<Evidence>,
    bill: Bill,
    /// Fields that were left out for the upstream that was called last.
    dropped: Vec<String>,
    /// Whether the tokens reported so far are less than those of the whole answer.
    partial: bool,
    /// The answer, if it is to be given again.
    keeping: Option<Box<Keeping>>,
    /// Whether it was given before; nothing if the response cache has no part in it.
    cached: Option<bool>,
    /// The conversation that it belongs to.
    held: Option<Held>,
    /// Microseconds that upstreams were waited for, up to the first event of a stream.
    upstream_us: i64,
    /// Whether the history knows of it.
    is_noted: bool,
}

/// A record that is settled when it is dropped, as of a client that left.
pub(super) type UnderWay = ScopeGuard<Record, fn(Record)>;

/// The end of a request: its outcome is told to all who listen.
pub(super) fn end(record: UnderWay, status: u16, error_type: Option<&'static str>) -> Ended {
    let record = ScopeGuard::into_inner(record);
    let listeners = record.listeners.clone();
    listeners.tell(record.settle(status, error_type))
}

/// Nobody settled it: the client left, or a step panicked.
fn abandoned(record: Record) {
    let (status, error_type) = if std::thread::panicking() { (500, "panic") } else { (499, "client_closed") };
    let listeners = record.listeners.clone();
    drop(listeners.tell(record.settle(status, Some(error_type))));
}

fn short(model: &str) -> String {
    first_chars(model, LONGEST_MODEL).to_owned()
}

/// What a request asks for, as far as its row tells it.
#[derive(Debug)]
pub(super) struct Opening<'a> {
    pub(super) api: Api,
    /// The model that the client named.
    pub(super) model: &'a str,
    pub(super) stream: bool,
}

impl Record {
    /// Opens the row of a request that was decided.
    pub(super) fn open(
        gateway: &Gateway,
        opening: &Opening<'_>,
        call: &ChatCall,
        settled: Settled,
        session: Option<String>,
    ) -> UnderWay {
        let Settled { decided, asked, usage, classify_us, features, held, .. } = settled;
        let decision = decided.decision;
        let row = Box::new(Row {
            id: gateway.listeners.store.next_id(),
            request_id: call.request_id.as_str().to_owned(),
            created_at_ms: call.arrival.at.0,
            session,
            key: call.caller.key().map(str::to_owned),
            decision: decision.tier,
            source: Some(decision.source),
            score: decision.score,
            confidence: decision.confidence,
            reason: Some(decision.reason),
            requested_model: short(opening.model),
            stream: opening.stream,
            api: Some(opening.api),
            agent: call.agent.clone(),
            features,
            asked_classifier: asked,
            classifier_usage: usage,
            classify_us: Some(classify_us),
            ..Row::default()
        });
        gateway.listeners.store.opened();
        Begun.tell(&gateway.listeners.metrics);
        // No tier but its own can embed: there is nothing to compare with.
        let frontier = gateway.tiers[Tier::Frontier].first().filter(|_| opening.api == Api::Chat);
        let frontier = frontier.and_then(|target| {
            let model = target.upstream.model.as_deref().unwrap_or(opening.model);
            target.price(&gateway.catalog, model)
        });
        let record = Record {
            listeners: gateway.listeners.clone(),
            arrival: call.arrival,
            row,
            evidence: Box::new(Evidence { request: call.body.clone(), ..Evidence::default() }),
            bill: Bill { own: None, frontier, provider: None, metrics: gateway.listeners.metrics.clone() },
            dropped: Vec::new(),
            partial: false,
            keeping: None,
            cached: None,
            held,
            upstream_us: 0,
            is_noted: false,
        };
        scopeguard::guard(record, abandoned)
    }

    /// Hands a first copy to the history, so that a request that hangs or kills the process leaves a trace. One that is
    /// answered at once needs none.
    pub(super) fn note(&mut self) {
        if !std::mem::replace(&mut self.is_noted, true) {
            self.listeners.store.begun(&self.row);
        }
    }

    /// The answer is to be kept.
    pub(super) fn keep_answer(&mut self, keeping: Box<Keeping>) {
        self.cached = Some(false);
        self.keeping = Some(keeping);
    }

    /// These bytes go to the client.
    pub(super) fn sent(&mut self, bytes: &[u8]) {
        if let Some(keeping) = &mut self.keeping {
            keeping.sent(bytes);
        }
    }

    /// No upstream is called: the answer was given before. Its tokens cost nothing this time, and are kept apart from
    /// those of the tiers. What decided stays what it is.
    pub(super) fn answered_before(&mut self, kept: &Kept) {
        self.cached = Some(true);
        self.first_token();
        let row = &mut self.row;
        row.response_model.clone_from(&kept.response_model);
        row.usage = kept.usage;
        row.usage_source = kept.usage_source;
    }

    /// A candidate is passed over.
    pub(super) fn skip(&mut self, skipped: Skipped) {
        let Skipped { upstream, tier, reason } = &skipped;
        CandidateSkipped { tier: *tier, upstream, reason }.tell(&self.listeners.metrics);
        self.row.skipped.push(skipped);
    }

    /// What is counted.
    pub(super) fn metrics(&self) -> &Metrics {
        &self.listeners.metrics
    }

    /// How many upstreams were called, the one that is being called among them.
    pub(super) fn attempts(&self) -> u32 {
        self.row.attempt_count
    }

    /// An upstream is about to be called.
    pub(super) fn attempt(&mut self, gateway: &Gateway, target: &Target, model: &str, dropped: Vec<String>) {
        self.dropped = dropped;
        self.bill.own = target.price(&gateway.catalog, model);
        self.bill.provider = Some(target.upstream.provider);
        let started_us = self.arrival.elapsed_us();
        let upstream = &target.upstream;
        let row = &mut self.row;
        // What an attempt that failed said of itself is not this one's.
        row.response_model = None;
        row.usage = TokenUsage::default();
        row.usage_source = UsageSource::Absent;
        row.usage_raw = None;
        row.attempts.push(Attempt {
            upstream: upstream.name.clone(),
            tier: upstream.tier,
            model: short(model),
            status: None,
            error_type: None,
            started_us,
            duration_us: None,
        });
        row.attempt_count = row.attempt_count();
        row.tier = Some(upstream.tier);
        row.upstream = Some(upstream.name.clone());
        row.provider = Some(Cow::Borrowed(upstream.provider.as_str()));
        row.selected_model = Some(short(model));
        row.local = upstream.local;
    }

    /// The upstream that is being called has begun to answer, or has failed: it is not waited for any more.
    pub(super) fn responded(&mut self) {
        if let Some(attempt) = self.row.attempts.last() {
            self.upstream_us += self.arrival.elapsed_us() - attempt.started_us;
        }
    }

    /// The upstream that is being called has failed.
    pub(super) fn failed(&mut self, status: Option<u16>, error_type: &'static str) {
        let elapsed = self.arrival.elapsed_us();
        if let Some(attempt) = self.row.attempts.last_mut() {
            attempt.status = status;
            attempt.error_type = Some(Cow::Borrowed(error_type));
            attempt.duration_us = Some(elapsed - attempt.started_us);
        }
    }

    /// What the answer says of itself: its model, its tokens and those as the provider wrote them. Later figures
    /// replace earlier ones; absent ones do not.
    pub(super) fn answered(&mut self, model: Option<&str>, usage: Option<(TokenUsage, String)>) {
        let row = &mut self.row;
        if let Some(model) = model.filter(|_| row.response_model.is_none()) {
            row.response_model = Some(short(model));
        }
        // One that says nothing does not take back what was said.
        if let Some((usage, raw)) = usage.filter(|(usage, _)| usage.source() == UsageSource::Reported) {
            row.usage = usage;
            row.usage_source = usage.source();
            row.usage_raw = (raw.len() <= LONGEST_RAW).then_some(raw);
        }
    }

    /// What was reported is not the last word: if the answer breaks here, what was seen of it is counted.
    pub(super) fn reported_in_part(&mut self) {
        self.partial = true;
    }

    /// A whole answer, from which its tokens are counted if it does not tell them.
    pub(super) fn answer(&mut self, body: &Bytes) {
        if self.lacks_usage() {
            self.evidence.answer = body.clone();
        }
    }

    /// Where the texts of a stream are remembered, as long as its tokens are not known.
    pub(super) fn seen(&mut self) -> &mut Vec<u8> {
        &mut self.evidence.seen
    }

    fn lacks_usage(&self) -> bool {
        self.row.usage.input_tokens.is_none() || self.row.usage.output_tokens.is_none()
    }

    /// The first token went out.
    pub(super) fn first_token(&mut self) {
        let elapsed = self.arrival.elapsed_us();
        self.row.first_token_us.get_or_insert(elapsed);
    }

    /// The way taken so far.
    pub(super) fn route(&self) -> Route {
        let row = &self.row;
        Route {
            decision: row.decision,
            source: row.source,
            tier: row.tier,
            cached: self.cached,
            model: row.selected_model.clone(),
            attempts: row.attempt_count,
            dropped: self.dropped.clone(),
            upstream_us: self.upstream_us,
        }
    }

    /// A figure that differs from request to request, for the weighted draw of upstreams.
    ///
    /// The same for all steps of a conversation, so that it stays with its upstream and comes back to it after an outage.
    pub(super) fn seed(held: Option<&Held>, request_id: &str) -> u64 {
        held.map_or_else(|| crate::protocol::fnv1a(request_id.as_bytes()), |held| held.key.seed())
    }

    /// The end. What comes after it cannot be recorded.
    fn settle(self, status: u16, error_type: Option<&'static str>) -> Outcome {
        let lacks_usage = self.lacks_usage();
        let Record { arrival, mut row, evidence, bill, partial, keeping, cached, held, .. } = self;
        let took = arrival.elapsed_us();
        row.status = Some(status);
        row.error_type = error_type.map(Cow::Borrowed);
        row.duration_us = Some(took);
        row.answered_by = Some(match row.tier {
            Some(tier) => AnsweredBy::Tier(tier),
            None if cached == Some(true) => AnsweredBy::ResponseCache,
            None => AnsweredBy::Nobody,
        });
        if let Some(attempt) = row.attempts.last_mut().filter(|attempt| attempt.error_type.is_none()) {
            attempt.status = (status != 499 || row.first_token_us.is_some()).then_some(200);
            attempt.error_type = error_type.map(Cow::Borrowed);
            attempt.duration_us = Some(took - attempt.started_us);
        }
        // A stream that broke may have reported less than it said; a last word is never counted over.
        let is_uncounted = lacks_usage || (error_type.is_some() && partial);
        Outcome { row, evidence: *evidence, is_uncounted, bill, keeping, held }
    }
}
