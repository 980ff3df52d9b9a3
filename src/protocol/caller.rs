//! Who makes a request.

use std::sync::Arc;

/// Who makes a request, as the door knows it: the holder of a key, or anybody where no key is asked for. It travels with
/// the request as one value; what its holder may do and spend belongs here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Caller {
    key: Option<Arc<str>>,
}

impl Caller {
    /// Somebody without a key.
    #[must_use]
    pub fn anybody() -> Self {
        Caller::default()
    }

    /// The holder of the key with this name.
    #[must_use]
    pub fn with_key(name: &str) -> Self {
        Caller { key: Some(name.into()) }
    }

    /// The name of the key; never the key itself.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// What keeps callers apart wherever something is remembered: the key's name, empty for anybody.
    #[must_use]
    pub fn scope(&self) -> &str {
        self.key().unwrap_or_default()
    }
}
