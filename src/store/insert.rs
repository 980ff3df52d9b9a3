//! One batch as one transaction: rows, their attempts and sessions, what is under way, marks and sums.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments as _, AssertSqlSafe, SqliteConnection};

use super::find;
use super::marks::{self, Values};
use super::rollup::{self, Slot};
use super::row::{Attempt, Row};
use super::usage::AnsweredBy;
use crate::catalog::NanoUsd;

/// Names whose numbers are kept in memory; others are looked up.
const REMEMBERED_NAMES: usize = 10_000;
/// Rows of one insert statement, largest first: few statements, each prepared once.
const CHUNKS: [usize; 3] = [128, 16, 1];
/// Parameters of one statement that looks rows up.
const LOOKUPS: usize = 256;

/// What is known of the tables' content, so that it need not be read again.
#[derive(Debug, Default)]
pub(super) struct Known {
    names: HashMap<String, i64>,
    marks: marks::Known,
    /// Requests that stand in `in_flight`.
    in_flight: HashSet<i64>,
}

/// What a batch learned, which stands once it is committed.
pub(super) struct Learned {
    names: HashMap<String, i64>,
    marks: marks::Batch,
    begun: Vec<i64>,
    ended: Vec<i64>,
}

impl Known {
    pub(super) async fn read(connection: &mut SqliteConnection) -> Result<Self, sqlx::Error> {
        let names: Vec<(String, i64)> = sqlx::query_as("select name, id from names order by id desc limit 5000")
            .fetch_all(&mut *connection)
            .await?;
        let in_flight: Vec<i64> = sqlx::query_scalar("select id from in_flight").fetch_all(connection).await?;
        Ok(Known {
            names: names.into_iter().collect(),
            marks: marks::Known::default(),
            in_flight: in_flight.into_iter().collect(),
        })
    }

    pub(super) fn learn(&mut self, learned: Learned) {
        // Clients choose the names of models, so what is remembered of them is bounded.
        if self.names.len() + learned.names.len() > REMEMBERED_NAMES {
            self.names.clear();
        }
        self.names.extend(learned.names);
        self.marks.extend(learned.marks);
        self.in_flight.extend(learned.begun);
        for id in learned.ended {
            self.in_flight.remove(&id);
        }
    }

    /// Marks may have been taken away with the rows of their zone.
    pub(super) fn forget_marks(&mut self) {
        self.marks.clear();
    }
}

/// Writes a batch, requests that began and are under way and requests that ended, in one transaction.
pub(super) async fn commit(
    connection: &mut SqliteConnection,
    known: &Known,
    begun: &[Box<Row>],
    rows: &[Box<Row>],
    minutes_from: i64,
) -> Result<Learned, sqlx::Error> {
    // Plain statements: SQLite itself may have rolled back when the disk was full, which a counted transaction would not
    // know of.
    sqlx::query("begin immediate").execute(&mut *connection).await?;
    let written = match batch(connection, known, begun, rows, minutes_from).await {
        Ok(learned) => sqlx::query("commit").execute(&mut *connection).await.map(|_| learned),
        Err(error) => Err(error),
    };
    if written.is_err() {
        let _ = sqlx::query("rollback").execute(&mut *connection).await;
    }
    written
}

