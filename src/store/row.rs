//! One request, as it is handed over: when it is decided, and when it has ended.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::catalog::{NanoUsd, Tier};
use crate::protocol::{TokenUsage, UsageSource};

/// The source of a row that the response cache answered.
pub(super) const RESPONSE_CACHE: &str = "response_cache";

/// A word that the program knows, or that was read back from a file.
pub type Word = Cow<'static, str>;

/// Everything that is kept of one request. `None` is unknown.
///
/// It also travels through the journal, as JSON: a new field needs `#[serde(default)]`, so that a journal which an
/// older version left behind can be read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// The step that decided it.
    pub source: Word,
    /// The classifier's score, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// The classifier's confidence, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// Why, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Word>,
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
    /// Its upstream calls, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Attempt>,
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
}

/// What a decision looked at besides the words; all unknown where nothing was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Features {
    /// What kind of step it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<Word>,
    /// Characters of the text that was classified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_chars: Option<u32>,
    /// How many tools were offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<u32>,
    /// The `reasoning_effort` that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_effort: Option<String>,
    /// Names of the rules that held, with blanks between them; of those that could have changed nothing it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<String>,
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

impl Row {
    /// Whether it counts as an error: a status of 400 and more, or a stream that broke.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.status.is_some_and(|status| status >= 400) || self.error_type.is_some()
    }

    /// Whether it was answered with what was answered before, so that its tokens are nobody's.
    #[must_use]
    pub fn is_answered_before(&self) -> bool {
        self.source == RESPONSE_CACHE
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
            + self.features.rules.as_ref().map_or(0, String::capacity)
            + self.reason.as_ref().map_or(0, |reason| reason.len())
            + self.attempts.len() * 128
    }
}
