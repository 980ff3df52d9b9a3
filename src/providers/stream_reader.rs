//! A stream of an upstream, read into the events that its client gets.
//!
//! What becomes of events depends on the provider: those of OpenAI and of servers like it pass byte for byte, those of
//! relatives are put right where a strict client would stumble, those of other dialects are translated. On the way the
//! reader learns what the stream tells of itself, and hides the usage chunk from a client that did not ask for it.

use std::collections::VecDeque;
use std::sync::LazyLock;

use bytes::Bytes;
use memchr::memmem::Finder;
use reqwest::header::HeaderMap;

use super::dialect::{Asked, Dialect};
use super::error_body::{is_error, read_error};
use super::framing::{Frames, Framing};
use super::openai::Normaliser;
use super::sse::TooLong;
use super::translator::Translator;
use super::turn_store::StoredTurn;
use super::{ProviderError, sse};
use crate::catalog::Provider;
use crate::protocol::{ChunkView, TokenUsage, UsageSource};

/// Reads one stream, and writes OpenAI's events.
#[derive(Debug)]
pub struct StreamReader {
    provider: Provider,
    include_usage: bool,
    framing: Framing,
    frames: Frames,
    reading: Reading,
    /// Events that have come and are not read yet.
    events: Vec<Bytes>,
    /// Events that were read before it was known that the stream says something.
    held: Vec<Bytes>,
    told: Told,
    has_output: bool,
    stage: Stage,
}

/// How far a stream has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// The answer is under way.
    Answering,
    /// A finish reason was read.
    Finished,
    /// `[DONE]` is out.
    Done,
}

/// What is done with events.
#[derive(Debug)]
enum Reading {
    /// They pass as they are.
    Pass,
    /// They pass, put right.
    PutRight(Box<Normaliser>),
    /// They are translated.
    Translate(Box<Translator>),
}

/// What a stream has told of itself so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// The model that answers.
    pub model: Option<String>,
    /// The tokens that were reported, and the same as the provider wrote them.
    pub usage: Option<(TokenUsage, String)>,
    /// Whether more would have been reported, had the stream not broken off here.
    pub is_part: bool,
}

/// Is shown every event of the answer that has text of the model in it, as JSON or as the event around it.
pub type Listener<'l> = &'l mut dyn FnMut(&[u8]);

impl StreamReader {
    /// For one stream of a dialect.
    pub(super) fn new(dialect: Dialect, asked: Asked<'_>) -> Self {
        let reading = match dialect {
            Dialect::Openai => Normaliser::new(asked.provider, true)
                .map_or(Reading::Pass, |normaliser| Reading::PutRight(Box::new(normaliser))),
            Dialect::Anthropic => Reading::Translate(Box::new(Translator::anthropic(asked))),
            Dialect::Gemini => Reading::Translate(Box::new(Translator::gemini(asked))),
            Dialect::Cohere => Reading::Translate(Box::new(Translator::cohere(asked))),
            Dialect::CohereV1 => Reading::Translate(Box::new(Translator::cohere_v1(asked))),
        };
        StreamReader {
            provider: asked.provider,
            include_usage: asked.include_usage,
            framing: dialect.framing(),
            frames: dialect.framing().frames(),
            reading,
            events: Vec::new(),
            held: Vec::new(),
            told: Told::default(),
            has_output: false,
            stage: Stage::Answering,
        }
    }

    /// Takes a piece of the stream's beginning, `None` for its end, and says whether the stream has begun to say
    /// something. Until then another upstream can still be asked. What has come is held for [`go_on`](Self::go_on).
    ///
    /// # Errors
    /// The stream begins with an error or with what is no event of its dialect, or says nothing.
    pub fn begin(&mut self, piece: Option<Bytes>) -> Result<bool, ProviderError> {
        let at_end = piece.is_none();
        match piece {
            Some(piece) => self.frames.push(piece, &mut self.events).map_err(|error| self.too_long(&error))?,
            None => self.events.extend(self.frames.finish()),
        }
        if self.says_something()? {
            return Ok(true);
        }
        match &mut self.reading {
            _ if !at_end => Ok(false),
            Reading::Translate(translator) => translator.end(&mut self.held).map(|()| true),
            Reading::Pass | Reading::PutRight(_) => {
                Err(self.malformed("the stream ended before its first event".to_owned()))
            }
        }
    }

