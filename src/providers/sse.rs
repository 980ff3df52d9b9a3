//! Server-sent events as they really arrive: cut anywhere, with LF, CR or CRLF.
//!
//! Source: HTML Living Standard, "Server-sent events", 9.2.6 (read 2026-11-23).

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};

/// Largest single event, in bytes.
const LARGEST_EVENT: usize = 16 * 1024 * 1024;

/// An event that is larger than 16 MiB.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("an event is larger than {LARGEST_EVENT} bytes")]
pub struct TooLong;

/// Cuts a stream of bytes into events. Each event keeps its bytes, the blank line at its end included.
#[derive(Debug, Default)]
pub(super) struct SseSplitter {
    pending: BytesMut,
    /// How many pending bytes were looked at.
    seen: usize,
    /// Whether the next byte begins a line.
    at_line_start: bool,
    started: bool,
}

impl SseSplitter {
    /// Takes a piece of the stream and appends the events that it completes.
    ///
    /// # Errors
    /// An event grew too long.
    pub(super) fn push(&mut self, piece: Bytes, events: &mut Vec<Bytes>) -> Result<(), TooLong> {
        if !self.started {
            self.started = true;
            self.at_line_start = true;
        }
        if self.pending.is_empty() {
            // Whole events are handed on without a copy.
            let rest = self.scan(piece, events);
            self.pending.extend_from_slice(&rest);
        } else {
            self.pending.extend_from_slice(&piece);
            let whole = std::mem::take(&mut self.pending).freeze();
            let rest = self.scan(whole, events);
            self.pending = rest.try_into_mut().unwrap_or_else(|rest| BytesMut::from(rest.as_ref()));
        }
        if self.pending.len() > LARGEST_EVENT { Err(TooLong) } else { Ok(()) }
    }

    /// What is left when the stream has ended: an event without its blank line, or nothing.
    pub(super) fn finish(&mut self) -> Option<Bytes> {
        let rest = std::mem::take(&mut self.pending).freeze();
        self.seen = 0;
        (!rest.is_empty()).then_some(rest)
    }

    /// Cuts off every complete event; returns what is left.
    fn scan(&mut self, mut bytes: Bytes, events: &mut Vec<Bytes>) -> Bytes {
        let mut at = self.seen;
        while let Some(found) = memchr::memchr2(b'\n', b'\r', &bytes[at..]) {
            let end = at + found;
            let blank = found == 0 && self.at_line_start;
            let mut next = end + 1;
            if bytes[end] == b'\r' {
                match bytes.get(next) {
                    Some(b'\n') => next += 1,
                    Some(_) => {}
                    None => {
                        // Whether an LF belongs to it is only known with the next piece.
                        self.at_line_start = blank;
                        self.seen = end;
                        return bytes;
                    }
                }
            }
            self.at_line_start = true;
            at = next;
            if blank {
                events.push(bytes.split_to(next));
                at = 0;
            }
        }
        self.at_line_start = self.at_line_start && at == bytes.len();
        self.seen = bytes.len();
        if bytes.is_empty() {
            self.seen = 0;
            self.at_line_start = true;
        }
        bytes
    }
}

/// The data of an event: its `data:` lines, joined by LF. `None` for an event without any (a comment).
pub(super) fn data(event: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut data: Option<Cow<'_, [u8]>> = None;
    let mut rest = event;
    while !rest.is_empty() {
        let end = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let line = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or_default();
        let value = if line == b"data" { Some(&b""[..]) } else { line.strip_prefix(b"data:") };
        let Some(value) = value else { continue };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        data = Some(match data {
            None => Cow::Borrowed(value),
            Some(before) => Cow::Owned([before.as_ref(), b"\n", value].concat()),
        });
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str =
        ": hi\n\ndata: {\"a\":\"\u{2028}\u{85}é\"}\r\n\r\ndata:x\rdata: y\r\revent: e\ndata: z\n\ndata: [DONE]\n\n";

    fn split(pieces: &[&[u8]]) -> Vec<Bytes> {
        let mut splitter = SseSplitter::default();
        let mut events = Vec::new();
        for piece in pieces {
            splitter.push(Bytes::copy_from_slice(piece), &mut events).unwrap();
        }
        events.extend(splitter.finish());
        events
    }

    #[test]
    fn events_are_the_same_wherever_the_stream_is_cut() {
        let bytes = STREAM.as_bytes();
        let whole = split(&[bytes]);
        assert_eq!(whole.len(), 5);
        let texts: Vec<_> = whole.iter().map(|event| data(event).map(Cow::into_owned)).collect();
        assert_eq!(texts[0], None);
        assert_eq!(texts[1].as_deref(), Some("{\"a\":\"\u{2028}\u{85}é\"}".as_bytes()));
        assert_eq!(texts[2].as_deref(), Some(&b"x\ny"[..]));
        assert_eq!(texts[3].as_deref(), Some(&b"z"[..]));
        assert_eq!(texts[4].as_deref(), Some(&b"[DONE]"[..]));
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let cut = split(&[&bytes[..first], &bytes[first..second], &bytes[second..]]);
                assert_eq!(cut.concat(), bytes, "no byte is lost");
                let cut_texts: Vec<_> = cut.iter().filter_map(|event| data(event).map(Cow::into_owned)).collect();
                assert_eq!(
                    cut_texts,
                    texts.iter().flatten().cloned().collect::<Vec<_>>(),
                    "cut at {first} and {second}"
                );
            }
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(split(&single).concat(), bytes);
    }

    #[test]
    fn an_event_without_its_blank_line_is_left_at_the_end() {
        assert_eq!(split(&[b"data: a\n\ndata: b"]), [&b"data: a\n\n"[..], &b"data: b"[..]]);
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut splitter = SseSplitter::default();
        let mut events = Vec::new();
        let piece = Bytes::from(vec![b'x'; 1024 * 1024]);
        let result = (0..20).try_for_each(|_| splitter.push(piece.clone(), &mut events));
        assert_eq!(result, Err(TooLong));
    }
}
