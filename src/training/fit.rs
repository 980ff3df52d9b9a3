//! The recipe: labelled prompts in, a model of one weight per slot and sum out.
//!
//! Four linear sums ([`Model`]). The outcome has three heads: on words, how much a strong model gains over a weak one; on
//! words and on letter groups, whether a weak model fails. "The weak model fails" carries over to prompts of other kinds,
//! the gain fits what is measured here. Each is standardised on the rows that were measured and added up, which is one
//! linear sum again. The two boundaries between tiers learn from requests whose tier people gave, each by itself: one sum
//! with two thresholds loses a fifth of what two sums tell apart. The gate tells examination questions from requests. All is
//! stored in bytes.

use std::collections::{BTreeMap, BTreeSet};

use crate::routing::Model;
use crate::routing::inside::{
    FRONTIER, GROUPS, LETTER_SLOTS, MEDIUM, Mix, OUTCOME, Platt, QUESTION, SUMS, Scales, Scan, Slots, Vocabulary,
    WORD_SLOTS, damped, hash_of, scan, squared,
};

use super::calibrate::platt;
use super::solve::{Problem, sum};
use super::{Kind, Row};

/// Slots and their values. Words come first and have length 1; letter groups follow, from [`WORD_SLOTS`] on, and have
/// length 1 too.
pub(super) type Block = Vec<(u32, f32)>;

/// The figures of the recipe.
#[derive(Debug, Clone, Copy)]
pub struct Recipe {
    /// L2 penalty of the outcome's heads.
    pub penalty: f64,
    /// What a constructed row of tier 0, 1 and 2 is labelled with for the outcome.
    pub constructed: [f64; 3],
    /// Each row weighs its source's size to this power, less one, for the outcome and the gate: 0.5 is 1/√size, 0 makes
    /// sources equal.
    pub size_power: f64,
    /// L2 penalty of the two boundaries.
    pub boundary_penalty: f64,
    /// What a row is worth for the boundaries, by its kind.
    pub worth: Worth,
    /// How much the outcome adds to the boundaries of a request: among open requests its order is the better one.
    pub lean: f64,
    /// L2 penalty of the gate.
    pub gate_penalty: f64,
    /// Weight of our own prompts against other sources, for the gate.
    pub gate_own: f64,
    /// Weight of `gaokao` for the gate: nearly all Chinese of the data is there, and Chinese alone makes no question.
    pub gate_gaokao: f64,
    /// What function calls and school maths are labelled with for the gate: they are requests too.
    pub gate_between: f64,
    /// How much sharper the gate is than it was fitted, against the pull of its penalty.
    pub gate_sharpness: f64,
    /// How much the gate leans towards the outcome: a question of a kind that it never saw looks like a request to it.
    pub gate_lean: f64,
}

/// What a row is worth for the boundaries, by its kind.
#[derive(Debug, Clone, Copy)]
pub struct Worth {
    /// A prompt of our own, or one that people graded.
    pub graded: f64,
    /// A copy of one in a wrapper.
    pub wrapped: f64,
    /// A constructed row of the lowest tier.
    pub trivial: f64,
    /// A constructed row of another.
    pub hard: f64,
    /// All rows of a measured source, over the square root of their number.
    pub measured: f64,
}

impl Default for Recipe {
    /// What the shipped model is made with; chosen with the figures of dev, of pairs and of sources left out in sight.
    fn default() -> Self {
        Recipe {
            penalty: 1.2,
            constructed: [0.03, 0.35, 0.7],
            size_power: 0.5,
            boundary_penalty: 0.2,
            worth: Worth { graded: 1.0, wrapped: 0.35, trivial: 1.5, hard: 0.1, measured: 6.0 },
            lean: 0.8,
            gate_penalty: 0.15,
            gate_own: 6.0,
            gate_gaokao: 0.2,
            gate_between: 0.8,
            gate_sharpness: 1.5,
            gate_lean: 1.0,
        }
    }
}

/// A row whose text was read.
#[derive(Debug)]
pub struct Example<'a> {
    /// The row.
    pub row: &'a Row,
    text: String,
    block: Block,
    /// How many of the block's slots are words.
    words: usize,
}

impl<'a> Example<'a> {
    /// Reads a row's text: what the router would classify of it.
    #[must_use]
    pub fn new(row: &'a Row, text: String) -> Self {
        let (block, words) = scan(&text, |scan| (blocks(scan), scan.words.iter().count()));
        Example { row, text, block, words }
    }

