//! What the older completions endpoint answers: a text for every prompt and choice, whole or in pieces.
//!
//! Source: OpenAI's API reference, "The completion object" (read 2026-12-01).

use serde_json::{Map, Value, json};

use super::super::Reply;
use super::super::answer::{count_tokens, pieces, turn};
use super::super::turn::{Asked, Usage};
use super::{Scene, Sent, Written};

/// One prompt.
pub(super) enum Prompt<'a> {
    Text(&'a str),
    /// So many tokens.
    Tokens(u64),
}

impl Prompt<'_> {
    pub(super) fn tokens(&self, suffix: &str) -> u64 {
        count_tokens(suffix)
            + match self {
                Prompt::Text(text) => count_tokens(text),
                Prompt::Tokens(tokens) => *tokens,
            }
    }

    /// Its text. Tokens are not decoded.
    fn text(&self) -> &str {
        match self {
            Prompt::Text(text) => text,
            Prompt::Tokens(_) => "",
        }
    }
}

/// The prompts, if they have one of the four forms; null is the beginning of a new document.
pub(super) fn prompts(prompt: &Value) -> Option<Vec<Prompt<'_>>> {
    let tokens = |items: &[Value]| {
        let sound = !items.is_empty() && items.iter().all(Value::is_u64);
        sound.then_some(Prompt::Tokens(items.len() as u64))
    };
    match prompt {
        Value::Null => Some(vec![Prompt::Tokens(1)]),
        Value::String(text) => Some(vec![Prompt::Text(text)]),
        Value::Array(items) => match items.first()? {
            Value::String(_) => items.iter().map(|item| item.as_str().map(Prompt::Text)).collect(),
            Value::Array(_) => items.iter().map(|item| tokens(item.as_array()?)).collect(),
            _ => tokens(items).map(|prompt| vec![prompt]),
        },
        _ => None,
    }
}

/// Most tokens of a completion.
pub(super) fn limit(asked: &Value) -> u64 {
    asked["max_tokens"].as_u64().unwrap_or(16)
}

/// One choice.
struct Choice {
    index: usize,
    pieces: Vec<String>,
    /// How many of the pieces are the prompt's.
    echoed: usize,
    /// Where the first piece begins, in characters.
    begin: usize,
    finish: &'static str,
}

/// Answers a request that was checked.
pub(super) fn answer(scene: &Scene<'_>) -> Written {
    let asked = scene.asked;
    let prompts = prompts(&asked["prompt"]).unwrap_or_default();
    let n = asked["n"].as_u64().unwrap_or(1);
    let made = asked["best_of"].as_u64().unwrap_or(n).max(n);
    let mut choices: Vec<Choice> = Vec::new();
    for prompt in &prompts {
        for number in 0..n {
            choices.push(choice(scene, prompt, choices.len(), number));
        }
    }
    let suffix = asked["suffix"].as_str().unwrap_or_default();
    let written: u64 = choices.iter().map(|choice| (choice.pieces.len() - choice.echoed) as u64).sum();
    let usage = Usage {
        input: prompts.iter().map(|prompt| prompt.tokens(suffix)).sum(),
        cached: 0,
        written: 0,
        // What is made and not returned is paid all the same.
        output: written * made / n,
        reasoning: 0,
    };
    let sent = if asked["stream"] == true {
        let error = json!({ "error": { "message": "the model crashed", "type": "server_error", "param": null,
            "code": null } });
        Sent::Events(events(scene, &choices, usage), format!("data: {error}\n\n"))
    } else {
        let pieces = choices.iter().map(|choice| choice.pieces.len()).sum();
        let written: Vec<Value> = choices
            .iter()
            .map(|choice| {
                json!({ "text": choice.pieces.concat(), "index": choice.index,
                "logprobs": logprobs(asked, choice, 0, choice.pieces.len()), "finish_reason": choice.finish })
            })
            .collect();
        let mut answer = object(scene, &written);
        if *scene.reply != Reply::WithoutUsage {
            answer["usage"] = usage_json(usage);
        }
        Sent::Whole(answer, pieces)
    };
    Written { sent, usage }
}

