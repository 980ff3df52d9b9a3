//! Answers of this family, where a strict client would stumble: put right, and everything else kept.
//!
//! What only one provider does stands in its quirks. The rest here is done for all whose answers are put right: what
//! is right already stays as it is.

use serde_json::{Map, Value, json};

use super::super::ProviderError;
use super::super::error_body;
use super::quirks::{Answers, Quirks, Usage, Word, quirks};
use crate::catalog::Provider;
use crate::protocol::TokenUsage;

/// Puts the answers of one upstream call right. Providers whose answers are OpenAI's pass untouched.
#[derive(Debug)]
pub(in super::super) struct Normaliser {
    provider: Provider,
    quirks: &'static Quirks,
    /// A member of a chunk without choices that goes out with the next chunk.
    carries: Option<&'static str>,
    /// Its value, between the two.
    carried: Option<Value>,
    /// The head of the last chunk, for one of the router's own.
    head: Option<(Value, Value, Value)>,
    /// Usage that came in chunks of the answer.
    usage: Option<Value>,
    /// The class of service that stood in the usage.
    tier: Option<Value>,
    is_stream: bool,
}

impl Normaliser {
    /// For a provider; `None` if its answers pass as they are.
    pub(in super::super) fn new(provider: Provider, is_stream: bool) -> Option<Self> {
        let quirks = quirks(provider);
        let carries = match quirks.answers {
            Answers::Pass => return None,
            Answers::PutRight { carries } => carries,
        };
        Some(Normaliser { provider, quirks, carries, carried: None, head: None, usage: None, tier: None, is_stream })
    }

    /// An answer or a chunk, put right; `None` if it is to be left out.
    ///
    /// # Errors
    /// It is an error, or no JSON.
    pub(in super::super) fn put_right(&mut self, json: &[u8]) -> Result<Option<Vec<u8>>, ProviderError> {
        let mut answer: Value = serde_json::from_slice(json)
            .map_err(|error| ProviderError::Malformed { provider: self.provider, reason: error.to_string() })?;
        if !answer.is_object() {
            let reason = "it is no JSON object".to_owned();
            return Err(ProviderError::Malformed { provider: self.provider, reason });
        }
        if let Some(error) = self.error(&answer, json) {
            return Err(error);
        }
        if self.is_stream {
            if !self.hold(&mut answer) {
                return Ok(None);
            }
            self.head = Some((answer["id"].clone(), answer["created"].clone(), answer["model"].clone()));
        }
        let own = answer["service_tier"].as_str();
        let word = |word: &&Word| word.field == "service_tier" && word.own.is_some() && word.own == own;
        if let Some(word) = self.quirks.fields.words.iter().find(word) {
            answer["service_tier"] = word.openai.into();
        }
        if let Some(usage) = answer.get_mut("usage") {
            let tier = usage_right(&self.quirks.usage, usage);
            if answer.get("service_tier").is_none()
                && let Some(tier) = tier
            {
                answer["service_tier"] = tier;
            }
        }
        for choice in answer.get_mut("choices").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(choice) = choice.as_object_mut() {
                self.choice(choice);
            }
        }
        Ok(Some(answer.to_string().into_bytes()))
    }

    /// The error that an answer is.
    fn error(&self, answer: &Value, json: &[u8]) -> Option<ProviderError> {
        let none = reqwest::header::HeaderMap::new();
        let elsewhere = self.quirks.errors.elsewhere.and_then(|place| answer.pointer(place)?.as_str());
        if let Some(message) = elsewhere {
            let told = json!({ "error": message }).to_string();
            return Some(error_body::read_error(self.provider, 200, &none, told.as_bytes()));
        }
        error_body::is_error(json).then(|| error_body::read_error(self.provider, 200, &none, json))
    }

    /// Keeps what must not stand in this chunk; whether the chunk goes out at all.
    fn hold(&mut self, answer: &mut Value) -> bool {
        let usage = match answer.get_mut("usage").map(Value::take) {
            Some(usage) if usage.is_object() => Some(usage),
            _ => {
                let elsewhere = self.quirks.usage.elsewhere.and_then(|place| answer.pointer(place));
                elsewhere.filter(|usage| usage.is_object()).cloned()
            }
        };
        if let Some(mut usage) = usage {
            self.tier = usage_right(&self.quirks.usage, &mut usage).or_else(|| self.tier.take());
            self.usage = Some(usage);
        }
        if let Some(members) = answer.as_object_mut() {
            members.shift_remove("usage");
        }
        let empty = answer["choices"].as_array().is_none_or(Vec::is_empty);
        if empty {
            if let Some(value) = self.carries.and_then(|name| answer.get_mut(name)) {
                self.carried = Some(value.take());
            }
            return false;
        }
        if let (Some(name), Some(value)) = (self.carries, self.carried.take()) {
            answer[name] = value;
        }
        if let Some((id, created, model)) = self.head.as_ref().filter(|_| answer["id"] == "") {
            // Azure's later findings come without a head.
            answer["id"] = id.clone();
            answer["created"] = created.clone();
            answer["model"] = model.clone();
            answer["object"] = "chat.completion.chunk".into();
        }
        true
    }

    fn choice(&self, choice: &mut Map<String, Value>) {
        let own = choice.get("finish_reason").and_then(Value::as_str);
        let finish = self.quirks.finish.iter().find(|(word, _)| own == Some(*word)).map(|(_, openai)| *openai);
        if let Some(finish) = finish {
            choice.insert("finish_reason".to_owned(), finish.into());
        }
        logprobs_right(choice);
        if self.is_stream && !choice.contains_key("delta") {
            choice.insert("delta".to_owned(), json!({}));
        }
        for name in ["message", "delta"] {
            if let Some(message) = choice.get_mut(name).and_then(Value::as_object_mut) {
                thinking_apart(message);
                if name == "message" && !message.contains_key("content") {
                    message.insert("content".to_owned(), Value::Null);
                }
                if let Some(reasoning) = message.get("reasoning").filter(|text| text.is_string()).cloned() {
                    message.entry("reasoning_content").or_insert(reasoning);
                }
                if message.get("tool_calls").is_some_and(|calls| calls.as_array().is_none_or(Vec::is_empty)) {
                    message.shift_remove("tool_calls");
                }
                let calls = message.get_mut("tool_calls").and_then(Value::as_array_mut);
                for (index, call) in calls.into_iter().flatten().enumerate() {
                    if let Some(call) = call.as_object_mut() {
                        call_right(call, index, name == "delta");
                    }
                }
            }
        }
    }

    /// The event that carries the usage, for a client that asked for it.
    pub(in super::super) fn usage_chunk(&self) -> Option<String> {
        let usage = self.usage.as_ref()?;
        let (id, created, model) = self.head.as_ref()?;
        let mut chunk = json!({ "id": id, "object": "chat.completion.chunk", "created": created, "model": model,
            "choices": [], "usage": usage });
        if let Some(tier) = &self.tier {
            chunk["service_tier"] = tier.clone();
        }
        Some(chunk.to_string())
    }

    /// What was reported in chunks of the answer, and its bytes.
    pub(in super::super) fn usage(&self) -> Option<(TokenUsage, String)> {
        let usage = self.usage.as_ref()?;
        Some((serde_json::from_value(usage.clone()).ok()?, usage.to_string()))
    }
}

