//! The append-only files beside the database: what was handed over and is not in it yet.
//!
//! [`records`](super::records) has their form. Files have numbers; the one with the highest is appended to.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::ledger::Ledger;
use super::open::{self, Identity};

/// A file that is longer is closed, and the next one begun.
const SEGMENT_BYTES: u64 = 8 * 1024 * 1024;
/// The same file is used again from its begin once everything in it is stored and it is longer than this.
const WORTH_CUTTING: u64 = 1024 * 1024;
/// Names of files that are tried in a row.
const MOST_TRIES: u32 = 16;
/// Most bytes of all files together. What comes then is refused.
const MOST_BYTES: u64 = 256 * 1024 * 1024;

/// One file.
#[derive(Debug, Clone, Copy, Default)]
struct Segment {
    bytes: u64,
    /// Records in it that are not stored yet.
    outstanding: u64,
    /// Whether nothing is appended any more.
    closed: bool,
}

/// The file in use. Its lock is held while the disk writes, so only the thread that journals takes it.
#[derive(Debug)]
struct Active {
    file: Option<File>,
    /// Which file that is: one that was removed would take rows and keep none.
    identity: Option<Identity>,
    number: u64,
}

/// The files of one database. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Journal {
    base: PathBuf,
    ledger: Ledger,
    active: Arc<Mutex<Active>>,
    /// What is known of the files. Its lock is never held over a disk.
    segments: Arc<Mutex<BTreeMap<u64, Segment>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Journal {
    /// The journal of a database; files that are there already are not appended to.
    pub(super) fn new(database: &Path, ledger: Ledger) -> io::Result<Self> {
        let number = found(database)?.last().map_or(0, |(number, _)| *number) + 1;
        let active = Active { file: None, identity: None, number };
        Ok(Journal {
            base: database.to_owned(),
            ledger,
            active: Arc::new(Mutex::new(active)),
            segments: Arc::default(),
        })
    }

    /// Appends whole records, `count` of them, and counts them as not stored. Returns the number of their file.
    pub(super) fn append(&self, records: &[u8], count: u64, sync: bool) -> io::Result<u64> {
        let mut active = lock(&self.active);
        let written = self.write(&mut active, records, sync);
        if let Ok(number) = written
            && let Some(segment) = lock(&self.segments).get_mut(&number)
        {
            segment.bytes += records.len() as u64;
            segment.outstanding += count;
        }
        let (failed, bytes) = (written.as_ref().err().map(ToString::to_string), self.bytes());
        self.ledger.note(|state| {
            state.journal_bytes = bytes;
            if failed.is_some() != state.journal_failed.is_some() {
                state.journal_failed = failed.map(Arc::from);
            }
        });
        written
    }

    fn write(&self, active: &mut Active, records: &[u8], sync: bool) -> io::Result<u64> {
        if active.file.is_some() && open::identity(&path(&self.base, active.number)) != active.identity {
            tracing::error!("the history's journal was removed while it was in use; it is made anew");
            self.close(active);
        }
        self.make_room(active, records.len() as u64)?;
        if active.file.is_none() {
            self.open(active)?;
        }
        let Some(file) = &mut active.file else { return Err(io::ErrorKind::NotFound.into()) };
        file.write_all(records)?;
        if sync {
            file.sync_data()?;
        }
        Ok(active.number)
    }

    /// Opens the next file. A name that cannot be had is passed over.
    fn open(&self, active: &mut Active) -> io::Result<()> {
        for _ in 0..MOST_TRIES {
            let path = path(&self.base, active.number);
            if let Ok(file) = OpenOptions::new().create_new(true).append(true).open(&path) {
                lock(&self.segments).insert(active.number, Segment::default());
                active.identity = open::identity(&path);
                active.file = Some(file);
                return Ok(());
            }
            active.number += 1;
        }
        Err(io::Error::other(format!("no file of the journal can be made beside {}", self.base.display())))
    }

    /// Begins the next file, or the same one from its begin, when it is time.
    fn make_room(&self, active: &mut Active, more: u64) -> io::Result<()> {
        let segment = lock(&self.segments).get(&active.number).copied();
        if let (Some(file), Some(segment)) = (&active.file, segment) {
            if segment.outstanding == 0 && segment.bytes > WORTH_CUTTING {
                file.set_len(0)?;
                lock(&self.segments).insert(active.number, Segment::default());
            } else if segment.bytes > SEGMENT_BYTES {
                self.close(active);
            }
        }
        if self.bytes() + more > MOST_BYTES {
            let text = format!("the journal holds {MOST_BYTES} bytes already");
            return Err(io::Error::new(io::ErrorKind::StorageFull, text));
        }
        Ok(())
    }

    /// Records of a file are in the database. A closed file without others is removed.
    pub(super) fn release(&self, number: u64, count: u64) {
        let mut segments = lock(&self.segments);
        let Some(segment) = segments.get_mut(&number) else { return };
        segment.outstanding = segment.outstanding.saturating_sub(count);
        let over = segment.closed && segment.outstanding == 0;
        drop(segments);
        if over {
            self.done(number);
        }
    }

    /// Closes the file in use, so that it can be read to its end. Returns all closed files.
    pub(super) fn rotate(&self) -> Vec<(u64, PathBuf)> {
        self.close(&mut lock(&self.active));
        let segments = lock(&self.segments);
        let closed = segments.iter().filter(|(_, segment)| segment.closed);
        closed.map(|(number, _)| (*number, path(&self.base, *number))).collect()
    }

    fn close(&self, active: &mut Active) {
        if active.file.take().is_none() {
            return;
        }
        let number = active.number;
        active.number += 1;
        if let Some(segment) = lock(&self.segments).get_mut(&number) {
            segment.closed = true;
        }
        self.release(number, 0);
    }

    /// Everything in a closed file is in the database.
    pub(super) fn done(&self, number: u64) {
        if lock(&self.segments).remove(&number).is_some() {
            let path = path(&self.base, number);
            if let Err(error) = std::fs::remove_file(&path) {
                tracing::warn!(path = %path.display(), error = %error, "a journal that is stored cannot be removed");
            }
            let bytes = self.bytes();
            self.ledger.note(|state| state.journal_bytes = bytes);
        }
    }

    /// The end: files in which everything is stored are removed.
    pub(super) fn finish(&self) {
        self.close(&mut lock(&self.active));
    }

    fn bytes(&self) -> u64 {
        lock(&self.segments).values().map(|segment| segment.bytes).sum()
    }
}

