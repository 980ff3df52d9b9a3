//! Rows and groups as CSV (RFC 4180, UTF-8), page by page, so that memory does not grow.

use std::fmt::Write as _;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::try_unfold;

use super::history::HistoryRow;
use super::page::Filter;
use super::usage::{Group, GroupBy};
use super::{Store, StoreError};

/// Rows per page of an export.
const PAGE_ROWS: u32 = 1_000;

/// The columns of the row export, in order. New ones are only ever added at the end.
pub const CSV_COLUMNS: [&str; 39] = [
    "request_id",
    "time",
    "session",
    "key",
    "decision",
    "tier",
    "source",
    "score",
    "upstream",
    "provider",
    "requested_model",
    "selected_model",
    "stream",
    "status",
    "error_type",
    "attempts",
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "usage_source",
    "cost_usd",
    "frontier_cost_usd",
    "classify_ms",
    "first_token_ms",
    "duration_ms",
    "response_model",
    "local",
    "confidence",
    "reason",
    "classifier_input_tokens",
    "classifier_output_tokens",
    "usage_raw",
    "step",
    "text_chars",
    "tools",
    "reasoning_effort",
    "rules",
];

/// The figures' columns of a grouped export; the groups' keys stand before them.
const GROUP_COLUMNS: [&str; 20] = [
    "requests",
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "total_tokens",
    "cost_usd",
    "unpriced_requests",
    "errors",
    "unmeasured_requests",
    "estimated_requests",
    "frontier_cost_usd",
    "saved_usd",
    "duration_p50_ms",
    "duration_p95_ms",
    "duration_p99_ms",
    "first_token_p50_ms",
    "first_token_p95_ms",
    "first_token_p99_ms",
];

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
            write(&mut writer, CSV_COLUMNS);
        }
        for row in &rows {
            record(&mut writer, row);
        }
        let bytes = writer.into_inner().expect("writing to memory does not fail");
        let more = (!scan.is_over()).then_some(scan);
        Ok(Some((Bytes::from(bytes), (store, more, false))))
    }))
}

/// Groups as one CSV text.
#[must_use]
pub fn groups_as_csv(by: &[GroupBy], groups: &[Group]) -> Bytes {
    let header = by.iter().map(|group| group.as_str()).chain(GROUP_COLUMNS).map(str::to_owned).collect();
    let mut records = vec![header];
    for group in groups {
        let totals = &group.totals;
        let mut cells: Vec<String> = group.keys.iter().map(|key| text(key.as_deref())).collect();
        cells.extend([
            totals.requests.to_string(),
            totals.input_tokens.to_string(),
            totals.cached_input_tokens.to_string(),
            totals.cache_write_tokens.to_string(),
            totals.output_tokens.to_string(),
            totals.reasoning_tokens.to_string(),
            (totals.input_tokens + totals.output_tokens).to_string(),
            figure(totals.known_cost()),
            totals.unpriced_requests.to_string(),
            totals.errors.to_string(),
            totals.unmeasured_requests.to_string(),
            totals.estimated_requests.to_string(),
            figure(totals.known_frontier().map(|(cost, _)| cost)),
            figure(totals.known_frontier().map(|(_, saved)| saved)),
        ]);
        for histogram in [totals.duration, totals.first_token] {
            for share in [0.5, 0.95, 0.99] {
                cells.push(figure(histogram.percentile(share).map(|ms| (ms * 10.0).round() / 10.0)));
            }
        }
        records.push(cells);
    }
    lines(&records)
}

fn lines(records: &[Vec<String>]) -> Bytes {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    for record in records {
        writer.write_record(record).expect("writing to memory does not fail, and all records have one length");
    }
    Bytes::from(writer.into_inner().expect("writing to memory does not fail"))
}

