//! Points in time: UTC epoch milliseconds inside, RFC 3339 outside.

use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

/// UTC epoch milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

/// A text that is no RFC 3339 time.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no RFC 3339 time such as 2026-11-23T08:00:00Z, and no date such as 2026-11-23")]
pub struct TimestampError(pub String);

impl Timestamp {
    /// The wall clock's reading. Every time in the history comes from here.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the wall clock")]
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// The hour of the day in UTC, 0 to 23.
    #[must_use]
    pub fn hour(self) -> u8 {
        self.date_time().hour()
    }

    fn date_time(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

impl fmt::Display for Timestamp {
    /// `2026-11-23T08:00:00.123Z`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
        f.write_str(&self.date_time().format(&format).map_err(|_| fmt::Error)?)
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_date = text.len() == 10;
        let full = if is_date { format!("{text}T00:00:00Z") } else { text.to_owned() };
        let time = OffsetDateTime::parse(&full, &Rfc3339).map_err(|_| TimestampError(text.to_owned()))?;
        let time = time.checked_to_offset(UtcOffset::UTC).ok_or_else(|| TimestampError(text.to_owned()))?;
        let nanos = time.unix_timestamp_nanos();
        i64::try_from(nanos.div_euclid(1_000_000)).map(Timestamp).map_err(|_| TimestampError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written_as_rfc_3339_in_utc() {
        assert!("9999-12-31T23:59:59-23:59".parse::<Timestamp>().is_err(), "beyond the calendar in UTC");
        let time: Timestamp = "2026-11-23T09:30:00.5+01:00".parse().unwrap();
        assert_eq!(time.to_string(), "2026-11-23T08:30:00.500Z");
        assert_eq!("2026-11-23".parse::<Timestamp>().unwrap().to_string(), "2026-11-23T00:00:00.000Z");
        for bad in ["", "yesterday", "2026-13-01", "2026-11-23 08:00"] {
            assert!(bad.parse::<Timestamp>().is_err(), "{bad}");
        }
    }
}
