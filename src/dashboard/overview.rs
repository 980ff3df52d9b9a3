//! The first page: totals per tier, a chart of the last hours or days, the newest requests.

use askama::Template;
use poem::web::Data;
use poem::{Request, Response, handler};

use super::chart::{Chart, Range, chart};
use super::html;
use super::words::{Words, words};
use crate::catalog::{NanoUsd, Tier};
use crate::protocol::Timestamp;
use crate::store::{Period, Row, Store, StoreError, Totals};

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
    newest: Vec<Row>,
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
    let usage = store.usage_by_tier(Period::default()).await?.figures;
    let total = usage.total;
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
        usage.tiers.iter().map(|(tier, totals)| line(tier.as_str(), name(tier), false, *totals)).collect();
    if usage.local.requests > 0 {
        lines.insert(1, line("local", words.local, true, usage.local));
    }
    if usage.nobody.requests > 0 {
        lines.push(line("none", words.no_upstream, false, usage.nobody));
    }
    if usage.response_cache.requests > 0 {
        // Of no tier, and so no share of them.
        let apart = line("none", words.response_cache, false, usage.response_cache);
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
    use super::{NanoUsd, Timestamp};
    use crate::protocol::digit_groups;
    use crate::store::milliseconds;

    /// A count with thin spaces: 1 234 567.
    #[askama::filter_fn]
    pub(super) fn count(figure: &i64, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(digit_groups(*figure, '\u{202F}'))
    }

    /// The same of tokens, unknown as a dash.
    #[askama::filter_fn]
    pub(super) fn tokens(count: &Option<u64>, _: &dyn askama::Values) -> askama::Result<String> {
        let count = count.map(|count| i64::try_from(count).unwrap_or(i64::MAX));
        Ok(count.map_or_else(|| "–".to_owned(), |count| digit_groups(count, '\u{202F}')))
    }

    /// The time of day of UTC epoch milliseconds.
    #[askama::filter_fn]
    pub(super) fn time_of_day(ms: &i64, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(Timestamp(*ms).to_string()[11..19].to_owned())
    }

    /// Dollars: cents from a dollar on, six decimals below, unknown as a dash.
    #[askama::filter_fn]
    pub(super) fn usd(cost: &Option<NanoUsd>, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(match cost {
            None => "–".to_owned(),
            Some(NanoUsd(0)) => "$0".to_owned(),
            Some(cost) if cost.0.abs() >= 1_000_000_000 => format!("${:.2}", cost.as_usd()),
            Some(cost) => format!("${:.6}", cost.as_usd()),
        })
    }

    /// Microseconds as milliseconds below a second, as seconds above, unknown as a dash.
    #[askama::filter_fn]
    pub(super) fn duration(us: &Option<i64>, _: &dyn askama::Values) -> askama::Result<String> {
        let Some(ms) = us.map(milliseconds) else { return Ok("–".to_owned()) };
        Ok(if ms < 1000.0 { format!("{ms:.0} ms") } else { format!("{:.1} s", ms / 1000.0) })
    }
}
