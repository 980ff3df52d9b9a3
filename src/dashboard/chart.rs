//! The history chart: stacked bars of requests per tier, drawn by the server as SVG.

use crate::catalog::Tier;
use crate::protocol::Timestamp;
use crate::store::{AnsweredBy, Point};

const HOUR_MS: i64 = 3_600_000;
const WIDTH: f64 = 880.0;
const HEIGHT: f64 = 190.0;
const LEFT: f64 = 44.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 24.0;

/// How much of the history a chart shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Range {
    /// 24 bars of an hour.
    Day,
    /// 28 bars of six hours.
    Week,
    /// 30 bars of a day.
    Month,
}

impl Range {
    pub(super) const ALL: [Range; 3] = [Range::Day, Range::Week, Range::Month];

    pub(super) fn name(self) -> &'static str {
        match self {
            Range::Day => "24h",
            Range::Week => "7d",
            Range::Month => "30d",
        }
    }

    fn bars(self) -> i64 {
        match self {
            Range::Day => 24,
            Range::Week => 28,
            Range::Month => 30,
        }
    }

    /// Whether its bars are made of whole days.
    pub(super) fn by_day(self) -> bool {
        self == Range::Month
    }

    fn bar_ms(self) -> i64 {
        match self {
            Range::Day => HOUR_MS,
            Range::Week => 6 * HOUR_MS,
            Range::Month => 24 * HOUR_MS,
        }
    }

    /// The begin of the first bar, so that the last one holds `now`.
    pub(super) fn from(self, now: Timestamp) -> Timestamp {
        let last = now.0.div_euclid(self.bar_ms()) * self.bar_ms();
        Timestamp(last - (self.bars() - 1) * self.bar_ms())
    }
}

/// One rectangle.
#[derive(Debug)]
pub(super) struct Bar {
    pub(super) x: String,
    pub(super) y: String,
    pub(super) width: String,
    pub(super) height: String,
    /// The style's class: a tier's name.
    pub(super) class: &'static str,
    /// What it stands for, shown under the pointer.
    pub(super) title: String,
}

/// One label of an axis, with its line for the vertical one.
#[derive(Debug)]
pub(super) struct Label {
    pub(super) at: String,
    pub(super) text: String,
}

/// Everything that the template draws, computed.
#[derive(Debug)]
pub(super) struct Chart {
    pub(super) bars: Vec<Bar>,
    pub(super) rows: Vec<Label>,
    pub(super) columns: Vec<Label>,
    pub(super) total: i64,
}

/// Draws the points of a range.
#[expect(clippy::cast_precision_loss, reason = "a chart is drawn in pixels")]
pub(super) fn chart(points: &[Point], range: Range, now: Timestamp) -> Chart {
    let from = range.from(now).0;
    let count = usize::try_from(range.bars()).unwrap_or(24);
    let mut sums = vec![[0_i64; 4]; count];
    for point in points {
        let index = usize::try_from((point.begin_ms - from).div_euclid(range.bar_ms())).ok();
        if let Some(bar) = index.and_then(|index| sums.get_mut(index)) {
            let part = match point.answered_by {
                AnsweredBy::Tier(tier) => tier as usize,
                AnsweredBy::ResponseCache | AnsweredBy::Nobody => Tier::ALL.len(),
            };
            bar[part] += point.requests;
        }
    }
    let highest = sums.iter().map(|bar| bar.iter().sum::<i64>()).max().unwrap_or(0);
    let top = nice_ceiling(highest);
    let step = (WIDTH - LEFT) / count as f64;
    let scale = (HEIGHT - TOP - BOTTOM) / top as f64;
    let mut bars = Vec::new();
    for (index, bar) in sums.iter().enumerate() {
        let mut base = HEIGHT - BOTTOM;
        let begin = Timestamp(from + i64::try_from(index).unwrap_or(0) * range.bar_ms()).to_string();
        for (part, requests) in bar.iter().enumerate().filter(|(_, requests)| **requests > 0) {
            let height = *requests as f64 * scale;
            base -= height;
            let class = Tier::ALL.get(part).map_or("none", |tier| tier.as_str());
            bars.push(Bar {
                x: format!("{:.1}", LEFT + index as f64 * step + step * 0.12),
                y: format!("{base:.1}"),
                width: format!("{:.1}", step * 0.76),
                height: format!("{height:.1}"),
                class,
                title: format!("{} UTC, {class}: {requests}", begin[..16].replace('T', " ")),
            });
        }
    }
    let rows = [0, 1, 2].map(|part| {
        let value = top * part / 2;
        Label { at: format!("{:.1}", HEIGHT - BOTTOM - value as f64 * scale), text: value.to_string() }
    });
    let every = (count / 6).max(1);
    let columns = (0..count)
        .step_by(every)
        .map(|index| {
            let begin = Timestamp(from + i64::try_from(index).unwrap_or(0) * range.bar_ms()).to_string();
            let text = if range == Range::Day { &begin[11..16] } else { &begin[5..10] };
            Label { at: format!("{:.1}", LEFT + (index as f64 + 0.5) * step), text: text.to_owned() }
        })
        .collect();
    let total = sums.iter().flatten().sum();
    Chart { bars, rows: rows.into_iter().collect(), columns, total }
}

/// The next of 2, 4, 10, 20, 40, 100, …: even, so that the middle line has a whole figure.
fn nice_ceiling(highest: i64) -> i64 {
    let mut step = 1_i64;
    loop {
        for factor in [2, 4, 10] {
            if highest <= step.saturating_mul(factor) {
                return step.saturating_mul(factor);
            }
        }
        step = step.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_of_the_range_is_in_the_chart_and_the_last_bar_holds_now() {
        let now: Timestamp = "2026-11-23T08:30:00Z".parse().unwrap();
        for range in Range::ALL {
            let from = range.from(now).0;
            let hours = (now.0 - from) / HOUR_MS;
            let points: Vec<_> = (0..=hours)
                .map(|hour| Point {
                    begin_ms: from + hour * HOUR_MS,
                    answered_by: AnsweredBy::Tier(Tier::Cheap),
                    requests: 1,
                })
                .collect();
            let drawn = chart(&points, range, now);
            assert_eq!(drawn.total, hours + 1, "{range:?}");
            assert_eq!(drawn.bars.len(), usize::try_from(range.bars()).unwrap(), "{range:?}");
        }
    }

    #[test]
    fn the_axis_ends_at_a_round_figure() {
        for (highest, top) in [(0, 2), (2, 2), (3, 4), (5, 10), (11, 20), (41, 100), (i64::MAX, i64::MAX)] {
            assert_eq!(nice_ceiling(highest), top);
        }
    }
}
