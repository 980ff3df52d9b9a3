//! How well three tiers are told apart, over rows whose tier people gave.
//!
//! In a group every source counts the same, whatever its size.

use std::collections::BTreeMap;

use serde::Serialize;

use super::measure::Judged;

/// Figures of a group of graded rows.
#[derive(Debug, Default, Serialize)]
pub struct Graded {
    /// Number of rows.
    pub n: usize,
    /// Number of sources.
    pub sources: usize,
    /// Share decided as graded.
    pub acc: f64,
    /// Macro-F1 over the tiers that there are.
    #[serde(rename = "F1")]
    pub f1: f64,
    /// Share of the rows of a tier that are sent to it: cheap, medium, frontier.
    pub recall: [Option<f64>; 3],
    /// Share decided higher: money wasted.
    pub over: f64,
    /// Share decided lower: quality lost.
    pub under: f64,
    /// Quadratic-weighted kappa: 1 is as graded, 0 is no better than chance.
    pub kappa: Option<f64>,
    /// Ranking of medium and frontier rows above cheap ones.
    #[serde(rename = "AUC01")]
    pub auc01: Option<f64>,
    /// Ranking of frontier rows above the others.
    #[serde(rename = "AUC12")]
    pub auc12: Option<f64>,
}

/// The figures of some rows; `None` where none has a tier.
#[must_use]
pub fn graded(rows: &[Judged<'_>]) -> Option<Graded> {
    let rows: Vec<(usize, &Judged<'_>)> =
        rows.iter().filter_map(|judged| Some((usize::from(judged.row.tier?), judged))).collect();
    let mut sizes: BTreeMap<&str, f64> = BTreeMap::new();
    for (_, judged) in &rows {
        *sizes.entry(judged.row.source.as_str()).or_default() += 1.0;
    }
    let sources = number(sizes.len());
    let weight = |judged: &Judged<'_>| 1.0 / sizes.get(judged.row.source.as_str()).copied().unwrap_or(1.0) / sources;
    // By the tier that was graded and the one that was decided.
    let mut table = [[0.0; 3]; 3];
    for (tier, judged) in &rows {
        table[*tier][usize::from(judged.tier.min(2))] += weight(judged);
    }
    let of_row = table.map(|row| row.iter().sum::<f64>());
    let of_column: [f64; 3] = std::array::from_fn(|column| table.iter().map(|row| row[column]).sum());
    let present: Vec<usize> = (0..3).filter(|tier| of_row[*tier] > 0.0).collect();
    let cells = || (0..3).flat_map(|row| (0..3).map(move |column| (row, column)));
    let sum = |keep: fn(usize, usize) -> bool| {
        cells().filter(|(row, column)| keep(*row, *column)).map(|(row, column)| table[row][column]).sum::<f64>()
    };
    let far = |(row, column): (usize, usize)| number(row.abs_diff(column)).powi(2);
    let off: f64 = cells().map(|cell| far(cell) * table[cell.0][cell.1]).sum();
    let chance: f64 = cells().map(|cell| far(cell) * of_row[cell.0] * of_column[cell.1]).sum();
    let f1 = |tier: &usize| 2.0 * table[*tier][*tier] / (of_row[*tier] + of_column[*tier]);
    let ranking = |from: usize| {
        weighted_auc(rows.iter().map(|(tier, judged)| (judged.score, weight(judged), *tier >= from)).collect())
    };
    (!rows.is_empty()).then(|| Graded {
        n: rows.len(),
        sources: sizes.len(),
        acc: sum(|row, column| row == column),
        f1: present.iter().map(f1).sum::<f64>() / number(present.len()),
        recall: std::array::from_fn(|tier| (of_row[tier] > 0.0).then(|| table[tier][tier] / of_row[tier])),
        over: sum(|row, column| column > row),
        under: sum(|row, column| column < row),
        kappa: (chance > 0.0 && present.len() > 1).then(|| 1.0 - off / chance),
        auc01: ranking(1),
        auc12: ranking(2),
    })
}

/// The chance that a positive scores above a negative; `items` are a score, a weight, and whether it is positive.
fn weighted_auc(mut items: Vec<(f64, f64, bool)>) -> Option<f64> {
    items.sort_by(|one, other| one.0.total_cmp(&other.0));
    let of = |is: bool| items.iter().filter(|item| item.2 == is).map(|item| item.1).sum::<f64>();
    let (positive, negative) = (of(true), of(false));
    if positive == 0.0 || negative == 0.0 {
        return None;
    }
    let (mut total, mut below) = (0.0, 0.0);
    #[expect(clippy::float_cmp, reason = "equal scores are those that are the same figure")]
    for equal in items.chunk_by(|one, other| one.0 == other.0) {
        let of = |is: bool| equal.iter().filter(|item| item.2 == is).map(|item| item.1).sum::<f64>();
        let (here, others) = (of(true), of(false));
        total += here * (below + others / 2.0);
        below += others;
    }
    Some(total / (positive * negative))
}

#[expect(clippy::cast_precision_loss, reason = "numbers of rows are small")]
fn number(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::super::Row;
    use super::*;

    /// By hand: of two sources of the same weight, one is right and the other is one too low in half of its rows.
    #[test]
    fn every_source_counts_the_same() {
        let row = |source: &str, tier: u8| -> Row {
            serde_json::from_value(serde_json::json!({ "source": source, "text": "x", "tier": tier })).unwrap()
        };
        let rows = [row("a", 0), row("a", 1), row("a", 2), row("a", 0), row("b", 1), row("b", 2)];
        let decided = [0, 1, 2, 0, 1, 1];
        let judged: Vec<Judged<'_>> = rows
            .iter()
            .zip(decided)
            .map(|(row, tier)| Judged { row, score: f64::from(tier) / 2.0, tier, confidence: None, alone: None })
            .collect();
        let figures = graded(&judged).unwrap();
        assert_eq!((figures.n, figures.sources), (6, 2));
        assert!((figures.acc - 0.75).abs() < 1e-12 && (figures.under - 0.25).abs() < 1e-12, "{figures:?}");
        // Of the frontier, 1/8 of 3/8 is found.
        assert!((figures.recall[2].unwrap() - 1.0 / 3.0).abs() < 1e-12, "{figures:?}");
        // F1: cheap 1; medium 2 · 3/8 / (3/8 + 5/8); frontier 2 · 1/8 / (3/8 + 1/8).
        assert!((figures.f1 - (1.0 + 0.75 + 0.5) / 3.0).abs() < 1e-12, "{figures:?}");
        assert!(graded(&[]).is_none());
    }
}
