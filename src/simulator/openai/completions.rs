//! `POST /v1/completions`, the older endpoint: what a request may be.
//!
//! Source: OpenAI's API reference, "Create completion" (read 2026-12-01).

use serde_json::Value;

use super::super::turn::Refusal;
use super::{Checked, Endpoint, form, models, text};
use crate::catalog::Provider;

pub(super) const ENDPOINT: Endpoint = Endpoint { check, answer: text::answer };

const KNOWN_FIELDS: [&str; 18] = [
    "model",
    "prompt",
    "best_of",
    "echo",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "max_tokens",
    "n",
    "presence_penalty",
    "seed",
    "stop",
    "stream",
    "stream_options",
    "suffix",
    "temperature",
    "top_p",
    "user",
];

/// OpenAI's models that have no chat, with the tokens that they read and write.
const MODELS: [(&str, u64); 3] = [("gpt-3.5-turbo-instruct", 4097), ("davinci-002", 16_385), ("babbage-002", 16_385)];

fn check(provider: Provider, asked: &Value) -> Checked {
    let model = form::model(asked)?;
    let fields = asked.as_object().ok_or_else(form::no_json)?;
    form::unrecognized(fields, &KNOWN_FIELDS)?;
    let Some(prompt) = asked.get("prompt") else { return Err(form::missing("prompt")) };
    if text::prompts(prompt).is_none() {
        let wanted = "one of a string, array of strings, array of integers, or array of integer arrays";
        // An array is of the right type, and empty or mixed.
        if prompt.is_array() {
            form::array("prompt", prompt, 1, usize::MAX)?;
        }
        return Err(form::mistyped("prompt", prompt, wanted));
    }
    fields.iter().filter(|(_, value)| !value.is_null()).try_for_each(|(name, value)| check_field(name, value))?;
    form::stream_options(asked, &["include_usage", "include_obfuscation"])?;
    choices(asked)?;
    // A relative serves models of its own.
    if provider == Provider::Openai { check_model(model, asked) } else { Ok(()) }
}

fn check_field(name: &str, value: &Value) -> Checked {
    match name {
        "best_of" => form::integer(name, value, 0, 20),
        "n" => form::integer(name, value, 1, 128),
        "logprobs" => form::integer(name, value, 0, 5),
        "max_tokens" => form::integer(name, value, 0, i64::MAX),
        "seed" => form::integer(name, value, i64::MIN, i64::MAX),
        "frequency_penalty" | "presence_penalty" => form::decimal(name, value, -2, 2),
        "temperature" => form::decimal(name, value, 0, 2),
        "top_p" => form::decimal(name, value, 0, 1),
        "echo" | "stream" => form::flag(name, value),
        "suffix" | "user" => form::text(name, value).map(|_| ()),
        "logit_bias" => {
            let Some(biases) = value.as_object() else { return Err(form::mistyped(name, value, "an object")) };
            biases.iter().try_for_each(|(token, bias)| form::decimal(&format!("{name}.{token}"), bias, -100, 100))
        }
        "stop" if value.is_array() => {
            let stops = form::array(name, value, 1, 4)?;
            stops.iter().enumerate().try_for_each(|(at, stop)| form::text(&format!("{name}[{at}]"), stop).map(|_| ()))
        }
        "stop" if !value.is_string() => Err(form::mistyped(name, value, "one of a string or array of strings")),
        // The model and the prompt are checked on their own.
        _ => Ok(()),
    }
}

/// How many choices are made, and how many of them are returned.
fn choices(asked: &Value) -> Checked {
    let (n, best_of) = (asked["n"].as_u64().unwrap_or(1), asked["best_of"].as_u64());
    let Some(best_of) = best_of else { return Ok(()) };
    if best_of < n {
        let message = format!(
            "You requested that the server return more choices than it will generate (HINT: you must set 'n' \
             (currently {n}) to be at most 'best_of' (currently {best_of}), or omit either parameter if you don't \
             specifically want to use them.)"
        );
        return Err(Refusal::new(400, message));
    }
    if best_of > 1 && asked["stream"] == true {
        return Err(Refusal::at(400, "best_of", "Results cannot be streamed when 'best_of' is greater than 1."));
    }
    Ok(())
}

fn check_model(model: &str, asked: &Value) -> Checked {
    let Some((_, longest)) = MODELS.iter().find(|(name, _)| *name == model) else {
        return Err(if models::chats(model) {
            let message = "This is a chat model and not supported in the v1/completions endpoint. Did you mean to use \
                           v1/chat/completions?";
            Refusal::at(404, "model", message)
        } else {
            models::unknown(model)
        });
    };
    if form::given(asked, "suffix").is_some() && model != "gpt-3.5-turbo-instruct" {
        return Err(Refusal::new(400, "Unrecognized request argument supplied: suffix"));
    }
    let prompt = text::prompts(&asked["prompt"]).unwrap_or_default();
    let suffix = asked["suffix"].as_str().unwrap_or_default();
    let completion = text::limit(asked);
    match prompt.iter().map(|prompt| prompt.tokens(suffix)).find(|tokens| tokens + completion > *longest) {
        Some(tokens) => Err(models::too_long(*longest, tokens, completion)),
        None => Ok(()),
    }
}
