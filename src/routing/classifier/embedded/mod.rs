//! The classifier that is compiled in: a linear model over words and letter groups.
//!
//! It was trained on graded requests and measured outcomes; `docs/classifier.md` is its card. It gives the probabilities of
//! three tiers, a score of the need for a strong model, and a reason. Read `scan.rs`, then `model.rs`.

mod model;
mod reason;
mod scan;

use std::borrow::Cow;
use std::sync::{Arc, PoisonError, RwLock};

use super::Input;
use crate::catalog::{Judge, Preset, Tier};
use crate::config::{self, Config};
use crate::routing::{Need, Verdict};

pub use model::{
    FRONTIER, GROUPS, MEDIUM, Mix, Model, OUTCOME, Platt, QUESTION, SUMS, Scales, Sums, UnreadableModel, Vocabulary,
    damped, squared,
};
pub use reason::in_chinese;
pub use scan::{Counts, LETTER_SLOTS, Scan, Slots, Token, WORD_SLOTS, hash_of, scan};

/// Most features that an explanation names.
const NAMED: usize = 4;
/// Features that add less than this are not named.
const TELLING: f64 = 0.05;

/// From which score on a tier is needed, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// The medium tier.
    pub medium_at: f64,
    /// The frontier tier.
    pub frontier_at: f64,
}

impl Default for Thresholds {
    /// The defaults of `config/default.toml`; a test holds the two together.
    fn default() -> Self {
        Thresholds::of(Preset::Balanced)
    }
}

impl Thresholds {
    /// The thresholds at which these shares of the requests are decided cheap and medium; `None` for fewer than 200
    /// requests, which tell too little.
    ///
    /// `scores` are those that the classifier gave, and `shares` tells how many of the requests would be decided cheap, and
    /// how many cheap or medium, with other thresholds: rules and conversations have their say in that, so that it is
    /// asked and not reckoned. Both counts grow with the thresholds; about 2 log₂ n of them are asked for.
    pub fn of_shares(
        scores: &[f64],
        [cheap, medium]: [f64; 2],
        mut shares: impl FnMut(Thresholds) -> [usize; 2],
    ) -> Option<Thresholds> {
        const FEWEST: usize = 200;
        // Above every score: all are below it.
        const TOP: f64 = 1.0 + f64::EPSILON;
        if scores.len() < FEWEST {
            return None;
        }
        let mut steps = scores.to_vec();
        steps.sort_by(f64::total_cmp);
        steps.dedup();
        steps.push(TOP);
        #[expect(clippy::cast_precision_loss, reason = "some thousands")]
        let enough = |count: usize, share: f64| count as f64 >= share * scores.len() as f64;
        let first = |is_enough: &mut dyn FnMut(f64) -> bool| {
            let at = steps.partition_point(|step| !is_enough(*step));
            steps.get(at).copied().unwrap_or(TOP)
        };
        let medium_at = first(&mut |step| enough(shares(Thresholds { medium_at: step, frontier_at: TOP })[0], cheap));
        let frontier_at =
            first(&mut |step| enough(shares(Thresholds { medium_at, frontier_at: step })[1], cheap + medium));
        Some(Thresholds { medium_at, frontier_at: frontier_at.max(medium_at) })
    }

    /// Those of a preset.
    #[must_use]
    pub const fn of(preset: Preset) -> Self {
        match preset {
            Preset::Save => Thresholds { medium_at: 0.46, frontier_at: 0.85 },
            Preset::Balanced => Thresholds { medium_at: 0.41, frontier_at: 0.6 },
            Preset::Quality => Thresholds { medium_at: 0.2, frontier_at: 0.52 },
        }
    }

    /// The configured ones: of the preset, if there is one.
    #[must_use]
    pub fn configured(config: &Config) -> Self {
        let config::Classifier { medium_at, frontier_at, .. } = config.classifier;
        config.routing.preset.map_or(Thresholds { medium_at, frontier_at }, Thresholds::of)
    }

    /// The tier that a score needs.
    #[must_use]
    pub fn tier(&self, score: f64) -> Tier {
        if score >= self.frontier_at {
            Tier::Frontier
        } else if score >= self.medium_at {
            Tier::Medium
        } else {
            Tier::Cheap
        }
    }
}

/// What moved the score, and by how much in the scale of the logistic function.
#[derive(Debug, Clone, PartialEq)]
pub struct Feature {
    /// A word of the model's vocabulary, or `other words`, `letter groups`, `every text`.
    pub name: Cow<'static, str>,
    /// What it adds to the sum; above 0 speaks for a stronger model.
    pub contribution: f64,
}

/// The compiled-in classifier, or one of the user's own training.
#[derive(Debug, Clone)]
pub struct Embedded {
    model: Arc<Model>,
    thresholds: Arc<RwLock<Thresholds>>,
}

