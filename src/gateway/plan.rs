//! Which upstreams a request goes to: every candidate is judged once, before the first is called.

use std::fmt;
use std::sync::Arc;

use super::Gateway;
use super::requirements::{Requirements, Unsupported};
use crate::catalog::Tier;
use crate::protocol::ChatRequest;
use crate::providers::Target;
use crate::routing::{Ranked, attempt_order};
use crate::store::Skipped;

impl Ranked for Arc<Target> {
    fn priority(&self) -> i32 {
        self.upstream.priority
    }
    fn weight(&self) -> u32 {
        self.upstream.weight
    }
}

/// One upstream that could be called.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The upstream.
    pub target: Arc<Target>,
    /// Whether it can take the request.
    pub fitness: Fitness,
}

/// Whether an upstream can take a request. A new reason why it cannot is a new member here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fitness {
    /// It can, as far as is known.
    Fit,
    /// It lacks something that the request requires.
    Unsupported(Unsupported),
    /// It has no word for a field of the request, or no model to ask: what the error says.
    Inexpressible(String),
}

impl fmt::Display for Fitness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fitness::Fit => f.write_str("it can take the request"),
            Fitness::Unsupported(unsupported) => unsupported.fmt(f),
            Fitness::Inexpressible(why) => f.write_str(why),
        }
    }
}

impl Candidate {
    /// What is kept of it where it is passed over, and why.
    pub(super) fn skipped(&self, why: &impl fmt::Display) -> Skipped {
        let upstream = &self.target.upstream;
        Skipped { upstream: upstream.name.clone(), tier: upstream.tier, reason: why.to_string() }
    }
}

/// All candidates from the decided tier up, in the order in which they would be called.
#[derive(Debug)]
pub(super) struct Plan {
    /// The candidates.
    pub(super) candidates: Vec<Candidate>,
    /// The first tier from the decided one up that can take the request; the decided one if none can for a known reason.
    pub(super) tier: Tier,
    /// What keeps the tiers below `tier`, or all of them, from taking it.
    pub(super) limit: Option<Unsupported>,
    /// Whether no tier can take the request.
    pub(super) is_impossible: bool,
    /// Whether tiers above `tier` are tried too.
    fallback: bool,
}

impl Plan {
    /// The candidates that are come to, one after the other, fit and unfit.
    pub(super) fn reached(&self) -> impl Iterator<Item = &Candidate> {
        let is_reached = |at: Tier| at <= self.tier || self.fallback || self.is_impossible;
        self.candidates.iter().filter(move |candidate| is_reached(candidate.target.upstream.tier))
    }
}

impl Gateway {
    /// Judges every candidate from a tier up. A tier that cannot take the request moves it up, never down, and never cuts
    /// it; a tier without upstreams keeps it.
    pub(super) fn plan(
        &self,
        request: &ChatRequest<'_>,
        requirements: &Requirements,
        decided: Tier,
        seed: u64,
    ) -> Plan {
        let order = attempt_order(decided, &self.tiers, true, seed);
        let candidates: Vec<Candidate> = order
            .into_iter()
            .map(|target| {
                let unsupported = self.unsupported(target, request, requirements);
                let fitness = unsupported.map_or(Fitness::Fit, Fitness::Unsupported);
                Candidate { target: target.clone(), fitness }
            })
            .collect();
        let mut limit = None;
        for tier in decided.and_up() {
            let of_tier = || candidates.iter().filter(|candidate| candidate.target.upstream.tier == *tier);
            let is_empty = of_tier().next().is_none();
            let fit = of_tier().any(|candidate| candidate.fitness == Fitness::Fit);
            if fit || (is_empty && limit.is_none()) {
                return Plan { tier: *tier, limit, is_impossible: false, fallback: self.fallback, candidates };
            }
            let first = of_tier().find_map(|candidate| match &candidate.fitness {
                Fitness::Unsupported(unsupported) => Some(unsupported.clone()),
                Fitness::Fit | Fitness::Inexpressible(_) => None,
            });
            limit = first.or(limit);
        }
        Plan { tier: decided, is_impossible: limit.is_some(), limit, fallback: self.fallback, candidates }
    }
}
