//! Named rules over the classifier's decision, in order.
//!
//! Enters: what is known of a request and what the classifier decided. Leaves: that decision, or another
//! with the source `rule` and the rule's name as reason. The user's rules come first, then those that
//! ship on (`config/rules.toml`).

use std::borrow::Cow;

use regex::Regex;

use super::{Decision, Source, Step};
use crate::catalog::Tier;
use crate::config::Rule;

/// What rules look at.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The text that was classified.
    pub text: &'a str,
    /// What kind of step the request is.
    pub step: Step,
    /// Input tokens, as estimated.
    pub tokens: u64,
    /// How many tools it offers.
    pub tools: usize,
    /// How many tool results tell of a failure.
    pub failures: usize,
    /// The model that it asks for.
    pub model: &'a str,
    /// The name of the key that it came with.
    pub key: Option<&'a str>,
    /// Its `reasoning_effort`.
    pub effort: Option<&'a str>,
    /// Those of its headers that rules look at, names in lower case.
    pub headers: &'a [(String, String)],
    /// The hour of the day in UTC, 0 to 23.
    pub hour: u8,
}

/// What rules made of a decision.
#[derive(Debug, Clone, PartialEq)]
pub struct Ruled {
    /// The decision.
    pub decision: Decision,
    /// Names of the rules that held, with blanks between them. Those that could have changed nothing are not looked at.
    pub held: String,
}

/// A rule that is ready to be looked at.
#[derive(Debug)]
struct Ready {
    rule: Rule,
    is_starter: bool,
    text: Option<Regex>,
    model: Option<Regex>,
    headers: Vec<(String, Regex)>,
    hours: Option<(u8, u8)>,
}

/// All rules, in the order in which they are looked at.
#[derive(Debug, Default)]
pub struct Rules {
    rules: Vec<Ready>,
    fingerprint: String,
}

impl Rules {
    /// The user's rules, then the ones that ship on, without those that are switched off by name.
    ///
    /// # Errors
    /// A regular expression is none; the configuration's check says so before.
    pub fn new(own: &[Rule], off: &[String]) -> Result<Self, regex::Error> {
        let replaced = |rule: &Rule| Rule::starters().iter().any(|starter| starter.name == rule.name);
        let on = |(rule, is_starter): &(&Rule, bool)| !off.contains(&rule.name) || (!is_starter && replaced(rule));
        // Switched off, a starter can be replaced by one's own of its name.
        let all = own.iter().map(|rule| (rule, false)).chain(Rule::starters().iter().map(|rule| (rule, true)));
        let rules: Vec<(Rule, bool)> = all.filter(on).map(|(rule, is_starter)| (rule.clone(), is_starter)).collect();
        let fingerprint = format!("{rules:?}");
        let ready = |(rule, is_starter): (Rule, bool)| -> Result<Ready, regex::Error> {
            let regex = |text: &Option<String>| text.as_deref().map(Regex::new).transpose();
            let headers = rule.header.iter().map(|(name, value)| Ok((name.to_lowercase(), Regex::new(value)?)));
            Ok(Ready {
                text: regex(&rule.text)?,
                model: regex(&rule.model)?,
                headers: headers.collect::<Result<_, regex::Error>>()?,
                hours: rule.hours(),
                rule,
                is_starter,
            })
        };
        Ok(Rules { rules: rules.into_iter().map(ready).collect::<Result<_, _>>()?, fingerprint })
    }

    /// The rules, in the order in which they are looked at.
    pub fn all(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().map(|ready| &ready.rule)
    }

    /// Everything that they depend on, as a text to hash.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Whether one looks at the number of tokens.
    #[must_use]
    pub fn count_tokens(&self) -> bool {
        self.rules.iter().any(|ready| ready.rule.min_tokens.is_some() || ready.rule.max_tokens.is_some())
    }

    /// Whether one looks at the number of failures.
    #[must_use]
    pub fn count_failures(&self) -> bool {
        self.rules.iter().any(|ready| ready.rule.min_failures.is_some())
    }

    /// The headers that they look at, in lower case.
    pub fn headers(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().flat_map(|rule| rule.headers.iter().map(|(name, _)| name.as_str()))
    }

