//! Totals and groups, from the rollups; rows are read only for the hours that a period cuts.

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row as _, Sqlite};

use super::rollup::HOUR_MS;
use super::{Store, StoreError};
use crate::catalog::{NanoUsd, Tier};
use crate::protocol::Timestamp;

/// From (inclusive) and to (exclusive); `None` is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Period {
    /// First moment.
    pub from: Option<Timestamp>,
    /// The moment after the last.
    pub to: Option<Timestamp>,
}

/// What figures can be grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GroupBy {
    /// The tier that answered.
    Tier,
    /// The model that was asked.
    Model,
    /// The upstream's name.
    Upstream,
    /// The key's name.
    Key,
    /// The step that decided.
    Source,
    /// The hour, UTC.
    Hour,
    /// The day, UTC.
    Day,
    /// The month, UTC.
    Month,
}

impl GroupBy {
    /// All of them, with the names of the API.
    pub const ALL: [(GroupBy, &'static str); 8] = [
        (GroupBy::Tier, "tier"),
        (GroupBy::Model, "model"),
        (GroupBy::Upstream, "upstream"),
        (GroupBy::Key, "key"),
        (GroupBy::Source, "source"),
        (GroupBy::Hour, "hour"),
        (GroupBy::Day, "day"),
        (GroupBy::Month, "month"),
    ];

    /// The name in the API and in CSV.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.into_iter().find(|(group, _)| *group == self).map_or("", |(_, name)| name)
    }

    /// The group of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known)| *known == name).map(|(group, _)| group)
    }

    /// The expression over `parts`, as text.
    fn expression(self) -> &'static str {
        match self {
            GroupBy::Tier => "case tier when 0 then 'cheap' when 1 then 'medium' when 2 then 'frontier' end",
            GroupBy::Model => "(select name from names where id = model_id)",
            GroupBy::Upstream => "(select name from names where id = upstream_id)",
            GroupBy::Key => "(select name from names where id = key_id)",
            GroupBy::Source => "(select name from names where id = source_id)",
            GroupBy::Hour => "strftime('%Y-%m-%dT%H:00:00Z', hour_ms / 1000, 'unixepoch')",
            GroupBy::Day => "strftime('%Y-%m-%d', hour_ms / 1000, 'unixepoch')",
            GroupBy::Month => "strftime('%Y-%m', hour_ms / 1000, 'unixepoch')",
        }
    }
}

/// Sums over some requests. Token sums are those of the requests that reported any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// How many requests.
    pub requests: i64,
    /// How many of them ended in an error.
    pub errors: i64,
    /// Input tokens.
    pub input_tokens: i64,
    /// Those read from a provider's prompt cache.
    pub cached_input_tokens: i64,
    /// Those written to a provider's prompt cache.
    pub cache_write_tokens: i64,
    /// Output tokens.
    pub output_tokens: i64,
    /// Those spent on reasoning.
    pub reasoning_tokens: i64,
    /// The cost of the requests that have one.
    pub cost: NanoUsd,
    /// What the same tokens would have cost on the frontier tier, where that is known.
    pub frontier_cost: NanoUsd,
    /// The second less the first, over the requests that have both.
    pub saved: NanoUsd,
    /// Requests without a known cost.
    pub unpriced_requests: i64,
    /// Requests of which nobody reported tokens.
    pub unmeasured_requests: i64,
    /// Sum of their durations, in microseconds.
    pub duration_us: i64,
    /// The classifier's own figures.
    pub classifier: ClassifierTotals,
}

/// What the classifier's model was asked and answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClassifierTotals {
    /// Requests for which a model was asked.
    pub requests: i64,
    /// Input tokens that it reported.
    pub input_tokens: i64,
    /// Output tokens that it reported.
    pub output_tokens: i64,
}

