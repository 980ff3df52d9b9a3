//! Which dialect an upstream speaks, and the ways through it: requests are written, answers and streams are read.
//!
//! OpenAI's dialect patches and passes, the others are written anew and translated: nobody else needs to know which.

use bytes::Bytes;
use reqwest::header::HeaderMap;

use super::drops::EncodeError;
use super::framing::Framing;
use super::pictures::{self, Wanted};
use super::pieces::{Assembler, Whole};
use super::stream_reader::StreamReader;
use super::turn_store::{StoredTurn, TurnStore};
use super::{Original, ProviderError, anthropic, cohere, error_body, gemini, openai};
use crate::catalog::Provider;
use crate::config::Upstream;
use crate::protocol::TokenUsage;

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

/// What an answer was asked for, by which it is read.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Who answers.
    pub provider: Provider,
    /// The model that was asked.
    pub model: &'a str,
    /// Seconds since the epoch, for an answer that does not tell when it was made.
    pub created: i64,
    /// Whether the client wants the usage chunk of a stream.
    pub include_usage: bool,
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

    /// The pictures that cannot be given to it by their address. They are to be fetched before the request is written.
    ///
    /// # Errors
    /// The request is at fault.
    pub fn pictures<'o>(self, original: &'o mut Original<'_, '_>) -> Result<Vec<Wanted<'o>>, EncodeError> {
        let takes: fn(&str) -> bool = match self {
            Dialect::Openai | Dialect::Cohere | Dialect::CohereV1 => return Ok(Vec::new()),
            Dialect::Anthropic => anthropic::takes_address,
            Dialect::Gemini => gemini::takes_address,
        };
        Ok(pictures::wanted(original.conversation()?, takes))
    }

    /// Writes a request.
    ///
    /// # Errors
    /// It has no word for a field, or the request is at fault.
    pub fn write(self, original: &mut Original<'_, '_>, context: &Context<'_>) -> Result<Outbound, EncodeError> {
        let stream = original.request().stream;
        match self {
            Dialect::Openai => openai::encode(original.request(), context),
            Dialect::Anthropic => anthropic::encode(original.conversation()?, context, stream),
            Dialect::Gemini => gemini::encode(original.conversation()?, context),
            Dialect::Cohere => cohere::encode(original.conversation()?, context, stream),
            Dialect::CohereV1 => cohere::encode_v1(original.conversation()?, context, stream),
        }
    }

    /// Reads a whole answer.
    ///
    /// # Errors
    /// It is none, or an error.
    pub fn read(self, body: Bytes, asked: Asked<'_>) -> Result<Answer, ProviderError> {
        let provider = asked.provider;
        let read = match self {
            Dialect::Openai => return openai::whole(provider, body),
            Dialect::Anthropic => anthropic::whole,
            Dialect::Gemini => gemini::whole,
            Dialect::Cohere => cohere::whole,
            Dialect::CohereV1 => cohere::whole_v1,
        };
        if error_body::is_error(&body) {
            return Err(error_body::read_error(provider, 200, &HeaderMap::new(), &body));
        }
        let Whole { said, raw_usage, native } = read(&body)?;
        let mut assembler = Assembler::new(asked.created, asked.model);
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

    /// Reads a stream, piece by piece.
    #[must_use]
    pub fn read_stream(self, asked: Asked<'_>) -> StreamReader {
        StreamReader::new(self, asked)
    }

    /// How its streams are cut into events.
    #[must_use]
    pub const fn framing(self) -> Framing {
        match self {
            Dialect::Openai | Dialect::Anthropic | Dialect::Gemini | Dialect::Cohere | Dialect::CohereV1 => {
                Framing::ServerSentEvents
            }
        }
    }
}