    /// Looks at all rules in order; the first that sets a tier ends it. Those that ship on mend what the embedded
    /// classifier says, and nothing else (`by_model`: a model was asked).
    #[must_use]
    pub fn apply(&self, facts: &Facts<'_>, decision: Decision, by_model: bool) -> Ruled {
        let mut decision = decision;
        let mut held = String::new();
        // What the user's rules bound, those that ship on do not leave.
        let (mut floor, mut ceiling) = (Tier::Cheap, Tier::Frontier);
        for ready in &self.rules {
            let rule = &ready.rule;
            let bounds = !ready.is_starter && rule.tier.is_none();
            // Asked once: a text may be long.
            let mut holds = None;
            let mut is_true = || *holds.get_or_insert_with(|| ready.is_true_of(facts, decision.score));
            if bounds && is_true() {
                floor = floor.max(rule.at_least.unwrap_or(Tier::Cheap));
                ceiling = ceiling.min(rule.at_most.unwrap_or(Tier::Frontier)).max(floor);
            }
            if ready.is_starter && by_model {
                continue;
            }
            let could = match (rule.tier, rule.at_least, rule.at_most) {
                (Some(tier), _, _) => tier,
                (_, Some(least), _) if least > decision.tier => least,
                (_, _, Some(most)) if most < decision.tier => most,
                _ => decision.tier,
            };
            let tier = if ready.is_starter { could.clamp(floor, ceiling) } else { could };
            let matters = could != decision.tier || rule.tier.is_some();
            if !(bounds || matters) || !is_true() {
                continue;
            }
            if !held.is_empty() {
                held.push(' ');
            }
            held.push_str(&rule.name);
            if tier != decision.tier {
                let reason = format!("rule {}: {tier} instead of {}; {}", rule.name, decision.tier, decision.reason);
                decision.reason = Cow::Owned(reason);
                decision.source = Source::Rule;
                decision.tier = tier;
            }
            if rule.tier.is_some() {
                break;
            }
        }
        Ruled { decision, held }
    }
}

impl Ready {
    /// Whether all that it names is true; the cheapest is asked first.
    fn is_true_of(&self, facts: &Facts<'_>, score: Option<f64>) -> bool {
        let rule = &self.rule;
        let within = |least: Option<u64>, most: Option<u64>, figure: u64| {
            least.is_none_or(|least| figure >= least) && most.is_none_or(|most| figure <= most)
        };
        let number = |figure: Option<usize>| figure.map(|figure| figure as u64);
        let scored = |least: Option<f64>, of: fn(f64, f64) -> bool| {
            least.is_none_or(|limit| score.is_some_and(|score| of(score, limit)))
        };
        let has = |list: &[String], word: Option<&str>| {
            list.is_empty() || word.is_some_and(|word| list.iter().any(|known| known == word))
        };
        let hour = self.hours.is_none_or(|(from, to)| {
            if from <= to { (from..to).contains(&facts.hour) } else { facts.hour >= from || facts.hour < to }
        });
        let header = |(name, value): &(String, Regex)| {
            facts.headers.iter().any(|(known, text)| known == name && value.is_match(text))
        };
        has(&rule.step, Some(facts.step.as_str()))
            && has(&rule.key, facts.key)
            && has(&rule.reasoning_effort, facts.effort)
            && hour
            && within(number(rule.min_tools), number(rule.max_tools), facts.tools as u64)
            && within(number(rule.min_failures), None, facts.failures as u64)
            && within(rule.min_tokens, rule.max_tokens, facts.tokens)
            && scored(rule.min_score, |score, limit| score >= limit)
            && scored(rule.max_score, |score, limit| score <= limit)
            && self.has_length(facts.text)
            && self.headers.iter().all(header)
            && self.model.as_ref().is_none_or(|model| model.is_match(facts.model))
            && self.text.as_ref().is_none_or(|text| text.is_match(facts.text))
    }

