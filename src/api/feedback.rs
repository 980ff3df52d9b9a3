//! `POST /v1/feedback`: what somebody reports of a decision.

use std::sync::Arc;

use poem::Request;
use poem::http::StatusCode;
use poem_openapi::payload::Json;
use poem_openapi::{Enum, Object, OpenApi};

use super::body::{self, JsonBody};
use super::{ApiError, Shared, Tag};
use crate::catalog::Tier;
use crate::store::{Feedback, Opinion};

pub(super) struct FeedbackApi(pub(super) Arc<Shared>);

/// A report on one decision: a verdict, or the right tier.
#[derive(Object)]
struct FeedbackRequest {
    /// The id of the answer's `X-Request-Id` header.
    request_id: String,
    /// How the answer was.
    verdict: Option<VerdictWord>,
    /// The tier that was the right one, in place of a verdict.
    tier: Option<TierWord>,
}

/// How an answer was.
#[derive(Enum, Clone, Copy)]
#[oai(rename_all = "lowercase", rename = "FeedbackVerdict")]
enum VerdictWord {
    /// Better than it needed to be: a weaker tier would do.
    Better,
    /// Not good enough: a stronger tier was needed.
    Worse,
}

/// A tier.
#[derive(Enum, Clone, Copy)]
#[oai(rename_all = "lowercase", rename = "FeedbackTier")]
enum TierWord {
    /// A small or local model.
    Cheap,
    /// A solid general model.
    Medium,
    /// The strongest model.
    Frontier,
}

impl From<TierWord> for Tier {
    fn from(word: TierWord) -> Self {
        match word {
            TierWord::Cheap => Tier::Cheap,
            TierWord::Medium => Tier::Medium,
            TierWord::Frontier => Tier::Frontier,
        }
    }
}

/// What was kept.
#[derive(Object)]
struct FeedbackKept {
    /// The request.
    request_id: String,
    /// The tier that was decided for it.
    decided: String,
    /// Whether thresholds can be learnt from it: a classifier scored the request.
    usable: bool,
}

#[OpenApi]
impl FeedbackApi {
    /// Report how a decision was
    ///
    /// Keeps the report in the history, without the prompt. The last report on a request counts.
    /// `xrouter train --from-history` learns from all of them.
    #[oai(path = "/v1/feedback", method = "post", operation_id = "reportFeedback", tag = "Tag::History")]
    async fn report(&self, request: &Request, body: JsonBody<FeedbackRequest>) -> Result<Json<FeedbackKept>, ApiError> {
        let body = self.0.read(request, body.take()).await?;
        let told = body::parse(&body);
        let FeedbackRequest { request_id, verdict, tier } =
            told.map_err(|error| ApiError::invalid("verdict", format!("the report cannot be read: {error}")))?;
        let opinion = match (verdict, tier) {
            (Some(VerdictWord::Worse), None) => Opinion::Worse,
            (Some(VerdictWord::Better), None) => Opinion::Better,
            (None, Some(tier)) => Opinion::Right(tier.into()),
            _ => return Err(ApiError::invalid("verdict", "send either `verdict` (better or worse) or `tier`")),
        };
        let Some(row) = self.0.store.request(&request_id).await? else {
            let message =
                format!("the history has no request `{request_id}`; it was never made here, or is no longer kept");
            return Err(ApiError::new(StatusCode::NOT_FOUND, "request_not_found", message));
        };
        let feedback = Feedback { request_id, opinion, decided: row.decision, score: row.score };
        match self.0.store.keep_feedback(&feedback).await {
            Ok(true) => {}
            Ok(false) => {
                let message = "the history is off (store.enabled = false): there is nowhere to keep the report";
                return Err(ApiError::new(StatusCode::CONFLICT, "history_off", message));
            }
            Err(error) => {
                tracing::error!(%error, "a report on a decision cannot be kept");
                return Err(ApiError::internal());
            }
        }
        Ok(Json(FeedbackKept {
            request_id: feedback.request_id,
            decided: feedback.decided.as_str().to_owned(),
            usable: feedback.score.is_some(),
        }))
    }
}
