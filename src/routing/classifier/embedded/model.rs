//! The trained figures: a weight for every slot, and how their sum becomes a probability.

use std::sync::{Arc, LazyLock};

use sha2::{Digest, Sha256};

use super::scan::{SLOTS, Scan, groups_of};

/// The model that is compiled in; `docs/classifier.md` is its card.
static SHIPPED: LazyLock<Arc<Model>> = LazyLock::new(|| {
    let bytes = include_bytes!("../../../../config/classifier.bin");
    Arc::new(Model::read(bytes).expect("a test reads the model that is compiled in"))
});

/// The first bytes of a model file.
const MAGIC: &[u8; 8] = b"xrouter1";
/// Figures of the fixed part.
const FIGURES: usize = 9;
/// Bytes of the fixed part: the magic, its figures, the size of the vocabulary.
const HEADER: usize = 8 + FIGURES * 4 + 4;

/// Natural logarithm of 1 + a count.
static DAMPED: LazyLock<[f32; 256]> =
    LazyLock::new(|| std::array::from_fn(|count| f32::from(u8::try_from(count).unwrap_or(u8::MAX)).ln_1p()));

/// What a count is worth: one more of the same says less and less.
#[must_use]
pub fn damped(count: u8) -> f32 {
    DAMPED[usize::from(count)]
}

/// One linear sum over the slots of a [`Scan`]: `bias` + Σ words + Σ letters, each word slot counting
/// `word_scale × weight × ln(1 + count)` over the Euclidean length of all words' `ln(1 + count)`; letters
/// likewise.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Scales {
    /// What a word's weight of 1 is worth.
    pub words: f32,
    /// What a letter group's weight of 1 is worth.
    pub letters: f32,
    /// The sum of an empty text.
    pub bias: f32,
}

/// Places of the three sums in a slot's weights.
pub const OUTCOME: usize = 0;
/// See [`OUTCOME`].
pub const REQUEST: usize = 1;
/// See [`OUTCOME`].
pub const QUESTION: usize = 2;

/// Two experts and a gate between them.
///
/// `outcome` says how likely a weak model fails, as was measured on examination questions; `request` how
/// hard an open request is, as people judged; `question` how likely a text is an examination question.
/// The score is `question × outcome + (1 − question) × request`, each a logistic function of its sum.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// Weights of words and pairs, one per slot and sum.
    pub words: Vec<[i8; 3]>,
    /// Weights of letter groups, one per slot and sum.
    pub letters: Vec<[i8; 3]>,
    /// What they are worth, by sum.
    pub scales: [Scales; 3],
    /// Words that may be named in an explanation, in the order of their hashes.
    pub vocabulary: Vec<(u32, String)>,
    /// A bit per slot: a word that the training text had fell into it.
    pub seen: Vec<u8>,
    /// Says which model this is.
    pub version: String,
}

/// A model file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("it is no classifier of this version of xrouter: {0}")]
pub struct UnreadableModel(&'static str);

/// What a model says of a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sums {
    /// The sums of words and pairs, of letter groups, and of every text, for each expert.
    pub experts: [[f64; 3]; 2],
    /// Probability that the text is an examination question, 0 to 1: the share of the first expert.
    pub question: f64,
    /// The share of its words that the training text had, 0 to 1; 1 for a text without words.
    pub known: f64,
    /// What one damped count of a word's weight of 1 adds to an expert's sum.
    word_units: [f64; 2],
    /// The same of a letter group's.
    letter_units: [f64; 2],
}

impl Sums {
    /// An expert's sum.
    #[must_use]
    pub fn total(&self, expert: usize) -> f64 {
        self.experts[expert].iter().sum()
    }

    /// Probability that the cheap model fails, 0 to 1.
    #[must_use]
    pub fn score(&self) -> f64 {
        let [outcome, request] = self.shares();
        outcome * logistic(self.total(OUTCOME)) + request * logistic(self.total(REQUEST))
    }

    /// How much each expert has to say.
    #[must_use]
    pub fn shares(&self) -> [f64; 2] {
        [self.question, 1.0 - self.question]
    }

    /// What words, letter groups and every text add, each expert counting as much as it has to say.
    #[must_use]
    pub fn parts(&self) -> [f64; 3] {
        let ([outcome, request], [first, second]) = (self.experts, self.shares());
        std::array::from_fn(|part| first * outcome[part] + second * request[part])
    }
}

