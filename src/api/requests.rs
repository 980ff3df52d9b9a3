//! `GET /requests`: the history row by row, filtered; `GET /requests/{id}`: one request, explained.

use std::sync::Arc;

use poem::http::StatusCode;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};

use super::described::RequestRow;
use super::usage::read_period;
use super::{ApiError, Shared, Tag, explain};
use crate::catalog::{NanoUsd, Source, Tier};
use crate::store::{AnsweredBy, Attempt, Filter, Row, Skipped, StatusFilter, TierFilter, milliseconds};

pub(super) struct RequestsApi(pub(super) Arc<Shared>);

/// Rows per answer where the request does not say.
const DEFAULT_LIMIT: u32 = 50;
/// Most rows per answer.
const LARGEST_LIMIT: u32 = 1_000;

/// A page of the history.
#[derive(Object)]
#[oai(example)]
struct RequestList {
    /// The requests, newest first.
    requests: Vec<RequestRow>,
    /// Give it as `cursor` to get the next page; `null` on the last. A page may hold fewer requests than asked for though
    /// more follow, when rare ones are far apart.
    next_cursor: Option<String>,
}

impl Example for RequestList {
    fn example() -> Self {
        RequestList { requests: vec![RequestRow::example()], next_cursor: Some("184220".to_owned()) }
    }
}

/// One request with its upstream calls and its decision explained.
#[derive(Object)]
#[oai(example)]
struct RequestDetail {
    /// What the history holds of it. While it is under way its `status` and `duration_ms` are `null`.
    request: RequestRow,
    /// Its upstream calls, in their order.
    attempts: Vec<AttemptObject>,
    /// Upstreams that were passed over, in the order in which they were come to.
    skipped: Vec<SkippedObject>,
    /// What happened and why, a sentence each.
    explanation: Vec<String>,
}

/// One upstream call of a request.
#[derive(Object)]
#[oai(rename = "Attempt")]
struct AttemptObject {
    /// Its place, from 1.
    attempt: u64,
    /// The upstream's name in the configuration.
    upstream: String,
    /// Its tier.
    tier: String,
    /// The model that was asked.
    model: String,
    /// The HTTP status that it answered with, if it did.
    status: Option<u16>,
    /// How it failed, if it did.
    error_type: Option<String>,
    /// Milliseconds from the request's arrival to the call.
    started_ms: f64,
    /// Milliseconds that the call took.
    duration_ms: Option<f64>,
}

/// An upstream that was passed over.
#[derive(Object)]
#[oai(rename = "Skipped")]
struct SkippedObject {
    /// The upstream's name in the configuration.
    upstream: String,
    /// Its tier.
    tier: String,
    /// Why it could not take the request.
    reason: String,
}

impl AttemptObject {
    fn of(place: u64, attempt: &Attempt) -> Self {
        AttemptObject {
            attempt: place,
            upstream: attempt.upstream.clone(),
            tier: attempt.tier.as_str().to_owned(),
            model: attempt.model.clone(),
            status: attempt.status,
            error_type: attempt.error_type.as_deref().map(str::to_owned),
            started_ms: milliseconds(attempt.started_us),
            duration_ms: attempt.duration_us.map(milliseconds),
        }
    }
}

impl From<&Skipped> for SkippedObject {
    fn from(skipped: &Skipped) -> Self {
        let Skipped { upstream, tier, reason } = skipped.clone();
        SkippedObject { upstream, tier: tier.as_str().to_owned(), reason }
    }
}

impl From<Row> for RequestDetail {
    fn from(row: Row) -> Self {
        RequestDetail {
            explanation: explain::explain(&row),
            attempts: (1..).zip(&row.attempts).map(|(place, attempt)| AttemptObject::of(place, attempt)).collect(),
            skipped: row.skipped.iter().map(SkippedObject::from).collect(),
            request: RequestRow(row),
        }
    }
}

