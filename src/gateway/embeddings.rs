//! Embeddings: vectors of two models do not mix, so that a request goes to one upstream and to no other.

use std::sync::Arc;

use super::attempt::{failed, refusal};
use super::decide::Settled;
use super::patience::within;
use super::record::{Opening, Record, UnderWay, end};
use super::{Answer, AnswerBody, ChatCall, Gateway, GatewayError, Reason};
use crate::catalog::{Api, Source, Tier};
use crate::protocol::{EmbeddingsRequest, RequestError};
use crate::providers::{self, Target};
use crate::routing::Decision;

impl Gateway {
    /// Answers an embeddings request: by the upstream of `[embeddings]`, else by the first one that lists the model.
    /// Nothing is decided, and no other upstream is tried.
    ///
    /// # Errors
    /// The request is at fault, no upstream is known for it, or the one that is failed.
    pub async fn embed(&self, call: ChatCall) -> Result<Answer, GatewayError> {
        let request = EmbeddingsRequest::parse(&call.body).map_err(Reason::from)?;
        let own = self.embeddings.as_ref().and_then(|target| target.upstream.model.as_deref());
        let model = own.unwrap_or(&request.model);
        if model.is_empty() {
            let reason = "name a model, or set embeddings.model in the configuration".to_owned();
            return Err(Reason::from(RequestError::Field { param: "model".to_owned(), reason }).into());
        }
        let (target, why) = match &self.embeddings {
            Some(target) => (Some(target.clone()), "embeddings go to the upstream of [embeddings]"),
            None => (self.who_lists(model).await, "embeddings go to the first upstream that lists the model"),
        };
        let tier = target.as_ref().map_or(Tier::Cheap, |target| target.upstream.tier);
        let settled = Settled::without_asking(Decision::settled(tier, Source::Forced, why));
        let opening = Opening { api: Api::Embeddings, model: &request.model, stream: false };
        let session = call.session.clone();
        let mut record = Record::open(self, &opening, &call, settled, session);
        let Some(target) = target else {
            return Err(refused(Reason::NoEmbeddings { model: model.to_owned() }, record).await);
        };
        let upstream = &target.upstream;
        record.attempt(self, &target, model, Vec::new());
        let work = async {
            let body = request.with_model(model);
            let mut reply = self.client.embed(&target, model, body, call.trace.as_ref()).await?;
            if !reply.status.is_success() {
                return Err(refusal(reply, &target).await);
            }
            providers::read_embeddings(upstream.provider, reply.body().await?)
        };
        let answered = within(upstream.timeouts.total, upstream.provider, work, || record.note()).await;
        record.responded();
        match answered {
            Ok(answer) => {
                record.answered(answer.model.as_deref(), answer.raw_usage.map(|raw| (answer.usage, raw)));
                record.first_token();
                let route = record.route();
                end(record, 200, None).kept().await;
                Ok(Answer { route, body: AnswerBody::Whole(answer.body) })
            }
            Err(error) => {
                let error = failed(error, &target, &mut record);
                Err(refused(Reason::Upstream { error, upstream: upstream.name.clone() }, record).await)
            }
        }
    }

    /// The first upstream that can embed and lists a model, weakest tier first.
    async fn who_lists(&self, model: &str) -> Option<Arc<Target>> {
        let offers = self.offers_of(model).await;
        let mut listing = offers.iter().filter_map(|offer| self.tiers[offer.tier].get(offer.place));
        listing.find(|target| target.embeds()).cloned()
    }
}

/// Ends a request that gets no answer.
async fn refused(reason: Reason, record: UnderWay) -> GatewayError {
    let route = Some(record.route());
    let (status, code) = reason.status_and_code();
    end(record, status, Some(code)).kept().await;
    GatewayError { reason, route }
}
