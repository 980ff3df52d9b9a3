//! The path of a request: the one place that knows the order of steps.
//!
//! Enters: a request's bytes and what its headers say. Leaves: an answer, whole or as a stream, or an
//! error, each with the [`Route`] that it took; and a row in the history. Knows nothing of HTTP
//! servers: `api` turns what leaves into responses. Read [`Gateway::chat`] first.

mod attempt;
mod bill;
mod classifier_call;
mod decide;
mod embeddings;
mod estimate;
mod keeping;
mod models;
mod outcome;
mod patience;
mod plan;
mod preview;
mod recall;
mod record;
mod requirements;
mod response_cache;
mod sessions;
mod shares;
mod single_flight;
mod stream;
mod warm;

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use crate::cache::{Answers, Cache};
use crate::catalog::{Api, ByTier, Catalog, Source, Tier};
use crate::config::Strategy;
use crate::protocol::{Arrival, Caller, ChatRequest, RequestError, RequestId};
use crate::providers::{Client, Pictures, ProviderError, Target, TurnStore};
use crate::routing::{Classifier, Policy, Templates, UnknownName};
use crate::telemetry::events;
use crate::telemetry::spans::TraceContext;

pub use classifier_call::ClassifierCall;
pub use estimate::Estimator;
pub use models::{Offer, Offers};
pub use outcome::Listeners;
pub use plan::{Candidate, Fitness};
pub use preview::Preview;
pub use recall::{Recall, Retold, marks_of, policy_hash, tier_prices};
pub use requirements::{Unsupported, estimated_tokens};
pub use sessions::Sessions;
pub use shares::keep_shares;
pub use single_flight::SingleFlight;
pub use stream::Meter;
pub use warm::keep_warm;

use decide::Settled;
use record::{Opening, Record, end};
use requirements::Requirements;
use response_cache::Found;

/// Everything that a request passes through.
#[derive(Debug)]
pub struct Gateway {
    /// The upstreams by tier.
    pub tiers: ByTier<Vec<Arc<Target>>>,
    /// The upstream that embeds, if one is configured for that.
    pub embeddings: Option<Arc<Target>>,
    /// Whether the next tier up is tried.
    pub fallback: bool,
    /// What decides.
    pub classifier: Arc<Classifier>,
    /// Everything that its decisions depend on besides the input.
    pub fingerprint: String,
    /// Which text is classified.
    pub strategy: Strategy,
    /// Longest text that is classified, in characters.
    pub max_chars: usize,
    /// What callers' requests repeat, if that is left out.
    pub templates: Option<Templates>,
    /// Whether the history keeps the texts.
    pub captures: bool,
    /// What decides with what it says.
    pub policy: Policy,
    /// The marks of both, and the number by which the history knows them.
    pub policy_marks: String,
    /// That number.
    pub policy_mark: u32,
    /// What was decided before.
    pub cache: Cache,
    /// Whole answers that are given again, if that is wanted.
    pub answers: Option<Answers>,
    /// What the classifier's model is being asked.
    pub single_flight: SingleFlight,
    /// Those who want to know how a request ended.
    pub listeners: Arc<Listeners>,
    /// The sender.
    pub client: Client,
    /// Prices.
    pub catalog: Arc<Catalog>,
    /// Turns that their providers will want back.
    pub turns: TurnStore,
    /// Fetches pictures for dialects that take no addresses.
    pub pictures: Pictures,
    /// What the upstreams offer.
    pub offers: Offers,
}

/// Longest name of a conversation that is kept, in characters.
pub const LONGEST_SESSION: usize = 256;

/// A chat request as it came in.
#[derive(Debug, Clone)]
pub struct ChatCall {
    /// The body.
    pub body: Bytes,
    /// Its id.
    pub request_id: RequestId,
    /// What `X-Xrouter-Tier` says.
    pub tier_header: Option<String>,
    /// The conversation that a header names.
    pub session: Option<String>,
    /// The sub-agent that a header names: its conversation is one of its own within that.
    pub agent: Option<String>,
    /// Who makes it.
    pub caller: Caller,
    /// Those of its headers that rules look at, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Whether it may be answered with what was answered before.
    pub cache_control: CacheControl,
    /// When it arrived.
    pub arrival: Arrival,
    /// The trace that it is part of.
    pub trace: Option<TraceContext>,
}

/// What a request's `Cache-Control` says of the response cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CacheControl {
    /// Nothing: an answer may come from there, and be kept there.
    #[default]
    Default,
    /// It must be asked anew; the answer may be kept.
    NoCache,
    /// Nothing may come from there, or be kept there.
    NoStore,
}

/// Which way a request went, as the answer's headers tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// What was decided, before fallback.
    pub decision: Tier,
    /// The step that decided it.
    pub source: Option<Source>,
    /// The tier that answered, or that was tried last.
    pub tier: Option<Tier>,
    /// The model that was asked.
    pub model: Option<String>,
    /// How many upstream calls were made.
    pub attempts: u32,
    /// Fields of the request that were left out.
    pub dropped: Vec<String>,
    /// Whether the response cache answered; nothing if it may not.
    pub cached: Option<bool>,
    /// Microseconds that upstreams were waited for, up to the first event of a stream.
    pub upstream_us: i64,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The way it came.
    pub route: Route,
    /// The answer itself.
    pub body: AnswerBody,
}

