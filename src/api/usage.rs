//! `GET /usage` and `GET /usage/export.csv`: tokens and money, by tier, period and group.

use std::sync::Arc;

use futures_util::StreamExt;
use poem::Body;
use poem_openapi::param::Query;
use poem_openapi::payload::{Binary, Json};
use poem_openapi::types::{Example, MaybeUndefined, ToJSON};
use poem_openapi::{ApiResponse, Object, OpenApi, Union};

use super::{ApiError, Shared, Tag};
use crate::catalog::{NanoUsd, Tier};
use crate::protocol::Timestamp;
use crate::store::{
    self, AnsweredBy, ClassifierTotals, Figures, Filter, Group, GroupBy, Histogram, Period, Store, StoreError, Totals,
};

pub(super) struct UsageApi(pub(super) Arc<Shared>);

/// Sums over some requests.
#[derive(Debug, Clone, Object)]
struct UsageTotals {
    /// Requests.
    requests: i64,
    /// All input tokens, as far as reported.
    input_tokens: i64,
    /// Those of them read from a provider's prompt cache.
    cached_input_tokens: i64,
    /// Those of them written to a provider's prompt cache.
    cache_write_tokens: i64,
    /// All output tokens, as far as reported.
    output_tokens: i64,
    /// Those of them spent on reasoning.
    reasoning_tokens: i64,
    /// Input and output tokens.
    total_tokens: i64,
    /// What the requests with a known price cost, in US dollars; `null` if there is none.
    cost_usd: Option<f64>,
    /// Requests whose cost is unknown.
    unpriced_requests: i64,
    /// Requests that ended in an error.
    errors: i64,
    /// Requests without tokens: nobody reported them, and there was nothing to count.
    unmeasured_requests: i64,
    /// Requests whose tokens were counted here, as nobody reported them.
    estimated_requests: i64,
    /// What the same tokens would have cost on the frontier tier, in US dollars, where that is known.
    frontier_cost_usd: Option<f64>,
    /// That less the cost, over the requests of which both are known.
    saved_usd: Option<f64>,
    /// Milliseconds from arrival to the end.
    duration_ms: Latency,
    /// Milliseconds from arrival to the first token, of the requests that got one.
    first_token_ms: Latency,
}

/// Times that a share of the requests did not exceed, in milliseconds. They are estimates from buckets (2, 5, 10, 20,
/// 50, 100, 200, 300, 500, 700 ms, 1, 1.5, 2, 3, 5, 7, 10, 15, 20, 30, 60, 120, 300 s), off by less than their bucket is
/// wide; 300 000 stands for everything longer. `null` if nothing was measured.
#[derive(Debug, Clone, Object)]
struct Latency {
    /// Half of them.
    p50: Option<f64>,
    /// Nine in ten.
    p90: Option<f64>,
    /// 95 of a hundred.
    p95: Option<f64>,
    /// 99 of a hundred.
    p99: Option<f64>,
}

impl From<&Histogram> for Latency {
    fn from(histogram: &Histogram) -> Self {
        let at = |share: f64| histogram.percentile(share).map(|ms| (ms * 10.0).round() / 10.0);
        Latency { p50: at(0.5), p90: at(0.9), p95: at(0.95), p99: at(0.99) }
    }
}

impl From<&Totals> for UsageTotals {
    fn from(totals: &Totals) -> Self {
        UsageTotals {
            requests: totals.requests,
            input_tokens: totals.input_tokens,
            cached_input_tokens: totals.cached_input_tokens,
            cache_write_tokens: totals.cache_write_tokens,
            output_tokens: totals.output_tokens,
            reasoning_tokens: totals.reasoning_tokens,
            total_tokens: totals.input_tokens + totals.output_tokens,
            cost_usd: totals.known_cost().map(NanoUsd::as_usd),
            unpriced_requests: totals.unpriced_requests,
            errors: totals.errors,
            unmeasured_requests: totals.unmeasured_requests,
            estimated_requests: totals.estimated_requests,
            frontier_cost_usd: totals.known_frontier().map(|(cost, _)| cost.as_usd()),
            saved_usd: totals.known_frontier().map(|(_, saved)| saved.as_usd()),
            duration_ms: Latency::from(&totals.duration),
            first_token_ms: Latency::from(&totals.first_token),
        }
    }
}

