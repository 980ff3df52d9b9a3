//! Care for the file while a router may be writing it: what it holds, what is too old, a copy.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::{Connection, SqliteConnection};

use super::journal;
use super::open::{self, OpenError};
use super::prune::{self, Pruned};
use super::writer::Keep;
use crate::protocol::Timestamp;

/// Pause between two steps, so that the router's own writes come in between.
const PAUSE: Duration = Duration::from_millis(5);

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// The file.
    pub path: PathBuf,
    /// Its bytes, those of its write-ahead log, and those of journals that are not brought in.
    pub bytes: u64,
    /// Bytes of the write-ahead log.
    pub wal_bytes: u64,
    /// Bytes of the journal's files.
    pub journal_bytes: u64,
    /// Bytes of the file that are free to be used again.
    pub free_bytes: i64,
    /// Requests that were ever recorded.
    pub requests: i64,
    /// Those of them whose rows are kept.
    pub rows: i64,
    /// Arrival of the oldest row that is kept.
    pub oldest: Option<Timestamp>,
    /// Arrival of the newest.
    pub newest: Option<Timestamp>,
    /// Conversations.
    pub sessions: i64,
    /// Requests that are noted as under way.
    pub in_flight: i64,
    /// Groups of sums by hour and by day.
    pub hours: i64,
    /// The newest migration.
    pub schema: i64,
}

fn database(path: &Path) -> impl Fn(sqlx::Error) -> OpenError + '_ {
    |source| OpenError::database(path, source)
}

/// Looks at a file. It reads no rows, so it takes no longer for ten million of them.
///
/// # Errors
/// There is no such history, or it cannot be read.
pub async fn stats(path: &Path) -> Result<Stats, OpenError> {
    open::expect_current(path).await?;
    let readers = open::readers(path);
    let failed = database(path);
    let (requests, pruned, oldest, newest, sessions, in_flight, hours): (
        i64,
        i64,
        Option<i64>,
        Option<i64>,
        i64,
        i64,
        i64,
    ) = sqlx::query_as(
        "select (select coalesce(sum(requests), 0) from rollup_total),
         (select coalesce(max(value), 0) from meta where key = 'pruned_rows'),
         (select created_at_ms from requests order by id limit 1),
         (select created_at_ms from requests order by id desc limit 1),
         (select count(*) from sessions), (select count(*) from in_flight),
         (select count(*) from rollup_hour) + (select count(*) from rollup_day)",
    )
    .fetch_one(&readers)
    .await
    .map_err(&failed)?;
    let (free, page, schema): (i64, i64, i64) = sqlx::query_as(
        "select (select freelist_count from pragma_freelist_count), (select page_size from pragma_page_size),
         (select max(version) from _sqlx_migrations)",
    )
    .fetch_one(&readers)
    .await
    .map_err(&failed)?;
    readers.close().await;
    let size = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        std::fs::metadata(PathBuf::from(name)).map_or(0, |file| file.len())
    };
    let journals = journal::found(path).unwrap_or_default();
    let journal_bytes =
        journals.iter().filter_map(|(_, file)| std::fs::metadata(file).ok()).map(|file| file.len()).sum();
    Ok(Stats {
        path: path.to_owned(),
        bytes: size(""),
        wal_bytes: size("-wal"),
        journal_bytes,
        free_bytes: free * page,
        requests,
        rows: requests - pruned,
        oldest: oldest.map(Timestamp),
        newest: newest.map(Timestamp),
        sessions,
        in_flight,
        hours,
        schema,
    })
}

/// Removes what is older than so many days, step by step; `told` is called after each step with what went so far.
///
/// # Errors
/// There is no such history, or it cannot be written.
pub async fn prune(
    path: &Path,
    days: u32,
    minute_days: u32,
    mut told: impl FnMut(&Pruned),
) -> Result<Pruned, OpenError> {
    let mut connection = open::for_maintenance(path).await?;
    let cutoff = Keep { days, minute_days }.cutoff(Timestamp::now());
    let mut all = Pruned::default();
    loop {
        all += prune::step(&mut connection, cutoff).await.map_err(database(path))?;
        told(&all);
        if !all.more {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    checkpoint(&mut connection).await.map_err(database(path))?;
    connection.close().await.map_err(database(path))?;
    Ok(all)
}

/// Without it the file would shrink only with the next checkpoint. Others may be reading: then it waits for its turn.
async fn checkpoint(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("pragma wal_checkpoint(passive)").execute(connection).await.map(|_| ())
}

/// Writes a copy of a history that is as it was at one moment, without its free pages, while a router may be writing it.
///
/// # Errors
/// There is no such history, the copy exists already, or it cannot be written.
pub async fn backup(path: &Path, copy: &Path) -> Result<(), OpenError> {
    let exists =
        || OpenError::Beside { path: copy.to_owned(), source: std::io::Error::from(std::io::ErrorKind::AlreadyExists) };
    if copy.exists() {
        return Err(exists());
    }
    // It writes nothing here, but SQLite does not let a connection that may only query do it.
    let mut connection = open::for_maintenance(path).await?;
    let written = sqlx::query("vacuum into ?").bind(copy.to_string_lossy()).execute(&mut connection).await;
    let _ = connection.close().await;
    written.map(|_| ()).map_err(|source| OpenError::database(copy, source))
}
