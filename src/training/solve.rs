//! Logistic regression with soft labels, row weights and an L2 penalty, by L-BFGS.
//!
//! Source: Nocedal and Wright, "Numerical Optimization", 2006, algorithms 7.4 and 7.5, with a
//! backtracking line search. Single-threaded, so that sums have one order and one result.

/// Pairs of steps and gradient changes that are remembered.
const MEMORY: usize = 7;
/// A gain below this share of the loss ends the search.
const SETTLED: f64 = 1e-6;

/// Sparse rows with a label between 0 and 1 each.
pub(super) struct Problem<'a> {
    /// Slots and values of each row; every slot is below `size`.
    pub(super) rows: Vec<&'a [(u32, f32)]>,
    pub(super) labels: Vec<f64>,
    pub(super) weights: Vec<f64>,
    /// What each row's sum starts from, in place of a bias; `None` for a bias that is fitted.
    pub(super) offsets: Option<Vec<f64>>,
    pub(super) size: usize,
    pub(super) penalty: f64,
}

impl Problem<'_> {
    /// The weights that fit best; the last one is the bias, which is not penalised, and 0 where there are offsets.
    pub(super) fn solve(&self, most_steps: usize) -> Vec<f32> {
        let mut at = vec![0.0_f32; self.size + 1];
        let mut gradient = vec![0.0_f32; self.size + 1];
        let mut loss = self.loss(&at, &mut gradient);
        let mut remembered: Vec<(Vec<f32>, Vec<f32>)> = Vec::new();
        for _ in 0..most_steps {
            let direction = direction(&gradient, &remembered);
            let Some((next, next_gradient, next_loss)) = self.search(&at, loss, &gradient, &direction) else { break };
            let moved = difference(&next, &at);
            let bent = difference(&next_gradient, &gradient);
            if dot(&moved, &bent) > 1e-12 {
                remembered.push((moved, bent));
                if remembered.len() > MEMORY {
                    remembered.remove(0);
                }
            }
            let settled = loss - next_loss < SETTLED * loss.abs().max(SETTLED);
            (at, gradient, loss) = (next, next_gradient, next_loss);
            if settled {
                break;
            }
        }
        at
    }

    /// Halves the step until the loss falls enough; `None` if it never does.
    fn search(&self, at: &[f32], loss: f64, gradient: &[f32], direction: &[f32]) -> Option<(Vec<f32>, Vec<f32>, f64)> {
        let slope = dot(direction, gradient);
        let mut next_gradient = vec![0.0; at.len()];
        let mut step = 1.0_f32;
        for _ in 0..20 {
            let next: Vec<f32> = at.iter().zip(direction).map(|(at, direction)| at + step * direction).collect();
            let next_loss = self.loss(&next, &mut next_gradient);
            if next_loss <= loss + 1e-4 * f64::from(step) * slope {
                return Some((next, next_gradient, next_loss));
            }
            step *= 0.5;
        }
        None
    }

    #[expect(clippy::cast_possible_truncation, reason = "the search works in single precision")]
    fn loss(&self, at: &[f32], gradient: &mut [f32]) -> f64 {
        let (bias, weights) = at.split_last().unwrap_or((&0.0, &[]));
        for (gradient, weight) in gradient.iter_mut().zip(weights) {
            *gradient = self.penalty as f32 * weight;
        }
        let mut bias_gradient = 0.0_f32;
        let mut loss = 0.5 * self.penalty * dot(weights, weights);
        let offsets = self.offsets.iter().flatten().copied().chain(std::iter::repeat(0.0));
        for (((row, label), weight), offset) in self.rows.iter().zip(&self.labels).zip(&self.weights).zip(offsets) {
            let sum =
                offset + f64::from(row.iter().fold(*bias, |sum, (slot, value)| sum + weights[*slot as usize] * value));
            let likely = 1.0 / (1.0 + (-sum).exp());
            // ln(1 + e^−|sum|) + the part that the label does not explain; never overflows.
            loss += weight * ((-sum.abs()).exp().ln_1p() + sum.max(0.0) - label * sum);
            let off = (weight * (likely - label)) as f32;
            for (slot, value) in *row {
                gradient[*slot as usize] += off * value;
            }
            bias_gradient += off;
        }
        if let Some(last) = gradient.last_mut() {
            *last = if self.offsets.is_none() { bias_gradient } else { 0.0 };
        }
        loss
    }
}

/// The weighted sum of a row.
pub(super) fn sum(row: &[(u32, f32)], weights: &[f64], bias: f64) -> f64 {
    row.iter().fold(bias, |sum, (slot, value)| sum + weights[*slot as usize] * f64::from(*value))
}

/// Where the loss falls fastest, as the remembered steps bend it: the two-loop recursion.
#[expect(clippy::cast_possible_truncation, reason = "the search works in single precision")]
fn direction(gradient: &[f32], remembered: &[(Vec<f32>, Vec<f32>)]) -> Vec<f32> {
    let mut direction: Vec<f32> = gradient.iter().map(|figure| -figure).collect();
    let add = |to: &mut Vec<f32>, factor: f64, what: &[f32]| {
        to.iter_mut().zip(what).for_each(|(to, what)| *to += factor as f32 * what);
    };
    let mut factors = Vec::with_capacity(remembered.len());
    for (moved, bent) in remembered.iter().rev() {
        let factor = dot(moved, &direction) / dot(moved, bent);
        add(&mut direction, -factor, bent);
        factors.push(factor);
    }
    let scale = match remembered.last() {
        Some((moved, bent)) => dot(moved, bent) / dot(bent, bent),
        None => 1.0 / dot(gradient, gradient).sqrt().max(f64::MIN_POSITIVE),
    };
    for figure in &mut direction {
        *figure *= scale as f32;
    }
    for ((moved, bent), factor) in remembered.iter().zip(factors.into_iter().rev()) {
        let back = dot(bent, &direction) / dot(moved, bent);
        add(&mut direction, factor - back, moved);
    }
    direction
}

fn dot(one: &[f32], other: &[f32]) -> f64 {
    one.iter().zip(other).map(|(one, other)| f64::from(*one) * f64::from(*other)).sum()
}

fn difference(one: &[f32], other: &[f32]) -> Vec<f32> {
    one.iter().zip(other).map(|(one, other)| one - other).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_the_least_loss() {
        // Slot 0 is in rows that are 80 % ones, slot 1 in rows that are 20 % ones.
        let (zero, one) = ([(0_u32, 1.0_f32)], [(1_u32, 1.0_f32)]);
        let problem = Problem {
            rows: vec![&zero, &one],
            labels: vec![0.8, 0.2],
            weights: vec![100.0, 100.0],
            offsets: None,
            size: 2,
            penalty: 1e-6,
        };
        let weights = problem.solve(50);
        let likely = |slot: usize| 1.0 / (1.0 + (-(weights[slot] + weights[2])).exp());
        assert!((likely(0) - 0.8).abs() < 1e-3 && (likely(1) - 0.2).abs() < 1e-3, "{weights:?}");
        // What a row starts from needs no weight.
        let offsets = Some(vec![(0.8_f64 / 0.2).ln(), (0.2_f64 / 0.8).ln()]);
        let (rows, labels, weights) = (problem.rows.clone(), problem.labels.clone(), problem.weights.clone());
        let begun = Problem { rows, labels, weights, offsets, ..problem }.solve(50);
        assert!(begun.iter().all(|weight| weight.abs() < 1e-3), "{begun:?}");
        // A penalty keeps weights small.
        let held = Problem { penalty: 1e3, ..problem }.solve(50);
        assert!(held[0].abs() < 0.1, "{held:?}");
    }
}
