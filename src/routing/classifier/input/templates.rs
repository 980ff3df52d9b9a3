//! What a caller's requests repeat: the template that a workflow puts around each of them, learnt as they come.
//!
//! Known forms are left out by `frame.rs`. This is for the others: "You are ACME's assistant. Rules: …" before every
//! request of a key. What the latest requests have in common at their beginning or end is left out, whole lines of it, but
//! for the line next to the request, which may be the task ("Summarise this text:"). All of it is in memory alone, and
//! bounded: at most 2 × [`PLACES`] beginnings and endings of [`LONGEST`] bytes, twice that while they are looked at anew.

use std::hash::{BuildHasher as _, Hasher as _};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use foldhash::fast::RandomState;

use super::pieces::FULL_STOPS;

/// Beginnings that are known at a time, and endings.
const PLACES: usize = 512;
/// Longest beginning or ending that is kept, in bytes.
const LONGEST: usize = 2_048;
/// Shortest one that is left out, in bytes.
const SHORTEST: usize = 40;
/// Bytes by which requests of one template find each other.
const MARK: usize = 32;
/// Different requests that must agree before their common part is a template.
const ENOUGH: usize = 4;
/// Strangers in its place that a template outlives.
const LIVES: u8 = 16;

/// The templates of all callers.
#[derive(Debug)]
pub struct Templates {
    hasher: RandomState,
    beginnings: Box<[Mutex<Place>]>,
    endings: Box<[Mutex<Place>]>,
}

/// What the latest requests with one mark have in common.
#[derive(Debug, Default)]
struct Place {
    /// A hash of the caller and the mark.
    name: u64,
    common: Box<str>,
    /// Bytes of it that are left out, from the outside.
    left_out: usize,
    /// Hashes of different requests, as far as they are counted; 0 is none.
    seen: [u64; ENOUGH],
    lives: u8,
    /// Requests that had the common part, modulo [`PATIENCE`].
    met: u8,
    /// What the latest of them have in common, while that is looked at.
    latest: Option<Box<str>>,
}

/// Requests after which is looked at anew what they have in common: templates grow.
const PATIENCE: u8 = 64;

/// At which end of a text something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Beginning,
    Ending,
}

impl Default for Templates {
    fn default() -> Self {
        let places = || (0..PLACES).map(|_| Mutex::default()).collect();
        Templates { hasher: RandomState::default(), beginnings: places(), endings: places() }
    }
}

impl Templates {
    /// Where the request stands in a text that `caller` sent; all of it where no template is known. With `learn`, the
    /// text counts for those that come after it.
    #[must_use]
    pub fn request(&self, caller: &str, text: &str, learn: bool) -> Range<usize> {
        if text.len() < MARK + SHORTEST {
            return 0..text.len();
        }
        let begin = self.known(End::Beginning, caller, text, learn);
        let end = text.len() - self.known(End::Ending, caller, text, learn);
        if begin >= end || text[begin..end].trim().is_empty() { 0..text.len() } else { begin..end }
    }

    /// How many bytes at an end of a text are a template's.
    fn known(&self, end: End, caller: &str, text: &str, learn: bool) -> usize {
        let places = if end == End::Beginning { &self.beginnings } else { &self.endings };
        let mut hasher = self.hasher.build_hasher();
        hasher.write(caller.as_bytes());
        hasher.write_u8(0xff);
        hasher.write(end.cut(text, MARK).as_bytes());
        let name = hasher.finish();
        #[expect(clippy::cast_possible_truncation, reason = "the low bits choose a place")]
        let place = &places[name as usize % PLACES];
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = place.name == name && end.has(text, &place.common);
        if learn {
            if place.name == name {
                place.meet(end, text, is_known);
            } else if place.is_free() {
                *place = Place::of(name, end.cut(text, LONGEST));
            } else {
                return 0;
            }
            if place.seen.contains(&0) {
                let ends = (End::Beginning.cut(text, LONGEST), End::Ending.cut(text, LONGEST));
                place.count(self.hasher.hash_one(ends));
            }
        }
        if is_known && !place.seen.contains(&0) { place.left_out } else { 0 }
    }
}

impl Place {
    fn of(name: u64, common: &str) -> Self {
        Place { name, common: common.into(), left_out: 0, seen: [0; ENOUGH], lives: 0, met: 0, latest: None }
    }

