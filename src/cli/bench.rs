//! `xrouter hardware --bench URL`: what an engine that runs can do, in numbers.

use std::time::{Duration, Instant};

use anyhow::anyhow;
use bytes::Bytes;
use console::style;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Failure;
use super::reach::{LIMIT, client, explain, target};
use crate::app;
use crate::catalog::{Catalog, Judge, Tier};
use crate::config::Sources;
use crate::providers::{Client, ProviderError, Target, probe};
use crate::routing::Input;

/// Labelled prompts of our own: tier, language, text.
const PROMPTS: &str = include_str!("../../config/bench.jsonl");
/// Longest answer that speed is measured on, in tokens.
const TOKENS: u32 = 128;
/// Times that tools and JSON are tried.
const TRIES: u32 = 3;
/// Longest wait for a whole answer.
const ANSWER: Duration = Duration::from_mins(2);
/// What makes a classifier: agreement, answers without a digit, and 95 of 100 within the time that it has by default.
const AGREES: f64 = 0.7;
const SILENT: f64 = 0.05;
const IN_TIME_MS: f64 = 800.0;
/// What makes a cheap tier, and what is too slow for anything: tokens a second, and the wait for the first.
const FAIR: f64 = 15.0;
const SLOW: f64 = 5.0;
const FIRST_MS: f64 = 3_000.0;

#[derive(Deserialize)]
struct Prompt {
    tier: u8,
    text: String,
}

/// How fast an engine answers one stream, or several at once.
#[derive(Debug, serde::Serialize)]
struct Pace {
    streams: usize,
    /// Median wait for the first token, in milliseconds.
    first_token_ms: f64,
    /// All streams together.
    tokens_per_second: f64,
}

/// How the model classifies.
#[derive(Debug, Default, serde::Serialize)]
struct Judging {
    prompts: usize,
    /// Share that it puts into the tier that we gave.
    agreement: f64,
    /// Share of the trivial ones that stay cheap, and of the hard ones that do not.
    trivial_cheap: f64,
    hard_not_cheap: f64,
    /// Share that it says no digit to.
    silent: f64,
    p50_ms: f64,
    p95_ms: f64,
}

#[derive(Debug, serde::Serialize)]
struct Measured {
    model: String,
    paces: Vec<Pace>,
    /// Of [`TRIES`]: right calls of a tool, and answers that are JSON.
    tools: u32,
    json: u32,
    judging: Judging,
    good_as: Vec<&'static str>,
    verdict: String,
}

