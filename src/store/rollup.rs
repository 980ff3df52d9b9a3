//! What rows add up to: sums by time and group, collected for a batch and laid over the tables in its transaction.

use std::collections::HashMap;
use std::ops::AddAssign as _;
use std::sync::LazyLock;

use foldhash::fast::RandomState;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments as _, AssertSqlSafe, SqliteConnection};

use super::answered_by::AnsweredBy;
use super::histogram;
use super::row::Row;
use super::sums::{SUMS, Totals};
use super::zone_map::Facet;

type Map<K, V> = HashMap<K, V, RandomState>;

pub(super) const MINUTE_MS: i64 = 60_000;
pub(super) const HOUR_MS: i64 = 3_600_000;
pub(super) const DAY_MS: i64 = 86_400_000;

/// What the response cache answered has its facets under their number and this.
pub(super) const CACHED_FACETS: i64 = 100;

/// The columns by which sums are kept apart, besides the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Slot {
    /// Who answered: the tables' column `tier` has its number.
    pub(super) answered_by: AnsweredBy,
    pub(super) upstream: i64,
    pub(super) model: i64,
    pub(super) key: i64,
    pub(super) source: i64,
    pub(super) local: bool,
    pub(super) status_class: i64,
}

/// The sums of one batch of rows, by minute. What is longer is made from that when it is written.
#[derive(Debug, Default)]
pub(super) struct Batch {
    minutes: Map<(i64, Slot), Totals>,
}

/// The begin of the unit that a time lies in.
pub(super) fn floor(ms: i64, unit: i64) -> i64 {
    ms.div_euclid(unit) * unit
}

impl Batch {
    pub(super) fn add(&mut self, slot: Slot, row: &Row) {
        self.minutes.entry((floor(row.created_at_ms, MINUTE_MS), slot)).or_default().add(row);
    }

    /// Adds the sums to the tables. Minutes before `minutes_from` are past their time and are not written.
    pub(super) async fn write(&self, connection: &mut SqliteConnection, minutes_from: i64) -> Result<(), sqlx::Error> {
        let mut hours: Map<(i64, Slot), Totals> = Map::default();
        let mut minutes = Vec::new();
        for ((minute, slot), sums) in &self.minutes {
            if *minute >= minutes_from {
                minutes.push((slot.keys(Some(*minute)), *sums));
            }
            hours.entry((floor(*minute, HOUR_MS), *slot)).or_default().add_assign(*sums);
        }
        let mut days: Map<(i64, Slot), Totals> = Map::default();
        let mut tier_hours: Map<[i64; 3], Totals> = Map::default();
        for ((hour, slot), sums) in &hours {
            days.entry((floor(*hour, DAY_MS), *slot)).or_default().add_assign(*sums);
            tier_hours.entry([*hour, slot.answered_by.number(), i64::from(slot.local)]).or_default().add_assign(*sums);
        }
        let mut totals: Map<Slot, Totals> = Map::default();
        for ((_, slot), sums) in &days {
            totals.entry(*slot).or_default().add_assign(*sums);
        }
        let mut tier_days: Map<[i64; 3], Totals> = Map::default();
        for ([hour, tier, local], sums) in &tier_hours {
            tier_days.entry([floor(*hour, DAY_MS), *tier, *local]).or_default().add_assign(*sums);
        }
        let facets = |groups: &Map<(i64, Slot), Totals>| {
            let mut facets: Map<[i64; 3], Totals> = Map::default();
            for ((begin, slot), sums) in groups {
                for (facet, value) in slot.facets() {
                    facets.entry([facet, *begin, value]).or_default().add_assign(*sums);
                }
            }
            facets
        };
        let (facet_hours, facet_days) = (facets(&hours), facets(&days));
        let timed = |groups: Map<(i64, Slot), Totals>| {
            groups.into_iter().map(|((begin, slot), sums)| (slot.keys(Some(begin)), sums)).collect()
        };
        let keyed =
            |groups: Map<[i64; 3], Totals>| groups.into_iter().map(|(keys, sums)| (keys.to_vec(), sums)).collect();
        let totals = totals.into_iter().map(|(slot, sums)| (slot.keys(None), sums)).collect();
        upsert(connection, &STATEMENTS.minute, minutes).await?;
        upsert(connection, &STATEMENTS.hour, timed(hours)).await?;
        upsert(connection, &STATEMENTS.day, timed(days)).await?;
        upsert(connection, &STATEMENTS.total, totals).await?;
        upsert(connection, &STATEMENTS.tier_hour, keyed(tier_hours)).await?;
        upsert(connection, &STATEMENTS.tier_day, keyed(tier_days)).await?;
        upsert(connection, &STATEMENTS.facet_hour, keyed(facet_hours)).await?;
        upsert(connection, &STATEMENTS.facet_day, keyed(facet_days)).await
    }
}

