//! The choice and why.

use std::borrow::Cow;

use crate::catalog::Tier;

/// The step that settled a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// The client named a tier.
    Forced,
    /// The classifier is off.
    Disabled,
    /// The same input was decided before.
    Cache,
    /// The embedded classifier.
    Embedded,
    /// The classifier's model.
    Llm,
    /// A rule over the classifier's decision.
    Rule,
    /// The conversation's tier stands.
    Session,
    /// The classifier failed.
    Fallback,
    /// The whole answer was given before, whatever decided then.
    ResponseCache,
}

impl Source {
    /// All steps.
    pub const ALL: [Source; 9] = [
        Source::Forced,
        Source::Disabled,
        Source::Session,
        Source::Cache,
        Source::Embedded,
        Source::Llm,
        Source::Rule,
        Source::Fallback,
        Source::ResponseCache,
    ];

    /// The name in the answer's header, the history and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Source::Forced => "forced",
            Source::Disabled => "disabled",
            Source::Cache => "cache",
            Source::Embedded => "embedded",
            Source::Llm => "llm",
            Source::Rule => "rule",
            Source::Session => "session",
            Source::Fallback => "fallback",
            Source::ResponseCache => "response_cache",
        }
    }
}

/// How strong a model a request needs, and what settled it.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The tier.
    pub tier: Tier,
    /// The step that settled it.
    pub source: Source,
    /// The classifier's score: 0 is easy, 1 is hard.
    pub score: Option<f64>,
    /// How sure the classifier is, 0 to 1.
    pub confidence: Option<f64>,
    /// Why, in a few words.
    pub reason: Cow<'static, str>,
}

impl Decision {
    /// A decision that needed no classifier.
    #[must_use]
    pub fn settled(tier: Tier, source: Source, reason: &'static str) -> Self {
        Decision { tier, source, score: None, confidence: None, reason: Cow::Borrowed(reason) }
    }
}
