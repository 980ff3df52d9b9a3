//! `xrouter models`: what the upstreams offer.

use anyhow::anyhow;
use console::style;
use futures_util::future::join_all;

use super::reach::{LIMIT, client, explain, target};
use super::{ConfigFile, Failure};
use crate::catalog::{Catalog, NanoUsd, Price, Provider, Tier};
use crate::config::Sources;
use crate::providers::{Client, Target, probe};

/// List the models that the upstreams offer
#[derive(Debug, clap::Args)]
pub(super) struct Models {
    /// An upstream's name, a tier, or a provider (whose key is taken from its usual variable) [default: all upstreams]
    of: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// With prices, as far as the catalogue knows them
    #[arg(long)]
    prices: bool,
    #[command(flatten)]
    file: ConfigFile,
}

/// One upstream's list.
pub(super) struct Offered {
    pub(super) upstream: String,
    pub(super) provider: Provider,
    pub(super) models: Vec<Model>,
    /// Why it is the catalogue's list and not its own.
    pub(super) failure: Option<(String, String)>,
}

/// A model that can be asked.
pub(super) struct Model {
    pub(super) id: String,
    pub(super) context: Option<u64>,
    pub(super) price: Option<Price>,
}

impl Models {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let catalog = Catalog::embedded();
        let targets = self.targets(&catalog)?;
        let client = client(targets.iter().map(|target| &target.upstream))?;
        let lists = join_all(targets.iter().map(|target| offered(&client, target, &catalog))).await;
        if self.json {
            let lists: Vec<_> = lists.iter().map(json).collect();
            println!("{:#}", serde_json::Value::from(lists));
        } else {
            for list in &lists {
                print(list, self.prices, &catalog);
            }
        }
        let missing = lists.iter().find(|list| list.models.is_empty());
        match missing.and_then(|list| list.failure.as_ref().map(|failure| (&list.upstream, failure))) {
            Some((name, (what, fix))) => Err(Failure::Running(anyhow!("{name}: {what}\n{fix}"))),
            None => Ok(()),
        }
    }

    fn targets(&self, catalog: &Catalog) -> Result<Vec<Target>, Failure> {
        let sources = self.file.sources()?;
        let mut known = Vec::new();
        let mut targets = Vec::new();
        if !sources.is_empty() {
            for upstream in super::load(&sources)?.upstreams.called() {
                known.push(upstream.name.clone());
                let is_meant = self.of.as_ref().is_none_or(|of| {
                    [upstream.name.as_str(), upstream.tier.as_str(), upstream.provider.as_str()].contains(&of.as_str())
                });
                if is_meant {
                    let target = Target::new(upstream.clone(), catalog);
                    targets.push(target.map_err(|error| Failure::Usage(anyhow!(error)))?);
                }
            }
        }
        if !targets.is_empty() {
            // Several tiers are often one server with one key: its list is the same.
            let mut seen = std::collections::HashSet::new();
            targets.retain(|target| {
                let key = target.upstream.api_key.as_ref().map(|key| key.expose().to_owned());
                seen.insert((target.models_url().to_string(), key))
            });
            return Ok(targets);
        }
        let Some(of) = &self.of else {
            return Err(Failure::Usage(anyhow!(
                "no upstream is configured; name a provider, such as `xrouter models openai`, or write a configuration \
                 with `xrouter init`"
            )));
        };
        let provider = Provider::from_name(of).ok_or_else(|| {
            let tiers = Tier::ALL.map(Tier::as_str).join(", ");
            let providers = Provider::ALL.map(Provider::as_str).join(", ");
            let own =
                if known.is_empty() { String::new() } else { format!("; the upstreams are {}", known.join(", ")) };
            Failure::Usage(anyhow!("`{of}` is no upstream, tier ({tiers}) or provider ({providers}){own}"))
        })?;
        unconfigured(provider, &sources, catalog).map(|target| vec![target])
    }
}