pub(super) async fn run(url: &str, model: Option<&str>, key_env: Option<&str>, as_json: bool) -> Result<(), Failure> {
    let catalog = Catalog::embedded();
    let environment: Vec<(String, String)> =
        key_env.and_then(|name| Some((name.to_owned(), std::env::var(name).ok()?))).into_iter().collect();
    if let (Some(name), true) = (key_env, environment.is_empty()) {
        return Err(Failure::Usage(anyhow!("--key-env {name}: that variable is not set")));
    }
    let is_address =
        url.parse::<reqwest::Url>().is_ok_and(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
    if !is_address {
        return Err(Failure::Usage(anyhow!("--bench {url}: an address begins with http:// or https://")));
    }
    let key = key_env.map(|name| format!("api_key = \"${{{name}}}\"\n")).unwrap_or_default();
    let quoted = toml::Value::from(url).to_string();
    let engine = target(&format!("base_url = {quoted}\n{key}"), environment.clone(), &catalog)?;
    let client = client(std::iter::once(&engine.upstream))?;
    let told = |error: &ProviderError| {
        let (what, fix) = explain(error, &engine.upstream, model.unwrap_or_default());
        Failure::Running(anyhow!("{what}\n{fix}"))
    };
    let model = if let Some(model) = model {
        model.to_owned()
    } else {
        let listed = probe::models(&client, &engine, LIMIT).await.map_err(|error| told(&error))?;
        let none = || Failure::Running(anyhow!("it lists no model: name one with --model"));
        listed.into_iter().next().ok_or_else(none)?.id
    };
    // It may have to load first.
    probe::ask(&client, &engine, &model, false, ANSWER).await.map_err(|error| told(&error))?;
    let say = |what: &str| {
        if !as_json {
            eprintln!("{}", style(format!("measuring {what}")).dim());
        }
    };
    let mut paces = Vec::new();
    for streams in [1, 4] {
        say(if streams == 1 { "speed, one stream" } else { "speed, four streams at once" });
        paces.push(pace(&client, &engine, &model, streams).await.map_err(|error| told(&error))?);
    }
    say("tools and JSON");
    let tools = tries(&client, &engine, &tool_request(&model), calls_the_tool).await;
    let json = tries(&client, &engine, &json_request(&model), is_json).await;
    say("how it classifies 60 prompts");
    let judging = judge(url, &key, &model, environment).await?;
    let measured =
        verdict(Measured { model, paces, tools, json, judging, good_as: Vec::new(), verdict: String::new() });
    if as_json {
        println!("{:#}", serde_json::to_value(&measured).map_err(|error| Failure::Running(error.into()))?);
    } else {
        print(&measured);
    }
    Ok(())
}

/// Streams the same request so many times at once.
async fn pace(client: &Client, engine: &Target, model: &str, streams: usize) -> Result<Pace, ProviderError> {
    let body = json!({
        "model": model, "stream": true, "max_tokens": TOKENS, "temperature": 0,
        "messages": [{ "role": "user", "content": "Count from one to one hundred in words, separated by commas." }],
    });
    let begun = Instant::now();
    let all = (0..streams).map(|_| stream(client, engine, &body));
    let all = futures_util::future::try_join_all(all).await?;
    let took = begun.elapsed().as_secs_f64();
    let mut first: Vec<f64> = all.iter().map(|(first, _)| first.as_secs_f64() * 1e3).collect();
    first.sort_by(f64::total_cmp);
    let tokens: u32 = all.iter().map(|(_, tokens)| tokens).sum();
    // One stream: without the wait for the first token, as that is told apart.
    let time = if streams == 1 { took - first[0] / 1e3 } else { took };
    let tokens_per_second = f64::from(tokens.saturating_sub(1)) / time.max(1e-9);
    Ok(Pace { streams, first_token_ms: first[first.len() / 2], tokens_per_second })
}

/// The wait for the first token of a stream, and how many came: every chunk with text is one.
async fn stream(client: &Client, engine: &Target, body: &Value) -> Result<(Duration, u32), ProviderError> {
    let provider = engine.upstream.provider;
    let begun = Instant::now();
    let asking = async {
        let mut reply = client.chat(engine, "", true, Bytes::from(body.to_string()), None).await?;
        if !reply.status.is_success() {
            let text = reply.body().await.unwrap_or_default();
            return Err(crate::providers::read_error(provider, reply.status.as_u16(), &reply.headers, &text));
        }
        let framing = engine.dialect.framing();
        let (mut frames, mut events, mut first, mut tokens) = (framing.frames(), Vec::new(), None, 0);
        while let Some(piece) = reply.chunk().await? {
            let unreadable =
                |error: crate::providers::TooLong| ProviderError::Malformed { provider, reason: error.to_string() };
            frames.push(piece, &mut events).map_err(unreadable)?;
            for event in events.drain(..) {
                let chunk = framing
                    .data(&event)
                    .and_then(|data| serde_json::from_slice::<Value>(&data).ok())
                    .unwrap_or_default();
                let delta = &chunk["choices"][0]["delta"];
                let says = ["content", "reasoning_content", "reasoning"];
                if says.iter().any(|name| delta[*name].as_str().is_some_and(|text| !text.is_empty())) {
                    first.get_or_insert_with(|| begun.elapsed());
                    tokens += 1;
                }
            }
        }
        let silent = || ProviderError::Malformed { provider, reason: "its stream says nothing".to_owned() };
        Ok((first.ok_or_else(silent)?, tokens))
    };
    tokio::time::timeout(ANSWER, asking).await.unwrap_or(Err(ProviderError::Timeout { provider, limit: ANSWER }))
}

fn tool_request(model: &str) -> Value {
    json!({
        "model": model, "max_tokens": 256, "temperature": 0,
        "messages": [{ "role": "user", "content": "What is the weather in Paris now? Use the tool." }],
        "tools": [{ "type": "function", "function": {
            "name": "get_weather", "description": "The weather in a city now",
            "parameters": { "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"] },
        } }],
    })
}

