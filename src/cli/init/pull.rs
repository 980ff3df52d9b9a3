//! `ollama pull`, by its API, with a progress bar.

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::Deserialize;

use super::Scene;
use super::find::Engine;
use crate::catalog::Provider;
use crate::cli::reach;

/// One line of the answer (`POST /api/pull` of Ollama's API).
#[derive(Debug, Deserialize)]
struct Line {
    #[serde(default)]
    status: String,
    total: Option<u64>,
    completed: Option<u64>,
    error: Option<String>,
}

/// Brings a model; what is wrong if it does not come.
pub(super) fn pull(engine: &Engine, model: &str, scene: &Scene) -> Result<(), String> {
    let bar = cliclack::progress_bar(100).with_download_template();
    bar.start(format!("{model}: asking"));
    let pulled = scene.runtime.block_on(async {
        let base_url = engine.base_url.clone().unwrap_or_else(|| "http://localhost:11434".to_owned());
        let keys = format!("provider = \"ollama\"\nbase_url = \"{base_url}\"\n");
        let target = reach::target(&keys, Vec::new(), &scene.catalog).map_err(|failure| failure.to_string())?;
        let upstream = &target.upstream;
        let client = reach::client(std::iter::once(upstream)).map_err(|failure| failure.to_string())?;
        let url =
            format!("{}/api/pull", base_url.trim_end_matches('/')).parse().map_err(|_| "no address".to_owned())?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = Bytes::from(serde_json::json!({ "model": model, "stream": true }).to_string());
        let kind = (upstream.timeouts.connect, upstream.endpoint.is_local());
        let reply = client.post(kind, Provider::Ollama, &url, headers, body).await;
        let mut reply = reply.map_err(|error| error.to_string())?;
        if !reply.status.is_success() {
            let body = reply.body().await.unwrap_or_default();
            return Err(format!("Ollama answers {}: {}", reply.status, String::from_utf8_lossy(&body)));
        }
        let mut rest = Vec::new();
        let mut done = false;
        while let Some(piece) = reply.chunk().await.map_err(|error| error.to_string())? {
            rest.extend_from_slice(&piece);
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                done |= told(&line, model, &bar)?;
            }
        }
        done |= !rest.is_empty() && told(&rest, model, &bar)?;
        if done { Ok(()) } else { Err("the answer ended before the model was there".to_owned()) }
    });
    match &pulled {
        Ok(()) => bar.stop(format!("{model} is there")),
        Err(error) => bar.error(format!("{model}: {error}")),
    }
    pulled
}

/// Shows a line; whether it is the last.
fn told(line: &[u8], model: &str, bar: &cliclack::ProgressBar) -> Result<bool, String> {
    let Ok(line) = serde_json::from_slice::<Line>(line) else { return Ok(false) };
    if let Some(error) = line.error {
        return Err(error);
    }
    if let Some(total) = line.total.filter(|total| *total > 0) {
        bar.set_length(total);
        bar.set_position(line.completed.unwrap_or(0).min(total));
    }
    bar.set_message(format!("{model}: {}", line.status));
    Ok(line.status == "success")
}
