//! How many requests each step settled, for whoever watches the process.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::routing::Source;

/// Counts since the start.
#[derive(Debug, Default)]
pub struct Tally {
    by_source: [AtomicU64; Source::ALL.len()],
    asked: AtomicU64,
    answers: [AtomicU64; 2],
}

impl Tally {
    pub(super) fn count(&self, source: Source, asked: bool) {
        if let Some(at) = Source::ALL.iter().position(|known| *known == source) {
            self.by_source[at].fetch_add(1, Ordering::Relaxed);
        }
        self.asked.fetch_add(u64::from(asked), Ordering::Relaxed);
    }

    /// A request that the response cache could answer, and whether it did.
    pub(super) fn count_answer(&self, hit: bool) {
        self.answers[usize::from(hit)].fetch_add(1, Ordering::Relaxed);
    }

    /// Requests that the response cache answered, and those that it could have.
    #[must_use]
    pub fn answers(&self) -> (u64, u64) {
        let [misses, hits] = &self.answers;
        (hits.load(Ordering::Relaxed), misses.load(Ordering::Relaxed))
    }

    /// Decisions by the step that settled them.
    pub fn by_source(&self) -> impl Iterator<Item = (Source, u64)> {
        Source::ALL.into_iter().zip(self.by_source.iter().map(|count| count.load(Ordering::Relaxed)))
    }

    /// Decisions for which a model was asked.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}
