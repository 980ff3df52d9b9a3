//! The history: one SQLite file, written by one task, read by a few connections. All SQL is here.
//!
//! Enters: a [`Row`] per request. Leaves: totals, groups and rows as named structs.
//! Never blocks a request: rows go through a bounded queue, and what does not fit is counted.
//! Read `writer.rs` first.

mod export;
mod history;
mod open;
mod rollup;
mod row;
mod usage;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sqlx::SqlitePool;
use tokio::sync::watch;

pub use export::{CSV_COLUMNS, groups_as_csv, rows_as_csv};
pub use history::HistoryRow;
pub use open::OpenError;
pub use row::Row;
pub use usage::{ClassifierTotals, Group, GroupBy, HourPoint, Period, Totals};
pub use writer::WriterState;

use writer::Writer;

/// A query that failed, or a parameter that it does not take.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database said no.
    #[error("the history cannot be read")]
    Database(#[from] sqlx::Error),
}

/// The open history. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    readers: SqlitePool,
    writer: Arc<Writer>,
    path: PathBuf,
}

impl Store {
    /// Opens the file, creating or migrating it, and starts the writer task.
    ///
    /// # Errors
    /// The file cannot be opened, is no history, or was written by a newer version.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        let connection = open::for_writing(path).await?;
        let readers = open::readers(path);
        let writer = Arc::new(Writer::start(connection).await.map_err(|source| OpenError::database(path, source))?);
        Ok(Store { readers, writer, path: path.to_owned() })
    }

    /// Hands a finished request over. Returns at once; a full queue drops the row and counts it.
    pub fn record(&self, row: Box<Row>) {
        self.writer.send(row);
    }

    /// Waits until everything handed over before is in the file.
    pub async fn flush(&self) {
        self.writer.flush().await;
    }

    /// Waits for the queue to drain and ends the writer. Rows handed over later are counted as dropped.
    pub async fn close(&self) {
        self.writer.close().await;
        self.readers.close().await;
    }

    /// How many rows were stored, dropped and failed, as it changes.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<WriterState> {
        self.writer.state()
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn pool(&self) -> &SqlitePool {
        &self.readers
    }
}
