//! Environment names: `XROUTER_SECTION__KEY` for every key, and the flat names of the earlier
//! JavaScript router.

use std::collections::BTreeMap;

use figment::value::Value;

use super::origin::{Entry, Origin};
use super::problem::Problem;
use super::sources::Sources;
use super::{dotenv, schema};
use crate::protocol::nearest_word;

/// Flat name → key. `CHEAP_…`, `MEDIUM_…` and `FRONTIER_…` are in [`TIER_KEYS`].
const FLAT: &[(&str, &str)] = &[
    ("HOST", "server.host"),
    ("PORT", "server.port"),
    ("BODY_LIMIT", "server.body_limit"),
    ("ROUTER_API_KEY", "server.api_key"),
    ("LOG_LEVEL", "log.level"),
    ("LOG_TO_FILE", "log.to_file"),
    ("LOG_DIR", "log.dir"),
    ("DECISION_HEADER", "headers.decision"),
    ("UPSTREAM_HEADER", "headers.upstream"),
    ("REDIS_URL", "cache.redis_url"),
    ("CACHE_ENABLED", "cache.enabled"),
    ("CACHE_TTL_MS", "cache.ttl_ms"),
    ("CACHE_MAX", "cache.max_entries"),
    ("AZURE_API_VERSION", "upstream_defaults.azure_api_version"),
    ("ANTHROPIC_VERSION", "upstream_defaults.anthropic_version"),
    ("UPSTREAM_TIMEOUT_MS", "upstream_defaults.timeout_ms"),
    ("CLASSIFIER_ENABLED", "classifier.enabled"),
    ("CLASSIFIER_BASE_URL", "classifier.base_url"),
    ("CLASSIFIER_API_KEY", "classifier.api_key"),
    ("CLASSIFIER_MODEL", "classifier.model"),
    ("CLASSIFIER_SYSTEM_PROMPT", "classifier.system_prompt"),
    ("CLASSIFIER_STRATEGY", "classifier.strategy"),
    ("CLASSIFIER_MAX_TOKENS", "classifier.max_tokens"),
    ("CLASSIFIER_MAX_CHARS", "classifier.max_chars"),
    ("CLASSIFIER_TEMPERATURE", "classifier.temperature"),
    ("CLASSIFIER_TIMEOUT_MS", "classifier.timeout_ms"),
    ("CLASSIFIER_LOGIT_BIAS", "classifier.logit_bias"),
    ("CLASSIFIER_FORCE_STREAM", "classifier.force_stream"),
    ("CLASSIFIER_WARMUP", "classifier.warmup"),
    ("CLASSIFIER_WARMUP_DELAY_MS", "classifier.warmup_delay_ms"),
    ("CLASSIFIER_KEEP_ALIVE_MS", "classifier.keep_alive_ms"),
    ("CLASSIFIER_LOADING_RETRY_MS", "classifier.loading_retry_ms"),
    ("CLASSIFIER_LOADING_MAX_RETRIES", "classifier.loading_max_retries"),
];

/// What follows `CHEAP_`, `MEDIUM_` and `FRONTIER_`, and the key of the tier.
const TIER_KEYS: &[(&str, &str)] = &[
    ("NAME", "name"),
    ("PROVIDER", "provider"),
    ("BASE_URL", "base_url"),
    ("API_KEY", "api_key"),
    ("MODEL", "model"),
    ("HEADERS", "headers"),
    ("DEPLOYMENT", "deployment"),
    ("API_VERSION", "api_version"),
    ("TIMEOUT_MS", "timeout_ms"),
];

const PREFIX: &str = "XROUTER_";

/// The key of a flat name.
fn flat_key(name: &str) -> Option<String> {
    if let Some((_, key)) = FLAT.iter().find(|(flat, _)| *flat == name) {
        return Some((*key).to_owned());
    }
    let (tier, rest) = name.split_once('_')?;
    let tier = ["CHEAP", "MEDIUM", "FRONTIER"].iter().find(|known| **known == tier)?.to_lowercase();
    let (_, key) = TIER_KEYS.iter().find(|(flat, _)| *flat == rest)?;
    Some(format!("tiers.{tier}.{key}"))
}

/// Whether a variable alone is reason enough to start without a file.
pub(super) fn configures_upstreams(name: &str) -> bool {
    matches!(name, "UPSTREAMS_FILE" | "UPSTREAMS_JSON" | "CLASSIFIER_BASE_URL")
        || name.starts_with("XROUTER_TIERS__")
        || flat_key(name).is_some_and(|key| key.starts_with("tiers."))
}

/// The variables in force: the process environment over `.env`, empty ones left out.
pub(super) struct Variables {
    values: BTreeMap<String, (String, Origin)>,
}

