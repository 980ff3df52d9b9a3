//! Which rollups a period is put together from: the longest units that fit into it, shorter ones at its edges, and rows
//! only for what no unit fits into. What is read does not grow with the number of requests.

use std::sync::LazyLock;

use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::histogram::BOUNDS_MS;
use super::rollup::{CACHED_FACETS, DAY_MS, HOUR_MS, MINUTE_MS, floor, histogram_columns};
use super::sums::SUMS;
use super::usage::Period;
use super::zone_map::Facet;
use crate::protocol::Timestamp;

/// All columns that are summed, in the order in which they are read.
pub(super) fn sum_columns() -> impl Iterator<Item = &'static str> {
    static COLUMNS: LazyLock<Vec<String>> =
        LazyLock::new(|| SUMS.iter().map(|sum| sum.name.to_owned()).chain(histogram_columns()).collect());
    COLUMNS.iter().map(String::as_str)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Table {
    Total,
    Days,
    Hours,
    Minutes,
    Rows,
}

/// The pieces of a period, in no particular order.
#[derive(Debug)]
pub(super) struct Plan {
    /// The period that the pieces make up.
    pub(super) period: Period,
    pieces: Vec<(Table, i64, i64)>,
    /// The unit of time that is grouped by.
    unit: Option<i64>,
    grain: Grain,
}

/// Which tables of hours and days tell enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grain {
    /// By tier and whether it is local.
    Tier,
    /// By one other column alone.
    Facet(Facet),
    /// By all columns together.
    Full,
}

/// What a file can still tell.
#[derive(Debug, Clone, Copy)]
struct Kept {
    /// The first minute whose sums are kept.
    minutes_from: i64,
    /// Rows that arrived before are gone.
    rows_from: i64,
}

impl Plan {
    pub(super) async fn make(
        connection: &mut SqliteConnection,
        period: Period,
        unit: Option<i64>,
        grain: Grain,
    ) -> Result<Plan, sqlx::Error> {
        let (minutes_from, rows_from): (Option<i64>, Option<i64>) = sqlx::query_as(
            "select (select min(begin_ms) from rollup_minute), (select value from meta where key = 'pruned_before_ms')",
        )
        .fetch_one(connection)
        .await?;
        let kept = Kept { minutes_from: minutes_from.unwrap_or(i64::MAX), rows_from: rows_from.unwrap_or(i64::MIN) };
        Ok(Plan::of(period, unit, grain, kept))
    }

    fn of(period: Period, unit: Option<i64>, grain: Grain, kept: Kept) -> Plan {
        let mut plan = Plan { period, pieces: Vec::new(), unit, grain };
        if period == Period::default() && unit.is_none() {
            plan.pieces.push((Table::Total, i64::MIN, i64::MAX));
            return plan;
        }
        let mut from = period.from.map_or(i64::MIN, |time| time.0);
        let mut to = period.to.map_or(i64::MAX, |time| time.0);
        if from >= to {
            return plan;
        }
        // An edge whose rows are gone is moved outwards to the hour.
        if from != i64::MIN && floor(from, HOUR_MS) < kept.rows_from && from % HOUR_MS != 0 {
            from = floor(from, HOUR_MS);
            plan.period.from = Some(Timestamp(from));
        }
        if to != i64::MAX && floor(to, HOUR_MS) < kept.rows_from && to % HOUR_MS != 0 {
            to = floor(to, HOUR_MS).saturating_add(HOUR_MS);
            plan.period.to = Some(Timestamp(to));
        }
        let units: &[(Table, i64)] = match unit {
            Some(HOUR_MS) => &[(Table::Hours, HOUR_MS), (Table::Minutes, MINUTE_MS)],
            _ => &[(Table::Days, DAY_MS), (Table::Hours, HOUR_MS), (Table::Minutes, MINUTE_MS)],
        };
        plan.cover(from, to, units, kept);
        plan
    }

    /// Covers a stretch with the longest unit, and what is left at both ends with shorter ones.
    fn cover(&mut self, from: i64, to: i64, units: &[(Table, i64)], kept: Kept) {
        if from >= to {
            return;
        }
        let Some(((table, unit), shorter)) = units.split_first() else {
            self.pieces.push((Table::Rows, from, to));
            return;
        };
        let begin = ceiling(from, *unit);
        let end = if to == i64::MAX { to } else { floor(to, *unit) };
        if begin >= end || (*table == Table::Minutes && begin < kept.minutes_from) {
            self.cover(from, to, shorter, kept);
            return;
        }
        self.pieces.push((*table, begin, end));
        self.cover(from, begin, shorter, kept);
        self.cover(end, to, shorter, kept);
    }

