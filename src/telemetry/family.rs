//! Metrics of one name that differ by their labels.
//!
//! In the place of `prometheus_client`'s own family: every request looks up a dozen of them, and the standard library's
//! hash took twice the time of the rest.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock};

use foldhash::fast::RandomState;
use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::{MetricType, TypedMetric};

/// Metrics by their labels. Cheap to clone; clones are the same metrics.
#[derive(Debug)]
pub(super) struct Family<S, M> {
    metrics: Arc<RwLock<HashMap<S, M, RandomState>>>,
    make: fn() -> M,
}

impl<S, M> Family<S, M> {
    /// A family without metrics yet; `make` makes one.
    pub(super) fn new(make: fn() -> M) -> Self {
        Family { metrics: Arc::default(), make }
    }
}

impl<S, M: Default> Default for Family<S, M> {
    fn default() -> Self {
        Family::new(M::default)
    }
}

impl<S, M> Clone for Family<S, M> {
    fn clone(&self) -> Self {
        Family { metrics: Arc::clone(&self.metrics), make: self.make }
    }
}

impl<S: Clone + Eq + Hash, M: Clone> Family<S, M> {
    /// The metric of some labels.
    pub(super) fn of(&self, labels: &S) -> M {
        if let Some(metric) = self.metrics.read().unwrap_or_else(PoisonError::into_inner).get(labels) {
            return metric.clone();
        }
        let mut metrics = self.metrics.write().unwrap_or_else(PoisonError::into_inner);
        metrics.entry(labels.clone()).or_insert_with(self.make).clone()
    }
}

impl<S, M> EncodeMetric for Family<S, M>
where
    S: EncodeLabelSet + fmt::Debug,
    M: EncodeMetric + TypedMetric,
{
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        for (labels, metric) in &*self.metrics.read().unwrap_or_else(PoisonError::into_inner) {
            metric.encode(encoder.encode_family(labels)?)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        M::TYPE
    }

    fn is_empty(&self) -> bool {
        self.metrics.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}
