//! Plain answers, headers, errors and access.

use serde_json::json;
use xrouter::catalog::{NanoUsd, Tier};
use xrouter::simulator::Reply;

use crate::support::{Fleet, TestApp, question};

#[tokio::test]
async fn an_answer_passes_through_byte_for_byte_and_is_recorded() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    let response = app.http.with("x-request-id", "my-id.1").chat(&question("good morning")).await;
    assert_eq!(response.status, 200);
    assert_eq!(response.route(), ("0", "cheap", "embedded", "1"));
    assert_eq!(response.header("x-xrouter-model"), "small");
    assert_eq!(response.header("x-request-id"), "my-id.1");
    assert_eq!(response.body, fleet.cheap.last().answer, "x_simulated: 1.50 keeps its zero");

    let counts = fleet.cheap.counts();
    let row = app.row().await;
    assert_eq!(row.request_id, "my-id.1");
    assert_eq!(
        (row.decision.number(), row.tier.map(Tier::as_str), row.source.unwrap().as_str()),
        (0, Some("cheap"), "embedded")
    );
    assert_eq!(row.upstream.as_deref(), Some("c"));
    assert_eq!(row.provider.as_deref(), Some("openai_compatible"));
    assert_eq!(row.requested_model, "auto");
    assert_eq!((row.selected_model.as_deref(), row.response_model.as_deref()), (Some("small"), Some("small")));
    assert_eq!((row.status, row.attempt_count, row.stream, row.local), (Some(200), 1, false, true));
    assert_eq!(row.usage_source.as_str(), "reported");
    assert_eq!(row.usage.input_tokens, Some(counts.input_tokens));
    assert_eq!(row.usage.output_tokens, Some(counts.output_tokens));
    assert_eq!(row.cost, Some(NanoUsd(0)));
    assert!(row.frontier_cost.is_some_and(|cost| cost > NanoUsd(0)));
    assert!(row.score.is_some() && row.confidence.is_some() && row.reason.is_some());
    assert!(row.classify_us.is_some_and(|us| us > 0));
}

#[tokio::test]
async fn unknown_fields_reach_the_upstream_untouched() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    let body = r#"{"x_client_field": {"b":1.0,  "a":[1e2]}, "model":"auto","messages":[{"role":"user","content":"hi\u0021"}] }"#;
    let response = app.http.post("/v1/chat/completions", "application/json; charset=utf-8", body).await;
    assert_eq!(response.status, 200);
    let sent = String::from_utf8(fleet.cheap.last().request).unwrap();
    assert_eq!(sent, body.replace(r#""model":"auto""#, r#""model":"small""#));
}

#[tokio::test]
async fn paths_without_v1_mean_the_same() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    let response = app.http.post("/chat/completions", "application/json", question("hi").to_string()).await;
    assert_eq!(response.status, 200);
    let models = app.http.get("/models").await.json();
    let ids: Vec<_> = models["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert_eq!(
        ids,
        ["xrouter/auto", "xrouter/cheap", "xrouter/medium", "xrouter/frontier", "small", "middle", "large"]
    );
}

