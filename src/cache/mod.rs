//! What is remembered, so that it need not be made again: decisions, and whole answers.
//!
//! Enters: a key (a hash of everything that a decision or an answer depends on) and what it is for. Leaves: that, or a
//! miss. Never fails a request: a Redis that is slow or gone is a miss. Read `decisions.rs` first.

mod answers;
mod decisions;
mod recent;
mod redis;

pub use answers::{AnswerKey, Answers, Kept};
pub use decisions::{Cache, Key, Remembered};
pub use recent::Recent;
pub use redis::{Gone, Redis};
