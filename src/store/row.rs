//! One finished request, as it is handed to the writer.

use crate::catalog::{NanoUsd, Tier};
use crate::protocol::{TokenUsage, UsageSource};

/// Everything that is kept of one request. `None` is unknown.
#[derive(Debug, Clone)]
pub struct Row {
    /// The request's id.
    pub request_id: String,
    /// UTC epoch milliseconds at which it arrived.
    pub created_at_ms: i64,
    /// The conversation that it belongs to.
    pub session: Option<String>,
    /// The name of the key that it came with.
    pub key: Option<String>,
    /// The tier that was decided.
    pub decision: Tier,
    /// The step that decided it.
    pub source: &'static str,
    /// The classifier's score, 0 to 1.
    pub score: Option<f64>,
    /// The classifier's confidence, 0 to 1.
    pub confidence: Option<f64>,
    /// Why, in words.
    pub reason: Option<String>,
    /// The tier of the last attempt.
    pub tier: Option<Tier>,
    /// The upstream of the last attempt.
    pub upstream: Option<String>,
    /// Its provider.
    pub provider: Option<&'static str>,
    /// The model that the client named.
    pub requested_model: String,
    /// The model that was asked.
    pub selected_model: Option<String>,
    /// The model that answered, as the provider names it.
    pub response_model: Option<String>,
    /// Whether a local upstream served it.
    pub local: bool,
    /// Whether the answer was streamed.
    pub stream: bool,
    /// The HTTP status that the client got; 499 if it left before.
    pub status: u16,
    /// What kind of error, if it was one.
    pub error_type: Option<&'static str>,
    /// How many upstream calls were made.
    pub attempts: u32,
    /// The tokens.
    pub usage: TokenUsage,
    /// Where the tokens come from.
    pub usage_source: UsageSource,
    /// The provider's own usage object, as it wrote it.
    pub usage_raw: Option<String>,
    /// What it cost.
    pub cost: Option<NanoUsd>,
    /// What the same tokens would have cost on the frontier tier.
    pub frontier_cost: Option<NanoUsd>,
    /// Whether a classifier's model was asked.
    pub asked_classifier: bool,
    /// The tokens of the classifier's own call.
    pub classifier_usage: TokenUsage,
    /// Microseconds that the decision took.
    pub classify_us: Option<i64>,
    /// Microseconds from arrival to the first token sent on.
    pub first_token_us: Option<i64>,
    /// Microseconds from arrival to the end.
    pub duration_us: i64,
}

impl Row {
    /// Whether it counts as an error: a status of 400 and more, or a stream that broke.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.status >= 400 || self.error_type.is_some()
    }
}
