//! A request moves up where the decided tier's upstreams cannot take it, and is refused where none can.

use serde_json::{Value, json};

use crate::support::{Fleet, TestApp};

fn easy() -> Value {
    json!({ "model": "auto", "messages": [{ "role": "user", "content": "which day is it" }] })
}

/// The fleet's configuration with more keys in the cheap and the medium tier.
fn toml(fleet: &Fleet, cheap: &str, medium: &str) -> String {
    let toml = fleet.toml("");
    let toml = toml.replace("[tiers.cheap]", &format!("[tiers.cheap]\n{cheap}"));
    toml.replace("[tiers.medium]", &format!("[tiers.medium]\n{medium}"))
}

#[tokio::test]
async fn what_a_tier_cannot_do_moves_a_request_up_and_the_decision_stays() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&toml(&fleet, "tools = false\nimages = false", "images = false")).await;
    assert_eq!(app.http.chat(&easy()).await.route().1, "cheap");
    let mut with_tools = easy();
    with_tools["tools"] = json!([{ "type": "function", "function": { "name": "clock", "parameters": {} } }]);
    let response = app.http.chat(&with_tools).await;
    assert_eq!((response.route().0, response.route().1), ("0", "medium"));
    let image = json!([{ "type": "text", "text": "which day is it" },
        { "type": "image_url", "image_url": { "url": "data:image/png;base64,AAAA" } }]);
    let with_image = json!({ "model": "auto", "messages": [{ "role": "user", "content": image }] });
    let response = app.http.chat(&with_image).await;
    assert_eq!((response.route().0, response.route().1), ("0", "frontier"));
    let rows = app.rows().await;
    let reason = rows[1].reason.as_deref().unwrap();
    assert!(reason.starts_with("moved up to medium: tools are not supported; "), "{reason}");
}

#[tokio::test]
async fn thinking_hard_moves_up_and_the_catalogue_knows_who_cannot() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(
        &toml(&fleet, "reasoning = false", "provider = \"openai\"\nmodel = \"gpt-4o\"")
            .replace("model = \"middle\"\n", ""),
    )
    .await;
    let mut body = easy();
    for (effort, tier) in [("low", "cheap"), ("high", "frontier")] {
        body["reasoning_effort"] = effort.into();
        assert_eq!(app.http.chat(&body).await.route().1, tier, "{effort}");
    }
    // Functions are tools by an older name.
    let app = TestApp::start(&toml(&fleet, "tools = false", "")).await;
    let mut body = easy();
    body["functions"] = json!([{ "name": "clock", "parameters": {} }]);
    assert_eq!(app.http.chat(&body).await.route().1, "medium");
}

#[tokio::test]
async fn a_context_that_is_too_small_moves_a_request_up_forced_ones_too() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&toml(&fleet, "context_window = 300", "context_window = 2000")).await;
    let mut long = easy();
    long["messages"][0]["content"] = format!("which day is it {}", "today and tomorrow ".repeat(150)).into();
    long["model"] = "xrouter/cheap".into();
    assert_eq!(app.http.chat(&long).await.route().1, "medium");
    let mut answer = easy();
    answer["max_tokens"] = 5_000.into();
    assert_eq!(app.http.chat(&answer).await.route().1, "frontier");
}

#[tokio::test]
async fn what_no_tier_can_take_is_refused_with_the_limit_that_it_hits() {
    let fleet = Fleet::start().await;
    let toml = fleet.toml("").replace("base_url", "context_window = 100\nbase_url");
    let app = TestApp::start(&toml).await;
    let mut long = easy();
    long["messages"][0]["content"] = "which day is it ".repeat(100).into();
    let response = app.http.chat(&long).await;
    assert_eq!(response.status, 400);
    let error = &response.json()["error"];
    assert_eq!((&error["code"], &error["param"]), (&json!("context_length_exceeded"), &json!("messages")));
    assert!(error["message"].as_str().unwrap().contains("do not fit into 100"), "{error}");
    assert_eq!(response.route().0, "0", "the decision is told");
    let rows = app.rows().await;
    assert_eq!((rows[0].status, rows[0].attempt_count), (Some(400), 0));
}

#[tokio::test]
async fn a_decision_can_be_asked_for_alone() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&toml(&fleet, "tools = false", "")).await;
    let mut body = easy();
    body["tools"] = json!([{ "type": "function", "function": { "name": "clock", "parameters": {} } }]);
    let answer = app.http.post("/v1/route", "application/json", body.to_string()).await;
    assert_eq!(answer.status, 200);
    let json = answer.json();
    assert_eq!((&json["decision"], &json["tier"], &json["source"]), (&json!(0), &json!("medium"), &json!("embedded")));
    assert_eq!(json["limit"], "tools are not supported");
    assert!(json["score"].as_f64().unwrap() < 0.52 && json["input_tokens"].as_u64().unwrap() > 3);
    assert_eq!(app.rows().await.len(), 0, "nothing is recorded");
    assert_eq!(app.http.post("/v1/route", "application/json", "{\"messages\":1}").await.status, 400);
}
