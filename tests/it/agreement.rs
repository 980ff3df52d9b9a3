//! One function decides: what is answered, what `/v1/route` foretells, what the history is replayed to, and what
//! `classify` says are the same.
//!
//! `tests/fixtures/agreement/cases.jsonl` has requests as clients send them, in their order; beside it are the
//! configurations that they are sent under.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::support::{Fleet, Program, TestApp};

#[derive(Deserialize)]
struct Case {
    id: String,
    headers: BTreeMap<String, String>,
    body: Value,
}

/// What was decided, live.
struct Decided {
    decision: String,
    source: String,
}

fn cases() -> Vec<Case> {
    let lines = include_str!("../fixtures/agreement/cases.jsonl").lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Sends every request, each first to `/v1/route` and then to be answered; returns what was decided, by id.
async fn live(app: &TestApp, cases: &[Case]) -> BTreeMap<String, Decided> {
    let mut decided = BTreeMap::new();
    for case in cases {
        let mut http = app.http.clone();
        for (name, value) in &case.headers {
            http = http.with(name, value);
        }
        let route = http.post("/v1/route", "application/json", case.body.to_string()).await;
        assert_eq!(route.status, 200, "{}: {}", case.id, route.text());
        let route = route.json();
        let answer = http.chat(&case.body).await;
        let (decision, _, source, _) = answer.route();
        assert_eq!(
            (route["decision"].to_string().as_str(), route["source"].as_str().unwrap()),
            (decision, source),
            "{}: /v1/route and the answer",
            case.id
        );
        decided.insert(case.id.clone(), Decided { decision: decision.to_owned(), source: source.to_owned() });
    }
    decided
}

async fn agree(configuration: &str) {
    let fleet = Fleet::start().await;
    let toml = fleet.toml(configuration);
    let app = TestApp::start(&toml).await;
    let cases = cases();
    let decided = live(&app, &cases).await;
    let rows = app.rows().await;
    assert_eq!(rows.len(), cases.len());

    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("xrouter.toml"), &toml).unwrap();
    let database = app.database().display().to_string();
    let run = |arguments: &[&str]| {
        let output = Program::run(folder.path(), arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let replay = run(&["replay", "-c", "xrouter.toml", "--db", &database, "--since", "24h", "--json"]);
    let replay: Value = serde_json::from_str(&replay).unwrap();
    assert_eq!(replay["requests"], cases.len(), "{replay}");
    assert_eq!((&replay["moved"], &replay["cannot_tell"]), (&serde_json::json!([]), &serde_json::json!({})));

    let lines = cases.iter().map(|case| {
        let mut line = case.body.clone();
        line["id"] = case.id.clone().into();
        line["headers"] = serde_json::json!(case.headers);
        format!("{line}\n")
    });
    std::fs::write(folder.path().join("requests.jsonl"), lines.collect::<String>()).unwrap();
    let told = run(&["classify", "-c", "xrouter.toml", "--jsonl", "requests.jsonl"]);
    let mut compared = 0;
    for (case, line) in cases.iter().zip(told.lines()) {
        let told: Value = serde_json::from_str(line).unwrap();
        assert_eq!(told["id"], case.id);
        let live = &decided[&case.id];
        assert_eq!(told["not_applied"], serde_json::json!([]), "{}", case.id);
        // What it cannot know is the conversation before.
        if live.source != "session" {
            assert_eq!(told["tier"].to_string(), live.decision, "{}: classify and the answer", case.id);
            compared += 1;
        }
    }
    assert!(compared > cases.len() * 3 / 4, "{compared} of {} could be compared", cases.len());
}

#[tokio::test]
async fn all_ways_to_decide_agree_by_default() {
    agree(include_str!("../fixtures/agreement/a-defaults.toml")).await;
}

#[tokio::test]
async fn all_ways_to_decide_agree_on_a_floor() {
    agree(include_str!("../fixtures/agreement/b-floor.toml")).await;
}

#[tokio::test]
async fn all_ways_to_decide_agree_on_rules_of_every_kind() {
    agree(include_str!("../fixtures/agreement/c-rules.toml")).await;
}

#[tokio::test]
async fn all_ways_to_decide_agree_on_thresholds_and_rules_that_are_off() {
    agree(include_str!("../fixtures/agreement/d-thresholds.toml")).await;
}

#[tokio::test]
async fn all_ways_to_decide_agree_without_memory() {
    agree(include_str!("../fixtures/agreement/e-no-memory.toml")).await;
}

#[tokio::test]
async fn all_ways_to_decide_agree_where_answers_are_given_again() {
    agree(include_str!("../fixtures/agreement/f-answers-again.toml")).await;
}

/// Its floor and what the response cache answered are no reason to tell that something would move.
#[tokio::test]
async fn a_replay_with_the_configuration_in_force_moves_nothing() {
    let fleet = Fleet::start().await;
    let toml =
        fleet.toml("[[classifier.rules]]\nname = \"floor\"\nat_least = \"medium\"\n[response_cache]\nenabled = true\n");
    let app = TestApp::start(&toml).await;
    let mut question = crate::support::question("Good morning!");
    for temperature in [None, Some(0), Some(0)] {
        if let Some(temperature) = temperature {
            question["temperature"] = temperature.into();
        }
        assert_eq!(app.http.chat(&question).await.status, 200);
    }
    assert_eq!(app.rows().await.len(), 3);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("xrouter.toml"), &toml).unwrap();
    let database = app.database().display().to_string();
    let output = Program::run(folder.path(), &["replay", "-c", "xrouter.toml", "--db", &database, "--json"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json["requests"], &json["moved"]), (&Value::from(3), &serde_json::json!([])), "{json}");
}

/// A rule that looks at what is not there is told, and not judged against a made-up value.
#[test]
fn a_rule_over_what_is_not_known_is_told_by_classify_and_eval() {
    let folder = tempfile::tempdir().unwrap();
    let toml = "[[classifier.rules]]\nname = \"big\"\nmin_tokens = 0\ntier = \"frontier\"\n\
                [[classifier.rules]]\nname = \"team\"\nheader = { X-Team = \"red\" }\ntier = \"frontier\"\n\
                [tiers.cheap]\nbase_url = \"http://127.0.0.1:1\"\n[tiers.medium]\nbase_url = \"http://127.0.0.1:1\"\n\
                [tiers.frontier]\nbase_url = \"http://127.0.0.1:1\"\n";
    std::fs::write(folder.path().join("xrouter.toml"), toml).unwrap();
    let run = |arguments: &[&str]| {
        let output = Program::run(folder.path(), arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let text = run(&["classify", "-c", "xrouter.toml", "good morning"]);
    assert!(text.starts_with("cheap"), "{text}");
    assert!(text.contains("rule `big` needs the request's tokens: not applied"), "{text}");
    assert!(text.contains("rule `team` needs the request's headers: not applied"), "{text}");
    // A whole request has its tokens.
    let request = r#"{"id":1,"messages":[{"role":"user","content":"good morning"}]}"#;
    std::fs::write(folder.path().join("requests.jsonl"), request).unwrap();
    let line: Value =
        serde_json::from_str(&run(&["classify", "-c", "xrouter.toml", "--jsonl", "requests.jsonl"])).unwrap();
    assert_eq!((&line["tier"], &line["not_applied"]), (&Value::from(2), &serde_json::json!([])));
    let row = r#"{"id":"a","text":"good morning","tier":0}"#;
    std::fs::write(folder.path().join("rows.jsonl"), row).unwrap();
    let report: Value = serde_json::from_str(&run(&["eval", "-c", "xrouter.toml", "--json", "rows.jsonl"])).unwrap();
    assert_eq!(report["not_applied"]["rule `big` needs the request's tokens: not applied"], 1, "{report}");
}
