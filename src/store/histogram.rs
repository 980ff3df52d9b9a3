//! How many requests took how long, in buckets of fixed bounds, and the percentiles that follow from them.

/// The buckets' upper bounds in milliseconds, inclusive. The last bucket has none.
pub(super) const BOUNDS_MS: [i64; 23] = [
    2, 5, 10, 20, 50, 100, 200, 300, 500, 700, 1_000, 1_500, 2_000, 3_000, 5_000, 7_000, 10_000, 15_000, 20_000,
    30_000, 60_000, 120_000, 300_000,
];
/// How many buckets there are.
pub(super) const BUCKETS: usize = BOUNDS_MS.len() + 1;

/// Counts of requests by how long something took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Histogram(pub(super) [i64; BUCKETS]);

impl Default for Histogram {
    fn default() -> Self {
        Histogram([0; BUCKETS])
    }
}

impl Histogram {
    /// Counts a duration in microseconds.
    pub(super) fn add(&mut self, us: i64) {
        self.0[BOUNDS_MS.partition_point(|bound| bound * 1_000 < us)] += 1;
    }

    /// How many durations were counted.
    #[must_use]
    pub fn count(&self) -> i64 {
        self.0.iter().sum()
    }

    /// An estimate of the duration, in milliseconds, that a share of the requests does not exceed: the rank's place
    /// between the bounds of its bucket. It is off by less than that bucket is wide. Beyond the last bound (300 s) it is
    /// that bound. `None` if nothing was counted.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub fn percentile(&self, share: f64) -> Option<f64> {
        let count = self.count();
        if count <= 0 {
            return None;
        }
        let rank = share.clamp(0.0, 1.0) * count as f64;
        let mut below = 0.0;
        for (index, here) in self.0.iter().enumerate() {
            let here = *here as f64;
            if here > 0.0 && below + here >= rank {
                let lower = if index == 0 { 0.0 } else { BOUNDS_MS[index - 1] as f64 };
                let upper = BOUNDS_MS.get(index).map_or(lower, |bound| *bound as f64);
                return Some(lower + (upper - lower) * ((rank - below) / here).clamp(0.0, 1.0));
            }
            below += here;
        }
        BOUNDS_MS.last().map(|bound| *bound as f64)
    }
}

impl std::ops::AddAssign for Histogram {
    fn add_assign(&mut self, other: Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
    }
}

/// The columns of a histogram in the rollups: `duration_le_2` … `duration_le_300000`, `duration_le_inf`.
pub(super) fn columns(prefix: &str) -> impl Iterator<Item = String> {
    BOUNDS_MS.iter().map(ToString::to_string).chain(["inf".to_owned()]).map(move |bound| format!("{prefix}_le_{bound}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_fall_into_the_bucket_whose_bound_they_do_not_exceed() {
        let mut histogram = Histogram::default();
        for us in [0, 2_000, 2_001, 300_000_000, 300_000_001] {
            histogram.add(us);
        }
        assert_eq!((histogram.0[0], histogram.0[1], histogram.0[22], histogram.0[23]), (2, 1, 1, 1));
        assert_eq!(histogram.count(), 5);
    }

    #[test]
    fn percentiles_are_off_by_less_than_a_bucket() {
        assert_eq!(Histogram::default().percentile(0.5), None);
        let mut histogram = Histogram::default();
        // 1 to 1000 ms, one each: the exact percentile is its own rank.
        for ms in 1..=1_000 {
            histogram.add(ms * 1_000);
        }
        for (share, exact) in [(0.5, 500.0), (0.9, 900.0), (0.95, 950.0), (0.99, 990.0), (1.0, 1_000.0)] {
            let estimate = histogram.percentile(share).unwrap();
            assert!((estimate - exact).abs() < 3.0, "{share}: {estimate} against {exact}");
        }
        let mut slow = Histogram::default();
        slow.add(900_000_000);
        assert_eq!(slow.percentile(0.5), Some(300_000.0), "the last bucket is open");
    }
}
