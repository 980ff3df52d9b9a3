//! OpenAI's chat dialect, in which requests and answers pass through byte for byte but for the fields that
//! must change; and its relatives, each with a file that says what is special about it and where that is written.
//!
//! Read `quirks.rs` first, then a relative's file (`groq.rs`). `request.rs`, `messages.rs` and `answer.rs` do what the
//! quirks say. A new relative is a file of its own and a line in `quirks.rs`.

mod answer;
mod azure;
mod compatible;
mod embeddings;
mod groq;
mod messages;
mod mistral;
mod model;
mod ollama;
#[expect(clippy::module_inception, reason = "each relative's file has its provider's name, and this is OpenAI itself")]
mod openai;
mod openrouter;
mod perplexity;
mod quirks;
mod request;
mod together;
mod whole;
mod xrouter;

pub(super) use answer::Normaliser;
pub use embeddings::read_embeddings;
pub(super) use quirks::{CallAt, Key, quirks};
pub(super) use request::encode;
pub(super) use whole::whole;
