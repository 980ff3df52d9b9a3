//! From a text to the slots that its words and letter groups fall into.
//!
//! A text is read in lower case, every digit as 0, at most its first [`HEAD`] and last [`TAIL`]
//! characters. It falls into tokens: runs of letters and digits are words; every Han, Kana or Hangul
//! character and every mark is a token of its own. Single tokens and pairs of neighbours go to one
//! table; groups of three to five letters of a word with its two ends, and runs of up to three Han
//! characters, to another. A table has [`SLOTS`] places, and what falls into the same one shares it.

use std::cell::RefCell;
use std::ops::Range;

/// Characters that are read from the beginning of a text.
pub(super) const HEAD: usize = 2_400;
/// Characters that are read from its end.
pub(super) const TAIL: usize = 1_200;
/// Places of a table, 2^16.
pub const SLOTS: usize = 1 << 16;

/// Letters of a word that are looked at for its groups.
const LONGEST_WORD: usize = 30;
/// What stands around a word, so that its beginning and end are told apart from its middle.
const EDGES: (u32, u32) = ('<' as u32, '>' as u32);

/// How often each slot was hit. Slots are remembered in the order of their first hit.
#[derive(Debug)]
pub struct Counts {
    counts: Box<[u8]>,
    hit: Vec<u16>,
}

impl Default for Counts {
    fn default() -> Self {
        Counts { counts: vec![0; SLOTS].into_boxed_slice(), hit: Vec::with_capacity(4_096) }
    }
}

impl Counts {
    fn add(&mut self, slot: u16) {
        let count = &mut self.counts[usize::from(slot)];
        if *count == 0 {
            self.hit.push(slot);
        }
        *count = count.saturating_add(1);
    }

    fn clear(&mut self) {
        for slot in self.hit.drain(..) {
            self.counts[usize::from(slot)] = 0;
        }
    }

    /// How often a slot was hit, at most 255.
    #[must_use]
    pub fn of(&self, slot: u16) -> u8 {
        self.counts[usize::from(slot)]
    }

    /// The slots that were hit, and how often.
    pub fn iter(&self) -> impl Iterator<Item = (u16, u8)> {
        self.hit.iter().map(|slot| (*slot, self.counts[usize::from(*slot)]))
    }
}

/// A token of the text.
#[derive(Debug, Clone)]
pub struct Token {
    /// Where it stands in the text, in bytes.
    pub span: Range<usize>,
    /// Its slot.
    pub slot: u16,
    /// The slot of the pair that it makes with the token before it.
    pub pair: u16,
    /// Its hash, before it was cut to a slot.
    pub hash: u32,
    /// Whether it is a word or a Han character, and no mark.
    pub is_word: bool,
}

/// What was found in a text. Kept per thread, so that reading allocates nothing.
#[derive(Debug, Default)]
pub struct Scan {
    /// Its tokens, in order.
    pub tokens: Vec<Token>,
    /// Tokens and pairs.
    pub words: Counts,
    /// Groups of letters.
    pub letters: Counts,
    folded: Vec<u32>,
}

thread_local! {
    static SCAN: RefCell<Scan> = RefCell::default();
}

/// Reads a text and looks at what was found.
pub fn scan<T>(text: &str, look: impl FnOnce(&Scan) -> T) -> T {
    SCAN.with_borrow_mut(|scan| {
        scan.read(text);
        look(scan)
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Letter,
    Han,
    Mark,
    Blank,
}

fn kind(character: char) -> Kind {
    match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' => Kind::Letter,
        '\0'..=' ' | '\x7f' => Kind::Blank,
        '!'..='~' => Kind::Mark,
        '\u{3040}'..='\u{30ff}'
        | '\u{3400}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7af}'
        | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}' => Kind::Han,
        _ if character.is_alphanumeric() => Kind::Letter,
        _ if character.is_whitespace() => Kind::Blank,
        _ => Kind::Mark,
    }
}

/// Lower case, and every digit as 0. Of a letter whose lower case is several, the first.
fn fold(character: char) -> u32 {
    match character {
        '0'..='9' => '0' as u32,
        'A'..='Z' => character as u32 | 0x20,
        _ if character.is_ascii() => character as u32,
        _ => character.to_lowercase().next().unwrap_or(character) as u32,
    }
}

/// One step of a hash. Source of the shape: `FxHash`, a rotation and one multiplication.
fn step(hash: u64, value: u32) -> u64 {
    (hash.rotate_left(5) ^ u64::from(value)).wrapping_mul(0x517c_c1b7_2722_0a95)
}

