//! Gathers what a decision is made from, asks the classifier if it must be asked, and lets the policy decide.

use std::borrow::Cow;
use std::time::Instant;

use super::requirements::Requirements;
use super::sessions::{Held, write};
use super::{ChatCall, Gateway};
use crate::cache::{Key, Remembered};
use crate::catalog::{Judge, Step, Tier};
use crate::protocol::{ChatRequest, TokenUsage};
use crate::routing::{self, Classified, Classifier, Decided, Decision, Facts, Input, Named, UnknownName, Verdict};
use crate::store::Features;

/// A decision, what it took, and what is kept of it.
pub(super) struct Settled {
    pub(super) decided: Decided,
    /// Whether a model was asked.
    pub(super) asked: bool,
    /// The tokens that it reported.
    pub(super) usage: TokenUsage,
    /// Why it gave no verdict, if it failed.
    pub(super) failure: Option<String>,
    /// Microseconds, from the parsed request to the decision.
    pub(super) classify_us: i64,
    /// What is kept, so that the decision can be made again.
    pub(super) features: Features,
    /// The conversation that the request belongs to.
    pub(super) held: Option<Held>,
}

impl Settled {
    /// A decision that nothing was looked at for.
    pub(super) fn without_asking(decision: Decision) -> Self {
        Settled {
            decided: decision.into(),
            asked: false,
            usage: TokenUsage::default(),
            failure: None,
            classify_us: 0,
            features: Features::default(),
            held: None,
        }
    }
}

impl Gateway {
    /// Decides. With `remember`, something comes of it.
    ///
    /// # Errors
    /// The request's header names no tier, or its model no preset.
    pub(super) async fn decide(
        &self,
        request: &ChatRequest<'_>,
        requirements: &Requirements,
        call: &ChatCall,
        remember: bool,
    ) -> Result<Settled, UnknownName> {
        let begun = Instant::now();
        let took = || i64::try_from(begun.elapsed().as_micros()).unwrap_or(i64::MAX);
        let named = routing::named(&request.model, call.tier_header.as_deref())?;
        let nothing = |decided| Settled {
            decided,
            asked: false,
            usage: TokenUsage::default(),
            failure: None,
            classify_us: took(),
            features: Features::default(),
            held: None,
        };
        if named.is_some() || self.policy.is_off {
            let facts = Facts { named, now_ms: call.arrival.at.0, ..Facts::default() };
            if let Some(decided) = self.policy.settled(&facts, None) {
                return Ok(nothing(decided));
            }
        }
        let input = self.input(request, call, remember);
        let held = self.begin_step(request, call).await;
        let pin = held.and_then(|held| held.pin());
        let facts = self.facts(request, requirements, call, &input, named);
        let (decided, classified) = if let Some(decided) = self.policy.settled(&facts, pin.as_ref()) {
            (decided, None)
        } else {
            let classified = self.classify(&input, remember).await;
            let prices = pin.map(|_| self.tier_prices(&request.model)).unwrap_or_default();
            let verdict = classified.verdict.clone();
            (self.policy.decide(&facts, pin.as_ref(), &prices, verdict), Some(classified))
        };
        let features = Features {
            step: facts.step,
            text_chars: u32::try_from(input.text.chars().count()).ok(),
            tools: u32::try_from(request.tools).ok(),
            failures: facts.failures.and_then(|count| u32::try_from(count).ok()),
            estimated_input_tokens: None,
            reasoning_effort: request.wishes.reasoning_effort.as_deref().map(|it| it.chars().take(32).collect()),
            rules: decided.held.clone(),
            rules_looked: (classified.is_some() || decided.looked != 0).then_some(decided.looked),
            policy: Some(self.policy_mark),
            judge: classified.as_ref().map(|classified| classified.verdict.judge),
            judged: classified.as_ref().map(|classified| classified.verdict.tier),
            // A step of a loop has its turn's text.
            prompt: (self.captures && input.step == Step::Turn).then(|| input.text.as_ref().to_owned()),
            pin: pin.as_ref().map(write),
        };
        let held = held.map(|held| held.to(decided.pin, decided.raised));
        if let Some(held) = held.as_ref().filter(|_| remember) {
            self.listeners.sessions.hold(held).await;
        }
        let (asked, usage, failure) = match classified {
            Some(Classified { asked, usage, failure, .. }) => (asked, usage, failure),
            None => (false, TokenUsage::default(), None),
        };
        Ok(Settled { decided, asked, usage, failure, classify_us: took(), features, held })
    }

