//! `GET /usage` and `GET /usage/export.csv`: tokens and money, by tier, period and group.

use std::sync::Arc;

use futures_util::StreamExt;
use poem::Body;
use poem_openapi::param::Query;
use poem_openapi::payload::{Binary, Json};
use poem_openapi::types::{Example, MaybeUndefined, ToJSON};
use poem_openapi::{ApiResponse, Object, OpenApi, Union};

use super::described::UsageTotals;
use super::{ApiError, Shared, Tag};
use crate::catalog::Tier;
use crate::protocol::Timestamp;
use crate::store::{self, Figures, Filter, Group, GroupBy, Groups, Period, Store, StoreError, Totals};

pub(super) struct UsageApi(pub(super) Arc<Shared>);

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

impl From<&Totals> for ClassifierUsage {
    fn from(totals: &Totals) -> Self {
        let (input_tokens, output_tokens) = totals.known_classifier_tokens();
        ClassifierUsage { requests: totals.classifier_requests, input_tokens, output_tokens }
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
        UsageByGroup { from: Some(from), to: Some(to), groups: vec![group], response_cache: Vec::new() }
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
    /// What upstreams answered, or nobody, sorted by their keys.
    groups: Vec<UsageGroup>,
    /// What the response cache answered, in the same groups: its tokens are in none of those above.
    response_cache: Vec<UsageGroup>,
}

/// One group: the keys that were asked for, and its sums.
#[derive(Debug, Clone, Object)]
struct UsageGroup {
    /// The tier; `null` where no upstream was reached.
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
            let Figures { period, figures: Groups { groups, response_cache } } = store.usage_by(range, by).await?;
            let all = |groups: &[Group]| groups.iter().map(|group| named(by, group)).collect();
            let report = UsageByGroup {
                from: shown(period.from),
                to: shown(period.to),
                groups: all(&groups),
                response_cache: all(&response_cache),
            };
            return Ok(UsageReport::Groups(report));
        }
        let Figures { period, figures } = store.usage_by_tier(range).await?;
        let tier = |tier: Tier| UsageTotals(figures.tiers[tier]);
        Ok(UsageReport::Tiers(Box::new(UsageByTier {
            cheap: tier(Tier::Cheap),
            medium: tier(Tier::Medium),
            frontier: tier(Tier::Frontier),
            local: UsageTotals(figures.local),
            classifier: ClassifierUsage::from(&figures.classifier()),
            response_cache: UsageTotals(figures.response_cache),
            total: UsageTotals(figures.total),
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
    /// are stable: new ones are only ever added at the end. Groups that the response cache answered stand behind the others
    /// and have `true` in the last column, `response_cache`.
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
        totals: UsageTotals(group.totals),
    }
}
