//! The records of the journal: how a row stands in a file, and how a file is read back.
//!
//! A record is [`MARK`], the length of what follows the checksum (4 bytes, little-endian), a CRC-32 of it (the same), one
//! letter, and the row as a map of `MessagePack`. `B` is a request that was decided, `A` one that was answered and whose tokens
//! are still being counted, `F` one that is finished. A record that was cut, or that does not fit its checksum, is passed
//! over; reading goes on at the next mark.
//!
//! Older versions wrote lines: a CRC-32 in eight hexadecimal digits, the letter, and the row as JSON. Files that they left
//! behind are read as well.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use memchr::memmem;

use super::row::Row;

/// How a record begins. No text holds it: the first byte is none of UTF-8.
const MARK: [u8; 4] = [0xFF, b'x', b'r', 0xFE];
/// Bytes before the letter.
const HEAD: usize = 12;
/// What a row takes, more or less, so that a buffer need not grow in steps.
const ROOM: usize = 1024;

/// What a record tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Begun,
    Answered,
    Finished,
}

impl Kind {
    const fn letter(self) -> u8 {
        match self {
            Kind::Begun => b'B',
            Kind::Answered => b'A',
            Kind::Finished => b'F',
        }
    }

    const fn of(letter: u8) -> Option<Self> {
        match letter {
            b'B' => Some(Kind::Begun),
            b'A' => Some(Kind::Answered),
            b'F' => Some(Kind::Finished),
            _ => None,
        }
    }
}

/// Appends a record to a buffer.
pub(super) fn encode(kind: Kind, row: &Row, buffer: &mut Vec<u8>) {
    buffer.reserve(ROOM);
    let begin = buffer.len();
    buffer.extend_from_slice(&MARK);
    buffer.extend_from_slice(&[0; HEAD - MARK.len()]);
    buffer.push(kind.letter());
    rmp_serde::encode::write_named(buffer, row).expect("a row of texts and numbers serialises into memory");
    let head = begin + HEAD;
    let length = u32::try_from(buffer.len() - head).expect("a row is bounded by the request that it tells of");
    let sum = crc32fast::hash(&buffer[head..]);
    buffer[begin + 4..begin + 8].copy_from_slice(&length.to_le_bytes());
    buffer[begin + 8..head].copy_from_slice(&sum.to_le_bytes());
}

/// The record at the begin of some bytes, and what comes after it; `None` if it is damaged.
fn decode(bytes: &[u8]) -> Option<(Kind, Box<Row>, &[u8])> {
    let rest = bytes.strip_prefix(&MARK)?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    let (content, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    if crc32fast::hash(content) != u32::from_le_bytes(*sum) {
        return None;
    }
    let (letter, row) = content.split_first()?;
    Some((Kind::of(*letter)?, rmp_serde::from_slice(row).ok()?, rest))
}

/// The record of a line of an older version, without its end; `None` if it is damaged.
fn decode_line(line: &[u8]) -> Option<(Kind, Box<Row>)> {
    let (sum, rest) = line.split_at_checked(8)?;
    let sum = u32::from_str_radix(std::str::from_utf8(sum).ok()?, 16).ok()?;
    let rest = rest.strip_prefix(b" ")?;
    if crc32fast::hash(rest) != sum {
        return None;
    }
    let (kind, json) = rest.split_at_checked(2)?;
    Some((Kind::of(kind[0])?, serde_json::from_slice(json).ok()?))
}

/// The records of a file in their order, and how many places of it were damaged. Memory holds the whole file, which is
/// bounded by the journal's limits.
pub(super) fn read(path: &Path, mut each: impl FnMut(Kind, Box<Row>)) -> io::Result<u64> {
    let mut bytes = Vec::new();
    File::open(path)?.read_to_end(&mut bytes)?;
    let mut damaged = 0;
    if bytes.first() == Some(&b'\n') {
        for line in bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end) {
            match decode_line(line) {
                Some((kind, row)) => each(kind, row),
                None if line.is_empty() => {}
                None => damaged += 1,
            }
        }
        return Ok(damaged);
    }
    let mark = memmem::Finder::new(&MARK);
    let (mut rest, mut is_torn) = (bytes.as_slice(), false);
    while !rest.is_empty() {
        if let Some((kind, row, after)) = decode(rest) {
            each(kind, row);
            (rest, is_torn) = (after, false);
            continue;
        }
        damaged += u64::from(!is_torn);
        is_torn = true;
        rest = mark.find(&rest[1..]).map_or(&[], |at| &rest[1 + at..]);
    }
    Ok(damaged)
}

#[cfg(test)]
mod tests {
    use super::super::journal::tests::row;
    use super::*;

    fn records(bytes: &[u8]) -> (Vec<(Kind, i64)>, u64) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let mut found = Vec::new();
        let damaged = read(file.path(), |kind, row| found.push((kind, row.id))).unwrap();
        (found, damaged)
    }

    #[test]
    fn a_record_comes_back_as_it_was_and_a_damaged_one_does_not() {
        let mut buffer = Vec::new();
        encode(Kind::Answered, &row(5), &mut buffer);
        assert_eq!(decode(&buffer), Some((Kind::Answered, Box::new(row(5)), &[][..])));
        for at in 0..buffer.len() {
            let mut damaged = buffer.clone();
            damaged[at] ^= 1;
            assert_eq!(decode(&damaged), None, "byte {at}");
            assert_eq!(decode(&buffer[..at]), None, "cut at {at}");
        }
    }

    #[test]
    fn a_torn_record_costs_only_itself() {
        let mut whole = Vec::new();
        encode(Kind::Finished, &row(1), &mut whole);
        let text = Row { request_id: String::from_utf8_lossy(&MARK).into_owned(), ..row(2) };
        let mut other = Vec::new();
        encode(Kind::Begun, &text, &mut other);
        for cut in 1..whole.len() {
            let bytes = [&whole[..], &whole[..cut], &other, &whole[cut..]].concat();
            let found = vec![(Kind::Finished, 1), (Kind::Begun, 2)];
            assert_eq!(records(&bytes), (found, 2), "cut at {cut}");
        }
    }

    #[test]
    fn a_file_of_lines_that_an_older_version_left_is_read() {
        let line = |kind: &str, row: &Row| {
            let content = format!("{kind} {}", serde_json::to_string(row).unwrap());
            format!("\n{:08x} {content}\n", crc32fast::hash(content.as_bytes()))
        };
        let bytes = format!("{}{}\n00000000 F {{}}\n", line("B", &row(1)), line("F", &row(2)));
        assert_eq!(records(bytes.as_bytes()), (vec![(Kind::Begun, 1), (Kind::Finished, 2)], 1));
    }
}
