//! The history: one SQLite file, written by one task, read by a few connections. All SQL is here.
//!
//! Enters: a [`Row`] per request, when it is decided and when it has ended. Leaves: totals, groups and rows as named
//! structs. Never blocks a request on a disk, and never loses a row in silence. The way of a row: `intake.rs` (queue and
//! thread) → `journal.rs` (files beside the database) → `writer.rs` (the task) → `insert.rs` (the transaction); after a
//! kill `recover.rs`. Read `intake.rs` first.

mod answered_by;
mod batch;
mod columns;
mod export;
mod feedback;
mod find;
mod histogram;
mod history;
mod insert;
mod intake;
mod journal;
mod ledger;
mod maintenance;
mod open;
mod page;
mod plan;
mod prune;
mod readers;
mod records;
mod recover;
mod rollup;
mod row;
mod seed;
mod statements;
mod sums;
#[cfg(test)]
mod tests;
mod usage;
mod writer;
mod zone_map;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use sqlx::{Connection as _, SqliteConnection};
use tokio::sync::{Notify, mpsc, watch};

pub use answered_by::AnsweredBy;
pub use columns::{Column, Kind, Value, shown as shown_columns};
pub use export::{groups_as_csv, milliseconds, rows_as_csv};
pub use feedback::{Feedback, Opinion};
pub use histogram::Histogram;
pub use intake::Receipt;
pub use ledger::WriterState;
pub use maintenance::{Stats, backup, prune, stats};
pub use open::OpenError;
pub use page::{Filter, Page, StatusFilter, TierFilter};
pub use prune::Pruned;
pub use row::{Attempt, Features, Row, Skipped, Word};
pub use seed::seed;
pub use sums::{FIGURES, Figure, LATENCIES, Latency, Totals};
pub use usage::{Figures, Group, GroupBy, Groups, Period, Point, UsageByTier};

use crate::config;
use insert::Known;
use intake::{Intake, Limits, Outlet};
use journal::Journal;
use ledger::Ledger;
use readers::Readers;
use recover::RecoverError;
use writer::{Keep, Task};

/// How long after the start old rows are looked for.
const FIRST_PRUNING: Duration = Duration::from_secs(2);

/// A query that failed, or a parameter that it does not take.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database said no.
    #[error("the history cannot be read")]
    Database(sqlx::Error),
    /// It took too long and was given up.
    #[error("the history took too long to answer; ask for a shorter period, or for fewer groups")]
    TooSlow,
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        // SQLITE_INTERRUPT: the deadline of a reader.
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        let interrupted = code.is_some_and(|code| code == "9");
        if interrupted { StoreError::TooSlow } else { StoreError::Database(error) }
    }
}

/// The open history. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    readers: Arc<RwLock<Readers>>,
    writer: Option<Writing>,
    ledger: Ledger,
    path: PathBuf,
}

#[derive(Debug, Clone)]
struct Writing {
    intake: Intake,
    closing: Arc<AtomicBool>,
    next_id: Arc<AtomicI64>,
    _lock: Arc<open::Lock>,
}

impl Store {
    /// Opens the file, creating or migrating it, brings in what a process before left in the journal, and starts the
    /// writer.
    ///
    /// # Errors
    /// The file cannot be opened, is no history, is in use, or was written by a newer version.
    pub async fn open(path: &Path, config: &config::Store) -> Result<Self, OpenError> {
        Self::open_within(path, config, Limits::default()).await
    }

