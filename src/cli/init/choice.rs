//! One tier as it was chosen.

use anyhow::anyhow;

use super::More;
use super::plan::Judge;
use crate::catalog::{Catalog, Provider, Tier};
use crate::cli::{Failure, reach};
use crate::config::Secret;
use crate::providers::Target;

/// Where a key is.
#[derive(Debug, Clone, Default)]
pub(super) enum Key {
    /// It wants none.
    #[default]
    None,
    /// In this variable, already.
    Variable(String),
    /// Typed: it goes into `.env` under this name.
    Typed(String, Secret),
}

/// One upstream.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    pub(super) provider: Provider,
    /// Unless it is the provider's own.
    pub(super) base_url: Option<String>,
    pub(super) key: Key,
    /// Nothing means the request's own.
    pub(super) model: Option<String>,
    pub(super) deployment: Option<String>,
    pub(super) api_version: Option<String>,
    /// Whether the model thinks before it answers, so that it is no classifier.
    pub(super) thinks: bool,
}

impl Choice {
    /// An upstream at its provider's own address, whose key is in the usual variable.
    pub(super) fn of(provider: Provider) -> Self {
        Choice {
            provider,
            base_url: None,
            key: provider.key_variable().map_or(Key::None, |name| Key::Variable(name.to_owned())),
            model: None,
            deployment: None,
            api_version: None,
            thinks: false,
        }
    }

    /// What `--TIER PROVIDER:MODEL` and its companions say.
    pub(super) fn from_flags(tier: Tier, text: &str, more: &More) -> Result<Self, Failure> {
        let wrong = |message: String| Failure::Usage(anyhow!(message));
        let (name, model) = text
            .split_once(':')
            .ok_or_else(|| wrong(format!("--{tier} {text}: write PROVIDER:MODEL, split at the first colon")))?;
        let provider = Provider::from_name(name).ok_or_else(|| {
            let known = Provider::ALL.map(Provider::as_str).join(", ");
            wrong(format!("--{tier} {name}:…: the providers are {known}"))
        })?;
        let mut choice = Choice::of(provider);
        choice.model = Some(model.to_owned()).filter(|model| !model.is_empty());
        choice.base_url.clone_from(&more.base_url);
        choice.deployment.clone_from(&more.deployment);
        choice.api_version.clone_from(&more.api_version);
        if let Some(name) = &more.key_env {
            let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if !is_name {
                // Not repeated: it may be the key itself.
                return Err(wrong(format!(
                    "--{tier}-key-env wants the name of a variable: letters, digits and underscores"
                )));
            }
            choice.key = Key::Variable(name.clone());
        }
        if choice.base_url.is_none() && provider.default_base_url().is_none() {
            return Err(wrong(format!("--{tier}-base-url is missing: {provider} has no address of its own")));
        }
        if provider == Provider::AzureOpenai && choice.deployment.is_none() && choice.model.is_none() {
            return Err(wrong(format!("--{tier}-deployment is missing: Azure serves deployments")));
        }
        Ok(choice)
    }

    /// Its keys and values, in the order in which they are written.
    pub(super) fn entries(&self) -> Vec<(&'static str, toml_edit::Value)> {
        let mut entries: Vec<(&str, toml_edit::Value)> = vec![("provider", self.provider.as_str().into())];
        let mut add = |name: &'static str, value: Option<&str>| {
            entries.extend(value.map(|value| (name, toml_edit::Value::from(value))));
        };
        add("base_url", self.base_url.as_deref());
        add("deployment", self.deployment.as_deref());
        add("api_version", self.api_version.as_deref());
        add("api_key", self.key_text().as_deref());
        add("model", self.model.as_deref());
        entries
    }

    /// The key as the file has it.
    fn key_text(&self) -> Option<String> {
        match &self.key {
            Key::None => None,
            Key::Variable(name) | Key::Typed(name, _) => Some(format!("${{{name}}}")),
        }
    }

    /// Its lines of TOML, to be read as they will be.
    fn toml(&self) -> String {
        let lines: Vec<String> = self.entries().iter().map(|(name, value)| format!("{name} = {value}")).collect();
        lines.join("\n") + "\n"
    }

    /// It as a target, with these variables.
    pub(super) fn target(&self, environment: &[(String, String)], catalog: &Catalog) -> Result<Target, Failure> {
        let mut variables = environment.to_vec();
        match &self.key {
            Key::Typed(name, secret) => {
                variables.retain(|(known, _)| known != name);
                variables.push((name.clone(), secret.expose().to_owned()));
            }
            // One that is not set yet is tried without a key, so that the error tells of the key.
            Key::Variable(name) if !variables.iter().any(|(known, value)| known == name && !value.is_empty()) => {
                let without = Choice { key: Key::None, ..self.clone() };
                return without.target(environment, catalog);
            }
            _ => {}
        }
        // Only what it names: flat variables such as FRONTIER_MODEL would be laid over it.
        let named = self.key_text().unwrap_or_default();
        variables.retain(|(name, _)| named == format!("${{{name}}}"));
        reach::target(&self.toml(), variables, catalog)
    }

    /// `provider/model` for people.
    pub(super) fn label(&self) -> String {
        let model = self.deployment.as_ref().or(self.model.as_ref());
        let at = self.base_url.as_ref().map_or(String::new(), |base_url| format!(" at {base_url}"));
        format!("{}, {}{at}", self.provider, model.map_or("the request's model", String::as_str))
    }

    /// What decides where this is a local cheap tier.
    pub(super) fn judge(&self) -> Judge {
        if self.thinks { Judge::Embedded } else { Judge::Cascade }
    }
}
