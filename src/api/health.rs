//! `GET /healthz` and `GET /readyz`, for whoever watches the process.

use std::sync::Arc;

use poem_openapi::payload::{Json, PlainText};
use poem_openapi::{ApiResponse, Object, OpenApi};

use super::{Shared, Tag};

pub(super) struct HealthApi(pub(super) Arc<Shared>);

/// Whether the router is ready, and how its history is.
#[derive(Object)]
struct Readiness {
    /// Whether requests are served and kept.
    ready: bool,
    /// Why not, if not.
    reason: Option<String>,
    /// Rows written since the start.
    stored: u64,
    /// Rows that the queue had no room for.
    dropped: u64,
    /// Rows that the database refused for good.
    failed: u64,
}

#[derive(ApiResponse)]
enum ReadyAnswer {
    /// Ready.
    #[oai(status = 200)]
    Ready(Json<Readiness>),
    /// Requests are served, but the history cannot be written now.
    #[oai(status = 503)]
    NotReady(Json<Readiness>),
}

#[OpenApi]
#[expect(clippy::unused_async, reason = "the macro takes async functions only")]
impl HealthApi {
    /// Whether the process lives
    #[oai(path = "/healthz", method = "get", operation_id = "getHealth", tag = "Tag::Health")]
    async fn health(&self) -> PlainText<&'static str> {
        PlainText("ok")
    }

    /// Whether requests are served and kept
    #[oai(path = "/readyz", method = "get", operation_id = "getReadiness", tag = "Tag::Health")]
    async fn readiness(&self) -> ReadyAnswer {
        let state = *self.0.store.state().borrow();
        let readiness = Readiness {
            ready: !state.stalled,
            reason: state.stalled.then(|| "the history cannot be written: rows wait in memory".to_owned()),
            stored: state.stored,
            dropped: state.dropped,
            failed: state.failed,
        };
        if state.stalled { ReadyAnswer::NotReady(Json(readiness)) } else { ReadyAnswer::Ready(Json(readiness)) }
    }
}
