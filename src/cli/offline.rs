//! Deciding without a router: the classifier and the policy, as configured or with their defaults.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{Failure, load};
use crate::app;
use crate::catalog::ByTier;
use crate::config::{Sources, Strategy};
use crate::gateway::estimated_tokens;
use crate::protocol::{ChatRequest, Timestamp};
use crate::routing::{
    self, Classified, Classifier, Decided, Embedded, Facts, Input, Policy, Rules, TIER_HEADER, Thresholds, UnknownName,
};

/// Decides on requests as a router would whose conversations have just begun. What it does not know of a request, such as
/// its headers and its key, is not made up: rules that look at it are told.
pub(super) struct Offline {
    pub(super) classifier: Classifier,
    policy: Policy,
    strategy: Strategy,
    max_chars: usize,
}

/// How much of a request is at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// All of its body.
    Request,
    /// Its messages and its tools, without what else it asks for.
    Conversation,
    /// Words alone.
    Words,
}

impl Offline {
    /// With the configuration in use; without one, the defaults.
    pub(super) fn new(sources: &Sources) -> Result<Self, Failure> {
        if sources.is_empty() {
            return Ok(Offline {
                classifier: Classifier::Embedded(Embedded::new(Thresholds::default())),
                policy: Policy {
                    rules: Rules::new(&[], &[]).map_err(|error| Failure::Usage(error.into()))?,
                    ..Policy::default()
                },
                strategy: Strategy::CurrentRequest,
                max_chars: 8_000,
            });
        }
        let loaded = load(sources)?;
        let config = &loaded.config.classifier;
        Ok(Offline {
            classifier: app::classifier(&loaded)?,
            policy: app::policy(&loaded.config)?,
            strategy: config.strategy,
            max_chars: config.max_chars,
        })
    }

    /// The decision on a request, and on its headers if they are known.
    ///
    /// # Errors
    /// A header names no tier, or the model no preset.
    pub(super) async fn decide(
        &self,
        request: &ChatRequest<'_>,
        extent: Extent,
        headers: Option<&BTreeMap<String, String>>,
    ) -> Result<(Decided, Option<Classified>), UnknownName> {
        let headers: Option<Vec<(String, String)>> =
            headers.map(|all| all.iter().map(|(name, value)| (name.to_lowercase(), value.clone())).collect());
        let tier = headers.iter().flatten().find(|(name, _)| name == TIER_HEADER).map(|(_, value)| value.as_str());
        let input = self.input(request);
        let (is_request, is_conversation) = (extent == Extent::Request, extent != Extent::Words);
        let rules = &self.policy.rules;
        let model = is_request.then_some(request.model.as_ref());
        let facts = Facts {
            named: routing::named(model.unwrap_or_default(), tier)?,
            step: Some(input.step),
            text: Some(Cow::Borrowed(&input.text)),
            tokens: (is_conversation && rules.count_tokens()).then(|| estimated_tokens(request)),
            tools: is_conversation.then_some(request.tools as u64),
            failures: is_conversation.then_some(input.failures as u64),
            model: model.map(Cow::Borrowed),
            effort: is_request.then(|| Cow::Borrowed(request.wishes.reasoning_effort.as_deref().unwrap_or_default())),
            headers: headers.as_deref().map(Cow::Borrowed),
            now_ms: Timestamp::now().0,
            ..Facts::default()
        };
        Ok(self.settle(&facts, &input).await)
    }

    /// What of a request is classified.
    pub(super) fn input<'a>(&self, request: &'a ChatRequest<'_>) -> Input<'a> {
        routing::input(request, self.strategy, self.max_chars)
    }

    /// The tier that the embedded classifier alone decides with the same rules, 0 to 2, if a model was asked.
    pub(super) fn alone(&self, request: &ChatRequest<'_>, classified: Option<&Classified>) -> Option<u8> {
        let embedded = self.classifier.embedded().filter(|_| classified.is_some_and(|it| it.asked))?;
        let input = self.input(request);
        let facts = Facts { step: Some(input.step), text: Some(Cow::Borrowed(&input.text)), ..Facts::default() };
        let decided = self.policy.decide(&facts, None, &ByTier::default(), embedded.classify(&input));
        Some(decided.decision.tier.number())
    }

    async fn settle(&self, facts: &Facts<'_>, input: &Input<'_>) -> (Decided, Option<Classified>) {
        if let Some(decided) = self.policy.settled(facts, None) {
            return (decided, None);
        }
        let classified = self.classifier.classify(input).await;
        let decided = self.policy.decide(facts, None, &ByTier::default(), classified.verdict.clone());
        (decided, Some(classified))
    }
}
