//! Mistral: strict about fields (any that it does not know is a 422), about the order of roles and about ids of calls.

use serde_json::value::RawValue;

use super::super::drops::{Drops, EncodeError};
use super::super::json::{list, quote};
use super::super::listing::{Listing, Sign};
use super::super::{Context, Source};
use super::quirks::{Answers, Call, Developer, Errors, Fields, Quirks, Read, Roles, Stop, Takes, Usage};
use crate::protocol::{Members, UsageChunk, fnv1a};

pub(super) const QUIRKS: Quirks = Quirks {
    source: &[
        Source { page: "https://docs.mistral.ai/api", read: "2026-11-25" },
        // In the words of its own refusals: the form of ids, and no user directly after a tool.
        Source { page: "https://github.com/nearai/ironclaw/issues/1241", read: "2026-11-30" },
        Source { page: "https://github.com/onyx-dot-app/onyx/issues/6458", read: "2026-11-30" },
    ],
    call: Call::PLAIN,
    fields: Fields {
        allowed_tools: false,
        renames: &[("max_completion_tokens", "max_tokens"), ("seed", "random_seed")],
        edit: effort,
        takes: Takes::Only { names: FIELDS, prefixes: &[] },
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
        name: false,
        empty_arguments: false,
        developer: Developer::System,
        place,
    },
    stop: Stop::TextOrList,
    answers: Answers::PutRight { carries: None },
    finish: &[("model_length", "length")],
    // It reports by itself, in the chunk with the finish reason, and refuses the option.
    usage: Usage { chunk: UsageChunk::Remove, elsewhere: None, cached: Some("num_cached_tokens"), has_tier: true },
    errors: Errors::PLAIN,
    probe: Listing { chats: &[Sign::IsNot("/capabilities/completion_chat", false)], ..Listing::PLAIN },
};

/// The fields that it takes.
const FIELDS: &[&str] = &[
    "model",
    "messages",
    "temperature",
    "top_p",
    "max_tokens",
    "stream",
    "stop",
    "random_seed",
    "metadata",
    "response_format",
    "tools",
    "tool_choice",
    "presence_penalty",
    "frequency_penalty",
    "n",
    "prediction",
    "parallel_tool_calls",
    "reasoning_effort",
    "prompt_mode",
    "guardrails",
    "prompt_cache_key",
    "safe_prompt",
];

/// Its models think or do not.
#[expect(clippy::unnecessary_wraps, reason = "it is a quirk's algorithm, and others may fail")]
fn effort(body: &mut Members<'_>, _: &Context<'_>, _: &mut Drops) -> Result<bool, EncodeError> {
    let effort = match body.get("reasoning_effort") {
        None | Some("null" | "\"none\"" | "\"high\"") => return Ok(false),
        Some("\"minimal\"") => "\"none\"",
        Some(_) => "\"high\"",
    };
    body.set("reasoning_effort", effort);
    Ok(true)
}

/// Puts an assistant between a tool and a user, ids of nine letters or digits on calls, files in its own form; leaves
/// out turns and lists of calls that are empty.
#[expect(clippy::unnecessary_wraps, reason = "it is a quirk's algorithm, and others may fail")]
fn place<'a>(
    mut message: Members<'a>,
    _: usize,
    written: &mut Vec<Members<'a>>,
    _: &mut Drops,
) -> Result<(), EncodeError> {
    if says_nothing(&message) {
        return Ok(());
    }
    let role = message.get("role").unwrap_or_default().to_owned();
    let after_tool = written.last().is_some_and(|before| before.get("role") == Some("\"tool\""));
    if after_tool && role == "\"user\"" {
        let mut bridge = Members::default();
        bridge.set("role", "\"assistant\"");
        bridge.set("content", "\"OK.\"");
        written.push(bridge);
    }
    if let Some(id) = message.get("tool_call_id").and_then(|id| serde_json::from_str::<String>(id).ok()) {
        message.set("tool_call_id", quote(&nine(&id)));
    }
    if let Some(parts) = message.get("content").filter(|content| content.starts_with('[')).and_then(with_documents) {
        message.set("content", parts);
    }
    match message.get("tool_calls") {
        None => {}
        Some("null" | "[]") => {
            message.remove("tool_calls");
        }
        Some(calls) => {
            let calls: Vec<&RawValue> = serde_json::from_str(calls).unwrap_or_default();
            let calls: Vec<String> = calls
                .into_iter()
                .map(|call| {
                    let Some(mut members) = Members::parse(call.get()) else { return call.get().to_owned() };
                    if let Some(id) = members.get("id").and_then(|id| serde_json::from_str::<String>(id).ok()) {
                        members.set("id", quote(&nine(&id)));
                    }
                    members.remove("index");
                    members.to_json()
                })
                .collect();
            message.set("tool_calls", list(calls));
        }
    }
    if role == "\"assistant\"" && !message.has("tool_calls") && !message.has("content") {
        message.set("content", "\"\"");
    }
    written.push(message);
    Ok(())
}

/// An assistant message with neither text nor calls.
fn says_nothing(message: &Members<'_>) -> bool {
    let content = message.get("content").unwrap_or("null");
    message.get("role") == Some("\"assistant\"")
        && matches!(content, "null" | "\"\"" | "[]")
        && message.get("tool_calls").is_none_or(|calls| matches!(calls, "null" | "[]"))
}

/// Content parts with files as its documents; `None` if there are none.
fn with_documents(content: &str) -> Option<String> {
    memchr::memmem::find(content.as_bytes(), b"\"file\"")?;
    let parts: Vec<&RawValue> = serde_json::from_str(content).ok()?;
    let written = parts.into_iter().map(|part| {
        let file = Members::parse(part.get()).and_then(|part| Some(Members::parse(part.get("file")?)?.to_json()));
        let Some(file) = file.as_deref().and_then(Members::parse) else { return part.get().to_owned() };
        match (file.get("file_data").or(file.get("file_url")), file.get("file_id")) {
            (Some(url), _) => format!(r#"{{"type":"document_url","document_url":{url}}}"#),
            (None, Some(id)) => format!(r#"{{"type":"file","file_id":{id}}}"#),
            (None, None) => part.get().to_owned(),
        }
    });
    Some(list(written))
}

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// An id as it wants it: nine letters or digits. The same for the same id; its own ids stay.
fn nine(id: &str) -> String {
    if id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return id.to_owned();
    }
    let mut hash = fnv1a(id.as_bytes());
    (0..9)
        .map(|_| {
            let digit = DIGITS[usize::try_from(hash % 62).unwrap_or(0)];
            hash /= 62;
            char::from(digit)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::messages::edited;
    use super::*;
    use crate::catalog::Provider;

    #[test]
    fn calls_get_ids_of_nine_and_an_assistant_stands_between_tool_and_user() {
        let messages = r#"[{"role":"developer","content":"d"},
            {"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"}}]},
            {"role":"tool","tool_call_id":"call_1","content":"r"},{"role":"user","content":"u"}]"#;
        let written: serde_json::Value = serde_json::from_str(&edited(Provider::Mistral, messages).unwrap()).unwrap();
        let roles: Vec<_> =
            written.as_array().unwrap().iter().map(|message| message["role"].as_str().unwrap()).collect();
        assert_eq!(roles, ["system", "assistant", "tool", "assistant", "user"]);
        let id = written[1]["tool_calls"][0]["id"].as_str().unwrap();
        assert_eq!(id.len(), 9);
        assert_eq!(written[2]["tool_call_id"], id);
        assert_eq!(nine("Ab3456789"), "Ab3456789");
        assert_ne!(nine("call_1"), nine("call_2"));
    }
}