    /// The text to classify, without what the caller's requests repeat. With `remember`, they are learnt from.
    pub(super) fn input<'a>(&self, request: &'a ChatRequest<'_>, call: &ChatCall, remember: bool) -> Input<'a> {
        let Some(templates) = &self.templates else {
            return routing::input(request, self.strategy, self.max_chars);
        };
        let caller = call.caller.scope();
        routing::input_within(request, self.strategy, self.max_chars, &|text, step| {
            templates.request(caller, text, remember && step == Step::Turn)
        })
    }

    /// The conversation of a request, as it begins a step of it.
    async fn begin_step(&self, request: &ChatRequest<'_>, call: &ChatCall) -> Option<Held> {
        let named = call.session.as_deref();
        let key = self.listeners.sessions.key(request, named, call.agent.as_deref(), &call.caller)?;
        let goes_on = named.is_some()
            || request.wishes.session_id.is_some()
            || request.messages.iter().any(|message| message.role == "assistant");
        Some(self.listeners.sessions.begin(key, goes_on).await)
    }

    /// What is known of a request. What no rule looks at is not counted.
    fn facts<'a>(
        &self,
        request: &'a ChatRequest<'_>,
        requirements: &Requirements,
        call: &'a ChatCall,
        input: &'a Input<'_>,
        named: Option<Named>,
    ) -> Facts<'a> {
        let rules = &self.policy.rules;
        Facts {
            named,
            step: Some(input.step),
            text: Some(Cow::Borrowed(&input.text)),
            text_chars: None,
            tokens: rules.count_tokens().then(|| requirements.tokens(request)),
            tools: Some(request.tools as u64),
            failures: Some(input.failures as u64),
            model: Some(Cow::Borrowed(&request.model)),
            key: Some(Cow::Borrowed(call.caller.scope())),
            effort: Some(Cow::Borrowed(request.wishes.reasoning_effort.as_deref().unwrap_or_default())),
            headers: Some(Cow::Borrowed(&call.headers)),
            now_ms: call.arrival.at.0,
            recalled: Vec::new(),
        }
    }

    /// What the classifier says, or said of the same input before.
    async fn classify(&self, input: &Input<'_>, remember: bool) -> Classified {
        let key = Key::new(&self.fingerprint, &input.text);
        if let Some(remembered) = self.cache.get(key).await {
            return Classified::unasked(recalled(remembered, &self.classifier));
        }
        let (classified, mine) = match self.classifier.classify_alone(input) {
            Some(classified) => (classified, true),
            // Boxed, as it is large, and most decisions need none of it.
            None => Box::pin(self.single_flight.join(key, self.classifier.classify(input))).await,
        };
        // A verdict that only stands because the model failed must not outlive the failure.
        let stands = match classified.verdict.judge {
            Judge::Model => true,
            Judge::Embedded => !classified.asked,
            Judge::Nobody => false,
        };
        if stands && mine && remember {
            let Verdict { tier, judge, score, confidence, reason, .. } = &classified.verdict;
            let (by_model, reason) = (*judge == Judge::Model, reason.as_ref().into());
            let remembered = Remembered { tier: *tier, by_model, score: *score, confidence: *confidence, reason };
            self.cache.put(key, remembered).await;
        }
        classified
    }
}

/// What was said of the same input before.
fn recalled(remembered: Remembered, classifier: &Classifier) -> Verdict {
    let Remembered { tier, by_model, score, confidence, reason } = remembered;
    // Thresholds may have moved since.
    let embedded = classifier.embedded().filter(|_| !by_model);
    let tier: Tier = embedded.zip(score).map_or(tier, |(embedded, score)| embedded.thresholds().tier(score));
    let judge = if by_model { Judge::Model } else { Judge::Embedded };
    Verdict { tier, judge, remembered: true, score, confidence, reason: Cow::Owned(reason.as_ref().to_owned()) }
}
