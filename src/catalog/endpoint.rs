//! From the base URL that somebody wrote to the URLs that are called.

use std::net::IpAddr;

use url::Url;

use super::Provider;

/// The root of one provider's API: scheme, host and path prefix, without a slash at the end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    root: String,
    local: bool,
}

/// A base URL that cannot be called.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EndpointError {
    /// The text is no URL.
    #[error("`{url}` is not a URL ({reason}); write it like https://api.openai.com/v1")]
    NotAUrl {
        /// What was written.
        url: String,
        /// What the parser says.
        reason: String,
    },
    /// The scheme is neither http nor https.
    #[error("`{url}` does not begin with http:// or https://")]
    Scheme {
        /// What was written.
        url: String,
    },
    /// The URL carries a user name, a password, a query or a fragment.
    #[error("a base URL has no user, password, `?` or `#`: put keys into `api_key` or `headers`")]
    Extras,
}

impl Endpoint {
    /// Reads a base URL as people write it.
    ///
    /// Without a path it gets the provider's prefix; a path with a version segment (`/v1`,
    /// `/v1beta/openai`) is taken as it stands; any other path gets `/v1` after it. Slashes at the
    /// end do not matter.
    ///
    /// # Errors
    /// The text is no URL, not http(s), or carries credentials, a query or a fragment.
    pub fn parse(base_url: &str, provider: Provider) -> Result<Self, EndpointError> {
        let url = Url::parse(base_url.trim())
            .map_err(|reason| EndpointError::NotAUrl { url: base_url.to_owned(), reason: reason.to_string() })?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(EndpointError::Scheme { url: base_url.to_owned() });
        }
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return Err(EndpointError::Extras);
        }
        let local = is_local(&url);
        let path = url.path().trim_end_matches('/');
        let prefix = if path.is_empty() {
            provider.default_prefix().to_owned()
        } else if path.split('/').any(is_version) || matches!(provider, Provider::Perplexity | Provider::AzureOpenai) {
            path.to_owned()
        } else {
            format!("{path}/v1")
        };
        let root = format!("{}{prefix}", url.origin().ascii_serialization());
        Ok(Endpoint { root, local })
    }

    /// Where chat completions are asked for, in OpenAI's dialect.
    #[must_use]
    pub fn chat_completions(&self) -> String {
        format!("{}/chat/completions", self.root)
    }

    /// The root, as compared when two upstreams may be the same server.
    #[must_use]
    pub fn root(&self) -> &str {
        &self.root
    }

    /// Whether the host is a loopback or private address (or a name that can only mean one).
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.local
    }
}

/// `v1`, `v2`, `v1beta`, `v4`: a `v`, a digit, then letters or digits.
fn is_version(segment: &str) -> bool {
    let mut rest = segment.chars();
    rest.next() == Some('v')
        && rest.next().is_some_and(|c| c.is_ascii_digit())
        && rest.all(|c| c.is_ascii_alphanumeric())
}

fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified(),
        Ok(IpAddr::V6(ip)) => {
            ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local()
        }
        Err(_) => {
            let host = host.trim_end_matches('.');
            host == "localhost"
                || [".localhost", ".local", ".internal", ".lan"].iter().any(|suffix| host.ends_with(suffix))
                || !host.contains('.')
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls_get_the_prefix_that_they_lack() {
        let cases = [
            ("https://api.openai.com", Provider::Openai, "https://api.openai.com/v1"),
            ("https://api.openai.com/v1/", Provider::Openai, "https://api.openai.com/v1"),
            ("http://localhost:11434", Provider::Ollama, "http://localhost:11434/v1"),
            ("http://localhost:11434//", Provider::Ollama, "http://localhost:11434/v1"),
            ("https://openrouter.ai/api", Provider::Openrouter, "https://openrouter.ai/api/v1"),
            ("https://openrouter.ai", Provider::Openrouter, "https://openrouter.ai/api/v1"),
            ("https://api.groq.com/openai/v1", Provider::Groq, "https://api.groq.com/openai/v1"),
            ("https://api.z.ai/api/paas/v4", Provider::OpenaiCompatible, "https://api.z.ai/api/paas/v4"),
            ("https://g.example/v1beta/openai/", Provider::OpenaiCompatible, "https://g.example/v1beta/openai"),
            ("https://api.perplexity.ai", Provider::Perplexity, "https://api.perplexity.ai"),
            ("https://me.openai.azure.com", Provider::AzureOpenai, "https://me.openai.azure.com"),
            ("https://me.openai.azure.com/openai/", Provider::AzureOpenai, "https://me.openai.azure.com/openai"),
            ("https://api.anthropic.com", Provider::Anthropic, "https://api.anthropic.com/v1"),
            (
                "https://generativelanguage.googleapis.com",
                Provider::Gemini,
                "https://generativelanguage.googleapis.com/v1beta",
            ),
            ("https://api.cohere.com", Provider::Cohere, "https://api.cohere.com/v2"),
            ("https://api.cohere.com/v1", Provider::Cohere, "https://api.cohere.com/v1"),
            ("http://[::1]:8080/llm", Provider::OpenaiCompatible, "http://[::1]:8080/llm/v1"),
        ];
        for (base, provider, root) in cases {
            assert_eq!(Endpoint::parse(base, provider).unwrap().root(), root, "{base}");
        }
    }

    #[test]
    fn what_cannot_be_called_is_refused_with_its_reason() {
        for base in ["", "localhost:8080", "ftp://x", "https://user:pw@host", "https://host/v1?key=1", "https://h/#x"] {
            assert!(Endpoint::parse(base, Provider::Openai).is_err(), "{base}");
        }
    }

    #[test]
    fn loopback_and_private_addresses_are_local() {
        let local = |base: &str| Endpoint::parse(base, Provider::OpenaiCompatible).unwrap().is_local();
        for base in [
            "http://localhost:1",
            "http://127.0.0.1",
            "http://10.1.2.3",
            "http://[::1]:8",
            "http://gpu-box:8000",
            "http://192.168.1.9:11434",
            "http://[fd00::1]",
            "http://host.docker.internal:11434",
        ] {
            assert!(local(base), "{base}");
        }
        for base in
            ["https://api.openai.com", "http://8.8.8.8", "https://localhost.example.com", "http://[2001:db8::1]"]
        {
            assert!(!local(base), "{base}");
        }
    }
}
