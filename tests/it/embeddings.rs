//! Embeddings: one upstream, its bytes, one row.

use serde_json::{Value, json};
use xrouter::catalog::{Api, NanoUsd, Provider, Source};
use xrouter::simulator::{Profile, Reply, Simulator, Voice};

use crate::support::{Fleet, Http, Response, TestApp, question};

/// Answers as the model that it is asked for.
async fn embedder() -> Simulator {
    let profile = Profile { voice: Voice::Of(Provider::Openai), model: String::new(), ..Profile::default() };
    Simulator::start(profile).await.unwrap()
}

fn table(simulator: &Simulator, more: &str) -> String {
    format!(
        "[embeddings]\nname = \"e\"\nprovider = \"openai\"\nbase_url = \"{}\"\nprice = {{ input = 0.02 }}\n{more}\n",
        simulator.base_url()
    )
}

fn body(model: &str) -> Value {
    json!({ "input": ["a text", "another text"], "model": model, "encoding_format": "base64", "dimensions": 4 })
}

async fn embed(http: &Http, body: &Value) -> Response {
    http.post("/v1/embeddings", "application/json", body.to_string()).await
}

#[tokio::test]
async fn bytes_pass_both_ways_and_the_row_has_the_tokens_and_their_price() {
    let (fleet, simulator) = (Fleet::start().await, embedder().await);
    let app = TestApp::start(&fleet.toml(&table(&simulator, ""))).await;
    let body = body("text-embedding-3-small");
    let direct = Http::new(simulator.base_url()).post("/embeddings", "application/json", body.to_string()).await;
    for path in ["/v1/embeddings", "/embeddings"] {
        let routed = app.http.post(path, "application/json", body.to_string()).await;
        assert_eq!((routed.status, &routed.body), (200, &direct.body), "{path}");
        assert_eq!(simulator.last().request, body.to_string().into_bytes(), "{path}");
        assert_eq!(routed.header("content-type"), "application/json");
        assert_eq!(routed.route(), ("0", "cheap", "forced", "1"));
        assert_eq!(routed.header("x-xrouter-model"), "text-embedding-3-small");
    }
    let tokens = direct.json()["usage"]["prompt_tokens"].as_u64().unwrap();
    let rows = app.rows().await;
    assert_eq!(rows.len(), 2);
    for row in rows {
        assert_eq!((row.api, row.source, row.status), (Some(Api::Embeddings), Some(Source::Forced), Some(200)));
        assert_eq!(
            (row.upstream.as_deref(), row.selected_model.as_deref()),
            (Some("e"), Some("text-embedding-3-small"))
        );
        assert_eq!((row.usage.input_tokens, row.usage.output_tokens), (Some(tokens), Some(0)));
        assert_eq!(row.cost, Some(NanoUsd(i64::try_from(tokens * 20).unwrap())));
        assert_eq!(row.frontier_cost, None, "no other tier could have embedded it");
    }
}

#[tokio::test]
async fn a_model_of_the_upstreams_own_takes_the_place_of_the_clients() {
    let (fleet, simulator) = (Fleet::start().await, embedder().await);
    let app = TestApp::start(&fleet.toml(&table(&simulator, "model = \"text-embedding-3-large\""))).await;
    let response = embed(&app.http, &body("text-embedding-3-small")).await;
    assert_eq!((response.status, &response.json()["model"]), (200, &json!("text-embedding-3-large")));
    let row = app.row().await;
    assert_eq!(row.requested_model, "text-embedding-3-small");
    assert_eq!(row.response_model.as_deref(), Some("text-embedding-3-large"));
}

#[tokio::test]
async fn without_a_table_the_first_upstream_that_lists_the_model_answers() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    let mut asked = body("middle");
    asked.as_object_mut().unwrap().remove("dimensions");
    let response = embed(&app.http, &asked).await;
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(response.route(), ("1", "medium", "forced", "1"));
    assert_eq!(app.row().await.upstream.as_deref(), Some("m"));
    let unknown = embed(&app.http, &body("nobody-lists-this")).await;
    let error = &unknown.json()["error"];
    assert_eq!((unknown.status, &error["code"], &error["param"]), (404, &json!("model_not_found"), &json!("model")));
    assert!(error["message"].as_str().unwrap().contains("[embeddings]"), "{error}");
    let row = app.rows().await.remove(1);
    assert_eq!((row.status, row.error_type.as_deref(), row.attempt_count), (Some(404), Some("model_not_found"), 0));
}

#[tokio::test]
async fn the_model_of_a_tier_never_takes_the_place_of_an_embedding_model() {
    let model = "text-embedding-3-small".to_owned();
    let profile = Profile { voice: Voice::Of(Provider::Openai), model, ..Profile::default() };
    let simulator = Simulator::start(profile).await.unwrap();
    let toml = ["cheap", "medium", "frontier"].map(|tier| {
        format!(
            "[tiers.{tier}]\nprovider = \"openai\"\nbase_url = \"{}\"\nmodel = \"gpt-4o-mini\"\n",
            simulator.base_url()
        )
    });
    let app = TestApp::start(&toml.concat()).await;
    let response = embed(&app.http, &body("text-embedding-3-small")).await;
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(app.row().await.selected_model.as_deref(), Some("text-embedding-3-small"));
}

#[tokio::test]
async fn an_upstream_that_fails_is_told_and_no_other_is_asked() {
    let (fleet, simulator) = (Fleet::start().await, embedder().await);
    let app = TestApp::start(&fleet.toml(&table(&simulator, ""))).await;
    simulator.next(Reply::Status {
        status: 429,
        body: r#"{"error":{"message":"slow down","type":"rate_limit_error","code":"rate_limit_exceeded"}}"#.to_owned(),
        retry_after: Some("7".to_owned()),
    });
    let response = embed(&app.http, &body("text-embedding-3-small")).await;
    assert_eq!((response.status, response.header("retry-after")), (429, "7"));
    assert!(response.text().contains("slow down"), "{}", response.text());
    let refused = embed(&app.http, &json!({ "model": "text-embedding-3-small", "input": [] })).await;
    assert_eq!(refused.status, 400, "what the upstream refuses is refused");
    simulator.next(Reply::CutAfter(1));
    assert_eq!(embed(&app.http, &body("text-embedding-3-small")).await.status, 502);
    let rows = app.rows().await;
    assert_eq!(rows.iter().map(|row| row.status.unwrap()).collect::<Vec<_>>(), [429, 400, 502]);
    assert!(rows.iter().all(|row| row.usage.input_tokens.is_none() && row.cost.is_none()));
    assert!(fleet.all().into_iter().all(|upstream| upstream.counts().requests == 0));
}

#[tokio::test]
async fn what_is_no_request_is_refused_with_its_field_and_chat_rows_say_chat() {
    let (fleet, simulator) = (Fleet::start().await, embedder().await);
    let app = TestApp::start(&fleet.toml(&table(&simulator, ""))).await;
    for (body, param) in
        [(json!({ "model": "m" }), json!("input")), (json!({ "model": 5, "input": "a" }), json!("model"))]
    {
        let response = embed(&app.http, &body).await;
        assert_eq!((response.status, &response.json()["error"]["param"]), (400, &param), "{body}");
    }
    let nameless = embed(&app.http, &json!({ "input": "a" })).await;
    assert_eq!((nameless.status, &nameless.json()["error"]["param"]), (400, &json!("model")));
    assert_eq!(simulator.counts().requests, 0);
    assert_eq!(app.http.chat(&question("hello")).await.status, 200);
    assert_eq!(app.row().await.api, Some(Api::Chat));
}
