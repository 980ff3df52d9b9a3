//! `GET /healthz` and `GET /readyz`, for whoever watches the process.

use std::sync::Arc;

use poem_openapi::payload::{Json, PlainText};
use poem_openapi::types::Example;
use poem_openapi::{ApiResponse, Object, OpenApi};

use super::{Shared, Tag};

pub(super) struct HealthApi(pub(super) Arc<Shared>);

/// Whether the router is ready, and where the rows are: `served = stored + queued + spilled + dropped`.
#[derive(Object)]
#[oai(example)]
struct Readiness {
    /// Whether requests are served and their history can be written.
    ready: bool,
    /// Why not, if not.
    reason: Option<String>,
    /// Requests that have ended since the start, and those that the start brought in from a journal.
    served: u64,
    /// Their rows in the database.
    stored: u64,
    /// Rows in memory, on their way to the database.
    queued: u64,
    /// Rows that are only in the journal beside the database, until it can be written again.
    spilled: u64,
    /// Rows that are lost.
    dropped: u64,
    /// Requests that were decided and have not ended.
    in_flight: u64,
    /// Bytes of the journal.
    journal_bytes: u64,
}

impl Example for Readiness {
    fn example() -> Self {
        Readiness {
            ready: true,
            reason: None,
            served: 18_422,
            stored: 18_420,
            queued: 2,
            spilled: 0,
            dropped: 0,
            in_flight: 3,
            journal_bytes: 20_480,
        }
    }
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
        let state = self.0.store.state().borrow().clone();
        let reason = match (&state.stalled, &state.journal_failed) {
            (Some(why), None) => Some(format!("the history cannot be written ({why}): rows wait")),
            (None, Some(why)) => {
                Some(format!("the history's journal cannot be written ({why}): a kill would lose rows"))
            }
            (Some(why), Some(journal)) => Some(format!(
                "neither the history ({why}) nor its journal ({journal}) can be written: rows wait in memory"
            )),
            (None, None) => None,
        };
        let ready = reason.is_none();
        let readiness = Json(Readiness {
            ready,
            reason,
            served: state.served,
            stored: state.stored,
            queued: state.queued,
            spilled: state.spilled,
            dropped: state.dropped,
            in_flight: state.in_flight,
            journal_bytes: state.journal_bytes,
        });
        if ready { ReadyAnswer::Ready(readiness) } else { ReadyAnswer::NotReady(readiness) }
    }
}