/// A provider at its own address, with the key that is in its usual variable.
fn unconfigured(provider: Provider, sources: &Sources, catalog: &Catalog) -> Result<Target, Failure> {
    if provider.default_base_url().is_none() {
        return Err(Failure::Usage(anyhow!("{provider} has no address of its own: configure it as an upstream")));
    }
    let variable = provider.key_variable();
    let is_set = |name: &str| sources.environment.iter().any(|(known, value)| known == name && !value.is_empty());
    let key = variable.filter(|name| is_set(name)).map(|name| format!("api_key = \"${{{name}}}\"\n"));
    let keys = format!("provider = \"{provider}\"\nname = \"{provider}\"\n{}", key.unwrap_or_default());
    // Its own variables only: `FRONTIER_MODEL` and the like are about an upstream that is configured.
    let environment = sources.environment.iter().filter(|(name, _)| Some(name.as_str()) == variable).cloned().collect();
    target(&keys, environment, catalog)
}

/// What an upstream lists; where that does not come, what the catalogue has of its provider.
pub(super) async fn offered(client: &Client, target: &Target, catalog: &Catalog) -> Offered {
    let upstream = &target.upstream;
    let provider = upstream.provider;
    let price = |id: &str| catalog.find(provider, id).map(|facts| facts.price);
    let (models, failure) = match probe::models(client, target, LIMIT).await {
        Ok(listed) => {
            let model = |listed: crate::providers::Listed| {
                let facts = catalog.find(provider, &listed.id);
                let context = listed.context_length.or_else(|| facts.and_then(|facts| facts.context_window));
                Model { context, price: price(&listed.id), id: listed.id }
            };
            (listed.into_iter().map(model).collect(), None)
        }
        Err(error) => {
            let known = catalog.of(provider).into_iter().map(|(id, facts)| Model {
                id: id.to_owned(),
                context: facts.context_window,
                price: Some(facts.price),
            });
            let model = upstream.model.as_deref().unwrap_or_default();
            (known.collect(), Some(explain(&error, upstream, model)))
        }
    };
    let mut models: Vec<Model> = models;
    models.sort_by(|one, other| one.id.cmp(&other.id));
    models.dedup_by(|one, other| one.id == other.id);
    Offered { upstream: upstream.name.clone(), provider, models, failure }
}

fn print(list: &Offered, prices: bool, catalog: &Catalog) {
    println!("{} ({})", style(&list.upstream).bold(), list.provider);
    if let Some((what, fix)) = &list.failure {
        println!("  {} {what}; {fix}", style("note").yellow());
        if !list.models.is_empty() {
            println!("  these are the catalogue's, read on {}:", catalog.read_on());
        }
    }
    if list.models.is_empty() && list.failure.is_none() {
        println!("  none");
    }
    let width = list.models.iter().map(|model| model.id.chars().count()).max().unwrap_or(0).min(60);
    for model in &list.models {
        let context = model.context.map_or("–".to_owned(), |tokens| tokens.to_string());
        if prices {
            let usd =
                |nano: Option<i64>| nano.map_or("–".to_owned(), |nano| format!("{:.3}", NanoUsd(nano).as_usd()));
            let of = |part: fn(&Price) -> Option<i64>| usd(model.price.as_ref().and_then(part));
            let (input, output, cached) =
                (of(|price| price.input), of(|price| price.output), of(|price| price.cache_read));
            println!("  {:<width$}  {context:>9} tokens  in {input:>8}  out {output:>8}  cached {cached:>8}", model.id);
        } else {
            println!("  {:<width$}  {context:>9} tokens", model.id);
        }
    }
    if prices && !list.models.is_empty() {
        println!("  US dollars per million tokens, read on {}; – is unknown", catalog.read_on());
    }
}

fn json(list: &Offered) -> serde_json::Value {
    let usd = |nano: Option<i64>| nano.map(|nano| NanoUsd(nano).as_usd());
    let models: Vec<_> = list
        .models
        .iter()
        .map(|model| {
            let price = model.price;
            serde_json::json!({
                "id": model.id, "context_window": model.context,
                "usd_per_million": price.map(|price| serde_json::json!({
                    "input": usd(price.input), "output": usd(price.output), "cache_read": usd(price.cache_read),
                    "cache_write": usd(price.cache_write),
                })),
            })
        })
        .collect();
    serde_json::json!({
        "upstream": list.upstream, "provider": list.provider.as_str(),
        "from": if list.failure.is_some() { "catalogue" } else { "upstream" },
        "error": list.failure.as_ref().map(|(what, _)| what), "models": models,
    })
}
