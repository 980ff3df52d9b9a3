//! Totals and groups, from the rollups. Which of them are read, `plan.rs` says.

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row as _, Sqlite};

use super::histogram::{BUCKETS, Histogram};
use super::plan::{Plan, sum_columns};
use super::rollup::{DAY_MS, HOUR_MS, SUMS};
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

impl Period {
    /// The last so many hours or days until now, from `24h` or `7d`. At most ten years.
    #[must_use]
    pub fn last(text: &str, now: Timestamp) -> Option<Self> {
        let (count, unit) = match text.split_at_checked(text.len().checked_sub(1)?)? {
            (count, "h") => (count, HOUR_MS),
            (count, "d") => (count, DAY_MS),
            _ => return None,
        };
        let span = count.parse::<u16>().ok().map(|count| i64::from(count) * unit)?;
        let longest = 3_653 * DAY_MS;
        (span > 0 && span <= longest).then(|| Period { from: Some(Timestamp(now.0 - span)), to: Some(now) })
    }
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
            GroupBy::Hour => "strftime('%Y-%m-%dT%H:00:00Z', unit_ms / 1000, 'unixepoch')",
            GroupBy::Day => "strftime('%Y-%m-%d', unit_ms / 1000, 'unixepoch')",
            GroupBy::Month => "strftime('%Y-%m', unit_ms / 1000, 'unixepoch')",
        }
    }

    /// The column of the rollups that it needs.
    fn column(self) -> &'static str {
        match self {
            GroupBy::Tier => "tier",
            GroupBy::Model => "model_id",
            GroupBy::Upstream => "upstream_id",
            GroupBy::Key => "key_id",
            GroupBy::Source => "source_id",
            GroupBy::Hour | GroupBy::Day | GroupBy::Month => "unit_ms",
        }
    }

    /// The unit that it cuts time into. A month is made of whole days.
    fn unit(self) -> Option<i64> {
        match self {
            GroupBy::Hour => Some(HOUR_MS),
            GroupBy::Day | GroupBy::Month => Some(DAY_MS),
            _ => None,
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
    /// Requests without tokens.
    pub unmeasured_requests: i64,
    /// Requests whose tokens were counted here, as nobody reported them.
    pub estimated_requests: i64,
    /// Sum of their durations, in microseconds.
    pub duration_us: i64,
    /// How many took how long, from arrival to the end.
    pub duration: Histogram,
    /// How many waited how long for the first token.
    pub first_token: Histogram,
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
        self.estimated_requests += other.estimated_requests;
        self.duration += other.duration;
        self.first_token += other.first_token;
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

/// One unit of time and tier of the chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// UTC epoch milliseconds of the unit's begin.
    pub begin_ms: i64,
    /// The tier; `None` where no upstream was reached.
    pub tier: Option<Tier>,
    /// How many requests.
    pub requests: i64,
}

/// Figures, and the period that they are of. It may begin and end a little outside of what was asked for, where the rows
/// that would tell exactly are gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures<T> {
    /// The period.
    pub period: Period,
    /// The figures.
    pub figures: T,
}

