//! A small model as classifier: asked to answer with one digit, and stopped at the first that comes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};

use super::{Classified, Input};
use crate::catalog::{Judge, Tier};
use crate::protocol::TokenUsage;
use crate::routing::Verdict;

/// Sends a chat completion request to the classifier's endpoint. Dropping what it returns closes
/// the connection, which is what stops the model.
pub trait Ask: Send + Sync {
    /// Sends the body and returns the answer's text as it arrives.
    fn ask(&self, body: Bytes) -> BoxFuture<'_, Result<BoxStream<'static, Result<AskPiece, AskError>>, AskError>>;
}

/// A piece of the model's answer.
#[derive(Debug, Clone, Default)]
pub struct AskPiece {
    /// Text.
    pub text: String,
    /// Token counts, if this piece carries them.
    pub usage: Option<TokenUsage>,
}

/// What can go wrong between us and the model.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AskError {
    /// It answered with an error.
    #[error("status {status}: {message}")]
    Status {
        /// The HTTP status.
        status: u16,
        /// What it said.
        message: String,
    },
    /// It did not answer, or its answer broke off.
    #[error("{0}")]
    Broken(String),
}

/// Why the model gave no decision.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// Still loading after all retries.
    #[error("its model is still loading")]
    Loading,
    /// Too slow twice.
    #[error("no decision within {0:?}")]
    Timeout(Duration),
    /// An answer without 0, 1 or 2.
    #[error("its answer holds no 0, 1 or 2")]
    NoDigit,
    /// The call failed.
    #[error(transparent)]
    Ask(#[from] AskError),
}

/// How the model is asked.
#[derive(Debug, Clone)]
pub struct LlmSettings {
    /// Its name.
    pub model: String,
    /// What it is told.
    pub system_prompt: String,
    /// Longest answer, in tokens.
    pub max_tokens: u32,
    /// Its temperature.
    pub temperature: f64,
    /// Token id → bias.
    pub logit_bias: Option<BTreeMap<String, f64>>,
    /// Whether its answer is streamed, so that it can be stopped early.
    pub stream: bool,
    /// Time for a decision; one time-out is retried with twice as long.
    pub timeout: Duration,
    /// Wait between two tries while it is loading.
    pub loading_retry: Duration,
    /// How often it is asked again while it is loading.
    pub loading_max_retries: u32,
}

/// The classifier that asks a model.
pub struct LlmClassifier {
    settings: LlmSettings,
    ask: Box<dyn Ask>,
}

impl LlmClassifier {
    /// A classifier that sends through `ask`.
    #[must_use]
    pub fn new(settings: LlmSettings, ask: Box<dyn Ask>) -> Self {
        LlmClassifier { settings, ask }
    }

    /// Everything that its verdict depends on besides the input and the thresholds, as a text to hash.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let LlmSettings { model, system_prompt, max_tokens, temperature, logit_bias, .. } = &self.settings;
        format!("{model} {max_tokens} {temperature} {logit_bias:?} {system_prompt}")
    }

    /// Asks the model.
    ///
    /// # Errors
    /// It is loading, too slow, unreachable, or says something else.
    pub async fn classify(&self, input: &Input<'_>) -> Result<Classified, Failure> {
        let body = self.body(&input.text);
        let mut limit = self.settings.timeout;
        let mut loading_retries = 0;
        let mut timed_out = false;
        loop {
            match tokio::time::timeout(limit, self.once(body.clone())).await {
                Ok(Ok(classified)) => return Ok(classified),
                Ok(Err(Failure::Ask(error))) if is_loading(&error) => {
                    if loading_retries == self.settings.loading_max_retries {
                        return Err(Failure::Loading);
                    }
                    loading_retries += 1;
                    tokio::time::sleep(self.settings.loading_retry).await;
                }
                Ok(Err(failure)) => return Err(failure),
                Err(_) if timed_out => return Err(Failure::Timeout(limit)),
                Err(_) => {
                    timed_out = true;
                    limit *= 2;
                }
            }
        }
    }

    /// Asks for nothing in particular, so that the model is loaded.
    ///
    /// # Errors
    /// It is loading, too slow or unreachable.
    pub async fn touch(&self) -> Result<(), Failure> {
        match self.classify(&Input::plain("hi")).await {
            // It is there; what it says does not matter.
            Ok(_) | Err(Failure::NoDigit) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    async fn once(&self, body: Bytes) -> Result<Classified, Failure> {
        let mut pieces = self.ask.ask(body).await?;
        let mut tier = None;
        let mut usage = TokenUsage::default();
        while let Some(piece) = pieces.try_next().await? {
            usage = piece.usage.unwrap_or(usage);
            tier = piece.text.chars().find_map(|c| c.to_digit(10).and_then(digit_tier));
            if tier.is_some() {
                break; // dropping the stream closes the connection
            }
        }
        let tier = tier.ok_or(Failure::NoDigit)?;
        let verdict = Verdict {
            tier,
            judge: Judge::Model,
            remembered: false,
            score: None,
            confidence: None,
            reason: Cow::Owned(format!("{} answered {}", self.settings.model, tier.number())),
        };
        Ok(Classified { verdict, asked: true, usage, failure: None })
    }

    fn body(&self, text: &str) -> Bytes {
        let settings = &self.settings;
        let mut body = serde_json::json!({
            "model": settings.model,
            "messages": [
                { "role": "system", "content": settings.system_prompt },
                { "role": "user", "content": text },
            ],
            "temperature": settings.temperature,
            "max_tokens": settings.max_tokens,
            "stream": settings.stream,
        });
        if let Some(bias) = &settings.logit_bias {
            body["logit_bias"] = serde_json::json!(bias);
        }
        Bytes::from(body.to_string())
    }
}

fn digit_tier(digit: u32) -> Option<Tier> {
    u8::try_from(digit).ok().and_then(Tier::from_number)
}

/// Whether the engine says that its model is not there yet. llama.cpp answers 503 `Loading model`;
/// others put it in words.
fn is_loading(error: &AskError) -> bool {
    match error {
        AskError::Status { status: 503, .. } => true,
        AskError::Status { message, .. } => {
            let message = message.to_lowercase();
            message.contains("loading") || message.contains("is being loaded") || message.contains("not ready")
        }
        AskError::Broken(_) => false,
    }
}

impl std::fmt::Debug for LlmClassifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LlmClassifier").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// One piece, for endpoints that answer whole.
impl AskPiece {
    /// A stream of this one piece.
    #[must_use]
    pub fn only(self) -> BoxStream<'static, Result<AskPiece, AskError>> {
        futures_util::stream::once(std::future::ready(Ok(self))).boxed()
    }
}
