//! Broken and hostile bytes through everything that reads them: no input may panic, and what comes out is what it
//! claims to be. A few hundred cases each; `XROUTER_FUZZ_SECONDS=60` (or `just fuzz`) goes on for so long.

use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use xrouter::catalog::Provider;
use xrouter::config::{self, Sources, Upstream};
use xrouter::protocol::ChatRequest;
use xrouter::providers::{Asked, Context, Dialect, Fetched, Framing, Original, TurnStore, is_error, read_error};

/// Cases of one property where nobody asks for more.
const CASES: u32 = 300;

const DIALECTS: [(Dialect, Provider); 5] = [
    (Dialect::Anthropic, Provider::Anthropic),
    (Dialect::Gemini, Provider::Gemini),
    (Dialect::Cohere, Provider::Cohere),
    (Dialect::CohereV1, Provider::Cohere),
    (Dialect::Openai, Provider::OpenaiCompatible),
];

/// What answers are read for.
fn asked(provider: Provider) -> Asked<'static> {
    Asked { provider, model: "m", created: 0, include_usage: true }
}

/// Runs a property over inputs that a strategy makes.
fn for_a_while<S: Strategy>(strategy: &S, property: impl Fn(S::Value))
where
    S::Value: std::fmt::Debug + Clone,
{
    let seconds = std::env::var("XROUTER_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    let until = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut runner = TestRunner::new(Config::default());
    let mut cases = 0;
    while until.map_or(cases < CASES, |until| Instant::now() < until) {
        let input = strategy.new_tree(&mut runner).expect("the strategy makes a value").current();
        let shown = input.clone();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| property(input)));
        assert!(outcome.is_ok(), "case {cases}: {shown:?}");
        cases += 1;
    }
}

/// The bodies of all fixtures whose names begin so.
fn seeds(prefix: &str) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut seeds = Vec::new();
    for folder in std::fs::read_dir(root).unwrap() {
        for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let folder = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
            let name = format!("{folder}/{}", path.file_name().unwrap().to_str().unwrap());
            if name.split('/').any(|part| part.starts_with(prefix)) {
                let text = std::fs::read_to_string(&path).unwrap();
                seeds.push(text.split_once("\n\n").unwrap().1.as_bytes().to_vec());
            }
        }
    }
    seeds.sort();
    seeds
}

/// A change to a JSON value: which of its places, counted in order, and what is put there.
type Change = (usize, usize);

fn odd_values() -> Vec<Value> {
    vec![
        json!(null),
        json!(-1),
        json!(1e308),
        json!(18_446_744_073_709_551_615_u64),
        json!(1_000_000_000_000_000_000_u64),
        json!(0.5),
        json!(true),
        json!(""),
        json!(" "),
        json!("\u{0}\u{2028}\u{85}\u{10FFFF}"),
        json!("data:image/png;base64,"),
        json!("data:;base64,AAAA"),
        json!("https://[::1]/x"),
        json!("{\"a\":"),
        json!([]),
        json!([[]]),
        json!({}),
        json!({ "type": "text" }),
        json!([{ "type": "tool_use", "id": "", "name": "", "input": [] }]),
        json!("x".repeat(70_000)),
        json!({ "functionCall": { "args": 7 } }),
        json!([null, 1, "x", {}, []]),
    ]
}

/// Puts an odd value at one place of a JSON value, or takes the place out.
fn change(value: &mut Value, place: &mut usize, odd: Option<&Value>) -> bool {
    if *place == 0 {
        *value = odd.cloned().unwrap_or_default();
        return true;
    }
    *place -= 1;
    match value {
        Value::Array(items) => items.iter_mut().any(|item| change(item, place, odd)),
        Value::Object(members) => {
            if *place == 0 && odd.is_none() {
                members.clear();
                return true;
            }
            members.values_mut().any(|member| change(member, place, odd))
        }
        _ => false,
    }
}