async fn batch(
    connection: &mut SqliteConnection,
    known: &Known,
    begun: &[Box<Row>],
    rows: &[Box<Row>],
    minutes_from: i64,
) -> Result<Learned, sqlx::Error> {
    let mut fresh: HashMap<String, i64> = HashMap::new();
    let sessions = sessions(connection, known, &mut fresh, rows).await?;
    let mut numbered = Vec::with_capacity(rows.len());
    let mut sums = rollup::Batch::default();
    let mut marks = marks::Batch::default();
    for row in rows {
        let mut number = Numbering { known: &known.names, fresh: &mut fresh, connection: &mut *connection };
        let mut ids = number.row(row).await?;
        ids.session = row.session.as_deref().and_then(|session| sessions.get(session).copied());
        sums.add(ids.slot(row), row);
        marks.add(&known.marks, row, &ids.values(row));
        numbered.push((row, ids));
    }
    let mut rest = numbered.as_slice();
    for (size, statement) in CHUNKS.iter().zip(INSERTS.iter()) {
        while rest.len() >= *size {
            let (chunk, after) = rest.split_at(*size);
            let mut arguments = SqliteArguments::default();
            arguments.reserve(size * COLUMNS.len(), 0);
            for (row, ids) in chunk {
                bind(&mut arguments, row, ids).map_err(sqlx::Error::Encode)?;
            }
            sqlx::query_with(AssertSqlSafe(statement.as_str()), arguments).execute(&mut *connection).await?;
            rest = after;
        }
    }
    for row in rows {
        if !tells_attempts(row) {
            continue;
        }
        for (index, attempt) in row.attempts.iter().enumerate() {
            let mut number = Numbering { known: &known.names, fresh: &mut fresh, connection: &mut *connection };
            let upstream = number.name(&attempt.upstream).await?;
            let model = number.name(&attempt.model).await?;
            let error_type = number.optional(attempt.error_type.as_deref()).await?;
            insert_attempt(connection, row.id, index, attempt, [upstream, model], error_type).await?;
        }
    }
    marks.write(connection).await?;
    sums.write(connection, minutes_from).await?;
    let ended: Vec<i64> = rows.iter().map(|row| row.id).filter(|id| known.in_flight.contains(id)).collect();
    for chunk in ended.chunks(LOOKUPS) {
        let mut query = sqlx::QueryBuilder::<sqlx::Sqlite>::new("delete from in_flight where id in (");
        let mut list = query.separated(", ");
        for id in chunk {
            list.push_bind(*id);
        }
        query.push(")");
        query.build().persistent(false).execute(&mut *connection).await?;
    }
    for row in begun {
        let json = serde_json::to_string(row).expect("a row of texts and numbers serialises into memory");
        sqlx::query("insert or replace into in_flight (id, row) values (?, ?)")
            .bind(row.id)
            .bind(json)
            .execute(&mut *connection)
            .await?;
    }
    let begun = begun.iter().map(|row| row.id).collect();
    Ok(Learned { names: fresh, marks, begun, ended })
}

/// Whether rows are at fault when they cannot be written, so that waiting does not help.
pub(super) fn is_fault_of_rows(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    let code = code.and_then(|code| code.parse::<u32>().ok()).unwrap_or(0);
    // The primary code is the low byte: TOOBIG, CONSTRAINT, MISMATCH, RANGE.
    matches!(code & 0xff, 18 | 19 | 20 | 25)
}

/// Which of these numbers have a row already, and of which request.
pub(super) async fn existing(
    connection: &mut SqliteConnection,
    ids: &[i64],
) -> Result<HashMap<i64, String>, sqlx::Error> {
    let mut found = HashMap::new();
    for chunk in ids.chunks(LOOKUPS) {
        let mut query = sqlx::QueryBuilder::new("select id, request_id from requests where id in (");
        let mut list = query.separated(", ");
        for id in chunk {
            list.push_bind(id);
        }
        query.push(")");
        let rows: Vec<(i64, String)> = query.build_query_as().fetch_all(&mut *connection).await?;
        found.extend(rows);
    }
    Ok(found)
}

/// Whether the attempts say more than the row: several, or one that failed.
fn tells_attempts(row: &Row) -> bool {
    row.attempts.len() > 1 || row.attempts.iter().any(|attempt| attempt.error_type.is_some())
}

async fn insert_attempt(
    connection: &mut SqliteConnection,
    request: i64,
    index: usize,
    attempt: &Attempt,
    [upstream, model]: [i64; 2],
    error_type: Option<i64>,
) -> Result<(), sqlx::Error> {
    sqlx::query("insert into attempts values (?,?,?,?,?,?,?,?,?)")
        .bind(request)
        .bind(i64::try_from(index + 1).unwrap_or(i64::MAX))
        .bind(i64::from(attempt.tier.number()))
        .bind(upstream)
        .bind(model)
        .bind(attempt.status)
        .bind(error_type)
        .bind(attempt.started_us)
        .bind(attempt.duration_us)
        .execute(connection)
        .await
        .map(|_| ())
}

