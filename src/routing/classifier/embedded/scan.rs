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
const EDGES: (u16, u16) = ('<' as u16, '>' as u16);

/// Most slots that one text can hit: three of each character.
const MOST_HITS: usize = 1 << 14;
const _: () = assert!(3 * (HEAD + TAIL) <= MOST_HITS);

/// How often each slot was hit. Slots are remembered in the order of their first hit. `SLOTS` is a power of two.
#[derive(Debug)]
pub struct Counts<const SLOTS: usize> {
    times: Box<[u8; SLOTS]>,
    /// The first `hits` are in use.
    hit: Box<[u16; MOST_HITS]>,
    hits: usize,
}

impl<const SLOTS: usize> Default for Counts<SLOTS> {
    fn default() -> Self {
        Counts { times: zeros(), hit: zeros(), hits: 0 }
    }
}

/// So many zeros, made on the heap: a thread's stack may be small.
#[expect(clippy::unnecessary_box_returns, reason = "they are made where they stay")]
fn zeros<T: Clone + Default, const LENGTH: usize>() -> Box<[T; LENGTH]> {
    let zeros = vec![T::default(); LENGTH].into_boxed_slice();
    zeros.try_into().unwrap_or_else(|_| unreachable!("it is made as long as that"))
}

impl<const SLOTS: usize> Counts<SLOTS> {
    /// Without a branch: whether a slot is new cannot be foretold. The masks change nothing but that no bound is checked.
    fn add(&mut self, slot: u16) {
        let count = &mut self.times[usize::from(slot) & (SLOTS - 1)];
        self.hit[self.hits & (MOST_HITS - 1)] = slot;
        self.hits += usize::from(*count == 0);
        *count = count.saturating_add(1);
    }

    fn clear(&mut self) {
        for slot in &self.hit[..self.hits] {
            self.times[usize::from(*slot) & (SLOTS - 1)] = 0;
        }
        self.hits = 0;
    }

    /// How often a slot was hit, at most 255.
    #[must_use]
    pub fn of(&self, slot: u16) -> u8 {
        self.times[usize::from(slot) & (SLOTS - 1)]
    }

    /// The slots that were hit, and how often.
    pub fn iter(&self) -> impl Iterator<Item = (u16, u8)> {
        self.hit[..self.hits].iter().map(|slot| (*slot, self.of(*slot)))
    }
}

/// A set of slots of words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slots(Box<[u8; WORD_SLOTS / 8]>);

impl Default for Slots {
    fn default() -> Self {
        Slots(zeros())
    }
}

impl Slots {
    /// The set of these bits, slot n being bit `n % 8` of byte `n / 8`; `None` if they are too few or too many.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Slots(Box::new(bytes.try_into().ok()?)))
    }

    /// See [`Slots::from_bytes`].
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// Puts a slot into it.
    pub fn insert(&mut self, slot: u16) {
        self.0[usize::from(slot / 8)] |= 1 << (slot % 8);
    }

    /// Whether it has a slot.
    #[must_use]
    pub fn has(&self, slot: u16) -> bool {
        self.0[usize::from(slot / 8)] >> (slot % 8) & 1 == 1
    }
}

