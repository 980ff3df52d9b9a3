//! Rows and groups as CSV (RFC 4180, UTF-8), page by page, so that memory does not grow.

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::try_unfold;

use super::history::HistoryRow;
use super::usage::{Group, GroupBy, Period};
use super::{Store, StoreError};

/// Rows per page of an export.
const PAGE_ROWS: u32 = 1_000;

/// The columns of the row export, in order. New ones are only ever added at the end.
pub const CSV_COLUMNS: [&str; 34] = [
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
];

/// The figures' columns of a grouped export; the groups' keys stand before them.
const GROUP_COLUMNS: [&str; 10] = [
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
];

/// The rows of a period, oldest first, as a stream of CSV pieces; the first holds the header.
pub fn rows_as_csv(store: Store, period: Period) -> impl Stream<Item = Result<Bytes, StoreError>> + Send {
    try_unfold((store, Some(None)), move |(store, next): (Store, Option<Option<i64>>)| async move {
        let Some(after) = next else { return Ok(None) };
        let rows = store.page(period, after.unwrap_or(i64::MIN), PAGE_ROWS).await?;
        let more = (rows.len() == PAGE_ROWS as usize).then(|| rows.last().map(|row| row.id));
        let mut records = Vec::with_capacity(rows.len() + 1);
        if after.is_none() {
            records.push(CSV_COLUMNS.map(str::to_owned).to_vec());
        }
        records.extend(rows.iter().map(record));
        Ok(Some((lines(&records), (store, more))))
    })
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
        ]);
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

fn record(row: &HistoryRow) -> Vec<String> {
    vec![
        text(Some(&row.request_id)),
        row.time.clone(),
        text(row.session.as_deref()),
        text(row.key.as_deref()),
        row.decision.to_string(),
        text(row.tier.as_deref()),
        text(Some(&row.source)),
        figure(row.score),
        text(row.upstream.as_deref()),
        text(row.provider.as_deref()),
        text(row.requested_model.as_deref()),
        text(row.selected_model.as_deref()),
        row.stream.to_string(),
        row.status.to_string(),
        text(row.error_type.as_deref()),
        row.attempts.to_string(),
        figure(row.input_tokens),
        figure(row.cached_input_tokens),
        figure(row.cache_write_tokens),
        figure(row.output_tokens),
        figure(row.reasoning_tokens),
        text(Some(&row.usage_source)),
        figure(row.cost),
        figure(row.frontier_cost),
        figure(row.classify_ms),
        figure(row.first_token_ms),
        row.duration_ms.to_string(),
        text(row.response_model.as_deref()),
        row.local.to_string(),
        figure(row.confidence),
        text(row.reason.as_deref()),
        figure(row.classifier_input_tokens),
        figure(row.classifier_output_tokens),
        text(row.usage_raw.as_deref()),
    ]
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
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
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