/// Writes what the batch adds to its sessions; returns their numbers.
async fn sessions<'r>(
    connection: &mut SqliteConnection,
    known: &Known,
    fresh: &mut HashMap<String, i64>,
    rows: &'r [Box<Row>],
) -> Result<HashMap<&'r str, i64>, sqlx::Error> {
    let mut turns: HashMap<&str, (i64, &Row, &Row)> = HashMap::new();
    for row in rows {
        let Some(session) = row.session.as_deref() else { continue };
        let row: &Row = row;
        let (count, first, last) = turns.entry(session).or_insert((0, row, row));
        *count += 1;
        if row.created_at_ms < first.created_at_ms {
            *first = row;
        }
        if row.created_at_ms >= last.created_at_ms {
            *last = row;
        }
    }
    let mut numbers = HashMap::with_capacity(turns.len());
    for (session, (count, first, last)) in turns {
        let mut number = Numbering { known: &known.names, fresh: &mut *fresh, connection: &mut *connection };
        let upstream = number.optional(last.upstream.as_deref()).await?;
        let id: i64 = sqlx::query_scalar(SESSION)
            .bind(session)
            .bind(first.created_at_ms)
            .bind(last.created_at_ms)
            .bind(count)
            .bind(last.tier.map(|tier| i64::from(tier.number())))
            .bind(upstream)
            .fetch_one(&mut *connection)
            .await?;
        numbers.insert(session, id);
    }
    Ok(numbers)
}

const SESSION: &str = "insert into sessions (session, first_ms, last_ms, requests, tier, upstream_id)
    values (?, ?, ?, ?, ?, ?) on conflict (session) do update set
    first_ms = min(first_ms, excluded.first_ms), last_ms = max(last_ms, excluded.last_ms),
    requests = requests + excluded.requests,
    tier = case when excluded.last_ms >= last_ms then coalesce(excluded.tier, tier) else tier end,
    upstream_id = case when excluded.last_ms >= last_ms then coalesce(excluded.upstream_id, upstream_id)
        else upstream_id end
    returning id";

/// The numbers of a row's repeated texts.
struct Ids {
    session: Option<i64>,
    key: Option<i64>,
    source: i64,
    upstream: Option<i64>,
    provider: Option<i64>,
    requested_model: Option<i64>,
    selected_model: Option<i64>,
    response_model: Option<i64>,
    error_type: Option<i64>,
}

impl Ids {
    fn slot(&self, row: &Row) -> Slot {
        Slot {
            tier: AnsweredBy::of(row).number(),
            upstream: self.upstream.unwrap_or(0),
            model: self.selected_model.unwrap_or(0),
            key: self.key.unwrap_or(0),
            source: self.source,
            local: row.local,
            status_class: i64::from(row.status.unwrap_or(0) / 100),
        }
    }

    fn values(&self, row: &Row) -> Values {
        Values {
            tier: row.tier.map_or(-1, |tier| i64::from(tier.number())),
            upstream: self.upstream.unwrap_or(0),
            model: self.selected_model.unwrap_or(0),
            key: self.key.unwrap_or(0),
            source: self.source,
            status: i64::from(row.status.unwrap_or(0)),
            error_type: self.error_type.unwrap_or(0),
            session: self.session,
        }
    }
}

/// Gives texts their numbers. New ones are kept apart until the transaction stands.
struct Numbering<'a> {
    known: &'a HashMap<String, i64>,
    fresh: &'a mut HashMap<String, i64>,
    connection: &'a mut SqliteConnection,
}

impl Numbering<'_> {
    async fn row(&mut self, row: &Row) -> Result<Ids, sqlx::Error> {
        Ok(Ids {
            session: None,
            key: self.optional(row.key.as_deref()).await?,
            source: self.name(&row.source).await?,
            upstream: self.optional(row.upstream.as_deref()).await?,
            provider: self.optional(row.provider.as_deref()).await?,
            requested_model: self.optional(Some(row.requested_model.as_str())).await?,
            selected_model: self.optional(row.selected_model.as_deref()).await?,
            response_model: self.optional(row.response_model.as_deref()).await?,
            error_type: self.optional(row.error_type.as_deref()).await?,
        })
    }

    async fn optional(&mut self, name: Option<&str>) -> Result<Option<i64>, sqlx::Error> {
        match name {
            Some(name) => self.name(name).await.map(Some),
            None => Ok(None),
        }
    }

    async fn name(&mut self, name: &str) -> Result<i64, sqlx::Error> {
        if let Some(id) = self.known.get(name).or_else(|| self.fresh.get(name)) {
            return Ok(*id);
        }
        let id: i64 = sqlx::query_scalar(
            "insert into names (name) values (?) on conflict do update set name = excluded.name returning id",
        )
        .bind(name)
        .fetch_one(&mut *self.connection)
        .await?;
        self.fresh.insert(name.to_owned(), id);
        Ok(id)
    }
}

