//! The shapes of the items that a request can have, and how their ids begin.

use super::super::shape::Kind::{Any, Each, Flag, List, Object, Of, OneOf, Text};
use super::super::shape::{Field, may, need, null};

const STATUS: &[&str] = &["in_progress", "completed", "incomplete"];
const SIDES: &[&str] = &["server", "client"];
const BREAKPOINT: &[Field] = &[need("mode", OneOf(&["explicit"])), may("ttl", OneOf(&["30m", "12h"]))];

/// One type of item.
pub(super) struct ItemType {
    pub(super) name: &'static str,
    /// How its ids begin.
    pub(super) prefix: &'static str,
    /// Its fields; none for the types of tools that run at the provider, which are not looked into.
    pub(super) shape: &'static [Field],
}

const fn item(name: &'static str, prefix: &'static str, shape: &'static [Field]) -> ItemType {
    ItemType { name, prefix, shape }
}

/// The types of items, in the order of the alphabet, as a refusal lists them.
pub(super) const TYPES: &[ItemType] = &[
    item(
        "additional_tools",
        "at",
        &[need("type", Text), null("id", Text), need("role", OneOf(&["developer"])), need("tools", List)],
    ),
    item("apply_patch_call", "apc", &[]),
    item("apply_patch_call_output", "apco", &[]),
    item("code_interpreter_call", "ci", &[]),
    item("compaction", "cmp", &[need("type", Text), null("id", Text), need("encrypted_content", Text)]),
    item("compaction_trigger", "cmp", &[need("type", Text), null("id", Text)]),
    item("computer_call", "cu", &[]),
    item("computer_call_output", "cuo", &[]),
    item(
        "custom_tool_call",
        "ctc",
        &[
            need("type", Text),
            need("call_id", Text),
            need("name", Text),
            need("input", Text),
            null("id", Text),
            may("namespace", Text),
            may("async", Flag),
            null("caller", Object),
            may("status", OneOf(STATUS)),
        ],
    ),
    item(
        "custom_tool_call_output",
        "ctc",
        &[
            need("type", Text),
            need("call_id", Text),
            need("output", Any),
            null("id", Text),
            null("caller", Object),
            may("status", OneOf(STATUS)),
        ],
    ),
    item("file_search_call", "fs", &[]),
    item(
        "function_call",
        "fc",
        &[
            need("type", Text),
            need("call_id", Text),
            need("name", Text),
            need("arguments", Text),
            null("id", Text),
            may("namespace", Text),
            may("async", Flag),
            null("caller", Object),
            may("status", OneOf(STATUS)),
        ],
    ),
    item(
        "function_call_output",
        "fc",
        &[
            need("type", Text),
            need("call_id", Text),
            need("output", Any),
            null("id", Text),
            null("name", Text),
            null("namespace", Text),
            null("caller", Object),
            null("status", OneOf(STATUS)),
        ],
    ),
    item("image_generation_call", "ig", &[]),
    item("item_reference", "", &[need("type", Text), need("id", Text)]),
    item("local_shell_call", "lsh", &[]),
    item("local_shell_call_output", "lsho", &[]),
    item("mcp_approval_request", "mcpr", &[]),
    item("mcp_approval_response", "", &[]),
    item("mcp_call", "mcp", &[]),
    item("mcp_list_tools", "mcpl", &[]),
    item(
        "message",
        "msg",
        &[
            may("type", Text),
            need("role", OneOf(&["assistant", "system", "developer", "user"])),
            need("content", Any),
            may("id", Text),
            may("status", OneOf(STATUS)),
            null("phase", OneOf(&["commentary", "final_answer"])),
        ],
    ),
    item("program", "", &[]),
    item("program_output", "", &[]),
    item(
        "reasoning",
        "rs",
        &[
            need("type", Text),
            need("id", Text),
            need("summary", Each(&[need("type", OneOf(&["summary_text"])), need("text", Text)])),
            null("content", Each(&[need("type", OneOf(&["reasoning_text"])), need("text", Text)])),
            null("encrypted_content", Text),
            null("status", OneOf(STATUS)),
        ],
    ),
    item("shell_call", "sh", &[]),
    item("shell_call_output", "sho", &[]),
    item(
        "tool_search_call",
        "tsc",
        &[
            need("type", Text),
            need("arguments", Any),
            null("id", Text),
            null("call_id", Text),
            may("execution", OneOf(SIDES)),
            null("status", OneOf(STATUS)),
        ],
    ),
    item(
        "tool_search_output",
        "tso",
        &[
            need("type", Text),
            need("tools", List),
            null("id", Text),
            null("call_id", Text),
            may("execution", OneOf(SIDES)),
            null("status", OneOf(STATUS)),
        ],
    ),
    item(
        "web_search_call",
        "ws",
        &[
            need("type", Text),
            need("id", Text),
            need("status", OneOf(&["in_progress", "searching", "completed", "failed", "incomplete"])),
            may("action", Object),
        ],
    ),
];

/// The parts that somebody else than the model says.
pub(super) const INPUT_PARTS: &[(&str, &[Field])] = &[
    ("input_text", &[need("type", Text), need("text", Text), may("prompt_cache_breakpoint", Of(BREAKPOINT))]),
    (
        "input_image",
        &[
            need("type", Text),
            may("detail", OneOf(&["low", "high", "auto", "original"])),
            null("file_id", Text),
            null("image_url", Text),
            may("prompt_cache_breakpoint", Of(BREAKPOINT)),
        ],
    ),
    (
        "input_file",
        &[
            need("type", Text),
            may("detail", OneOf(&["auto", "low", "high"])),
            may("file_data", Text),
            null("file_id", Text),
            may("file_url", Text),
            may("filename", Text),
            may("prompt_cache_breakpoint", Of(BREAKPOINT)),
        ],
    ),
];

/// The parts that the model says.
pub(super) const OUTPUT_PARTS: &[(&str, &[Field])] = &[
    ("output_text", &[need("type", Text), need("text", Text), may("annotations", List), may("logprobs", List)]),
    ("refusal", &[need("type", Text), need("refusal", Text)]),
];
