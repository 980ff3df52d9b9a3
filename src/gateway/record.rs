//! The row of a request while it is under way. It reaches the history whatever happens: settled by
//! the step that knows how it ended, else when it is dropped.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::answers::Keeping;
use super::decide::Decided;
use super::estimate::{Estimator, Evidence};
use super::sessions::Held;
use super::{Gateway, Route, Sessions};
use crate::cache::Kept;
use crate::catalog::{NanoUsd, Price};
use crate::protocol::{ChatRequest, RequestId, Timestamp, TokenUsage, UsageSource};
use crate::providers::Target;
use crate::routing::Source;
use crate::store::{Attempt, Receipt, Row, Store};

/// Longest usage object that is kept as it was written, in bytes.
const LONGEST_RAW: usize = 4_096;

/// Whose request it is.
pub(super) struct Whose {
    pub(super) request_id: RequestId,
    pub(super) session: Option<String>,
    pub(super) key: Option<String>,
}

/// A request under way.
#[derive(Debug)]
pub(super) struct Record {
    store: Store,
    arrived: Instant,
    source: Source,
    price: Option<Price>,
    frontier_price: Option<Price>,
    estimator: Estimator,
    /// Fields that were left out for the upstream that was called last.
    dropped: Vec<String>,
    /// Whether the tokens reported so far are less than those of the whole answer.
    partial: bool,
    /// What the tokens are counted from if nobody reports them. Boxed, as a record moves a few times.
    evidence: Box<Evidence>,
    /// The answer, if it is to be given again.
    keeping: Option<Box<Keeping>>,
    /// Whether it was given before; nothing if the response cache has no part in it.
    cached: Option<bool>,
    /// The conversation that it belongs to.
    session: Option<(Sessions, Held)>,
    /// Taken when it is settled. Boxed, as a record moves a few times before that.
    row: Option<Box<Row>>,
}

/// Waits until a row is kept, before the answer that it tells of goes out.
pub(super) async fn keep(receipt: Option<Receipt>) {
    if let Some(receipt) = receipt {
        receipt.kept().await;
    }
}

