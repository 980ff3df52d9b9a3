//! From a parsed request to a decision: the first step that settles it gives it its source.

use std::borrow::Cow;
use std::time::Instant;

use super::guards::Needs;
use super::sessions::Held;
use super::{ChatCall, Gateway};
use crate::cache::{Key, Remembered};
use crate::catalog::{Price, Tier, UnknownTier};
use crate::protocol::{ChatRequest, Timestamp, TokenUsage};
use crate::routing::{self, Classified, Classifier, Decision, Facts, Input, Ruled, Source, Step};
use crate::store::Features;

/// A decision and what it took.
pub(super) struct Decided {
    pub(super) decision: Decision,
    /// Whether a model was asked.
    pub(super) asked: bool,
    /// The tokens that it reported.
    pub(super) usage: TokenUsage,
    /// Microseconds, from the parsed request to the decision.
    pub(super) classify_us: i64,
    /// What it looked at besides the words.
    pub(super) features: Features,
    /// The conversation that the request belongs to.
    pub(super) session: Option<Held>,
}

impl Gateway {
    /// Decides. With `remember`, something comes of it.
    pub(super) async fn decide(
        &self,
        request: &ChatRequest<'_>,
        needs: &Needs,
        call: &ChatCall,
        remember: bool,
    ) -> Result<Decided, UnknownTier> {
        let begun = Instant::now();
        let decided = |classified: Classified, session, features| Decided {
            features,
            decision: classified.decision,
            asked: classified.asked,
            usage: classified.usage,
            classify_us: super::record::micros(begun.elapsed()),
            session,
        };
        let tier_header = call.tier_header.as_deref();
        if let Some(tier) = routing::forced(&request.model, tier_header)? {
            let reason = if tier_header.is_some() { "named by the header" } else { "named by the model" };
            return Ok(decided(
                Classified::embedded(Decision::settled(tier, Source::Forced, reason)),
                None,
                Features::default(),
            ));
        }
        if matches!(*self.classifier, Classifier::Off) {
            let off = Decision::settled(Tier::Frontier, Source::Disabled, "the classifier is off");
            return Ok(decided(Classified::embedded(off), None, Features::default()));
        }
        let input = routing::input(request, self.strategy, self.max_chars);
        let named = call.session.as_deref();
        let session = self.sessions.key(request, named, call.key.as_deref());
        let goes_on = named.is_some()
            || request.wishes.session_id.is_some()
            || request.messages.iter().any(|message| message.role == "assistant");
        let mut held = match session {
            Some(key) => Some(self.sessions.begin(key, goes_on).await),
            None => None,
        };
        let pin = held.and_then(|held| held.pin());
        let now_ms = Timestamp::now().0;
        let rule = &self.sessions.rule;
        let mut features = Features {
            step: Some(Cow::Borrowed(input.step.as_str())),
            text_chars: u32::try_from(input.text.chars().count()).ok(),
            tools: u32::try_from(request.tools).ok(),
            reasoning_effort: request
                .wishes
                .reasoning_effort
                .as_deref()
                .map(|effort| effort.chars().take(32).collect()),
            rules: None,
        };
        let kept = pin.and_then(|pin| routing::keeps(&pin, input.step, rule, now_ms));
        let mut classified = if let Some(kept) = kept {
            Classified::embedded(kept)
        } else {
            let (classified, held) = self.classify(request, needs, call, &input).await;
            features.rules = Some(held).filter(|held| !held.is_empty());
            classified
        };
        if let Some(pin) = pin.filter(|_| classified.decision.source != Source::Session) {
            classified.decision =
                routing::turn(&pin, classified.decision, input.step, rule, now_ms, &self.tier_prices(request));
        }
        let decision = &classified.decision;
        // An agent's errand leaves the conversation as it is, and what only stands because the classifier failed must
        // not outlive the failure.
        let holds = input.step != Step::SideCall && decision.source != Source::Fallback;
        held = held.map(|held| held.to(Some(decision.tier).filter(|_| holds)));
        if let Some(held) = held.as_ref().filter(|_| remember) {
            self.sessions.hold(held).await;
        }
        Ok(decided(classified, held, features))
    }

    /// What the classifier says, or said of the same input before, and what rules make of it; with the names of those
    /// that held.
    async fn classify(
        &self,
        request: &ChatRequest<'_>,
        needs: &Needs,
        call: &ChatCall,
        input: &Input<'_>,
    ) -> (Classified, String) {
        let (mut classified, by_model) = self.remembered(input).await;
        let facts = Facts {
            text: &input.text,
            step: input.step,
            tokens: if self.rules.count_tokens() { needs.tokens(request) } else { 0 },
            tools: request.tools,
            failures: if self.rules.count_failures() { routing::failures(request) } else { 0 },
            model: &request.model,
            key: call.key.as_deref(),
            effort: request.wishes.reasoning_effort.as_deref(),
            headers: &call.headers,
            hour: Timestamp::now().hour(),
        };
        let Ruled { decision, held } = self.rules.apply(&facts, classified.decision, by_model);
        classified.decision = decision;
        (classified, held)
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
        let (classified, mine) = match self.classifier.classify_alone(input) {
            Some(classified) => (classified, true),
            // Boxed, as it is large, and most decisions need none of it.
            None => Box::pin(self.flights.join(key, self.classifier.classify(input))).await,
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
