//! From a Message, whole or in events, to what it says.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::ProviderError;
use super::super::error_body;
use super::super::json::{list, quote};
use super::super::pieces::{Finish, Piece, Said, Whole, url_citation};
use super::Usage;
use crate::catalog::Provider;
use crate::protocol::{ANTHROPIC, ReasoningDetail};

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    model: Option<String>,
    content: Vec<Value>,
    #[serde(default)]
    stop_reason: Option<String>,
    #[serde(default)]
    stop_sequence: Option<String>,
    #[serde(default)]
    stop_details: Option<Value>,
    #[serde(default)]
    usage: Value,
    #[serde(default)]
    container: Option<Value>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

fn malformed(reason: &str) -> ProviderError {
    ProviderError::Malformed { provider: Provider::Anthropic, reason: reason.to_owned() }
}

/// A whole answer.
pub(in super::super) fn whole(body: &[u8]) -> Result<Whole, ProviderError> {
    let message: Message = serde_json::from_slice(body).map_err(|error| malformed(&error.to_string()))?;
    let mut said = vec![Said::Head { id: message.id, model: message.model }];
    let mut blocks = Blocks::default();
    for block in message.content {
        blocks.whole(&block, &mut said);
    }
    let usage: Usage = serde_json::from_value(message.usage.clone()).unwrap_or_default();
    if message.usage.is_object() {
        said.push(Said::Usage(usage.read()));
        service_tier(&message.usage, &mut said);
    }
    let mut rest = message.rest;
    rest.retain(|name, value| !matches!(name.as_str(), "type" | "role") && !value.is_null());
    if let Some(container) = message.container {
        said.push(Said::Field("container", container));
    }
    if !rest.is_empty() {
        said.push(Said::Field("anthropic", Value::Object(rest)));
    }
    blocks.end(&mut said);
    let reason = message.stop_reason.as_deref().unwrap_or("end_turn");
    stop(reason, message.stop_sequence, message.stop_details, &mut said);
    let raw_usage = message.usage.is_object().then(|| message.usage.to_string());
    Ok(Whole { said, raw_usage, native: blocks.native() })
}

fn service_tier(usage: &Value, said: &mut Vec<Said>) {
    if let Some(tier) = usage["service_tier"].as_str() {
        // OpenAI's word for what goes without saying.
        said.push(Said::ServiceTier(if tier == "standard" { "default" } else { tier }.to_owned()));
    }
}

fn stop(reason: &str, sequence: Option<String>, details: Option<Value>, said: &mut Vec<Said>) {
    if let Some(sequence) = sequence {
        said.push(Said::Field("stop_sequence", sequence.into()));
    }
    let explanation = details.as_ref().and_then(|details| details["explanation"].as_str()).map(str::to_owned);
    if let Some(details) = details.filter(|details| !details.is_null()) {
        said.push(Said::Field("stop_details", details));
    }
    let finish = match reason {
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "refusal" => Finish::Filtered,
        _ => Finish::Stop,
    };
    if reason == "refusal" {
        let text = explanation.unwrap_or_else(|| "the model refused to answer".to_owned());
        said.push(Said::Piece(0, Piece::Refusal(text)));
    }
    if !matches!(reason, "end_turn" | "tool_use" | "max_tokens" | "stop_sequence" | "refusal") {
        said.push(Said::Field("stop_reason", reason.into()));
    }
    said.push(Said::Piece(0, Piece::Finish(finish)));
}

/// The blocks of an answer, as they were said and as they must come back.
#[derive(Debug, Default)]
struct Blocks {
    native: Vec<String>,
    has_thought: bool,
    /// Characters of text before the block that is open.
    before: usize,
    /// Characters of text in it.
    here: usize,
    citations: Vec<Value>,
    others: Vec<Value>,
}

impl Blocks {
    /// A block that is complete.
    fn whole(&mut self, block: &Value, said: &mut Vec<Said>) {
        let mut say = |piece| said.push(Said::Piece(0, piece));
        let text = |name: &str| block[name].as_str().unwrap_or_default().to_owned();
        match block["type"].as_str().unwrap_or_default() {
            "text" => {
                say(Piece::Text(text("text")));
                self.here = text("text").chars().count();
                for citation in block["citations"].as_array().into_iter().flatten() {
                    self.cite(citation.clone(), said);
                }
            }
            "thinking" => {
                say(Piece::Thinking(text("thinking")));
                self.thought(text("thinking"), text("signature"), said);
                return;
            }
            "redacted_thinking" => {
                self.redacted(text("data"), said);
                return;
            }
            "tool_use" => {
                say(Piece::Call { id: block["id"].as_str().map(str::to_owned), name: text("name") });
                say(Piece::Arguments(block["input"].to_string()));
            }
            _ => self.others.push(block.clone()),
        }
        self.close(block.to_string());
    }

