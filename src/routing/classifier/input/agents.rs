//! What agents put around a person's words, and how it is taken away.
//!
//! The markers are data, in `config/agents.toml`. One pass finds them all: they begin with `<`, with the end of a line, or
//! at the beginning of one. A text without any, which most are, is not touched.

use std::borrow::Cow;
use std::sync::LazyLock;

use serde::Deserialize;

use super::frame::FRAMES;
use super::pieces::{cut, starts_line};
use crate::routing::classifier::marks::{Anywhere, Found, Marks};

/// The markers that are compiled in.
pub(super) static AGENTS: LazyLock<Agents> = LazyLock::new(|| {
    let file: File = toml::from_str(include_str!("../../../../config/agents.toml"))
        .expect("a test reads the markers that are compiled in");
    Agents::new(file)
});

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    agent: Vec<Agent>,
    approvals: Approvals,
    follow_ups: FollowUps,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Agent {
    #[serde(rename = "name")]
    _name: String,
    words: Vec<String>,
    tags: Vec<String>,
    blocks: Vec<(String, String)>,
    after: Vec<String>,
    before: Vec<String>,
    lines: Vec<String>,
    headers: Vec<String>,
    machine: Vec<String>,
    background_calls: Vec<String>,
    background_systems: Vec<String>,
    background_parts: Vec<String>,
}

/// Words of consent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Approvals {
    pub(super) words: Vec<String>,
    pub(super) telling: Vec<String>,
    pub(super) pieces: Vec<String>,
    pub(super) messages: Vec<String>,
}

/// Words by which a short message refers to what was said before.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FollowUps {
    pub(super) begins: Vec<String>,
    pub(super) refers: Vec<String>,
    pub(super) never: Vec<String>,
    pub(super) pieces: Vec<String>,
}

/// What a marker means.
#[derive(Debug, Clone)]
enum Marker {
    /// Opens a person's words, up to the closing tag.
    Words(String),
    /// Opens what is the agent's, up to this.
    Block(String),
    /// A person's words follow.
    After,
    /// A person's words end.
    Before,
    /// At the beginning of a line: the line is the agent's.
    Line,
    /// The same, with the fenced block that follows.
    Header,
}

/// All markers.
#[derive(Debug)]
pub(super) struct Agents {
    marks: Marks,
    markers: Vec<Marker>,
    machine: Marks,
    background_calls: Marks,
    background_systems: Anywhere,
    background_parts: Anywhere,
    pub(super) approvals: Approvals,
    pub(super) follow_ups: FollowUps,
}

/// Bytes at the beginning of a message in which marks of a background call are looked for.
const HEAD: usize = 2_000;
/// Bytes at its end, likewise.
const TAIL: usize = 1_000;
/// Longest time stamp or channel in brackets in front of a message.
const LONGEST_STAMP: usize = 96;

impl Agents {
    fn new(file: File) -> Self {
        let mut patterns: Vec<String> = Vec::new();
        let mut markers = Vec::new();
        let mut add = |pattern: String, marker: Marker| {
            patterns.push(pattern);
            markers.push(marker);
        };
        let (mut machine, mut background_calls) = (Vec::new(), Vec::new());
        let (mut background_systems, mut background_parts) = (Vec::new(), Vec::new());
        for agent in file.agent {
            for tag in agent.words {
                add(format!("<{tag}>"), Marker::Words(format!("</{tag}>")));
            }
            for tag in agent.tags {
                // A tag may have attributes; one whose name goes on is another.
                let close = format!("</{tag}>");
                add(format!("<{tag}>"), Marker::Block(close.clone()));
                add(format!("<{tag} "), Marker::Block(close));
            }
            agent.blocks.into_iter().for_each(|(open, close)| add(open, Marker::Block(close)));
            agent.after.into_iter().for_each(|marker| add(marker, Marker::After));
            agent.before.into_iter().for_each(|marker| add(marker, Marker::Before));
            agent.lines.into_iter().for_each(|marker| add(marker, Marker::Line));
            agent.headers.into_iter().for_each(|marker| add(marker, Marker::Header));
            machine.extend(agent.machine);
            background_calls.extend(agent.background_calls);
            background_systems.extend(agent.background_systems);
            background_parts.extend(agent.background_parts);
        }
        Agents {
            marks: Marks::new(patterns, true),
            markers,
            machine: machine.into_iter().collect(),
            background_calls: background_calls.into_iter().collect(),
            background_systems: Anywhere::new(background_systems, true),
            background_parts: Anywhere::new(background_parts, true),
            approvals: file.approvals,
            follow_ups: file.follow_ups,
        }
    }

