//! The one task that writes the database, on one connection: group commits, and what has to be done between them.
//!
//! A batch is what has gathered while the last commit ran, or within [`LINGER`], or [`COMPANY`] rows; its rows, their names and their sums are
//! one transaction. A database that is full, locked, slow or gone keeps the batch, which is tried again, while new rows
//! gather in the queue and then in the journal; from there they are brought in once it works again.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use sqlx::{Connection, SqliteConnection};
use tokio::sync::{Notify, mpsc, oneshot};

use super::batch::Batch;
use super::insert::{self, Known};
use super::intake::{Intake, Message};
use super::journal::Journal;
use super::ledger::{Alarm, Ledger};
use super::open::{self, Identity, OpenError};
use super::prune::{self, Cutoff};
use super::readers::Readers;
use super::records::{self, Kind};
use super::recover::{self, RecoverError};
use super::rollup::{DAY_MS, MINUTE_MS, floor};
use super::row::Row;
use crate::config::Durability;
use crate::protocol::Timestamp;

/// Most messages of one transaction.
const BATCH: usize = 4_096;
/// How long a first row waits for company. The sums of a batch cost the same for one row as for hundreds, and the journal
/// has the row already. Whoever reads through the router hurries the batch along first.
const LINGER: Duration = Duration::from_secs(1);
/// The same where no journal has it.
const LINGER_RELAXED: Duration = Duration::from_millis(50);
/// Rows that wait for no more.
pub(super) const COMPANY: usize = 256;
/// Wait before a batch that the disk refused is tried again.
const RETRY: Duration = Duration::from_millis(250);
/// How long a request is under way before the database knows of it. Until then only the journal does.
const NOTED_AFTER: Duration = Duration::from_millis(300);
/// How often the file is looked after when nothing comes in.
const ROUND: Duration = Duration::from_secs(1);
/// How long nothing is looked for once everything that was too old is gone.
const BETWEEN_PRUNINGS: Duration = Duration::from_mins(1);

/// How long things are kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keep {
    /// Days of rows; 0 is for ever.
    pub(super) days: u32,
    /// Days of sums by minute.
    pub(super) minute_days: u32,
}

impl Keep {
    /// To the minute, so that looking again and again finds nothing new to do.
    pub(super) fn cutoff(self, now: Timestamp) -> Cutoff {
        let now = floor(now.0, MINUTE_MS);
        Cutoff {
            rows_ms: (self.days > 0).then(|| now - i64::from(self.days) * DAY_MS),
            minutes_ms: now - i64::from(self.minute_days) * DAY_MS,
        }
    }
}

/// A batch that could not be written now.
#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Recover(#[from] RecoverError),
    /// SQLite would go on writing into a file without a name.
    #[error("the file was removed or replaced while it was in use")]
    Moved,
}

impl WriteError {
    /// Whether the rows are at fault, so that waiting does not help.
    fn is_permanent(&self) -> bool {
        matches!(self, WriteError::Database(error) if insert::is_fault_of_rows(error))
    }
}

/// How long a first row waits for company.
pub(super) fn linger(durability: Durability) -> Duration {
    if durability == Durability::Relaxed { LINGER_RELAXED } else { LINGER }
}

/// What the task shares with the store.
pub(super) struct Task {
    pub(super) path: PathBuf,
    pub(super) connection: Option<SqliteConnection>,
    pub(super) identity: Option<Identity>,
    pub(super) readers: Arc<RwLock<Readers>>,
    pub(super) receiver: mpsc::Receiver<Message>,
    pub(super) hurry: Arc<Notify>,
    pub(super) closing: Arc<AtomicBool>,
    pub(super) gaps: Arc<AtomicBool>,
    pub(super) journal: Journal,
    pub(super) ledger: Ledger,
    pub(super) known: Known,
    pub(super) next_id: Arc<AtomicI64>,
    pub(super) keep: Keep,
    /// How long a first row waits for company.
    pub(super) linger: Duration,
    pub(super) prune_at: Instant,
    pub(super) intake: Intake,
    /// Requests that began a moment ago. Most end before they need to be noted.
    pub(super) begun: BTreeMap<i64, Begun>,
    /// Whom to tell once everything before is written.
    pub(super) waiting: Vec<oneshot::Sender<()>>,
    /// Whom to tell at the end, once it has come.
    pub(super) last: Option<oneshot::Sender<()>>,
}

