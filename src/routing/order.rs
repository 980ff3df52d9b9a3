//! In which order upstreams are tried: the decided tier first, then the next ones up.

use crate::catalog::{ByTier, Tier};

/// Something that can be tried: its place in its tier.
pub trait Ranked {
    /// Smaller is tried first.
    fn priority(&self) -> i32;
    /// Share among those of the same priority, at least 1.
    fn weight(&self) -> u32;
}

/// The order of attempts: within a tier by priority, then by a weighted draw; then the tiers above
/// if `fallback` is set. The same `seed` gives the same order.
#[must_use]
pub fn attempt_order<T: Ranked>(tier: Tier, tiers: &ByTier<Vec<T>>, fallback: bool, seed: u64) -> Vec<&T> {
    let reach = if fallback { tier.and_up() } else { &tier.and_up()[..1] };
    let mut order = Vec::with_capacity(4);
    for tier in reach {
        let upstreams = &tiers[*tier];
        if let [only] = upstreams.as_slice() {
            order.push(only);
            continue;
        }
        let mut ranked: Vec<(i32, f64, &T)> = upstreams
            .iter()
            .zip(0_u64..)
            .map(|(upstream, index)| (upstream.priority(), draw(seed, index, upstream.weight()), upstream))
            .collect();
        ranked.sort_by(|one, other| one.0.cmp(&other.0).then(one.1.total_cmp(&other.1)));
        order.extend(ranked.into_iter().map(|(_, _, upstream)| upstream));
    }
    order
}

/// A key whose ascending order is a weighted draw without replacement: −ln(u) / weight.
///
/// Source: Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006.
fn draw(seed: u64, index: u64, weight: u32) -> f64 {
    // SplitMix64's finaliser turns the seed into a uniform figure.
    let mut bits = seed.wrapping_add((index + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^= bits >> 31;
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
    let uniform = ((bits >> 11) + 1) as f64 / (1_u64 << 53) as f64;
    -uniform.ln() / f64::from(weight.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Fake(&'static str, i32, u32);

    impl Ranked for Fake {
        fn priority(&self) -> i32 {
            self.1
        }
        fn weight(&self) -> u32 {
            self.2
        }
    }

    fn tiers() -> ByTier<Vec<Fake>> {
        ByTier::from_fn(|tier| match tier {
            Tier::Cheap => vec![Fake("c", 0, 1)],
            Tier::Medium => vec![Fake("m9", 0, 9), Fake("m1", 0, 1), Fake("spare", 1, 1000)],
            Tier::Frontier => vec![Fake("f", 0, 1)],
        })
    }

    #[test]
    fn the_decided_tier_comes_first_and_then_only_stronger_ones() {
        let tiers = tiers();
        let names = |tier, fallback| -> Vec<_> {
            attempt_order(tier, &tiers, fallback, 7).into_iter().map(|upstream| upstream.0).collect()
        };
        assert_eq!(names(Tier::Frontier, true), ["f"]);
        assert_eq!(names(Tier::Cheap, false), ["c"]);
        let all = names(Tier::Cheap, true);
        assert_eq!((all[0], all[3], all[4]), ("c", "spare", "f"));
    }

    #[test]
    fn weights_are_shares() {
        let tiers = tiers();
        let first = (0..10_000).filter(|seed| attempt_order(Tier::Medium, &tiers, false, *seed)[0].0 == "m9").count();
        assert!((8_800..9_200).contains(&first), "{first}");
    }
}
