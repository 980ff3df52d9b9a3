//! `[[classifier.rules]]`

use std::collections::BTreeMap;
use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::Deserialize;

use super::layers::Merged;
use super::problem::Problem;
use crate::catalog::{Step, Tier};
use crate::protocol::nearest_word;

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
    /// Least number of tool results that tell of a failure, in the loop that runs or that ran before the person spoke.
    pub min_failures: Option<usize>,
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
    /// Kinds of step: `turn`, `approval`, `tool_loop` (also `stuck_loop`), `stuck_loop`, `background_call`.
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

/// The rules that ship on.
static STARTERS: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    #[derive(Deserialize)]
    struct File {
        rules: Vec<Rule>,
    }
    let file: File =
        toml::from_str(include_str!("../../config/rules.toml")).expect("a test reads the rules that are compiled in");
    file.rules
});

impl Rule {
    /// The rules that ship on, in the order in which they are looked at.
    #[must_use]
    pub fn starters() -> &'static [Rule] {
        &STARTERS
    }

    /// Whether a name means it; the name of an older version does too.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || (name == "side_call" && self.name == "background_call")
    }

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
        if self.name.is_empty() {
            problem("", "has no `name`".to_owned(), "a name tells in explanations which rule it was");
        } else if self.name.contains(|c: char| c.is_whitespace() || c == ':') {
            let message = format!("`{}` is no name of a rule", self.name);
            problem("name", message, "one word, such as `long_code`");
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
            if Step::from_name(step).is_none() {
                problem(
                    "step",
                    format!("`{step}` is no step"),
                    "turn, approval, tool_loop, stuck_loop or background_call",
                );
            }
        }
    }
}

/// Whether every rule has a name of its own, and whether those that are switched off are there.
pub(super) fn validate_names(own: &[Rule], off: &[String], merged: &Merged, problems: &mut Vec<Problem>) {
    let all = || own.iter().chain(Rule::starters());
    let known = || all().map(|rule| rule.name.as_str());
    for (at, rule) in own.iter().enumerate() {
        let is_taken = |other: &Rule| other.name == rule.name;
        // One that is switched off may be replaced by one's own.
        let replaces = Rule::starters().iter().any(is_taken) && !off.contains(&rule.name);
        if own[..at].iter().any(is_taken) || replaces {
            let message = format!("`{}` is the name of another rule", rule.name);
            let hint = "each rule needs its own name, by which it is switched off and explained";
            problems.push(merged.problem(&format!("classifier.rules.{at}.name"), message, hint));
        }
    }
    for name in off.iter().filter(|name| !all().any(|rule| rule.is_called(name))) {
        let hint = match nearest_word(name, known()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the rules are {}", known().collect::<Vec<_>>().join(", ")),
        };
        problems.push(merged.problem("classifier.rules_off", format!("there is no rule `{name}`"), hint));
    }
}
