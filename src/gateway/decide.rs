//! From a parsed request to a decision: the first step that settles it gives it its source.

use std::borrow::Cow;
use std::time::Instant;

use super::guards::Needs;
use super::{ChatCall, Gateway, SessionKey};
use crate::cache::{Key, Remembered};
use crate::catalog::{Price, Tier, UnknownTier};
use crate::protocol::{ChatRequest, Timestamp, TokenUsage};
use crate::routing::{self, Classified, Classifier, Decision, Facts, Input, Pin, Source, Step};

/// A decision and what it took.
pub(super) struct Decided {
    pub(super) decision: Decision,
    /// Whether a model was asked.
    pub(super) asked: bool,
    /// The tokens that it reported.
    pub(super) usage: TokenUsage,
    /// Microseconds, from the parsed request to the decision.
    pub(super) classify_us: i64,
    /// The conversation that the request belongs to.
    pub(super) session: Option<SessionKey>,
}

impl Gateway {
    /// Decides. With `remember`, the conversation is held to it.
    pub(super) async fn decide(
        &self,
        request: &ChatRequest<'_>,
        needs: &Needs,
        call: &ChatCall,
        remember: bool,
    ) -> Result<Decided, UnknownTier> {
        let begun = Instant::now();
        let decided = |classified: Classified, session| Decided {
            decision: classified.decision,
            asked: classified.asked,
            usage: classified.usage,
            classify_us: super::record::micros(begun.elapsed()),
            session,
        };
        let tally = |source| {
            if remember {
                self.tally.count(source, false);
            }
        };
        let tier_header = call.tier_header.as_deref();
        if let Some(tier) = routing::forced(&request.model, tier_header)? {
            let reason = if tier_header.is_some() { "named by the header" } else { "named by the model" };
            tally(Source::Forced);
            return Ok(decided(Classified::embedded(Decision::settled(tier, Source::Forced, reason)), None));
        }
        if matches!(*self.classifier, Classifier::Off) {
            let off = Decision::settled(Tier::Frontier, Source::Disabled, "the classifier is off");
            tally(Source::Disabled);
            return Ok(decided(Classified::embedded(off), None));
        }
        let input = routing::input(request, self.strategy, self.max_chars);
        let named = call.session.as_deref();
        let session = self.sessions.key(request, named, call.key.as_deref());
        // Without a name, a request to which nobody has answered yet begins a conversation, whoever began one so before.
        let goes_on = named.is_some()
            || request.wishes.session_id.is_some()
            || request.messages.iter().any(|message| message.role == "assistant");
        let known = session.and_then(|key| self.sessions.get(key));
        let pin = known.filter(|_| goes_on);
        let now_ms = Timestamp::now().0;
        let rule = &self.sessions.rule;
        let mut classified = match pin.and_then(|pin| routing::keeps(&pin, input.step, rule, now_ms)) {
            Some(kept) => Classified::embedded(kept),
            None => self.classify(request, needs, call, &input).await,
        };
        if let Some(pin) = pin.filter(|_| classified.decision.source != Source::Session) {
            classified.decision =
                routing::turn(&pin, classified.decision, input.step, rule, now_ms, &self.tier_prices(request));
        }
        if remember {
            self.tally.count(classified.decision.source, classified.asked);
        }
        // One that begins like another does not take that one's tier away: it may be in a tool loop.
        let is_other = pin.is_none() && known.is_some_and(|known| known.tier > classified.decision.tier);
        if let Some(key) = session.filter(|_| remember && !is_other) {
            self.pin(key, pin, &input, &classified.decision);
        }
        Ok(decided(classified, session))
    }

    /// Remembers the tier of a turn. An agent's errand leaves the conversation as it is, and what only stands because
    /// the classifier failed must not outlive the failure.
    fn pin(&self, key: SessionKey, before: Option<Pin>, input: &Input<'_>, decision: &Decision) {
        if input.step != Step::SideCall && decision.source != Source::Fallback {
            self.sessions.put(key, decision.tier, before);
        }
    }

    /// What the classifier says, or said of the same input before, and what rules make of it.
    async fn classify(
        &self,
        request: &ChatRequest<'_>,
        needs: &Needs,
        call: &ChatCall,
        input: &Input<'_>,
    ) -> Classified {
        let (mut classified, by_model) = self.remembered(input).await;
        let facts = Facts {
            text: &input.text,
            step: input.step,
            tokens: if self.rules.count_tokens() { needs.tokens(request) } else { 0 },
            tools: request.tools,
            model: &request.model,
            key: call.key.as_deref(),
            effort: request.wishes.reasoning_effort.as_deref(),
            headers: &call.headers,
            hour: Timestamp::now().hour(),
        };
        classified.decision = self.rules.apply(&facts, classified.decision, by_model);
        classified
    }

    /// With whether a model decided, now or then.
    async fn remembered(&self, input: &Input<'_>) -> (Classified, bool) {
        let key = Key::new(&self.fingerprint, &input.text);
        if let Some(Remembered { tier, by_model, score, confidence, reason }) = self.cache.get(key).await {
            let reason = Cow::Owned(reason.as_ref().to_owned());
            // Thresholds may have moved since.
            let embedded = self.classifier.embedded().filter(|_| !by_model);
            let tier = embedded.zip(score).map_or(tier, |(embedded, score)| embedded.thresholds().tier(score));
            let decision = Decision { tier, source: Source::Cache, score, confidence, reason };
            return (Classified::embedded(decision), by_model);
        }
        let (classified, mine) = if self.classifier.llm().is_some() {
            self.flights.join(key, self.classifier.classify(input)).await
        } else {
            (self.classifier.classify(input).await, true)
        };
        let by_model = matches!(classified.decision.source, Source::Llm | Source::Fallback);
        // A decision that only stands because the model failed must not outlive the failure.
        let settled = match classified.decision.source {
            Source::Llm => true,
            Source::Embedded => !classified.asked,
            _ => false,
        };
        if settled && mine {
            let Decision { tier, score, confidence, reason, .. } = &classified.decision;
            let (score, confidence, reason) = (*score, *confidence, reason.as_ref().into());
            self.cache.put(key, Remembered { tier: *tier, by_model, score, confidence, reason }).await;
        }
        (classified, by_model)
    }

    /// What each tier's first upstream asks for its tokens.
    fn tier_prices(&self, request: &ChatRequest<'_>) -> [Option<Price>; 3] {
        Tier::ALL.map(|tier| {
            let target = self.tiers[tier as usize].first()?;
            let model = target.upstream.model.as_deref().unwrap_or(&request.model);
            target.price(&self.catalog, model)
        })
    }
}