impl std::ops::AddAssign for Totals {
    fn add_assign(&mut self, other: Totals) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.input_tokens += other.input_tokens;
        self.cached_input_tokens += other.cached_input_tokens;
        self.cache_write_tokens += other.cache_write_tokens;
        self.output_tokens += other.output_tokens;
        self.reasoning_tokens += other.reasoning_tokens;
        self.cost.0 += other.cost.0;
        self.frontier_cost.0 += other.frontier_cost.0;
        self.saved.0 += other.saved.0;
        self.unpriced_requests += other.unpriced_requests;
        self.unmeasured_requests += other.unmeasured_requests;
        self.duration_us += other.duration_us;
        self.classifier.requests += other.classifier.requests;
        self.classifier.input_tokens += other.classifier.input_tokens;
        self.classifier.output_tokens += other.classifier.output_tokens;
    }
}

impl Totals {
    /// The cost, or `None` if no request has one.
    #[must_use]
    pub fn known_cost(&self) -> Option<NanoUsd> {
        (self.requests > self.unpriced_requests).then_some(self.cost)
    }
}

/// The figures of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The group's keys, in the order asked for; `None` where a request has none.
    pub keys: Vec<Option<String>>,
    /// Its sums.
    pub totals: Totals,
}

/// One hour and tier of the chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HourPoint {
    /// UTC epoch milliseconds of the hour's begin.
    pub hour_ms: i64,
    /// The tier; `None` where no upstream was reached.
    pub tier: Option<Tier>,
    /// How many requests.
    pub requests: i64,
}

/// The sums' columns, in the order in which [`totals`] reads them.
const SUMS: [&str; 16] = [
    "requests",
    "errors",
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost_nanos",
    "frontier_cost_nanos",
    "unpriced_requests",
    "unmeasured_requests",
    "duration_us",
    "classifier_requests",
    "classifier_input_tokens",
    "classifier_output_tokens",
    "saved_nanos",
];

/// One row of `requests` in the columns of the rollup.
const ROW_AS_PART: &str = "select created_at_ms / 3600000 * 3600000 as hour_ms, coalesce(tier, -1) as tier,
    coalesce(upstream_id, 0) as upstream_id, coalesce(selected_model_id, 0) as model_id,
    coalesce(key_id, 0) as key_id, source_id, local, 1 as requests,
    (status >= 400 or error_type_id is not null) as errors,
    coalesce(input_tokens, 0) as input_tokens, coalesce(cached_input_tokens, 0) as cached_input_tokens,
    coalesce(cache_write_tokens, 0) as cache_write_tokens, coalesce(output_tokens, 0) as output_tokens,
    coalesce(reasoning_tokens, 0) as reasoning_tokens, coalesce(cost_nanos, 0) as cost_nanos,
    coalesce(frontier_cost_nanos, 0) as frontier_cost_nanos, (cost_nanos is null) as unpriced_requests,
    (input_tokens is null and output_tokens is null) as unmeasured_requests, duration_us,
    asked_classifier as classifier_requests, coalesce(classifier_input_tokens, 0) as classifier_input_tokens,
    coalesce(classifier_output_tokens, 0) as classifier_output_tokens,
    coalesce(frontier_cost_nanos - cost_nanos, 0) as saved_nanos from requests where ";

