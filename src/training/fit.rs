//! The recipe: labelled prompts in, a model of one weight per slot out.
//!
//! The first expert, `outcome`, has three heads: on words, how much a strong model gains over a weak one;
//! on words and on letter groups, whether a weak model fails. "The weak model fails" carries over to
//! prompts of other kinds, the gain fits what is measured here. Each is standardised on the rows that were
//! measured and added up, which is one linear sum again. The second expert, `request`, learns from requests
//! whose tier people gave, and the gate, `question`, which of the two kinds a text is. All is stored in bytes.

use std::collections::{BTreeMap, BTreeSet};

use crate::routing::inside::{Model, OUTCOME, QUESTION, REQUEST, SLOTS, Scales, damped, hash_of, scan};

use super::Row;
use super::calibrate::platt;
use super::solve::{Problem, sum};

/// Slots and their values, of Euclidean length 1.
type Block = Vec<(u16, f32)>;

/// The figures of the recipe.
#[derive(Debug, Clone, Copy)]
pub struct Recipe {
    /// L2 penalty.
    pub penalty: f64,
    /// What a constructed row of tier 0, 1 and 2 is labelled with for the first expert.
    pub constructed: [f64; 3],
    /// Each row weighs its source's size to this power, less one: 0.5 is 1/√size, 0 makes sources equal.
    pub size_power: f64,
    /// Weight of the head on gain, of the one on words and of the one on letter groups.
    pub heads: [f64; 3],
    /// Weight of our own prompts against other sources, for the second expert and the gate.
    pub own: f64,
    /// Weight of `gaokao` for the gate: nearly all Chinese of the data is there, and Chinese alone makes no question.
    pub gaokao: f64,
    /// How much sharper the second expert is than it was fitted, against the pull of its penalty.
    pub request: f64,
    /// Penalty of the second expert and of the gate.
    pub kind_penalty: f64,
    /// How much sharper the gate is than it was fitted.
    pub question: f64,
    /// How much the gate leans towards the first expert: a question of a kind that it never saw looks like a request.
    pub lean: f64,
}

impl Default for Recipe {
    /// What the shipped model is made with; chosen with the figures of dev and of sources left out in sight.
    fn default() -> Self {
        Recipe {
            penalty: 1.2,
            constructed: [0.03, 0.35, 0.7],
            size_power: 0.5,
            heads: [1.0, 1.0, 1.0],
            own: 6.0,
            gaokao: 0.2,
            request: 1.2,
            kind_penalty: 0.15,
            question: 2.0,
            lean: 2.0,
        }
    }
}

/// A row whose text was read.
#[derive(Debug)]
pub struct Example<'a> {
    /// The row.
    pub row: &'a Row,
    text: String,
    words: Block,
    letters: Block,
}

impl<'a> Example<'a> {
    /// Reads a row's text: what the router would classify of it.
    #[must_use]
    pub fn new(row: &'a Row, text: String) -> Self {
        let (words, letters) = scan(&text, |scan| (block(scan.words.iter()), block(scan.letters.iter())));
        Example { row, text, words, letters }
    }

