//! Groq: strict about fields (any that it does not know is a 400), with classes of service of its own, and with a
//! member `x_groq` in which a stream may have its usage and its error.

use super::super::Source;
use super::super::error_body::{Meant, When};
use super::super::listing::Listing;
use super::quirks::{Answers, Call, Errors, Fields, Quirks, Read, Roles, Stop, Takes, Usage, Word};
use crate::protocol::UsageChunk;

pub(super) const QUIRKS: Quirks = Quirks {
    source: &[
        Source { page: "https://console.groq.com/docs/openai", read: "2026-11-30" },
        Source { page: "https://console.groq.com/docs/api-reference#chat-create", read: "2026-11-25" },
        Source { page: "https://console.groq.com/docs/service-tiers", read: "2026-11-30" },
        Source { page: "https://console.groq.com/docs/errors", read: "2026-11-25" },
        Source {
            page: "https://github.com/groq/groq-python/blob/main/src/groq/types/chat/chat_completion_chunk.py",
            read: "2026-11-25",
        },
    ],
    call: Call::PLAIN,
    fields: Fields {
        allowed_tools: false,
        words: &[
            Word::new("service_tier", "default", Some("on_demand")),
            Word::new("service_tier", "priority", Some("performance")),
            Word::new("service_tier", "scale", None),
            Word::new("reasoning_effort", "minimal", Some("low")),
            Word::new("reasoning_effort", "xhigh", Some("high")),
            Word::new("reasoning_effort", "max", Some("high")),
        ],
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
        ..Roles::PLAIN
    },
    stop: Stop::TextOrList,
    answers: Answers::PutRight { carries: None },
    finish: &[],
    usage: Usage { chunk: UsageChunk::Ask, elsewhere: Some("/x_groq/usage"), cached: None, has_tier: false },
    errors: Errors {
        elsewhere: Some("/x_groq/error"),
        statuses: &[
            // The model wrote a malformed tool call or invalid JSON. A retry, or another model, may succeed.
            Meant { status: 400, when: When::Code(&["tool_use_failed", "json_validate_failed"]), means: 502 },
            // Its flexible capacity is used up.
            Meant { status: 498, when: When::Always, means: 503 },
        ],
    },
    probe: Listing::PLAIN,
};

/// The fields that it takes.
const FIELDS: &[&str] = &[
    "model",
    "messages",
    "temperature",
    "top_p",
    "max_tokens",
    "max_completion_tokens",
    "stream",
    "stream_options",
    "stop",
    "seed",
    "response_format",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "presence_penalty",
    "frequency_penalty",
    "reasoning_effort",
    "reasoning_format",
    "include_reasoning",
    "service_tier",
    "user",
    "search_settings",
    "compound_custom",
    "citation_options",
    "documents",
    "disable_tool_validation",
];
