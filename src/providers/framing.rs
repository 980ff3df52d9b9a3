//! How a stream of bytes is cut into events.

use std::borrow::Cow;

use bytes::Bytes;

use super::sse::{self, SseSplitter, TooLong};

/// How a stream is cut into events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Server-sent events.
    ServerSentEvents,
}

impl Framing {
    /// Whether a `Content-Type` begins with its media type.
    #[must_use]
    pub fn is_type(self, content_type: &str) -> bool {
        let told = content_type.trim_start().as_bytes();
        let known = self.media_type().as_bytes();
        told.get(..known.len()).is_some_and(|told| told.eq_ignore_ascii_case(known))
    }

    /// The media type of a stream that is cut so.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Framing::ServerSentEvents => "text/event-stream",
        }
    }

    /// What an event carries; `None` for one that carries nothing, such as a comment.
    #[must_use]
    pub fn data(self, event: &[u8]) -> Option<Cow<'_, [u8]>> {
        match self {
            Framing::ServerSentEvents => sse::data(event),
        }
    }

    /// An event that the stream's end cut short, closed, so that what comes behind it does not stand in it.
    pub(super) fn close(self, event: Bytes) -> Bytes {
        match self {
            Framing::ServerSentEvents if event.ends_with(b"\n\n") => event,
            Framing::ServerSentEvents => [event.trim_ascii_end(), b"\n\n"].concat().into(),
        }
    }

    /// Cuts a stream.
    #[must_use]
    pub fn frames(self) -> Frames {
        match self {
            Framing::ServerSentEvents => Frames(Cutter::ServerSentEvents(SseSplitter::default())),
        }
    }
}

/// Cuts one stream of bytes into events. Each event keeps its bytes.
#[derive(Debug)]
pub struct Frames(Cutter);

#[derive(Debug)]
enum Cutter {
    ServerSentEvents(SseSplitter),
}

impl Frames {
    /// Takes a piece of the stream and appends the events that it completes.
    ///
    /// # Errors
    /// An event grew too long.
    pub fn push(&mut self, piece: Bytes, events: &mut Vec<Bytes>) -> Result<(), TooLong> {
        match &mut self.0 {
            Cutter::ServerSentEvents(splitter) => splitter.push(piece, events),
        }
    }

    /// What is left when the stream has ended: an event that is cut short, or nothing.
    #[must_use]
    pub fn finish(&mut self) -> Option<Bytes> {
        match &mut self.0 {
            Cutter::ServerSentEvents(splitter) => splitter.finish(),
        }
    }
}
