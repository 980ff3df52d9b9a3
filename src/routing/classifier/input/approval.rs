//! Whether a person merely agrees to what was proposed.

use super::agents::Approvals;

/// Longest message that can be an approval, in bytes.
const LONGEST: usize = 80;

/// Whether a message is made of words of consent alone.
pub(super) fn is_approval(text: &str, approvals: &Approvals) -> bool {
    let text = text.trim();
    if approvals.messages.iter().any(|message| message == text) {
        return true;
    }
    // Who asks does not agree.
    if text.is_empty() || text.len() > LONGEST || text.ends_with(['?', '？']) {
        return false;
    }
    let lower = text.to_lowercase().replace('’', "'");
    if lower.is_ascii() {
        let words = || {
            let words = lower.split(|c: char| !(c.is_alphanumeric() || c == '\''));
            words.filter(|word| !word.is_empty())
        };
        let known = |list: &[String], word: &str| list.iter().any(|known| known == word);
        return words().all(|word| known(&approvals.words, word))
            && words().any(|word| known(&approvals.telling, word));
    }
    in_pieces(&lower, &approvals.pieces, &approvals.telling)
}

/// Whether a text can be taken apart into these pieces, longest first, and words; marks and blanks between them.
fn in_pieces(text: &str, pieces: &[String], words: &[String]) -> bool {
    let mut rest = text;
    let mut found = false;
    loop {
        rest = rest.trim_start_matches(|c: char| !c.is_alphanumeric());
        if rest.is_empty() {
            return found;
        }
        let word = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        if word > 0 && words.iter().any(|known| known == &rest[..word]) {
            rest = &rest[word..];
            found = true;
            continue;
        }
        let longest = pieces.iter().filter(|piece| rest.starts_with(piece.as_str())).max_by_key(|piece| piece.len());
        let Some(piece) = longest else { return false };
        rest = &rest[piece.len()..];
        found = true;
    }
}

#[cfg(test)]
mod tests {
    use super::super::agents::AGENTS;
    use super::*;

    #[test]
    fn consent_is_told_from_thanks_and_from_requests() {
        for text in [
            "yes",
            "Yes, go ahead.",
            "ok do it",
            "Fix it!",
            "继续",
            "可以，就按这个来",
            "好，写吧",
            "y",
            "sounds good, let's go",
            "ok，继续",
            "go for it",
            "继续做",
        ] {
            assert!(is_approval(text, &AGENTS.approvals), "{text}");
        }
        for text in [
            "",
            "ok?",
            "可以？",
            "thanks",
            "great, that works",
            "good",
            "no",
            "yes but keep the old lock",
            "what is it",
            "好的谢谢",
            "继续证明下一个引理",
            "it",
            "谢谢",
            "all of them",
        ] {
            assert!(!is_approval(text, &AGENTS.approvals), "{text}");
        }
    }
}
