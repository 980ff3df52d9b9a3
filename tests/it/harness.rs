//! What agents send: the person's words decide, not the harness around them.
//!
//! `tests/fixtures/harness/cases.jsonl`: bodies in the shapes that seven agents send, with the tier that the person's
//! words need. The words and the harness texts are our own; the markers are the agents'.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use xrouter::catalog::ByTier;
use xrouter::config::Strategy;
use xrouter::protocol::ChatRequest;
use xrouter::routing::{self, Embedded, Facts, Policy, Rules, Thresholds};

#[derive(Deserialize)]
struct Case {
    id: String,
    level: String,
    form: String,
    agent: String,
    expected: u8,
    body: Box<RawValue>,
}

fn cases() -> Vec<Case> {
    include_str!("../fixtures/harness/cases.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The tier of a body, as a router decides it whose conversation has just begun.
pub(crate) fn tier_of(body: &str, policy: &Policy) -> u8 {
    let request = ChatRequest::parse(body.as_bytes()).unwrap();
    let input = routing::input(&request, Strategy::CurrentRequest, 8_000);
    let facts = Facts {
        step: Some(input.step),
        text: Some(Cow::Borrowed(&input.text)),
        tokens: Some(0),
        tools: Some(request.tools as u64),
        failures: Some(input.failures as u64),
        model: Some(Cow::Borrowed(&request.model)),
        key: Some(Cow::Borrowed("")),
        effort: Some(Cow::Borrowed(request.wishes.reasoning_effort.as_deref().unwrap_or_default())),
        headers: Some(Cow::Borrowed(&[])),
        ..Facts::default()
    };
    let verdict = Embedded::new(Thresholds::default()).classify(&input);
    policy.decide(&facts, None, &ByTier::default(), verdict).decision.tier.number()
}

pub(crate) fn policy() -> Policy {
    Policy { rules: Rules::new(&[], &[]).unwrap(), ..Policy::default() }
}

#[test]
fn trivial_requests_in_a_harness_stay_cheap_and_hard_ones_reach_the_frontier() {
    let policy = policy();
    let mut shares: BTreeMap<String, (f64, f64, Vec<String>)> = BTreeMap::new();
    for case in cases() {
        let tier = tier_of(case.body.get(), &policy);
        let share = shares.entry(case.level).or_default();
        share.1 += 1.0;
        if tier == case.expected {
            share.0 += 1.0;
        } else {
            share.2.push(format!("{} -> {tier}", case.id));
        }
    }
    let share = |level: &str| shares[level].0 / shares[level].1;
    assert!(share("trivial") >= 0.95, "{:?}", shares["trivial"]);
    assert!(share("hard") >= 0.80, "{:?}", shares["hard"]);
}

#[test]
fn the_corpus_has_every_agent_at_every_level() {
    let mut seen: BTreeMap<(String, String), usize> = BTreeMap::new();
    let cases = cases();
    for case in &cases {
        *seen.entry((case.agent.clone(), case.level.clone())).or_default() += 1;
    }
    assert_eq!(seen.len(), 21, "{seen:?}");
    for form in ["plain", "tools", "long_system", "tool_loop", "approval"] {
        assert!(cases.iter().any(|case| case.form == form), "{form}");
    }
}

/// A tool loop of any length is about the request that began it: every prefix of it is decided alike.
#[test]
fn a_long_tool_loop_is_decided_like_the_request_that_began_it() {
    let policy = policy();
    let mut body = serde_json::json!({ "messages": [
        { "role": "user", "content": "prove that the two schedulers never fire at once, and mend the one that does" },
    ] });
    let begun = tier_of(&body.to_string(), &policy);
    for step in 0..30 {
        let messages = body["messages"].as_array_mut().unwrap();
        messages.push(serde_json::json!({ "role": "assistant", "content": null, "tool_calls": [
            { "id": format!("call{step}"), "type": "function", "function": { "name": "sh", "arguments": "{}" } },
        ] }));
        messages.push(
            serde_json::json!({ "role": "tool", "tool_call_id": format!("call{step}"), "content": "hi, good morning" }),
        );
        assert_eq!(tier_of(&body.to_string(), &policy), begun, "step {step}");
    }
}
