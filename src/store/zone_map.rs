//! Which zones have rows with which value, so that rare rows are found among millions without an index on each column.
//!
//! A zone is 256 consecutive numbers of rows. A mark says that a zone may have a row with a value; without the mark it has
//! none. Rows that are pruned leave their marks until the whole zone is gone, which costs a look and no mistake.

use std::collections::{BTreeMap, HashMap, HashSet};

use foldhash::fast::RandomState;
use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::row::Row;

/// A row's zone is its number without this many lower bits.
pub(super) const ZONE_BITS: u32 = 8;
/// Zones whose marks are remembered, so that they are written once. Requests end out of order, but not by far.
const REMEMBERED_ZONES: usize = 16;
/// Marks of one statement, largest first.
const CHUNKS: [usize; 3] = [128, 16, 1];

/// What can be looked for. The numbers stand in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Facet {
    Tier = 1,
    Upstream = 2,
    Model = 3,
    Key = 4,
    Source = 5,
    Status = 6,
    ErrorType = 7,
    Session = 8,
    StatusClass = 9,
    /// The value n stands for 2^n and more.
    Tokens = 10,
    CostNanos = 11,
    DurationUs = 12,
}

impl Facet {
    /// For the facets of sizes: the smallest power of two that is marked. Nearly every zone has more than that.
    const fn first_power(self) -> u32 {
        match self {
            Facet::Tokens => 8,
            _ => 16,
        }
    }

    /// The mark that every zone with a row of at least this size has, if there is one.
    pub(super) fn at_least(self, size: i64) -> Option<i64> {
        let power = u64::try_from(size).ok().filter(|size| *size > 0)?.ilog2();
        (power >= self.first_power()).then_some(i64::from(power))
    }
}

/// The numbers of a row's values, as they are marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Values {
    pub(super) tier: i64,
    pub(super) upstream: i64,
    pub(super) model: i64,
    pub(super) key: i64,
    pub(super) source: i64,
    pub(super) status: i64,
    pub(super) error_type: i64,
    pub(super) session: Option<i64>,
}

#[derive(Debug, Clone, Copy)]
struct Extent {
    first_ms: i64,
    last_ms: i64,
    tokens: i64,
    cost_nanos: i64,
    duration_us: i64,
}

type Mark = (u8, i64);

/// The marks that are in the table already.
#[derive(Debug, Default)]
pub(super) struct Known {
    zones: BTreeMap<i64, HashSet<Mark, RandomState>>,
}

impl Known {
    /// The marks of a batch stand in the table.
    pub(super) fn extend(&mut self, batch: Batch) {
        for (zone, marks) in batch.fresh {
            self.zones.entry(zone).or_default().extend(marks);
        }
        while self.zones.len() > REMEMBERED_ZONES {
            self.zones.pop_first();
        }
    }

    /// Other connections may have taken marks away.
    pub(super) fn clear(&mut self) {
        self.zones.clear();
    }
}

/// The marks and extents of one batch of rows.
#[derive(Debug, Default)]
pub(super) struct Batch {
    fresh: HashMap<i64, HashSet<Mark, RandomState>, RandomState>,
    extents: BTreeMap<i64, Extent>,
    /// The zone and the values of the row before: neighbours are often alike, and then there is nothing new to mark.
    before: Option<(i64, Values)>,
}

impl Batch {
    pub(super) fn add(&mut self, known: &Known, row: &Row, values: &Values) {
        let zone = row.id >> ZONE_BITS;
        let known = known.zones.get(&zone);
        let fresh = self.fresh.entry(zone).or_default();
        let mut mark = |facet: Facet, value: i64| {
            let mark = (facet as u8, value);
            if !known.is_some_and(|known| known.contains(&mark)) {
                fresh.insert(mark);
            }
        };
        if self.before != Some((zone, *values)) {
            self.before = Some((zone, *values));
            mark(Facet::Tier, values.tier);
            mark(Facet::Upstream, values.upstream);
            mark(Facet::Model, values.model);
            mark(Facet::Key, values.key);
            mark(Facet::Source, values.source);
            mark(Facet::Status, values.status);
            mark(Facet::StatusClass, values.status / 100);
            mark(Facet::ErrorType, values.error_type);
            if let Some(session) = values.session {
                mark(Facet::Session, session);
            }
        }
        let tokens = |count: Option<u64>| count.and_then(|count| i64::try_from(count).ok()).unwrap_or(0);
        let tokens = tokens(row.usage.input_tokens).saturating_add(tokens(row.usage.output_tokens));
        let cost_nanos = row.cost.map_or(0, |cost| cost.0);
        let duration_us = row.duration_us.unwrap_or(0);
        let extent = self.extents.entry(zone).or_insert(Extent {
            first_ms: i64::MAX,
            last_ms: i64::MIN,
            tokens: 0,
            cost_nanos: 0,
            duration_us: 0,
        });
        extent.first_ms = extent.first_ms.min(row.created_at_ms);
        extent.last_ms = extent.last_ms.max(row.created_at_ms);
        let sizes = [
            (Facet::Tokens, tokens, &mut extent.tokens),
            (Facet::CostNanos, cost_nanos, &mut extent.cost_nanos),
            (Facet::DurationUs, duration_us, &mut extent.duration_us),
        ];
        for (facet, size, largest) in sizes {
            if size > *largest {
                *largest = size;
                for power in i64::from(facet.first_power())..=facet.at_least(size).unwrap_or(0) {
                    mark(facet, power);
                }
            }
        }
    }

    /// Writes what is new, on the transaction that writes the rows.
    pub(super) async fn write(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        for (zone, extent) in &self.extents {
            sqlx::query(EXTENT)
                .bind(zone)
                .bind(extent.first_ms)
                .bind(extent.last_ms)
                .bind(extent.tokens)
                .bind(extent.cost_nanos)
                .bind(extent.duration_us)
                .execute(&mut *connection)
                .await?;
        }
        let marks: Vec<(u8, i64, i64)> = self
            .fresh
            .iter()
            .flat_map(|(zone, marks)| marks.iter().map(|(facet, value)| (*facet, *value, *zone)))
            .collect();
        let mut rest = marks.as_slice();
        for size in CHUNKS {
            let statement = format!("insert or ignore into marks values {}", vec!["(?,?,?)"; size].join(","));
            while rest.len() >= size {
                let (chunk, after) = rest.split_at(size);
                let mut query = sqlx::query::<sqlx::Sqlite>(AssertSqlSafe(statement.as_str()));
                for (facet, value, zone) in chunk {
                    query = bind(query, *facet, *value, *zone);
                }
                query.execute(&mut *connection).await?;
                rest = after;
            }
        }
        Ok(())
    }
}

type Insert<'q> = sqlx::query::Query<'q, sqlx::Sqlite, SqliteArguments>;

fn bind(query: Insert<'_>, facet: u8, value: i64, zone: i64) -> Insert<'_> {
    query.bind(facet).bind(value).bind(zone)
}

const EXTENT: &str = "insert into zones values (?,?,?,?,?,?) on conflict do update set
    first_ms = min(first_ms, excluded.first_ms), last_ms = max(last_ms, excluded.last_ms),
    max_tokens = max(max_tokens, excluded.max_tokens), max_cost_nanos = max(max_cost_nanos, excluded.max_cost_nanos),
    max_duration_us = max(max_duration_us, excluded.max_duration_us)";
