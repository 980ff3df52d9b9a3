//! In this process: moka, bounded in entries and in time.

use std::time::Duration;

use super::Key;
use crate::catalog::Tier;
use crate::config;

/// A bounded map of decisions.
#[derive(Debug)]
pub struct Memory(moka::sync::Cache<Key, Tier>);

impl Memory {
    pub(super) fn new(config: &config::Cache) -> Self {
        let cache = moka::sync::Cache::builder()
            .max_capacity(config.max_entries)
            .time_to_live(Duration::from_millis(config.ttl_ms))
            .build();
        Memory(cache)
    }

    pub(super) fn get(&self, key: Key) -> Option<Tier> {
        self.0.get(&key)
    }

    pub(super) fn put(&self, key: Key, tier: Tier) {
        self.0.insert(key, tier);
    }
}
