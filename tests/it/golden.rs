//! Golden tests: what each dialect makes of the same requests, and of its own answers, streams and errors.
//!
//! A fixture begins with lines that tell the reference page against which it can be judged.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::{Value, json};
use xrouter::catalog::Provider;
use xrouter::config::{self, Sources, Upstream};
use xrouter::protocol::ChatRequest;
use xrouter::providers::{Asked, Context, Dialect, EncodeError, Fetched, Original, TurnStore, read_error};
use xrouter::simulator::{Profile, Reply, Simulator, Voice};
use xrouter::store::Row;

use crate::support::TestApp;

/// Folders of `tests/fixtures`, the provider whose answers are in them, and a model of it.
const DIALECTS: [(&str, &str, &str); 16] = [
    ("anthropic", "anthropic", "claude-sonnet-4-5"),
    ("gemini", "gemini", "gemini-3.5-flash"),
    ("cohere", "cohere", "command-a-03-2025"),
    ("cohere_v1", "cohere_v1", "command-r-08-2024"),
    ("azure_openai", "azure_openai", "gpt-4o"),
    ("mistral", "mistral", "mistral-large-latest"),
    ("groq", "groq", "openai/gpt-oss-120b"),
    ("together", "together", "meta-llama/Llama-3.3-70B-Instruct-Turbo"),
    ("perplexity", "perplexity", "sonar"),
    ("openrouter", "openrouter", "anthropic/claude-sonnet-4.5"),
    ("ollama", "ollama", "llama3.1"),
    ("openai", "openai", "gpt-4o"),
    ("xai", "openai_compatible", "grok-4"),
    ("deepseek", "openai_compatible", "deepseek-chat"),
    ("llama_cpp", "openai_compatible", "local"),
    ("vllm", "openai_compatible", "local"),
];

fn fixtures(folder: &str, prefix: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
        .into_iter()
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(prefix))
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), body(&std::fs::read(&path).unwrap())))
        .collect()
}

/// A fixture without the lines that say where it can be judged.
fn body(file: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(file).unwrap();
    let header: usize = text.lines().take_while(|line| line.starts_with("//")).map(|line| line.len() + 1).sum();
    assert!(text[..header].contains("http"), "a fixture names the page that it can be judged against");
    text[header..].strip_prefix('\n').unwrap().as_bytes().to_vec()
}

/// An upstream as the configuration makes it.
fn upstream(provider: &str, model: &str, more: &str) -> Upstream {
    let (provider, base_url) = match provider {
        "cohere_v1" => ("cohere", "https://cohere.example/v1"),
        other => (other, "https://api.example"),
    };
    let toml = format!(
        "[classifier]\nkind = \"off\"\n[tiers.frontier]\nprovider = \"{provider}\"\nbase_url = \"{base_url}\"\nmodel = \"{model}\"\n{more}"
    );
    let loaded = config::load(&Sources::from_toml(toml)).unwrap_or_else(|error| panic!("{error}"));
    loaded.upstreams.all().next().unwrap().clone()
}

/// What is sent for a request, or why it is not.
fn sent(upstream: &Upstream, request: &[u8]) -> Result<(Value, Vec<String>), EncodeError> {
    let request = ChatRequest::parse(request).unwrap();
    let (turns, fetched) = (TurnStore::default(), Fetched::new());
    let model = upstream.model.as_deref().unwrap();
    let context = Context { upstream, model, scope: "", turns: &turns, fetched: &fetched };
    let outbound = Dialect::of(upstream).write(&mut Original::new(&request), &context)?;
    Ok((serde_json::from_slice(&outbound.body).unwrap(), outbound.dropped))
}

fn shown(upstream: &Upstream, request: &[u8]) -> String {
    match sent(upstream, request) {
        Err(error) => format!("refused: {error}\n"),
        Ok((body, dropped)) => {
            let body = serde_json::to_string_pretty(&body).unwrap();
            let dropped =
                if dropped.is_empty() { String::new() } else { format!("left out: {}\n", dropped.join(", ")) };
            format!("{dropped}{body}\n")
        }
    }
}

