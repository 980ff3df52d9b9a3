//! What of a conversation is classified: the person's words, not the harness around them.

mod agents;
mod approval;
mod failures;
mod follow_up;
mod frame;
mod pieces;
mod small_talk;
mod templates;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use crate::catalog::Step;
use crate::config::Strategy;
use crate::protocol::{ChatRequest, Message, first_chars};

use agents::AGENTS;
use approval::is_approval;
use failures::{Failures, failures};
use follow_up::is_follow_up;
use frame::FRAMES;

use small_talk::SMALL_TALK;
pub use templates::Templates;

/// What is classified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input<'a> {
    /// The person's words, cut in the middle if they are too long.
    pub text: Cow<'a, str>,
    /// Where the request begins in it, in bytes; above 0 where small talk stands before it.
    pub request_at: usize,
    /// What kind of step it is.
    pub step: Step,
    /// How many tool results of the newest loop tell of a failure.
    pub failures: usize,
}

impl<'a> Input<'a> {
    /// A text as it stands.
    #[must_use]
    pub fn plain(text: &'a str) -> Self {
        Input { text: Cow::Borrowed(text), request_at: 0, step: Step::Turn, failures: 0 }
    }
}

/// Reads the marks that are compiled in, so that the first request does not wait for it.
pub fn prepare() {
    LazyLock::force(&AGENTS);
    LazyLock::force(&FRAMES);
    LazyLock::force(&SMALL_TALK);
}

/// Takes the text to classify out of a request.
#[must_use]
pub fn input<'a>(request: &'a ChatRequest<'_>, strategy: Strategy, max_chars: usize) -> Input<'a> {
    input_within(request, strategy, max_chars, &|text, _| 0..text.len())
}

/// The same where it is known what a caller's requests repeat: `template` reports where in a text the request stands, and
/// is told what kind of step the text belongs to.
#[must_use]
pub fn input_within<'a>(
    request: &'a ChatRequest<'_>,
    strategy: Strategy,
    max_chars: usize,
    template: &dyn Fn(&str, Step) -> Range<usize>,
) -> Input<'a> {
    let users = || request.messages.iter().filter(|message| message.role == "user");
    let (chosen, step) = match strategy {
        Strategy::All => (users().flat_map(texts).map(Cow::Borrowed).collect(), Step::Turn),
        Strategy::LastUser => {
            (users().next_back().map(|last| texts(last).map(Cow::Borrowed).collect()).unwrap_or_default(), Step::Turn)
        }
        Strategy::CurrentRequest => current(&request.messages, template),
    };
    let mut chosen: Vec<Cow<'a, str>> = chosen;
    let whole = if chosen.len() == 1 { chosen.swap_remove(0) } else { Cow::Owned(chosen.join("\n\n")) };
    let Failures { count, grow } = failures(&request.messages);
    let step = if grow && step == Step::ToolLoop { Step::StuckLoop } else { step };
    let text = cut_middle(whole, max_chars);
    let request_at = if strategy == Strategy::CurrentRequest { SMALL_TALK.end(&text) } else { 0 };
    Input { text, request_at, step, failures: count }
}

fn texts<'a>(message: &'a Message<'_>) -> impl Iterator<Item = &'a str> {
    message.content.texts.iter().map(AsRef::as_ref)
}

/// A person's words in a message.
fn words<'a>(message: &'a Message<'_>) -> Vec<Cow<'a, str>> {
    texts(message).map(|text| AGENTS.words(text)).filter(|text| !text.is_empty()).collect()
}

/// The request itself, within what templates and politeness put around it.
fn core(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => FRAMES.core(text),
        Cow::Owned(text) => Cow::Owned(FRAMES.core(&text).into_owned()),
    }
}

/// What a person said first, by which a conversation is known.
#[must_use]
pub fn opening<'a>(request: &'a ChatRequest<'_>) -> Option<Cow<'a, str>> {
    request
        .messages
        .iter()
        .filter(|message| message.role == "user")
        .find_map(|message| words(message).into_iter().next())
}

/// Characters of a proposal that are looked at.
const PROPOSAL: usize = 1_200;
/// Characters that are looked at of a request to which a follow-up refers.
const REFERRED: usize = 1_200;

