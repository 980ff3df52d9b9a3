//! What is counted, for whoever watches the process. `events.rs` says when.
//!
//! Label sets are bounded: upstreams, tiers and providers are configured, and a model that is not configured is `other`.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use foldhash::fast::RandomState;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::{self, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::family::Family;
use super::names;
use crate::catalog::{NanoUsd, Source, Tier};

/// The label of a model or an upstream that is not configured.
const OTHER: &str = "other";

/// A label that many samples share.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Label(Arc<str>);

impl EncodeLabelValue for Label {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        EncodeLabelValue::encode(&self.0.as_ref(), encoder)
    }
}

/// Money in nano-dollars, shown in dollars: sums stay exact.
#[derive(Debug, Default)]
pub(super) struct Nanos(AtomicI64);

#[expect(clippy::cast_possible_truncation, reason = "an amount in nano-dollars fits")]
fn nanos(usd: f64) -> i64 {
    (usd * 1e9).round() as i64
}

impl Nanos {
    fn add(&self, nanos: i64) -> f64 {
        NanoUsd(self.0.fetch_add(nanos, Ordering::Relaxed)).as_usd()
    }
}

impl counter::Atomic<f64> for Nanos {
    fn inc(&self) -> f64 {
        self.add(1_000_000_000)
    }
    fn inc_by(&self, usd: f64) -> f64 {
        self.add(nanos(usd))
    }
    fn get(&self) -> f64 {
        NanoUsd(self.0.load(Ordering::Relaxed)).as_usd()
    }
}

