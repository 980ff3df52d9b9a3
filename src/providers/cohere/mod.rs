//! Cohere's chat API, version 2, and version 1 where only that is served.
//!
//! Source: <https://docs.cohere.com/reference/chat> and <https://docs.cohere.com/v1/reference/chat>
//! (read 2026-11-25). Read `request.rs` first.

mod answer;
mod request;
mod v1;

pub(super) use answer::{Stream, whole};
pub(super) use request::encode;
pub(super) use v1::{Stream as StreamV1, encode as encode_v1, whole as whole_v1};

use serde_json::Value;

use super::drops::{Drops, EncodeError};
use super::error_body::{Meant, When};
use super::listing::{Cursor, ListedAt, Listing, Sign};
use super::pieces::{Finish, Piece, Said, url_citation};
use super::{ProviderError, Source};
use crate::catalog::Provider;
use crate::protocol::{Count, Members, TokenBuckets, TokenUsage};

/// The pages that this folder follows.
pub(super) const SOURCES: &[Source] = &[
    Source { page: "https://docs.cohere.com/reference/chat", read: "2026-11-25" },
    Source { page: "https://docs.cohere.com/v1/reference/chat", read: "2026-11-25" },
];

/// Its list of models stands in version 1 of its API only.
pub(super) const LISTING: Listing = Listing {
    at: ListedAt::Version("/v2", "/v1"),
    query: &[("page_size", "1000"), ("endpoint", "chat")],
    chats: &[Sign::Lists("/endpoints", "chat"), Sign::IsNot("/is_deprecated", true)],
    cursor: Some(Cursor { parameter: "page_token", told_in: "next_page_token", if_true: None }),
};

/// An invalid token has a status of its own.
pub(super) const STATUSES: &[Meant] = &[Meant { status: 498, when: When::Always, means: 401 }];

/// `usage` (`meta` in version 1): `tokens` is what the model read and wrote, `billed_units` what is billed, which
/// leaves Cohere's own preamble out. Counts are floats in its schema. Reasoning is not told apart.
///
/// Source: `Usage` of the API reference (read 2026-11-25).
#[derive(Debug, Clone, Copy, Default, serde::Deserialize)]
#[serde(default)]
struct Usage {
    tokens: Tokens,
    billed_units: Tokens,
    cached_tokens: Count,
}

#[derive(Debug, Clone, Copy, Default, serde::Deserialize)]
#[serde(default)]
struct Tokens {
    input_tokens: Count,
    output_tokens: Count,
}

impl Usage {
    fn of(usage: &Value) -> TokenUsage {
        let usage: Usage = serde_json::from_value(whole_numbers(usage)).unwrap_or_default();
        let input = usage.tokens.input_tokens.0.or(usage.billed_units.input_tokens.0);
        let cached = usage.cached_tokens.0;
        TokenBuckets {
            uncached_input: input.map(|input| input.saturating_sub(cached.unwrap_or(0))),
            cache_read: cached,
            cache_write_5m: None,
            cache_write_1h: None,
            output: usage.tokens.output_tokens.0.or(usage.billed_units.output_tokens.0),
            reasoning: None,
        }
        .inclusive()
    }
}

/// The same with `37.0` as `37`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole numbers below 2^53 only")]
fn whole_numbers(value: &Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(figure) if figure.fract() == 0.0 && (0.0..9e15).contains(&figure) => (figure as u64).into(),
            _ => value.clone(),
        },
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, value)| (name.clone(), whole_numbers(value))).collect())
        }
        other => other.clone(),
    }
}

/// Probabilities of tokens, in OpenAI's form. An item is a piece of text and its tokens.
fn logprobs(items: &[Value]) -> Option<Piece> {
    let content: Vec<Value> = items
        .iter()
        .flat_map(|item| {
            let text = item["text"].as_str().unwrap_or_default();
            let figures = item["logprobs"].as_array().map(Vec::as_slice).unwrap_or_default();
            figures.iter().map(move |figure| {
                serde_json::json!({ "token": text, "logprob": figure, "bytes": text.as_bytes(), "top_logprobs": [] })
            })
        })
        .collect();
    (!content.is_empty()).then(|| Piece::Logprobs(serde_json::json!({ "content": content, "refusal": null })))
}

