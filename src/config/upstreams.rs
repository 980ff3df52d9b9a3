//! From the tiers as written to upstreams that can be called.

use std::path::Path;
use std::time::Duration;

use poem::http::{HeaderName, HeaderValue};
use url::Url;

use super::layers::Merged;
use super::problem::Problem;
use super::secret;
use super::tiers::UpstreamConfig;
use super::{Classifier, ClassifierKind, Config, PriceConfig, Secret};
use crate::catalog::{Capabilities, Endpoint, Price, PriceError, Provider, Tier};
use crate::protocol::nearest_word;

/// One endpoint of a tier, complete.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// The tier that it serves.
    pub tier: Tier,
    /// Its name in the history and in errors.
    pub name: String,
    /// The dialect that it speaks.
    pub provider: Provider,
    /// Where it is.
    pub endpoint: Endpoint,
    /// Its key.
    pub api_key: Option<Secret>,
    /// The model to ask; `None` asks for the request's own.
    pub model: Option<String>,
    /// More request headers.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Its time limits.
    pub timeouts: Timeouts,
    /// Share of the tier's requests among those of the same priority, 1 to 1000.
    pub weight: u32,
    /// Smaller is tried first.
    pub priority: i32,
    /// Whether its traffic is counted as local.
    pub local: bool,
    /// The price written in the configuration, if any.
    pub price: Option<Price>,
    /// The API's version, for dialects that have one.
    pub api_version: Option<String>,
    /// Azure's deployment.
    pub deployment: Option<String>,
    /// Whether what the dialect cannot express is left out instead of refused.
    pub drop_params: bool,
    /// Longest answer where the request has no limit and the dialect requires one, in tokens.
    pub max_tokens: u64,
    /// What it can do, where the configuration says so.
    pub capabilities: Capabilities,
    /// Whether the router marks what the provider's prompt cache may keep.
    pub cache_markers: bool,
}

impl Upstream {
    /// Everything that it is called with and that nobody may see: its key, and the values of its own headers. What is
    /// too short to be one is left out, as it may stand anywhere.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let key = self.api_key.as_ref().map(Secret::expose);
        let headers = self.headers.iter().filter_map(|(_, value)| value.to_str().ok());
        key.into_iter().chain(headers).filter(|secret| secret.len() >= 8)
    }

    /// The dated API version that Azure is called with; `None` for its newer API, which has none in the path's place.
    #[must_use]
    pub fn azure_version(&self) -> Option<&str> {
        let dated = !self.endpoint.root().split('/').any(|segment| segment == "v1");
        self.api_version.as_deref().filter(|_| dated && self.provider == Provider::AzureOpenai)
    }
}

/// Time limits of one upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a connection stands.
    pub connect: Duration,
    /// Until a stream's first byte.
    pub first_token: Duration,
    /// Between two pieces of a stream.
    pub idle: Duration,
    /// Until a plain answer is complete.
    pub total: Duration,
    /// Until a stream is complete, if that is limited.
    pub stream_total: Option<Duration>,
}

/// The classifier's model and where it is.
#[derive(Debug, Clone)]
pub struct ClassifierEndpoint {
    /// Where it is.
    pub endpoint: Endpoint,
    /// Its key.
    pub api_key: Option<Secret>,
    /// Its name.
    pub model: String,
}

/// All upstreams, and the classifier's endpoint if it has one.
#[derive(Debug, Clone)]
pub struct Upstreams {
    /// By tier, each tier in the order of the configuration.
    pub tiers: [Vec<Upstream>; 3],
    /// The upstream that embeds, if one is configured for that.
    pub embeddings: Option<Upstream>,
    /// The model that classifies.
    pub classifier: Option<ClassifierEndpoint>,
    /// Whether the next tier up is tried.
    pub fallback: bool,
    warnings: Vec<String>,
}

impl Upstreams {
    /// The upstreams of a tier; none if it is not configured.
    #[must_use]
    pub fn of(&self, tier: Tier) -> &[Upstream] {
        &self.tiers[tier as usize]
    }