impl Embedded {
    /// The shipped model with these thresholds.
    #[must_use]
    pub fn new(thresholds: Thresholds) -> Self {
        Embedded::with(Model::shipped(), thresholds)
    }

    /// Another model.
    #[must_use]
    pub fn with(model: Arc<Model>, thresholds: Thresholds) -> Self {
        reason::prepare();
        Embedded { model, thresholds: Arc::new(RwLock::new(thresholds)) }
    }

    /// Everything that its verdict depends on besides the input and the thresholds, as a text to hash.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        // Without the thresholds: the tier of a remembered score is looked up anew.
        self.model.version.clone()
    }

    /// The thresholds in force.
    #[must_use]
    pub fn thresholds(&self) -> Thresholds {
        *self.thresholds.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts others in force, for all copies of this classifier.
    pub fn set_thresholds(&self, thresholds: Thresholds) {
        *self.thresholds.write().unwrap_or_else(PoisonError::into_inner) = thresholds;
    }

    /// Judges. Pure: the same text gets the same verdict.
    #[must_use]
    pub fn classify(&self, input: &Input<'_>) -> Verdict {
        self.judge(input, |text, scan, sums| {
            let score = sums.score();
            let tier = self.thresholds().tier(score);
            Verdict {
                tier,
                judge: Judge::Embedded,
                remembered: false,
                score: Some(score),
                confidence: Some(sums.confidence(tier)),
                reason: Cow::Owned(reason::reason(&self.model, scan, sums, text, tier)),
            }
        })
    }

    /// Sums up the text, or what follows its small talk if that needs a stronger model, and looks at it.
    fn judge<T>(&self, input: &Input<'_>, look: impl FnOnce(&str, &Scan, &Sums) -> T) -> T {
        let whole = input.text.as_ref();
        let request = whole.get(input.request_at..).filter(|_| input.request_at > 0);
        let score = |text: &str| scan(text, |scan| self.model.sums(scan).score());
        let alone = request.map_or(0.0, score);
        let look = scan(whole, |scan| {
            let sums = self.model.sums(scan);
            if sums.score() >= alone { Ok(look(whole, scan, &sums)) } else { Err(look) }
        });
        look.unwrap_or_else(|look| {
            let request = request.unwrap_or(whole);
            scan(request, |scan| look(request, scan, &self.model.sums(scan)))
        })
    }

    /// How strong a model a request needs.
    #[must_use]
    pub fn need(&self, input: &Input<'_>) -> Need {
        self.judge(input, |_, _, sums| Need::new(sums.calibrated))
    }

    /// What moved the score, strongest first.
    #[must_use]
    pub fn explain(&self, input: &Input<'_>) -> Vec<Feature> {
        self.judge(input, |_, scan, sums| features(&self.model, scan, sums))
    }
}

