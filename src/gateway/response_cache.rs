//! Answers that are given again, and which requests may have one.

use std::sync::Arc;

use super::keeping::Keeping;
use super::record::{UnderWay, end};
use super::{Answer, AnswerBody, CacheControl, ChatCall, Gateway, Route};
use crate::cache::{AnswerKey, Answers, Kept};
use crate::catalog::Tier;
use crate::protocol::{Caller, ChatRequest, Members};
use crate::telemetry::events::LookedUp;

/// Hints: members of a request's body that no answer depends on, such as who asks and what it is filed under.
/// (`stream_options` says only whether the usage chunk is sent, which the key has.)
const REQUEST_HINTS: [&str; 6] =
    ["user", "metadata", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "stream_options"];

/// What the cache has for a request.
pub(super) enum Found {
    /// The request may not be answered from it.
    Nothing,
    Hit(Arc<Kept>),
    Miss(Box<Keeping>),
}

impl Gateway {
    /// Looks for an answer that was given before to the same request, by the same tier, to the same key.
    pub(super) fn answered_before(&self, request: &ChatRequest<'_>, call: &ChatCall, tier: Tier) -> Found {
        let Some(answers) = &self.answers else { return Found::Nothing };
        if call.cache_control == CacheControl::NoStore {
            return Found::Nothing;
        }
        let Some(key) = key(answers, request, &call.caller, tier) else { return Found::Nothing };
        if call.cache_control == CacheControl::Default
            && let Some(kept) = answers.get(key)
        {
            LookedUp { hit: true }.tell(&self.listeners.metrics);
            return Found::Hit(kept);
        }
        LookedUp { hit: false }.tell(&self.listeners.metrics);
        Found::Miss(Box::new(Keeping::of(answers.clone(), key)))
    }
}

/// Answers with what was answered before.
pub(super) async fn replay(kept: &Kept, stream: bool, mut record: UnderWay) -> Answer {
    record.answered_before(kept);
    // Whose answer it was, for those who read the headers; the row says that nobody was asked.
    let route = Route { tier: Some(kept.tier), model: Some(kept.model.clone()), ..record.route() };
    end(record, 200, None).kept().await;
    let body = kept.body.clone();
    Answer { route, body: if stream { AnswerBody::Replay(body) } else { AnswerBody::Whole(body) } }
}

/// The key of a request whose answer may be kept: one whose answer is the same each time, as far as its sender can say
/// so, and no step of an agent, which acts.
fn key(answers: &Answers, request: &ChatRequest<'_>, caller: &Caller, tier: Tier) -> Option<AnswerKey> {
    let is_tool_turn = |role: &str| role == "tool" || role == "function";
    if request.tools > 0 || request.messages.iter().any(|message| is_tool_turn(&message.role)) {
        return None;
    }
    let body = Members::parse(request.body())?;
    // Where a name stands twice, each upstream reads it in its own way: all of them must be 0.
    let mut degrees =
        body.iter().filter(|(name, _)| *name == "temperature").map(|(_, value)| value.parse::<f64>()).peekable();
    let is_zero = degrees.peek().is_some() && degrees.all(|degrees| degrees.is_ok_and(|degrees| degrees == 0.0));
    if !(is_zero || answers.is_forced()) {
        return None;
    }
    let mut members: Vec<(&str, &str)> = body.iter().filter(|(name, _)| !REQUEST_HINTS.contains(name)).collect();
    // Their order does not matter, but that of those of one name.
    members.sort_by_key(|(name, _)| *name);
    Some(Answers::key(caller.key(), tier, (request.stream, request.include_usage), &members))
}
