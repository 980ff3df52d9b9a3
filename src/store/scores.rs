//! What the classifier said of the newest requests.

use super::{Store, StoreError};

/// Newest rows that are looked at.
const NEWEST: i64 = 10_000;

impl Store {
    /// The scores of the newest requests, at most 10 000.
    ///
    /// # Errors
    /// The database failed.
    pub async fn scores(&self) -> Result<Vec<f64>, StoreError> {
        let readers = self.readers();
        let mut connection = readers.connection().await?;
        let scores = sqlx::query_scalar(
            "select score from requests where id > (select coalesce(max(id), 0) from requests) - ? and score is not null",
        )
        .bind(NEWEST)
        .fetch_all(&mut *connection)
        .await?;
        Ok(scores)
    }
}
