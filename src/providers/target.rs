//! An upstream prepared for calls: everything that does not change from one request to the next.

use bytes::Bytes;
use hyper::{Request, Uri};
use url::Url;

use super::auth::Auth;
use super::client::uri;
use super::listing::{ListedAt, listing};
use super::openai::{CallAt, quirks};
use super::{Dialect, ProviderError};
use crate::catalog::{Capabilities, Catalog, Price};
use crate::config::Upstream;

/// A callable upstream.
#[derive(Debug)]
pub struct Target {
    /// Its configuration.
    pub upstream: Upstream,
    /// What it speaks.
    pub dialect: Dialect,
    /// What its tokens cost.
    pub pricing: Pricing,
    /// What its own model can do: as configured, else as the catalogue has it. Nothing where the model is the request's.
    capabilities: Option<Capabilities>,
    /// The root of its API.
    root: Url,
    /// How a call shows who makes it.
    auth: Auth,
    /// Where its own model is asked, plain and streamed: made once.
    chat: Option<[Uri; 2]>,
}

/// Where an upstream's price comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pricing {
    /// Known beforehand: configured, or the catalogue's for the configured model.
    Fixed(Price),
    /// The model is the request's own: looked up by its name.
    ByModel,
    /// Nobody knows.
    Unknown,
}

fn capabilities(upstream: &Upstream, model: &str, catalog: &Catalog) -> Capabilities {
    let known = catalog.find(upstream.provider, model).map(|facts| facts.capabilities);
    upstream.capabilities.or(known.unwrap_or_default())
}

impl Target {
    /// Prepares an upstream.
    ///
    /// # Errors
    /// Its key cannot stand in a header, or its address is no URL.
    pub fn new(upstream: Upstream, catalog: &Catalog) -> Result<Self, String> {
        let root = upstream.endpoint.root().parse().map_err(|error| format!("{}: {error}", upstream.name))?;
        let dialect = Dialect::of(&upstream);
        let auth = Auth::of(&upstream, dialect)
            .ok_or_else(|| format!("{}: its key has characters that cannot stand in a header", upstream.name))?;
        let pricing = match (&upstream.price, &upstream.model) {
            (Some(price), _) => Pricing::Fixed(*price),
            (None, None) => Pricing::ByModel,
            (None, Some(model)) => {
                catalog.find(upstream.provider, model).map_or(Pricing::Unknown, |facts| Pricing::Fixed(facts.price))
            }
        };
        let capabilities = upstream.model.as_deref().map(|model| capabilities(&upstream, model, catalog));
        let mut target = Target { upstream, dialect, pricing, capabilities, root, auth, chat: None };
        if let Some(model) = target.upstream.model.as_deref() {
            let uri =
                |stream| uri(target.upstream.provider, &target.url(model, stream)).map_err(|error| error.to_string());
            target.chat = Some([uri(false)?, uri(true)?]);
        }
        Ok(target)
    }

    /// What a model can do here, as far as it is known.
    #[must_use]
    pub fn capabilities(&self, model: &str, catalog: &Catalog) -> Capabilities {
        self.capabilities.unwrap_or_else(|| capabilities(&self.upstream, model, catalog))
    }

    /// Puts its headers on a request, among them what shows who makes it. The request's address and body are final.
    pub(super) fn sign(&self, request: &mut Request<Bytes>) {
        self.auth.sign(request);
    }

    /// Where an answer of a model is asked for, as it is sent.
    ///
    /// # Errors
    /// The address cannot be used.
    pub(super) fn uri(&self, model: &str, stream: bool) -> Result<Uri, ProviderError> {
        match &self.chat {
            Some(chat) if self.upstream.model.as_deref() == Some(model) => Ok(chat[usize::from(stream)].clone()),
            _ => uri(self.upstream.provider, &self.url(model, stream)),
        }
    }

    /// Where an answer of a model is asked for.
    #[must_use]
    pub fn url(&self, model: &str, stream: bool) -> Url {
        match self.dialect {
            Dialect::Anthropic => self.below(&["messages"]),
            Dialect::Cohere | Dialect::CohereV1 => self.below(&["chat"]),
            Dialect::Gemini => {
                let model = model.strip_prefix("models/").unwrap_or(model);
                let operation = if stream { "streamGenerateContent" } else { "generateContent" };
                // A segment is escaped, so that no name of a model leads elsewhere.
                let mut url = self.below(&["models", &format!("{model}:{operation}")]);
                if stream {
                    url.set_query(Some("alt=sse"));
                }
                url
            }
            Dialect::Openai => self.operation(model, &["chat", "completions"]),
        }
    }

    /// Where an operation of OpenAI's dialect is asked for.
    fn operation(&self, model: &str, operation: &[&str]) -> Url {
        match quirks(self.upstream.provider).call.at {
            CallAt::Deployment => self.azure(model, operation),
            CallAt::ChatCompletions => self.below(operation),
        }
    }

    /// Whether it has an embeddings API in OpenAI's form.
    #[must_use]
    pub fn embeds(&self) -> bool {
        self.dialect == Dialect::Openai
    }

    /// Where embeddings of a model are asked for, as it is sent.
    ///
    /// # Errors
    /// The address cannot be used.
    pub(super) fn embeddings_uri(&self, model: &str) -> Result<Uri, ProviderError> {
        uri(self.upstream.provider, &self.operation(model, &["embeddings"]))
    }

