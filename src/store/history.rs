//! Single requests, as the API and the CSV show them.

use poem_openapi::Object;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row as _};

use super::usage::Period;
use super::{Store, StoreError};
use crate::catalog::{NanoUsd, Tier};
use crate::protocol::{Timestamp, UsageSource};

/// One request of the history. `null` is unknown; it is never the same as 0.
#[derive(Debug, Clone, PartialEq, Object)]
#[oai(rename = "HistoryRow")]
pub struct HistoryRow {
    /// The id of the answer's `X-Request-Id` header.
    pub request_id: String,
    /// When the request arrived (RFC 3339, UTC).
    pub time: String,
    /// The conversation that it belongs to.
    pub session: Option<String>,
    /// The name of the key that it came with.
    pub key: Option<String>,
    /// The tier that was decided, before fallback: 0 cheap, 1 medium, 2 frontier.
    pub decision: i64,
    /// The tier that answered, or that was tried last.
    pub tier: Option<String>,
    /// The step that decided: `forced`, `disabled`, `cache`, `embedded`, `llm`, `fallback`.
    pub source: String,
    /// The classifier's score: 0 is easy, 1 is hard.
    pub score: Option<f64>,
    /// The upstream's name in the configuration.
    pub upstream: Option<String>,
    /// Its provider.
    pub provider: Option<String>,
    /// The model that the client named.
    pub requested_model: Option<String>,
    /// The model that was asked.
    pub selected_model: Option<String>,
    /// Whether the answer was streamed.
    pub stream: bool,
    /// The HTTP status that the client got; 499 if it left before the end.
    pub status: i64,
    /// What kind of error, if it was one.
    pub error_type: Option<String>,
    /// How many upstream calls were made.
    pub attempts: i64,
    /// All input tokens.
    pub input_tokens: Option<i64>,
    /// Those of them read from the provider's prompt cache.
    pub cached_input_tokens: Option<i64>,
    /// Those of them written to the provider's prompt cache.
    pub cache_write_tokens: Option<i64>,
    /// All output tokens.
    pub output_tokens: Option<i64>,
    /// Those of them spent on reasoning.
    pub reasoning_tokens: Option<i64>,
    /// `reported` by the provider, `estimated` here with a tokenizer, or `absent`.
    pub usage_source: String,
    /// What it cost, in US dollars.
    pub cost_usd: Option<f64>,
    /// What the same tokens would have cost on the frontier tier, in US dollars.
    pub frontier_cost_usd: Option<f64>,
    /// Milliseconds that the decision took.
    pub classify_ms: Option<f64>,
    /// Milliseconds from arrival to the first token.
    pub first_token_ms: Option<f64>,
    /// Milliseconds from arrival to the end.
    pub duration_ms: f64,
    /// The model that answered, as the provider names it.
    pub response_model: Option<String>,
    /// Whether a local upstream served it.
    pub local: bool,
    /// The classifier's confidence, 0 to 1.
    pub confidence: Option<f64>,
    /// Why it was decided so.
    pub reason: Option<String>,
    /// Input tokens of the classifier's own call.
    pub classifier_input_tokens: Option<i64>,
    /// Output tokens of the classifier's own call.
    pub classifier_output_tokens: Option<i64>,
    /// The provider's own usage object, as JSON text, as it wrote it.
    pub usage_raw: Option<String>,
    /// The row's number in the file.
    #[oai(skip)]
    pub id: i64,
    /// The cost in whole nano-dollars, from which `cost_usd` is made.
    #[oai(skip)]
    pub cost: Option<NanoUsd>,
    /// The same for `frontier_cost_usd`.
    #[oai(skip)]
    pub frontier_cost: Option<NanoUsd>,
}

const SELECT: &str = "select r.id, request_id, created_at_ms, session,
    (select name from names where id = key_id) as key, decision, tier,
    (select name from names where id = source_id) as source, score,
    (select name from names where id = upstream_id) as upstream,
    (select name from names where id = provider_id) as provider,
    (select name from names where id = requested_model_id) as requested_model,
    (select name from names where id = selected_model_id) as selected_model, stream, status,
    (select name from names where id = error_type_id) as error_type, attempts,
    input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, usage_source,
    cost_nanos, frontier_cost_nanos, classify_us, first_token_us, duration_us,
    (select name from names where id = response_model_id) as response_model, local, confidence, reason,
    classifier_input_tokens, classifier_output_tokens, usage_raw from requests r where true";

