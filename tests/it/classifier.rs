//! The classifier that asks a model, with the simulator as that model.

use std::time::Duration;

use serde_json::Value;
use xrouter::simulator::{Profile, Reply, Simulator};

use crate::support::{Fleet, TestApp, question, soon};

/// `[classifier]` for a simulated model; warm-up off, so that only real questions are counted.
fn classifier(model: &Simulator, more: &str) -> String {
    format!(
        "[classifier]\nbase_url = \"{}\"\nmodel = \"judge\"\nwarmup = false\nloading_retry_ms = 1\n{more}\n",
        model.base_url()
    )
}

async fn model() -> Simulator {
    Simulator::start(Profile::default()).await.unwrap()
}

fn text(text: &str) -> Reply {
    Reply::Text(text.to_owned())
}

#[tokio::test]
async fn the_first_digit_decides() {
    let cases = [
        ("0", "0", "cheap"),
        ("1", "1", "medium"),
        ("2", "2", "frontier"),
        (" 1\n", "1", "medium"),
        ("The answer is 2, not 0.", "2", "frontier"),
        ("7 or 1", "1", "medium"),
    ];
    for stream in [true, false] {
        let fleet = Fleet::start().await;
        let judge = model().await;
        let app = TestApp::start(&fleet.toml(&classifier(&judge, &format!("force_stream = {stream}")))).await;
        for (answer, decision, tier) in cases {
            judge.next(text(answer));
            let response = app.http.chat(&question(&format!("{answer} {stream}"))).await;
            assert_eq!(response.route(), (decision, tier, "llm", "1"), "{answer:?}, stream {stream}");
        }
        let asked: Value = serde_json::from_slice(&judge.last().request).unwrap();
        assert_eq!((asked["model"].as_str(), asked["max_tokens"].as_i64()), (Some("judge"), Some(1)));
        assert_eq!((asked["temperature"].as_f64(), asked["stream"].as_bool()), (Some(0.0), Some(stream)));
        assert_eq!(asked["messages"][0]["role"], "system");
        assert_eq!(asked["messages"][1]["content"], format!("7 or 1 {stream}"));
    }
}

#[tokio::test]
async fn a_model_that_gives_no_decision_sends_the_request_to_the_frontier() {
    let fleet = Fleet::start().await;
    let judge = model().await;
    let app = TestApp::start(&fleet.toml(&classifier(&judge, ""))).await;
    let nothing = Reply::Raw { content_type: "text/event-stream".to_owned(), body: b"data: [DONE]\n\n".to_vec() };
    let garbage = Reply::Raw { content_type: "text/html".to_owned(), body: b"<h1>hi</h1>".to_vec() };
    for (number, reply) in
        [text("three"), text(""), nothing, garbage, Reply::error(500, "x"), Reply::CutAfter(1)].into_iter().enumerate()
    {
        judge.next(reply.clone());
        let response = app.http.chat(&question(&format!("hi {number}"))).await;
        assert_eq!(response.route(), ("2", "frontier", "fallback", "1"), "{reply:?}");
    }
    assert!(app.rows().await.iter().all(|row| row.reason.as_deref().unwrap().starts_with("classifier_unavailable")));
    judge.next(text("0"));
    assert_eq!(
        app.http.chat(&question("hi 0")).await.route(),
        ("0", "cheap", "llm", "1"),
        "a failure is not remembered"
    );
}

#[tokio::test]
async fn the_models_stream_is_closed_after_its_first_digit() {
    let fleet = Fleet::start().await;
    let profile = Profile { per_token: Duration::from_millis(2), ..Profile::default() };
    let judge = Simulator::start(profile).await.unwrap();
    let app = TestApp::start(&fleet.toml(&classifier(&judge, "max_tokens = 4000\ntimeout_ms = 300000"))).await;
    judge.next(text(&format!("1 because {}", "of many reasons ".repeat(1000))));
    assert_eq!(app.http.chat(&question("hi")).await.route(), ("1", "medium", "llm", "1"));
    let counts = soon(judge.wait_for(|counts| counts.cancelled == 1)).await;
    assert!(counts.events < 500, "{} of 3 000 events could be sent", counts.events);
}

