//! Keeps the thresholds where the traffic has the shares that are wanted.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::config::TargetShare;
use crate::routing::{Classifier, Thresholds};
use crate::store::Store;

/// How often the traffic is looked at.
const EVERY: Duration = Duration::from_mins(10);

/// Learns the thresholds from the scores of the newest requests, at the start and every ten minutes, until `stop`.
pub async fn keep_shares(classifier: Arc<Classifier>, share: TargetShare, store: Store, stop: CancellationToken) {
    let Some(embedded) = classifier.embedded() else { return };
    let learning = async {
        loop {
            match store.scores().await {
                Ok(scores) => {
                    if let Some(thresholds) = Thresholds::of_shares(&scores, share.cheap, share.medium) {
                        tracing::info!(
                            medium_at = thresholds.medium_at,
                            frontier_at = thresholds.frontier_at,
                            requests = scores.len(),
                            "thresholds learnt from the history"
                        );
                        embedded.set_thresholds(thresholds);
                    }
                }
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
