//! `xrouter train`: a model file from labelled prompts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use sha2::{Digest, Sha256};

use super::Failure;
use super::eval::{print, print_json};
use crate::config::Strategy;
use crate::protocol::ChatRequest;
use crate::routing::{self, Thresholds};
use crate::training::{self, Baseline, Example, Recipe, Row};

/// How often intervals are resampled.
const RESAMPLES: usize = 200;

/// Sources that are left out one by one: those where a weak and a strong model were measured.
const MEASURED: [&[&str]; 5] = [&["mmlu"], &["mmlu_pro"], &["gsm8k"], &["llmrouter"], &["bfcl"]];
/// Sources whose tier is given by the kind of request.
const CONSTRUCTED: &[&str] = &["arena_hard", "clinc150", "banking77"];
/// Prompts that people wrote for this.
const HAND: &[&str] = &["hand_everyday", "hand_hard", "own"];

/// Train the embedded classifier on labelled prompts: the same prompts make the same bytes
#[derive(Debug, clap::Args)]
pub(super) struct Train {
    /// Folder with `train.jsonl` and `dev.jsonl` (or `.jsonl.gz`); docs/classifier.md has their fields
    folder: PathBuf,
    /// More labelled prompts to train on
    #[arg(long, value_name = "FILE")]
    with: Vec<PathBuf>,
    /// Where the model goes; without it, nothing is written
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Also compare: baselines, every measured source left out in turn, hand-written prompts cross-validated
    #[arg(long)]
    compare: bool,
    /// Figures as JSON
    #[arg(long)]
    json: bool,
}

impl Train {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut train = rows(&self.folder, "train")?;
        let dev = rows(&self.folder, "dev")?;
        for file in &self.with {
            train.extend(training::read(file).map_err(|error| Failure::Usage(error.into()))?);
        }
        for (name, rows) in [("train", &train), ("dev", &dev)] {
            if !rows.iter().any(|row| row.weak.is_some()) {
                return Err(Failure::Usage(anyhow!("{name} has no row with `weak`: there is nothing to learn from")));
            }
        }
        let (train, dev) = (examples(&train)?, examples(&dev)?);
        let (train, dev): (Vec<&Example<'_>>, Vec<&Example<'_>>) = (train.iter().collect(), dev.iter().collect());
        let recipe = Recipe::default();
        let model = training::fit(&train, &dev, &recipe);
        let thresholds = Thresholds::default();
        let file = model.write();
        if let Some(out) = &self.out {
            std::fs::write(out, &file)
                .with_context(|| format!("cannot write {}", out.display()))
                .map_err(Failure::Usage)?;
        }
        let hash = hex::encode(Sha256::digest(&file));
        eprintln!("{} rows, {} bytes, SHA-256 {hash}", train.len(), file.len());
        let show = |title: &str, report: &training::Report| {
            if self.json { print_json(title, report, &BTreeMap::new()) } else { print(title, report) }
        };
        let judged = training::judge(&model, thresholds, &dev);
        show("dev", &training::report(&judged, RESAMPLES));
        let scores: Vec<(f64, bool)> =
            judged.iter().filter_map(|judged| Some((judged.score, judged.row.weak? < 0.5))).collect();
        if let Some(error) = training::cross_validated(&scores) {
            println!("calibration error by five-fold on dev: {error:.4}");
        }
        if self.compare {
            for baseline in [Baseline::Random, Baseline::Length, Baseline::Keywords] {
                show(&format!("dev, {baseline:?}"), &training::report(&baseline.judge(&dev), RESAMPLES));
            }
            let reference = training::fit_reference(&train, &dev);
            let judged = training::judge(&reference, thresholds, &dev);
            show("dev, the reference recipe", &training::report(&judged, RESAMPLES));
            let ours = |train: &[&Example<'_>], dev: &[&Example<'_>]| training::fit(train, dev, &recipe);
            let recipes: [(&str, &training::Fit<'_>); 2] =
                [("", &ours), (", the reference recipe", &training::fit_reference)];
            for (name, fit) in recipes {
                let report = training::left_out(&train, &dev, &MEASURED, fit, thresholds, RESAMPLES);
                show(&format!("each source left out of training{name}"), &report);
                let report = training::left_out(&train, &dev, &[CONSTRUCTED], fit, thresholds, RESAMPLES);
                show(&format!("arena_hard, clinc150 and banking77 left out together{name}"), &report);
            }
            show(
                "hand-written prompts, cross-validated",
                &training::cross_validate(&train, &dev, HAND, &recipe, thresholds),
            );
        }
        Ok(())
    }
}

/// The rows of `NAME.jsonl` or `NAME.jsonl.gz` in a folder.
fn rows(folder: &Path, name: &str) -> Result<Vec<Row>, Failure> {
    let file = [format!("{name}.jsonl"), format!("{name}.jsonl.gz")]
        .iter()
        .map(|name| folder.join(name))
        .find(|file| file.is_file())
        .ok_or_else(|| Failure::Usage(anyhow!("{} has neither {name}.jsonl nor {name}.jsonl.gz", folder.display())))?;
    training::read(&file).map_err(|error| Failure::Usage(error.into()))
}

/// Rows with the text that the router would classify of each.
pub(super) fn examples(rows: &[Row]) -> Result<Vec<Example<'_>>, Failure> {
    rows.iter()
        .map(|row| {
            let body = row.body();
            let request = ChatRequest::parse(body.as_bytes())
                .map_err(|error| Failure::Usage(anyhow!("row {}: {error}", row.id)))?;
            let input = routing::input(&request, Strategy::CurrentRequest, usize::MAX);
            Ok(Example::new(row, input.text.into_owned()))
        })
        .collect()
}