#[tokio::test]
async fn a_model_that_is_loading_is_asked_again() {
    let fleet = Fleet::start().await;
    let judge = model().await;
    let app = TestApp::start(&fleet.toml(&classifier(&judge, "loading_max_retries = 2"))).await;
    judge.next(Reply::error(503, "Loading model"));
    judge.next(Reply::error(500, "model is loading, please wait"));
    judge.next(text("0"));
    assert_eq!(app.http.chat(&question("a")).await.route(), ("0", "cheap", "llm", "1"));
    assert_eq!(judge.counts().requests, 3);
    for _ in 0..3 {
        judge.next(Reply::error(503, "Loading model"));
    }
    assert_eq!(app.http.chat(&question("b")).await.route(), ("2", "frontier", "fallback", "1"));
    assert_eq!(judge.counts().requests, 6, "one call and two retries");
}

#[tokio::test]
async fn a_slow_model_is_asked_once_more_with_more_time() {
    let fleet = Fleet::start().await;
    let judge = model().await;
    // The answer to the second call has twice the time, which a busy machine does not use up.
    let app = TestApp::start(&fleet.toml(&classifier(&judge, "timeout_ms = 4000"))).await;
    judge.next(Reply::Silence);
    judge.next(text("1"));
    assert_eq!(app.http.chat(&question("a")).await.route(), ("1", "medium", "llm", "1"));
    assert_eq!(judge.counts().requests, 2);
    judge.always(Reply::Silence);
    let app = TestApp::start(&fleet.toml(&classifier(&judge, "timeout_ms = 100"))).await;
    let response = app.http.chat(&question("b")).await;
    assert_eq!(response.route(), ("2", "frontier", "fallback", "1"));
    assert!(judge.counts().requests <= 4, "there is no third call");
    assert!(app.row().await.classify_us.unwrap() >= 300_000, "100 ms and then 200 ms");
}

#[tokio::test]
async fn a_cascade_asks_the_model_only_where_the_embedded_classifier_is_unsure() {
    let fleet = Fleet::start().await;
    let judge = model().await;
    let sure = classifier(&judge, "kind = \"cascade\"\nunsure_below = 0.0");
    let app = TestApp::start(&fleet.toml(&sure)).await;
    assert_eq!(app.http.chat(&question("which day is it")).await.route(), ("0", "cheap", "embedded", "1"));
    assert_eq!(judge.counts().requests, 0);

    let unsure = "kind = \"cascade\"\nunsure_below = 1.0\nmedium_at = 0.1\nfrontier_at = 0.12";
    let unsure = classifier(&judge, unsure);
    let app = TestApp::start(&fleet.toml(&unsure)).await;
    judge.next(text("2"));
    assert_eq!(app.http.chat(&question("hi")).await.route(), ("2", "frontier", "llm", "1"));
    judge.next(Reply::error(500, "down"));
    let response = app.http.chat(&question("hello")).await;
    assert_eq!(response.route().2, "embedded", "the embedded decision stands");
    let rows = app.rows().await;
    assert!(rows[1].reason.as_deref().unwrap().starts_with("llm_unavailable"), "{:?}", rows[1].reason);
    judge.next(text("2"));
    assert_eq!(app.http.chat(&question("hello")).await.route().2, "llm", "it is not remembered");
}

#[tokio::test]
async fn the_cheap_tier_defaults_to_the_classifiers_endpoint_and_model() {
    let fleet = Fleet::start().await;
    let toml = format!(
        "{}[tiers.medium]\nbase_url = \"{}\"\nmodel = \"m\"\n[tiers.frontier]\nbase_url = \"{}\"\nmodel = \"f\"\n",
        classifier(&fleet.cheap, "api_key = \"local-key\""),
        fleet.medium.base_url(),
        fleet.frontier.base_url()
    );
    let app = TestApp::start(&toml).await;
    fleet.cheap.next(text("0"));
    let response = app.http.chat(&question("hi")).await;
    assert_eq!((response.header("x-xrouter-upstream"), response.header("x-xrouter-model")), ("cheap", "judge"));
    let sent = fleet.cheap.last().headers;
    assert!(sent.contains(&("authorization".to_owned(), "Bearer local-key".to_owned())));
}

#[tokio::test]
async fn a_tier_on_the_classifiers_server_uses_its_model_so_that_the_engine_never_swaps() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml(&classifier(&fleet.cheap, ""))).await;
    fleet.cheap.next(text("0"));
    assert_eq!(app.http.chat(&question("hi")).await.header("x-xrouter-model"), "judge");
}

