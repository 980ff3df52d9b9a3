//! An upstream prepared for calls: everything that does not change from one request to the next.

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};

use crate::catalog::{Catalog, Price};
use crate::config::{Secret, Upstream};

/// A callable upstream.
#[derive(Debug)]
pub struct Target {
    /// Its configuration.
    pub upstream: Upstream,
    /// Where chat completions are asked for.
    pub url: reqwest::Url,
    /// The headers of every call, the key among them.
    pub headers: HeaderMap,
    /// What its tokens cost.
    pub pricing: Pricing,
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

impl Target {
    /// Prepares an upstream.
    ///
    /// # Errors
    /// Its key cannot stand in a header, or its address is no URL.
    pub fn new(upstream: Upstream, catalog: &Catalog) -> Result<Self, String> {
        let url =
            upstream.endpoint.chat_completions().parse().map_err(|error| format!("{}: {error}", upstream.name))?;
        let mut headers = base_headers(upstream.api_key.as_ref())
            .ok_or_else(|| format!("{}: its key has characters that cannot stand in a header", upstream.name))?;
        for (name, value) in &upstream.headers {
            headers.insert(name, value.clone());
        }
        let pricing = match (&upstream.price, &upstream.model) {
            (Some(price), _) => Pricing::Fixed(*price),
            (None, None) => Pricing::ByModel,
            (None, Some(model)) => {
                catalog.find(upstream.provider, model).map_or(Pricing::Unknown, |facts| Pricing::Fixed(facts.price))
            }
        };
        Ok(Target { upstream, url, headers, pricing })
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

/// The headers that every JSON call has; `None` if the key cannot stand in one.
#[must_use]
pub fn base_headers(api_key: Option<&Secret>) -> Option<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("xrouter/", env!("CARGO_PKG_VERSION"))));
    if let Some(key) = api_key {
        let mut value = HeaderValue::try_from(format!("Bearer {}", key.expose())).ok()?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Some(headers)
}