fn calls_the_tool(message: &Value) -> bool {
    let call = &message["tool_calls"][0]["function"];
    let arguments = call["arguments"].as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    call["name"] == "get_weather" && arguments.is_some_and(|arguments| arguments["city"].is_string())
}

fn json_request(model: &str) -> Value {
    json!({
        "model": model, "max_tokens": 256, "temperature": 0, "response_format": { "type": "json_object" },
        "messages": [{ "role": "user",
            "content": "Answer with one JSON object with the keys \"city\" (a string) and \"people\" (a number), about Paris." }],
    })
}

fn is_json(message: &Value) -> bool {
    let text = message["content"].as_str().unwrap_or_default();
    serde_json::from_str::<Value>(text).is_ok_and(|json| json.is_object())
}

/// How many of some tries come out right. One that is refused is not right.
async fn tries(client: &Client, engine: &Target, body: &Value, right: fn(&Value) -> bool) -> u32 {
    let mut good = 0;
    for _ in 0..TRIES {
        let asking = async {
            let mut reply = client.chat(engine, "", false, Bytes::from(body.to_string()), None).await.ok()?;
            let body = reply.body().await.ok()?;
            serde_json::from_slice::<Value>(&body).ok()
        };
        let answer = tokio::time::timeout(ANSWER, asking).await.ok().flatten().unwrap_or_default();
        good += u32::from(right(&answer["choices"][0]["message"]));
    }
    good
}

/// Classifies the prompts as the router would, with a limit that lets a slow engine be seen as slow.
async fn judge(url: &str, key: &str, model: &str, environment: Vec<(String, String)>) -> Result<Judging, Failure> {
    let (url, model) = (toml::Value::from(url), toml::Value::from(model));
    let mut sources = Sources::from_toml(format!(
        "[classifier]\nkind = \"llm\"\nbase_url = {url}\nmodel = {model}\n{key}timeout_ms = 10000\nwarmup = false\n\
         [tiers.medium]\nbase_url = {url}\n[tiers.frontier]\nbase_url = {url}\n"
    ));
    sources.environment = environment;
    let loaded = super::load(&sources)?;
    let classifier = app::classifier(&loaded)?;
    let mut judging = Judging::default();
    let (mut took, mut trivial, mut hard) = (Vec::new(), 0_u32, 0_u32);
    for line in PROMPTS.lines() {
        let prompt: Prompt = serde_json::from_str(line).map_err(|error| Failure::Running(error.into()))?;
        let begun = Instant::now();
        let verdict = classifier.classify(&Input::plain(&prompt.text)).await.verdict;
        took.push(begun.elapsed().as_secs_f64() * 1e3);
        judging.prompts += 1;
        trivial += u32::from(prompt.tier == 0);
        hard += u32::from(prompt.tier == 2);
        if verdict.judge == Judge::Nobody {
            judging.silent += 1.0;
            continue;
        }
        judging.agreement += f64::from(u8::from(verdict.tier.number() == prompt.tier));
        judging.trivial_cheap += f64::from(u8::from(prompt.tier == 0 && verdict.tier == Tier::Cheap));
        judging.hard_not_cheap += f64::from(u8::from(prompt.tier == 2 && verdict.tier != Tier::Cheap));
    }
    took.sort_by(f64::total_cmp);
    let all = f64::from(u32::try_from(judging.prompts).unwrap_or(1).max(1));
    judging.agreement /= all;
    judging.silent /= all;
    judging.trivial_cheap /= f64::from(trivial.max(1));
    judging.hard_not_cheap /= f64::from(hard.max(1));
    let quantile = |percent: usize| took.get((took.len() * percent / 100).min(took.len().saturating_sub(1))).copied();
    judging.p50_ms = quantile(50).unwrap_or_default();
    judging.p95_ms = quantile(95).unwrap_or_default();
    Ok(judging)
}

