//! `xrouter replay`: what another configuration would have decided, from the history alone.
//!
//! The history has scores, what else was looked at, and outcomes, not prompts: thresholds and rules that look at
//! anything but words are decided anew; one that looks at words holds now if it held then.

use std::collections::BTreeMap;

use anyhow::anyhow;
use console::style;
use regex::Regex;

use super::usage::period;
use super::{Failure, HistoryFile, load};
use crate::catalog::{Catalog, NanoUsd, Price, Tier};
use crate::config::{ClassifierKind, Loaded, Rule};
use crate::protocol::TokenUsage;
use crate::providers::Target;
use crate::routing::{Rules, Thresholds};
use crate::store::{Filter, HistoryRow, Store};

/// Rows that are read at once.
const PAGE: u32 = 1_000;
/// Longest list of risks.
const RISKS: usize = 10;

/// Decide the history anew with another configuration: what would move, what it would cost, what is at risk
#[derive(Debug, clap::Args)]
pub(super) struct Replay {
    /// First moment: 24h, 7d and the like (until now), or a time such as 2026-11-26
    #[arg(long, value_name = "WHEN", default_value = "7d")]
    since: String,
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    history: HistoryFile,
}

/// What came out.
#[derive(Debug, Default)]
struct Outcome {
    rows: u64,
    /// Rows that no classifier decided, or that a rule decided which is gone: kept as they are.
    kept: BTreeMap<String, u64>,
    /// From tier, to tier.
    moved: BTreeMap<(u8, u8), u64>,
    before: i64,
    after: i64,
    /// Moved rows whose cost before or after is not known.
    unpriced: u64,
    risks: Vec<Risk>,
}

/// A row that would go down: the nearer its score is to where it was, the more is at risk.
#[derive(Debug)]
struct Risk {
    request_id: String,
    time: String,
    score: f64,
    from: Tier,
    to: Tier,
}

impl Replay {
    pub(super) async fn run(self) -> Result<(), Failure> {
        // The configuration to try; the history is the one that it names, or --db.
        let loaded = load(&self.history.file.sources()?)?;
        let (_, path) = self.history.find()?;
        let store = Store::reading(&path).await?;
        let judge = Judge::new(&loaded)?;
        let filter = Filter { period: period(Some(&self.since), None)?, ..Filter::default() };
        let mut outcome = Outcome::default();
        let mut before = None;
        loop {
            let page = store.page(&filter, before, PAGE).await?;
            page.rows.iter().for_each(|row| judge.look(row, &mut outcome));
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        // What was judged hardest is at the greatest risk.
        outcome.risks.sort_by(|one, other| other.score.total_cmp(&one.score));
        if self.json {
            outcome.print_json();
        } else {
            outcome.print(&self.since);
        }
        Ok(())
    }
}

/// The other configuration, as far as the history can be judged by it.
struct Judge {
    kind: ClassifierKind,
    /// Confidence under which a cascade asks its model.
    unsure_below: f64,
    thresholds: Thresholds,
    /// Each with what it wants of the model's name.
    rules: Vec<(Rule, Option<Regex>)>,
    prices: [Option<Price>; 3],
}

impl Judge {
    fn new(loaded: &Loaded) -> Result<Self, Failure> {
        let classifier = &loaded.config.classifier;
        let catalog = Catalog::embedded();
        let mut prices = [None; 3];
        for tier in Tier::ALL {
            let Some(upstream) = loaded.upstreams.of(tier).first() else { continue };
            let target = Target::new(upstream.clone(), &catalog).map_err(|error| Failure::Usage(anyhow!(error)))?;
            let model = upstream.model.clone().unwrap_or_default();
            prices[tier as usize] = target.price(&catalog, &model);
        }
        let wrong = |error: regex::Error| Failure::Usage(error.into());
        let rules = Rules::new(&classifier.rules, &classifier.rules_off).map_err(wrong)?;
        let with_model = |rule: &Rule| Ok((rule.clone(), rule.model.as_deref().map(Regex::new).transpose()?));
        let rules = rules.all().map(with_model).collect::<Result<_, _>>().map_err(wrong)?;
        let thresholds = Thresholds { medium_at: classifier.medium_at, frontier_at: classifier.frontier_at };
        Ok(Judge {
            kind: classifier.effective_kind(),
            unsure_below: classifier.unsure_below,
            thresholds,
            rules,
            prices,
        })
    }

