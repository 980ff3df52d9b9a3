//! The first page: totals per tier, a chart of the last hours or days, the newest requests.

use askama::Template;
use poem::web::Data;
use poem::{Request, Response, handler};

use super::chart::{Chart, Range, chart};
use super::html;
use super::words::{Words, words};
use crate::catalog::{NanoUsd, Tier};
use crate::protocol::Timestamp;
use crate::store::{AnsweredBy, HistoryRow, Period, Store, StoreError, Totals};

/// Newest requests on the page.
const NEWEST: u32 = 12;

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    words: &'static Words,
    range: Range,
    figures: Option<Figures>,
}

struct Figures {
    total: Totals,
    cost: Option<NanoUsd>,
    saved: Option<NanoUsd>,
    tiers: Vec<TierLine>,
    chart: Chart,
    newest: Vec<HistoryRow>,
}

struct TierLine {
    class: &'static str,
    name: &'static str,
    indented: bool,
    totals: Totals,
    cost: Option<NanoUsd>,
    share: String,
}

#[handler]
pub(super) async fn page(request: &Request, store: Data<&Store>) -> Response {
    let words = words(request);
    let query = request.uri().query().unwrap_or_default();
    let asked = query.split('&').find_map(|pair| pair.strip_prefix("range="));
    let range = Range::ALL.into_iter().find(|range| Some(range.name()) == asked).unwrap_or(Range::Day);
    let figures = match figures(&store, words, range).await {
        Ok(figures) => Some(figures),
        Err(error) => {
            tracing::error!(error = ?error, "the overview has no figures");
            None
        }
    };
    html(&Overview { words, range, figures })
}

async fn figures(store: &Store, words: &'static Words, range: Range) -> Result<Figures, StoreError> {
    let now = Timestamp::now();
    let mut tiers = [Totals::default(); 3];
    let mut local = Totals::default();
    let mut unreached = Totals::default();
    let mut answered_before = Totals::default();
    let mut total = Totals::default();
    for (answered_by, is_local, sums) in store.usage_by_tier(Period::default()).await?.figures {
        match answered_by {
            AnsweredBy::Tier(tier) => tiers[tier as usize] += sums,
            AnsweredBy::Nobody => unreached += sums,
            AnsweredBy::ResponseCache => {
                answered_before += sums;
                continue;
            }
        }
        if is_local {
            local += sums;
        }
        total += sums;
    }
    let name = |tier: Tier| match tier {
        Tier::Cheap => words.cheap,
        Tier::Medium => words.medium,
        Tier::Frontier => words.frontier,
    };
    let line = |class, name, indented, totals: Totals| TierLine {
        class,
        name,
        indented,
        share: share(totals.requests, total.requests),
        cost: totals.known_cost(),
        totals,
    };
    let mut lines: Vec<TierLine> =
        Tier::ALL.into_iter().map(|tier| line(tier.as_str(), name(tier), false, tiers[tier as usize])).collect();
    if local.requests > 0 {
        lines.insert(1, line("local", words.local, true, local));
    }
    if unreached.requests > 0 {
        lines.push(line("none", words.no_upstream, false, unreached));
    }
    if answered_before.requests > 0 {
        // Of no tier, and so no share of them.
        let apart = line("none", words.response_cache, false, answered_before);
        lines.push(TierLine { share: String::new(), ..apart });
    }
    Ok(Figures {
        cost: total.known_cost(),
        saved: total.known_frontier().map(|(_, saved)| saved),
        total,
        tiers: lines,
        chart: chart(&store.points(range.from(now), range.by_day()).await?, range, now),
        newest: store.newest(NEWEST).await?,
    })
}

fn share(part: i64, whole: i64) -> String {
    if whole == 0 {
        return "0 %".to_owned();
    }
    format!("{} %", (part * 100 + whole / 2) / whole)
}

/// How figures look, in one place.
#[expect(unreachable_pub, clippy::pedantic, reason = "the macro writes more than is seen here")]
mod filters {
    use super::NanoUsd;

    /// A count with thin spaces: 1 234 567.
    #[askama::filter_fn]
    pub(super) fn count(figure: &i64, _: &dyn askama::Values) -> askama::Result<String> {
        let digits = figure.to_string();
        let mut text = String::with_capacity(digits.len() + digits.len() / 3);
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                text.push('\u{202F}');
            }
            text.push(digit);
        }
        Ok(text)
    }

    /// Dollars: cents from a dollar on, four significant places below, unknown as a dash.
    #[askama::filter_fn]
    pub(super) fn usd(cost: &Option<NanoUsd>, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(match cost {
            None => "–".to_owned(),
            Some(NanoUsd(0)) => "$0".to_owned(),
            Some(cost) if cost.0.abs() >= 1_000_000_000 => format!("${:.2}", cost.as_usd()),
            Some(cost) => format!("${:.6}", cost.as_usd()),
        })
    }

    /// Milliseconds below a second, seconds above, unknown as a dash.
    #[askama::filter_fn]
    pub(super) fn milliseconds(ms: &Option<f64>, _: &dyn askama::Values) -> askama::Result<String> {
        let Some(ms) = ms else { return Ok("–".to_owned()) };
        Ok(if *ms < 1000.0 { format!("{ms:.0} ms") } else { format!("{:.1} s", ms / 1000.0) })
    }
}
