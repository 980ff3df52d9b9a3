//! What is sent to providers and what comes back: one sender, and pure translation.
//!
//! Enters: an upstream, a parsed request, bytes. Leaves: outbound requests, answers, errors that say
//! what the caller may do about them. Only `client.rs` performs I/O; nothing here decides, retries or
//! records. Read `client.rs` first.

mod client;
mod error;
mod openai;
mod sse;
mod target;

pub use client::{Client, Reply};
pub use error::{ProviderError, Verdict};
pub use openai::{encode, error_from_answer};
pub use sse::{SseSplitter, TooLong, data};
pub use target::{Pricing, Target, base_headers};
