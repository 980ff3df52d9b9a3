//! How strong a model a request needs.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One of the three strengths that a request can need, in ascending order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// Everyday requests: a small or local model can do them.
    #[default]
    Cheap = 0,
    /// Requests that need a solid general model.
    Medium = 1,
    /// Requests that need the strongest model.
    Frontier = 2,
}

impl Tier {
    /// All tiers, weakest first.
    pub const ALL: [Tier; 3] = [Tier::Cheap, Tier::Medium, Tier::Frontier];

    /// The name used in the configuration, the API, the database and on pages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Tier::Cheap => "cheap",
            Tier::Medium => "medium",
            Tier::Frontier => "frontier",
        }
    }

    /// The number a classifier answers with: 0, 1 or 2.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The tier of a number, if it is 0, 1 or 2.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Tier> {
        match number {
            0 => Some(Tier::Cheap),
            1 => Some(Tier::Medium),
            2 => Some(Tier::Frontier),
            _ => None,
        }
    }

    /// This tier and the stronger ones, weakest first.
    #[must_use]
    pub fn and_up(self) -> &'static [Tier] {
        &Tier::ALL[self as usize..]
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that names no tier.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a tier; the tiers are cheap, medium and frontier")]
pub struct UnknownTier(pub String);

impl FromStr for Tier {
    type Err = UnknownTier;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Tier::ALL
            .into_iter()
            .find(|tier| word.eq_ignore_ascii_case(tier.as_str()))
            .ok_or_else(|| UnknownTier(word.to_owned()))
    }
}
