//! Named rules over the classifier's decision, in order.
//!
//! Enters: what is known of a request and what the classifier decided. Leaves: that decision, or another
//! with the source `rule` and the rule's name as reason. The user's rules come first, then those that
//! ship on (`config/rules.toml`). A rule that looks at what is not known is not applied, and told.

use std::borrow::Cow;
use std::fmt;

use regex::Regex;

use super::{Decision, Facts};
use crate::catalog::{Judge, Source, Step, Tier};
use crate::config::Rule;
use crate::protocol::{Timestamp, short_hash};

/// What rules made of a decision.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ruled {
    pub(super) decision: Decision,
    /// Names of the rules that held, with blanks between them. Those that could have changed nothing are not looked at.
    pub(super) held: String,
    /// Which rules were looked at: bit n is rule n. Rules from the 64th on have no bit.
    pub(super) looked: u64,
    /// Rules that could have changed something, and that look at what is not known: they were not applied.
    pub(super) unknown: Vec<Unapplied>,
}

/// A rule that was not applied, because it looks at something that is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unapplied {
    /// The rule's name.
    pub rule: String,
    /// What it looks at.
    pub needs: &'static str,
}

impl fmt::Display for Unapplied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule `{}` needs {}: not applied", self.rule, self.needs)
    }
}

/// Whether a rule holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Truth {
    Yes,
    No,
    /// It looks at this, which is not known.
    Unknown(&'static str),
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
    /// Its name and a hash of all that it says, by which it is known again.
    mark: String,
}

/// All rules, in the order in which they are looked at.
#[derive(Debug, Default)]
pub struct Rules {
    rules: Vec<Ready>,
}

impl Rules {
    /// The user's rules, then the ones that ship on, without those that are switched off by name.
    ///
    /// # Errors
    /// A regular expression is none; the configuration's check says so before.
    pub fn new(own: &[Rule], off: &[String]) -> Result<Self, regex::Error> {
        let replaced = |rule: &Rule| Rule::starters().iter().any(|starter| starter.name == rule.name);
        let is_off = |rule: &Rule| off.iter().any(|name| rule.is_called(name));
        let on = |(rule, is_starter): &(&Rule, bool)| !is_off(rule) || (!is_starter && replaced(rule));
        // Switched off, a starter can be replaced by one's own of its name.
        let all = own.iter().map(|rule| (rule, false)).chain(Rule::starters().iter().map(|rule| (rule, true)));
        let rules: Vec<(Rule, bool)> = all.filter(on).map(|(rule, is_starter)| (rule.clone(), is_starter)).collect();
        let ready = |(rule, is_starter): (Rule, bool)| -> Result<Ready, regex::Error> {
            let regex = |text: &Option<String>| text.as_deref().map(Regex::new).transpose();
            let headers = rule.header.iter().map(|(name, value)| Ok((name.to_lowercase(), Regex::new(value)?)));
            Ok(Ready {
                text: regex(&rule.text)?,
                model: regex(&rule.model)?,
                headers: headers.collect::<Result<_, regex::Error>>()?,
                hours: rule.hours(),
                mark: mark(&rule, is_starter),
                rule,
                is_starter,
            })
        };
        Ok(Rules { rules: rules.into_iter().map(ready).collect::<Result<_, _>>()? })
    }

    /// A mark of each rule, in the order in which they are looked at: `NAME=HASH`, where the hash is of all that the rule
    /// says.
    pub fn marks(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|ready| ready.mark.as_str())
    }

    /// Whether one looks at the number of tokens.
    #[must_use]
    pub fn count_tokens(&self) -> bool {
        self.rules.iter().any(|ready| ready.rule.min_tokens.is_some() || ready.rule.max_tokens.is_some())
    }

    /// The headers that they look at, in lower case.
    pub fn headers(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().flat_map(|rule| rule.headers.iter().map(|(name, _)| name.as_str()))
    }

    /// Looks at all rules in order; the first that sets a tier ends it. Those that ship on fix what the embedded
    /// classifier says, and nothing else.
    pub(super) fn apply(&self, facts: &Facts<'_>, decision: Decision, judge: Judge) -> Ruled {
        let mut ruled = Ruled { decision, held: String::new(), looked: 0, unknown: Vec::new() };
        // What the user's rules bound, those that ship on do not leave.
        let (mut floor, mut ceiling) = (Tier::Cheap, Tier::Frontier);
        for (at, ready) in self.rules.iter().enumerate() {
            let rule = &ready.rule;
            if ready.is_starter && judge != Judge::Embedded {
                continue;
            }
            let decided = ruled.decision.tier;
            let bounds = !ready.is_starter && rule.tier.is_none();
            let could = match (rule.tier, rule.at_least, rule.at_most) {
                (Some(tier), _, _) => tier,
                (_, Some(least), _) if least > decided => least,
                (_, _, Some(most)) if most < decided => most,
                _ => decided,
            };
            if !(bounds || could != decided || rule.tier.is_some()) {
                continue;
            }
            match ready.truth(facts, ruled.decision.score) {
                Truth::Yes => ruled.looked |= bit(at),
                Truth::No => {
                    ruled.looked |= bit(at);
                    continue;
                }
                Truth::Unknown(needs) => match facts.recalled.iter().find(|recalled| recalled.mark == ready.mark) {
                    Some(recalled) if recalled.held => {}
                    Some(_) => continue,
                    None => {
                        ruled.unknown.push(Unapplied { rule: rule.name.clone(), needs });
                        continue;
                    }
                },
            }
            if bounds {
                floor = floor.max(rule.at_least.unwrap_or(Tier::Cheap));
                ceiling = ceiling.min(rule.at_most.unwrap_or(Tier::Frontier)).max(floor);
            }
            if !ruled.held.is_empty() {
                ruled.held.push(' ');
            }
            ruled.held.push_str(&rule.name);
            let tier = if ready.is_starter { could.clamp(floor, ceiling) } else { could };
            let decision = &mut ruled.decision;
            if tier != decided {
                let reason = format!("rule {}: {tier} instead of {decided}; {}", rule.name, decision.reason);
                decision.reason = Cow::Owned(reason);
                decision.source = Source::Rule;
                decision.tier = tier;
            }
            if rule.tier.is_some() {
                break;
            }
        }
        ruled
    }
}

