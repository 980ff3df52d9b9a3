//! Upstreams are tried in order until one answers or the request itself is refused.

use std::time::Duration;

use bytes::Bytes;

use super::record::Record;
use super::stream::Meter;
use super::{Answer, AnswerBody, Gateway, GatewayError, Reason};
use crate::catalog::{Provider, Tier};
use crate::protocol::{AnswerView, ChatRequest};
use crate::providers::{self, ProviderError, Reply, Target, Verdict};
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
        tier: Tier,
        mut record: Record,
    ) -> Result<Answer, GatewayError> {
        let mut last = Reason::NoUpstream(tier);
        for target in attempt_order(tier, &self.tiers, self.fallback, record.seed()) {
            let name = &target.upstream.name;
            let model = match model_for(target, request) {
                Ok(model) => model,
                // The configuration does not fit the request: said, unless an outage led here.
                Err(error) if matches!(last, Reason::NoUpstream(_)) => {
                    last = Reason::Upstream { error, upstream: name.clone() };
                    break;
                }
                Err(_) => continue,
            };
            record.attempt(self, target, model);
            let error = match self.call(target, request, model, &mut record).await {
                Ok(Opened::Whole(bytes)) => {
                    record.first_token();
                    let route = record.route();
                    record.settle(200, None);
                    return Ok(answer(route, AnswerBody::Whole(bytes)));
                }
                Ok(Opened::Stream(meter)) => {
                    let route = record.route();
                    return Ok(answer(route, AnswerBody::Stream(Box::new(meter.with(record)))));
                }
                Err(error) => error,
            };
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
        let route = record.route();
        let (status, code) = last.status_and_code();
        record.settle(status, Some(code));
        Err(GatewayError { reason: last, route })
    }

    async fn call(
        &self,
        target: &Target,
        request: &ChatRequest<'_>,
        model: &str,
        record: &mut Record,
    ) -> Result<Opened, ProviderError> {
        let body = providers::encode(target, request, model);
        let limits = &target.upstream.timeouts;
        let provider = target.upstream.provider;
        if request.stream {
            let opening = async {
                let reply = self.begin(target, body).await?;
                Meter::open(reply, target, !request.include_usage).await
            };
            within(limits.first_token, provider, opening).await.map(|opening| Opened::Stream(Box::new(opening)))
        } else {
            let answering = async {
                let mut reply = self.begin(target, body).await?;
                let body = reply.body().await?;
                let view: AnswerView<'_> = serde_json::from_slice(&body)
                    .map_err(|error| ProviderError::Malformed { provider, reason: error.to_string() })?;
                record.answered(view.model.as_deref(), view.usage);
                Ok(body)
            };
            within(limits.total, provider, answering).await.map(Opened::Whole)
        }
    }

    /// Sends, and turns an error status into an error.
    async fn begin(&self, target: &Target, body: Bytes) -> Result<Reply, ProviderError> {
        let mut reply = self.client.chat(target, body).await?;
        if reply.status.is_success() {
            return Ok(reply);
        }
        let retry_after = reply.headers.get("retry-after").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let text = reply.body().await.unwrap_or_default();
        Err(providers::error_from_answer(target.upstream.provider, reply.status.as_u16(), retry_after, &text))
    }
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
            ProviderError::NoModel { .. } => 400,
            ProviderError::Unreachable { .. } | ProviderError::Malformed { .. } => 502,
        };
        (status, error.code())
    }
}
