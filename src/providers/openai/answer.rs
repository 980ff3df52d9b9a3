//! Answers of this family, where a strict client would stumble: put right, and everything else kept.

use serde_json::{Value, json};

use super::super::ProviderError;
use super::super::failure;
use crate::catalog::Provider;
use crate::protocol::TokenUsage;

/// Puts the answers of one upstream call right. Providers whose answers are OpenAI's pass untouched.
#[derive(Debug)]
pub struct Normaliser {
    provider: Provider,
    /// Azure's first chunk has no choices, only what the prompt's filter found: it goes with the next one.
    filter: Option<Value>,
    /// The head of the last chunk, for one of the router's own.
    head: Option<(Value, Value, Value)>,
    /// Usage that came in chunks of the answer.
    usage: Option<Value>,
    /// Whether something was said after the last `finish_reason`.
    is_stream: bool,
}

impl Normaliser {
    /// For a provider; `None` if its answers pass as they are.
    #[must_use]
    pub fn new(provider: Provider, is_stream: bool) -> Option<Self> {
        let strange = matches!(
            provider,
            Provider::Mistral | Provider::Groq | Provider::Together | Provider::Perplexity | Provider::AzureOpenai
        );
        strange.then_some(Normaliser { provider, filter: None, head: None, usage: None, is_stream })
    }

    /// An answer or a chunk, put right; `None` if it is to be left out.
    ///
    /// # Errors
    /// It is an error, or no JSON.
    pub fn put_right(&mut self, json: &[u8]) -> Result<Option<Vec<u8>>, ProviderError> {
        let mut answer: Value = serde_json::from_slice(json)
            .map_err(|error| ProviderError::Malformed { provider: self.provider, reason: error.to_string() })?;
        if failure::is_error(json) || answer["x_groq"]["error"].is_string() {
            return Err(self.error(&answer, json));
        }
        if self.is_stream {
            if !self.hold(&mut answer) {
                return Ok(None);
            }
            self.head = Some((answer["id"].clone(), answer["created"].clone(), answer["model"].clone()));
        }
        if self.provider == Provider::Groq
            && let Some(tier) = answer["service_tier"].as_str()
        {
            let known = match tier {
                "on_demand" => "default",
                "performance" => "priority",
                other => other,
            };
            answer["service_tier"] = known.into();
        }
        for choice in answer["choices"].as_array_mut().into_iter().flatten() {
            self.choice(choice);
        }
        Ok(Some(answer.to_string().into_bytes()))
    }

    fn error(&self, answer: &Value, json: &[u8]) -> ProviderError {
        let none = reqwest::header::HeaderMap::new();
        match answer["x_groq"]["error"].as_str() {
            Some(message) => {
                failure::read(self.provider, 200, &none, json!({ "error": message }).to_string().as_bytes())
            }
            None => failure::read(self.provider, 200, &none, json),
        }
    }

    /// Keeps what must not stand in this chunk; whether the chunk goes out at all.
    fn hold(&mut self, answer: &mut Value) -> bool {
        let usage = match answer.get_mut("usage").map(Value::take) {
            Some(usage) if usage.is_object() => Some(usage),
            _ => answer["x_groq"].get("usage").filter(|usage| usage.is_object()).cloned(),
        };
        if let Some(usage) = usage {
            self.usage = Some(usage);
        }
        if let Some(members) = answer.as_object_mut() {
            members.shift_remove("usage");
        }
        let empty = answer["choices"].as_array().is_none_or(Vec::is_empty);
        if empty {
            if let Some(found) = answer.get_mut("prompt_filter_results") {
                self.filter = Some(found.take());
            }
            return false;
        }
        if let Some(found) = self.filter.take() {
            answer["prompt_filter_results"] = found;
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

    fn choice(&self, choice: &mut Value) {
        let finish = match choice["finish_reason"].as_str() {
            Some("eos") => Some("stop"),
            Some("model_length") => Some("length"),
            _ => None,
        };
        if let Some(finish) = finish {
            choice["finish_reason"] = finish.into();
        }
        if choice["logprobs"].is_number() {
            choice["logprobs"] = Value::Null;
        }
        if self.is_stream && choice.get("delta").is_none() {
            choice["delta"] = json!({});
        }
        for name in ["message", "delta"] {
            if let Some(message) = choice.get_mut(name).and_then(Value::as_object_mut) {
                thinking_apart(message);
                if let Some(reasoning) = message.get("reasoning").filter(|text| text.is_string()).cloned() {
                    message.entry("reasoning_content").or_insert(reasoning);
                }
                let calls = message.get_mut("tool_calls").and_then(Value::as_array_mut);
                for (index, call) in calls.into_iter().flatten().enumerate() {
                    // Later pieces of a call with an empty name would be taken for a name.
                    if let Some(function) = call["function"].as_object_mut()
                        && function.get("name").is_some_and(|name| *name == "")
                    {
                        function.shift_remove("name");
                    }
                    if name == "delta" && call.get("index").is_none() {
                        call["index"] = index.into();
                    }
                    if call["id"] == "null" || call["id"] == "" {
                        call.as_object_mut().map(|call| call.shift_remove("id"));
                    }
                }
            }
        }
    }

    /// The event that carries the usage, for a client that asked for it.
    #[must_use]
    pub fn usage_chunk(&self) -> Option<String> {
        let usage = self.usage.as_ref()?;
        let (id, created, model) = self.head.as_ref()?;
        let chunk = json!({ "id": id, "object": "chat.completion.chunk", "created": created, "model": model,
            "choices": [], "usage": usage });
        Some(chunk.to_string())
    }

    /// What was reported in chunks of the answer, and its bytes.
    #[must_use]
    pub fn usage(&self) -> Option<(TokenUsage, String)> {
        let usage = self.usage.as_ref()?;
        Some((serde_json::from_value(usage.clone()).ok()?, usage.to_string()))
    }
}

/// Mistral's thinking stands in the content, as parts of their own.
fn thinking_apart(message: &mut serde_json::Map<String, Value>) {
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
