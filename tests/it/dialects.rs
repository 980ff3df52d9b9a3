//! Every dialect end to end: real sockets, a strict simulation behind, OpenAI's API in front.

use std::io::{Seek as _, Write as _};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use xrouter::catalog::Provider;
use xrouter::simulator::{Profile, Reply, Simulator, Voice};

use crate::support::{Program, Response, TestApp, question};

/// Every dialect and a model of it.
const VOICES: [(&str, &str); 14] = [
    ("anthropic", "claude-sonnet-4-5"),
    ("gemini", "gemini-3.5-flash"),
    ("cohere", "command-a-03-2025"),
    ("cohere_v1", "command-r-08-2024"),
    ("azure_openai", "gpt-4o"),
    ("openai", "gpt-4o"),
    ("mistral", "mistral-large-latest"),
    ("groq", "openai/gpt-oss-120b"),
    ("together", "llama"),
    ("perplexity", "sonar"),
    ("openrouter", "anthropic/claude-sonnet-4.5"),
    ("ollama", "llama3.1"),
    ("xrouter", "auto-1"),
    ("openai_compatible", "local"),
];

async fn simulator(name: &str, reasoning_percent: u64) -> Simulator {
    let voice = match name {
        "cohere_v1" => Voice::CohereV1,
        _ => Voice::Of(Provider::ALL.into_iter().find(|provider| provider.as_str() == name).unwrap()),
    };
    let api_key = Some("the-secret-key".to_owned());
    Simulator::start(Profile { voice, model: String::new(), api_key, reasoning_percent, ..Profile::default() })
        .await
        .unwrap()
}

/// One upstream's keys in the configuration.
fn upstream(name: &str, model: &str, simulator: &Simulator) -> String {
    let provider = if name == "cohere_v1" { "cohere" } else { name };
    format!(
        "provider = \"{provider}\"\nbase_url = \"{}\"\nmodel = \"{model}\"\napi_key = \"the-secret-key\"\nname = \"{name}\"\n\
         price = {{ input = 1.0, output = 10.0, cache_read = 0.1, cache_write = 2.0, cache_write_1h = 4.0 }}\n",
        simulator.base_url()
    )
}

async fn over(name: &str, model: &str, simulator: &Simulator, more: &str) -> TestApp {
    let upstream = upstream(name, model, simulator);
    TestApp::start(&format!("[classifier]\nkind = \"off\"\n[tiers.frontier]\n{upstream}{more}")).await
}

fn streamed(text: &str) -> Value {
    let mut body = question(text);
    body["stream"] = json!(true);
    body
}

/// The text of a stream, and whether it ended well.
fn text_of(response: &Response) -> (String, bool) {
    let text = response.text();
    let chunks = text.split("\n\n").filter_map(|event| event.strip_prefix("data: "));
    let said = chunks
        .filter_map(|data| serde_json::from_str::<Value>(data).ok())
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str().map(str::to_owned))
        .collect();
    (said, text.ends_with("data: [DONE]\n\n"))
}

