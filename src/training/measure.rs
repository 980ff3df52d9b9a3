//! How well a classifier routes: ranking quality, tiers and calibration, by source.
//!
//! Enters: rows with what was decided for them. Leaves: a [`Report`]. The ranking figure is the area
//! under the curve of the share of calls sent to the strong model against the share of the quality gap
//! recovered. Source: Ong et al., "Learning to Route LLMs with Preference Data", 2024 (APGR,
//! CPT). Equal scores are interpolated, so that they count as broken at random.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::confidence::{Confidence, confidence};
use super::graded::{Graded, graded};
use super::{Kind, Row};

/// A row with what was decided for it.
#[derive(Debug, Clone, Copy)]
pub struct Judged<'a> {
    /// The row.
    pub row: &'a Row,
    /// Need for a strong model, 0 to 1.
    pub score: f64,
    /// The tier that was decided, 0 to 2.
    pub tier: u8,
    /// How sure it was of the tier, 0 to 1, if it says so.
    pub confidence: Option<f64>,
    /// The tier that the embedded classifier alone decides, 0 to 2, where a model was asked.
    pub alone: Option<u8>,
}

/// Figures by source and over all of them.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// By source.
    pub sources: BTreeMap<String, SourceFigures>,
    /// Over all sources with a weak and a strong model, each source counting the same; by domain.
    pub mix: BTreeMap<String, Quality>,
    /// Tiers, over rows that have three; by domain.
    pub tier3: BTreeMap<String, Tiers>,
    /// Constructed rows: trivial against hard; by language.
    pub behaviour: BTreeMap<String, Behaviour>,
    /// Graded rows: how the three tiers are told apart; by source, and by domain as `all in` and `all in en`.
    pub graded: BTreeMap<String, Graded>,
    /// Graded rows: how far the confidence can be believed.
    pub confidence: Option<Confidence>,
}

/// Figures of one source.
#[derive(Debug, Default, Serialize)]
pub struct SourceFigures {
    /// Number of rows.
    pub rows: usize,
    /// Ranking quality, if a weak and a strong model were measured.
    #[serde(flatten)]
    pub quality: Option<Quality>,
    /// Ranking of rows where the strong model gains 0.1 or more above the others.
    #[serde(rename = "AUCneed", skip_serializing_if = "Option::is_none")]
    pub auc_need: Option<f64>,
    /// Ranking of rows where the weak model fails above the others.
    #[serde(rename = "AUCfail", skip_serializing_if = "Option::is_none")]
    pub auc_fail: Option<f64>,
    /// Spearman correlation with `difficulty`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rho: Option<f64>,
    /// Tiers.
    #[serde(flatten)]
    pub tiers: Option<Tiers>,
}

/// Ranking quality.
#[derive(Debug, Default, Serialize)]
pub struct Quality {
    /// Number of rows.
    pub n: usize,
    /// Mean quality of the weak model.
    #[serde(rename = "Qweak")]
    pub q_weak: f64,
    /// Mean quality of the strong model.
    #[serde(rename = "Qstrong")]
    pub q_strong: f64,
    /// Area under the curve of the gap recovered; 0.5 is random.
    #[serde(rename = "APGR")]
    pub apgr: Option<f64>,
    /// Its 95 % bootstrap interval, resampled within each source.
    pub ci: Option<[f64; 2]>,
    /// Smallest share of strong calls that recovers half of the gap.
    #[serde(rename = "CPT50")]
    pub cpt50: Option<f64>,
    /// The same for 80 %.
    #[serde(rename = "CPT80")]
    pub cpt80: Option<f64>,
    /// Share of the cost of strong calls only that is saved at 95 % of their quality, a weak call costing a tenth.
    pub saved95: Option<f64>,
    /// The same for a random order.
    pub saved95_random: Option<f64>,
    /// The area that the order by true gain has.
    #[serde(rename = "APGR_oracle")]
    pub apgr_oracle: Option<f64>,
}