fn choice(scene: &Scene<'_>, prompt: &Prompt<'_>, index: usize, number: u64) -> Choice {
    let asked = scene.asked;
    let (mut text, mut finish) = match scene.reply {
        Reply::Text(text) => (text.clone(), "stop"),
        Reply::Blocked => (String::new(), "content_filter"),
        _ => (turn(&Asked { question: prompt.text().to_owned(), ..Asked::default() }).0, "stop"),
    };
    if number > 0 {
        text = format!("Choice {number}: {text}");
    }
    let stops: Vec<&str> = match &asked["stop"] {
        Value::String(stop) => vec![stop],
        stops => stops.as_array().into_iter().flatten().filter_map(Value::as_str).collect(),
    };
    let end = stops.iter().filter(|stop| !stop.is_empty()).filter_map(|stop| text.find(stop)).min();
    text.truncate(end.unwrap_or(text.len()));
    let mut said = pieces(&text);
    // Whoever scripts a text wants to see all of it.
    let limit = usize::try_from(limit(asked)).unwrap_or(usize::MAX);
    if said.len() > limit && !matches!(scene.reply, Reply::Text(_)) {
        said.truncate(limit);
        finish = "length";
    }
    let echo = if asked["echo"] == true { pieces(prompt.text()) } else { Vec::new() };
    let begin = if echo.is_empty() { prompt.text().chars().count() } else { 0 };
    Choice { index, echoed: echo.len(), pieces: [echo, said].concat(), begin, finish }
}

/// The object that an answer is, and a part of a stream too.
fn object(scene: &Scene<'_>, choices: &[Value]) -> Value {
    json!({
        "id": format!("cmpl-{}", scene.number), "object": "text_completion", "created": 1_700_000_000,
        "model": scene.model, "choices": choices, "system_fingerprint": "fp_simulated",
    })
}

fn usage_json(usage: Usage) -> Value {
    json!({ "prompt_tokens": usage.input, "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output })
}

/// The choices side by side, a piece of each at a time, as they are made.
fn events(scene: &Scene<'_>, choices: &[Choice], usage: Usage) -> Vec<String> {
    let include_usage = scene.asked["stream_options"]["include_usage"] == true;
    let event = |choices: &[Value], usage: Value| {
        let mut chunk = object(scene, choices);
        if include_usage {
            chunk["usage"] = usage;
        }
        format!("data: {chunk}\n\n")
    };
    let mut events = Vec::new();
    let longest = choices.iter().map(|choice| choice.pieces.len()).max().unwrap_or_default();
    for at in 0..=longest {
        for choice in choices.iter().filter(|choice| at <= choice.pieces.len()) {
            let is_end = at == choice.pieces.len();
            let part = json!({
                "text": if is_end { "" } else { &choice.pieces[at] }, "index": choice.index,
                "logprobs": if is_end { Value::Null } else { logprobs(scene.asked, choice, at, at + 1) },
                "finish_reason": is_end.then_some(choice.finish),
            });
            events.push(event(&[part], Value::Null));
        }
    }
    if include_usage && *scene.reply != Reply::WithoutUsage {
        events.push(event(&[], usage_json(usage)));
    }
    events.push("data: [DONE]\n\n".to_owned());
    events
}

/// How likely the pieces of a choice are, from one to before another; null if nobody asked.
fn logprobs(asked: &Value, choice: &Choice, from: usize, to: usize) -> Value {
    let Some(most) = asked["logprobs"].as_u64() else { return Value::Null };
    let length = |pieces: &[String]| pieces.iter().map(|piece| piece.chars().count()).sum::<usize>();
    let offsets: Vec<usize> = (from..to).map(|at| choice.begin + length(&choice.pieces[..at])).collect();
    // Nothing comes before the first token of an echoed prompt.
    let is_first = |at: usize| at == 0 && choice.echoed > 0;
    let probability = |at: usize| if is_first(at) { Value::Null } else { json!(-0.25) };
    let likeliest = |at: usize| {
        let others = (1..most).map(|other| (format!(" other{other}"), json!(-3.5)));
        let all: Map<String, Value> = [(choice.pieces[at].clone(), json!(-0.25))].into_iter().chain(others).collect();
        if is_first(at) { Value::Null } else { Value::Object(all) }
    };
    json!({
        "tokens": choice.pieces[from..to], "token_logprobs": (from..to).map(probability).collect::<Vec<_>>(),
        "top_logprobs": (most > 0).then(|| (from..to).map(likeliest).collect::<Vec<_>>()), "text_offset": offsets,
    })
}
