//! What the upstreams offer: asked for when somebody wants to know, and remembered for a while.

use std::collections::HashSet;
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
    /// Tokens that fit into its context, if known.
    pub context_length: Option<u64>,
    /// Seconds since the epoch at which it was made, if known.
    pub created: Option<i64>,
}

/// What was listed last.
#[derive(Debug, Default)]
pub struct Offers(Mutex<Option<Remembered>>);

#[derive(Debug)]
struct Remembered {
    until: Instant,
    offers: Vec<Offer>,
}

impl Gateway {
    /// The models that are configured, then those that the upstreams list; each name once, weakest tier first.
    pub async fn models(&self) -> Vec<Offer> {
        let mut offers: Vec<Offer> =
            self.tiers.values().flatten().filter_map(|target| self.configured(target)).collect();
        let mut known: HashSet<String> = HashSet::new();
        offers.retain(|offer| known.insert(offer.id.clone()));
        for listed in self.listed().await {
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

    fn configured(&self, target: &Target) -> Option<Offer> {
        let upstream = &target.upstream;
        let id = upstream.model.clone()?;
        let context_length = self.catalog.find(upstream.provider, &id).and_then(|facts| facts.context_window);
        Some(Offer { id, provider: upstream.provider, tier: upstream.tier, context_length, created: None })
    }

    async fn listed(&self) -> Vec<Offer> {
        // Who comes while it is being asked waits for the same answer.
        let mut remembered = self.offers.0.lock().await;
        if let Some(remembered) = remembered.as_ref().filter(|remembered| remembered.until > Instant::now()) {
            return remembered.offers.clone();
        }
        // Several tiers are often one server with one key.
        let mut seen = HashSet::new();
        let targets = self.tiers.values().flatten().filter(|target| {
            let key = target.upstream.api_key.as_ref().map(|key| key.expose().to_owned());
            seen.insert((target.models_url().to_string(), key))
        });
        let lists = join_all(targets.map(|target| self.list(target))).await;
        let failed = lists.iter().any(Option::is_none);
        let mut offers: Vec<Offer> = lists.into_iter().flatten().flatten().collect();
        if failed && let Some(before) = remembered.take() {
            // An older list is better than none.
            let fresh: HashSet<String> = offers.iter().map(|offer| offer.id.clone()).collect();
            offers.extend(before.offers.into_iter().filter(|offer| !fresh.contains(&offer.id)));
        }
        let until = Instant::now() + if failed { AFTER_FAILURE } else { FRESH };
        *remembered = Some(Remembered { until, offers: offers.clone() });
        offers
    }

    /// One upstream's list; `None` if it did not come.
    async fn list(&self, target: &Target) -> Option<Vec<Offer>> {
        let list = probe::models(&self.client, target, LIMIT).await.ok();
        let list = list.map(|models| models.into_iter().map(|listed| offer(target, listed)).collect());
        if list.is_none() {
            tracing::debug!(upstream = target.upstream.name, "an upstream does not list its models");
        }
        list
    }
}

fn offer(target: &Target, listed: Listed) -> Offer {
    let Listed { id, context_length, created } = listed;
    Offer { id, provider: target.upstream.provider, tier: target.upstream.tier, context_length, created }
}