/// Tier accuracy.
#[derive(Debug, Default, Serialize)]
pub struct Tiers {
    /// Number of rows with a tier.
    pub n_tier: usize,
    /// Share decided as labelled.
    pub acc: f64,
    /// Share decided higher: money wasted.
    pub over: f64,
    /// Share decided lower: quality lost.
    pub under: f64,
    /// Macro-F1 over the tiers that there are.
    #[serde(rename = "F1")]
    pub f1: f64,
}

/// Trivial against hard.
#[derive(Debug, Default, Serialize)]
pub struct Behaviour {
    /// Ranking of hard above trivial rows.
    #[serde(rename = "AUC_hard_vs_trivial")]
    pub auc: f64,
    /// Number of trivial rows.
    pub trivial_n: usize,
    /// Number of hard rows.
    pub hard_n: usize,
    /// Share of trivial rows in the cheap tier.
    pub trivial_to_tier0: f64,
    /// Share of hard rows in the frontier tier.
    pub hard_to_tier2: f64,
}

/// A score, a weight, and what the strong model gains.
type Item = (f64, f64, f64);

/// Judges; `resamples` is how often the intervals are drawn, 0 for none.
#[must_use]
pub fn report(rows: &[Judged<'_>], resamples: usize) -> Report {
    let mut by_source: BTreeMap<&str, Vec<Judged<'_>>> = BTreeMap::new();
    for judged in rows {
        by_source.entry(&judged.row.source).or_default().push(*judged);
    }
    let mut report = Report::default();
    let mut mixes: BTreeMap<&str, Vec<(Judged<'_>, f64)>> = BTreeMap::new();
    for (source, rows) in &by_source {
        let figures = source_figures(rows, resamples);
        if figures.quality.as_ref().is_some_and(|quality| quality.apgr.is_some()) {
            let measured: Vec<_> = rows.iter().filter(|judged| gain(judged).is_some()).collect();
            let weight = 1.0 / number(measured.len());
            let mix = mixes.entry(&rows[0].row.domain).or_default();
            mix.extend(measured.into_iter().map(|judged| (*judged, weight)));
        }
        report.sources.insert((*source).to_owned(), figures);
    }
    for (domain, rows) in mixes {
        report.mix.insert(domain.to_owned(), quality(&rows, resamples));
    }
    for domain in rows.iter().map(|judged| judged.row.domain.as_str()).collect::<BTreeSet<_>>() {
        let three: Vec<_> = rows
            .iter()
            .filter(|judged| judged.row.mid.is_some() || judged.row.is_constructed())
            .filter(|judged| judged.row.domain == domain)
            .copied()
            .collect();
        if let Some(tiers) = tiers(&three) {
            report.tier3.insert(domain.to_owned(), tiers);
        }
    }
    for lang in ["en", "zh"] {
        let of = |tier: u8| {
            let here = rows.iter().filter(|judged| judged.row.is_constructed() && judged.row.lang == lang);
            here.filter(|judged| judged.row.tier == Some(tier)).copied().collect::<Vec<_>>()
        };
        if let Some(behaviour) = behaviour(&of(0), &of(2)) {
            report.behaviour.insert(lang.to_owned(), behaviour);
        }
    }
    let mut groups: BTreeMap<String, Vec<Judged<'_>>> = BTreeMap::new();
    for judged in rows.iter().filter(|judged| judged.row.kind() == Kind::Graded) {
        let Row { source, lang, domain, .. } = judged.row;
        for name in [source.clone(), format!("all {domain}"), format!("all {domain} {lang}")] {
            groups.entry(name).or_default().push(*judged);
        }
    }
    report.graded = groups.into_iter().filter_map(|(name, rows)| Some((name, graded(&rows)?))).collect();
    report.confidence = confidence(rows);
    report
}

fn gain(judged: &Judged<'_>) -> Option<f64> {
    Some(judged.row.strong? - judged.row.weak?)
}

fn source_figures(rows: &[Judged<'_>], resamples: usize) -> SourceFigures {
    let measured: Vec<(Judged<'_>, f64)> =
        rows.iter().filter(|judged| gain(judged).is_some()).map(|judged| (*judged, 1.0)).collect();
    let scores = |keep: &dyn Fn(&Judged<'_>) -> bool| {
        rows.iter().filter(|judged| keep(judged)).map(|judged| judged.score).collect::<Vec<_>>()
    };
    let rated: Vec<&Judged<'_>> = rows.iter().filter(|judged| judged.row.difficulty.is_some()).collect();
    SourceFigures {
        rows: rows.len(),
        quality: (!measured.is_empty()).then(|| quality(&measured, resamples)),
        auc_need: auc(
            &scores(&|judged| gain(judged).is_some_and(|gain| gain >= 0.1)),
            &scores(&|judged| gain(judged).is_some_and(|gain| gain < 0.1)),
        ),
        auc_fail: auc(
            &scores(&|judged| judged.row.weak.is_some_and(|weak| weak < 0.5)),
            &scores(&|judged| judged.row.weak.is_some_and(|weak| weak >= 0.5)),
        ),
        rho: spearman(
            &rated.iter().map(|judged| judged.score).collect::<Vec<_>>(),
            &rated.iter().filter_map(|judged| judged.row.difficulty).collect::<Vec<_>>(),
        ),
        tiers: tiers(rows),
    }
}

/// Share of the cost of a strong call that a weak call costs, for `saved95`.
const COST_RATIO: f64 = 0.1;

fn quality(rows: &[(Judged<'_>, f64)], resamples: usize) -> Quality {
    let items: Vec<Item> =
        rows.iter().filter_map(|(judged, weight)| gain(judged).map(|gain| (judged.score, *weight, gain))).collect();
    let all: f64 = items.iter().map(|item| item.1).sum();
    let mean = |of: fn(&Row) -> Option<f64>| {
        rows.iter().filter_map(|(judged, weight)| of(judged.row).map(|figure| figure * weight)).sum::<f64>() / all
    };
    let (q_weak, q_strong) = (mean(|row| row.weak), mean(|row| row.strong));
    let mut quality = Quality { n: rows.len(), q_weak, q_strong, ..Quality::default() };
    let Some(curve) = curve(&items) else { return quality };
    let need = ((0.95 * q_strong - q_weak) / (q_strong - q_weak)).max(0.0);
    let saved = if need > 0.0 { 1.0 - first_reach(&curve, need) } else { 1.0 };
    quality.apgr = Some(area(&curve));
    quality.ci = interval(&items, resamples);
    quality.cpt50 = Some(first_reach(&curve, 0.5));
    quality.cpt80 = Some(first_reach(&curve, 0.8));
    quality.saved95 = Some(saved * (1.0 - COST_RATIO));
    quality.saved95_random = Some((1.0 - need) * (1.0 - COST_RATIO));
    let by_gain: Vec<Item> = items.iter().map(|(_, weight, gain)| (*gain, *weight, *gain)).collect();
    quality.apgr_oracle = self::curve(&by_gain).map(|curve| area(&curve));
    quality
}

/// Share of calls to the strong model against share of the gap recovered; `None` if there is no gap.
fn curve(items: &[Item]) -> Option<Vec<(f64, f64)>> {
    let mut sorted = items.to_vec();
    sorted.sort_by(|one, other| other.0.total_cmp(&one.0));
    curve_of_sorted(&sorted)
}

fn curve_of_sorted(sorted: &[Item]) -> Option<Vec<(f64, f64)>> {
    let weights: f64 = sorted.iter().map(|item| item.1).sum();
    let gains: f64 = sorted.iter().map(|item| item.1 * item.2).sum();
    if weights <= 0.0 || gains <= 1e-12 {
        return None;
    }
    let mut points = vec![(0.0, 0.0)];
    let (mut weight, mut gain) = (0.0, 0.0);
    #[expect(clippy::float_cmp, reason = "equal scores are those that are the same figure")]
    for equal in sorted.chunk_by(|one, other| one.0 == other.0) {
        for item in equal {
            weight += item.1;
            gain += item.1 * item.2;
        }
        points.push((weight / weights, gain / gains));
    }
    Some(points)
}

/// The area under a curve of straight pieces.
#[must_use]
pub fn area(points: &[(f64, f64)]) -> f64 {
    points.windows(2).map(|pair| (pair[1].0 - pair[0].0) * (pair[0].1 + pair[1].1) / 2.0).sum()
}

/// Where a curve first reaches a height; 1 if it never does.
fn first_reach(points: &[(f64, f64)], height: f64) -> f64 {
    points.windows(2).find(|pair| pair[1].1 >= height).map_or(1.0, |pair| {
        let ((from, low), (to, high)) = (pair[0], pair[1]);
        if low >= height { from } else { from + (to - from) * (height - low) / (high - low) }
    })
}

/// Seed of the resampling: figures are the same from run to run.
const SEED: u64 = 1;

/// 95 % bootstrap interval of the area, drawing within each weight class, which is a source.
fn interval(items: &[Item], resamples: usize) -> Option<[f64; 2]> {
    let mut sorted = items.to_vec();
    sorted.sort_by(|one, other| other.0.total_cmp(&one.0));
    let mut classes: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (at, item) in sorted.iter().enumerate() {
        classes.entry(item.1.to_bits()).or_default().push(at);
    }
    let mut state = SEED;
    let mut areas = Vec::with_capacity(resamples);
    for _ in 0..resamples {
        let mut times = vec![0_u32; sorted.len()];
        for members in classes.values() {
            for _ in 0..members.len() {
                times[members[draw(&mut state, members.len())]] += 1;
            }
        }
        let drawn = sorted.iter().zip(&times).filter(|(_, times)| **times > 0);
        let drawn: Vec<Item> =
            drawn.map(|((score, weight, gain), times)| (*score, weight * f64::from(*times), *gain)).collect();
        areas.extend(curve_of_sorted(&drawn).map(|curve| area(&curve)));
    }
    areas.sort_by(f64::total_cmp);
    let (first, last) = (areas.get(areas.len() * 25 / 1_000)?, areas.get(areas.len() * 975 / 1_000)?);
    Some([*first, *last])
}

/// A number below `end`. Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
#[expect(clippy::cast_possible_truncation, reason = "a number below `end` is a usize")]
fn draw(state: &mut u64, end: usize) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut bits = *state;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    ((u128::from(bits) * end as u128) >> 64) as usize
}

/// The share of pairs in which the positive one has the higher score.
fn auc(positive: &[f64], negative: &[f64]) -> Option<f64> {
    if positive.is_empty() || negative.is_empty() {
        return None;
    }
    let mut sorted = negative.to_vec();
    sorted.sort_by(f64::total_cmp);
    let below: f64 = positive
        .iter()
        .map(|score| {
            let low = sorted.partition_point(|other| other < score);
            let high = sorted.partition_point(|other| other <= score);
            f64::midpoint(number_or_zero(low), number_or_zero(high))
        })
        .sum();
    Some(below / (number(positive.len()) * number(negative.len())))
}

/// Correlation of ranks, equal figures sharing theirs; `None` for fewer than ten.
fn spearman(one: &[f64], other: &[f64]) -> Option<f64> {
    if one.len() < 10 {
        return None;
    }
    let (one, other) = (ranks(one), ranks(other));
    let mean = |ranks: &[f64]| ranks.iter().sum::<f64>() / number(ranks.len());
    let (one_mean, other_mean) = (mean(&one), mean(&other));
    let spread = |ranks: &[f64], mean: f64| ranks.iter().map(|rank| (rank - mean).powi(2)).sum::<f64>();
    let product = (spread(&one, one_mean) * spread(&other, other_mean)).sqrt();
    if product == 0.0 {
        return Some(0.0);
    }
    Some(one.iter().zip(&other).map(|(one, other)| (one - one_mean) * (other - other_mean)).sum::<f64>() / product)
}

fn ranks(figures: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..figures.len()).collect();
    order.sort_by(|one, other| figures[*one].total_cmp(&figures[*other]));
    let mut ranks = vec![0.0; figures.len()];
    let mut from = 0;
    #[expect(clippy::float_cmp, reason = "equal figures are those that are the same")]
    for equal in order.chunk_by(|one, other| figures[*one] == figures[*other]) {
        let rank = f64::midpoint(number_or_zero(from), number_or_zero(from + equal.len() - 1));
        for at in equal {
            ranks[*at] = rank;
        }
        from += equal.len();
    }
    ranks
}

fn tiers(rows: &[Judged<'_>]) -> Option<Tiers> {
    let pairs: Vec<(u8, u8)> = rows.iter().filter_map(|judged| Some((judged.row.tier?, judged.tier))).collect();
    if pairs.is_empty() {
        return None;
    }
    let count = |keep: &dyn Fn(&(u8, u8)) -> bool| number_or_zero(pairs.iter().filter(|pair| keep(pair)).count());
    let all = number(pairs.len());
    let present: BTreeSet<u8> = pairs.iter().map(|pair| pair.0).collect();
    let f1: f64 = present
        .iter()
        .map(|tier| {
            let right = count(&|pair| pair.0 == *tier && pair.1 == *tier);
            let both = count(&|pair| pair.0 == *tier) + count(&|pair| pair.1 == *tier);
            2.0 * right / both.max(1.0)
        })
        .sum();
    Some(Tiers {
        n_tier: pairs.len(),
        acc: count(&|pair| pair.0 == pair.1) / all,
        over: count(&|pair| pair.1 > pair.0) / all,
        under: count(&|pair| pair.1 < pair.0) / all,
        f1: f1 / number(present.len()),
    })
}

fn behaviour(trivial: &[Judged<'_>], hard: &[Judged<'_>]) -> Option<Behaviour> {
    let scores = |rows: &[Judged<'_>]| rows.iter().map(|judged| judged.score).collect::<Vec<_>>();
    let share = |rows: &[Judged<'_>], tier: u8| {
        number_or_zero(rows.iter().filter(|judged| judged.tier == tier).count()) / number(rows.len())
    };
    Some(Behaviour {
        auc: auc(&scores(hard), &scores(trivial))?,
        trivial_n: trivial.len(),
        hard_n: hard.len(),
        trivial_to_tier0: share(trivial, 0),
        hard_to_tier2: share(hard, 2),
    })
}

#[expect(clippy::cast_precision_loss, reason = "numbers of rows are small")]
fn number_or_zero(count: usize) -> f64 {
    count as f64
}

fn number(count: usize) -> f64 {
    number_or_zero(count.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(source: &str, weak: f64, strong: f64, tier: u8) -> Row {
        let line = serde_json::json!({
            "source": source, "text": "x", "label_kind": "measured", "weak": weak, "strong": strong, "tier": tier,
        });
        serde_json::from_value(line).unwrap()
    }

    #[test]
    fn a_perfect_order_recovers_the_gap_first_and_a_constant_one_is_random() {
        let rows: Vec<Row> =
            (0..20).map(|n| if n < 5 { row("a", 0.0, 1.0, 2) } else { row("a", 1.0, 1.0, 0) }).collect();
        let judged = |score: fn(&Row) -> f64| -> Vec<Judged<'_>> {
            rows.iter()
                .map(|row| Judged { row, score: score(row), tier: row.tier.unwrap(), confidence: None, alone: None })
                .collect()
        };
        let perfect = report(&judged(|row| 1.0 - row.weak.unwrap()), 20);
        let figures = &perfect.sources["a"];
        let quality = figures.quality.as_ref().unwrap();
        assert!((quality.apgr.unwrap() - 0.875).abs() < 1e-9);
        assert_eq!((quality.cpt50, quality.cpt80), (Some(0.125), Some(0.2)));
        assert_eq!((figures.auc_fail, figures.tiers.as_ref().map(|tiers| tiers.f1)), (Some(1.0), Some(1.0)));
        let constant = report(&judged(|_| 0.3), 20);
        assert!((constant.mix["in"].apgr.unwrap() - 0.5).abs() < 1e-9);
        assert_eq!(constant.sources["a"].auc_need, Some(0.5));
    }

    #[test]
    fn equal_figures_share_a_rank() {
        assert_eq!(ranks(&[3.0, 1.0, 1.0, 9.0]), [2.0, 0.5, 0.5, 3.0]);
    }
}
