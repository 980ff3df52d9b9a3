//! How clients name the conversation that a request belongs to, and the agent that makes it, in their headers.
//!
//! Sources: the headers that Claude Code 2.1 and Codex CLI 0.171 send, and those that other routers take (read 2026-11-30).

use poem::http::{HeaderMap, HeaderValue};

use crate::gateway::LONGEST_SESSION;
use crate::protocol::first_chars;

/// Headers that name the conversation; the first that is there counts.
const SESSION: [&str; 7] = [
    "x-xrouter-session",
    "x-claude-code-session-id",
    "session-id",
    "session_id",
    "x-session-id",
    "x-session-affinity",
    "x-clawrouter-session-id",
];
/// Codex's conversation, and the thread in it: another one where a sub-agent works.
const CODEX_SESSION: usize = 2;
const CODEX_THREAD: &str = "thread-id";
/// Claude Code's sub-agent.
const AGENT: &str = "x-claude-code-agent-id";

/// What the headers say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    /// The conversation's name.
    pub(super) session: Option<String>,
    /// The sub-agent's name; nothing for the agent itself.
    pub(super) agent: Option<String>,
}

impl Names {
    /// Reads them. Each header is looked at once, as most requests have none of these.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut sessions = [None; SESSION.len()];
        let (mut agent, mut thread) = (None, None);
        for (name, value) in headers {
            match name.as_str() {
                AGENT => agent = agent.or_else(|| text(value)),
                CODEX_THREAD => thread = thread.or_else(|| text(value)),
                name => {
                    if let Some(at) = SESSION.iter().position(|known| *known == name) {
                        sessions[at] = sessions[at].or_else(|| text(value));
                    }
                }
            }
        }
        let thread = thread.filter(|thread| sessions[CODEX_SESSION].is_some_and(|session| session != *thread));
        Names {
            session: sessions.into_iter().flatten().next().map(str::to_owned),
            agent: agent.or(thread).map(str::to_owned),
        }
    }
}

/// A header's text, of which the beginning counts; nothing where it is blank.
fn text(value: &HeaderValue) -> Option<&str> {
    let text = value.to_str().ok()?.trim();
    (!text.is_empty()).then(|| first_chars(text, LONGEST_SESSION))
}

#[cfg(test)]
mod tests {
    use poem::http::HeaderName;

    use super::*;

    fn names(headers: &[(&'static str, &'static str)]) -> (Option<String>, Option<String>) {
        let pairs =
            headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let Names { session, agent } = Names::of(&pairs.collect());
        (session, agent)
    }

    #[test]
    fn the_first_header_that_names_the_conversation_counts() {
        for (at, name) in SESSION.into_iter().enumerate() {
            let later: Vec<_> =
                SESSION[at..].iter().rev().map(|other| (*other, if *other == name { "a" } else { "b" })).collect();
            assert_eq!(names(&later), (Some("a".to_owned()), None), "{name}");
        }
        assert_eq!(names(&[("x-xrouter-session", "  "), ("x-session-id", " a ")]).0.as_deref(), Some("a"));
        assert_eq!(names(&[("accept", "*/*")]), (None, None));
    }

    #[test]
    fn a_sub_agent_is_told_by_its_id_or_by_a_thread_of_its_own() {
        let agent = |headers| names(headers).1;
        assert_eq!(agent(&[("x-claude-code-session-id", "s"), ("x-claude-code-agent-id", "a")]).as_deref(), Some("a"));
        assert_eq!(agent(&[("session-id", "s"), ("thread-id", "t")]).as_deref(), Some("t"));
        assert_eq!(agent(&[("session-id", "s"), ("thread-id", "s")]), None);
        assert_eq!(agent(&[("thread-id", "t")]), None, "a thread of no session is no sub-agent");
    }
}
