//! The connections that only read: few, opened when they are needed, each query bounded in time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection, SqlitePool};

use super::StoreError;

/// Longest that a query may take.
const LIMIT: Duration = Duration::from_secs(5);
/// Steps of SQLite's machine between two looks at the clock: some microseconds.
const STEPS: i32 = 10_000;
/// Names that are kept.
const REMEMBERED_NAMES: usize = 20_000;
/// Parameters of one statement that looks names up.
const LOOKUPS: usize = 256;

/// The readers of one file.
#[derive(Debug, Clone)]
pub(super) struct Readers {
    pub(super) pool: SqlitePool,
    names: Arc<Mutex<HashMap<i64, Arc<str>>>>,
    limit: Duration,
}

impl Readers {
    pub(super) fn new(pool: SqlitePool) -> Self {
        Readers { pool, names: Arc::default(), limit: LIMIT }
    }

    /// A connection whose queries end with an error once the limit is over, counted from here.
    pub(super) async fn connection(&self) -> Result<PoolConnection<Sqlite>, StoreError> {
        let mut connection = self.pool.acquire().await?;
        let deadline = Instant::now() + self.limit;
        connection.lock_handle().await?.set_progress_handler(STEPS, move || Instant::now() < deadline);
        Ok(connection)
    }

    /// The texts of numbers.
    pub(super) async fn names(
        &self,
        connection: &mut SqliteConnection,
        ids: impl IntoIterator<Item = i64>,
    ) -> Result<HashMap<i64, Arc<str>>, StoreError> {
        let mut found = HashMap::new();
        let mut missing = Vec::new();
        {
            let known = self.names.lock().unwrap_or_else(PoisonError::into_inner);
            for id in ids {
                match known.get(&id) {
                    Some(name) => drop(found.insert(id, name.clone())),
                    None => missing.push(id),
                }
            }
        }
        missing.sort_unstable();
        missing.dedup();
        for chunk in missing.chunks(LOOKUPS) {
            let mut query = QueryBuilder::new("select id, name from names where id in (");
            let mut list = query.separated(", ");
            for id in chunk {
                list.push_bind(*id);
            }
            query.push(")");
            let rows: Vec<(i64, String)> = query.build_query_as().fetch_all(&mut *connection).await?;
            let mut known = self.names.lock().unwrap_or_else(PoisonError::into_inner);
            // Clients choose the names of models, so what is remembered of them is bounded.
            if known.len() + rows.len() > REMEMBERED_NAMES {
                known.clear();
            }
            for (id, name) in rows {
                let name: Arc<str> = name.into();
                known.insert(id, name.clone());
                found.insert(id, name);
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_query_that_takes_too_long_is_given_up_and_the_next_one_is_answered() {
        let pool = SqlitePool::connect("sqlite::memory:").await.unwrap();
        let readers = Readers { limit: Duration::from_millis(20), ..Readers::new(pool) };
        let endless = "with recursive n (x) as (select 1 union all select x + 1 from n) select count(*) from n";
        let mut connection = readers.connection().await.unwrap();
        let error = sqlx::query(endless).execute(&mut *connection).await.map_err(StoreError::from);
        assert!(matches!(error, Err(StoreError::TooSlow)), "{error:?}");
        drop(connection);
        let mut connection = readers.connection().await.unwrap();
        let one: i64 = sqlx::query_scalar("select 1").fetch_one(&mut *connection).await.unwrap();
        assert_eq!(one, 1);
    }
}
