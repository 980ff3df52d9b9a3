//! `xrouter train --from-history`: thresholds from what people report, and from what became of requests.
//!
//! No prompts are needed: a label is a score with the tiers that could have been right. Where `store.capture` kept the texts,
//! the model itself is fitted too, and the better of the two is what `--apply` takes. Nothing is replaced without it, and it
//! keeps the configuration file as it was for `--revert`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use console::style;
use sha2::{Digest, Sha256};
use toml_edit::{DocumentMut, Item, Table, value};

use super::usage::period;
use super::{Failure, HistoryFile, load};
use crate::app;
use crate::catalog::{Api, Source, Step, Tier};
use crate::protocol::Timestamp;
use crate::routing::{Embedded, Input, Model, Thresholds};
use crate::store::{Feedback, Filter, Opinion, Row, Store};
use crate::training::{Adapted, Captured, FEWEST, Label, Learnt, adapt, learn};

/// Rows that are read at once.
const PAGE: u32 = 1_000;
/// Most rows that are read, the newest.
const MOST_ROWS: usize = 500_000;
/// What an outcome counts, where a report counts 1.
const OUTCOME_WEIGHT: f64 = 0.5;
/// How soon a question that is asked again was not answered well, in milliseconds.
const AGAIN_MS: i64 = 120_000;
/// How soon after an answer a stronger tier that is named says that it was needed, in milliseconds.
const NAMED_MS: i64 = 600_000;
/// Shortest text, in characters, of which an equal length and score make it the same question.
const SHORTEST_SAME: u32 = 20;
/// What is appended to the configuration file's name.
const BEFORE: &str = ".before-learning";
/// How the names of models that `--apply` writes begin.
const LEARNT: &str = "learnt-";

/// What to learn from, and what to do with it.
#[derive(Debug)]
pub(super) struct Learn {
    pub(super) since: String,
    pub(super) apply: bool,
    pub(super) json: bool,
    pub(super) history: HistoryFile,
}

/// What a label comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Origin {
    Worse,
    Better,
    Named,
    StuckLoop,
    AskedAgain,
    StrongerNamed,
}

impl Origin {
    const fn as_str(self) -> &'static str {
        match self {
            Origin::Worse => "reported worse",
            Origin::Better => "reported better",
            Origin::Named => "reported with its tier",
            Origin::StuckLoop => "tool loops that fail again and again",
            Origin::AskedAgain => "asked again at once",
            Origin::StrongerNamed => "a stronger tier named right after",
        }
    }
}

/// What is looked at of a request.
struct Request {
    id: String,
    session: Option<String>,
    at_ms: i64,
    decided: Tier,
    source: Option<Source>,
    score: Option<f64>,
    step: Option<Step>,
    text_chars: Option<u32>,
}

impl From<Row> for Request {
    fn from(row: Row) -> Self {
        Request {
            at_ms: row.created_at_ms,
            decided: row.decision,
            source: row.source,
            score: row.score,
            step: row.features.step,
            text_chars: row.features.text_chars,
            id: row.request_id,
            session: row.session,
        }
    }
}

