//! A stream in a dialect of its own, translated into OpenAI's chunks.

use bytes::Bytes;

use super::dialect::Asked;
use super::framing::Framing;
use super::pieces::{Assembler, Said};
use super::turn_store::StoredTurn;
use super::{ProviderError, anthropic, cohere, gemini};
use crate::catalog::Provider;
use crate::protocol::TokenUsage;
use crate::protocol::completion::Chunk;

/// Reads a stream in a dialect that translates, and writes OpenAI's chunks.
#[derive(Debug)]
pub(super) struct Translator {
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
    /// For one stream of Anthropic's.
    pub(super) fn anthropic(asked: Asked<'_>) -> Self {
        Translator::new(Events::Anthropic(Box::default()), asked)
    }

    /// For one stream of Gemini's.
    pub(super) fn gemini(asked: Asked<'_>) -> Self {
        Translator::new(Events::Gemini(gemini::Stream::default()), asked)
    }

    /// For one stream of Cohere's.
    pub(super) fn cohere(asked: Asked<'_>) -> Self {
        Translator::new(Events::Cohere(cohere::Stream::default()), asked)
    }

    /// For one stream of Cohere's first version.
    pub(super) fn cohere_v1(asked: Asked<'_>) -> Self {
        Translator::new(Events::CohereV1(cohere::StreamV1::default()), asked)
    }

    fn new(events: Events, asked: Asked<'_>) -> Self {
        Translator {
            provider: asked.provider,
            events,
            assembler: Assembler::new(asked.created, asked.model),
            include_usage: asked.include_usage,
            has_output: false,
            ended: false,
        }
    }

    /// Reads one event and appends the events that it makes. Comments keep the connection open, as does Anthropic's
    /// `ping`; an error may stand without `data:`, as Google's do.
    ///
    /// # Errors
    /// It is an error, or none of this dialect's events.
    pub(super) fn event(&mut self, framing: Framing, event: &Bytes, out: &mut Vec<Bytes>) -> Result<(), ProviderError> {
        let keep_alive = || Bytes::from_static(b": keep-alive\n\n");
        match framing.data(event) {
            Some(data) if data.is_empty() => Ok(()),
            Some(data) => {
                if data.len() < 64 && memchr::memmem::find(&data, b"\"ping\"").is_some() && self.has_output {
                    out.push(keep_alive());
                }
                self.data(&data, out)
            }
            None => {
                let bare = event.trim_ascii();
                if matches!(bare.first(), Some(b'{' | b'[')) {
                    return self.data(bare, out);
                }
                if bare.starts_with(b":") && self.has_output {
                    out.push(keep_alive());
                }
                Ok(())
            }
        }
    }

    /// Reads what an event carries.
    fn data(&mut self, data: &[u8], out: &mut Vec<Bytes>) -> Result<(), ProviderError> {
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
    pub(super) fn end(&mut self, out: &mut Vec<Bytes>) -> Result<(), ProviderError> {
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
    pub(super) fn is_ended(&self) -> bool {
        self.ended
    }

    /// Whether anything was written.
    pub(super) fn has_output(&self) -> bool {
        self.has_output
    }

    /// The model that answers.
    pub(super) fn model(&self) -> &str {
        self.assembler.model()
    }

    /// The tokens reported so far.
    pub(super) fn usage(&self) -> TokenUsage {
        self.assembler.usage()
    }

    /// The same as the provider wrote it.
    pub(super) fn raw_usage(&self) -> Option<String> {
        match &self.events {
            Events::Anthropic(stream) => stream.raw_usage(),
            Events::Gemini(stream) => stream.raw_usage(),
            Events::Cohere(stream) => stream.raw_usage(),
            Events::CohereV1(stream) => stream.raw_usage(),
        }
    }

    /// The turn, if its provider will want it back.
    pub(super) fn turn(&self) -> Option<StoredTurn> {
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
