//! How strong a model a request needs, and in which order upstreams are tried.
//!
//! Enters: a parsed request and plain values. Leaves: a [`Decision`] and an order of upstreams.
//! Performs no I/O of its own: a classifier that asks a model is given its sender. Knows nothing of
//! HTTP, the history or the cache. Read `decision.rs` first.

mod classifier;
mod decision;
mod forced;
mod order;
mod rules;
mod session;

pub use classifier::{
    Ask, AskError, AskPiece, Classified, Classifier, Counts, Embedded, Failure, Feature, Input, LlmClassifier,
    LlmSettings, Model, OUTCOME, QUESTION, REQUEST, SLOTS, Scales, Scan, Step, Sums, Thresholds, Token,
    UnreadableModel, damped, failures, hash_of, hex, input, opening, scan,
};
pub use decision::{Decision, Source};
pub use forced::{TIER_HEADER, forced};
pub use order::{Ranked, attempt_order};
pub use rules::{Facts, Ruled, Rules};
pub use session::{Pin, Rule as SessionRule, Warm, keeps, turn};
