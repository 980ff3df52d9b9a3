//! Single requests, as the API and the CSV show them.

use poem_openapi::Object;
use poem_openapi::types::Example;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row as _, SqliteConnection};

use super::find::find;
use super::readers::Readers;
use super::row::Row;
use super::{Store, StoreError};
use crate::catalog::{NanoUsd, Tier};
use crate::protocol::{Timestamp, UsageSource};

/// One request of the history. `null` is unknown; it is never the same as 0.
#[derive(Debug, Clone, PartialEq, Default, Object)]
#[oai(rename = "HistoryRow", example)]
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
    /// The step that decided: `forced`, `disabled`, `session`, `cache`, `embedded`, `llm`, `rule`, `fallback`;
    /// `response_cache` where the whole answer was given before.
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
    /// The HTTP status that the client got; 499 if it left before the end; `null` if the router died before it told.
    pub status: Option<i64>,
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
    pub duration_ms: Option<f64>,
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
    /// What kind of step it was: `turn`, `approval`, `loop`, `side_call`.
    pub step: Option<String>,
    /// Characters of the text that was classified.
    pub text_chars: Option<i64>,
    /// How many tools were offered.
    pub tools: Option<i64>,
    /// The `reasoning_effort` that was asked for.
    pub reasoning_effort: Option<String>,
    /// Names of the rules that held, with blanks between them; of rules that could have changed nothing it is not known.
    pub rules: Option<String>,
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

impl Example for HistoryRow {
    fn example() -> Self {
        HistoryRow {
            request_id: "019c1f2f7a3b7c31a5d0c9b1e8f60a42".to_owned(),
            time: "2026-11-26T08:15:02.117Z".to_owned(),
            session: Some("s-42".to_owned()),
            key: Some("default".to_owned()),
            decision: 2,
            tier: Some("frontier".to_owned()),
            source: "embedded".to_owned(),
            score: Some(0.71),
            upstream: Some("anthropic".to_owned()),
            provider: Some("anthropic".to_owned()),
            requested_model: Some("auto".to_owned()),
            selected_model: Some("claude-sonnet-5-5".to_owned()),
            stream: true,
            status: Some(200),
            error_type: None,
            attempts: 1,
            input_tokens: Some(9_120),
            cached_input_tokens: Some(8_192),
            cache_write_tokens: None,
            output_tokens: Some(640),
            reasoning_tokens: Some(210),
            usage_source: "reported".to_owned(),
            cost_usd: Some(0.014_841_6),
            frontier_cost_usd: Some(0.014_841_6),
            classify_ms: Some(0.041),
            first_token_ms: Some(812.4),
            duration_ms: Some(9_204.0),
            response_model: Some("claude-sonnet-5-5".to_owned()),
            local: false,
            confidence: Some(0.83),
            reason: Some("hard words +0.95, long text +0.42".to_owned()),
            ..HistoryRow::default()
        }
    }
}

/// One upstream call of a request.
#[derive(Debug, Clone, PartialEq, Object)]
#[oai(rename = "Attempt")]
pub struct AttemptRow {
    /// Its place, from 1.
    pub attempt: i64,
    /// The upstream's name in the configuration.
    pub upstream: Option<String>,
    /// Its tier.
    pub tier: Option<String>,
    /// The model that was asked.
    pub model: Option<String>,
    /// The HTTP status that it answered with, if it did.
    pub status: Option<i64>,
    /// How it failed, if it did.
    pub error_type: Option<String>,
    /// Milliseconds from the request's arrival to the call.
    pub started_ms: Option<f64>,
    /// Milliseconds that the call took.
    pub duration_ms: Option<f64>,
}

/// Longest wait for rows that are on their way into the file.
const FLUSH: std::time::Duration = std::time::Duration::from_secs(2);

/// The columns of a row, in the order in which [`Raw::read`] takes them.
pub(super) const COLUMNS: &str = "r.id, r.request_id, r.created_at_ms, s.session, r.key_id, r.decision, r.tier,
    r.source_id, r.score, r.upstream_id, r.provider_id, r.requested_model_id, r.selected_model_id, r.stream, r.status,
    r.error_type_id, r.attempts, r.input_tokens, r.cached_input_tokens, r.cache_write_tokens, r.output_tokens,
    r.reasoning_tokens, r.usage_source, r.cost_nanos, r.frontier_cost_nanos, r.classify_us, r.first_token_us,
    r.duration_us, r.response_model_id, r.local, r.confidence, r.reason, r.classifier_input_tokens,
    r.classifier_output_tokens, r.usage_raw, r.step, r.text_chars, r.tools, r.reasoning_effort, r.rules";

/// A row whose names are still numbers.
pub(super) struct Raw {
    pub(super) row: HistoryRow,
    /// Key, source, upstream, provider, requested, selected and response model, error type.
    names: [Option<i64>; 8],
}

