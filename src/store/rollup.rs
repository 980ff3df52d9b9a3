//! What rows add up to: sums per hour and group, collected for a batch and laid over the table.

use std::collections::HashMap;

use sqlx::SqliteConnection;

use super::row::Row;

pub(super) const HOUR_MS: i64 = 3_600_000;

/// The columns by which sums are kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Slot {
    pub(super) hour_ms: i64,
    pub(super) tier: i64,
    pub(super) upstream: i64,
    pub(super) model: i64,
    pub(super) key: i64,
    pub(super) source: i64,
    pub(super) local: bool,
    pub(super) status_class: i64,
}

/// The sums of one group. Their order is the table's.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    requests: i64,
    errors: i64,
    input_tokens: i64,
    cached_input_tokens: i64,
    cache_write_tokens: i64,
    output_tokens: i64,
    reasoning_tokens: i64,
    cost_nanos: i64,
    frontier_cost_nanos: i64,
    saved_nanos: i64,
    unpriced_requests: i64,
    unmeasured_requests: i64,
    classifier_requests: i64,
    classifier_input_tokens: i64,
    classifier_output_tokens: i64,
    duration_us: i64,
}

/// The sums of one batch of rows.
#[derive(Debug, Default)]
pub(super) struct Batch {
    groups: HashMap<Slot, Sums>,
}

impl Batch {
    pub(super) fn add(&mut self, slot: Slot, row: &Row) {
        let sums = self.groups.entry(slot).or_default();
        let tokens = |count: Option<u64>| count.and_then(|count| i64::try_from(count).ok()).unwrap_or(0);
        sums.requests += 1;
        sums.errors += i64::from(row.is_error());
        sums.input_tokens += tokens(row.usage.input_tokens);
        sums.cached_input_tokens += tokens(row.usage.cached_input_tokens);
        sums.cache_write_tokens += tokens(row.usage.cache_write_tokens);
        sums.output_tokens += tokens(row.usage.output_tokens);
        sums.reasoning_tokens += tokens(row.usage.reasoning_tokens);
        sums.cost_nanos += row.cost.map_or(0, |cost| cost.0);
        sums.frontier_cost_nanos += row.frontier_cost.map_or(0, |cost| cost.0);
        sums.saved_nanos += row.frontier_cost.zip(row.cost).map_or(0, |(frontier, cost)| frontier.0 - cost.0);
        sums.unpriced_requests += i64::from(row.cost.is_none());
        sums.unmeasured_requests += i64::from(row.usage.input_tokens.is_none() && row.usage.output_tokens.is_none());
        sums.classifier_requests += i64::from(row.asked_classifier);
        sums.classifier_input_tokens += tokens(row.classifier_usage.input_tokens);
        sums.classifier_output_tokens += tokens(row.classifier_usage.output_tokens);
        sums.duration_us += row.duration_us;
    }

    /// Adds the sums to the table, on the transaction that writes the rows.
    pub(super) async fn write(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        for (slot, sums) in &self.groups {
            sqlx::query(UPSERT)
                .bind(slot.hour_ms)
                .bind(slot.tier)
                .bind(slot.upstream)
                .bind(slot.model)
                .bind(slot.key)
                .bind(slot.source)
                .bind(slot.local)
                .bind(slot.status_class)
                .bind(sums.requests)
                .bind(sums.errors)
                .bind(sums.input_tokens)
                .bind(sums.cached_input_tokens)
                .bind(sums.cache_write_tokens)
                .bind(sums.output_tokens)
                .bind(sums.reasoning_tokens)
                .bind(sums.cost_nanos)
                .bind(sums.frontier_cost_nanos)
                .bind(sums.saved_nanos)
                .bind(sums.unpriced_requests)
                .bind(sums.unmeasured_requests)
                .bind(sums.classifier_requests)
                .bind(sums.classifier_input_tokens)
                .bind(sums.classifier_output_tokens)
                .bind(sums.duration_us)
                .execute(&mut *connection)
                .await?;
        }
        Ok(())
    }
}

const UPSERT: &str = "insert into rollup_hour values (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)
on conflict do update set
    requests = requests + excluded.requests,
    errors = errors + excluded.errors,
    input_tokens = input_tokens + excluded.input_tokens,
    cached_input_tokens = cached_input_tokens + excluded.cached_input_tokens,
    cache_write_tokens = cache_write_tokens + excluded.cache_write_tokens,
    output_tokens = output_tokens + excluded.output_tokens,
    reasoning_tokens = reasoning_tokens + excluded.reasoning_tokens,
    cost_nanos = cost_nanos + excluded.cost_nanos,
    frontier_cost_nanos = frontier_cost_nanos + excluded.frontier_cost_nanos,
    saved_nanos = saved_nanos + excluded.saved_nanos,
    unpriced_requests = unpriced_requests + excluded.unpriced_requests,
    unmeasured_requests = unmeasured_requests + excluded.unmeasured_requests,
    classifier_requests = classifier_requests + excluded.classifier_requests,
    classifier_input_tokens = classifier_input_tokens + excluded.classifier_input_tokens,
    classifier_output_tokens = classifier_output_tokens + excluded.classifier_output_tokens,
    duration_us = duration_us + excluded.duration_us";