/// A tool call, or a piece of one.
fn call_right(call: &mut Map<String, Value>, index: usize, is_piece: bool) {
    // A later piece with an empty name would be taken for a name.
    if let Some(function) = call.get_mut("function").and_then(Value::as_object_mut)
        && function.get("name").is_some_and(|name| *name == "")
    {
        function.shift_remove("name");
    }
    if is_piece && !call.contains_key("index") {
        call.insert("index".to_owned(), index.into());
    }
    if call.get("id").is_some_and(|id| *id == "null" || *id == "") {
        call.shift_remove("id");
    }
}

/// A provider's own name for cached tokens gets OpenAI's as well; the class of service that stands in there, if any.
fn usage_right(quirks: &Usage, usage: &mut Value) -> Option<Value> {
    let members = usage.as_object_mut()?;
    let cached = quirks.cached.and_then(|name| members.get(name)).filter(|count| count.is_u64()).cloned();
    if let Some(cached) = cached {
        let details = members.entry("prompt_tokens_details").or_insert_with(|| json!({}));
        if details.is_null() {
            *details = json!({});
        }
        if let Some(details) = details.as_object_mut() {
            details.entry("cached_tokens").or_insert(cached);
        }
    }
    members.get("service_tier").filter(|tier| quirks.has_tier && tier.is_string()).cloned()
}

/// Together's probabilities, in OpenAI's form: lists beside each other, or in a stream one figure.
fn logprobs_right(choice: &mut Map<String, Value>) {
    let token = |token: &Value, logprob: &Value| {
        let bytes = token.as_str().map(str::as_bytes);
        json!({ "token": token, "logprob": logprob, "bytes": bytes, "top_logprobs": [] })
    };
    let content: Vec<Value> = match choice.get("logprobs") {
        Some(figure @ Value::Number(_)) => {
            let text = choice.get("delta").and_then(|delta| delta.get("content")).cloned().unwrap_or_default();
            vec![token(&text, figure)]
        }
        Some(Value::Object(lists)) => {
            let list = |name: &str| lists.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            list("tokens").iter().zip(list("token_logprobs")).map(|(text, figure)| token(text, figure)).collect()
        }
        _ => return,
    };
    if !content.is_empty() {
        choice.insert("logprobs".to_owned(), json!({ "content": content, "refusal": null }));
    }
}

/// Mistral's thinking stands in the content, as parts of their own.
fn thinking_apart(message: &mut Map<String, Value>) {
    let Some(Value::Array(parts)) = message.get("content") else { return };
    let mut text = String::new();
    let mut thought = String::new();
    let mut others = Vec::new();
    for part in parts {
        match part["type"].as_str() {
            Some("text") => text.push_str(part["text"].as_str().unwrap_or_default()),
            Some("thinking") => match &part["thinking"] {
                Value::String(said) => thought.push_str(said),
                said => {
                    for piece in said.as_array().into_iter().flatten() {
                        thought.push_str(piece["text"].as_str().unwrap_or_default());
                    }
                }
            },
            _ => others.push(part.clone()),
        }
    }
    message.insert("content".to_owned(), text.into());
    if !thought.is_empty() {
        message.insert("reasoning_content".to_owned(), thought.into());
    }
    if !others.is_empty() {
        message.insert("content_parts".to_owned(), others.into());
    }
}