impl Learn {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let loaded = load(&self.history.file.sources()?)?;
        let (_, path) = self.history.find()?;
        let store = Store::reading(&path).await?;
        let period = period(Some(&self.since), None)?;
        let reports = store.feedback(period.from.unwrap_or(Timestamp(0))).await?;
        let requests = requests(&store, &Filter { period, ..Filter::default() }).await?;
        let labels = labels(&reports, &requests);
        let mut counts: BTreeMap<Origin, usize> = BTreeMap::new();
        for (from, _) in &labels {
            *counts.entry(*from).or_default() += 1;
        }
        let labels: Vec<Label> = labels.into_iter().map(|(_, label)| label).collect();
        let now = Thresholds::configured(&loaded.config);
        let model = app::model(&loaded.config.classifier)?;
        let captured = captured(&store, &labels, &model).await?;
        let labels = rescored(labels, &captured);
        let learnt = learn(&labels, now);
        // What was fitted to the same labels before is no place to start from.
        let is_learnt = loaded.config.classifier.embedded_file.as_deref().is_some_and(is_learnt);
        let base = if is_learnt { Model::shipped() } else { model.clone() };
        let adapted = adapt(&base, &model, &captured, now);
        let scores: Vec<f64> = requests.iter().filter_map(|request| request.score).collect();
        if self.json {
            print_json(&counts, now, learnt, adapted.as_ref(), &scores);
        } else {
            print(&self.since, &counts, now, learnt, &scores);
            print_adapted(adapted.as_ref());
        }
        if !self.apply {
            return Ok(());
        }
        let usage = |message: String| Failure::Usage(anyhow!(message));
        let learnt =
            learnt.ok_or_else(|| usage(format!("there are fewer than {FEWEST} labels: nothing is applied")))?;
        // By weight, as the model is fitted to those labels alone that have a text.
        let gain = |before: f64, after: f64, weight: f64| (before - after) / weight.max(f64::MIN_POSITIVE);
        let by_thresholds = gain(learnt.before, learnt.after, learnt.weight);
        let adapted = adapted.map(|it| (gain(it.before, it.after, it.weight), it.model));
        let file = config_file(&self.history)?;
        if let Some((by_model, model)) = adapted
            && by_model > by_thresholds.max(0.0)
        {
            let name = apply_model(&file, &model)?;
            eprintln!(
                "{} has the new model {name}; `xrouter train --revert` takes it back; restart xrouter",
                file.display()
            );
            return Ok(());
        }
        if learnt.after >= learnt.before {
            return Err(usage("on held-out labels what is in force does as well: nothing is applied".to_owned()));
        }
        if loaded.config.routing.preset.is_some() || loaded.config.classifier.target_share.is_some() {
            let message =
                "routing.preset or classifier.target_share sets the thresholds: remove it from the configuration first";
            return Err(usage(message.to_owned()));
        }
        apply(&file, |classifier| {
            let round = |score: f64| (score * 10_000.0).round() / 10_000.0;
            classifier["medium_at"] = value(round(learnt.thresholds.medium_at));
            classifier["frontier_at"] = value(round(learnt.thresholds.frontier_at));
        })?;
        eprintln!(
            "{} has the new thresholds; `xrouter train --revert` takes them back; restart xrouter",
            file.display()
        );
        Ok(())
    }

    /// Puts the configuration file back as it was before the last `--apply`.
    pub(super) fn revert(history: &HistoryFile) -> Result<(), Failure> {
        let file = config_file(history)?;
        let before = before(&file);
        std::fs::rename(&before, &file)
            .with_context(|| format!("cannot put {} back; there was no --apply, or it is reverted", before.display()))
            .map_err(Failure::Usage)?;
        eprintln!("{} is as it was before; restart xrouter", file.display());
        Ok(())
    }
}

/// The scored requests of a period, and those that name a tier, the oldest first.
async fn requests(store: &Store, filter: &Filter) -> Result<Vec<Request>, Failure> {
    let (mut found, mut before) = (Vec::new(), None);
    loop {
        let page = store.page(filter, before, PAGE).await?;
        let decided = page.rows.into_iter().filter(|row| row.api != Some(Api::Embeddings));
        found.extend(decided.map(Request::from));
        before = page.next;
        if before.is_none() || found.len() >= MOST_ROWS {
            break;
        }
    }
    found.reverse();
    Ok(found)
}

/// What is known of the right tiers: from reports, and, of requests without one, from what became of them.
fn labels(reports: &[Feedback], requests: &[Request]) -> Vec<(Origin, Label)> {
    let up = |tier: Tier| tier.and_up().get(1).copied();
    let down = |tier: Tier| Tier::from_number(tier.number().checked_sub(1)?);
    let mut labels = Vec::new();
    for Feedback { request_id, opinion, decided, score } in reports {
        let Some(score) = *score else { continue };
        let (from, range) = match *opinion {
            Opinion::Worse => (Origin::Worse, up(*decided).map(|least| (least, Tier::Frontier))),
            // Where there is no weaker tier, the weakest is right.
            Opinion::Better => (Origin::Better, Some((Tier::Cheap, down(*decided).unwrap_or(Tier::Cheap)))),
            Opinion::Right(tier) => (Origin::Named, Some((tier, tier))),
        };
        if let Some((least, most)) = range {
            labels.push((from, Label { id: request_id.clone(), score, least, most, weight: 1.0 }));
        }
    }
    let reported: HashSet<&str> = reports.iter().map(|report| report.request_id.as_str()).collect();
    // The last turn of each conversation, until something became of it.
    let mut turns: HashMap<&str, &Request> = HashMap::new();
    for request in requests {
        let Some(session) = request.session.as_deref() else { continue };
        let last = turns.get(session).copied();
        let within = |limit: i64| last.filter(|last| request.at_ms - last.at_ms <= limit);
        let is_turn = request.step == Some(Step::Turn) && request.score.is_some();
        let same = |last: &&Request| {
            last.score == request.score
                && last.text_chars == request.text_chars
                && last.text_chars.is_some_and(|chars| chars >= SHORTEST_SAME)
        };
        let outcome = if request.step == Some(Step::StuckLoop) {
            last.map(|last| (Origin::StuckLoop, last, up(last.decided)))
        } else if request.source == Some(Source::Forced) {
            let stronger = within(NAMED_MS).filter(|last| request.decided > last.decided);
            stronger.map(|last| (Origin::StrongerNamed, last, Some(request.decided)))
        } else if is_turn {
            within(AGAIN_MS).filter(same).map(|last| (Origin::AskedAgain, last, up(last.decided)))
        } else {
            None
        };
        if let Some((from, last, least)) = outcome {
            turns.remove(session);
            if let (Some(score), Some(least)) = (last.score, least)
                && !reported.contains(last.id.as_str())
            {
                let (id, weight) = (last.id.clone(), OUTCOME_WEIGHT);
                labels.push((from, Label { id, score, least, most: Tier::Frontier, weight }));
            }
        }
        if is_turn {
            turns.insert(session, request);
        }
    }
    labels
}