/// The classifier's own calls; they are in no tier.
#[derive(Debug, Clone, Object)]
struct ClassifierUsage {
    /// Requests for which its model was asked.
    requests: i64,
    /// Input tokens that it reported; `null` if no call reported any, as one that is cut off at its
    /// first digit does not.
    input_tokens: Option<i64>,
    /// Output tokens that it reported; `null` if no call reported any.
    output_tokens: Option<i64>,
}

impl From<&ClassifierTotals> for ClassifierUsage {
    fn from(totals: &ClassifierTotals) -> Self {
        // A call has tokens: a sum of 0 over calls means that nobody told.
        let told = |tokens: i64| (tokens > 0 || totals.requests == 0).then_some(tokens);
        ClassifierUsage {
            requests: totals.requests,
            input_tokens: told(totals.input_tokens),
            output_tokens: told(totals.output_tokens),
        }
    }
}

impl Example for UsageTotals {
    fn example() -> Self {
        UsageTotals {
            requests: 1_204,
            input_tokens: 1_902_113,
            cached_input_tokens: 604_220,
            cache_write_tokens: 0,
            output_tokens: 301_774,
            reasoning_tokens: 0,
            total_tokens: 2_203_887,
            cost_usd: Some(0.412_7),
            unpriced_requests: 3,
            errors: 9,
            unmeasured_requests: 3,
            estimated_requests: 12,
            frontier_cost_usd: Some(8.204_1),
            saved_usd: Some(7.791_4),
            duration_ms: Latency { p50: Some(1_412.5), p90: Some(6_120.0), p95: Some(9_310.2), p99: Some(18_204.0) },
            first_token_ms: Latency { p50: Some(211.0), p90: Some(402.7), p95: Some(611.4), p99: Some(1_204.9) },
        }
    }
}

impl Example for UsageByTier {
    fn example() -> Self {
        let totals = UsageTotals::example;
        UsageByTier {
            cheap: totals(),
            medium: totals(),
            frontier: totals(),
            local: totals(),
            total: totals(),
            response_cache: totals(),
            classifier: ClassifierUsage { requests: 12, input_tokens: Some(3_720), output_tokens: Some(12) },
            since: Some("2026-08-01T09:00:00.000Z".to_owned()),
            from: None,
            to: None,
        }
    }
}

impl Example for UsageByGroup {
    fn example() -> Self {
        let group = Group { keys: vec![Some("cheap".to_owned())], totals: Totals::default() };
        let group = UsageGroup { totals: UsageTotals::example(), ..named(&[GroupBy::Tier], &group) };
        let (from, to) = ("2026-11-19T08:00:00.000Z".to_owned(), "2026-11-26T08:15:00.000Z".to_owned());
        UsageByGroup { from: Some(from), to: Some(to), groups: vec![group] }
    }
}

/// Figures by tier.
#[derive(Debug, Clone, Object)]
#[oai(example)]
struct UsageByTier {
    /// Requests that the cheap tier answered.
    cheap: UsageTotals,
    /// Requests that the medium tier answered.
    medium: UsageTotals,
    /// Requests that the frontier tier answered.
    frontier: UsageTotals,
    /// Those of all of them that a local upstream answered; a part of the tiers, not added again.
    local: UsageTotals,
    /// All requests, those that no upstream was reached for included, without those that the response cache answered.
    total: UsageTotals,
    /// Requests that the response cache answered. They cost nothing, and their tokens are those that the same answers took
    /// when they were made: in no tier, and not in `total`.
    response_cache: UsageTotals,
    /// The classifier's own calls.
    classifier: ClassifierUsage,
    /// The begin of the first hour that has figures.
    since: Option<String>,
    /// The period's first moment, if one was asked for.
    #[oai(skip_serializing_if_is_none)]
    from: Option<String>,
    /// The moment after the period's last, if one was asked for.
    #[oai(skip_serializing_if_is_none)]
    to: Option<String>,
}

/// Figures by group.
#[derive(Debug, Clone, Object)]
#[oai(example)]
struct UsageByGroup {
    /// The period's first moment; `null` is open.
    from: Option<String>,
    /// The moment after the period's last; `null` is open.
    to: Option<String>,
    /// The groups, sorted by their keys.
    groups: Vec<UsageGroup>,
}