impl Store {
    /// The figures of a period, by tier and whether they are local: `(tier, local, sums)`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn usage_by_tier(
        &self,
        period: Period,
    ) -> Result<Figures<Vec<(Option<Tier>, bool, Totals)>>, StoreError> {
        let mut connection = self.readers().connection().await?;
        let plan = Plan::make(&mut connection, period, None, true).await?;
        let mut query = plan.query(&["tier", "local"]);
        query.push("select tier, local");
        push_sums(&mut query);
        query.push(" from parts group by tier, local order by tier, local");
        let rows = query.build().fetch_all(&mut *connection).await?;
        let figures = rows.iter().map(|row| Ok((tier(row.try_get(0)?), row.try_get(1)?, totals(row, 2)?)));
        Ok(Figures { period: plan.period, figures: figures.collect::<Result<_, StoreError>>()? })
    }

    /// The figures of a period, grouped; the groups are sorted by their keys.
    ///
    /// # Errors
    /// The database failed.
    pub async fn usage_by(&self, period: Period, by: &[GroupBy]) -> Result<Figures<Vec<Group>>, StoreError> {
        let unit = by.iter().filter_map(|group| group.unit()).min();
        let by_tier_alone = by.iter().all(|group| *group == GroupBy::Tier || group.unit().is_some());
        let mut connection = self.readers().connection().await?;
        let plan = Plan::make(&mut connection, period, unit, by_tier_alone).await?;
        let mut columns: Vec<&str> = by.iter().map(|group| group.column()).collect();
        columns.sort_unstable();
        columns.dedup();
        let mut query = plan.query(&columns);
        // Grouped by numbers first: a text for every group, not for every row.
        query.push("select ");
        for (index, group) in by.iter().enumerate() {
            query.push(if index == 0 { "" } else { ", " }).push(group.expression());
        }
        push_sums(&mut query);
        query.push(" from (select ").push(columns.join(", "));
        for column in sum_columns() {
            query.push(", sum(").push(column).push(") as ").push(column);
        }
        query.push(" from parts group by ").push(columns.join(", ")).push(")");
        for position in [" group by ", " order by "] {
            for index in 1..=by.len() {
                query.push(if index == 1 { position } else { ", " }).push(index.to_string());
            }
        }
        let rows = query.build().fetch_all(&mut *connection).await?;
        let groups = rows.iter().map(|row| {
            let keys = (0..by.len()).map(|index| row.try_get(index)).collect::<Result<_, _>>()?;
            Ok(Group { keys, totals: totals(row, by.len())? })
        });
        Ok(Figures { period: plan.period, figures: groups.collect::<Result<_, StoreError>>()? })
    }

    /// The begin of the first hour that has figures.
    ///
    /// # Errors
    /// The database failed.
    pub async fn since(&self) -> Result<Option<Timestamp>, StoreError> {
        let mut connection = self.readers().connection().await?;
        let first: Option<i64> =
            sqlx::query_scalar("select min(begin_ms) from rollup_tier_hour").fetch_one(&mut *connection).await?;
        Ok(first.map(Timestamp))
    }

    /// Requests by hour or by day and tier, from a time on, for the chart.
    ///
    /// # Errors
    /// The database failed.
    pub async fn points(&self, from: Timestamp, by_day: bool) -> Result<Vec<Point>, StoreError> {
        let mut connection = self.readers().connection().await?;
        let statement = if by_day {
            "select begin_ms, tier, sum(requests) from rollup_tier_day where begin_ms >= ? group by begin_ms, tier"
        } else {
            "select begin_ms, tier, sum(requests) from rollup_tier_hour where begin_ms >= ? group by begin_ms, tier"
        };
        let rows: Vec<(i64, i64, i64)> = sqlx::query_as(statement).bind(from.0).fetch_all(&mut *connection).await?;
        let point = |(begin_ms, number, requests)| Point { begin_ms, tier: tier(number), requests };
        Ok(rows.into_iter().map(point).collect())
    }
}

fn tier(number: i64) -> Option<Tier> {
    u8::try_from(number).ok().and_then(Tier::from_number)
}

fn push_sums(query: &mut QueryBuilder<Sqlite>) {
    for column in sum_columns() {
        query.push(", coalesce(sum(").push(column).push("), 0)");
    }
}

fn totals(row: &SqliteRow, first: usize) -> Result<Totals, StoreError> {
    let sum = |name: &str| row.try_get::<i64, _>(first + SUMS.iter().position(|sum| *sum == name).unwrap_or(0));
    let histogram = |index: usize| -> Result<Histogram, sqlx::Error> {
        let mut histogram = Histogram::default();
        for (bucket, count) in histogram.0.iter_mut().enumerate() {
            *count = row.try_get(first + SUMS.len() + index * BUCKETS + bucket)?;
        }
        Ok(histogram)
    };
    Ok(Totals {
        requests: sum("requests")?,
        errors: sum("errors")?,
        input_tokens: sum("input_tokens")?,
        cached_input_tokens: sum("cached_input_tokens")?,
        cache_write_tokens: sum("cache_write_tokens")?,
        output_tokens: sum("output_tokens")?,
        reasoning_tokens: sum("reasoning_tokens")?,
        cost: NanoUsd(sum("cost_nanos")?),
        frontier_cost: NanoUsd(sum("frontier_cost_nanos")?),
        saved: NanoUsd(sum("saved_nanos")?),
        unpriced_requests: sum("unpriced_requests")?,
        unmeasured_requests: sum("unmeasured_requests")?,
        estimated_requests: sum("estimated_requests")?,
        duration_us: sum("duration_us")?,
        duration: histogram(0)?,
        first_token: histogram(1)?,
        classifier: ClassifierTotals {
            requests: sum("classifier_requests")?,
            input_tokens: sum("classifier_input_tokens")?,
            output_tokens: sum("classifier_output_tokens")?,
        },
    })
}
