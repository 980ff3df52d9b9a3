//! From a text to the slots that its words and letter groups fall into.
//!
//! A text is read in lower case, every digit as 0, at most its first [`HEAD`] and last [`TAIL`]
//! characters. It falls into tokens: runs of letters and digits are words; every Han, Kana or Hangul
//! character and every mark is a token of its own. Single tokens and pairs of neighbours go to one
//! table of [`WORD_SLOTS`] places; groups of four letters of a word with its two ends, and runs
//! of up to three Han characters, to another of [`LETTER_SLOTS`]. What falls into the same place shares it.

use std::cell::RefCell;
use std::ops::Range;

/// Characters that are read from the beginning of a text.
pub(super) const HEAD: usize = 2_400;
/// Characters that are read from its end.
pub(super) const TAIL: usize = 1_200;
/// Places of the table of words, 2^16.
pub const WORD_SLOTS: usize = 1 << 16;
/// Places of the table of letter groups, 2^15: half as many cost 0.005 of the macro-F1, and leave room for a fourth sum.
pub const LETTER_SLOTS: usize = 1 << 15;

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

impl Counts {
    fn new(slots: usize) -> Self {
        Counts { counts: vec![0; slots].into_boxed_slice(), hit: Vec::with_capacity(4_096) }
    }

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
    /// Its hash, before it was cut to a slot.
    pub hash: u32,
    /// Whether it is a word or a Han character, and no mark.
    pub is_word: bool,
}

/// What was found in a text. Kept per thread, so that reading allocates nothing.
#[derive(Debug)]
pub struct Scan {
    /// Its tokens, in order.
    pub tokens: Vec<Token>,
    /// Tokens and pairs.
    pub words: Counts,
    /// Groups of letters.
    pub letters: Counts,
}

impl Default for Scan {
    fn default() -> Self {
        let (words, letters) = (Counts::new(WORD_SLOTS), Counts::new(LETTER_SLOTS));
        Scan { tokens: Vec::new(), words, letters }
    }
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

/// The slot of a word's hash: its upper 16 bits, once mixed.
fn slot(hash: u64) -> u16 {
    ((hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) as u16
}

/// Bits of a letter in a window of letters: five of them fit into a word of the machine.
const LETTER_BITS: u32 = 12;
/// Letters of a group. Groups of three and of five beside them tell nothing more, and take twice the time.
const GROUP: usize = 4;

/// The last letters of a word, by which its groups are found: one multiplication for each, none waiting for another.
#[derive(Debug, Default, Clone, Copy)]
struct Window {
    letters: u64,
    length: usize,
}

impl Window {
    /// Takes a letter in; the group that ends with it is found, if there is one.
    fn push(&mut self, letter: u32, found: impl FnOnce(u16)) {
        let letter = u64::from((letter & 0xfff) ^ (letter >> LETTER_BITS));
        self.letters = (self.letters << LETTER_BITS) | (letter & 0xfff);
        self.length += 1;
        if self.length >= GROUP {
            found(letter_slot(self.letters & 0xffff_ffff_ffff, 4));
        }
    }
}

/// The slot of a group of so many letters: the upper 15 bits of a product.
/// Source of the factor: 2^64 over the golden ratio, as in Knuth, "The Art of Computer Programming", volume 3, 6.4.
fn letter_slot(letters: u64, length: u32) -> u16 {
    ((letters ^ (u64::from(length) << 60)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 49) as u16
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
        let mut at = stretch.start;
        let text = &text[..stretch.end];
        while let Some((first, kind_of_first, mut end)) = character(text, at) {
            if kind_of_first == Kind::Blank {
                at = end;
                continue;
            }
            let mut hash = step(0x1234_5678, first);
            if kind_of_first == Kind::Letter {
                let (mut window, letters) = (Window::default(), &mut self.letters);
                window.push(EDGES.0, |_| {});
                window.push(first, |slot| letters.add(slot));
                while let Some((next, Kind::Letter, next_end)) = character(text, end) {
                    hash = step(hash, next);
                    if window.length <= LONGEST_WORD {
                        window.push(next, |slot| letters.add(slot));
                    }
                    end = next_end;
                }
                window.push(EDGES.1, |slot| letters.add(slot));
            } else if kind_of_first == Kind::Han {
                let (mut letters, mut next_at) = (0_u64, at);
                for length in 1..=3 {
                    let Some((next, Kind::Han, next_end)) = character(text, next_at) else { break };
                    letters = (letters << 20) | u64::from(next & 0xf_ffff);
                    self.letters.add(letter_slot(letters, length));
                    next_at = next_end;
                }
            }
            let (word, pair) = (slot(hash), slot(before.rotate_left(17) ^ hash.wrapping_mul(3)));
            self.words.add(word);
            self.words.add(pair);
            let is_word = kind_of_first != Kind::Mark;
            self.tokens.push(Token { span: at..end, slot: word, hash: short(hash), is_word });
            before = hash;
            at = end;
        }
        before
    }
}

/// The character at a place of a text, in lower case, its kind, and where the next one begins.
fn character(text: &str, at: usize) -> Option<(u32, Kind, usize)> {
    let first = *text.as_bytes().get(at)?;
    if first.is_ascii() {
        let (folded, kind) = ASCII[usize::from(first)];
        return Some((u32::from(folded), kind, at + 1));
    }
    let first = text[at..].chars().next()?;
    Some((fold(first), kind(first), at + first.len_utf8()))
}

/// Lower case and kind of the first 128 characters.
static ASCII: [(u8, Kind); 128] = {
    let mut table = [(0, Kind::Blank); 128];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = match byte {
            b'0'..=b'9' => (b'0', Kind::Letter),
            b'A'..=b'Z' => (byte | 0x20, Kind::Letter),
            b'a'..=b'z' => (byte, Kind::Letter),
            b'!'..=b'~' => (byte, Kind::Mark),
            _ => (byte, Kind::Blank),
        };
        byte += 1;
    }
    table
};

/// The hash by which a word of the vocabulary is found.
fn short(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// The hash of a single word, as [`Token::hash`] has it.
#[must_use]
pub fn hash_of(word: &str) -> u32 {
    short(word.chars().fold(0x1234_5678, |hash, character| step(hash, fold(character))))
}

/// The slots of a single word's groups; of a Han character's, that of itself alone.
pub(super) fn groups_of(word: &str, mut found: impl FnMut(u16)) {
    let Some(first) = word.chars().next() else { return };
    if kind(first) == Kind::Han {
        return found(letter_slot(u64::from(fold(first) & 0xf_ffff), 1));
    }
    let mut window = Window::default();
    window.push(EDGES.0, |_| {});
    for letter in word.chars().take(LONGEST_WORD) {
        window.push(fold(letter), &mut found);
    }
    window.push(EDGES.1, &mut found);
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