impl Store {
    /// The figures of a period, by tier and whether they are local: `(tier, local, sums)`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn usage_by_tier(&self, period: Period) -> Result<Vec<(Option<Tier>, bool, Totals)>, StoreError> {
        let mut query = parts(period);
        query.push("select tier, local");
        push_sums(&mut query);
        query.push(" from parts group by tier, local order by tier, local");
        let rows = query.build().fetch_all(self.pool()).await?;
        rows.iter()
            .map(|row| {
                let tier = u8::try_from(row.try_get::<i64, _>(0)?).ok().and_then(Tier::from_number);
                Ok((tier, row.try_get(1)?, totals(row, 2)?))
            })
            .collect()
    }

    /// The figures of a period, grouped; the groups are sorted by their keys.
    ///
    /// # Errors
    /// The database failed.
    pub async fn usage_by(&self, period: Period, by: &[GroupBy]) -> Result<Vec<Group>, StoreError> {
        let mut query = parts(period);
        query.push("select ");
        for (index, group) in by.iter().enumerate() {
            query.push(if index == 0 { "" } else { ", " }).push(group.expression());
        }
        push_sums(&mut query);
        query.push(" from parts");
        for (position, clause) in [(" group by ", by), (" order by ", by)] {
            for index in 1..=clause.len() {
                query.push(if index == 1 { position } else { ", " }).push(index.to_string());
            }
        }
        let rows = query.build().fetch_all(self.pool()).await?;
        rows.iter()
            .map(|row| {
                let keys = (0..by.len()).map(|index| row.try_get(index)).collect::<Result<_, _>>()?;
                Ok(Group { keys, totals: totals(row, by.len())? })
            })
            .collect()
    }

    /// The begin of the first hour that has figures.
    ///
    /// # Errors
    /// The database failed.
    pub async fn since(&self) -> Result<Option<Timestamp>, StoreError> {
        let first: Option<i64> =
            sqlx::query_scalar("select min(hour_ms) from rollup_hour").fetch_one(self.pool()).await?;
        Ok(first.map(Timestamp))
    }

    /// Requests by hour and tier, from an hour on, for the chart.
    ///
    /// # Errors
    /// The database failed.
    pub async fn hours(&self, from: Timestamp) -> Result<Vec<HourPoint>, StoreError> {
        let rows: Vec<(i64, i64, i64)> = sqlx::query_as(
            "select hour_ms, tier, sum(requests) from rollup_hour where hour_ms >= ? group by hour_ms, tier",
        )
        .bind(from.0)
        .fetch_all(self.pool())
        .await?;
        let tier = |number: i64| u8::try_from(number).ok().and_then(Tier::from_number);
        Ok(rows
            .into_iter()
            .map(|(hour_ms, number, requests)| HourPoint { hour_ms, tier: tier(number), requests })
            .collect())
    }
}

/// `with parts as (…)`: the rollups of the whole hours of a period, and the rows of the cut ones.
fn parts(period: Period) -> QueryBuilder<Sqlite> {
    let from = period.from.map_or(i64::MIN, |time| time.0);
    let to = period.to.map_or(i64::MAX, |time| time.0);
    // The whole hours are [begin, end); an open side needs no rows.
    let begin = if from == i64::MIN { from } else { ceil_hour(from) };
    let end = if to == i64::MAX { to } else { floor_hour(to) };
    let mut query =
        QueryBuilder::new("with parts as (select hour_ms, tier, upstream_id, model_id, key_id, source_id, local");
    for column in SUMS {
        query.push(", ").push(column);
    }
    query.push(" from rollup_hour where hour_ms >= ").push_bind(begin);
    query.push(" and hour_ms < ").push_bind(end);
    let edges = if begin <= end { [(from, begin), (end, to)] } else { [(from, to), (0, 0)] };
    for (first, after) in edges {
        if first < after && first != i64::MIN && after != i64::MAX {
            query.push(" union all ").push(ROW_AS_PART);
            query.push("created_at_ms >= ").push_bind(first);
            query.push(" and created_at_ms < ").push_bind(after);
        }
    }
    query.push(") ");
    query
}

fn floor_hour(ms: i64) -> i64 {
    ms.div_euclid(HOUR_MS) * HOUR_MS
}

fn ceil_hour(ms: i64) -> i64 {
    let floor = floor_hour(ms);
    if floor == ms { ms } else { floor.saturating_add(HOUR_MS) }
}

fn push_sums(query: &mut QueryBuilder<Sqlite>) {
    for column in SUMS {
        query.push(", coalesce(sum(").push(column).push("), 0)");
    }
}

fn totals(row: &SqliteRow, first: usize) -> Result<Totals, StoreError> {
    let sum = |index: usize| row.try_get::<i64, _>(first + index);
    Ok(Totals {
        requests: sum(0)?,
        errors: sum(1)?,
        input_tokens: sum(2)?,
        cached_input_tokens: sum(3)?,
        cache_write_tokens: sum(4)?,
        output_tokens: sum(5)?,
        reasoning_tokens: sum(6)?,
        cost: NanoUsd(sum(7)?),
        frontier_cost: NanoUsd(sum(8)?),
        unpriced_requests: sum(9)?,
        unmeasured_requests: sum(10)?,
        duration_us: sum(11)?,
        classifier: ClassifierTotals { requests: sum(12)?, input_tokens: sum(13)?, output_tokens: sum(14)? },
        saved: NanoUsd(sum(15)?),
    })
}
