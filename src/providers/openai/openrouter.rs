//! OpenRouter: everything passes, thoughts of other providers and marks of prompt caches too, as it hands them on.

use super::super::Source;
use super::super::error_body::{Meant, When};
use super::super::listing::Listing;
use super::quirks::{Answers, Call, Errors, Fields, Passes, Quirks, Roles, Stop, Usage};

pub(super) const QUIRKS: Quirks = Quirks {
    source: &[
        Source { page: "https://openrouter.ai/docs/use-cases/reasoning-tokens", read: "2026-11-25" },
        Source { page: "https://openrouter.ai/docs/use-cases/usage-accounting", read: "2026-11-25" },
        Source { page: "https://openrouter.ai/docs/api/reference/errors-and-debugging", read: "2026-11-30" },
    ],
    call: Call::PLAIN,
    fields: Fields { passes: Passes::Without(&[]), ..Fields::PLAIN },
    roles: Roles { removes: &[], ..Roles::PLAIN },
    stop: Stop::TextOrList,
    answers: Answers::Pass,
    finish: &[],
    usage: Usage::PLAIN,
    errors: Errors {
        elsewhere: None,
        // Its word for a prompt that was blocked; a key that is refused has the same status, and names no reasons.
        statuses: &[Meant { status: 403, when: When::Flagged, means: 400 }],
    },
    probe: Listing::PLAIN,
};