/// Writes one row. Numbers go through one buffer: an export has millions of them.
fn record(writer: &mut csv::Writer<Vec<u8>>, row: &HistoryRow) {
    let mut cells = Cells { writer, buffer: String::with_capacity(32) };
    cells.text(Some(&row.request_id));
    cells.text(Some(&row.time));
    cells.text(row.session.as_deref());
    cells.text(row.key.as_deref());
    cells.figure(Some(row.decision));
    cells.text(row.tier.as_deref());
    cells.text(Some(&row.source));
    cells.figure(row.score);
    cells.text(row.upstream.as_deref());
    cells.text(row.provider.as_deref());
    cells.text(row.requested_model.as_deref());
    cells.text(row.selected_model.as_deref());
    cells.figure(Some(row.stream));
    cells.figure(row.status);
    cells.text(row.error_type.as_deref());
    cells.figure(Some(row.attempts));
    cells.figure(row.input_tokens);
    cells.figure(row.cached_input_tokens);
    cells.figure(row.cache_write_tokens);
    cells.figure(row.output_tokens);
    cells.figure(row.reasoning_tokens);
    cells.text(Some(&row.usage_source));
    cells.figure(row.cost);
    cells.figure(row.frontier_cost);
    cells.figure(row.classify_ms);
    cells.figure(row.first_token_ms);
    cells.figure(row.duration_ms);
    cells.text(row.response_model.as_deref());
    cells.figure(Some(row.local));
    cells.figure(row.confidence);
    cells.text(row.reason.as_deref());
    cells.figure(row.classifier_input_tokens);
    cells.figure(row.classifier_output_tokens);
    cells.text(row.usage_raw.as_deref());
    cells.text(row.step.as_deref());
    cells.figure(row.text_chars);
    cells.figure(row.tools);
    cells.text(row.reasoning_effort.as_deref());
    cells.text(row.rules.as_deref());
    write(cells.writer, None::<&str>);
}

struct Cells<'w> {
    writer: &'w mut csv::Writer<Vec<u8>>,
    buffer: String,
}

impl Cells<'_> {
    fn text(&mut self, value: Option<&str>) {
        let value = value.unwrap_or_default();
        if is_formula(value) {
            self.buffer.clear();
            self.buffer.push('\'');
            self.buffer.push_str(value);
            self.field();
        } else {
            self.writer.write_field(value).expect("writing to memory does not fail");
        }
    }

    fn figure(&mut self, value: Option<impl std::fmt::Display>) {
        self.buffer.clear();
        if let Some(value) = value {
            let _ = write!(self.buffer, "{value}");
        }
        self.field();
    }

    fn field(&mut self) {
        self.writer.write_field(&self.buffer).expect("writing to memory does not fail");
    }
}

fn write<T: AsRef<[u8]>>(writer: &mut csv::Writer<Vec<u8>>, record: impl IntoIterator<Item = T>) {
    writer.write_record(record).expect("writing to memory does not fail, and all records have one length");
}

/// A figure, or an empty cell where it is unknown.
fn figure<T: ToString>(figure: Option<T>) -> String {
    figure.map(|figure| figure.to_string()).unwrap_or_default()
}

/// A text that a spreadsheet will not run: one that begins like a formula gets an apostrophe.
///
/// Source: OWASP, "CSV Injection" (read 2026-11-23).
fn text(text: Option<&str>) -> String {
    let text = text.unwrap_or_default();
    if is_formula(text) { format!("'{text}") } else { text.to_owned() }
}

fn is_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_that_look_like_formulas_are_neutralised() {
        assert_eq!(text(Some("=cmd|' /C calc'!A0")), "'=cmd|' /C calc'!A0");
        assert_eq!(text(Some("@x")), "'@x");
        assert_eq!(text(Some("auto")), "auto");
        assert_eq!(text(None), "");
        assert_eq!(lines(&[vec!["a,b".to_owned(), "c\"d".to_owned()]]), "\"a,b\",\"c\"\"d\"\r\n");
    }
}