#[tokio::test]
async fn a_request_that_cannot_be_read_is_refused_with_its_field() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    for (body, param) in [
        ("", None),
        ("not json", None),
        (r#"{"model":"auto"}"#, Some("messages")),
        (r#"{"model":7,"messages":[]}"#, Some("model")),
    ] {
        let response = app.http.post("/v1/chat/completions", "application/json", body).await;
        assert_eq!(response.status, 400, "{body}");
        let error = &response.json()["error"];
        assert_eq!(error["type"], "invalid_request_error");
        assert_eq!(error["param"].as_str(), param, "{body}");
        assert!(!response.header("x-request-id").is_empty());
    }
    let typed = app.http.post("/v1/chat/completions", "text/plain", question("hi").to_string()).await;
    assert_eq!(typed.status, 415);
    assert!(typed.text().contains("application/json"));
    assert!(app.rows().await.is_empty(), "no decision was taken");
}

#[tokio::test]
async fn the_upstreams_refusal_goes_back_as_it_is() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    let mut body = question("hi");
    body["no_such_field"] = json!(1);
    let response = app.http.chat(&body).await;
    assert_eq!(response.status, 400);
    assert_eq!(response.route(), ("0", "cheap", "embedded", "1"));
    let error = &response.json()["error"];
    assert_eq!(error["message"], "Unrecognized request argument supplied: no_such_field");
    assert_eq!((error["param"].as_str(), error["upstream"].as_str()), (Some("no_such_field"), Some("c")));
    assert_eq!(fleet.medium.counts().requests, 0, "another upstream would refuse it as well");
    let row = app.row().await;
    assert_eq!((row.status, row.error_type.as_deref()), (Some(400), Some("upstream_rejected")));
    assert_eq!((row.usage.input_tokens, row.cost, row.usage_source.as_str()), (None, None, "absent"));
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_whether_its_length_is_told_or_not() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("[server]\nbody_limit = 2000")).await;
    let large = question(&"x".repeat(3000)).to_string();
    let told = app.http.post("/v1/chat/completions", "application/json", large.clone()).await;
    assert_eq!(told.status, 413);
    assert!(told.text().contains("server.body_limit"));
    let pieces = futures_util::stream::iter(
        large.into_bytes().chunks(500).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect::<Vec<_>>(),
    );
    let chunked = app.http.post("/v1/chat/completions", "application/json", reqwest::Body::wrap_stream(pieces)).await;
    assert_eq!(chunked.status, 413);
    assert_eq!(app.http.chat(&question(&"x".repeat(1000))).await.status, 200);
}

#[tokio::test]
async fn a_key_is_asked_for_everywhere_but_at_the_health_paths() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("[server]\napi_key = \"s3cret\"")).await;
    for path in [
        "/v1/models",
        "/usage",
        "/usage/export.csv",
        "/requests",
        "/requests/x",
        "/metrics",
        "/openapi.json",
        "/no/such/path",
    ] {
        let response = app.http.get(path).await;
        assert_eq!(response.status, 401, "{path}");
        assert_eq!(response.json()["error"]["code"], "invalid_api_key");
        assert_eq!(response.header("www-authenticate"), "Bearer");
        assert!(!response.header("x-request-id").is_empty());
    }
    assert_eq!(app.http.chat(&question("hi")).await.status, 401);
    assert_eq!(app.http.with("authorization", "Bearer wrong").chat(&question("hi")).await.status, 401);
    assert_eq!(fleet.cheap.counts().requests, 0);
    assert_eq!(app.http.get("/healthz").await.status, 200);
    assert_eq!(app.http.get("/readyz").await.status, 200);
    let response = app.http.with("authorization", "Bearer s3cret").chat(&question("hi")).await;
    assert_eq!(response.status, 200);
    assert_eq!(app.row().await.key.as_deref(), Some("default"));
    let sent = fleet.cheap.last().headers;
    assert!(!sent.iter().any(|(_, value)| value.contains("s3cret")), "the router's key is nobody else's business");
}

#[tokio::test]
async fn the_upstream_gets_its_own_key_and_headers() {
    let fleet = Fleet::start().await;
    let toml =
        fleet.toml("").replace("name = \"c\"", "name = \"c\"\napi_key = \"up-key\"\nheaders = { X-Team = \"agents\" }");
    let app = TestApp::start(&toml).await;
    assert_eq!(app.http.chat(&question("hi")).await.status, 200);
    let sent = fleet.cheap.last().headers;
    for (name, value) in [("authorization", "Bearer up-key"), ("x-team", "agents")] {
        assert!(sent.contains(&(name.to_owned(), value.to_owned())), "{sent:?}");
    }
}

#[tokio::test]
async fn header_names_can_be_chosen() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("[headers]\ndecision = \"X-Tier\"\nupstream = \"X-Who\"")).await;
    let response = app.http.chat(&question("hi")).await;
    assert_eq!((response.header("x-tier"), response.header("x-who")), ("0", "cheap"));
    assert_eq!(response.header("x-xrouter-decision"), "");
}

