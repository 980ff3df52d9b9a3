//! Whether a short message says nothing without what it refers to.

use super::agents::FollowUps;

/// Longest message that is a follow-up, in bytes.
const LONGEST: usize = 120;
/// Words of one that says no more than how it begins: "and in French?", but not "and what is the capital of Spain?".
const FEW_WORDS: usize = 5;

/// Whether a message refers to what was said before: "now make it work when two people edit at once".
pub(super) fn is_follow_up(text: &str, words: &FollowUps) -> bool {
    let text = text.trim();
    if text.is_empty() || text.len() > LONGEST || text.contains('\n') {
        return false;
    }
    if !text.is_ascii() && words.pieces.iter().any(|piece| text.contains(piece.as_str())) {
        return true;
    }
    let lower = text.to_lowercase();
    let begins = |start: &String| {
        let rest = lower.strip_prefix(start.as_str());
        rest.is_some_and(|rest| start.ends_with(' ') || !rest.starts_with(|next: char| next.is_alphanumeric()))
    };
    if words.never.iter().any(|idiom| lower.contains(idiom.as_str())) {
        return false;
    }
    let single = || lower.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty());
    single().any(|word| words.refers.iter().any(|refers| refers == word))
        || (single().count() <= FEW_WORDS && words.begins.iter().any(begins))
}

#[cfg(test)]
mod tests {
    use super::super::agents::AGENTS;
    use super::*;

    #[test]
    fn a_message_that_refers_to_something_is_a_follow_up() {
        for text in [
            "now make it work when two people edit at once",
            "and in French?",
            "What about Windows",
            "现在改成支持多人同时编辑",
        ] {
            assert!(is_follow_up(text, &AGENTS.follow_ups), "{text}");
        }
        for text in [
            "thanks",
            "and what is the capital of Spain?",
            "what time is it?",
            "android or iOS",
            "你好",
            "",
            &"now ".repeat(100),
        ] {
            assert!(!is_follow_up(text, &AGENTS.follow_ups), "{text}");
        }
    }
}