    /// Its text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    fn part(&self, part: Part) -> &[(u32, f32)] {
        match part {
            Part::Words => &self.block[..self.words],
            Part::Letters => &self.block[self.words..],
            Part::Both => &self.block,
        }
    }
}

/// What was found in a text: the slots of words, then those of letter groups, each of length 1 together.
pub(super) fn blocks(scan: &Scan) -> Block {
    let mut both = block(scan.words.iter(), 0);
    both.extend(block(scan.letters.iter(), WORD_SLOTS));
    both
}

fn block(counts: impl Iterator<Item = (u16, u8)>, from: usize) -> Block {
    let from = u32::try_from(from).unwrap_or_default();
    let mut block: Block = counts.map(|(slot, count)| (from + u32::from(slot), damped(count))).collect();
    let length = block.iter().map(|(_, value)| value * value).sum::<f32>().sqrt();
    for (_, value) in &mut block {
        *value /= length;
    }
    block
}

/// Which slots a head reads.
#[derive(Debug, Clone, Copy)]
enum Part {
    Words,
    Letters,
    Both,
}

/// Steps of a fit.
const STEPS: usize = 80;
/// Labels of a row of a lower tier than a boundary, and of one at least as high: people err.
const LABELS: [f64; 2] = [0.03, 0.97];
/// One in so many of the prompts that people graded is left out for the calibration.
const HELD_OUT: u32 = 8;

/// How strongly the calibration of a group is held to that of all, in rows.
const GROUP_PULL: f64 = 5.0;

/// Trains on one set of rows and calibrates on another.
#[must_use]
pub fn fit(train: &[&Example<'_>], dev: &[&Example<'_>], recipe: &Recipe) -> Model {
    let outcome = outcome(train, recipe);
    let (rest, held): (Vec<&Example<'_>>, Vec<&Example<'_>>) = train.iter().partition(|it| !is_held_out(it.row));
    let boundaries = [1, 2].map(|tier| {
        let lean = recipe.lean;
        let sums = |boundary: &Linear, example: &Example<'_>| boundary.sum(example) + lean * outcome.sum(example);
        // The slope and the intercept of rows that the fit did not see; the sum itself is fitted on all of them.
        let part = boundary(&rest, tier, recipe);
        let foretold: Vec<(f64, bool)> = held
            .iter()
            .filter(|example| example.row.kind() != Kind::Wrapped)
            .filter_map(|example| Some((sums(&part, example), example.row.tier? >= tier)))
            .collect();
        let (slope, intercept) = if foretold.is_empty() { (1.0, 0.0) } else { platt(&foretold, 0.0) };
        let fails = |row: &Row| if tier == 1 { row.weak } else { row.mid };
        let measured: Vec<(f64, bool)> = dev
            .iter()
            .filter(|example| example.row.kind() == Kind::Measured)
            .filter_map(|example| Some((outcome.sum(example), fails(example.row)? < 0.5)))
            .collect();
        let of_question = if measured.is_empty() { (1.0, 0.0) } else { platt(&measured, 0.0) };
        let mix = Mix { lean: single(lean * slope), slope: single(of_question.0), intercept: single(of_question.1) };
        (part.times(slope, intercept), boundary(train, tier, recipe).times(slope, intercept), mix)
    });
    let [(blind_medium, medium, first), (blind_frontier, frontier, second)] = boundaries;
    let mut sums = [outcome, blind_medium, blind_frontier, gate(train, recipe)];
    let calibration = calibration(&pack(&sums, [first, second]), &held);
    (sums[MEDIUM], sums[FRONTIER]) = (medium, frontier);
    let mut model = Model { calibration, ..pack(&sums, [first, second]) };
    (model.vocabulary, model.seen) = vocabulary(train, &model);
    // What is stored is what is used, down to the last bit.
    let file = model.write();
    Model::read(&file).unwrap_or(model)
}