    /// `with parts as (…)`, with these columns and all sums. `unit_ms` is the begin of the unit of time grouped by,
    /// `is_cached` whether the response cache answered.
    pub(super) fn query(&self, columns: &[&str]) -> QueryBuilder<Sqlite> {
        let mut query = QueryBuilder::new("with parts as (");
        for (index, (table, from, to)) in self.pieces.iter().enumerate() {
            query.push(if index == 0 { "select " } else { " union all select " });
            let is_row = *table == Table::Rows;
            let facet = match self.grain {
                Grain::Facet(facet) if matches!(table, Table::Days | Table::Hours) => Some(facet),
                _ => None,
            };
            for column in columns {
                match *column {
                    "unit_ms" => {
                        let unit = self.unit.unwrap_or(DAY_MS).to_string();
                        let time = if is_row { "created_at_ms" } else { "begin_ms" };
                        query.push(time).push(" / ").push(&unit).push(" * ").push(&unit).push(" as unit_ms, ");
                    }
                    column if facet.is_some_and(|facet| facet_column(facet) == column) => {
                        query.push("value as ").push(column).push(", ");
                    }
                    "is_cached" if facet.is_some() => {
                        query.push("facet >= ").push_bind(CACHED_FACETS).push(" as is_cached, ");
                    }
                    "is_cached" if !is_row => drop(query.push("tier = -2 as is_cached, ")),
                    column if is_row => drop(query.push(row_expression(column)).push(" as ").push(column).push(", ")),
                    column => drop(query.push(column).push(", ")),
                }
            }
            if is_row {
                query.push(ROW_SUMS.as_str());
                query.push(" from zones z cross join requests r on r.id >= z.zone << 8 and r.id < (z.zone + 1) << 8");
                query.push(" where z.last_ms >= ").push_bind(*from).push(" and z.first_ms < ").push_bind(*to);
                query.push(" and created_at_ms >= ").push_bind(*from).push(" and created_at_ms < ").push_bind(*to);
                continue;
            }
            for (index, column) in sum_columns().enumerate() {
                query.push(if index == 0 { "" } else { ", " }).push(column);
            }
            query.push(" from ").push(match (table, self.grain) {
                (Table::Total, _) => "rollup_total",
                (Table::Days, Grain::Tier) => "rollup_tier_day",
                (Table::Days, Grain::Facet(_)) => "rollup_facet_day",
                (Table::Days, Grain::Full) => "rollup_day",
                (Table::Hours, Grain::Tier) => "rollup_tier_hour",
                (Table::Hours, Grain::Facet(_)) => "rollup_facet_hour",
                (Table::Hours, Grain::Full) => "rollup_hour",
                (Table::Minutes | Table::Rows, _) => "rollup_minute",
            });
            if *table != Table::Total {
                query.push(" where begin_ms >= ").push_bind(*from).push(" and begin_ms < ").push_bind(*to);
            }
            if let Some(facet) = facet {
                query.push(" and facet in (").push_bind(facet as i64).push(", ");
                query.push_bind(facet as i64 + CACHED_FACETS).push(")");
            }
        }
        if self.pieces.is_empty() {
            query.push("select 0 as unit_ms, false as is_cached, * from rollup_total where false");
        }
        query.push(") ");
        query
    }
}

fn ceiling(ms: i64, unit: i64) -> i64 {
    if ms == i64::MIN {
        return ms;
    }
    let begin = floor(ms, unit);
    if begin == ms { ms } else { begin.saturating_add(unit) }
}

/// The column of the full tables that a facet stands for.
pub(super) fn facet_column(facet: Facet) -> &'static str {
    match facet {
        Facet::Upstream => "upstream_id",
        Facet::Model => "model_id",
        Facet::Key => "key_id",
        Facet::Source => "source_id",
        _ => "",
    }
}

