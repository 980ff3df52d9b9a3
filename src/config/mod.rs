//! The configuration: layers in, one typed and checked value out, with the origin of every key.
//!
//! Enters: a TOML file, `.env`, the environment and the `upstreams.json` of the earlier router,
//! handed over as values so that tests touch no real environment. Leaves: [`Config`] (the tables)
//! and [`Upstreams`] (the tiers, resolved). Never prints, and never lets a secret be printed.
//! Read [`Sources`] first, then [`load`].

mod check;
mod classifier;
mod dotenv;
mod env;
mod example;
mod layers;
mod origin;
mod problem;
mod routing;
mod rules;
mod schema;
mod secret;
mod server;
mod session;
mod show;
mod sources;
mod storage;
mod tiers;
mod toml_file;
mod upstreams;
mod upstreams_json;

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

pub use classifier::{Classifier, ClassifierKind, Strategy, TargetShare};
pub use example::example;
pub use origin::Origin;
pub use problem::{ConfigError, Problem};
pub use routing::Routing;
pub use rules::Rule;
pub use schema::json_schema;
pub use secret::Secret;
pub use server::{Headers, Log, Server};
pub use session::Session;
pub use show::{Shown, show};
pub use sources::Sources;
pub use storage::{Cache, Durability, ResponseCache, Store};
pub use tiers::{PriceConfig, TierConfig, Tiers, UpstreamConfig, UpstreamDefaults};
pub use upstreams::{ClassifierEndpoint, Timeouts, Upstream, Upstreams};

/// All tables of `xrouter.toml`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the router listens and who may use it.
    pub server: Server,
    /// What decides how strong a model a request needs.
    pub classifier: Classifier,
    /// How much is sent to stronger models.
    pub routing: Routing,
    /// Where each tier's requests go.
    pub tiers: Tiers,
    /// Where embeddings come from. Unset: from the first upstream that lists the model.
    #[serde(default)]
    pub embeddings: UpstreamConfig,
    /// Defaults for upstreams that do not say otherwise.
    pub upstream_defaults: UpstreamDefaults,
    /// Conversations keep their tier.
    pub session: Session,
    /// Decisions that are remembered, so that equal requests are decided once.
    pub cache: Cache,
    /// Whole answers that are given again.
    pub response_cache: ResponseCache,
    /// The history.
    pub store: Store,
    /// The log.
    pub log: Log,
    /// Names of answer headers.
    pub headers: Headers,
}

/// A configuration that was read, checked and resolved.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The tables.
    pub config: Config,
    /// The tiers' upstreams and the classifier's endpoint, ready to be called.
    pub upstreams: Upstreams,
    /// Legal but risky or useless settings, a sentence each.
    pub warnings: Vec<String>,
    /// The history's file.
    pub database: PathBuf,
}

/// Reads, merges, checks and resolves the configuration.
///
/// # Errors
/// All problems that were found, each with its key, its origin and what is allowed.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
    let merged = layers::merge(sources)?;
    let config = check::extract(&merged)?;
    let mut problems = Vec::new();
    let upstreams = upstreams::resolve(&config, &merged, sources.folder(), &mut problems);
    // Destructured, so that a new table cannot be forgotten.
    let Config {
        server,
        classifier,
        routing: _,
        tiers: _,
        embeddings: _,
        upstream_defaults: _,
        session,
        cache,
        response_cache: _,
        store,
        log,
        headers,
    } = &config;
    server.validate(&merged, &mut problems);
    classifier.validate(&merged, &mut problems);
    session.validate(cache, &merged, &mut problems);
    cache.validate(&merged, &mut problems);
    store.validate(&merged, &mut problems);
    log.validate(&merged, &mut problems);
    headers.validate(&merged, &mut problems);
    let mut config = config.clone();
    config.server.api_key = secret::resolve(
        "server",
        server.api_key.as_ref(),
        server.api_key_file.as_deref(),
        sources.folder(),
        &merged,
        &mut problems,
    );
    let embedded_file = classifier.embedded_file.as_deref();
    config.classifier.embedded_file =
        embedded_file.map(|file| beside(sources.folder(), file).to_string_lossy().into_owned());
    match upstreams {
        Some(upstreams) if problems.is_empty() => {
            let mut warnings = config.server.warnings();
            warnings.extend(upstreams.warnings());
            let database = config.store.path(sources.config_file.as_deref(), sources.data_folder.as_deref());
            Ok(Loaded { config, upstreams, warnings, database })
        }
        _ => Err(ConfigError::Invalid(problems)),
    }
}

/// The history's settings and its file, for commands that only read or tend the history: nothing else need be right.
///
/// # Errors
/// The table or the file that it stands in is wrong.
pub fn history(sources: &Sources) -> Result<(Store, PathBuf), ConfigError> {
    let merged = layers::merge(sources)?;
    let store = check::extract(&merged)?.store;
    let mut problems = Vec::new();
    store.validate(&merged, &mut problems);
    if !problems.is_empty() {
        return Err(ConfigError::Invalid(problems));
    }
    let path = store.path(sources.config_file.as_deref(), sources.data_folder.as_deref());
    Ok((store, path))
}

/// A path as written in the configuration: relative ones are relative to its folder.
fn beside(folder: &Path, path: &str) -> PathBuf {
    folder.join(path)
}
