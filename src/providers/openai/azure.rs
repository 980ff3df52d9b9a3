//! Azure: OpenAI's models behind deployments, with dated versions of the API and a filter of its own.
//!
//! The newer `/openai/v1` names no version and knows every field.

use super::super::drops::{Drops, EncodeError};
use super::super::listing::{ListedAt, Listing, Sign};
use super::super::{Context, Source};
use super::quirks::{Answers, Call, CallAt, Developer, Errors, Fields, Key, Quirks, Roles, Stop, Takes, Usage};
use super::request::rename;
use super::{model, openai};
use crate::protocol::Members;

pub(super) const QUIRKS: Quirks = Quirks {
    source: &[
        Source { page: "https://learn.microsoft.com/azure/foundry/openai/api-version-lifecycle", read: "2026-11-25" },
        Source {
            page: "https://github.com/Azure/azure-rest-api-specs/blob/main/specification/cognitiveservices/data-plane/AzureOpenAI/inference/stable/2024-10-21/inference.yaml",
            read: "2026-11-25",
        },
        Source {
            page: "https://learn.microsoft.com/azure/foundry/openai/concepts/content-streaming",
            read: "2026-11-25",
        },
    ],
    call: Call {
        at: CallAt::Deployment,
        // A token of Entra is a JWT; a key is not.
        key: Key::Header { name: "api-key", bearer: "eyJ" },
    },
    fields: Fields { edit: older, takes: Takes::Since(SINCE), cache_marks: false, ..Fields::PLAIN },
    roles: Roles {
        removes: &["reasoning_details", "provider_fields", "reasoning_content", "reasoning"],
        developer: Developer::SystemBefore("2024-12-01"),
        ..Roles::PLAIN
    },
    stop: Stop::TextOrList,
    // The first chunk has no choices, only what the filter found in the prompt.
    answers: Answers::PutRight { carries: Some("prompt_filter_results") },
    // It serves Mistral's models too, whose answers keep Mistral's words.
    finish: &[("model_length", "length")],
    usage: Usage { cached: Some("num_cached_tokens"), has_tier: true, ..Usage::PLAIN },
    errors: Errors::PLAIN,
    probe: Listing {
        at: ListedAt::Resource("/openai/models"),
        chats: &[Sign::IsNot("/capabilities/chat_completion", false)],
        ..Listing::PLAIN
    },
};

/// What dated API versions do not know yet, and the version from which they do.
const SINCE: &[(&str, &str)] = &[
    ("store", "2024-12-01"),
    ("metadata", "2024-12-01"),
    ("reasoning_effort", "2024-12-01"),
    ("prediction", "2025-01-01"),
    ("modalities", "2025-01-01"),
    ("audio", "2025-01-01"),
    ("verbosity", "2026"),
    ("service_tier", "2026"),
    ("prompt_cache_key", "2026"),
    ("prompt_cache_retention", "2026"),
    ("prompt_cache_options", "2026"),
    ("safety_identifier", "2026"),
    ("web_search_options", "2026"),
];

/// What OpenAI's models want, and then the older name of the limit; whether anything changed.
fn older(body: &mut Members<'_>, context: &Context<'_>, drops: &mut Drops) -> Result<bool, EncodeError> {
    let changed = openai::generation(body, context, drops)?;
    // The last dated version knows the newer name for its reasoning models only.
    let old = context.upstream.azure_version().is_some_and(|version| version <= "2024-10-21");
    Ok(changed | (old && !model::reasons(context.model) && rename(body, "max_completion_tokens", "max_tokens")))
}
