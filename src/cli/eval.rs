//! `xrouter eval`: how well the configured classifier routes labelled prompts.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::anyhow;

use super::offline::{Extent, Offline};
use super::{ConfigFile, Failure};
use crate::protocol::ChatRequest;
use crate::training::{self, Asked, Believed, Confidence, Judged, Quality, Report, Tiers, Unsure};

/// Measure how well the configured classifier routes labelled prompts
#[derive(Debug, clap::Args)]
pub(super) struct Eval {
    /// Labelled prompts, a JSON object a line, gzipped or not; docs/classifier.md has their fields
    file: PathBuf,
    #[command(flatten)]
    config: ConfigFile,
    /// Figures as JSON
    #[arg(long)]
    json: bool,
    /// How often the intervals are resampled; 0 for none
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(..=10_000))]
    resamples: u16,
}

impl Eval {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let offline = Offline::new(&self.config.sources()?)?;
        let rows = training::read(&self.file).map_err(|error| Failure::Usage(error.into()))?;
        let mut judged = Vec::with_capacity(rows.len());
        let mut unapplied: BTreeMap<String, u64> = BTreeMap::new();
        for row in &rows {
            let body = row.body();
            let request = ChatRequest::parse(body.as_bytes())
                .map_err(|error| Failure::Usage(anyhow!("row {}: {error}", row.id)))?;
            // A row has a person's words; with tools, it is the whole conversation.
            let extent = if row.tools.is_some() { Extent::Conversation } else { Extent::Words };
            let (decided, classified) = offline
                .decide(&request, extent, None)
                .await
                .map_err(|error| Failure::Usage(anyhow!("row {}: {error}", row.id)))?;
            for unknown in &decided.unknown {
                *unapplied.entry(unknown.to_string()).or_default() += 1;
            }
            let decision = decided.decision;
            // A model that was asked gives a tier and no score.
            let score = decision.score.unwrap_or(f64::from(decision.tier.number()) / 2.0);
            let alone = offline.alone(&request, classified.as_ref());
            judged.push(Judged { row, score, tier: decision.tier.number(), confidence: decision.confidence, alone });
        }
        let report = training::report(&judged, usize::from(self.resamples));
        let title = self.file.display().to_string();
        if self.json {
            print_json(&title, &report, &unapplied);
        } else {
            print(&title, &report);
            for (what, rows) in unapplied {
                println!("  {what} ({rows} rows)");
            }
        }
        Ok(())
    }
}

/// All figures, with the names that they have in the documentation.
pub(super) fn print_json(title: &str, report: &Report, unapplied: &BTreeMap<String, u64>) {
    let mut json = serde_json::json!(report);
    json["title"] = title.into();
    json["not_applied"] = serde_json::json!(unapplied);
    println!("{json:#}");
}

/// All figures as tables.
pub(super) fn print(title: &str, report: &Report) {
    println!("{title}");
    println!(
        "  {:<18} {:>6} {:>6} {:>6} {:>6} {:>12} {:>6} {:>6} {:>7} {:>8} {:>8} {:>6} {:>6} {:>6} {:>6} {:>6}",
        "source",
        "rows",
        "weak",
        "strong",
        "APGR",
        "95 %",
        "CPT50",
        "CPT80",
        "saved95",
        "AUCneed",
        "AUCfail",
        "rho",
        "acc",
        "F1",
        "over",
        "under"
    );
    for (source, figures) in &report.sources {
        let quality = figures.quality.as_ref();
        let tiers = figures.tiers.as_ref();
        println!(
            "  {source:<18} {:>6} {} {:>8} {:>8} {:>6} {}",
            figures.rows,
            ranking(quality),
            figure(figures.auc_need),
            figure(figures.auc_fail),
            figure(figures.rho),
            shares(tiers),
        );
    }
    for (domain, quality) in &report.mix {
        println!("  {:<18} {:>6} {}", format!("mix, {domain}"), quality.n, ranking(Some(quality)));
    }
    for (domain, tiers) in &report.tier3 {
        println!(
            "  three tiers, {domain}: {} rows, accuracy {:.3}, macro-F1 {:.3}, over {:.3}, under {:.3}",
            tiers.n_tier, tiers.acc, tiers.f1, tiers.over, tiers.under
        );
    }
    for (lang, behaviour) in &report.behaviour {
        println!(
            "  {lang}: hard above trivial {:.3}, trivial to the cheap tier {:.3} (n {}), hard to the frontier {:.3} (n {})",
            behaviour.auc, behaviour.trivial_to_tier0, behaviour.trivial_n, behaviour.hard_to_tier2, behaviour.hard_n
        );
    }
    for (name, graded) in &report.graded {
        let [cheap, medium, frontier] = graded.recall.map(figure);
        println!(
            "  graded, {name}: {} rows, macro-F1 {:.3}, recall {cheap} {medium} {frontier}, over {:.3}, under {:.3}, \
             kappa {}, AUC {} {}",
            graded.n,
            graded.f1,
            graded.over,
            graded.under,
            figure(graded.kappa),
            figure(graded.auc01),
            figure(graded.auc12)
        );
    }
    if let Some(confidence) = &report.confidence {
        print_confidence(confidence);
    }
}

fn print_confidence(confidence: &Confidence) {
    println!("  confidence, graded rows: calibration error {}", figure(confidence.error));
    for (name, Believed { n, confidence, right }) in &confidence.groups {
        println!("  confidence, {name}: {n} rows, on average {confidence:.3}, right {right:.3}");
    }
    for Unsure { below, share, wrong } in &confidence.unsure {
        println!(
            "  a cascade with unsure_below = {below} asks for {share:.3} of the rows; wrong without it: {}",
            figure(*wrong)
        );
    }
    if let Some(Asked { calls, share, right_alone, right, gain_per_call }) = &confidence.asked {
        println!(
            "  the model was asked for {calls} graded rows ({share:.3}): right {right:.3}, {right_alone:.3} without it, \
             gain per call {gain_per_call:+.3}"
        );
    }
}

fn figure(figure: Option<f64>) -> String {
    figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.3}"))
}

fn ranking(quality: Option<&Quality>) -> String {
    let of = |of: fn(&Quality) -> Option<f64>| figure(quality.and_then(of));
    let interval = quality
        .and_then(|quality| quality.ci)
        .map_or_else(|| "-".to_owned(), |[low, high]| format!("{low:.2}–{high:.2}"));
    format!(
        "{:>6} {:>6} {:>6} {interval:>12} {:>6} {:>6} {:>7}",
        of(|quality| Some(quality.q_weak)),
        of(|quality| Some(quality.q_strong)),
        of(|quality| quality.apgr),
        of(|quality| quality.cpt50),
        of(|quality| quality.cpt80),
        of(|quality| quality.saved95),
    )
}

fn shares(tiers: Option<&Tiers>) -> String {
    let of = |of: fn(&Tiers) -> f64| figure(tiers.map(of));
    format!(
        "{:>6} {:>6} {:>6} {:>6}",
        of(|tiers| tiers.acc),
        of(|tiers| tiers.f1),
        of(|tiers| tiers.over),
        of(|tiers| tiers.under)
    )
}
