//! The OpenAI-shaped words that are spoken at every wall: requests, answers, chunks, usage, errors.
//!
//! Enters: bytes. Leaves: views that borrow from those bytes, and edits of them in place.
//! Never performs I/O, never decides anything, never re-serialises what it does not change.
//! Read `chat.rs` first.

mod answer;
mod chat;
mod error;
mod request_id;
mod timestamp;
mod usage;

pub use answer::{AnswerView, ChunkView};
pub use chat::{ChatRequest, Content, Message, RequestError, UsageChunk};
pub use error::{ErrorBody, ErrorEnvelope};
pub use request_id::RequestId;
pub use timestamp::{Timestamp, TimestampError};
pub use usage::{TokenUsage, UsageSource};