/// What the user has said since the last answer; in a tool loop, what the loop is about; of an approval,
/// what it approves.
fn current<'a>(
    messages: &'a [Message<'_>],
    template: &dyn Fn(&str, Step) -> Range<usize>,
) -> (Vec<Cow<'a, str>>, Step) {
    let last_answer = messages.iter().rposition(|message| message.role == "assistant");
    let since = &messages[last_answer.map_or(0, |at| at + 1)..];
    let asked = || since.iter().filter(|message| message.role == "user");
    let system = messages.iter().find(|message| message.role == "system");
    if asked().flat_map(texts).any(|text| AGENTS.is_background_call(text))
        || system.is_some_and(|system| texts(system).any(|text| AGENTS.sets_background_call(text)))
    {
        return (asked().flat_map(words).collect(), Step::BackgroundCall);
    }
    // From the end: an agent's messages are passed over until a person speaks.
    let mut newest_first: Vec<Vec<Cow<'a, str>>> = Vec::new();
    let mut step = Step::Turn;
    let mut at = messages.len();
    while let Some(message) = at.checked_sub(1).map(|last| &messages[last]) {
        let words = if message.role == "user" { words(message) } else { Vec::new() };
        match message.role.as_ref() {
            "user" if !words.is_empty() => newest_first.push(words),
            "assistant" if !newest_first.is_empty() => break,
            // A person who speaks after a tool's result is no loop.
            "assistant" | "tool" | "function" if newest_first.is_empty() => step = Step::ToolLoop,
            _ => {}
        }
        at -= 1;
    }
    let said: Vec<Cow<'a, str>> = newest_first.into_iter().rev().flatten().collect();
    if !said.iter().all(|text| is_approval(text, &AGENTS.approvals)) || said.is_empty() {
        let within = |text: Cow<'a, str>| {
            let request = template(&text, step);
            if request.len() == text.len() {
                return text;
            }
            match text {
                Cow::Borrowed(text) => Cow::Borrowed(&text[request]),
                Cow::Owned(text) => Cow::Owned(text[request].to_owned()),
            }
        };
        let mut said: Vec<Cow<'a, str>> = said.into_iter().map(|text| core(within(text))).collect();
        // Where nothing was said before, nothing can be referred to.
        if let [only] = said.as_slice()
            && at > 0
            && is_follow_up(only, &AGENTS.follow_ups)
            && let Some(before) = request_before(&messages[..at])
        {
            said.splice(0..0, before.into_iter().map(|text| cut_middle(core(text), REFERRED)));
        }
        return (said, step);
    }
    match proposal(&messages[..at]) {
        Some(proposal) => (proposal, if step == Step::ToolLoop { step } else { Step::Approval }),
        None => (said, step),
    }
}

