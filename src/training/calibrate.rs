//! From a sum to a probability, and how far a probability is off.

/// Bins of equal mass in which a calibration error is measured.
const BINS: usize = 15;

/// Slope and intercept of the logistic function that fits best: Platt scaling by Newton's method.
///
/// `sums` are log-odds, or any sums, with whether it came so. `pull` draws both towards those that change nothing, as much
/// as so many rows.
pub(super) fn platt(sums: &[(f64, bool)], pull: f64) -> (f64, f64) {
    let (mut slope, mut intercept) = (1.0, 0.0);
    for _ in 0..30 {
        let (mut by_slope, mut by_intercept) = (pull * (slope - 1.0), pull * intercept);
        // A trace of a penalty keeps the matrix invertible where all sums are alike.
        let (mut both_slope, mut mixed, mut both_intercept) = (pull + 1e-9, 0.0, pull + 1e-9);
        for (sum, failed) in sums {
            let likely = logistic(slope * sum + intercept);
            let off = likely - f64::from(u8::from(*failed));
            by_slope += off * sum;
            by_intercept += off;
            let curve = likely * (1.0 - likely);
            both_slope += curve * sum * sum;
            mixed += curve * sum;
            both_intercept += curve;
        }
        let determinant = both_slope * both_intercept - mixed * mixed;
        slope -= (both_intercept * by_slope - mixed * by_intercept) / determinant;
        intercept -= (both_slope * by_intercept - mixed * by_slope) / determinant;
    }
    (slope, intercept)
}

pub(super) fn logistic(sum: f64) -> f64 {
    1.0 / (1.0 + (-sum).exp())
}

/// The mean distance between what was foretold and what came, over 15 bins of equal mass.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "numbers of rows are small")]
pub(super) fn calibration_error(foretold: &[(f64, bool)]) -> Option<f64> {
    let mut sorted = foretold.to_vec();
    sorted.sort_by(|one, other| one.0.total_cmp(&other.0));
    let all = sorted.len();
    if all == 0 {
        return None;
    }
    let mut error = 0.0;
    for bin in 0..BINS {
        let rows = &sorted[all * bin / BINS..all * (bin + 1) / BINS];
        let foretold: f64 = rows.iter().map(|row| row.0).sum();
        let came = rows.iter().filter(|row| row.1).count() as f64;
        error += (foretold - came).abs();
    }
    Some(error / all as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platt_scaling_finds_the_shares() {
        let sums: Vec<(f64, bool)> =
            (0..1_000).map(|row| if row < 500 { (-1.0, row % 10 == 0) } else { (1.0, row % 10 != 0) }).collect();
        let (slope, intercept) = platt(&sums, 0.0);
        assert!((logistic(slope + intercept) - 0.9).abs() < 1e-6);
        assert!((logistic(-slope + intercept) - 0.1).abs() < 1e-6);
        // Three rows against a thousand that say: leave it.
        let (slope, intercept) = platt(&sums[..3], 1_000.0);
        assert!((slope - 1.0).abs() < 0.01 && intercept.abs() < 0.01);
        assert_eq!(platt(&[], 5.0), (1.0, 0.0));
    }

    #[test]
    fn the_calibration_error_is_the_distance_between_word_and_deed() {
        assert_eq!(calibration_error(&[]), None);
        let honest: Vec<(f64, bool)> = (0..300).map(|row| (0.5, row % 2 == 0)).collect();
        assert!(calibration_error(&honest).unwrap() < 1e-9);
        let boastful: Vec<(f64, bool)> = (0..300).map(|row| (0.9, row % 2 == 0)).collect();
        assert!((calibration_error(&boastful).unwrap() - 0.4).abs() < 1e-9);
    }
}
