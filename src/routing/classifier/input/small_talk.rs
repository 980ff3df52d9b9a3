//! Where the request begins after small talk: "I'm on my second coffee and the dog won't let me work. Write a script …".
//!
//! Such sentences are known by their form alone: they come first, speak of the person, and have no figure, quotation or
//! code in them. A sentence of that form may just as well be what the request is about ("I have a table with no index."),
//! so that nothing is taken away: the request is judged with it and without it.

use std::collections::HashSet;
use std::sync::LazyLock;

use foldhash::fast::FixedState;
use serde::Deserialize;

use super::pieces::{is_something, sentence_end};

/// The words that are compiled in.
pub(super) static SMALL_TALK: LazyLock<SmallTalk> = LazyLock::new(|| {
    toml::from_str(include_str!("../../../../config/small_talk.toml"))
        .expect("a test reads the words that are compiled in")
});

/// Longest sentence of small talk, in bytes.
const LONGEST: usize = 240;
/// Longest greeting before it, in bytes.
const LONGEST_GREETING: usize = 32;
/// Sentences before a request.
const MOST: usize = 5;
/// Shortest request, in bytes.
const SHORTEST_REQUEST: usize = 12;
/// Longest of the words, in bytes.
const LONGEST_WORD: usize = 16;

/// What a byte says of the sentence that it stands in.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Any,
    /// It may end it.
    End,
    /// It is no small talk.
    OfRequests,
}

/// Of every byte.
static KINDS: [Kind; 256] = {
    let mut kinds = [Kind::Any; 256];
    let mut at = 0;
    while at < ASCII.len() {
        kinds[ASCII.as_bytes()[at] as usize] = Kind::OfRequests;
        at += 1;
    }
    kinds[b'.' as usize] = Kind::End;
    kinds[b'!' as usize] = Kind::End;
    kinds[b'~' as usize] = Kind::End;
    kinds[b'\n' as usize] = Kind::End;
    kinds
};

/// Marks and figures that small talk has none of.
const ASCII: &str = "0123456789:;\"`<>{}[]()=/\\?|*#_";

/// Whether a character is one of these, or a wide one of the kind.
fn is_of_requests(character: char) -> bool {
    match u8::try_from(character) {
        Ok(byte) if byte.is_ascii() => KINDS[usize::from(byte)] == Kind::OfRequests,
        _ => matches!(character, '：' | '；' | '“' | '”' | '„' | '«' | '»' | '「' | '」' | '（' | '）' | '？'),
    }
}

/// By what small talk is known.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SmallTalk {
    words: HashSet<String, FixedState>,
    pieces: Vec<String>,
}

impl SmallTalk {
    /// Where the request begins, in bytes; 0 where no small talk stands before it. Reads at most [`MOST`] sentences.
    pub(super) fn end(&self, text: &str) -> usize {
        // Most texts have a mark of requests in their first sentence, or are one.
        match text.bytes().take(LONGEST).find(|byte| KINDS[usize::from(*byte)] != Kind::Any) {
            Some(byte) if KINDS[usize::from(byte)] == Kind::OfRequests => return 0,
            None if text.is_ascii() => return 0,
            _ => {}
        }
        let mut end = 0;
        let mut at = 0;
        for _ in 0..MOST {
            let rest = &text[at..];
            let Some(length) = sentence_end(rest) else { break };
            let sentence = rest[..length].trim();
            let after = &rest[length..];
            let next = at + length + (after.len() - after.trim_start().len());
            if text.len() - next < SHORTEST_REQUEST || !is_something(&text[next..]) {
                break;
            }
            if self.has(sentence) {
                end = next;
            } else if sentence.len() > LONGEST_GREETING || !is_exclaimed(sentence) {
                break;
            }
            at = next;
        }
        end
    }

    fn has(&self, sentence: &str) -> bool {
        let is_sentence = sentence.ends_with(['.', '!', '。', '！', '～', '~', '…']);
        if !is_sentence || sentence.len() > LONGEST || sentence.contains(is_of_requests) {
            return false;
        }
        let mut words = sentence.split(|it: char| !it.is_alphanumeric() && it != '\'' && it != '’');
        words.any(|word| self.is_known(word))
            || (!sentence.is_ascii() && self.pieces.iter().any(|piece| sentence.contains(piece.as_str())))
    }

    fn is_known(&self, word: &str) -> bool {
        let mut lower = [0; LONGEST_WORD];
        let Some(lower) = lower.get_mut(..word.len()) else { return false };
        lower.copy_from_slice(word.as_bytes());
        lower.make_ascii_lowercase();
        match std::str::from_utf8(lower) {
            Ok(lower) if lower.is_ascii() => self.words.contains(lower),
            _ => self.words.contains(word.to_lowercase().replace('’', "'").as_str()),
        }
    }
}

/// Whether a short sentence is but called out, such as a greeting.
fn is_exclaimed(sentence: &str) -> bool {
    sentence.ends_with(['!', '！', '～', '~']) && !sentence.contains(is_of_requests)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_begins_after_sentences_about_the_person() {
        for (talk, request) in [
            ("Hey there! I'm on my second coffee and the dog still won't let me work. ", "write a python script"),
            ("Ugh, my train is late again and it rains. We have no umbrella!\n\n", "Why is my React component slow?"),
            ("Moin! Ich sitze gerade im Zug. ", "Schreibe ein Skript"),
            ("哈喽,早上好!今天上海下大雨,我在地铁上挤了一个小时才到公司。", "请解释一下数据库索引的原理"),
            ("", "write a python script. I need it for my thesis."),
            ("", "Translate this: I am late. I am sorry."),
            ("", "Fix the spelling. I definately recieved it."),
            ("", "My table has 40M rows. Why is the query slow?"),
            ("", "I am late."),
            ("", ""),
        ] {
            assert_eq!(SMALL_TALK.end(&format!("{talk}{request}")), talk.len(), "{talk}{request}");
        }
    }
}
