//! How a request ended, and all who want to know: conversations, the response cache, the log and metrics, the history.

use std::time::Instant;

use super::Sessions;
use super::bill::Bill;
use super::estimate::{Estimator, Evidence};
use super::keeping::Keeping;
use super::sessions::Held;
use crate::store::{Receipt, Row, Store};
use crate::telemetry::Metrics;
use crate::telemetry::events::Waited;

/// A request that has ended.
#[derive(Debug)]
pub(super) struct Outcome {
    /// The row, complete but for tokens that are still to be counted and what depends on them.
    pub(super) row: Box<Row>,
    /// What tokens are counted from.
    pub(super) evidence: Evidence,
    /// Whether its tokens are not known, or less than they were.
    pub(super) is_uncounted: bool,
    pub(super) bill: Bill,
    /// The answer, if it is to be given again.
    pub(super) keeping: Option<Box<Keeping>>,
    /// The conversation that it belongs to.
    pub(super) held: Option<Held>,
}

impl Outcome {
    /// Whether the client got a whole answer.
    fn is_well(&self) -> bool {
        self.row.status == Some(200) && self.row.error_type.is_none()
    }
}

/// Those who want to know how a request ended.
#[derive(Debug)]
pub struct Listeners {
    /// Conversations that are under way.
    pub sessions: Sessions,
    /// What is counted.
    pub metrics: Metrics,
    /// Counts tokens that no provider reported.
    pub estimator: Estimator,
    /// The history.
    pub store: Store,
}

/// What is left to do for a request that has ended: the answer's last byte is held back until its row is kept, and the
/// answer may be kept once all of it has gone out.
#[derive(Debug)]
#[must_use]
pub(super) struct Ended {
    receipt: Option<Receipt>,
    keeping: Option<Box<Keeping>>,
    metrics: Metrics,
}

impl Ended {
    /// Waits until the row is kept.
    pub(super) async fn kept(&mut self) {
        if let Some(receipt) = self.receipt.take() {
            let begun = Instant::now();
            receipt.kept().await;
            let us = i64::try_from(begun.elapsed().as_micros()).unwrap_or(i64::MAX);
            Waited { us }.tell(&self.metrics);
        }
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
}

impl Listeners {
    /// A request has ended: everybody is told, the history last.
    pub(super) fn tell(&self, outcome: Outcome) -> Ended {
        let is_well = outcome.is_well();
        let Outcome { mut row, evidence, is_uncounted, bill, mut keeping, held } = outcome;
        bill.ended(&row);
        if let Some(held) = &held {
            self.sessions.end(held, row.tier.filter(|_| is_well).map(|tier| (tier, &row.usage)));
        }
        if let Some(keeping) = keeping.as_mut().filter(|_| is_well && row.first_token_us.is_some()) {
            keeping.ended_well(&row);
        }
        let receipt = if is_uncounted && evidence.says_something() {
            self.estimator.complete(row, evidence, self.store.clone(), bill)
        } else {
            bill.settle(&mut row);
            self.store.finished(row)
        };
        Ended { receipt, keeping, metrics: self.metrics.clone() }
    }
}
