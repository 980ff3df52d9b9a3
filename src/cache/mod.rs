//! Decisions that are remembered, so that equal requests are decided once.
//!
//! Enters: a key (a hash of everything that a decision depends on) and a decision. Leaves: that decision
//! or a miss. Never fails a request: a Redis that is slow or gone is a miss. Read this file first.

mod memory;
mod redis;

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::catalog::Tier;
use crate::config;
use memory::Memory;
use redis::Redis;

/// A hash of everything that a decision depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key([u8; 16]);

impl Key {
    /// The key of a classifier (its fingerprint) and an input. The first 128 bits of SHA-256: a
    /// client cannot make two inputs share a decision.
    #[must_use]
    pub fn new(fingerprint: &str, input: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update((fingerprint.len() as u64).to_le_bytes());
        hash.update(fingerprint);
        hash.update(input);
        let mut key = [0; 16];
        key.copy_from_slice(&hash.finalize()[..16]);
        Key(key)
    }
}

/// A decision as it is remembered, with what it was taken for.
#[derive(Debug, Clone, PartialEq)]
pub struct Remembered {
    /// The tier.
    pub tier: Tier,
    /// Whether a model decided.
    pub by_model: bool,
    /// The classifier's score, 0 to 1.
    pub score: Option<f64>,
    /// The classifier's confidence, 0 to 1.
    pub confidence: Option<f64>,
    /// Why.
    pub reason: Arc<str>,
}

/// Where decisions are remembered.
#[derive(Debug)]
pub enum Cache {
    /// Nowhere.
    Off,
    /// In this process.
    Memory(Memory),
    /// In Redis, shared with other routers.
    Redis(Redis),
}

impl Cache {
    /// Opens the configured cache. Redis is used where a decision costs a call to a model
    /// (`shared`); asking it would cost more than an embedded decision does.
    #[must_use]
    pub fn open(config: &config::Cache, shared: bool) -> Self {
        match &config.redis_url {
            _ if !config.enabled => Cache::Off,
            Some(url) if shared => Redis::open(url.expose(), config).map_or(Cache::Off, Cache::Redis),
            _ => Cache::Memory(Memory::new(config)),
        }
    }

    /// What was decided for this key.
    pub async fn get(&self, key: Key) -> Option<Remembered> {
        match self {
            Cache::Off => None,
            Cache::Memory(memory) => memory.get(key),
            Cache::Redis(redis) => redis.get(key).await,
        }
    }

    /// Remembers a decision.
    pub async fn put(&self, key: Key, decision: Remembered) {
        match self {
            Cache::Off => {}
            Cache::Memory(memory) => memory.put(key, decision),
            Cache::Redis(redis) => redis.put(key, &decision).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_by_classifier_and_by_input() {
        assert_eq!(Key::new("a", "b"), Key::new("a", "b"));
        assert_ne!(Key::new("a", "b"), Key::new("b", "b"));
        assert_ne!(Key::new("a", "bc"), Key::new("ab", "c"));
    }
}
