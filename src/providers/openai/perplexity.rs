//! Perplexity: the system first and only there, then user and assistant in turn.

use serde_json::value::RawValue;

use super::super::drops::{Drops, EncodeError};
use super::super::json::{list, quote};
use super::super::listing::Listing;
use super::super::{Context, Source};
use super::quirks::{Answers, Call, Developer, Errors, Fields, Quirks, Read, Roles, Stop, Takes, Usage};
use super::request::leave_unsaid;
use crate::protocol::{Members, UsageChunk};

pub(super) const QUIRKS: Quirks = Quirks {
    source: &[
        Source { page: "https://docs.perplexity.ai/guides/chat-completions-guide", read: "2026-11-25" },
        Source {
            page: "https://github.com/perplexityai/perplexity-py/blob/main/src/perplexity/types/chat/completion_create_params.py",
            read: "2026-11-30",
        },
        // The older reference: roles alternate.
        Source { page: "https://pplx.readme.io", read: "2026-11-30" },
        // In the words of its own refusals: penalties, and forms of an answer.
        Source { page: "https://github.com/logancyang/obsidian-copilot/issues/431", read: "2026-11-30" },
        Source { page: "https://github.com/567-labs/instructor/issues/1005", read: "2026-11-30" },
    ],
    call: Call::PLAIN,
    fields: Fields {
        allowed_tools: false,
        renames: &[("max_completion_tokens", "max_tokens")],
        edit: in_part,
        takes: Takes::Only { names: FIELDS, prefixes: &["search_", "return_"] },
        cache_marks: false,
        ..Fields::PLAIN
    },
    roles: Roles {
        read: Read::All,
        removes: &[
            "reasoning_details",
            "provider_fields",
            "reasoning_content",
            "reasoning",
            "refusal",
            "annotations",
            "audio",
            "function_call",
        ],
        developer: Developer::System,
        place,
        ..Roles::PLAIN
    },
    stop: Stop::TextOrList,
    answers: Answers::PutRight { carries: None },
    finish: &[],
    // It reports by itself, in every chunk: the last counts.
    usage: Usage { chunk: UsageChunk::Remove, ..Usage::PLAIN },
    errors: Errors::PLAIN,
    probe: Listing::PLAIN,
};

/// The fields that it takes, besides those with a prefix.
const FIELDS: &[&str] = &[
    "model",
    "messages",
    "temperature",
    "top_p",
    "top_k",
    "max_tokens",
    "stream",
    "stream_mode",
    "stop",
    "n",
    "logprobs",
    "top_logprobs",
    "response_format",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "presence_penalty",
    "frequency_penalty",
    "reasoning_effort",
    "web_search_options",
    "language_preference",
    "enable_search_classifier",
    "disable_search",
    "last_updated_after_filter",
    "last_updated_before_filter",
];

/// What it takes in part only.
fn in_part(body: &mut Members<'_>, _: &Context<'_>, drops: &mut Drops) -> Result<bool, EncodeError> {
    // It refuses even a penalty of zero.
    leave_unsaid(body, &["presence_penalty", "frequency_penalty"]);
    let negative = body.get("frequency_penalty").is_some_and(|value| value.starts_with('-'));
    if negative {
        drops.cannot("frequency_penalty", "it must be above 0 there")?;
        body.remove("frequency_penalty");
    }
    let object = body.get("response_format").and_then(Members::parse);
    if object.is_some_and(|format| format.get("type") == Some("\"json_object\"")) {
        drops.cannot("response_format", "it takes a JSON schema only")?;
        body.remove("response_format");
    }
    Ok(true)
}

/// What one says after itself is said at once, and the system's text all at the front.
#[expect(clippy::unnecessary_wraps, reason = "it is a quirk's algorithm, and others may fail")]
fn place<'a>(message: Members<'a>, _: usize, written: &mut Vec<Members<'a>>, _: &mut Drops) -> Result<(), EncodeError> {
    match goes_on_with(&message, written) {
        Some(before) => merge(before, &message),
        None => written.push(message),
    }
    Ok(())
}

/// The message that this one goes on with.
fn goes_on_with<'w, 'a>(message: &Members<'a>, written: &'w mut Vec<Members<'a>>) -> Option<&'w mut Members<'a>> {
    let is_system = |message: &Members<'_>| message.get("role") == Some("\"system\"");
    if is_system(message) {
        let has_system = written.first().is_some_and(is_system);
        if !has_system && !written.is_empty() {
            let mut system = Members::default();
            system.set("role", "\"system\"");
            system.set("content", "\"\"");
            written.insert(0, system);
        }
        return written.first_mut().filter(|first| is_system(first));
    }
    let begins = written.last().is_none_or(is_system);
    if begins && message.get("role") == Some("\"assistant\"") {
        let mut user = Members::default();
        user.set("role", "\"user\"");
        user.set("content", "\"(empty message)\"");
        written.push(user);
    }
    written.last_mut().filter(|before| same_speaker(before, message))
}

fn same_speaker(before: &Members<'_>, message: &Members<'_>) -> bool {
    let role = message.get("role").unwrap_or_default();
    matches!(role, "\"user\"" | "\"assistant\"")
        && before.get("role") == Some(role)
        && !message.has("tool_calls")
        && !before.has("tool_calls")
}

fn merge(before: &mut Members<'_>, message: &Members<'_>) {
    let [one, other] =
        [before.get("content"), message.get("content")].map(|content| content.unwrap_or("null").to_owned());
    let merged = match (serde_json::from_str::<String>(&one), serde_json::from_str::<String>(&other)) {
        (Ok(one), Ok(other)) if one.is_empty() => quote(&other),
        (Ok(one), Ok(other)) => quote(&format!("{one}\n\n{other}")),
        _ => list(parts(&one).into_iter().chain(parts(&other))),
    };
    before.set("content", merged);
}

/// A content as parts.
fn parts(content: &str) -> Vec<String> {
    match serde_json::from_str::<Vec<&RawValue>>(content) {
        Ok(parts) => parts.into_iter().map(|part| part.get().to_owned()).collect(),
        Err(_) if content == "null" => Vec::new(),
        Err(_) => vec![format!(r#"{{"type":"text","text":{content}}}"#)],
    }
}

#[cfg(test)]
mod tests {
    use super::super::messages::edited;
    use crate::catalog::Provider;

    #[test]
    fn users_and_assistants_speak_in_turn() {
        let messages = r#"[{"role":"user","content":"a"},{"role":"user","content":[{"type":"text","text":"b"}]}]"#;
        let written = edited(Provider::Perplexity, messages).unwrap();
        assert_eq!(written, r#"[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]"#);
    }
}
