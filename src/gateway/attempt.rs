//! Upstreams are tried in order until one answers or the request itself is refused.

use std::time::Duration;

use bytes::Bytes;

use super::guards::Needs;
use super::record::{Record, keep};
use super::stream::{Ask, Meter};
use super::{Answer, AnswerBody, Gateway, GatewayError, Reason};
use crate::catalog::{Provider, Tier};
use crate::protocol::{ChatRequest, Conversation, Timestamp};
use crate::providers::{self, Context, Dialect, EncodeError, Fetched, Outbound, ProviderError, Reply, Target, Verdict};
use crate::routing::{Ranked, attempt_order};

impl Ranked for Target {
    fn priority(&self) -> i32 {
        self.upstream.priority
    }
    fn weight(&self) -> u32 {
        self.upstream.weight
    }
}

impl Gateway {
    pub(super) async fn attempt(
        &self,
        request: &ChatRequest<'_>,
        needs: &Needs,
        tier: Tier,
        mut record: Record,
    ) -> Result<Answer, GatewayError> {
        let mut last = Reason::NoUpstream(tier);
        let mut refused = None;
        let mut conversation = None;
        let scope = record.scope().to_owned();
        for target in attempt_order(tier, &self.tiers, self.fallback, record.seed()) {
            let name = &target.upstream.name;
            if let Some(limit) = self.hinders(target, request, needs) {
                tracing::debug!(upstream = %name, %limit, "an upstream cannot take the request");
                continue;
            }
            let model = match model_for(target, request) {
                Ok(model) => model,
                // The configuration does not fit the request: said, unless an outage led here.
                Err(error) if matches!(last, Reason::NoUpstream(_)) => {
                    last = Reason::Upstream { error, upstream: name.clone() };
                    break;
                }
                Err(_) => continue,
            };
            let outbound = match self.write(target, request, model, &scope, &mut conversation).await {
                Ok(outbound) => outbound,
                Err(error) => {
                    tracing::debug!(upstream = %name, error = %error, "the request cannot be written for an upstream");
                    let is_invalid = matches!(error, ProviderError::Encode(EncodeError::Invalid { .. }));
                    refused.get_or_insert(Reason::Upstream { error, upstream: name.clone() });
                    if is_invalid {
                        break;
                    }
                    // Another upstream may have a word for it.
                    continue;
                }
            };
            record.attempt(self, target, model, outbound.dropped);
            let ask = Ask { target, model, include_usage: request.include_usage, memory: &self.memory, scope: &scope };
            let error = match self.call(ask, request.stream, outbound.body, &mut record).await {
                Ok(Opened::Whole(bytes)) => {
                    record.first_token();
                    record.sent(&bytes);
                    let route = record.route();
                    keep(record.settle(200, None)).await;
                    record.sent_all();
                    return Ok(answer(route, AnswerBody::Whole(bytes)));
                }
                Ok(Opened::Stream(meter)) => {
                    let route = record.route();
                    return Ok(answer(route, AnswerBody::Stream(Box::new(meter.with(record)))));
                }
                Err(mut error) => {
                    error.redact(target.upstream.secrets());
                    error
                }
            };
            let status = match &error {
                ProviderError::Status { status, .. } => Some(*status),
                _ => None,
            };
            record.failed(status, error.code());
            let verdict = error.verdict();
            if verdict == Verdict::Client {
                tracing::debug!(upstream = %name, error = %error, "the upstream refused the request");
            } else {
                tracing::warn!(upstream = %name, error = error.public_message(), "an upstream failed");
            }
            last = Reason::Upstream { error, upstream: name.clone() };
            if verdict == Verdict::Client {
                break;
            }
        }
        if let (Reason::NoUpstream(_), Some(refused)) = (&last, refused) {
            last = refused;
        }
        let route = record.route();
        let (status, code) = last.status_and_code();
        keep(record.settle(status, Some(code))).await;
        Err(GatewayError { reason: last, route })
    }

