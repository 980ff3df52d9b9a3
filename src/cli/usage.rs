//! `xrouter usage`: the figures of `GET /usage`, straight from the file.

use std::io::Write as _;

use anyhow::anyhow;
use console::style;
use futures_util::{StreamExt as _, pin_mut};

use super::{Failure, HistoryFile};
use crate::api;
use crate::protocol::{Timestamp, digit_groups};
use crate::store::{self, Filter, GroupBy, Histogram, Period, Store, Totals, UsageByTier};

/// Show tokens and money.
#[derive(Debug, clap::Args)]
pub(super) struct Usage {
    /// First moment: 24h, 7d and the like (until now), or a time such as 2026-11-26 [default: everything]
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// The moment after the last: a time such as 2026-11-26T12:00:00Z [default: now]
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// One line per group: tier, model, upstream, key, source, and hour, day or month
    #[arg(long, value_name = "GROUPS", value_delimiter = ',')]
    by: Vec<String>,
    /// As JSON, as `GET /usage` answers it
    #[arg(long)]
    json: bool,
    /// As CSV: the groups of --by, else every request
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    #[command(flatten)]
    history: HistoryFile,
}

impl Usage {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (period, by) = (period(self.since.as_deref(), self.until.as_deref())?, self.groups()?);
        let (_, path) = self.history.find()?;
        let store = Store::reading(&path).await?;
        if self.json {
            println!("{:#}", api::usage_report(&store, period, &by).await?);
        } else if self.csv {
            csv(store, period, &by).await?;
        } else {
            table(&store, period, &by).await?;
        }
        Ok(())
    }

    fn groups(&self) -> Result<Vec<GroupBy>, Failure> {
        let known = || GroupBy::ALL.map(|(_, name)| name).join(", ");
        let group = |name: &String| {
            GroupBy::from_name(name.trim())
                .ok_or_else(|| Failure::Usage(anyhow!("--by: `{name}` is not one of {}", known())))
        };
        self.by.iter().map(group).collect()
    }
}

/// From when to when.
pub(super) fn period(since: Option<&str>, until: Option<&str>) -> Result<Period, Failure> {
    let time = |name: &str, text: &str| {
        text.parse::<Timestamp>().map_err(|error| Failure::Usage(anyhow!("--{name}: {error}")))
    };
    let to = until.map(|text| time("until", text)).transpose()?;
    let Some(since) = since else { return Ok(Period { from: None, to }) };
    if let Some(last) = Period::last(since, Timestamp::now()) {
        return Ok(Period { to, ..last });
    }
    let from = since.parse::<Timestamp>().map_err(|_| {
        let example = "24h, 7d, 2026-11-26 or 2026-11-26T08:00:00Z";
        Failure::Usage(anyhow!("--since: `{since}` is neither a number of hours or days nor a time: {example}"))
    })?;
    Ok(Period { from: Some(from), to })
}

async fn csv(store: Store, period: Period, by: &[GroupBy]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    if !by.is_empty() {
        out.write_all(&store::groups_as_csv(by, &store.usage_by(period, by).await?.figures))?;
        return Ok(());
    }
    let pieces = store::rows_as_csv(store, Filter { period, ..Filter::default() }).await?;
    pin_mut!(pieces);
    while let Some(piece) = pieces.next().await {
        match out.write_all(&piece?) {
            // Whoever reads has seen enough, as `head` does.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
            other => other?,
        }
    }
    Ok(())
}

/// One line: its keys, and its sums.
struct Line {
    keys: Vec<String>,
    totals: Totals,
    /// A part of another line, or apart from all of them.
    quiet: bool,
}

