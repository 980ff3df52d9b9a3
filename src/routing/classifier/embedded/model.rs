//! The trained figures: a weight for every slot, and how their sum becomes a probability.

use std::sync::{Arc, LazyLock};

use sha2::{Digest, Sha256};

use super::scan::{LETTER_SLOTS, Scan, Slots, Token, WORD_SLOTS, groups_of, hash_of, slot_of};
use crate::catalog::Tier;

/// The model that is compiled in; `docs/classifier.md` is its card.
static SHIPPED: LazyLock<Arc<Model>> = LazyLock::new(|| {
    let bytes = include_bytes!("../../../../config/classifier.bin");
    Arc::new(Model::read(bytes).expect("a test reads the model that is compiled in"))
});

/// The first bytes of a model file.
const MAGIC: &[u8; 8] = b"xrouter3";
/// Figures of the fixed part.
const FIGURES: usize = SUMS * 3 + 2 * 3 + GROUPS * 2 * 2;
/// Bytes of the fixed part: the magic, its figures, the size of the vocabulary.
const HEADER: usize = 8 + FIGURES * 4 + 4;
/// How much sharper than the probabilities the score is: high enough that one threshold of the score is one boundary.
const SHARPNESS: f64 = 3.0;

/// Natural logarithm of 1 + a count.
static DAMPED: LazyLock<[f32; 256]> =
    LazyLock::new(|| std::array::from_fn(|count| f32::from(u8::try_from(count).unwrap_or(u8::MAX)).ln_1p()));

/// What a count is worth: one more of the same says less and less.
#[must_use]
pub fn damped(count: u8) -> f32 {
    DAMPED[usize::from(count)]
}

/// What a byte says, in units of its table's scale: its square with its sign. Most weights are small, and a square has
/// finer steps there.
#[must_use]
pub fn squared(byte: i8) -> i16 {
    i16::from(byte) * i16::from(byte).abs()
}

/// [`squared`] of every byte, by its bits.
static SQUARED: [f32; 256] = {
    let mut table = [0.0; 256];
    let mut byte = u8::MIN;
    loop {
        let signed = byte.cast_signed() as i16;
        table[byte as usize] = (signed * signed.abs()) as f32;
        if byte == u8::MAX {
            break table;
        }
        byte += 1;
    }
};

/// One linear sum over the slots of a [`Scan`]: `bias` + Σ words + Σ letters, each word slot counting
/// `word_scale × squared(byte) × ln(1 + count)` over the Euclidean length of all words' `ln(1 + count)`; letters
/// likewise.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Scales {
    /// What a squared byte of 1 of a word is worth.
    pub words: f32,
    /// What a squared byte of 1 of a letter group is worth.
    pub letters: f32,
    /// The sum of an empty text.
    pub bias: f32,
}

/// Sums that a model has.
pub const SUMS: usize = 4;
/// Place of a sum in a slot's weights: how likely a weak model fails, as was measured on examination questions.
pub const OUTCOME: usize = 0;
/// The log-odds that a request needs more than the cheap tier, as people judged.
pub const MEDIUM: usize = 1;
/// The log-odds that it needs the frontier tier, as people judged.
pub const FRONTIER: usize = 2;
/// The log-odds that a text is an examination question.
pub const QUESTION: usize = 3;

/// How the outcome counts for one of the two boundaries between tiers.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Mix {
    /// What the outcome adds to the boundary's sum of a request.
    pub lean: f32,
    /// The log-odds of an examination question: `slope × outcome + intercept`.
    pub slope: f32,
    /// See `slope`.
    pub intercept: f32,
}

/// Groups of texts, each with its own calibration: three lengths, of texts in Han, Kana or Hangul characters and of others.
pub const GROUPS: usize = 6;
/// Words of a text of middle length: from the first on, and below the second.
const LENGTHS: [u32; 2] = [16, 80];

/// From the log-odds of a boundary to those that held-out requests of a group had: `slope × log-odds + intercept`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Platt {
    /// 1 changes nothing.
    pub slope: f32,
    /// 0 changes nothing.
    pub intercept: f32,
}

impl Default for Platt {
    fn default() -> Self {
        Platt { slope: 1.0, intercept: 0.0 }
    }
}