    /// A user's text without what agents put around it; empty if nothing of it is a person's.
    pub(super) fn words<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let text = self.unwrapped(text);
        // In a chat the stamp comes first, and then the channel.
        match text {
            Cow::Borrowed(text) => Cow::Borrowed(self.person(text)),
            Cow::Owned(text) => Cow::Owned(self.person(&text).to_owned()),
        }
    }

    fn person<'a>(&self, text: &'a str) -> &'a str {
        let text = without_stamp(without_stamp(text.trim()));
        if self.machine.find(text).is_some() { "" } else { text }
    }

    fn unwrapped<'s, 'a>(&'s self, text: &'a str) -> Cow<'a, str> {
        let mut kept = String::new();
        let mut touched = false;
        // What of the text is passed: everything before it is kept or thrown away.
        let mut at = 0;
        let mut held: Option<String> = None;
        // Closing markers that do not come any more: looked for once, however often they are opened.
        let mut missing: Vec<&str> = Vec::new();
        let mut from = 0;
        let mut passed = 0;
        while let Some(Found { mark, start: open, end }) = self.next_marker(text, from) {
            from = end;
            let marker = &self.markers[mark];
            let mut close_of = |close: &'s str| {
                let length = if missing.contains(&close) { None } else { text[end..].find(close) };
                if length.is_none() && !missing.contains(&close) {
                    missing.push(close);
                }
                length.map(|length| (end + length, end + length + close.len()))
            };
            // A person may write <rules> too: a plain word in brackets counts only where an agent puts it, before all
            // else, and closed.
            let plain = &text[open..end];
            let is_plain = plain.starts_with('<') && !plain.contains(['-', '_']) && !plain.starts_with("<<<");
            // The blanks before a tag are passed once, however many tags follow.
            passed = passed.max(at);
            passed += text[passed..open.max(passed)].bytes().take_while(u8::is_ascii_whitespace).count();
            if is_plain && !self.is_agents(&kept, &text[passed.min(open)..open]) {
                continue;
            }
            match marker {
                Marker::Words(close) => {
                    let Some((close_at, after)) = close_of(close) else { continue };
                    // Where a template goes on with another tag of its own, it is no agent's.
                    if is_plain && FRAMES.begins_with_tag(text[after..].trim_start()) {
                        from = after;
                        continue;
                    }
                    let held = held.get_or_insert_default();
                    if !held.is_empty() {
                        held.push('\n');
                    }
                    held.push_str(text[end..close_at].trim());
                    at = after;
                }
                Marker::Block(close) => {
                    let closed = close_of(close);
                    if closed.is_none() && is_plain {
                        continue;
                    }
                    keep(&mut kept, &text[at..open]);
                    at = closed.map_or(text.len(), |(_, after)| after);
                }
                Marker::After => {
                    // With nothing after it, it is no request's beginning.
                    if text[end..].trim_start().is_empty() || !(plain.starts_with('\n') || starts_line(text, open)) {
                        continue;
                    }
                    kept.clear();
                    at = end;
                }
                Marker::Before => {
                    keep(&mut kept, &text[at..open]);
                    at = text.len();
                }
                Marker::Line if starts_line(text, open) && (plain != "---" || line_of(text, open).trim() == plain) => {
                    keep(&mut kept, &text[at..open]);
                    at = text[end..].find('\n').map_or(text.len(), |newline| end + newline);
                }
                Marker::Header if starts_line(text, open) && is_header(line_of(text, open)) => {
                    keep(&mut kept, &text[at..open]);
                    at = after_header(text, open);
                }
                Marker::Line | Marker::Header => continue,
            }
            from = at;
            touched = true;
        }
        if let Some(held) = held {
            return Cow::Owned(held);
        }
        if !touched {
            return Cow::Borrowed(text);
        }
        keep(&mut kept, &text[at..]);
        Cow::Owned(kept)
    }

    /// The first marker that begins at `from` or later, and of those at one place the longest.
    fn next_marker(&self, text: &str, from: usize) -> Option<Found> {
        let bytes = text.as_bytes();
        let found = |start: usize| {
            let (mark, length) = self.marks.find(&text[start..])?;
            Some(Found { mark, start, end: start + length })
        };
        // A tag is found by its own place.
        let line = |start: usize| {
            let body = start + bytes[start..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            bytes.get(body).filter(|first| !matches!(first, b'<' | b'\n')).and_then(|_| found(body))
        };
        let begins_line = from == 0 || bytes[from - 1] == b'\n';
        let first = if begins_line { line(from) } else { None };
        first.or_else(|| {
            memchr::memchr2_iter(b'<', b'\n', &bytes[from..]).find_map(|at| match bytes[from + at] {
                b'<' => found(from + at),
                _ => found(from + at).or_else(|| line(from + at + 1)),
            })
        })
    }

    /// Whether what stands before a marker is nothing, or an agent's.
    fn is_agents(&self, kept: &str, passed: &str) -> bool {
        let before = if kept.is_empty() { passed } else { kept };
        before.is_empty() || self.machine.find(before).is_some()
    }

    /// Whether a message is an agent's errand of its own.
    pub(super) fn is_background_call(&self, text: &str) -> bool {
        let text = without_stamp(text.trim_start());
        self.background_calls.find(text).is_some()
            || self.background_parts.is_in(cut(text, HEAD))
            || (text.len() > HEAD && self.background_parts.is_in(tail(text, TAIL)))
    }

    /// Whether a system message sets an agent's errand.
    pub(super) fn sets_background_call(&self, system: &str) -> bool {
        self.background_systems.is_in(cut(system, HEAD))
    }
}

