//! What templates and politeness put around a request, and how the request itself is found by its form.
//!
//! The marks are data, in `config/frames.toml`. A frame is taken off from outside to inside: tags, mail headers, labelled
//! lines, closings, openings. A step that would leave nothing is left out.

use std::borrow::Cow;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::Value;

use super::pieces::{
    LONGEST_HEADING, LONGEST_SENTENCE, clause_end, cut, is_field, is_name, is_something, last_sentence, line_after,
    lines, sentence_end, starts_line, unquoted,
};
use crate::routing::classifier::marks::{Anywhere, Found, Marks};

/// The marks that are compiled in.
pub(super) static FRAMES: LazyLock<Frames> = LazyLock::new(|| {
    let file: File = toml::from_str(include_str!("../../../../config/frames.toml"))
        .expect("a test reads the marks that are compiled in");
    Frames::new(file)
});

/// Frames within frames that are taken off.
const ROUNDS: usize = 6;
/// What may follow an opening in its clause, in bytes, where the clause is taken off and not the sentence.
const LONGEST_CLAUSE_REST: usize = 12;
/// What may follow boilerplate in its sentence, in bytes; twice as much where three of them are one character.
const LONGEST_REST: usize = 56;
/// Longest paragraph that sets a role, in bytes.
const LONGEST_ROLE: usize = 800;
/// Marks with which a request may begin.
const OPENS: [char; 12] = ['<', '{', '[', '(', '"', '\'', '`', '“', '「', '《', '【', '$'];
/// Lines at the beginning in which mail headers are looked for.
const MAIL_LINES: usize = 12;
/// Bytes outside of a tag in which words that speak of tags are looked for.
const OUTSIDE: usize = 2_000;
/// Longest text in which a frame is looked for, in bytes: what is looked for in every line must not hold up a request.
const LONGEST_TEXT: usize = 256 * 1024;
/// Bytes at either end of a text in which labels are looked for.
const LONGEST_END: usize = 16 * 1024;
/// Longest body that is read as JSON, in bytes.
const LONGEST_JSON: usize = 64 * 1024;
/// Bytes of a mark up to which it must end a word: "hi" does not begin "history".
const SHORT_MARK: usize = 5;
/// Longest note above a mail that is forwarded, in bytes: a longer one is the request.
const LONGEST_NOTE: usize = 60;
/// Longest instruction of a template above its input, in bytes.
const LONGEST_FORM: usize = 400;
/// Objects within objects that are looked into.
const DEEPEST: usize = 3;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    tags: Vec<String>,
    tag_hints: Vec<String>,
    ask_labels: Vec<String>,
    weak_labels: Vec<String>,
    speaker_labels: Vec<String>,
    end_labels: Vec<String>,
    end_headings: Vec<String>,
    greetings: Vec<String>,
    openings: Vec<String>,
    roles: Vec<String>,
    role_names: Vec<String>,
    polite_prefixes: Vec<String>,
    closings: Vec<String>,
    boilerplate: Vec<String>,
    mail_headers: Vec<String>,
    json_keys: Vec<String>,
}

/// What a label at the beginning of a line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Label {
    /// The request follows.
    Ask,
    /// The request follows, if all before it is a form.
    Weak,
    /// The same, or if the text begins with boilerplate.
    Speaker,
    /// The request has ended.
    End,
    /// The same, where the line ends with a colon.
    EndHeading,
}

/// All marks.
#[derive(Debug)]
pub(super) struct Frames {
    tags: Anywhere,
    closing_tags: Vec<String>,
    tag_hints: Anywhere,
    labels: Marks,
    label_kinds: Vec<Label>,
    greetings: Marks,
    openings: Marks,
    roles: Marks,
    role_names: Marks,
    boilerplate: Marks,
    polite_prefixes: Marks,
    closings: Marks,
    mail_headers: Marks,
    json_keys: Vec<String>,
}