/// What the answer rests on: pages become annotations, everything is kept.
fn cite(citations: &[Value], said: &mut Vec<Said>) {
    for citation in citations {
        let place = |name: &str| usize::try_from(citation[name].as_u64().unwrap_or(0)).unwrap_or(0);
        for source in citation["sources"].as_array().into_iter().flatten() {
            let document = &source["document"];
            if let Some(url) = document["url"].as_str() {
                let title = document["title"].as_str().unwrap_or_default();
                let annotation = url_citation(place("start"), place("end"), url, title);
                said.push(Said::Piece(0, Piece::Annotation(annotation)));
            }
        }
    }
    if !citations.is_empty() {
        said.push(Said::Field("citations", Value::Array(citations.to_vec())));
    }
}

/// Fields of an answer that have no place in OpenAI's API.
fn others(answer: &Value, known: &[&str], said: &mut Vec<Said>) {
    let members = answer.as_object().into_iter().flatten();
    let rest: serde_json::Map<String, Value> = members
        .filter(|(name, value)| !known.contains(&name.as_str()) && !value.is_null())
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if !rest.is_empty() {
        said.push(Said::Field("cohere", Value::Object(rest)));
    }
}

/// A model that failed though the API did not.
fn failed(message: &str) -> ProviderError {
    ProviderError::Status {
        provider: Provider::Cohere,
        status: 502,
        message: message.to_owned(),
        detail: None,
        retry_after: None,
    }
}

/// Why it ended; `None` if it failed.
fn finish(reason: &str, said: &mut Vec<Said>) -> Option<Finish> {
    let finish = match reason {
        "MAX_TOKENS" | "ERROR_LIMIT" => Finish::Length,
        "ERROR" | "TIMEOUT" | "USER_CANCEL" => return None,
        "ERROR_TOXIC" => Finish::Filtered,
        _ => Finish::Stop,
    };
    if !matches!(reason, "COMPLETE" | "MAX_TOKENS" | "TOOL_CALL" | "STOP_SEQUENCE") {
        said.push(Said::Field("finish_reason", reason.into()));
    }
    Some(finish)
}

/// The sampling fields that both versions share.
fn sampling(
    options: &crate::protocol::conversation::Options<'_>,
    body: &mut Members<'_>,
    drops: &mut Drops,
) -> Result<(), EncodeError> {
    use super::json::{list, number, quote};
    if let Some(temperature) = options.temperature {
        if (0.0..=1.0).contains(&temperature) {
            body.set("temperature", number(temperature));
        } else {
            drops.cannot("temperature", "it goes from 0 to 1 there")?;
        }
    }
    if let Some(top_p) = options.top_p {
        if (0.01..=0.99).contains(&top_p) {
            body.set("p", number(top_p));
        } else if top_p < 0.01 {
            drops.cannot("top_p", "it goes from 0.01 to 0.99 there")?;
        } else {
            // Everything: the largest figure that it takes.
            body.set("p", "0.99");
        }
    }
    if let Some(top_k) = options.top_k {
        if top_k <= 500 {
            body.set("k", top_k.to_string());
        } else {
            drops.cannot("top_k", "it goes from 0 to 500 there")?;
        }
    }
    for (param, value) in
        [("presence_penalty", options.presence_penalty), ("frequency_penalty", options.frequency_penalty)]
    {
        match value {
            None | Some(0.0) => {}
            Some(value) if (0.0..=1.0).contains(&value) => body.set(param, number(value)),
            Some(_) => drops.cannot(param, "it goes from 0 to 1 there")?,
        }
    }
    if let Some(limit) = options.max_tokens {
        body.set("max_tokens", limit.to_string());
    }
    if let Some(seed) = options.seed {
        if seed >= 0 {
            body.set("seed", seed.to_string());
        } else {
            drops.cannot("seed", "it is no negative number there")?;
        }
    }
    if options.stop.len() > 5 {
        return Err(drops.never("stop", "Cohere takes five stop texts at most"));
    }
    if !options.stop.is_empty() {
        body.set("stop_sequences", list(options.stop.iter().map(|stop| quote(stop))));
    }
    Ok(())
}