/// A duration in whole microseconds.
pub(super) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl Record {
    pub(super) fn open(
        gateway: &Gateway,
        request: &ChatRequest<'_>,
        body: Bytes,
        decided: &Decided,
        whose: Whose,
        arrived: Instant,
    ) -> Self {
        let decision = &decided.decision;
        let frontier = gateway.tiers[2].first();
        let frontier_model =
            |target: &Target| target.upstream.model.clone().unwrap_or_else(|| request.model.to_string());
        let row = Row {
            id: gateway.store.next_id(),
            request_id: whose.request_id.as_str().to_owned(),
            created_at_ms: Timestamp::now().0 - i64::try_from(arrived.elapsed().as_millis()).unwrap_or(0),
            session: whose.session,
            key: whose.key,
            decision: decision.tier,
            source: Cow::Borrowed(decision.source.as_str()),
            score: decision.score,
            confidence: decision.confidence,
            reason: Some(decision.reason.clone()),
            tier: None,
            upstream: None,
            provider: None,
            requested_model: request.model.chars().take(256).collect(),
            selected_model: None,
            response_model: None,
            local: false,
            stream: request.stream,
            status: None,
            error_type: None,
            attempts: Vec::new(),
            usage: TokenUsage::default(),
            usage_source: TokenUsage::default().source(),
            usage_raw: None,
            features: decided.features.clone(),
            cost: None,
            frontier_cost: None,
            asked_classifier: decided.asked,
            classifier_usage: decided.usage,
            classify_us: Some(decided.classify_us),
            first_token_us: None,
            duration_us: None,
        };
        // Before any upstream is called, so that a request that hangs or kills the process leaves a row.
        gateway.store.begun(&row);
        Record {
            store: gateway.store.clone(),
            arrived,
            source: decision.source,
            price: None,
            estimator: gateway.estimator.clone(),
            dropped: Vec::new(),
            partial: false,
            evidence: Box::new(Evidence { request: body, ..Evidence::default() }),
            frontier_price: frontier.and_then(|target| target.price(&gateway.catalog, &frontier_model(target))),
            keeping: None,
            cached: None,
            session: decided.session.map(|held| (gateway.sessions.clone(), held)),
            row: Some(Box::new(row)),
        }
    }

    /// The answer is to be kept.
    pub(super) fn keeping(mut self, keeping: Box<Keeping>) -> Self {
        self.cached = Some(false);
        self.keeping = Some(keeping);
        self
    }

    /// These bytes go to the client.
    pub(super) fn sent(&mut self, bytes: &[u8]) {
        if let Some(keeping) = &mut self.keeping {
            keeping.sent(bytes);
        }
    }

    /// All bytes have gone to the client.
    pub(super) fn sent_all(&mut self) {
        if let Some(keeping) = self.keeping.take() {
            keeping.finish();
        }
    }

    /// No upstream is called: the answer was given before. Its tokens cost nothing this time, and are kept apart from
    /// those of the tiers.
    pub(super) fn answered_before(&mut self, kept: &Kept) {
        self.cached = Some(true);
        self.source = Source::ResponseCache;
        self.first_token();
        if let Some(row) = &mut self.row {
            row.source = Cow::Borrowed(Source::ResponseCache.as_str());
            row.reason = Some(match row.reason.take() {
                Some(reason) => Cow::Owned(format!("answered before by {}; {reason}", kept.tier)),
                None => Cow::Borrowed("answered before"),
            });
            row.response_model.clone_from(&kept.response_model);
            row.usage = kept.usage;
            row.usage_source = kept.usage_source;
        }
    }

    /// An upstream is about to be called.
    pub(super) fn attempt(&mut self, gateway: &Gateway, target: &Target, model: &str, dropped: Vec<String>) {
        self.dropped = dropped;
        self.price = target.price(&gateway.catalog, model);
        if let Some(row) = &mut self.row {
            // What an attempt that failed said of itself is not this one's.
            row.response_model = None;
            row.usage = TokenUsage::default();
            row.usage_source = UsageSource::Absent;
            row.usage_raw = None;
            row.attempts.push(Attempt {
                upstream: target.upstream.name.clone(),
                tier: target.upstream.tier,
                model: model.chars().take(256).collect(),
                status: None,
                error_type: None,
                started_us: micros(self.arrived.elapsed()),
                duration_us: None,
            });
            row.tier = Some(target.upstream.tier);
            row.upstream = Some(target.upstream.name.clone());
            row.provider = Some(Cow::Borrowed(target.upstream.provider.as_str()));
            row.selected_model = Some(model.chars().take(256).collect());
            row.local = target.upstream.local;
        }
    }

    /// The upstream that is being called has failed.
    pub(super) fn failed(&mut self, status: Option<u16>, error_type: &'static str) {
        let elapsed = micros(self.arrived.elapsed());
        if let Some(attempt) = self.row.as_mut().and_then(|row| row.attempts.last_mut()) {
            attempt.status = status;
            attempt.error_type = Some(Cow::Borrowed(error_type));
            attempt.duration_us = Some(elapsed - attempt.started_us);
        }
    }

    /// What the answer says of itself: its model, its tokens and those as the provider wrote them. Later figures
    /// replace earlier ones; absent ones do not.
    pub(super) fn answered(&mut self, model: Option<&str>, usage: Option<(TokenUsage, String)>) {
        if let Some(row) = &mut self.row {
            if let Some(model) = model.filter(|_| row.response_model.is_none()) {
                row.response_model = Some(model.chars().take(256).collect());
            }
            // One that says nothing does not take back what was said.
            if let Some((usage, raw)) = usage.filter(|(usage, _)| usage.source() == UsageSource::Reported) {
                row.usage = usage;
                row.usage_source = usage.source();
                row.usage_raw = (raw.len() <= LONGEST_RAW).then_some(raw);
            }
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
        self.row.as_ref().is_some_and(|row| row.usage.input_tokens.is_none() || row.usage.output_tokens.is_none())
    }

    /// The first token went out.
    pub(super) fn first_token(&mut self) {
        let elapsed = micros(self.arrived.elapsed());
        if let Some(row) = &mut self.row {
            row.first_token_us.get_or_insert(elapsed);
        }
    }

    /// The way taken so far.
    pub(super) fn route(&self) -> Option<Route> {
        self.row.as_ref().map(|row| Route {
            decision: row.decision,
            source: self.source,
            tier: row.tier,
            cached: self.cached,
            model: row.selected_model.clone(),
            attempts: u32::try_from(row.attempts.len()).unwrap_or(u32::MAX),
            dropped: self.dropped.clone(),
        })
    }

    /// For whom turns are remembered: the key that the client came with.
    pub(super) fn scope(&self) -> &str {
        self.row.as_ref().and_then(|row| row.key.as_deref()).unwrap_or_default()
    }

    /// A figure that differs from request to request, for the weighted draw of upstreams.
    ///
    /// The same for all steps of a conversation, so that it stays with its upstream and comes back to it after an outage.
    pub(super) fn seed(&self) -> u64 {
        if let Some((_, held)) = &self.session {
            return held.key.seed();
        }
        let id = self.row.as_ref().map_or("", |row| row.request_id.as_str());
        id.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
    }

    /// The end. What comes after it is not recorded. The answer's last byte is held back until the receipt is there.
    pub(super) fn settle(&mut self, status: u16, error_type: Option<&'static str>) -> Option<Receipt> {
        let broken = error_type.is_some();
        let lacks = self.lacks_usage();
        let mut row = self.row.take()?;
        let took = micros(self.arrived.elapsed());
        row.status = Some(status);
        row.error_type = error_type.map(Cow::Borrowed);
        row.duration_us = Some(took);
        if let Some(attempt) = row.attempts.last_mut().filter(|attempt| attempt.error_type.is_none()) {
            attempt.status = (status != 499 || row.first_token_us.is_some()).then_some(200);
            attempt.error_type = error_type.map(Cow::Borrowed);
            attempt.duration_us = Some(took - attempt.started_us);
        }
        if let Some((sessions, held)) = &self.session {
            let answered = row.tier.filter(|_| status == 200 && !broken);
            sessions.end(held, answered.map(|tier| (tier, &row.usage)));
        }
        if let Some(keeping) = &mut self.keeping
            && status == 200
            && !broken
            && row.first_token_us.is_some()
            && let (Some(tier), Some(model)) = (row.tier, &row.selected_model)
        {
            keeping.ended_well(Kept {
                body: Bytes::new(),
                tier,
                model: model.clone(),
                response_model: row.response_model.clone(),
                usage: row.usage,
                usage_source: row.usage_source,
            });
        }
        let (price, frontier_price, cached) = (self.price, self.frontier_price, self.cached == Some(true));
        let priced = move |row: &mut Row| {
            row.cost = if cached { Some(NanoUsd(0)) } else { price.and_then(|price| price.cost(&row.usage)) };
            row.frontier_cost = frontier_price.and_then(|price| price.cost(&row.usage));
        };
        let evidence = std::mem::take(&mut *self.evidence);
        // A stream that broke may have reported less than it said; a last word is never counted over. Where nothing was
        // said, nothing is counted.
        let said = !evidence.answer.is_empty() || !evidence.seen.is_empty();
        if said && (lacks || (broken && self.partial)) {
            return self.estimator.complete(row, evidence, self.store.clone(), priced);
        }
        priced(&mut row);
        self.store.finished(row)
    }
}

impl Drop for Record {
    /// Nobody settled it: the client left, or a step panicked.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.settle(500, Some("panic"));
        } else {
            let _ = self.settle(499, Some("client_closed"));
        }
    }
}
