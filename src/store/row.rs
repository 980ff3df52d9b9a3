//! One request: as it is handed over, when it is decided and when it has ended, and as it is read back.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize};

use super::AnsweredBy;
use crate::catalog::{Api, Judge, NanoUsd, Source, Step, Tier};
use crate::protocol::{TokenUsage, UsageSource};

/// A word that the program knows, or that was read back from a file.
pub type Word = Cow<'static, str>;

/// Everything that is kept of one request. `None` is unknown. `columns.rs` has the column of each field.
///
/// It also travels through the journal, as `MessagePack`, and stands in the file as JSON while it is under way: a new field
/// needs `#[serde(default)]`, so that what an older version left behind can be read.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Row {
    /// Its number in the history, given when it was decided. Numbers ascend and have no gaps but where nothing was kept.
    pub id: i64,
    /// The request's id.
    pub request_id: String,
    /// UTC epoch milliseconds at which it arrived.
    pub created_at_ms: i64,
    /// The conversation that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The name of the key that it came with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The tier that was decided.
    pub decision: Tier,
    /// The step that decided it. Unknown of requests that the response cache answered while older versions did not
    /// keep it.
    #[serde(default, deserialize_with = "source", skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// The classifier's score, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// The classifier's confidence, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// Why, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Word>,
    /// Who answered. Unknown while it is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<AnsweredBy>,
    /// Candidates that were passed over, in the order in which they were come to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<Skipped>,
    /// The tier of the last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// The upstream of the last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// Its provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<Word>,
    /// The model that the client named.
    pub requested_model: String,
    /// The model that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selected_model: Option<String>,
    /// The model that answered, as the provider names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_model: Option<String>,
    /// Whether a local upstream served it.
    pub local: bool,
    /// Whether the answer was streamed.
    pub stream: bool,
    /// The HTTP status that the client got; 499 if it left before. Unknown if the router died before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What kind of error, if it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_type: Option<Word>,
    /// Its upstream calls, in their order. Read back, they come with [`Store::request`](super::Store::request) only.
    /// One alone that did not fail says nothing that the row does not.
    #[serde(default, skip_serializing_if = "say_no_more")]
    pub attempts: Vec<Attempt>,
    /// How many upstream calls there were.
    #[serde(default)]
    pub attempt_count: u32,
    /// The tokens.
    #[serde(default, with = "Tokens")]
    pub usage: TokenUsage,
    /// Where the tokens come from.
    #[serde(default)]
    pub usage_source: UsageSource,
    /// The provider's own usage object, as it wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage_raw: Option<String>,
    /// What the decision looked at.
    #[serde(default)]
    pub features: Features,
    /// What it cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<NanoUsd>,
    /// What the same tokens would have cost on the frontier tier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frontier_cost: Option<NanoUsd>,
    /// Whether a classifier's model was asked.
    #[serde(default)]
    pub asked_classifier: bool,
    /// The tokens of the classifier's own call.
    #[serde(default, with = "Tokens")]
    pub classifier_usage: TokenUsage,
    /// Microseconds that the decision took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classify_us: Option<i64>,
    /// Microseconds from arrival to the first token sent on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_token_us: Option<i64>,
    /// Microseconds from arrival to the end. Unknown if the router died before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_us: Option<i64>,
    /// The API that it came by. Unknown of rows of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<Api>,
    /// The sub-agent that made it, if the client names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
}

/// What a decision looked at besides the words, and what it made of it, so that it can be made again; all unknown where
/// nothing was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Features {
    /// What kind of step it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<Step>,
    /// Characters of the text that was classified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_chars: Option<u32>,
    /// How many tools were offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<u32>,
    /// How many tool results told of a failure. Unknown where no rule looked at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<u32>,
    /// Input tokens, as estimated before the call. Unknown where neither a rule nor a context window made it necessary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_input_tokens: Option<u64>,
    /// The `reasoning_effort` that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_effort: Option<String>,
    /// Names of the rules that held, with blanks between them; of those that could have changed nothing it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<String>,
    /// Which rules were looked at: bit n is the rule with the nth mark of the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules_looked: Option<u64>,
    /// The number of the policy that was in force: [`Store::policies`](super::Store::policies) has its marks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<u32>,
    /// Who judged before rules and the conversation had their say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge: Option<Judge>,
    /// The tier that was judged then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged: Option<Tier>,
    /// The text that was classified of a person's turn, where `store.capture` keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// The conversation as it stood before this step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
}

