//! OpenAI's chat dialect, in which requests and answers pass through byte for byte but for the fields that
//! must change; and its relatives, each with a short list of edits.
//!
//! `docs/providers.md` lists the edits with their sources. Read `request.rs` first.

mod answer;
mod messages;
mod model;
mod request;

pub use answer::Normaliser;
pub(super) use request::encode;
