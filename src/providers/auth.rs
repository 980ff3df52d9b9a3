//! How a call shows who makes it: the headers of every call, the key among them.

use bytes::Bytes;
use hyper::Request;
use hyper::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};

use super::Dialect;
use super::openai::{Key, quirks};
use crate::config::{Secret, Upstream};

/// How an upstream's calls show who makes them.
#[derive(Debug)]
pub(super) enum Auth {
    /// By a key in the headers, which are the same for every call.
    Headers(HeaderMap),
}

impl Auth {
    /// An upstream's; `None` if its key cannot stand in a header.
    pub(super) fn of(upstream: &Upstream, dialect: Dialect) -> Option<Self> {
        let mut headers = headers(upstream, dialect)?;
        for (name, value) in &upstream.headers {
            headers.insert(name, value.clone());
        }
        Some(Auth::Headers(headers))
    }

    /// Completes a request whose address and body are final: a signature would be made of them.
    pub(super) fn sign(&self, request: &mut Request<Bytes>) {
        match self {
            Auth::Headers(headers) => request.headers_mut().clone_from(headers),
        }
    }
}

/// The headers of an upstream's calls, without those that are configured; `None` if its key cannot stand in one.
fn headers(upstream: &Upstream, dialect: Dialect) -> Option<HeaderMap> {
    let key = upstream.api_key.as_ref();
    let secret = |text: &str| {
        let mut value = HeaderValue::try_from(text).ok()?;
        value.set_sensitive(true);
        Some(value)
    };
    let with = |name: &'static str, key: Option<&Secret>| {
        let mut headers = base_headers(None)?;
        if let Some(key) = key {
            headers.insert(name, secret(key.expose())?);
        }
        Some(headers)
    };
    match dialect {
        Dialect::Anthropic => {
            // A token of an account instead of a key.
            let token = key.filter(|key| key.expose().starts_with("sk-ant-oat"));
            let mut headers = if token.is_some() { base_headers(token)? } else { with("x-api-key", key)? };
            headers.insert("anthropic-version", version(upstream)?);
            if token.is_some() {
                headers.insert("anthropic-beta", HeaderValue::from_static("oauth-2025-04-20"));
            }
            Some(headers)
        }
        Dialect::Gemini => with("x-goog-api-key", key),
        Dialect::Cohere => base_headers(key),
        Dialect::CohereV1 => {
            let mut headers = base_headers(key)?;
            // Written so in its reference: without it, a stream is lines of JSON.
            headers.insert("accepts", HeaderValue::from_static("text/event-stream"));
            Some(headers)
        }
        Dialect::Openai => match quirks(upstream.provider).call.key {
            Key::Header { name, bearer } if key.is_none_or(|key| !key.expose().starts_with(bearer)) => with(name, key),
            Key::Header { .. } | Key::Bearer => base_headers(key),
        },
    }
}

fn version(upstream: &Upstream) -> Option<HeaderValue> {
    HeaderValue::try_from(upstream.api_version.as_deref().unwrap_or("2023-06-01")).ok()
}

/// The headers that every JSON call has; `None` if the key cannot stand in one.
#[must_use]
pub fn base_headers(api_key: Option<&Secret>) -> Option<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    // An answer that comes compressed all the same is read; none is asked for, as streams gain nothing by it.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("xrouter/", env!("CARGO_PKG_VERSION"))));
    if let Some(key) = api_key {
        let mut value = HeaderValue::try_from(format!("Bearer {}", key.expose())).ok()?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Some(headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Sources, load};

    #[test]
    fn keys_stand_where_each_provider_wants_them() {
        let header = |provider: &str, key: &str, name: &str| {
            let toml = format!(
                "[classifier]\nkind = \"off\"\n[tiers.frontier]\nprovider = \"{provider}\"\nbase_url = \"https://x.example\"\n\
                 model = \"m\"\napi_key = \"{key}\"\nheaders = {{ x-team = \"t\" }}"
            );
            let loaded = load(&Sources::from_toml(toml)).unwrap_or_else(|error| panic!("{error}"));
            let upstream = loaded.upstreams.all().next().unwrap();
            let mut request = Request::new(Bytes::new());
            Auth::of(upstream, Dialect::of(upstream)).unwrap().sign(&mut request);
            assert_eq!(request.headers()["x-team"], "t");
            request.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(header("anthropic", "k", "x-api-key").as_deref(), Some("k"));
        assert_eq!(header("anthropic", "k", "authorization"), None);
        assert_eq!(header("anthropic", "k", "anthropic-version").as_deref(), Some("2023-06-01"));
        assert_eq!(header("anthropic", "sk-ant-oat01", "authorization").as_deref(), Some("Bearer sk-ant-oat01"));
        assert_eq!(header("gemini", "k", "x-goog-api-key").as_deref(), Some("k"));
        assert_eq!(header("azure_openai", "k", "api-key").as_deref(), Some("k"));
        assert_eq!(header("azure_openai", "eyJ0", "authorization").as_deref(), Some("Bearer eyJ0"));
        assert_eq!(header("cohere", "k", "authorization").as_deref(), Some("Bearer k"));
        assert_eq!(header("mistral", "k", "authorization").as_deref(), Some("Bearer k"));
    }
}
