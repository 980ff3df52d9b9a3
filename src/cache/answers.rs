//! Whole answers, so that an equal request need not be asked again. In this process, bounded in bytes and in time.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::recent::TakeFirstBytes;
use crate::catalog::Tier;
use crate::config;
use crate::protocol::{FieldHash, TokenUsage, UsageSource};

/// What an entry takes besides its answer, in bytes, more or less.
const AROUND: usize = 512;

/// A hash of everything that an answer depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AnswerKey([u8; 16]);

/// An answer as it went to the client.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// Every byte of it: one JSON object, or a stream of server-sent events to its end.
    pub body: Bytes,
    /// The tier that answered.
    pub tier: Tier,
    /// The model that was asked.
    pub model: String,
    /// The model that answered, as its provider names it.
    pub response_model: Option<String>,
    /// The tokens that it took.
    pub usage: TokenUsage,
    /// Where these figures come from.
    pub usage_source: UsageSource,
}

/// The answers that are kept.
#[derive(Debug, Clone)]
pub struct Answers {
    kept: moka::sync::Cache<AnswerKey, Arc<Kept>, TakeFirstBytes>,
    longest: usize,
    forced: bool,
}

impl Answers {
    /// Room for answers, if the configuration wants them kept.
    #[must_use]
    pub fn open(config: &config::ResponseCache) -> Option<Self> {
        config.enabled.then(|| {
            let weight = |_: &AnswerKey, kept: &Arc<Kept>| u32::try_from(kept.body.len() + AROUND).unwrap_or(u32::MAX);
            let kept = moka::sync::Cache::builder()
                .weigher(weight)
                .max_capacity(config.max_bytes)
                .time_to_live(Duration::from_millis(config.ttl_ms))
                .build_with_hasher(TakeFirstBytes);
            let longest = usize::try_from(config.max_answer_bytes).unwrap_or(usize::MAX);
            Answers { kept, longest, forced: config.force }
        })
    }

    /// Whether answers are kept that are not asked for with temperature 0.
    #[must_use]
    pub fn is_forced(&self) -> bool {
        self.forced
    }

    /// Longest answer that is kept, in bytes.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// The key of a request: for whom, from which tier, in which form, and the members of its body, each by its name, as
    /// they were written. A client cannot make two requests share an answer.
    #[must_use]
    pub fn key(whose: Option<&str>, tier: Tier, form: (bool, bool), members: &[(&str, &str)]) -> AnswerKey {
        let marks = [u8::from(whose.is_some()), tier.number(), u8::from(form.0), u8::from(form.1)];
        let mut hash = FieldHash::default();
        hash.add(marks);
        hash.add(whose.unwrap_or_default());
        for (name, value) in members {
            hash.add(name);
            hash.add(value);
        }
        AnswerKey(hash.finish())
    }

    /// The answer of this key.
    #[must_use]
    pub fn get(&self, key: AnswerKey) -> Option<Arc<Kept>> {
        self.kept.get(&key)
    }

    /// Keeps an answer.
    pub fn put(&self, key: AnswerKey, answer: Kept) {
        if answer.body.len() <= self.longest {
            self.kept.insert(key, Arc::new(answer));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> config::ResponseCache {
        config::ResponseCache { enabled: true, ttl_ms: 60_000, max_bytes: 4_096, max_answer_bytes: 1_024, force: false }
    }

    fn answer(length: usize) -> Kept {
        Kept {
            body: vec![b'x'; length].into(),
            tier: Tier::Cheap,
            model: "m".to_owned(),
            response_model: None,
            usage: TokenUsage::default(),
            usage_source: UsageSource::Absent,
        }
    }

    #[test]
    fn keys_differ_by_whose_by_tier_by_form_and_by_every_member() {
        let member = [("model", "\"a\""), ("seed", "1")];
        let keys = [
            Answers::key(None, Tier::Cheap, (false, false), &member),
            Answers::key(Some(""), Tier::Cheap, (false, false), &member),
            Answers::key(Some("ci"), Tier::Cheap, (false, false), &member),
            Answers::key(None, Tier::Medium, (false, false), &member),
            Answers::key(None, Tier::Cheap, (true, false), &member),
            Answers::key(None, Tier::Cheap, (true, true), &member),
            Answers::key(None, Tier::Cheap, (false, false), &member[..1]),
            Answers::key(None, Tier::Cheap, (false, false), &[("model", "\"a\""), ("seed", "2")]),
            Answers::key(None, Tier::Cheap, (false, false), &[("model", "\"a\"seed"), ("", "1")]),
        ];
        for (at, key) in keys.iter().enumerate() {
            assert!(!keys[..at].contains(key), "{at}");
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let answers = Answers::open(&config()).unwrap();
        let key = |seed: &str| Answers::key(None, Tier::Cheap, (false, false), &[("seed", seed)]);
        answers.put(key("long"), answer(1_025));
        assert_eq!(answers.get(key("long")), None);
        for seed in 0..20 {
            answers.put(key(&seed.to_string()), answer(1_000));
        }
        answers.kept.run_pending_tasks();
        assert!(answers.kept.weighted_size() <= 4_096);
        assert!(Answers::open(&config::ResponseCache { enabled: false, ..config() }).is_none());
    }
}
