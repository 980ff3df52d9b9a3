//! The name by which a request is found again: in the answer's header, the log and the history.

use std::fmt;

use super::Timestamp;

/// Longest id taken from a client, in bytes.
const LONGEST: usize = 128;

/// A request's id: the client's own if it sent a valid one, else a fresh UUID (version 7).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestId(String);

impl RequestId {
    /// A fresh id. Ids made later sort after ids made earlier.
    #[must_use]
    pub fn fresh() -> Self {
        RequestId(uuid::Uuid::now_v7().simple().to_string())
    }

    /// Takes a client's id: 1 to 128 ASCII letters, digits, `-`, `_`, `.`, `:`.
    #[must_use]
    pub fn from_client(text: &str) -> Option<Self> {
        let fits = (1..=LONGEST).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte));
        fits.then(|| RequestId(text.to_owned()))
    }

    /// The id that would have been made at a time, with these random bits; for histories that are made up.
    #[must_use]
    pub fn at(time: Timestamp, bits: u64) -> Self {
        let ms = u64::try_from(time.0).unwrap_or(0);
        let mut random = [0; 10];
        random[2..].copy_from_slice(&bits.to_be_bytes());
        RequestId(uuid::Builder::from_unix_timestamp_millis(ms, &random).into_uuid().simple().to_string())
    }

    /// The UTC epoch milliseconds that a fresh id was made at; `None` for any other text.
    #[must_use]
    pub fn time_in(text: &str) -> Option<i64> {
        if text.len() != 32 {
            return None;
        }
        let id = uuid::Uuid::try_parse(text).ok().filter(|id| id.get_version_num() == 7)?;
        i64::try_from(id.as_u128() >> 80).ok()
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_plain_ids_are_taken_from_clients() {
        assert!(RequestId::from_client("req_1-A.b:c").is_some());
        for bad in ["", "a b", "a\r\nb", "é", &"x".repeat(129)] {
            assert!(RequestId::from_client(bad).is_none(), "{bad:?}");
        }
    }
}
