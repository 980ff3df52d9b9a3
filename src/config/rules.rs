//! `[[classifier.rules]]`

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::check::Problem;
use super::layers::Merged;
use crate::catalog::Tier;

/// A rule over the classifier's decision: if all that it names is true of a request, the request's tier is set, raised
/// or lowered.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rule {
    /// Its name, as explanations and `classifier.rules_off` have it.
    pub name: String,
    /// A regular expression that the classified text matches.
    pub text: Option<String>,
    /// Least length of the classified text, in characters.
    pub min_chars: Option<usize>,
    /// Greatest length of the classified text, in characters.
    pub max_chars: Option<usize>,
    /// Least number of input tokens, as estimated.
    pub min_tokens: Option<u64>,
    /// Greatest number of input tokens, as estimated.
    pub max_tokens: Option<u64>,
    /// Least number of tools that the request offers.
    pub min_tools: Option<usize>,
    /// Greatest number of tools that the request offers.
    pub max_tools: Option<usize>,
    /// Least score of the classifier, 0 to 1.
    #[schemars(range(min = 0, max = 1))]
    pub min_score: Option<f64>,
    /// Greatest score of the classifier, 0 to 1.
    #[schemars(range(min = 0, max = 1))]
    pub max_score: Option<f64>,
    /// A regular expression that the requested model matches.
    pub model: Option<String>,
    /// Header name → regular expression that its value matches.
    pub header: BTreeMap<String, String>,
    /// Names of keys, one of which the request came with.
    pub key: Vec<String>,
    /// Hours of the day in UTC, as `22-6`: from the first hour to before the second.
    pub hours: Option<String>,
    /// Kinds of step: `turn`, `approval`, `loop`, `side_call`.
    pub step: Vec<String>,
    /// Values of the request's `reasoning_effort`.
    pub reasoning_effort: Vec<String>,
    /// The tier that it sets: no rule after it is looked at.
    pub tier: Option<Tier>,
    /// The least tier that the request gets.
    pub at_least: Option<Tier>,
    /// The greatest tier that the request gets.
    pub at_most: Option<Tier>,
}

impl Rule {
    /// `hours` as two hours, 0 to 24.
    #[must_use]
    pub fn hours(&self) -> Option<(u8, u8)> {
        let (from, to) = self.hours.as_deref()?.split_once('-')?;
        let hour = |text: &str| text.trim().parse::<u8>().ok().filter(|hour| *hour <= 24);
        Some((hour(from)?, hour(to)?))
    }

    pub(super) fn validate(&self, at: usize, merged: &Merged, problems: &mut Vec<Problem>) {
        let mut problem = |member: &str, message: String, hint: &str| {
            let key = if member.is_empty() {
                format!("classifier.rules.{at}")
            } else {
                format!("classifier.rules.{at}.{member}")
            };
            problems.push(merged.problem(&key, message, hint));
        };
        if self.name.trim().is_empty() {
            problem("", "has no `name`".to_owned(), "a name tells in explanations which rule it was");
        }
        if [self.tier, self.at_least, self.at_most].iter().flatten().count() != 1 {
            problem("", "has none or several of `tier`, `at_least` and `at_most`".to_owned(), "give one of them");
        }
        let expressions = [("text", &self.text), ("model", &self.model)];
        let expressions = expressions.into_iter().filter_map(|(name, text)| Some((name, text.as_ref()?)));
        for (member, text) in expressions.chain(self.header.values().map(|text| ("header", text))) {
            if let Err(error) = regex::Regex::new(text) {
                let error = error.to_string();
                let reason = error.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                problem(member, format!("is no regular expression: {reason}"), "its syntax is that of docs.rs/regex");
            }
        }
        if self.hours.is_some() && self.hours().is_none() {
            problem("hours", "are not two hours of a day".to_owned(), "write them as \"22-6\"");
        }
        for step in &self.step {
            if !["turn", "approval", "loop", "side_call"].contains(&step.as_str()) {
                problem("step", format!("`{step}` is no step"), "turn, approval, loop or side_call");
            }
        }
    }
}
