//! Changes to a JSON object that leave every other byte as it came.

use std::ops::Range;

use bytes::Bytes;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A member that is there, `null` included: its place must be known to write over it.
pub(super) fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&'de RawValue>::deserialize(deserializer).map(Some)
}

/// Where a slice of `whole` stands in it.
pub(super) fn span_in(whole: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr().addr() - whole.as_ptr().addr();
    start..start + part.len()
}

/// An object with members put before its first (`front`, each with its comma) and with some spans replaced.
///
/// # Panics
/// The text is no object, or spans overlap.
pub(super) fn patched(object: &str, front: &str, mut edits: Vec<(Range<usize>, String)>) -> Bytes {
    edits.sort_by_key(|(span, _)| span.start);
    let open = object.find('{').expect("a parsed request is an object") + 1;
    let mut patched = String::with_capacity(object.len() + front.len() + 64);
    patched.push_str(&object[..open]);
    patched.push_str(front);
    let mut at = open;
    for (span, text) in edits {
        patched.push_str(&object[at..span.start]);
        patched.push_str(&text);
        at = span.end;
    }
    patched.push_str(&object[at..]);
    Bytes::from(patched)
}
