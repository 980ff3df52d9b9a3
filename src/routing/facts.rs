//! What a decision is made from, besides what a classifier says.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::catalog::{Step, Tier};

/// Everything about a request that a decision looks at. `None` is what the caller does not know: a rule that looks at it
/// is not guessed, and is told in [`Decided::unknown`](super::Decided::unknown).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts<'a> {
    /// The tier that the client names, and by what.
    pub named: Option<Named>,
    /// What kind of step it is.
    pub step: Option<Step>,
    /// The text that is classified.
    pub text: Option<Cow<'a, str>>,
    /// Characters of that text, where the text itself is not known.
    pub text_chars: Option<u64>,
    /// Input tokens, as estimated.
    pub tokens: Option<u64>,
    /// How many tools it offers.
    pub tools: Option<u64>,
    /// How many tool results tell of a failure.
    pub failures: Option<u64>,
    /// The model that it asks for.
    pub model: Option<Cow<'a, str>>,
    /// The name of the key that it came with; empty if it came without one.
    pub key: Option<Cow<'a, str>>,
    /// Its `reasoning_effort`; empty if it has none.
    pub effort: Option<Cow<'a, str>>,
    /// Those of its headers that rules look at, names in lower case.
    pub headers: Option<Cow<'a, [(String, String)]>>,
    /// When it arrived, in UTC epoch milliseconds.
    pub now_ms: i64,
    /// What is known of rules that were looked at when it was decided first.
    pub recalled: Vec<Recalled>,
}

/// What names a tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Named {
    /// The header `X-Xrouter-Tier`.
    ByHeader(Tier),
    /// The model `xrouter/cheap` and the like.
    ByModel(Tier),
}

/// A rule that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recalled {
    /// The rule's [`mark`](super::Rules::marks): its name and a hash of all that it says.
    pub mark: String,
    /// Whether it held.
    pub held: bool,
}
