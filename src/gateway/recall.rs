//! Decides requests again from what the history kept of them, with the policy in force or with another one.
//!
//! The history has scores, the classifier's verdicts, what else was looked at, and the conversation as it stood; not the
//! words. What cannot be told from that is not guessed.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use super::sessions::read;
use crate::catalog::{ByTier, Catalog, Judge, Price, Source};
use crate::config::Strategy;
use crate::protocol::short_hash;
use crate::providers::Target;
use crate::routing::{
    Classifier, Decided, Embedded, Facts, LlmClassifier, Named, Pin, Policy, Recalled, Thresholds, Verdict,
};
use crate::store::Row;

/// Longest model name and effort that the history keeps whole, in characters: a longer one was cut.
const WHOLE_MODEL: usize = 256;
const WHOLE_EFFORT: usize = 32;

/// The marks of everything that decides: of the embedded classifier, of the classifier's model, of conversations, and of
/// each rule. Equal marks mean equal verdicts; a `-` is one that is not there.
#[must_use]
pub fn marks_of(classifier: &Classifier, policy: &Policy, strategy: Strategy, max_chars: usize) -> String {
    let input = format!("{strategy:?} {max_chars}");
    let mark = |name: &str, of: Option<String>| match of {
        Some(of) => format!("{name}={}", short_hash(&format!("{of} {input}"))),
        None => format!("{name}=-"),
    };
    let sessions = if policy.keeps_sessions { "sessions=on" } else { "sessions=off" };
    let mut marks = vec![
        mark("embedded", classifier.embedded().map(Embedded::fingerprint)),
        mark("model", classifier.llm().map(LlmClassifier::fingerprint)),
        sessions.to_owned(),
    ];
    marks.extend(policy.rules.marks().map(str::to_owned));
    marks.join(" ")
}

/// The number by which the history knows a policy.
#[must_use]
pub fn policy_hash(marks: &str) -> u32 {
    u32::from_str_radix(&short_hash(marks), 16).unwrap_or(0)
}

/// What each tier's first upstream asks for its tokens, where the request asks for this model.
#[must_use]
pub fn tier_prices(tiers: &ByTier<Vec<Arc<Target>>>, catalog: &Catalog, model: &str) -> ByTier<Option<Price>> {
    ByTier::from_fn(|tier| {
        let target = tiers[tier].first()?;
        target.price(catalog, target.upstream.model.as_deref().unwrap_or(model))
    })
}

/// What deciding again came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Retold {
    /// This is decided.
    Decided(Decided),
    /// It cannot be told, for this reason.
    CannotTell(Cow<'static, str>),
}

/// A policy by which the history is decided again.
#[derive(Debug)]
pub struct Recall<'a> {
    /// The classifier. It is not asked anything.
    pub classifier: &'a Classifier,
    /// What decides with what it says.
    pub policy: &'a Policy,
    /// The marks of both.
    pub marks: &'a str,
    /// The policies by which requests were decided then.
    pub policies: HashMap<u32, String>,
}

/// What is known of the policy by which a request was decided.
struct Then<'a> {
    embedded: &'a str,
    model: &'a str,
    sessions: &'a str,
    rules: Vec<&'a str>,
}

fn split(marks: &str) -> Option<Then<'_>> {
    let mut marks = marks.split(' ');
    Some(Then { embedded: marks.next()?, model: marks.next()?, sessions: marks.next()?, rules: marks.collect() })
}

