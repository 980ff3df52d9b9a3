//! What happens when an upstream cannot answer.

use serde_json::json;
use xrouter::catalog::Tier;
use xrouter::simulator::{Profile, Reply, Simulator};

use crate::support::{Fleet, TestApp, question};

#[tokio::test]
async fn a_failing_upstream_is_replaced_by_the_next_tier_up() {
    let unreadable = Reply::Raw { content_type: "application/json".to_owned(), body: b"<html>".to_vec() };
    for reply in [
        Reply::error(500, "x"),
        Reply::error(503, "x"),
        Reply::error(529, "x"),
        Reply::error(429, "x"),
        Reply::error(408, "x"),
        Reply::error(409, "x"),
        Reply::error(401, "x"),
        Reply::error(402, "x"),
        Reply::error(403, "x"),
        Reply::error(404, "x"),
        unreadable,
    ] {
        let fleet = Fleet::start().await;
        let app = TestApp::start(&fleet.toml("")).await;
        fleet.cheap.next(reply.clone());
        let response = app.http.chat(&question("hi")).await;
        assert_eq!(response.status, 200, "{reply:?}");
        assert_eq!(response.route(), ("0", "medium", "embedded", "2"));
        let row = app.row().await;
        assert_eq!(
            (row.decision.number(), row.tier.map(Tier::as_str), row.attempt_count, row.status),
            (0, Some("medium"), 2, Some(200))
        );
    }
}

#[tokio::test]
async fn a_request_at_fault_is_not_tried_elsewhere() {
    for status in [400, 413, 422] {
        let fleet = Fleet::start().await;
        let app = TestApp::start(&fleet.toml("")).await;
        fleet.cheap.next(Reply::error(status, "your fault"));
        let response = app.http.chat(&question("hi")).await;
        assert_eq!((response.status, response.route()), (status, ("0", "cheap", "embedded", "1")));
        let error = &response.json()["error"];
        assert_eq!((error["message"].as_str(), error["code"].as_str()), (Some("your fault"), Some("simulated")));
    }
}

#[tokio::test]
async fn after_the_last_upstream_the_client_gets_its_status() {
    for (upstream, status, code) in [
        (429, 429, "upstream_rate_limited"),
        (500, 500, "upstream_error"),
        (503, 503, "upstream_overloaded"),
        (529, 529, "upstream_overloaded"),
        (401, 502, "upstream_auth"),
        (403, 502, "upstream_auth"),
        (402, 502, "upstream_config"),
        (404, 502, "upstream_config"),
        (302, 502, "upstream_error"),
    ] {
        let fleet = Fleet::start().await;
        let app = TestApp::start(&fleet.toml("")).await;
        for simulator in fleet.all() {
            let body = json!({ "error": { "message": "bad key sk-abcdef" } }).to_string();
            simulator.always(Reply::Status { status: upstream, body, retry_after: Some("7".to_owned()) });
        }
        let response = app.http.chat(&question("hi")).await;
        assert_eq!(response.status, status, "{upstream}");
        assert_eq!(response.route(), ("0", "frontier", "embedded", "3"));
        let error = &response.json()["error"];
        assert_eq!((error["code"].as_str(), error["upstream"].as_str()), (Some(code), Some("f")));
        assert_eq!(error["provider"], "openai_compatible");
        if status == 502 && upstream != 302 {
            assert!(!response.text().contains("sk-abcdef"), "what a provider says of a key stays here");
        } else {
            assert_eq!(response.header("retry-after"), "7");
        }
        let row = app.row().await;
        assert_eq!((row.status, row.error_type.as_deref(), row.attempt_count), (Some(status), Some(code), 3));
    }
}

#[tokio::test]
async fn without_fallback_only_the_decided_tier_is_tried() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("[tiers]\nfallback = false")).await;
    fleet.cheap.next(Reply::error(500, "down"));
    let response = app.http.chat(&question("hi")).await;
    assert_eq!((response.status, response.route()), (500, ("0", "cheap", "embedded", "1")));
}

#[tokio::test]
async fn a_silent_upstream_is_given_up_in_time() {
    let fleet = Fleet::start().await;
    // Only the silent one has so little time: on a busy machine an answer may take longer.
    let app = TestApp::start(&fleet.toml("").replace("name = \"c\"", "name = \"c\"\ntimeout_ms = 80")).await;
    fleet.cheap.next(Reply::Silence);
    assert_eq!(app.http.chat(&question("hi")).await.route(), ("0", "medium", "embedded", "2"));
    let app = TestApp::start(&fleet.toml("[upstream_defaults]\ntimeout_ms = 80")).await;
    for simulator in fleet.all() {
        simulator.always(Reply::Silence);
    }
    for stream in [false, true] {
        let mut body = question("hello again");
        body["stream"] = json!(stream);
        let response = app.http.chat(&body).await;
        assert_eq!(response.status, 504);
        assert_eq!(response.json()["error"]["code"], "upstream_timeout");
    }
}

#[tokio::test]
async fn an_upstream_that_is_not_there_is_named() {
    let fleet = Fleet::start().await;
    let gone = Simulator::start(Profile::default()).await.unwrap();
    let address = gone.base_url();
    drop(gone);
    let toml = fleet.toml("[tiers]\nfallback = false").replace(&fleet.cheap.base_url(), "http://127.0.0.1:1/v1");
    let app = TestApp::start(&toml).await;
    let response = app.http.chat(&question("hi")).await;
    assert_eq!(response.status, 502, "{address}");
    let error = &response.json()["error"];
    assert_eq!((error["code"].as_str(), error["upstream"].as_str()), (Some("upstream_unreachable"), Some("c")));
    assert!(error["message"].as_str().unwrap().contains("refused"), "{error}");
}

#[tokio::test]
async fn upstreams_of_one_tier_are_tried_by_priority_before_the_next_tier() {
    let fleet = Fleet::start().await;
    let toml = format!(
        r#"
[[tiers.cheap.upstreams]]
base_url = "{}"
model = "second"
name = "second"
priority = 1
[[tiers.cheap.upstreams]]
base_url = "{}"
model = "first"
name = "first"
[tiers.medium]
base_url = "{}"
model = "m"
[tiers.frontier]
base_url = "{}"
model = "f"
"#,
        fleet.medium.base_url(),
        fleet.cheap.base_url(),
        fleet.frontier.base_url(),
        fleet.frontier.base_url()
    );
    let app = TestApp::start(&toml).await;
    assert_eq!(app.http.chat(&question("hi")).await.header("x-xrouter-model"), "first");
    fleet.cheap.next(Reply::error(500, "down"));
    let response = app.http.chat(&question("hi there")).await;
    assert_eq!((response.header("x-xrouter-model"), response.header("x-xrouter-upstream")), ("second", "cheap"));
}

#[tokio::test]
async fn a_tier_without_a_model_is_passed_over_in_an_outage() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("").replace("model = \"middle\"", "")).await;
    fleet.cheap.next(Reply::error(503, "down"));
    assert_eq!(app.http.chat(&question("hi")).await.route(), ("0", "frontier", "embedded", "2"));
    fleet.cheap.next(Reply::error(503, "down"));
    fleet.frontier.next(Reply::error(503, "down"));
    assert_eq!(app.http.chat(&question("hi")).await.status, 503, "what an upstream said is worth more");
}
