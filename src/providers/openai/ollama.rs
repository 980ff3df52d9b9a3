//! Ollama: the older name of the limit, and no call whose arguments are an empty text.

use super::super::Source;
use super::super::listing::{ListedAt, Listing};
use super::quirks::{Answers, Call, Errors, Fields, Passes, Quirks, Roles, Stop, Usage};

pub(super) const QUIRKS: Quirks = Quirks {
    source: &[
        Source { page: "https://docs.ollama.com/api/openai-compatibility", read: "2026-11-30" },
        // What it refuses of a call's arguments.
        Source { page: "https://github.com/ollama/ollama/blob/main/openai/openai.go", read: "2026-11-30" },
    ],
    call: Call::PLAIN,
    fields: Fields {
        passes: Passes::Without(&[
            b"\"max_completion_tokens\"",
            b"\"arguments\"",
            b"\"cache_control\"",
            b"\"reasoning_details\"",
            b"\"provider_fields\"",
        ]),
        renames: &[("max_completion_tokens", "max_tokens")],
        cache_marks: false,
        ..Fields::PLAIN
    },
    roles: Roles { empty_arguments: false, ..Roles::PLAIN },
    stop: Stop::TextOrList,
    answers: Answers::Pass,
    finish: &[],
    usage: Usage::PLAIN,
    errors: Errors::PLAIN,
    // Its own API lists what is installed; the other stands below `/v1`.
    probe: Listing { at: ListedAt::OwnApi { without: "/v1", path: &["api", "tags"] }, ..Listing::PLAIN },
};
