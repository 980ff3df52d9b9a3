//! OpenAI's endpoints beside chat completions, strictly: what the real API refuses is refused in its words.
//!
//! Source: OpenAI's API reference as its SDKs repeat it (openai-python 3.54), and refusals that others have seen
//! (read 2026-12-01). Read `serve.rs` first: it knows the order of steps; each endpoint checks and answers.

mod completions;
mod embeddings;
mod form;
mod models;
mod responses;
mod serve;
mod shape;
mod text;

pub(super) use serve::routes;

use serde_json::Value;

use super::Reply;
use super::turn::{Refusal, Usage};
use crate::catalog::Provider;

/// What a check finds.
type Checked = Result<(), Refusal>;

/// One endpoint.
struct Endpoint {
    /// Refuses what the real API refuses; a relative has models of its own.
    check: fn(Provider, &Value) -> Checked,
    /// Answers a request that was checked.
    answer: fn(&Scene<'_>) -> Written,
}

/// A request that was checked, and what is known beside it.
struct Scene<'a> {
    asked: &'a Value,
    reply: &'a Reply,
    /// The model that the answer names.
    model: &'a str,
    /// How many requests there were, which makes ids differ.
    number: u64,
    /// Share of the output that is reasoning, in percent.
    reasoning_percent: u64,
}

/// An answer, written down.
struct Written {
    sent: Sent,
    usage: Usage,
}

/// How an answer is sent.
enum Sent {
    /// At once, and only half of it if it is cut.
    Halved(Value),
    /// At once, after the time that so many pieces take.
    Whole(Value, usize),
    /// As a stream of events, with the event of a failing model.
    Events(Vec<String>, String),
}