/// Every request, in one dialect. The last column is a model of another generation.
fn all_requests(name: &str, provider: &str, model: &str) {
    let strict = upstream(provider, model, "");
    let dropping = upstream(provider, model, "drop_params = true");
    for (fixture, request) in fixtures("requests", "") {
        let mut text = shown(&strict, &request);
        if text.starts_with("refused") {
            let _ = write!(text, "with drop_params = true: {}", shown(&dropping, &request));
        }
        insta::with_settings!({ snapshot_path => format!("snapshots/requests/{name}"), prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(fixture, text);
        });
    }
}

#[test]
fn requests_for_anthropic() {
    all_requests("anthropic", "anthropic", "claude-sonnet-4-5");
}

#[test]
fn requests_for_the_newest_models_of_anthropic() {
    all_requests("anthropic_newest", "anthropic", "claude-opus-5");
}

#[test]
fn requests_for_gemini() {
    all_requests("gemini", "gemini", "gemini-3.5-flash");
}

#[test]
fn requests_for_an_older_model_of_gemini() {
    all_requests("gemini_older", "gemini", "gemini-2.5-flash");
}

#[test]
fn requests_for_cohere() {
    all_requests("cohere", "cohere", "command-a-03-2025");
}

#[test]
fn requests_for_the_first_version_of_cohere() {
    all_requests("cohere_v1", "cohere_v1", "command-r-08-2024");
}

/// The relatives of OpenAI: what differs from the client's own request, and nothing else.
#[test]
fn requests_for_the_relatives_of_openai() {
    let relatives = [
        ("openai", "gpt-4o"),
        ("openai", "gpt-5.6"),
        ("azure_openai", "gpt-4o"),
        ("mistral", "mistral-large-latest"),
        ("groq", "openai/gpt-oss-120b"),
        ("together", "meta-llama/Llama-3.3-70B-Instruct-Turbo"),
        ("perplexity", "sonar"),
        ("openrouter", "anthropic/claude-sonnet-4.5"),
        ("ollama", "llama3.1"),
        ("xrouter", "auto"),
        ("openai_compatible", "local"),
    ];
    for (fixture, request) in fixtures("requests", "") {
        let asked: Value = serde_json::from_slice(&request).unwrap();
        let mut text = String::new();
        for (provider, model) in relatives {
            let upstream = upstream(provider, model, "");
            let _ = writeln!(text, "== {provider} ({model})");
            match sent(&upstream, &request) {
                Err(error) => {
                    let _ = writeln!(text, "refused: {error}");
                }
                Ok((body, dropped)) => {
                    if !dropped.is_empty() {
                        let _ = writeln!(text, "left out: {}", dropped.join(", "));
                    }
                    differences(&asked, &body, &mut text);
                }
            }
        }
        insta::with_settings!({ snapshot_path => "snapshots/requests/relatives", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(fixture, text);
        });
    }
}

fn differences(asked: &Value, sent: &Value, text: &mut String) {
    let (asked, sent) = (asked.as_object().unwrap(), sent.as_object().unwrap());
    for name in asked.keys().filter(|name| !sent.contains_key(*name)) {
        let _ = writeln!(text, "- {name}");
    }
    for (name, value) in sent.iter().filter(|(name, value)| *name != "model" && asked.get(*name) != Some(*value)) {
        match (value.as_array(), asked.get(name).and_then(Value::as_array)) {
            (Some(new), Some(old)) if new.len() == old.len() => {
                for (at, (new, old)) in new.iter().zip(old).enumerate().filter(|(_, (new, old))| new != old) {
                    let _ = writeln!(text, "~ {name}[{at}]: {old}\n  becomes {new}");
                }
            }
            _ => {
                let _ = writeln!(text, "+ {name}: {value}");
            }
        }
    }
}