/// What each named word, all others together, their letter groups and the base add.
///
/// Only words of the model's published vocabulary are named: an explanation is stored, a prompt is not.
fn features(model: &Model, scan: &Scan, sums: &Sums) -> Vec<Feature> {
    let mut strongest: [Option<(u32, u8, f64)>; NAMED] = [None; NAMED];
    for token in scan.tokens.iter().filter(|token| token.is_word && model.vocabulary.may_have(token)) {
        let count = scan.words.of(token.slot);
        let adds = model.adds(sums, token.slot, count);
        let weaker = |place: &Option<(u32, u8, f64)>| place.is_none_or(|(_, _, other)| other.abs() < adds.abs());
        if adds.abs() < TELLING || !strongest.last().is_some_and(weaker) {
            continue;
        }
        if strongest.iter().flatten().any(|(hash, ..)| *hash == token.hash)
            || model.vocabulary.word(token.hash).is_none()
        {
            continue;
        }
        let at = strongest.iter().position(weaker).unwrap_or(NAMED - 1);
        strongest[at..].rotate_right(1);
        strongest[at] = Some((token.hash, count, adds));
    }
    let [words, letters, base] = sums.added();
    let (mut other_words, mut other_letters) = (words, letters);
    let mut features = Vec::with_capacity(NAMED + 3);
    for (hash, count, adds) in strongest.into_iter().flatten() {
        let Some(word) = model.vocabulary.word(hash) else { continue };
        // A word is also its letters.
        let in_letters = model.letters_add(sums, scan, word, count);
        features.push(Feature { name: Cow::Owned(word.to_owned()), contribution: adds + in_letters });
        other_words -= adds;
        other_letters -= in_letters;
    }
    for (name, contribution) in [("other words", other_words), ("letter groups", other_letters), ("every text", base)] {
        features.push(Feature { name: Cow::Borrowed(name), contribution });
    }
    features.sort_by(|one, other| other.contribution.abs().total_cmp(&one.contribution.abs()));
    features
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(text: &str) -> Verdict {
        Embedded::new(Thresholds::default()).classify(&Input::plain(text))
    }

    #[test]
    fn everyday_requests_are_cheap_in_both_languages() {
        for text in [
            "hi",
            "",
            "good morning!",
            "Translate 'cat' into French",
            "what's the weather like today?",
            "你好",
            "今天天气怎么样？",
        ] {
            assert_eq!(decide(text).tier, Tier::Cheap, "{text}");
        }
    }

    #[test]
    fn proofs_score_above_small_talk_in_both_languages() {
        let score = |text| decide(text).score.unwrap();
        assert!(score("Prove that every finite integral domain is a field.") > score("What a lovely day it is.") + 0.2);
        assert!(score("证明：每个有限整环都是域，并说明有限性用在了哪一步。") > score("今天天气怎么样？") + 0.2);
    }

    #[test]
    fn the_explanation_adds_up_and_names_only_published_words() {
        let classifier = Embedded::new(Thresholds::default());
        let text = "Prove the convergence of Zyxgabble's xylomorphic algorithm, please";
        let features = classifier.explain(&Input::plain(text));
        let sum: f64 = features.iter().map(|feature| feature.contribution).sum();
        let parts: f64 = scan(text, |scan| classifier.model.sums(scan).added().iter().sum());
        assert!((sum - parts).abs() < 1e-9);
        let reason = decide(text).reason.to_lowercase();
        assert!(!reason.contains("zyxgabble") && !reason.contains("xylomorphic"), "{reason}");
    }

    #[test]
    fn the_letters_of_a_named_word_are_its_own() {
        let classifier = Embedded::new(Thresholds::default());
        let mut named = 0;
        for word in classifier.model.vocabulary.words() {
            let features = classifier.explain(&Input::plain(word));
            let of =
                |name: &str| features.iter().find(|feature| feature.name == name).map(|feature| feature.contribution);
            // A word that tells little by itself is not named.
            if of(word).is_some() {
                assert!(of("letter groups").unwrap().abs() < 1e-6, "{features:?}");
                named += 1;
            }
        }
        assert!(named > 500, "{named}");
    }

    #[test]
    fn a_language_that_it_never_read_leaves_it_unsure() {
        let confidence = |text| decide(text).confidence.unwrap();
        assert!(confidence("ʒɮɸɞ ɧʘɶɷ ʞʢʭʬ ɺɻɼɽ ʄʆʓʔ") < confidence("good morning"));
    }

    #[test]
    fn shares_become_thresholds_that_all_copies_see() {
        let scores: Vec<f64> = (0..1_000).map(|score| f64::from(score) / 1_000.0).collect();
        let of = |scores: &[f64], shares: [f64; 2]| {
            Thresholds::of_shares(scores, shares, |thresholds| {
                let below = |tier| scores.iter().filter(|score| thresholds.tier(**score) <= tier).count();
                [below(Tier::Cheap), below(Tier::Medium)]
            })
        };
        let thresholds = of(&scores, [0.6, 0.25]).unwrap();
        assert_eq!((thresholds.medium_at, thresholds.frontier_at), (0.6, 0.85));
        assert_eq!(of(&scores[..199], [0.6, 0.25]), None);
        assert_eq!(of(&scores, [0.6, 0.4]).unwrap().tier(1.0), Tier::Medium);
        let one = Embedded::new(Thresholds::default());
        let other = one.clone();
        one.set_thresholds(thresholds);
        assert_eq!(other.thresholds(), thresholds);
    }

    #[test]
    fn shares_are_those_of_decisions_and_not_of_scores() {
        let scores: Vec<f64> = (0..1_000).map(|score| f64::from(score) / 1_000.0).collect();
        // A rule takes the lowest fifth to the frontier, whatever its score.
        let decided = |thresholds: Thresholds| {
            let tiers = scores.iter().map(|score| if *score < 0.2 { Tier::Frontier } else { thresholds.tier(*score) });
            let tiers: Vec<Tier> = tiers.collect();
            let below = |most| tiers.iter().filter(|tier| **tier <= most).count();
            [below(Tier::Cheap), below(Tier::Medium)]
        };
        let thresholds = Thresholds::of_shares(&scores, [0.5, 0.25], decided).unwrap();
        assert_eq!(decided(thresholds), [500, 750]);
    }

    #[test]
    fn no_text_breaks_the_score() {
        for text in ["\0", &"prove ".repeat(100_000), &"🦀".repeat(10_000), &"```\n".repeat(10_000)] {
            let Verdict { score, confidence, .. } = decide(text);
            assert!((0.0..=1.0).contains(&score.unwrap()) && (0.0..=1.0).contains(&confidence.unwrap()));
        }
    }
}