fn changed(seed: &[u8], changes: &[Change]) -> Vec<u8> {
    let Ok(mut value) = serde_json::from_slice::<Value>(seed) else { return seed.to_vec() };
    let odd = odd_values();
    for (place, kind) in changes {
        let mut place = place % 200;
        change(&mut value, &mut place, odd.get(kind % (odd.len() + 1)));
    }
    value.to_string().into_bytes()
}

/// JSON that is nearly right.
fn near_json(prefix: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
    let seeds = seeds(prefix);
    let count = seeds.len();
    (0..count, prop::collection::vec((0_usize..200, 0_usize..100), 1..4))
        .prop_map(move |(at, changes)| changed(&seeds[at], &changes))
}

/// Bytes that are nearly right: some of a seed's changed, cut out or doubled.
fn near_bytes(prefix: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
    let seeds = seeds(prefix);
    let count = seeds.len();
    (0..count, prop::collection::vec((any::<usize>(), any::<u8>(), 0_u8..4), 0..6)).prop_map(move |(at, edits)| {
        let mut bytes = seeds[at].clone();
        for (place, byte, kind) in edits {
            let place = place % bytes.len().max(1);
            match kind {
                0 if !bytes.is_empty() => bytes[place] = byte,
                1 if !bytes.is_empty() => {
                    bytes.remove(place);
                }
                2 => bytes.truncate(place),
                _ => {
                    let tail = bytes[place..].to_vec();
                    bytes.extend_from_slice(&tail[..tail.len().min(64)]);
                }
            }
        }
        bytes
    })
}

fn upstreams() -> Vec<Upstream> {
    let models = [
        ("anthropic", "claude-sonnet-4-5"),
        ("anthropic", "claude-opus-5-5"),
        ("gemini", "gemini-3.5-flash"),
        ("gemini", "gemini-2.5-flash"),
        ("cohere", "command-a-03-2025"),
        ("openai", "gpt-5.6"),
        ("azure_openai", "gpt-4o"),
        ("mistral", "m"),
        ("groq", "m"),
        ("together", "m"),
        ("perplexity", "m"),
        ("ollama", "m"),
        ("openai_compatible", "m"),
    ];
    let mut upstreams = Vec::new();
    for (provider, model) in models {
        for base_url in ["https://x.example", "https://x.example/v1"] {
            for drop_params in [true, false] {
                let toml = format!(
                    "[classifier]\nkind = \"off\"\n[tiers.frontier]\nprovider = \"{provider}\"\nbase_url = \"{base_url}\"\n\
                     model = \"{model}\"\ndrop_params = {drop_params}"
                );
                let loaded = config::load(&Sources::from_toml(toml)).unwrap();
                upstreams.extend(loaded.upstreams.all().cloned());
            }
        }
    }
    upstreams
}

/// Reads a request, and writes it in every dialect.
fn encode(body: &[u8], upstreams: &[Upstream]) {
    let Ok(request) = ChatRequest::parse(body) else { return };
    let mut original = Original::new(&request);
    let (turns, fetched) = (TurnStore::default(), Fetched::new());
    for upstream in upstreams {
        let model = upstream.model.as_deref().unwrap();
        let context = Context { upstream, model, scope: "", turns: &turns, fetched: &fetched };
        if let Ok(outbound) = Dialect::of(upstream).write(&mut original, &context) {
            let written: Value = serde_json::from_slice(&outbound.body)
                .unwrap_or_else(|error| panic!("{}: {error}: {outbound:?}", upstream.provider));
            assert!(written.is_object());
        }
    }
}

#[test]
fn requests_that_are_nearly_right_never_panic_and_are_written_as_json() {
    let upstreams = upstreams();
    for_a_while(&near_json("requests"), |body| encode(&body, &upstreams));
}

#[test]
fn requests_of_broken_bytes_never_panic() {
    let upstreams = upstreams();
    for_a_while(&near_bytes("requests"), |body| encode(&body, &upstreams));
}