impl Variables {
    pub(super) fn new(sources: &Sources) -> Self {
        let mut values = BTreeMap::new();
        if let Some((path, text)) = &sources.dotenv {
            for assignment in dotenv::parse(path, text) {
                values.insert(assignment.name, (assignment.value, assignment.origin));
            }
        }
        for (name, value) in &sources.environment {
            values.insert(name.clone(), (value.clone(), Origin::Variable(name.clone())));
        }
        values.retain(|_, (value, _)| !value.trim().is_empty());
        Variables { values }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(name, (value, _))| (name.as_str(), value.as_str()))
    }

    pub(super) fn get(&self, name: &str) -> Option<(&str, &Origin)> {
        self.values.get(name).map(|(value, origin)| (value.as_str(), origin))
    }

    /// Puts the value of every `${NAME}` in; `$${` stands for `${`.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub(super) fn expand(&self, text: &str) -> Result<String, (String, String)> {
        let mut expanded = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            if rest[..at].ends_with('$') {
                expanded.push_str(&rest[..at]);
                expanded.push('{');
                rest = &rest[at + 2..];
                continue;
            }
            expanded.push_str(&rest[..at]);
            let Some(end) = rest[at..].find('}') else {
                return Err(("has `${` without `}`".to_owned(), "write ${NAME}; $${ stands for ${ itself".to_owned()));
            };
            let name = &rest[at + 2..at + end];
            let Some((value, _)) = self.get(name) else {
                let hint = format!("set {name} in the environment or in .env");
                return Err((format!("names the variable {name}, which is not set"), hint));
            };
            expanded.push_str(value);
            rest = &rest[at + end + 1..];
        }
        expanded.push_str(rest);
        Ok(expanded)
    }

    /// The values that variables give to keys: the flat names, and the prefixed ones over them.
    pub(super) fn entries(&self, problems: &mut Vec<Problem>) -> Vec<Entry> {
        let mut flat = Vec::new();
        let mut prefixed = Vec::new();
        for (name, (value, origin)) in &self.values {
            if let Some(key) = flat_key(name) {
                flat.push(entry(&key, value, origin));
            } else if let Some(rest) = name.strip_prefix(PREFIX)
                // Others may begin so too: a service of that name in a cluster sets XROUTER_PORT.
                && rest.contains("__")
            {
                let key = rest.to_lowercase().replace("__", ".");
                match schema::find(&key) {
                    Some(_) => prefixed.push(entry(&key, value, origin)),
                    None => problems.push(unknown(name, &key, origin)),
                }
            }
        }
        flat.extend(prefixed);
        flat
    }
}

fn entry(key: &str, value: &str, origin: &Origin) -> Entry {
    Entry { path: key.split('.').map(str::to_owned).collect(), value: typed(key, value), origin: origin.clone() }
}

fn unknown(name: &str, key: &str, origin: &Origin) -> Problem {
    let keys = schema::all_keys();
    let hint = match nearest_word(key, keys.iter().map(String::as_str)) {
        Some(key) => format!("did you mean {PREFIX}{}?", key.to_uppercase().replace('.', "__")),
        None => "names are XROUTER_<TABLE>__<KEY>; `xrouter config schema` lists the keys".to_owned(),
    };
    Problem { key: name.to_owned(), origin: Some(origin.clone()), message: "names no key".to_owned(), hint }
}

/// A variable's text as the type that its key has. What does not fit stays a text, which the
/// check then reports together with its variable.
fn typed(key: &str, text: &str) -> Value {
    let trimmed = text.trim();
    let as_text = || Value::from(text);
    match schema::find(key).map_or("string", schema::kind) {
        "boolean" => match trimmed.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Value::from(true),
            "false" | "0" | "no" | "off" => Value::from(false),
            _ => as_text(),
        },
        "integer" => {
            let digits = trimmed.replace('_', "");
            digits
                .parse::<u64>()
                .map(Value::from)
                .or_else(|_| digits.parse::<i64>().map(Value::from))
                .unwrap_or_else(|_| as_text())
        }
        "number" => trimmed.parse::<f64>().map_or_else(|_| as_text(), Value::from),
        "object" | "array" => serde_json::from_str::<serde_json::Value>(trimmed)
            .ok()
            .and_then(|json| Value::serialize(json).ok())
            .unwrap_or_else(as_text),
        _ => as_text(),
    }
}

impl Sources {
    /// All variables by name: those of the process, and those of `.env` that they do not set.
    #[must_use]
    pub fn variables(&self) -> Vec<(String, String)> {
        Variables::new(self).all().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// Whether anything configures anything: a file, or one of our variables.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let dotenv = self.dotenv.as_ref().map(|(path, text)| dotenv::parse(path, text)).unwrap_or_default();
        self.config_text.is_none()
            && self.upstreams_file.is_none()
            && !dotenv.iter().any(|entry| configures_upstreams(&entry.name))
            && !self.environment.iter().any(|(name, value)| !value.is_empty() && configures_upstreams(name))
    }
}