impl Store {
    /// The newest requests, newest first: at most `limit`, older than the row numbered `before`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn newest(&self, before: Option<i64>, limit: u32) -> Result<Vec<HistoryRow>, StoreError> {
        let mut query = QueryBuilder::new(SELECT);
        if let Some(before) = before {
            query.push(" and r.id < ").push_bind(before);
        }
        query.push(" order by r.id desc limit ").push_bind(i64::from(limit));
        let rows = query.build().fetch_all(self.pool()).await?;
        rows.iter().map(|row| read(row).map_err(StoreError::from)).collect()
    }

    /// The rows of a period after the row numbered `after`, oldest first, at most `limit`.
    pub(super) async fn page(&self, period: Period, after: i64, limit: u32) -> Result<Vec<HistoryRow>, StoreError> {
        let mut query = QueryBuilder::new(SELECT);
        query.push(" and r.id > ").push_bind(after);
        if let Some(from) = period.from {
            query.push(" and +created_at_ms >= ").push_bind(from.0);
        }
        if let Some(to) = period.to {
            query.push(" and +created_at_ms < ").push_bind(to.0);
        }
        query.push(" order by r.id limit ").push_bind(i64::from(limit));
        let rows = query.build().fetch_all(self.pool()).await?;
        rows.iter().map(|row| read(row).map_err(StoreError::from)).collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "durations are far below 2^52 microseconds")]
fn milliseconds(us: i64) -> f64 {
    us as f64 / 1000.0
}

fn read(row: &SqliteRow) -> Result<HistoryRow, sqlx::Error> {
    let tier: Option<i64> = row.try_get("tier")?;
    let cost: Option<NanoUsd> = row.try_get::<Option<i64>, _>("cost_nanos")?.map(NanoUsd);
    let frontier_cost: Option<NanoUsd> = row.try_get::<Option<i64>, _>("frontier_cost_nanos")?.map(NanoUsd);
    Ok(HistoryRow {
        id: row.try_get("id")?,
        request_id: row.try_get("request_id")?,
        time: Timestamp(row.try_get("created_at_ms")?).to_string(),
        session: row.try_get("session")?,
        key: row.try_get("key")?,
        decision: row.try_get("decision")?,
        tier: tier
            .and_then(|number| u8::try_from(number).ok())
            .and_then(Tier::from_number)
            .map(|tier| tier.as_str().to_owned()),
        source: row.try_get("source")?,
        score: row.try_get("score")?,
        upstream: row.try_get("upstream")?,
        provider: row.try_get("provider")?,
        requested_model: row.try_get("requested_model")?,
        selected_model: row.try_get("selected_model")?,
        stream: row.try_get("stream")?,
        status: row.try_get("status")?,
        error_type: row.try_get("error_type")?,
        attempts: row.try_get("attempts")?,
        input_tokens: row.try_get("input_tokens")?,
        cached_input_tokens: row.try_get("cached_input_tokens")?,
        cache_write_tokens: row.try_get("cache_write_tokens")?,
        output_tokens: row.try_get("output_tokens")?,
        reasoning_tokens: row.try_get("reasoning_tokens")?,
        usage_source: UsageSource::from_number(row.try_get("usage_source")?).unwrap_or_default().as_str().to_owned(),
        cost_usd: cost.map(NanoUsd::as_usd),
        frontier_cost_usd: frontier_cost.map(NanoUsd::as_usd),
        classify_ms: row.try_get::<Option<i64>, _>("classify_us")?.map(milliseconds),
        first_token_ms: row.try_get::<Option<i64>, _>("first_token_us")?.map(milliseconds),
        duration_ms: milliseconds(row.try_get("duration_us")?),
        response_model: row.try_get("response_model")?,
        local: row.try_get("local")?,
        confidence: row.try_get("confidence")?,
        reason: row.try_get("reason")?,
        classifier_input_tokens: row.try_get("classifier_input_tokens")?,
        classifier_output_tokens: row.try_get("classifier_output_tokens")?,
        usage_raw: row.try_get("usage_raw")?,
        cost,
        frontier_cost,
    })
}