/// One group: the keys that were asked for, and its sums.
#[derive(Debug, Clone, Object)]
struct UsageGroup {
    /// The tier, or `response_cache`; `null` where no upstream was reached.
    #[oai(skip_serializing_if = "MaybeUndefined::is_undefined")]
    tier: MaybeUndefined<String>,
    /// The model that was asked.
    #[oai(skip_serializing_if = "MaybeUndefined::is_undefined")]
    model: MaybeUndefined<String>,
    /// The upstream's name.
    #[oai(skip_serializing_if = "MaybeUndefined::is_undefined")]
    upstream: MaybeUndefined<String>,
    /// The key's name; `null` for requests without one.
    #[oai(skip_serializing_if = "MaybeUndefined::is_undefined")]
    key: MaybeUndefined<String>,
    /// The step that decided.
    #[oai(skip_serializing_if = "MaybeUndefined::is_undefined")]
    source: MaybeUndefined<String>,
    /// The hour's begin.
    #[oai(skip_serializing_if = "MaybeUndefined::is_undefined")]
    hour: MaybeUndefined<String>,
    /// The day, UTC.
    #[oai(skip_serializing_if = "MaybeUndefined::is_undefined")]
    day: MaybeUndefined<String>,
    /// The month, UTC.
    #[oai(skip_serializing_if = "MaybeUndefined::is_undefined")]
    month: MaybeUndefined<String>,
    /// Its sums.
    #[oai(flatten)]
    totals: UsageTotals,
}

/// Figures by tier, or, with `group_by`, by group.
#[derive(Debug, Union)]
enum UsageReport {
    Tiers(Box<UsageByTier>),
    Groups(UsageByGroup),
}

impl UsageReport {
    /// Says when a period without an end was looked at.
    fn end(&mut self, now: Timestamp) {
        let to = Some(now.to_string());
        match self {
            UsageReport::Tiers(report) => report.to = to,
            UsageReport::Groups(report) => report.to = to,
        }
    }

    async fn make(store: &Store, range: Period, by: &[GroupBy]) -> Result<Self, StoreError> {
        let shown = |time: Option<Timestamp>| time.map(|time| time.to_string());
        if !by.is_empty() {
            let Figures { period, figures } = store.usage_by(range, by).await?;
            let groups = figures.iter().map(|group| named(by, group)).collect();
            let report = UsageByGroup { from: shown(period.from), to: shown(period.to), groups };
            return Ok(UsageReport::Groups(report));
        }
        let mut tiers = [Totals::default(); 3];
        let mut local = Totals::default();
        let mut total = Totals::default();
        let mut answered_before = Totals::default();
        let Figures { period, figures } = store.usage_by_tier(range).await?;
        let mut classifier = ClassifierTotals::default();
        for (answered_by, is_local, sums) in figures {
            classifier += sums.classifier;
            match answered_by {
                AnsweredBy::Tier(tier) => tiers[tier as usize] += sums,
                AnsweredBy::ResponseCache => {
                    answered_before += sums;
                    continue;
                }
                AnsweredBy::Nobody => {}
            }
            if is_local {
                local += sums;
            }
            total += sums;
        }
        let tier = |tier: Tier| UsageTotals::from(&tiers[tier as usize]);
        Ok(UsageReport::Tiers(Box::new(UsageByTier {
            cheap: tier(Tier::Cheap),
            medium: tier(Tier::Medium),
            frontier: tier(Tier::Frontier),
            local: UsageTotals::from(&local),
            classifier: ClassifierUsage::from(&classifier),
            response_cache: UsageTotals::from(&answered_before),
            total: UsageTotals::from(&total),
            since: shown(store.since().await?),
            from: shown(period.from),
            to: shown(period.to),
        })))
    }
}

/// The answer of `GET /usage`, for those who have the history at hand.
///
/// # Errors
/// The database failed.
pub async fn usage_report(store: &Store, range: Period, by: &[GroupBy]) -> Result<serde_json::Value, StoreError> {
    let report = UsageReport::make(store, range, by).await?;
    Ok(report.to_json().unwrap_or_default())
}

#[derive(ApiResponse)]
enum CsvAnswer {
    /// CSV (RFC 4180, UTF-8, a header line). Unknown figures are empty cells.
    #[oai(status = 200, content_type = "text/csv; charset=utf-8")]
    Ok(Binary<Body>, #[oai(header = "content-disposition")] String),
}

#[OpenApi]
impl UsageApi {
    /// Tokens and money
    ///
    /// Without parameters: cumulative figures by tier. With a period: the same for that period. With
    /// `group_by`: one entry per group.
    #[oai(path = "/usage", method = "get", operation_id = "getUsage", tag = "Tag::History")]
    async fn usage(
        &self,
        /// First moment: RFC 3339, or a date.
        from: Query<Option<String>>,
        /// The moment after the last: RFC 3339, or a date.
        to: Query<Option<String>>,
        /// `all`, or the last hours or days until now, such as `24h`, `7d`, `30d`; instead of `from` and `to`.
        period: Query<Option<String>>,
        /// Comma-separated: `tier`, `model`, `upstream`, `key`, `source`, and one of `hour`, `day`, `month`.
        group_by: Query<Option<String>>,
    ) -> Result<Json<UsageReport>, ApiError> {
        let range = read_period(from.0.as_deref(), to.0.as_deref(), period.0.as_deref())?;
        let by = read_groups(group_by.0.as_deref())?;
        let now = Timestamp::now();
        let mut report = UsageReport::make(&self.0.store, range, &by).await?;
        if period.0.is_some() && range.from.is_some() {
            report.end(now);
        }
        Ok(Json(report))
    }