    /// Looks at the beginning. Events that had to be read for it are held as they were written.
    fn says_something(&mut self) -> Result<bool, ProviderError> {
        let provider = self.provider;
        let malformed = |reason: String| ProviderError::Malformed { provider, reason };
        let nothing_said = || malformed("the stream ended before it said anything".to_owned());
        match &mut self.reading {
            Reading::Pass => {
                let mut carried = self.events.iter().filter_map(|event| self.framing.data(event));
                let Some(data) = carried.find(|data| !data.is_empty()) else { return Ok(false) };
                if data.as_ref() == b"[DONE]" {
                    return Err(nothing_said());
                }
                if is_error(&data) {
                    return Err(error_in_stream(provider, &data));
                }
                let view: ChunkView<'_> =
                    serde_json::from_slice(&data).map_err(|error| malformed(format!("its first event: {error}")))?;
                if view.is_error() {
                    return Err(error_in_stream(provider, &data));
                }
                Ok(true)
            }
            Reading::PutRight(normaliser) => {
                let mut fresh = std::mem::take(&mut self.events).into_iter();
                for event in fresh.by_ref() {
                    match self.framing.data(&event) {
                        Some(data) if data.as_ref() == b"[DONE]" => return Err(nothing_said()),
                        Some(data) => {
                            if let Some(json) = normaliser.put_right(&data)? {
                                self.held.push(written(&json));
                                self.events = fresh.collect();
                                return Ok(true);
                            }
                        }
                        None => self.held.push(event),
                    }
                }
                Ok(false)
            }
            Reading::Translate(translator) => {
                let mut fresh = std::mem::take(&mut self.events).into_iter();
                for event in fresh.by_ref() {
                    translator.event(self.framing, &event, &mut self.held)?;
                    if translator.has_output() {
                        self.events = fresh.collect();
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }

    /// Hands on what [`begin`](Self::begin) has held.
    ///
    /// # Errors
    /// It holds an error, or what is no event of its dialect.
    pub fn go_on(&mut self, out: &mut VecDeque<Bytes>, listener: Listener<'_>) -> Result<(), ProviderError> {
        let held = std::mem::take(&mut self.held);
        if matches!(self.reading, Reading::Translate(_)) {
            self.hand_on(held, out, listener);
        } else {
            for event in held {
                match sse::data(&event) {
                    Some(json) if !self.look(&json, listener)? => {}
                    Some(_) | None => out.push_back(event),
                }
            }
        }
        for event in std::mem::take(&mut self.events) {
            if self.stage == Stage::Done {
                break;
            }
            self.event(event, out, listener)?;
        }
        Ok(())
    }

    /// Takes a piece of the stream and appends what goes out. If every event in it goes out as it came and none is
    /// cut, so does the piece itself, without a copy. Once the stream [is done](Self::is_done), nothing does.
    ///
    /// # Errors
    /// It holds an error, or what is no event of its dialect. What came before goes out.
    pub fn read(
        &mut self,
        piece: Bytes,
        out: &mut VecDeque<Bytes>,
        listener: Listener<'_>,
    ) -> Result<(), ProviderError> {
        let mut events = std::mem::take(&mut self.events);
        let cut = self.frames.push(piece.clone(), &mut events);
        let whole: usize = events.iter().map(Bytes::len).sum();
        let starts_here = matches!(self.reading, Reading::Pass)
            && events.first().is_some_and(|first| first.as_ptr() == piece.as_ptr());
        let before = out.len();
        let mut passed = 0;
        for event in events.drain(..) {
            if self.stage == Stage::Done {
                break;
            }
            let length = event.len();
            let sent = out.len();
            self.event(event, out, listener)?;
            if out.len() == sent + 1 {
                passed += length;
            }
        }
        if starts_here && passed == whole && whole == piece.len() && out.len() - before > 1 {
            out.truncate(before);
            out.push_back(piece);
        }
        self.events = events;
        cut.map_err(|error| self.too_long(&error))
    }

    /// The upstream closed the stream: appends what is left. The stream [is done](Self::is_done) then.
    ///
    /// # Errors
    /// It ended before its answer did, or with an error.
    pub fn end(&mut self, out: &mut VecDeque<Bytes>, listener: Listener<'_>) -> Result<(), ProviderError> {
        let translates = matches!(self.reading, Reading::Translate(_));
        if let Some(rest) = self.frames.finish() {
            let before = out.len();
            self.event(self.framing.close(rest), out, listener)?;
            // A fragment would swallow the error event that follows it.
            if !translates && self.stage == Stage::Answering {
                out.truncate(before);
            }
        }
        if self.stage == Stage::Done {
            return Ok(());
        }
        if let Reading::Translate(translator) = &mut self.reading {
            let mut written = Vec::new();
            let ended = translator.end(&mut written);
            self.hand_on(written, out, listener);
            return ended;
        }
        if self.stage != Stage::Finished {
            return Err(self.malformed("the stream ended before its answer did".to_owned()));
        }
        // Some leave it out; clients wait for it.
        self.close(Bytes::from_static(b"data: [DONE]\n\n"), out);
        Ok(())
    }

    /// Passes an event on, or translates it, unless it is the usage chunk that the client did not ask for.
    fn event(&mut self, event: Bytes, out: &mut VecDeque<Bytes>, listener: Listener<'_>) -> Result<(), ProviderError> {
        if let Reading::Translate(translator) = &mut self.reading {
            let mut written = Vec::new();
            let read = translator.event(self.framing, &event, &mut written);
            self.hand_on(written, out, listener);
            return read;
        }
        let Some(data) = self.framing.data(&event) else {
            out.push_back(event);
            return Ok(());
        };
        if data.as_ref() == b"[DONE]" {
            drop(data);
            self.close(event, out);
            return Ok(());
        }
        if let Reading::PutRight(normaliser) = &mut self.reading {
            if let Some(json) = normaliser.put_right(&data)?
                && self.look(&json, listener)?
            {
                out.push_back(written(&json));
            }
        } else if self.look(&data, listener)? {
            drop(data);
            out.push_back(event);
        }
        Ok(())
    }

    /// Reads what an event of OpenAI's dialect tells; whether it goes out.
    fn look(&mut self, data: &[u8], listener: Listener<'_>) -> Result<bool, ProviderError> {
        listener(data);
        // A quote inside of a text is escaped, so this is a name or a whole value.
        let wrong = NAMES.error.find(data).is_some();
        let telling = wrong
            || !self.has_output
            || has_member(data, &NAMES.usage, b'{')
            || has_member(data, &NAMES.finish_reason, b'"');
        if !telling {
            return Ok(true);
        }
        let view = serde_json::from_slice::<ChunkView<'_>>(data);
        if view.as_ref().is_ok_and(ChunkView::is_error) || wrong && is_error(data) {
            return Err(error_in_stream(self.provider, data));
        }
        let Ok(view) = view else { return Ok(true) };
        self.told.hear(view.model(), view.token_usage().zip(view.raw_usage()));
        self.has_output |= view.has_output();
        if view.is_finished() {
            self.stage = self.stage.max(Stage::Finished);
        }
        Ok(self.include_usage || !view.is_usage_only())
    }

    /// The end, as OpenAI's dialect has it.
    fn close(&mut self, done: Bytes, out: &mut VecDeque<Bytes>) {
        if let Reading::PutRight(normaliser) = &self.reading {
            self.told.hear(None, normaliser.usage());
            if self.include_usage
                && let Some(chunk) = normaliser.usage_chunk()
            {
                out.push_back(written(chunk.as_bytes()));
            }
        }
        self.stage = Stage::Done;
        out.push_back(done);
    }

    /// What a translator wrote goes out.
    fn hand_on(&mut self, written: Vec<Bytes>, out: &mut VecDeque<Bytes>, listener: Listener<'_>) {
        let Reading::Translate(translator) = &self.reading else { return };
        self.has_output |= translator.has_output();
        if translator.is_ended() {
            self.stage = Stage::Done;
        }
        for event in &written {
            listener(event);
        }
        out.extend(written);
    }

    /// Whether the model has said something.
    #[must_use]
    pub fn has_output(&self) -> bool {
        self.has_output
    }

    /// Whether `[DONE]` is out: nothing follows it.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    /// What the stream has told of itself so far.
    #[must_use]
    pub fn told(&self) -> Told {
        match &self.reading {
            Reading::Pass | Reading::PutRight(_) => self.told.clone(),
            Reading::Translate(translator) => Told {
                model: Some(translator.model().to_owned()),
                usage: translator.raw_usage().map(|raw| (translator.usage(), raw)),
                is_part: !translator.is_ended(),
            },
        }
    }

    /// The turn, if its provider will want it back.
    #[must_use]
    pub fn turn(&self) -> Option<StoredTurn> {
        match &self.reading {
            Reading::Pass | Reading::PutRight(_) => None,
            Reading::Translate(translator) => translator.turn(),
        }
    }

    fn malformed(&self, reason: String) -> ProviderError {
        ProviderError::Malformed { provider: self.provider, reason }
    }

    fn too_long(&self, error: &TooLong) -> ProviderError {
        self.malformed(error.to_string())
    }
}

impl Told {
    /// The first model counts, and the last usage that says something.
    fn hear(&mut self, model: Option<&str>, usage: Option<(TokenUsage, String)>) {
        if self.model.is_none() {
            self.model = model.map(str::to_owned);
        }
        if let Some(usage) = usage.filter(|(usage, _)| usage.source() == UsageSource::Reported) {
            self.usage = Some(usage);
        }
    }
}

/// JSON as an event for the client.
fn written(json: &[u8]) -> Bytes {
    [b"data: ", json, b"\n\n"].concat().into()
}

/// An error in the middle of a stream: its status if it names one, else 502.
fn error_in_stream(provider: Provider, data: &[u8]) -> ProviderError {
    let none = HeaderMap::new();
    if !is_error(data) {
        // The model failed, and says so with its finish reason only.
        return read_error(provider, 200, &none, br#"{"error":{"message":"the model failed"}}"#);
    }
    read_error(provider, 200, &none, data)
}

/// Names of members that a chunk is looked through for. Made once: making one costs more than looking through a chunk.
struct Names {
    error: Finder<'static>,
    usage: Finder<'static>,
    finish_reason: Finder<'static>,
}

static NAMES: LazyLock<Names> = LazyLock::new(|| Names {
    error: Finder::new("\"error\""),
    usage: Finder::new("\"usage\""),
    finish_reason: Finder::new("\"finish_reason\""),
});

/// Whether JSON text has a member whose value begins with `opening`. An escaped quote before the name
/// cannot match, as its closing one is escaped too.
fn has_member(json: &[u8], name: &Finder<'_>, opening: u8) -> bool {
    name.find_iter(json).any(|at| {
        let rest = &json[at + name.needle().len()..];
        let mut rest = rest.iter().skip_while(|byte| byte.is_ascii_whitespace());
        rest.next() == Some(&b':') && rest.find(|byte| !byte.is_ascii_whitespace()) == Some(&opening)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_but_not_inside_of_texts() {
        assert!(has_member(br#"{"usage" : {"a":1}}"#, &NAMES.usage, b'{'));
        assert!(!has_member(br#"{"usage":null}"#, &NAMES.usage, b'{'));
        assert!(!has_member(br#"{"content":"say \"usage\":{ now"}"#, &NAMES.usage, b'{'));
        assert!(has_member(br#"{"finish_reason":null,"x":{"finish_reason":"stop"}}"#, &NAMES.finish_reason, b'"'));
    }
}