fn voice(folder: &str, provider: &str) -> Voice {
    if folder == "cohere_v1" {
        return Voice::CohereV1;
    }
    Voice::Of(Provider::ALL.into_iter().find(|known| known.as_str() == provider).unwrap())
}

/// A router over a simulated upstream of one dialect.
async fn over(voice: Voice, provider: &str, model: &str, more: &str) -> (TestApp, Simulator) {
    let profile = Profile { voice, model: String::new(), api_key: Some("key".to_owned()), ..Profile::default() };
    let simulator = Simulator::start(profile).await.unwrap();
    let provider = if provider == "cohere_v1" { "cohere" } else { provider };
    let toml = format!(
        "[classifier]\nkind = \"off\"\n[tiers.frontier]\nprovider = \"{provider}\"\nbase_url = \"{}\"\nmodel = \"{model}\"\napi_key = \"key\"\n{more}",
        simulator.base_url()
    );
    (TestApp::start(&toml).await, simulator)
}

fn tokens(row: &Row) -> String {
    let count = |count: Option<u64>| count.map_or("unknown".to_owned(), |count| count.to_string());
    format!(
        "{}: input {} (cached {}, written {}), output {} (reasoning {})\nraw: {}",
        row.usage_source.as_str(),
        count(row.usage.input_tokens),
        count(row.usage.cached_input_tokens),
        count(row.usage.cache_write_tokens),
        count(row.usage.output_tokens),
        count(row.usage.reasoning_tokens),
        row.usage_raw.as_deref().unwrap_or("none"),
    )
}

/// Times and made ids are another every time.
fn steady(json: &mut Value) {
    if let Some(created) = json.get_mut("created") {
        *created = json!(0);
    }
}

async fn answers_of(folder: &str, provider: &str, model: &str) {
    let (app, simulator) = over(voice(folder, provider), provider, model, "").await;
    for (fixture, answer) in fixtures(folder, "answer_") {
        simulator.next(Reply::Raw { content_type: "application/json".to_owned(), body: answer });
        let question = json!({ "model": "auto", "messages": [{ "role": "user", "content": "What is the tide?" }] });
        let response = app.http.chat(&question).await;
        let mut json = response.json();
        steady(&mut json);
        let rows = app.rows().await;
        let row = rows.last().unwrap();
        let json = serde_json::to_string_pretty(&json).unwrap();
        let text = format!(
            "{} {}\n\n{json}\n\n{}\n",
            response.status,
            row.error_type.as_deref().unwrap_or("fine"),
            tokens(row)
        );
        insta::with_settings!({ snapshot_path => format!("snapshots/answers/{folder}"), prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(fixture, text);
        });
    }
    for (fixture, stream) in fixtures(folder, "stream_") {
        simulator.next(Reply::Raw { content_type: "text/event-stream".to_owned(), body: stream });
        let question = json!({ "model": "auto", "stream": true, "stream_options": { "include_usage": true },
            "messages": [{ "role": "user", "content": "What is the tide?" }] });
        let response = app.http.chat(&question).await;
        let mut text = format!("{}\n\n", response.status);
        for event in response.text().split("\n\n").filter(|event| !event.is_empty()) {
            match event.strip_prefix("data: ").map(serde_json::from_str::<Value>) {
                Some(Ok(mut json)) => {
                    steady(&mut json);
                    let _ = writeln!(text, "{json}");
                }
                _ => {
                    let _ = writeln!(text, "{event}");
                }
            }
        }
        let rows = app.rows().await;
        let row = rows.last().unwrap();
        let _ = write!(text, "\n{}\n{}\n", row.error_type.as_deref().unwrap_or("fine"), tokens(row));
        insta::with_settings!({ snapshot_path => format!("snapshots/answers/{folder}"), prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(fixture, text);
        });
    }
}

#[tokio::test]
async fn answers_and_streams_of_every_dialect() {
    for (folder, provider, model) in DIALECTS {
        answers_of(folder, provider, model).await;
    }
}

