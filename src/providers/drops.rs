//! What a dialect has no word for: refused by name, or left out and told.

use crate::catalog::Provider;
use crate::protocol::RequestError;
use crate::protocol::conversation::{Conversation, Options, ToolChoice, Turn};

/// Fields that cannot change what a right answer is: where a dialect has no place for them they are left
/// out and told, but never refused.
const HINTS: [&str; 9] = [
    "metadata",
    "prediction",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "store",
    "user",
];

/// Most fields that are told one by one: they stand in a header.
const MOST_NAMES: usize = 64;

/// A request that a dialect cannot be given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// It is at fault itself.
    #[error("the request cannot be read: `{param}`: {reason}")]
    Invalid {
        /// The field.
        param: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The dialect has no word for a field.
    #[error("{provider} cannot be asked for `{param}`: {reason}")]
    Inexpressible {
        /// The dialect.
        provider: Provider,
        /// The field.
        param: String,
        /// Why not, and what to do.
        reason: String,
    },
}

impl From<RequestError> for EncodeError {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Field { param, reason } => EncodeError::Invalid { param, reason },
            RequestError::Malformed { reason, param } => {
                EncodeError::Invalid { param: param.unwrap_or("body").to_owned(), reason }
            }
        }
    }
}

/// What was left out of one request.
#[derive(Debug)]
pub(super) struct Drops {
    provider: Provider,
    allowed: bool,
    names: Vec<String>,
}

impl Drops {
    /// `allowed` is the upstream's `drop_params`.
    pub(super) fn new(provider: Provider, allowed: bool) -> Self {
        Drops { provider, allowed, names: Vec::new() }
    }

    /// The fields that were left out, in order, each once.
    pub(super) fn into_names(self) -> Vec<String> {
        self.names
    }

    /// Leaves a field out, whatever is configured: the answer stays right without it.
    pub(super) fn hint(&mut self, param: &str) {
        if self.names.len() < MOST_NAMES && !self.names.iter().any(|known| known == param) {
            self.names.push(param.to_owned());
            if self.names.len() == MOST_NAMES {
                self.names.push("...".to_owned());
            }
        }
    }

    /// Leaves a field out if that is allowed.
    pub(super) fn cannot(&mut self, param: &str, reason: &str) -> Result<(), EncodeError> {
        if self.allowed || HINTS.contains(&param) {
            self.hint(param);
            return Ok(());
        }
        let reason = format!("{reason}; leave it out, or set drop_params = true for this upstream");
        Err(EncodeError::Inexpressible { provider: self.provider, param: param.to_owned(), reason })
    }

    /// What must be refused even where fields may be left out, as without it the answer would be another.
    pub(super) fn never(&self, param: &str, reason: &str) -> EncodeError {
        EncodeError::Inexpressible { provider: self.provider, param: param.to_owned(), reason: reason.to_owned() }
    }

    /// Tells the marks on parts that a dialect has no place for: of a prompt cache it has none of, and how closely an
    /// image is to be looked at.
    pub(super) fn marks(&mut self, conversation: &Conversation<'_>, caches: bool, details: bool) {
        let parts = conversation.turns.iter().flat_map(|turn| match turn {
            Turn::Instruction { parts }
            | Turn::User { parts }
            | Turn::Assistant { parts, .. }
            | Turn::Result { parts, .. } => parts,
        });
        for part in parts {
            if !details && part.detail.is_some() {
                self.hint(&format!("{}.image_url.detail", part.path));
            }
            if !caches && part.cache_control.is_some() {
                self.hint("cache_control");
            }
        }
        if !caches && conversation.tools.iter().any(|tool| tool.cache_control.is_some()) {
            self.hint("cache_control");
        }
    }

    /// Treats `parallel_tool_calls: false` where the dialect has no switch for it. Where one tool is named, it is
    /// called once as well as not.
    pub(super) fn one_call_at_a_time(&mut self, conversation: &Conversation<'_>) -> Result<(), EncodeError> {
        if conversation.options.parallel_tool_calls != Some(false) || conversation.tools.is_empty() {
            return Ok(());
        }
        let param = "parallel_tool_calls";
        if matches!(conversation.tool_choice, Some(ToolChoice::Named(_))) || conversation.tools.len() == 1 {
            self.hint(param);
            return Ok(());
        }
        self.cannot(param, "its API has no switch for it")
    }

    /// Treats the options that a dialect does not have. `has` names those that it does.
    pub(super) fn options(&mut self, options: &Options<'_>, has: &[&str]) -> Result<(), EncodeError> {
        let nonzero = |figure: Option<f64>| figure.is_some_and(|figure| figure != 0.0);
        let asked = [
            ("seed", options.seed.is_some()),
            ("n", options.n.is_some_and(|n| n != 1)),
            ("presence_penalty", nonzero(options.presence_penalty)),
            ("frequency_penalty", nonzero(options.frequency_penalty)),
            ("logprobs", options.logprobs),
            ("top_logprobs", options.logprobs && options.top_logprobs.is_some()),
            ("top_k", options.top_k.is_some()),
            ("user", options.user.is_some()),
            ("service_tier", options.service_tier.as_deref().is_some_and(|tier| tier != "auto")),
            ("thinking", options.thinking.is_some()),
            ("parallel_tool_calls", options.parallel_tool_calls == Some(false)),
        ];
        for (param, _) in asked.into_iter().filter(|(param, asked)| *asked && !has.contains(param)) {
            self.cannot(param, "its API has nothing like it")?;
        }
        for param in options.others.iter().filter(|param| !has.contains(param)) {
            self.cannot(param, "its API has nothing like it")?;
        }
        for (param, _) in options.unknown.iter().filter(|(param, _)| !has.contains(&param.as_ref())) {
            self.cannot(param, "it is no field of OpenAI's API, and what it would mean is not known")?;
        }
        Ok(())
    }
}
