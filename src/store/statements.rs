//! Insert statements of as few columns as some rows need: every column that is bound costs SQLite and us the same, also where
//! it is `NULL`, and most rows know half of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::columns::{COLUMNS, Column, Value};
use super::row::Row;

/// Sets of columns for which statements are made. SQLite keeps a statement prepared for each, and each size.
const MOST_SETS: usize = 4;
/// Columns by which a set may be larger than what some rows need before they get one of their own.
const SLACK: u32 = 6;
const _: () = assert!(COLUMNS.len() <= u128::BITS as usize);

/// A set of columns, by their places in [`COLUMNS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Used(u128);

impl Used {
    const ALL: Used = Used(if COLUMNS.len() == u128::BITS as usize { u128::MAX } else { (1 << COLUMNS.len()) - 1 });

    /// Those that some rows know.
    fn of(rows: &[Box<Row>]) -> Self {
        let known = |row: &Row| {
            let bits = COLUMNS.iter().enumerate().filter(|(_, column)| column.of(row) != Value::Unknown);
            bits.fold(0, |used, (place, _)| used | 1 << place)
        };
        Used(rows.iter().fold(0, |used, row| used | known(row)))
    }

    /// How many there are.
    pub(super) fn count(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Themselves, in the order of the table.
    pub(super) fn columns(self) -> impl Iterator<Item = &'static Column> {
        COLUMNS.iter().enumerate().filter(move |(place, _)| self.0 >> place & 1 == 1).map(|(_, column)| column)
    }

    fn has(self, other: Used) -> bool {
        other.0 & !self.0 == 0
    }
}

/// The statements that were made so far.
static MADE: Mutex<Option<Made>> = Mutex::new(None);

#[derive(Default)]
struct Made {
    sets: Vec<Used>,
    statements: HashMap<(usize, Used), Arc<str>>,
}

impl Made {
    /// The smallest set that has all that some rows need.
    fn set(&mut self, needed: Used) -> Used {
        let found = self.sets.iter().filter(|set| set.has(needed)).min_by_key(|set| set.count()).copied();
        match found {
            Some(set) if set.0.count_ones() <= needed.0.count_ones() + SLACK => set,
            _ if self.sets.len() < MOST_SETS => {
                self.sets.push(needed);
                needed
            }
            found => found.unwrap_or(Used::ALL),
        }
    }
}

/// A statement that inserts these rows, and the columns that it has behind `id` and `client_request_id`. `size` is their
/// number, of which there are few.
pub(super) fn insert(size: usize, rows: &[Box<Row>]) -> (Arc<str>, Used) {
    let needed = Used::of(rows);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let made = made.get_or_insert_default();
    let used = made.set(needed);
    let statement = made.statements.entry((size, used)).or_insert_with(|| {
        let columns: Vec<&str> =
            ["id", "client_request_id"].into_iter().chain(used.columns().map(Column::sql)).collect();
        let one = format!("({})", vec!["?"; columns.len()].join(","));
        format!("insert into requests ({}) values {}", columns.join(","), vec![one; size].join(",")).into()
    });
    (statement.clone(), used)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_columns_serves_rows_that_need_a_little_less_and_there_are_few_sets() {
        let bits = |count: u32| Used((1 << count) - 1);
        let mut made = Made::default();
        assert_eq!(made.set(bits(20)), bits(20));
        assert_eq!(made.set(bits(16)), bits(20));
        assert_eq!(made.set(bits(10)), bits(10));
        assert_eq!(made.set(bits(30)), bits(30));
        assert_eq!(made.set(bits(40)), bits(40));
        assert_eq!(made.set(bits(2)), bits(10), "no more sets: the smallest that has all");
        assert_eq!(made.set(bits(50)), Used::ALL);
    }

    #[test]
    fn a_statement_has_the_columns_that_its_rows_know() {
        let row = Box::new(Row { request_id: "a".to_owned(), ..Row::default() });
        let (statement, used) = insert(1, &[row]);
        assert!(statement.starts_with("insert into requests (id,client_request_id,"), "{statement}");
        assert_eq!(statement.matches('?').count(), used.count() + 2);
        assert!(used.has(Used::of(&[Box::default()])));
    }
}