/// The bit of a rule's place.
fn bit(at: usize) -> u64 {
    u32::try_from(at).ok().and_then(|at| 1_u64.checked_shl(at)).unwrap_or(0)
}

/// A rule's name and the first 32 bits of a hash of all that it says.
fn mark(rule: &Rule, is_starter: bool) -> String {
    format!("{}={}", rule.name, short_hash(&format!("{rule:?} {is_starter}")))
}

impl Ready {
    /// Whether all that it names is true; the cheapest is asked first.
    fn truth(&self, facts: &Facts<'_>, score: Option<f64>) -> Truth {
        let rule = &self.rule;
        let mut unknown = None;
        // Whether a condition does not hold. What is not known may hold: another condition may tell.
        let mut fails = |known: Option<bool>, needs: &'static str| {
            if known.is_none() {
                unknown.get_or_insert(needs);
            }
            known == Some(false)
        };
        let score = |limit: Option<f64>, of: fn(f64, f64) -> bool| {
            Some(limit.is_none_or(|limit| score.is_some_and(|score| of(score, limit))))
        };
        let no = fails(is_step(&rule.step, facts.step), "the kind of step")
            || fails(among(&rule.key, facts.key.as_deref()), "the key's name")
            || fails(among(&rule.reasoning_effort, facts.effort.as_deref()), "the request's reasoning effort")
            || fails(Some(self.is_in_hours(facts.now_ms)), "the time")
            || fails(within(wide(rule.min_tools), wide(rule.max_tools), facts.tools), "the request's tools")
            || fails(within(wide(rule.min_failures), None, facts.failures), "the results of the request's tools")
            || fails(within(rule.min_tokens, rule.max_tokens, facts.tokens), "the request's tokens")
            || fails(score(rule.min_score, |score, limit| score >= limit), "the score")
            || fails(score(rule.max_score, |score, limit| score <= limit), "the score")
            || fails(self.has_length(facts), "the text's length")
            || fails(self.has_headers(facts), "the request's headers")
            || fails(matches(self.model.as_ref(), facts.model.as_deref()), "the requested model")
            || fails(matches(self.text.as_ref(), facts.text.as_deref()), "the text");
        match unknown {
            _ if no => Truth::No,
            Some(needs) => Truth::Unknown(needs),
            None => Truth::Yes,
        }
    }

    fn is_in_hours(&self, now_ms: i64) -> bool {
        let Some((from, to)) = self.hours else { return true };
        let hour = Timestamp(now_ms).hour();
        if from <= to { (from..to).contains(&hour) } else { hour >= from || hour < to }
    }

    fn has_headers(&self, facts: &Facts<'_>) -> Option<bool> {
        if self.headers.is_empty() {
            return Some(true);
        }
        let headers = facts.headers.as_ref()?;
        let has = |(name, value): &(String, Regex)| headers.iter().any(|(it, text)| it == name && value.is_match(text));
        Some(self.headers.iter().all(has))
    }

    fn has_length(&self, facts: &Facts<'_>) -> Option<bool> {
        let Rule { min_chars, max_chars, .. } = self.rule;
        if min_chars.is_none() && max_chars.is_none() {
            return Some(true);
        }
        let Some(text) = &facts.text else { return within(wide(min_chars), wide(max_chars), facts.text_chars) };
        // A text has at most as many characters as bytes, and at least a quarter: most need not be counted.
        if min_chars.is_some_and(|least| text.len() < least) || max_chars.is_some_and(|most| text.len() / 4 > most) {
            return Some(false);
        }
        within(wide(min_chars), wide(max_chars), Some(text.chars().count() as u64))
    }
}

