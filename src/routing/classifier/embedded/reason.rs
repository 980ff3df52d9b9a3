//! The reason for a decision: what a request asks for, by words that tell it.
//!
//! Enters: what was found in a text, and the tier that it needs. Leaves: at most three features that speak for that tier,
//! in English; [`in_chinese`] has them in Chinese. Only words of the model's published vocabulary are named: a reason is
//! kept, a prompt is not. The features are data, in `config/reasons.toml`.

use std::collections::HashMap;
use std::sync::LazyLock;

use foldhash::fast::FixedState;
use serde::Deserialize;

use super::model::{Model, Sums};
use super::scan::{Scan, Slots, Token, hash_of, slot_of};
use crate::catalog::Tier;
use crate::routing::classifier::marks::{Anywhere, Found};

/// Most features that a reason names.
const MOST: usize = 3;
/// Most words that it names.
const MOST_WORDS: usize = 3;
/// Bytes of the shortest word that is named.
const SHORTEST_WORD: usize = 4;
/// Words that add less than this are not named.
const TELLING: f64 = 0.05;
/// Marks between parts of a sentence from which on a text has several constraints.
const CONSTRAINTS: usize = 6;
/// Bytes of a text in which runs of Han characters are looked for.
const LONGEST_LOOK: usize = 8_192;
/// Tokens of a text of few words, and of a long one, of which no more are looked at.
const SHORT: usize = 12;
const LONG: usize = 400;

/// The features that are compiled in.
static FEATURES: LazyLock<Features> = LazyLock::new(|| {
    let file: File = toml::from_str(include_str!("../../../../config/reasons.toml"))
        .expect("a test reads the features that are compiled in");
    Features::new(file)
});

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    silent: Vec<String>,
    reason: Vec<Feature>,
}

/// What a request asks for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Feature {
    #[serde(rename = "name")]
    _name: String,
    en: String,
    zh: String,
    speaks: Tier,
    words: Vec<String>,
}

#[derive(Debug)]
struct Features {
    all: Vec<Feature>,
    /// By the hash of a word.
    words: HashMap<u32, usize, FixedState>,
    /// Slots of these words: most tokens need not be looked up.
    slots: Slots,
    /// Runs of Han characters, and whose they are.
    runs: Anywhere,
    of_runs: Vec<usize>,
    /// Slots of words that are not named, nor those that share one with them.
    silent: Slots,
}

impl Features {
    /// Whether a word is worth naming: it has four letters, and is none of those that stand in every text.
    fn names(&self, token: &Token) -> bool {
        token.span.len() >= SHORTEST_WORD && !self.silent.has(token.slot)
    }
}

impl Features {
    fn new(File { silent, reason: all }: File) -> Self {
        let (mut words, mut slots) = (HashMap::default(), Slots::default());
        let (mut runs, mut of_runs) = (Vec::new(), Vec::new());
        for (at, feature) in all.iter().enumerate() {
            for word in &feature.words {
                if word.chars().any(is_han) {
                    runs.push(word.clone());
                    of_runs.push(at);
                } else {
                    words.insert(hash_of(word), at);
                    slots.insert(slot_of(word));
                }
            }
        }
        let runs = Anywhere::new(runs, true);
        Features { all, words, slots, runs, of_runs, silent: silent.iter().map(|word| slot_of(word)).collect() }
    }
}

/// Whether a mark stands between parts of a sentence: `,`, `;`, `，`, `；` or `、`.
fn is_separator(mark: &[u8]) -> bool {
    matches!(mark, b"," | b";" | [0xef, 0xbc, 0x8c | 0x9b] | [0xe3, 0x80, 0x81])
}

fn is_han(character: char) -> bool {
    ('\u{3400}'..='\u{9fff}').contains(&character)
}

/// Features of form, in English and Chinese.
const CONSTRAINED: [&str; 2] = ["sets several constraints", "有多项限制"];
const LONG_TEXT: [&str; 2] = ["brings a long text", "附有长文本"];
const SHORT_TEXT: [&str; 2] = ["is short", "很短"];
/// Before the telling words.
const WORDS: [&str; 2] = ["words: ", "关键词："];
/// Where nothing can be named.
const NOTHING: [&str; 2] = ["its words as a whole", "整体用词"];

/// Reads the features that are compiled in, so that the first request does not wait for it.
pub(super) fn prepare() {
    LazyLock::force(&FEATURES);
}

