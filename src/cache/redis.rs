//! In Redis: short texts by name, each with an expiry. Slow or gone is [`Gone`], never an error of a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use tokio::sync::OnceCell;

use crate::config;

/// The longest wait for a first connection, which is made outside of the time for a request.
const CONNECT: Duration = Duration::from_secs(2);

/// A Redis. Connects when first used, and again by itself after a break. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Redis(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: redis::Client,
    connection: OnceCell<ConnectionManager>,
    connecting: AtomicBool,
    timeout: Duration,
    down: AtomicBool,
}

/// No answer within the time limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

impl Redis {
    /// The configured Redis, if there is one. (A URL that is none was refused by the configuration's check.)
    #[must_use]
    pub fn open(config: &config::Cache) -> Option<Self> {
        let url = config.redis_url.as_ref()?;
        Some(Redis(Arc::new(Inner {
            client: redis::Client::open(url.expose()).ok()?,
            connection: OnceCell::new(),
            connecting: AtomicBool::new(false),
            timeout: Duration::from_millis(config.redis_timeout_ms),
            down: AtomicBool::new(false),
        })))
    }

    /// The text of a name, if there is one.
    ///
    /// # Errors
    /// Redis is slow or gone.
    pub async fn get(&self, name: &str) -> Result<Option<String>, Gone> {
        self.run(redis::cmd("GET").arg(name)).await
    }

    /// Keeps a text for so many milliseconds.
    ///
    /// # Errors
    /// Redis is slow or gone.
    pub async fn put(&self, name: &str, text: &str, ttl_ms: u64) -> Result<(), Gone> {
        self.run(redis::cmd("SET").arg(name).arg(text).arg("PX").arg(ttl_ms)).await
    }

    /// Runs a command within the time limit.
    async fn run<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> Result<T, Gone> {
        let Inner { connection, timeout, down, .. } = &*self.0;
        let Some(mut connection) = connection.get().cloned() else {
            self.connect();
            return Err(Gone);
        };
        let answer = tokio::time::timeout(*timeout, command.query_async::<T>(&mut connection)).await;
        let (value, failure) = match answer {
            Ok(Ok(value)) => (Ok(value), None),
            Ok(Err(error)) => (Err(Gone), Some(error.to_string())),
            Err(_) => (Err(Gone), Some(format!("no answer within {timeout:?}"))),
        };
        // Said once per break, not once per request.
        if down.swap(failure.is_some(), Ordering::Relaxed) != failure.is_some() {
            if let Some(error) = failure {
                tracing::warn!(error, "Redis does not answer: it is done without");
            } else {
                tracing::info!("Redis answers again");
            }
        }
        value
    }

    /// Connects in the background, so that no request waits for it; one attempt at a time.
    fn connect(&self) {
        if self.0.connecting.swap(true, Ordering::Relaxed) {
            return;
        }
        let inner = self.0.clone();
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(inner.timeout))
            .set_number_of_retries(1);
        tokio::spawn(async move {
            match ConnectionManager::new_with_config(inner.client.clone(), config).await {
                Ok(connection) => {
                    let _ = inner.connection.set(connection);
                }
                Err(error) => tracing::warn!(error = %error, "cannot connect to Redis: it is done without"),
            }
            inner.connecting.store(false, Ordering::Relaxed);
        });
    }
}
