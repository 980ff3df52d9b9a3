//! What a classifier says, and the decision that becomes of it.

use std::borrow::Cow;

use crate::catalog::{Judge, Source, Tier};

/// What a classifier says of a request. Rules and the conversation may make another decision of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The tier.
    pub tier: Tier,
    /// Who says so.
    pub judge: Judge,
    /// Whether it was said before, of the same input.
    pub remembered: bool,
    /// The embedded classifier's score: 0 is easy, 1 is hard.
    pub score: Option<f64>,
    /// How sure the embedded classifier is, 0 to 1.
    pub confidence: Option<f64>,
    /// Why, in a few words.
    pub reason: Cow<'static, str>,
}

impl Verdict {
    /// The step that this is.
    #[must_use]
    pub const fn source(&self) -> Source {
        match (self.remembered, self.judge) {
            (true, _) => Source::Cache,
            (false, Judge::Embedded) => Source::Embedded,
            (false, Judge::Model) => Source::Llm,
            (false, Judge::Nobody) => Source::Fallback,
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

impl From<Verdict> for Decision {
    fn from(verdict: Verdict) -> Self {
        let source = verdict.source();
        let Verdict { tier, score, confidence, reason, .. } = verdict;
        Decision { tier, source, score, confidence, reason }
    }
}
