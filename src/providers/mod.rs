//! What is sent to providers and what comes back: one sender, and pure translation.
//!
//! Enters: an upstream, a parsed request, bytes. Leaves: outbound requests, answers, errors that say
//! what the caller may do about them. Only `client.rs`, `pictures.rs` and `probe.rs` perform I/O; nothing here decides, retries
//! or records. Read `client.rs` first, then `dialect.rs`; each dialect that is translated has a folder.

mod anthropic;
mod client;
mod cohere;
mod dialect;
mod drops;
mod error;
mod error_body;
mod gemini;
mod json;
mod listing;
mod openai;
mod pictures;
mod pieces;
pub mod probe;
mod retry_after;
mod source;
mod sse;
mod target;
mod turn_store;

pub use client::{Client, Reply};
pub use dialect::{Answer, Context, Dialect, Fetched, Outbound, Translator};
pub use drops::EncodeError;
pub use error::{ProviderError, Verdict};
pub use error_body::{is_error, read_error};
pub use listing::{Listed, page as list_page};
pub use openai::Normaliser;
pub use pictures::{PictureError, Pictures};
pub(crate) use retry_after::whole_seconds;
pub use source::{Source, sources};
pub use sse::{SseSplitter, TooLong, data};
pub use target::{Pricing, Target, base_headers};
pub use turn_store::{StoredTurn, TurnStore};
