//! The providers that have a name here, and how one is recognised from what people configure.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

/// The API dialect of an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// Another xrouter.
    Xrouter,
    /// Anything that speaks OpenAI's chat API: vLLM, llama.cpp, LM Studio, TensorRT-LLM, …
    OpenaiCompatible,
    /// OpenAI itself.
    Openai,
    /// Anthropic's Messages API.
    Anthropic,
    /// Google's Gemini API.
    Gemini,
    /// Cohere's chat API.
    Cohere,
    /// OpenAI models on Azure.
    AzureOpenai,
    /// Mistral's API.
    Mistral,
    /// Groq's API.
    Groq,
    /// Together's API.
    Together,
    /// Perplexity's API.
    Perplexity,
    /// OpenRouter's API.
    Openrouter,
    /// Ollama's OpenAI-compatible API.
    Ollama,
}

/// Host suffix → provider. The first match wins, so longer suffixes stand first.
const HOSTS: &[(&str, Provider)] = &[
    ("api.openai.com", Provider::Openai),
    ("openai.azure.com", Provider::AzureOpenai),
    ("cognitiveservices.azure.com", Provider::AzureOpenai),
    ("services.ai.azure.com", Provider::AzureOpenai),
    ("anthropic.com", Provider::Anthropic),
    ("generativelanguage.googleapis.com", Provider::Gemini),
    ("cohere.com", Provider::Cohere),
    ("cohere.ai", Provider::Cohere),
    ("mistral.ai", Provider::Mistral),
    ("groq.com", Provider::Groq),
    ("together.xyz", Provider::Together),
    ("together.ai", Provider::Together),
    ("perplexity.ai", Provider::Perplexity),
    ("openrouter.ai", Provider::Openrouter),
];

/// Key prefix → provider. `sk-` alone stands last: many providers issue longer ones.
const KEY_PREFIXES: &[(&str, Provider)] = &[
    ("sk-ant-", Provider::Anthropic),
    ("sk-or-", Provider::Openrouter),
    ("gsk_", Provider::Groq),
    ("pplx-", Provider::Perplexity),
    ("AIza", Provider::Gemini),
    ("tgp_", Provider::Together),
    ("sk-", Provider::Openai),
];

impl Provider {
    /// All providers, in the order in which the documentation lists them.
    pub const ALL: [Provider; 13] = [
        Provider::Xrouter,
        Provider::OpenaiCompatible,
        Provider::Openai,
        Provider::Anthropic,
        Provider::Gemini,
        Provider::Cohere,
        Provider::AzureOpenai,
        Provider::Mistral,
        Provider::Groq,
        Provider::Together,
        Provider::Perplexity,
        Provider::Openrouter,
        Provider::Ollama,
    ];