impl Raw {
    pub(super) fn read(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let cost = row.try_get::<Option<i64>, _>(23)?.map(NanoUsd);
        let frontier_cost = row.try_get::<Option<i64>, _>(24)?.map(NanoUsd);
        let milliseconds = |index: usize| row.try_get::<Option<i64>, _>(index).map(|us| us.map(milliseconds));
        let history = HistoryRow {
            id: row.try_get(0)?,
            request_id: row.try_get(1)?,
            time: Timestamp(row.try_get(2)?).to_string(),
            session: row.try_get(3)?,
            key: None,
            decision: row.try_get(5)?,
            tier: tier_name(row.try_get(6)?),
            source: String::new(),
            score: row.try_get(8)?,
            upstream: None,
            provider: None,
            requested_model: None,
            selected_model: None,
            stream: row.try_get(13)?,
            status: row.try_get(14)?,
            error_type: None,
            attempts: row.try_get(16)?,
            input_tokens: row.try_get(17)?,
            cached_input_tokens: row.try_get(18)?,
            cache_write_tokens: row.try_get(19)?,
            output_tokens: row.try_get(20)?,
            reasoning_tokens: row.try_get(21)?,
            usage_source: UsageSource::from_number(row.try_get(22)?).unwrap_or_default().as_str().to_owned(),
            cost_usd: cost.map(NanoUsd::as_usd),
            frontier_cost_usd: frontier_cost.map(NanoUsd::as_usd),
            classify_ms: milliseconds(25)?,
            first_token_ms: milliseconds(26)?,
            duration_ms: milliseconds(27)?,
            response_model: None,
            local: row.try_get(29)?,
            confidence: row.try_get(30)?,
            reason: row.try_get(31)?,
            classifier_input_tokens: row.try_get(32)?,
            classifier_output_tokens: row.try_get(33)?,
            usage_raw: row.try_get(34)?,
            step: row.try_get(35)?,
            text_chars: row.try_get(36)?,
            tools: row.try_get(37)?,
            reasoning_effort: row.try_get(38)?,
            rules: row.try_get(39)?,
            cost,
            frontier_cost,
        };
        let mut names = [None; 8];
        for (name, index) in names.iter_mut().zip([4_usize, 7, 9, 10, 11, 12, 28, 15]) {
            *name = row.try_get(index)?;
        }
        Ok(Raw { row: history, names })
    }
}

/// Rows with their names.
pub(super) async fn named(
    readers: &Readers,
    connection: &mut SqliteConnection,
    rows: Vec<Raw>,
) -> Result<Vec<HistoryRow>, StoreError> {
    let ids = rows.iter().flat_map(|raw| raw.names.iter().copied().flatten());
    let known = readers.names(connection, ids).await?;
    let name = |id: Option<i64>| id.and_then(|id| known.get(&id)).map(|name| name.as_ref().to_owned());
    let fill = |Raw { mut row, names: [key, source, upstream, provider, requested, selected, response, error] }| {
        row.key = name(key);
        row.source = name(source).unwrap_or_default();
        row.upstream = name(upstream);
        row.provider = name(provider);
        row.requested_model = name(requested);
        row.selected_model = name(selected);
        row.response_model = name(response);
        row.error_type = name(error);
        row
    };
    Ok(rows.into_iter().map(fill).collect())
}

impl Store {
    /// The request with this id, and its upstream calls; the newest one, if a client gave the same id twice. A request
    /// that is under way is found too: it has no status and no duration.
    ///
    /// # Errors
    /// The database failed.
    pub async fn request(&self, request_id: &str) -> Result<Option<(HistoryRow, Vec<AttemptRow>)>, StoreError> {
        let readers = self.readers();
        let mut connection = readers.connection().await?;
        let mut id = find(&mut connection, request_id).await?.map(|(id, _)| id);
        if id.is_none() {
            if let Some(begun) = under_way(&mut connection, request_id).await? {
                return Ok(Some(begun));
            }
            // It may have ended just now: rows come into the file in groups.
            let _ = tokio::time::timeout(FLUSH, self.flush()).await;
            id = find(&mut connection, request_id).await?.map(|(id, _)| id);
        }
        let Some(id) = id else { return under_way(&mut connection, request_id).await };
        let mut query = QueryBuilder::new("select ");
        query.push(COLUMNS).push(" from requests r left join sessions s on s.id = r.session_id where r.id = ");
        query.push_bind(id);
        let Some(row) = query.build().fetch_optional(&mut *connection).await? else { return Ok(None) };
        let rows = named(&readers, &mut connection, vec![Raw::read(&row)?]).await?;
        let Some(row) = rows.into_iter().next() else { return Ok(None) };
        let mut attempts = attempts(&mut connection, id).await?;
        if attempts.is_empty() && row.attempts == 1 {
            attempts.push(only_attempt(&row));
        }
        Ok(Some((row, attempts)))
    }
}

