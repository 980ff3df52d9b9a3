//! From an answer of version 2, whole or in events, to what it says.

use serde_json::Value;

use super::super::ProviderError;
use super::super::pieces::{Piece, Said, Whole};
use super::{Usage, cite, failed, finish, logprobs, others};
use crate::catalog::Provider;

fn malformed(reason: &str) -> ProviderError {
    ProviderError::Malformed { provider: Provider::Cohere, reason: reason.to_owned() }
}

/// A whole answer.
pub(in super::super) fn whole(body: &[u8]) -> Result<Whole, ProviderError> {
    let answer: Value = serde_json::from_slice(body).map_err(|error| malformed(&error.to_string()))?;
    let message = &answer["message"];
    if !message.is_object() {
        return Err(malformed("it has no message"));
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut said = vec![Said::Head { id: answer["id"].as_str().map(str::to_owned), model: None }];
    let mut say = |piece| said.push(Said::Piece(0, piece));
    say(Piece::Thinking(text(&message["tool_plan"])));
    for part in message["content"].as_array().into_iter().flatten() {
        say(Piece::Thinking(text(&part["thinking"])));
        say(Piece::Text(text(&part["text"])));
    }
    for call in message["tool_calls"].as_array().into_iter().flatten() {
        let function = &call["function"];
        say(Piece::Call { id: call["id"].as_str().map(str::to_owned), name: text(&function["name"]) });
        say(Piece::Arguments(text(&function["arguments"])));
    }
    let items = answer["logprobs"].as_array().map(Vec::as_slice).unwrap_or_default();
    said.extend(logprobs(items).map(|piece| Said::Piece(0, piece)));
    cite(message["citations"].as_array().map(Vec::as_slice).unwrap_or_default(), &mut said);
    others(&answer, &["id", "message", "finish_reason", "usage", "logprobs"], &mut said);
    let usage = &answer["usage"];
    if usage.is_object() {
        said.push(Said::Usage(Usage::of(usage)));
    }
    let reason = answer["finish_reason"].as_str().unwrap_or("COMPLETE");
    let Some(finish) = finish(reason, &mut said) else { return Err(failed(&format!("the model ended with {reason}"))) };
    said.push(Said::Piece(0, Piece::Finish(finish)));
    Ok(Whole { said, raw_usage: usage.is_object().then(|| usage.to_string()), native: None })
}

/// Reads the events of a stream.
#[derive(Debug, Default)]
pub(in super::super) struct Stream {
    raw: Option<String>,
    citations: Vec<Value>,
    done: bool,
}

impl Stream {
    /// Whether the answer is complete.
    pub(in super::super) fn is_done(&self) -> bool {
        self.done
    }

    /// `usage` as it was written.
    pub(in super::super) fn raw_usage(&self) -> Option<String> {
        self.raw.clone()
    }

    /// One event.
    pub(in super::super) fn event(&mut self, data: &[u8], said: &mut Vec<Said>) -> Result<(), ProviderError> {
        let event: Value = serde_json::from_slice(data).map_err(|error| malformed(&format!("an event: {error}")))?;
        let message = &event["delta"]["message"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut say = |piece| said.push(Said::Piece(0, piece));
        match event["type"].as_str().unwrap_or_default() {
            "message-start" => said.push(Said::Head { id: event["id"].as_str().map(str::to_owned), model: None }),
            "content-start" | "content-delta" => {
                say(Piece::Thinking(text(&message["content"]["thinking"])));
                say(Piece::Text(text(&message["content"]["text"])));
                let items = event["logprobs"].clone();
                if items.is_object()
                    && let Some(piece) = logprobs(std::slice::from_ref(&items))
                {
                    say(piece);
                }
            }
            "tool-plan-delta" => say(Piece::Thinking(text(&message["tool_plan"]))),
            "tool-call-start" => {
                let call = &message["tool_calls"];
                let function = &call["function"];
                say(Piece::Call { id: call["id"].as_str().map(str::to_owned), name: text(&function["name"]) });
                say(Piece::Arguments(text(&function["arguments"])));
            }
            "tool-call-delta" => say(Piece::Arguments(text(&message["tool_calls"]["function"]["arguments"]))),
            "citation-start" => self.citations.push(message["citations"].clone()),
            "message-end" => {
                let delta = &event["delta"];
                let usage = &delta["usage"];
                if usage.is_object() {
                    self.raw = Some(usage.to_string());
                    said.push(Said::Usage(Usage::of(usage)));
                }
                cite(&std::mem::take(&mut self.citations), said);
                let reason = delta["finish_reason"].as_str().unwrap_or("COMPLETE");
                let error = delta["error"].as_str();
                match finish(reason, said) {
                    Some(finish) if error.is_none() => said.push(Said::Piece(0, Piece::Finish(finish))),
                    _ => return Err(failed(error.unwrap_or("the model failed"))),
                }
                self.done = true;
            }
            // Ends of parts, `debug`, and what is yet to come.
            _ => {}
        }
        Ok(())
    }
}
