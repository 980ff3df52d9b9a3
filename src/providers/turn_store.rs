//! What a provider needs back of its own earlier turns, word for word, and what clients lose of it.
//!
//! Signed and encrypted thoughts travel to the client in `reasoning_details`. Many clients drop that
//! field, and some change the ids of tool calls (OpenClaw keeps letters and digits only), so the turn is
//! also kept here: bounded in bytes and in time, found again by what every client keeps.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;

use crate::catalog::Provider;
use crate::protocol::FieldHash;

/// Most bytes that are kept.
const LARGEST: u64 = 32 * 1024 * 1024;
/// How long a turn is kept after its last use.
const IDLE: Duration = Duration::from_hours(6);

/// A turn's name: what it says and calls, and for whom.
type TurnKey = [u8; 16];

/// Turns as their providers wrote them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TurnStore(Cache<TurnKey, Arc<str>>);

/// A turn that its provider will want back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTurn {
    /// What it says.
    pub text: String,
    /// Ids and names of its tool calls.
    pub calls: Vec<(String, String)>,
    /// Its content as the provider wrote it, as JSON.
    pub native: String,
}

impl Default for TurnStore {
    fn default() -> Self {
        let weigh = |_: &TurnKey, native: &Arc<str>| u32::try_from(native.len() + 64).unwrap_or(u32::MAX);
        TurnStore(Cache::builder().max_capacity(LARGEST).weigher(weigh).time_to_idle(IDLE).build())
    }
}

impl TurnStore {
    /// Keeps a turn. `scope` is the key that the client came with: nobody finds another's.
    pub fn keep(&self, scope: &str, provider: Provider, turn: &StoredTurn) {
        let calls = turn.calls.iter().map(|(id, name)| (id.as_str(), name.as_str()));
        if let Some(key) = turn_key(scope, provider, &turn.text, calls) {
            self.0.insert(key, Arc::from(turn.native.as_str()));
        }
    }

    /// Finds a turn again.
    #[must_use]
    pub fn recall<'a>(
        &self,
        scope: &str,
        provider: Provider,
        text: &str,
        calls: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Option<Arc<str>> {
        self.0.get(&turn_key(scope, provider, text, calls)?)
    }
}

/// Ids count by their letters and digits only. A turn with calls is known by them, whatever became of its
/// text; one without by its text, whatever became of the blanks around it.
fn turn_key<'a>(
    scope: &str,
    provider: Provider,
    text: &str,
    calls: impl Iterator<Item = (&'a str, &'a str)>,
) -> Option<TurnKey> {
    let mut hash = FieldHash::default();
    hash.add(scope);
    hash.add(provider.as_str());
    let mut any = false;
    for (id, name) in calls {
        any = true;
        let plain: String = id.chars().filter(char::is_ascii_alphanumeric).collect();
        hash.add(plain);
        hash.add(name);
    }
    if !any {
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        hash.add(text);
    }
    Some(hash.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_found_by_what_clients_keep_and_by_its_own_client_only() {
        let turns = TurnStore::default();
        let turn = StoredTurn {
            text: "hm".to_owned(),
            calls: vec![("toolu_0-1".to_owned(), "f".to_owned())],
            native: "[1]".to_owned(),
        };
        turns.keep("k", Provider::Anthropic, &turn);
        let find = |scope, provider, id| turns.recall(scope, provider, "", [(id, "f")].into_iter());
        assert_eq!(find("k", Provider::Anthropic, "toolu01").as_deref(), Some("[1]"));
        assert_eq!(find("other", Provider::Anthropic, "toolu01"), None);
        assert_eq!(find("k", Provider::Gemini, "toolu01"), None);
        assert_eq!(find("k", Provider::Anthropic, "toolu02"), None);
        turns.keep("k", Provider::Gemini, &StoredTurn { calls: Vec::new(), ..turn });
        assert!(turns.recall("k", Provider::Gemini, " hm\n", std::iter::empty()).is_some());
        assert!(turns.recall("k", Provider::Gemini, "", std::iter::empty()).is_none());
    }
}
