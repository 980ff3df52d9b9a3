//! Totals and groups, from the rollups. Which of them are read, `plan.rs` says.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row as _, Sqlite};

use super::histogram::{self, Histogram};
use super::marks::Facet;
use super::plan::{Grain, Plan};
use super::rollup::{DAY_MS, HOUR_MS, MINUTE_MS, SUMS, floor};
use super::row::{RESPONSE_CACHE, Row};
use super::{Store, StoreError};
use crate::catalog::{NanoUsd, Tier};
use crate::protocol::Timestamp;

/// Who answered a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AnsweredBy {
    /// An upstream of this tier, or it was the last that was tried.
    Tier(Tier),
    /// The response cache. Its tokens were paid for before: they are in no tier, and in no sum of all.
    ResponseCache,
    /// Nobody: no upstream was reached.
    Nobody,
}

impl AnsweredBy {
    pub(super) fn of(row: &Row) -> Self {
        match row.tier {
            Some(tier) => AnsweredBy::Tier(tier),
            None if row.is_answered_before() => AnsweredBy::ResponseCache,
            None => AnsweredBy::Nobody,
        }
    }

    /// How the rollups have it.
    pub(super) const fn number(self) -> i64 {
        match self {
            AnsweredBy::Tier(tier) => tier as i64,
            AnsweredBy::Nobody => -1,
            AnsweredBy::ResponseCache => -2,
        }
    }

    fn from_number(number: i64) -> Self {
        match u8::try_from(number).ok().and_then(Tier::from_number) {
            Some(tier) => AnsweredBy::Tier(tier),
            None if number == AnsweredBy::ResponseCache.number() => AnsweredBy::ResponseCache,
            None => AnsweredBy::Nobody,
        }
    }

    /// Its name among the tiers; `None` for nobody.
    #[must_use]
    pub const fn as_str(self) -> Option<&'static str> {
        match self {
            AnsweredBy::Tier(tier) => Some(tier.as_str()),
            AnsweredBy::ResponseCache => Some(RESPONSE_CACHE),
            AnsweredBy::Nobody => None,
        }
    }
}

/// From (inclusive) and to (exclusive); `None` is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Period {
    /// First moment.
    pub from: Option<Timestamp>,
    /// The moment after the last.
    pub to: Option<Timestamp>,
}

