//! The step that settled a decision, and who judged before it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The step that settled a decision. Who answered is another matter: an answer may come from the response cache,
/// whatever decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The client named a tier.
    Forced,
    /// The classifier is off.
    Disabled,
    /// The conversation's tier stands.
    Session,
    /// The same input was decided before.
    Cache,
    /// The embedded classifier.
    Embedded,
    /// The classifier's model.
    Llm,
    /// A rule over the classifier's decision.
    Rule,
    /// The classifier failed.
    Fallback,
}

impl Source {
    /// All steps, in the order in which they are asked.
    pub const ALL: [Source; 8] = [
        Source::Forced,
        Source::Disabled,
        Source::Session,
        Source::Cache,
        Source::Embedded,
        Source::Llm,
        Source::Rule,
        Source::Fallback,
    ];

    /// The name in the answer's header, the history and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Source::Forced => "forced",
            Source::Disabled => "disabled",
            Source::Session => "session",
            Source::Cache => "cache",
            Source::Embedded => "embedded",
            Source::Llm => "llm",
            Source::Rule => "rule",
            Source::Fallback => "fallback",
        }
    }

    /// The step of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.as_str() == name)
    }
}

/// Who judged a request before rules and its conversation had their say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judge {
    /// The embedded classifier.
    Embedded,
    /// The classifier's model.
    Model,
    /// Nobody: the classifier failed.
    Nobody,
}

impl Judge {
    /// The number that is stored.
    #[must_use]
    pub const fn number(self) -> i64 {
        match self {
            Judge::Embedded => 0,
            Judge::Model => 1,
            Judge::Nobody => 2,
        }
    }

    /// The judge of a stored number.
    #[must_use]
    pub const fn from_number(number: i64) -> Option<Self> {
        match number {
            0 => Some(Judge::Embedded),
            1 => Some(Judge::Model),
            2 => Some(Judge::Nobody),
            _ => None,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
