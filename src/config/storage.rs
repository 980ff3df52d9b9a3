//! `[cache]`, `[response_cache]` and `[store]`: what is remembered.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use super::Secret;
use super::layers::Merged;
use super::problem::Problem;

/// `[cache]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// Remember decisions.
    pub enabled: bool,
    /// How long a decision is remembered, in milliseconds.
    #[schemars(range(min = 1, max = 31_536_000_000_000_u64))]
    pub ttl_ms: u64,
    /// How many decisions are kept in memory (Redis keeps its own house).
    pub max_entries: u64,
    /// Redis in which the decisions of an LLM classifier are shared, `redis://[:password@]host:port/db`.
    /// Unset: memory.
    #[schemars(extend("example" = "${REDIS_URL}"))]
    pub redis_url: Option<Secret>,
    /// Longest wait for Redis, in milliseconds; after it the decision is made anew.
    #[schemars(range(min = 1))]
    pub redis_timeout_ms: u64,
}

impl Cache {
    pub(super) fn validate(&self, merged: &Merged, problems: &mut Vec<Problem>) {
        if let Some(url) = &self.redis_url
            && let Err(error) = redis::Client::open(url.expose())
        {
            let hint = "write it like redis://127.0.0.1:6379/0; this version speaks to Redis without TLS";
            problems.push(merged.problem("cache.redis_url", format!("not a Redis URL ({error})"), hint));
        }
    }
}

/// `[response_cache]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResponseCache {
    /// Answer an equal request of the same key with the answer that was given before, byte for byte. Only requests with
    /// temperature 0, and never those with tools.
    pub enabled: bool,
    /// How long an answer is kept, in milliseconds.
    #[schemars(range(min = 1, max = 31_536_000_000_000_u64))]
    pub ttl_ms: u64,
    /// Memory for all answers, in bytes.
    pub max_bytes: u64,
    /// Longest answer that is kept, in bytes.
    pub max_answer_bytes: u64,
    /// Keep answers to requests with another temperature, or none, too.
    pub force: bool,
}

/// `[store]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// The history's file, `sqlite://PATH`. Unset: `xrouter.db` beside the configuration in use;
    /// without one, in the user's data folder.
    #[schemars(extend("example" = "sqlite:///var/lib/xrouter/xrouter.db"))]
    pub url: Option<String>,
    /// Keep a history. `false` serves without one: nothing is written, and the pages show what is there already.
    pub enabled: bool,
    /// What a row survives before its request's last byte is sent. `relaxed`: rows reach the file within some 100 ms,
    /// and a killed process loses those that have not. `strict`: no row is lost when the process is killed.
    /// `power_loss`: nor when the machine loses its power; every group of rows is synced to the disk.
    pub durability: Durability,
    /// Keep the text that was classified of each request too, in the column `prompt`: `xrouter train --from-history` then
    /// fits the model itself. Whoever can read the history can read it.
    pub capture: bool,
    /// How long rows are kept, in days; 0 is for ever. Sums by hour and day are always kept.
    #[schemars(range(max = 36_500))]
    pub keep_days: u32,
    /// How long sums by minute are kept, in days.
    #[schemars(range(min = 1, max = 36_500))]
    pub keep_minute_rollups_days: u32,
}

/// What a row survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// Nothing, for some 100 ms.
    Relaxed,
    /// The end of the process.
    Strict,
    /// The end of the machine's power.
    PowerLoss,
}

impl Store {
    pub(super) fn validate(&self, merged: &Merged, problems: &mut Vec<Problem>) {
        if let Some(url) = &self.url
            && file_of(url).is_none()
        {
            let hint = "write it like sqlite://xrouter.db or sqlite:///var/lib/xrouter/xrouter.db";
            problems.push(merged.problem("store.url", format!("`{url}` names no SQLite file"), hint));
        }
    }

    /// The history's file, from `url`, the configuration's folder or the user's data folder.
    #[must_use]
    pub fn path(&self, config_file: Option<&Path>, data_folder: Option<&Path>) -> PathBuf {
        let folder = config_file.and_then(Path::parent);
        match self.url.as_deref().and_then(file_of) {
            Some(file) => folder.map_or_else(|| PathBuf::from(file), |folder| folder.join(file)),
            None => folder.or(data_folder).unwrap_or(Path::new(".")).join("xrouter.db"),
        }
    }
}

fn file_of(url: &str) -> Option<&str> {
    let path = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:"))?;
    let path = path.split('?').next().unwrap_or_default();
    (!path.is_empty() && path != ":memory:").then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_history_lies_beside_the_configuration_unless_told_otherwise() {
        let store = |url: Option<&str>| Store {
            url: url.map(str::to_owned),
            enabled: true,
            durability: Durability::Strict,
            capture: false,
            keep_days: 90,
            keep_minute_rollups_days: 3,
        };
        let config = Path::new("/etc/xrouter/xrouter.toml");
        assert_eq!(store(None).path(Some(config), None), Path::new("/etc/xrouter/xrouter.db"));
        assert_eq!(store(None).path(None, Some(Path::new("/data"))), Path::new("/data/xrouter.db"));
        assert_eq!(store(Some("sqlite://h.db")).path(Some(config), None), Path::new("/etc/xrouter/h.db"));
        assert_eq!(store(Some("sqlite:///var/h.db")).path(Some(config), None), Path::new("/var/h.db"));
        assert_eq!(file_of("postgres://x"), None);
        assert_eq!(file_of("sqlite::memory:"), None);
    }
}
