//! What is too old goes, in small steps: a step is one short transaction, so that whoever writes never waits for long.
//! Freed pages are given back to the file system in small steps too.

use sqlx::SqliteConnection;

use super::zone_map::ZONE_BITS;

/// Zones of one step, 256 rows each.
const ZONES: i64 = 4;
/// Minutes of one step.
const MINUTES: i64 = 60;
/// Sessions of one step.
const SESSIONS: i64 = 500;
/// Pages given back in one step, of 4 KB.
const PAGES: i64 = 256;
/// Free pages that are kept for what comes next.
const SPARE_PAGES: i64 = 256;

/// Before when what goes. `None` keeps everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cutoff {
    /// Rows that arrived before, in UTC epoch milliseconds.
    pub rows_ms: Option<i64>,
    /// Sums of minutes before.
    pub minutes_ms: i64,
}

/// What went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    /// Rows of requests.
    pub rows: u64,
    /// Rows of sums by minute.
    pub minutes: u64,
    /// Sessions of which no row is left.
    pub sessions: u64,
    /// Pages given back to the file system, of 4 KB.
    pub pages: u64,
    /// Whether something is left for the next step.
    pub more: bool,
}

impl std::ops::AddAssign for Pruned {
    fn add_assign(&mut self, step: Pruned) {
        self.rows += step.rows;
        self.minutes += step.minutes;
        self.sessions += step.sessions;
        self.pages += step.pages;
        self.more = step.more;
    }
}

/// One step.
pub(super) async fn step(connection: &mut SqliteConnection, cutoff: Cutoff) -> Result<Pruned, sqlx::Error> {
    sqlx::query("begin immediate").execute(&mut *connection).await?;
    let pruned = match delete(connection, cutoff).await {
        Ok(pruned) => sqlx::query("commit").execute(&mut *connection).await.map(|_| pruned),
        Err(error) => Err(error),
    };
    if pruned.is_err() {
        let _ = sqlx::query("rollback").execute(&mut *connection).await;
    }
    let pruned = pruned?;
    if pruned.more {
        return Ok(pruned);
    }
    let pages = shrink(connection).await?;
    Ok(Pruned { pages, more: pages > 0, ..pruned })
}

async fn delete(connection: &mut SqliteConnection, cutoff: Cutoff) -> Result<Pruned, sqlx::Error> {
    let mut pruned = Pruned::default();
    if let Some(rows_ms) = cutoff.rows_ms {
        sqlx::query(MAXIMUM).bind("pruned_before_ms").bind(rows_ms).execute(&mut *connection).await?;
        // Numbers are not given twice, even when nothing is left.
        sqlx::query(LAST_ID).execute(&mut *connection).await?;
        let zones: Vec<i64> = sqlx::query_scalar(WHOLE).bind(rows_ms).bind(ZONES).fetch_all(&mut *connection).await?;
        for zone in &zones {
            pruned.rows += delete_rows(connection, *zone, i64::MAX).await?;
            sqlx::query("delete from marks where zone = ?").bind(zone).execute(&mut *connection).await?;
            sqlx::query("delete from zones where zone = ?").bind(zone).execute(&mut *connection).await?;
        }
        if zones.is_empty() {
            let cut: Option<i64> =
                sqlx::query_scalar("select zone from zones where first_ms < ? order by first_ms limit 1")
                    .bind(rows_ms)
                    .fetch_optional(&mut *connection)
                    .await?;
            if let Some(zone) = cut {
                pruned.rows += delete_rows(connection, zone, rows_ms).await?;
                sqlx::query("update zones set first_ms = ? where zone = ?")
                    .bind(rows_ms)
                    .bind(zone)
                    .execute(&mut *connection)
                    .await?;
            }
            if pruned.rows == 0 {
                let gone = sqlx::query(
                    "delete from sessions where id in (select id from sessions where last_ms < ? order by last_ms limit ?)",
                );
                pruned.sessions = gone.bind(rows_ms).bind(SESSIONS).execute(&mut *connection).await?.rows_affected();
            }
        }
        if pruned.rows > 0 {
            sqlx::query(
                "insert into meta values ('pruned_rows', ?) on conflict do update set value = value + excluded.value",
            )
            .bind(i64::try_from(pruned.rows).unwrap_or(i64::MAX))
            .execute(&mut *connection)
            .await?;
        }
        pruned.more |= pruned.rows > 0 || !zones.is_empty() || pruned.sessions > 0;
    }
    let gone = sqlx::query(
        "delete from rollup_minute where begin_ms in
         (select distinct begin_ms from rollup_minute where begin_ms < ? order by begin_ms limit ?)",
    );
    pruned.minutes = gone.bind(cutoff.minutes_ms).bind(MINUTES).execute(connection).await?.rows_affected();
    pruned.more |= pruned.minutes > 0;
    Ok(pruned)
}

/// Zones of which nothing is to stay. The newest is never one of them: a router may remember its marks.
const WHOLE: &str = "select zone from zones where last_ms < ? and zone < (select max(zone) from zones)
    order by last_ms limit ?";

/// The maximum stands in a query of its own: with anything beside it SQLite would read every row.
const LAST_ID: &str = "insert into meta values ('last_id', coalesce((select max(id) from requests), 0))
    on conflict do update set value = max(value, excluded.value)";

const MAXIMUM: &str = "insert into meta values (?, ?) on conflict do update set value = max(value, excluded.value)";

async fn delete_rows(connection: &mut SqliteConnection, zone: i64, before_ms: i64) -> Result<u64, sqlx::Error> {
    let (first, after) = (zone << ZONE_BITS, (zone + 1) << ZONE_BITS);
    sqlx::query(
        "delete from attempts where request >= ? and request < ?
         and request in (select id from requests where id >= ? and id < ? and created_at_ms < ?)",
    )
    .bind(first)
    .bind(after)
    .bind(first)
    .bind(after)
    .bind(before_ms)
    .execute(&mut *connection)
    .await?;
    let gone = sqlx::query("delete from requests where id >= ? and id < ? and created_at_ms < ?");
    Ok(gone.bind(first).bind(after).bind(before_ms).execute(connection).await?.rows_affected())
}

/// Gives some free pages back, from the end of the file.
async fn shrink(connection: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
    let free: i64 = sqlx::query_scalar("pragma freelist_count").fetch_one(&mut *connection).await?;
    let surplus = (free - SPARE_PAGES).clamp(0, PAGES);
    if surplus > 0 {
        let pages = surplus.to_string();
        let mut query = sqlx::QueryBuilder::<sqlx::Sqlite>::new("pragma incremental_vacuum(");
        query.push(pages).push(")");
        query.build().execute(connection).await?;
    }
    Ok(surplus.unsigned_abs())
}
