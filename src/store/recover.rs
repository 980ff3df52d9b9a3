//! What a journal kept goes into the database: at the start, and once a database that could not be written is back.
//! It may be done twice: rows that are there already are passed over.

#![expect(clippy::vec_box, reason = "rows come boxed and are moved on as they are")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};

use sqlx::SqliteConnection;

use super::find;
use super::insert::{self, Known};
use super::records::{self, Kind};
use super::row::Row;

/// The number of a row that is there under another one.
const ALREADY: i64 = i64::MIN;
/// Rows of one transaction.
const CHUNK: usize = 1_000;

/// A journal that could not be brought in.
#[derive(Debug, thiserror::Error)]
pub(super) enum RecoverError {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error("cannot read the journal {}: {source}", path.display())]
    Journal { path: PathBuf, source: std::io::Error },
}

/// What a file holds.
#[derive(Default)]
struct Content {
    finished: Vec<Box<Row>>,
    /// What was under way at its end, with what is known of it last.
    under_way: HashMap<i64, Box<Row>>,
    damaged: u64,
}

async fn content(path: &Path, mut under_way: HashMap<i64, Box<Row>>) -> Result<Content, RecoverError> {
    let file = path.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        let mut finished = Vec::new();
        let damaged = records::read(&file, |kind, row| match kind {
            Kind::Begun => drop(under_way.entry(row.id).or_insert(row)),
            Kind::Answered => drop(under_way.insert(row.id, row)),
            Kind::Finished => {
                under_way.remove(&row.id);
                finished.push(row);
            }
        })?;
        if damaged > 0 {
            // The last line of a process that was killed while it wrote: nobody was told that it was kept.
            tracing::warn!(path = %file.display(), damaged, "places of the journal are damaged and were passed over");
        }
        Ok::<_, std::io::Error>(Content { finished, under_way, damaged })
    });
    let failed = |source| RecoverError::Journal { path: path.to_owned(), source };
    read.await.map_err(|error| failed(std::io::Error::other(error)))?.map_err(failed)
}

/// Brings files into the database while the router serves. Requests that are under way stay so. Returns how many rows
/// were new.
pub(super) async fn replay(
    connection: &mut SqliteConnection,
    known: &mut Known,
    path: &Path,
    next_id: &AtomicI64,
) -> Result<u64, RecoverError> {
    let Content { finished, under_way, .. } = content(path, HashMap::new()).await?;
    let stored = store(connection, known, finished, next_id).await?;
    let ids: Vec<i64> = under_way.keys().copied().collect();
    let ended = insert::existing(connection, &ids).await?;
    let mut begun: Vec<Box<Row>> = under_way.into_values().collect();
    begun.retain(|row| !ended.contains_key(&row.id));
    let learned = insert::commit(connection, known, &begun, &[], i64::MIN).await?;
    known.learn(learned);
    Ok(stored)
}

/// What a process left behind.
#[derive(Debug, Default)]
pub(super) struct Recovered {
    /// Rows that were new.
    pub(super) stored: u64,
    /// Those of them that were under way.
    pub(super) interrupted: u64,
    /// Files with more damage than a last line that was cut.
    pub(super) damaged: Vec<PathBuf>,
}

/// Brings everything in that a process left behind; what was under way is closed as interrupted.
pub(super) async fn recover(
    connection: &mut SqliteConnection,
    known: &mut Known,
    files: &[(u64, PathBuf)],
    next_id: &AtomicI64,
) -> Result<Recovered, RecoverError> {
    let left: Vec<(i64, String)> =
        sqlx::query_as("select id, row from in_flight order by id").fetch_all(&mut *connection).await?;
    let mut under_way = HashMap::with_capacity(left.len());
    for (id, json) in left {
        match serde_json::from_str::<Box<Row>>(&json) {
            Ok(row) => drop(under_way.insert(id, row)),
            Err(error) => tracing::warn!(id, error = %error, "a request that was under way cannot be read"),
        }
    }
    let mut recovered = Recovered::default();
    for (_, path) in files {
        let content = content(path, under_way).await?;
        under_way = content.under_way;
        if content.damaged > 1 {
            recovered.damaged.push(path.clone());
        }
        recovered.stored += store(connection, known, content.finished, next_id).await?;
    }
    let mut rest: Vec<Box<Row>> = under_way.into_values().collect();
    rest.sort_unstable_by_key(|row| row.id);
    for row in &mut rest {
        // One that was answered only lacks a count of its tokens.
        if row.status.is_none() {
            recovered.interrupted += 1;
            row.interrupt();
        }
    }
    recovered.stored += store(connection, known, rest, next_id).await?;
    sqlx::query("delete from in_flight").execute(&mut *connection).await?;
    Ok(recovered)
}

/// Writes the rows that are not there yet.
async fn store(
    connection: &mut SqliteConnection,
    known: &mut Known,
    mut rows: Vec<Box<Row>>,
    next_id: &AtomicI64,
) -> Result<u64, RecoverError> {
    // A write that failed half-way may have been repeated.
    rows.sort_by_key(|row| row.id);
    rows.dedup_by_key(|row| row.id);
    let mut stored = 0;
    let mut size = CHUNK;
    while !rows.is_empty() {
        let mut chunk = rows.split_off(rows.len().saturating_sub(size));
        let ids: Vec<i64> = chunk.iter().map(|row| row.id).collect();
        let there = insert::existing(connection, &ids).await?;
        chunk.retain(|row| there.get(&row.id).is_none_or(|request_id| *request_id != row.request_id));
        for row in &mut chunk {
            // The journal is of another file than this one, say of one that was moved away. Its rows get new numbers, and
            // may have got them before.
            if there.contains_key(&row.id) {
                let before = find::find(connection, &row.request_id).await?;
                let was_there = before.is_some_and(|(_, created_at_ms)| created_at_ms == row.created_at_ms);
                row.id = if was_there { ALREADY } else { next_id.fetch_add(1, Ordering::Relaxed) };
            }
        }
        chunk.retain(|row| row.id != ALREADY);
        match insert::commit(connection, known, &[], &chunk, i64::MIN).await {
            Ok(learned) => {
                known.learn(learned);
                stored += chunk.len() as u64;
            }
            // One row must not keep the others out, nor the router from starting.
            Err(error) if insert::is_fault_of_rows(&error) && chunk.len() > 1 => {
                size = chunk.len().div_ceil(2);
                rows.append(&mut chunk);
            }
            Err(error) if insert::is_fault_of_rows(&error) => {
                let request_id = chunk.first().map_or("", |row| row.request_id.as_str());
                tracing::error!(request_id, error = %error, "the history refused a row of the journal for good");
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(stored)
}
