//! Keeps the classifier's model loaded: asked once at start, and again at an interval.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::config;
use crate::routing::Classifier;

/// Asks the classifier's model after `warmup_delay_ms`, then every `keep_alive_ms`, until `stop`.
pub async fn keep_warm(classifier: Arc<Classifier>, config: config::Classifier, stop: CancellationToken) {
    let Some(llm) = classifier.llm() else { return };
    let asking = async {
        if config.warmup {
            tokio::time::sleep(Duration::from_millis(config.warmup_delay_ms)).await;
            match llm.touch().await {
                Ok(()) => tracing::info!("the classifier's model is warm"),
                Err(error) => tracing::warn!(error = %error, "the classifier's model could not be warmed up"),
            }
        }
        if config.keep_alive_ms == 0 {
            return;
        }
        loop {
            tokio::time::sleep(Duration::from_millis(config.keep_alive_ms)).await;
            if let Err(error) = llm.touch().await {
                tracing::warn!(error = %error, "the classifier's model did not answer the keep-alive");
            }
        }
    };
    tokio::select! {
        () = asking => {}
        () = stop.cancelled() => {}
    }
}