impl Frames {
    fn new(file: File) -> Self {
        let kinds = [
            (file.ask_labels, Label::Ask),
            (file.weak_labels, Label::Weak),
            (file.speaker_labels, Label::Speaker),
            (file.end_labels, Label::End),
            (file.end_headings, Label::EndHeading),
        ];
        let mut labels = Vec::new();
        let mut label_kinds = Vec::new();
        for (marks, kind) in kinds {
            label_kinds.extend(marks.iter().map(|_| kind));
            labels.extend(marks);
        }
        let with_boilerplate = |marks: Vec<String>| marks.into_iter().chain(file.boilerplate.iter().cloned());
        Frames {
            tags: Anywhere::new(file.tags.iter().map(|tag| format!("<{tag}>")), false),
            closing_tags: file.tags.iter().map(|tag| format!("</{tag}>")).collect(),
            tag_hints: Anywhere::new(file.tag_hints, false),
            labels: labels.into_iter().collect(),
            label_kinds,
            greetings: file.greetings.into_iter().collect(),
            openings: file.openings.into_iter().collect(),
            roles: file.roles.into_iter().collect(),
            role_names: file.role_names.into_iter().collect(),
            boilerplate: file.boilerplate.iter().cloned().collect(),
            polite_prefixes: file.polite_prefixes.into_iter().collect(),
            closings: with_boilerplate(file.closings).collect(),
            mail_headers: file.mail_headers.into_iter().collect(),
            json_keys: file.json_keys,
        }
    }