fn row_expression(column: &str) -> &str {
    match column {
        "tier" => "coalesce(answered_by, tier, -1)",
        "is_cached" => "coalesce(answered_by, 0) = -2",
        "model_id" => "coalesce(selected_model_id, 0)",
        "upstream_id" => "coalesce(upstream_id, 0)",
        "key_id" => "coalesce(key_id, 0)",
        other => other,
    }
}

/// One row of `requests` in the columns of the sums.
static ROW_SUMS: LazyLock<String> = LazyLock::new(|| {
    let mut columns: Vec<String> = SUMS.iter().map(|sum| format!("{} as {}", sum.sql, sum.name)).collect();
    for (prefix, time) in [("duration", "duration_us"), ("first_token", "first_token_us")] {
        let names: Vec<String> = super::histogram::columns(prefix).collect();
        for (index, name) in names.iter().enumerate() {
            let above = index.checked_sub(1).map(|before| format!("{time} > {}000", BOUNDS_MS[before]));
            let below = BOUNDS_MS.get(index).map(|bound| format!("{time} <= {bound}000"));
            let within: Vec<String> = above.into_iter().chain(below).collect();
            columns.push(format!("coalesce({}, 0) as {name}", within.join(" and ")));
        }
    }
    columns.join(", ")
});

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(from: i64, to: i64, unit: Option<i64>, kept: Kept) -> (Period, Vec<(Table, i64, i64)>) {
        let period = Period { from: Some(Timestamp(from)), to: Some(Timestamp(to)) };
        let mut plan = Plan::of(period, unit, Grain::Full, kept);
        plan.pieces.sort_by_key(|(_, from, _)| *from);
        (plan.period, plan.pieces)
    }

    const ALL: Kept = Kept { minutes_from: 0, rows_from: i64::MIN };

    #[test]
    fn a_period_is_made_of_the_longest_units_that_fit() {
        let (from, to) = (DAY_MS - HOUR_MS - MINUTE_MS - 1, 3 * DAY_MS + 2 * HOUR_MS + 3 * MINUTE_MS + 4);
        let (_, pieces) = pieces(from, to, None, ALL);
        let expected = [
            (Table::Rows, from, from + 1),
            (Table::Minutes, from + 1, DAY_MS - HOUR_MS),
            (Table::Hours, DAY_MS - HOUR_MS, DAY_MS),
            (Table::Days, DAY_MS, 3 * DAY_MS),
            (Table::Hours, 3 * DAY_MS, 3 * DAY_MS + 2 * HOUR_MS),
            (Table::Minutes, 3 * DAY_MS + 2 * HOUR_MS, 3 * DAY_MS + 2 * HOUR_MS + 3 * MINUTE_MS),
            (Table::Rows, to - 4, to),
        ];
        assert_eq!(pieces, expected);
    }

    #[test]
    fn the_pieces_of_any_period_meet_without_gap_or_overlap() {
        let mut state = 7_u64;
        for _ in 0..2_000 {
            let mut draw = |below: i64| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                i64::try_from(state >> 33).unwrap() % below
            };
            let from = draw(5 * DAY_MS);
            let to = from + 1 + draw(5 * DAY_MS);
            let kept = Kept { minutes_from: draw(10 * DAY_MS), rows_from: i64::MIN };
            let unit = [None, Some(HOUR_MS), Some(DAY_MS)][usize::try_from(draw(3)).unwrap()];
            let (_, pieces) = pieces(from, to, unit, kept);
            assert_eq!(pieces.first().map(|piece| piece.1), Some(from));
            assert_eq!(pieces.last().map(|piece| piece.2), Some(to));
            assert!(pieces.windows(2).all(|pair| pair[0].2 == pair[1].1), "{pieces:?}");
            assert!(pieces.iter().all(|(table, from, _)| *table != Table::Minutes || *from >= kept.minutes_from));
        }
    }

    #[test]
    fn where_rows_are_gone_an_edge_moves_outwards_to_the_hour() {
        let kept = Kept { minutes_from: i64::MAX, rows_from: 10 * DAY_MS };
        let (period, pieces) = pieces(DAY_MS + 5, 20 * DAY_MS, None, kept);
        assert_eq!(period.from, Some(Timestamp(DAY_MS)));
        assert_eq!(pieces, [(Table::Days, DAY_MS, 20 * DAY_MS)]);
    }
}
