//! Keeps the thresholds where the traffic has the shares that are wanted.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Gateway;
use super::recall::{Recall, Retold};
use crate::catalog::Tier;
use crate::config::TargetShare;
use crate::routing::Thresholds;
use crate::store::{Row, StoreError};

/// How often the traffic is looked at.
const EVERY: Duration = Duration::from_mins(10);
/// Newest requests that are looked at.
const NEWEST: u32 = 10_000;

/// Learns the thresholds from the newest requests, at the start and every ten minutes, until `stop`.
pub async fn keep_shares(gateway: Arc<Gateway>, share: TargetShare, stop: CancellationToken) {
    let learning = async {
        loop {
            match learn(&gateway, share).await {
                Ok(Some((thresholds, requests))) => {
                    tracing::info!(
                        medium_at = thresholds.medium_at,
                        frontier_at = thresholds.frontier_at,
                        requests,
                        "thresholds learnt from the history"
                    );
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(error = %error, "thresholds could not be learnt from the history"),
            }
            tokio::time::sleep(EVERY).await;
        }
    };
    tokio::select! {
        () = learning => {}
        () = stop.cancelled() => {}
    }
}

/// Learns once, and puts in force what it learnt; nothing where the history tells too little.
async fn learn(gateway: &Arc<Gateway>, share: TargetShare) -> Result<Option<(Thresholds, usize)>, StoreError> {
    let Some(embedded) = gateway.classifier.embedded().cloned() else { return Ok(None) };
    let store = &gateway.listeners.store;
    let policies = store.policies().await?;
    let mut rows = store.newest(NEWEST).await?;
    rows.retain(|row| row.score.is_some());
    let count = rows.len();
    let gateway = gateway.clone();
    // Some hundred thousand decisions: not on a thread that serves.
    let learnt = tokio::task::spawn_blocking(move || {
        let recall =
            Recall { classifier: &gateway.classifier, policy: &gateway.policy, marks: &gateway.policy_marks, policies };
        let scores: Vec<f64> = rows.iter().filter_map(|row| row.score).collect();
        Thresholds::of_shares(&scores, [share.cheap, share.medium], |thresholds| {
            let tier = |row: &Row| {
                let prices = gateway.tier_prices(&row.requested_model);
                match recall.decide(row, thresholds, &prices) {
                    Retold::Decided(decided) => decided.decision.tier,
                    Retold::CannotTell(_) => row.decision,
                }
            };
            let tiers: Vec<Tier> = rows.iter().map(tier).collect();
            let up_to = |most| tiers.iter().filter(|tier| **tier <= most).count();
            [up_to(Tier::Cheap), up_to(Tier::Medium)]
        })
    });
    let learnt = learnt.await.unwrap_or_default();
    if let Some(thresholds) = learnt {
        embedded.set_thresholds(thresholds);
    }
    Ok(learnt.map(|thresholds| (thresholds, count)))
}