/// Four linear sums, and how they become the log-odds of two boundaries: that a text needs more than the cheap tier,
/// and that it needs the frontier tier.
///
/// Of each boundary: `(1 − q) × (sum + lean × outcome) + q × (slope × outcome + intercept)`, with q the probability that
/// the text is an examination question.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// Weights of words and pairs, one per slot and sum.
    pub words: Vec<[i8; SUMS]>,
    /// Weights of letter groups, one per slot and sum.
    pub letters: Vec<[i8; SUMS]>,
    /// What they are worth, by sum.
    pub scales: [Scales; SUMS],
    /// Of the two boundaries, medium and frontier.
    pub mixes: [Mix; 2],
    /// How the probabilities of the two boundaries are calibrated, by group of texts.
    pub calibration: [[Platt; 2]; GROUPS],
    /// Words that may be named in an explanation.
    pub vocabulary: Vocabulary,
    /// Slots into which words of the training text fell.
    pub seen: Slots,
    /// Says which model this is.
    pub version: String,
}

/// A model file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("it is no classifier of this version of xrouter: {0}")]
pub struct UnreadableModel(&'static str);

/// Words that may be named in an explanation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Vocabulary {
    /// In the order of their hashes.
    words: Vec<(u32, String)>,
    slots: Slots,
}

impl Vocabulary {
    /// Of single words. Of two that share a hash, one is kept.
    pub fn new(words: impl IntoIterator<Item = String>) -> Self {
        let mut words: Vec<(u32, String)> = words.into_iter().map(|word| (hash_of(&word), word)).collect();
        words.sort_unstable();
        words.dedup_by_key(|(hash, _)| *hash);
        let slots = words.iter().map(|(_, word)| slot_of(word)).collect();
        Vocabulary { words, slots }
    }

    /// All of them.
    #[must_use]
    pub fn words(&self) -> impl ExactSizeIterator<Item = &str> {
        self.words.iter().map(|(_, word)| word.as_str())
    }

    /// Whether a token may be one of them: most that are none are told by their slot.
    #[must_use]
    pub fn may_have(&self, token: &Token) -> bool {
        self.slots.has(token.slot)
    }

    /// The word with this hash.
    #[must_use]
    pub fn word(&self, hash: u32) -> Option<&str> {
        let at = self.words.binary_search_by_key(&hash, |(hash, _)| *hash).ok()?;
        Some(&self.words[at].1)
    }
}

/// What a model says of a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sums {
    /// By sum: that of words and pairs, of letter groups, and of every text.
    pub parts: [[f64; 3]; SUMS],
    /// The log-odds of the two boundaries, medium and frontier, by which a tier is decided.
    pub boundaries: [f64; 2],
    /// The same, calibrated for texts of this language and length: how likely they are.
    pub calibrated: [f64; 2],
    /// The number of that group of texts, below [`GROUPS`].
    pub group: usize,
    /// Probability that the text is an examination question, 0 to 1.
    pub question: f64,
    /// The share of its words that the training text had, 0 to 1; 1 for a text without words.
    pub known: f64,
    /// What each of the first three sums counts in the mean of the two boundaries, and what stands there besides.
    shares: [f64; 3],
    rest: f64,
    /// What one damped count of a word's squared byte of 1 adds to a sum.
    word_units: [f64; 3],
    /// The same of a letter group's.
    letter_units: [f64; 3],
}

impl Sums {
    /// One of the four sums.
    #[must_use]
    pub fn total(&self, sum: usize) -> f64 {
        self.parts[sum].iter().sum()
    }

    /// Probabilities that the text needs the cheap, the medium and the frontier tier. They add up to 1.
    #[must_use]
    pub fn probabilities(&self) -> [f64; 3] {
        let [medium, frontier] = self.calibrated.map(logistic);
        [1.0 - medium, medium - frontier, frontier]
    }

    /// Need for a strong model, 0 to 1: near 0 cheap, near 0.5 medium, near 1 frontier.
    #[must_use]
    pub fn score(&self) -> f64 {
        let [medium, frontier] = self.boundaries.map(|log_odds| logistic(SHARPNESS * log_odds));
        f64::midpoint(medium, frontier)
    }

    /// The probability that a tier is the right one, 0 to 1, as held-out requests calibrated it. Of words that the model
    /// never read it knows nothing: for their share, each tier is as likely as the others.
    #[must_use]
    pub fn confidence(&self, tier: Tier) -> f64 {
        let likely = self.probabilities()[usize::from(tier.number())];
        likely * self.known + (1.0 - self.known) / 3.0
    }

    /// What words, letter groups and every text add to the mean of the two boundaries.
    #[must_use]
    pub fn added(&self) -> [f64; 3] {
        let part = |part: usize| (0..3).map(|sum| self.shares[sum] * self.parts[sum][part]).sum::<f64>();
        [part(0), part(1), part(2) + self.rest]
    }

    /// What a slot's weights add to the mean of the two boundaries, with what a squared byte of 1 is worth.
    fn weight(&self, weights: [i8; SUMS], units: [f64; 3]) -> f64 {
        (0..3).map(|sum| f64::from(squared(weights[sum])) * units[sum] * self.shares[sum]).sum()
    }
}

