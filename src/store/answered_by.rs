//! Who answered a request, which is another matter than which step decided.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::catalog::Tier;

/// Who answered a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "i64", from = "i64")]
pub enum AnsweredBy {
    /// An upstream of this tier, or it was the last that was tried.
    Tier(Tier),
    /// The response cache. Its tokens were paid for before: they are in no tier, and in no sum of all.
    ResponseCache,
    /// Nobody: no upstream was reached.
    Nobody,
}

impl AnsweredBy {
    /// Everybody who can.
    pub const ALL: [AnsweredBy; 5] = [
        AnsweredBy::Tier(Tier::Cheap),
        AnsweredBy::Tier(Tier::Medium),
        AnsweredBy::Tier(Tier::Frontier),
        AnsweredBy::ResponseCache,
        AnsweredBy::Nobody,
    ];

    /// The number that is stored: that of the tier, -1 for nobody, -2 for the response cache.
    #[must_use]
    pub const fn number(self) -> i64 {
        match self {
            AnsweredBy::Tier(tier) => tier as i64,
            AnsweredBy::Nobody => -1,
            AnsweredBy::ResponseCache => -2,
        }
    }

    /// Its name in the API and in exports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            AnsweredBy::Tier(tier) => tier.as_str(),
            AnsweredBy::ResponseCache => "response_cache",
            AnsweredBy::Nobody => "nobody",
        }
    }

    /// Who has a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }
}

impl From<i64> for AnsweredBy {
    fn from(number: i64) -> Self {
        Self::ALL.into_iter().find(|known| known.number() == number).unwrap_or(AnsweredBy::Nobody)
    }
}

impl From<AnsweredBy> for i64 {
    fn from(answered_by: AnsweredBy) -> i64 {
        answered_by.number()
    }
}

impl fmt::Display for AnsweredBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_come_back() {
        for answered_by in AnsweredBy::ALL {
            assert_eq!(AnsweredBy::from(answered_by.number()), answered_by);
            assert_eq!(AnsweredBy::from_name(answered_by.as_str()), Some(answered_by));
        }
    }
}
