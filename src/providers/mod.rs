//! What is sent to providers and what comes back: one sender, and pure translation.
//!
//! Enters: an upstream, a parsed request, bytes. Leaves: outbound requests, answers, errors that say
//! what the caller may do about them. Only `client.rs`, `pictures.rs` and `probe.rs` perform I/O; nothing here decides, retries
//! or records. Read `dialect.rs` first, then `client.rs` and `stream_reader.rs`; each dialect has a folder.

mod anthropic;
mod auth;
mod client;
mod cohere;
mod connector;
mod dialect;
mod drops;
mod error;
mod error_body;
mod framing;
mod gemini;
mod json;
mod listing;
mod openai;
mod original;
mod pictures;
mod pieces;
mod plain;
pub mod probe;
mod retry_after;
mod source;
mod sse;
mod stream_reader;
mod target;
mod translator;
mod turn_store;

pub use auth::base_headers;
pub use client::{Client, ClientError, Reply};
pub use dialect::{Answer, Asked, Context, Dialect, Fetched, Outbound};
pub use drops::EncodeError;
pub use error::{ProviderError, Verdict};
pub use error_body::{is_error, read_error};
pub use framing::{Frames, Framing};
pub use listing::{Listed, page as list_page};
pub use openai::read_embeddings;
pub use original::Original;
pub use pictures::{PictureError, Pictures, Wanted};
pub(crate) use retry_after::whole_seconds;
pub use source::{Source, sources};
pub use sse::TooLong;
pub use stream_reader::{Listener, StreamReader, Told};
pub use target::{Pricing, Target};
pub use turn_store::{StoredTurn, TurnStore};
