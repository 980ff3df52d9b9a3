//! The one task that writes: a bounded queue in, group commits out.
//!
//! A batch is what has gathered while the last commit ran, or within [`LINGER`]; its rows, their
//! dictionary entries and their rollups are one transaction. A disk that is full, locked or slow
//! keeps the batch and is tried again, while new rows gather in the queue; only what the queue
//! cannot hold is dropped, and counted.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::rollup::{self, HOUR_MS};
use super::row::Row;
use crate::catalog::NanoUsd;

/// Rows that may wait. At about half a kilobyte each, some 30 MB.
const QUEUE_ROWS: usize = 65_536;
/// Most rows of one transaction.
const BATCH_ROWS: usize = 4_096;
/// How long a first row waits for company. A commit costs the same for one row as for hundreds.
const LINGER: Duration = Duration::from_millis(20);
/// Names whose numbers are kept in memory; others are looked up.
const REMEMBERED_NAMES: usize = 10_000;
/// Wait before a batch that the disk refused is tried again.
const RETRY: Duration = Duration::from_millis(250);
/// Rows of one insert statement, largest first: few statements, each prepared once.
const CHUNKS: [usize; 3] = [128, 16, 1];

/// What became of the rows handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WriterState {
    /// Rows in the file, of this process.
    pub stored: u64,
    /// Rows that the queue had no room for, or that came after the end.
    pub dropped: u64,
    /// Rows that the database refused for good.
    pub failed: u64,
    /// Whether the last try to write failed.
    pub stalled: bool,
}

enum Message {
    Row(Box<Row>),
    Flush(oneshot::Sender<()>),
    Close(oneshot::Sender<()>),
}

/// The sending side, and what is known of the other.
#[derive(Debug)]
pub(super) struct Writer {
    queue: mpsc::Sender<Message>,
    closing: Arc<AtomicBool>,
    hurry: Arc<Notify>,
    state: watch::Receiver<WriterState>,
    dropped: AtomicU64,
    publish: watch::Sender<WriterState>,
}

impl Writer {
    /// Reads the dictionary and starts the task.
    pub(super) async fn start(mut connection: SqliteConnection) -> Result<Self, sqlx::Error> {
        let names: Vec<(String, i64)> =
            sqlx::query_as("select name, id from names order by id desc limit 5000").fetch_all(&mut connection).await?;
        let (queue, receiver) = mpsc::channel(QUEUE_ROWS);
        let (publish, state) = watch::channel(WriterState::default());
        let hurry = Arc::new(Notify::new());
        let closing = Arc::new(AtomicBool::new(false));
        let task = Task {
            connection,
            receiver,
            closing: closing.clone(),
            hurry: hurry.clone(),
            publish: publish.clone(),
            names: names.into_iter().collect(),
            inserts: CHUNKS.map(insert_statement),
        };
        tokio::spawn(task.run());
        Ok(Writer { queue, closing, hurry, state, dropped: AtomicU64::new(0), publish })
    }

    pub(super) fn send(&self, row: Box<Row>) {
        if self.queue.try_send(Message::Row(row)).is_err() {
            let dropped = self.dropped.fetch_add(1, Ordering::Relaxed) + 1;
            self.publish.send_modify(|state| state.dropped = dropped);
            if dropped.is_power_of_two() {
                tracing::error!(dropped, "the history's queue is full: rows are lost");
            }
        }
    }

    pub(super) async fn flush(&self) {
        let (done, wait) = oneshot::channel();
        if self.queue.send(Message::Flush(done)).await.is_ok() {
            self.hurry.notify_one();
            let _ = wait.await;
        }
    }

    pub(super) async fn close(&self) {
        // From now on a disk that refuses is not waited for.
        self.closing.store(true, Ordering::Relaxed);
        let (done, wait) = oneshot::channel();
        if self.queue.send(Message::Close(done)).await.is_ok() {
            self.hurry.notify_one();
            let _ = wait.await;
        }
    }

    pub(super) fn state(&self) -> watch::Receiver<WriterState> {
        self.state.clone()
    }
}

struct Task {
    connection: SqliteConnection,
    receiver: mpsc::Receiver<Message>,
    closing: Arc<AtomicBool>,
    hurry: Arc<Notify>,
    publish: watch::Sender<WriterState>,
    names: HashMap<String, i64>,
    inserts: [String; 3],
}

