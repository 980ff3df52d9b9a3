//! `GET /requests`: the newest requests, row by row.

use std::sync::Arc;

use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use super::{ApiError, Shared, Tag};
use crate::store::HistoryRow;

pub(super) struct RequestsApi(pub(super) Arc<Shared>);

/// Rows per answer where the request does not say.
const DEFAULT_LIMIT: u32 = 50;
/// Most rows per answer.
const LARGEST_LIMIT: u32 = 1_000;

/// A page of the history.
#[derive(Object)]
struct RequestList {
    /// The requests, newest first.
    requests: Vec<HistoryRow>,
    /// Give it as `cursor` to get the next page; `null` on the last.
    next_cursor: Option<String>,
}

#[OpenApi]
impl RequestsApi {
    /// The newest requests
    #[oai(path = "/requests", method = "get", operation_id = "listRequests", tag = "Tag::History")]
    async fn list(
        &self,
        /// Rows per page, 1 to 1000; 50 if not given.
        limit: Query<Option<u32>>,
        /// The `next_cursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<RequestList>, ApiError> {
        let limit = limit.0.unwrap_or(DEFAULT_LIMIT);
        if !(1..=LARGEST_LIMIT).contains(&limit) {
            return Err(ApiError::invalid("limit", format!("limit: {limit} is not from 1 to {LARGEST_LIMIT}")));
        }
        let before = match cursor.0.as_deref() {
            None => None,
            Some(text) => Some(text.parse::<i64>().map_err(|_| {
                ApiError::invalid("cursor", "cursor: this is no cursor; take `next_cursor` of the page before")
            })?),
        };
        let requests = self.0.store.newest(before, limit).await?;
        let full = requests.len() == limit as usize;
        let next_cursor = requests.last().filter(|_| full).map(|row| row.id.to_string());
        Ok(Json(RequestList { requests, next_cursor }))
    }
}