#[tokio::test]
async fn an_upstream_without_a_model_of_its_own_asks_for_the_requests() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("").replace("model = \"small\"", "")).await;
    let mut body = question("hi");
    body["model"] = json!("some/model");
    let response = app.http.chat(&body).await;
    assert_eq!((response.status, response.header("x-xrouter-model")), (200, "some/model"));
    let response = app.http.chat(&question("hi")).await;
    assert_eq!(response.status, 400, "`auto` is no model");
    let error = response.json();
    assert_eq!(error["error"]["param"], "model");
    assert!(error["error"]["message"].as_str().unwrap().contains("cheap"));
}

#[tokio::test]
async fn usage_that_nobody_reported_is_counted_here_and_marked_as_an_estimate() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    fleet.cheap.next(Reply::WithoutUsage);
    assert_eq!(app.http.chat(&question("hi")).await.status, 200);
    let row = app.row().await;
    assert_eq!(row.usage_source.as_str(), "estimated");
    assert!(row.usage.input_tokens.is_some_and(|count| (3..20).contains(&count)), "{row:?}");
    assert!(row.usage.output_tokens.is_some_and(|count| (5..60).contains(&count)), "{row:?}");
    assert_eq!((row.usage_raw, row.usage.reasoning_tokens), (None, None));
    assert!(row.cost.is_some());
}

#[tokio::test]
async fn usage_of_no_answer_is_absent_and_not_zero() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("[tiers]\nfallback = false")).await;
    fleet.cheap.always(Reply::error(500, "down"));
    assert_eq!(app.http.chat(&question("hi")).await.status, 500);
    let row = app.row().await;
    assert_eq!((row.usage.input_tokens, row.usage.output_tokens, row.cost), (None, None, None));
    assert_eq!(row.usage_source.as_str(), "absent");
    let usage = app.http.get("/usage").await.json();
    assert_eq!(usage["cheap"]["unpriced_requests"], 1);
    assert_eq!(usage["cheap"]["cost_usd"], json!(null));
}

#[tokio::test]
async fn null_and_lists_in_the_body_do_no_harm() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    let body = r#"{"model":null,"stream_options":null,"stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
    let response = app.http.post("/v1/chat/completions", "application/json", body).await;
    assert_eq!(response.status, 200);
    assert!(app.row().await.usage.input_tokens.is_some(), "usage was asked for in its place");
    let list = app.http.post("/v1/chat/completions", "application/json", r#"["auto",[]]"#).await;
    assert_eq!(list.status, 400);
}

#[tokio::test]
async fn a_page_of_another_site_whose_name_points_here_is_refused() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    let rebound = app.http.with("host", "evil.example:3000").chat(&question("hi")).await;
    assert_eq!((rebound.status, rebound.json()["error"]["code"].as_str()), (403, Some("foreign_host")));
    assert_eq!(app.http.with("host", "localhost:3000").chat(&question("hi")).await.status, 200);
    assert_eq!(app.http.with("host", "[::1]:3000").get("/usage").await.status, 200);
    let with_key = TestApp::start(&fleet.toml("[server]\napi_key = \"k\"")).await;
    let named = with_key.http.with("host", "router.example").with("authorization", "Bearer k");
    assert_eq!(named.chat(&question("hi")).await.status, 200);
}

#[tokio::test]
async fn a_long_model_name_does_not_grow_the_history() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("").replace("model = \"small\"", "")).await;
    let mut body = question("hi");
    body["model"] = json!("m".repeat(100_000));
    assert_eq!(app.http.chat(&body).await.status, 200);
    let row = app.row().await;
    let lengths =
        [Some(row.requested_model), row.selected_model, row.response_model].map(|name| name.map(|name| name.len()));
    assert_eq!(lengths, [Some(256), Some(256), Some(5)]);
}
