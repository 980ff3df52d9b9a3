//! `[session]`

use schemars::JsonSchema;
use serde::Deserialize;

use super::Cache;
use super::layers::Merged;
use super::problem::Problem;

/// `[session]`
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// Keep a conversation's tier: up at once, down where it is cheaper or after a pause. A tool loop keeps its tier,
    /// unless it is stuck, a step comes more than `idle_s` after the one before, or no upstream of the tier can take the request.
    pub enabled: bool,
    /// Know conversations from other routers too, through the Redis of `cache.redis_url`. Each request then asks it.
    pub shared: bool,
    /// After so long without a request a conversation is free again, in seconds.
    #[schemars(range(min = 1, max = 31_536_000))]
    pub idle_s: u64,
    /// How long providers keep a prompt cache, in seconds.
    #[schemars(range(max = 31_536_000))]
    pub cache_s: u64,
    /// Go down before that where the next turn is cheaper there, all of its input read anew.
    pub down_when_cheaper: bool,
    /// Raise a tool loop by one tier when its tool results fail again and again.
    pub up_when_stuck: bool,
    /// How many conversations are remembered.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub max_entries: u64,
}

impl Session {
    pub(super) fn validate(&self, cache: &Cache, merged: &Merged, problems: &mut Vec<Problem>) {
        if self.shared && cache.redis_url.is_none() {
            let hint = "set cache.redis_url (or REDIS_URL), or session.shared = false";
            problems.push(merged.problem("session.shared", "there is no Redis to share through".to_owned(), hint));
        }
    }
}
