//! `xrouter train`: a model file from labelled prompts.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use sha2::{Digest, Sha256};

use super::eval::{print, print_json};
use super::learn::Learn;
use super::{Failure, HistoryFile};
use crate::config::Strategy;
use crate::protocol::ChatRequest;
use crate::routing::{self, Thresholds};
use crate::training::{self, Baseline, Example, Kind, Recipe, Row};

/// How often intervals are resampled.
const RESAMPLES: usize = 200;

/// Sources that are left out one by one: those where a weak and a strong model were measured.
const MEASURED: [&[&str]; 5] = [&["mmlu"], &["mmlu_pro"], &["gsm8k"], &["llmrouter"], &["bfcl"]];
/// Sources whose tier is given by the kind of request.
const CONSTRUCTED: &[&str] = &["arena_hard", "clinc150", "banking77"];
/// Sources whose tier people gave.
const GRADED: &[&str] = &[
    "arena_hard_read",
    "selfinstruct_read",
    "followbench_read",
    "taskbench",
    "spider",
    "tal_math",
    "exercism",
    "numpy_pandas",
    "app_ideas",
    "cmath",
];

/// Train the embedded classifier on labelled prompts: the same prompts make the same bytes
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[derive(Debug, clap::Args)]
pub(super) struct Train {
    /// Folder with `train.jsonl` and `dev.jsonl` (or `.jsonl.gz`), and `graded-train` and `graded-dev` if there are any;
    /// docs/classifier.md has their fields
    #[arg(required_unless_present_any = ["from_history", "revert"])]
    folder: Option<PathBuf>,
    /// More labelled prompts to train on: a file, or a folder of `.jsonl` files
    #[arg(long, value_name = "PATH")]
    with: Vec<PathBuf>,
    /// Wrappers: lines of `lang` and `template`, which has {request} in it. Each graded prompt is learnt in two of them, too
    #[arg(long, value_name = "FILE")]
    wrappers: Option<PathBuf>,
    /// Where the model goes; without it, nothing is written
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Also compare: baselines, every measured source left out in turn, the graded ones
    /// together, prompts of our own cross-validated
    #[arg(long)]
    compare: bool,
    /// Figures as JSON
    #[arg(long)]
    json: bool,
    /// Learn the two thresholds from the history instead: from reports (POST /v1/feedback) and from what became of
    /// requests. Prompts are not needed
    #[arg(long, conflicts_with_all = ["folder", "with", "wrappers", "out", "compare"])]
    from_history: bool,
    /// First moment of that history: 24h, 7d and the like, or a time such as 2026-11-26
    #[arg(long, value_name = "WHEN", default_value = "30d", requires = "from_history")]
    since: String,
    /// Write what was learnt into the configuration file, which is kept as it was for --revert
    #[arg(long, requires = "from_history")]
    apply: bool,
    /// Put the configuration file back as it was before the last --apply
    #[arg(long, conflicts_with_all = ["folder", "from_history"])]
    revert: bool,
    #[command(flatten)]
    history: HistoryFile,
}

impl Train {
    pub(super) async fn run(self) -> Result<(), Failure> {
        if self.revert {
            return Learn::revert(&self.history);
        }
        let Some(folder) = &self.folder else {
            let Train { since, apply, json, history, .. } = self;
            return Learn { since, apply, json, history }.run().await;
        };
        self.of_folder(folder)
    }

    fn of_folder(&self, folder: &Path) -> Result<(), Failure> {
        let mut train = rows(folder, "train")?;
        let dev = rows(folder, "dev")?;
        for path in &self.with {
            for file in files(path)? {
                train.extend(training::read(&file).map_err(|error| Failure::Usage(error.into()))?);
            }
        }
        if let Some(file) = &self.wrappers {
            let wrapped = training::wrapped(&train, file).map_err(|error| Failure::Usage(error.into()))?;
            train.extend(wrapped);
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
            let report = training::left_out(&train, &dev, &[GRADED], &ours, thresholds, RESAMPLES);
            show("all graded sources left out together", &report);
            if let Some(figures) = training::cross_validate(&train, &dev, &recipe, thresholds) {
                println!("prompts of our own, four-fold by pairs: {:#}", serde_json::json!(figures));
            }
        }
        Ok(())
    }
}

/// The rows of `NAME.jsonl` or `NAME.jsonl.gz` in a folder, regraded by `graded-NAME` where it has a row of the same id.
fn rows(folder: &Path, name: &str) -> Result<Vec<Row>, Failure> {
    let find = |name: &str| {
        let names = [format!("{name}.jsonl"), format!("{name}.jsonl.gz")];
        names.iter().map(|name| folder.join(name)).find(|file| file.is_file())
    };
    let read = |file: &Path| training::read(file).map_err(|error| Failure::Usage(error.into()));
    let file = find(name)
        .ok_or_else(|| Failure::Usage(anyhow!("{} has neither {name}.jsonl nor {name}.jsonl.gz", folder.display())))?;
    let mut rows = read(&file)?;
    if let Some(graded) = find(&format!("graded-{name}")) {
        let graded = read(&graded)?;
        let ids: HashSet<&str> = graded.iter().map(|row| row.id.as_str()).collect();
        rows.retain(|row| row.id.is_empty() || !ids.contains(row.id.as_str()));
        rows.extend(graded);
    }
    Ok(rows)
}

/// A file itself, or the `.jsonl` files of a folder in the order of their names.
fn files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()));
    let mut files: Vec<PathBuf> = entries
        .map_err(Failure::Usage)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|file| file.extension().is_some_and(|extension| extension == "jsonl"))
        .collect();
    files.sort();
    Ok(files)
}

/// Rows with the text that the router would classify of each.
pub(super) fn examples(rows: &[Row]) -> Result<Vec<Example<'_>>, Failure> {
    rows.iter()
        .map(|row| {
            let body = row.body();
            let request = ChatRequest::parse(body.as_bytes())
                .map_err(|error| Failure::Usage(anyhow!("row {}: {error}", row.id)))?;
            // A wrapper is learnt as it stands: of those that the router knows, nothing would be left to learn.
            let strategy = if row.kind() == Kind::Wrapped { Strategy::LastUser } else { Strategy::CurrentRequest };
            let input = routing::input(&request, strategy, usize::MAX);
            Ok(Example::new(row, input.text.into_owned()))
        })
        .collect()
}
