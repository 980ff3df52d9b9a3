//! How long a provider wants to be left alone: as many ways to say it as there are providers.
//!
//! Sources (read 2026-11-25): RFC 9110, 10.2.3 (`retry-after`: seconds or a date); OpenAI's SDK
//! (`retry-after-ms`); "Rate limits" of OpenAI (`x-ratelimit-reset-*`, durations such as `6m0s`) and of Anthropic
//! (`anthropic-ratelimit-*-reset`, RFC 3339); `google.rpc.RetryInfo`.

use std::time::Duration;

use reqwest::header::HeaderMap;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use crate::protocol::Timestamp;

/// More than this is no wait but a refusal: a week.
const LONGEST: Duration = Duration::from_hours(24 * 7);

/// The wait that an answer's headers ask for. `limited` is whether its status is 429: only then do the
/// headers of rate limits tell anything.
pub(super) fn from_headers(headers: &HeaderMap, limited: bool, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let ms = text("retry-after-ms").and_then(|text| text.parse::<f64>().ok()).and_then(|ms| seconds(ms / 1000.0));
    let told = ms.or_else(|| text("retry-after").and_then(|text| from_retry_after(text, now)));
    if told.is_some() || !limited {
        return told;
    }
    // A limit that is used up tells when it is filled again. The longest such wait counts.
    let anthropic = ["requests", "tokens", "input-tokens", "output-tokens"].into_iter().filter_map(|what| {
        let left = text(&format!("anthropic-ratelimit-{what}-remaining"))?;
        let reset = text(&format!("anthropic-ratelimit-{what}-reset"))?.parse::<Timestamp>().ok()?;
        (left == "0").then(|| until(reset, now))
    });
    let openai = ["requests", "tokens"].into_iter().filter_map(|what| {
        let left = text(&format!("x-ratelimit-remaining-{what}"))?;
        let reset = duration(text(&format!("x-ratelimit-reset-{what}"))?)?;
        (left == "0").then_some(reset)
    });
    anthropic.chain(openai).max()
}

fn from_retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(figure) = text.parse::<f64>() {
        return seconds(figure);
    }
    let date = OffsetDateTime::parse(text, &Rfc2822).ok()?;
    let ms = i64::try_from(date.unix_timestamp_nanos() / 1_000_000).ok()?;
    Some(until(Timestamp(ms), now))
}

fn until(time: Timestamp, now: Timestamp) -> Duration {
    Duration::from_millis(u64::try_from(time.0.saturating_sub(now.0)).unwrap_or(0)).min(LONGEST)
}

fn seconds(figure: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(figure).ok().map(|wait| wait.min(LONGEST))
}

/// `6m0s`, `1.57s`, `12ms`, `1h2m`, or plain seconds.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if let Ok(figure) = rest.parse::<f64>() {
        return seconds(figure);
    }
    let mut whole = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit() && character != '.')?;
        let figure: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest.find(|character: char| character.is_ascii_digit()).unwrap_or(rest.len());
        whole += figure
            * match &rest[..unit] {
                "ms" => 0.001,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3_600.0,
                _ => return None,
            };
        rest = &rest[unit..];
    }
    seconds(whole)
}

/// "Please retry in 12.5s.", "Please retry after 86400 seconds."
pub(super) fn from_message(message: &str) -> Option<Duration> {
    let (_, rest) = ["retry in ", "again in ", "retry after "].iter().find_map(|phrase| message.split_once(phrase))?;
    let end = rest.find(|character: char| !character.is_ascii_alphanumeric() && character != '.').unwrap_or(rest.len());
    let (figure, after) = rest.split_at(end);
    match after.split_whitespace().next() {
        Some(unit) if unit.starts_with("millisecond") => figure.parse::<f64>().ok().and_then(|ms| seconds(ms / 1000.0)),
        _ => duration(figure.trim_end_matches('.')),
    }
}

/// Whole seconds, as `retry-after` has them: never less than was asked for.
pub(crate) fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pairs = &'static [(&'static str, &'static str)];

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn every_way_to_ask_for_a_wait_is_understood() {
        let now: Timestamp = "2026-11-25T10:00:00Z".parse().unwrap();
        let cases: [(Pairs, Option<f64>); 10] = [
            (&[("retry-after", "7")], Some(7.0)),
            (&[("retry-after", "0.5")], Some(0.5)),
            (&[("retry-after", "Wed, 25 Nov 2026 10:01:30 GMT")], Some(90.0)),
            (&[("retry-after", "Wed, 25 Nov 2026 09:00:00 GMT")], Some(0.0)),
            (&[("retry-after-ms", "1500"), ("retry-after", "2")], Some(1.5)),
            (&[("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "6m0s")], Some(360.0)),
            (&[("x-ratelimit-remaining-tokens", "10"), ("x-ratelimit-reset-tokens", "6m0s")], None),
            (
                &[
                    ("anthropic-ratelimit-requests-remaining", "0"),
                    ("anthropic-ratelimit-requests-reset", "2026-11-25T10:00:12Z"),
                ],
                Some(12.0),
            ),
            (&[("retry-after", "soon")], None),
            (&[("retry-after", "-1")], None),
        ];
        for (pairs, expected) in cases {
            let told = from_headers(&headers(pairs), true, now);
            assert_eq!(told, expected.map(Duration::from_secs_f64), "{pairs:?}");
        }
        let limits = headers(&[("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "1s")]);
        assert_eq!(from_headers(&limits, false, now), None);
    }

    #[test]
    fn durations_and_sentences_are_read() {
        for (text, expected) in [("57.25s", 57.25), ("12ms", 0.012), ("1h2m3s", 3723.0), ("10", 10.0)] {
            assert_eq!(duration(text), Some(Duration::from_secs_f64(expected)), "{text}");
        }
        assert_eq!(duration("soon"), None);
        assert_eq!(from_message("Please retry in 12.5s."), Some(Duration::from_secs_f64(12.5)));
        assert_eq!(from_message("Please retry after 86400 seconds. Thanks"), Some(Duration::from_hours(24)));
        assert_eq!(from_message("Please try again in 800ms. Visit"), Some(Duration::from_millis(800)));
        assert_eq!(from_message("later"), None);
        assert_eq!(whole_seconds(Duration::from_millis(1_001)), 2);
    }
}
