//! Candidates are tried in order until one answers or the request itself is refused.

use bytes::Bytes;
use tracing::Instrument as _;

use super::patience::within;
use super::plan::{Fitness, Plan};
use super::record::{Record, UnderWay, end};
use super::stream::{Ask, Meter};
use super::{Answer, AnswerBody, Gateway, GatewayError, Reason};
use crate::catalog::{Preset, Provider, Tier};
use crate::protocol::{Caller, ChatRequest, Timestamp};
use crate::providers::{
    self, Asked, Context, EncodeError, Fetched, Original, Outbound, ProviderError, Reply, Target, Verdict,
};
use crate::telemetry::events::{Meaning, UpstreamFailed};
use crate::telemetry::spans::{self, TraceContext};

impl Gateway {
    pub(super) async fn attempt(
        &self,
        request: &ChatRequest<'_>,
        caller: &Caller,
        trace: Option<&TraceContext>,
        plan: &Plan,
        mut record: UnderWay,
    ) -> Result<Answer, GatewayError> {
        let mut last = Reason::NoUpstream(plan.tier);
        let mut refused = None;
        let mut original = Original::new(request);
        let scope = caller.scope();
        if request.has_images() {
            // They may have to be fetched.
            record.note();
        }
        for candidate in plan.reached() {
            let target = &candidate.target;
            let name = &target.upstream.name;
            if candidate.fitness != Fitness::Fit {
                record.skip(candidate.skipped(&candidate.fitness));
                continue;
            }
            let model = match model_for(target, request) {
                Ok(model) => model,
                // The configuration does not fit the request: said, unless an outage led here.
                Err(error) if matches!(last, Reason::NoUpstream(_)) => {
                    last = Reason::Upstream { error, upstream: name.clone() };
                    break;
                }
                Err(error) => {
                    record.skip(candidate.skipped(&error));
                    continue;
                }
            };
            let outbound = match self.write(target, &mut original, model, scope).await {
                Ok(outbound) => outbound,
                Err(error) => {
                    record.skip(candidate.skipped(&error));
                    let is_invalid = matches!(error, ProviderError::Encode(EncodeError::Invalid { .. }));
                    refused.get_or_insert(Reason::Upstream { error, upstream: name.clone() });
                    if is_invalid {
                        break;
                    }
                    // Another upstream may have a word for it.
                    continue;
                }
            };
            if record.attempts() > 0 {
                // The time that others took counts.
                record.note();
            }
            record.attempt(self, target, model, outbound.dropped);
            let ask = Ask { target, model, include_usage: request.include_usage, turns: &self.turns, scope };
            let calling = spans::calling(target.upstream.tier.as_str(), name, record.attempts());
            let opened = self.call(ask, trace, request.stream, outbound.body, &mut record).instrument(calling).await;
            record.responded();
            let error = match opened {
                Ok(Opened::Whole(bytes)) => {
                    record.first_token();
                    record.sent(&bytes);
                    let route = record.route();
                    let mut ended = end(record, 200, None);
                    ended.kept().await;
                    ended.sent_all();
                    return Ok(Answer { route, body: AnswerBody::Whole(bytes) });
                }
                Ok(Opened::Stream(opening)) => {
                    let route = record.route();
                    return Ok(Answer { route, body: AnswerBody::Stream(Box::new(opening.with(record))) });
                }
                Err(error) => failed(error, target, &mut record),
            };
            let is_refused = error.verdict() == Verdict::Client;
            last = Reason::Upstream { error, upstream: name.clone() };
            if is_refused {
                break;
            }
        }
        if let (Reason::NoUpstream(_), Some(refused)) = (&last, refused) {
            last = refused;
        }
        let route = record.route();
        let (status, code) = last.status_and_code();
        end(record, status, Some(code)).kept().await;
        Err(GatewayError { reason: last, route: Some(route) })
    }

    /// Whether an upstream has a word for everything in a request, told without calling it. Pictures are not fetched for
    /// that: they are taken to come.
    pub(super) async fn can_be_written(
        &self,
        target: &Target,
        request: &ChatRequest<'_>,
        scope: &str,
    ) -> Result<(), ProviderError> {
        let model = model_for(target, request)?;
        let mut original = Original::new(request);
        if !target.dialect.pictures(&mut original)?.is_empty() {
            return Ok(());
        }
        self.write(target, &mut original, model, scope).await.map(drop)
    }

    /// Writes the request for an upstream.
    async fn write(
        &self,
        target: &Target,
        original: &mut Original<'_, '_>,
        model: &str,
        scope: &str,
    ) -> Result<Outbound, ProviderError> {
        let pictures = target.dialect.pictures(original)?;
        let fetched = if pictures.is_empty() {
            Fetched::new()
        } else {
            // Boxed: it is large, and most requests have no pictures.
            Box::pin(self.pictures.fetch(pictures)).await?
        };
        let context = Context { upstream: &target.upstream, model, scope, turns: &self.turns, fetched: &fetched };
        Ok(target.dialect.write(original, &context)?)
    }