/// What the figures amount to, and why.
fn verdict(mut measured: Measured) -> Measured {
    let (judging, pace) = (&measured.judging, &measured.paces[0]);
    let mut against = Vec::new();
    let classifies = judging.agreement >= AGREES && judging.silent <= SILENT && judging.p95_ms <= IN_TIME_MS;
    if !classifies {
        against.push(format!(
            "no classifier: it agrees on {:.0} % (wanted {:.0}), is silent on {:.0} % (at most {:.0}), and takes {:.0} ms for 95 of 100 (at most {IN_TIME_MS:.0})",
            judging.agreement * 100.0,
            AGREES * 100.0,
            judging.silent * 100.0,
            SILENT * 100.0,
            judging.p95_ms
        ));
    }
    let too_slow = pace.tokens_per_second < SLOW;
    let serves = pace.tokens_per_second >= FAIR && pace.first_token_ms <= FIRST_MS && measured.json == TRIES;
    if !serves && !too_slow {
        against.push(format!(
            "no cheap tier: {:.0} tokens/s (wanted {FAIR:.0}), {:.0} ms to the first (at most {FIRST_MS:.0}), JSON {} of {TRIES}",
            pace.tokens_per_second, pace.first_token_ms, measured.json
        ));
    }
    if too_slow {
        against.push(format!("too slow: {:.1} tokens/s (wanted at least {SLOW:.0})", pace.tokens_per_second));
    }
    if serves && measured.tools < TRIES {
        against.push(format!("tools fail in {} of {TRIES}: set `tools = false` for it", TRIES - measured.tools));
    }
    measured.good_as = [(classifies, "classifier"), (serves, "cheap tier")]
        .into_iter()
        .filter(|(good, _)| *good)
        .map(|(_, what)| what)
        .collect();
    let good = match measured.good_as.as_slice() {
        [] if too_slow => "too slow".to_owned(),
        [] => "good as neither classifier nor cheap tier".to_owned(),
        good => format!("good as {}", good.join(" and ")),
    };
    measured.verdict = std::iter::once(good).chain(against).collect::<Vec<_>>().join("\n");
    measured
}

fn print(measured: &Measured) {
    println!("{}", style(&measured.model).bold());
    for pace in &measured.paces {
        let streams = if pace.streams == 1 { "1 stream".to_owned() } else { format!("{} streams", pace.streams) };
        println!(
            "  {streams:<12} {:>8.1} tokens/s, first token after {:.0} ms",
            pace.tokens_per_second, pace.first_token_ms
        );
    }
    println!("  {:<12} {:>8} of {TRIES} right", "tools", measured.tools);
    println!("  {:<12} {:>8} of {TRIES} right", "JSON", measured.json);
    let Judging { prompts, agreement, trivial_cheap, hard_not_cheap, silent, p50_ms, p95_ms } = &measured.judging;
    println!(
        "  {:<12} {:>7.0} % of {prompts} prompts as we label them, {:.0} % without a digit",
        "classifies",
        agreement * 100.0,
        silent * 100.0
    );
    println!(
        "  {:<12} {:>7.0} % of trivial ones cheap, {:.0} % of hard ones not",
        "",
        trivial_cheap * 100.0,
        hard_not_cheap * 100.0
    );
    println!("  {:<12} {p50_ms:>8.0} ms for half of them, {p95_ms:.0} ms for 95 of 100", "");
    let mut lines = measured.verdict.lines();
    let good = lines.next().unwrap_or_default();
    println!("{}", if measured.good_as.is_empty() { style(good).yellow().bold() } else { style(good).green().bold() });
    lines.for_each(|line| println!("  {line}"));
}
