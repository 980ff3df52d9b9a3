//! Totals and groups, from the rollups. Which of them are read, `plan.rs` says.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row as _, Sqlite};

use super::answered_by::AnsweredBy;
use super::histogram::{self, Histogram};
use super::plan::{Grain, Plan};
use super::rollup::{DAY_MS, HOUR_MS, MINUTE_MS, floor};
use super::sums::{SUMS, Totals};
use super::zone_map::Facet;
use super::{Store, StoreError};
use crate::catalog::{ByTier, Source};
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
            GroupBy::Tier => match AnsweredBy::from(number) {
                AnsweredBy::Tier(tier) => Some(tier.as_str().to_owned()),
                AnsweredBy::ResponseCache | AnsweredBy::Nobody => None,
            },
            GroupBy::Model | GroupBy::Upstream | GroupBy::Key => {
                names.get(&number).map(|name| name.as_ref().to_owned())
            }
            // Older versions wrote another word in its place where the response cache answered.
            GroupBy::Source => {
                names.get(&number).and_then(|name| Source::from_name(name)).map(|it| it.as_str().to_owned())
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

/// The figures of a period by who answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UsageByTier {
    /// Requests that an upstream of the tier answered, or that it was tried last for.
    pub tiers: ByTier<Totals>,
    /// Those of them that a local upstream answered.
    pub local: Totals,
    /// Requests that no upstream was reached for.
    pub nobody: Totals,
    /// All of them: the tiers and nobody.
    pub total: Totals,
    /// Requests that the response cache answered: in no tier, and not in the total.
    pub response_cache: Totals,
}

impl UsageByTier {
    /// The classifier's own calls, for requests of all kinds: its sums are the only ones to look at.
    #[must_use]
    pub fn classifier(&self) -> Totals {
        let mut all = self.total;
        all += self.response_cache;
        all
    }

    fn add(&mut self, answered_by: AnsweredBy, is_local: bool, totals: &Totals) {
        match answered_by {
            AnsweredBy::ResponseCache => {
                self.response_cache += *totals;
                return;
            }
            AnsweredBy::Tier(tier) => self.tiers[tier] += *totals,
            AnsweredBy::Nobody => self.nobody += *totals,
        }
        if is_local {
            self.local += *totals;
        }
        self.total += *totals;
    }
}

/// Figures by groups, sorted by their keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Groups {
    /// What upstreams answered, or nobody.
    pub groups: Vec<Group>,
    /// What the response cache answered, in the same groups.
    pub response_cache: Vec<Group>,
}

impl Store {
    /// The figures of a period, by who answered.
    ///
    /// # Errors
    /// The database failed.
    pub async fn usage_by_tier(&self, period: Period) -> Result<Figures<UsageByTier>, StoreError> {
        self.fresh().await;
        let mut connection = self.readers().connection().await?;
        let plan = Plan::make(&mut connection, period, None, Grain::Tier).await?;
        let mut query = plan.query(&["tier", "local"]);
        query.push("select tier, local");
        push_sums(&mut query);
        query.push(" from parts group by tier, local order by tier, local");
        let mut figures = UsageByTier::default();
        for row in query.build().fetch_all(&mut *connection).await? {
            figures.add(AnsweredBy::from(row.try_get::<i64, _>(0)?), row.try_get(1)?, &totals(&row, 2)?);
        }
        Ok(Figures { period: plan.period, figures })
    }

    /// The figures of a period, grouped.
    ///
    /// # Errors
    /// The database failed.
    pub async fn usage_by(&self, period: Period, by: &[GroupBy]) -> Result<Figures<Groups>, StoreError> {
        let unit = by.iter().filter_map(|group| group.unit()).min();
        self.fresh().await;
        let readers = self.readers();
        let mut connection = readers.connection().await?;
        let plan = Plan::make(&mut connection, period, unit, grain(by)).await?;
        let mut columns: Vec<&str> = by.iter().map(|group| group.column()).collect();
        columns.sort_unstable();
        columns.dedup();
        columns.push("is_cached");
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
        let mut sorted: [BTreeMap<Vec<Option<String>>, Totals>; 2] = Default::default();
        for (keys, totals) in rows {
            let text = |(group, place): (&GroupBy, &usize)| group.text(keys[*place], &names);
            let is_cached = keys.last().is_some_and(|is_cached| *is_cached != 0);
            let group = by.iter().zip(&places).map(text).collect();
            *sorted[usize::from(is_cached)].entry(group).or_default() += totals;
        }
        let [groups, response_cache] =
            sorted.map(|groups| groups.into_iter().map(|(keys, totals)| Group { keys, totals }).collect::<Vec<_>>());
        Ok(Figures { period: plan.period, figures: Groups { groups, response_cache } })
    }

    /// The begin of the first hour that has figures.
    ///
    /// # Errors
    /// The database failed.
    pub async fn since(&self) -> Result<Option<Timestamp>, StoreError> {
        self.fresh().await;
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
        self.fresh().await;
        let mut connection = self.readers().connection().await?;
        let statement = if by_day {
            "select begin_ms, tier, sum(requests) from rollup_tier_day where begin_ms >= ? group by begin_ms, tier"
        } else {
            "select begin_ms, tier, sum(requests) from rollup_tier_hour where begin_ms >= ? group by begin_ms, tier"
        };
        let rows: Vec<(i64, i64, i64)> = sqlx::query_as(statement).bind(from.0).fetch_all(&mut *connection).await?;
        let point = |(begin_ms, number, requests)| {
            let answered_by = AnsweredBy::from(number);
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
    for sum in &SUMS {
        query.push(", coalesce(sum(").push(sum.name).push("), 0)");
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
    Ok(Totals::of(sums, [histogram(0)?, histogram(1)?]))
}