async fn table(store: &Store, period: Period, by: &[GroupBy]) -> Result<(), Failure> {
    let (period, heads, lines) = if by.is_empty() {
        let figures = store.usage_by_tier(period).await?;
        (figures.period, vec!["tier"], by_tier(&figures.figures))
    } else {
        let figures = store.usage_by(period, by).await?;
        let line = |group: &store::Group, quiet| Line {
            keys: group.keys.iter().map(|key| key.clone().unwrap_or_else(|| "–".to_owned())).collect(),
            totals: group.totals,
            quiet,
        };
        let mut lines: Vec<Line> = figures.figures.groups.iter().map(|group| line(group, false)).collect();
        lines.extend(figures.figures.response_cache.iter().map(|group| {
            let mut line = line(group, true);
            if let Some(last) = line.keys.last_mut() {
                last.push_str(" (response cache)");
            }
            line
        }));
        (figures.period, by.iter().map(|group| group.as_str()).collect(), lines)
    };
    let from = match period.from {
        Some(from) => from.to_string(),
        None => store.since().await?.map_or("the beginning".to_owned(), |since| since.to_string()),
    };
    let to = period.to.map_or("now".to_owned(), |to| to.to_string());
    println!("{} from {from} to {to}", style(store.path().display()).bold());
    if lines.is_empty() {
        println!("no requests");
        return Ok(());
    }
    print(&heads, &lines);
    Ok(())
}

fn by_tier(figures: &UsageByTier) -> Vec<Line> {
    let line = |name: &str, quiet, totals| Line { keys: vec![name.to_owned()], totals, quiet };
    let mut lines: Vec<Line> = figures.tiers.iter().map(|(tier, totals)| line(tier.as_str(), false, *totals)).collect();
    if figures.nobody.requests > 0 {
        lines.push(line("no upstream", false, figures.nobody));
    }
    lines.push(line("total", false, figures.total));
    if figures.response_cache.requests > 0 {
        lines.push(line("answered from the response cache", false, figures.response_cache));
    }
    if figures.local.requests > 0 {
        lines.push(line("of it local", true, figures.local));
    }
    lines
}

fn print(heads: &[&str], lines: &[Line]) {
    let figures = ["requests", "errors", "input", "cached", "output", "cost", "saved", "p50", "p95", "first p50"];
    let rows: Vec<Vec<String>> = lines.iter().map(cells).collect();
    let names: Vec<&str> = heads.iter().copied().chain(figures).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| console::measure_text_width(&row[column]));
        cells.chain([names[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..names.len()).map(width).collect();
    let aligned = |cells: &[&str]| {
        let cell = |(column, text): (usize, &&str)| {
            let side = if column < heads.len() { console::Alignment::Left } else { console::Alignment::Right };
            console::pad_str(text, widths[column], side, None).into_owned()
        };
        cells.iter().enumerate().map(cell).collect::<Vec<_>>().join("  ")
    };
    println!("{}", style(aligned(&names)).dim());
    for (row, line) in rows.iter().zip(lines) {
        let text = aligned(&row.iter().map(String::as_str).collect::<Vec<_>>());
        println!("{}", if line.quiet { style(text).dim() } else { style(text) });
    }
    let unpriced: i64 =
        lines.iter().filter(|line| !line.quiet).map(|line| line.totals.unpriced_requests).max().unwrap_or(0);
    if unpriced > 0 {
        println!("{}", style("costs leave out requests whose price or tokens are unknown").dim());
    }
}

fn cells(line: &Line) -> Vec<String> {
    let totals = &line.totals;
    let usd =
        |cost: Option<crate::catalog::NanoUsd>| cost.map_or("–".to_owned(), |cost| format!("${:.4}", cost.as_usd()));
    let ms = |histogram: &Histogram, share| match histogram.percentile(share) {
        None => "–".to_owned(),
        Some(ms) if ms < 1_000.0 => format!("{ms:.0} ms"),
        Some(ms) => format!("{:.1} s", ms / 1_000.0),
    };
    let known = totals.known_cost();
    let mut cells = line.keys.clone();
    cells.extend([
        digit_groups(totals.requests, ' '),
        digit_groups(totals.errors, ' '),
        digit_groups(totals.input_tokens, ' '),
        digit_groups(totals.cached_input_tokens, ' '),
        digit_groups(totals.output_tokens, ' '),
        usd(known),
        usd(totals.known_frontier().map(|(_, saved)| saved)),
        ms(&totals.duration, 0.5),
        ms(&totals.duration, 0.95),
        ms(&totals.first_token, 0.5),
    ]);
    cells
}
