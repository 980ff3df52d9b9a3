//! Names of metrics, labels and span fields, each once.
//!
//! Where OpenTelemetry's conventions for generative AI have a name, it is that one, with the dots and units as
//! Prometheus writes them; the others begin with `xrouter_`.
//!
//! Sources: OpenTelemetry, "Semantic conventions for generative AI metrics" and "Prometheus and OpenMetrics
//! compatibility" (read 2026-11-30).

/// `gen_ai.client.operation.duration`
pub(super) const OPERATION_DURATION: &str = "gen_ai_client_operation_duration";
/// `gen_ai.client.operation.time_to_first_chunk`
pub(super) const TIME_TO_FIRST_CHUNK: &str = "gen_ai_client_operation_time_to_first_chunk";
/// Buckets of both, in seconds.
pub(super) const DURATION_BUCKETS: [f64; 14] =
    [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
/// Buckets of what the router itself takes, in seconds.
pub(super) const OWN_BUCKETS: [f64; 11] =
    [0.000_01, 0.000_02, 0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.005, 0.02, 0.1, 1.0];

pub(super) const REQUESTS: &str = "xrouter_requests";
pub(super) const IN_FLIGHT: &str = "xrouter_requests_in_flight";
pub(super) const UPSTREAM_FAILURES: &str = "xrouter_upstream_failures";
pub(super) const CANDIDATES_SKIPPED: &str = "xrouter_candidates_skipped";
pub(super) const TOKENS: &str = "xrouter_tokens";
pub(super) const COST: &str = "xrouter_cost_usd";
pub(super) const FRONTIER_COST: &str = "xrouter_frontier_cost_usd";
pub(super) const SAVED: &str = "xrouter_saved_usd";
pub(super) const DECISIONS: &str = "xrouter_decisions";
pub(super) const DECIDE_DURATION: &str = "xrouter_decide_duration";
pub(super) const CLASSIFIER_ASKED: &str = "xrouter_classifier_asked";
pub(super) const CLASSIFIER_FAILURES: &str = "xrouter_classifier_failures";
pub(super) const RESPONSE_CACHE: &str = "xrouter_response_cache";
pub(super) const HISTORY_WAIT: &str = "xrouter_history_wait";

/// The provider as OpenTelemetry's list has it (`gen_ai.provider.name`); a name of ours where the list has none.
#[must_use]
pub const fn provider_name(provider: crate::catalog::Provider) -> &'static str {
    use crate::catalog::Provider;
    match provider {
        Provider::Openai => "openai",
        Provider::Anthropic => "anthropic",
        Provider::Gemini => "gcp.gemini",
        Provider::Cohere => "cohere",
        Provider::AzureOpenai => "azure.ai.openai",
        Provider::Mistral => "mistral_ai",
        Provider::Groq => "groq",
        Provider::Perplexity => "perplexity",
        Provider::Together => "together",
        Provider::Openrouter => "openrouter",
        Provider::Ollama => "ollama",
        Provider::Xrouter => "xrouter",
        Provider::OpenaiCompatible => "openai_compatible",
    }
}
