//! The lists of models that providers give, in as many shapes as there are providers.
//!
//! Sources (read 2026-11-25): "List models" of the references of OpenAI, Anthropic, Gemini, Cohere, Together
//! (a bare list) and OpenRouter, and Ollama's `/api/tags`.

use reqwest::Url;
use serde_json::Value;

use super::openai::quirks;
use super::{anthropic, cohere, gemini};
use crate::catalog::Provider;
use crate::protocol::Timestamp;

/// A model that a provider offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name, as it is asked for.
    pub id: String,
    /// Tokens that fit into its context, if the list tells.
    pub context_length: Option<u64>,
    /// Seconds since the epoch at which it was made, if the list tells.
    pub created: Option<i64>,
}

/// One page of a list, and where the next one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The models that chat.
    pub models: Vec<Listed>,
    /// The next page.
    pub next: Option<Url>,
}

/// Where a provider lists its models, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listing {
    /// The address of the list.
    pub(super) at: ListedAt,
    /// What is asked of it.
    pub(super) query: &'static [(&'static str, &'static str)],
    /// What tells a model that chats: all of it must hold.
    pub(super) chats: &'static [Sign],
    /// How the next page is asked for, where there are several.
    pub(super) cursor: Option<Cursor>,
}

impl Listing {
    /// OpenAI's: `/models`, one page.
    pub(super) const PLAIN: Listing = Listing { at: ListedAt::Models, query: &[], chats: &[], cursor: None };
}

/// The address of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ListedAt {
    /// `{root}/models`.
    Models,
    /// The same, in another version of the API: what the root has, and what stands there instead.
    Version(&'static str, &'static str),
    /// In another API of the provider, whose root lacks this ending.
    OwnApi {
        /// What the root ends with.
        without: &'static str,
        /// The path below.
        path: &'static [&'static str],
    },
    /// A path of the resource for dated versions of the API, else `{root}/models`.
    Resource(&'static str),
}

/// What tells that a model is one for this router. A list that does not tell is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// The list at this JSON pointer has this word.
    Lists(&'static str, &'static str),
    /// The text at this JSON pointer is one of these.
    OneOf(&'static str, &'static [&'static str]),
    /// The value at this JSON pointer is not this one.
    IsNot(&'static str, bool),
}

/// How the next page of a list is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The parameter.
    pub(super) parameter: &'static str,
    /// The member of a page that has its value.
    pub(super) told_in: &'static str,
    /// The member that says whether there is a next page, where one does.
    pub(super) if_true: Option<&'static str>,
}

/// How a provider lists its models.
pub(super) const fn listing(provider: Provider) -> &'static Listing {
    match provider {
        Provider::Anthropic => &anthropic::LISTING,
        Provider::Gemini => &gemini::LISTING,
        Provider::Cohere => &cohere::LISTING,
        Provider::Openai
        | Provider::AzureOpenai
        | Provider::Mistral
        | Provider::Groq
        | Provider::Together
        | Provider::Perplexity
        | Provider::Openrouter
        | Provider::Ollama
        | Provider::Xrouter
        | Provider::OpenaiCompatible => &quirks(provider).probe,
    }
}

/// Reads a page that came from an address; `None` if it is no list of models.
#[must_use]
pub fn page(provider: Provider, url: &Url, body: &[u8]) -> Option<Page> {
    let json: Value = serde_json::from_slice(body).ok()?;
    // `data` may be null where there are none.
    let rows = match &json {
        Value::Array(rows) => rows.as_slice(),
        Value::Object(members) => match members.get("data").or_else(|| members.get("models"))? {
            Value::Array(rows) => rows.as_slice(),
            Value::Null => &[],
            _ => return None,
        },
        _ => return None,
    };
    let Listing { chats, cursor, .. } = listing(provider);
    let models = rows.iter().filter(|row| chats.iter().all(|sign| sign.holds(row))).filter_map(model).collect();
    Some(Page { models, next: cursor.and_then(|cursor| next(cursor, url, &json)) })
}

impl Sign {
    fn holds(self, row: &Value) -> bool {
        match self {
            Sign::Lists(place, word) => {
                let words = row.pointer(place).and_then(Value::as_array);
                words.is_none_or(|words| words.iter().any(|known| known == word))
            }
            Sign::OneOf(place, words) => {
                row.pointer(place).and_then(Value::as_str).is_none_or(|word| words.contains(&word))
            }
            Sign::IsNot(place, value) => row.pointer(place).is_none_or(|told| *told != value),
        }
    }
}

