//! Marks at the beginning of a text, or anywhere in it: of thousands, the longest is found by its first bytes.
//!
//! An automaton takes a tenth of a second to build, or, where it is small, five times as long to read a text. Nearly every
//! place of a text begins no mark, and a table with many empty places says so.

/// Places of a table for each mark, at least.
const ROOM: usize = 8;

/// Marks by their first bytes.
#[derive(Debug)]
struct Table {
    /// Which bits of the first four bytes of a text are looked at.
    mask: u32,
    /// Bits that are set in them: 0x20 of each makes ASCII letters lower case.
    fold: u32,
    /// Whether ASCII letters match in their own case alone.
    is_exact: bool,
    /// The number of places is 2 to the power of 32 less this.
    shift: u32,
    /// Which bucket is at a place; the first is empty.
    places: Vec<u16>,
    /// Marks with their numbers, the longest first.
    buckets: Vec<Vec<(String, usize)>>,
}

impl Table {
    /// Of marks with their numbers. Each has at least `width` bytes, by which it is found, at most 4.
    fn new(marks: Vec<(String, usize)>, width: usize, is_exact: bool) -> Self {
        let bits = (marks.len() * ROOM).next_power_of_two().ilog2().max(6);
        let mut table = Table {
            mask: [0, 0xff, 0xffff, 0xff_ffff, u32::MAX][width.min(4)],
            fold: if is_exact { 0 } else { 0x2020_2020 },
            is_exact,
            shift: 32 - bits,
            places: vec![0; 1 << bits],
            buckets: vec![Vec::new()],
        };
        for (mark, number) in marks {
            let place = table.place(first_four(mark.as_bytes()));
            if table.places[place] == 0 {
                table.places[place] = u16::try_from(table.buckets.len()).expect("there are some thousands of marks");
                table.buckets.push(Vec::new());
            }
            table.buckets[usize::from(table.places[place])].push((mark, number));
        }
        for bucket in &mut table.buckets {
            bucket.sort_by_key(|(mark, _)| std::cmp::Reverse(mark.len()));
        }
        table
    }

    /// Source of the factor: 2^32 over the golden ratio, as in Knuth, "The Art of Computer Programming", volume 3, 6.4.
    fn place(&self, first: u32) -> usize {
        (((first & self.mask) | self.fold).wrapping_mul(0x9e37_79b9) >> self.shift) as usize
    }

    /// Whether a mark may begin with these four bytes.
    fn may_have(&self, first: u32) -> bool {
        self.places[self.place(first)] != 0
    }

    /// The number of the longest mark with which a text begins, and its length in bytes. `first` is its first four bytes.
    #[inline]
    fn find(&self, first: u32, text: &[u8]) -> Option<(usize, usize)> {
        // Most places are empty: that is seen without a call.
        match self.places[self.place(first)] {
            0 => None,
            bucket => self.find_in(&self.buckets[usize::from(bucket)], text),
        }
    }

    #[inline(never)]
    fn find_in(&self, bucket: &[(String, usize)], text: &[u8]) -> Option<(usize, usize)> {
        let begins = |mark: &[u8]| match text.get(..mark.len()) {
            Some(start) if self.is_exact => start == mark,
            Some(start) => start.eq_ignore_ascii_case(mark),
            None => false,
        };
        bucket.iter().find(|(mark, _)| begins(mark.as_bytes())).map(|(mark, number)| (*number, mark.len()))
    }
}

/// The first four bytes; 0 for those that are missing.
fn first_four(bytes: &[u8]) -> u32 {
    let byte = |at| bytes.get(at).copied().unwrap_or(0);
    let four = bytes.first_chunk().copied().unwrap_or_else(|| [byte(0), byte(1), byte(2), 0]);
    u32::from_le_bytes(four)
}

/// Marks of two bytes or more, each with a number.
#[derive(Debug)]
pub(super) struct Marks {
    /// Of four bytes or more, of three, of two; none that is empty.
    tables: Vec<Table>,
}

impl FromIterator<String> for Marks {
    /// As [`Marks::new`]; ASCII letters match in either case.
    fn from_iter<I: IntoIterator<Item = String>>(marks: I) -> Self {
        Marks::new(marks, false)
    }
}

impl Marks {
    /// Numbers the marks in their order. Marks of one byte are left out. `is_exact` says whether ASCII letters match in
    /// their own case alone.
    pub(super) fn new(marks: impl IntoIterator<Item = String>, is_exact: bool) -> Self {
        let (mut long, mut three, mut two) = (Vec::new(), Vec::new(), Vec::new());
        for (number, mark) in marks.into_iter().enumerate() {
            match mark.len() {
                0 | 1 => {}
                2 => two.push((mark, number)),
                3 => three.push((mark, number)),
                _ => long.push((mark, number)),
            }
        }
        let by_width = [(long, 4), (three, 3), (two, 2)].into_iter().filter(|(marks, _)| !marks.is_empty());
        Marks { tables: by_width.map(|(marks, width)| Table::new(marks, width, is_exact)).collect() }
    }

