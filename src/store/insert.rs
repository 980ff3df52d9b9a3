//! One batch as one transaction: rows, their attempts and sessions, what is under way, marks and sums.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments as _, AssertSqlSafe, SqliteConnection};

use super::columns::{COLUMNS, Value};
use super::find;
use super::rollup::{self, Slot};
use super::row::{Attempt, Row, say_no_more};
use super::statements::{self, Used};
use super::zone_map::{self, Values};
use crate::catalog::Source;

/// Names whose numbers are kept in memory; others are looked up.
const REMEMBERED_NAMES: usize = 10_000;
/// Rows of one insert statement, largest first: few statements, each prepared once.
const CHUNKS: [usize; 5] = [128, 32, 8, 2, 1];
/// Parameters of one statement that looks rows up.
const LOOKUPS: usize = 256;

/// Numbers of repeated texts. Each row looks up two dozen.
type Numbers = HashMap<String, i64, RandomState>;

/// What is known of the tables' content, so that it need not be read again.
#[derive(Debug, Default)]
pub(super) struct Known {
    names: Numbers,
    marks: zone_map::Known,
    /// Requests that stand in `in_flight`.
    in_flight: HashSet<i64, RandomState>,
}

/// What a batch learned, which stands once it is committed.
pub(super) struct Learned {
    names: Numbers,
    marks: zone_map::Batch,
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
            marks: zone_map::Known::default(),
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
    let mut fresh = Numbers::default();
    let sessions = sessions(connection, known, &mut fresh, rows).await?;
    let mut sums = rollup::Batch::default();
    let mut marks = zone_map::Batch::default();
    for row in rows {
        let mut number = Numbering { known: &known.names, fresh: &mut fresh, connection: &mut *connection };
        number.row(row).await?;
        let ids = Ids { known: &known.names, fresh: &fresh, sessions: &sessions };
        sums.add(ids.slot(row), row);
        marks.add(&known.marks, row, &ids.values(row));
    }
    let ids = Ids { known: &known.names, fresh: &fresh, sessions: &sessions };
    let mut rest = rows;
    for size in CHUNKS {
        while rest.len() >= size {
            let (chunk, after) = rest.split_at(size);
            let (statement, columns) = statements::insert(size, chunk);
            let mut arguments = SqliteArguments::default();
            arguments.reserve(size * (columns.count() + 2), 0);
            for row in chunk {
                bind(&mut arguments, row, columns, &ids).map_err(sqlx::Error::Encode)?;
            }
            sqlx::query_with(AssertSqlSafe(statement), arguments).execute(&mut *connection).await?;
            rest = after;
        }
    }
    for row in rows {
        if say_no_more(&row.attempts) {
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
    fresh: &mut Numbers,
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

/// The numbers of repeated texts, all of which were given before.
struct Ids<'a> {
    known: &'a Numbers,
    fresh: &'a Numbers,
    sessions: &'a HashMap<&'a str, i64>,
}

impl Ids<'_> {
    fn name(&self, name: &str) -> Option<i64> {
        self.known.get(name).or_else(|| self.fresh.get(name)).copied()
    }

    /// 0 where there is none.
    fn optional(&self, name: Option<&str>) -> i64 {
        name.and_then(|name| self.name(name)).unwrap_or(0)
    }

    /// 0 where it is not known, as of requests that an older version left in a journal.
    fn source(&self, row: &Row) -> i64 {
        self.optional(row.source.map(Source::as_str))
    }

    fn slot(&self, row: &Row) -> Slot {
        Slot {
            answered_by: row.answered_by(),
            upstream: self.optional(row.upstream.as_deref()),
            model: self.optional(row.selected_model.as_deref()),
            key: self.optional(row.key.as_deref()),
            source: self.source(row),
            local: row.local,
            status_class: i64::from(row.status.unwrap_or(0) / 100),
        }
    }

    fn values(&self, row: &Row) -> Values {
        Values {
            tier: row.tier.map_or(-1, |tier| i64::from(tier.number())),
            upstream: self.optional(row.upstream.as_deref()),
            model: self.optional(row.selected_model.as_deref()),
            key: self.optional(row.key.as_deref()),
            source: self.source(row),
            status: i64::from(row.status.unwrap_or(0)),
            error_type: self.optional(row.error_type.as_deref()),
            session: row.session.as_deref().and_then(|session| self.sessions.get(session).copied()),
        }
    }
}

/// Gives texts their numbers. New ones are kept apart until the transaction stands.
struct Numbering<'a> {
    known: &'a Numbers,
    fresh: &'a mut Numbers,
    connection: &'a mut SqliteConnection,
}

impl Numbering<'_> {
    async fn row(&mut self, row: &Row) -> Result<(), sqlx::Error> {
        for column in COLUMNS {
            if let Value::Name(name) = column.of(row) {
                self.name(name).await?;
            }
        }
        Ok(())
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

/// Binds one row. Straight into the arguments: a query is moved with every value.
fn bind(to: &mut SqliteArguments, row: &Row, columns: Used, ids: &Ids<'_>) -> Result<(), sqlx::error::BoxDynError> {
    to.add(row.id)?;
    to.add(!find::tells_time(&row.request_id, row.created_at_ms))?;
    for column in columns.columns() {
        match column.of(row) {
            Value::Unknown => to.add(None::<i64>)?,
            Value::Text(text) => to.add(text)?,
            Value::Name(name) => to.add(ids.name(name))?,
            Value::Session(session) => to.add(ids.sessions.get(session).copied())?,
            Value::Word(_, number) | Value::Integer(number) | Value::Micros(number) => to.add(number)?,
            Value::Real(figure) => to.add(figure)?,
            Value::Flag(flag) => to.add(flag)?,
            Value::Time(time) => to.add(time.0)?,
            Value::Money(money) => to.add(money.0)?,
        }
    }
    Ok(())
}