/// Keeps a piece of a text: without the blanks before all else, so that nobody passes them again and again.
fn keep(kept: &mut String, piece: &str) {
    kept.push_str(if kept.is_empty() { piece.trim_start() } else { piece });
}

/// The last bytes of a text, from the beginning of a character.
fn tail(text: &str, most: usize) -> &str {
    &text[text.floor_char_boundary(text.len().saturating_sub(most))..]
}

fn line_of(text: &str, at: usize) -> &str {
    text[at..].lines().next().unwrap_or_default()
}

/// A line that announces a block: it says so in brackets and ends with a colon, or it ends with OpenClaw's mark.
fn is_header(line: &str) -> bool {
    let line = line.trim_end();
    line.ends_with("):") || line.ends_with('⟧')
}

/// Where what a header announces ends: after its fenced block, or at the next blank line.
fn after_header(text: &str, at: usize) -> usize {
    let body = at + line_of(text, at).len();
    let rest = text[body..].trim_start();
    let start = text.len() - rest.len();
    if let Some(fenced) = rest.strip_prefix("```") {
        return fenced.find("```").map_or(text.len(), |length| start + 3 + length + 3);
    }
    text[body..].find("\n\n").map_or(text.len(), |length| body + length)
}

/// A message without the time or channel in brackets in front of it.
fn without_stamp(text: &str) -> &str {
    match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((stamp, rest))
            if stamp.len() <= LONGEST_STAMP
                && stamp
                    .as_bytes()
                    .windows(3)
                    .any(|three| three[0].is_ascii_digit() && three[1] == b':' && three[2].is_ascii_digit()) =>
        {
            rest.trim_start()
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_markers_is_not_touched() {
        for text in ["good morning", "a < b && c > d", "see [1] and [2]", "it's a task, no <tag>"] {
            assert!(matches!(AGENTS.words(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    /// Markers without end, and on one line, are passed over in one pass each.
    #[test]
    fn a_megabyte_of_markers_is_read_in_a_moment() {
        let begun = std::time::Instant::now();
        for piece in
            ["<task>", "<task>\n", "<rules>x</rules>", "<task>a</task>", "## My request:", "<user_query>", "---\n"]
        {
            let _ = AGENTS.words(&piece.repeat(1_000_000 / piece.len()));
        }
        // Tags after many blanks, and tags before one closing one that another tag follows.
        let far = format!("Base directory for this skill:{}</task>\n<query>", "<task>".repeat(160_000));
        let closed = " ".repeat(500_000) + "<system-reminder></system-reminder>" + &"<task>".repeat(80_000);
        for text in [" ".repeat(500_000) + &"<task>".repeat(80_000), far, closed] {
            let _ = AGENTS.words(&text);
        }
        assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{:?}", begun.elapsed());
    }

    #[test]
    fn what_is_the_agents_is_taken_away() {
        let cases = [
            ("<system-reminder>\nprove it\n</system-reminder>\nhello", "hello"),
            ("[Mon 2026-11-23 08:15 UTC] hello\n[message_id: 7]", "hello"),
            ("<<<BEGIN_OPENCLAW_INTERNAL_CONTEXT>>>\nx\n<<<END_OPENCLAW_INTERNAL_CONTEXT>>>\n\nhello", "hello"),
            ("<<<BEGIN_OPENCLAW_INTERNAL_CONTEXT>>> never closed", ""),
            ("<task>\nhello\n</task>\n<environment_details>\nproof.md\n</environment_details>", "hello"),
            ("<additional_data>\na <user_query> b\n</additional_data>\n<user_query>\nhello\n</user_query>", "hello"),
            ("# Context from my IDE setup:\n## Open tabs:\n- a.rs\n## My request for Codex:\nhello\n", "hello"),
            ("hello\n\n# *SEARCH/REPLACE block* Rules:\nmany rules", "hello"),
            ("I ran this command:\n\ncargo test", ""),
            ("[WhatsApp +1555 Sun 2026-01-18 00:19:42 PST] hello", "hello"),
            ("Conversation info (untrusted metadata):\n```json\n{\"a\":1}\n```\n\nhello", "hello"),
            ("Sender says hello", "Sender says hello"),
            ("### Task:\nRespond\n<context>\n<source id=\"1\">proof</source>\n</context>\nhello", "hello"),
            ("<errors> stay", "<errors> stay"),
            ("answer in <answer></answer> tags", "answer in <answer></answer> tags"),
            ("the question\n\n<context>\nx\n</context>\n", "the question\n\n<context>\nx\n</context>"),
            ("<rules> blocks are not closed", "<rules> blocks are not closed"),
            ("[theorem 1: all is well] so?", "[theorem 1: all is well] so?"),
            ("Sender:\nhello", "Sender:\nhello"),
            ("--- hello", "--- hello"),
            ("I updated the files. hello", "I updated the files. hello"),
            ("call it ## My request: short", "call it ## My request: short"),
            ("why? <error>E0499</error> here", "why? <error>E0499</error> here"),
            ("my grammar:\n<rules>a</rules>\n<task>b</task>", "my grammar:\n<rules>a</rules>\n<task>b</task>"),
            ("[attempt_completion] Result:\n<feedback>\nhello\n</feedback>", "hello"),
        ];
        for (text, words) in cases {
            assert_eq!(AGENTS.words(text), words, "{text}");
        }
    }
}