    /// Whether a stranger may have it; each that asks costs a life.
    fn is_free(&mut self) -> bool {
        let is_free = self.lives == 0;
        self.lives = self.lives.saturating_sub(1);
        is_free
    }

    /// A text with its mark: what is common becomes what that text has of it.
    fn meet(&mut self, end: End, text: &str, is_known: bool) {
        if !is_known {
            self.share(end, end.common(text, &self.common).into());
            return;
        }
        if self.left_out > 0 {
            self.lives = LIVES;
        }
        // From time to time, whether the latest have more in common than all that came.
        self.met = (self.met + 1) % PATIENCE;
        self.latest = match (self.met, self.latest.take()) {
            (0, _) => Some(end.cut(text, LONGEST).into()),
            (_, Some(latest)) => Some(end.common(text, &latest).into()),
            (_, None) => None,
        };
        if usize::from(self.met) == ENOUGH
            && let Some(latest) = self.latest.take()
            && latest.len() > self.common.len()
        {
            self.share(end, latest);
        }
    }

    /// Where texts only begin or end alike, nothing is left out.
    fn share(&mut self, end: End, common: Box<str>) {
        let left_out = end.without_task(&common);
        self.left_out = if left_out < SHORTEST { 0 } else { left_out };
        self.common = common;
    }

    /// Counts a request, if it is another than those before.
    fn count(&mut self, request: u64) {
        let request = request | 1;
        if !self.seen.contains(&request)
            && let Some(free) = self.seen.iter_mut().find(|seen| **seen == 0)
        {
            *free = request;
        }
    }
}

impl End {
    /// At most `most` bytes of this end.
    fn cut(self, text: &str, most: usize) -> &str {
        match self {
            End::Beginning => &text[..text.floor_char_boundary(most)],
            End::Ending => &text[text.ceil_char_boundary(text.len().saturating_sub(most))..],
        }
    }

    fn has(self, text: &str, common: &str) -> bool {
        match self {
            End::Beginning => text.starts_with(common),
            End::Ending => text.ends_with(common),
        }
    }

    /// What two texts have in common at this end.
    fn common<'a>(self, one: &'a str, other: &str) -> &'a str {
        let (a, b) = (one.as_bytes(), other.as_bytes());
        let same = |pairs: &mut dyn Iterator<Item = (&u8, &u8)>| pairs.take_while(|(a, b)| a == b).count();
        match self {
            End::Beginning => &one[..one.floor_char_boundary(same(&mut a.iter().zip(b)))],
            End::Ending => &one[one.ceil_char_boundary(one.len() - same(&mut a.iter().rev().zip(b.iter().rev())))..],
        }
    }

    /// How many bytes of a common part, from the outside, are left out: whole lines but the one next to the request, or of
    /// one line, whole sentences but the two next to it. What stays may be the task.
    fn without_task(self, common: &str) -> usize {
        let lines = ends(common, |character, _| character == '\n');
        let (ends, kept) = if lines.len() > 1 {
            (lines, 1)
        } else {
            let stops = |character, next: Option<char>| match character {
                '\n' => true,
                '.' | '!' | '?' => next.is_some_and(char::is_whitespace),
                _ => FULL_STOPS.contains(&character),
            };
            (ends(common, stops), 2)
        };
        // What stands before the first end, of an ending, is a part of a line, or a whole one next to the request.
        let left_out = match self {
            End::Beginning => ends.len().checked_sub(kept + 1).and_then(|at| ends.get(at)).copied(),
            End::Ending => ends.get(kept).map(|end| common.len() - end),
        };
        left_out.unwrap_or(0)
    }
}

