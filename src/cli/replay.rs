//! `xrouter replay`: what another configuration would have decided, from the history alone.
//!
//! The history has scores, verdicts, what else was looked at, and outcomes, not prompts. Each row is decided anew by the
//! function that decides requests; what cannot be told from the row is counted, and not guessed.

use std::collections::BTreeMap;
use std::sync::Arc;

use console::style;

use super::usage::period;
use super::{Failure, HistoryFile, load};
use crate::app;
use crate::catalog::{Api, ByTier, Catalog, NanoUsd, Tier};
use crate::gateway::{Recall, Retold, marks_of, tier_prices};
use crate::protocol::Timestamp;
use crate::providers::Target;
use crate::routing::Thresholds;
use crate::store::{Filter, Row, Store};

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
    /// Rows of which it cannot be told, by the reason.
    cannot_tell: BTreeMap<String, u64>,
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
        let classifier = app::classifier(&loaded)?;
        let policy = app::policy(&loaded.config)?;
        let config = &loaded.config.classifier;
        let catalog = Catalog::embedded();
        let judge = Judge {
            recall: Recall {
                classifier: &classifier,
                policy: &policy,
                marks: &marks_of(&classifier, &policy, config.strategy, config.max_chars),
                policies: store.policies().await?,
            },
            thresholds: Thresholds::configured(&loaded.config),
            tiers: app::targets(&loaded.upstreams, &catalog)?,
            catalog,
        };
        let filter = Filter { period: period(Some(&self.since), None)?, ..Filter::default() };
        let mut outcome = Outcome::default();
        let mut before = None;
        loop {
            let page = store.page(&filter, before, PAGE).await?;
            // Of embeddings nothing was decided.
            let decided = page.rows.iter().filter(|row| row.api != Some(Api::Embeddings));
            decided.for_each(|row| judge.look(row, &mut outcome));
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

/// The other configuration.
struct Judge<'a> {
    recall: Recall<'a>,
    thresholds: Thresholds,
    tiers: ByTier<Vec<Arc<Target>>>,
    catalog: Catalog,
}

impl Judge<'_> {
    fn look(&self, row: &Row, outcome: &mut Outcome) {
        outcome.rows += 1;
        let prices = tier_prices(&self.tiers, &self.catalog, &row.requested_model);
        let (old, new) = match self.recall.decide(row, self.thresholds, &prices) {
            Retold::Decided(decided) => (row.decision, decided.decision.tier),
            Retold::CannotTell(why) => {
                *outcome.cannot_tell.entry(why.into_owned()).or_default() += 1;
                return;
            }
        };
        if new == old {
            return;
        }
        *outcome.moved.entry((old.number(), new.number())).or_default() += 1;
        match (row.cost, prices[new].and_then(|price| price.cost(&row.usage))) {
            (Some(before), Some(after)) => {
                outcome.before += before.0;
                outcome.after += after.0;
            }
            _ => outcome.unpriced += 1,
        }
        if new < old {
            let (request_id, time) = (row.request_id.clone(), Timestamp(row.created_at_ms).to_string());
            outcome.risks.push(Risk { request_id, time, score: row.score.unwrap_or_default(), from: old, to: new });
        }
    }
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
        let unknown: u64 = self.cannot_tell.values().sum();
        let same = self.rows.saturating_sub(self.moved_rows() + unknown);
        println!("  {:<19} {same:>8}", "as before");
        if unknown > 0 {
            println!("  {:<19} {unknown:>8}", "cannot tell");
            for (why, count) in &self.cannot_tell {
                println!("    {count:>8}  {why}");
            }
        }
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
            "requests": self.rows, "moved": moved, "cannot_tell": self.cannot_tell, "unpriced_requests": self.unpriced,
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