/// Whether a word is in a list; an empty list wants none.
fn among(list: &[String], word: Option<&str>) -> Option<bool> {
    if list.is_empty() {
        return Some(true);
    }
    let word = word?;
    Some(list.iter().any(|known| known == word))
}

/// Whether a step is of a listed kind; an empty list wants none.
fn is_step(list: &[String], step: Option<Step>) -> Option<bool> {
    if list.is_empty() {
        return Some(true);
    }
    let step = step?;
    Some(list.iter().filter_map(|kind| Step::from_name(kind)).any(|kind| step.is_a(kind)))
}

/// Whether a figure is between two bounds, both inclusive.
fn within(least: Option<u64>, most: Option<u64>, figure: Option<u64>) -> Option<bool> {
    if least.is_none() && most.is_none() {
        return Some(true);
    }
    let figure = figure?;
    Some(least.is_none_or(|least| figure >= least) && most.is_none_or(|most| figure <= most))
}

/// Whether a text matches an expression; none matches everything.
fn matches(expression: Option<&Regex>, text: Option<&str>) -> Option<bool> {
    let Some(expression) = expression else { return Some(true) };
    text.map(|text| expression.is_match(text))
}

fn wide(figure: Option<usize>) -> Option<u64> {
    figure.map(|figure| figure as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noon.
    const NOON_MS: i64 = 12 * 3_600_000;

    fn facts(text: &str) -> Facts<'_> {
        Facts {
            text: Some(text.into()),
            step: Some(Step::Turn),
            tokens: Some(10),
            tools: Some(0),
            failures: Some(0),
            model: Some("auto".into()),
            key: Some("".into()),
            effort: Some("".into()),
            headers: Some(Cow::Borrowed(&[])),
            now_ms: NOON_MS,
            ..Facts::default()
        }
    }

    fn decided(tier: Tier) -> Decision {
        let score = Some([0.2, 0.5, 0.8][tier as usize]);
        Decision { tier, source: Source::Embedded, score, confidence: Some(0.5), reason: Cow::Borrowed("x") }
    }

    fn starter(facts: &Facts<'_>, tier: Tier) -> (Tier, Option<String>) {
        let decision = Rules::new(&[], &[]).unwrap().apply(facts, decided(tier), Judge::Embedded).decision;
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
        let side = Facts { step: Some(Step::BackgroundCall), ..facts("### Task: prove that") };
        assert_eq!(starter(&side, Frontier), (Cheap, Some("background_call".to_owned())));
        let again = Facts { failures: Some(3), ..facts("try again") };
        assert_eq!(starter(&again, Cheap), (Medium, Some("failing".to_owned())));
        assert_eq!(starter(&Facts { failures: Some(2), ..again.clone() }, Cheap), (Cheap, None));
        let high = Facts { effort: Some("high".into()), ..facts("which tea?") };
        assert_eq!(starter(&high, Cheap), (Medium, Some("high_effort".to_owned())));
        for text in ["what's a deadlock", "hello world in Rust, multithreaded", "is this food proof?", "high tea"] {
            assert_eq!(starter(&facts(text), Cheap), (Cheap, None), "{text}");
        }
        let named: Vec<&str> =
            cases.iter().map(|case| case.0).chain(["long_code", "background_call", "high_effort", "failing"]).collect();
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
        let facts = Facts { headers: Some(Cow::Borrowed(&headers)), ..facts("some text") };
        let apply = |rule: Rule| {
            Rules::new(&[rule], &[]).unwrap().apply(&facts, decided(Tier::Cheap), Judge::Embedded).decision.tier
        };
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
        assert_eq!(rules.apply(&facts("hi"), decided(Tier::Cheap), Judge::Embedded).decision.tier, Tier::Medium);
        assert_eq!(rules.apply(&facts("hi"), decided(Tier::Frontier), Judge::Embedded).decision.tier, Tier::Medium);
        // The user's bound holds against a rule that ships on.
        let bound = [Rule { name: "floor".to_owned(), at_least: Some(Tier::Medium), ..Rule::default() }];
        let held = Rules::new(&bound, &[]).unwrap().apply(&facts("hi"), decided(Tier::Cheap), Judge::Embedded).decision;
        assert_eq!(held.tier, Tier::Medium);
        // A model that was asked is not fixed by the rules that ship on.
        let asked = Rules::new(&[], &[]).unwrap().apply(&facts("hi"), decided(Tier::Frontier), Judge::Model).decision;
        assert_eq!(asked.tier, Tier::Frontier);
        let off: Vec<String> = ["floor", "ceiling", "greeting"].map(str::to_owned).into();
        let decision =
            Rules::new(&own, &off).unwrap().apply(&facts("hi"), decided(Tier::Frontier), Judge::Embedded).decision;
        assert_eq!((decision.tier, decision.source), (Tier::Frontier, Source::Embedded));
    }
}