impl FromIterator<u16> for Slots {
    fn from_iter<I: IntoIterator<Item = u16>>(slots: I) -> Self {
        let mut set = Slots::default();
        slots.into_iter().for_each(|slot| set.insert(slot));
        set
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
    /// Whether it is a Han, Kana or Hangul character.
    pub is_han: bool,
}

/// What was found in a text. Kept per thread, so that reading allocates nothing.
#[derive(Debug, Default)]
pub struct Scan {
    /// Its tokens, in order.
    pub tokens: Vec<Token>,
    /// Tokens and pairs.
    pub words: Counts<WORD_SLOTS>,
    /// Groups of letters.
    pub letters: Counts<LETTER_SLOTS>,
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

/// Hash of an empty word.
const SEED: u64 = 0x1234_5678;

/// One step of a hash. Source of the shape: `FxHash`, a rotation and one multiplication.
fn step(hash: u64, value: u32) -> u64 {
    (hash.rotate_left(5) ^ u64::from(value)).wrapping_mul(0x517c_c1b7_2722_0a95)
}

/// The slot of a word's hash: its upper 16 bits, once mixed.
fn slot(hash: u64) -> u16 {
    ((hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) as u16
}

/// Bits of a letter in a group of letters: five of them fit into a word of the machine.
const LETTER_BITS: u32 = 12;
/// Letters of a group. Groups of three and of five beside them tell nothing more, and take twice the time.
const GROUP: usize = 4;

/// The letters of a word between its two ends. Of a long word, the first [`LONGEST_WORD`].
#[derive(Debug, Clone, Copy)]
struct Letters {
    all: [u16; LONGEST_WORD + 2],
    length: usize,
}

impl Letters {
    fn new() -> Self {
        let mut all = [0; _];
        all[0] = EDGES.0;
        Letters { all, length: 1 }
    }

    /// Takes a letter in. What a long word has too many is written where its end will be.
    fn push(&mut self, letter: u32) {
        self.all[self.length] = ((letter ^ (letter >> LETTER_BITS)) & 0xfff) as u16;
        self.length += usize::from(self.length <= LONGEST_WORD);
    }

    /// Ends the word. The slots of its groups go where they are counted.
    fn groups(mut self, mut found: impl FnMut(u16)) {
        self.all[self.length] = EDGES.1;
        let Some((first, rest)) = self.all[..=self.length].split_first_chunk::<{ GROUP - 1 }>() else { return };
        let with = |group: u64, letter: &u16| (group << LETTER_BITS) | u64::from(*letter);
        let mut group = first.iter().fold(0, with);
        for letter in rest {
            group = with(group, letter);
            found(letter_slot(group & 0xffff_ffff_ffff, 4));
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
        // The Han characters before this place, and how many.
        let (mut run, mut length) = (0_u64, 0);
        while let Some(byte) = text.as_bytes().get(at) {
            let (first, kind, after) = match ASCII.get(usize::from(*byte)) {
                Some((letter, kind)) => (u32::from(*letter), *kind, at + 1),
                None => wide(text, at),
            };
            if kind != Kind::Han {
                length = 0;
            }
            let (hash, end) = match kind {
                Kind::Blank => {
                    at = after;
                    continue;
                }
                Kind::Letter => self.word(text, first, after),
                Kind::Han => {
                    run = (run << 20) | u64::from(first & 0xf_ffff);
                    length = (length + 1).min(3);
                    for length in 1..=length {
                        self.letters.add(letter_slot(run & ((1 << (20 * length)) - 1), length));
                    }
                    (step(SEED, first), after)
                }
                Kind::Mark => (step(SEED, first), after),
            };
            let (word, pair) = (slot(hash), slot(before.rotate_left(17) ^ hash.wrapping_mul(3)));
            self.words.add(word);
            self.words.add(pair);
            let (is_word, is_han) = (kind != Kind::Mark, kind == Kind::Han);
            self.tokens.push(Token { span: at..end, slot: word, hash: short(hash), is_word, is_han });
            before = hash;
            at = end;
        }
        before
    }

    /// Reads a word to its end, of which the first letter is read: its hash, and where it ends.
    fn word(&mut self, text: &str, first: u32, mut end: usize) -> (u64, usize) {
        let mut hash = step(SEED, first);
        let mut letters = Letters::new();
        letters.push(first);
        while let Some(byte) = text.as_bytes().get(end) {
            // Most letters are one byte.
            let (letter, after) = match LETTERS[usize::from(*byte)] {
                0 if byte.is_ascii() => break,
                0 => match wide(text, end) {
                    (letter, Kind::Letter, after) => (letter, after),
                    _ => break,
                },
                letter => (u32::from(letter), end + 1),
            };
            hash = step(hash, letter);
            letters.push(letter);
            end = after;
        }
        letters.groups(|slot| self.letters.add(slot));
        (hash, end)
    }
}

/// The character of several bytes at a place of a text, in lower case, its kind, and where the next one begins.
fn wide(text: &str, at: usize) -> (u32, Kind, usize) {
    let Some(character) = text.get(at..).and_then(|rest| rest.chars().next()) else { return (0, Kind::Blank, at + 1) };
    let kind = kind(character);
    // Han characters have no lower case.
    let folded = if kind == Kind::Han { character as u32 } else { fold(character) };
    (folded, kind, at + character.len_utf8())
}

/// Lower case of a letter or digit of ASCII; 0 for every other byte.
static LETTERS: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < ASCII.len() {
        if let (letter, Kind::Letter) = ASCII[byte] {
            table[byte] = letter;
        }
        byte += 1;
    }
    table
};

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

fn whole_hash_of(word: &str) -> u64 {
    word.chars().fold(SEED, |hash, character| step(hash, fold(character)))
}

/// The hash of a single word, as [`Token::hash`] has it.
#[must_use]
pub fn hash_of(word: &str) -> u32 {
    short(whole_hash_of(word))
}

/// The slot of a single word, as [`Token::slot`] has it.
#[must_use]
pub(super) fn slot_of(word: &str) -> u16 {
    slot(whole_hash_of(word))
}

/// The slots of a single word's groups; of a Han character's, that of itself alone.
pub(super) fn groups_of(word: &str, mut found: impl FnMut(u16)) {
    let Some(first) = word.chars().next() else { return };
    if kind(first) == Kind::Han {
        return found(letter_slot(u64::from(fold(first) & 0xf_ffff), 1));
    }
    let mut letters = Letters::new();
    word.chars().for_each(|letter| letters.push(fold(letter)));
    letters.groups(found);
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
