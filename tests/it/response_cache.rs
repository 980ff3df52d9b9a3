//! Whole answers that are given again.

use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};
use xrouter::catalog::{NanoUsd, Source, Tier};
use xrouter::protocol::Timestamp;
use xrouter::simulator::Reply;
use xrouter::store::AnsweredBy;

use crate::support::{Fleet, Response, TestApp, question, sums_equal_rows};

const ON: &str = "[response_cache]\nenabled = true\n";

/// A request whose answer may be kept.
fn exact(text: &str) -> Value {
    let mut body = question(text);
    body["temperature"] = json!(0);
    body
}

fn cache(response: &Response) -> &str {
    response.header("x-xrouter-cache")
}

#[tokio::test]
async fn an_equal_request_gets_the_same_bytes_and_no_upstream_is_called() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml(ON)).await;
    for stream in [false, true] {
        let mut body = exact("what is the capital of France?");
        body["stream"] = stream.into();
        let first = app.http.chat(&body).await;
        assert_eq!((first.status, cache(&first)), (200, "miss"));
        // Who asks, and in which order the members stand, does not matter.
        body["user"] = "somebody else".into();
        let again = app.http.chat(&body).await;
        assert_eq!((again.status, cache(&again)), (200, "hit"));
        assert_eq!(again.body, first.body);
        assert_eq!(again.header("content-type"), first.header("content-type"));
        assert_eq!(again.route(), ("0", "cheap", "cache", "0"));
        assert_eq!(again.header("x-xrouter-model"), first.header("x-xrouter-model"));
    }
    assert_eq!(fleet.cheap.counts().requests, 2, "a stream is not made of a whole answer");
}

#[tokio::test]
async fn what_it_saved_is_counted_apart_from_the_tiers() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml(ON)).await;
    let body = exact("what is the capital of France?");
    for _ in 0..3 {
        assert_eq!(app.http.chat(&body).await.status, 200);
    }
    let rows = app.rows().await;
    let told: Vec<_> = rows.iter().map(|row| (row.source.unwrap(), row.answered_by.unwrap())).collect();
    let cheap = AnsweredBy::Tier(Tier::Cheap);
    let cached = (Source::Cache, AnsweredBy::ResponseCache);
    assert_eq!(told, [(Source::Embedded, cheap), cached, cached], "who answered is not which step decided");
    let (made, given) = (&rows[0], &rows[1]);
    assert_eq!((given.tier.map(Tier::as_str), given.selected_model.as_deref(), given.attempt_count), (None, None, 0));
    assert_eq!(
        (given.usage.input_tokens, given.usage.output_tokens),
        (made.usage.input_tokens, made.usage.output_tokens)
    );
    assert_eq!((given.cost, given.frontier_cost), (Some(NanoUsd(0)), made.frontier_cost));
    assert_eq!(given.reason, made.reason);
    let detail = app.http.get(&format!("/requests/{}", given.request_id)).await.json();
    let told: Vec<&str> = detail["explanation"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    assert!(told[0].contains("the same question was decided before"), "{told:?}");
    assert!(told[1].contains("response cache answered"), "{told:?}");
    assert_eq!(detail["request"]["answered_by"], "response_cache");
    let usage = app.http.get("/usage").await.json();
    let requests = |part: &str| usage[part]["requests"].as_i64().unwrap();
    assert_eq!((requests("cheap"), requests("total"), requests("response_cache")), (1, 1, 2));
    assert_eq!(usage["response_cache"]["output_tokens"], json!(made.usage.output_tokens.unwrap() * 2));
    assert_eq!(usage["total"]["output_tokens"], json!(made.usage.output_tokens.unwrap()));
    // The same from rows, where a period begins within a minute.
    let within = app.http.get(&format!("/usage?from={}", Timestamp(made.created_at_ms))).await.json();
    assert_eq!(within["response_cache"], usage["response_cache"]);
    let groups = app.http.get("/usage?group_by=tier").await.json();
    let tiers: Vec<&str> =
        groups["groups"].as_array().unwrap().iter().map(|group| group["tier"].as_str().unwrap()).collect();
    assert_eq!(tiers, ["cheap"]);
    // In every group of any kind, what the response cache answered stands apart.
    for by in ["tier", "key", "source", "model", "upstream", "hour", "day", "month", "tier,model", "key,day"] {
        for period in [String::new(), format!("&from={}", Timestamp(made.created_at_ms))] {
            let groups = app.http.get(&format!("/usage?group_by={by}{period}")).await.json();
            let sum = |part: &str| -> i64 {
                groups[part].as_array().unwrap().iter().map(|group| group["requests"].as_i64().unwrap()).sum()
            };
            assert_eq!((sum("groups"), sum("response_cache")), (1, 2), "{by}{period}: {groups}");
        }
    }
    let csv = app.http.get("/usage/export.csv?group_by=day").await.text();
    let ends: Vec<&str> = csv.lines().map(|line| line.rsplit(',').next().unwrap()).collect();
    assert_eq!(ends, ["response_cache", "false", "true"], "{csv}");
    let metrics = app.http.get("/metrics").await.text();
    assert!(metrics.contains("xrouter_response_cache_total{result=\"hit\"} 2"), "{metrics}");
    assert!(metrics.contains("xrouter_decisions_total{source=\"cache\"} 2"), "{metrics}");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(app.database());
    sums_equal_rows(&mut SqliteConnection::connect_with(&options).await.unwrap()).await;
}

