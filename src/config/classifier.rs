//! `[classifier]`

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::layers::Merged;
use super::problem::Problem;
use super::rules::validate_names;
use super::{Rule, Secret};

/// What turns a request into a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClassifierKind {
    /// The one compiled into the binary.
    Embedded,
    /// A small model behind an OpenAI-compatible endpoint.
    Llm,
    /// The embedded one first, the model only where that is unsure.
    Cascade,
    /// None: everything goes to the frontier tier.
    Off,
}

/// Which text of a conversation is classified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// What the user has said since the last answer, without what agents wrap around it.
    CurrentRequest,
    /// The last user message as it stands.
    LastUser,
    /// All user messages.
    All,
}

/// `[classifier]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of its own")]
pub struct Classifier {
    /// `embedded`, `llm`, `cascade` or `off`. Unset: `llm` if `base_url` is set, else `embedded`.
    #[schemars(extend("example" = "cascade"))]
    pub kind: Option<ClassifierKind>,
    /// `false` is the same as `kind = "off"`.
    pub enabled: bool,
    /// File of a model that `xrouter train --out` wrote, instead of the one compiled in.
    #[schemars(extend("example" = "classifier.bin"))]
    pub embedded_file: Option<String>,
    /// The model's endpoint, for `llm` and `cascade`.
    #[schemars(extend("example" = "http://localhost:11434"))]
    pub base_url: Option<String>,
    /// The endpoint's key, if it wants one.
    #[schemars(extend("example" = "${CLASSIFIER_API_KEY}"))]
    pub api_key: Option<Secret>,
    /// File that holds the key, instead of `api_key`.
    #[schemars(extend("example" = "classifier.key"))]
    pub api_key_file: Option<String>,
    /// The model that classifies.
    #[schemars(extend("example" = "llama3.1"))]
    pub model: Option<String>,
    /// What the model is told. It must make it answer with 0, 1 or 2.
    pub system_prompt: String,
    /// Which text is classified: `current_request`, `last_user` or `all`.
    pub strategy: Strategy,
    /// Longest answer asked of the model, in tokens.
    #[schemars(range(min = 1))]
    pub max_tokens: u32,
    /// Longest text that is classified, in characters; a longer one is cut in the middle.
    #[schemars(range(min = 16))]
    pub max_chars: usize,
    /// Learn what the requests of a key repeat at their beginning and end, in memory, and leave it out.
    pub learn_templates: bool,
    /// The model's temperature.
    #[schemars(range(min = 0, max = 2))]
    pub temperature: f64,
    /// Time for the model's decision, in milliseconds; one time-out is retried with twice as long.
    #[schemars(range(min = 1))]
    pub timeout_ms: u64,
    /// Token id → bias, handed to the endpoint as `logit_bias`.
    #[schemars(extend("example" = {"15": 100, "16": 100, "17": 100}))]
    pub logit_bias: Option<BTreeMap<String, f64>>,
    /// Stream the model's answer and stop it at its first digit.
    pub force_stream: bool,
    /// Ask the model once at start, so that it is loaded when the first request comes.
    pub warmup: bool,
    /// Wait before that, in milliseconds.
    pub warmup_delay_ms: u64,
    /// Ask the model this often, so that it stays loaded, in milliseconds; 0 = never.
    pub keep_alive_ms: u64,
    /// Wait between two tries while the model is still loading, in milliseconds.
    pub loading_retry_ms: u64,
    /// How often a model that is still loading is asked again.
    pub loading_max_retries: u32,
    /// In a cascade, the model is asked where the embedded classifier's confidence is under this, 0 to 1.
    #[schemars(range(min = 0, max = 1))]
    pub unsure_below: f64,
    /// Scores from here on need the medium tier, 0 to 1.
    #[schemars(range(min = 0, max = 1))]
    pub medium_at: f64,
    /// Scores from here on need the frontier tier, 0 to 1.
    #[schemars(range(min = 0, max = 1))]
    pub frontier_at: f64,
    /// Shares of the traffic for each tier: thresholds are learnt from the history, once it has 200 scores, instead of
    /// `medium_at` and `frontier_at`.
    #[schemars(extend("example" = {"cheap": 0.6, "medium": 0.25, "frontier": 0.15}))]
    pub target_share: Option<TargetShare>,
    /// Rules over the classifier's decision, looked at in order, before those that ship on.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// Names of rules that are switched off.
    #[serde(default)]
    #[schemars(extend("example" = ["greeting"]))]
    pub rules_off: Vec<String>,
}

/// Shares of the traffic; they add up to 1.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetShare {
    /// Of the cheap tier.
    #[schemars(range(min = 0, max = 1))]
    pub cheap: f64,
    /// Of the medium tier.
    #[schemars(range(min = 0, max = 1))]
    pub medium: f64,
    /// Of the frontier tier.
    #[schemars(range(min = 0, max = 1))]
    pub frontier: f64,
}

impl Classifier {
    /// The kind in force, from `enabled`, `kind` and `base_url`.
    #[must_use]
    pub fn effective_kind(&self) -> ClassifierKind {
        match self.kind {
            _ if !self.enabled => ClassifierKind::Off,
            Some(kind) => kind,
            None if self.base_url.is_some() => ClassifierKind::Llm,
            None => ClassifierKind::Embedded,
        }
    }

    /// Whether a model is asked.
    #[must_use]
    pub fn asks_a_model(&self) -> bool {
        matches!(self.effective_kind(), ClassifierKind::Llm | ClassifierKind::Cascade)
    }

    pub(super) fn validate(&self, merged: &Merged, problems: &mut Vec<Problem>) {
        if self.medium_at > self.frontier_at {
            let message = format!("{} is above classifier.frontier_at ({})", self.medium_at, self.frontier_at);
            problems.push(merged.problem(
                "classifier.medium_at",
                message,
                "the medium tier begins below the frontier tier",
            ));
        }
        if let Some(TargetShare { cheap, medium, frontier }) = self.target_share
            && (cheap + medium + frontier - 1.0).abs() > 1e-6
        {
            let message = format!("adds up to {}", cheap + medium + frontier);
            problems.push(merged.problem("classifier.target_share", message, "three shares that add up to 1"));
        }
        for (at, rule) in self.rules.iter().enumerate() {
            rule.validate(at, merged, problems);
        }
        validate_names(&self.rules, &self.rules_off, merged, problems);
        if self.asks_a_model() {
            for (key, variable, value) in [
                ("classifier.base_url", "CLASSIFIER_BASE_URL", &self.base_url),
                ("classifier.model", "CLASSIFIER_MODEL", &self.model),
            ] {
                if value.as_deref().unwrap_or_default().trim().is_empty() {
                    problems.push(Problem {
                        key: key.to_owned(),
                        origin: None,
                        message: "is not set, and the classifier is a model".to_owned(),
                        hint: format!("set {key} or {variable}, or classifier.kind = \"embedded\""),
                    });
                }
            }
        }
    }
}
