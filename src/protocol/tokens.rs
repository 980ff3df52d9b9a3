//! How many tokens a text has, estimated in one pass without a vocabulary.
//!
//! Enters: text. Leaves: a number that is within 10 % of what `o200k_base` counts over a corpus of English,
//! of Chinese or of code; a single short text may be further off. Runs of letters, digits, marks and
//! blanks each count what such a run counts on average; the figures were fitted on such corpora.

/// Thousandths of a token.
mod worth {
    /// A word, up to five letters.
    pub(super) const WORD: u64 = 1_037;
    /// Each letter from the sixth to the tenth.
    pub(super) const LONG: u64 = 79;
    /// Each letter from the eleventh on.
    pub(super) const LONGER: u64 = 281;
    /// Each capital of a run of several.
    pub(super) const CAPITAL: u64 = 108;
    /// What a word costs less that has no blank before it.
    pub(super) const GLUED: u64 = 301;
    /// Up to three digits.
    pub(super) const DIGITS: u64 = 1_220;
    /// A run of marks.
    pub(super) const MARK: u64 = 854;
    /// Each further mark of it.
    pub(super) const MARKS: u64 = 118;
    /// A run of line ends.
    pub(super) const LINES: u64 = 520;
    /// A run of several blanks.
    pub(super) const BLANKS: u64 = 552;
    /// A blank before a digit, which is a token of its own.
    pub(super) const BEFORE_DIGIT: u64 = 857;
    /// A character of these scripts.
    pub(super) const HAN: u64 = 821;
    pub(super) const KANA: u64 = 743;
    pub(super) const HANGUL: u64 = 813;
    pub(super) const CYRILLIC: u64 = 300;
    /// Any other.
    pub(super) const OTHER: u64 = 1_064;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Small,
    Capital,
    Digit,
    Mark,
    Blank,
    Line,
    Beyond,
}

/// What each ASCII byte is; all others are beyond.
static KINDS: [Kind; 256] = {
    let mut kinds = [Kind::Beyond; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        kinds[byte as usize] = match byte {
            b'a'..=b'z' => Kind::Small,
            b'A'..=b'Z' => Kind::Capital,
            b'0'..=b'9' => Kind::Digit,
            b' ' | b'\t' => Kind::Blank,
            b'\n' | b'\r' => Kind::Line,
            _ => Kind::Mark,
        };
        byte += 1;
    }
    kinds
};

/// The number of tokens of a text, rounded up.
#[must_use]
pub fn estimate(text: &str) -> u64 {
    let bytes = text.as_bytes();
    let kind = |at: usize| bytes.get(at).map(|byte| KINDS[usize::from(*byte)]);
    let run = |mut at: usize, of: Kind| {
        while kind(at) == Some(of) {
            at += 1;
        }
        at
    };
    let mut sum = 0_u64;
    let mut at = 0;
    let mut after_blank = false;
    while let Some(first) = kind(at) {
        let from = at;
        let was_after_blank = std::mem::take(&mut after_blank);
        match first {
            Kind::Small | Kind::Capital => {
                at = run(at, Kind::Capital);
                let capitals = (at - from) as u64;
                let letters = capitals + small_letters(text, &mut at);
                sum += word(letters, capitals, was_after_blank);
            }
            Kind::Digit => {
                at = run(at, Kind::Digit);
                sum += worth::DIGITS * ((at - from) as u64).div_ceil(3);
            }
            Kind::Mark => {
                at = run(at, Kind::Mark);
                sum += worth::MARK + worth::MARKS * (at - from - 1) as u64;
            }
            Kind::Line => {
                at = run(at, Kind::Line);
                sum += worth::LINES;
            }
            Kind::Blank => {
                at = run(at, Kind::Blank);
                after_blank = true;
                if at - from > 1 {
                    sum += worth::BLANKS;
                } else if kind(at) == Some(Kind::Digit) {
                    sum += worth::BEFORE_DIGIT;
                }
            }
            Kind::Beyond => {
                let Some(character) = text[at..].chars().next() else { break };
                if is_latin(character) {
                    let letters = small_letters(text, &mut at);
                    sum += word(letters, 0, was_after_blank);
                } else {
                    at += character.len_utf8();
                    sum += of_script(character);
                }
            }
        }
    }
    sum.div_ceil(1_000)
}

fn word(letters: u64, capitals: u64, after_blank: bool) -> u64 {
    let long = letters.clamp(5, 10) - 5;
    let several = if capitals > 1 { capitals } else { 0 };
    let glued = if after_blank { 0 } else { worth::GLUED };
    worth::WORD - glued + worth::LONG * long + worth::LONGER * letters.saturating_sub(10) + worth::CAPITAL * several
}

/// Passes over small letters, those with accents among them; how many there were.
fn small_letters(text: &str, at: &mut usize) -> u64 {
    let bytes = text.as_bytes();
    let mut letters = 0;
    while let Some(byte) = bytes.get(*at) {
        match KINDS[usize::from(*byte)] {
            Kind::Small => *at += 1,
            Kind::Beyond => match text[*at..].chars().next().filter(|character| is_latin(*character)) {
                Some(character) => *at += character.len_utf8(),
                None => break,
            },
            _ => break,
        }
        letters += 1;
    }
    letters
}

const fn is_latin(character: char) -> bool {
    matches!(character, '\u{c0}'..='\u{24f}')
}

const fn of_script(character: char) -> u64 {
    match character {
        '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}' => worth::HAN,
        '\u{3040}'..='\u{30ff}' => worth::KANA,
        '\u{ac00}'..='\u{d7af}' => worth::HANGUL,
        '\u{400}'..='\u{52f}' => worth::CYRILLIC,
        _ => worth::OTHER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn off(texts: impl Iterator<Item = String>) -> f64 {
        let exact = tiktoken_rs::o200k_base_singleton();
        let (mut estimated, mut counted) = (0_u64, 0_u64);
        for text in texts {
            estimated += estimate(&text);
            counted += exact.encode_ordinary(&text).len() as u64;
        }
        assert!(counted > 5_000, "a corpus: {counted}");
        #[expect(clippy::cast_precision_loss, reason = "small counts")]
        let share = estimated as f64 / counted as f64;
        share - 1.0
    }

    /// Prompts of one language.
    fn prompts(lang: &'static str) -> impl Iterator<Item = String> {
        include_str!("../../training/prompts/first.jsonl").lines().filter_map(move |line| {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            (row["lang"] == lang).then(|| row["text"].as_str().unwrap().to_owned())
        })
    }

    #[test]
    fn it_is_within_a_tenth_over_english_chinese_and_code() {
        let english = include_str!("../../docs/history.md").to_owned() + include_str!("../../docs/providers.md");
        let english = off(std::iter::once(english).chain(prompts("en")));
        let chinese = off(prompts("zh"));
        let code = [
            include_str!("tokens.rs"),
            include_str!("chat.rs"),
            include_str!("../store/rollup.rs"),
            include_str!("../cli/demo.rs"),
        ];
        let code = off(code.into_iter().map(str::to_owned));
        for (corpus, off) in [("English", english), ("Chinese", chinese), ("code", code)] {
            assert!(off.abs() < 0.10, "{corpus}: {off:+.3}");
        }
    }

    #[test]
    fn any_text_has_a_number() {
        assert_eq!(estimate(""), 0);
        for text in [" ", "a", "\0", "🦀", "é", "ÉA", "aé b", "證", &"x".repeat(100_000), &"\u{300}".repeat(1_000)]
        {
            assert!(estimate(text) <= text.len() as u64 + 1, "{text:.20}");
        }
    }
}