fn logistic(sum: f64) -> f64 {
    1.0 / (1.0 + (-sum).exp())
}

impl Model {
    /// The one that is compiled in.
    #[must_use]
    pub fn shipped() -> Arc<Self> {
        SHIPPED.clone()
    }

    /// Sums up what was found in a text.
    #[must_use]
    pub fn sums(&self, scan: &Scan) -> Sums {
        let (words, word_length) = weigh(&self.words, scan.words.iter());
        let (letters, letter_length) = weigh(&self.letters, scan.letters.iter());
        let (mut known, mut all, mut han) = (0_u32, 0_u32, 0_u32);
        for token in scan.tokens.iter().filter(|token| token.is_word) {
            all += 1;
            known += u32::from(self.seen.has(token.slot));
            han += u32::from(token.is_han);
        }
        let length = LENGTHS.iter().filter(|from| all >= **from).count();
        let group = if 2 * han > all { length + GROUPS / 2 } else { length };
        let word_unit = |sum: usize| f64::from(self.scales[sum].words / word_length);
        let letter_unit = |sum: usize| f64::from(self.scales[sum].letters / letter_length);
        let parts: [[f64; 3]; SUMS] = std::array::from_fn(|sum| {
            let in_letters = f64::from(letters[sum]) * letter_unit(sum);
            [f64::from(words[sum]) * word_unit(sum), in_letters, f64::from(self.scales[sum].bias)]
        });
        let total = |sum: usize| parts[sum].iter().sum::<f64>();
        let question = logistic(total(QUESTION));
        let request = 1.0 - question;
        let mixes = self.mixes.map(|Mix { lean, slope, intercept }| [lean, slope, intercept].map(f64::from));
        let boundary = |sum: usize, [lean, slope, intercept]: [f64; 3]| {
            request * (total(sum) + lean * total(OUTCOME)) + question * (slope * total(OUTCOME) + intercept)
        };
        let frontier = boundary(FRONTIER, mixes[1]);
        // What needs the frontier tier needs more than the cheap one.
        let medium = boundary(MEDIUM, mixes[0]).max(frontier);
        let calibration = &self.calibration[group];
        let calibrated =
            |log_odds: f64, Platt { slope, intercept }: Platt| f64::from(slope) * log_odds + f64::from(intercept);
        let likely_frontier = calibrated(frontier, calibration[1]);
        let likely_medium = calibrated(medium, calibration[0]).max(likely_frontier);
        let of_outcome = |[lean, slope, _]: [f64; 3]| request * lean + question * slope;
        Sums {
            parts,
            boundaries: [medium, frontier],
            calibrated: [likely_medium, likely_frontier],
            group,
            question,
            known: if all == 0 { 1.0 } else { f64::from(known) / f64::from(all) },
            shares: [f64::midpoint(of_outcome(mixes[0]), of_outcome(mixes[1])), request / 2.0, request / 2.0],
            rest: question * f64::midpoint(mixes[0][2], mixes[1][2]),
            word_units: [OUTCOME, MEDIUM, FRONTIER].map(word_unit),
            letter_units: [OUTCOME, MEDIUM, FRONTIER].map(letter_unit),
        }
    }

    /// What a word adds to the mean of the two boundaries that was found `count` times.
    #[must_use]
    pub fn adds(&self, sums: &Sums, slot: u16, count: u8) -> f64 {
        sums.weight(self.words[usize::from(slot)], sums.word_units) * f64::from(damped(count))
    }

    /// What the letter groups of a word of the vocabulary add: of each group, the share of its hits that are the word's.
    #[must_use]
    pub fn letters_add(&self, sums: &Sums, scan: &Scan, word: &str, count: u8) -> f64 {
        let mut adds = 0.0;
        groups_of(word, |slot| {
            let all = scan.letters.of(slot);
            if all > 0 {
                let whole = sums.weight(self.letters[usize::from(slot)], sums.letter_units);
                adds += whole * f64::from(damped(all)) * f64::from(count.min(all)) / f64::from(all);
            }
        });
        adds
    }

