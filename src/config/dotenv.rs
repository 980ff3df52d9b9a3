//! `.env` files, read as the `dotenv` package of JavaScript reads them.
//!
//! Own code, because the files that people bring were written for that package: unquoted values
//! with spaces, quotes and braces in them, which the crates for this format refuse.

use std::path::Path;

use super::origin::Origin;

/// One assignment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Assignment {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) origin: Origin,
}

/// Reads a file's assignments, in order. Lines that are none are passed over, as that package does.
pub(super) fn parse(path: &Path, text: &str) -> Vec<Assignment> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut assignments = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let line = rest.split_inclusive('\n').next().unwrap_or(rest);
        let Some((name, value)) = split(line) else {
            rest = &rest[line.len()..];
            continue;
        };
        let offset = line.len() - value.len();
        let (value, used) = read_value(&rest[offset..]);
        assignments.push(Assignment {
            name: name.to_owned(),
            value,
            origin: Origin::Dotenv { path: path.to_owned(), name: name.to_owned() },
        });
        rest = &rest[offset + used..];
        rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
    }
    assignments
}

/// `[export] NAME = value` → the name, and what follows the sign.
fn split(line: &str) -> Option<(&str, &str)> {
    let (left, value) = line.split_once('=')?;
    let name = left.trim();
    let name = name.strip_prefix("export").filter(|rest| rest.starts_with(char::is_whitespace)).unwrap_or(name).trim();
    let valid = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    valid.then_some((name, value))
}

/// The value at the start of `text`, and how many bytes it takes.
fn read_value(text: &str) -> (String, usize) {
    let blank = text.len() - text.trim_start_matches([' ', '\t']).len();
    let body = &text[blank..];
    if let Some(quote) = body.chars().next().filter(|c| ['"', '\'', '`'].contains(c))
        && let Some(end) = closing(&body[1..], quote)
    {
        let inner = &body[1..=end];
        let value = if quote == '"' { inner.replace("\\n", "\n").replace("\\r", "\r") } else { inner.to_owned() };
        return (value, blank + end + 2);
    }
    let line = body.split(['\n', '\r']).next().unwrap_or_default();
    let value = line.split('#').next().unwrap_or_default().trim();
    (value.to_owned(), blank + line.len())
}

/// Where the closing quote stands, if an escaped one does not count.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if c == quote && !escaped {
            return Some(at);
        }
        escaped = c == '\\' && !escaped;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        parse(Path::new(".env"), text).into_iter().map(|entry| (entry.name, entry.value)).collect()
    }

    #[test]
    fn values_are_read_as_the_earlier_router_read_them() {
        let text = "\u{feff}# comment\nPORT=3000\nexport HOST = 0.0.0.0 # all\n\nPROMPT=Answer 0, 1 or 2 only.\r\n\
            HEADERS={\"X-A\": \"b c\"}\nQUOTED=\"a # b\\nc\"\nSINGLE='$x # y' # z\nMULTI=\"one\ntwo\"\nnot an assignment\n\
            EMPTY=\nTICK=`it's`\nLAST=end";
        let expected = [
            ("PORT", "3000"),
            ("HOST", "0.0.0.0"),
            ("PROMPT", "Answer 0, 1 or 2 only."),
            ("HEADERS", "{\"X-A\": \"b c\"}"),
            ("QUOTED", "a # b\nc"),
            ("SINGLE", "$x # y"),
            ("MULTI", "one\ntwo"),
            ("EMPTY", ""),
            ("TICK", "it's"),
            ("LAST", "end"),
        ];
        assert_eq!(pairs(text), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn an_unclosed_quote_is_part_of_the_value() {
        assert_eq!(pairs("A=\"x\nB=2"), [("A".to_owned(), "\"x".to_owned()), ("B".to_owned(), "2".to_owned())]);
    }
}
