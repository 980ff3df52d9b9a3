//! From `GenerateContentResponse`, whole or in a stream of them, to what is said.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::ProviderError;
use super::super::error_body;
use super::super::json::{list, quote};
use super::super::pieces::{Finish, Piece, Said, Whole, url_citation};
use super::Usage;
use crate::catalog::Provider;
use crate::protocol::{GEMINI, ReasoningDetail};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    #[serde(default)]
    candidates: Vec<Candidate>,
    #[serde(default)]
    prompt_feedback: Option<Value>,
    #[serde(default)]
    usage_metadata: Option<Value>,
    #[serde(default)]
    model_version: Option<String>,
    #[serde(default)]
    #[serde(rename = "responseId")]
    id: Option<String>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    #[serde(default)]
    content: Option<Content>,
    #[serde(default)]
    finish_reason: Option<String>,
    #[serde(default)]
    index: u64,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Deserialize)]
struct Content {
    #[serde(default)]
    parts: Vec<Value>,
}

/// Most pages that are cited one by one; all of them stand in the metadata.
const MOST_CITATIONS: usize = 1_000;

/// Bytes between two places of the text whose characters are counted beforehand.
const STRETCH: usize = 256;

fn malformed(reason: &str) -> ProviderError {
    ProviderError::Malformed { provider: Provider::Gemini, reason: reason.to_owned() }
}

/// A whole answer.
pub(in super::super) fn whole(body: &[u8]) -> Result<Whole, ProviderError> {
    let mut stream = Stream::default();
    let mut said = Vec::new();
    stream.event(body, &mut said)?;
    if !stream.done {
        return Err(malformed("it has no candidates and no reason why"));
    }
    Ok(Whole { said, raw_usage: stream.raw_usage(), native: stream.native() })
}

/// Reads the events of a stream; each is a response of its own.
#[derive(Debug, Default)]
pub(in super::super) struct Stream {
    raw: Option<Value>,
    /// The parts of the first candidate, as they must come back.
    native: Vec<Native>,
    signed: bool,
    calls: u64,
    details: u64,
    /// The text of the first candidate, for places in it.
    text: String,
    /// How many pages were cited.
    cited: usize,
    /// Whether a candidate has ended. More may come after it: usage, most of all.
    done: bool,
}

#[derive(Debug)]
enum Native {
    Text { text: String, signature: Option<String> },
    Other(String),
}

impl Stream {
    /// `usageMetadata` as it was written last.
    pub(in super::super) fn raw_usage(&self) -> Option<String> {
        self.raw.as_ref().map(Value::to_string)
    }

