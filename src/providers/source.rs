//! The pages that the dialects follow.

use super::openai::quirks;
use super::{anthropic, cohere, gemini};
use crate::catalog::Provider;

/// A page that a provider's dialect was written from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// Its address. Where there is none: what is followed instead.
    pub page: &'static str,
    /// The day on which it was read: `2026-11-25`.
    pub read: &'static str,
}

/// The pages that a provider's dialect was written from.
#[must_use]
pub const fn sources(provider: Provider) -> &'static [Source] {
    match provider {
        Provider::Anthropic => anthropic::SOURCES,
        Provider::Gemini => gemini::SOURCES,
        Provider::Cohere => cohere::SOURCES,
        Provider::Openai
        | Provider::AzureOpenai
        | Provider::Mistral
        | Provider::Groq
        | Provider::Together
        | Provider::Perplexity
        | Provider::Openrouter
        | Provider::Ollama
        | Provider::Xrouter
        | Provider::OpenaiCompatible => quirks(provider).source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_provider_names_its_pages_and_the_day_on_which_they_were_read() {
        for provider in Provider::ALL {
            let sources = sources(provider);
            assert!(!sources.is_empty(), "{provider}");
            for Source { page, read } in sources {
                assert!(page.starts_with("https://") || provider == Provider::Xrouter, "{provider}: {page}");
                let date = format!("{read}T00:00:00Z").parse::<crate::protocol::Timestamp>();
                assert!(read.len() == 10 && date.is_ok(), "{provider}: {read}");
            }
        }
    }
}