    /// Every upstream that is called for requests: those of the tiers, and the one that embeds.
    pub fn called(&self) -> impl Iterator<Item = &Upstream> {
        self.all().chain(&self.embeddings)
    }

    /// Every upstream of a tier, weakest tier first.
    pub fn all(&self) -> impl Iterator<Item = &Upstream> {
        self.tiers.iter().flatten()
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }
}

/// Resolves the tiers. `None` if a problem was found.
pub(super) fn resolve(
    config: &Config,
    merged: &Merged,
    folder: &Path,
    problems: &mut Vec<Problem>,
) -> Option<Upstreams> {
    let before = problems.len();
    let mut resolver = Resolver { config, merged, folder, problems, classifier: None, warnings: Vec::new() };
    // Before the classifier's endpoint is known: a server of both has a model for each.
    let embeddings = resolver.embeddings();
    if config.classifier.asks_a_model() {
        resolver.classifier = resolver.classifier_endpoint(&config.classifier);
    }
    let tiers = Tier::ALL.map(|tier| resolver.tier(tier));
    let Resolver { classifier, warnings, problems, .. } = resolver;
    (problems.len() == before).then(|| Upstreams {
        tiers,
        embeddings,
        classifier,
        fallback: config.tiers.fallback,
        warnings,
    })
}

struct Resolver<'a> {
    config: &'a Config,
    merged: &'a Merged,
    folder: &'a Path,
    problems: &'a mut Vec<Problem>,
    classifier: Option<ClassifierEndpoint>,
    warnings: Vec<String>,
}