impl Task {
    async fn run(mut self) {
        let mut messages = Vec::with_capacity(BATCH_ROWS);
        while self.receiver.recv_many(&mut messages, BATCH_ROWS).await > 0 {
            if messages.len() < BATCH_ROWS && matches!(messages.last(), Some(Message::Row(_))) {
                tokio::select! {
                    () = tokio::time::sleep(LINGER) => {}
                    () = self.hurry.notified() => {}
                }
                while messages.len() < BATCH_ROWS
                    && let Ok(message) = self.receiver.try_recv()
                {
                    messages.push(message);
                }
            }
            let mut rows = Vec::with_capacity(messages.len());
            let mut waiting = Vec::new();
            let mut last = false;
            for message in messages.drain(..) {
                match message {
                    Message::Row(row) => rows.push(row),
                    Message::Flush(done) => waiting.push(done),
                    Message::Close(done) => {
                        waiting.push(done);
                        last = true;
                    }
                }
            }
            self.store(&rows).await;
            if last {
                let _ = self.connection.close().await;
                for done in waiting {
                    let _ = done.send(());
                }
                return;
            }
            for done in waiting {
                let _ = done.send(());
            }
        }
    }

    /// Writes a batch, for as long as it takes; once the router ends, until a try fails.
    async fn store(&mut self, rows: &[Box<Row>]) {
        if rows.is_empty() {
            return;
        }
        let count = rows.len() as u64;
        let mut tries = 0;
        loop {
            match self.commit(rows).await {
                Ok(()) => {
                    self.publish.send_modify(|state| {
                        state.stored += count;
                        state.stalled = false;
                    });
                    return;
                }
                Err(error) => {
                    tries += 1;
                    let passing = may_pass(&error) && !self.closing.load(Ordering::Relaxed);
                    if tries == 1 || !passing {
                        tracing::error!(rows = count, passing, error = %error, "the history cannot be written");
                    }
                    self.publish.send_modify(|state| {
                        state.stalled = passing;
                        state.failed += if passing { 0 } else { count };
                    });
                    if !passing {
                        return;
                    }
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    /// One transaction. Its statements are plain ones: SQLite itself may have rolled back when the disk
    /// was full, which a counted transaction would not know of.
    async fn commit(&mut self, rows: &[Box<Row>]) -> Result<(), sqlx::Error> {
        sqlx::query("begin immediate").execute(&mut self.connection).await?;
        let written = match self.write(rows).await {
            Ok(fresh) => sqlx::query("commit").execute(&mut self.connection).await.map(|_| fresh),
            Err(error) => Err(error),
        };
        if written.is_err() {
            let _ = sqlx::query("rollback").execute(&mut self.connection).await;
        }
        let fresh = written?;
        // Clients choose the names of models, so what is remembered of them is bounded.
        if self.names.len() + fresh.len() > REMEMBERED_NAMES {
            self.names.clear();
        }
        self.names.extend(fresh);
        Ok(())
    }

    /// Writes the rows and their sums; returns the names that are new, which stand once it is committed.
    async fn write(&mut self, rows: &[Box<Row>]) -> Result<HashMap<String, i64>, sqlx::Error> {
        // Names that are new in this batch are kept apart until the transaction stands.
        let mut fresh: HashMap<String, i64> = HashMap::new();
        let mut numbered = Vec::with_capacity(rows.len());
        let mut sums = rollup::Batch::default();
        for row in rows {
            let mut number = Numbering { known: &self.names, fresh: &mut fresh, connection: &mut self.connection };
            let ids = number.row(row).await?;
            sums.add(ids.slot(row), row);
            numbered.push((row, ids));
        }
        let mut rest = numbered.as_slice();
        for (size, statement) in CHUNKS.iter().zip(&self.inserts) {
            while rest.len() >= *size {
                let (chunk, after) = rest.split_at(*size);
                let mut query = sqlx::query(AssertSqlSafe(statement.as_str()));
                for (row, ids) in chunk {
                    query = bind(query, row, ids);
                }
                query.execute(&mut self.connection).await?;
                rest = after;
            }
        }
        sums.write(&mut self.connection).await?;
        Ok(fresh)
    }
}

/// Whether an error is the disk's or another process's, so that waiting may help.
fn may_pass(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code().and_then(|code| code.parse::<u32>().ok()));
    match code {
        // The primary code is the low byte: BUSY, LOCKED, READONLY, IOERR, FULL, CANTOPEN.
        Some(code) => matches!(code & 0xff, 5 | 6 | 8 | 10 | 13 | 14),
        None => false,
    }
}

/// The numbers of a row's repeated texts.
struct Ids {
    key: Option<i64>,
    source: i64,
    upstream: Option<i64>,
    provider: Option<i64>,
    requested_model: Option<i64>,
    selected_model: Option<i64>,
    response_model: Option<i64>,
    error_type: Option<i64>,
}

impl Ids {
    fn slot(&self, row: &Row) -> rollup::Slot {
        rollup::Slot {
            hour_ms: row.created_at_ms.div_euclid(HOUR_MS) * HOUR_MS,
            tier: row.tier.map_or(-1, |tier| i64::from(tier.number())),
            upstream: self.upstream.unwrap_or(0),
            model: self.selected_model.unwrap_or(0),
            key: self.key.unwrap_or(0),
            source: self.source,
            local: row.local,
            status_class: i64::from(row.status / 100),
        }
    }
}

struct Numbering<'a> {
    known: &'a HashMap<String, i64>,
    fresh: &'a mut HashMap<String, i64>,
    connection: &'a mut SqliteConnection,
}

impl Numbering<'_> {
    async fn row(&mut self, row: &Row) -> Result<Ids, sqlx::Error> {
        Ok(Ids {
            key: self.optional(row.key.as_deref()).await?,
            source: self.name(row.source).await?,
            upstream: self.optional(row.upstream.as_deref()).await?,
            provider: self.optional(row.provider).await?,
            requested_model: self.optional(Some(row.requested_model.as_str())).await?,
            selected_model: self.optional(row.selected_model.as_deref()).await?,
            response_model: self.optional(row.response_model.as_deref()).await?,
            error_type: self.optional(row.error_type).await?,
        })
    }

    async fn optional(&mut self, name: Option<&str>) -> Result<Option<i64>, sqlx::Error> {
        match name {
            Some(name) => self.name(name).await.map(Some),
            None => Ok(None),
        }
    }

    async fn name(&mut self, name: &str) -> Result<i64, sqlx::Error> {
        if let Some(id) = self.known.get(name).or_else(|| self.fresh.get(name)) {
            return Ok(*id);
        }
        let id: i64 = sqlx::query_scalar(
            "insert into names (name) values (?) on conflict do update set name = excluded.name returning id",
        )
        .bind(name)
        .fetch_one(&mut *self.connection)
        .await?;
        self.fresh.insert(name.to_owned(), id);
        Ok(id)
    }
}

const COLUMNS: [&str; 35] = [
    "request_id",
    "created_at_ms",
    "session",
    "key_id",
    "decision",
    "source_id",
    "score",
    "confidence",
    "reason",
    "tier",
    "upstream_id",
    "provider_id",
    "requested_model_id",
    "selected_model_id",
    "response_model_id",
    "local",
    "stream",
    "status",
    "error_type_id",
    "attempts",
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "usage_source",
    "cost_nanos",
    "frontier_cost_nanos",
    "classifier_input_tokens",
    "classifier_output_tokens",
    "classify_us",
    "first_token_us",
    "duration_us",
    "asked_classifier",
    "usage_raw",
];

fn insert_statement(rows: usize) -> String {
    let one = format!("({})", vec!["?"; COLUMNS.len()].join(","));
    format!("insert into requests ({}) values {}", COLUMNS.join(","), vec![one; rows].join(","))
}

type Insert<'q> = sqlx::query::Query<'q, sqlx::Sqlite, SqliteArguments>;

/// Binds one row, in the order of [`COLUMNS`].
fn bind<'q>(query: Insert<'q>, row: &'q Row, ids: &Ids) -> Insert<'q> {
    let tokens = |count: Option<u64>| count.and_then(|count| i64::try_from(count).ok());
    let nanos = |cost: Option<NanoUsd>| cost.map(|cost| cost.0);
    query
        .bind(row.request_id.as_str())
        .bind(row.created_at_ms)
        .bind(row.session.as_deref())
        .bind(ids.key)
        .bind(i64::from(row.decision.number()))
        .bind(ids.source)
        .bind(row.score)
        .bind(row.confidence)
        .bind(row.reason.as_deref())
        .bind(row.tier.map(|tier| i64::from(tier.number())))
        .bind(ids.upstream)
        .bind(ids.provider)
        .bind(ids.requested_model)
        .bind(ids.selected_model)
        .bind(ids.response_model)
        .bind(row.local)
        .bind(row.stream)
        .bind(i64::from(row.status))
        .bind(ids.error_type)
        .bind(i64::from(row.attempts))
        .bind(tokens(row.usage.input_tokens))
        .bind(tokens(row.usage.cached_input_tokens))
        .bind(tokens(row.usage.cache_write_tokens))
        .bind(tokens(row.usage.output_tokens))
        .bind(tokens(row.usage.reasoning_tokens))
        .bind(row.usage_source.number())
        .bind(nanos(row.cost))
        .bind(nanos(row.frontier_cost))
        .bind(tokens(row.classifier_usage.input_tokens))
        .bind(tokens(row.classifier_usage.output_tokens))
        .bind(row.classify_us)
        .bind(row.first_token_us)
        .bind(row.duration_us)
        .bind(row.asked_classifier)
        .bind(row.usage_raw.as_deref())
}
