//! In Redis: one short string per decision, with an expiry.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use tokio::sync::OnceCell;

use super::{Key, Remembered};
use crate::catalog::Tier;
use crate::config;

/// The longest wait for a first connection, which is made outside of the time for a request.
const CONNECT: Duration = Duration::from_secs(2);

/// Decisions in Redis. Connects when first used, and again by itself after a break.
#[derive(Debug)]
pub struct Redis {
    client: redis::Client,
    connection: std::sync::Arc<OnceCell<ConnectionManager>>,
    connecting: std::sync::Arc<AtomicBool>,
    timeout: Duration,
    ttl_ms: u64,
    down: AtomicBool,
}

impl Redis {
    /// Prepares the client; `None` if the URL is none (which the configuration's check has refused before).
    pub(super) fn open(url: &str, config: &config::Cache) -> Option<Self> {
        Some(Redis {
            client: redis::Client::open(url).ok()?,
            connection: std::sync::Arc::new(OnceCell::new()),
            connecting: std::sync::Arc::new(AtomicBool::new(false)),
            timeout: Duration::from_millis(config.redis_timeout_ms),
            ttl_ms: config.ttl_ms,
            down: AtomicBool::new(false),
        })
    }

    pub(super) async fn get(&self, key: Key) -> Option<Remembered> {
        let answer: Option<String> = self.run(redis::cmd("GET").arg(name(key))).await.flatten();
        answer.as_deref().and_then(read)
    }

    pub(super) async fn put(&self, key: Key, decision: &Remembered) {
        let mut command = redis::cmd("SET");
        command.arg(name(key)).arg(write(decision)).arg("PX").arg(self.ttl_ms);
        let _: Option<()> = self.run(&command).await;
    }

    /// Runs a command within the time limit; `None` if Redis is slow or gone.
    async fn run<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> Option<T> {
        let Some(mut connection) = self.connection.get().cloned() else {
            self.connect();
            return None;
        };
        let answer = tokio::time::timeout(self.timeout, command.query_async::<T>(&mut connection)).await;
        let (value, down) = match answer {
            Ok(Ok(value)) => (Some(value), None),
            Ok(Err(error)) => (None, Some(error.to_string())),
            Err(_) => (None, Some(format!("no answer within {:?}", self.timeout))),
        };
        // Said once per break, not once per request.
        if self.down.swap(down.is_some(), Ordering::Relaxed) != down.is_some() {
            if let Some(error) = down {
                tracing::warn!(error, "Redis does not answer: decisions are made anew");
            } else {
                tracing::info!("Redis answers again");
            }
        }
        value
    }

    /// Connects in the background, so that no request waits for it; one attempt at a time.
    fn connect(&self) {
        if self.connecting.swap(true, Ordering::Relaxed) {
            return;
        }
        let (client, cell, connecting) = (self.client.clone(), self.connection.clone(), self.connecting.clone());
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(self.timeout))
            .set_number_of_retries(1);
        tokio::spawn(async move {
            match ConnectionManager::new_with_config(client, config).await {
                Ok(connection) => {
                    let _ = cell.set(connection);
                }
                Err(error) => tracing::warn!(error = %error, "cannot connect to Redis: decisions are made anew"),
            }
            connecting.store(false, Ordering::Relaxed);
        });
    }
}

/// `TIER SCORE CONFIDENCE REASON`, with `-` for what is unknown, and an `m` after the tier if a model decided.
fn write(decision: &Remembered) -> String {
    let figure = |figure: Option<f64>| figure.map_or("-".to_owned(), |figure| figure.to_string());
    let Remembered { tier, by_model, score, confidence, reason } = decision;
    let mark = if *by_model { "m" } else { "" };
    format!("{}{mark} {} {} {reason}", tier.number(), figure(*score), figure(*confidence))
}

/// What [`write`] wrote; anything else is a miss.
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
    let mut name = String::with_capacity(48);
    name.push_str("xrouter:decision:");
    for byte in key.0 {
        let _ = write!(name, "{byte:02x}");
    }
    name
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
}
