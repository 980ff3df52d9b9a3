//! What would be decided, without calling an upstream and without remembering it.

use super::guards::{Limit, Needs};
use super::{ChatCall, Gateway, GatewayError, Reason};
use crate::catalog::Tier;
use crate::protocol::ChatRequest;
use crate::routing::Decision;

/// A decision that nothing came of.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// What was decided.
    pub decision: Decision,
    /// The tier that would be asked; nothing if none can take the request.
    pub tier: Option<Tier>,
    /// What keeps the decided tier, or all of them, from taking it.
    pub limit: Option<Limit>,
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
        let needs = Needs::of(&request);
        let decided = self.decide(&request, &needs, call, false).await.map_err(Reason::from)?;
        let (tier, limit) = match self.guard(&request, &needs, decided.decision.tier) {
            Ok((tier, limit)) => (Some(tier), limit),
            Err(limit) => (None, Some(limit)),
        };
        let input_tokens = needs.tokens(&request);
        Ok(Preview { decision: decided.decision, tier, limit, input_tokens, classify_us: decided.classify_us })
    }
}
