//! Where requests hand their rows over: a bounded queue, and a thread that takes it in groups, writes each group into
//! the journal, tells those who wait for that, and passes the rows on to the database's writer.
//!
//! The thread is a real one, because a write to a disk may stand still, and no request may stand still with it.

use std::collections::HashMap;
use std::mem;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};

use super::journal::Journal;
use super::ledger::{Alarm, Ledger};
use super::records::{self, Kind};
use super::row::Row;
use super::writer::COMPANY as COMPANY_OF_WRITER;
use crate::config::Durability;

/// What memory may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Rows that may wait for the database, and again for the thread.
    pub(super) rows: usize,
    /// Bytes of rows from which on they are left to the journal alone.
    pub(super) spill_bytes: u64,
    /// Bytes of rows from which on new ones are lost. The thread stands still, or there is no journal either.
    pub(super) drop_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { rows: 65_536, spill_bytes: 64 * 1024 * 1024, drop_bytes: 96 * 1024 * 1024 }
    }
}

/// How long a thread that is busy waits for company: waking it up costs more than writing a row.
const COMPANY: Duration = Duration::from_millis(1);
/// Requests under way from which on the thread counts as busy. One client alone never waits.
const BUSY: u64 = 4;
/// Events that are not made to wait for company.
const CROWD: usize = 256;
/// Longest that the last byte of an answer waits for its row to be in the journal.
const LONGEST_WAIT: Duration = Duration::from_millis(50);
/// The same where the journal is also synced to the disk.
const LONGEST_SYNC: Duration = Duration::from_secs(1);

/// What requests hand over.
enum Event {
    Begun(Box<Row>),
    /// Its tokens are still being counted: it comes again, finished.
    Answered(Box<Row>, oneshot::Sender<()>),
    Finished(Box<Row>, Option<oneshot::Sender<()>>),
    Flush(oneshot::Sender<()>),
    /// Closes the journal's file, once everything before is with the writer or spilled.
    Rotate(oneshot::Sender<Vec<(u64, PathBuf)>>),
    Close(oneshot::Sender<()>),
}

/// What the database's writer gets. Numbers are those of journal files, 0 is none.
pub(super) enum Message {
    Begun(Box<Row>, u64),
    /// The second number is that of the file in which it stands as answered.
    /// Who waits gets its receipt from the database, if the journal could not give it.
    Finished(Box<Row>, [u64; 2], Option<oneshot::Sender<()>>),
    Flush(oneshot::Sender<()>),
    Close(oneshot::Sender<()>),
}

/// A promise that a row will be kept.
#[derive(Debug)]
pub struct Receipt {
    written: Option<oneshot::Receiver<()>>,
    slow: Arc<AtomicBool>,
    limit: Duration,
    refused: bool,
}

impl Receipt {
    /// Whether there was no room for the row: it is counted as lost, and not to be handed over again.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.refused
    }

    /// Waits until the row is in the journal: some microseconds. A disk that stands still is not waited for.
    pub async fn kept(self) {
        let Some(written) = self.written else { return };
        if self.slow.load(Ordering::Relaxed) {
            return;
        }
        if tokio::time::timeout(self.limit, written).await.is_err() {
            self.slow.store(true, Ordering::Relaxed);
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sleep {
    Awake,
    /// Waits for company; woken only by a crowd.
    Company,
    /// Woken by anything.
    Deep,
}

struct Queue {
    events: Vec<Event>,
    sleep: Sleep,
}

/// The sending side.
#[derive(Clone)]
pub(super) struct Intake {
    queue: Arc<(Mutex<Queue>, Condvar)>,
    ledger: Ledger,
    slow: Arc<AtomicBool>,
    durability: Durability,
    limits: Limits,
}

impl std::fmt::Debug for Intake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Intake").field("durability", &self.durability).finish_non_exhaustive()
    }
}

/// What the thread needs besides the queue.
pub(super) struct Outlet {
    pub(super) journal: Journal,
    pub(super) writer: mpsc::Sender<Message>,
    /// Wakes the writer up from waiting for company.
    pub(super) hurry: Arc<Notify>,
    /// Set when something is in the journal that the writer did not get.
    pub(super) gaps: Arc<AtomicBool>,
}

impl Intake {
    /// Starts the thread.
    pub(super) fn start(
        ledger: Ledger,
        durability: Durability,
        limits: Limits,
        outlet: Outlet,
    ) -> std::io::Result<Self> {
        let queue = Queue { events: Vec::with_capacity(CROWD), sleep: Sleep::Awake };
        let intake = Intake {
            queue: Arc::new((Mutex::new(queue), Condvar::new())),
            ledger,
            slow: Arc::new(AtomicBool::new(false)),
            durability,
            limits,
        };
        let thread =
            Thread { intake: intake.clone(), outlet, answered: HashMap::new(), buffer: Vec::new(), busy: false };
        std::thread::Builder::new().name("history".to_owned()).spawn(move || thread.run())?;
        Ok(intake)
    }

