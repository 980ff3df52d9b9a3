//! What happens, each kind once: its line in the log and its metric are written together.
//!
//! Lines are written inside of the request's span (`spans.rs`), which has its id, the tier, the upstream and the attempt.

use super::metrics::{
    FailureLabels, Metrics, ModelLabels, RequestLabels, ResultLabels, SkippedLabels, SourceLabels, TokenLabels,
    tier_name,
};
use super::names::provider_name;
use super::spans;
use crate::catalog::{NanoUsd, Provider, Source, Tier};
use crate::protocol::TokenUsage;

/// A decision was taken.
#[derive(Debug)]
pub struct Decided<'a> {
    /// The step that settled it.
    pub source: Source,
    /// Microseconds that it took.
    pub took_us: i64,
    /// Whether the classifier's model was asked.
    pub asked: bool,
    /// Why the classifier's model gave no verdict, if it failed.
    pub failure: Option<&'a str>,
}

impl Decided<'_> {
    /// Tells it.
    pub fn tell(&self, metrics: &Metrics) {
        let counted = &metrics.0;
        let labels = SourceLabels { source: self.source.as_str() };
        counted.decisions.of(&labels).inc();
        counted.decide_duration.of(&labels).observe(seconds(self.took_us));
        counted.classifier_asked.inc_by(u64::from(self.asked));
        if let Some(failure) = self.failure {
            counted.classifier_failures.inc();
            let then = if self.source == Source::Fallback {
                "the request goes to the frontier tier"
            } else {
                "the embedded verdict stands"
            };
            tracing::warn!(error = failure, then, "the classifier's model failed");
        }
    }
}

/// A request whose answer may come from the response cache.
#[derive(Debug)]
pub struct LookedUp {
    /// Whether it does.
    pub hit: bool,
}

impl LookedUp {
    /// Tells it.
    pub fn tell(&self, metrics: &Metrics) {
        let result = if self.hit { "hit" } else { "miss" };
        metrics.0.response_cache.of(&ResultLabels { result }).inc();
    }
}

/// A request begins to be answered.
#[derive(Debug)]
pub struct Begun;

impl Begun {
    /// Tells it.
    pub fn tell(&self, metrics: &Metrics) {
        metrics.0.in_flight.inc();
    }
}

/// A candidate is passed over.
#[derive(Debug)]
pub struct CandidateSkipped<'a> {
    /// Its tier.
    pub tier: Tier,
    /// Its name.
    pub upstream: &'a str,
    /// Why.
    pub reason: &'a str,
}

impl CandidateSkipped<'_> {
    /// Tells it.
    pub fn tell(&self, metrics: &Metrics) {
        let upstream = metrics.0.label(Some(self.upstream));
        metrics.0.candidates_skipped.of(&SkippedLabels { tier: self.tier.as_str(), upstream }).inc();
        tracing::debug!(tier = %self.tier, upstream = self.upstream, reason = self.reason, "an upstream is passed over");
    }
}

/// An upstream call failed, or a stream broke off.
#[derive(Debug)]
pub struct UpstreamFailed<'a> {
    /// Its tier.
    pub tier: Tier,
    /// Its name.
    pub upstream: &'a str,
    /// Its provider.
    pub provider: Provider,
    /// How it failed, as the history has it.
    pub error_type: &'static str,
    /// What it said, as far as it may be shown.
    pub message: &'a str,
    /// What that means.
    pub meaning: Meaning,
}

/// What a failure of an upstream means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// The upstream failed, before anything went to the client.
    Failed,
    /// The request is at fault.
    Refused,
    /// The answer had begun.
    BrokeOff,
}

impl UpstreamFailed<'_> {
    /// Tells it; `attempt` counts the request's upstream calls from 1.
    pub fn tell(&self, attempt: u32, metrics: &Metrics) {
        let _in_attempt = spans::attempt(self.tier.as_str(), self.upstream, attempt).entered();
        let labels = FailureLabels {
            tier: self.tier.as_str(),
            upstream: metrics.0.label(Some(self.upstream)),
            gen_ai_provider_name: provider_name(self.provider),
            error_type: self.error_type,
        };
        metrics.0.upstream_failures.of(&labels).inc();
        let (error_type, error) = (self.error_type, self.message);
        match self.meaning {
            Meaning::Failed => tracing::warn!(error_type, error, "an upstream failed"),
            Meaning::Refused => tracing::debug!(error_type, error, "the upstream refused the request"),
            Meaning::BrokeOff => tracing::warn!(error_type, error, "a stream broke off"),
        }
    }
}

/// A request has ended; its tokens may still be counted.
#[derive(Debug)]
pub struct Ended<'a> {
    /// Who answered: a tier, `response_cache` or `nobody`.
    pub answered_by: &'static str,
    /// The step that decided.
    pub source: Option<Source>,
    /// The status that the client got.
    pub status: u16,
    /// What kind of error, if it was one.
    pub error_type: Option<&'a str>,
    /// The upstream that was called last.
    pub upstream: Option<&'a str>,
    /// Its place.
    pub place: Place<'a>,
    /// Microseconds from arrival to the first token, if one came.
    pub first_token_us: Option<i64>,
    /// Microseconds from arrival to the end.
    pub duration_us: i64,
}

/// Where tokens are used.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The tier.
    pub tier: Option<Tier>,
    /// The provider.
    pub provider: Option<Provider>,
    /// The model that was asked.
    pub model: Option<&'a str>,
}

