//! What would be decided, without calling an upstream and without remembering it.

use super::decide::Settled;
use super::plan::{Candidate, Fitness, Plan};
use super::record::Record;
use super::requirements::{Requirements, Unsupported, estimated_tokens};
use super::{ChatCall, Gateway, GatewayError, Reason};
use crate::catalog::Tier;
use crate::protocol::{ChatRequest, RequestError};
use crate::routing::{self, Decision, Embedded, Need, Thresholds};

/// A decision that nothing came of.
#[derive(Debug, Clone)]
pub struct Preview {
    /// What was decided.
    pub decision: Decision,
    /// The tier that would be asked; nothing if none can take the request.
    pub tier: Option<Tier>,
    /// What keeps the decided tier, or all of them, from taking it.
    pub limit: Option<Unsupported>,
    /// Every upstream from the decided tier up, in the order in which they would be tried.
    pub candidates: Vec<Candidate>,
    /// Input tokens, estimated.
    pub input_tokens: u64,
    /// Microseconds that the decision took.
    pub classify_us: i64,
    /// How strong a model the text needs, if the embedded classifier judged it.
    pub need: Option<Need>,
}

/// How strong a model a text needs, and what says so.
#[derive(Debug, Clone)]
pub struct Judgement {
    /// What the embedded classifier says.
    pub need: Need,
    /// The first 32 bits of its model's hash.
    pub version: String,
    /// Tokens of the request, estimated.
    pub input_tokens: u64,
}

impl Gateway {
    /// Decides on a request as [`Gateway::chat`] would.
    ///
    /// # Errors
    /// It cannot be read, its tier header names no tier, or its model no preset.
    pub async fn preview(&self, call: &ChatCall) -> Result<Preview, GatewayError> {
        let request = ChatRequest::parse(&call.body).map_err(Reason::from)?;
        let requirements = Requirements::of(&request);
        let Settled { decided, classify_us, held, .. } =
            self.decide(&request, &requirements, call, false).await.map_err(Reason::from)?;
        let need = self
            .classifier
            .embedded()
            .filter(|_| decided.decision.score.is_some())
            .map(|embedded| embedded.need(&self.input(&request, call, false)));
        let seed = Record::seed(held.as_ref(), call.request_id.as_str());
        let Plan { tier, limit, is_impossible, mut candidates, .. } =
            self.plan(&request, &requirements, decided.decision.tier, seed);
        for candidate in candidates.iter_mut().filter(|candidate| candidate.fitness == Fitness::Fit) {
            if let Err(error) = self.can_be_written(&candidate.target, &request, call.caller.scope()).await {
                candidate.fitness = Fitness::Inexpressible(error.to_string());
            }
        }
        Ok(Preview {
            decision: decided.decision,
            tier: (!is_impossible).then_some(tier),
            limit,
            candidates,
            input_tokens: requirements.tokens(&request),
            classify_us,
            need,
        })
    }

    /// What the embedded classifier says of a request, whichever classifier decides: no rule, no conversation and no
    /// upstream has a say. Takes some microseconds.
    ///
    /// # Errors
    /// The request cannot be read.
    pub fn judge(&self, body: &[u8]) -> Result<Judgement, RequestError> {
        let request = ChatRequest::parse(body)?;
        let shipped;
        let embedded = if let Some(embedded) = self.classifier.embedded() {
            embedded
        } else {
            shipped = Embedded::new(Thresholds::default());
            &shipped
        };
        let input = routing::input(&request, self.strategy, self.max_chars);
        Ok(Judgement {
            need: embedded.need(&input),
            version: embedded.fingerprint(),
            input_tokens: estimated_tokens(&request),
        })
    }
}
