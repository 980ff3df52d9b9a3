//! When a request arrived, on both clocks.

use std::time::Instant;

use super::Timestamp;

/// When a request arrived: the wall clock's reading, from which everything that depends on the time of day is told, and
/// the steady clock's, from which durations are measured.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// The wall clock's reading.
    pub at: Timestamp,
    instant: Instant,
}

impl Arrival {
    /// It arrives now.
    #[must_use]
    pub fn now() -> Self {
        Arrival { at: Timestamp::now(), instant: Instant::now() }
    }

    /// Microseconds since then.
    #[must_use]
    pub fn elapsed_us(&self) -> i64 {
        i64::try_from(self.instant.elapsed().as_micros()).unwrap_or(i64::MAX)
    }
}
