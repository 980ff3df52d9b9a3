//! What a request says besides its messages and tools.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{borrowed, field, invalid, text};
use crate::protocol::text::Text;
use crate::protocol::{Members, RequestError};

/// Everything but the messages and the tools. `None` is: the client did not say.
#[derive(Debug, Clone, Default)]
pub struct Options<'a> {
    /// Most output tokens: `max_completion_tokens`, else `max_tokens`.
    pub max_tokens: Option<u64>,
    /// 0 to 2.
    pub temperature: Option<f64>,
    /// 0 to 1.
    pub top_p: Option<f64>,
    /// Not OpenAI's, but many providers have it.
    pub top_k: Option<u64>,
    /// Texts at which the answer ends.
    pub stop: Vec<Cow<'a, str>>,
    /// For answers that can be repeated.
    pub seed: Option<i64>,
    /// How many answers.
    pub n: Option<u64>,
    /// -2 to 2.
    pub presence_penalty: Option<f64>,
    /// -2 to 2.
    pub frequency_penalty: Option<f64>,
    /// Whether the tokens' probabilities are asked for.
    pub logprobs: bool,
    /// How many alternatives of each token.
    pub top_logprobs: Option<u64>,
    /// Whether several tools may be called at once.
    pub parallel_tool_calls: Option<bool>,
    /// The shape of the answer.
    pub response_format: Option<ResponseFormat<'a>>,
    /// How much the model is to think.
    pub effort: Option<Effort>,
    /// Who the user is.
    pub user: Option<Cow<'a, str>>,
    /// Which class of service.
    pub service_tier: Option<Cow<'a, str>>,
    /// `thinking`, as Anthropic and others write it.
    pub thinking: Option<&'a str>,
    /// Fields that have a meaning in OpenAI's API and are set to something else than what goes without
    /// saying, but have no place above.
    pub others: Vec<&'static str>,
    /// Fields that OpenAI's API does not know, with the bytes of their values.
    pub unknown: Vec<(Cow<'a, str>, &'a str)>,
}

/// The shape of the answer.
#[derive(Debug, Clone)]
pub enum ResponseFormat<'a> {
    /// Any text.
    Text,
    /// Any JSON object.
    Object,
    /// JSON that keeps to a schema.
    Schema {
        /// Its name.
        name: Option<Cow<'a, str>>,
        /// What it is for.
        description: Option<Cow<'a, str>>,
        /// The JSON Schema.
        schema: &'a str,
        /// Whether it must be kept.
        strict: Option<bool>,
    },
}

/// How much a model is to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// Not at all.
    None,
    /// As little as it can.
    Minimal,
    /// A little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
    /// Very much.
    Xhigh,
    /// As much as it can.
    Max,
}

/// Fields whose values are read into [`Options`] or elsewhere.
const READ: [&str; 24] = [
    "model",
    "messages",
    "stream",
    "stream_options",
    "tools",
    "tool_choice",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "top_k",
    "stop",
    "seed",
    "n",
    "presence_penalty",
    "frequency_penalty",
    "logprobs",
    "top_logprobs",
    "parallel_tool_calls",
    "response_format",
    "reasoning_effort",
    "user",
    "service_tier",
    "thinking",
];

