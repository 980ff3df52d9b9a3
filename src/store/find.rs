//! Finds a request by its id.

use sqlx::SqliteConnection;

use crate::protocol::RequestId;

/// How far the time in a request's id may be from its arrival for the request to be found by it.
const SLACK_MS: i64 = 60_000;

/// Whether an id tells the time of its request. Such a one needs no index: the row is in a zone of that time.
pub(super) fn tells_time(request_id: &str, created_at_ms: i64) -> bool {
    RequestId::time_in(request_id).is_some_and(|ms| (ms - created_at_ms).abs() < SLACK_MS)
}

/// The number and the arrival of the request with an id; of the newest one, if a client gave the same id twice.
pub(super) async fn find(
    connection: &mut SqliteConnection,
    request_id: &str,
) -> Result<Option<(i64, i64)>, sqlx::Error> {
    if let Some(ms) = RequestId::time_in(request_id) {
        let found = sqlx::query_as(
            "select r.id, r.created_at_ms from zones z
             cross join requests r on r.id >= z.zone << 8 and r.id < (z.zone + 1) << 8
             where z.last_ms >= ? and z.first_ms <= ? and r.request_id = ? limit 1",
        )
        .bind(ms - SLACK_MS)
        .bind(ms + SLACK_MS)
        .bind(request_id)
        .fetch_optional(&mut *connection)
        .await?;
        if found.is_some() {
            return Ok(found);
        }
    }
    sqlx::query_as(
        "select id, created_at_ms from requests where request_id = ? and client_request_id = 1 order by id desc limit 1",
    )
    .bind(request_id)
    .fetch_optional(connection)
    .await
}