impl Example for RequestDetail {
    fn example() -> Self {
        let RequestRow(mut row) = RequestRow::example();
        row.attempts.push(Attempt {
            upstream: row.upstream.clone().unwrap_or_default(),
            tier: Tier::Frontier,
            model: row.selected_model.clone().unwrap_or_default(),
            status: Some(200),
            error_type: None,
            started_us: 300,
            duration_us: Some(9_203_700),
        });
        RequestDetail::from(row)
    }
}

#[OpenApi]
impl RequestsApi {
    /// The history, newest first
    ///
    /// Every filter that is given must hold. Filters for texts are exact.
    #[oai(path = "/requests", method = "get", operation_id = "listRequests", tag = "Tag::History")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the API")]
    async fn list(
        &self,
        /// Rows per page, 1 to 1000; 50 if not given.
        #[oai(example = "example_limit")]
        limit: Query<Option<u32>>,
        /// The `next_cursor` of the page before.
        cursor: Query<Option<String>>,
        /// First moment: RFC 3339, or a date.
        #[oai(example = "example_from")]
        from: Query<Option<String>>,
        /// The moment after the last: RFC 3339, or a date.
        to: Query<Option<String>>,
        /// `24h`, `7d`, `30d` (until now) or `all`, instead of `from` and `to`.
        period: Query<Option<String>>,
        /// The tier that answered: `cheap`, `medium`, `frontier`, or `none` where no upstream was reached.
        #[oai(example = "example_tier")]
        tier: Query<Option<String>>,
        /// The upstream's name in the configuration.
        upstream: Query<Option<String>>,
        /// The model that was asked.
        model: Query<Option<String>>,
        /// The name of the key.
        key: Query<Option<String>>,
        /// The step that decided: `forced`, `disabled`, `session`, `cache`, `embedded`, `llm`, `rule`, `fallback`.
        source: Query<Option<String>>,
        /// Who answered: a tier (or it was tried last), `response_cache`, or `nobody`.
        answered_by: Query<Option<String>>,
        /// The status that the client got: a number, `4xx` or the like for a class, or `unknown`.
        #[oai(example = "example_status")]
        status: Query<Option<String>>,
        /// The conversation.
        session: Query<Option<String>>,
        /// The kind of error, such as `upstream_rate_limited` or `interrupted`.
        error_type: Query<Option<String>>,
        /// Input and output tokens together, at least.
        min_tokens: Query<Option<i64>>,
        /// The cost in US dollars, at least.
        min_cost_usd: Query<Option<f64>>,
        /// Milliseconds to the end, at least.
        min_duration_ms: Query<Option<f64>>,
    ) -> Result<Json<RequestList>, ApiError> {
        let limit = limit.0.unwrap_or(DEFAULT_LIMIT);
        if !(1..=LARGEST_LIMIT).contains(&limit) {
            return Err(ApiError::invalid("limit", format!("limit: {limit} is not from 1 to {LARGEST_LIMIT}")));
        }
        let before = match cursor.0.as_deref() {
            None => None,
            Some(text) => Some(text.parse::<i64>().map_err(|_| {
                ApiError::invalid("cursor", "cursor: this is no cursor; take `next_cursor` of the page before")
            })?),
        };
        let filter = Filter {
            period: read_period(from.0.as_deref(), to.0.as_deref(), period.0.as_deref())?,
            tier: tier.0.as_deref().map(read_tier).transpose()?,
            upstream: upstream.0,
            model: model.0,
            key: key.0,
            source: source.0.as_deref().filter(|name| !is_cache(name)).map(read_source).transpose()?,
            // Older versions told it as a source.
            answered_by: answered_by
                .0
                .or(source.0.filter(|name| is_cache(name)))
                .as_deref()
                .map(read_answered_by)
                .transpose()?,
            status: status.0.as_deref().map(read_status).transpose()?,
            error_type: error_type.0,
            session: session.0,
            min_tokens: min_tokens.0,
            min_cost: min_cost_usd.0.map(|usd| size("min_cost_usd", usd, 1e9).map(NanoUsd)).transpose()?,
            min_duration_us: min_duration_ms.0.map(|ms| size("min_duration_ms", ms, 1e3)).transpose()?,
        };
        let page = self.0.store.page(&filter, before, limit).await?;
        let next_cursor = page.next.map(|next| next.to_string());
        Ok(Json(RequestList { requests: page.rows.into_iter().map(RequestRow).collect(), next_cursor }))
    }