    async fn open_within(path: &Path, config: &config::Store, limits: Limits) -> Result<Self, OpenError> {
        let ledger = Ledger::new();
        open::folder(path)?;
        if !config.enabled {
            let readers = Arc::new(RwLock::new(Readers::new(open::readers(path))));
            return Ok(Store { readers, writer: None, ledger, path: path.to_owned() });
        }
        let lock = open::lock(path)?;
        let failed = |source| OpenError::database(path, source);
        let beside = |source| OpenError::Beside { path: path.to_owned(), source };
        let mut connection = open::for_writing(path).await?;
        let mut known = Known::read(&mut connection).await.map_err(failed)?;
        let keep = Keep { days: config.keep_days, minute_days: config.keep_minute_rollups_days };
        let next_id = Arc::new(AtomicI64::new(newest_id(&mut connection).await.map_err(failed)? + 1));
        let left = journal::found(path).map_err(beside)?;
        let recovered = recover::recover(&mut connection, &mut known, &left, &next_id).await;
        let recovered = recovered.map_err(|error| match error {
            RecoverError::Database(source) => failed(source),
            RecoverError::Journal { path, source } => OpenError::Beside { path, source },
        })?;
        let stored = recovered.stored;
        if stored > 0 {
            tracing::warn!(
                rows = stored,
                interrupted = recovered.interrupted,
                "the last process did not end well; its journal was brought in"
            );
        }
        // What was recovered may have taken numbers beyond those of the table.
        next_id.fetch_max(newest_id(&mut connection).await.map_err(failed)? + 1, Ordering::Relaxed);
        let journal = Journal::new(path, ledger.clone()).map_err(beside)?;
        for (_, file) in left {
            // What is damaged in its middle is kept, for whoever wants to look.
            let done = if recovered.damaged.contains(&file) {
                std::fs::rename(&file, file.with_added_extension("damaged"))
            } else {
                std::fs::remove_file(&file)
            };
            done.map_err(|source| OpenError::Beside { path: file, source })?;
        }
        ledger.change(|state| {
            state.served = stored;
            state.stored = stored;
        });
        let readers = Arc::new(RwLock::new(Readers::new(open::readers(path))));
        let (sender, receiver) = mpsc::channel(limits.rows);
        let (hurry, gaps, closing) =
            (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let outlet = Outlet { journal: journal.clone(), writer: sender, hurry: hurry.clone(), gaps: gaps.clone() };
        let intake = Intake::start(ledger.clone(), config.durability, limits, outlet).map_err(beside)?;
        let task = Task {
            path: path.to_owned(),
            connection: Some(connection),
            identity: open::identity(path),
            readers: readers.clone(),
            receiver,
            hurry,
            closing: closing.clone(),
            gaps,
            journal,
            ledger: ledger.clone(),
            known,
            linger: writer::linger(config.durability),
            next_id: next_id.clone(),
            keep,
            prune_at: Instant::now() + FIRST_PRUNING,
            intake: intake.clone(),
            begun: BTreeMap::new(),
            waiting: Vec::new(),
            last: None,
        };
        tokio::spawn(task.run());
        let writer = Writing { intake, closing, next_id, _lock: Arc::new(lock) };
        Ok(Store { readers, writer: Some(writer), ledger, path: path.to_owned() })
    }

    /// Opens a history only to read it, maybe while a router writes it.
    ///
    /// # Errors
    /// There is none, or it cannot be read by this version.
    pub async fn reading(path: &Path) -> Result<Self, OpenError> {
        open::expect_current(path).await?;
        let readers = Arc::new(RwLock::new(Readers::new(open::readers(path))));
        Ok(Store { readers, writer: None, ledger: Ledger::new(), path: path.to_owned() })
    }

    /// A number for the next request. They ascend.
    #[must_use]
    pub fn next_id(&self) -> i64 {
        self.writer.as_ref().map_or(0, |writer| writer.next_id.fetch_add(1, Ordering::Relaxed))
    }

    /// Remembers the marks of a policy by which requests are decided from now on, so that they can be decided again.
    ///
    /// # Errors
    /// The file cannot be written.
    pub async fn remember_policy(&self, hash: u32, marks: &str) -> Result<(), OpenError> {
        if self.writer.is_none() {
            return Ok(());
        }
        let failed = |source| OpenError::database(&self.path, source);
        let mut connection = open::for_maintenance(&self.path).await?;
        sqlx::query("insert or ignore into policies (hash, marks) values (?, ?)")
            .bind(hash)
            .bind(marks)
            .execute(&mut connection)
            .await
            .map_err(failed)?;
        connection.close().await.map_err(failed)
    }

    /// The marks of every policy by which requests were decided, by its number.
    ///
    /// # Errors
    /// The database failed.
    pub async fn policies(&self) -> Result<HashMap<u32, String>, StoreError> {
        let mut connection = self.readers().connection().await?;
        let rows: Vec<(u32, String)> =
            sqlx::query_as("select hash, marks from policies").fetch_all(&mut *connection).await?;
        Ok(rows.into_iter().collect())
    }

    /// Counts a request that was decided: its end comes, [`Store::finished`] or [`Store::answered`].
    pub fn opened(&self) {
        if let Some(writer) = &self.writer {
            writer.intake.opened();
        }
    }

    /// Hands over a request that is under way. It is closed as interrupted if the process dies before its end.
    pub fn begun(&self, row: &Row) {
        if let Some(writer) = &self.writer {
            writer.intake.begun(Box::new(row.clone()));
        }
    }

    /// Hands over a request that has ended. The last byte of its answer is held back until the receipt is there.
    #[must_use]
    pub fn finished(&self, row: Box<Row>) -> Option<Receipt> {
        self.writer.as_ref().map(|writer| writer.intake.finished(row))
    }

    /// Hands over a request that was answered, and whose tokens are counted later: [`Store::counted`] must follow.
    #[must_use]
    pub fn answered(&self, row: &Row) -> Option<Receipt> {
        self.writer.as_ref().map(|writer| writer.intake.answered(Box::new(row.clone())))
    }

    /// Hands over an answered request once its tokens are counted.
    pub fn counted(&self, row: Box<Row>) {
        if let Some(writer) = &self.writer {
            writer.intake.counted(row);
        }
    }

    /// Waits until everything handed over before is in the file.
    pub async fn flush(&self) {
        if let Some(writer) = &self.writer {
            writer.intake.flush().await;
        }
    }

    /// Brings into the file what was handed over, before it is read: rows come in groups. A file that refuses them is not
    /// waited for.
    async fn fresh(&self) {
        let is_behind = self.ledger.note(|state| state.stalled.is_none() && state.queued + state.in_flight > 0);
        if is_behind {
            let _ = tokio::time::timeout(FLUSH, self.flush()).await;
        }
    }

    /// Waits for the queue to drain and ends the writer. What the database refuses now is left to the journal.
    pub async fn close(&self) {
        if let Some(writer) = &self.writer {
            // From now on a disk that refuses is not waited for.
            writer.closing.store(true, Ordering::Relaxed);
            writer.intake.close().await;
        }
        self.readers().pool.close().await;
    }

    /// Where the rows are that were handed over, as it changes.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<WriterState> {
        self.ledger.watch()
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn readers(&self) -> Readers {
        self.readers.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Longest wait for rows that are on their way into the file.
const FLUSH: std::time::Duration = std::time::Duration::from_secs(2);

/// The highest number that was ever given.
async fn newest_id(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(
        "select max(coalesce((select max(id) from requests), 0), coalesce((select max(id) from in_flight), 0),
         coalesce((select value from meta where key = 'last_id'), 0))",
    )
    .fetch_one(connection)
    .await
}
