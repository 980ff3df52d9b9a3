//! Another xrouter: it does itself what is done here.

use super::super::Source;
use super::super::listing::Listing;
use super::quirks::{Answers, Call, Errors, Fields, Passes, Quirks, Roles, Stop, Usage};

pub(super) const QUIRKS: Quirks = Quirks {
    source: &[Source { page: "this router's own API: docs/architecture.md", read: "2026-11-30" }],
    call: Call::PLAIN,
    fields: Fields { passes: Passes::Without(&[]), ..Fields::PLAIN },
    roles: Roles { removes: &[], ..Roles::PLAIN },
    stop: Stop::TextOrList,
    answers: Answers::Pass,
    finish: &[],
    usage: Usage::PLAIN,
    errors: Errors::PLAIN,
    probe: Listing::PLAIN,
};
