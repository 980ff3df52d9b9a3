//! OpenAI's own models: what a generation calls by another name or refuses.

use std::borrow::Cow;

use super::super::drops::{Drops, EncodeError};
use super::super::listing::Listing;
use super::super::{Context, Source};
use super::model::{self, Tools};
use super::quirks::{Answers, Call, Errors, Fields, Passes, Quirks, Roles, Stop, Usage};
use super::request::rename;
use crate::protocol::Members;

pub(super) const QUIRKS: Quirks = Quirks {
    source: &[
        Source { page: "https://platform.openai.com/docs/api-reference/chat/create", read: "2026-11-25" },
        Source { page: "https://platform.openai.com/docs/guides/reasoning", read: "2026-11-25" },
        Source { page: "https://platform.openai.com/docs/guides/error-codes", read: "2026-11-25" },
    ],
    call: Call::PLAIN,
    fields: Fields {
        passes: Passes::WithoutFor(
            |model| !model::reasons(model),
            &[b"\"reasoning_details\"", b"\"reasoning_content\"", b"\"cache_control\"", b"\"provider_fields\""],
        ),
        edit: generation,
        cache_marks: false,
        ..Fields::PLAIN
    },
    roles: Roles {
        removes: &["reasoning_details", "provider_fields", "reasoning_content", "reasoning"],
        ..Roles::PLAIN
    },
    stop: Stop::TextOrList,
    answers: Answers::Pass,
    finish: &[],
    usage: Usage::PLAIN,
    errors: Errors::PLAIN,
    probe: Listing::PLAIN,
};

/// What reasoning models refuse, and the value that goes without saying.
const NOT_REASONING: &[(&str, &str)] = &[
    ("temperature", "1"),
    ("top_p", "1"),
    ("presence_penalty", "0"),
    ("frequency_penalty", "0"),
    ("logprobs", "false"),
    ("top_logprobs", "0"),
    ("logit_bias", "{}"),
];

/// What a generation of models calls by another name or refuses; whether anything changed.
pub(super) fn generation(
    body: &mut Members<'_>,
    context: &Context<'_>,
    drops: &mut Drops,
) -> Result<bool, EncodeError> {
    let mut changed = false;
    if model::reasons(context.model) {
        changed |= rename(body, "max_tokens", "max_completion_tokens");
        if context.upstream.drop_params {
            for (name, default) in NOT_REASONING {
                let refused = body.get(name).is_some_and(|value| value != "null" && value != *default);
                if refused {
                    drops.cannot(name, "its reasoning models do not take it")?;
                    changed |= body.remove(name);
                }
            }
        }
    }
    let has_tools = body.get("tools").is_some_and(|tools| tools != "null" && tools != "[]");
    let effort = body.get("reasoning_effort").filter(|effort| *effort != "null").map(str::to_owned);
    let asks = effort.as_deref().is_some_and(|effort| effort != "\"none\"");
    // With tools these models answer on this API without reasoning only; the answer needs the tools.
    let set = match model::tools(context.model) {
        _ if !has_tools => false,
        Tools::Fine => false,
        Tools::WithEffortNone => effort.as_deref() != Some("\"none\""),
    };
    if set {
        body.set("reasoning_effort", Cow::Borrowed("\"none\""));
        if asks {
            drops.hint("reasoning_effort");
        }
        changed = true;
    }
    Ok(changed)
}
