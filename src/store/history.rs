//! Single requests, with their upstream calls.

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row as _, SqliteConnection};

use super::columns::{self, Raw};
use super::find::find;
use super::readers::Readers;
use super::row::{Attempt, Row, Word};
use super::{Store, StoreError};
use crate::catalog::Tier;

/// Rows with their names.
pub(super) async fn named(
    readers: &Readers,
    connection: &mut SqliteConnection,
    rows: &[Raw],
) -> Result<Vec<Row>, StoreError> {
    let known = readers.names(connection, rows.iter().flat_map(Raw::names)).await?;
    Ok(rows.iter().map(|raw| raw.read(&known)).collect::<Result<_, _>>()?)
}

impl Store {
    /// The request with this id, with its upstream calls; the newest one, if a client gave the same id twice. A request
    /// that is under way is found too: it has no status and no duration.
    ///
    /// # Errors
    /// The database failed.
    pub async fn request(&self, request_id: &str) -> Result<Option<Row>, StoreError> {
        let readers = self.readers();
        let mut connection = readers.connection().await?;
        let mut id = find(&mut connection, request_id).await?.map(|(id, _)| id);
        if id.is_none() {
            if let Some(begun) = under_way(&mut connection, request_id).await? {
                return Ok(Some(begun));
            }
            // It may have ended just now.
            self.fresh().await;
            id = find(&mut connection, request_id).await?.map(|(id, _)| id);
        }
        let Some(id) = id else { return under_way(&mut connection, request_id).await };
        let mut query = QueryBuilder::new("select ");
        query
            .push(columns::select())
            .push(" from requests r left join sessions s on s.id = r.session_id where r.id = ");
        query.push_bind(id);
        let Some(row) = query.build().fetch_optional(&mut *connection).await? else { return Ok(None) };
        let rows = named(&readers, &mut connection, &[Raw::new(row)]).await?;
        let Some(mut row) = rows.into_iter().next() else { return Ok(None) };
        row.attempts = attempts(&mut connection, id).await?;
        if row.attempts.is_empty() && row.attempt_count == 1 {
            row.attempts.extend(only_attempt(&row));
        }
        Ok(Some(row))
    }
}

/// The one call of a request that needed only one, as its row tells it.
fn only_attempt(row: &Row) -> Option<Attempt> {
    Some(Attempt {
        upstream: row.upstream.clone()?,
        tier: row.tier?,
        model: row.selected_model.clone()?,
        status: row.status.filter(|status| *status == 200),
        error_type: None,
        started_us: row.classify_us?,
        duration_us: row.duration_us.zip(row.classify_us).map(|(whole, before)| whole - before),
    })
}

async fn attempts(connection: &mut SqliteConnection, id: i64) -> Result<Vec<Attempt>, StoreError> {
    let rows = sqlx::query(
        "select (select name from names where id = upstream_id) as upstream, tier,
         (select name from names where id = model_id) as model, status,
         (select name from names where id = error_type_id) as error_type, started_us, duration_us
         from attempts where request = ? order by attempt",
    )
    .bind(id)
    .fetch_all(connection)
    .await?;
    let read = |row: &SqliteRow| {
        Ok(Attempt {
            upstream: row.try_get::<Option<String>, _>("upstream")?.unwrap_or_default(),
            tier: Tier::from_number(row.try_get("tier")?).unwrap_or_default(),
            model: row.try_get::<Option<String>, _>("model")?.unwrap_or_default(),
            status: row.try_get("status")?,
            error_type: row.try_get::<Option<String>, _>("error_type")?.map(Word::Owned),
            started_us: row.try_get("started_us")?,
            duration_us: row.try_get("duration_us")?,
        })
    };
    rows.iter().map(read).collect()
}

/// A request that was decided and has not ended.
async fn under_way(connection: &mut SqliteConnection, request_id: &str) -> Result<Option<Row>, StoreError> {
    let json: Option<String> =
        sqlx::query_scalar("select row from in_flight where row ->> 'request_id' = ? order by id desc limit 1")
            .bind(request_id)
            .fetch_optional(connection)
            .await?;
    Ok(json.and_then(|json| serde_json::from_str::<Row>(&json).ok()))
}
