//! What every line of the log says of the request that it belongs to, and traces that go through the router.

use tracing::Span;

/// Longest `tracestate` that is passed on, in characters.
///
/// Source: W3C, "Trace Context", section 3.3.1.5 (read 2026-11-30).
const LONGEST_STATE: usize = 512;

/// The span of a request: all that happens for it happens inside. It is there whatever the log's level, as a line
/// of any level needs its id.
#[must_use]
pub fn request(request_id: &str) -> Span {
    tracing::error_span!("request", request_id, trace_id = tracing::field::Empty)
}

/// The span of one upstream call while it is under way, inside of its request's: for what the HTTP client logs of it,
/// which it does at `debug` and below.
#[must_use]
pub fn calling(tier: &'static str, upstream: &str, attempt: u32) -> Span {
    tracing::debug_span!("attempt", tier, upstream, attempt)
}

/// The span of one upstream call that something must be said of, inside of its request's. `attempt` counts from 1.
#[must_use]
pub fn attempt(tier: &'static str, upstream: &str, attempt: u32) -> Span {
    tracing::error_span!("attempt", tier, upstream, attempt)
}

/// A trace that a client is part of.
///
/// Source: W3C, "Trace Context" (recommendation of 2021-11-23, read 2026-11-30).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: String,
    flags: String,
    state: Option<String>,
}

impl TraceContext {
    /// The trace of the headers `traceparent` and `tracestate`; `None` if there is none, or if it is no valid one.
    #[must_use]
    pub fn read(parent: Option<&str>, state: Option<&str>) -> Option<Self> {
        let mut parts = parent?.trim().split('-');
        let (version, trace_id, parent_id, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_hex = |text: &str, length: usize| {
            text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        };
        let is_zero = |text: &str| text.bytes().all(|byte| byte == b'0');
        let is_valid = is_hex(version, 2)
            && version != "ff"
            // A version to come may have more behind the flags; the first has not.
            && (version != "00" || parts.next().is_none())
            && is_hex(trace_id, 32)
            && !is_zero(trace_id)
            && is_hex(parent_id, 16)
            && !is_zero(parent_id)
            && is_hex(flags, 2);
        let state = state.map(str::trim).filter(|state| !state.is_empty() && state.len() <= LONGEST_STATE);
        is_valid.then(|| TraceContext {
            trace_id: trace_id.to_owned(),
            flags: flags.to_owned(),
            state: state.map(str::to_owned),
        })
    }

    /// The trace's id: 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> &str {
        &self.trace_id
    }

    /// The headers for a call of ours within the trace: `traceparent`, with an id of its own, and `tracestate`.
    #[must_use]
    pub fn headers(&self) -> (String, Option<&str>) {
        // The random half of a UUID: never 0, as it has the variant's bits.
        #[expect(clippy::cast_possible_truncation, reason = "the lower half is wanted")]
        let id = uuid::Uuid::now_v7().as_u128() as u64;
        (format!("00-{}-{id:016x}-{}", self.trace_id, self.flags), self.state.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn a_trace_is_passed_on_under_an_id_of_our_own() {
        let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
        let trace = TraceContext::read(Some(&parent), Some("vendor=x")).unwrap();
        assert_eq!(trace.trace_id(), TRACE);
        let (ours, state) = trace.headers();
        assert!(ours.starts_with(&format!("00-{TRACE}-")) && ours.ends_with("-01") && ours != parent, "{ours}");
        assert_eq!((ours.len(), state), (parent.len(), Some("vendor=x")));
        assert!(TraceContext::read(Some(&ours), None).is_some());
        assert_ne!(trace.headers().0, ours);
    }

    #[test]
    fn what_is_no_trace_is_none() {
        let zeros = "0".repeat(32);
        for parent in [
            String::new(),
            "x".to_owned(),
            format!("ff-{TRACE}-00f067aa0ba902b7-01"),
            format!("00-{zeros}-00f067aa0ba902b7-01"),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-{TRACE}-00f067aa0ba902b7"),
            format!("00-{TRACE}-00f067aa0ba902b7-01-more"),
            format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()),
        ] {
            assert_eq!(TraceContext::read(Some(&parent), None), None, "{parent}");
        }
        let later = format!("01-{TRACE}-00f067aa0ba902b7-01-more");
        assert!(TraceContext::read(Some(&later), None).is_some(), "a version to come");
    }
}
