//! Which dialect an upstream speaks, and the two ways through it: requests out, answers back.

use bytes::Bytes;
use reqwest::header::HeaderMap;

use super::drops::EncodeError;
use super::openai::Normaliser;
use super::pieces::{Assembler, Said, Whole};
use super::turn_store::{StoredTurn, TurnStore};
use super::{ProviderError, anthropic, cohere, error_body, gemini, openai};
use crate::catalog::Provider;
use crate::config::Upstream;
use crate::protocol::completion::Chunk;
use crate::protocol::{AnswerView, ChatRequest, Conversation, TokenUsage};

/// A provider's way to write requests and answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// OpenAI's, and its relatives'.
    Openai,
    /// Anthropic's Messages.
    Anthropic,
    /// Gemini's `generateContent`.
    Gemini,
    /// Cohere's chat, version 2.
    Cohere,
    /// Cohere's chat, version 1.
    CohereV1,
}

/// Pictures that were fetched for a dialect that takes no URL: its type and base64, by URL.
pub type Fetched = std::collections::HashMap<String, (String, String)>;

/// What a request is written for.
#[derive(Debug)]
pub struct Context<'a> {
    /// The upstream.
    pub upstream: &'a Upstream,
    /// The model to ask.
    pub model: &'a str,
    /// The key that the client came with; turns are remembered for it alone.
    pub scope: &'a str,
    /// Turns as their providers wrote them.
    pub turns: &'a TurnStore,
    /// Pictures that were fetched.
    pub fetched: &'a Fetched,
}

/// A request, written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outbound {
    /// The body.
    pub body: Bytes,
    /// Fields that were left out.
    pub dropped: Vec<String>,
}

/// A whole answer, read.
#[derive(Debug)]
pub struct Answer {
    /// A `chat.completion`.
    pub body: Bytes,
    /// The model that answered, if it says so.
    pub model: Option<String>,
    /// The tokens that it reported.
    pub usage: TokenUsage,
    /// The same as the provider wrote it.
    pub raw_usage: Option<String>,
    /// The turn, if its provider will want it back.
    pub turn: Option<StoredTurn>,
}

impl Dialect {
    /// The dialect of an upstream.
    #[must_use]
    pub fn of(upstream: &Upstream) -> Self {
        match upstream.provider {
            Provider::Anthropic => Dialect::Anthropic,
            Provider::Gemini => Dialect::Gemini,
            Provider::Cohere if upstream.endpoint.root().ends_with("/v1") => Dialect::CohereV1,
            Provider::Cohere => Dialect::Cohere,
            Provider::Openai
            | Provider::AzureOpenai
            | Provider::Mistral
            | Provider::Groq
            | Provider::Together
            | Provider::Perplexity
            | Provider::Openrouter
            | Provider::Ollama
            | Provider::Xrouter
            | Provider::OpenaiCompatible => Dialect::Openai,
        }
    }

    /// Whether requests are read in full and written anew.
    #[must_use]
    pub fn translates(self) -> bool {
        self != Dialect::Openai
    }

    /// Writes a request that passes through with few edits.
    ///
    /// # Errors
    /// The upstream has no word for a field.
    pub fn patch(request: &ChatRequest<'_>, context: &Context<'_>) -> Result<Outbound, EncodeError> {
        openai::encode(request, context)
    }

    /// Writes a conversation in this dialect.
    ///
    /// # Errors
    /// It has no word for a field, or the request is at fault.
    pub fn encode(
        self,
        conversation: &Conversation<'_>,
        context: &Context<'_>,
        stream: bool,
    ) -> Result<Outbound, EncodeError> {
        match self {
            Dialect::Anthropic => anthropic::encode(conversation, context, stream),
            Dialect::Gemini => gemini::encode(conversation, context),
            Dialect::Cohere => cohere::encode(conversation, context, stream),
            Dialect::CohereV1 => cohere::encode_v1(conversation, context, stream),
            Dialect::Openai => unreachable_patch(),
        }
    }

    /// Reads a whole answer. `created` is in seconds since the epoch, `asked` the model that was asked.
    ///
    /// # Errors
    /// It is none, or an error.
    pub fn decode(self, provider: Provider, body: Bytes, created: i64, asked: &str) -> Result<Answer, ProviderError> {
        let read = match self {
            Dialect::Openai => return pass(provider, body),
            Dialect::Anthropic => anthropic::whole,
            Dialect::Gemini => gemini::whole,
            Dialect::Cohere => cohere::whole,
            Dialect::CohereV1 => cohere::whole_v1,
        };
        if error_body::is_error(&body) {
            return Err(error_body::read_error(provider, 200, &HeaderMap::new(), &body));
        }
        let Whole { said, raw_usage, native } = read(&body)?;
        let mut assembler = Assembler::new(created, asked);
        let completion = assembler.completion(said);
        let body = serde_json::to_vec(&completion)
            .map_err(|error| ProviderError::Malformed { provider, reason: error.to_string() })?;
        Ok(Answer {
            body: body.into(),
            model: Some(assembler.model().to_owned()),
            usage: assembler.usage(),
            raw_usage,
            turn: assembler.turn(native),
        })
    }
}

/// `encode` is for the dialects that translate; this one patches.
fn unreachable_patch() -> Result<Outbound, EncodeError> {
    Err(EncodeError::Invalid { param: "body".to_owned(), reason: "this dialect is patched, not written".to_owned() })
}

