//! The API that a request came by.

use serde::{Deserialize, Serialize};

/// The API that a request came by. Routing does not look at it; the history tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Api {
    /// `POST /v1/chat/completions`.
    Chat,
    /// `POST /v1/embeddings`.
    Embeddings,
}

impl Api {
    /// All of them.
    pub const ALL: [Api; 2] = [Api::Chat, Api::Embeddings];

    /// The name in the history.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Api::Chat => "chat",
            Api::Embeddings => "embeddings",
        }
    }

    /// The number that is stored.
    #[must_use]
    pub const fn number(self) -> i64 {
        match self {
            Api::Chat => 1,
            Api::Embeddings => 2,
        }
    }

    /// The API of a stored number.
    #[must_use]
    pub fn from_number(number: i64) -> Option<Self> {
        Api::ALL.into_iter().find(|api| api.number() == number)
    }
}
