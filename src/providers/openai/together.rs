//! Together: an older form of `stop`, of `logprobs` and of finish reasons.

use serde::Deserialize;

use super::super::drops::{Drops, EncodeError};
use super::super::error_body::{Meant, When};
use super::super::json::quote;
use super::super::listing::{Listing, Sign};
use super::super::{Context, Source};
use super::quirks::{Answers, Call, Developer, Errors, Fields, Quirks, Read, Roles, Stop, Takes, Usage};
use crate::protocol::{Members, UsageChunk};

pub(super) const QUIRKS: Quirks = Quirks {
    source: &[
        Source { page: "https://docs.together.ai/reference/chat-completions-1", read: "2026-11-25" },
        Source { page: "https://github.com/togethercomputer/openapi", read: "2026-11-30" },
        Source { page: "https://docs.together.ai/docs/error-codes", read: "2026-11-25" },
    ],
    call: Call::PLAIN,
    fields: Fields {
        allowed_tools: false,
        renames: &[("max_completion_tokens", "max_tokens")],
        edit: logprobs,
        takes: Takes::AllBut(REFUSED),
        cache_marks: false,
        ..Fields::PLAIN
    },
    roles: Roles { read: Read::All, developer: Developer::System, place, ..Roles::PLAIN },
    stop: Stop::List,
    answers: Answers::PutRight { carries: None },
    finish: &[("eos", "stop")],
    // It reports by itself, in the last chunk.
    usage: Usage { chunk: UsageChunk::Remove, ..Usage::PLAIN },
    errors: Errors {
        elsewhere: None,
        // The text and its answer are longer than the context.
        statuses: &[Meant { status: 403, when: When::TooLong, means: 400 }],
    },
    probe: Listing { chats: &[Sign::OneOf("/type", &["chat", "language"])], ..Listing::PLAIN },
};

/// What its API has no word for.
const REFUSED: &[&str] = &[
    "stream_options",
    "parallel_tool_calls",
    "user",
    "store",
    "metadata",
    "service_tier",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "prediction",
    "verbosity",
    "modalities",
    "audio",
    "web_search_options",
];

/// The number of alternatives instead of `logprobs: true`.
#[expect(clippy::unnecessary_wraps, reason = "it is a quirk's algorithm, and others may fail")]
fn logprobs(body: &mut Members<'_>, _: &Context<'_>, _: &mut Drops) -> Result<bool, EncodeError> {
    match body.get("logprobs") {
        Some("true") => {
            let count =
                body.get("top_logprobs").filter(|count| *count != "null" && *count != "0").unwrap_or("1").to_owned();
            body.set("logprobs", count);
        }
        Some("false") => {
            body.remove("logprobs");
        }
        _ => {}
    }
    body.remove("top_logprobs");
    Ok(true)
}

/// A tool's result is text.
fn place<'a>(
    mut message: Members<'a>,
    index: usize,
    written: &mut Vec<Members<'a>>,
    drops: &mut Drops,
) -> Result<(), EncodeError> {
    if message.get("role") == Some("\"tool\"") {
        plain_text(&mut message, index, drops)?;
    }
    written.push(message);
    Ok(())
}

/// A content of text parts as one text.
fn plain_text(message: &mut Members<'_>, index: usize, drops: &mut Drops) -> Result<(), EncodeError> {
    #[derive(Deserialize)]
    struct Part {
        #[serde(default)]
        text: Option<String>,
    }
    let parts = message.get("content").and_then(|content| serde_json::from_str::<Vec<Part>>(content).ok());
    if let Some(parts) = parts {
        if let Some(at) = parts.iter().position(|part| part.text.is_none()) {
            drops.cannot(&format!("messages[{index}].content[{at}]"), "a tool's result is text there")?;
        }
        let texts: Vec<String> = parts.into_iter().filter_map(|part| part.text).collect();
        message.set("content", quote(&texts.join("\n")));
    }
    Ok(())
}