    fn thought(&mut self, text: String, signature: String, said: &mut Vec<Said>) {
        self.has_thought = true;
        let json = format!(r#"{{"type":"thinking","thinking":{},"signature":{}}}"#, quote(&text), quote(&signature));
        let detail = ReasoningDetail::text(ANTHROPIC, self.native.len() as u64, Some(text), Some(signature));
        said.push(Said::Piece(0, Piece::Detail(detail)));
        self.close(json);
    }

    fn redacted(&mut self, data: String, said: &mut Vec<Said>) {
        self.has_thought = true;
        let json = format!(r#"{{"type":"redacted_thinking","data":{}}}"#, quote(&data));
        let detail = ReasoningDetail::encrypted(ANTHROPIC, self.native.len() as u64, data, None);
        said.push(Said::Piece(0, Piece::Detail(detail)));
        self.close(json);
    }

    fn cite(&mut self, citation: Value, said: &mut Vec<Said>) {
        if let Some(url) = citation["url"].as_str() {
            let title = citation["title"].as_str().unwrap_or_default();
            let annotation = url_citation(self.before, self.before + self.here, url, title);
            said.push(Said::Piece(0, Piece::Annotation(annotation)));
        }
        self.citations.push(citation);
    }

    fn close(&mut self, native: String) {
        self.native.push(native);
        self.before += std::mem::take(&mut self.here);
    }

    /// What has no place in OpenAI's API.
    fn end(&mut self, said: &mut Vec<Said>) {
        for (name, values) in [("citations", &mut self.citations), ("content_blocks", &mut self.others)] {
            if !values.is_empty() {
                said.push(Said::Field(name, Value::Array(std::mem::take(values))));
            }
        }
    }

    /// The content as it was, if there is something in it that nobody else can write. Empty texts are left out,
    /// as the API itself refuses them.
    fn native(&self) -> Option<String> {
        self.has_thought.then(|| {
            list(self.native.iter().filter(|json| !json.contains(r#""text":"","#) && !json.ends_with(r#""text":""}"#)))
        })
    }
}

/// Reads the events of a stream.
#[derive(Debug, Default)]
pub(in super::super) struct Stream {
    usage: Usage,
    raw: Map<String, Value>,
    blocks: Blocks,
    open: Option<Open>,
    done: bool,
}

/// The block that is under way.
#[derive(Debug)]
struct Open {
    block: Value,
    text: String,
    signature: String,
    arguments: String,
    citations: Vec<Value>,
}

impl Stream {
    /// Whether the answer is complete.
    pub(in super::super) fn is_done(&self) -> bool {
        self.done
    }

    /// The usage as the provider wrote it, in both of its events.
    pub(in super::super) fn raw_usage(&self) -> Option<String> {
        (!self.raw.is_empty()).then(|| Value::Object(self.raw.clone()).to_string())
    }

    /// The content as it must come back, if it must.
    pub(in super::super) fn native(&self) -> Option<String> {
        self.blocks.native()
    }

    /// One event.
    pub(in super::super) fn event(&mut self, data: &[u8], said: &mut Vec<Said>) -> Result<(), ProviderError> {
        let event: Value = serde_json::from_slice(data).map_err(|error| malformed(&format!("an event: {error}")))?;
        match event["type"].as_str().unwrap_or_default() {
            "message_start" => {
                let message = &event["message"];
                let text = |name: &str| message[name].as_str().map(str::to_owned);
                said.push(Said::Head { id: text("id"), model: text("model") });
                self.report(&message["usage"], said);
                service_tier(&message["usage"], said);
            }
            "content_block_start" => self.start(event["content_block"].clone(), said),
            "content_block_delta" => self.delta(&event["delta"], said),
            "content_block_stop" => self.stop(said),
            "message_delta" => {
                self.report(&event["usage"], said);
                let delta = &event["delta"];
                if let Some(container) = delta.get("container").filter(|container| !container.is_null()) {
                    said.push(Said::Field("container", container.clone()));
                }
                if let Some(reason) = delta["stop_reason"].as_str() {
                    self.blocks.end(said);
                    let sequence = delta["stop_sequence"].as_str().map(str::to_owned);
                    stop(reason, sequence, delta.get("stop_details").cloned(), said);
                }
            }
            "message_stop" => self.done = true,
            "error" => {
                return Err(error_body::read_error(Provider::Anthropic, 200, &reqwest::header::HeaderMap::new(), data));
            }
            // `ping`, and what is yet to come.
            _ => {}
        }
        Ok(())
    }

    fn report(&mut self, usage: &Value, said: &mut Vec<Said>) {
        let Some(members) = usage.as_object() else { return };
        for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
            self.raw.insert(name.clone(), value.clone());
        }
        let later: Usage = serde_json::from_value(usage.clone()).unwrap_or_default();
        self.usage = self.usage.then(later);
        said.push(Said::Usage(self.usage.read()));
    }

    fn start(&mut self, block: Value, said: &mut Vec<Said>) {
        if let Some(open) = self.open.take() {
            self.finish(open, said);
        }
        let text = |name: &str| block[name].as_str().unwrap_or_default().to_owned();
        let mut open = Open {
            text: String::new(),
            signature: text("signature"),
            arguments: String::new(),
            citations: Vec::new(),
            block: Value::Null,
        };
        match block["type"].as_str().unwrap_or_default() {
            "text" => {
                open.text = text("text");
                said.push(Said::Piece(0, Piece::Text(text("text"))));
                self.blocks.here = open.text.chars().count();
            }
            "thinking" => {
                open.text = text("thinking");
                said.push(Said::Piece(0, Piece::Thinking(text("thinking"))));
            }
            "tool_use" => {
                let id = block["id"].as_str().map(str::to_owned);
                said.push(Said::Piece(0, Piece::Call { id, name: text("name") }));
                // Some write the whole input here instead of `{}`.
                if block["input"].as_object().is_some_and(|input| !input.is_empty()) {
                    open.arguments = block["input"].to_string();
                    said.push(Said::Piece(0, Piece::Arguments(open.arguments.clone())));
                }
            }
            _ => {}
        }
        open.block = block;
        self.open = Some(open);
    }

    fn delta(&mut self, delta: &Value, said: &mut Vec<Said>) {
        let Some(open) = &mut self.open else { return };
        let text = |name: &str| delta[name].as_str().unwrap_or_default().to_owned();
        match delta["type"].as_str().unwrap_or_default() {
            "text_delta" => {
                open.text.push_str(&text("text"));
                self.blocks.here += text("text").chars().count();
                said.push(Said::Piece(0, Piece::Text(text("text"))));
            }
            "thinking_delta" => {
                open.text.push_str(&text("thinking"));
                said.push(Said::Piece(0, Piece::Thinking(text("thinking"))));
            }
            "signature_delta" => open.signature.push_str(&text("signature")),
            "input_json_delta" => {
                open.arguments.push_str(&text("partial_json"));
                // The provider's own tools are not the client's to run.
                if open.block["type"] == "tool_use" {
                    said.push(Said::Piece(0, Piece::Arguments(text("partial_json"))));
                }
            }
            // Its place is known when the text has come.
            "citations_delta" => open.citations.push(delta["citation"].clone()),
            _ => {}
        }
    }

    fn stop(&mut self, said: &mut Vec<Said>) {
        if let Some(open) = self.open.take() {
            self.finish(open, said);
        }
    }

    fn finish(&mut self, open: Open, said: &mut Vec<Said>) {
        let Open { mut block, text, signature, arguments, citations } = open;
        for citation in citations {
            self.blocks.cite(citation, said);
        }
        match block["type"].as_str().unwrap_or_default() {
            "thinking" => self.blocks.thought(text, signature, said),
            "redacted_thinking" => {
                let data = block["data"].as_str().unwrap_or_default().to_owned();
                self.blocks.redacted(data, said);
            }
            "text" => self.blocks.close(json!({ "type": "text", "text": text }).to_string()),
            "tool_use" => {
                let input = if arguments.trim().is_empty() { "{}" } else { arguments.trim() };
                let [id, name] = ["id", "name"].map(|field| block[field].to_string());
                self.blocks.close(format!(r#"{{"type":"tool_use","id":{id},"name":{name},"input":{input}}}"#));
            }
            _ => {
                if let Ok(input) = serde_json::from_str::<Value>(&arguments)
                    && let Some(members) = block.as_object_mut()
                {
                    members.insert("input".to_owned(), input);
                }
                let native = block.to_string();
                self.blocks.others.push(block.take());
                self.blocks.close(native);
            }
        }
    }
}