impl gauge::Atomic<f64> for Nanos {
    fn inc(&self) -> f64 {
        self.add(1_000_000_000)
    }
    fn inc_by(&self, usd: f64) -> f64 {
        self.add(nanos(usd))
    }
    fn dec(&self) -> f64 {
        self.add(-1_000_000_000)
    }
    fn dec_by(&self, usd: f64) -> f64 {
        self.add(-nanos(usd))
    }
    fn set(&self, usd: f64) -> f64 {
        NanoUsd(self.0.swap(nanos(usd), Ordering::Relaxed)).as_usd()
    }
    fn get(&self) -> f64 {
        NanoUsd(self.0.load(Ordering::Relaxed)).as_usd()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RequestLabels {
    /// Who answered: a tier, `response_cache` or `nobody`.
    pub(super) tier: &'static str,
    pub(super) source: &'static str,
    pub(super) status_class: &'static str,
    pub(super) upstream: Label,
    pub(super) gen_ai_provider_name: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct FailureLabels {
    pub(super) tier: &'static str,
    pub(super) upstream: Label,
    pub(super) gen_ai_provider_name: &'static str,
    pub(super) error_type: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct SkippedLabels {
    pub(super) tier: &'static str,
    pub(super) upstream: Label,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ModelLabels {
    pub(super) tier: &'static str,
    pub(super) gen_ai_provider_name: &'static str,
    pub(super) gen_ai_request_model: Label,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct TokenLabels {
    pub(super) tier: &'static str,
    pub(super) gen_ai_provider_name: &'static str,
    pub(super) gen_ai_request_model: Label,
    pub(super) gen_ai_token_type: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct SourceLabels {
    pub(super) source: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ResultLabels {
    pub(super) result: &'static str,
}

type Dollars = Counter<f64, Nanos>;

/// All metrics of a process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics(pub(super) Arc<Counted>);

#[derive(Debug)]
pub(super) struct Counted {
    pub(super) requests: Family<RequestLabels, Counter>,
    pub(super) in_flight: Gauge<i64, AtomicI64>,
    pub(super) upstream_failures: Family<FailureLabels, Counter>,
    pub(super) candidates_skipped: Family<SkippedLabels, Counter>,
    pub(super) tokens: Family<TokenLabels, Counter<u64, AtomicU64>>,
    pub(super) cost: Family<ModelLabels, Dollars>,
    pub(super) frontier_cost: Family<ModelLabels, Dollars>,
    pub(super) saved: Gauge<f64, Nanos>,
    pub(super) decisions: Family<SourceLabels, Counter>,
    pub(super) decide_duration: Family<SourceLabels, Histogram>,
    pub(super) operation_duration: Family<ModelLabels, Histogram>,
    pub(super) time_to_first_chunk: Family<ModelLabels, Histogram>,
    pub(super) history_wait: Histogram,
    pub(super) classifier_asked: Counter,
    pub(super) classifier_failures: Counter,
    pub(super) response_cache: Family<ResultLabels, Counter>,
    registry: Registry,
    /// Names of upstreams and models that are configured.
    labels: HashMap<String, Label, RandomState>,
    other: Label,
}

impl Metrics {
    /// Metrics for these upstreams and models by name; `collectors` count for themselves.
    #[must_use]
    pub fn new<'n>(configured: impl Iterator<Item = &'n str>, collectors: Vec<Box<dyn Collector>>) -> Self {
        let own = || Histogram::new(names::OWN_BUCKETS);
        let durations = || Histogram::new(names::DURATION_BUCKETS);
        let mut counted = Counted {
            requests: Family::default(),
            in_flight: Gauge::default(),
            upstream_failures: Family::default(),
            candidates_skipped: Family::default(),
            tokens: Family::default(),
            cost: Family::default(),
            frontier_cost: Family::default(),
            saved: Gauge::default(),
            decisions: Family::default(),
            decide_duration: Family::new(own),
            operation_duration: Family::new(durations),
            time_to_first_chunk: Family::new(durations),
            history_wait: own(),
            classifier_asked: Counter::default(),
            classifier_failures: Counter::default(),
            response_cache: Family::default(),
            registry: Registry::default(),
            labels: configured.map(|name| (name.to_owned(), Label(name.into()))).collect(),
            other: Label(OTHER.into()),
        };
        for source in Source::ALL {
            let _ = counted.decisions.of(&SourceLabels { source: source.as_str() });
        }
        for result in ["hit", "miss"] {
            let _ = counted.response_cache.of(&ResultLabels { result });
        }
        counted.register();
        for collector in collectors {
            counted.registry.register_collector(collector);
        }
        Metrics(Arc::new(counted))
    }

    /// All metrics in the text format of OpenMetrics 1.0.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(16 * 1024);
        // Writing to memory does not fail.
        let _ = encode(&mut text, &self.0.registry);
        text
    }
}

impl Counted {
    fn register(&mut self) {
        let registry = &mut self.registry;
        let seconds = || Unit::Seconds;
        registry.register(names::REQUESTS, "Requests that have ended", self.requests.clone());
        registry.register(names::IN_FLIGHT, "Requests that were decided and have not ended", self.in_flight.clone());
        registry.register(
            names::UPSTREAM_FAILURES,
            "Upstream calls that failed, by how they failed",
            self.upstream_failures.clone(),
        );
        registry.register(
            names::CANDIDATES_SKIPPED,
            "Upstreams that were passed over, as they could not take a request",
            self.candidates_skipped.clone(),
        );
        registry.register(
            names::TOKENS,
            "Tokens by kind; input has cached_input and cache_write in it, output has reasoning in it",
            self.tokens.clone(),
        );
        registry.register(names::COST, "What requests with a known cost cost, in US dollars", self.cost.clone());
        registry.register(
            names::FRONTIER_COST,
            "What the same tokens would have cost on the frontier tier, in US dollars, where that is known",
            self.frontier_cost.clone(),
        );
        registry.register(
            names::SAVED,
            "That less the cost, over the requests of which both are known, in US dollars",
            self.saved.clone(),
        );
        registry.register(names::DECISIONS, "Decisions by the step that settled them", self.decisions.clone());
        registry.register_with_unit(
            names::DECIDE_DURATION,
            "Time from the parsed request to the decision",
            seconds(),
            self.decide_duration.clone(),
        );
        registry.register_with_unit(
            names::OPERATION_DURATION,
            "Time from arrival to the end",
            seconds(),
            self.operation_duration.clone(),
        );
        registry.register_with_unit(
            names::TIME_TO_FIRST_CHUNK,
            "Time from arrival to the first token",
            seconds(),
            self.time_to_first_chunk.clone(),
        );
        registry.register_with_unit(
            names::HISTORY_WAIT,
            "Time that the last byte of an answer waited for its row to be kept",
            seconds(),
            self.history_wait.clone(),
        );
        registry.register(
            names::CLASSIFIER_ASKED,
            "Decisions for which the classifier's model was asked",
            self.classifier_asked.clone(),
        );
        registry.register(
            names::CLASSIFIER_FAILURES,
            "Decisions for which the classifier's model failed",
            self.classifier_failures.clone(),
        );
        registry.register(
            names::RESPONSE_CACHE,
            "Requests that the response cache may answer, and whether it did",
            self.response_cache.clone(),
        );
    }

    /// The label of a name, if it is configured.
    pub(super) fn label(&self, name: Option<&str>) -> Label {
        name.and_then(|name| self.labels.get(name)).unwrap_or(&self.other).clone()
    }
}

/// The tier's name, or `none`.
pub(super) fn tier_name(tier: Option<Tier>) -> &'static str {
    tier.map_or("none", Tier::as_str)
}