    /// Writes the request for an upstream. It is read in full once, for the first upstream that needs it so.
    async fn write<'a>(
        &self,
        target: &Target,
        request: &ChatRequest<'a>,
        model: &str,
        scope: &str,
        conversation: &mut Option<Conversation<'a>>,
    ) -> Result<Outbound, ProviderError> {
        let none = Fetched::new();
        let context = Context { upstream: &target.upstream, model, scope, memory: &self.memory, fetched: &none };
        if !target.dialect.translates() {
            return Ok(Dialect::patch(request, &context)?);
        }
        let conversation = match conversation {
            Some(conversation) => conversation,
            None => conversation.insert(Conversation::parse(request.body()).map_err(EncodeError::from)?),
        };
        // Boxed: it is large, and most requests have no pictures.
        let fetched = Box::pin(self.pictures.fetch(conversation, target.dialect, target.upstream.provider));
        let fetched = fetched.await.map_err(|(param, source)| ProviderError::Picture { param, source })?;
        let context = Context { fetched: &fetched, ..context };
        Ok(target.dialect.encode(conversation, &context, request.stream)?)
    }

    async fn call(
        &self,
        ask: Ask<'_>,
        stream: bool,
        body: Bytes,
        record: &mut Record,
    ) -> Result<Opened, ProviderError> {
        let upstream = &ask.target.upstream;
        let limits = &upstream.timeouts;
        if stream {
            let opening = async {
                let reply = self.begin(ask, true, body).await?;
                Meter::open(reply, ask).await
            };
            within(limits.first_token, upstream.provider, opening)
                .await
                .map(|opening| Opened::Stream(Box::new(opening)))
        } else {
            let answering = async {
                let mut reply = self.begin(ask, false, body).await?;
                let body = reply.body().await?;
                let created = Timestamp::now().0 / 1000;
                ask.target.dialect.decode(upstream.provider, body, created, ask.model)
            };
            let answer = within(limits.total, upstream.provider, answering).await?;
            let usage = answer.raw_usage.map(|raw| (answer.usage, raw));
            record.answered(answer.model.as_deref(), usage);
            record.answer(&answer.body);
            if let Some(kept) = &answer.kept {
                self.memory.keep(ask.scope, upstream.provider, kept);
            }
            Ok(Opened::Whole(answer.body))
        }
    }

    /// Sends, and turns an error status into an error.
    async fn begin(&self, ask: Ask<'_>, stream: bool, body: Bytes) -> Result<Reply, ProviderError> {
        let mut reply = self.client.chat(ask.target, ask.model, stream, body).await?;
        if reply.status.is_success() {
            return Ok(reply);
        }
        let text = reply.body().await.unwrap_or_default();
        // Before it is cut to a length that can be shown: half of a key is too much.
        let text = without_secrets(text, ask.target.upstream.secrets());
        let status = reply.status.as_u16();
        Err(providers::failure(ask.target.upstream.provider, status, &reply.headers, &text))
    }
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

fn answer(route: Option<super::Route>, body: AnswerBody) -> Answer {
    Answer { route: route.expect("a record that is not settled has a route"), body }
}

/// The model to ask: the upstream's own, else the request's if it is a model's name.
fn model_for<'a>(target: &'a Target, request: &'a ChatRequest<'_>) -> Result<&'a str, ProviderError> {
    if let Some(model) = &target.upstream.model {
        return Ok(model);
    }
    let model = request.model.as_ref();
    let bare = model.strip_prefix("xrouter/").unwrap_or(model);
    let is_alias = bare.is_empty() || ["auto", "any"].contains(&bare) || bare.parse::<Tier>().is_ok();
    // Another xrouter has the same aliases.
    if is_alias && target.upstream.provider != Provider::Xrouter {
        return Err(ProviderError::NoModel { tier: target.upstream.tier, model: model.to_owned() });
    }
    Ok(if bare.is_empty() { "auto" } else { model })
}

async fn within<T>(
    limit: Duration,
    provider: Provider,
    work: impl Future<Output = Result<T, ProviderError>>,
) -> Result<T, ProviderError> {
    tokio::time::timeout(limit, work).await.unwrap_or(Err(ProviderError::Timeout { provider, limit }))
}

impl Reason {
    /// The HTTP status that the client gets, and the stable word for it.
    #[must_use]
    pub fn status_and_code(&self) -> (u16, &'static str) {
        let Reason::Upstream { error, .. } = self else {
            return match self {
                Reason::NoUpstream(_) => (503, "no_upstream"),
                Reason::Limit { limit, .. } => (400, limit.code()),
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