    /// Its text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

fn block(counts: impl Iterator<Item = (u16, u8)>) -> Block {
    let mut block: Block = counts.map(|(slot, count)| (slot, damped(count))).collect();
    let length = block.iter().map(|(_, value)| value * value).sum::<f32>().sqrt();
    for (_, value) in &mut block {
        *value /= length;
    }
    block
}

/// A head: its weights, its bias, and where and how wide its sums lie on measured rows.
struct Head {
    weights: Vec<f32>,
    bias: f32,
    mean: f64,
    width: f64,
}

/// Trains on one set of rows and calibrates on another.
#[must_use]
pub fn fit(train: &[&Example<'_>], dev: &[&Example<'_>], recipe: &Recipe) -> Model {
    let sizes = sizes(train);
    let weight = |row: &Row| {
        let size = f64::from(sizes.get(row.source.as_str()).copied().unwrap_or(1));
        size.powf(recipe.size_power - 1.0)
    };
    let kind_weight = |row: &Row| {
        weight(row)
            * match row.source.as_str() {
                "own" => recipe.own,
                "gaokao" => recipe.gaokao,
                _ => 1.0,
            }
    };
    let fails = |row: &Row| fails(row, recipe);
    let asks = |row: &Row| if row.is_constructed() { Some(TIER_LABELS[usize::from(row.tier?)]) } else { None };
    let is_question = |row: &Row| match row.label_kind.as_str() {
        "constructed" | "unlabelled_everyday" => Some(0.0),
        // Function calls are requests whose outcome was measured: both experts are asked.
        _ if row.source == "bfcl" => Some(0.5),
        _ => Some(1.0),
    };
    let head = |label: &dyn Fn(&Row) -> Option<f64>, part| Head::fit(train, label, &weight, part, recipe.penalty);
    let heads = [head(&gain, Part::Words), head(&fails, Part::Words), head(&fails, Part::Letters)];
    let kind = |label: &dyn Fn(&Row) -> Option<f64>| {
        [Part::Words, Part::Letters].map(|part| Head::fit(train, label, &kind_weight, part, recipe.kind_penalty))
    };
    let sums =
        [outcome(&heads, recipe), both(&kind(&asks), recipe.request), both(&kind(&is_question), recipe.question)];
    let [outcome, asked, mut question] = sums;
    question.bias += recipe.lean;
    let mut model = pack(&[outcome, asked, question]);
    (model.vocabulary, model.seen) = vocabulary(train, &model);
    calibrate(&mut model, dev);
    // What is stored is what is used, down to the last bit.
    let file = model.write();
    Model::read(&file).unwrap_or(model)
}

/// A published linear recipe, to be compared with: one expert of three heads, which has the constructed rows among the
/// measured ones, in tables of our size and without prompts of our own.
#[must_use]
pub fn fit_reference(train: &[&Example<'_>], dev: &[&Example<'_>]) -> Model {
    let train: Vec<&Example<'_>> = train.iter().filter(|example| example.row.source != "own").copied().collect();
    let sizes = sizes(&train);
    let weight = |row: &Row| 1.0 / f64::from(sizes.get(row.source.as_str()).copied().unwrap_or(1)).sqrt();
    let recipe = Recipe::default();
    let fails = |row: &Row| fails(row, &recipe);
    let head = |label: &dyn Fn(&Row) -> Option<f64>, part| Head::fit(&train, label, &weight, part, recipe.penalty);
    let heads = [head(&gain, Part::Words), head(&fails, Part::Words), head(&fails, Part::Letters)];
    let always = |bias| Whole { words: vec![0.0; SLOTS], letters: vec![0.0; SLOTS], bias };
    // Of every row it has all to say.
    let mut model = pack(&[outcome(&heads, &recipe), always(0.0), always(40.0)]);
    calibrate(&mut model, dev);
    model
}

fn sizes<'a>(train: &[&Example<'a>]) -> BTreeMap<&'a str, u32> {
    let mut sizes: BTreeMap<&str, u32> = BTreeMap::new();
    for example in train {
        *sizes.entry(&example.row.source).or_default() += 1;
    }
    sizes
}

/// What a strong model gains over a weak one.
fn gain(row: &Row) -> Option<f64> {
    if row.is_constructed() { None } else { Some((row.strong? - row.weak?).clamp(0.0, 1.0)) }
}

/// What a constructed row is labelled with for the second expert, by tier.
const TIER_LABELS: [f64; 3] = [0.02, 0.5, 0.98];

/// Which slots a head reads.
#[derive(Debug, Clone, Copy)]
enum Part {
    Words,
    Letters,
}

impl Example<'_> {
    fn part(&self, part: Part) -> &Block {
        match part {
            Part::Words => &self.words,
            Part::Letters => &self.letters,
        }
    }
}

