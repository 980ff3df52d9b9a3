//! `POST /v1/route`: the decision on a request, without an answer.

use std::sync::Arc;

use bytes::Bytes;
use poem::Request;
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use super::body::JsonBody;
use super::schema::ChatMessage;
use super::{ApiError, Shared, Tag};
use crate::catalog::Tier;
use crate::gateway::{Candidate, Fitness, Preview};
use crate::routing::Need;
use crate::store::milliseconds;

pub(super) struct RouteApi(pub(super) Arc<Shared>);

/// What would be decided.
#[derive(Object)]
#[oai(example)]
struct RouteDecision {
    /// 0, 1 or 2: what was decided, before requirements moved it up.
    decision: u8,
    /// The tier that would be asked; `null` if none can take the request.
    tier: Option<String>,
    /// The step that settled it.
    source: String,
    /// Need for a strong model: near 0 cheap, near 0.5 medium, near 1 frontier; `null` where no classifier was asked.
    score: Option<f64>,
    /// Probability that the decided tier is the right one, 0 to 1; `null` where that is not known.
    confidence: Option<f64>,
    /// The probability that each tier is the right one; `null` where the embedded classifier did not judge.
    probabilities: Option<RouteProbabilities>,
    /// Why.
    reason: String,
    /// What keeps the decided tier, or all of them, from taking the request.
    limit: Option<String>,
    /// Input tokens, estimated.
    input_tokens: u64,
    /// Milliseconds that the decision took.
    classify_ms: f64,
    /// Every upstream from the decided tier up, in the order in which they would be tried.
    candidates: Vec<RouteCandidate>,
}

/// They add up to 1.
#[derive(Object)]
struct RouteProbabilities {
    /// Of the cheap tier.
    cheap: f64,
    /// Of the medium tier.
    medium: f64,
    /// Of the frontier tier.
    frontier: f64,
}

impl From<Need> for RouteProbabilities {
    fn from(need: Need) -> Self {
        let of = need.probabilities();
        RouteProbabilities { cheap: of[Tier::Cheap], medium: of[Tier::Medium], frontier: of[Tier::Frontier] }
    }
}

/// A request as in OpenAI's chat completions API, with all its fields, or a text alone.
#[derive(Object)]
struct RouteRequest {
    /// `auto` and most other names let the router decide; `xrouter/cheap` and the like force a tier.
    model: Option<String>,
    /// What a person asks, in place of `messages`.
    text: Option<String>,
    /// The conversation, oldest message first.
    messages: Option<Vec<ChatMessage>>,
}

/// A text alone as a request; any other body as it stands.
fn request_of(body: Bytes) -> Result<Bytes, ApiError> {
    // What cannot be read is refused with the rest of it.
    let Ok(Some(_)) = serde_json::from_slice::<Head>(&body).map(|head| head.text) else { return Ok(body) };
    let Ok(members) = serde_json::from_slice::<Map<String, Value>>(&body) else { return Ok(body) };
    if let Some(other) = members.keys().find(|name| !["text", "model"].contains(&name.as_str())) {
        let other: String = other.chars().take(64).collect();
        let message = format!("there is `text` and there is `{other}`: beside `text`, only `model` is read");
        return Err(ApiError::invalid("text", message));
    }
    let text = members["text"].as_str().ok_or_else(|| ApiError::invalid("text", "`text` is no string"))?;
    let model = members.get("model").and_then(Value::as_str).unwrap_or("auto");
    Ok(json!({ "model": model, "messages": [{ "role": "user", "content": text }] }).to_string().into())
}

/// What of a body tells whether it is a text alone.
#[derive(Deserialize)]
struct Head {
    text: Option<IgnoredAny>,
}

/// An upstream that could be called.
#[derive(Object)]
struct RouteCandidate {
    /// Its name in the configuration.
    upstream: String,
    /// Its tier.
    tier: String,
    /// Its own model; `null` where it takes the request's.
    model: Option<String>,
    /// Whether it can take the request.
    fit: bool,
    /// Why not.
    reason: Option<String>,
}

impl From<&Candidate> for RouteCandidate {
    fn from(candidate: &Candidate) -> Self {
        let upstream = &candidate.target.upstream;
        let fit = candidate.fitness == Fitness::Fit;
        RouteCandidate {
            upstream: upstream.name.clone(),
            tier: upstream.tier.as_str().to_owned(),
            model: upstream.model.clone(),
            fit,
            reason: (!fit).then(|| candidate.fitness.to_string()),
        }
    }
}

impl Example for RouteDecision {
    fn example() -> Self {
        RouteDecision {
            decision: 2,
            tier: Some("frontier".to_owned()),
            source: "embedded".to_owned(),
            score: Some(0.81),
            confidence: Some(0.85),
            probabilities: Some(RouteProbabilities { cheap: 0.04, medium: 0.11, frontier: 0.85 }),
            reason: "asks for a proof; words: convergence, operator".to_owned(),
            limit: None,
            input_tokens: 412,
            classify_ms: 0.021,
            candidates: vec![RouteCandidate {
                upstream: "anthropic".to_owned(),
                tier: "frontier".to_owned(),
                model: Some("claude-sonnet-5-5".to_owned()),
                fit: true,
                reason: None,
            }],
        }
    }
}

#[OpenApi]
impl RouteApi {
    /// Decide without answering
    ///
    /// Takes the same request as `/v1/chat/completions`, or `{"text": "…"}`, and reports how it would be decided. No
    /// upstream is called (a classifier that asks a model does ask it), nothing goes to the history, and the conversation
    /// stays as it is.
    #[oai(path = "/v1/route", method = "post", operation_id = "routeRequest", tag = "Tag::Chat")]
    async fn route(&self, request: &Request, body: JsonBody<RouteRequest>) -> Result<Json<RouteDecision>, ApiError> {
        let body = request_of(self.0.read(request, body.take()).await?)?;
        let call = self.0.call_with(request, body);
        let preview = self.0.gateway.preview(&call).await.map_err(|error| ApiError::from(&error))?;
        let Preview { decision, tier, limit, candidates, input_tokens, classify_us, need } = preview;
        Ok(Json(RouteDecision {
            decision: decision.tier.number(),
            tier: tier.map(|tier| tier.as_str().to_owned()),
            source: decision.source.as_str().to_owned(),
            score: decision.score,
            confidence: decision.confidence,
            probabilities: need.map(RouteProbabilities::from),
            reason: decision.reason.into_owned(),
            limit: limit.map(|limit| limit.to_string()),
            input_tokens,
            classify_ms: milliseconds(classify_us),
            candidates: candidates.iter().map(RouteCandidate::from).collect(),
        }))
    }
}