/// The calibration of each group of texts: on rows that were held out, by a model that did not see them.
fn calibration(blind: &Model, held: &[&Example<'_>]) -> [[Platt; 2]; GROUPS] {
    let mut foretold: [[Vec<(f64, bool)>; 2]; GROUPS] = Default::default();
    for example in held.iter().filter(|example| example.row.kind() != Kind::Wrapped) {
        let Some(tier) = example.row.tier else { continue };
        let sums = scan(&example.text, |scan| blind.sums(scan));
        for (boundary, from) in [1, 2].into_iter().enumerate() {
            foretold[sums.group][boundary].push((sums.boundaries[boundary], tier >= from));
        }
    }
    foretold.map(|group| {
        group.map(|rows| {
            let (slope, intercept) = platt(&rows, GROUP_PULL);
            Platt { slope: single(slope), intercept: single(intercept) }
        })
    })
}

/// A published linear recipe, to be compared with: the outcome alone, which has the constructed rows among the measured
/// ones, in tables of our size and without prompts of our own.
#[must_use]
pub fn fit_reference(train: &[&Example<'_>], dev: &[&Example<'_>]) -> Model {
    let train: Vec<&Example<'_>> = train
        .iter()
        .filter(|example| matches!(example.row.kind(), Kind::Measured | Kind::MeasuredSingle | Kind::Constructed))
        .filter(|example| example.row.source != "own")
        .copied()
        .collect();
    let outcome = outcome(&train, &Recipe::default());
    let sums: Vec<(f64, bool)> =
        dev.iter().filter_map(|example| Some((outcome.sum(example), example.row.weak? < 0.5))).collect();
    let (slope, intercept) = if sums.is_empty() { (1.0, 0.0) } else { platt(&sums, 0.0) };
    let mix = Mix { lean: 0.0, slope: single(slope), intercept: single(intercept) };
    let never = || Linear { weights: vec![0.0; WORD_SLOTS + LETTER_SLOTS], bias: 0.0 };
    // Of every row it has all to say.
    pack(&[outcome, never(), never(), Linear { bias: 40.0, ..never() }], [mix, mix])
}

/// Whether a row is left out of the fit that calibrates. Rows of a pair stay together.
fn is_held_out(row: &Row) -> bool {
    let is_ours = matches!(row.kind(), Kind::Constructed | Kind::Graded | Kind::Wrapped);
    is_ours && (hash_of(row.held_by()) >> 8).is_multiple_of(HELD_OUT)
}

fn sizes<'a>(train: &[&Example<'a>]) -> BTreeMap<&'a str, u32> {
    let mut sizes: BTreeMap<&str, u32> = BTreeMap::new();
    for example in train.iter().filter(|example| example.row.kind() != Kind::Wrapped) {
        *sizes.entry(&example.row.source).or_default() += 1;
    }
    sizes
}

/// A sum as it is fitted.
struct Linear {
    weights: Vec<f64>,
    bias: f64,
}

impl Linear {
    /// Fits the rows that have a label and a weight.
    fn fit<'e>(rows: impl Iterator<Item = (&'e Example<'e>, f64, f64)>, part: Part, penalty: f64) -> Self {
        let size = WORD_SLOTS + LETTER_SLOTS;
        let mut problem =
            Problem { rows: Vec::new(), labels: Vec::new(), weights: Vec::new(), offsets: None, size, penalty };
        for (example, label, weight) in rows {
            problem.rows.push(example.part(part));
            problem.labels.push(label);
            problem.weights.push(weight);
        }
        let mean = problem.weights.iter().sum::<f64>() / number(problem.weights.len());
        problem.weights.iter_mut().for_each(|weight| *weight /= mean);
        let mut weights = problem.solve(STEPS);
        let bias = f64::from(weights.pop().unwrap_or_default());
        Linear { weights: weights.into_iter().map(f64::from).collect(), bias }
    }

    fn sum(&self, example: &Example<'_>) -> f64 {
        sum(&example.block, &self.weights, self.bias)
    }

    fn times(mut self, factor: f64, more: f64) -> Self {
        self.weights.iter_mut().for_each(|weight| *weight *= factor);
        self.bias = self.bias * factor + more;
        self
    }

    fn plus(mut self, other: &Linear) -> Self {
        self.weights.iter_mut().zip(&other.weights).for_each(|(weight, other)| *weight += other);
        self.bias += other.bias;
        self
    }
}