    /// The file: figures in little-endian order.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let vocabulary = self.vocabulary.words().collect::<Vec<_>>().join("\n");
        let mut file = MAGIC.to_vec();
        let scales = self.scales.iter().flat_map(|scales| [scales.words, scales.letters, scales.bias]);
        let mixes = self.mixes.iter().flat_map(|mix| [mix.lean, mix.slope, mix.intercept]);
        let calibration = self.calibration.iter().flatten().flat_map(|platt| [platt.slope, platt.intercept]);
        for figure in scales.chain(mixes).chain(calibration) {
            file.extend(figure.to_le_bytes());
        }
        file.extend(u32::try_from(vocabulary.len()).unwrap_or(u32::MAX).to_le_bytes());
        file.extend(self.words.iter().chain(&self.letters).flatten().flat_map(|weight| weight.to_le_bytes()));
        file.extend(self.seen.as_bytes());
        file.extend(vocabulary.into_bytes());
        file
    }

    /// Reads what [`Model::write`] wrote.
    ///
    /// # Errors
    /// It is something else, or cut.
    pub fn read(file: &[u8]) -> Result<Self, UnreadableModel> {
        let cut = || UnreadableModel("it is cut");
        let (header, rest) = file.split_at_checked(HEADER).ok_or_else(cut)?;
        let figures = header.strip_prefix(MAGIC).ok_or(UnreadableModel("it begins with something else"))?;
        let mut figures = figures.chunks_exact(4).map(|figure| {
            let mut bytes = [0; 4];
            bytes.copy_from_slice(figure);
            bytes
        });
        let mut figure = || figures.next().unwrap_or_default();
        let mut single = || f32::from_le_bytes(figure());
        let scales = [(); SUMS].map(|()| Scales { words: single(), letters: single(), bias: single() });
        let mixes = [(); 2].map(|()| Mix { lean: single(), slope: single(), intercept: single() });
        let of_scales = scales.iter().flat_map(|scales| [scales.words, scales.letters, scales.bias]);
        let of_mixes = mixes.iter().flat_map(|mix| [mix.lean, mix.slope, mix.intercept]);
        let calibration = [(); GROUPS].map(|()| [(); 2].map(|()| Platt { slope: single(), intercept: single() }));
        let of_calibration = calibration.iter().flatten().flat_map(|platt| [platt.slope, platt.intercept]);
        if !of_scales.chain(of_mixes).chain(of_calibration).all(f32::is_finite) {
            return Err(UnreadableModel("it holds figures that are none"));
        }
        let vocabulary_length = u32::from_le_bytes(figure()) as usize;
        let (weights, rest) = rest.split_at_checked(SUMS * (WORD_SLOTS + LETTER_SLOTS)).ok_or_else(cut)?;
        let (seen, vocabulary) = rest.split_at_checked(WORD_SLOTS / 8).ok_or_else(cut)?;
        if vocabulary.len() != vocabulary_length {
            return Err(UnreadableModel("it is cut, or longer than it says"));
        }
        let vocabulary = std::str::from_utf8(vocabulary).map_err(|_| UnreadableModel("its vocabulary is no text"))?;
        let vocabulary = Vocabulary::new(vocabulary.lines().map(str::to_owned));
        let seen = Slots::from_bytes(seen).ok_or_else(cut)?;
        let mut weights =
            weights.as_chunks::<SUMS>().0.iter().map(|weights| weights.map(|byte| i8::from_le_bytes([byte])));
        let words = weights.by_ref().take(WORD_SLOTS).collect();
        let letters = weights.collect();
        let version = hex::encode(&Sha256::digest(file)[..4]);
        Ok(Model { words, letters, scales, mixes, calibration, vocabulary, seen, version })
    }
}

/// Σ squared(byte) × ln(1 + count) by sum, and the Euclidean length of all ln(1 + count); 1 if there are none.
fn weigh(weights: &[[i8; SUMS]], counts: impl Iterator<Item = (u16, u8)>) -> ([f32; SUMS], f32) {
    let (mut sums, mut square) = ([0.0_f32; SUMS], 0.0_f32);
    let damped = &*DAMPED;
    for (slot, count) in counts {
        let value = damped[usize::from(count)];
        for (sum, byte) in sums.iter_mut().zip(weights[usize::from(slot)]) {
            *sum += SQUARED[usize::from(byte.cast_unsigned())] * value;
        }
        square += value * value;
    }
    (sums, if square > 0.0 { square.sqrt() } else { 1.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_model_is_small_and_reads_back() {
        let shipped = Model::shipped();
        let file = shipped.write();
        assert!(file.len() <= 512 * 1024, "{} bytes", file.len());
        assert_eq!(Model::read(&file).unwrap(), *shipped);
        assert!(shipped.vocabulary.words().len() > 100);
    }

    #[test]
    fn a_file_that_is_none_is_refused() {
        let file = Model::shipped().write();
        let mut longer = file.clone();
        longer.push(b'x');
        let mut not_a_number = file.clone();
        not_a_number[8..12].copy_from_slice(&f32::NAN.to_le_bytes());
        for bad in [&b""[..], b"xrouter2", &file[..HEADER], &file[..file.len() - 1], &longer, &not_a_number, b"PK"] {
            assert!(Model::read(bad).is_err());
        }
    }
}
