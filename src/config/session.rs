//! `[session]`

use schemars::JsonSchema;
use serde::Deserialize;

/// `[session]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// Keep a conversation's tier: up at once, down where it is cheaper or after a pause, never within a tool loop.
    pub enabled: bool,
    /// After so long without a request a conversation is free again, in seconds.
    #[schemars(range(min = 1, max = 31_536_000))]
    pub idle_s: u64,
    /// How long providers keep a prompt cache, in seconds.
    #[schemars(range(max = 31_536_000))]
    pub cache_s: u64,
    /// Go down before that where the next turn is cheaper there, all of its input read anew.
    pub down_when_cheaper: bool,
    /// How many conversations are remembered.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub max_entries: u64,
}