#[tokio::test]
async fn whatever_the_answer_depends_on_makes_another_request() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml(ON)).await;
    let body = exact("what is the capital of France?");
    assert_eq!(cache(&app.http.chat(&body).await), "miss");
    for (name, value) in [
        ("seed", json!(7)),
        ("max_tokens", json!(5)),
        ("stop", json!(["x"])),
        ("response_format", json!({ "type": "json_object" })),
        ("model", json!("other")),
        ("anything_new", json!(true)),
        ("messages", json!([{ "role": "user", "content": "what is the capital of france?" }])),
        ("model", json!("xrouter/medium")),
    ] {
        let mut other = body.clone();
        other[name] = value;
        assert_eq!(cache(&app.http.chat(&other).await), "miss", "{name}");
    }
    assert_eq!(cache(&app.http.with("x-xrouter-tier", "frontier").chat(&body).await), "miss");
    assert_eq!(cache(&app.http.chat(&body).await), "hit");
}

#[tokio::test]
async fn steps_of_agents_and_what_may_differ_each_time_are_asked_anew() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml(ON)).await;
    let warm = question("what is the capital of France?");
    let mut offers = exact("what is the capital of France?");
    offers["tools"] =
        json!([{ "type": "function", "function": { "name": "look", "parameters": { "type": "object" } } }]);
    let mut uses = exact("what is the capital of France?");
    let call = json!({ "id": "c", "type": "function", "function": { "name": "look", "arguments": "{}" } });
    let messages = uses["messages"].as_array_mut().unwrap();
    messages.push(json!({ "role": "assistant", "content": null, "tool_calls": [call] }));
    messages.push(json!({ "role": "tool", "tool_call_id": "c", "content": "Paris" }));
    let mut random = exact("what is the capital of France?");
    random["temperature"] = json!(0.7);
    // Which of the two an upstream reads is not known.
    let twice = r#"{"model":"auto","temperature":0,"temperature":1,"messages":[{"role":"user","content":"hi"}]}"#;
    for _ in 0..2 {
        let answer = app.http.post("/v1/chat/completions", "application/json", twice).await;
        assert_eq!((answer.status, cache(&answer)), (200, ""));
    }
    for body in [warm, offers, uses, random] {
        for _ in 0..2 {
            let answer = app.http.chat(&body).await;
            assert_eq!((answer.status, cache(&answer)), (200, ""), "{body}");
        }
    }
    let body = exact("what is the capital of France?");
    let no_store = app.http.with("cache-control", "no-store");
    assert_eq!(cache(&no_store.chat(&body).await), "");
    assert_eq!(cache(&app.http.chat(&body).await), "miss", "nothing was kept of it");
    assert_eq!(cache(&no_store.chat(&body).await), "", "nothing comes from there");
    assert_eq!(cache(&app.http.with("cache-control", "max-age=0, no-cache").chat(&body).await), "miss");
    assert_eq!(cache(&app.http.chat(&body).await), "hit");
}

#[tokio::test]
async fn what_went_wrong_is_not_kept() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml(ON)).await;
    let mut body = exact("what is the capital of France?");
    fleet.cheap.next(Reply::Refuse { status: 400, message: "no".to_owned() });
    assert_eq!(app.http.chat(&body).await.status, 400);
    body["stream"] = true.into();
    fleet.cheap.next(Reply::CutAfter(2));
    let broken = app.http.chat(&body).await;
    assert!(broken.text().contains("\"error\""), "{}", broken.text());
    assert_eq!(cache(&app.http.chat(&body).await), "miss");
    assert_eq!(cache(&app.http.chat(&body).await), "hit");
}

#[tokio::test]
async fn with_force_the_temperature_does_not_matter_and_without_the_table_nothing_is_kept() {
    let fleet = Fleet::start().await;
    let app =
        TestApp::start(&fleet.toml("[response_cache]\nenabled = true\nforce = true\nmax_answer_bytes = 900\n")).await;
    let body = question("what is the capital of France?");
    assert_eq!(cache(&app.http.chat(&body).await), "miss");
    assert_eq!(cache(&app.http.chat(&body).await), "hit");
    // An answer that is too long is not kept.
    let mut long = question("tell me of France");
    fleet.cheap.always(Reply::Text("x".repeat(1_000)));
    long["model"] = "xrouter/cheap".into();
    for _ in 0..2 {
        assert_eq!(cache(&app.http.chat(&long).await), "miss");
    }
    let off = TestApp::start(&fleet.toml("")).await;
    for _ in 0..2 {
        assert_eq!(cache(&off.http.chat(&exact("hi")).await), "");
    }
}
