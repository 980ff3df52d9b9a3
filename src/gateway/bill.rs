//! What the tokens of a request cost, and how it is counted once they are known.

use crate::catalog::{NanoUsd, Price, Provider};
use crate::store::{AnsweredBy, Row};
use crate::telemetry::Metrics;
use crate::telemetry::events::{Ended as RequestEnded, Place, Used};

/// What tokens cost, and who counts that.
#[derive(Debug, Clone)]
pub(super) struct Bill {
    /// The price where they were used.
    pub(super) own: Option<Price>,
    /// The price on the frontier tier.
    pub(super) frontier: Option<Price>,
    /// Who answered last.
    pub(super) provider: Option<Provider>,
    pub(super) metrics: Metrics,
}

impl Bill {
    /// Writes what a row's tokens cost into it, once they are known, and counts it. What the response cache answered
    /// costs nothing, and used nothing.
    pub(super) fn settle(&self, row: &mut Row) {
        let is_cached = row.answered_by == Some(AnsweredBy::ResponseCache);
        row.cost = if is_cached { Some(NanoUsd(0)) } else { self.own.and_then(|price| price.cost(&row.usage)) };
        row.frontier_cost = self.frontier.and_then(|price| price.cost(&row.usage));
        if row.tier.is_some() {
            let (usage, cost, frontier_cost) = (row.usage, row.cost, row.frontier_cost);
            Used { place: self.place(row), usage, cost, frontier_cost }.tell(&self.metrics);
        }
    }

    fn place<'r>(&self, row: &'r Row) -> Place<'r> {
        Place { tier: row.tier, provider: self.provider, model: row.selected_model.as_deref() }
    }

    /// The request has ended.
    pub(super) fn ended(&self, row: &Row) {
        let ended = RequestEnded {
            answered_by: row.answered_by().as_str(),
            source: row.source,
            status: row.status.unwrap_or_default(),
            error_type: row.error_type.as_deref(),
            upstream: row.upstream.as_deref(),
            place: self.place(row),
            first_token_us: row.first_token_us,
            duration_us: row.duration_us.unwrap_or_default(),
        };
        ended.tell(&self.metrics);
    }
}