/// Where pieces of a text end; those with neither letter nor digit belong to the one before.
fn ends(text: &str, is_end: impl Fn(char, Option<char>) -> bool) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut has_words = false;
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        let next = characters.peek().map(|(_, next)| *next);
        has_words |= character.is_alphanumeric();
        if is_end(character, next) {
            let end = at + character.len_utf8();
            match ends.last_mut() {
                Some(last) if !has_words => *last = end,
                _ => ends.push(end),
            }
            has_words = false;
        }
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "You are the assistant of ACME's support.\nNever name a competitor. Stay with the facts.\n";
    const TASK: &str = "Answer the customer's question:\n\n";
    const TAIL: &str =
        "\n\nKeep to our house style.\nThe answer is read by a machine: no greeting, no closing words.\n";

    const REQUESTS: [&str; 6] = [
        "Where is my parcel?",
        "Design a schema for returns of parts of an order, with credit notes.",
        "hi",
        "Why was I charged twice in May and once in June?",
        "Prove that your discount never exceeds the list price.",
        "Which plug do I need in Denmark?",
    ];

    fn wrapped(request: &str) -> String {
        format!("{HEAD}{TASK}{request}{TAIL}")
    }

    #[test]
    fn what_every_request_repeats_is_left_out_from_the_fourth_on_and_the_task_next_to_it_stays() {
        let templates = Templates::default();
        for (at, request) in REQUESTS.iter().enumerate() {
            let text = wrapped(request);
            let expected =
                if at + 1 < ENOUGH { text.clone() } else { format!("{TASK}{request}\n\nKeep to our house style.\n") };
            assert_eq!(text[templates.request("key", &text, true)], expected, "{at}");
        }
        // Another caller's requests are another matter.
        let text = wrapped(REQUESTS[0]);
        assert_eq!(templates.request("other", &text, true), 0..text.len());
    }

    #[test]
    fn the_same_request_again_makes_no_template() {
        let templates = Templates::default();
        let text = wrapped(REQUESTS[0]);
        for _ in 0..10 {
            assert_eq!(templates.request("key", &text, true), 0..text.len());
        }
    }

    #[test]
    fn a_preview_learns_nothing() {
        let templates = Templates::default();
        for request in REQUESTS {
            let text = wrapped(request);
            assert_eq!(templates.request("key", &text, false), 0..text.len());
        }
    }

    #[test]
    fn requests_that_begin_alike_within_a_sentence_keep_their_words() {
        let templates = Templates::default();
        for thing in ["users", "orders", "parts", "invoices", "returns", "letters"] {
            let text =
                format!("Write a SQL query that returns the newest ten rows of the table named {thing}. Explain it.");
            assert_eq!(templates.request("key", &text, true), 0..text.len());
        }
    }

    #[test]
    fn a_task_with_a_wish_behind_it_stays() {
        let templates = Templates::default();
        for theorem in ["a", "b", "c", "d", "e", "f"].map(|name| format!("Every group of order {name} is cyclic")) {
            let text = format!("Prove the following theorem with full rigor. Use LaTeX.\n{theorem}");
            assert_eq!(templates.request("key", &text, true), 0..text.len());
        }
    }

    #[test]
    fn a_template_that_was_cut_short_grows_again() {
        let templates = Templates::default();
        let shorter = format!("{HEAD}Something else stands here, once.\nhello");
        for request in &REQUESTS[..4] {
            let _ = templates.request("key", &wrapped(request), true);
        }
        let _ = templates.request("key", &shorter, true);
        let mut cut = Vec::new();
        for at in 0..2 * usize::from(PATIENCE) {
            let text = wrapped(&format!("{at}{}", REQUESTS[at % 6]));
            cut.push(templates.request("key", &text, true).start);
        }
        assert!(cut[0] < HEAD.len() && cut.last() == Some(&HEAD.len()), "{cut:?}");
    }

    #[test]
    fn strangers_do_not_push_a_template_out() {
        let templates = Templates::default();
        for request in REQUESTS {
            let _ = templates.request("key", &wrapped(request), true);
        }
        for stranger in 0..PLACES * 4 {
            let _ = templates.request("key", &format!("{stranger} {}", "a quite different text ".repeat(5)), true);
        }
        let text = wrapped("and now?");
        assert!(templates.request("key", &text, true).len() < text.len());
    }

    #[test]
    fn texts_of_any_kind_are_cut_at_characters() {
        let templates = Templates::default();
        for turn in 0..20 {
            let text = format!(
                "你是客服助手。只回答与订单有关的问题。不要提到竞争对手！{}请用中文回答。不要寒暄，谢谢。",
                "问".repeat(turn * 3)
            );
            let request = templates.request("key", &text, true);
            assert!(text.get(request).is_some_and(|request| !request.trim().is_empty()));
            let text = format!("{}🦀{turn}é🦀", "🦀é".repeat(40 + turn));
            assert!(text.get(templates.request("key", &text, true)).is_some());
        }
    }
}
