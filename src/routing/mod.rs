//! How strong a model a request needs, and in which order upstreams are tried.
//!
//! Enters: a parsed request and plain values. Leaves: a [`Decision`] and an order of upstreams.
//! Performs no I/O of its own: a classifier that asks a model is given its sender. Knows nothing of
//! HTTP, the history or the cache. Read `decision.rs` first.

mod classifier;
mod decision;
mod forced;
mod order;

pub use classifier::{
    Ask, AskError, AskPiece, Classified, Classifier, Embedded, Failure, Feature, Input, LlmClassifier, LlmSettings,
    Thresholds, input,
};
pub use decision::{Decision, Source};
pub use forced::{TIER_HEADER, forced};
pub use order::{Ranked, attempt_order};
