//! Lines of the log are tied to their request, and metrics have the names that were agreed on.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Fleet, Http, Program, TestApp, question};

/// A configuration whose cheap tier has two upstreams that nobody serves.
fn two_dead(fleet: &Fleet, more: &str) -> String {
    let [_, medium, frontier] = fleet.all().map(xrouter::simulator::Simulator::base_url);
    format!(
        "{more}\n[[tiers.cheap.upstreams]]\nname = \"dead-1\"\nbase_url = \"http://127.0.0.1:1\"\nmodel = \"small\"\n\
         [[tiers.cheap.upstreams]]\nname = \"dead-2\"\npriority = 1\ntools = false\nbase_url = \"http://127.0.0.1:1\"\nmodel = \"small\"\n\
         [tiers.medium]\nname = \"m\"\nbase_url = \"{medium}\"\nmodel = \"middle\"\n\
         price = {{ input = 1.0, output = 2.0, cache_read = 0.5 }}\n\
         [tiers.frontier]\nname = \"f\"\nbase_url = \"{frontier}\"\nmodel = \"large\"\n\
         price = {{ input = 10.0, output = 20.0, cache_read = 5.0 }}\n"
    )
}

#[tokio::test]
async fn every_line_of_a_request_with_two_failed_attempts_carries_its_id() {
    let fleet = Fleet::start().await;
    let folder = tempfile::tempdir().unwrap();
    let log = "[server]\nport = 0\n[log]\nlevel = \"warn,xrouter=debug\"\nto_file = true\n";
    std::fs::write(folder.path().join("xrouter.toml"), two_dead(&fleet, log)).unwrap();
    let mut command = Program::xrouter(folder.path());
    command.args(["run", "-c", "xrouter.toml"]).env("NO_COLOR", "1");
    let (mut router, line) = Program::start_until(command, |line| line.contains("/dashboard"));
    let url = line.trim().rsplit(' ').next().unwrap().trim_end_matches("/dashboard").to_owned();
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let http = Http::new(url).with("x-request-id", "my-own-id").with("traceparent", trace);
    let answer = http.chat(&question("hi")).await;
    assert_eq!((answer.status, answer.route()), (200, ("0", "medium", "embedded", "3")));
    assert_eq!(router.interrupt(), Some(130));
    let file = std::fs::read_dir(folder.path().join("logs")).unwrap().next().unwrap().unwrap().path();
    let text = std::fs::read_to_string(file).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_request = |line: &&Value| {
        let target = line["target"].as_str().unwrap();
        ["xrouter::telemetry", "xrouter::gateway", "xrouter::api", "xrouter::providers"]
            .iter()
            .any(|it| target.starts_with(it))
    };
    let told: Vec<&Value> = lines.iter().filter(of_request).collect();
    let messages: Vec<&str> = told.iter().map(|line| line["fields"]["message"].as_str().unwrap()).collect();
    assert_eq!(messages, ["an upstream failed", "an upstream failed", "a request has ended"], "{text}");
    for line in &told {
        let request = &line["spans"][0];
        assert_eq!((&request["name"], &request["request_id"]), (&json!("request"), &json!("my-own-id")), "{line}");
        assert_eq!(request["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736", "{line}");
    }
    for (place, upstream) in [(0, "dead-1"), (1, "dead-2")] {
        let attempt = &told[place]["spans"][1];
        let expected = json!({ "name": "attempt", "tier": "cheap", "upstream": upstream, "attempt": place + 1 });
        assert_eq!(attempt, &expected);
        assert_eq!(told[place]["fields"]["error_type"], "upstream_unreachable");
    }
}

#[tokio::test]
async fn a_trace_goes_on_to_the_upstream_and_every_answer_tells_the_routers_own_time() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let http = app.http.with("traceparent", &format!("00-{trace}-00f067aa0ba902b7-01")).with("tracestate", "a=b");
    let answer = http.chat(&question("hi")).await;
    let header = |name: &str| {
        let headers = fleet.cheap.last().headers;
        headers.into_iter().find(|(known, _)| known == name).map(|(_, value)| value)
    };
    let parent = header("traceparent").unwrap();
    assert!(parent.starts_with(&format!("00-{trace}-")) && parent.ends_with("-01"), "{parent}");
    assert_ne!(parent, format!("00-{trace}-00f067aa0ba902b7-01"), "a span of our own");
    assert_eq!(header("tracestate").as_deref(), Some("a=b"));
    app.http.chat(&question("hi again")).await;
    assert_eq!(header("traceparent"), None, "none is made up");
    for answer in
        [answer, app.http.get("/healthz").await, app.http.get("/nothing").await, app.http.chat(&json!({})).await]
    {
        let timing = answer.header("server-timing");
        let own: f64 = timing.strip_prefix("xrouter;dur=").unwrap().parse().unwrap();
        assert!(own >= 0.0, "{timing}");
    }
}

