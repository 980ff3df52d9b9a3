//! Why a request went where it went, in sentences.

use std::fmt::Write as _;

use crate::store::{AttemptRow, HistoryRow};

/// What happened to a request, in its order.
pub(super) fn explain(row: &HistoryRow, attempts: &[AttemptRow]) -> Vec<String> {
    let mut told = vec![decision(row)];
    if let (Some(tier), true) = (&row.tier, !attempts.is_empty()) {
        let decided = TIERS.get(usize::try_from(row.decision).unwrap_or(3)).copied().unwrap_or("?");
        if tier != decided {
            told.push(format!("The {decided} tier was decided, and the {tier} tier was called last."));
        }
    }
    told.extend(attempts.iter().map(attempt));
    told.push(end(row));
    told.extend(money(row));
    told
}

const TIERS: [&str; 3] = ["cheap", "medium", "frontier"];

fn decision(row: &HistoryRow) -> String {
    let tier = TIERS.get(usize::try_from(row.decision).unwrap_or(3)).copied().unwrap_or("?");
    let by = match row.source.as_str() {
        "forced" => "the request named it".to_owned(),
        "disabled" => "the classifier is off".to_owned(),
        "cache" => "the same question was decided before".to_owned(),
        "session" => "its conversation stays where it is".to_owned(),
        "embedded" => "the embedded classifier judged so".to_owned(),
        "llm" => "the classifier's model said so".to_owned(),
        "rule" => "a rule says so".to_owned(),
        "fallback" => "the classifier failed".to_owned(),
        other => format!("source {other}"),
    };
    let mut text = format!("Decided: {tier} ({}), because {by}", row.decision);
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

fn attempt(attempt: &AttemptRow) -> String {
    let upstream = attempt.upstream.as_deref().unwrap_or("?");
    let model = attempt.model.as_deref().unwrap_or("?");
    let took = attempt.duration_ms.map(|ms| format!(" after {ms:.0} ms")).unwrap_or_default();
    let end = match (attempt.status, attempt.error_type.as_deref()) {
        (Some(status), Some(error)) => format!("answered {status} ({error})"),
        (None, Some(error)) => format!("failed ({error})"),
        (Some(status), None) => format!("answered {status}"),
        (None, None) => "has no known end".to_owned(),
    };
    format!("Call {}: {upstream} with {model} {end}{took}.", attempt.attempt)
}

fn end(row: &HistoryRow) -> String {
    match (row.status, row.error_type.as_deref()) {
        (None, None) => "It is under way.".to_owned(),
        (None, Some(_)) => "The router died before the end: what the client got is not known.".to_owned(),
        (Some(499), _) => "The client left before the end.".to_owned(),
        (Some(status), Some(error)) => format!("The client got {status} ({error})."),
        (Some(status), None) => format!("The client got {status}."),
    }
}

fn money(row: &HistoryRow) -> Option<String> {
    let cost = row.cost?;
    let tokens = match row.usage_source.as_str() {
        "estimated" => "tokens were counted here, as the provider told none",
        _ => "tokens as the provider reported them",
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
        let row = |status, error: Option<&str>| {
            end(&HistoryRow { status, error_type: error.map(str::to_owned), ..HistoryRow::default() })
        };
        assert_eq!(row(None, None), "It is under way.");
        assert!(row(None, Some("interrupted")).contains("died"));
        assert_eq!(row(Some(200), Some("interrupted")), "The client got 200 (interrupted).");
    }
}