/// Why a text needs a tier.
pub(super) fn reason(model: &Model, scan: &Scan, sums: &Sums, text: &str, tier: Tier) -> String {
    let features = &*FEATURES;
    let is_wide = !text.is_ascii();
    let mut found = [0_u32; 64];
    let (mut has_han, mut parts) = (false, 0);
    for token in scan.tokens.iter().take(LONG) {
        let bytes = &text.as_bytes()[token.span.clone()];
        if !token.is_word {
            parts += usize::from(is_separator(bytes));
        } else if !features.slots.has(token.slot) {
            has_han |= is_wide && matches!(bytes, [0xe3..=0xe9, _, _]);
        } else if let Some(at) = features.words.get(&token.hash) {
            found[at % 64] += 1;
        }
    }
    if has_han {
        let end = scan.tokens.iter().take(LONG).next_back().map_or(0, |token| token.span.end);
        let end = text.floor_char_boundary(end.min(LONGEST_LOOK));
        for Found { mark, .. } in features.runs.find_all(&text[..end]) {
            found[features.of_runs[mark] % 64] += 1;
        }
    }
    let mut named: Vec<&str> = Vec::with_capacity(MOST + 1);
    let mut speaking: Vec<(u32, &str)> = features
        .all
        .iter()
        .zip(found)
        .filter(|(feature, count)| *count > 0 && feature.speaks == tier)
        .map(|(feature, count)| (count, feature.en.as_str()))
        .collect();
    speaking.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    named.extend(speaking.into_iter().take(MOST - 1).map(|(_, name)| name));
    match tier {
        Tier::Cheap if scan.tokens.len() <= SHORT => named.push(SHORT_TEXT[0]),
        Tier::Medium | Tier::Frontier if parts >= CONSTRAINTS && scan.tokens.len() < LONG => named.push(CONSTRAINED[0]),
        Tier::Medium | Tier::Frontier if scan.tokens.len() >= LONG => named.push(LONG_TEXT[0]),
        _ => {}
    }
    let mut reason = named.join("; ");
    if named.len() < MOST - 1 {
        let words = telling(model, scan, sums, tier);
        if !words.is_empty() {
            if !reason.is_empty() {
                reason.push_str("; ");
            }
            reason.push_str(WORDS[0]);
            reason.push_str(&words.join(", "));
        }
    }
    if reason.is_empty() { NOTHING[0].to_owned() } else { reason }
}

/// The words of the vocabulary that speak most for a tier: those that raise the need, or, for the cheap one, lower it.
fn telling<'m>(model: &'m Model, scan: &Scan, sums: &Sums, tier: Tier) -> Vec<&'m str> {
    let sign = if tier == Tier::Cheap { -1.0 } else { 1.0 };
    let mut strongest: [Option<(u32, f64)>; MOST_WORDS] = [None; MOST_WORDS];
    let may_be_named = |token: &&Token| token.is_word && FEATURES.names(token) && model.vocabulary.may_have(token);
    for token in scan.tokens.iter().take(LONG).filter(may_be_named) {
        let adds = sign * model.adds(sums, token.slot, scan.words.of(token.slot));
        let weaker = |place: &Option<(u32, f64)>| place.is_none_or(|(_, other)| other < adds);
        if adds < TELLING || !strongest.last().is_some_and(weaker) {
            continue;
        }
        if strongest.iter().flatten().any(|(hash, _)| *hash == token.hash)
            || model.vocabulary.word(token.hash).is_none()
        {
            continue;
        }
        let at = strongest.iter().position(weaker).unwrap_or(MOST_WORDS - 1);
        strongest[at..].rotate_right(1);
        strongest[at] = Some((token.hash, adds));
    }
    strongest.into_iter().flatten().filter_map(|(hash, _)| model.vocabulary.word(hash)).collect()
}

/// A reason in Chinese, as the row has it in English. What it does not know stays as it is.
#[must_use]
pub fn in_chinese(reason: &str) -> String {
    let of_form = [CONSTRAINED, LONG_TEXT, SHORT_TEXT, NOTHING];
    let part = |part: &str| -> String {
        if let Some(words) = part.strip_prefix(WORDS[0]) {
            return format!("{}{}", WORDS[1], words.replace(", ", "、"));
        }
        let feature = FEATURES.all.iter().find(|feature| feature.en == part).map(|feature| feature.zh.as_str());
        let form = of_form.iter().find(|[english, _]| *english == part).map(|[_, chinese]| *chinese);
        feature.or(form).unwrap_or(part).to_owned()
    };
    reason.split("; ").map(part).collect::<Vec<_>>().join("；")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn parts_of_a_sentence_are_told_by_their_marks() {
        for mark in [",", ";", "，", "；", "、"] {
            assert!(is_separator(mark.as_bytes()), "{mark}");
        }
        for mark in [".", "。", "：", "！", ""] {
            assert!(!is_separator(mark.as_bytes()), "{mark}");
        }
    }

    #[test]
    fn every_feature_has_words_of_its_own_in_both_languages() {
        let mut words = HashSet::new();
        assert!(FEATURES.all.len() <= 64, "found is counted in 64 places");
        for feature in &FEATURES.all {
            assert!(feature.words.iter().all(|word| words.insert(word)), "{feature:?}");
            assert!(feature.zh.chars().any(is_han) && !feature.en.contains(';'), "{feature:?}");
        }
    }

    #[test]
    fn a_reason_is_had_in_chinese() {
        assert_eq!(in_chinese("asks for a proof; words: prime, sum"), "要求证明；关键词：prime、sum");
        assert_eq!(in_chinese("named by the header"), "named by the header");
    }
}
