//! Pages of the history, filtered. Rare rows are found by the marks of their zones, so that a page costs the same
//! whether the history has a thousand rows or ten million.

use std::time::{Duration, Instant};

use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::answered_by::AnsweredBy;
use super::columns::{self, Raw};
use super::history::named;
use super::row::Row;
use super::usage::Period;
use super::zone_map::{Facet, ZONE_BITS};
use super::{Store, StoreError};
use crate::catalog::{NanoUsd, Source, Tier};

/// Most zones that are looked into at once. The first look is into as many as a page of hits would fill.
const MOST_ZONES: i64 = 64;
/// How long rows are looked for before the page ends where it is. Its cursor goes on from there.
const BUDGET: Duration = Duration::from_millis(500);
/// Rows of one look without a zone to go by.
const STRIDE: i64 = 16_384;

/// The tier that answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TierFilter {
    /// This one.
    Is(Tier),
    /// None: no upstream was reached.
    None,
}

/// The status that the client got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusFilter {
    /// This one.
    Is(u16),
    /// One of a class: 2 is 200 to 299.
    Class(u16),
    /// Unknown: the router died before it told.
    Unknown,
}

/// Which requests are wanted. Everything that is given must hold.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Filter {
    /// When they arrived.
    pub period: Period,
    /// The tier that answered.
    pub tier: Option<TierFilter>,
    /// Who answered.
    pub answered_by: Option<AnsweredBy>,
    /// The upstream's name.
    pub upstream: Option<String>,
    /// The model that was asked.
    pub model: Option<String>,
    /// The key's name.
    pub key: Option<String>,
    /// The step that decided.
    pub source: Option<Source>,
    /// The status.
    pub status: Option<StatusFilter>,
    /// The kind of error.
    pub error_type: Option<String>,
    /// The conversation.
    pub session: Option<String>,
    /// Input and output tokens together, at least.
    pub min_tokens: Option<i64>,
    /// The cost, at least.
    pub min_cost: Option<NanoUsd>,
    /// Microseconds to the end, at least.
    pub min_duration_us: Option<i64>,
}

/// Some requests, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The requests.
    pub rows: Vec<Row>,
    /// The number below which the next page begins; `None` if there is none.
    pub next: Option<i64>,
}