/// What a slot's weights are worth, each expert counting as much as it has to say.
fn weight(weights: [i8; 3], [outcome, request]: [f64; 2], [first, second]: [f64; 2]) -> f64 {
    f64::from(weights[OUTCOME]) * outcome * first + f64::from(weights[REQUEST]) * request * second
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
        let (mut known, mut all) = (0_u32, 0_u32);
        for token in scan.tokens.iter().filter(|token| token.is_word) {
            all += 1;
            known += u32::from(self.has_seen(token.slot));
        }
        let word_unit = |sum: usize| f64::from(self.scales[sum].words / word_length);
        let letter_unit = |sum: usize| f64::from(self.scales[sum].letters / letter_length);
        let parts: [[f64; 3]; 3] = std::array::from_fn(|sum| {
            let scales = self.scales[sum];
            let in_letters = f64::from(letters[sum]) * letter_unit(sum);
            [f64::from(words[sum]) * word_unit(sum), in_letters, f64::from(scales.bias)]
        });
        Sums {
            experts: [parts[OUTCOME], parts[REQUEST]],
            question: logistic(parts[QUESTION].iter().sum()),
            known: if all == 0 { 1.0 } else { f64::from(known) / f64::from(all) },
            word_units: [word_unit(OUTCOME), word_unit(REQUEST)],
            letter_units: [letter_unit(OUTCOME), letter_unit(REQUEST)],
        }
    }

    /// What a word adds that was found `count` times, each expert counting as much as it has to say.
    #[must_use]
    pub fn adds(&self, sums: &Sums, slot: u16, count: u8) -> f64 {
        weight(self.words[usize::from(slot)], sums.word_units, sums.shares()) * f64::from(damped(count))
    }

    /// What the letter groups of a word of the vocabulary add: of each group, the share of its hits that are the word's.
    #[must_use]
    pub fn letters_add(&self, sums: &Sums, scan: &Scan, word: &str, count: u8) -> f64 {
        let mut adds = 0.0;
        groups_of(word, |slot| {
            let all = scan.letters.of(slot);
            if all > 0 {
                let whole = weight(self.letters[usize::from(slot)], sums.letter_units, sums.shares());
                adds += whole * f64::from(damped(all)) * f64::from(count.min(all)) / f64::from(all);
            }
        });
        adds
    }

    fn has_seen(&self, slot: u16) -> bool {
        self.seen[usize::from(slot / 8)] >> (slot % 8) & 1 == 1
    }

    /// The word of the vocabulary with this hash.
    #[must_use]
    pub fn word(&self, hash: u32) -> Option<&str> {
        let at = self.vocabulary.binary_search_by_key(&hash, |(hash, _)| *hash).ok()?;
        Some(&self.vocabulary[at].1)
    }

    /// The file: figures in little-endian order.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let vocabulary = self.vocabulary.iter().map(|(_, word)| word.as_str()).collect::<Vec<_>>().join("\n");
        let mut file = MAGIC.to_vec();
        let scales = self.scales.iter().flat_map(|scales| [scales.words, scales.letters, scales.bias]);
        for figure in scales {
            file.extend(figure.to_le_bytes());
        }
        file.extend(u32::try_from(vocabulary.len()).unwrap_or(u32::MAX).to_le_bytes());
        file.extend(self.words.iter().chain(&self.letters).flatten().flat_map(|weight| weight.to_le_bytes()));
        file.extend(&self.seen);
        file.extend(vocabulary.into_bytes());
        file
    }

    /// Reads what [`Model::write`] wrote.
    ///
    /// # Errors
    /// It is something else, or cut.
    pub fn read(file: &[u8]) -> Result<Self, UnreadableModel> {
        let cut = UnreadableModel("it is cut");
        let (header, rest) = file.split_at_checked(HEADER).ok_or(cut)?;
        let figures = header.strip_prefix(MAGIC).ok_or(UnreadableModel("it begins with something else"))?;
        let mut figures = figures.chunks_exact(4).map(|figure| {
            let mut bytes = [0; 4];
            bytes.copy_from_slice(figure);
            bytes
        });
        let mut figure = || figures.next().unwrap_or_default();
        let mut single = || f32::from_le_bytes(figure());
        let scales = [(); 3].map(|()| Scales { words: single(), letters: single(), bias: single() });
        let mut read = scales.iter().flat_map(|scales| [scales.words, scales.letters, scales.bias]);
        if !read.all(f32::is_finite) {
            return Err(UnreadableModel("it holds figures that are none"));
        }
        let vocabulary_length = u32::from_le_bytes(figure()) as usize;
        let (weights, rest) = rest.split_at_checked(2 * 3 * SLOTS).ok_or(UnreadableModel("it is cut"))?;
        let (seen, vocabulary) = rest.split_at_checked(SLOTS / 8).ok_or(UnreadableModel("it is cut"))?;
        if vocabulary.len() != vocabulary_length {
            return Err(UnreadableModel("it is cut, or longer than it says"));
        }
        let vocabulary = std::str::from_utf8(vocabulary).map_err(|_| UnreadableModel("its vocabulary is no text"))?;
        let mut vocabulary: Vec<(u32, String)> =
            vocabulary.lines().map(|word| (super::scan::hash_of(word), word.to_owned())).collect();
        vocabulary.sort_unstable();
        let mut weights =
            weights.as_chunks::<3>().0.iter().map(|weights| weights.map(|byte| i8::from_le_bytes([byte])));
        let words = weights.by_ref().take(SLOTS).collect();
        let letters = weights.collect();
        let version = hex::encode(&Sha256::digest(file)[..4]);
        Ok(Model { words, letters, scales, vocabulary, seen: seen.to_vec(), version })
    }
}

/// Σ weight × ln(1 + count) by sum, and the Euclidean length of all ln(1 + count); 1 if there are none.
fn weigh(weights: &[[i8; 3]], counts: impl Iterator<Item = (u16, u8)>) -> ([f32; 3], f32) {
    let (mut sums, mut square) = ([0.0_f32; 3], 0.0_f32);
    for (slot, count) in counts {
        let value = damped(count);
        for (sum, weight) in sums.iter_mut().zip(weights[usize::from(slot)]) {
            *sum += f32::from(weight) * value;
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
        assert!(shipped.vocabulary.len() > 100);
    }

    #[test]
    fn a_file_that_is_none_is_refused() {
        let file = Model::shipped().write();
        let mut longer = file.clone();
        longer.push(b'x');
        let mut not_a_number = file.clone();
        not_a_number[8..12].copy_from_slice(&f32::NAN.to_le_bytes());
        for bad in [&b""[..], b"xrouter1", &file[..HEADER], &file[..file.len() - 1], &longer, &not_a_number, b"PK"] {
            assert!(Model::read(bad).is_err());
        }
    }
}
