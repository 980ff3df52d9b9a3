//! `POST /v1/embeddings`: every input gets a vector that depends on nothing but the input.
//!
//! Source: OpenAI's API reference, "Create embeddings" (read 2026-12-01).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::Reply;
use super::super::answer::count_tokens;
use super::super::turn::{Refusal, Usage};
use super::{Checked, Endpoint, Scene, Sent, Written, form, models};
use crate::catalog::Provider;

pub(super) const ENDPOINT: Endpoint = Endpoint { check, answer };

/// Most inputs of a request, and most tokens of an input that is an array of tokens.
const MOST_INPUTS: usize = 2048;
/// Most tokens of one input.
const MOST_TOKENS: u64 = 8192;
/// Most tokens of a request.
const MOST_TOKENS_IN_ALL: u64 = 300_000;
/// Length of a vector when none is asked for. The real models' are longer, which would show nothing more.
const USUAL_DIMENSIONS: usize = 8;
/// OpenAI's models, with the length of their vectors.
const MODELS: [(&str, u64); 3] =
    [("text-embedding-3-small", 1536), ("text-embedding-3-large", 3072), ("text-embedding-ada-002", 1536)];

fn check(provider: Provider, asked: &Value) -> Checked {
    let model = form::model(asked)?;
    if let Some(fields) = asked.as_object() {
        form::unrecognized(fields, &["model", "input", "encoding_format", "dimensions", "user"])?;
    }
    if asked.get("input").is_none() {
        return Err(Refusal::new(400, "'input' is a required property"));
    }
    let inputs = inputs(&asked["input"]).ok_or_else(|| invalid("input"))?;
    if let Some(format) = asked.get("encoding_format")
        && format != "float"
        && format != "base64"
    {
        return Err(invalid("encoding_format"));
    }
    if asked.get("dimensions").is_some_and(|dimensions| dimensions.as_u64().is_none_or(|dimensions| dimensions == 0)) {
        return Err(invalid("dimensions"));
    }
    if asked.get("user").is_some_and(|user| !user.is_string()) {
        return Err(invalid("user"));
    }
    // A relative serves models of its own.
    if provider == Provider::Openai { check_model(model, asked, &inputs) } else { Ok(()) }
}

fn check_model(model: &str, asked: &Value, inputs: &[Input<'_>]) -> Checked {
    let Some((_, longest)) = MODELS.iter().find(|(name, _)| *name == model) else {
        return Err(if models::chats(model) {
            Refusal::new(403, "You are not allowed to generate embeddings from this model")
        } else {
            models::unknown(model)
        });
    };
    if let Some(dimensions) = asked["dimensions"].as_u64() {
        if !model.starts_with("text-embedding-3") {
            return Err(Refusal::new(400, "This model does not support specifying dimensions."));
        }
        if dimensions > *longest {
            let message =
                format!("Invalid value for 'dimensions' = {dimensions}. Must be less than or equal to {longest}.");
            return Err(Refusal::new(400, message));
        }
    }
    if let Some(tokens) = inputs.iter().map(Input::tokens).find(|tokens| *tokens > MOST_TOKENS) {
        return Err(models::too_long(MOST_TOKENS, tokens, 0));
    }
    let all: u64 = inputs.iter().map(Input::tokens).sum();
    if all > MOST_TOKENS_IN_ALL {
        let message = format!("Requested {all} tokens, max {MOST_TOKENS_IN_ALL} tokens per request");
        return Err(Refusal::new(400, message).coded("max_tokens_per_request"));
    }
    Ok(())
}

/// This endpoint names the field, and not what is wrong with it.
fn invalid(name: &str) -> Refusal {
    let message = format!(
        "'$.{name}' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference."
    );
    Refusal::new(400, message)
}

/// One input.
enum Input<'a> {
    Text(&'a str),
    Tokens(Vec<u64>),
}

impl Input<'_> {
    fn tokens(&self) -> u64 {
        match self {
            Input::Text(text) => count_tokens(text),
            Input::Tokens(tokens) => tokens.len() as u64,
        }
    }
}

/// The inputs, if they have one of the four forms.
fn inputs(input: &Value) -> Option<Vec<Input<'_>>> {
    if let Some(text) = input.as_str() {
        return Some(vec![text_input(text)?]);
    }
    let items = input.as_array()?;
    if items.is_empty() || items.len() > MOST_INPUTS {
        return None;
    }
    if items[0].is_number() {
        return Some(vec![token_input(items)?]);
    }
    if items[0].is_string() {
        return items.iter().map(|item| text_input(item.as_str()?)).collect();
    }
    items.iter().map(|item| token_input(item.as_array()?)).collect()
}

fn text_input(text: &str) -> Option<Input<'_>> {
    (!text.is_empty()).then_some(Input::Text(text))
}

fn token_input(tokens: &[Value]) -> Option<Input<'static>> {
    if tokens.is_empty() || tokens.len() > MOST_INPUTS {
        return None;
    }
    tokens.iter().map(Value::as_u64).collect::<Option<_>>().map(Input::Tokens)
}

fn answer(scene: &Scene<'_>) -> Written {
    let inputs = inputs(&scene.asked["input"]).unwrap_or_default();
    let dimensions = scene.asked["dimensions"].as_u64().and_then(|dimensions| usize::try_from(dimensions).ok());
    let dimensions = dimensions.unwrap_or(USUAL_DIMENSIONS);
    let data = inputs.iter().enumerate().map(|(index, input)| {
        let vector = vector(input, dimensions);
        let embedding = if scene.asked["encoding_format"] == "base64" {
            let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
            json!(STANDARD.encode(bytes))
        } else {
            json!(vector)
        };
        json!({ "object": "embedding", "index": index, "embedding": embedding })
    });
    let mut answer = json!({ "object": "list", "data": data.collect::<Vec<_>>(), "model": scene.model });
    let tokens = inputs.iter().map(Input::tokens).sum();
    if *scene.reply != Reply::WithoutUsage {
        answer["usage"] = json!({ "prompt_tokens": tokens, "total_tokens": tokens });
    }
    let usage = Usage { input: tokens, cached: 0, written: 0, output: 0, reasoning: 0 };
    Written { sent: Sent::Halved(answer), usage }
}

/// A vector of length one, made from the hash of its input.
fn vector(input: &Input<'_>, dimensions: usize) -> Vec<f32> {
    let mut hasher = blake3::Hasher::new();
    match input {
        Input::Text(text) => hasher.update(text.as_bytes()),
        Input::Tokens(tokens) => tokens.iter().fold(&mut hasher, |hasher, token| hasher.update(&token.to_le_bytes())),
    };
    let mut random = hasher.finalize_xof();
    let numbers: Vec<f32> = std::iter::repeat_with(|| {
        let mut bytes = [0; 2];
        random.fill(&mut bytes);
        f32::from(i16::from_le_bytes(bytes)) + 0.5
    })
    .take(dimensions)
    .collect();
    let length = numbers.iter().map(|number| number * number).sum::<f32>().sqrt();
    numbers.iter().map(|number| number / length).collect()
}
