//! From a parsed request to a decision: the first step that settles it gives it its source.

use std::borrow::Cow;
use std::time::Instant;

use super::Gateway;
use crate::cache::{Key, Remembered};
use crate::catalog::{Tier, UnknownTier};
use crate::protocol::{ChatRequest, TokenUsage};
use crate::routing::{self, Classifier, Decision, Source};

/// A decision and what it took.
pub(super) struct Decided {
    pub(super) decision: Decision,
    /// Whether a model was asked.
    pub(super) asked: bool,
    /// The tokens that it reported.
    pub(super) usage: TokenUsage,
    /// Microseconds, from the parsed request to the decision.
    pub(super) classify_us: i64,
}

impl Gateway {
    pub(super) async fn decide(
        &self,
        request: &ChatRequest<'_>,
        tier_header: Option<&str>,
    ) -> Result<Decided, UnknownTier> {
        let begun = Instant::now();
        let decided = |decision| Decided {
            decision,
            asked: false,
            usage: TokenUsage::default(),
            classify_us: super::record::micros(begun.elapsed()),
        };
        if let Some(tier) = routing::forced(&request.model, tier_header)? {
            let reason = if tier_header.is_some() { "named by the header" } else { "named by the model" };
            return Ok(decided(Decision::settled(tier, Source::Forced, reason)));
        }
        if matches!(*self.classifier, Classifier::Off) {
            return Ok(decided(Decision::settled(Tier::Frontier, Source::Disabled, "the classifier is off")));
        }
        let input = routing::input(request, self.strategy, self.max_chars);
        let key = Key::new(&self.fingerprint, &input.text);
        if let Some(Remembered { tier, score, confidence, reason }) = self.cache.get(key).await {
            let reason = Cow::Owned(reason.as_ref().to_owned());
            return Ok(decided(Decision { tier, source: Source::Cache, score, confidence, reason }));
        }
        let classified = self.classifier.classify(&input).await;
        // A decision that only stands because the model failed must not outlive the failure.
        let settled = match classified.decision.source {
            Source::Llm => true,
            Source::Embedded => !classified.asked,
            _ => false,
        };
        if settled {
            let Decision { tier, score, confidence, reason, .. } = &classified.decision;
            let (score, confidence, reason) = (*score, *confidence, reason.as_ref().into());
            self.cache.put(key, Remembered { tier: *tier, score, confidence, reason }).await;
        }
        Ok(Decided { asked: classified.asked, usage: classified.usage, ..decided(classified.decision) })
    }
}
