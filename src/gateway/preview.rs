//! What would be decided, without calling an upstream and without remembering it.

use super::decide::Settled;
use super::plan::{Candidate, Fitness, Plan};
use super::record::Record;
use super::requirements::{Requirements, Unsupported};
use super::{ChatCall, Gateway, GatewayError, Reason};
use crate::catalog::Tier;
use crate::protocol::ChatRequest;
use crate::routing::Decision;

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
}

impl Gateway {
    /// Decides on a request as [`Gateway::chat`] would.
    ///
    /// # Errors
    /// It cannot be read, or its tier header names no tier.
    pub async fn preview(&self, call: &ChatCall) -> Result<Preview, GatewayError> {
        let request = ChatRequest::parse(&call.body).map_err(Reason::from)?;
        let requirements = Requirements::of(&request);
        let Settled { decided, classify_us, held, .. } =
            self.decide(&request, &requirements, call, false).await.map_err(Reason::from)?;
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
        })
    }
}