const COLUMNS: [&str; 42] = [
    "id",
    "created_at_ms",
    "request_id",
    "client_request_id",
    "session_id",
    "key_id",
    "decision",
    "source_id",
    "score",
    "confidence",
    "reason",
    "tier",
    "upstream_id",
    "provider_id",
    "requested_model_id",
    "selected_model_id",
    "response_model_id",
    "local",
    "stream",
    "status",
    "error_type_id",
    "attempts",
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "usage_source",
    "cost_nanos",
    "frontier_cost_nanos",
    "asked_classifier",
    "classifier_input_tokens",
    "classifier_output_tokens",
    "classify_us",
    "first_token_us",
    "duration_us",
    "usage_raw",
    "step",
    "text_chars",
    "tools",
    "reasoning_effort",
    "rules",
];

static INSERTS: LazyLock<[String; 3]> = LazyLock::new(|| {
    CHUNKS.map(|rows| {
        let one = format!("({})", vec!["?"; COLUMNS.len()].join(","));
        format!("insert into requests ({}) values {}", COLUMNS.join(","), vec![one; rows].join(","))
    })
});

/// Binds one row, in the order of [`COLUMNS`]. Straight into the arguments: a query is moved with every value.
fn bind(to: &mut SqliteArguments, row: &Row, ids: &Ids) -> Result<(), sqlx::error::BoxDynError> {
    let tokens = |count: Option<u64>| count.and_then(|count| i64::try_from(count).ok());
    let nanos = |cost: Option<NanoUsd>| cost.map(|cost| cost.0);
    to.add(row.id)?;
    to.add(row.created_at_ms)?;
    to.add(row.request_id.as_str())?;
    to.add(!find::tells_time(&row.request_id, row.created_at_ms))?;
    to.add(ids.session)?;
    to.add(ids.key)?;
    to.add(i64::from(row.decision.number()))?;
    to.add(ids.source)?;
    to.add(row.score)?;
    to.add(row.confidence)?;
    to.add(row.reason.as_deref())?;
    to.add(row.tier.map(|tier| i64::from(tier.number())))?;
    to.add(ids.upstream)?;
    to.add(ids.provider)?;
    to.add(ids.requested_model)?;
    to.add(ids.selected_model)?;
    to.add(ids.response_model)?;
    to.add(row.local)?;
    to.add(row.stream)?;
    to.add(row.status)?;
    to.add(ids.error_type)?;
    to.add(i64::try_from(row.attempts.len()).unwrap_or(i64::MAX))?;
    to.add(tokens(row.usage.input_tokens))?;
    to.add(tokens(row.usage.cached_input_tokens))?;
    to.add(tokens(row.usage.cache_write_tokens))?;
    to.add(tokens(row.usage.output_tokens))?;
    to.add(tokens(row.usage.reasoning_tokens))?;
    to.add(row.usage_source.number())?;
    to.add(nanos(row.cost))?;
    to.add(nanos(row.frontier_cost))?;
    to.add(row.asked_classifier)?;
    to.add(tokens(row.classifier_usage.input_tokens))?;
    to.add(tokens(row.classifier_usage.output_tokens))?;
    to.add(row.classify_us)?;
    to.add(row.first_token_us)?;
    to.add(row.duration_us)?;
    to.add(row.usage_raw.as_deref())?;
    to.add(row.features.step.as_deref())?;
    to.add(row.features.text_chars)?;
    to.add(row.features.tools)?;
    to.add(row.features.reasoning_effort.as_deref())?;
    to.add(row.features.rules.as_deref())?;
    Ok(())
}
