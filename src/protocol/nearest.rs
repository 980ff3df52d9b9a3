//! What somebody meant who wrote a word that is not known.

/// The nearest of some words, if one is near enough to have been meant.
#[must_use]
pub fn nearest_word<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_only_taken_for_one_that_is_near() {
        let known = || ["base_url", "api_key", "model"].into_iter();
        assert_eq!(nearest_word("bas_url", known()), Some("base_url"));
        assert_eq!(nearest_word("modle", known()), Some("model"));
        assert_eq!(nearest_word("something else", known()), None);
    }
}