    /// A request was decided.
    pub(super) fn opened(&self) {
        self.ledger.note(|state| state.in_flight += 1);
    }

    /// A request is under way.
    pub(super) fn begun(&self, row: Box<Row>) {
        self.push(Event::Begun(row));
    }

    /// A request was answered, and its tokens are still being counted: [`Intake::counted`] follows.
    pub(super) fn answered(&self, row: Box<Row>) -> Receipt {
        if !self.admit(&row) {
            return Receipt { refused: true, ..self.receipt(None) };
        }
        let (written, wait) = oneshot::channel();
        self.push(Event::Answered(row, written));
        self.receipt((self.durability != Durability::Relaxed).then_some(wait))
    }

    /// The tokens of an answered request are counted.
    pub(super) fn counted(&self, row: Box<Row>) {
        self.push(Event::Finished(row, None));
    }

    /// A request has ended.
    pub(super) fn finished(&self, row: Box<Row>) -> Receipt {
        if !self.admit(&row) {
            return Receipt { refused: true, ..self.receipt(None) };
        }
        if self.durability == Durability::Relaxed {
            self.push(Event::Finished(row, None));
            return self.receipt(None);
        }
        let (written, wait) = oneshot::channel();
        self.push(Event::Finished(row, Some(written)));
        self.receipt(Some(wait))
    }

    /// Waits until everything handed over before is in the database, or was given up.
    pub(super) async fn flush(&self) {
        let (done, wait) = oneshot::channel();
        self.push(Event::Flush(done));
        let _ = wait.await;
    }

    /// The journal's files to read, of which nothing is on its way to the writer any more. `None` if the thread stands
    /// still.
    pub(super) async fn rotate(&self) -> Option<Vec<(u64, PathBuf)>> {
        let (done, wait) = oneshot::channel();
        self.push(Event::Rotate(done));
        tokio::time::timeout(LONGEST_SYNC, wait).await.ok()?.ok()
    }

    /// Writes what there is and ends the thread and the writer.
    pub(super) async fn close(&self) {
        let (done, wait) = oneshot::channel();
        self.push(Event::Close(done));
        let _ = wait.await;
    }

    fn receipt(&self, written: Option<oneshot::Receiver<()>>) -> Receipt {
        let limit = if self.durability == Durability::PowerLoss { LONGEST_SYNC } else { LONGEST_WAIT };
        Receipt { written, slow: self.slow.clone(), limit, refused: false }
    }

    /// Counts a row in, if there is room for it.
    fn admit(&self, row: &Row) -> bool {
        let size = row.size() as u64;
        let dropped = self.ledger.note(|state| {
            state.in_flight = state.in_flight.saturating_sub(1);
            state.served += 1;
            if state.queued_bytes + size > self.limits.drop_bytes || state.queued >= 2 * self.limits.rows as u64 {
                state.dropped += 1;
                return state.dropped;
            }
            state.queued += 1;
            state.queued_bytes += size;
            0
        });
        if dropped.is_power_of_two() {
            tracing::error!(dropped, "the history's queue is full: rows are lost");
        }
        dropped == 0
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, event: Event) {
        let mut queue = self.lock();
        // What a request is on the way to say again may be left out.
        if matches!(event, Event::Begun(_)) && queue.events.len() >= self.limits.rows {
            return;
        }
        let impatient = matches!(event, Event::Flush(_) | Event::Rotate(_) | Event::Close(_));
        queue.events.push(event);
        let wake = match queue.sleep {
            Sleep::Awake => false,
            Sleep::Company => impatient || queue.events.len() >= CROWD,
            Sleep::Deep => true,
        };
        if wake {
            queue.sleep = Sleep::Awake;
        }
        drop(queue);
        if wake {
            self.queue.1.notify_one();
        }
    }
}

struct Thread {
    intake: Intake,
    outlet: Outlet,
    /// Answered requests whose tokens are being counted, and the journal file in which they stand.
    answered: HashMap<i64, u64>,
    buffer: Vec<u8>,
    /// Whether several requests are under way, so that company can be expected.
    busy: bool,
}

impl Thread {
    fn run(mut self) {
        let _alarm = Alarm::journal(self.intake.ledger.clone());
        let mut events = Vec::with_capacity(CROWD);
        loop {
            self.wait(&mut events);
            if let Some(done) = self.handle(&mut events) {
                // The writer no longer waits for a disk that refuses, so there will be room.
                let _ = self.outlet.writer.blocking_send(Message::Close(done));
                self.outlet.hurry.notify_one();
                return;
            }
        }
    }