#[test]
fn answers_that_are_nearly_right_never_panic_and_become_answers_or_errors() {
    for_a_while(&near_json("answer_"), |body| {
        for (dialect, provider) in DIALECTS {
            if let Ok(answer) = dialect.read(Bytes::from(body.clone()), asked(provider)) {
                let answer: Value = serde_json::from_slice(&answer.body).expect("an answer is JSON");
                assert!(answer["choices"].is_array());
            }
        }
        for provider in Provider::ALL {
            let _ = Dialect::Openai.read(Bytes::from(body.clone()), asked(provider));
        }
    });
}

/// Cuts bytes into pieces at these places.
fn pieces<'b>(bytes: &'b [u8], cuts: &[usize]) -> Vec<&'b [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

/// The events that are written for a stream that comes in these pieces, and the error that it ends with.
fn read(dialect: Dialect, provider: Provider, pieces: &[&[u8]]) -> (Vec<Bytes>, Option<String>) {
    let mut reader = dialect.read_stream(asked(provider));
    let mut out = VecDeque::new();
    let mut read = Ok(());
    for piece in pieces {
        read = read.and_then(|()| reader.read(Bytes::copy_from_slice(piece), &mut out, &mut |_| {}));
    }
    let error = read.and_then(|()| reader.end(&mut out, &mut |_| {})).err().map(|error| error.to_string());
    let _ = (reader.told(), reader.turn());
    out.retain(|event| !event.starts_with(b":"));
    (out.into(), error)
}

/// JSON as an event.
fn event(json: &[u8]) -> Vec<u8> {
    let lines = json.split(|byte| *byte == b'\n').flat_map(|line| [b"data: ", line, b"\n"].concat());
    lines.chain(*b"\n").collect()
}

/// The answer's id, from which ids of calls are made where the provider gives none, is random if it has none.
fn steady(out: &[Bytes]) -> String {
    let text = String::from_utf8(out.concat()).expect("what is written is UTF-8");
    let mut steady = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find("\"id\":\"call") {
        let (before, after) = rest.split_at(at + 6);
        steady.push_str(before);
        rest = after[1..].split_once('"').map_or("", |(_, rest)| rest);
    }
    steady + rest
}

#[test]
fn streams_of_broken_bytes_say_the_same_wherever_they_are_cut() {
    let cuts = prop::collection::vec(any::<usize>(), 0..12);
    for_a_while(&(near_bytes("stream_"), cuts), |(bytes, cuts)| {
        for (dialect, provider) in DIALECTS.into_iter().filter(|(dialect, _)| *dialect != Dialect::Openai) {
            let whole = read(dialect, provider, &[&bytes]);
            let cut = read(dialect, provider, &pieces(&bytes, &cuts));
            assert_eq!((steady(&whole.0), &whole.1), (steady(&cut.0), &cut.1));
            for event in &whole.0 {
                let json = event.strip_prefix(b"data: ").and_then(|rest| rest.strip_suffix(b"\n\n")).expect("an event");
                assert!(json == b"[DONE]" || serde_json::from_slice::<Value>(json).is_ok());
            }
            assert!(whole.1.is_none() || !whole.0.iter().any(|event| event.as_ref() == b"data: [DONE]\n\n"));
        }
    });
}

