//! One question to the classifier's model for all who ask the same at the same time.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::cache::Key;
use crate::routing::Classified;

/// Questions that are under way.
#[derive(Debug, Default)]
pub struct SingleFlight(Mutex<HashMap<Key, Arc<OnceCell<Classified>>>>);

impl SingleFlight {
    /// The answer of whoever asked first. If that one leaves, the next asks.
    ///
    /// With whether it was this one who asked: only that one has tokens to count, and a decision to remember.
    pub(super) async fn join(&self, key: Key, ask: impl Future<Output = Classified>) -> (Classified, bool) {
        let cell = self.lock().entry(key).or_default().clone();
        let mut mine = false;
        let classified = cell
            .get_or_init(|| {
                mine = true;
                ask
            })
            .await
            .clone();
        if let Entry::Occupied(entry) = self.lock().entry(key)
            && Arc::ptr_eq(entry.get(), &cell)
        {
            entry.remove();
        }
        let classified = if mine { classified } else { Classified::unasked(classified.verdict) };
        (classified, mine)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Arc<OnceCell<Classified>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::future::join_all;

    use super::*;
    use crate::catalog::{Judge, Tier};
    use crate::protocol::TokenUsage;
    use crate::routing::Verdict;

    fn said(tier: Tier) -> Verdict {
        let (judge, reason) = (Judge::Model, "it said so".into());
        Verdict { tier, judge, remembered: false, score: None, confidence: None, reason }
    }

    #[tokio::test]
    async fn a_hundred_equal_questions_are_asked_once_and_counted_once() {
        let single_flight = SingleFlight::default();
        let asked = AtomicU32::new(0);
        let key = Key::new("model", "text");
        let ask = || async {
            asked.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            let usage = TokenUsage { input_tokens: Some(9), ..TokenUsage::default() };
            Classified { verdict: said(Tier::Medium), asked: true, usage, failure: None }
        };
        let answers = join_all((0..100).map(|_| single_flight.join(key, ask()))).await;
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        assert!(answers.iter().all(|(answer, _)| answer.verdict.tier == Tier::Medium));
        assert_eq!(answers.iter().filter(|(answer, mine)| answer.asked && *mine).count(), 1);
        assert!(single_flight.lock().is_empty());
    }

    #[tokio::test]
    async fn if_the_one_who_asked_leaves_the_next_asks() {
        let single_flight = SingleFlight::default();
        let key = Key::new("model", "text");
        let never = single_flight.join(key, std::future::pending());
        assert!(futures_util::FutureExt::now_or_never(never).is_none());
        let (answer, _) = single_flight.join(key, std::future::ready(Classified::unasked(said(Tier::Cheap)))).await;
        assert_eq!(answer.verdict.tier, Tier::Cheap);
    }
}
