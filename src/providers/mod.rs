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
mod failure;
mod gemini;
mod json;
mod listing;
mod memory;
mod openai;
mod pictures;
mod pieces;
pub mod probe;
mod source;
mod sse;
mod target;
mod wait;

pub use client::{Client, Reply};
pub use dialect::{Answer, Context, Dialect, Fetched, Outbound, Translator};
pub use drops::EncodeError;
pub use error::{ProviderError, Verdict};
pub use failure::{is_error, read as failure};
pub use listing::{Listed, page as list_page};
pub use memory::{Kept, Memory};
pub use openai::Normaliser;
pub use pictures::{PictureError, Pictures};
pub use source::{Source, sources};
pub use sse::{SseSplitter, TooLong, data};
pub use target::{Pricing, Target, base_headers};
pub(crate) use wait::whole_seconds;