impl Recall<'_> {
    /// Decides a request of the history again, with these thresholds and prices.
    ///
    /// Rows of older versions do not tell which classifier scored them: their scores are taken as they are.
    #[must_use]
    pub fn decide(&self, row: &Row, thresholds: Thresholds, prices: &ByTier<Option<Price>>) -> Retold {
        let then = row.features.policy.and_then(|hash| self.policies.get(&hash)).and_then(|marks| split(marks));
        let facts = facts(row, then.as_ref());
        let pin = match self.pin(row, then.as_ref()) {
            Ok(pin) => pin,
            Err(why) => return Retold::CannotTell(why.into()),
        };
        let decided = match self.policy.settled(&facts, pin.as_ref()) {
            Some(decided) => decided,
            None => match self.verdict(row, then.as_ref(), thresholds) {
                Ok(verdict) => self.policy.decide(&facts, pin.as_ref(), prices, verdict),
                Err(why) => return Retold::CannotTell(Cow::Borrowed(why)),
            },
        };
        match decided.unknown.first() {
            Some(unknown) => Retold::CannotTell(format!("rule `{}` needs {}", unknown.rule, unknown.needs).into()),
            None => Retold::Decided(decided),
        }
    }

    /// The conversation as it stood.
    fn pin(&self, row: &Row, then: Option<&Then<'_>>) -> Result<Option<Pin>, &'static str> {
        const UNKNOWN: &str = "its conversation is not known";
        if !self.policy.keeps_sessions || row.source == Some(Source::Forced) {
            return Ok(None);
        }
        match (&row.features.pin, then) {
            (Some(pin), _) => read(pin).map(Some).ok_or(UNKNOWN),
            (None, Some(then)) if then.sessions == "sessions=off" && row.features.step.is_some() => Err(UNKNOWN),
            (None, None) if row.source == Some(Source::Session) => Err(UNKNOWN),
            (None, _) => Ok(None),
        }
    }

    /// What the classifier would say.
    fn verdict(&self, row: &Row, then: Option<&Then<'_>>, thresholds: Thresholds) -> Result<Verdict, &'static str> {
        let now = split(self.marks).ok_or("the policy has no marks")?;
        let verdict = |tier, judge| Verdict {
            tier,
            judge,
            remembered: row.source == Some(Source::Cache),
            score: row.score,
            confidence: row.confidence,
            reason: Cow::Borrowed(""),
        };
        let embedded = || {
            let score = row.score.ok_or("it was not scored")?;
            if then.is_some_and(|then| then.embedded != now.embedded) {
                return Err("another classifier scored it");
            }
            Ok(verdict(thresholds.tier(score), Judge::Embedded))
        };
        let model = || match (row.features.judge, row.features.judged) {
            (Some(Judge::Model), Some(judged)) if then.is_some_and(|then| then.model == now.model) => {
                Ok(verdict(judged, Judge::Model))
            }
            _ => Err("a model would be asked"),
        };
        match self.classifier {
            Classifier::Off | Classifier::Embedded(_) => embedded(),
            Classifier::Llm(_) => model(),
            Classifier::Cascade { unsure_below, .. } => {
                let first = embedded()?;
                if row.confidence.is_some_and(|confidence| confidence >= *unsure_below) { Ok(first) } else { model() }
            }
        }
    }
}

/// What the history knows of a request.
fn facts<'r>(row: &'r Row, then: Option<&Then<'_>>) -> Facts<'r> {
    let features = &row.features;
    let named =
        (row.source == Some(Source::Forced)).then_some(if row.reason.as_deref() == Some("named by the header") {
            Named::ByHeader(row.decision)
        } else {
            Named::ByModel(row.decision)
        });
    let is_whole = |text: &str, longest: usize| text.chars().count() < longest;
    // Where the step is not known, nothing was looked at: no effort is not the same as none asked for.
    let effort = features.step.map(|_| features.reasoning_effort.as_deref().unwrap_or_default());
    let held: Vec<&str> = features.rules.as_deref().unwrap_or_default().split(' ').collect();
    let was_looked_at = |at: usize| {
        let bits = features.rules_looked.unwrap_or(0);
        u32::try_from(at).ok().and_then(|at| bits.checked_shr(at)).is_some_and(|bits| bits & 1 == 1)
    };
    let rules = then.into_iter().flat_map(|then| then.rules.iter().enumerate());
    let recalled = rules.filter(|(at, _)| was_looked_at(*at)).map(|(_, mark)| {
        let name = mark.split('=').next().unwrap_or_default();
        Recalled { mark: (*mark).to_owned(), held: held.contains(&name) }
    });
    Facts {
        named,
        step: features.step,
        text: None,
        text_chars: features.text_chars.map(u64::from),
        tokens: features.estimated_input_tokens,
        tools: features.tools.map(u64::from),
        failures: features.failures.map(u64::from),
        model: Some(Cow::Borrowed(row.requested_model.as_str())).filter(|model| is_whole(model, WHOLE_MODEL)),
        key: Some(Cow::Borrowed(row.key.as_deref().unwrap_or_default())),
        effort: effort.filter(|effort| is_whole(effort, WHOLE_EFFORT)).map(Cow::Borrowed),
        headers: None,
        now_ms: row.created_at_ms,
        recalled: recalled.collect(),
    }
}
