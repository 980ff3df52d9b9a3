//! What people report of decisions: kept beside the requests, with all that thresholds are learnt from.

use sqlx::Connection as _;

use super::{OpenError, Store, StoreError, open};
use crate::catalog::Tier;
use crate::protocol::Timestamp;

/// What somebody reports of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opinion {
    /// The answer was not good enough: a stronger tier was needed.
    Worse,
    /// The answer was better than it needed to be: a weaker tier would do.
    Better,
    /// This tier was the right one.
    Right(Tier),
}

impl Opinion {
    const fn number(self) -> i64 {
        match self {
            Opinion::Worse => 3,
            Opinion::Better => -1,
            Opinion::Right(tier) => tier as i64,
        }
    }

    fn from_number(number: i64) -> Option<Self> {
        match number {
            3 => Some(Opinion::Worse),
            -1 => Some(Opinion::Better),
            number => Tier::from_number(u8::try_from(number).ok()?).map(Opinion::Right),
        }
    }
}

/// A report on one decision.
#[derive(Debug, Clone, PartialEq)]
pub struct Feedback {
    /// The request.
    pub request_id: String,
    /// What is reported.
    pub opinion: Opinion,
    /// The tier that was decided.
    pub decided: Tier,
    /// The classifier's score, 0 to 1; `None` where none was asked.
    pub score: Option<f64>,
}

impl Store {
    /// Keeps a report; the last one on a request counts. False if there is no history to keep it in.
    ///
    /// # Errors
    /// The file cannot be written.
    pub async fn keep_feedback(&self, feedback: &Feedback) -> Result<bool, OpenError> {
        if self.writer.is_none() {
            return Ok(false);
        }
        let failed = |source| OpenError::database(&self.path, source);
        let mut connection = open::for_maintenance(&self.path).await?;
        sqlx::query(
            "insert into feedback (request_id, created_at_ms, verdict, decided, score) values (?, ?, ?, ?, ?)
             on conflict (request_id) do update set created_at_ms = excluded.created_at_ms, verdict = excluded.verdict,
             decided = excluded.decided, score = excluded.score",
        )
        .bind(&feedback.request_id)
        .bind(Timestamp::now().0)
        .bind(feedback.opinion.number())
        .bind(i64::from(feedback.decided.number()))
        .bind(feedback.score)
        .execute(&mut connection)
        .await
        .map_err(failed)?;
        connection.close().await.map_err(failed)?;
        Ok(true)
    }

    /// All reports since a moment, the oldest first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn feedback(&self, since: Timestamp) -> Result<Vec<Feedback>, StoreError> {
        let mut connection = self.readers().connection().await?;
        let rows: Vec<(String, i64, u8, Option<f64>)> = sqlx::query_as(
            "select request_id, verdict, decided, score from feedback where created_at_ms >= ? order by created_at_ms, request_id",
        )
        .bind(since.0)
        .fetch_all(&mut *connection)
        .await?;
        let read = |(request_id, verdict, decided, score)| {
            let (opinion, decided) = (Opinion::from_number(verdict)?, Tier::from_number(decided)?);
            Some(Feedback { request_id, opinion, decided, score })
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }
}
