//! Where every row is that was ever handed over. The sum never lies: each row is in exactly one place.

use std::sync::Arc;

use tokio::sync::watch;

/// What became of the rows of this process: `served = stored + queued + spilled + dropped`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WriterState {
    /// Requests that have ended and whose row was handed over, with those that a journal brought from before.
    pub served: u64,
    /// Rows in the database.
    pub stored: u64,
    /// Rows in memory, on their way to the database.
    pub queued: u64,
    /// Rows that are only in the journal beside the database, until it can be written again.
    pub spilled: u64,
    /// Rows that are lost: neither the database, nor memory, nor the journal could take them, or the database refused
    /// them for good.
    pub dropped: u64,
    /// What the queued rows take in memory, in bytes.
    pub queued_bytes: u64,
    /// Requests that were decided and have not ended.
    pub in_flight: u64,
    /// Bytes of the journal.
    pub journal_bytes: u64,
    /// Why the database cannot be written now, if it cannot.
    pub stalled: Option<Arc<str>>,
    /// Why the journal cannot be written now, if it cannot.
    pub journal_failed: Option<Arc<str>>,
}

/// The one copy of the state. Whoever moves rows says so here.
#[derive(Debug, Clone)]
pub(super) struct Ledger {
    state: Arc<watch::Sender<WriterState>>,
}

impl Ledger {
    pub(super) fn new() -> Self {
        Ledger { state: Arc::new(watch::Sender::new(WriterState::default())) }
    }

    /// Changes the state, and wakes those who wait for a change.
    pub(super) fn change(&self, change: impl FnOnce(&mut WriterState)) {
        self.state.send_modify(change);
    }

    /// Changes the state on the way of a request, where nobody is to be woken.
    pub(super) fn note<T>(&self, change: impl FnOnce(&mut WriterState) -> T) -> T {
        let mut outcome = None;
        self.state.send_if_modified(|state| {
            outcome = Some(change(state));
            false
        });
        outcome.expect("it was just called")
    }

    pub(super) fn watch(&self) -> watch::Receiver<WriterState> {
        self.state.subscribe()
    }
}

/// Says so if a writer panics: nobody else would notice.
#[derive(Debug)]
pub(super) struct Alarm {
    ledger: Ledger,
    of_journal: bool,
}

impl Alarm {
    pub(super) fn journal(ledger: Ledger) -> Self {
        Alarm { ledger, of_journal: true }
    }

    pub(super) fn database(ledger: Ledger) -> Self {
        Alarm { ledger, of_journal: false }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let why: Arc<str> = "its writer has ended; restart the router".into();
            tracing::error!(of_journal = self.of_journal, "a writer of the history has ended before its time");
            let of_journal = self.of_journal;
            self.ledger
                .change(|state| *(if of_journal { &mut state.journal_failed } else { &mut state.stalled }) = Some(why));
        }
    }
}
