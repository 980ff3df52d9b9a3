//! The HTTP API: OpenAI-compatible chat, and the history for programs.
//!
//! Enters: HTTP requests. Leaves: JSON, CSV, event streams, errors in OpenAI's envelope, and the
//! generated OpenAPI document. Decides nothing; everything is asked of the gateway and the store.
//! Read `chat.rs` first, then `front.rs`, which stands before every path.

mod access;
mod body;
mod chat;
mod conversation;
mod described;
mod embeddings;
mod error;
mod explain;
mod feedback;
mod front;
mod health;
mod metrics;
mod models;
mod requests;
mod route;
mod schema;
mod systemone;
mod usage;

use std::sync::Arc;

use poem::http::HeaderName;
use poem_openapi::{OpenApiService, Tags};

pub use access::{Access, COOKIE};
pub use body::read as read_body;
pub use error::ApiError;
pub use front::Front;
pub use metrics::HistoryMetrics;
pub use usage::usage_report;

use crate::gateway::Gateway;
use crate::store::Store;

/// What the handlers share.
#[derive(Debug)]
pub struct Shared {
    /// Answers chat requests.
    pub gateway: Arc<Gateway>,
    /// The history.
    pub store: Store,
    /// Largest request body, in bytes.
    pub body_limit: usize,
    /// Header that carries the decision.
    pub decision_header: HeaderName,
    /// Header that carries the tier that answered.
    pub upstream_header: HeaderName,
    /// Whether it has no key and listens on loopback, so that only this machine's programs are meant.
    pub loopback_only: bool,
    /// Seconds since the epoch at which the router started.
    pub started_at: i64,
}

#[derive(Tags)]
enum Tag {
    /// Chat completions, routed.
    Chat,
    /// Texts as vectors.
    Embeddings,
    /// What can be asked for.
    Models,
    /// Figures: totals, groups, single requests, CSV.
    History,
    /// For whoever watches the process.
    Health,
}

/// All paths of the API, as a service that knows its own OpenAPI document.
#[must_use]
pub fn service(shared: Arc<Shared>) -> OpenApiService<impl poem_openapi::OpenApi, ()> {
    let parts = (
        (chat::ChatApi(shared.clone()), route::RouteApi(shared.clone()), systemone::SystemOneApi(shared.clone())),
        (embeddings::EmbeddingsApi(shared.clone()), models::ModelsApi(shared.clone())),
        usage::UsageApi(shared.clone()),
        (requests::RequestsApi(shared.clone()), feedback::FeedbackApi(shared.clone())),
        health::HealthApi(shared.clone()),
        metrics::MetricsApi(shared),
    );
    OpenApiService::new(parts, "xrouter", env!("CARGO_PKG_VERSION"))
        .summary("An inference router: decides how strong a model each request needs")
        .description(
            "Every path but `/healthz`, `/readyz` and `/sign-in` needs `Authorization: Bearer KEY` where the router \
             has a key; a GET also passes with the pages' cookie, which `/sign-in` sets. Errors have OpenAI's \
             envelope. Every answer has `X-Request-Id` and `Server-Timing`.",
        )
        .license("MIT")
}
