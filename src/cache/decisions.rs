//! Decisions, so that equal requests are decided once: in this process, or in Redis as one short text each.

use std::sync::Arc;
use std::time::Duration;

use super::recent::Recent;
use super::redis::Redis;
use crate::catalog::Tier;
use crate::config;
use crate::protocol::FieldHash;

/// A hash of everything that a decision depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key([u8; 16]);

impl Key {
    /// The key of a classifier (its fingerprint) and an input: a client cannot make two inputs share a decision.
    #[must_use]
    pub fn new(fingerprint: &str, input: &str) -> Self {
        let mut hash = FieldHash::default();
        hash.add(fingerprint);
        hash.add(input);
        Key(hash.finish())
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
    Memory(Recent<Key, Remembered>),
    /// In Redis, shared with other routers.
    Redis {
        /// Which.
        redis: Redis,
        /// For how long, in milliseconds.
        ttl_ms: u64,
    },
}

impl Cache {
    /// Opens the configured cache. Redis is used where a decision costs a call to a model; asking it would cost more than
    /// an embedded decision does.
    #[must_use]
    pub fn open(config: &config::Cache, redis: Option<Redis>) -> Self {
        match redis {
            _ if !config.enabled => Cache::Off,
            Some(redis) => Cache::Redis { redis, ttl_ms: config.ttl_ms },
            None => Cache::Memory(Recent::new(config.max_entries, Duration::from_millis(config.ttl_ms))),
        }
    }

    /// What was decided for this key.
    pub async fn get(&self, key: Key) -> Option<Remembered> {
        match self {
            Cache::Off => None,
            Cache::Memory(memory) => memory.get(&key),
            // Boxed, as all the futures around it would be as large as this one, and are moved for every request.
            Cache::Redis { redis, .. } => read(&Box::pin(redis.get(&name(key))).await.ok()??),
        }
    }

    /// Remembers a decision.
    pub async fn put(&self, key: Key, decision: Remembered) {
        match self {
            Cache::Off => {}
            Cache::Memory(memory) => memory.put(key, decision),
            Cache::Redis { redis, ttl_ms } => {
                // A Redis that is gone remembers nothing, which it has said in the log.
                let _ = Box::pin(redis.put(&name(key), &write(&decision), *ttl_ms)).await;
            }
        }
    }
}

/// `TIER SCORE CONFIDENCE REASON`, with `-` for what is unknown, and an `m` after the tier if a model decided.
fn write(decision: &Remembered) -> String {
    let figure = |figure: Option<f64>| figure.map_or("-".to_owned(), |figure| figure.to_string());
    let Remembered { tier, by_model, score, confidence, reason } = decision;
    let mark = if *by_model { "m" } else { "" };
    format!("{}{mark} {} {} {reason}", tier.number(), figure(*score), figure(*confidence))
}

/// What [`write()`] wrote; anything else is a miss.
fn read(text: &str) -> Option<Remembered> {
    let mut parts = text.splitn(4, ' ');
    let tier = parts.next()?;
    let (tier, by_model) = tier.strip_suffix('m').map_or((tier, false), |tier| (tier, true));
    let tier = Tier::from_number(tier.parse().ok()?)?;
    let mut figure = || match parts.next() {
        Some("-") => Some(None),
        Some(figure) => figure.parse().ok().map(Some),
        None => None,
    };
    let (score, confidence) = (figure()?, figure()?);
    Some(Remembered { tier, by_model, score, confidence, reason: parts.next()?.into() })
}

fn name(key: Key) -> String {
    format!("xrouter:decision:{}", hex::encode(key.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_anything_else_is_a_miss() {
        let decisions = [
            Remembered {
                tier: Tier::Medium,
                by_model: false,
                score: Some(0.25),
                confidence: Some(1.0),
                reason: "hard words +0.95, x".into(),
            },
            Remembered { tier: Tier::Cheap, by_model: true, score: None, confidence: None, reason: "".into() },
        ];
        for decision in decisions {
            assert_eq!(read(&write(&decision)).as_ref(), Some(&decision));
        }
        for text in ["", "1", "7 - - x", "1 a b c", "x - - y"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn keys_differ_by_classifier_and_by_input() {
        assert_eq!(Key::new("a", "b"), Key::new("a", "b"));
        assert_ne!(Key::new("a", "b"), Key::new("b", "b"));
        assert_ne!(Key::new("a", "bc"), Key::new("ab", "c"));
    }
}