#[tokio::test]
async fn metrics_have_the_names_and_labels_that_were_agreed_on() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&two_dead(&fleet, "[response_cache]\nenabled = true\n")).await;
    let mut exact = question("hi");
    exact["temperature"] = 0.into();
    let mut with_tools = question("hi");
    with_tools["tools"] =
        json!([{ "type": "function", "function": { "name": "f", "parameters": { "type": "object" } } }]);
    for body in [question("hi"), exact.clone(), exact, with_tools] {
        assert_eq!(app.http.chat(&body).await.status, 200);
    }
    app.rows().await;
    let answer = app.http.get("/metrics").await;
    assert_eq!(answer.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let text = answer.text();
    let mut agreed = BTreeSet::new();
    for line in text.lines().filter(|line| *line != "# EOF") {
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            agreed.insert(format!("{kind}:"));
        } else if !line.starts_with('#') {
            let series = line.rsplit_once(' ').unwrap().0;
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let labels: Vec<&str> =
                labels.split("\",").filter_map(|label| label.split_once("=\"")).map(|it| it.0).collect();
            agreed.insert(format!("{name} {}", labels.join(" ")));
        }
    }
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md")).unwrap();
    let described = agreed.iter().filter_map(|line| line.strip_suffix(':')?.split_once(' '));
    for (name, kind) in described {
        let shown = if kind == "counter" { format!("`{name}_total`") } else { format!("`{name}`") };
        assert!(page.contains(&shown), "docs/metrics.md has no {shown}");
    }
    let agreed: Vec<String> = agreed.into_iter().collect();
    insta::assert_snapshot!("metrics", agreed.join("\n"));
    for sample in [
        "xrouter_requests_total{tier=\"medium\",source=\"embedded\",status_class=\"2xx\",upstream=\"m\",gen_ai_provider_name=\"openai_compatible\"} 1",
        "xrouter_requests_total{tier=\"response_cache\",source=\"cache\",status_class=\"2xx\",upstream=\"other\",gen_ai_provider_name=\"none\"} 1",
        "xrouter_upstream_failures_total{tier=\"cheap\",upstream=\"dead-2\",gen_ai_provider_name=\"openai_compatible\",error_type=\"upstream_unreachable\"} 2",
        "xrouter_response_cache_total{result=\"hit\"} 1",
        "xrouter_decisions_total{source=\"cache\"} 3",
        "xrouter_requests_in_flight 0",
        "xrouter_history_rows{place=\"stored\"} 4",
        "gen_ai_client_operation_duration_seconds_count{tier=\"medium\",gen_ai_provider_name=\"openai_compatible\",gen_ai_request_model=\"middle\"} 3",
        "xrouter_candidates_skipped_total{tier=\"cheap\",upstream=\"dead-2\"} 1",
    ] {
        assert!(text.contains(&format!("{sample}\n")), "{sample}\n{text}");
    }
}