/// How likely a weak model fails: three heads, standardised on measured rows, so that each says as much.
fn outcome(train: &[&Example<'_>], recipe: &Recipe) -> Linear {
    let sizes = sizes(train);
    let head = |label: &dyn Fn(&Row) -> Option<f64>, part| {
        let rows = train.iter().filter_map(|example| {
            Some((*example, label(example.row)?, weight(&sizes, example.row, recipe.size_power)))
        });
        let head = Linear::fit(rows, part, recipe.penalty);
        let measured = train.iter().filter(|example| example.row.weak.is_some());
        let sums: Vec<f64> = measured.map(|example| head.sum(example)).collect();
        let mean = sums.iter().sum::<f64>() / number(sums.len());
        let width = (sums.iter().map(|sum| (sum - mean).powi(2)).sum::<f64>() / number(sums.len())).sqrt();
        let share = if width > 0.0 { 1.0 / width / 3.0 } else { 1.0 / 3.0 };
        head.times(share, -mean * share)
    };
    let fails = |row: &Row| fails(row, recipe);
    head(&gain, Part::Words).plus(&head(&fails, Part::Words)).plus(&head(&fails, Part::Letters))
}

/// The log-odds that a request needs a tier or more.
fn boundary(train: &[&Example<'_>], tier: u8, recipe: &Recipe) -> Linear {
    let sizes = sizes(train);
    let worth = &recipe.worth;
    let label = |row: &Row| {
        let fails = if tier == 1 { row.weak } else { row.mid };
        let of_tier = || Some(LABELS[usize::from(row.tier? >= tier)]);
        match row.kind() {
            Kind::Graded => Some((of_tier()?, worth.graded)),
            Kind::Constructed if row.source == "own" => Some((of_tier()?, worth.graded)),
            Kind::Wrapped => Some((of_tier()?, worth.wrapped)),
            Kind::Constructed => Some((of_tier()?, if row.tier? == 0 { worth.trivial } else { worth.hard })),
            Kind::Measured => {
                let weight = worth.measured * weight(&sizes, row, 0.5);
                row.weak?;
                Some(((1.0 - fails?).clamp(LABELS[0], LABELS[1]), weight))
            }
            Kind::MeasuredSingle | Kind::Unlabelled => None,
        }
    };
    let rows = train.iter().filter_map(|example| {
        let (label, weight) = label(example.row)?;
        Some((*example, label, weight))
    });
    Linear::fit(rows, Part::Both, recipe.boundary_penalty)
}

/// The log-odds that a text is an examination question: the mean of what its words and its letter groups say.
fn gate(train: &[&Example<'_>], recipe: &Recipe) -> Linear {
    let sizes = sizes(train);
    let label = |row: &Row| match row.kind() {
        Kind::Unlabelled | Kind::Wrapped => None,
        Kind::Measured if ["bfcl", "gsm8k"].contains(&row.source.as_str()) => Some(recipe.gate_between),
        Kind::Graded if ["tal_math", "cmath"].contains(&row.source.as_str()) => Some(0.5),
        Kind::Measured | Kind::MeasuredSingle => Some(1.0),
        Kind::Constructed | Kind::Graded => Some(0.0),
    };
    let weight = |row: &Row| {
        let times = match row.source.as_str() {
            "own" => recipe.gate_own,
            "gaokao" => recipe.gate_gaokao,
            _ => 1.0,
        };
        times * weight(&sizes, row, recipe.size_power)
    };
    let [words, letters] = [Part::Words, Part::Letters].map(|part| {
        let rows = train.iter().filter_map(|example| Some((*example, label(example.row)?, weight(example.row))));
        Linear::fit(rows, part, recipe.gate_penalty)
    });
    words.plus(&letters).times(0.5 * recipe.gate_sharpness, recipe.gate_lean)
}

/// A row's weight by the size of its source.
fn weight(sizes: &BTreeMap<&str, u32>, row: &Row, power: f64) -> f64 {
    f64::from(sizes.get(row.source.as_str()).copied().unwrap_or(1)).powf(power - 1.0)
}

/// What a strong model gains over a weak one.
fn gain(row: &Row) -> Option<f64> {
    if row.kind() == Kind::Measured { Some((row.strong? - row.weak?).clamp(0.0, 1.0)) } else { None }
}

/// How likely a weak model fails. Prompts of our own are for the boundaries.
fn fails(row: &Row, recipe: &Recipe) -> Option<f64> {
    match row.kind() {
        Kind::Constructed if row.source != "own" => recipe.constructed.get(usize::from(row.tier?)).copied(),
        // Without a strong model, what the one that was asked makes of it is the best that is known: nearly all Chinese.
        Kind::Measured | Kind::MeasuredSingle => Some(1.0 - row.weak.or(row.strong)?),
        Kind::Constructed | Kind::Graded | Kind::Wrapped | Kind::Unlabelled => None,
    }
}

/// Puts the sums together, their weights cut to bytes.
fn pack(sums: &[Linear; SUMS], mixes: [Mix; 2]) -> Model {
    let words = sums.each_ref().map(|sum| bytes(&sum.weights[..WORD_SLOTS]));
    let letters = sums.each_ref().map(|sum| bytes(&sum.weights[WORD_SLOTS..]));
    let mut scales = [Scales::default(); SUMS];
    for (at, scales) in scales.iter_mut().enumerate() {
        *scales = Scales { words: words[at].1, letters: letters[at].1, bias: single(sums[at].bias) };
    }
    let by_slot = |parts: &[(Vec<i8>, f32); SUMS], slots: usize| {
        (0..slots)
            .map(|slot| [OUTCOME, MEDIUM, FRONTIER, QUESTION].map(|sum| parts[sum].0[slot]))
            .collect::<Vec<[i8; SUMS]>>()
    };
    Model {
        words: by_slot(&words, WORD_SLOTS),
        letters: by_slot(&letters, LETTER_SLOTS),
        scales,
        mixes,
        calibration: [[Platt::default(); 2]; GROUPS],
        vocabulary: Vocabulary::default(),
        seen: Slots::default(),
        version: String::new(),
    }
}

/// Weights as bytes, and what a squared byte of 1 is worth.
#[expect(clippy::cast_possible_truncation, reason = "at most 127")]
fn bytes(weights: &[f64]) -> (Vec<i8>, f32) {
    let largest = weights.iter().fold(0.0_f64, |largest, weight| largest.max(weight.abs()));
    let scale = if largest > 0.0 { largest / f64::from(squared(i8::MAX)) } else { 1.0 };
    let byte = |weight: &f64| ((weight.abs() / scale).sqrt().round().min(127.0) * weight.signum()) as i8;
    (weights.iter().map(byte).collect(), single(scale))
}

/// Rows in which a word must stand before it is named.
const NAMED_FROM: usize = 12;
/// Sources in which it must stand.
const NAMED_SOURCES: usize = 2;
/// Most words that are named.
const MOST_NAMED: usize = 4_000;

/// The words that tell most, and the slots that words of the training text fell into.
///
/// Only words of many rows and of several sources are named, so that nothing private can be.
fn vocabulary(train: &[&Example<'_>], model: &Model) -> (Vocabulary, Slots) {
    let mut words: BTreeMap<String, (usize, BTreeSet<&str>)> = BTreeMap::new();
    let mut seen = Slots::default();
    let mut slots: BTreeMap<String, u16> = BTreeMap::new();
    for example in train {
        scan(&example.text, |scan| {
            let mut here: BTreeSet<String> = BTreeSet::new();
            for token in scan.tokens.iter().filter(|token| token.is_word) {
                seen.insert(token.slot);
                let word = &example.text[token.span.clone()];
                if word.chars().all(char::is_alphabetic) && word.len() <= 24 {
                    let word = word.to_lowercase();
                    slots.insert(word.clone(), token.slot);
                    here.insert(word);
                }
            }
            for word in here {
                let (rows, sources) = words.entry(word).or_default();
                *rows += 1;
                sources.insert(&example.row.source);
            }
        });
    }
    let told = words.into_iter().filter(|(_, (rows, sources))| *rows >= NAMED_FROM && sources.len() >= NAMED_SOURCES);
    let mut told: Vec<(u8, String)> = told
        .filter_map(|(word, _)| {
            let slot = slots.get(&word)?;
            let weights = model.words[usize::from(*slot)];
            Some((weights[MEDIUM].unsigned_abs().max(weights[FRONTIER].unsigned_abs()), word))
        })
        .filter(|(_, word)| scan(word, |scan| scan.tokens.len() == 1))
        .collect();
    told.sort_by(|one, other| other.0.cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
    told.truncate(MOST_NAMED);
    (Vocabulary::new(told.into_iter().map(|(_, word)| word)), seen)
}

#[expect(clippy::cast_precision_loss, reason = "numbers of rows are small")]
fn number(count: usize) -> f64 {
    count.max(1) as f64
}

#[expect(clippy::cast_possible_truncation, reason = "the file holds single precision")]
fn single(figure: f64) -> f32 {
    figure as f32
}