    /// Rows or groups as CSV
    ///
    /// Every request of a period, oldest first; with `group_by` the same groups as `/usage`. The columns
    /// are stable: new ones are only ever added at the end.
    #[oai(path = "/usage/export.csv", method = "get", operation_id = "exportUsage", tag = "Tag::History")]
    async fn export(
        &self,
        /// First moment: RFC 3339, or a date.
        from: Query<Option<String>>,
        /// The moment after the last: RFC 3339, or a date.
        to: Query<Option<String>>,
        /// `all`, or the last hours or days until now, such as `24h`, `7d`, `30d`; instead of `from` and `to`.
        period: Query<Option<String>>,
        /// As for `/usage`.
        group_by: Query<Option<String>>,
    ) -> Result<CsvAnswer, ApiError> {
        let range = read_period(from.0.as_deref(), to.0.as_deref(), period.0.as_deref())?;
        let by = read_groups(group_by.0.as_deref())?;
        let store = self.0.store.clone();
        let body = if by.is_empty() {
            let filter = Filter { period: range, ..Filter::default() };
            let pieces = store::rows_as_csv(store, filter).await?.map(|piece| {
                piece.map_err(|error| {
                    tracing::error!(error = ?error, "an export broke off");
                    std::io::Error::other(error)
                })
            });
            Body::from_bytes_stream(pieces)
        } else {
            Body::from(store::groups_as_csv(&by, &store.usage_by(range, &by).await?.figures))
        };
        Ok(CsvAnswer::Ok(Binary(body), "attachment; filename=\"xrouter-usage.csv\"".to_owned()))
    }
}

/// The period of a request's parameters.
pub(super) fn read_period(from: Option<&str>, to: Option<&str>, period: Option<&str>) -> Result<Period, ApiError> {
    let time = |name: &str, text: Option<&str>| {
        text.map(|text| text.parse::<Timestamp>().map_err(|error| ApiError::invalid(name, format!("{name}: {error}"))))
            .transpose()
    };
    match period {
        None => Ok(Period { from: time("from", from)?, to: time("to", to)? }),
        Some(_) if from.is_some() || to.is_some() => {
            Err(ApiError::invalid("period", "period: give either a period or `from` and `to`"))
        }
        Some("all") => Ok(Period::default()),
        Some(text) => Period::last(text, Timestamp::now()).ok_or_else(|| {
            let message = format!("period: `{text}` is not `all`, and no number of hours or days such as 24h, 7d, 30d");
            ApiError::invalid("period", message)
        }),
    }
}

fn read_groups(text: Option<&str>) -> Result<Vec<GroupBy>, ApiError> {
    let mut by = Vec::new();
    for name in text.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let Some(group) = GroupBy::from_name(name) else {
            let known = GroupBy::ALL.map(|(_, name)| name).join(", ");
            return Err(ApiError::invalid("group_by", format!("group_by: `{name}` is not one of {known}")));
        };
        if !by.contains(&group) {
            by.push(group);
        }
    }
    Ok(by)
}

fn named(by: &[GroupBy], group: &Group) -> UsageGroup {
    let key = |wanted: GroupBy| match by.iter().position(|group| *group == wanted) {
        None => MaybeUndefined::Undefined,
        Some(at) => group.keys.get(at).cloned().flatten().map_or(MaybeUndefined::Null, MaybeUndefined::Value),
    };
    UsageGroup {
        tier: key(GroupBy::Tier),
        model: key(GroupBy::Model),
        upstream: key(GroupBy::Upstream),
        key: key(GroupBy::Key),
        source: key(GroupBy::Source),
        hour: key(GroupBy::Hour),
        day: key(GroupBy::Day),
        month: key(GroupBy::Month),
        totals: UsageTotals::from(&group.totals),
    }
}