/// An answer in OpenAI's form: byte for byte, but for what a strict client would stumble over.
fn pass(provider: Provider, body: Bytes) -> Result<Answer, ProviderError> {
    let body = match Normaliser::new(provider, false) {
        None => body,
        Some(mut normaliser) => normaliser.put_right(&body)?.map(Bytes::from).unwrap_or(body),
    };
    let view: Result<AnswerView<'_>, _> = serde_json::from_slice(&body);
    let (model, usage, raw_usage) = match view {
        Ok(view) if view.is_failed() => {
            return Err(error_body::read_error(provider, 200, &HeaderMap::new(), &failed_choice(&body)));
        }
        Ok(view) => (view.model.as_deref().map(str::to_owned), view.token_usage(), view.raw_usage()),
        Err(_) if error_body::is_error(&body) => {
            return Err(error_body::read_error(provider, 200, &HeaderMap::new(), &body));
        }
        Err(error) => return Err(ProviderError::Malformed { provider, reason: error.to_string() }),
    };
    Ok(Answer { model, usage: usage.unwrap_or_default(), raw_usage, turn: None, body })
}

/// What a choice that failed says of it.
fn failed_choice(body: &[u8]) -> Vec<u8> {
    let answer: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let choice = &answer["choices"][0];
    let error = if let Some(error) = choice.get("error") {
        serde_json::json!({ "error": error })
    } else {
        let reason = choice["finish_reason"].as_str().unwrap_or("error");
        serde_json::json!({ "error": { "message": format!("the model ended with `{reason}`") } })
    };
    error.to_string().into_bytes()
}

/// Reads a stream in a dialect that translates, and writes OpenAI's chunks.
#[derive(Debug)]
pub struct Translator {
    provider: Provider,
    events: Events,
    assembler: Assembler,
    include_usage: bool,
    has_output: bool,
    ended: bool,
}

#[derive(Debug)]
enum Events {
    Anthropic(Box<anthropic::Stream>),
    Gemini(gemini::Stream),
    Cohere(cohere::Stream),
    CohereV1(cohere::StreamV1),
}

impl Translator {
    /// For one stream; `None` for a dialect whose streams pass through.
    #[must_use]
    pub fn new(dialect: Dialect, provider: Provider, created: i64, asked: &str, include_usage: bool) -> Option<Self> {
        let events = match dialect {
            Dialect::Openai => return None,
            Dialect::Anthropic => Events::Anthropic(Box::default()),
            Dialect::Gemini => Events::Gemini(gemini::Stream::default()),
            Dialect::Cohere => Events::Cohere(cohere::Stream::default()),
            Dialect::CohereV1 => Events::CohereV1(cohere::StreamV1::default()),
        };
        let assembler = Assembler::new(created, asked);
        Some(Translator { provider, events, assembler, include_usage, has_output: false, ended: false })
    }

    /// Reads the data of one event and appends the events that it makes.
    ///
    /// # Errors
    /// It is an error, or none of this dialect's events.
    pub fn event(&mut self, data: &[u8], out: &mut Vec<Bytes>) -> Result<(), ProviderError> {
        if self.ended || data == b"[DONE]" {
            return Ok(());
        }
        let mut said: Vec<Said> = Vec::new();
        let done = match &mut self.events {
            Events::Anthropic(stream) => stream.event(data, &mut said).map(|()| stream.is_done()),
            // It may still report usage.
            Events::Gemini(stream) => stream.event(data, &mut said).map(|()| false),
            Events::Cohere(stream) => stream.event(data, &mut said).map(|()| stream.is_done()),
            Events::CohereV1(stream) => stream.event(data, &mut said).map(|()| stream.is_done()),
        };
        let mut chunks = Vec::new();
        for said in said {
            self.assembler.chunks(said, &mut chunks);
        }
        self.has_output |= !chunks.is_empty();
        out.extend(chunks.iter().map(written));
        if done? {
            self.end(out)?;
        }
        Ok(())
    }

    /// The stream is over: the usage, if it was asked for, and `[DONE]`.
    ///
    /// # Errors
    /// It ended before its answer did.
    pub fn end(&mut self, out: &mut Vec<Bytes>) -> Result<(), ProviderError> {
        if self.ended {
            return Ok(());
        }
        if !self.assembler.is_finished() {
            let reason = "the stream ended before its answer did".to_owned();
            return Err(ProviderError::Malformed { provider: self.provider, reason });
        }
        self.ended = true;
        if self.include_usage {
            out.extend(self.assembler.usage_chunk().as_ref().map(written));
        }
        out.push(Bytes::from_static(b"data: [DONE]\n\n"));
        Ok(())
    }

    /// Whether `[DONE]` was written.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// Whether anything was written.
    #[must_use]
    pub fn has_output(&self) -> bool {
        self.has_output
    }

    /// The model that answers.
    #[must_use]
    pub fn model(&self) -> &str {
        self.assembler.model()
    }

    /// The tokens reported so far.
    #[must_use]
    pub fn usage(&self) -> TokenUsage {
        self.assembler.usage()
    }

    /// The same as the provider wrote it.
    #[must_use]
    pub fn raw_usage(&self) -> Option<String> {
        match &self.events {
            Events::Anthropic(stream) => stream.raw_usage(),
            Events::Gemini(stream) => stream.raw_usage(),
            Events::Cohere(stream) => stream.raw_usage(),
            Events::CohereV1(stream) => stream.raw_usage(),
        }
    }

    /// The turn, if its provider will want it back.
    #[must_use]
    pub fn turn(&self) -> Option<StoredTurn> {
        let native = match &self.events {
            Events::Anthropic(stream) => stream.native(),
            Events::Gemini(stream) => stream.native(),
            Events::Cohere(_) | Events::CohereV1(_) => None,
        };
        self.assembler.turn(native)
    }
}

fn written(chunk: &Chunk) -> Bytes {
    let json = serde_json::to_string(chunk).expect("a chunk of texts and numbers serialises");
    Bytes::from(format!("data: {json}\n\n"))
}
