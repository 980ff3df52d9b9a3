//! What can go wrong with an upstream, and what the caller may do about it.

use std::time::Duration;

use crate::catalog::Provider;
use crate::protocol::ErrorBody;

/// A failed upstream call.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// No connection, or it broke before an answer came.
    #[error("{provider} cannot be reached: {reason}")]
    Unreachable {
        /// Who was called.
        provider: Provider,
        /// The cause, without the URL.
        reason: String,
    },
    /// Nothing came in time.
    #[error("{provider} did not answer within {limit:?}")]
    Timeout {
        /// Who was called.
        provider: Provider,
        /// The limit that passed.
        limit: Duration,
    },
    /// An answer with an error status, or a stream that began with an error.
    #[error("{provider} answered {status}: {message}")]
    Status {
        /// Who was called.
        provider: Provider,
        /// Its status.
        status: u16,
        /// Its message.
        message: String,
        /// Its own `type`, `code` and `param`, where it speaks OpenAI's dialect.
        detail: Option<Box<ErrorBody>>,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// An answer that is none.
    #[error("{provider} sent an answer that cannot be read: {reason}")]
    Malformed {
        /// Who was called.
        provider: Provider,
        /// What is wrong with it.
        reason: String,
    },
    /// The dialect cannot be asked for something, or the request is at fault.
    #[error(transparent)]
    Encode(#[from] super::EncodeError),
    /// A picture cannot be fetched for a dialect that takes no addresses.
    #[error("`{param}`: {source}")]
    Picture {
        /// The field.
        param: String,
        /// Why.
        source: super::PictureError,
    },
    /// The request names no model, and the upstream has none of its own.
    #[error(
        "the {tier} tier has no model of its own, and the request asks for `{model}`: name a model in tiers.{tier}.model or in the request"
    )]
    NoModel {
        /// The tier.
        tier: crate::catalog::Tier,
        /// What the request asks for.
        model: String,
    },
}

/// What a failure means for the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The request is at fault: it goes back as it is.
    Client,
    /// The key, the model or the quota is at fault: another upstream may do, and the operator should look.
    Operator,
    /// The upstream is at fault: another one may do.
    Upstream,
}

impl ProviderError {
    /// Takes secrets out of what a provider said: some repeat the request that they refuse, with its headers.
    pub fn redact<'s>(&mut self, secrets: impl Iterator<Item = &'s str>) {
        const REDACTED: &str = "[redacted]";
        let (message, detail) = match self {
            ProviderError::Status { message, detail, .. } => (message, detail.as_deref_mut()),
            ProviderError::Malformed { reason, .. } | ProviderError::Unreachable { reason, .. } => (reason, None),
            ProviderError::Timeout { .. }
            | ProviderError::Encode(_)
            | ProviderError::Picture { .. }
            | ProviderError::NoModel { .. } => return,
        };
        let mut texts = vec![message];
        if let Some(detail) = detail {
            texts.extend([&mut detail.message, &mut detail.kind]);
            texts.extend(detail.code.iter_mut().chain(detail.param.iter_mut()));
        }
        for secret in secrets {
            for text in &mut texts {
                if text.contains(secret) {
                    **text = text.replace(secret, REDACTED);
                }
            }
        }
    }

    /// Who is at fault.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self {
            ProviderError::NoModel { .. }
            | ProviderError::Encode(_)
            | ProviderError::Picture { .. }
            | ProviderError::Status { status: 400 | 413 | 422, .. } => Verdict::Client,
            ProviderError::Status { status: 401..=404, .. } => Verdict::Operator,
            ProviderError::Status { .. }
            | ProviderError::Unreachable { .. }
            | ProviderError::Timeout { .. }
            | ProviderError::Malformed { .. } => Verdict::Upstream,
        }
    }

    /// What may be shown, logged and kept: a provider's text about a key may hold parts of it.
    #[must_use]
    pub fn public_message(&self) -> String {
        match (self.verdict(), self) {
            (Verdict::Operator, ProviderError::Status { provider, status, .. }) => {
                let what = if matches!(status, 401 | 403) { "key" } else { "model, address or quota" };
                format!(
                    "{provider} refused the router's call with {status}: its {what} is to be looked at by the operator"
                )
            }
            _ => self.to_string(),
        }
    }

    /// A low-cardinality name for the history, the log, metrics and the API.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            ProviderError::Unreachable { .. } => "upstream_unreachable",
            ProviderError::Timeout { .. } => "upstream_timeout",
            ProviderError::Malformed { .. } => "upstream_malformed",
            ProviderError::NoModel { .. } => "no_model",
            ProviderError::Encode(super::EncodeError::Invalid { .. }) => "invalid_request",
            ProviderError::Encode(super::EncodeError::Inexpressible { .. }) => "unsupported_parameter",
            ProviderError::Picture { .. } => "invalid_image",
            ProviderError::Status { status, .. } => match status {
                400 | 413 | 422 => "upstream_rejected",
                401 | 403 => "upstream_auth",
                402 | 404 => "upstream_config",
                429 => "upstream_rate_limited",
                503 | 529 => "upstream_overloaded",
                _ => "upstream_error",
            },
        }
    }
}