/// The one call of a request that needed only one, as its row tells it.
fn only_attempt(row: &HistoryRow) -> AttemptRow {
    AttemptRow {
        attempt: 1,
        upstream: row.upstream.clone(),
        tier: row.tier.clone(),
        model: row.selected_model.clone(),
        status: row.status.filter(|status| *status == 200),
        error_type: None,
        started_ms: row.classify_ms,
        duration_ms: row.duration_ms.zip(row.classify_ms).map(|(whole, before)| whole - before),
    }
}

async fn attempts(connection: &mut SqliteConnection, id: i64) -> Result<Vec<AttemptRow>, StoreError> {
    let rows = sqlx::query(
        "select attempt, (select name from names where id = upstream_id), tier,
         (select name from names where id = model_id), status, (select name from names where id = error_type_id),
         started_us, duration_us from attempts where request = ? order by attempt",
    )
    .bind(id)
    .fetch_all(connection)
    .await?;
    let read = |row: &SqliteRow| {
        Ok(AttemptRow {
            attempt: row.try_get(0)?,
            upstream: row.try_get(1)?,
            tier: tier_name(row.try_get(2)?),
            model: row.try_get(3)?,
            status: row.try_get(4)?,
            error_type: row.try_get(5)?,
            started_ms: row.try_get::<Option<i64>, _>(6)?.map(milliseconds),
            duration_ms: row.try_get::<Option<i64>, _>(7)?.map(milliseconds),
        })
    };
    rows.iter().map(read).collect()
}

/// A request that was decided and has not ended.
async fn under_way(
    connection: &mut SqliteConnection,
    request_id: &str,
) -> Result<Option<(HistoryRow, Vec<AttemptRow>)>, StoreError> {
    let json: Option<String> =
        sqlx::query_scalar("select row from in_flight where row ->> 'request_id' = ? order by id desc limit 1")
            .bind(request_id)
            .fetch_optional(connection)
            .await?;
    let row = json.and_then(|json| serde_json::from_str::<Row>(&json).ok());
    Ok(row.map(|row| (HistoryRow::from(&row), Vec::new())))
}

impl From<&Row> for HistoryRow {
    fn from(row: &Row) -> Self {
        let count = |count: Option<u64>| count.and_then(|count| i64::try_from(count).ok());
        let text = |word: &Option<super::Word>| word.as_ref().map(|word| word.clone().into_owned());
        HistoryRow {
            request_id: row.request_id.clone(),
            time: Timestamp(row.created_at_ms).to_string(),
            session: row.session.clone(),
            key: row.key.clone(),
            decision: i64::from(row.decision.number()),
            tier: row.tier.map(|tier| tier.as_str().to_owned()),
            source: row.source.clone().into_owned(),
            score: row.score,
            upstream: row.upstream.clone(),
            provider: text(&row.provider),
            requested_model: Some(row.requested_model.clone()),
            selected_model: row.selected_model.clone(),
            stream: row.stream,
            status: row.status.map(i64::from),
            error_type: text(&row.error_type),
            attempts: i64::try_from(row.attempts.len()).unwrap_or(i64::MAX),
            input_tokens: count(row.usage.input_tokens),
            cached_input_tokens: count(row.usage.cached_input_tokens),
            cache_write_tokens: count(row.usage.cache_write_tokens),
            output_tokens: count(row.usage.output_tokens),
            reasoning_tokens: count(row.usage.reasoning_tokens),
            usage_source: row.usage_source.as_str().to_owned(),
            cost_usd: row.cost.map(NanoUsd::as_usd),
            frontier_cost_usd: row.frontier_cost.map(NanoUsd::as_usd),
            classify_ms: row.classify_us.map(milliseconds),
            first_token_ms: row.first_token_us.map(milliseconds),
            duration_ms: row.duration_us.map(milliseconds),
            response_model: row.response_model.clone(),
            local: row.local,
            confidence: row.confidence,
            reason: text(&row.reason),
            classifier_input_tokens: count(row.classifier_usage.input_tokens),
            classifier_output_tokens: count(row.classifier_usage.output_tokens),
            usage_raw: row.usage_raw.clone(),
            step: text(&row.features.step),
            text_chars: row.features.text_chars.map(i64::from),
            tools: row.features.tools.map(i64::from),
            reasoning_effort: row.features.reasoning_effort.clone(),
            rules: row.features.rules.clone(),
            id: row.id,
            cost: row.cost,
            frontier_cost: row.frontier_cost,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "durations are far below 2^52 microseconds")]
fn milliseconds(us: i64) -> f64 {
    us as f64 / 1000.0
}

fn tier_name(number: Option<i64>) -> Option<String> {
    let tier = number.and_then(|number| u8::try_from(number).ok()).and_then(Tier::from_number);
    tier.map(|tier| tier.as_str().to_owned())
}