    fn look(&self, row: &HistoryRow, outcome: &mut Outcome) {
        outcome.rows += 1;
        let Some(old) = u8::try_from(row.decision).ok().and_then(Tier::from_number) else { return };
        let new = match self.decide(row) {
            Ok(new) => new,
            Err(why) => {
                *outcome.kept.entry(why).or_default() += 1;
                return;
            }
        };
        if new == old {
            return;
        }
        *outcome.moved.entry((old.number(), new.number())).or_default() += 1;
        match (row.cost, self.cost(row, new)) {
            (Some(before), Some(after)) => {
                outcome.before += before.0;
                outcome.after += after.0;
            }
            _ => outcome.unpriced += 1,
        }
        if new < old {
            let (request_id, time) = (row.request_id.clone(), row.time.clone());
            outcome.risks.push(Risk { request_id, time, score: row.score.unwrap_or_default(), from: old, to: new });
        }
    }

    /// The tier now; or why it stays as it was.
    fn decide(&self, row: &HistoryRow) -> Result<Tier, String> {
        if row.source != "forced" && self.kind == ClassifierKind::Off {
            return Ok(Tier::Frontier);
        }
        let score = match (row.source.as_str(), row.score) {
            ("embedded" | "cache" | "rule", Some(score)) => score,
            (source, _) => return Err(source.to_owned()),
        };
        let asks = match self.kind {
            ClassifierKind::Llm => true,
            ClassifierKind::Cascade => row.confidence.is_some_and(|confidence| confidence < self.unsure_below),
            ClassifierKind::Embedded | ClassifierKind::Off => false,
        };
        if asks {
            return Err("a model would be asked".to_owned());
        }
        let mut tier = self.thresholds.tier(score);
        let held = held(row);
        for (rule, model) in &self.rules {
            // What it looked at is not kept; whether it held is.
            let looks_at_words = rule.text.is_some() || !rule.header.is_empty() || rule.min_failures.is_some();
            let holds = if looks_at_words {
                held.contains(&rule.name.as_str())
            } else {
                holds(rule, model.as_ref(), row, score)
            };
            if !holds {
                continue;
            }
            tier = match (rule.tier, rule.at_least, rule.at_most) {
                (Some(set), _, _) => set,
                (_, Some(least), _) => tier.max(least),
                (_, _, Some(most)) => tier.min(most),
                _ => tier,
            };
            if rule.tier.is_some() {
                break;
            }
        }
        Ok(tier)
    }

