//! Reaching upstreams from the command line: targets from lines of TOML, and errors with what fixes them.

use std::time::Duration;

use anyhow::anyhow;

use super::Failure;
use crate::catalog::{Catalog, Provider, Tier};
use crate::config::{Sources, Upstream};
use crate::providers::{Client, ProviderError, Target};

/// Longest wait for one answer.
pub(super) const LIMIT: Duration = Duration::from_secs(20);

/// A single upstream from the keys of its table, with the variables that they name.
pub(super) fn target(keys: &str, environment: Vec<(String, String)>, catalog: &Catalog) -> Result<Target, Failure> {
    let mut sources = Sources::from_toml(format!("[classifier]\nenabled = false\n[tiers.frontier]\n{keys}"));
    sources.environment = environment;
    let loaded = crate::config::load(&sources)?;
    let upstream = loaded.upstreams.of(Tier::Frontier).first().cloned();
    let upstream = upstream.ok_or_else(|| Failure::Usage(anyhow!("no upstream is configured")))?;
    Target::new(upstream, catalog).map_err(|error| Failure::Usage(anyhow!(error)))
}

/// A client for these upstreams.
pub(super) fn client<'a>(upstreams: impl Iterator<Item = &'a Upstream>) -> Result<Client, Failure> {
    let pools = upstreams.map(|upstream| (upstream.timeouts.connect, upstream.endpoint.is_local()));
    Client::new(pools).map_err(|error| Failure::Running(error.into()))
}

/// What is wrong with an upstream, and what fixes it.
pub(super) fn explain(error: &ProviderError, upstream: &Upstream, model: &str) -> (String, String) {
    let root = upstream.endpoint.root();
    let variable = upstream.provider.key_variable();
    let key = match (&upstream.api_key, variable) {
        (None, Some(variable)) => format!("it has no key: set api_key, for example to \"${{{variable}}}\""),
        (None, None) => "if it wants a key, set api_key".to_owned(),
        (Some(_), _) => "check the key: is it whole, of this provider, and not revoked?".to_owned(),
    };
    let fix = match error {
        ProviderError::Unreachable { .. } if upstream.provider == Provider::Ollama => {
            format!("is Ollama started (`ollama serve`), and is {root} its address?")
        }
        ProviderError::Unreachable { .. } if upstream.endpoint.is_local() => {
            format!("is the server started, and is {root} its address?")
        }
        ProviderError::Unreachable { .. } => {
            format!("is there a network, does a proxy stand between, and is {root} right?")
        }
        ProviderError::Timeout { .. } => {
            format!("nothing came from {root} in time: a model may still be loading, or something swallows the packets")
        }
        ProviderError::Status { status: 401 | 403, .. } => key,
        // Google says so of a wrong key.
        ProviderError::Status { status: 400, message, .. } if message.contains("API key") => key,
        ProviderError::Status { status: 402, .. } => "the account has no credit".to_owned(),
        ProviderError::Status { status: 404, .. } if upstream.provider == Provider::Ollama => {
            format!("`ollama pull {model}` brings the model")
        }
        ProviderError::Status { status: 400 | 404..500, .. } if model.is_empty() => {
            format!("is {root} the root of an API of {}?", upstream.provider)
        }
        ProviderError::Status { status: 404, .. } => {
            format!("is `{model}` a model that this key may ask, and is {root} right? `xrouter models` lists them")
        }
        ProviderError::Status { status: 429, .. } => {
            "too many requests, or no quota left: look at the account".to_owned()
        }
        ProviderError::Status { status: 400..500, .. } => format!("is `{model}` a chat model of this provider?"),
        ProviderError::Status { .. } => "it fails at the moment: try again later".to_owned(),
        ProviderError::Malformed { .. } => format!("is {root} the root of an API of {}?", upstream.provider),
        ProviderError::Encode(_) | ProviderError::Picture { .. } | ProviderError::NoModel { .. } => {
            "name a model".to_owned()
        }
    };
    (brief(&error.to_string()), fix)
}

/// One line of what was said: some answer with a whole page.
fn brief(text: &str) -> String {
    const LONGEST: usize = 300;
    let (before, page) = text.split_at(text.find("<!DOCTYPE").or_else(|| text.find("<html")).unwrap_or(text.len()));
    let line = before.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    let line: String = line.chars().take(LONGEST).collect();
    if page.is_empty() { line } else { format!("{line} a web page") }
}
