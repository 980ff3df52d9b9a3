//! Deciding without a router: the embedded classifier and the rules, as configured or with their defaults.

use super::{Failure, load};
use crate::config::{Sources, Strategy};
use crate::protocol::{ChatRequest, Timestamp};
use crate::routing::{self, Decision, Embedded, Facts, Input, Rules, Thresholds};

/// Decides on requests as a router would whose conversations have just begun.
pub(super) struct Offline {
    pub(super) classifier: Embedded,
    rules: Rules,
    strategy: Strategy,
    max_chars: usize,
}

impl Offline {
    /// With the configuration in use; without one, the defaults.
    pub(super) fn new(sources: &Sources) -> Result<Self, Failure> {
        let rules = |own: &_, off: &_| Rules::new(own, off).map_err(|error| Failure::Usage(error.into()));
        if sources.is_empty() {
            return Ok(Offline {
                classifier: Embedded::new(Thresholds::default()),
                rules: rules(&[], &[])?,
                strategy: Strategy::CurrentRequest,
                max_chars: 8_000,
            });
        }
        let config = load(sources)?.config.classifier;
        let thresholds = Thresholds { medium_at: config.medium_at, frontier_at: config.frontier_at };
        Ok(Offline {
            classifier: Embedded::new(thresholds),
            rules: rules(&config.rules, &config.rules_off)?,
            strategy: config.strategy,
            max_chars: config.max_chars,
        })
    }

    /// The decision on a request.
    pub(super) fn decide(&self, request: &ChatRequest<'_>) -> Decision {
        let input = routing::input(request, self.strategy, self.max_chars);
        let decision = self.classifier.classify(&input);
        self.ruled(request.tools, request.wishes.reasoning_effort.as_deref(), &input, decision, false)
    }

    /// What the rules make of a decision on a text.
    pub(super) fn ruled(
        &self,
        tools: usize,
        effort: Option<&str>,
        input: &Input<'_>,
        decision: Decision,
        by_model: bool,
    ) -> Decision {
        let facts = Facts {
            text: &input.text,
            step: input.step,
            tokens: 0,
            tools,
            failures: 0,
            model: "auto",
            key: None,
            effort,
            headers: &[],
            hour: Timestamp::now().hour(),
        };
        self.rules.apply(&facts, decision, by_model).decision
    }
}
