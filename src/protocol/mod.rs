//! The OpenAI-shaped words that are spoken at every wall: requests, answers, chunks, usage, errors.
//!
//! Enters: bytes. Leaves: views that borrow from those bytes, and edits of them in place.
//! Never performs I/O, never decides anything, never re-serialises what it does not change.
//! Read `chat.rs` first: requests as they pass through; then `conversation/`: requests read in full, and
//! `completion.rs`: answers written here, for the dialects that are translated.

mod answer;
mod arrival;
mod caller;
mod chat;
pub mod completion;
pub mod conversation;
mod digits;
mod embeddings;
mod error;
mod hash;
mod members;
mod nearest;
mod patch;
mod reasoning;
mod request_id;
mod text;
mod timestamp;
mod tokens;
mod usage;

pub use answer::{AnswerView, ChunkView};
pub use arrival::Arrival;
pub use caller::Caller;
pub use chat::{ChatRequest, Content, Message, RequestError, UsageChunk};
pub use conversation::Conversation;
pub use digits::digit_groups;
pub use embeddings::{EmbeddingsRequest, EmbeddingsView};
pub use error::{ErrorBody, ErrorEnvelope};
pub use hash::{FieldHash, fnv1a, short_hash};
pub use members::Members;
pub use nearest::nearest_word;
pub use reasoning::{ANTHROPIC, GEMINI, ReasoningDetail};
pub use request_id::RequestId;
pub use text::first_chars;
pub use timestamp::{Timestamp, TimestampError};
pub use tokens::estimate;
pub use usage::{Count, TokenBuckets, TokenUsage, UsageSource};