    /// The request itself. A text of more than [`LONGEST_TEXT`] is left as it is.
    pub(super) fn core<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if text.len() > LONGEST_TEXT {
            return Cow::Borrowed(text);
        }
        let within = self.within(text);
        if let Some(inner) = self.member(within) {
            return Cow::Owned(self.within(&inner).to_owned());
        }
        unquoted(within).map_or(Cow::Borrowed(within), |inner| Cow::Owned(self.within(&inner).to_owned()))
    }

    fn within<'a>(&self, text: &'a str) -> &'a str {
        let mut text = text.trim();
        for _ in 0..ROUNDS {
            let before = text.len();
            for step in [Self::tagged, Self::mailed, Self::labelled, Self::closed, Self::cast, Self::opened] {
                let inner = step(self, text).trim();
                if is_something(inner) {
                    text = inner;
                }
            }
            if text.len() == before {
                break;
            }
        }
        text
    }

    /// What the last tag holds that opens a line, where the text is one of tags or speaks of them.
    fn tagged<'a>(&self, text: &'a str) -> &'a str {
        if memchr::memchr(b'<', text.as_bytes()).is_none() {
            return text;
        }
        let mut held = None;
        let mut at = 0;
        // A closing tag that does not come any more is looked for once.
        let mut missing = Vec::new();
        while let Some(Found { mark: close, start, end }) = self.tags.find(text, at) {
            at = end;
            if missing.contains(&close) || !starts_line(text, start) {
                continue;
            }
            let Some(length) = text[at..].find(&self.closing_tags[close]) else {
                missing.push(close);
                continue;
            };
            let inner = &text[at..at + length];
            at += length + self.closing_tags[close].len();
            if is_something(inner) {
                held = Some((start, inner, at));
            }
        }
        let Some((open, inner, end)) = held else { return text };
        let (before, after) = (text[..open].trim_end(), text[end..].trim());
        let outside = [cut(before, OUTSIDE), cut(after, OUTSIDE)];
        let is_template = (before.is_empty() || before.starts_with('<'))
            && (after.is_empty() || after.starts_with('<') && after.ends_with('>'))
            || outside.iter().any(|part| self.speaks_of_tags(part));
        if is_template { inner } else { text }
    }

    fn speaks_of_tags(&self, text: &str) -> bool {
        let is_edge = |byte: Option<&u8>| !byte.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = text.as_bytes();
        self.tag_hints.find_all(text).any(|Found { start, end, .. }| {
            let before = start.checked_sub(1).and_then(|at| bytes.get(at));
            is_edge(before) && is_edge(bytes.get(end))
        })
    }

    /// What follows the headers of a mail, at the beginning or after a line that says that one is forwarded.
    fn mailed<'a>(&self, text: &'a str) -> &'a str {
        let (mut headers, mut end, mut at) = (0, 0, 0);
        let mut is_mail = true;
        for line in lines(text).take(MAIL_LINES) {
            let above = at;
            // Below other words, neither headers nor a line that announces them count any more.
            if !is_mail && above > LONGEST_NOTE {
                break;
            }
            at += line.len();
            let line = line.trim();
            if line.starts_with("--") && headers == 0 && above <= LONGEST_NOTE {
                (is_mail, end) = (true, at);
            } else if is_mail && Self::begins(&self.mail_headers, line) {
                headers += 1;
                end = at;
            } else if headers > 0 || (end > 0 && !line.is_empty()) {
                break;
            } else if !line.is_empty() {
                // Words of whoever forwards it.
                is_mail = false;
            }
        }
        if headers >= 2 { &text[end..] } else { text }
    }

    /// Whether a text begins with a tag that may hold a request.
    pub(super) fn begins_with_tag(&self, text: &str) -> bool {
        self.tags.find(cut(text, 64), 0).is_some_and(|found| found.start == 0)
    }

    /// What follows the last label that announces the request, up to where the request has ended. Only of a template: it
    /// begins with a label, a form or boilerplate, or ends with a label that waits for its answer.
    fn labelled<'a>(&self, text: &'a str) -> &'a str {
        let mut best = None;
        let mut open: Option<usize> = None;
        let (mut is_form, mut is_template, mut waits) = (true, false, false);
        // A label stands near an end: what is between them is the context, however long it is.
        let ends = line_after(text, LONGEST_END)..line_after(text, text.len().saturating_sub(LONGEST_END));
        let mut at = 0;
        loop {
            if ends.contains(&at) {
                (is_form, waits) = (is_form && open.is_some(), false);
                at = ends.end;
            }
            let Some(line) = lines(&text[at..]).next() else { break };
            let start = at;
            at += line.len();
            // Most lines begin with a letter.
            let is_plain = line.starts_with(|first: char| first.is_ascii_alphanumeric());
            let body = if is_plain { line } else { line.trim_start_matches([' ', '\t', '#', '*', '[', '=', '>']) };
            let indent = line.len() - body.len();
            let heading = if is_plain { None } else { self.heading(line, &text[..start]) };
            let (kind, content) = match (self.labels.find(body), heading) {
                (_, Some(kind)) => (kind, at),
                (Some((label, length)), None) => (self.label_kinds[label], start + indent + length),
                (None, None) => {
                    is_form = is_form && (open.is_some() || is_field(body));
                    waits = waits && line.trim().is_empty();
                    continue;
                }
            };
            let counts = match kind {
                Label::Ask | Label::End => true,
                Label::Weak => is_form,
                Label::Speaker => is_form || Self::begins(&self.boilerplate, text),
                Label::EndHeading => open.is_some() && line.trim_end().ends_with([':', '：']),
            };
            if !counts {
                continue;
            }
            is_template |= is_form || heading.is_some();
            waits = kind == Label::End && !is_something(&text[content..at]);
            if let Some(open) = open.take().filter(|open| is_something(&text[*open..start])) {
                best = Some((open, start));
            }
            if matches!(kind, Label::Ask | Label::Weak | Label::Speaker) {
                open = Some(content);
            }
        }
        if let Some(open) = open.filter(|open| is_something(&text[*open..])) {
            best = Some((open, text.len()));
        }
        let is_template =
            is_template || waits || Self::begins(&self.boilerplate, text) || Self::begins(&self.openings, text);
        match best.filter(|_| is_template) {
            Some((open, end)) => text[open..end].trim_matches([' ', '\n', '\t', '"', '*', ']', ':', '：']),
            None => text,
        }
    }

    /// A label that is a heading by itself: `### Input`, `【输入】`, `--- Entrée ---`. One that people write too counts where
    /// what stands above is short and speaks of it.
    fn heading(&self, line: &str, above: &str) -> Option<Label> {
        let line = line.trim();
        if !line.starts_with(['#', '-', '=', '*', '[', '【']) {
            return None;
        }
        let inner = match line.strip_prefix('#') {
            Some(rest) => rest.trim_start_matches('#'),
            None => [("【", "】"), ("--", "--"), ("==", "=="), ("**", "**"), ("[", "]")]
                .iter()
                .find_map(|(open, close)| line.strip_prefix(open)?.strip_suffix(close))?,
        };
        let word = inner.trim_matches([' ', '-', '=', ':', '：']);
        if word.is_empty() || word.len() > LONGEST_HEADING {
            return None;
        }
        let label = format!("{word}:");
        let (found, length) = self.labels.find(&label)?;
        if length != label.len() {
            return None;
        }
        match self.label_kinds[found] {
            Label::Weak | Label::Speaker => {
                let speaks = above.len() <= LONGEST_FORM && above.to_lowercase().contains(&word.to_lowercase());
                (above.trim().is_empty() || speaks).then_some(Label::Ask)
            }
            kind => Some(kind),
        }
    }

    /// Without a first paragraph that sets a role: "You are Marlowe, a seasoned consultant. You speak plainly." It asks
    /// nothing, and another paragraph follows.
    fn cast<'a>(&self, text: &'a str) -> &'a str {
        let is_named = |length: usize| text[length..].starts_with(char::is_uppercase);
        let is_role =
            self.roles.find(text).is_some() || self.role_names.find(text).is_some_and(|(_, end)| is_named(end));
        if !is_role {
            return text;
        }
        let Some((role, _)) = cut(text, LONGEST_ROLE + 2).split_once("\n\n") else { return text };
        let is_paragraph = role.len() <= LONGEST_ROLE && !role.contains(['\n', '?', '？']);
        if is_paragraph { &text[role.len() + 2..] } else { text }
    }

    /// Without a greeting, a role or the like at its beginning, and without the words that make a wish of an order.
    fn opened<'a>(&self, text: &'a str) -> &'a str {
        if let Some((_, length)) = self.greetings.find(text).filter(|_| Self::begins(&self.greetings, text)) {
            return text[length..].trim_start_matches(|next: char| !next.is_alphanumeric() && !OPENS.contains(&next));
        }
        let is_sentence = |end: &usize| *end <= LONGEST_SENTENCE;
        if let Some((_, length)) = self.openings.find(text).filter(|_| Self::begins(&self.openings, text)) {
            // A mark that is a clause by itself is taken off alone: the request may follow in the same sentence.
            let clause = clause_end(text).filter(|end| *end <= length + LONGEST_CLAUSE_REST);
            return clause.or_else(|| sentence_end(text)).filter(is_sentence).map_or(text, |end| &text[end..]);
        }
        if let Some((_, length)) = self.boilerplate.find(text) {
            // What goes on for long after boilerplate is a request that begins like it.
            let most = if text[..length].is_ascii() { LONGEST_REST } else { 2 * LONGEST_REST };
            let end = sentence_end(text).filter(|end| *end <= length + most);
            return end.map_or(text, |end| &text[end..]);
        }
        self.polite_prefixes.find(text).map_or(text, |(_, length)| &text[length..])
    }

    /// Without thanks, a wish for a format or the like at its end, and the name under it.
    fn closed<'a>(&self, text: &'a str) -> &'a str {
        let is_closing = |sentence: &str| {
            let sentence = sentence.trim_start_matches([' ', '\n', '-', '*', '—', '–', '(', '（']);
            sentence.len() <= LONGEST_SENTENCE && Self::begins(&self.closings, sentence)
        };
        let start = last_sentence(text);
        if is_closing(&text[start..]) {
            return &text[..start];
        }
        // "Best regards,", and a name in the line below.
        let Some(newline) = memchr::memrchr(b'\n', text.as_bytes()) else { return text };
        let (above, name) = (&text[..newline], &text[newline + 1..]);
        if !is_name(name) {
            return text;
        }
        let line = above.trim_end().rfind('\n').map_or(0, |newline| newline + 1);
        if is_closing(&above[line..]) { &text[..line] } else { text }
    }

    fn begins(marks: &Marks, text: &str) -> bool {
        marks.find(text).is_some_and(|(_, length)| {
            // A short mark that ends in a letter ends a word, in languages that have blanks between words.
            let ends_word = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
            let bytes = text.as_bytes();
            length > SHORT_MARK || !(ends_word(bytes.get(length - 1)) && ends_word(bytes.get(length)))
        })
    }

    /// The member of a JSON object, or of one within it, that holds a request.
    fn member(&self, text: &str) -> Option<String> {
        if !(text.starts_with('{') && text.ends_with('}') && text.len() <= LONGEST_JSON) {
            return None;
        }
        self.member_of(&serde_json::from_str(text).ok()?, 0)
    }

    fn member_of(&self, value: &Value, depth: usize) -> Option<String> {
        let members = value.as_object().filter(|_| depth < DEEPEST)?;
        let text = |key: &String| members.get(key)?.as_str().filter(|text| is_something(text));
        let own = self.json_keys.iter().find_map(text).map(str::to_owned);
        own.or_else(|| members.values().find_map(|member| self.member_of(member, depth + 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_found_within_its_frame() {
        let request = "why does my React component re-render twice?";
        let frames = [
            "Hi! {}",
            "Hello, could you please {}",
            "{} Thank you so much in advance!",
            "{}\n\nThink step by step.",
            "You are an expert with twenty years of experience, precise and kind.\n\n{}",
            "You are Marlowe, a seasoned consultant. You speak plainly, and stay in character.\n\n{}",
            "从现在开始,请你扮演一位资深的行业专家,性格温和。请以他的身份回应我。\n\n{}",
            "请先仔细思考,把思路一步一步理清楚,检查有没有遗漏,然后再给出最终答复。\n\n{}",
            "<task>\n{}\n</task>",
            "Below is the input of the user, enclosed in tags.\n<user_input>{}</user_input>",
            "<context>\nBread needs salt.\n</context>\n<query>\n{}\n</query>",
            "Use the following pieces of context to answer the question at the end.\n\nBread needs salt.\n\nQuestion: {}\nHelpful Answer:",
            "Question: {}\n\nContext:\nBread needs salt.",
            "Use the documents below if they help.\n\n[Doc 1] Bread needs salt.\n[Doc 2] So does soup.\n\nUser: {}",
            "Input: {}\nOutput:",
            "## Workflow\n\nRead the input.\n\n### Input\n{}\n\n### Output",
            "【输入】\n{}\n\n【输出】",
            "{\"user\":\"u1\",\"query\":\"{}\"}",
            "> {}",
            "---------- Forwarded message ---------\nFrom: A <a@example.org>\nSubject: x\n\n{}\n\nBest regards,\nA",
            "请回答 <问题></问题> 标签中的内容。\n<问题>\n{}\n</问题>",
            "您好，打扰一下：{}\n谢谢！",
            "hi {}",
            "{\"instruction\":\"{}\",\"input\":\"\"}",
        ];
        for frame in frames {
            assert_eq!(FRAMES.core(&frame.replace("{}", request)), request, "{frame}");
        }
    }

    #[test]
    fn what_is_the_persons_own_stays() {
        for text in [
            "good morning",
            "Thanks, that works.",
            "my grammar:\n<rules>a</rules>\n<task>b</task>",
            "Solve this contest problem.\nInput: n numbers\nOutput: their median after each step",
            "Solve this problem in C++ and prove it correct.\n\n**Input**\nThe first line has n.\n\n**Output**\nOne number.",
            "Design an accessible form library with these components:\n- Input\n- Select\n- Button",
            "Solve this: find the maximum set of intervals that do not overlap, in O(n log n), and prove it.\nInput: five\nOutput: a set",
            "Turn this chat into JSON.\nUser: hi there\nAssistant: hello",
            "Write a streaming parser that turns transcripts like this into JSON:\nHuman: hi\nAssistant: hello",
            "Solve the following problem in Rust with a lock-free queue, and show that it is linearizable. Then test it.",
            "The parser is fine now.\nThanks!\nNow derive a termination measure",
            "Rewrite this for the staging database:\n<query>\nSELECT 1\n</query>",
            "<config>\n<message>\nhello\n</message>\n</config>\nDesign an XSLT pipeline for such files",
            "Refute the argument in the mail below, with a formal counterexample:\n-----Original Message-----\nFrom: Ann\nSubject: Lunch\n\nNoon?",
            "Implement a sorted set. Keep it lock-free and linearizable under concurrent writers.",
            "Translate into German: Thank you for your letter",
            "You are given two sorted arrays of n numbers each.\n\nFind their median in O(log n), and prove it.",
            "You are asked to merge two files.\n\nKeep their order.",
            "{\"a\": 1}",
            "a < b && c > d",
            "",
            "?",
            "不",
        ] {
            assert_eq!(FRAMES.core(text), text, "{text}");
        }
    }

    #[test]
    fn a_quarter_of_a_megabyte_of_marks_is_read_in_a_moment() {
        let begun = std::time::Instant::now();
        for piece in [
            "<task>",
            "<task>\n",
            "<task>a</task>\n",
            "Question: a\n",
            "Input:\n",
            "thanks. ",
            "hi, ",
            "> a\n",
            "From: a\n",
        ] {
            let _ = FRAMES.core(&piece.repeat(LONGEST_TEXT / piece.len()));
        }
        assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{:?}", begun.elapsed());
    }
}