impl Resolver<'_> {
    fn problem(&mut self, key: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(self.merged.problem(key, message, hint));
    }

    fn classifier_endpoint(&mut self, classifier: &Classifier) -> Option<ClassifierEndpoint> {
        let base_url = classifier.base_url.as_deref().filter(|url| !url.trim().is_empty())?;
        let provider = Provider::infer(Url::parse(base_url).ok().as_ref(), None);
        let endpoint = match Endpoint::parse(base_url, provider) {
            Ok(endpoint) => endpoint,
            Err(error) => {
                self.problem(
                    "classifier.base_url",
                    error.to_string(),
                    "it is the address of an OpenAI-compatible server",
                );
                return None;
            }
        };
        let file = classifier.api_key_file.as_deref();
        let api_key =
            secret::resolve("classifier", classifier.api_key.as_ref(), file, self.folder, self.merged, self.problems);
        Some(ClassifierEndpoint { endpoint, api_key, model: classifier.model.clone()? })
    }

    fn embeddings(&mut self) -> Option<Upstream> {
        let written = &self.config.embeddings;
        if *written == UpstreamConfig::default() {
            return None;
        }
        let upstream = self.upstream(Tier::Cheap, "embeddings", written)?;
        if matches!(upstream.provider, Provider::Anthropic | Provider::Gemini | Provider::Cohere) {
            let message = format!("{} has no embeddings in OpenAI's form at this address", upstream.provider);
            let hint = "set provider = \"openai_compatible\" and base_url to the root of its OpenAI-compatible API, \
                        if it has one";
            self.problem("embeddings.provider", message, hint);
            return None;
        }
        Some(upstream)
    }

    fn tier(&mut self, tier: Tier) -> Vec<Upstream> {
        let table = format!("tiers.{tier}");
        let written = self.config.tiers.get(tier);
        if !written.upstreams.is_empty() {
            if written.single != UpstreamConfig::default() {
                let message = format!("has both keys of its own and {table}.upstreams");
                let key = self.first_own_key(&table);
                self.problem(&key, message, "move the keys into the list, or remove the list");
                return Vec::new();
            }
            let upstreams = written.upstreams.iter().enumerate();
            return upstreams
                .filter_map(|(index, upstream)| self.upstream(tier, &format!("{table}.upstreams.{index}"), upstream))
                .collect();
        }
        if written.single == UpstreamConfig::default() {
            if let (Tier::Cheap, Some(_)) = (tier, &self.classifier) {
                let shared =
                    UpstreamConfig { base_url: self.config.classifier.base_url.clone(), ..UpstreamConfig::default() };
                return self.upstream(tier, &table, &shared).into_iter().collect();
            }
            if tier == Tier::Frontier || self.config.classifier.effective_kind() != ClassifierKind::Off {
                let upper = tier.as_str().to_uppercase();
                self.problem(
                    &table,
                    "is not configured",
                    format!(
                        "set {table}.base_url or {table}.provider (or {upper}_BASE_URL), with its api_key and model"
                    ),
                );
            }
            return Vec::new();
        }
        let mut single = written.single.clone();
        let chooses = |text: &Option<String>| text.as_deref().is_some_and(|text| !matches!(text.trim(), "" | "auto"));
        let keyed = single.api_key.is_some() || single.api_key_file.is_some();
        if tier == Tier::Cheap
            && self.classifier.is_some()
            && !chooses(&single.provider)
            && single.base_url.is_none()
            && !keyed
        {
            single.base_url.clone_from(&self.config.classifier.base_url);
        }
        self.upstream(tier, &table, &single).into_iter().collect()
    }

    /// The first key that a tier has of its own, to point at.
    fn first_own_key(&self, table: &str) -> String {
        let keys = super::schema::all_keys();
        keys.into_iter()
            .filter(|key| key.starts_with(&format!("{table}.")) && !key.ends_with(".upstreams"))
            .find(|key| self.merged.origin(key).is_some())
            .unwrap_or_else(|| table.to_owned())
    }

    fn provider(&mut self, table: &str, written: &UpstreamConfig) -> Option<Provider> {
        let key = format!("{table}.provider");
        match written.provider.as_deref().map(str::trim) {
            None | Some("" | "auto") => {
                let url = written.base_url.as_deref().and_then(|url| Url::parse(url.trim()).ok());
                Some(Provider::infer(url.as_ref(), written.api_key.as_ref().map(Secret::expose)))
            }
            Some(name) => {
                let found = Provider::ALL.into_iter().find(|provider| provider.as_str() == name);
                if found.is_none() {
                    let names = Provider::ALL.map(Provider::as_str);
                    let hint = match nearest_word(name, names.into_iter()) {
                        Some(known) => format!("did you mean `{known}`?"),
                        None => format!("known: auto, {}", names.join(", ")),
                    };
                    self.problem(&key, format!("`{name}` is no known provider"), hint);
                }
                found
            }
        }
    }

    fn upstream(&mut self, tier: Tier, table: &str, written: &UpstreamConfig) -> Option<Upstream> {
        let key = |name: &str| format!("{table}.{name}");
        let provider = self.provider(table, written)?;
        let text =
            |text: &Option<String>| text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
        let Some(base_url) = text(&written.base_url).or_else(|| provider.default_base_url().map(str::to_owned)) else {
            let hint = format!("set {} to the address of the API, like http://localhost:8000/v1", key("base_url"));
            self.problem(&key("base_url"), format!("is not set, and {provider} has no address of its own"), hint);
            return None;
        };
        let endpoint = match Endpoint::parse(&base_url, provider) {
            Ok(endpoint) => endpoint,
            Err(error) => {
                self.problem(&key("base_url"), error.to_string(), "it is the root of the provider's API");
                return None;
            }
        };
        let file = written.api_key_file.as_deref();
        let mut api_key =
            secret::resolve(table, written.api_key.as_ref(), file, self.folder, self.merged, self.problems);
        let deployment = text(&written.deployment);
        // Azure's deployments are often named after their model.
        let mut model =
            text(&written.model).or_else(|| deployment.clone().filter(|_| provider == Provider::AzureOpenai));
        if let Some(classifier) =
            self.classifier.as_ref().filter(|classifier| same_server(&classifier.endpoint, &endpoint))
        {
            if let Some(other) = model.as_deref().filter(|model| *model != classifier.model) {
                self.warnings.push(format!(
                    "{} is `{other}`, but the same server classifies with `{}`: that model is used for both, so that the engine never swaps models",
                    key("model"), classifier.model
                ));
            }
            model = Some(classifier.model.clone());
            api_key = api_key.or_else(|| classifier.api_key.clone());
        }
        let headers = self.headers(&key("headers"), written)?;
        let price = self.price(&key("price"), written.price)?;
        let name = text(&written.name)
            .unwrap_or_else(|| format!("{provider}/{}", model.as_deref().unwrap_or("request's model")));
        Some(Upstream {
            tier,
            name,
            provider,
            local: written.local.unwrap_or_else(|| endpoint.is_local()),
            endpoint,
            api_key,
            model,
            headers,
            timeouts: self.timeouts(tier, written),
            weight: written.weight.unwrap_or(1),
            priority: written.priority.unwrap_or(0),
            price,
            api_version: text(&written.api_version).or_else(|| match provider {
                Provider::AzureOpenai => Some(self.config.upstream_defaults.azure_api_version.clone()),
                Provider::Anthropic => Some(self.config.upstream_defaults.anthropic_version.clone()),
                _ => None,
            }),
            deployment,
            drop_params: written.drop_params.unwrap_or(false),
            max_tokens: written.max_tokens.unwrap_or(8_192),
            capabilities: Capabilities {
                context_window: written.context_window,
                tools: written.tools,
                images: written.images,
                audio: written.audio,
                json_schema: written.json_schema,
                reasoning: written.reasoning,
            },
            cache_markers: written.cache_markers.unwrap_or(true),
        })
    }

    fn headers(&mut self, key: &str, written: &UpstreamConfig) -> Option<Vec<(HeaderName, HeaderValue)>> {
        let mut headers = Vec::new();
        for (name, value) in written.headers.iter().flatten() {
            let name_key = format!("{key}.{name}");
            match (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value.expose())) {
                (Ok(name), Ok(mut value)) => {
                    value.set_sensitive(true);
                    headers.push((name, value));
                }
                (Err(_), _) => {
                    self.problem(&name_key, format!("`{name}` is no header name"), "use letters, digits and `-`");
                    return None;
                }
                (_, Err(_)) => {
                    self.problem(&name_key, "its value cannot stand in a header", "use visible ASCII on one line");
                    return None;
                }
            }
        }
        Some(headers)
    }

    /// The price in force, or `None` after reporting that it is none.
    #[expect(clippy::option_option, reason = "outer: whether it is valid; inner: whether there is one")]
    fn price(&mut self, key: &str, written: Option<PriceConfig>) -> Option<Option<Price>> {
        let Some(written) = written else { return Some(None) };
        let per_million = |usd: Option<f64>| usd.map(Price::per_million).transpose();
        let price = || {
            Ok(Price {
                input: per_million(written.input)?,
                output: per_million(written.output)?,
                cache_read: per_million(written.cache_read)?,
                cache_write: per_million(written.cache_write)?,
                cache_write_1h: per_million(written.cache_write_1h)?,
            })
        };
        match price() {
            Ok(price) => Some(Some(price)),
            Err(error) => {
                let error: PriceError = error;
                self.problem(key, error.to_string(), "write US dollars per million tokens");
                None
            }
        }
    }

    fn timeouts(&self, tier: Tier, written: &UpstreamConfig) -> Timeouts {
        let one_number = written.timeout_ms.or(self.config.upstream_defaults.timeout_ms).unwrap_or(match tier {
            Tier::Cheap => 30_000,
            Tier::Medium => 45_000,
            Tier::Frontier => 60_000,
        });
        let limit = |ms: Option<u64>, default: u64| Duration::from_millis(ms.unwrap_or(default));
        Timeouts {
            connect: limit(written.connect_timeout_ms, 5_000),
            first_token: limit(written.first_token_timeout_ms, one_number),
            idle: limit(written.idle_timeout_ms, 30_000),
            total: limit(written.total_timeout_ms, one_number),
            stream_total: written.total_timeout_ms.map(Duration::from_millis),
        }
    }
}

fn same_server(one: &Endpoint, other: &Endpoint) -> bool {
    let root = |endpoint: &Endpoint| endpoint.root().replacen("//localhost", "//127.0.0.1", 1);
    root(one) == root(other)
}
