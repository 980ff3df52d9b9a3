//! Whether the confidence means something, and what a second judge brings where it is low.
//!
//! Enters: graded rows with what was decided. Leaves: by language and length, how sure the classifier was and how often it
//! was right; for limits of the confidence, how many requests are below and how many of them are decided wrong; and if a
//! model was asked, what each call brought.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Kind;
use super::calibrate::calibration_error;
use super::measure::Judged;

/// Limits of `classifier.unsure_below` that are reported.
const LIMITS: [f64; 5] = [0.5, 0.6, 0.7, 0.8, 0.9];
/// Characters from which a text is of middle length, and long.
const LENGTHS: [(usize, &str); 3] = [(400, "long"), (80, "middle"), (0, "short")];

/// How far the confidence can be believed, over graded rows.
#[derive(Debug, Default, Serialize)]
pub struct Confidence {
    /// Mean distance between the confidence and the share of right decisions, 15 bins of equal mass.
    pub error: Option<f64>,
    /// By language and length, as `zh short`.
    pub groups: BTreeMap<String, Believed>,
    /// What a cascade would ask, by its limit.
    pub unsure: Vec<Unsure>,
    /// What the model was asked, if one was.
    pub asked: Option<Asked>,
}

/// How sure the classifier was of some rows, and how often it was right.
#[derive(Debug, Default, Serialize)]
pub struct Believed {
    /// Number of rows.
    pub n: usize,
    /// Mean confidence, 0 to 1.
    pub confidence: f64,
    /// Share of right decisions, 0 to 1.
    pub right: f64,
}

/// Decisions of which the classifier is less sure than a limit.
#[derive(Debug, Serialize)]
pub struct Unsure {
    /// The limit, 0 to 1.
    pub below: f64,
    /// Share of the decisions that are below it.
    pub share: f64,
    /// Share of those that are wrong: the most that asking can mend, for each call.
    pub wrong: Option<f64>,
}

/// What asking the model brought.
#[derive(Debug, Serialize)]
pub struct Asked {
    /// Number of calls.
    pub calls: usize,
    /// Share of the requests.
    pub share: f64,
    /// Share of these that the embedded classifier alone decides right.
    pub right_alone: f64,
    /// Share of these that are decided right with the model.
    pub right: f64,
    /// Right decisions more for each call; below 0, the model makes it worse.
    pub gain_per_call: f64,
}

/// Judges the confidence; `None` without graded rows.
#[must_use]
pub(super) fn confidence(rows: &[Judged<'_>]) -> Option<Confidence> {
    let graded: Vec<(&Judged<'_>, u8)> = rows
        .iter()
        .filter(|judged| judged.row.kind() == Kind::Graded)
        .filter_map(|judged| Some((judged, judged.row.tier?)))
        .collect();
    if graded.is_empty() {
        return None;
    }
    let mut groups: BTreeMap<String, Vec<(f64, bool)>> = BTreeMap::new();
    for (judged, tier) in &graded {
        let Some(confidence) = judged.confidence else { continue };
        let chars = judged.row.words().map_or(0, |text| text.chars().count());
        let length = LENGTHS.iter().find(|(from, _)| chars >= *from).map_or("", |(_, name)| name);
        groups.entry(format!("{} {length}", judged.row.lang)).or_default().push((confidence, judged.tier == *tier));
    }
    let foretold: Vec<(f64, bool)> = groups.values().flatten().copied().collect();
    let asked: Vec<(u8, u8, u8)> =
        graded.iter().filter_map(|(judged, tier)| Some((judged.alone?, judged.tier, *tier))).collect();
    Some(Confidence {
        error: calibration_error(&foretold),
        groups: groups.into_iter().map(|(name, rows)| (name, believed(&rows))).collect(),
        unsure: if foretold.is_empty() { Vec::new() } else { LIMITS.map(|below| unsure(&foretold, below)).into() },
        asked: (!asked.is_empty()).then(|| {
            let right = |decided: fn(&(u8, u8, u8)) -> u8| {
                share(asked.iter().filter(|it| decided(it) == it.2).count(), asked.len())
            };
            let (right_alone, right) = (right(|it| it.0), right(|it| it.1));
            Asked {
                calls: asked.len(),
                share: share(asked.len(), graded.len()),
                right_alone,
                right,
                gain_per_call: right - right_alone,
            }
        }),
    })
}

fn believed(rows: &[(f64, bool)]) -> Believed {
    let sum: f64 = rows.iter().map(|row| row.0).sum();
    Believed {
        n: rows.len(),
        confidence: sum / share_of(rows.len()),
        right: share(rows.iter().filter(|row| row.1).count(), rows.len()),
    }
}

fn unsure(foretold: &[(f64, bool)], below: f64) -> Unsure {
    let under: Vec<bool> = foretold.iter().filter(|row| row.0 < below).map(|row| row.1).collect();
    let wrong = share(under.iter().filter(|right| !**right).count(), under.len());
    Unsure { below, share: share(under.len(), foretold.len()), wrong: (!under.is_empty()).then_some(wrong) }
}

#[expect(clippy::cast_precision_loss, reason = "numbers of rows are small")]
fn share_of(all: usize) -> f64 {
    all.max(1) as f64
}

fn share(part: usize, all: usize) -> f64 {
    if part == 0 { 0.0 } else { share_of(part) / share_of(all) }
}

#[cfg(test)]
mod tests {
    use super::super::Row;
    use super::*;

    #[test]
    fn it_reports_how_sure_it_was_how_often_right_and_what_each_call_brought() {
        let row = |lang: &str, text: &str, tier: u8| -> Row {
            let line = serde_json::json!({
                "source": "a", "lang": lang, "text": text, "tier": tier, "label_kind": "graded",
            });
            serde_json::from_value(line).unwrap()
        };
        let long = "x".repeat(500);
        let rows = [row("en", "hi", 0), row("en", "hello", 0), row("zh", &long, 2), row("zh", &long, 1)];
        let judged: Vec<Judged<'_>> = [(0, 0.95, None), (0, 0.85, None), (2, 0.55, Some(1)), (2, 0.45, Some(2))]
            .into_iter()
            .zip(&rows)
            .map(|((tier, confidence, alone), row)| Judged {
                row,
                score: 0.5,
                tier,
                confidence: Some(confidence),
                alone,
            })
            .collect();
        let report = confidence(&judged).unwrap();
        let english = &report.groups["en short"];
        assert_eq!((english.n, english.right), (2, 1.0));
        assert!((english.confidence - 0.9).abs() < 1e-12);
        assert!((report.groups["zh long"].right - 0.5).abs() < 1e-12);
        let at_60 = &report.unsure[1];
        assert_eq!((at_60.below, at_60.share, at_60.wrong), (0.6, 0.5, Some(0.5)));
        let asked = report.asked.unwrap();
        assert_eq!((asked.calls, asked.share, asked.right_alone, asked.right), (2, 0.5, 0.0, 0.5));
        assert!((asked.gain_per_call - 0.5).abs() < 1e-12);
        assert!(confidence(&[]).is_none());
    }
}
