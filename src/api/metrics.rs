//! `GET /metrics`, for Prometheus.

use std::fmt::Write as _;
use std::sync::Arc;

use poem_openapi::payload::PlainText;
use poem_openapi::{ApiResponse, OpenApi};

use super::{Shared, Tag};
use crate::gateway::Tally;
use crate::store::WriterState;

pub(super) struct MetricsApi(pub(super) Arc<Shared>);

#[derive(ApiResponse)]
enum MetricsAnswer {
    /// Prometheus' text format, version 0.0.4.
    #[oai(status = 200, content_type = "text/plain; version=0.0.4; charset=utf-8")]
    Ok(PlainText<String>),
}

#[OpenApi]
#[expect(clippy::unused_async, reason = "the macro takes async functions only")]
impl MetricsApi {
    /// Figures for Prometheus
    ///
    /// `xrouter_history_rows` by `place` adds up to `xrouter_history_served_total`.
    #[oai(path = "/metrics", method = "get", operation_id = "getMetrics", tag = "Tag::Health")]
    async fn metrics(&self) -> MetricsAnswer {
        MetricsAnswer::Ok(PlainText(text(&self.0.store.state().borrow(), &self.0.gateway.listeners.tally)))
    }
}

fn text(state: &WriterState, tally: &Tally) -> String {
    let mut text = String::with_capacity(2_048);
    let mut metric = |name: &str, kind: &str, help: &str, samples: &[(&str, u64)]| {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, figure) in samples {
            let _ = writeln!(text, "{name}{labels} {figure}");
        }
    };
    let labels: Vec<(String, u64)> =
        tally.by_source().map(|(source, count)| (format!("{{source=\"{}\"}}", source.as_str()), count)).collect();
    let samples: Vec<(&str, u64)> = labels.iter().map(|(label, count)| (label.as_str(), *count)).collect();
    metric("xrouter_decisions_total", "counter", "Decisions by the step that settled them.", &samples);
    metric(
        "xrouter_classifier_asked_total",
        "counter",
        "Decisions for which the classifier's model was asked.",
        &[("", tally.asked())],
    );
    let (hits, misses) = tally.answers();
    metric(
        "xrouter_response_cache_total",
        "counter",
        "Requests that the response cache could answer, and whether it did.",
        &[("{result=\"hit\"}", hits), ("{result=\"miss\"}", misses)],
    );
    metric(
        "xrouter_history_served_total",
        "counter",
        "Requests that have ended, and those that the start brought in from a journal.",
        &[("", state.served)],
    );
    metric(
        "xrouter_history_rows",
        "gauge",
        "Where the rows of these requests are. Their sum is xrouter_history_served_total.",
        &[
            ("{place=\"stored\"}", state.stored),
            ("{place=\"queued\"}", state.queued),
            ("{place=\"spilled\"}", state.spilled),
            ("{place=\"dropped\"}", state.dropped),
        ],
    );
    metric(
        "xrouter_history_queued_bytes",
        "gauge",
        "What the queued rows take in memory.",
        &[("", state.queued_bytes)],
    );
    metric("xrouter_history_journal_bytes", "gauge", "Bytes of the journal.", &[("", state.journal_bytes)]);
    metric(
        "xrouter_history_writable",
        "gauge",
        "1 if the history and its journal can be written.",
        &[("", u64::from(state.stalled.is_none() && state.journal_failed.is_none()))],
    );
    metric(
        "xrouter_requests_in_flight",
        "gauge",
        "Requests that were decided and have not ended.",
        &[("", state.in_flight)],
    );
    text
}