/// A filter in the numbers of the file.
#[derive(Debug, Default)]
struct Conditions {
    /// Marks that a zone must have.
    marks: Vec<(Facet, i64)>,
    /// What a zone must have at least: column of `zones` and size.
    sizes: Vec<(&'static str, i64)>,
    /// What a row must have: an expression and what it must be at least or exactly.
    exact: Vec<(&'static str, Option<i64>)>,
    at_least: Vec<(&'static str, i64)>,
    from_ms: Option<i64>,
    to_ms: Option<i64>,
    /// The lowest number that can match, and the one after the highest.
    first: i64,
    after: i64,
}

impl Store {
    /// The newest requests that a filter lets through: at most `limit`, with numbers below `before`. A page may be short
    /// though more follows, when looking for it took long; its `next` says so.
    ///
    /// # Errors
    /// The database failed.
    pub async fn page(&self, filter: &Filter, before: Option<i64>, limit: u32) -> Result<Page, StoreError> {
        self.fresh().await;
        let readers = self.readers();
        let mut connection = readers.connection().await?;
        let Some(mut conditions) = conditions(&mut connection, filter).await? else {
            return Ok(Page { rows: Vec::new(), next: None });
        };
        conditions.after = conditions.after.min(before.unwrap_or(i64::MAX));
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let deadline = Instant::now() + BUDGET;
        let mut rows: Vec<Raw> = Vec::new();
        let mut zones = (i64::try_from(limit).unwrap_or(i64::MAX) >> ZONE_BITS) + 1;
        let mut next = None;
        while conditions.first < conditions.after {
            let (found, below) = if conditions.marks.is_empty() && conditions.sizes.is_empty() {
                plain(&mut connection, &conditions, limit - rows.len()).await?
            } else {
                zoned(&mut connection, &conditions, zones, limit - rows.len()).await?
            };
            rows.extend(found);
            if rows.len() >= limit {
                next = rows.last().map(Raw::id).transpose()?;
                break;
            }
            let Some(below) = below else { break };
            conditions.after = below;
            if Instant::now() > deadline {
                next = Some(below);
                break;
            }
            zones = (zones * 4).min(MOST_ZONES);
        }
        let rows = named(&readers, &mut connection, &rows).await?;
        Ok(Page { rows, next: next.filter(|next| *next > conditions.first) })
    }

    /// The newest requests, newest first: at most `limit`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn newest(&self, limit: u32) -> Result<Vec<Row>, StoreError> {
        self.page(&Filter::default(), None, limit).await.map(|page| page.rows)
    }
}

/// A walk through the rows that a filter lets through, oldest first.
#[derive(Debug)]
pub(super) struct Scan {
    conditions: Option<Conditions>,
}

impl Scan {
    pub(super) fn is_over(&self) -> bool {
        self.conditions.as_ref().is_none_or(|conditions| conditions.first >= conditions.after)
    }
}

impl Store {
    pub(super) async fn scan(&self, filter: &Filter) -> Result<Scan, StoreError> {
        self.fresh().await;
        let mut connection = self.readers().connection().await?;
        Ok(Scan { conditions: conditions(&mut connection, filter).await? })
    }

    /// The next rows of a walk: at most `limit`, and maybe none though more follow.
    pub(super) async fn next_rows(&self, scan: &mut Scan, limit: u32) -> Result<Vec<Row>, StoreError> {
        let Some(conditions) = &mut scan.conditions else { return Ok(Vec::new()) };
        let end = conditions.after.min(conditions.first.saturating_add(STRIDE));
        let readers = self.readers();
        let mut connection = readers.connection().await?;
        let mut query = QueryBuilder::new("select ");
        query
            .push(columns::select())
            .push(" from requests r left join sessions s on s.id = r.session_id where r.id >= ");
        query.push_bind(conditions.first).push(" and r.id < ").push_bind(end);
        conditions.push(&mut query);
        query.push(" order by r.id limit ").push_bind(i64::from(limit));
        let rows = query.build().fetch_all(&mut *connection).await?;
        let rows = rows.into_iter().map(Raw::new).collect::<Vec<_>>();
        let full = rows.len() == usize::try_from(limit).unwrap_or(usize::MAX);
        let last = rows.last().filter(|_| full).map(Raw::id).transpose()?;
        conditions.first = last.map_or(end, |id| id + 1);
        named(&readers, &mut connection, &rows).await
    }
}

type Found = (Vec<Raw>, Option<i64>);

/// Looks at the next rows below, all of them.
async fn plain(connection: &mut SqliteConnection, conditions: &Conditions, limit: usize) -> Result<Found, StoreError> {
    let begin = conditions.first.max(conditions.after.saturating_sub(STRIDE));
    let mut query = QueryBuilder::new("select ");
    query.push(columns::listed()).push(" from requests r left join sessions s on s.id = r.session_id where r.id >= ");
    query.push_bind(begin).push(" and r.id < ").push_bind(conditions.after);
    conditions.push(&mut query);
    query.push(" order by r.id desc limit ").push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
    let rows = query.build().fetch_all(&mut *connection).await?;
    let rows = rows.into_iter().map(Raw::new).collect::<Vec<_>>();
    Ok((rows, (begin > conditions.first).then_some(begin)))
}

/// Looks into the next zones that may have matching rows.
async fn zoned(
    connection: &mut SqliteConnection,
    conditions: &Conditions,
    zones: i64,
    limit: usize,
) -> Result<Found, StoreError> {
    let (lowest, highest) = (conditions.first >> ZONE_BITS, (conditions.after - 1) >> ZONE_BITS);
    let mut query = QueryBuilder::new("select m.zone from ");
    match conditions.marks.first() {
        Some((facet, value)) => {
            query.push("marks m where m.facet = ").push_bind(*facet as u8);
            query.push(" and m.value = ").push_bind(*value);
        }
        None => drop(query.push("zones m where true")),
    }
    query.push(" and m.zone between ").push_bind(lowest).push(" and ").push_bind(highest);
    for (facet, value) in conditions.marks.iter().skip(1) {
        query.push(" and exists (select 1 from marks o where o.facet = ").push_bind(*facet as u8);
        query.push(" and o.value = ").push_bind(*value).push(" and o.zone = m.zone)");
    }
    for (column, size) in &conditions.sizes {
        query.push(" and exists (select 1 from zones z where z.zone = m.zone and z.").push(*column);
        query.push(" >= ").push_bind(*size).push(")");
    }
    query.push(" order by m.zone desc limit ").push_bind(zones);
    let found: Vec<i64> = query.build_query_scalar().fetch_all(&mut *connection).await?;
    let Some(last) = found.last() else { return Ok((Vec::new(), None)) };
    let mut query = QueryBuilder::new("select ");
    query.push(columns::listed()).push(" from json_each(").push_bind(serde_json::to_string(&found).unwrap_or_default());
    query.push(") z cross join requests r on r.id >= z.value << 8 and r.id < (z.value + 1) << 8");
    query.push(" left join sessions s on s.id = r.session_id where +r.id >= ").push_bind(conditions.first);
    // The plus keeps these bounds from being taken for the way into the table: the zones are.
    query.push(" and +r.id < ").push_bind(conditions.after);
    conditions.push(&mut query);
    query.push(" order by r.id desc limit ").push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
    let rows = query.build().fetch_all(&mut *connection).await?;
    let rows = rows.into_iter().map(Raw::new).collect::<Vec<_>>();
    let exhausted = found.len() < usize::try_from(zones).unwrap_or(usize::MAX);
    Ok((rows, (!exhausted).then_some(*last << ZONE_BITS)))
}

impl Conditions {
    /// What every row must fulfil.
    fn push(&self, query: &mut QueryBuilder<Sqlite>) {
        for (expression, value) in &self.exact {
            query.push(" and ").push(*expression).push(" is ").push_bind(*value);
        }
        for (expression, size) in &self.at_least {
            query.push(" and ").push(*expression).push(" >= ").push_bind(*size);
        }
        if let Some(from) = self.from_ms {
            query.push(" and r.created_at_ms >= ").push_bind(from);
        }
        if let Some(to) = self.to_ms {
            query.push(" and r.created_at_ms < ").push_bind(to);
        }
    }

    fn exactly(&mut self, facet: Facet, expression: &'static str, value: i64) {
        self.marks.push((facet, value));
        self.exact.push((expression, Some(value)));
    }

    fn at_least(&mut self, facet: Facet, column: &'static str, expression: &'static str, size: i64) {
        self.at_least.push((expression, size));
        if size > 0 {
            self.sizes.push((column, size));
        }
        self.marks.extend(facet.at_least(size).map(|power| (facet, power)));
    }
}

/// The filter in numbers; `None` if it names something that no row has.
async fn conditions(connection: &mut SqliteConnection, filter: &Filter) -> Result<Option<Conditions>, StoreError> {
    let mut conditions = Conditions { first: i64::MIN >> 1, after: i64::MAX >> 1, ..Conditions::default() };
    conditions.from_ms = filter.period.from.map(|time| time.0);
    conditions.to_ms = filter.period.to.map(|time| time.0);
    if !bounds(connection, &mut conditions).await? {
        return Ok(None);
    }
    // The rarest first: it leads the way.
    if let Some(session) = &filter.session {
        let id: Option<i64> = sqlx::query_scalar("select id from sessions where session = ?")
            .bind(session)
            .fetch_optional(&mut *connection)
            .await?;
        let Some(id) = id else { return Ok(None) };
        conditions.exactly(Facet::Session, "r.session_id", id);
    }
    if let Some(tokens) = filter.min_tokens {
        let total = "coalesce(r.input_tokens, 0) + coalesce(r.output_tokens, 0)";
        conditions.at_least(Facet::Tokens, "max_tokens", total, tokens);
    }
    if let Some(cost) = filter.min_cost {
        conditions.at_least(Facet::CostNanos, "max_cost_nanos", "r.cost_nanos", cost.0);
    }
    if let Some(us) = filter.min_duration_us {
        conditions.at_least(Facet::DurationUs, "max_duration_us", "r.duration_us", us);
    }
    let source = filter.source.map(|source| source.as_str().to_owned());
    let names = [
        (&filter.error_type, Facet::ErrorType, "r.error_type_id"),
        (&filter.key, Facet::Key, "r.key_id"),
        (&filter.model, Facet::Model, "r.selected_model_id"),
        (&filter.upstream, Facet::Upstream, "r.upstream_id"),
        (&source, Facet::Source, "r.source_id"),
    ];
    for (name, facet, expression) in names {
        let Some(name) = name else { continue };
        let id: Option<i64> = sqlx::query_scalar("select id from names where name = ?")
            .bind(name)
            .fetch_optional(&mut *connection)
            .await?;
        let Some(id) = id else { return Ok(None) };
        conditions.exactly(facet, expression, id);
    }
    match filter.status {
        Some(StatusFilter::Is(status)) => conditions.exactly(Facet::Status, "r.status", i64::from(status)),
        Some(StatusFilter::Class(class)) => conditions.exactly(Facet::StatusClass, "r.status / 100", i64::from(class)),
        Some(StatusFilter::Unknown) => {
            conditions.marks.push((Facet::Status, 0));
            conditions.exact.push(("r.status", None));
        }
        None => {}
    }
    match filter.tier {
        Some(TierFilter::Is(tier)) => conditions.exactly(Facet::Tier, "r.tier", i64::from(tier.number())),
        Some(TierFilter::None) => {
            conditions.marks.push((Facet::Tier, -1));
            conditions.exact.push(("r.tier", None));
        }
        None => {}
    }
    if let Some(answered_by) = filter.answered_by {
        let tier = match answered_by {
            AnsweredBy::Tier(tier) => i64::from(tier.number()),
            AnsweredBy::ResponseCache | AnsweredBy::Nobody => -1,
        };
        conditions.marks.push((Facet::Tier, tier));
        conditions.exact.push(("coalesce(r.answered_by, r.tier, -1)", Some(answered_by.number())));
    }
    Ok(Some(conditions))
}

/// Between which numbers the period lies. False if no row can be in it.
async fn bounds(connection: &mut SqliteConnection, conditions: &mut Conditions) -> Result<bool, StoreError> {
    let (lowest, highest): (Option<i64>, Option<i64>) = match (conditions.from_ms, conditions.to_ms) {
        (None, None) => {
            sqlx::query_as("select (select min(zone) from zones), (select max(zone) from zones)")
                .fetch_one(connection)
                .await?
        }
        (from, to) => {
            sqlx::query_as("select min(zone), max(zone) from zones where last_ms >= ? and first_ms < ?")
                .bind(from.unwrap_or(i64::MIN))
                .bind(to.unwrap_or(i64::MAX))
                .fetch_one(connection)
                .await?
        }
    };
    let (Some(lowest), Some(highest)) = (lowest, highest) else { return Ok(false) };
    conditions.first = lowest << ZONE_BITS;
    conditions.after = (highest + 1) << ZONE_BITS;
    Ok(true)
}