impl Slot {
    /// The columns by which sums are also kept alone, and their values. What the response cache answered is kept apart.
    fn facets(&self) -> [(i64, i64); 4] {
        let apart = if self.answered_by == AnsweredBy::ResponseCache { CACHED_FACETS } else { 0 };
        [
            (Facet::Upstream as i64 + apart, self.upstream),
            (Facet::Model as i64 + apart, self.model),
            (Facet::Key as i64 + apart, self.key),
            (Facet::Source as i64 + apart, self.source),
        ]
    }

    /// The keys of a group in the order of the tables.
    fn keys(&self, begin_ms: Option<i64>) -> Vec<i64> {
        let Slot { answered_by, upstream, model, key, source, local, status_class } = *self;
        let rest = [answered_by.number(), upstream, model, key, source, i64::from(local), status_class];
        begin_ms.into_iter().chain(rest).collect()
    }
}

/// The columns of the two histograms, in the order of the tables.
pub(super) fn histogram_columns() -> impl Iterator<Item = String> {
    histogram::columns("duration").chain(histogram::columns("first_token"))
}

/// Groups of one statement, largest first: few statements, each prepared once.
const CHUNKS: [usize; 3] = [64, 8, 1];

/// The statements of one table, by [`CHUNKS`].
type Upserts = [String; CHUNKS.len()];

struct Statements {
    minute: Upserts,
    hour: Upserts,
    day: Upserts,
    total: Upserts,
    tier_hour: Upserts,
    tier_day: Upserts,
    facet_hour: Upserts,
    facet_day: Upserts,
}

static STATEMENTS: LazyLock<Statements> = LazyLock::new(|| Statements {
    minute: statements("rollup_minute", 8),
    hour: statements("rollup_hour", 8),
    day: statements("rollup_day", 8),
    total: statements("rollup_total", 7),
    tier_hour: statements("rollup_tier_hour", 3),
    tier_day: statements("rollup_tier_day", 3),
    facet_hour: statements("rollup_facet_hour", 3),
    facet_day: statements("rollup_facet_day", 3),
});

/// Inserts that add to the row that is there, for a table with so many columns of keys.
fn statements(table: &str, keys: usize) -> Upserts {
    let columns: Vec<String> = SUMS.iter().map(|sum| sum.name.to_owned()).chain(histogram_columns()).collect();
    let group = format!("({})", vec!["?"; keys + columns.len()].join(","));
    let sums: Vec<String> = columns.iter().map(|column| format!("{column} = {column} + excluded.{column}")).collect();
    let sums = sums.join(", ");
    CHUNKS.map(|size| {
        let groups = vec![group.as_str(); size].join(",");
        format!("insert into {table} values {groups} on conflict do update set {sums}")
    })
}

/// Adds groups to a table, in the order of its key.
async fn upsert(
    connection: &mut SqliteConnection,
    statements: &'static Upserts,
    mut groups: Vec<(Vec<i64>, Totals)>,
) -> Result<(), sqlx::Error> {
    groups.sort_unstable_by(|left, right| left.0.cmp(&right.0));
    let mut rest = groups.as_slice();
    for (size, statement) in CHUNKS.into_iter().zip(statements) {
        while rest.len() >= size {
            let (chunk, after) = rest.split_at(size);
            let mut arguments = SqliteArguments::default();
            for (keys, sums) in chunk {
                for figure in keys.iter().copied().chain(sums.all()) {
                    arguments.add(figure).map_err(sqlx::Error::Encode)?;
                }
            }
            sqlx::query_with(AssertSqlSafe(statement.as_str()), arguments).execute(&mut *connection).await?;
            rest = after;
        }
    }
    Ok(())
}
