//! `GET /metrics`, for Prometheus.

use std::fmt;
use std::sync::Arc;

use poem_openapi::payload::PlainText;
use poem_openapi::{ApiResponse, OpenApi};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::{Shared, Tag};
use crate::store::Store;

pub(super) struct MetricsApi(pub(super) Arc<Shared>);

#[derive(ApiResponse)]
enum MetricsAnswer {
    /// OpenMetrics' text format, version 1.0.0, which Prometheus reads.
    #[oai(status = 200, content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8")]
    Ok(PlainText<String>),
}

#[OpenApi]
#[expect(clippy::unused_async, reason = "the macro takes async functions only")]
impl MetricsApi {
    /// Figures for Prometheus
    ///
    /// `xrouter_history_rows` by `place` adds up to `xrouter_history_served_total`. Names follow OpenTelemetry's
    /// conventions for generative AI where these have one.
    #[oai(path = "/metrics", method = "get", operation_id = "getMetrics", tag = "Tag::Health")]
    async fn metrics(&self) -> MetricsAnswer {
        MetricsAnswer::Ok(PlainText(self.0.gateway.listeners.metrics.text()))
    }
}

/// Where the history's rows are, read when somebody asks.
#[derive(Debug)]
pub struct HistoryMetrics(pub Store);

impl Collector for HistoryMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let state = self.0.state().borrow().clone();
        let figure = |figure: u64| i64::try_from(figure).unwrap_or(i64::MAX);
        let served = "Requests that have ended, and those that the start brought in from a journal";
        let served = encoder.encode_descriptor("xrouter_history_served", served, None, MetricType::Counter)?;
        ConstCounter::new(state.served).encode(served)?;
        let rows = "Where the rows of these requests are. Their sum is xrouter_history_served_total";
        let mut rows = encoder.encode_descriptor("xrouter_history_rows", rows, None, MetricType::Gauge)?;
        let places = [
            ("stored", state.stored),
            ("queued", state.queued),
            ("spilled", state.spilled),
            ("dropped", state.dropped),
        ];
        for (place, count) in places {
            ConstGauge::new(figure(count)).encode(rows.encode_family(&[("place", place)])?)?;
        }
        let writable = state.stalled.is_none() && state.journal_failed.is_none();
        for (name, help, value) in [
            ("xrouter_history_queued_bytes", "What the queued rows take in memory", figure(state.queued_bytes)),
            ("xrouter_history_journal_bytes", "Bytes of the journal", figure(state.journal_bytes)),
            ("xrouter_history_writable", "1 if the history and its journal can be written", i64::from(writable)),
        ] {
            ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        Ok(())
    }
}
