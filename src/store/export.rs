//! Rows and groups as CSV (RFC 4180, UTF-8), page by page, so that memory does not grow.

use std::fmt::Write as _;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::try_unfold;

use super::columns::{self, Value};
use super::page::Filter;
use super::sums::{FIGURES, LATENCIES};
use super::usage::{Group, GroupBy, Groups};
use super::{Store, StoreError};

/// Rows per page of an export.
const PAGE_ROWS: u32 = 1_000;

/// The rows that a filter lets through, oldest first, as a stream of CSV pieces; the first holds the header. Memory holds
/// one piece.
///
/// # Errors
/// The database failed.
#[expect(clippy::missing_panics_doc, reason = "writing to memory does not fail")]
pub async fn rows_as_csv(
    store: Store,
    filter: Filter,
) -> Result<impl Stream<Item = Result<Bytes, StoreError>> + Send, StoreError> {
    let scan = store.scan(&filter).await?;
    Ok(try_unfold((store, Some(scan), true), |(store, scan, first)| async move {
        let Some(mut scan) = scan else { return Ok(None) };
        let rows = store.next_rows(&mut scan, PAGE_ROWS).await?;
        let writer = Vec::with_capacity(rows.len() * 512 + 1_024);
        let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(writer);
        if first {
            let names = columns::shown().map(|column| column.name);
            writer.write_record(names).expect("writing to memory does not fail");
        }
        let mut cells = Cells::new(&mut writer);
        for row in &rows {
            columns::shown().for_each(|column| cells.write(column.of(row)));
            cells.end();
        }
        let bytes = writer.into_inner().expect("writing to memory does not fail");
        let more = (!scan.is_over()).then_some(scan);
        Ok(Some((Bytes::from(bytes), (store, more, false))))
    }))
}

/// Quantiles that a line of groups shows of each time.
const SHARES: [(f64, &str); 3] = [(0.5, "p50"), (0.95, "p95"), (0.99, "p99")];

/// Groups as one CSV text. The last column, `response_cache`, is `true` in the lines of what the response cache answered,
/// which stand behind all others.
#[must_use]
#[expect(clippy::missing_panics_doc, reason = "writing to memory does not fail")]
pub fn groups_as_csv(by: &[GroupBy], groups: &Groups) -> Bytes {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    let quantiles = LATENCIES.iter().flat_map(|time| SHARES.map(|(_, name)| format!("{}_{name}_ms", time.bare_name)));
    let names = by.iter().map(|group| group.as_str().to_owned());
    let names = names.chain(FIGURES.iter().map(|figure| figure.name.to_owned())).chain(quantiles);
    let names = names.chain(["response_cache".to_owned()]);
    writer.write_record(names).expect("writing to memory does not fail");
    let mut cells = Cells::new(&mut writer);
    let mut lines = |groups: &[Group], is_cached| {
        for Group { keys, totals } in groups {
            for key in keys {
                cells.write(key.as_deref().map_or(Value::Unknown, |key| Value::Text(key.into())));
            }
            for figure in &FIGURES {
                cells.write(figure.of(totals));
            }
            for time in &LATENCIES {
                for (share, _) in SHARES {
                    cells.write(time.quantile(totals, share).map_or(Value::Unknown, Value::Real));
                }
            }
            cells.write(Value::Flag(is_cached));
            cells.end();
        }
    };
    lines(&groups.groups, false);
    lines(&groups.response_cache, true);
    Bytes::from(writer.into_inner().expect("writing to memory does not fail"))
}

/// Writes values as cells. Numbers go through one buffer: an export has millions of them.
struct Cells<'w> {
    writer: &'w mut csv::Writer<Vec<u8>>,
    buffer: String,
}

impl<'w> Cells<'w> {
    fn new(writer: &'w mut csv::Writer<Vec<u8>>) -> Self {
        Cells { writer, buffer: String::with_capacity(32) }
    }

    /// What is not known is an empty cell.
    fn write(&mut self, value: Value<'_>) {
        match value {
            Value::Unknown => self.field(""),
            Value::Text(text) => self.text(&text),
            Value::Name(text) | Value::Session(text) => self.text(text),
            Value::Word(word, _) => self.field(word),
            Value::Integer(figure) => self.shown(figure),
            Value::Real(figure) => self.shown(figure),
            Value::Flag(flag) => self.shown(flag),
            Value::Time(time) => self.shown(time),
            Value::Micros(us) => self.shown(milliseconds(us)),
            Value::Money(money) => self.shown(money),
        }
    }

    /// A text that a spreadsheet will not run: one that begins like a formula gets an apostrophe.
    ///
    /// Source: OWASP, "CSV Injection" (read 2026-11-30).
    fn text(&mut self, text: &str) {
        if is_formula(text) {
            self.shown(format_args!("'{text}"));
        } else {
            self.field(text);
        }
    }

    fn shown(&mut self, value: impl std::fmt::Display) {
        self.buffer.clear();
        let _ = write!(self.buffer, "{value}");
        self.writer.write_field(&self.buffer).expect("writing to memory does not fail");
    }

    fn field(&mut self, text: &str) {
        self.writer.write_field(text).expect("writing to memory does not fail");
    }

    /// The end of a line.
    fn end(&mut self) {
        self.writer
            .write_record(None::<&[u8]>)
            .expect("writing to memory does not fail, and all lines have one length");
    }
}

/// Microseconds in milliseconds, with decimals.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "durations are far below 2^52 microseconds")]
pub fn milliseconds(us: i64) -> f64 {
    us as f64 / 1000.0
}

/// Whether a spreadsheet could take a text for a formula: it begins with one of the characters that open one, maybe
/// behind control characters, which spreadsheets pass over.
fn is_formula(text: &str) -> bool {
    let bare = text.trim_start_matches(|character: char| character.is_control());
    bare.len() < text.len() || bare.starts_with(['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(cells: &[&str]) -> String {
        let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
        let mut line = Cells::new(&mut writer);
        for cell in cells {
            line.text(cell);
        }
        line.end();
        String::from_utf8(writer.into_inner().unwrap()).unwrap()
    }

    #[test]
    fn cells_that_look_like_formulas_are_neutralised() {
        assert_eq!(line(&["=cmd|' /C calc'!A0"]), "'=cmd|' /C calc'!A0\r\n");
        assert_eq!(line(&["@x", "auto", ""]), "'@x,auto,\r\n");
        assert_eq!(line(&["a,b", "c\"d"]), "\"a,b\",\"c\"\"d\"\r\n");
        for begin in ['=', '+', '-', '@', '\t', '\r', '\n', '\0', '\u{ff1d}'] {
            let cell = line(&[&format!("{begin}1+1")]);
            assert!(cell.trim_start_matches('"').starts_with('\''), "{begin:?}: {cell}");
        }
    }
}
