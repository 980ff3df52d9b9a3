//! Totals, groups, single requests and CSV, against the simulator's own sums.

use futures_util::future::join_all;
use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};
use xrouter::protocol::Timestamp;
use xrouter::simulator::{Counts, Reply};
use xrouter::store::shown_columns;

use crate::support::{Fleet, TestApp, question, sums_equal_rows};

const MODELS: [&str; 3] = ["cheap", "medium", "frontier"];

/// Sends mixed requests: every tier, plain and streamed, long and short, some with history.
async fn mixed(app: &TestApp, count: usize) {
    let requests = (0..count).map(|number| {
        let mut body = question(&format!("question {number} {}", "and more ".repeat(number % 7)));
        body["model"] = json!(MODELS[number % 3]);
        body["stream"] = json!(number % 2 == 0);
        if number % 5 == 0 {
            let messages = body["messages"].as_array_mut().unwrap();
            messages.insert(0, json!({ "role": "assistant", "content": "before" }));
            messages.insert(0, json!({ "role": "user", "content": "first" }));
        }
        let http = app.http.clone();
        async move {
            let response = http.chat(&body).await;
            assert_eq!(response.status, 200, "{}", response.text());
        }
    });
    let mut waiting: Vec<_> = requests.collect();
    // Fifty at a time.
    while !waiting.is_empty() {
        let batch = waiting.split_off(waiting.len().saturating_sub(50));
        join_all(batch).await;
    }
}

fn same_as(counts: &Counts, totals: &Value) {
    assert_eq!(totals["requests"], counts.answered);
    assert_eq!(totals["input_tokens"], counts.input_tokens);
    assert_eq!(totals["cached_input_tokens"], counts.cached_input_tokens);
    assert_eq!(totals["output_tokens"], counts.output_tokens);
    assert_eq!(totals["reasoning_tokens"], counts.reasoning_tokens);
    assert_eq!(totals["total_tokens"], counts.input_tokens + counts.output_tokens);
    assert_eq!(totals["errors"], 0);
}

#[tokio::test]
async fn totals_equal_the_upstreams_own_sums_after_500_mixed_concurrent_requests() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    mixed(&app, 500).await;
    app.store.flush().await;
    let usage = app.http.get("/usage").await.json();
    for (name, simulator) in MODELS.into_iter().zip(fleet.all()) {
        same_as(&simulator.counts(), &usage[name]);
    }
    assert_eq!(usage["total"]["requests"], 500);
    assert_eq!(usage["local"], usage["cheap"], "only the cheap tier counts as local here");
    // Money, from the simulators' tokens and the configured prices (dollars per million).
    let medium = fleet.medium.counts();
    let usd = |tokens: u64| tokens as f64 / 1e6;
    let expected = usd(medium.input_tokens - medium.cached_input_tokens)
        + usd(medium.cached_input_tokens) * 0.5
        + usd(medium.output_tokens) * 2.0;
    let cost = usage["medium"]["cost_usd"].as_f64().unwrap();
    assert!((cost - expected).abs() < 1e-6, "{cost} against {expected}");
    let url = format!("sqlite://{}", app.store.path().display());
    sums_equal_rows(&mut SqliteConnection::connect(&url).await.unwrap()).await;
    // The rows say the same, in every period, and so do the groups.
    let rows = app.rows().await;
    let sum = |of: fn(&xrouter::store::Row) -> Option<u64>| rows.iter().filter_map(of).sum::<u64>();
    assert_eq!(usage["total"]["input_tokens"], sum(|row| row.usage.input_tokens));
    assert_eq!(usage["total"]["output_tokens"], sum(|row| row.usage.output_tokens));
    for period in ["24h", "7d", "30d", "all"] {
        let of_period = app.http.get(&format!("/usage?period={period}")).await.json();
        assert_eq!(of_period["total"], usage["total"], "{period}");
    }
    let groups = app.http.get("/usage?group_by=tier,model").await.json();
    let groups = groups["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 3);
    assert_eq!((groups[0]["tier"].as_str(), groups[0]["model"].as_str()), (Some("cheap"), Some("small")));
    assert_eq!(groups[2]["output_tokens"], usage["medium"]["output_tokens"]);
}