    /// One request, explained
    ///
    /// A request that is under way is found too, some 300 ms after it began.
    #[oai(path = "/requests/:id", method = "get", operation_id = "getRequest", tag = "Tag::History")]
    async fn one(
        &self,
        /// The id of the answer's `X-Request-Id` header.
        id: Path<String>,
    ) -> Result<Json<RequestDetail>, ApiError> {
        let Some(row) = self.0.store.request(&id.0).await? else {
            let message =
                format!("the history has no request `{}`; it was never made here, or is no longer kept", id.0);
            return Err(ApiError::new(StatusCode::NOT_FOUND, "request_not_found", message));
        };
        Ok(Json(RequestDetail::from(row)))
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the macro wants the parameter's type")]
fn example_limit() -> Option<u32> {
    Some(20)
}

#[expect(clippy::unnecessary_wraps, reason = "the macro wants the parameter's type")]
fn example_from() -> Option<String> {
    Some("2026-11-26T08:00:00Z".to_owned())
}

#[expect(clippy::unnecessary_wraps, reason = "the macro wants the parameter's type")]
fn example_tier() -> Option<String> {
    Some("frontier".to_owned())
}

#[expect(clippy::unnecessary_wraps, reason = "the macro wants the parameter's type")]
fn example_status() -> Option<String> {
    Some("5xx".to_owned())
}

fn is_cache(source: &str) -> bool {
    source == AnsweredBy::ResponseCache.as_str()
}

fn read_source(text: &str) -> Result<Source, ApiError> {
    Source::from_name(text).ok_or_else(|| {
        let known = Source::ALL.map(Source::as_str).join(", ");
        ApiError::invalid("source", format!("source: `{text}` is not one of {known}"))
    })
}

fn read_answered_by(text: &str) -> Result<AnsweredBy, ApiError> {
    AnsweredBy::from_name(text).ok_or_else(|| {
        let known = AnsweredBy::ALL.map(AnsweredBy::as_str).join(", ");
        ApiError::invalid("answered_by", format!("answered_by: `{text}` is not one of {known}"))
    })
}

fn read_tier(text: &str) -> Result<TierFilter, ApiError> {
    if text == "none" {
        return Ok(TierFilter::None);
    }
    let unknown = |_| ApiError::invalid("tier", format!("tier: `{text}` is not one of cheap, medium, frontier, none"));
    text.parse::<Tier>().map(TierFilter::Is).map_err(unknown)
}

fn read_status(text: &str) -> Result<StatusFilter, ApiError> {
    let class = text.strip_suffix("xx").and_then(|class| class.parse().ok()).filter(|class| (1..=5).contains(class));
    match (text, class, text.parse::<u16>()) {
        ("unknown", ..) => Ok(StatusFilter::Unknown),
        (_, Some(class), _) => Ok(StatusFilter::Class(class)),
        (.., Ok(status)) if (100..=599).contains(&status) => Ok(StatusFilter::Is(status)),
        _ => {
            let message = format!("status: `{text}` is no status such as 200, no class such as 4xx, and not `unknown`");
            Err(ApiError::invalid("status", message))
        }
    }
}

/// A size in the unit of the history.
#[expect(clippy::cast_possible_truncation, reason = "it is looked at before")]
fn size(name: &str, figure: f64, units: f64) -> Result<i64, ApiError> {
    let size = (figure * units).round();
    if !(0.0..9e18).contains(&size) {
        return Err(ApiError::invalid(name, format!("{name}: {figure} is out of range; give a number from 0 on")));
    }
    Ok(size as i64)
}