/// A request that has begun, and where the journal has it.
pub(super) struct Begun {
    row: Box<Row>,
    number: u64,
    since: Instant,
}

impl Task {
    pub(super) async fn run(mut self) {
        let _alarm = Alarm::database(self.ledger.clone());
        let mut messages = Vec::with_capacity(BATCH);
        loop {
            let due =
                self.begun.values().next().map_or(ROUND, |begun| NOTED_AFTER.saturating_sub(begun.since.elapsed()));
            let round = ROUND.min(due).min(self.prune_at.saturating_duration_since(Instant::now()));
            tokio::select! {
                count = self.receiver.recv_many(&mut messages, BATCH) => {
                    if count == 0 {
                        return;
                    }
                    self.gather(&mut messages).await;
                }
                () = tokio::time::sleep(round) => {}
            }
            self.take(&mut messages).await;
            if !self.waiting.is_empty() {
                if self.last.is_none() && self.gaps.load(Ordering::Acquire) {
                    self.fill_gaps().await;
                }
                for done in self.waiting.drain(..) {
                    let _ = done.send(());
                }
            }
            if self.last.is_none() {
                self.house_keeping().await;
            }
            if let Some(done) = self.last.take() {
                self.end(done).await;
                return;
            }
        }
    }

    /// Waits for company, unless somebody is in a hurry.
    async fn gather(&mut self, messages: &mut Vec<Message>) {
        let is_row = |message: &Message| matches!(message, Message::Begun(..) | Message::Finished(..));
        if messages.len() < COMPANY && messages.iter().all(is_row) {
            let prune_in = self.prune_at.saturating_duration_since(Instant::now()).max(LINGER_RELAXED);
            tokio::select! {
                () = tokio::time::sleep(self.linger.min(prune_in)) => {}
                () = self.hurry.notified() => {}
            }
        }
        while messages.len() < BATCH
            && let Ok(message) = self.receiver.try_recv()
        {
            messages.push(message);
        }
    }

    /// Writes a batch.
    async fn take(&mut self, messages: &mut Vec<Message>) {
        let mut batch = Batch::default();
        for message in messages.drain(..) {
            match message {
                Message::Begun(row, number) => {
                    self.begun.insert(row.id, Begun { row, number, since: Instant::now() });
                }
                Message::Finished(row, numbers, written) => {
                    batch.written.extend(written);
                    if let Some(begun) = self.begun.remove(&row.id) {
                        batch.over_in.push(begun.number);
                    }
                    batch.finished.push(row);
                    batch.finished_in.push(numbers);
                }
                Message::Flush(done) => self.waiting.push(done),
                Message::Close(done) => self.last = Some(done),
            }
        }
        while let Some(first) = self.begun.first_entry()
            && first.get().since.elapsed() >= NOTED_AFTER
        {
            let Begun { row, number, .. } = first.remove();
            batch.begun.push(row);
            batch.begun_in.push(number);
        }
        self.store(batch).await;
    }