    /// The name used in the configuration and stored in the history.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Provider::Xrouter => "xrouter",
            Provider::OpenaiCompatible => "openai_compatible",
            Provider::Openai => "openai",
            Provider::Anthropic => "anthropic",
            Provider::Gemini => "gemini",
            Provider::Cohere => "cohere",
            Provider::AzureOpenai => "azure_openai",
            Provider::Mistral => "mistral",
            Provider::Groq => "groq",
            Provider::Together => "together",
            Provider::Perplexity => "perplexity",
            Provider::Openrouter => "openrouter",
            Provider::Ollama => "ollama",
        }
    }

    /// Where this provider's API is served, for those that have one public address.
    #[must_use]
    pub const fn default_base_url(self) -> Option<&'static str> {
        Some(match self {
            Provider::Openai => "https://api.openai.com/v1",
            Provider::Anthropic => "https://api.anthropic.com/v1",
            Provider::Gemini => "https://generativelanguage.googleapis.com/v1beta",
            Provider::Cohere => "https://api.cohere.com/v2",
            Provider::Mistral => "https://api.mistral.ai/v1",
            Provider::Groq => "https://api.groq.com/openai/v1",
            Provider::Together => "https://api.together.xyz/v1",
            Provider::Perplexity => "https://api.perplexity.ai",
            Provider::Openrouter => "https://openrouter.ai/api/v1",
            Provider::Ollama => "http://localhost:11434/v1",
            Provider::Xrouter | Provider::OpenaiCompatible | Provider::AzureOpenai => return None,
        })
    }

    /// The variable that this provider's key is usually in; none where none is wanted.
    #[must_use]
    pub const fn key_variable(self) -> Option<&'static str> {
        Some(match self {
            Provider::Openai => "OPENAI_API_KEY",
            Provider::Anthropic => "ANTHROPIC_API_KEY",
            Provider::Gemini => "GEMINI_API_KEY",
            Provider::Cohere => "COHERE_API_KEY",
            Provider::AzureOpenai => "AZURE_OPENAI_API_KEY",
            Provider::Mistral => "MISTRAL_API_KEY",
            Provider::Groq => "GROQ_API_KEY",
            Provider::Together => "TOGETHER_API_KEY",
            Provider::Perplexity => "PERPLEXITY_API_KEY",
            Provider::Openrouter => "OPENROUTER_API_KEY",
            Provider::Xrouter | Provider::OpenaiCompatible | Provider::Ollama => return None,
        })
    }

    /// The provider of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.as_str() == name)
    }

    /// The path that a base URL without one gets. Perplexity serves at the root, and Azure's paths are built from
    /// the deployment.
    #[must_use]
    pub const fn default_prefix(self) -> &'static str {
        match self {
            Provider::Perplexity | Provider::AzureOpenai => "",
            Provider::Gemini => "/v1beta",
            Provider::Cohere => "/v2",
            Provider::Groq => "/openai/v1",
            Provider::Openrouter => "/api/v1",
            _ => "/v1",
        }
    }

    /// Infers the provider from the base URL's host, then from the key's prefix; else `openai_compatible`.
    ///
    /// Gemini's host with an `/openai` path speaks OpenAI's dialect, as does Cohere's with `/compatibility`.
    #[must_use]
    pub fn infer(base_url: Option<&Url>, api_key: Option<&str>) -> Provider {
        if let Some(url) = base_url {
            let host = url.host_str().unwrap_or_default();
            let known = HOSTS.iter().find(|(suffix, _)| {
                host.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            });
            return match known {
                Some((_, Provider::Gemini)) if url.path().contains("/openai") => Provider::OpenaiCompatible,
                Some((_, Provider::Cohere)) if url.path().contains("/compatibility") => Provider::OpenaiCompatible,
                Some(&(_, provider)) => provider,
                None if url.port() == Some(11434) => Provider::Ollama,
                None => Provider::OpenaiCompatible,
            };
        }
        let key = api_key.unwrap_or_default();
        KEY_PREFIXES
            .iter()
            .find(|(prefix, _)| key.starts_with(prefix))
            .map_or(Provider::OpenaiCompatible, |&(_, provider)| provider)
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_or_a_key_prefix_names_its_provider() {
        let cases = [
            (Some("https://api.openai.com/v1"), None, Provider::Openai),
            (Some("https://me.openai.azure.com"), None, Provider::AzureOpenai),
            (Some("https://api.anthropic.com"), Some("sk-x"), Provider::Anthropic),
            (Some("https://generativelanguage.googleapis.com/v1beta"), None, Provider::Gemini),
            (Some("https://generativelanguage.googleapis.com/v1beta/openai"), None, Provider::OpenaiCompatible),
            (Some("https://me.cognitiveservices.azure.com"), None, Provider::AzureOpenai),
            (Some("https://me.services.ai.azure.com/openai/v1"), None, Provider::AzureOpenai),
            (Some("https://api.cohere.com"), None, Provider::Cohere),
            (Some("https://api.cohere.ai/v1"), None, Provider::Cohere),
            (Some("https://api.cohere.ai/compatibility/v1"), None, Provider::OpenaiCompatible),
            (Some("https://api.together.ai/v1"), None, Provider::Together),
            (Some("https://api.mistral.ai"), None, Provider::Mistral),
            (Some("https://api.groq.com/openai/v1"), None, Provider::Groq),
            (Some("https://api.together.xyz"), None, Provider::Together),
            (Some("https://api.perplexity.ai"), None, Provider::Perplexity),
            (Some("https://openrouter.ai/api"), None, Provider::Openrouter),
            (Some("http://localhost:11434"), None, Provider::Ollama),
            (Some("http://localhost:8080"), Some("sk-ant-x"), Provider::OpenaiCompatible),
            (Some("https://notopenai.com.evil.example"), None, Provider::OpenaiCompatible),
            (Some("https://evilgroq.com"), None, Provider::OpenaiCompatible),
            (None, Some("sk-ant-x"), Provider::Anthropic),
            (None, Some("sk-or-x"), Provider::Openrouter),
            (None, Some("gsk_x"), Provider::Groq),
            (None, Some("pplx-x"), Provider::Perplexity),
            (None, Some("AIzax"), Provider::Gemini),
            (None, Some("tgp_v1_x"), Provider::Together),
            (None, Some("sk-proj-x"), Provider::Openai),
            (None, Some("other"), Provider::OpenaiCompatible),
            (None, None, Provider::OpenaiCompatible),
        ];
        for (url, key, expected) in cases {
            let parsed = url.map(|url| Url::parse(url).unwrap());
            assert_eq!(Provider::infer(parsed.as_ref(), key), expected, "{url:?} {key:?}");
        }
    }
}
