//! What is written in one transaction.

#![expect(clippy::vec_box, reason = "rows come boxed and are moved on as they are")]

use tokio::sync::oneshot;

use super::row::Row;

/// Rows, and the journal files in which they stand.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) begun: Vec<Box<Row>>,
    pub(super) begun_in: Vec<u64>,
    pub(super) finished: Vec<Box<Row>>,
    pub(super) finished_in: Vec<[u64; 2]>,
    /// Where the journal has the beginnings of finished ones.
    pub(super) over_in: Vec<u64>,
    /// Who waits for the database, as the journal could not take their rows.
    pub(super) written: Vec<oneshot::Sender<()>>,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.begun.is_empty() && self.finished.is_empty()
    }

    /// Two smaller ones; what is under way goes apart first.
    pub(super) fn split(mut self) -> [Batch; 2] {
        if self.begun.is_empty() {
            let half = self.finished.len() / 2;
            let rest = Batch {
                over_in: std::mem::take(&mut self.over_in),
                finished: self.finished.split_off(half),
                finished_in: self.finished_in.split_off(half),
                ..Batch::default()
            };
            return [self, rest];
        }
        let Batch { finished, finished_in, over_in, written, .. } = self;
        let rest = Batch { finished, finished_in, over_in, written, ..Batch::default() };
        [Batch { begun: self.begun, begun_in: self.begun_in, ..Batch::default() }, rest]
    }
}