    fn has_length(&self, text: &str) -> bool {
        let Rule { min_chars, max_chars, .. } = self.rule;
        // A text has at most as many characters as bytes: most need not be counted.
        if min_chars.is_some_and(|least| text.len() < least) {
            return false;
        }
        let all = || text.chars().count();
        min_chars.is_none_or(|least| all() >= least)
            && max_chars.is_none_or(|most| text.len() <= most || (text.len() <= most * 4 && all() <= most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(text: &str) -> Facts<'_> {
        Facts {
            text,
            step: Step::Turn,
            tokens: 10,
            tools: 0,
            failures: 0,
            model: "auto",
            key: None,
            effort: None,
            headers: &[],
            hour: 12,
        }
    }

    fn decided(tier: Tier) -> Decision {
        let score = Some([0.2, 0.5, 0.8][tier as usize]);
        Decision { tier, source: Source::Embedded, score, confidence: Some(0.5), reason: Cow::Borrowed("x") }
    }

    fn starter(facts: &Facts<'_>, tier: Tier) -> (Tier, Option<String>) {
        let decision = Rules::new(&[], &[]).unwrap().apply(facts, decided(tier), false).decision;
        let by_rule = decision.source == Source::Rule;
        let name = decision.reason.split([' ', ':']).nth(1).map(str::to_owned);
        (decision.tier, name.filter(|_| by_rule))
    }

    /// Every rule that ships on: where it holds, and where it must not.
    #[test]
    fn each_rule_that_ships_on_does_what_it_says() {
        use Tier::{Cheap, Frontier, Medium};
        let cases = [
            ("greeting", "good morning!", Frontier, Cheap),
            ("greeting", "Thanks, that works.", Medium, Cheap),
            ("greeting", "你好", Medium, Cheap),
            ("translate", "Translate into German: The theorem holds.", Frontier, Cheap),
            ("translate", "翻译成英文：死锁", Frontier, Cheap),
            ("think_hard", "think hard about the menu", Cheap, Frontier),
            ("quick", "quick question: why is the proof wrong", Frontier, Medium),
            ("proof", "prove that it terminates", Cheap, Frontier),
            ("proof", "证明它会终止", Cheap, Frontier),
            ("concurrency", "there is a deadlock somewhere in the pool", Medium, Frontier),
        ];
        for (name, text, before, after) in cases {
            assert_eq!(starter(&facts(text), before), (after, Some(name.to_owned())), "{text}");
        }
        let code = format!("{}\nwhy?", "    if x { return 1 }\n".repeat(200));
        assert_eq!(starter(&facts(&code), Cheap), (Medium, Some("long_code".to_owned())));
        let side = Facts { step: Step::SideCall, ..facts("### Task: prove that") };
        assert_eq!(starter(&side, Frontier), (Cheap, Some("side_call".to_owned())));
        let again = Facts { failures: 3, ..facts("try again") };
        assert_eq!(starter(&again, Cheap), (Medium, Some("failing".to_owned())));
        assert_eq!(starter(&Facts { failures: 2, ..again }, Cheap), (Cheap, None));
        let high = Facts { effort: Some("high"), ..facts("which tea?") };
        assert_eq!(starter(&high, Cheap), (Medium, Some("high_effort".to_owned())));
        for text in ["what's a deadlock", "hello world in Rust, multithreaded", "is this food proof?", "high tea"] {
            assert_eq!(starter(&facts(text), Cheap), (Cheap, None), "{text}");
        }
        let named: Vec<&str> =
            cases.iter().map(|case| case.0).chain(["long_code", "side_call", "high_effort", "failing"]).collect();
        assert!(Rule::starters().iter().all(|rule| named.contains(&rule.name.as_str())), "every rule has a case");
    }

    #[test]
    fn every_condition_can_keep_a_rule_from_holding() {
        let rule = || Rule { name: "r".to_owned(), tier: Some(Tier::Frontier), ..Rule::default() };
        let some = |text: &str| Some(text.to_owned());
        let words = |word: &str| vec![word.to_owned()];
        let no = [
            Rule { text: some("zebra"), ..rule() },
            Rule { min_chars: Some(100), ..rule() },
            Rule { max_chars: Some(3), ..rule() },
            Rule { min_tokens: Some(11), ..rule() },
            Rule { max_tokens: Some(9), ..rule() },
            Rule { min_tools: Some(1), ..rule() },
            Rule { min_failures: Some(1), ..rule() },
            Rule { min_score: Some(0.3), ..rule() },
            Rule { max_score: Some(0.1), ..rule() },
            Rule { model: some("^gpt"), ..rule() },
            Rule { header: [("X-Team".to_owned(), "blue".to_owned())].into(), ..rule() },
            Rule { key: words("ci"), ..rule() },
            Rule { hours: some("22-6"), ..rule() },
            Rule { step: words("loop"), ..rule() },
            Rule { reasoning_effort: words("low"), ..rule() },
        ];
        let headers = [("x-team".to_owned(), "red".to_owned())];
        let facts = Facts { headers: &headers, ..facts("some text") };
        let apply =
            |rule: Rule| Rules::new(&[rule], &[]).unwrap().apply(&facts, decided(Tier::Cheap), false).decision.tier;
        assert_eq!(apply(rule()), Tier::Frontier);
        for rule in no {
            assert_eq!(apply(rule.clone()), Tier::Cheap, "{rule:?}");
        }
        let red = Rule { header: [("X-Team".to_owned(), "^red$".to_owned())].into(), ..rule() };
        let day = Rule { hours: some("9-17"), ..rule() };
        for rule in [red, day] {
            assert_eq!(apply(rule), Tier::Frontier);
        }
    }

    #[test]
    fn rules_are_looked_at_in_order_and_can_be_switched_off() {
        let own = [
            Rule { name: "floor".to_owned(), at_least: Some(Tier::Medium), ..Rule::default() },
            Rule { name: "ceiling".to_owned(), at_most: Some(Tier::Medium), ..Rule::default() },
        ];
        let rules = Rules::new(&own, &["greeting".to_owned()]).unwrap();
        assert_eq!(rules.apply(&facts("hi"), decided(Tier::Cheap), false).decision.tier, Tier::Medium);
        assert_eq!(rules.apply(&facts("hi"), decided(Tier::Frontier), false).decision.tier, Tier::Medium);
        // The user's bound holds against a rule that ships on.
        let bound = [Rule { name: "floor".to_owned(), at_least: Some(Tier::Medium), ..Rule::default() }];
        let held = Rules::new(&bound, &[]).unwrap().apply(&facts("hi"), decided(Tier::Cheap), false).decision;
        assert_eq!(held.tier, Tier::Medium);
        // A model that was asked is not mended by the rules that ship on.
        let asked = Rules::new(&[], &[]).unwrap().apply(&facts("hi"), decided(Tier::Frontier), true).decision;
        assert_eq!(asked.tier, Tier::Frontier);
        let off: Vec<String> = ["floor", "ceiling", "greeting"].map(str::to_owned).into();
        let decision = Rules::new(&own, &off).unwrap().apply(&facts("hi"), decided(Tier::Frontier), false).decision;
        assert_eq!((decision.tier, decision.source), (Tier::Frontier, Source::Embedded));
    }
}
