//! `[tiers]` and `[upstream_defaults]`: where requests go, as people write it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Secret;
use crate::catalog::Tier;

/// `[tiers]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tiers {
    /// Try the next tier up when no upstream of the decided tier can answer.
    pub fallback: bool,
    /// Everyday requests. Unset: the classifier's endpoint and model.
    #[serde(default)]
    pub cheap: TierConfig,
    /// Requests that need a solid general model.
    #[serde(default)]
    pub medium: TierConfig,
    /// Requests that need the strongest model.
    #[serde(default)]
    pub frontier: TierConfig,
}

impl Tiers {
    pub(super) fn get(&self, tier: Tier) -> &TierConfig {
        match tier {
            Tier::Cheap => &self.cheap,
            Tier::Medium => &self.medium,
            Tier::Frontier => &self.frontier,
        }
    }
}

/// One tier: a single upstream written into the table itself, or a list of them.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct TierConfig {
    /// Several upstreams, instead of the keys of a single one.
    #[serde(default)]
    pub upstreams: Vec<UpstreamConfig>,
    /// The single upstream.
    #[serde(flatten)]
    pub single: UpstreamConfig,
}

/// One upstream.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
pub struct UpstreamConfig {
    /// Name in the history and in errors. Default: provider/model.
    #[schemars(extend("example" = "groq-oss"))]
    pub name: Option<String>,
    /// API dialect: `openai`, `anthropic`, `gemini`, `cohere`, `azure_openai`, `mistral`, `groq`, `together`,
    /// `perplexity`, `openrouter`, `ollama`, `xrouter`, `openai_compatible`, or `auto` (default), which infers it
    /// from the base URL and the key.
    #[schemars(extend("example" = "auto"))]
    pub provider: Option<String>,
    /// Root of the API, with or without `/v1`. Default: the provider's own address.
    #[schemars(extend("example" = "https://api.groq.com/openai/v1"))]
    pub base_url: Option<String>,
    /// The provider's key.
    #[schemars(extend("example" = "${GROQ_API_KEY}"))]
    pub api_key: Option<Secret>,
    /// File that holds the key, instead of `api_key`.
    #[schemars(extend("example" = "groq.key"))]
    pub api_key_file: Option<String>,
    /// The model to ask. Unset: the one that the request names.
    #[schemars(extend("example" = "openai/gpt-oss-120b"))]
    pub model: Option<String>,
    /// More request headers.
    #[schemars(extend("example" = {"X-Team": "agents"}))]
    pub headers: Option<BTreeMap<String, Secret>>,
    /// Azure's deployment name.
    #[schemars(extend("example" = "gpt-5"))]
    pub deployment: Option<String>,
    /// API version, for dialects that have one.
    #[schemars(extend("example" = "2024-10-21"))]
    pub api_version: Option<String>,
    /// One time limit, in milliseconds: first byte for streams, whole answer for plain requests.
    /// Default: 30000 for cheap, 45000 for medium, 60000 for frontier.
    #[schemars(range(min = 1), extend("example" = 30000))]
    pub timeout_ms: Option<u64>,
    /// Longest wait for a connection, in milliseconds. Default: 5000.
    #[schemars(range(min = 1), extend("example" = 5000))]
    pub connect_timeout_ms: Option<u64>,
    /// Longest wait for a stream's first byte, in milliseconds. Default: `timeout_ms`.
    #[schemars(range(min = 1), extend("example" = 30000))]
    pub first_token_timeout_ms: Option<u64>,
    /// Longest silence between two pieces of a stream, in milliseconds. Default: 30000.
    #[schemars(range(min = 1), extend("example" = 30000))]
    pub idle_timeout_ms: Option<u64>,
    /// Longest plain answer, in milliseconds (default: `timeout_ms`), and longest stream (default: no limit).
    #[schemars(range(min = 1), extend("example" = 600_000))]
    pub total_timeout_ms: Option<u64>,
    /// Leave out what the provider's API cannot express, and say so in `X-Xrouter-Dropped-Params`, instead of
    /// refusing the request. Default: false.
    #[schemars(extend("example" = false))]
    pub drop_params: Option<bool>,
    /// Longest answer, in tokens, for dialects that require a limit where the request has none. Default: 8192.
    #[schemars(range(min = 1), extend("example" = 8192))]
    pub max_tokens: Option<u64>,
    /// Mark the tools, the system text and the last turns for Anthropic's prompt cache where the client marked
    /// nothing. Default: true.
    #[schemars(extend("example" = true))]
    pub cache_markers: Option<bool>,
    /// Tokens that fit into its context, input and answer together. Default: the catalogue's, if it knows the model.
    #[schemars(range(min = 1), extend("example" = 131_072))]
    pub context_window: Option<u64>,
    /// Whether it calls tools. Default: what the catalogue says, else yes.
    #[schemars(extend("example" = true))]
    pub tools: Option<bool>,
    /// Whether it sees images. Default: what the catalogue says, else yes.
    #[schemars(extend("example" = false))]
    pub images: Option<bool>,
    /// Whether it hears audio. Default: what the catalogue says, else yes.
    #[schemars(extend("example" = false))]
    pub audio: Option<bool>,
    /// Whether it keeps to a JSON schema. Default: yes.
    #[schemars(extend("example" = true))]
    pub json_schema: Option<bool>,
    /// Whether it can be told to think hard (`reasoning_effort` high and above). Default: what the catalogue says, else yes.
    #[schemars(extend("example" = false))]
    pub reasoning: Option<bool>,
    /// Share of this tier's requests, against the upstreams of the same priority. Default: 1.
    #[schemars(range(min = 1, max = 1000), extend("example" = 1))]
    pub weight: Option<u32>,
    /// Upstreams with a smaller figure are tried first. Default: 0.
    #[schemars(extend("example" = 0))]
    pub priority: Option<i32>,
    /// Count its traffic as local. Default: whether its address is a loopback or private one.
    #[schemars(extend("example" = true))]
    pub local: Option<bool>,
    /// US dollars per million tokens. Default: the catalogue's price, if it knows the model.
    #[schemars(extend("example" = {"input": 0.15, "output": 0.6, "cache_read": 0.075, "cache_write": 0.15}))]
    pub price: Option<PriceConfig>,
}

/// US dollars per million tokens. A part that is left out is unknown, not free.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceConfig {
    /// Input tokens.
    #[schemars(range(min = 0))]
    pub input: Option<f64>,
    /// Output tokens.
    #[schemars(range(min = 0))]
    pub output: Option<f64>,
    /// Input tokens read from the provider's prompt cache.
    #[schemars(range(min = 0))]
    pub cache_read: Option<f64>,
    /// Input tokens written to the provider's prompt cache.
    #[schemars(range(min = 0))]
    pub cache_write: Option<f64>,
    /// Those of them that the provider keeps for an hour.
    #[schemars(range(min = 0))]
    pub cache_write_1h: Option<f64>,
}

/// `[upstream_defaults]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpstreamDefaults {
    /// `timeout_ms` of every upstream that has none of its own, in milliseconds.
    #[schemars(range(min = 1), extend("example" = 45000))]
    pub timeout_ms: Option<u64>,
    /// `api_version` of Azure upstreams.
    pub azure_api_version: String,
    /// `api_version` of Anthropic upstreams.
    pub anthropic_version: String,
}
