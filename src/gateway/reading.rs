//! What is done with an upstream's events: they pass, they pass and are put right, or they are translated.

use bytes::Bytes;

use crate::catalog::Provider;
use crate::protocol::{ChunkView, Timestamp};
use crate::providers::{self, Normaliser, ProviderError, Target, Translator};

/// How one stream is read.
#[derive(Debug)]
pub(super) enum Reading {
    /// Events pass as they are.
    Pass,
    /// They pass, put right where a strict client would stumble.
    Normalise(Box<Normaliser>),
    /// They are translated.
    Translate(Box<Translator>),
}

impl Reading {
    /// For a stream of an upstream; `asked` is the model that was asked.
    pub(super) fn of(target: &Target, asked: &str, include_usage: bool) -> Self {
        let provider = target.upstream.provider;
        let created = Timestamp::now().0 / 1000;
        if let Some(translator) = Translator::new(target.dialect, provider, created, asked, include_usage) {
            return Reading::Translate(Box::new(translator));
        }
        Normaliser::new(provider, true).map_or(Reading::Pass, |normaliser| Reading::Normalise(Box::new(normaliser)))
    }

    /// Whether the stream has begun to say something. Events that were read are taken out and written.
    ///
    /// # Errors
    /// It begins with an error, or with what is no event of its dialect.
    pub(super) fn begun(
        &mut self,
        provider: Provider,
        events: &mut Vec<Bytes>,
        written: &mut Vec<Bytes>,
    ) -> Result<bool, ProviderError> {
        let malformed = |reason: String| ProviderError::Malformed { provider, reason };
        let nothing_said = || malformed("the stream ended before it said anything".to_owned());
        match self {
            Reading::Pass => {
                let first = events.iter().filter_map(|event| providers::data(event)).find(|data| !data.is_empty());
                let Some(data) = first else { return Ok(false) };
                if data.as_ref() == b"[DONE]" {
                    return Err(nothing_said());
                }
                if providers::is_error(&data) {
                    return Err(error_in_stream(provider, &data));
                }
                let view: ChunkView<'_> =
                    serde_json::from_slice(&data).map_err(|error| malformed(format!("its first event: {error}")))?;
                if view.is_error() {
                    return Err(error_in_stream(provider, &data));
                }
                Ok(true)
            }
            Reading::Normalise(normaliser) => {
                let mut fresh = std::mem::take(events).into_iter();
                for event in fresh.by_ref() {
                    match providers::data(&event) {
                        Some(data) if data.as_ref() == b"[DONE]" => return Err(nothing_said()),
                        Some(data) => {
                            if let Some(json) = normaliser.put_right(&data)? {
                                written.push([b"data: ", json.as_slice(), b"\n\n"].concat().into());
                                *events = fresh.collect();
                                return Ok(true);
                            }
                        }
                        None => written.push(event),
                    }
                }
                Ok(false)
            }
            Reading::Translate(translator) => {
                let mut fresh = std::mem::take(events).into_iter();
                for event in fresh.by_ref() {
                    translate(translator, &event, written)?;
                    if translator.has_output() {
                        *events = fresh.collect();
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }
}

/// Translates one event. Comments keep the connection open, as does Anthropic's `ping`; an error may stand
/// without `data:`, as Google's do.
pub(super) fn translate(
    translator: &mut Translator,
    event: &Bytes,
    written: &mut Vec<Bytes>,
) -> Result<(), ProviderError> {
    let keep_alive = || Bytes::from_static(b": keep-alive\n\n");
    match providers::data(event) {
        Some(data) if data.is_empty() => Ok(()),
        Some(data) => {
            if data.len() < 64 && memchr::memmem::find(&data, b"\"ping\"").is_some() && translator.has_output() {
                written.push(keep_alive());
            }
            translator.event(&data, written)
        }
        None => {
            let bare = event.trim_ascii();
            if matches!(bare.first(), Some(b'{' | b'[')) {
                return translator.event(bare, written);
            }
            if bare.starts_with(b":") && translator.has_output() {
                written.push(keep_alive());
            }
            Ok(())
        }
    }
}

/// An error in the middle of a stream: its status if it names one, else 502.
pub(super) fn error_in_stream(provider: Provider, data: &[u8]) -> ProviderError {
    let none = reqwest::header::HeaderMap::new();
    if !providers::is_error(data) {
        // The model failed, and says so with its finish reason only.
        return providers::read_error(provider, 200, &none, br#"{"error":{"message":"the model failed"}}"#);
    }
    providers::read_error(provider, 200, &none, data)
}