#[tokio::test]
async fn every_dialect_answers_plain_and_streamed_and_its_tokens_and_cost_are_exact() {
    for (name, model) in VOICES {
        let simulator = simulator(name, 50).await;
        let app = over(name, model, &simulator, "").await;
        let turns = json!({ "model": "auto", "messages": [
            { "role": "system", "content": "be brief" },
            { "role": "user", "content": "hello there" },
            { "role": "assistant", "content": "hello" },
            { "role": "user", "content": "tell me about the sea" }] });
        let plain = app.http.chat(&turns).await;
        assert_eq!(plain.status, 200, "{name}: {}", plain.text());
        let mut streaming = turns.clone();
        streaming["stream"] = json!(true);
        let stream = app.http.chat(&streaming).await;
        let whole = plain.json()["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
        assert_eq!(text_of(&stream), (whole, true), "{name}");
        let chunks = stream.text();
        let chunks = chunks.split("\n\n").filter_map(|event| event.strip_prefix("data: {"));
        let shows = chunks.filter_map(|rest| serde_json::from_str::<Value>(&format!("{{{rest}")).ok());
        assert!(shows.into_iter().all(|chunk| chunk["usage"].is_null()), "{name}: usage was not asked for");

        let counts = simulator.counts();
        let rows = app.rows().await;
        let sum = |of: fn(&xrouter::store::Row) -> Option<u64>| -> u64 { rows.iter().filter_map(of).sum() };
        assert_eq!(sum(|row| row.usage.input_tokens), counts.input_tokens, "{name}");
        assert_eq!(sum(|row| row.usage.output_tokens), counts.output_tokens, "{name}");
        // Cohere's API does not tell reasoning apart; the older one, Together and Ollama tell neither kind.
        let reasoning = sum(|row| row.usage.reasoning_tokens);
        assert!(reasoning == counts.reasoning_tokens || reasoning == 0, "{name}: {reasoning}");
        let cached = sum(|row| row.usage.cached_input_tokens);
        assert!(cached == counts.cached_input_tokens || cached == 0, "{name}: {cached}");
        for row in &rows {
            assert_eq!(row.usage_source.as_str(), "reported", "{name}");
            let usage: Value = serde_json::from_str(row.usage_raw.as_deref().unwrap()).unwrap();
            assert!(usage.is_object(), "{name}");
            let [input, cached, written, output] = [
                row.usage.input_tokens,
                row.usage.cached_input_tokens,
                row.usage.cache_write_tokens,
                row.usage.output_tokens,
            ]
            .map(|count| count.unwrap_or(0) as f64);
            let cost = ((input - cached - written) + cached * 0.1 + written * 2.0 + output * 10.0) / 1e6;
            assert!((row.cost.unwrap().as_usd() - cost).abs() < 1e-9, "{name}: {row:?}");
        }
    }
}

#[tokio::test]
async fn a_stream_that_breaks_is_told_and_recorded_in_every_dialect() {
    for (name, model) in VOICES {
        let simulator = simulator(name, 0).await;
        let app = over(name, model, &simulator, "").await;
        for reply in [Reply::ErrorAfter(6), Reply::CutAfter(6)] {
            simulator.next(reply.clone());
            let response = app.http.chat(&streamed("hello there")).await;
            assert_eq!(response.status, 200, "{name} {reply:?}: {}", response.text());
            let text = response.text();
            let last = text.trim_end().rsplit("\n\n").next().unwrap();
            let error: Value = serde_json::from_str(last.strip_prefix("data: ").unwrap()).unwrap();
            assert_eq!(error["error"]["code"], "interrupted", "{name} {reply:?}");
            assert!(!text.contains("[DONE]"), "{name} {reply:?}");
        }
        for row in app.rows().await {
            assert_eq!(row.error_type.as_deref(), Some("interrupted"), "{name}");
            assert!(
                row.usage.output_tokens.is_some_and(|count| count > 0),
                "{name}: what was seen is counted: {row:?}"
            );
        }
    }
}

#[tokio::test]
async fn what_fails_before_the_first_byte_is_answered_by_the_next_upstream_in_every_dialect() {
    for (name, model) in VOICES {
        let first = simulator(name, 0).await;
        let second = simulator("openai_compatible", 0).await;
        let upstreams = format!(
            "[classifier]\nkind = \"off\"\n[[tiers.frontier.upstreams]]\n{}[[tiers.frontier.upstreams]]\npriority = 1\n{}",
            upstream(name, model, &first),
            upstream("openai_compatible", "m", &second)
        );
        let app = TestApp::start(&upstreams).await;
        let html = Reply::Raw { content_type: "text/html".to_owned(), body: b"<html>oops</html>".to_vec() };
        let overloaded = Reply::Refuse { status: 529, message: "Overloaded".to_owned() };
        let limited = Reply::Refuse { status: 429, message: "slow down".to_owned() };
        let forbidden = Reply::Refuse { status: 403, message: "not allowed".to_owned() };
        for reply in [html, overloaded, limited, forbidden, Reply::ErrorAfter(0), Reply::CutAfter(0)] {
            let streams = matches!(reply, Reply::ErrorAfter(_) | Reply::CutAfter(_));
            first.next(reply.clone());
            let body = if streams { streamed("hello") } else { question("hello") };
            let response = app.http.chat(&body).await;
            assert_eq!(response.status, 200, "{name} {reply:?}: {}", response.text());
            assert_eq!(response.header("x-xrouter-attempts"), "2", "{name} {reply:?}");
        }
        // The request's own fault is not tried elsewhere.
        first.next(Reply::Refuse { status: 400, message: "no such thing".to_owned() });
        let response = app.http.chat(&question("hello")).await;
        assert_eq!((response.status, response.header("x-xrouter-attempts")), (400, "1"), "{name}");
        assert!(response.text().contains("no such thing"), "{name}: {}", response.text());
    }
}

#[tokio::test]
async fn a_blocked_prompt_is_an_answer() {
    for (name, model) in [("gemini", "gemini-3.5-flash"), ("anthropic", "claude-sonnet-4-5"), ("openai", "gpt-4o")] {
        let simulator = simulator(name, 0).await;
        let app = over(name, model, &simulator, "").await;
        simulator.next(Reply::Blocked);
        let plain = app.http.chat(&question("something")).await;
        assert_eq!(plain.json()["choices"][0]["finish_reason"], "content_filter", "{name}: {}", plain.text());
        simulator.next(Reply::Blocked);
        let stream = app.http.chat(&streamed("something")).await;
        assert!(stream.text().contains(r#""finish_reason":"content_filter""#), "{name}: {}", stream.text());
        assert!(text_of(&stream).1, "{name}");
        assert!(app.rows().await.iter().all(|row| row.status == Some(200) && row.error_type.is_none()), "{name}");
    }
}

#[tokio::test]
async fn a_wait_is_passed_on_in_whole_seconds_however_it_was_said() {
    let google = json!({ "error": { "code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED", "details": [
        { "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.2s" }] } });
    let azure = json!({ "error": { "code": "429", "message": "Too many. Please retry after 6 seconds." } });
    let cases = [
        ("gemini", "gemini-3.5-flash", google.to_string(), None, "2"),
        ("azure_openai", "gpt-4o", azure.to_string(), None, "6"),
        ("anthropic", "claude-sonnet-4-5", "{}".to_owned(), Some("12"), "12"),
        ("mistral", "m", r#"{"message":"Requests rate limit exceeded"}"#.to_owned(), Some("0.2"), "1"),
    ];
    for (name, model, body, retry_after, expected) in cases {
        let simulator = simulator(name, 0).await;
        let app = over(name, model, &simulator, "").await;
        simulator.next(Reply::Status { status: 429, body, retry_after: retry_after.map(str::to_owned) });
        let response = app.http.chat(&question("hello")).await;
        assert_eq!((response.status, response.header("retry-after")), (429, expected), "{name}");
    }
}

#[tokio::test]
async fn an_answer_that_comes_compressed_is_read() {
    for (name, model) in [("anthropic", "claude-sonnet-4-5"), ("openai_compatible", "m")] {
        let simulator = simulator(name, 0).await;
        let app = over(name, model, &simulator, "").await;
        assert_eq!(app.http.chat(&question("hello")).await.status, 200);
        let body = gzip(&simulator.last().answer);
        simulator.next(Reply::Gzip { content_type: "application/json".to_owned(), body });
        let response = app.http.chat(&question("hello")).await;
        assert_eq!(response.status, 200, "{name}");
        assert!(response.json()["choices"][0]["message"]["content"].is_string(), "{name}");
        app.http.chat(&streamed("hello")).await;
        let answer = simulator.last().answer;
        let body = gzip(&answer);
        simulator.next(Reply::Gzip { content_type: "text/event-stream".to_owned(), body });
        assert!(text_of(&app.http.chat(&streamed("hello")).await).1, "{name}");
        // As of a proxy that compresses piece by piece.
        let (begin, end) = answer.split_at(answer.len() / 2);
        let body = [gzip(begin), gzip(end)].concat();
        simulator.next(Reply::Gzip { content_type: "text/event-stream".to_owned(), body });
        assert!(text_of(&app.http.chat(&streamed("hello")).await).1, "{name}");
        simulator.next(Reply::Gzip { content_type: "application/json".to_owned(), body: b"no gzip".to_vec() });
        assert_eq!(app.http.chat(&question("hello")).await.status, 502, "{name}");
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut plain = tempfile::tempfile().unwrap();
    plain.write_all(bytes).unwrap();
    plain.rewind().unwrap();
    let mut command = Command::new("gzip");
    command.arg("-c").stdin(plain).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = Program::finish(command);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[tokio::test]
async fn what_a_dialect_cannot_express_is_refused_by_name_or_left_out_and_told() {
    let simulator = simulator("anthropic", 0).await;
    let strict = over("anthropic", "claude-sonnet-4-5", &simulator, "").await;
    let mut body = question("hello");
    body["seed"] = json!(7);
    body["store"] = json!(true);
    let response = strict.http.chat(&body).await;
    let error = response.json()["error"].clone();
    assert_eq!(response.status, 400);
    assert_eq!((&error["param"], &error["code"]), (&json!("seed"), &json!("unsupported_parameter")));
    assert_eq!((&error["provider"], &error["type"]), (&json!("anthropic"), &json!("invalid_request_error")));
    assert_eq!(strict.row().await.error_type.as_deref(), Some("unsupported_parameter"));
    let lenient = over("anthropic", "claude-sonnet-4-5", &simulator, "drop_params = true\n").await;
    let response = lenient.http.chat(&body).await;
    assert_eq!((response.status, response.header("x-xrouter-dropped-params")), (200, "seed, store"));
    // A hint changes no answer: it is left out in any case, and told.
    body.as_object_mut().unwrap().remove("seed");
    let response = strict.http.chat(&body).await;
    assert_eq!((response.status, response.header("x-xrouter-dropped-params")), (200, "store"));
}

#[tokio::test]
async fn another_upstream_that_has_a_word_for_it_is_asked_instead() {
    let anthropic = simulator("anthropic", 0).await;
    let openai = simulator("openai", 0).await;
    let app = TestApp::start(&format!(
        "[classifier]\nkind = \"off\"\n[[tiers.frontier.upstreams]]\n{}[[tiers.frontier.upstreams]]\npriority = 1\n{}",
        upstream("anthropic", "claude-sonnet-4-5", &anthropic),
        upstream("openai", "gpt-4o", &openai)
    ))
    .await;
    let mut body = question("hello");
    body["seed"] = json!(7);
    let response = app.http.chat(&body).await;
    assert_eq!((response.status, response.header("x-xrouter-attempts")), (200, "1"));
    assert_eq!(app.row().await.upstream.as_deref(), Some("openai"));
    assert_eq!(anthropic.counts().requests, 0);
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_named_by_its_field() {
    for (name, model) in VOICES.into_iter().take(4) {
        let simulator = simulator(name, 0).await;
        // Where a model is listed as seeing no images, its requirements would say so first.
        let app = over(name, model, &simulator, "images = true\n").await;
        let call = |arguments: &str| {
            json!({ "role": "assistant", "tool_calls": [
            { "id": "c", "type": "function", "function": { "name": "f", "arguments": arguments } }] })
        };
        let image = json!([{ "type": "image_url", "image_url": { "url": "data:image/tiff;base64,AAAA" } }]);
        let cases = [
            (json!([{ "role": "robot", "content": "x" }]), "messages[0].role"),
            (json!([{ "role": "user", "content": "x" }, call("{")]), "messages[1].tool_calls[0].function.arguments"),
            (json!([{ "role": "tool", "tool_call_id": "c", "content": "x" }]), "messages[0].tool_call_id"),
            (json!([{ "role": "user", "content": image }]), "messages[0].content[0].image_url.url"),
        ];
        for (messages, param) in cases {
            let response = app.http.chat(&json!({ "model": "auto", "messages": messages })).await;
            let error = response.json()["error"].clone();
            assert_eq!(response.status, 400, "{name}");
            assert_eq!((&error["param"], &error["code"]), (&json!(param), &json!("invalid_request")), "{name}");
        }
        assert_eq!(simulator.counts().requests, 0, "{name}: nobody is called");
    }
}

/// A conversation with tools and thinking that goes from one provider to the next and back.
#[tokio::test]
async fn signed_thoughts_come_back_to_their_provider_and_to_no_other() {
    let fleet = [
        ("anthropic", "claude-sonnet-4-5", simulator("anthropic", 0).await),
        ("openai", "gpt-4o", simulator("openai", 0).await),
        ("gemini", "gemini-3.5-flash", simulator("gemini", 0).await),
    ];
    let mut apps = Vec::new();
    for (name, model, simulator) in &fleet {
        apps.push(over(name, model, simulator, "").await);
    }
    // `keeps`: whether the client brings back the fields that OpenAI's API does not know.
    for keeps in [true, false] {
        for order in [[0, 1, 0], [0, 2, 0], [2, 1, 2], [2, 0, 2], [1, 0, 2]] {
            let mut messages = vec![json!({ "role": "user", "content": "what is the weather" })];
            for at in order {
                let (name, ..) = &fleet[at];
                let request = json!({ "model": "auto", "messages": messages, "max_completion_tokens": 4000,
                    "reasoning_effort": if *name == "openai" { Value::Null } else { json!("low") },
                    "tools": [{ "type": "function", "function": { "name": "weather", "parameters": {
                        "type": "object", "properties": { "place": { "type": "string" } } } } }] });
                let answer = apps[at].http.chat(&request).await;
                assert_eq!(answer.status, 200, "{name} {order:?} {keeps}: {}", answer.text());
                let mut message = answer.json()["choices"][0]["message"].clone();
                let id = message["tool_calls"][0]["id"].as_str().unwrap().to_owned();
                if *name == "anthropic" {
                    assert!(message["reasoning_content"].is_string() || order[0] != at, "{message}");
                }
                if !keeps {
                    message = json!({ "role": "assistant", "content": message["content"], "tool_calls": message["tool_calls"] });
                }
                messages.push(message);
                messages.push(json!({ "role": "tool", "tool_call_id": id, "content": "sunny" }));
                let mut second = request.clone();
                second["messages"] = json!(messages);
                let answer = apps[at].http.chat(&second).await;
                assert_eq!(answer.status, 200, "{name} {order:?} {keeps}: {}", answer.text());
                messages
                    .push(json!({ "role": "assistant", "content": answer.json()["choices"][0]["message"]["content"] }));
                messages.push(json!({ "role": "user", "content": "and what is it tomorrow" }));
            }
        }
    }
    for (name, _, simulator) in &fleet {
        assert_eq!(simulator.counts().refused, 0, "{name}");
    }
    // Word for word: what Anthropic signed is what it got back, and the others never saw it.
    let sent = String::from_utf8(fleet[0].2.last().request).unwrap();
    assert!(sent.contains(r#""signature":"sig-"#), "{sent}");
    let sent = String::from_utf8(fleet[1].2.last().request).unwrap();
    assert!(
        !sent.contains("sig-") && !sent.contains("reasoning_content") && !sent.contains("reasoning_details"),
        "{sent}"
    );
}

#[tokio::test]
async fn the_list_of_models_has_what_is_configured_and_what_the_upstreams_list() {
    let anthropic = simulator("anthropic", 0).await;
    let ollama = Simulator::start(Profile {
        voice: Voice::Of(Provider::Ollama),
        model: "llama3.2:1b".to_owned(),
        ..Profile::default()
    })
    .await
    .unwrap();
    let toml = format!(
        "[tiers.cheap]\nprovider = \"ollama\"\nbase_url = \"{}\"\nmodel = \"llama3.1\"\n[tiers.medium]\nprovider = \"openai_compatible\"\n\
         base_url = \"http://127.0.0.1:9\"\nmodel = \"gone\"\n[tiers.frontier]\n{}",
        ollama.base_url(),
        upstream("anthropic", "claude-sonnet-4-5", &anthropic)
    );
    let app = TestApp::start(&toml).await;
    let list = app.http.get("/v1/models").await.json();
    let models = list["data"].as_array().unwrap();
    let shown: Vec<_> = models[4..]
        .iter()
        .map(|model| {
            (model["id"].as_str().unwrap(), model["provider"].as_str().unwrap(), model["tier"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("llama3.1", "ollama", "cheap"),
            ("gone", "openai_compatible", "medium"),
            ("claude-sonnet-4-5", "anthropic", "frontier"),
            ("llama3.2:1b", "ollama", "cheap"),
            ("simulated", "anthropic", "frontier"),
        ]
    );
    assert_eq!(models[6]["context_length"], 200_000, "from the catalogue");
    assert_eq!(models[8]["context_length"], 200_000, "from the list");
    app.http.get("/models").await;
    assert_eq!((anthropic.counts().lists, ollama.counts().lists), (1, 1), "it is remembered");
}

#[tokio::test]
async fn a_key_that_a_provider_repeats_is_not_shown() {
    for (name, model) in VOICES {
        let simulator = simulator(name, 0).await;
        let app = over(name, model, &simulator, "").await;
        let echo = || "you sent: the-secret-key".to_owned();
        for status in [400, 422, 429, 500] {
            simulator.next(Reply::Refuse { status, message: echo() });
            let response = app.http.chat(&question("hello")).await;
            assert!(!response.text().contains("the-secret-key"), "{name} {status}: {}", response.text());
            assert!(response.text().contains("[redacted]"), "{name} {status}: {}", response.text());
        }
        // Where the message is cut to its longest, no part of the key is left at its end.
        let message = format!("{}the-secret-key and more", "x".repeat(990));
        simulator.next(Reply::Refuse { status: 400, message });
        let response = app.http.chat(&question("hello")).await;
        assert!(!response.text().contains("the-sec"), "{name}: {}", response.text());
    }
}

#[tokio::test]
async fn a_stream_that_says_nothing_is_answered_elsewhere() {
    for (name, model) in [("openai_compatible", "m"), ("mistral", "m"), ("anthropic", "claude-sonnet-4-5")] {
        let simulator = simulator(name, 0).await;
        let app = over(name, model, &simulator, "").await;
        let done = "data: [DONE]\n\n";
        simulator.next(Reply::Raw { content_type: "text/event-stream".to_owned(), body: done.into() });
        assert_eq!(app.http.chat(&streamed("hello")).await.status, 502, "{name}");
    }
}

#[tokio::test]
async fn a_last_event_without_its_blank_line_is_whole_all_the_same() {
    let simulator = simulator("openai_compatible", 0).await;
    let app = over("openai_compatible", "m", &simulator, "").await;
    let chunk = |rest: &str| format!("data: {{\"choices\":[{{\"index\":0,{rest}}}]}}");
    let said = chunk("\"delta\":{\"content\":\"hi\"}");
    let end = chunk("\"delta\":{},\"finish_reason\":\"stop\"");
    for tail in ["", "\n"] {
        let body = format!("{said}\n\n{end}{tail}");
        simulator.next(Reply::Raw { content_type: "text/event-stream".to_owned(), body: body.into() });
        let response = app.http.chat(&streamed("hello")).await;
        assert_eq!(response.text(), format!("{said}\n\n{end}\n\ndata: [DONE]\n\n"));
    }
    // An error without choices, or in an older shape, is an error all the same.
    for error in [r#"{"error":{"message":"Boom"},"choices":null}"#, r#"{"object":"error","message":"Boom"}"#] {
        let body = format!("{said}\n\ndata: {error}\n\ndata: [DONE]\n\n");
        simulator.next(Reply::Raw { content_type: "text/event-stream".to_owned(), body: body.into() });
        let response = app.http.chat(&streamed("hello")).await;
        assert!(response.text().contains("interrupted") && !response.text().contains("[DONE]"), "{}", response.text());
    }
}

#[tokio::test]
async fn a_reported_figure_is_never_counted_over() {
    let simulator = simulator("openai_compatible", 0).await;
    let app = over("openai_compatible", "m", &simulator, "").await;
    let body = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"many more words than one token\"}}]}\n\n\
                data: {\"choices\":[],\"usage\":{\"prompt_tokens\":2,\"completion_tokens\":1}}\n\n\
                data: {\"error\":{\"message\":\"Boom\"}}\n\n";
    simulator.next(Reply::Raw { content_type: "text/event-stream".to_owned(), body: body.into() });
    assert!(app.http.chat(&streamed("hello")).await.text().contains("interrupted"));
    let row = app.row().await;
    assert_eq!(
        (row.usage_source.as_str(), row.usage.input_tokens, row.usage.output_tokens),
        ("reported", Some(2), Some(1))
    );
}
