//! What of a conversation is classified: the human's words, not the harness around them.

use std::borrow::Cow;

use crate::config::Strategy;
use crate::protocol::{ChatRequest, Message};

/// A block that OpenClaw adds as a user message of its own; it is not the question.
const OPENCLAW_CONTEXT: &str = "<<<BEGIN_OPENCLAW_INTERNAL_CONTEXT>>>";

/// The text that is classified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input<'a> {
    /// The human's words, cut in the middle if they are too long.
    pub text: Cow<'a, str>,
}

/// Takes the text to classify out of a request.
#[must_use]
pub fn input<'a>(request: &'a ChatRequest<'_>, strategy: Strategy, max_chars: usize) -> Input<'a> {
    let users = || request.messages.iter().filter(|message| message.role == "user");
    let chosen: Vec<&'a str> = match strategy {
        Strategy::All => users().flat_map(texts).collect(),
        Strategy::LastUser => users().next_back().map(|message| texts(message).collect()).unwrap_or_default(),
        Strategy::CurrentRequest => current(&request.messages),
    };
    let whole = match chosen.as_slice() {
        [only] => Cow::Borrowed(*only),
        several => Cow::Owned(several.join("\n\n")),
    };
    Input { text: cut_middle(whole, max_chars) }
}

fn texts<'a>(message: &'a Message<'_>) -> impl Iterator<Item = &'a str> {
    message.content.texts.iter().map(AsRef::as_ref)
}

/// What the user has said since the last answer; in a tool loop, what the loop is about.
fn current<'a>(messages: &'a [Message<'_>]) -> Vec<&'a str> {
    let last_answer = messages.iter().rposition(|message| message.role == "assistant");
    let said = |messages: &'a [Message<'_>]| -> Vec<&'a str> {
        let users = messages.iter().filter(|message| message.role == "user");
        users.flat_map(texts).map(without_wrapper).filter(|text| !text.is_empty()).collect()
    };
    let since = said(&messages[last_answer.map_or(0, |at| at + 1)..]);
    if !since.is_empty() {
        return since;
    }
    // No user text since: the newest that there is.
    messages
        .iter()
        .rev()
        .filter(|message| message.role == "user")
        .map(|message| texts(message).map(without_wrapper).filter(|text| !text.is_empty()).collect::<Vec<_>>())
        .find(|texts| !texts.is_empty())
        .unwrap_or_default()
}

/// A user text without what an agent puts around it: context blocks, and the time in brackets in front.
fn without_wrapper(text: &str) -> &str {
    let text = text.trim();
    if text.starts_with(OPENCLAW_CONTEXT) {
        return "";
    }
    match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((stamp, rest))
            if stamp.len() <= 64 && stamp.contains(':') && stamp.contains(|c: char| c.is_ascii_digit()) =>
        {
            rest.trim_start()
        }
        _ => text,
    }
}

/// Keeps both ends of a text that is too long, as the question may stand at either.
fn cut_middle(text: Cow<'_, str>, max_chars: usize) -> Cow<'_, str> {
    // A text has at most as many characters as bytes.
    if text.len() <= max_chars {
        return text;
    }
    let head = max_chars * 2 / 3;
    let tail = max_chars - head;
    let Some((end, _)) = text.char_indices().nth(head) else { return text };
    let start = text.char_indices().rev().nth(tail.saturating_sub(1)).map_or(text.len(), |(at, _)| at);
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
    fn a_long_text_keeps_both_ends() {
        assert_eq!(cut_middle(Cow::Borrowed("abcdefghij"), 6), "abcd\n…\nij");
        assert_eq!(cut_middle(Cow::Borrowed("证明证明证明证明证明"), 6), "证明证明\n…\n证明");
        assert_eq!(cut_middle(Cow::Borrowed("证明"), 4), "证明");
    }
}