    /// The content as it must come back, if it must.
    pub(in super::super) fn native(&self) -> Option<String> {
        self.signed.then(|| {
            list(self.native.iter().map(|part| match part {
                Native::Text { text, signature: None } => format!(r#"{{"text":{}}}"#, quote(text)),
                Native::Text { text, signature: Some(signature) } => {
                    format!(r#"{{"text":{},"thoughtSignature":{}}}"#, quote(text), quote(signature))
                }
                Native::Other(json) => json.clone(),
            }))
        })
    }

    /// One response.
    pub(in super::super) fn event(&mut self, data: &[u8], said: &mut Vec<Said>) -> Result<(), ProviderError> {
        if error_body::is_error(data) {
            return Err(error_body::read_error(Provider::Gemini, 200, &reqwest::header::HeaderMap::new(), data));
        }
        let response: Response = serde_json::from_slice(data).map_err(|error| malformed(&error.to_string()))?;
        said.push(Said::Head { id: response.id, model: response.model_version });
        let mut rest = response.rest;
        rest.retain(|_, value| !value.is_null());
        if !rest.is_empty() {
            said.push(Said::Field("gemini", Value::Object(rest)));
        }
        if let Some(raw) = response.usage_metadata.filter(Value::is_object) {
            let usage: Usage = serde_json::from_value(raw.clone()).unwrap_or_default();
            said.push(Said::Usage(usage.read()));
            if let Some(tier) = raw["serviceTier"].as_str() {
                said.push(Said::ServiceTier(if tier == "standard" { "default" } else { tier }.to_owned()));
            }
            self.raw = Some(raw);
        }
        if let Some(feedback) = response.prompt_feedback {
            if response.candidates.is_empty() && !feedback["blockReason"].is_null() {
                let reason = feedback["blockReason"].as_str().unwrap_or("OTHER");
                let text = format!("the provider blocked the prompt ({reason})");
                said.push(Said::Piece(0, Piece::Refusal(text)));
                said.push(Said::Field("prompt_feedback", feedback));
                said.push(Said::Piece(0, Piece::Finish(Finish::Filtered)));
                self.done = true;
                return Ok(());
            }
            said.push(Said::Field("prompt_feedback", feedback));
        }
        for candidate in response.candidates {
            self.candidate(candidate, said)?;
        }
        Ok(())
    }

    fn candidate(&mut self, candidate: Candidate, said: &mut Vec<Said>) -> Result<(), ProviderError> {
        let index = candidate.index;
        for part in candidate.content.map(|content| content.parts).unwrap_or_default() {
            self.part(index, &part, said);
        }
        let mut rest = candidate.rest;
        self.cite(index, &rest, said);
        let finish_message = rest.remove("finishMessage").and_then(|text| text.as_str().map(str::to_owned));
        rest.retain(|_, value| !value.is_null());
        for (name, told) in [
            ("groundingMetadata", "grounding_metadata"),
            ("urlContextMetadata", "url_context_metadata"),
            ("citationMetadata", "citation_metadata"),
            ("safetyRatings", "safety_ratings"),
        ] {
            if let Some(value) = rest.shift_remove(name) {
                said.push(Said::Field(told, value));
            }
        }
        if !rest.is_empty() {
            said.push(Said::Field("candidate", Value::Object(rest)));
        }
        let Some(reason) = candidate.finish_reason.filter(|reason| reason != "FINISH_REASON_UNSPECIFIED") else {
            return Ok(());
        };
        let finish = match reason.as_str() {
            "MAX_TOKENS" | "CONTINUATION" => Finish::Length,
            "SAFETY"
            | "RECITATION"
            | "LANGUAGE"
            | "BLOCKLIST"
            | "PROHIBITED_CONTENT"
            | "SPII"
            | "IMAGE_SAFETY"
            | "IMAGE_PROHIBITED_CONTENT"
            | "IMAGE_RECITATION"
            | "MODEL_ARMOR" => Finish::Filtered,
            // The model broke off: what it said is no answer.
            "MALFORMED_FUNCTION_CALL"
            | "UNEXPECTED_TOOL_CALL"
            | "TOO_MANY_TOOL_CALLS"
            | "MISSING_THOUGHT_SIGNATURE"
            | "MALFORMED_RESPONSE" => {
                let message = finish_message.map(|text| format!(": {text}")).unwrap_or_default();
                return Err(malformed(&format!("the model ended with {reason}{message}")));
            }
            _ => Finish::Stop,
        };
        if !matches!(reason.as_str(), "STOP" | "MAX_TOKENS") {
            said.push(Said::Field("finish_reason", reason.clone().into()));
        }
        if finish == Finish::Filtered {
            let text = finish_message.unwrap_or_else(|| format!("the provider held the answer back ({reason})"));
            said.push(Said::Piece(index, Piece::Refusal(text)));
        }
        said.push(Said::Piece(index, Piece::Finish(finish)));
        self.done = true;
        Ok(())
    }

    fn part(&mut self, index: u64, part: &Value, said: &mut Vec<Said>) {
        let mut say = |piece| said.push(Said::Piece(index, piece));
        let signature = part["thoughtSignature"].as_str().map(str::to_owned);
        if let Some(call) = part.get("functionCall") {
            let name = call["name"].as_str().unwrap_or_default().to_owned();
            let id = call["id"].as_str().filter(|id| !id.is_empty()).map(str::to_owned);
            let arguments =
                call.get("args").filter(|args| args.is_object()).map_or_else(|| "{}".to_owned(), Value::to_string);
            say(Piece::Call { id, name });
            say(Piece::Arguments(arguments));
            self.calls += 1;
            if let Some(data) = signature.clone() {
                say(Piece::CallSignature { format: GEMINI, index: self.details, data });
                self.details += 1;
            }
            if index == 0 {
                self.signed |= signature.is_some();
                self.native.push(Native::Other(part.to_string()));
            }
            return;
        }
        if let Some(text) = part["text"].as_str() {
            if part["thought"] == true {
                say(Piece::Thinking(text.to_owned()));
                return;
            }
            say(Piece::Text(text.to_owned()));
            if let Some(signature) = &signature {
                let detail = ReasoningDetail::encrypted(GEMINI, self.details, signature.clone(), None);
                self.details += 1;
                say(Piece::Detail(detail));
            }
            if index == 0 {
                self.text.push_str(text);
                self.signed |= signature.is_some();
                match self.native.last_mut() {
                    Some(Native::Text { text: before, signature: None }) if signature.is_none() => {
                        before.push_str(text);
                    }
                    _ if text.is_empty() && signature.is_none() => {}
                    _ => self.native.push(Native::Text { text: text.to_owned(), signature }),
                }
            }
            return;
        }
        if index == 0 {
            self.native.push(Native::Other(part.to_string()));
        }
        said.push(Said::Field("parts", json!([part])));
    }

    /// Pages that the answer rests on. The API counts bytes, OpenAI's clients count characters.
    fn cite(&mut self, index: u64, rest: &Map<String, Value>, said: &mut Vec<Said>) {
        if index != 0 {
            return;
        }
        if !["groundingMetadata", "citationMetadata"].iter().any(|name| rest.contains_key(*name)) {
            return;
        }
        let text = self.text.as_bytes();
        // As many characters as bytes that begin one.
        let characters = |bytes: &[u8]| bytes.iter().filter(|byte| (**byte & 0xC0) != 0x80).count();
        // How many stand before each stretch of the text, so that no place is counted from the beginning.
        let mut before = 0;
        let mut marks = Vec::with_capacity(text.len() / STRETCH + 1);
        for stretch in text.chunks(STRETCH) {
            marks.push(before);
            before += characters(stretch);
        }
        let place = |value: &Value| {
            let bytes = usize::try_from(value.as_u64().unwrap_or(0)).unwrap_or(usize::MAX).min(text.len());
            let stretch = bytes / STRETCH;
            marks.get(stretch).map_or(before, |mark| mark + characters(&text[stretch * STRETCH..bytes]))
        };
        let cited = &mut self.cited;
        let mut cite = |segment: &Value, url: &Value, title: &Value| {
            if let Some(url) = url.as_str().filter(|_| *cited < MOST_CITATIONS) {
                *cited += 1;
                let (start, end) = (place(&segment["startIndex"]), place(&segment["endIndex"]));
                let annotation = url_citation(start, end, url, title.as_str().unwrap_or_default());
                said.push(Said::Piece(0, Piece::Annotation(annotation)));
            }
        };
        let grounding = rest.get("groundingMetadata").unwrap_or(&Value::Null);
        for support in grounding["groundingSupports"].as_array().into_iter().flatten() {
            for chunk in support["groundingChunkIndices"].as_array().into_iter().flatten() {
                let at = chunk.as_u64().and_then(|at| usize::try_from(at).ok()).unwrap_or(usize::MAX);
                let web = &grounding["groundingChunks"][at]["web"];
                cite(&support["segment"], &web["uri"], &web["title"]);
            }
        }
        let citations = rest.get("citationMetadata").unwrap_or(&Value::Null);
        for source in citations["citationSources"].as_array().into_iter().flatten() {
            cite(source, &source["uri"], &source["title"]);
        }
    }
}