    /// Writes a batch, for as long as it takes; once the router ends, until a try fails.
    async fn store(&mut self, batch: Batch) {
        let mut work = vec![batch];
        while let Some(mut batch) = work.pop() {
            if batch.is_empty() {
                continue;
            }
            match self.commit(&batch).await {
                Ok(()) => {
                    self.stored(&batch);
                    for written in batch.written.drain(..) {
                        let _ = written.send(());
                    }
                }
                Err(error) if error.is_permanent() => match (batch.begun.len(), batch.finished.len()) {
                    (0, 1) => match self.there(batch.finished[0].id).await {
                        Some(request_id) if request_id == batch.finished[0].request_id => self.stored(&batch),
                        Some(_) => {
                            // Another file was put here, which has a request of this number.
                            batch.finished[0].id = self.next_id.fetch_add(1, Ordering::Relaxed);
                            work.push(batch);
                        }
                        None => self.lose(&batch, &error),
                    },
                    (_, 0) => self.lose(&batch, &error),
                    // One row must not take its neighbours with it.
                    _ => work.extend(batch.split()),
                },
                Err(error) => {
                    self.stall(&error);
                    if self.closing.load(Ordering::Relaxed) {
                        self.leave_to_the_journal(&batch);
                        continue;
                    }
                    work.push(batch);
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    /// Which request has a number already.
    async fn there(&mut self, id: i64) -> Option<String> {
        let connection = self.connection.as_mut()?;
        insert::existing(connection, &[id]).await.ok()?.remove(&id)
    }

    async fn commit(&mut self, batch: &Batch) -> Result<(), WriteError> {
        let minutes_from = self.keep.cutoff(Timestamp::now()).minutes_ms;
        self.connect().await?;
        let Some(connection) = &mut self.connection else { return Err(WriteError::Moved) };
        match insert::commit(connection, &self.known, &batch.begun, &batch.finished, minutes_from).await {
            Ok(learned) => {
                // Looked at after the commit: what went into a file without a name is not stored.
                if open::identity(&self.path) != self.identity {
                    self.disconnect().await;
                    return Err(WriteError::Moved);
                }
                self.known.learn(learned);
                Ok(())
            }
            Err(error) => {
                if !matches!(error, sqlx::Error::Database(_)) || open::identity(&self.path) != self.identity {
                    self.disconnect().await;
                }
                Err(error.into())
            }
        }
    }

    /// Opens the file again, if it is not open: the one that is there, or a new one.
    async fn connect(&mut self) -> Result<(), WriteError> {
        if self.connection.is_some() {
            return Ok(());
        }
        let mut connection = open::again(&self.path).await?;
        self.known = Known::read(&mut connection).await?;
        self.next_id.fetch_max(super::newest_id(&mut connection).await? + 1, Ordering::Relaxed);
        self.identity = open::identity(&self.path);
        self.connection = Some(connection);
        let fresh = Readers::new(open::readers(&self.path));
        *self.readers.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        tracing::warn!(path = %self.path.display(), "the history was opened anew");
        Ok(())
    }

    /// Lets go of a file that is not ours any more. Its readers go first: they would keep it alive.
    async fn disconnect(&mut self) {
        let readers = self.readers.read().unwrap_or_else(PoisonError::into_inner).clone();
        readers.pool.close().await;
        if let Some(connection) = self.connection.take() {
            let _ = connection.close().await;
        }
    }

    /// The journal need not keep these any more.
    fn release(&self, batch: &Batch) {
        let mut counts: HashMap<u64, u64> = HashMap::new();
        for number in batch
            .begun_in
            .iter()
            .chain(&batch.over_in)
            .chain(batch.finished_in.iter().flatten())
            .filter(|number| **number != 0)
        {
            *counts.entry(*number).or_default() += 1;
        }
        for (number, count) in counts {
            self.journal.release(number, count);
        }
    }

    fn stored(&self, batch: &Batch) {
        self.release(batch);
        let bytes: u64 = batch.finished.iter().map(|row| row.size() as u64).sum();
        let count = batch.finished.len() as u64;
        self.ledger.change(|state| {
            state.stored += count;
            state.queued = state.queued.saturating_sub(count);
            state.queued_bytes = state.queued_bytes.saturating_sub(bytes);
            if state.stalled.take().is_some() {
                tracing::info!("the history can be written again");
            }
        });
    }

    fn stall(&self, error: &WriteError) {
        let text: Arc<str> = error.to_string().into();
        self.ledger.change(|state| {
            if state.stalled.as_ref() != Some(&text) {
                tracing::error!(path = %self.path.display(), error = %error, "the history cannot be written; rows wait");
                state.stalled = Some(text);
            }
        });
    }

    fn lose(&self, batch: &Batch, error: &WriteError) {
        self.release(batch);
        if !batch.begun.is_empty() {
            tracing::error!(count = batch.begun.len(), error = %error, "the history refused what is under way");
        }
        for row in &batch.finished {
            tracing::error!(request_id = %row.request_id, error = %error, "the history refused a row for good");
            let size = row.size() as u64;
            self.ledger.change(|state| {
                state.queued = state.queued.saturating_sub(1);
                state.queued_bytes = state.queued_bytes.saturating_sub(size);
                state.dropped += 1;
            });
        }
    }

    /// The router ends and the database refuses: the rows go to the journal, from where the next start brings them in.
    fn leave_to_the_journal(&self, batch: &Batch) {
        for (row, [number, _]) in batch.finished.iter().zip(&batch.finished_in) {
            let mut kept = *number != 0;
            if !kept {
                let mut record = Vec::new();
                records::encode(Kind::Finished, row, &mut record);
                kept = self.journal.append(&record, 1, false).is_ok();
            }
            self.ledger.change(|state| {
                state.queued = state.queued.saturating_sub(1);
                *(if kept { &mut state.spilled } else { &mut state.dropped }) += 1;
            });
        }
    }

    /// Between the batches: a file that went away, rows that only the journal has, and what is too old.
    async fn house_keeping(&mut self) {
        if self.identity.is_some() && open::identity(&self.path) != self.identity {
            self.disconnect().await;
            let connected = self.connect().await;
            if let Err(error) = connected {
                self.stall(&error);
            }
        }
        if self.gaps.load(Ordering::Acquire) && self.receiver.is_empty() {
            self.fill_gaps().await;
        }
        if Instant::now() >= self.prune_at {
            self.prune().await;
        }
    }

    /// Brings in what only the journal has.
    async fn fill_gaps(&mut self) {
        self.gaps.store(false, Ordering::Release);
        let Some(files) = self.intake.rotate().await else {
            self.gaps.store(true, Ordering::Release);
            return;
        };
        // What is in memory and in these files is in the queue by now. It goes first, so that it is found to be there.
        let mut messages = Vec::new();
        while let Ok(message) = self.receiver.try_recv() {
            messages.push(message);
        }
        self.take(&mut messages).await;
        self.read_files(files).await;
    }

    async fn read_files(&mut self, files: Vec<(u64, PathBuf)>) {
        for (number, path) in files {
            if !self.fill_gap(number, &path).await {
                self.gaps.store(true, Ordering::Release);
                return;
            }
        }
    }

    async fn fill_gap(&mut self, number: u64, path: &Path) -> bool {
        let replayed = match self.connect().await {
            Ok(()) => {
                let Some(connection) = &mut self.connection else { return false };
                recover::replay(connection, &mut self.known, path, &self.next_id).await.map_err(WriteError::from)
            }
            Err(error) => Err(error),
        };
        match replayed {
            Ok(count) => {
                // Their ends came from the journal, so they are not under way.
                let ids: Vec<i64> = self.begun.keys().copied().collect();
                if let Some(connection) = &mut self.connection
                    && let Ok(ended) = insert::existing(connection, &ids).await
                {
                    self.begun.retain(|id, _| !ended.contains_key(id));
                }
                self.journal.done(number);
                self.ledger.change(|state| {
                    let count = count.min(state.spilled);
                    state.spilled -= count;
                    state.stored += count;
                });
                true
            }
            Err(error) => {
                self.stall(&error);
                false
            }
        }
    }

    /// One step, then a pause that is longer than the step took.
    async fn prune(&mut self) {
        let cutoff = self.keep.cutoff(Timestamp::now());
        let begun = Instant::now();
        let Some(connection) = &mut self.connection else {
            self.prune_at = begun + ROUND;
            return;
        };
        match prune::step(connection, cutoff).await {
            Ok(step) => {
                if step.rows > 0 {
                    self.known.forget_marks();
                }
                let pause = begun.elapsed().saturating_mul(4).max(Duration::from_millis(5));
                self.prune_at = Instant::now() + if step.more { pause } else { BETWEEN_PRUNINGS };
            }
            Err(error) => {
                tracing::warn!(error = %error, "old rows cannot be removed now");
                self.prune_at = begun + BETWEEN_PRUNINGS;
            }
        }
    }

    async fn end(mut self, done: oneshot::Sender<()>) {
        if self.gaps.load(Ordering::Acquire) {
            // The thread has ended, so nothing is on its way.
            let files = self.journal.rotate();
            self.read_files(files).await;
        }
        if let Some(connection) = self.connection.take() {
            let _ = connection.close().await;
        }
        self.journal.finish();
        let _ = done.send(());
    }
}