/// The labels whose texts the history has, with the scores that the model in force gives them.
async fn captured(history: &Store, labels: &[Label], model: &Arc<Model>) -> Result<Vec<Captured>, Failure> {
    let embedded = Embedded::with(model.clone(), Thresholds::default());
    let mut captured = Vec::new();
    for label in labels {
        let row = history.request(&label.id).await?;
        if let Some(text) = row.and_then(|row| row.features.prompt) {
            let score = embedded.classify(&Input::plain(&text)).score.unwrap_or(label.score);
            captured.push(Captured { label: Label { score, ..label.clone() }, text });
        }
    }
    Ok(captured)
}

/// All labels, with the newer scores of those that have one.
fn rescored(labels: Vec<Label>, captured: &[Captured]) -> Vec<Label> {
    let scores: HashMap<&str, f64> = captured.iter().map(|it| (it.label.id.as_str(), it.label.score)).collect();
    let newer = |label: Label| Label { score: scores.get(label.id.as_str()).copied().unwrap_or(label.score), ..label };
    labels.into_iter().map(newer).collect()
}

/// Whether a file of `classifier.embedded_file` was written by `--apply`.
fn is_learnt(file: &str) -> bool {
    Path::new(file).file_name().is_some_and(|name| name.to_string_lossy().starts_with(LEARNT))
}

/// How many of some scores each tier gets.
fn shares(scores: &[f64], thresholds: Thresholds) -> [usize; 3] {
    let mut counts = [0; 3];
    for score in scores {
        counts[usize::from(thresholds.tier(*score).number())] += 1;
    }
    counts
}

fn print(since: &str, counts: &BTreeMap<Origin, usize>, now: Thresholds, learnt: Option<Learnt>, scores: &[f64]) {
    println!("{} labels since {since}", style(counts.values().sum::<usize>()).bold());
    for (from, count) in counts {
        println!("  {count:>6}  {}", from.as_str());
    }
    let Some(Learnt { thresholds, before, after, weight }) = learnt else {
        println!("\nat least {FEWEST} labels are needed: report decisions with POST /v1/feedback");
        return;
    };
    println!("\n  medium_at    {:.2} → {:.2}", now.medium_at, style(thresholds.medium_at).bold());
    println!("  frontier_at  {:.2} → {:.2}", now.frontier_at, style(thresholds.frontier_at).bold());
    println!("  held-out labels miss by {before:.1} → {after:.1} tiers, of a weight of {weight:.1}");
    let (old, new) = (shares(scores, now), shares(scores, thresholds));
    println!("  {} scored requests: cheap, medium, frontier {old:?} → {new:?}", scores.len());
}

fn print_adapted(adapted: Option<&Adapted>) {
    match adapted {
        Some(Adapted { before, after, weight, .. }) => println!(
            "\n  the model fitted to captured texts: held-out labels miss by {before:.1} → {after:.1} tiers, of a weight of \
             {weight:.1}"
        ),
        None => println!("\n  the model stays: store.capture has kept the texts of fewer than {FEWEST} labels"),
    }
}

fn print_json(
    counts: &BTreeMap<Origin, usize>,
    now: Thresholds,
    learnt: Option<Learnt>,
    adapted: Option<&Adapted>,
    scores: &[f64],
) {
    let of = |thresholds: Thresholds| serde_json::json!({ "medium_at": thresholds.medium_at, "frontier_at": thresholds.frontier_at });
    let labels: BTreeMap<&str, usize> = counts.iter().map(|(from, count)| (from.as_str(), *count)).collect();
    let json = serde_json::json!({
        "labels": labels, "now": of(now), "learnt": learnt.map(|learnt| of(learnt.thresholds)),
        "missed_before": learnt.map(|learnt| learnt.before), "missed_after": learnt.map(|learnt| learnt.after),
        "weight": learnt.map(|learnt| learnt.weight), "shares_now": shares(scores, now),
        "model_missed_before": adapted.map(|it| it.before), "model_missed_after": adapted.map(|it| it.after),
        "model_weight": adapted.map(|it| it.weight), "shares_learnt": learnt.map(|learnt| shares(scores, learnt.thresholds)),
    });
    println!("{json:#}");
}

