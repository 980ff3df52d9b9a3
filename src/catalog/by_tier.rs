//! One value for each tier.

use std::ops::{Index, IndexMut};

use super::Tier;

/// One value for each tier, indexed by the tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ByTier<T>([T; 3]);

impl<T> ByTier<T> {
    /// The value that a function gives for each tier, weakest first.
    pub fn from_fn(value: impl FnMut(Tier) -> T) -> Self {
        ByTier(Tier::ALL.map(value))
    }

    /// The tiers with their values, weakest first.
    pub fn iter(&self) -> impl Iterator<Item = (Tier, &T)> {
        Tier::ALL.into_iter().zip(&self.0)
    }

    /// The values, weakest tier first.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }
}

impl<T> Index<Tier> for ByTier<T> {
    type Output = T;

    fn index(&self, tier: Tier) -> &T {
        &self.0[tier as usize]
    }
}

impl<T> IndexMut<Tier> for ByTier<T> {
    fn index_mut(&mut self, tier: Tier) -> &mut T {
        &mut self.0[tier as usize]
    }
}
