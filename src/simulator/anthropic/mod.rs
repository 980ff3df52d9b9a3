//! Anthropic's messages, strictly: what the real API refuses is refused.
//!
//! Sources: <https://platform.claude.com/docs/en/api/messages/create>, the types of Anthropic's Python SDK 2.14.0,
//! <https://platform.claude.com/docs/en/build-with-claude/extended-thinking>,
//! <https://platform.claude.com/docs/en/agents-and-tools/tool-use/handle-tool-calls>,
//! <https://platform.claude.com/docs/en/build-with-claude/structured-outputs>,
//! <https://platform.claude.com/docs/en/build-with-claude/streaming> and
//! <https://platform.claude.com/docs/en/api/errors> (read 2026-11-25).

mod answer;
mod asked;
mod blocks;
mod cache;
mod fields;
mod messages;
mod model;
mod output;
mod shape;
mod thinking;
mod tools;

pub(super) use answer::{error, error_event, events, whole};
pub(super) use asked::understand;

use poem::http::HeaderMap;
use serde_json::Value;

use super::turn::Refusal;
use cache::check_markers;
use fields::{check_fields, check_scalars};
use messages::{check_messages, check_prefill, check_system};
use model::Model;
use output::check_output;
use shape::{list, refuse};
use thinking::check_thinking;
use tools::{check_choice, check_tools};

/// What a check finds.
type Checked = Result<(), Refusal>;

/// Checks a request as the real API does; the refusal if it fails. Who asks is checked elsewhere.
pub(super) fn check(
    headers: &HeaderMap,
    asked: &Value,
    _model_in_path: &str,
    _stream_in_path: bool,
) -> Result<(), Refusal> {
    let version = check_version(headers)?;
    let Some(fields) = asked.as_object() else { return refuse("Input should be a valid dictionary") };
    let beta = headers.contains_key("anthropic-beta");
    check_fields(fields, version, beta)?;
    check_scalars(asked)?;
    check_tools(list(&asked["tools"]))?;
    check_choice(asked)?;
    check_output(asked, beta)?;
    check_system(&asked["system"])?;
    check_messages(asked, version)?;
    check_markers(asked)?;
    check_thinking(asked)?;
    check_prefill(asked)?;
    let name = asked["model"].as_str().unwrap_or_default();
    Model::named(name).map_or(Ok(()), |model| model.check(name, asked))
}

/// Which version of the API a request speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Older,
    /// 2026-10-21.
    Newest,
}

fn check_version(headers: &HeaderMap) -> Result<Version, Refusal> {
    match headers.get("anthropic-version").map(|value| value.to_str().unwrap_or_default()) {
        None => refuse("anthropic-version: header is required"),
        Some("2026-10-21") => Ok(Version::Newest),
        Some("2023-06-01" | "2023-01-01") => Ok(Version::Older),
        Some(other) => refuse(format!("anthropic-version: \"{other}\" is not a valid version")),
    }
}