fn config_file(history: &HistoryFile) -> Result<PathBuf, Failure> {
    let file = history.file.sources()?.config_file;
    file.ok_or_else(|| Failure::Usage(anyhow!("there is no configuration file: name one with -c")))
}

fn before(file: &Path) -> PathBuf {
    beside(file, BEFORE)
}

/// A file beside another, by what is appended to its name.
fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Writes a model beside a configuration file and its name into it; reports the name.
fn apply_model(file: &Path, model: &Model) -> Result<String, Failure> {
    let bytes = model.write();
    let name = format!("{LEARNT}{}.bin", &hex::encode(Sha256::digest(&bytes))[..8]);
    let path = file.with_file_name(&name);
    std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display())).map_err(Failure::Usage)?;
    apply(file, |classifier| classifier["embedded_file"] = value(name.as_str()))?;
    Ok(name)
}

/// Changes `[classifier]` of a configuration file, and keeps the file as it was beside it.
fn apply(file: &Path, change: impl FnOnce(&mut Item)) -> Result<(), Failure> {
    let cannot = |what: &'static str| move || format!("cannot {what} {}", file.display());
    let text = std::fs::read_to_string(file).with_context(cannot("read")).map_err(Failure::Usage)?;
    let mut document: DocumentMut = text.parse().with_context(cannot("read")).map_err(Failure::Usage)?;
    let classifier = document.entry("classifier").or_insert_with(|| Item::Table(Table::new()));
    change(classifier);
    // Copies have the file's own permissions: keys may stand in it. Put in place at once, so that none is ever cut.
    let new = beside(file, ".new");
    std::fs::copy(file, before(file)).with_context(cannot("keep a copy of")).map_err(Failure::Usage)?;
    std::fs::copy(file, &new)
        .and_then(|_| std::fs::write(&new, document.to_string()))
        .and_then(|()| std::fs::rename(&new, file))
        .with_context(cannot("write"))
        .map_err(Failure::Usage)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(id: &str, at_ms: i64, decided: Tier, score: f64) -> Request {
        Request {
            id: id.to_owned(),
            session: Some("s".to_owned()),
            at_ms,
            decided,
            source: Some(Source::Embedded),
            score: Some(score),
            step: Some(Step::Turn),
            text_chars: Some(50),
        }
    }

    #[test]
    fn what_becomes_of_a_request_tells_that_its_tier_was_too_weak() {
        let stuck = Request { score: None, step: Some(Step::StuckLoop), ..request("loop", 9_000, Tier::Medium, 0.0) };
        let forced = Request { source: Some(Source::Forced), ..request("forced", 9_000, Tier::Frontier, 0.0) };
        let again = request("again", 9_000, Tier::Cheap, 0.2);
        let other = request("other", 9_000, Tier::Cheap, 0.3);
        let late = request("late", 999_000, Tier::Cheap, 0.2);
        for (after, told) in [
            (stuck, Some((Origin::StuckLoop, Tier::Medium))),
            (forced, Some((Origin::StrongerNamed, Tier::Frontier))),
            (again, Some((Origin::AskedAgain, Tier::Medium))),
            (other, None),
            (late, None),
        ] {
            let requests = [request("first", 1_000, Tier::Cheap, 0.2), after];
            let found = labels(&[], &requests);
            let first = found.first().map(|(from, label)| (*from, label.least));
            assert_eq!(first, told);
            assert!(found.iter().all(|(_, label)| label.id == "first" && label.score < 0.3));
        }
    }

    #[test]
    fn a_report_counts_and_not_what_became_of_the_request() {
        let report = |opinion, decided| Feedback { request_id: "first".to_owned(), opinion, decided, score: Some(0.2) };
        let requests = [request("first", 1_000, Tier::Cheap, 0.2), request("again", 9_000, Tier::Cheap, 0.2)];
        for (opinion, decided, range) in [
            (Opinion::Worse, Tier::Cheap, Some((Tier::Medium, Tier::Frontier))),
            (Opinion::Worse, Tier::Frontier, None),
            (Opinion::Better, Tier::Frontier, Some((Tier::Cheap, Tier::Medium))),
            (Opinion::Right(Tier::Medium), Tier::Cheap, Some((Tier::Medium, Tier::Medium))),
        ] {
            let found = labels(&[report(opinion, decided)], &requests);
            assert_eq!(found.first().map(|(_, label)| (label.least, label.most)), range);
            assert!(found.len() <= 1);
        }
    }
}
