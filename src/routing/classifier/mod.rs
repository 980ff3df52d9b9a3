//! What turns a request into a tier: compiled in, a model, or both.

mod embedded;
mod input;
mod llm;
mod marks;

use std::borrow::Cow;

use crate::catalog::{Judge, Tier};
use crate::config::ClassifierKind;
use crate::protocol::TokenUsage;
use crate::routing::Verdict;

pub use embedded::{
    Counts, Embedded, FRONTIER, Feature, GROUPS, LETTER_SLOTS, MEDIUM, Mix, Model, OUTCOME, Platt, QUESTION, SUMS,
    Scales, Scan, Slots, Sums, Thresholds, Token, UnreadableModel, Vocabulary, WORD_SLOTS, damped, hash_of, in_chinese,
    scan, squared,
};
pub use input::{Input, Templates, input, input_within, opening, prepare};
pub use llm::{Ask, AskError, AskPiece, Failure, LlmClassifier, LlmSettings};

/// The configured classifier.
#[derive(Debug)]
pub enum Classifier {
    /// Everything goes to the frontier tier.
    Off,
    /// The one compiled in.
    Embedded(Embedded),
    /// A small model.
    Llm(LlmClassifier),
    /// The one compiled in first, the model where that is unsure.
    Cascade {
        /// Asked first.
        embedded: Embedded,
        /// Asked where the first is unsure.
        llm: LlmClassifier,
        /// Confidence under which the first is unsure, 0 to 1.
        unsure_below: f64,
    },
}

/// What a classifier says, and what it took.
#[derive(Debug, Clone, PartialEq)]
pub struct Classified {
    /// What it says.
    pub verdict: Verdict,
    /// Whether a model was asked.
    pub asked: bool,
    /// Tokens that the model reported.
    pub usage: TokenUsage,
    /// Why the model gave no verdict, if it was asked and failed.
    pub failure: Option<String>,
}

impl Classified {
    /// A verdict that no model was asked for.
    #[must_use]
    pub fn unasked(verdict: Verdict) -> Self {
        Classified { verdict, asked: false, usage: TokenUsage::default(), failure: None }
    }
}

impl Classifier {
    /// The kind, as configured.
    #[must_use]
    pub fn kind(&self) -> ClassifierKind {
        match self {
            Classifier::Off => ClassifierKind::Off,
            Classifier::Embedded(_) => ClassifierKind::Embedded,
            Classifier::Llm(_) => ClassifierKind::Llm,
            Classifier::Cascade { .. } => ClassifierKind::Cascade,
        }
    }

    /// The embedded one, if it is asked.
    #[must_use]
    pub fn embedded(&self) -> Option<&Embedded> {
        match self {
            Classifier::Embedded(embedded) | Classifier::Cascade { embedded, .. } => Some(embedded),
            Classifier::Off | Classifier::Llm(_) => None,
        }
    }

    /// The model that is asked, if there is one.
    #[must_use]
    pub fn llm(&self) -> Option<&LlmClassifier> {
        match self {
            Classifier::Llm(llm) | Classifier::Cascade { llm, .. } => Some(llm),
            Classifier::Off | Classifier::Embedded(_) => None,
        }
    }

    /// Everything that a verdict depends on besides the input, as a text to hash.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        match self {
            Classifier::Off => "off".to_owned(),
            Classifier::Embedded(embedded) => format!("embedded {}", embedded.fingerprint()),
            Classifier::Llm(llm) => format!("llm {}", llm.fingerprint()),
            Classifier::Cascade { embedded, llm, unsure_below } => {
                format!("cascade {unsure_below} {} {}", embedded.fingerprint(), llm.fingerprint())
            }
        }
    }

    /// Judges where no model is asked.
    #[must_use]
    pub fn classify_alone(&self, input: &Input<'_>) -> Option<Classified> {
        match self {
            Classifier::Off => Some(off()),
            Classifier::Embedded(embedded) => Some(Classified::unasked(embedded.classify(input))),
            Classifier::Llm(_) | Classifier::Cascade { .. } => None,
        }
    }

    /// Judges. A classifier that fails never fails the request: then the verdict is for the frontier tier, and nobody's;
    /// in a cascade the embedded verdict stands.
    pub async fn classify(&self, input: &Input<'_>) -> Classified {
        match self {
            Classifier::Off => off(),
            Classifier::Embedded(embedded) => Classified::unasked(embedded.classify(input)),
            Classifier::Llm(llm) => match llm.classify(input).await {
                Ok(classified) => classified,
                Err(failure) => failed(&failure),
            },
            Classifier::Cascade { embedded, llm, unsure_below } => {
                let first = embedded.classify(input);
                if first.confidence.unwrap_or(0.0) >= *unsure_below {
                    return Classified::unasked(first);
                }
                match llm.classify(input).await {
                    Ok(mut classified) => {
                        classified.verdict.score = first.score;
                        classified.verdict.confidence = first.confidence;
                        classified
                    }
                    Err(failure) => {
                        let reason = Cow::Owned(format!("llm_unavailable ({failure}); {}", first.reason));
                        without_model(Verdict { reason, ..first }, &failure)
                    }
                }
            }
        }
    }
}

/// What a classifier that is off says, should somebody ask it.
fn off() -> Classified {
    Classified::unasked(nobody(Cow::Borrowed("the classifier is off")))
}

fn failed(failure: &Failure) -> Classified {
    without_model(nobody(Cow::Owned(format!("classifier_unavailable ({failure})"))), failure)
}

fn without_model(verdict: Verdict, failure: &Failure) -> Classified {
    Classified { verdict, asked: true, usage: TokenUsage::default(), failure: Some(failure.to_string()) }
}

fn nobody(reason: Cow<'static, str>) -> Verdict {
    Verdict { tier: Tier::Frontier, judge: Judge::Nobody, remembered: false, score: None, confidence: None, reason }
}
