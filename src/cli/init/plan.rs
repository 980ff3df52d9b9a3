//! What will be configured, while it is being decided.

use anyhow::anyhow;
use clap::ValueEnum;

use super::Scene;
use super::choice::{Choice, Key};
use crate::catalog::{Provider, Tier};
use crate::cli::{Failure, reach};
use crate::config::{ClassifierKind, Secret, Upstream};
use crate::providers::{Target, probe};

/// What decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Judge {
    /// The classifier that is compiled in.
    Embedded,
    /// That first, the cheap tier's model where it is unsure.
    Cascade,
    /// The cheap tier's model, always.
    Llm,
    /// Nothing: everything goes to the frontier tier.
    Off,
}

impl Judge {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Judge::Embedded => "embedded",
            Judge::Cascade => "cascade",
            Judge::Llm => "llm",
            Judge::Off => "off",
        }
    }

    pub(super) const fn asks_a_model(self) -> bool {
        matches!(self, Judge::Cascade | Judge::Llm)
    }
}

/// One tier.
#[derive(Debug, Clone)]
pub(super) enum Pick {
    /// As the existing file has it.
    Kept(String),
    /// Anew.
    New(Box<Choice>),
}

/// The whole.
#[derive(Debug, Clone, Default)]
pub(super) struct Plan {
    /// Nothing means as it is.
    pub(super) judge: Option<Judge>,
    /// Where its model is, if that is not the cheap tier's.
    pub(super) endpoint: Option<Choice>,
    tiers: [Option<Pick>; 3],
}

impl Plan {
    /// What an existing file has, and what files of the earlier router have, if they are to be taken over.
    pub(super) fn of_existing(scene: &Scene, import: bool) -> Result<Self, Failure> {
        let mut plan = Plan::default();
        for tier in Tier::ALL {
            plan.tiers[tier as usize] = scene.found.written(tier).map(Pick::Kept);
        }
        if import {
            let none = "--import: there is no `.env` or `upstreams.json` of the earlier router beside the file";
            let old = match &scene.found.old {
                Some(Ok(old)) => old,
                Some(Err(error)) => return Err(Failure::Usage(anyhow!("--import: {error}"))),
                None => return Err(Failure::Usage(anyhow!(none))),
            };
            for tier in Tier::ALL {
                if let Some(upstream) = old.upstreams.of(tier).first() {
                    plan.set(tier, imported(upstream, &scene.found.environment));
                }
            }
            plan.judge = Some(match old.config.classifier.effective_kind() {
                ClassifierKind::Off => Judge::Off,
                ClassifierKind::Embedded => Judge::Embedded,
                ClassifierKind::Llm => Judge::Llm,
                ClassifierKind::Cascade => Judge::Cascade,
            });
            plan.endpoint = old.upstreams.classifier.as_ref().map(|endpoint| {
                let key = kept_key("CLASSIFIER", endpoint.api_key.as_ref(), &scene.found.environment);
                let base_url = Some(endpoint.endpoint.root().to_owned());
                Choice { base_url, key, model: Some(endpoint.model.clone()), ..Choice::of(Provider::OpenaiCompatible) }
            });
        }
        Ok(plan)
    }

    pub(super) fn set(&mut self, tier: Tier, choice: Choice) {
        self.tiers[tier as usize] = Some(Pick::New(Box::new(choice)));
    }

    pub(super) fn get(&self, tier: Tier) -> Option<&Pick> {
        self.tiers[tier as usize].as_ref()
    }

    /// The tier, if it is chosen anew.
    pub(super) fn chosen(&self, tier: Tier) -> Option<&Choice> {
        match self.get(tier) {
            Some(Pick::New(choice)) => Some(choice),
            _ => None,
        }
    }

    pub(super) fn has(&self, tier: Tier) -> bool {
        self.get(tier).is_some()
    }

    pub(super) fn has_all(&self) -> bool {
        Tier::ALL.iter().all(|tier| self.has(*tier))
    }