/// Fields of OpenAI's API without a place elsewhere, and the values with which they ask for nothing.
const OTHERS: [(&str, &[&str]); 16] = [
    ("audio", &[]),
    ("function_call", &[]),
    ("functions", &["[]"]),
    ("logit_bias", &["{}"]),
    ("metadata", &["{}"]),
    ("modalities", &[r#"["text"]"#]),
    ("moderation", &[]),
    ("prediction", &[]),
    ("prompt_cache_key", &[]),
    ("prompt_cache_options", &[]),
    ("prompt_cache_retention", &[]),
    ("reasoning", &[]),
    ("safety_identifier", &[]),
    ("store", &["false"]),
    ("verbosity", &[r#""medium""#]),
    ("web_search_options", &[]),
];

pub(super) fn read<'a>(body: &'a str, members: &Members<'a>) -> Result<Options<'a>, RequestError> {
    let asks = |name: &str, for_nothing: &[&str]| {
        members.get(name).is_some_and(|value| {
            let compact: String = value.split_ascii_whitespace().collect();
            compact != "null" && !for_nothing.contains(&compact.as_str())
        })
    };
    let others = OTHERS.iter().filter(|(name, nothing)| asks(name, nothing)).map(|(name, _)| *name).collect();
    let known = |name: &str| READ.contains(&name) || OTHERS.iter().any(|(other, _)| *other == name);
    let unknown = members
        .iter()
        .filter(|(name, value)| !known(name) && *value != "null")
        .filter_map(|(name, value)| Some((Cow::Owned(name.to_owned()), borrowed(body, Some(value))?)))
        .collect();
    let max_tokens = field(body, members, "max_completion_tokens")?.or(field(body, members, "max_tokens")?);
    Ok(Options {
        max_tokens,
        temperature: field(body, members, "temperature")?,
        top_p: field(body, members, "top_p")?,
        top_k: field(body, members, "top_k")?,
        stop: stop(body, members)?,
        seed: field(body, members, "seed")?,
        n: field(body, members, "n")?,
        presence_penalty: field(body, members, "presence_penalty")?,
        frequency_penalty: field(body, members, "frequency_penalty")?,
        logprobs: field(body, members, "logprobs")?.unwrap_or(false),
        top_logprobs: field(body, members, "top_logprobs")?,
        parallel_tool_calls: field(body, members, "parallel_tool_calls")?,
        response_format: response_format(body, members)?,
        effort: effort(body, members)?,
        user: text(body, members, "user")?,
        service_tier: text(body, members, "service_tier")?,
        thinking: borrowed(body, members.get("thinking")).filter(|json| *json != "null"),
        others,
        unknown,
    })
}

fn stop<'a>(body: &'a str, members: &Members<'a>) -> Result<Vec<Cow<'a, str>>, RequestError> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Stop<'a> {
        One(#[serde(borrow)] Text<'a>),
        Many(#[serde(borrow)] Vec<Text<'a>>),
    }
    match field::<Stop<'a>>(body, members, "stop") {
        Ok(None) => Ok(Vec::new()),
        Ok(Some(Stop::One(text))) => Ok(vec![text.0]),
        Ok(Some(Stop::Many(texts))) => Ok(texts.into_iter().map(|text| text.0).collect()),
        Err(_) => Err(invalid("stop", "it must be a string or a list of strings")),
    }
}

fn effort<'a>(body: &'a str, members: &Members<'a>) -> Result<Option<Effort>, RequestError> {
    let Some(word) = text(body, members, "reasoning_effort")? else { return Ok(None) };
    Ok(Some(match word.as_ref() {
        "none" => Effort::None,
        "minimal" => Effort::Minimal,
        "low" => Effort::Low,
        "medium" => Effort::Medium,
        "high" => Effort::High,
        "xhigh" => Effort::Xhigh,
        "max" => Effort::Max,
        _ => {
            let reason = "it must be none, minimal, low, medium, high, xhigh or max";
            return Err(invalid("reasoning_effort", reason));
        }
    }))
}

fn response_format<'a>(body: &'a str, members: &Members<'a>) -> Result<Option<ResponseFormat<'a>>, RequestError> {
    #[derive(Deserialize)]
    struct Format<'a> {
        #[serde(borrow, rename = "type")]
        kind: Text<'a>,
        #[serde(borrow, default)]
        json_schema: Option<Schema<'a>>,
    }
    #[derive(Deserialize)]
    struct Schema<'a> {
        #[serde(borrow, default)]
        name: Option<Text<'a>>,
        #[serde(borrow, default)]
        description: Option<Text<'a>>,
        #[serde(borrow, default, rename = "schema")]
        json: Option<&'a RawValue>,
        #[serde(default)]
        strict: Option<bool>,
    }
    let Some(format) = field::<Format<'a>>(body, members, "response_format")? else { return Ok(None) };
    Ok(Some(match format.kind.0.as_ref() {
        "text" => ResponseFormat::Text,
        "json_object" => ResponseFormat::Object,
        "json_schema" => {
            let missing = |path: &str| invalid(path, "it is missing");
            let schema = format.json_schema.ok_or_else(|| missing("response_format.json_schema"))?;
            let json = schema.json.ok_or_else(|| missing("response_format.json_schema.schema"))?.get();
            ResponseFormat::Schema {
                name: schema.name.map(|name| name.0),
                description: schema.description.map(|text| text.0),
                schema: json,
                strict: schema.strict,
            }
        }
        other => {
            let reason = format!("`{other}` is none of text, json_object, json_schema");
            return Err(invalid("response_format.type", &reason));
        }
    }))
}