    /// Waits until there is something to do, and takes all events that there are.
    fn wait(&self, events: &mut Vec<Event>) {
        let wake = &self.intake.queue.1;
        let mut queue = self.intake.lock();
        if self.busy && queue.events.len() < CROWD {
            queue.sleep = Sleep::Company;
            queue = wake.wait_timeout(queue, COMPANY).unwrap_or_else(PoisonError::into_inner).0;
        }
        while queue.events.is_empty() {
            queue.sleep = Sleep::Deep;
            queue = wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        queue.sleep = Sleep::Awake;
        mem::swap(&mut queue.events, events);
    }

    /// Journals a group and passes it on. Returns whom to tell when this was the last one.
    fn handle(&mut self, events: &mut Vec<Event>) -> Option<oneshot::Sender<()>> {
        self.busy = self.intake.ledger.note(|state| state.in_flight) >= BUSY;
        let number = self.journal(events);
        let mut last = None;
        for event in events.drain(..) {
            match event {
                Event::Begun(row) => self.pass_on(Message::Begun(row, number)),
                Event::Answered(row, written) => {
                    let _ = written.send(());
                    self.answered.insert(row.id, number);
                }
                Event::Finished(row, written) => {
                    let before = self.answered.remove(&row.id).unwrap_or(0);
                    let mut waits = None;
                    if let Some(written) = written {
                        if number == 0 {
                            waits = Some(written);
                        } else {
                            let _ = written.send(());
                        }
                    }
                    self.pass_on(Message::Finished(row, [number, before], waits));
                    if number == 0 && self.intake.durability != Durability::Relaxed {
                        // The journal does not have it: it must not wait for company. The writer has it by now; one that
                        // is woken before would wait again.
                        self.outlet.hurry.notify_one();
                    }
                }
                Event::Flush(done) => {
                    self.pass_on(Message::Flush(done));
                    self.outlet.hurry.notify_one();
                }
                Event::Rotate(done) => drop(done.send(self.outlet.journal.rotate())),
                Event::Close(done) => last = Some(done),
            }
        }
        self.intake.slow.store(false, Ordering::Relaxed);
        last
    }

    /// Writes the records of a group. 0 if they are not in the journal.
    fn journal(&mut self, events: &[Event]) -> u64 {
        if self.intake.durability == Durability::Relaxed {
            return 0;
        }
        self.buffer.clear();
        let mut count = 0;
        for event in events {
            let (kind, row) = match event {
                Event::Begun(row) => (Kind::Begun, row),
                Event::Answered(row, _) => (Kind::Answered, row),
                Event::Finished(row, _) => (Kind::Finished, row),
                Event::Flush(_) | Event::Rotate(_) | Event::Close(_) => continue,
            };
            records::encode(kind, row, &mut self.buffer);
            count += 1;
        }
        if count == 0 {
            return 0;
        }
        let sync = self.intake.durability == Durability::PowerLoss;
        let written = self.outlet.journal.append(&self.buffer, count, sync);
        // A buffer that a huge group has blown up is not kept.
        self.buffer.shrink_to(1024 * 1024);
        written.unwrap_or(0)
    }

    fn pass_on(&mut self, message: Message) {
        let spill = self.intake.ledger.note(|state| state.queued_bytes) > self.intake.limits.spill_bytes;
        let refused = if spill && matches!(message, Message::Finished(..) | Message::Begun(..)) {
            message
        } else {
            match self.outlet.writer.try_send(message) {
                Ok(()) => {
                    let writer = &self.outlet.writer;
                    if writer.max_capacity() - writer.capacity() >= COMPANY_OF_WRITER {
                        self.outlet.hurry.notify_one();
                    }
                    return;
                }
                Err(mpsc::error::TrySendError::Full(message) | mpsc::error::TrySendError::Closed(message)) => message,
            }
        };
        match refused {
            Message::Finished(row, [number, _], _) => self.spill(&row, number),
            Message::Begun(..) => self.outlet.gaps.store(true, Ordering::Release),
            Message::Flush(_) | Message::Close(_) => {}
        }
    }

    /// Memory has no more room for a row: the journal alone keeps it.
    fn spill(&mut self, row: &Row, mut number: u64) {
        if number == 0 {
            self.buffer.clear();
            records::encode(Kind::Finished, row, &mut self.buffer);
            number = self.outlet.journal.append(&self.buffer, 1, false).unwrap_or(0);
        }
        let size = row.size() as u64;
        self.outlet.gaps.store(true, Ordering::Release);
        let dropped = self.intake.ledger.note(|state| {
            state.queued -= 1;
            state.queued_bytes = state.queued_bytes.saturating_sub(size);
            if number == 0 {
                state.dropped += 1;
                return state.dropped;
            }
            state.spilled += 1;
            0
        });
        if dropped.is_power_of_two() {
            tracing::error!(dropped, "neither the history nor its journal can take rows: they are lost");
        }
    }
}