#[test]
fn errors_of_every_dialect() {
    let others = [("cerebras", "openai_compatible"), ("gemini_openai", "openai_compatible")];
    let folders = DIALECTS.map(|(folder, provider, _)| (folder, provider));
    let mut text = String::new();
    for (folder, provider) in folders.into_iter().chain(others) {
        let provider = if provider == "cohere_v1" { "cohere" } else { provider };
        let known = Provider::ALL.into_iter().find(|known| known.as_str() == provider).unwrap();
        for (fixture, error) in fixtures(folder, "error_") {
            let status: u16 = fixture.split('_').nth(1).unwrap().parse().unwrap();
            let read = read_error(known, status, &reqwest::header::HeaderMap::new(), &error);
            let xrouter::providers::ProviderError::Status { status, message, detail, retry_after, .. } = &read else {
                panic!("{read:?}")
            };
            let code = detail.as_ref().and_then(|detail| detail.code.as_deref()).unwrap_or("-");
            let param = detail.as_ref().and_then(|detail| detail.param.as_deref()).unwrap_or("-");
            let wait = retry_after.map_or("-".to_owned(), |wait| format!("{wait:?}"));
            let _ = writeln!(
                text,
                "{folder}/{fixture}\n  {:?} {} ({status}) code {code} param {param} wait {wait}\n  {message}",
                read.verdict(),
                read.code(),
            );
        }
    }
    insta::assert_snapshot!("errors", text);
}

/// Everything that is written for a stream that comes in these pieces.
fn translated(dialect: Dialect, provider: Provider, pieces: &[&[u8]]) -> (String, String) {
    let mut reader = dialect.read_stream(Asked { provider, model: "model", created: 0, include_usage: true });
    let mut out = VecDeque::new();
    let mut read = Ok(());
    for piece in pieces {
        read = read.and_then(|()| reader.read(Bytes::copy_from_slice(piece), &mut out, &mut |_| {}));
    }
    let error = read.and_then(|()| reader.end(&mut out, &mut |_| {})).err().map(|error| error.to_string());
    let text = out.iter().map(|event| String::from_utf8(event.to_vec()).unwrap()).collect();
    (text, format!("{error:?} {:?} {:?}", reader.told(), reader.turn()))
}

const TRANSLATED: [(&str, Dialect, Provider); 4] = [
    ("anthropic", Dialect::Anthropic, Provider::Anthropic),
    ("gemini", Dialect::Gemini, Provider::Gemini),
    ("cohere", Dialect::Cohere, Provider::Cohere),
    ("cohere_v1", Dialect::CohereV1, Provider::Cohere),
];

#[test]
fn streams_say_the_same_wherever_they_are_cut() {
    for (folder, dialect, provider) in TRANSLATED {
        for (fixture, stream) in fixtures(folder, "stream_") {
            // Made ids are the same only where the provider names the answer.
            let whole = translated(dialect, provider, &[&stream]);
            // What is between two cuts is translated event by event, so that one cut per event tells as much as
            // one per byte; that events are the same at every byte is the splitter's own test.
            for at in 0..=stream.len() {
                let mut frames = dialect.framing().frames();
                let mut events = Vec::new();
                frames.push(Bytes::copy_from_slice(&stream[..at]), &mut events).unwrap();
                frames.push(Bytes::copy_from_slice(&stream[at..]), &mut events).unwrap();
                events.extend(frames.finish());
                let mut uncut = dialect.framing().frames();
                let mut expected = Vec::new();
                uncut.push(Bytes::copy_from_slice(&stream), &mut expected).unwrap();
                expected.extend(uncut.finish());
                assert_eq!(events, expected, "{folder}/{fixture} cut at {at}");
                if at % 37 == 0 {
                    let cut = translated(dialect, provider, &[&stream[..at], &stream[at..]]);
                    assert_eq!(cut, whole, "{folder}/{fixture} cut at {at}");
                }
            }
            let bytes: Vec<&[u8]> = stream.chunks(1).collect();
            assert_eq!(translated(dialect, provider, &bytes), whole, "{folder}/{fixture} byte by byte");
        }
    }
}

