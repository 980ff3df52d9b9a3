//! An answer on its way into the response cache.

use bytes::Bytes;

use crate::cache::{AnswerKey, Answers, Kept};
use crate::store::Row;

/// An answer that will be kept once it has gone out whole.
#[derive(Debug)]
pub(super) struct Keeping {
    answers: Answers,
    key: AnswerKey,
    sent: Vec<u8>,
    /// What it is besides its bytes; known once it has ended well.
    facts: Option<Kept>,
}

impl Keeping {
    /// Of an answer that is still to come.
    pub(super) fn of(answers: Answers, key: AnswerKey) -> Self {
        Keeping { answers, key, sent: Vec::new(), facts: None }
    }

    /// These bytes go to the client. Nothing is kept of an answer that is too long.
    pub(super) fn sent(&mut self, bytes: &[u8]) {
        if self.sent.len() <= self.answers.longest() {
            self.sent.extend_from_slice(bytes);
        }
    }

    /// What it is besides its bytes, of an answer that ended well.
    pub(super) fn ended_well(&mut self, row: &Row) {
        if let (Some(tier), Some(model)) = (row.tier, &row.selected_model) {
            self.facts = Some(Kept {
                body: Bytes::new(),
                tier,
                model: model.clone(),
                response_model: row.response_model.clone(),
                usage: row.usage,
                usage_source: row.usage_source,
            });
        }
    }

    /// All of it has gone out.
    pub(super) fn finish(self) {
        if let Some(facts) = self.facts {
            self.answers.put(self.key, Kept { body: Bytes::from(self.sent), ..facts });
        }
    }
}
