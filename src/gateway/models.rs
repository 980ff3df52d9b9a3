//! What the upstreams offer: asked for when somebody wants to know, and remembered for a while.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::Mutex;

use super::Gateway;
use crate::catalog::{Provider, Tier};
use crate::providers::{Listed, Target, probe};

/// How long a list is believed.
const FRESH: Duration = Duration::from_mins(10);
/// How long it is not asked for again where it did not come.
const AFTER_FAILURE: Duration = Duration::from_mins(1);
/// Longest wait for one upstream's list, all its pages together.
const LIMIT: Duration = Duration::from_secs(5);

/// A model that can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Its name.
    pub id: String,
    /// Who serves it.
    pub provider: Provider,
    /// The tier whose upstream it is.
    pub tier: Tier,
    /// That upstream's place in its tier.
    pub place: usize,
    /// Tokens that fit into its context, if known.
    pub context_length: Option<u64>,
    /// Seconds since the epoch at which it was made, if known.
    pub created: Option<i64>,
}

/// What was listed last.
#[derive(Debug, Default)]
pub struct Offers {
    last: RwLock<Option<Remembered>>,
    /// Whoever comes while the upstreams are being asked waits for the same answer.
    turn: Mutex<()>,
}

#[derive(Debug, Clone)]
struct Remembered {
    until: Instant,
    offers: Arc<[Offer]>,
}

impl Offers {
    fn last(&self) -> Option<Remembered> {
        self.last.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fresh(&self) -> Option<Arc<[Offer]>> {
        self.last().filter(|last| last.until > Instant::now()).map(|last| last.offers)
    }
}

impl Gateway {
    /// The models that are configured, then those that the upstreams list; each name once, weakest tier first.
    pub async fn models(&self) -> Vec<Offer> {
        let targets = self.tiers.values().flat_map(|tier| tier.iter().enumerate());
        let mut offers: Vec<Offer> = targets.filter_map(|(place, target)| self.configured(place, target)).collect();
        let mut known: HashSet<String> = HashSet::new();
        offers.retain(|offer| known.insert(offer.id.clone()));
        for listed in self.listed().await.iter().cloned() {
            match offers.iter_mut().find(|offer| offer.id == listed.id) {
                Some(offer) => {
                    // What a local engine says of itself counts for more than a catalogue.
                    offer.context_length = listed.context_length.or(offer.context_length);
                    offer.created = offer.created.or(listed.created);
                }
                None => offers.push(listed),
            }
        }
        offers
    }

    fn configured(&self, place: usize, target: &Target) -> Option<Offer> {
        let upstream = &target.upstream;
        let id = upstream.model.clone()?;
        let context_length = self.catalog.find(upstream.provider, &id).and_then(|facts| facts.context_window);
        Some(Offer { id, provider: upstream.provider, tier: upstream.tier, place, context_length, created: None })
    }

    /// Those of a model. One that was listed once is found without asking again.
    pub(super) async fn offers_of(&self, model: &str) -> Vec<Offer> {
        let of_model =
            |offers: &[Offer]| -> Vec<Offer> { offers.iter().filter(|offer| offer.id == model).cloned().collect() };
        let known = self.offers.last().map(|last| of_model(&last.offers)).unwrap_or_default();
        if known.is_empty() { of_model(&self.listed().await) } else { known }
    }

    async fn listed(&self) -> Arc<[Offer]> {
        if let Some(offers) = self.offers.fresh() {
            return offers;
        }
        let _turn = self.offers.turn.lock().await;
        if let Some(offers) = self.offers.fresh() {
            return offers;
        }
        // Several tiers are often one server with one key.
        let mut seen = HashSet::new();
        let targets = self.tiers.values().flat_map(|tier| tier.iter().enumerate()).filter(|(_, target)| {
            let key = target.upstream.api_key.as_ref().map(|key| key.expose().to_owned());
            seen.insert((target.models_url().to_string(), key))
        });
        let lists = join_all(targets.map(|(place, target)| self.list(place, target))).await;
        let failed = lists.iter().any(Option::is_none);
        let mut offers: Vec<Offer> = lists.into_iter().flatten().flatten().collect();
        if failed && let Some(before) = self.offers.last() {
            // An older list is better than none.
            let fresh: HashSet<String> = offers.iter().map(|offer| offer.id.clone()).collect();
            offers.extend(before.offers.iter().filter(|offer| !fresh.contains(&offer.id)).cloned());
        }
        let until = Instant::now() + if failed { AFTER_FAILURE } else { FRESH };
        let offers: Arc<[Offer]> = offers.into();
        let last = Remembered { until, offers: offers.clone() };
        *self.offers.last.write().unwrap_or_else(PoisonError::into_inner) = Some(last);
        offers
    }

    /// One upstream's list; `None` if it did not come.
    async fn list(&self, place: usize, target: &Target) -> Option<Vec<Offer>> {
        let list = probe::models(&self.client, target, LIMIT).await.ok();
        let list = list.map(|models| models.into_iter().map(|listed| offer(place, target, listed)).collect());
        if list.is_none() {
            tracing::debug!(upstream = target.upstream.name, "an upstream does not list its models");
        }
        list
    }
}

fn offer(place: usize, target: &Target, listed: Listed) -> Offer {
    let Listed { id, context_length, created } = listed;
    let upstream = &target.upstream;
    Offer { id, provider: upstream.provider, tier: upstream.tier, place, context_length, created }
}
