//! The path of a request: the one place that knows the order of steps.
//!
//! Enters: a request's bytes and what its headers say. Leaves: an answer, whole or as a stream, or an
//! error, each with the [`Route`] that it took; and a row in the history. Knows nothing of HTTP
//! servers: `api` turns what leaves into responses. Read [`Gateway::chat`] first.

mod answers;
mod attempt;
mod classifier_call;
mod decide;
mod estimate;
mod flights;
mod guards;
mod models;
mod preview;
mod reading;
mod record;
mod sessions;
mod shares;
mod stream;
mod tally;
mod warm;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use crate::cache::{Answers, Cache};
use crate::catalog::{Catalog, Tier, UnknownTier};
use crate::config::Strategy;
use crate::protocol::{ChatRequest, RequestError, RequestId};
use crate::providers::{Client, Memory, Pictures, ProviderError, Target};
use crate::routing::{Classifier, Rules, Source};
use crate::store::Store;

pub use classifier_call::ClassifierCall;
pub use estimate::Estimator;
pub use flights::Flights;
pub use guards::Limit;
pub use models::{Offer, Offers};
pub use preview::Preview;
pub use sessions::Sessions;
pub use shares::keep_shares;
pub use stream::Meter;
pub use tally::Tally;
pub use warm::keep_warm;

use answers::Found;
use guards::Needs;
use record::{Record, Whose};

/// Everything that a request passes through.
#[derive(Debug)]
pub struct Gateway {
    /// The upstreams by tier.
    pub tiers: [Vec<Target>; 3],
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
    /// Rules over what it decides.
    pub rules: Rules,
    /// Conversations that are under way.
    pub sessions: Sessions,
    /// What was decided before.
    pub cache: Cache,
    /// Whole answers that are given again, if that is wanted.
    pub answers: Option<Answers>,
    /// How many requests each step settled.
    pub tally: Tally,
    /// What the classifier's model is being asked.
    pub flights: Flights,
    /// The sender.
    pub client: Client,
    /// The history.
    pub store: Store,
    /// Prices.
    pub catalog: Arc<Catalog>,
    /// Turns that their providers will want back.
    pub memory: Memory,
    /// Fetches pictures for dialects that take no addresses.
    pub pictures: Pictures,
    /// Counts tokens that nobody reported.
    pub estimator: Estimator,
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
    /// The conversation that `X-Xrouter-Session` names.
    pub session: Option<String>,
    /// The name of the key that it came with.
    pub key: Option<String>,
    /// Those of its headers that rules look at, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Whether it may be answered with what was answered before.
    pub cache_control: CacheControl,
    /// When it arrived.
    pub arrived: Instant,
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
    pub source: Source,
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
    /// A `chat.completion`, byte for byte as the upstream sent it.
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
    /// Its tier header names no tier.
    #[error("X-Xrouter-Tier: {0}")]
    Tier(#[from] UnknownTier),
    /// No tier from the decided one up can take it.
    #[error("no tier from {tier} up can take this request: {limit}")]
    Limit {
        /// The tier that was decided.
        tier: Tier,
        /// What keeps the strongest.
        limit: Limit,
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
    /// Answers a chat request: read, decide, try upstreams, record.
    ///
    /// # Errors
    /// The request is at fault, or every upstream failed.
    pub async fn chat(&self, call: ChatCall) -> Result<Answer, GatewayError> {
        let request = ChatRequest::parse(&call.body).map_err(Reason::from)?;
        let needs = Needs::of(&request);
        let mut decided = self.decide(&request, &needs, &call, true).await.map_err(Reason::from)?;
        let decision = &mut decided.decision;
        let guarded = self.guard(&request, &needs, decision.tier);
        if let Ok((tier, Some(limit))) = &guarded {
            decision.reason = Cow::Owned(format!("moved up to {tier}: {limit}; {}", decision.reason));
        }
        let found = match &guarded {
            Ok((tier, _)) => self.answered_before(&request, &call, *tier),
            Err(_) => Found::Nothing,
        };
        let source = if matches!(found, Found::Hit(_)) { Source::ResponseCache } else { decided.decision.source };
        self.tally.count(source, decided.asked);
        let ChatCall { body, request_id, session, key, arrived, .. } = call.clone();
        let is_begun = request.messages.iter().any(|message| message.role == "assistant");
        // A conversation of one turn is none yet: only what goes on gets a name of ours.
        let session = session
            .or_else(|| {
                let wishes = &request.wishes;
                let name = wishes.session_id.as_deref().or(wishes.prompt_cache_key.as_deref());
                name.map(|name| name.chars().take(LONGEST_SESSION).collect())
            })
            .or_else(|| decided.session.filter(|_| is_begun).map(|held| held.key.name()));
        let whose = Whose { request_id, session, key };
        let mut record = Record::open(self, &request, body.clone(), &decided, whose, arrived);
        match guarded {
            Ok((tier, _)) => match found {
                Found::Hit(kept) => Ok(answers::replay(&kept, request.stream, record).await),
                Found::Miss(keeping) => self.attempt(&request, &needs, tier, record.keeping(keeping)).await,
                Found::Nothing => self.attempt(&request, &needs, tier, record).await,
            },
            Err(limit) => {
                let reason = Reason::Limit { tier: decided.decision.tier, limit };
                let (status, code) = reason.status_and_code();
                let route = record.route();
                record::keep(record.settle(status, Some(code))).await;
                Err(GatewayError { reason, route })
            }
        }
    }
}