    /// Variables that will be laid over what the file says of the tiers that are chosen anew.
    pub(super) fn laid_over(&self, scene: &Scene) -> Vec<String> {
        let mut names = Vec::new();
        for tier in Tier::ALL {
            let Some(choice) = self.chosen(tier) else { continue };
            let upper = tier.as_str().to_uppercase();
            let own = match &choice.key {
                Key::Variable(name) | Key::Typed(name, _) => name.as_str(),
                Key::None => "",
            };
            for part in ["PROVIDER", "BASE_URL", "API_KEY", "MODEL", "DEPLOYMENT", "API_VERSION"] {
                names.push(format!("{upper}_{part}"));
                names.push(format!("XROUTER_TIERS__{upper}__{part}"));
            }
            names.retain(|name| name != own);
        }
        names.retain(|name| scene.found.is_set(name));
        names
    }

    /// Tries every upstream that is chosen anew, and warns where one does not answer.
    pub(super) fn try_all(&self, scene: &Scene) {
        if !scene.probes {
            return;
        }
        for tier in Tier::ALL {
            let Some(choice) = self.chosen(tier) else { continue };
            match attempt(choice, scene) {
                Ok(told) => eprintln!("{tier}: {told}"),
                Err((what, fix)) => eprintln!("warning: {tier}: {what}\n  {fix}"),
            }
        }
    }
}

/// Calls an upstream for a few tokens: what came, or what is wrong and what fixes it.
pub(super) fn attempt(choice: &Choice, scene: &Scene) -> Result<String, (String, String)> {
    if let Key::Variable(name) = &choice.key
        && !scene.found.is_set(name)
    {
        return Err((format!("{name} is not set"), "set it in the environment, or in .env beside the file".to_owned()));
    }
    let target: Target = choice
        .target(&scene.found.environment, &scene.catalog)
        .map_err(|failure| (failure.to_string(), "change what it says".to_owned()))?;
    let upstream: &Upstream = &target.upstream;
    let client = reach::client(std::iter::once(upstream))
        .map_err(|failure| (failure.to_string(), "check the system's certificates".to_owned()))?;
    let wrong = |error: crate::providers::ProviderError, model: &str| reach::explain(&error, upstream, model);
    scene.runtime.block_on(async {
        let model = choice.model.as_ref().or(choice.deployment.as_ref());
        let Some(model) = model else {
            let listed = probe::models(&client, &target, reach::LIMIT).await.map_err(|error| wrong(error, ""))?;
            return Ok(format!("{} lists {} models", choice.provider, listed.len()));
        };
        let tried =
            probe::ask(&client, &target, model, false, reach::LIMIT).await.map_err(|error| wrong(error, model))?;
        Ok(format!("{model} answers in {} ms", tried.took.as_millis()))
    })
}

/// An upstream of the earlier router. Its key stays in its variable, or goes to `.env`.
fn imported(upstream: &Upstream, environment: &[(String, String)]) -> Choice {
    let root = upstream.endpoint.root();
    let own = upstream.provider.default_base_url() == Some(root);
    let key = kept_key(&upstream.tier.as_str().to_uppercase(), upstream.api_key.as_ref(), environment);
    Choice {
        base_url: (!own).then(|| root.to_owned()),
        key,
        model: upstream.model.clone(),
        deployment: upstream.deployment.clone(),
        api_version: upstream.azure_version().map(str::to_owned),
        ..Choice::of(upstream.provider)
    }
}

/// A key stays in the variable that holds it, or goes to `.env` as `OF_API_KEY`.
fn kept_key(of: &str, key: Option<&Secret>, environment: &[(String, String)]) -> Key {
    let Some(key) = key else { return Key::None };
    let holds = |(_, value): &&(String, String)| value == key.expose();
    match environment.iter().find(holds) {
        Some((name, _)) => Key::Variable(name.clone()),
        None => Key::Typed(format!("{of}_API_KEY"), key.clone()),
    }
}
