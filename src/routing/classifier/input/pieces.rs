//! Lines and sentences: where they begin and end, and what they look like.

use std::sync::LazyLock;

use memchr::memmem::Finder;

/// Longest sentence that is taken off, in bytes.
pub(super) const LONGEST_SENTENCE: usize = 600;
/// Longest label that is looked for as a heading, in bytes.
pub(super) const LONGEST_HEADING: usize = 32;
/// Longest name under a mail, in bytes.
const LONGEST_NAME: usize = 40;
/// Longest value of a field of a form, in bytes.
const LONGEST_VALUE: usize = 60;

/// Where the line after that of a place begins.
pub(super) fn line_after(text: &str, at: usize) -> usize {
    let rest = text.as_bytes().get(at..).unwrap_or_default();
    memchr::memchr(b'\n', rest).map_or(text.len(), |newline| at + newline + 1)
}

/// The lines of a text, with their ends.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = memchr::memchr(b'\n', rest.as_bytes()).map_or(rest.len(), |newline| newline + 1);
        let (line, after) = rest.split_at(end);
        rest = after;
        (!line.is_empty()).then_some(line)
    })
}

/// Made once: making it costs more than looking through a short text.
static QUOTED_LINE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\n> "));

/// A text whose quoted lines lose their marks; `None` where none is quoted.
pub(super) fn unquoted(text: &str) -> Option<String> {
    if !text.starts_with("> ") && QUOTED_LINE.find(text.as_bytes()).is_none() {
        return None;
    }
    let lines: Vec<&str> = text.lines().map(|line| line.strip_prefix("> ").unwrap_or(line)).collect();
    Some(lines.join("\n"))
}

/// Whether a text has two letters or digits, or one character that is a word by itself.
pub(super) fn is_something(text: &str) -> bool {
    let mut letters = text.chars().filter(|character| character.is_alphanumeric());
    match (letters.next(), letters.next()) {
        (Some(_), Some(_)) => true,
        (Some(only), None) => !only.is_ascii(),
        _ => false,
    }
}

/// Whether a line is a name under a mail: at most three words, each with a capital.
pub(super) fn is_name(line: &str) -> bool {
    let line = line.trim();
    let is_part = |word: &str| word.chars().next().is_some_and(|first| first.is_uppercase() || !first.is_ascii());
    let most = if line.is_ascii() { LONGEST_NAME } else { LONGEST_NAME / 2 };
    !line.is_empty()
        && line.len() <= most
        && line.split_whitespace().count() <= 3
        && line.split_whitespace().all(is_part)
        && !line.ends_with(['.', '?', '!', ':', '。', '？', '！', '：'])
}

/// Whether nothing but blanks stands before a place in its line.
pub(super) fn starts_line(text: &str, at: usize) -> bool {
    let before = text[..at].trim_end_matches([' ', '\t']);
    before.is_empty() || before.ends_with('\n')
}

/// Whether a line is blank, a rule, or `name: value` as in a form.
pub(super) fn is_field(line: &str) -> bool {
    let line = line.trim();
    if line.chars().all(|character| !character.is_alphanumeric()) {
        return true;
    }
    // A line may be a whole document: a name is looked for where one can stand.
    let Some((at, mark)) =
        cut(line, LONGEST_HEADING + 3).char_indices().find(|(_, mark)| [':', '：', '='].contains(mark))
    else {
        return false;
    };
    let (name, value) = (&line[..at], &line[at + mark.len_utf8()..]);
    let is_value = value.len() <= LONGEST_VALUE && !value.ends_with(['.', '。']);
    name.len() <= LONGEST_HEADING && name.split_whitespace().count() <= 3 && is_value
}

/// The beginning of a text, at most `most` bytes of it.
pub(super) fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// Marks that end a sentence wherever they stand.
pub(super) const FULL_STOPS: [char; 4] = ['。', '！', '？', '…'];

/// Where the first sentence ends, after its mark; `None` if it is the only one.
pub(super) fn sentence_end(text: &str) -> Option<usize> {
    ends(text, |character, next| match character {
        '.' | '!' | '?' | ':' => next.is_none_or(ends_word),
        '\n' | '：' | '～' => true,
        _ => FULL_STOPS.contains(&character),
    })
}

/// Where the first clause ends, after its mark.
pub(super) fn clause_end(text: &str) -> Option<usize> {
    ends(text, |character, next| match character {
        '.' | '!' | '?' | ':' | ',' | ';' => next.is_none_or(ends_word),
        '\n' | '，' | '：' | '；' | '～' | '、' => true,
        _ => FULL_STOPS.contains(&character),
    })
}

/// Whether a mark before this character ends something. Chinese has no blanks between sentences.
fn ends_word(next: char) -> bool {
    next.is_whitespace() || !next.is_ascii()
}

fn ends(text: &str, is_end: impl Fn(char, Option<char>) -> bool) -> Option<usize> {
    let mut characters = text.char_indices().take_while(|(at, _)| *at <= LONGEST_SENTENCE).peekable();
    while let Some((at, character)) = characters.next() {
        let next = characters.peek().map(|(_, next)| *next);
        if is_end(character, next) {
            return Some(at + character.len_utf8());
        }
    }
    None
}

/// Where the last sentence begins.
pub(super) fn last_sentence(text: &str) -> usize {
    let body = text.trim_end_matches(|character: char| !character.is_alphanumeric());
    let mut after: Option<char> = None;
    for (at, character) in body.char_indices().rev().take(LONGEST_SENTENCE) {
        let is_end = match character {
            '.' | '!' | '?' => after.is_some_and(ends_word),
            '\n' | '～' => true,
            _ => FULL_STOPS.contains(&character),
        };
        if is_end {
            return at + character.len_utf8();
        }
        after = Some(character);
    }
    if body.len() <= LONGEST_SENTENCE { 0 } else { body.len() }
}