#[test]
fn events_that_are_nearly_right_never_panic() {
    let seeds: Vec<Vec<u8>> = seeds("stream_")
        .iter()
        .flat_map(|stream| {
            let mut events = Vec::new();
            Framing::ServerSentEvents.frames().push(Bytes::copy_from_slice(stream), &mut events).unwrap();
            let data = |event: &Bytes| Framing::ServerSentEvents.data(event).map(std::borrow::Cow::into_owned);
            events.iter().filter_map(data).collect::<Vec<_>>()
        })
        .collect();
    let count = seeds.len();
    let changes = prop::collection::vec((0_usize..40, 0_usize..100), 0..3);
    let events = prop::collection::vec((0..count, changes), 1..8);
    for_a_while(&events, |events| {
        let events: Vec<Vec<u8>> = events.iter().map(|(at, changes)| changed(&seeds[*at], changes)).collect();
        let events: Vec<Vec<u8>> = events.iter().map(|json| event(json)).collect();
        let pieces: Vec<&[u8]> = events.iter().map(Vec::as_slice).collect();
        for (dialect, provider) in DIALECTS {
            read(dialect, provider, &pieces);
        }
        for provider in Provider::ALL {
            for event in read(Dialect::Openai, provider, &pieces).0 {
                let json = event.strip_prefix(b"data: ").expect("an event");
                assert!(json == b"[DONE]\n\n" || serde_json::from_slice::<Value>(json).is_ok());
            }
        }
    });
}

#[test]
fn errors_of_any_shape_never_panic() {
    for_a_while(&near_json("error_"), |body| {
        let _ = is_error(&body);
        for provider in Provider::ALL {
            for status in [200, 400, 429, 500] {
                let error = read_error(provider, status, &reqwest::header::HeaderMap::new(), &body);
                let _ = (error.code(), error.verdict(), error.public_message());
            }
        }
    });
}

#[test]
fn the_reader_of_events_loses_no_byte_of_any_input() {
    let bytes = prop::collection::vec(prop::sample::select(b"data: \r\n:x{}\xE2\x80\xA8\xFF".to_vec()), 0..200);
    for_a_while(&(bytes, prop::collection::vec(any::<usize>(), 0..8)), |(bytes, cuts)| {
        let mut frames = Framing::ServerSentEvents.frames();
        let mut events = Vec::new();
        for piece in pieces(&bytes, &cuts) {
            frames.push(Bytes::copy_from_slice(piece), &mut events).unwrap();
        }
        events.extend(frames.finish());
        assert_eq!(events.concat(), bytes);
        for event in &events {
            let _ = Framing::ServerSentEvents.data(event);
        }
    });
}

/// What an upstream or a client makes huge must not make the router slow: nothing here grows with a square.
#[test]
fn huge_inputs_are_read_in_bearable_time() {
    let support = json!({ "segment": { "startIndex": 1, "endIndex": 19_000 }, "groundingChunkIndices": [0, 0, 0, 0] });
    let gemini = json!({ "candidates": [{ "finishReason": "STOP", "content": { "parts": [{ "text": "é".repeat(10_000) }] },
        "groundingMetadata": { "groundingChunks": [{ "web": { "uri": "https://x.example", "title": "x" } }],
            "groundingSupports": vec![support; 20_000] } }] });
    let answer = Dialect::Gemini.read(gemini.to_string().into(), asked(Provider::Gemini)).unwrap();
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer["choices"][0]["message"]["annotations"].as_array().unwrap().len(), 1_000);
    assert_eq!(answer["provider_fields"]["grounding_metadata"]["groundingSupports"].as_array().unwrap().len(), 20_000);

    let count = 6_000;
    let call = |at: usize| json!({ "id": format!("c{at}"), "type": "function", "function": { "name": "f", "arguments": "{}" } });
    let mut messages = vec![
        json!({ "role": "user", "content": "x" }),
        json!({ "role": "assistant", "tool_calls": (0..count).map(call).collect::<Vec<_>>() }),
    ];
    messages.extend((0..count).map(|at| json!({ "role": "tool", "tool_call_id": format!("c{at}"), "content": "r" })));
    let mut body = json!({ "model": "m", "messages": messages });
    for at in 0..count {
        body[format!("x_field_{at}")] = json!(1);
    }
    let one_each: Vec<Upstream> = upstreams().into_iter().step_by(4).collect();
    encode(body.to_string().as_bytes(), &one_each);
}