#[tokio::test]
async fn the_model_is_warmed_up_at_start_and_kept_warm() {
    let fleet = Fleet::start().await;
    let judge = model().await;
    let toml = format!(
        "[classifier]\nbase_url = \"{}\"\nmodel = \"judge\"\nwarmup_delay_ms = 1\nkeep_alive_ms = 5\n",
        judge.base_url()
    );
    let app = TestApp::start(&fleet.toml(&toml)).await;
    // It is asked again and again.
    soon(judge.wait_for(|counts| counts.requests >= 3)).await;
    assert!(app.rows().await.is_empty(), "nobody's request");
}

#[tokio::test]
async fn the_models_own_tokens_are_kept_apart() {
    let fleet = Fleet::start().await;
    let judge = model().await;
    let app = TestApp::start(&fleet.toml(&classifier(&judge, "force_stream = false"))).await;
    judge.next(text("0"));
    app.http.chat(&question("hi")).await;
    let counts = judge.counts();
    let row = app.row().await;
    assert_eq!(row.classifier_usage.input_tokens, Some(counts.input_tokens));
    let usage = app.http.get("/usage").await.json();
    assert_eq!(usage["classifier"]["requests"], 1);
    assert_eq!(usage["classifier"]["input_tokens"], counts.input_tokens);
    assert_eq!(usage["total"]["input_tokens"], fleet.cheap.counts().input_tokens);
}

#[tokio::test]
async fn logit_bias_and_key_reach_the_model_and_long_texts_are_cut_in_the_middle() {
    let fleet = Fleet::start().await;
    let judge = model().await;
    let more = "api_key = \"jk\"\nlogit_bias = { 15 = 100 }\nmax_chars = 30";
    let app = TestApp::start(&fleet.toml(&classifier(&judge, more))).await;
    judge.next(text("0"));
    app.http.chat(&question(&format!("begin{}end", "x".repeat(1000)))).await;
    let last = judge.last();
    let asked: Value = serde_json::from_slice(&last.request).unwrap();
    assert_eq!(asked["logit_bias"]["15"], 100.0);
    let text = asked["messages"][1]["content"].as_str().unwrap();
    assert!(text.starts_with("begin") && text.ends_with("end") && text.chars().count() < 40, "{text}");
    assert!(last.headers.contains(&("authorization".to_owned(), "Bearer jk".to_owned())));
}

#[tokio::test]
async fn what_the_endpoint_says_of_a_key_stays_out_of_the_history() {
    let fleet = Fleet::start().await;
    let judge = model().await;
    let app = TestApp::start(&fleet.toml(&classifier(&judge, ""))).await;
    judge.next(Reply::error(401, "Incorrect API key provided: sk-abcdef"));
    assert_eq!(app.http.chat(&question("hi")).await.route().2, "fallback");
    let reason = app.row().await.reason.unwrap();
    assert!(reason.contains("401") && !reason.contains("sk-abcdef"), "{reason}");
}

#[tokio::test]
async fn tokens_of_a_model_that_was_cut_off_are_unknown_and_not_zero() {
    let fleet = Fleet::start().await;
    let judge = model().await;
    let app = TestApp::start(&fleet.toml(&classifier(&judge, ""))).await;
    assert_eq!(app.http.get("/usage").await.json()["classifier"]["input_tokens"], 0, "nobody was asked");
    judge.next(text("0"));
    app.http.chat(&question("hi")).await;
    app.store.flush().await;
    let usage = app.http.get("/usage").await.json();
    assert_eq!(
        (usage["classifier"]["requests"].as_i64(), usage["classifier"]["input_tokens"].as_i64()),
        (Some(1), None)
    );
}

#[tokio::test]
async fn a_hundred_equal_requests_at_once_are_one_question_to_the_model() {
    let fleet = Fleet::start().await;
    // Slow enough that all have come before it answers.
    let slow = Profile { first_token: Duration::from_millis(500), ..Profile::default() };
    let judge = Simulator::start(slow).await.unwrap();
    judge.next(text("1"));
    let app = TestApp::start(&fleet.toml(&classifier(&judge, "timeout_ms = 300000"))).await;
    let question = question("compare two cities");
    let answers = futures_util::future::join_all((0..100).map(|_| app.http.chat(&question))).await;
    assert!(answers.iter().all(|answer| answer.route().1 == "medium"));
    assert_eq!(judge.counts().requests, 1);
    let metrics = app.http.get("/metrics").await.text();
    assert!(metrics.contains("xrouter_classifier_asked_total 1\n"), "{metrics}");
    assert!(metrics.contains("xrouter_decisions_total{source=\"llm\"} "), "{metrics}");
}