impl Head {
    /// Fits the rows that have a label.
    fn fit(
        train: &[&Example<'_>],
        label: &dyn Fn(&Row) -> Option<f64>,
        weight: &dyn Fn(&Row) -> f64,
        part: Part,
        penalty: f64,
    ) -> Self {
        let labelled: Vec<(&Block, f64, f64)> = train
            .iter()
            .filter_map(|example| Some((example.part(part), label(example.row)?, weight(example.row))))
            .collect();
        let mean = labelled.iter().map(|(_, _, weight)| weight).sum::<f64>() / number(labelled.len());
        let problem = Problem {
            rows: labelled.iter().map(|(block, _, _)| block.as_slice()).collect(),
            labels: labelled.iter().map(|(_, label, _)| *label).collect(),
            weights: labelled.iter().map(|(_, _, weight)| weight / mean).collect(),
            size: SLOTS,
            penalty,
        };
        let mut weights = problem.solve(60);
        let bias = weights.pop().unwrap_or_default();
        let measured = train.iter().filter(|example| example.row.weak.is_some());
        let sums: Vec<f64> = measured.map(|example| sum(example.part(part), &weights, bias)).collect();
        let mean = sums.iter().sum::<f64>() / number(sums.len());
        let width = (sums.iter().map(|sum| (sum - mean).powi(2)).sum::<f64>() / number(sums.len())).sqrt();
        Head { weights, bias, mean, width: if width > 0.0 { width } else { 1.0 } }
    }
}

/// How likely a weak model fails. A row that only a strong model answered does not say it, and prompts of our own are
/// for the second expert.
fn fails(row: &Row, recipe: &Recipe) -> Option<f64> {
    match row.label_kind.as_str() {
        _ if row.source == "own" => None,
        "constructed" => recipe.constructed.get(usize::from(row.tier?)).copied(),
        "measured_single" => None,
        _ => Some(1.0 - row.weak?),
    }
}

/// A sum as it is fitted: weights of words and of letters, and a bias.
struct Whole {
    words: Vec<f64>,
    letters: Vec<f64>,
    bias: f64,
}

/// The first expert: its heads standardised, so that each says as much.
fn outcome(heads: &[Head; 3], recipe: &Recipe) -> Whole {
    let all: f64 = recipe.heads.iter().sum();
    let share = |head: usize| recipe.heads[head] / all / heads[head].width;
    let [gain, words, letters] = heads;
    let times =
        |weights: &[f32], share: f64| weights.iter().map(|weight| f64::from(*weight) * share).collect::<Vec<_>>();
    let summed = times(&gain.weights, share(0)).into_iter().zip(times(&words.weights, share(1)));
    Whole {
        words: summed.map(|(gain, words)| gain + words).collect(),
        letters: times(&letters.weights, share(2)),
        bias: heads.iter().enumerate().map(|(at, head)| share(at) * (f64::from(head.bias) - head.mean)).sum(),
    }
}

/// A sum of a head on words and one on letters, which are two opinions: half of each, `times` over.
fn both(heads: &[Head; 2], times: f64) -> Whole {
    let half = |head: &Head| head.weights.iter().map(|weight| f64::from(*weight) * times / 2.0).collect();
    let [words, letters] = heads;
    Whole { words: half(words), letters: half(letters), bias: f64::from(words.bias + letters.bias) * times / 2.0 }
}

/// Puts the sums together, their weights cut to bytes.
fn pack(sums: &[Whole; 3]) -> Model {
    let words = sums.each_ref().map(|sum| bytes(&sum.words));
    let letters = sums.each_ref().map(|sum| bytes(&sum.letters));
    let mut scales = [Scales::default(); 3];
    for (at, scales) in scales.iter_mut().enumerate() {
        *scales = Scales { words: words[at].1, letters: letters[at].1, bias: single(sums[at].bias) };
    }
    let by_slot = |parts: &[(Vec<i8>, f32); 3]| {
        (0..SLOTS).map(|slot| [parts[OUTCOME].0[slot], parts[REQUEST].0[slot], parts[QUESTION].0[slot]]).collect()
    };
    Model {
        words: by_slot(&words),
        letters: by_slot(&letters),
        scales,
        vocabulary: Vec::new(),
        seen: vec![0; SLOTS / 8],
        version: String::new(),
    }
}

/// Weights as bytes, and what a byte of 1 is worth. The largest 1 in 2 000 are cut off, for the sake of the rest.
#[expect(clippy::cast_possible_truncation, reason = "clamped to a byte before")]
fn bytes(weights: &[f64]) -> (Vec<i8>, f32) {
    let mut sizes: Vec<f64> = weights.iter().map(|weight| weight.abs()).collect();
    sizes.sort_by(f64::total_cmp);
    let largest = sizes.get(sizes.len().saturating_sub(1 + sizes.len() / 2_000)).copied().unwrap_or(1.0);
    let scale = if largest > 0.0 { largest / 127.0 } else { 1.0 };
    (weights.iter().map(|weight| (weight / scale).round().clamp(-127.0, 127.0) as i8).collect(), single(scale))
}

/// Calibrates the first expert on the rows that it has most to say on.
fn calibrate(model: &mut Model, dev: &[&Example<'_>]) {
    let sums: Vec<(f64, bool)> = dev
        .iter()
        .filter_map(|example| {
            let failed = example.row.weak? < 0.5;
            let sums = scan(&example.text, |scan| model.sums(scan));
            (sums.question > 0.5).then(|| (sums.total(OUTCOME), failed))
        })
        .collect();
    if sums.is_empty() {
        return;
    }
    let (slope, intercept) = platt(&sums);
    let scales = &mut model.scales[OUTCOME];
    scales.words = single(slope * f64::from(scales.words));
    scales.letters = single(slope * f64::from(scales.letters));
    scales.bias = single(slope * f64::from(scales.bias) + intercept);
}

/// Rows in which a word must stand before it is named.
const NAMED_FROM: usize = 12;
/// Sources in which it must stand.
const NAMED_SOURCES: usize = 2;
/// Most words that are named.
const MOST_NAMED: usize = 4_000;

/// The words that tell most, and a bit for every slot that a word of the training text fell into.
///
/// Only words of many rows and of several sources are named, so that nothing private can be.
fn vocabulary(train: &[&Example<'_>], model: &Model) -> (Vec<(u32, String)>, Vec<u8>) {
    let mut words: BTreeMap<String, (usize, BTreeSet<&str>)> = BTreeMap::new();
    let mut seen = vec![0_u8; SLOTS / 8];
    let mut slots: BTreeMap<String, u16> = BTreeMap::new();
    for example in train {
        scan(&example.text, |scan| {
            let mut here: BTreeSet<String> = BTreeSet::new();
            for token in scan.tokens.iter().filter(|token| token.is_word) {
                seen[usize::from(token.slot / 8)] |= 1 << (token.slot % 8);
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
            Some((weights[OUTCOME].unsigned_abs().max(weights[REQUEST].unsigned_abs()), word))
        })
        .filter(|(_, word)| scan(word, |scan| scan.tokens.len() == 1))
        .collect();
    told.sort_by(|one, other| other.0.cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
    told.truncate(MOST_NAMED);
    let mut named: Vec<(u32, String)> = told.into_iter().map(|(_, word)| (hash_of(&word), word)).collect();
    named.sort_unstable();
    named.dedup_by_key(|(hash, _)| *hash);
    (named, seen)
}

#[expect(clippy::cast_precision_loss, reason = "numbers of rows are small")]
fn number(count: usize) -> f64 {
    count.max(1) as f64
}

#[expect(clippy::cast_possible_truncation, reason = "the file holds single precision")]
fn single(figure: f64) -> f32 {
    figure as f32
}