    async fn call(
        &self,
        ask: Ask<'_>,
        trace: Option<&TraceContext>,
        stream: bool,
        body: Bytes,
        record: &mut Record,
    ) -> Result<Opened, ProviderError> {
        let upstream = &ask.target.upstream;
        let limits = &upstream.timeouts;
        if stream {
            let opening = async {
                let reply = self.begin(ask, trace, true, body).await?;
                Meter::open(reply, ask).await
            };
            let opening = within(limits.first_token, upstream.provider, opening, || record.note()).await?;
            record.note();
            Ok(Opened::Stream(Box::new(opening)))
        } else {
            let answering = async {
                let mut reply = self.begin(ask, trace, false, body).await?;
                let body = reply.body().await?;
                let created = Timestamp::now().0 / 1000;
                let asked = Asked { provider: upstream.provider, model: ask.model, created, include_usage: false };
                ask.target.dialect.read(body, asked)
            };
            let answer = within(limits.total, upstream.provider, answering, || record.note()).await?;
            let usage = answer.raw_usage.map(|raw| (answer.usage, raw));
            record.answered(answer.model.as_deref(), usage);
            record.answer(&answer.body);
            if let Some(turn) = &answer.turn {
                self.turns.keep(ask.scope, upstream.provider, turn);
            }
            Ok(Opened::Whole(answer.body))
        }
    }

    /// Sends, and turns an error status into an error.
    async fn begin(
        &self,
        ask: Ask<'_>,
        trace: Option<&TraceContext>,
        stream: bool,
        body: Bytes,
    ) -> Result<Reply, ProviderError> {
        let reply = self.client.chat(ask.target, ask.model, stream, body, trace).await?;
        if reply.status.is_success() { Ok(reply) } else { Err(refusal(reply, ask.target).await) }
    }
}

/// Records and tells that an upstream call failed; returns the error without what nobody may see.
pub(super) fn failed(mut error: ProviderError, target: &Target, record: &mut Record) -> ProviderError {
    error.redact(target.upstream.secrets());
    let status = match &error {
        ProviderError::Status { status, .. } => Some(*status),
        _ => None,
    };
    record.failed(status, error.code());
    let failed = UpstreamFailed {
        tier: target.upstream.tier,
        upstream: &target.upstream.name,
        provider: target.upstream.provider,
        error_type: error.code(),
        message: &error.public_message(),
        meaning: if error.verdict() == Verdict::Client { Meaning::Refused } else { Meaning::Failed },
    };
    failed.tell(record.attempts(), record.metrics());
    error
}

/// The error that an answer with an error's status is.
pub(super) async fn refusal(mut reply: Reply, target: &Target) -> ProviderError {
    let text = reply.body().await.unwrap_or_default();
    // Before it is cut to a length that can be shown: half of a key is too much.
    let text = without_secrets(text, target.upstream.secrets());
    providers::read_error(target.upstream.provider, reply.status.as_u16(), &reply.headers, &text)
}

/// An error's body without what the upstream was called with, which some repeat.
fn without_secrets<'s>(body: Bytes, secrets: impl Iterator<Item = &'s str>) -> Bytes {
    secrets.fold(body, |body, secret| {
        if memchr::memmem::find(&body, secret.as_bytes()).is_none() {
            return body;
        }
        String::from_utf8_lossy(&body).replace(secret, "[redacted]").into()
    })
}

enum Opened {
    Whole(Bytes),
    Stream(Box<super::stream::Opening>),
}

/// The model to ask: the upstream's own, else the request's if it is a model's name.
fn model_for<'a>(target: &'a Target, request: &'a ChatRequest<'_>) -> Result<&'a str, ProviderError> {
    if let Some(model) = &target.upstream.model {
        return Ok(model);
    }
    let model = request.model.as_ref();
    let bare = model.strip_prefix("xrouter/").unwrap_or(model);
    let is_alias = bare.is_empty()
        || ["auto", "any"].contains(&bare)
        || bare.parse::<Tier>().is_ok()
        || Preset::of_model(bare).is_some();
    // Another xrouter has the same aliases.
    if is_alias && target.upstream.provider != Provider::Xrouter {
        return Err(ProviderError::NoModel { tier: target.upstream.tier, model: model.to_owned() });
    }
    Ok(if bare.is_empty() { "auto" } else { model })
}

impl Reason {
    /// The HTTP status that the client gets, and the stable word for it.
    #[must_use]
    pub fn status_and_code(&self) -> (u16, &'static str) {
        let Reason::Upstream { error, .. } = self else {
            return match self {
                Reason::NoUpstream(_) => (503, "no_upstream"),
                Reason::Limit { limit, .. } => (400, limit.code()),
                Reason::NoEmbeddings { .. } => (404, "model_not_found"),
                _ => (400, "invalid_request"),
            };
        };
        let status = match error {
            ProviderError::Status { status, .. } => match (error.verdict(), *status) {
                (Verdict::Operator, _) => 502,
                (_, status) if (400..600).contains(&status) => status,
                // A redirect or a success that was none.
                _ => 502,
            },
            ProviderError::Timeout { .. } => 504,
            ProviderError::NoModel { .. } | ProviderError::Encode(_) | ProviderError::Picture { .. } => 400,
            ProviderError::Unreachable { .. } | ProviderError::Malformed { .. } => 502,
        };
        (status, error.code())
    }
}