fn path(database: &Path, number: u64) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(format!(".pending-{number}"));
    PathBuf::from(name)
}

/// The files that lie beside a database, oldest first.
pub(super) fn found(database: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Some(name) = database.file_name().and_then(|name| name.to_str()) else { return Ok(Vec::new()) };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let number = entry.file_name().to_str().and_then(|file| {
            let text = file.strip_prefix(name)?.strip_prefix(".pending-")?;
            text.parse::<u64>().ok().filter(|number| number.to_string() == text && *number < u64::MAX / 2)
        });
        // Anything else of that name is not ours, and passed over when its number's turn comes.
        let number = number.filter(|_| entry.file_type().is_ok_and(|kind| kind.is_file()));
        files.extend(number.map(|number| (number, path(database, number))));
    }
    files.sort_unstable();
    Ok(files)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::row::Row;
    use super::*;
    use crate::catalog::{Source, Tier};
    use crate::protocol::{TokenUsage, UsageSource};

    pub(in crate::store) fn row(id: i64) -> Row {
        Row {
            id,
            request_id: format!("r{id}"),
            created_at_ms: 1_790_000_000_000 + id,
            session: None,
            key: Some("default".to_owned()),
            decision: Tier::Cheap,
            source: Some(Source::Embedded),
            answered_by: Some(crate::store::AnsweredBy::Tier(Tier::Cheap)),
            skipped: Vec::new(),
            attempt_count: 0,
            score: Some(0.125),
            confidence: None,
            reason: Some("short\nand plain".into()),
            tier: Some(Tier::Cheap),
            upstream: Some("local".to_owned()),
            provider: Some("ollama".into()),
            requested_model: "auto".to_owned(),
            selected_model: Some("small".to_owned()),
            response_model: None,
            local: true,
            stream: false,
            status: Some(200),
            error_type: None,
            attempts: Vec::new(),
            usage: TokenUsage { input_tokens: Some(7), output_tokens: Some(3), ..TokenUsage::default() },
            usage_source: UsageSource::Reported,
            usage_raw: None,
            features: crate::store::Features::default(),
            cost: None,
            frontier_cost: None,
            asked_classifier: false,
            classifier_usage: TokenUsage::default(),
            classify_us: Some(12),
            first_token_us: Some(900),
            duration_us: Some(1_000),
            api: Some(crate::catalog::Api::Chat),
            agent: None,
        }
    }

    #[test]
    fn a_closed_file_is_removed_once_its_rows_are_stored() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::new(&folder.path().join("h.db"), Ledger::new()).unwrap();
        let number = journal.append(b"a record", 1, false).unwrap();
        let (_, path) = journal.rotate().remove(0);
        assert!(path.exists());
        journal.release(number, 1);
        assert!(!path.exists());
    }
}
