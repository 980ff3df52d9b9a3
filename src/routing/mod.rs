//! How strong a model a request needs, and in which order upstreams are tried.
//!
//! Enters: a parsed request and plain values. Leaves: a [`Decision`] and an order of upstreams. Whoever decides calls
//! [`Policy::decide`], live or again from the history.
//! Performs no I/O of its own: a classifier that asks a model is given its sender. Knows nothing of
//! HTTP, the history or the cache. Read `policy.rs` first.

mod classifier;
mod decision;
mod facts;
mod forced;
mod need;
mod order;
mod policy;
mod rules;
mod session;

pub use classifier::{
    Ask, AskError, AskPiece, Classified, Classifier, Embedded, Failure, Feature, Input, LlmClassifier, LlmSettings,
    Model, Templates, Thresholds, UnreadableModel, in_chinese, input, input_within, opening, prepare,
};
pub use decision::{Decision, Verdict};
pub use facts::{Facts, Named, Recalled};
pub use forced::{TIER_HEADER, UnknownName, named};
pub use need::{Need, tier_in_words};
pub use order::{Ranked, attempt_order};
pub use policy::{Decided, Policy};
pub use rules::{Rules, Unapplied};
pub use session::{Pin, PromptCacheState, SessionRule};

/// The embedded classifier's inside, for who makes and judges one. Nothing that serves needs it.
pub mod inside {
    pub use super::classifier::{
        Counts, FRONTIER, GROUPS, LETTER_SLOTS, MEDIUM, Mix, OUTCOME, Platt, QUESTION, SUMS, Scales, Scan, Slots, Sums,
        Token, Vocabulary, WORD_SLOTS, damped, hash_of, scan, squared,
    };
}