    /// What the row's tokens cost at a tier's first upstream.
    fn cost(&self, row: &HistoryRow, tier: Tier) -> Option<NanoUsd> {
        let number = |tokens: Option<i64>| tokens.and_then(|tokens| u64::try_from(tokens).ok());
        let usage = TokenUsage {
            input_tokens: number(row.input_tokens),
            cached_input_tokens: number(row.cached_input_tokens),
            cache_write_tokens: number(row.cache_write_tokens),
            cache_write_1h_tokens: None,
            output_tokens: number(row.output_tokens),
            reasoning_tokens: number(row.reasoning_tokens),
        };
        self.prices[tier as usize]?.cost(&usage)
    }
}

/// The rules that held then. Rows of an older version tell only the one that changed something, in `rule NAME: …`.
fn held(row: &HistoryRow) -> Vec<&str> {
    if let Some(rules) = &row.rules {
        return rules.split(' ').collect();
    }
    let reason = row.reason.as_deref().filter(|_| row.source == "rule");
    reason.and_then(|reason| reason.strip_prefix("rule ")?.split_once(':')).map(|(name, _)| name).into_iter().collect()
}

/// Whether a rule that looks at nothing but what is kept holds for a row. What is not known holds for no rule.
fn holds(rule: &Rule, model: Option<&Regex>, row: &HistoryRow, score: f64) -> bool {
    let number = |figure: Option<i64>| figure.and_then(|figure| u64::try_from(figure).ok());
    let within = |least: Option<u64>, most: Option<u64>, figure: Option<u64>| {
        least.is_none_or(|least| figure.is_some_and(|figure| figure >= least))
            && most.is_none_or(|most| figure.is_some_and(|figure| figure <= most))
    };
    let wide = |bound: Option<usize>| bound.map(|bound| bound as u64);
    let among = |list: &[String], word: Option<&str>| {
        list.is_empty() || word.is_some_and(|word| list.iter().any(|known| known == word))
    };
    let hour: Option<u8> = row.time.get(11..13).and_then(|hour| hour.parse().ok());
    let in_hours = rule.hours().is_none_or(|(from, to)| {
        hour.is_some_and(|hour| if from <= to { (from..to).contains(&hour) } else { hour >= from || hour < to })
    });
    let model = model.is_none_or(|model| model.is_match(row.requested_model.as_deref().unwrap_or_default()));
    in_hours
        && model
        && among(&rule.key, row.key.as_deref())
        && among(&rule.step, row.step.as_deref())
        && among(&rule.reasoning_effort, row.reasoning_effort.as_deref())
        && rule.min_score.is_none_or(|least| score >= least)
        && rule.max_score.is_none_or(|most| score <= most)
        && within(rule.min_tokens, rule.max_tokens, number(row.input_tokens))
        && within(wide(rule.min_chars), wide(rule.max_chars), number(row.text_chars))
        && within(wide(rule.min_tools), wide(rule.max_tools), number(row.tools))
}

impl Outcome {
    fn moved_rows(&self) -> u64 {
        self.moved.values().sum()
    }

    fn print(&self, since: &str) {
        println!("{} requests since {since}, {} would move", self.rows, style(self.moved_rows()).bold());
        for ((from, to), count) in &self.moved {
            println!("  {:<8} → {:<8} {count:>8}", name(*from), name(*to));
        }
        for (source, count) in &self.kept {
            println!("  {:<19} {count:>8}", format!("kept, {source}"));
        }
        let same = self.rows.saturating_sub(self.moved_rows() + self.kept.values().sum::<u64>());
        println!("  {:<19} {same:>8}", "as before");
        if self.moved_rows() > self.unpriced {
            let difference = NanoUsd(self.after - self.before);
            println!(
                "their cost: {} instead of {} US dollars ({})",
                usd(self.after),
                usd(self.before),
                usd(difference.0)
            );
            println!("(at the same tokens and the same share of cached ones: an estimate)");
        }
        if self.unpriced > 0 {
            println!("{} of them have no known price", self.unpriced);
        }
        if !self.risks.is_empty() {
            println!("\n{} would go down; those with the highest scores:", self.risks.len());
            for risk in self.risks.iter().take(RISKS) {
                println!("  {:.3}  {} → {}  {}  {}", risk.score, risk.from, risk.to, risk.time, risk.request_id);
            }
        }
    }

    fn print_json(&self) {
        let moved: Vec<_> = self
            .moved
            .iter()
            .map(|((from, to), count)| serde_json::json!({ "from": from, "to": to, "requests": count }))
            .collect();
        let risks: Vec<_> = self
            .risks
            .iter()
            .map(|risk| {
                serde_json::json!({ "request_id": risk.request_id, "time": risk.time, "score": risk.score,
                    "from": risk.from.number(), "to": risk.to.number() })
            })
            .collect();
        let priced = self.moved_rows() > self.unpriced;
        let json = serde_json::json!({
            "requests": self.rows, "moved": moved, "kept": self.kept, "unpriced_requests": self.unpriced,
            "cost_usd_before": priced.then(|| dollars(self.before)), "cost_usd_after": priced.then(|| dollars(self.after)),
            "risks": risks,
        });
        println!("{json:#}");
    }
}

fn name(tier: u8) -> &'static str {
    Tier::from_number(tier).map_or("?", Tier::as_str)
}

#[expect(clippy::cast_precision_loss, reason = "shown with some digits")]
fn dollars(nano: i64) -> f64 {
    nano as f64 / 1e9
}

fn usd(nano: i64) -> String {
    format!("{:.6}", dollars(nano))
}
