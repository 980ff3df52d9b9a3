//! Marks at the beginning of a text: the longest of thousands is found by its first two bytes.
//!
//! An automaton would be as fast, and takes a tenth of a second to build.

use std::collections::HashMap;

use foldhash::fast::FixedState;

/// Marks, each with a number. ASCII letters match in either case.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// By their first two bytes in lower case, the longest first.
    buckets: HashMap<[u8; 2], Vec<(String, usize)>, FixedState>,
}

impl FromIterator<String> for Marks {
    /// Numbers the marks in their order. Marks of one byte are left out.
    fn from_iter<I: IntoIterator<Item = String>>(marks: I) -> Self {
        let mut buckets: HashMap<[u8; 2], Vec<(String, usize)>, FixedState> = HashMap::default();
        for (number, mark) in marks.into_iter().enumerate() {
            if let Some(key) = key(&mark) {
                buckets.entry(key).or_default().push((mark, number));
            }
        }
        for marks in buckets.values_mut() {
            marks.sort_by_key(|(mark, _)| std::cmp::Reverse(mark.len()));
        }
        Marks { buckets }
    }
}

impl Marks {
    /// The number of the longest mark with which a text begins, and its length in bytes.
    pub(super) fn find(&self, text: &str) -> Option<(usize, usize)> {
        let marks = self.buckets.get(&key(text)?)?;
        let begins = |mark: &str| {
            text.as_bytes().get(..mark.len()).is_some_and(|start| start.eq_ignore_ascii_case(mark.as_bytes()))
        };
        marks.iter().find(|(mark, _)| begins(mark)).map(|(mark, number)| (*number, mark.len()))
    }
}

fn key(text: &str) -> Option<[u8; 2]> {
    let [first, second, ..] = text.as_bytes() else { return None };
    Some([first.to_ascii_lowercase(), second.to_ascii_lowercase()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_mark_is_found_in_either_case() {
        let marks: Marks = ["hi", "hi there", "谢谢", "hint"].map(str::to_owned).into_iter().collect();
        assert_eq!(marks.find("Hi There, x"), Some((1, 8)));
        assert_eq!(marks.find("hip"), Some((0, 2)));
        assert_eq!(marks.find("谢谢你"), Some((2, 6)));
        for text in ["", "h", "谢", "so hi"] {
            assert_eq!(marks.find(text), None, "{text}");
        }
    }
}
