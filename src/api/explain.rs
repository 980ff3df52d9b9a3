//! Why a request went where it went, in sentences.

use std::fmt::Write as _;

use crate::catalog::{Api, Source};
use crate::protocol::UsageSource;
use crate::store::{AnsweredBy, Attempt, Row, Skipped};

/// What happened to a request, in its order.
pub(super) fn explain(row: &Row) -> Vec<String> {
    let mut told = vec![decision(row)];
    if let Some(tier) = row.tier.filter(|tier| *tier != row.decision) {
        told.push(format!("The {} tier was decided, and the {tier} tier was called last.", row.decision));
    }
    told.extend(row.skipped.iter().map(skipped));
    told.extend((1..).zip(&row.attempts).map(|(place, it)| attempt(place, it)));
    told.extend(answered_by(row));
    told.push(end(row));
    told.extend(money(row));
    told
}

fn decision(row: &Row) -> String {
    let by = match row.source {
        Some(Source::Forced) if row.api == Some(Api::Embeddings) => "it embeds, which one upstream does",
        Some(Source::Forced) => "the request named it",
        Some(Source::Disabled) => "the classifier is off",
        Some(Source::Cache) => "the same question was decided before",
        Some(Source::Session) => "its conversation stays where it is",
        Some(Source::Embedded) => "the embedded classifier judged so",
        Some(Source::Llm) => "the classifier's model said so",
        Some(Source::Rule) => "a rule says so",
        Some(Source::Fallback) => "the classifier failed",
        None => "of a step that an older version did not keep",
    };
    let mut text = format!("Decided: {} ({}), because {by}", row.decision, row.decision.number());
    if let Some(score) = row.score {
        let _ = write!(text, "; score {score:.2} of 1");
    }
    if let Some(confidence) = row.confidence {
        let _ = write!(text, ", confidence {confidence:.2}");
    }
    if let Some(reason) = row.reason.as_deref().filter(|reason| !reason.is_empty()) {
        let _ = write!(text, "; {reason}");
    }
    text.push('.');
    text
}

fn skipped(skipped: &Skipped) -> String {
    format!("Passed over: {} ({}): {}.", skipped.upstream, skipped.tier, skipped.reason)
}

fn attempt(place: u32, attempt: &Attempt) -> String {
    let took = attempt.duration_us.map(|us| format!(" after {} ms", us / 1_000)).unwrap_or_default();
    let end = match (attempt.status, attempt.error_type.as_deref()) {
        (Some(status), Some(error)) => format!("answered {status} ({error})"),
        (None, Some(error)) => format!("failed ({error})"),
        (Some(status), None) => format!("answered {status}"),
        (None, None) => "has no known end".to_owned(),
    };
    format!("Call {place}: {} with {} {end}{took}.", attempt.upstream, attempt.model)
}

/// Who answered, where the calls do not tell.
fn answered_by(row: &Row) -> Option<String> {
    match row.answered_by? {
        AnsweredBy::Tier(_) => None,
        AnsweredBy::ResponseCache => Some("The response cache answered: no upstream was called.".to_owned()),
        AnsweredBy::Nobody => Some("No upstream was called.".to_owned()),
    }
}

fn end(row: &Row) -> String {
    match (row.status, row.error_type.as_deref()) {
        (None, None) => "It is under way.".to_owned(),
        (None, Some(_)) => "The router died before the end: what the client got is not known.".to_owned(),
        (Some(499), Some("client_closed")) => "The client left before the end.".to_owned(),
        (Some(status), Some(error)) => format!("The client got {status} ({error})."),
        (Some(status), None) => format!("The client got {status}."),
    }
}

fn money(row: &Row) -> Option<String> {
    let cost = row.cost?;
    let tokens = match row.usage_source {
        UsageSource::Reported => "tokens as the provider reported them",
        UsageSource::Estimated => "tokens were counted here, as the provider reported none",
        UsageSource::Absent => "without tokens",
    };
    Some(match row.frontier_cost {
        Some(frontier) => format!("It cost ${cost}; the same tokens on the frontier tier: ${frontier} ({tokens})."),
        None => format!("It cost ${cost} ({tokens})."),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_under_way_and_one_that_died_are_told_apart() {
        let row = |status, error: Option<&'static str>| {
            end(&Row { status, error_type: error.map(Into::into), ..Row::default() })
        };
        assert_eq!(row(None, None), "It is under way.");
        assert!(row(None, Some("interrupted")).contains("died"));
        assert_eq!(row(Some(200), Some("interrupted")), "The client got 200 (interrupted).");
        assert_eq!(row(Some(499), Some("upstream_error")), "The client got 499 (upstream_error).");
    }

    #[test]
    fn who_answered_does_not_hide_which_step_decided() {
        let row = Row {
            source: Some(Source::Embedded),
            answered_by: Some(AnsweredBy::ResponseCache),
            reason: Some("nothing telling".into()),
            ..Row::default()
        };
        let told = explain(&row);
        assert!(told[0].contains("the embedded classifier judged so"), "{told:?}");
        assert!(told[1].contains("response cache answered"), "{told:?}");
    }
}