/// The newest request that is neither an approval nor a follow-up.
fn request_before<'a>(before: &'a [Message<'_>]) -> Option<Vec<Cow<'a, str>>> {
    let refers = |text: &Cow<'_, str>| is_approval(text, &AGENTS.approvals) || is_follow_up(text, &AGENTS.follow_ups);
    let users = before.iter().rev().filter(|message| message.role == "user");
    users.map(words).find(|words| words.iter().any(|text| !refers(text)))
}

/// What an approval is about: the newest request before it that is none, and the answer to it.
fn proposal<'a>(before: &'a [Message<'_>]) -> Option<Vec<Cow<'a, str>>> {
    let answer = before.iter().rev().find(|message| message.role == "assistant" && texts(message).next().is_some());
    let request = before
        .iter()
        .rev()
        .filter(|message| message.role == "user")
        .map(words)
        .find(|words| words.iter().any(|text| !is_approval(text, &AGENTS.approvals)));
    let mut proposal = request?;
    if let Some(answer) = answer {
        proposal.extend(texts(answer).map(|text| cut_middle(Cow::Borrowed(text), PROPOSAL)));
    }
    Some(proposal)
}

/// Keeps both ends of a text that is too long, as the question may stand at either.
fn cut_middle(text: Cow<'_, str>, max_chars: usize) -> Cow<'_, str> {
    // A text has at most as many characters as bytes.
    if text.len() <= max_chars {
        return text;
    }
    let head = max_chars * 2 / 3;
    let tail = max_chars - head;
    let end = first_chars(&text, head).len();
    if end == text.len() {
        return text;
    }
    let last = text.len() - tail;
    let is_plain = text.as_bytes()[last..].is_ascii() && text.is_char_boundary(last);
    let of_chars = || text.char_indices().rev().nth(tail.saturating_sub(1)).map_or(text.len(), |(at, _)| at);
    let start = if is_plain { last } else { of_chars() };
    if start <= end {
        return text;
    }
    Cow::Owned(format!("{}\n…\n{}", &text[..end], &text[start..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(body: &str, strategy: Strategy) -> String {
        let request = ChatRequest::parse(body.as_bytes()).unwrap();
        input(&request, strategy, 8000).text.into_owned()
    }

    fn step_of(body: &str) -> Step {
        input(&ChatRequest::parse(body.as_bytes()).unwrap(), Strategy::CurrentRequest, 8000).step
    }

    #[test]
    fn an_approval_is_about_what_it_approves() {
        let body = r#"{"messages":[{"role":"user","content":"make the scheduler fair"},
            {"role":"assistant","content":"deficit round robin?"},{"role":"user","content":"yes, go ahead"}]}"#;
        assert_eq!(text_of(body, Strategy::CurrentRequest), "make the scheduler fair\n\ndeficit round robin?");
        assert_eq!(step_of(body), Step::Approval);
        let nothing_before = r#"{"messages":[{"role":"user","content":"yes"}]}"#;
        assert_eq!(
            (text_of(nothing_before, Strategy::CurrentRequest).as_str(), step_of(nothing_before)),
            ("yes", Step::Turn)
        );
    }

    #[test]
    fn the_loop_after_an_approval_is_about_what_was_approved() {
        let body = r#"{"messages":[{"role":"user","content":"make it fair"},{"role":"assistant","content":"how?"},
            {"role":"user","content":"ok"},{"role":"assistant","tool_calls":[]},{"role":"tool","content":"x"}]}"#;
        assert_eq!(text_of(body, Strategy::CurrentRequest), "make it fair\n\nhow?");
        assert_eq!(step_of(body), Step::ToolLoop);
    }

    #[test]
    fn a_person_who_speaks_into_a_tool_loop_is_heard() {
        let body = r#"{"messages":[{"role":"user","content":"list files"},{"role":"assistant","tool_calls":[]},
            {"role":"tool","content":"x"},{"role":"user","content":"and prove it"}]}"#;
        let heard = "list files\n\nand prove it";
        assert_eq!((text_of(body, Strategy::CurrentRequest).as_str(), step_of(body)), (heard, Step::Turn));
    }

    #[test]
    fn an_agents_own_errand_is_told_from_a_persons_request() {
        let body = r####"{"messages":[{"role":"user","content":"### Task:\nGenerate a title\n<chat_history>prove</chat_history>"}]}"####;
        assert_eq!(step_of(body), Step::BackgroundCall);
        assert_eq!(step_of(OPENCLAW), Step::Turn);
    }

    const OPENCLAW: &str = r#"{"messages":[
        {"role":"system","content":"prove everything"},
        {"role":"user","content":"old"},{"role":"assistant","content":"done"},
        {"role":"user","content":"[Mon 2026-11-23 08:15 UTC] good morning"},
        {"role":"user","content":[{"type":"text","text":"<<<BEGIN_OPENCLAW_INTERNAL_CONTEXT>>> derive the proof"}]}]}"#;

    #[test]
    fn the_current_request_is_what_the_human_said_since_the_last_answer() {
        assert_eq!(text_of(OPENCLAW, Strategy::CurrentRequest), "good morning");
        assert!(text_of(OPENCLAW, Strategy::LastUser).contains("derive"));
        assert!(text_of(OPENCLAW, Strategy::All).starts_with("old"));
    }

    #[test]
    fn a_tool_step_is_about_the_newest_question() {
        let body = r#"{"messages":[{"role":"user","content":"what is the weather"},
            {"role":"assistant","tool_calls":[]},{"role":"tool","content":"rain"}]}"#;
        assert_eq!(text_of(body, Strategy::CurrentRequest), "what is the weather");
        assert_eq!(text_of(r#"{"messages":[]}"#, Strategy::CurrentRequest), "");
    }

    #[test]
    fn a_follow_up_is_judged_with_what_it_refers_to() {
        let body = r#"{"messages":[{"role":"user","content":"Write a shared text editor"},{"role":"assistant","content":"done"},
            {"role":"user","content":"make it faster"},{"role":"assistant","content":"done"},
            {"role":"user","content":"now make it work when two people edit at once"}]}"#;
        assert_eq!(
            text_of(body, Strategy::CurrentRequest),
            "Write a shared text editor\n\nnow make it work when two people edit at once"
        );
        let new = r#"{"messages":[{"role":"user","content":"prove the theorem"},{"role":"assistant","content":"done"},
            {"role":"user","content":"thanks"}]}"#;
        assert_eq!(text_of(new, Strategy::CurrentRequest), "thanks");
    }

    #[test]
    fn a_long_text_keeps_both_ends() {
        assert_eq!(cut_middle(Cow::Borrowed("abcdefghij"), 6), "abcd\n…\nij");
        assert_eq!(cut_middle(Cow::Borrowed("证明证明证明证明证明"), 6), "证明证明\n…\n证明");
        assert_eq!(cut_middle(Cow::Borrowed("证明"), 4), "证明");
    }
}