impl Place<'_> {
    fn labels(&self, metrics: &Metrics) -> ModelLabels {
        ModelLabels {
            tier: tier_name(self.tier),
            gen_ai_provider_name: self.provider.map_or("none", provider_name),
            gen_ai_request_model: metrics.0.label(self.model),
        }
    }
}

impl Ended<'_> {
    /// Tells it.
    pub fn tell(&self, metrics: &Metrics) {
        let counted = &metrics.0;
        counted.in_flight.dec();
        let labels = RequestLabels {
            tier: self.answered_by,
            source: self.source.map_or("unknown", Source::as_str),
            status_class: status_class(self.status),
            upstream: counted.label(self.upstream),
            gen_ai_provider_name: self.place.provider.map_or("none", provider_name),
        };
        counted.requests.of(&labels).inc();
        if self.place.tier.is_some() {
            let labels = self.place.labels(metrics);
            counted.operation_duration.of(&labels).observe(seconds(self.duration_us));
            if let Some(us) = self.first_token_us {
                counted.time_to_first_chunk.of(&labels).observe(seconds(us));
            }
        }
        tracing::debug!(
            status = self.status,
            error_type = self.error_type,
            answered_by = self.answered_by,
            duration_us = self.duration_us,
            "a request has ended"
        );
    }
}

/// What a request used is known, as far as it ever will be. What the response cache answered used nothing.
#[derive(Debug)]
pub struct Used<'a> {
    /// Where.
    pub place: Place<'a>,
    /// The tokens.
    pub usage: TokenUsage,
    /// What they cost.
    pub cost: Option<NanoUsd>,
    /// What they would have cost on the frontier tier.
    pub frontier_cost: Option<NanoUsd>,
}

impl Used<'_> {
    /// Tells it.
    pub fn tell(&self, metrics: &Metrics) {
        let counted = &metrics.0;
        let labels = self.place.labels(metrics);
        let kinds = [
            ("input", self.usage.input_tokens),
            ("cached_input", self.usage.cached_input_tokens),
            ("cache_write", self.usage.cache_write_tokens),
            ("output", self.usage.output_tokens),
            ("reasoning", self.usage.reasoning_tokens),
        ];
        for (gen_ai_token_type, tokens) in kinds {
            if let Some(tokens) = tokens.filter(|tokens| *tokens > 0) {
                let ModelLabels { tier, gen_ai_provider_name, gen_ai_request_model } = labels.clone();
                let labels = TokenLabels { tier, gen_ai_provider_name, gen_ai_request_model, gen_ai_token_type };
                counted.tokens.of(&labels).inc_by(tokens);
            }
        }
        if let Some(cost) = self.cost {
            counted.cost.of(&labels).inc_by(cost.as_usd());
        }
        if let Some(cost) = self.frontier_cost {
            counted.frontier_cost.of(&labels).inc_by(cost.as_usd());
        }
        if let (Some(cost), Some(frontier)) = (self.cost, self.frontier_cost) {
            counted.saved.inc_by(NanoUsd(frontier.0 - cost.0).as_usd());
        }
    }
}

/// The last byte of an answer waited for its row to be kept.
#[derive(Debug)]
pub struct Waited {
    /// For so many microseconds.
    pub us: i64,
}

impl Waited {
    /// Tells it.
    pub fn tell(&self, metrics: &Metrics) {
        metrics.0.history_wait.observe(seconds(self.us));
    }
}

fn status_class(status: u16) -> &'static str {
    match status {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        500..=599 => "5xx",
        _ => "other",
    }
}

#[expect(clippy::cast_precision_loss, reason = "durations are far below 2^52 microseconds")]
fn seconds(us: i64) -> f64 {
    us as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_that_is_not_configured_makes_no_label_of_its_own() {
        let metrics = Metrics::new(["m"].into_iter(), Vec::new());
        for model in ["m", "made up", "made up again"] {
            let place = Place { tier: Some(Tier::Cheap), provider: Some(Provider::Groq), model: Some(model) };
            let usage = TokenUsage { input_tokens: Some(7), ..TokenUsage::default() };
            let cost = Some(NanoUsd(1));
            Used { place, usage, cost, frontier_cost: None }.tell(&metrics);
        }
        let text = metrics.text();
        let sample = |model: &str, figure: &str| {
            format!(
                "xrouter_tokens_total{{tier=\"cheap\",gen_ai_provider_name=\"groq\",gen_ai_request_model=\"{model}\",\
                 gen_ai_token_type=\"input\"}} {figure}\n"
            )
        };
        assert!(text.contains(&sample("m", "7")) && text.contains(&sample("other", "14")), "{text}");
        assert!(!text.contains("made up"), "{text}");
    }

    #[test]
    fn money_adds_up_to_the_nano_dollar() {
        let metrics = Metrics::new(std::iter::empty(), Vec::new());
        let place = Place { tier: None, provider: None, model: None };
        for _ in 0..10 {
            let (cost, frontier_cost) = (Some(NanoUsd(100_000_001)), Some(NanoUsd(3)));
            Used { place, usage: TokenUsage::default(), cost, frontier_cost }.tell(&metrics);
        }
        let text = metrics.text();
        assert!(text.contains("} 1.00000001\n"), "{text}");
        assert!(text.contains("xrouter_saved_usd -0.99999998\n"), "{text}");
    }
}