/// A candidate that was passed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// The upstream's name.
    pub upstream: String,
    /// Its tier.
    pub tier: Tier,
    /// Why it cannot take the request.
    pub reason: String,
}

/// One call of an upstream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// The upstream's name.
    pub upstream: String,
    /// Its tier.
    pub tier: Tier,
    /// The model that was asked.
    pub model: String,
    /// The HTTP status that it answered with, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_type: Option<Word>,
    /// Microseconds from the request's arrival to the call.
    pub started_us: i64,
    /// Microseconds that the call took. Unknown if it was cut off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_us: Option<i64>,
}

/// A step by its name; `response_cache`, which older versions wrote in its place, tells none.
fn source<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Source>, D::Error> {
    let name = Option::<Cow<'de, str>>::deserialize(deserializer)?;
    Ok(name.and_then(|name| Source::from_name(&name)))
}

/// How tokens stand in the journal: by our names, not by those of a provider.
#[derive(Serialize, Deserialize)]
#[serde(remote = "TokenUsage")]
#[expect(clippy::struct_field_names, reason = "these are the names")]
struct Tokens {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    input_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cached_input_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cache_write_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cache_write_1h_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    output_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reasoning_tokens: Option<u64>,
}

/// Whether attempts say nothing that their row does not: there is at most one, and it did not fail.
pub(super) fn say_no_more(attempts: &[Attempt]) -> bool {
    attempts.len() <= 1 && attempts.iter().all(|attempt| attempt.error_type.is_none())
}

impl Row {
    /// Whether it counts as an error: a status of 400 and more, or a stream that broke.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.status.is_some_and(|status| status >= 400) || self.error_type.is_some()
    }

    /// Who answered, also where an older version did not say.
    #[must_use]
    pub fn answered_by(&self) -> AnsweredBy {
        match (self.answered_by, self.tier, self.source) {
            (Some(answered_by), ..) => answered_by,
            (None, Some(tier), _) => AnsweredBy::Tier(tier),
            (None, None, None) => AnsweredBy::ResponseCache,
            (None, None, Some(_)) => AnsweredBy::Nobody,
        }
    }

    /// Whether the response cache answered it.
    #[must_use]
    pub fn is_cached(&self) -> bool {
        self.answered_by() == AnsweredBy::ResponseCache
    }

    /// How many upstream calls there were, also where an older version only listed them.
    #[must_use]
    pub fn attempt_count(&self) -> u32 {
        self.attempt_count.max(u32::try_from(self.attempts.len()).unwrap_or(u32::MAX))
    }

    /// The request as it is known once the process that served it is dead.
    pub(super) fn interrupt(&mut self) {
        self.status = None;
        self.error_type = Some(Cow::Borrowed("interrupted"));
        self.duration_us = None;
    }

    /// What it takes in memory, in bytes, more or less.
    pub(super) fn size(&self) -> usize {
        let texts =
            [&self.session, &self.key, &self.upstream, &self.selected_model, &self.response_model, &self.usage_raw];
        let texts: usize = texts.into_iter().flatten().map(String::capacity).sum();
        size_of::<Row>()
            + texts
            + self.request_id.capacity()
            + self.requested_model.capacity()
            + self.agent.as_ref().map_or(0, String::capacity)
            + self.features.rules.as_ref().map_or(0, String::capacity)
            + self.features.pin.as_ref().map_or(0, String::capacity)
            + self.features.prompt.as_ref().map_or(0, String::capacity)
            + self
                .skipped
                .iter()
                .map(|skipped| skipped.upstream.capacity() + skipped.reason.capacity() + 56)
                .sum::<usize>()
            + self.reason.as_ref().map_or(0, |reason| reason.len())
            + self.attempts.len() * 128
    }
}
