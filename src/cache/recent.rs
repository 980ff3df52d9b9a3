//! In this process: entries that were used not long ago, bounded in number and in time.

use std::hash::{BuildHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, UnitWeighter};

/// A bounded map from hashes to what is known by them. An entry lives as long as it says from when it was put there.
#[derive(Debug)]
pub struct Recent<K, V> {
    kept: Cache<K, (Instant, V), UnitWeighter, TakeFirstBytes>,
    lives: Duration,
}

/// A key is a hash already: its first bytes are as good as any hash of it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct TakeFirstBytes;

impl BuildHasher for TakeFirstBytes {
    type Hasher = FirstBytes;

    fn build_hasher(&self) -> FirstBytes {
        FirstBytes(0)
    }
}

/// The first eight bytes that are written.
#[derive(Debug)]
pub(super) struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn write(&mut self, bytes: &[u8]) {
        if let Some((first, _)) = bytes.split_first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }
    // The length that an array writes before its bytes says nothing.
    fn write_usize(&mut self, _: usize) {}
    fn finish(&self) -> u64 {
        self.0
    }
}

impl<K: Eq + Hash, V: Clone> Recent<K, V> {
    /// Room for so many entries, each for so long. Memory is taken as they come.
    ///
    /// # Panics
    /// Never: all options that it needs are given.
    #[must_use]
    pub fn new(max_entries: u64, lives: Duration) -> Self {
        let options = OptionsBuilder::new()
            .estimated_items_capacity(usize::try_from(max_entries).unwrap_or(usize::MAX))
            .weight_capacity(max_entries)
            // Half of the room is for what was asked for again: the other half turns over, so that what is new stays a while.
            .hot_allocation(0.5)
            // Of an entry that had to go nothing is remembered: it would take as much room as one that stays.
            .ghost_allocation(0.0)
            .build()
            .expect("both capacities are given");
        let lifecycle = DefaultLifecycle::default();
        Recent { kept: Cache::with_options(options, UnitWeighter, TakeFirstBytes, lifecycle), lives }
    }

    /// What is known by a key.
    pub fn get(&self, key: &K) -> Option<V> {
        let (since, value) = self.kept.get(key)?;
        if since.elapsed() >= self.lives {
            self.kept.remove_if(key, |(now, _)| *now == since);
            return None;
        }
        Some(value)
    }

    /// Puts an entry there, in the place of what was known by its key.
    pub fn put(&self, key: K, value: V) {
        self.kept.insert(key, (Instant::now(), value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_hours(1);

    #[test]
    fn no_more_entries_are_kept_than_there_is_room_for() {
        let recent = Recent::new(100, LONG);
        for number in 0..10_000_u64 {
            recent.put(number.to_le_bytes(), number);
        }
        let kept: Vec<u64> = (0..10_000_u64).filter_map(|number| recent.get(&number.to_le_bytes())).collect();
        assert!((50..=100).contains(&kept.len()) && kept.contains(&9_999), "{kept:?}");
    }

    #[test]
    fn what_is_new_finds_room_among_what_was_used_before() {
        let recent = Recent::new(1_000, LONG);
        let key = |number: u64| number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes();
        for number in 0..5_000_u64 {
            recent.put(key(number), number);
            recent.get(&key(number));
        }
        for number in 10_000..10_400 {
            recent.put(key(number), number);
        }
        let kept = (10_000..10_400).filter(|number| recent.get(&key(*number)).is_some()).count();
        assert!(kept > 360, "{kept}");
    }

    #[test]
    fn an_entry_is_replaced_and_ends_with_its_time() {
        let recent = Recent::new(10, LONG);
        recent.put([1; 16], 1);
        recent.put([1; 16], 2);
        assert_eq!((recent.get(&[1; 16]), recent.get(&[2; 16])), (Some(2), None));
        let brief = Recent::new(10, Duration::ZERO);
        brief.put([1; 16], 1);
        assert_eq!(brief.get(&[1; 16]), None);
    }
}