    /// The number of the longest mark with which a text begins, and its length in bytes.
    pub(super) fn find(&self, text: &str) -> Option<(usize, usize)> {
        let first = first_four(text.as_bytes());
        self.tables.iter().find_map(|table| table.find(first, text.as_bytes()))
    }
}

/// A mark that was found in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// Its number.
    pub(super) mark: usize,
    /// Where it begins and ends, in bytes.
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Marks of three bytes or more that are looked for anywhere in a text.
#[derive(Debug)]
pub(super) struct Anywhere {
    table: Table,
    /// The byte with which all begin, if there is one: places of it are found many bytes at a time.
    begin: Option<u8>,
}

impl Anywhere {
    /// Numbers the marks in their order. `is_exact` says whether ASCII letters match in their own case alone.
    pub(super) fn new(marks: impl IntoIterator<Item = String>, is_exact: bool) -> Self {
        let marks: Vec<(String, usize)> = marks.into_iter().zip(0..).collect();
        let shortest = marks.iter().map(|(mark, _)| mark.len()).min().unwrap_or(0);
        assert!(marks.is_empty() || shortest >= 3, "a shorter mark would be looked for at too many places");
        let first =
            marks.first().and_then(|(mark, _)| mark.bytes().next()).filter(|first| !first.is_ascii_alphabetic());
        let begin = first.filter(|first| marks.iter().all(|(mark, _)| mark.as_bytes().first() == Some(first)));
        Anywhere { table: Table::new(marks, shortest, is_exact), begin }
    }

    /// The first mark that begins at `from` or later, and of those at one place the longest.
    pub(super) fn find(&self, text: &str, from: usize) -> Option<Found> {
        let bytes = text.as_bytes().get(from..)?;
        let found = |at: usize| {
            let rest = &bytes[at..];
            let (mark, length) = self.table.find(first_four(rest), rest)?;
            Some(Found { mark, start: from + at, end: from + at + length })
        };
        if let Some(begin) = self.begin {
            return memchr::memchr_iter(begin, bytes).find_map(found);
        }
        for (at, four) in bytes.windows(4).enumerate() {
            if self.table.may_have(u32::from_le_bytes([four[0], four[1], four[2], four[3]]))
                && let Some(found) = found(at)
            {
                return Some(found);
            }
        }
        // Three bytes are left.
        found(bytes.len().checked_sub(3)?)
    }

    /// All that do not overlap, in order.
    pub(super) fn find_all<'a>(&'a self, text: &'a str) -> impl Iterator<Item = Found> + 'a {
        let mut from = 0;
        std::iter::from_fn(move || {
            let found = self.find(text, from)?;
            from = found.end;
            Some(found)
        })
    }

    /// Whether one is there.
    pub(super) fn is_in(&self, text: &str) -> bool {
        self.find(text, 0).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_mark_is_found_in_either_case() {
        let marks: Marks = ["hi", "hi there", "谢谢", "hint", "h", "hey"].map(str::to_owned).into_iter().collect();
        assert_eq!(marks.find("Hi There, x"), Some((1, 8)));
        assert_eq!(marks.find("hip"), Some((0, 2)));
        assert_eq!(marks.find("谢谢你"), Some((2, 6)));
        assert_eq!(marks.find("HEY"), Some((5, 3)));
        assert_eq!(marks.find("hi"), Some((0, 2)));
        for text in ["", "h", "谢", "so hi"] {
            assert_eq!(marks.find(text), None, "{text}");
        }
    }

    #[test]
    fn marks_anywhere_are_found_in_order_and_the_longest_of_a_place() {
        let marks = || ["<task>", "<task>\n", "---", "谢谢", "abc"].map(str::to_owned);
        let found = |is_exact: bool, text: &str| {
            let all = Anywhere::new(marks(), is_exact);
            all.find_all(text).map(|found| (found.mark, found.start, found.end)).collect::<Vec<_>>()
        };
        assert_eq!(found(true, "x<task>\ny---- 谢谢"), [(1, 1, 8), (2, 9, 12), (3, 14, 20)]);
        assert_eq!(found(true, "<TASK> ABC abc"), [(4, 11, 14)]);
        assert_eq!(found(false, "<TASK> ABC ab"), [(0, 0, 6), (4, 7, 10)]);
        for text in ["", "ab", "谢", "<tas"] {
            assert_eq!(found(true, text), [], "{text}");
        }
        assert_eq!(Anywhere::new(marks(), true).find("abc", 4), None);
        assert!(Anywhere::new(["long".to_owned()], true).is_in("so long"));
        let tags = Anywhere::new(["<b>", "<br>"].map(str::to_owned), false);
        let found = tags.find_all("<<b> < <BR> <c>").map(|found| (found.mark, found.start)).collect::<Vec<_>>();
        assert_eq!(found, [(0, 1), (1, 7)]);
    }
}