impl Period {
    /// The last so many hours or days, from `24h` or `7d`; it has no end. It begins with a whole minute, or with a whole
    /// hour if it is longer than two days, so that no rows need be read for it. At most ten years.
    #[must_use]
    pub fn last(text: &str, now: Timestamp) -> Option<Self> {
        let (count, unit) = match text.split_at_checked(text.len().checked_sub(1)?)? {
            (count, "h") => (count, HOUR_MS),
            (count, "d") => (count, DAY_MS),
            _ => return None,
        };
        let span = count.parse::<u16>().ok().map(|count| i64::from(count) * unit)?;
        let longest = 3_653 * DAY_MS;
        let grain = if span > 2 * DAY_MS { HOUR_MS } else { MINUTE_MS };
        (span > 0 && span <= longest).then(|| Period { from: Some(Timestamp(floor(now.0 - span, grain))), to: None })
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

    /// A key as text; `None` where a request has none.
    fn text(self, number: i64, names: &HashMap<i64, Arc<str>>) -> Option<String> {
        let time = |length: usize, rest: &str| Timestamp(number).to_string()[..length].to_owned() + rest;
        match self {
            GroupBy::Tier => AnsweredBy::from_number(number).as_str().map(str::to_owned),
            GroupBy::Model | GroupBy::Upstream | GroupBy::Key | GroupBy::Source => {
                names.get(&number).map(|name| name.as_ref().to_owned())
            }
            GroupBy::Hour => Some(time(13, ":00:00Z")),
            GroupBy::Day => Some(time(10, "")),
            GroupBy::Month => Some(time(7, "")),
        }
    }

    fn is_name(self) -> bool {
        matches!(self, GroupBy::Model | GroupBy::Upstream | GroupBy::Key | GroupBy::Source)
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

impl std::ops::AddAssign for ClassifierTotals {
    fn add_assign(&mut self, other: ClassifierTotals) {
        self.requests += other.requests;
        self.input_tokens += other.input_tokens;
        self.output_tokens += other.output_tokens;
    }
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
        self.classifier += other.classifier;
    }
}

impl Totals {
    /// What the same tokens would have cost on the frontier tier, and that less the cost; `None` where nobody knows it: a
    /// sum of 0 is one of nothing.
    #[must_use]
    pub fn known_frontier(&self) -> Option<(NanoUsd, NanoUsd)> {
        (self.frontier_cost.0 != 0).then_some((self.frontier_cost, self.saved))
    }

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
    /// Who answered.
    pub answered_by: AnsweredBy,
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
    /// The figures of a period, by who answered and whether that is local: `(answered by, local, sums)`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn usage_by_tier(&self, period: Period) -> Result<Figures<Vec<(AnsweredBy, bool, Totals)>>, StoreError> {
        let mut connection = self.readers().connection().await?;
        let plan = Plan::make(&mut connection, period, None, Grain::Tier).await?;
        let mut query = plan.query(&["tier", "local"]);
        query.push("select tier, local");
        push_sums(&mut query);
        query.push(" from parts group by tier, local order by tier, local");
        let rows = query.build().fetch_all(&mut *connection).await?;
        let figures =
            rows.iter().map(|row| Ok((AnsweredBy::from_number(row.try_get(0)?), row.try_get(1)?, totals(row, 2)?)));
        Ok(Figures { period: plan.period, figures: figures.collect::<Result<_, StoreError>>()? })
    }

    /// The figures of a period, grouped; the groups are sorted by their keys.
    ///
    /// # Errors
    /// The database failed.
    pub async fn usage_by(&self, period: Period, by: &[GroupBy]) -> Result<Figures<Vec<Group>>, StoreError> {
        let unit = by.iter().filter_map(|group| group.unit()).min();
        let readers = self.readers();
        let mut connection = readers.connection().await?;
        let plan = Plan::make(&mut connection, period, unit, grain(by)).await?;
        let mut columns: Vec<&str> = by.iter().map(|group| group.column()).collect();
        columns.sort_unstable();
        columns.dedup();
        let mut query = plan.query(&columns);
        query.push("select ").push(columns.join(", "));
        push_sums(&mut query);
        query.push(" from parts group by ").push(columns.join(", "));
        let rows = query.build().fetch_all(&mut *connection).await?;
        // Numbers become texts here, once for every group; days fall together to months.
        let numbers = |row: &SqliteRow| -> Result<Vec<i64>, sqlx::Error> {
            (0..columns.len()).map(|index| row.try_get(index)).collect()
        };
        let rows = rows.iter().map(|row| Ok((numbers(row)?, totals(row, columns.len())?)));
        let rows: Vec<(Vec<i64>, Totals)> = rows.collect::<Result<_, StoreError>>()?;
        let places: Vec<usize> =
            by.iter().map(|group| columns.iter().position(|column| *column == group.column()).unwrap_or(0)).collect();
        let texts = by.iter().zip(&places).filter(|(group, _)| group.is_name());
        let ids: Vec<i64> = texts.flat_map(|(_, place)| rows.iter().map(|(keys, _)| keys[*place])).collect();
        let names = readers.names(&mut connection, ids).await?;
        let mut groups: BTreeMap<Vec<Option<String>>, Totals> = BTreeMap::new();
        for (keys, totals) in rows {
            let text = |(group, place): (&GroupBy, &usize)| group.text(keys[*place], &names);
            *groups.entry(by.iter().zip(&places).map(text).collect()).or_default() += totals;
        }
        let figures = groups.into_iter().map(|(keys, totals)| Group { keys, totals }).collect();
        Ok(Figures { period: plan.period, figures })
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
        let point = |(begin_ms, number, requests)| {
            let answered_by = AnsweredBy::from_number(number);
            Point { begin_ms, answered_by, requests }
        };
        Ok(rows.into_iter().map(point).collect())
    }
}

/// Which tables tell enough for these groups.
fn grain(by: &[GroupBy]) -> Grain {
    let mut columns: Vec<GroupBy> = by.iter().copied().filter(|group| group.unit().is_none()).collect();
    columns.dedup();
    match columns.as_slice() {
        [] | [GroupBy::Tier] => Grain::Tier,
        [GroupBy::Upstream] => Grain::Facet(Facet::Upstream),
        [GroupBy::Model] => Grain::Facet(Facet::Model),
        [GroupBy::Key] => Grain::Facet(Facet::Key),
        [GroupBy::Source] => Grain::Facet(Facet::Source),
        _ => Grain::Full,
    }
}

/// Selects all sums: single columns, and each histogram as one text, which is much cheaper to fetch.
fn push_sums(query: &mut QueryBuilder<Sqlite>) {
    for column in SUMS {
        query.push(", coalesce(sum(").push(column).push("), 0)");
    }
    for prefix in ["duration", "first_token"] {
        for (index, column) in histogram::columns(prefix).enumerate() {
            query.push(if index == 0 { ", json_array(coalesce(sum(" } else { ", coalesce(sum(" });
            query.push(column).push("), 0)");
        }
        query.push(")");
    }
}

fn totals(row: &SqliteRow, first: usize) -> Result<Totals, StoreError> {
    let mut sums = [0_i64; SUMS.len()];
    for (index, sum) in sums.iter_mut().enumerate() {
        *sum = row.try_get(first + index)?;
    }
    let histogram = |index: usize| -> Result<Histogram, sqlx::Error> {
        let text: &str = row.try_get(first + SUMS.len() + index)?;
        serde_json::from_str(text).map(Histogram).map_err(|error| sqlx::Error::Decode(error.into()))
    };
    let sum = |name: &str| -> Result<i64, StoreError> {
        Ok(SUMS.iter().position(|sum| *sum == name).map_or(0, |index| sums[index]))
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
