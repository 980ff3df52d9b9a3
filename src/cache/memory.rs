//! In this process: moka, bounded in entries and in time.

use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use super::decisions::{Key, Remembered};
use crate::config;

/// A bounded map of decisions.
#[derive(Debug)]
pub struct Memory(moka::sync::Cache<Key, Remembered, TakeFirstBytes>);

/// A key is a hash already: its first bytes are as good as any hash of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct TakeFirstBytes;

impl BuildHasher for TakeFirstBytes {
    type Hasher = FirstBytes;

    fn build_hasher(&self) -> FirstBytes {
        FirstBytes(0)
    }
}

/// The first eight bytes that are written.
#[derive(Debug)]
pub struct FirstBytes(u64);

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

impl Memory {
    pub(super) fn new(config: &config::Cache) -> Self {
        let cache = moka::sync::Cache::builder()
            .max_capacity(config.max_entries)
            // Room for all of them at once: growing step by step would move every entry again and again.
            .initial_capacity(usize::try_from(config.max_entries).unwrap_or(usize::MAX).min(65_536))
            .time_to_live(Duration::from_millis(config.ttl_ms))
            .build_with_hasher(TakeFirstBytes);
        Memory(cache)
    }

    pub(super) fn get(&self, key: Key) -> Option<Remembered> {
        self.0.get(&key)
    }

    pub(super) fn put(&self, key: Key, decision: Remembered) {
        self.0.insert(key, decision);
    }
}