    /// Where its models are listed; a cursor is added by the caller.
    #[must_use]
    pub fn models_url(&self) -> Url {
        let listing = listing(self.upstream.provider);
        let with_path = |path: &str| {
            let mut url = self.root.clone();
            url.set_path(path);
            url
        };
        let mut url = match listing.at {
            ListedAt::Version(here, there) => below(with_path(&self.root.path().replacen(here, there, 1)), &["models"]),
            ListedAt::OwnApi { without, path } => {
                below(with_path(self.root.path().trim_end_matches('/').trim_end_matches(without)), path)
            }
            ListedAt::Resource(path) if self.upstream.azure_version().is_some() => with_path(path),
            ListedAt::Models | ListedAt::Resource(_) => self.below(&["models"]),
        };
        self.dated(&mut url);
        if !listing.query.is_empty() {
            url.query_pairs_mut().extend_pairs(listing.query);
        }
        url
    }

    fn below(&self, segments: &[&str]) -> Url {
        below(self.root.clone(), segments)
    }

    /// Azure's four kinds of base URL: a resource, one with `/openai`, a whole deployment, and the newer `/openai/v1`
    /// that names no version. `services.ai.azure.com/models` is the fifth.
    fn azure(&self, model: &str, operation: &[&str]) -> Url {
        if self.upstream.azure_version().is_none() {
            return self.below(operation);
        }
        let path = self.root.path().trim_end_matches('/').to_owned();
        let deployment = self.upstream.deployment.as_deref().unwrap_or(model);
        let mut url = if path.contains("/deployments/") || path.ends_with("/models") {
            self.below(operation)
        } else if path.ends_with("/openai") {
            self.below(&[&["deployments", deployment], operation].concat())
        } else {
            self.below(&[&["openai", "deployments", deployment], operation].concat())
        };
        self.dated(&mut url);
        url
    }

    fn dated(&self, url: &mut Url) {
        if let Some(version) = self.upstream.azure_version() {
            url.query_pairs_mut().append_pair("api-version", version);
        }
    }

    /// What its tokens cost for a model.
    #[must_use]
    pub fn price(&self, catalog: &Catalog, model: &str) -> Option<Price> {
        match self.pricing {
            Pricing::Fixed(price) => Some(price),
            Pricing::ByModel => catalog.find(self.upstream.provider, model).map(|facts| facts.price),
            Pricing::Unknown => None,
        }
    }
}

fn below(mut url: Url, segments: &[&str]) -> Url {
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Sources, load};

    fn target(provider: &str, base_url: &str, more: &str) -> Target {
        let toml = format!(
            "[classifier]\nkind = \"off\"\n[tiers.frontier]\nprovider = \"{provider}\"\nbase_url = \"{base_url}\"\nmodel = \"m\"\n{more}"
        );
        let loaded = load(&Sources::from_toml(toml)).unwrap_or_else(|error| panic!("{error}"));
        let upstream = loaded.upstreams.all().next().unwrap().clone();
        Target::new(upstream, &Catalog::embedded()).unwrap()
    }

    #[test]
    fn every_provider_is_called_at_its_own_address() {
        let cases = [
            (
                "anthropic",
                "https://a.example",
                "",
                "https://a.example/v1/messages",
                "https://a.example/v1/models?limit=1000",
            ),
            (
                "gemini",
                "https://g.example",
                "",
                "https://g.example/v1beta/models/m:generateContent",
                "https://g.example/v1beta/models?pageSize=1000",
            ),
            (
                "cohere",
                "https://c.example",
                "",
                "https://c.example/v2/chat",
                "https://c.example/v1/models?page_size=1000&endpoint=chat",
            ),
            (
                "cohere",
                "https://c.example/v1",
                "",
                "https://c.example/v1/chat",
                "https://c.example/v1/models?page_size=1000&endpoint=chat",
            ),
            (
                "azure_openai",
                "https://z.openai.azure.com/",
                "deployment = \"d\"",
                "https://z.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21",
                "https://z.openai.azure.com/openai/models?api-version=2024-10-21",
            ),
            (
                "azure_openai",
                "https://z.example/openai",
                "api_version = \"2025-04-01-preview\"",
                "https://z.example/openai/deployments/m/chat/completions?api-version=2025-04-01-preview",
                "https://z.example/openai/models?api-version=2025-04-01-preview",
            ),
            (
                "azure_openai",
                "https://z.example/openai/deployments/x",
                "",
                "https://z.example/openai/deployments/x/chat/completions?api-version=2024-10-21",
                "https://z.example/openai/models?api-version=2024-10-21",
            ),
            (
                "azure_openai",
                "https://z.example/openai/v1/",
                "",
                "https://z.example/openai/v1/chat/completions",
                "https://z.example/openai/v1/models",
            ),
            ("perplexity", "https://p.example", "", "https://p.example/chat/completions", "https://p.example/models"),
            (
                "ollama",
                "http://localhost:11434",
                "",
                "http://localhost:11434/v1/chat/completions",
                "http://localhost:11434/api/tags",
            ),
        ];
        for (provider, base_url, more, chat, models) in cases {
            let target = target(provider, base_url, more);
            assert_eq!(target.url("m", false).as_str(), chat);
            assert_eq!(target.models_url().as_str(), models);
        }
    }

    #[test]
    fn a_models_name_cannot_lead_elsewhere() {
        let gemini = target("gemini", "https://g.example", "");
        let url = gemini.url("../../x?y#z", true);
        assert_eq!(url.as_str(), "https://g.example/v1beta/models/..%2F..%2Fx%3Fy%23z:streamGenerateContent?alt=sse");
        assert_eq!(gemini.url("models/m", false).path(), "/v1beta/models/m:generateContent");
    }
}