#[tokio::test]
async fn a_period_is_cut_at_its_exact_moments() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    mixed(&app, 6).await;
    let rows = app.rows().await;
    let mut times: Vec<String> = rows.iter().map(|row| Timestamp(row.created_at_ms).to_string()).collect();
    times.sort();
    let middle = &times[3];
    let before = times.iter().filter(|time| *time < middle).count();
    let first = app.http.get(&format!("/usage?to={middle}")).await.json();
    assert_eq!(first["total"]["requests"], before);
    let second = app.http.get(&format!("/usage?from={middle}")).await.json();
    assert_eq!(second["total"]["requests"], 6 - before);
    let none = app.http.get("/usage?from=2001-01-01&to=2001-01-01T05:30:00Z").await.json();
    assert_eq!((none["total"]["requests"].as_i64(), none["total"]["cost_usd"].as_f64()), (Some(0), None));
    assert_eq!(
        (none["from"].as_str(), none["to"].as_str()),
        (Some("2001-01-01T00:00:00.000Z"), Some("2001-01-01T05:30:00.000Z"))
    );
}

#[tokio::test]
async fn parameters_that_make_no_sense_are_refused_by_name() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    for (path, param) in [
        ("/usage?from=yesterday", "from"),
        ("/usage?period=1y", "period"),
        ("/usage?period=7d&from=2026-01-01", "period"),
        ("/usage?group_by=tier,colour", "group_by"),
        ("/usage/export.csv?to=x", "to"),
        ("/requests?limit=0", "limit"),
        ("/requests?limit=1001", "limit"),
        ("/requests?cursor=x", "cursor"),
    ] {
        let response = app.http.get(path).await;
        assert_eq!((response.status, response.json()["error"]["param"].as_str()), (400, Some(param)), "{path}");
    }
}

#[tokio::test]
async fn errors_and_requests_that_reached_nobody_are_counted() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("[tiers]\nfallback = false")).await;
    fleet.cheap.next(Reply::error(500, "down"));
    app.http.chat(&question("hi")).await;
    app.store.flush().await;
    let usage = app.http.get("/usage").await.json();
    assert_eq!((usage["cheap"]["errors"].as_i64(), usage["total"]["errors"].as_i64()), (Some(1), Some(1)));
    assert_eq!(usage["cheap"]["unpriced_requests"], 1);
}

#[tokio::test]
async fn the_newest_requests_come_first_and_page_by_page() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    for number in 0..5 {
        app.http.with("x-request-id", &format!("r{number}")).chat(&question("hi")).await;
    }
    app.store.flush().await;
    let first = app.http.get("/requests?limit=3").await.json();
    let ids = |page: &Value| -> Vec<String> {
        page["requests"].as_array().unwrap().iter().map(|row| row["request_id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&first), ["r4", "r3", "r2"]);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = app.http.get(&format!("/requests?limit=3&cursor={cursor}")).await.json();
    assert_eq!((ids(&second), &second["next_cursor"]), (vec!["r1".to_owned(), "r0".to_owned()], &json!(null)));
    let names: Vec<&String> = first["requests"][0].as_object().unwrap().keys().collect();
    let columns: Vec<&str> = shown_columns().map(|column| column.name).collect();
    assert_eq!(names, columns, "a row has the CSV's names");
}

#[tokio::test]
async fn the_export_has_every_row_with_stable_columns_and_no_formulas() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    mixed(&app, 7).await;
    let mut body = question("hi");
    body["model"] = json!("=1+2, \"x\"");
    app.http.chat(&body).await;
    app.store.flush().await;
    let response = app.http.get("/usage/export.csv").await;
    assert_eq!(response.header("content-type"), "text/csv; charset=utf-8");
    let text = response.text();
    assert!(text.starts_with(
        "request_id,time,session,key,decision,tier,source,score,upstream,provider,requested_model,selected_model,stream,\
         status,error_type,attempts,input_tokens,cached_input_tokens,cache_write_tokens,output_tokens,reasoning_tokens,\
         usage_source,cost_usd,frontier_cost_usd,classify_ms,first_token_ms,duration_ms,"
    ));
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let records: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
    assert_eq!(records.len(), 8);
    let rows = app.rows().await;
    for (record, row) in records.iter().zip(&rows) {
        assert_eq!(record[0], row.request_id);
        assert_eq!(record[16], row.usage.input_tokens.map(|count| count.to_string()).unwrap_or_default());
    }
    assert!(records.iter().any(|record| &record[10] == "'=1+2, \"x\""), "{text}");
    let groups = app.http.get("/usage/export.csv?group_by=tier").await.text();
    assert!(groups.starts_with("tier,requests,input_tokens,") && groups.lines().count() == 4, "{groups}");
}