/// The slot of a hash: its upper 16 bits, once mixed.
fn slot(hash: u64) -> u16 {
    ((hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) as u16
}

/// The two stretches of a text that are read.
fn stretches(text: &str) -> [Range<usize>; 2] {
    let whole = [0..text.len(), text.len()..text.len()];
    // A text has at most as many characters as bytes.
    if text.len() <= HEAD + TAIL {
        return whole;
    }
    let Some((head, _)) = text.char_indices().nth(HEAD) else { return whole };
    let tail = text.char_indices().rev().nth(TAIL - 1).map_or(head, |(at, _)| at);
    if tail <= head { whole } else { [0..head, tail..text.len()] }
}

impl Scan {
    fn read(&mut self, text: &str) {
        self.tokens.clear();
        self.words.clear();
        self.letters.clear();
        // A text begins like none other: the first pair says so.
        let mut before = 7_u64;
        for stretch in stretches(text) {
            before = self.stretch(text, stretch, before);
        }
    }

    fn stretch(&mut self, text: &str, stretch: Range<usize>, mut before: u64) -> u64 {
        let mut characters = text[stretch.clone()].char_indices().peekable();
        while let Some((at, first)) = characters.next() {
            let kind_of_first = kind(first);
            if kind_of_first == Kind::Blank {
                continue;
            }
            let folded = fold(first);
            let mut hash = step(0x1234_5678, folded);
            let mut end = at + first.len_utf8();
            if kind_of_first == Kind::Letter {
                self.folded.clear();
                self.folded.extend([EDGES.0, folded]);
                while let Some((next_at, next)) = characters.next_if(|(_, next)| kind(*next) == Kind::Letter) {
                    let folded = fold(next);
                    hash = step(hash, folded);
                    if self.folded.len() <= LONGEST_WORD {
                        self.folded.push(folded);
                    }
                    end = next_at + next.len_utf8();
                }
                self.folded.push(EDGES.1);
                groups(&self.folded, |slot| self.letters.add(slot));
            } else if kind_of_first == Kind::Han {
                let run = text[stretch.start + at..stretch.end].chars();
                let mut group = 0x7777_u64;
                for character in run.take(3).take_while(|next| kind(*next) == Kind::Han) {
                    group = step(group, fold(character));
                    self.letters.add(slot(group));
                }
            }
            let (word, pair) = (slot(hash), slot(before.rotate_left(17) ^ hash.wrapping_mul(3)));
            self.words.add(word);
            self.words.add(pair);
            self.tokens.push(Token {
                span: stretch.start + at..stretch.start + end,
                slot: word,
                pair,
                hash: short(hash),
                is_word: kind_of_first != Kind::Mark,
            });
            before = hash;
        }
        before
    }
}

/// The hash by which a word of the vocabulary is found.
fn short(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// The hash of a single word, as [`Token::hash`] has it.
#[must_use]
pub fn hash_of(word: &str) -> u32 {
    short(word.chars().fold(0x1234_5678, |hash, character| step(hash, fold(character))))
}

/// Groups of three, four and five letters.
fn groups(word: &[u32], mut found: impl FnMut(u16)) {
    for from in 0..word.len().saturating_sub(2) {
        let mut hash = 0x9999_u64;
        for (length, letter) in (1..).zip(word[from..].iter().take(5)) {
            hash = step(hash, *letter);
            if length >= 3 {
                found(slot(hash));
            }
        }
    }
}

/// The slots of a single word's groups; of a Han character's, that of itself alone.
pub(super) fn groups_of(word: &str, mut found: impl FnMut(u16)) {
    let mut folded = [0_u32; LONGEST_WORD + 2];
    let Some(first) = word.chars().next() else { return };
    if kind(first) == Kind::Han {
        return found(slot(step(0x7777, fold(first))));
    }
    folded[0] = EDGES.0;
    let mut end = 1;
    for (place, letter) in folded[1..=LONGEST_WORD].iter_mut().zip(word.chars()) {
        *place = fold(letter);
        end += 1;
    }
    folded[end] = EDGES.1;
    groups(&folded[..=end], found);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        scan(text, |scan| scan.tokens.iter().map(|token| text[token.span.clone()].to_owned()).collect())
    }

    #[test]
    fn a_text_falls_into_words_han_characters_and_marks() {
        assert_eq!(words("Prove it, 请证明 x2!"), ["Prove", "it", ",", "请", "证", "明", "x2", "!"]);
        assert_eq!(words("  \n\t "), Vec::<String>::new());
    }

    #[test]
    fn case_and_digits_do_not_matter() {
        let slots = |text: &str| scan(text, |scan| scan.words.iter().collect::<Vec<_>>());
        assert_eq!(slots("Sort 12 rows"), slots("sort 97 ROWS"));
        assert_ne!(slots("sort 12 rows"), slots("sort 123 rows"));
    }

    #[test]
    fn a_long_text_is_read_at_both_ends() {
        let long = format!("begin {} end", "x ".repeat(50_000));
        let words = words(&long);
        assert!(words.len() <= HEAD + TAIL);
        assert_eq!((words[0].as_str(), words[words.len() - 1].as_str()), ("begin", "end"));
        // Nothing of the text before is left.
        scan("a", |scan| assert_eq!((scan.tokens.len(), scan.words.iter().count()), (1, 2)));
    }

    #[test]
    fn any_text_can_be_read() {
        for text in ["", "\0", "🦀🦀", "İstanbul ß ǅ", &"证".repeat(10_000), &"w".repeat(10_000), "e\u{301}"] {
            scan(text, |scan| assert!(scan.words.iter().all(|(slot, count)| scan.words.of(slot) == count)));
        }
    }
}