/// What is sent to the client.
#[derive(Debug)]
pub enum AnswerBody {
    /// A `chat.completion`: byte for byte as the upstream sent it, put right where its provider's answers need that, or
    /// translated.
    Whole(Bytes),
    /// A stream of server-sent events.
    Stream(Box<Meter>),
    /// The whole of a stream that was sent before.
    Replay(Bytes),
}

/// A request that got no answer.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct GatewayError {
    /// Why.
    pub reason: Reason,
    /// The way it went, if a decision was taken.
    pub route: Option<Route>,
}

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// It cannot be read.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// It names a tier or a preset that there is not.
    #[error(transparent)]
    Name(#[from] UnknownName),
    /// No tier from the decided one up can take it.
    #[error("no tier from {tier} up can take this request: {limit}")]
    Limit {
        /// The tier that was decided.
        tier: Tier,
        /// What keeps the strongest.
        limit: Unsupported,
    },
    /// No upstream is known for embeddings of this model.
    #[error(
        "no upstream is known for embeddings of the model `{model}`: set [embeddings], or name a model that an upstream lists"
    )]
    NoEmbeddings {
        /// The model that the client named; empty if it named none.
        model: String,
    },
    /// No upstream of the decided tier is configured.
    #[error("no upstream is configured for the {0} tier")]
    NoUpstream(Tier),
    /// The last upstream that was tried failed.
    #[error("{error}")]
    Upstream {
        /// How.
        error: ProviderError,
        /// Its name in the configuration.
        upstream: String,
    },
}

impl From<Reason> for GatewayError {
    fn from(reason: Reason) -> Self {
        GatewayError { reason, route: None }
    }
}

impl Gateway {
    /// Answers a chat request: read, decide, judge the candidates, try them, record.
    ///
    /// # Errors
    /// The request is at fault, or every upstream failed.
    pub async fn chat(&self, call: ChatCall) -> Result<Answer, GatewayError> {
        let request = ChatRequest::parse(&call.body).map_err(Reason::from)?;
        let requirements = Requirements::of(&request);
        let mut settled = self.decide(&request, &requirements, &call, true).await.map_err(Reason::from)?;
        let seed = Record::seed(settled.held.as_ref(), call.request_id.as_str());
        let decided = settled.decided.decision.tier;
        let plan = self.plan(&request, &requirements, decided, seed);
        settled.features.estimated_input_tokens = requirements.counted();
        if let Some(limit) = plan.limit.as_ref().filter(|_| !plan.is_impossible) {
            let decision = &mut settled.decided.decision;
            decision.reason = Cow::Owned(format!("moved up to {}: {limit}; {}", plan.tier, decision.reason));
        }
        let found = if plan.is_impossible { Found::Nothing } else { self.answered_before(&request, &call, plan.tier) };
        events::Decided {
            source: settled.decided.decision.source,
            took_us: settled.classify_us,
            asked: settled.asked,
            failure: settled.failure.as_deref(),
        }
        .tell(&self.listeners.metrics);
        let session = session_name(&request, &call, &settled);
        let opening = Opening { api: Api::Chat, model: &request.model, stream: request.stream };
        let mut record = Record::open(self, &opening, &call, settled, session);
        if plan.is_impossible
            && let Some(limit) = plan.limit
        {
            for candidate in &plan.candidates {
                record.skip(candidate.skipped(&candidate.fitness));
            }
            let reason = Reason::Limit { tier: decided, limit };
            let (status, code) = reason.status_and_code();
            let route = Some(record.route());
            end(record, status, Some(code)).kept().await;
            return Err(GatewayError { reason, route });
        }
        match found {
            Found::Hit(kept) => return Ok(response_cache::replay(&kept, request.stream, record).await),
            Found::Miss(keeping) => record.keep_answer(keeping),
            Found::Nothing => {}
        }
        self.attempt(&request, &call.caller, call.trace.as_ref(), &plan, record).await
    }

    /// What each tier's first upstream asks for its tokens, where the request asks for this model.
    fn tier_prices(&self, model: &str) -> ByTier<Option<crate::catalog::Price>> {
        tier_prices(&self.tiers, &self.catalog, model)
    }
}

/// The name of a request's conversation in the history: the client's own; else ours, for what goes on. A conversation of
/// one turn is none yet.
fn session_name(request: &ChatRequest<'_>, call: &ChatCall, settled: &Settled) -> Option<String> {
    let wishes = &request.wishes;
    let named = || wishes.session_id.as_deref().or(wishes.prompt_cache_key.as_deref());
    let is_begun = || request.messages.iter().any(|message| message.role == "assistant");
    call.session
        .clone()
        .or_else(|| named().map(|name| name.chars().take(LONGEST_SESSION).collect()))
        .or_else(|| settled.held.filter(|_| is_begun()).map(|held| held.key.name()))
}