/// Simulators are written from the providers' references and refuse what the real APIs refuse: whatever a
/// client sends, what leaves the router must be right, or be refused by the router itself.
#[tokio::test]
async fn no_request_is_translated_into_one_that_the_provider_refuses() {
    let voices = [
        ("anthropic", "claude-sonnet-4-5"),
        ("anthropic", "claude-opus-4-6"),
        ("anthropic", "claude-opus-5"),
        ("anthropic", "claude-opus-5-5"),
        ("anthropic", "claude-fable-5"),
        ("gemini", "gemini-2.5-flash"),
        ("gemini", "gemini-3.5-flash"),
        ("gemini", "gemini-4-argon"),
        ("cohere", "command-a-03-2025"),
        ("cohere_v1", "command-r-08-2024"),
        ("openai", "gpt-4o"),
        ("openai", "gpt-5.6"),
        ("azure_openai", "gpt-4o"),
        ("mistral", "mistral-large-latest"),
        ("groq", "openai/gpt-oss-120b"),
        ("together", "llama"),
        ("perplexity", "sonar"),
        ("ollama", "llama3.1"),
    ];
    let mut failures = String::new();
    for (provider, model) in voices {
        // What passes byte for byte is refused by the provider itself, unless it may be left out.
        let passes = matches!(provider, "openai" | "azure_openai" | "ollama");
        for more in if passes { &["drop_params = true"][..] } else { &["", "drop_params = true"] } {
            let (app, simulator) = over(voice(provider, provider), provider, model, more).await;
            for (fixture, request) in fixtures("requests", "") {
                let refused = simulator.counts().refused;
                let response = app.http.post("/v1/chat/completions", "application/json", request.clone()).await;
                if simulator.counts().refused != refused {
                    let sent = String::from_utf8(simulator.last().request).unwrap();
                    let _ = writeln!(failures, "{provider} {model} {more} {fixture}: {}\n  {sent}", response.text());
                } else if response.status != 200 && response.header("x-xrouter-attempts") != "0" {
                    let _ = writeln!(failures, "{provider} {model} {more} {fixture}: {}", response.text());
                }
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn what_has_no_place_in_openais_api_is_kept() {
    let decode = |dialect: Dialect, provider: Provider, answer: Value| -> Value {
        let asked = Asked { provider, model: "m", created: 0, include_usage: false };
        let answer = dialect.read(answer.to_string().into(), asked).unwrap();
        serde_json::from_slice::<Value>(&answer.body).unwrap()["provider_fields"].take()
    };
    let anthropic = json!({ "type": "message", "role": "assistant", "content": [{ "type": "new_block", "x": 1 }],
        "stop_reason": "pause_turn", "container": { "id": "c" }, "new_field": 2 });
    assert_eq!(
        decode(Dialect::Anthropic, Provider::Anthropic, anthropic),
        json!({ "container": { "id": "c" }, "anthropic": { "new_field": 2 },
            "content_blocks": [{ "type": "new_block", "x": 1 }], "stop_reason": "pause_turn" })
    );
    let gemini = json!({ "candidates": [{ "content": { "parts": [{ "text": "a" }] }, "finishReason": "STOP",
        "avgLogprobs": -0.5, "safetyRatings": [1] }], "modelStatus": { "stage": "x" } });
    assert_eq!(
        decode(Dialect::Gemini, Provider::Gemini, gemini),
        json!({ "gemini": { "modelStatus": { "stage": "x" } }, "safety_ratings": [1], "candidate": { "avgLogprobs": -0.5 } })
    );
    let cohere = json!({ "id": "i", "message": { "role": "assistant", "content": [] }, "new_field": 2 });
    assert_eq!(decode(Dialect::Cohere, Provider::Cohere, cohere), json!({ "cohere": { "new_field": 2 } }));
}
