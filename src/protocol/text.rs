//! Texts: a JSON string that is borrowed where it holds no escapes, and the beginning of a text.

use std::borrow::Cow;
use std::fmt;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer};

/// A string. `Cow` alone would copy wherever it stands inside of another type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

/// The first characters of a text, at most so many.
#[must_use]
pub fn first_chars(text: &str, most: usize) -> &str {
    // Most texts are short or plain: bytes are looked at a word at a time, characters one by one.
    match text.as_bytes().get(..most) {
        None => text,
        Some(head) if head.is_ascii() => &text[..most],
        Some(_) => text.char_indices().nth(most).map_or(text, |(at, _)| &text[..at]),
    }
}

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_a_text_counts_characters() {
        for (text, most, head) in [
            ("", 3, ""),
            ("abc", 3, "abc"),
            ("abcd", 3, "abc"),
            ("aéicd", 3, "aéi"),
            ("日本語文", 3, "日本語"),
            ("é", 1, "é"),
            ("éa", 0, ""),
        ] {
            assert_eq!(first_chars(text, most), head, "{text}");
        }
    }
}