fn model(row: &Value) -> Option<Listed> {
    let name = row["id"].as_str().or_else(|| row["name"].as_str()).or_else(|| row["model"].as_str())?;
    let context_length = [
        &row["context_length"],
        &row["context_window"],
        &row["max_context_length"],
        &row["max_model_len"],
        &row["max_input_tokens"],
        &row["inputTokenLimit"],
        &row["meta"]["n_ctx"],
        &row["meta"]["n_ctx_train"],
        &row["top_provider"]["context_length"],
    ]
    .into_iter()
    .find_map(whole);
    let created = match (&row["created"], &row["created_at"]) {
        (Value::Number(number), _) | (_, Value::Number(number)) => number.as_i64(),
        (_, Value::String(text)) => text.parse::<Timestamp>().ok().map(|time| time.0 / 1000),
        _ => None,
    };
    let id = name.strip_prefix("models/").unwrap_or(name);
    (!id.is_empty()).then(|| Listed { id: id.to_owned(), context_length, created: created.filter(|time| *time > 0) })
}

/// A count that some write as `128000.0`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked before the cast")]
fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_f64().filter(|figure| (1.0..1e12).contains(figure)).map(|figure| figure as u64))
}

fn next(cursor: Cursor, url: &Url, json: &Value) -> Option<Url> {
    if cursor.if_true.is_some_and(|name| json[name] != true) {
        return None;
    }
    let (name, cursor) = (cursor.parameter, json[cursor.told_in].as_str()?);
    if cursor.is_empty() {
        return None;
    }
    let mut next = url.clone();
    let others: Vec<(String, String)> =
        url.query_pairs().filter(|(known, _)| known != name).map(|(name, value)| (name.into(), value.into())).collect();
    next.query_pairs_mut().clear().extend_pairs(others).append_pair(name, cursor);
    Some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_in_all_their_shapes() {
        let url: Url = "https://api.example/models?limit=1000".parse().unwrap();
        let cases = [
            (Provider::Openai, r#"{"object":"list","data":[{"id":"a","created":5}]}"#, "a", None),
            (
                Provider::Together,
                r#"[{"id":"a","type":"chat","context_length":9},{"id":"b","type":"image"}]"#,
                "a",
                Some(9),
            ),
            (Provider::Openrouter, r#"{"data":[{"id":"a","context_length":9}]}"#, "a", Some(9)),
            (
                Provider::Anthropic,
                r#"{"data":[{"id":"a","max_input_tokens":9,"created_at":"2026-01-01T00:00:00Z"}]}"#,
                "a",
                Some(9),
            ),
            (
                Provider::Gemini,
                r#"{"models":[{"name":"models/a","inputTokenLimit":9,"supportedGenerationMethods":["generateContent"]},
                    {"name":"models/e","supportedGenerationMethods":["embedContent"]}]}"#,
                "a",
                Some(9),
            ),
            (Provider::Cohere, r#"{"models":[{"name":"a","endpoints":["chat"],"context_length":9.0}]}"#, "a", Some(9)),
            (Provider::Ollama, r#"{"models":[{"name":"a","model":"a"}]}"#, "a", None),
            (Provider::OpenaiCompatible, r#"{"data":[{"id":"a","meta":{"n_ctx_train":9}}]}"#, "a", Some(9)),
        ];
        for (provider, body, id, context) in cases {
            let page = page(provider, &url, body.as_bytes()).unwrap();
            assert_eq!(page.models.len(), 1, "{body}");
            assert_eq!((page.models[0].id.as_str(), page.models[0].context_length), (id, context), "{body}");
        }
        assert_eq!(page(Provider::Ollama, &url, br#"{"data":null}"#).unwrap().models, []);
        assert_eq!(page(Provider::Openai, &url, b"<html>"), None);
    }

    #[test]
    fn further_pages_are_found() {
        let url: Url = "https://api.example/models?limit=1000&after_id=x".parse().unwrap();
        let page = page(Provider::Anthropic, &url, br#"{"data":[],"has_more":true,"last_id":"m 1"}"#).unwrap();
        assert_eq!(page.next.unwrap().as_str(), "https://api.example/models?limit=1000&after_id=m+1");
    }
}
