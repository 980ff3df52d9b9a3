//! What a request requires of an upstream, and what keeps one from taking it.

use std::fmt;

use super::Gateway;
use crate::catalog::{Capabilities, Provider};
use crate::protocol::{ChatRequest, estimate};
use crate::providers::Target;

/// Tokens around each message.
const PER_MESSAGE: u64 = 4;
/// Tokens of an image, as a rule: no provider counts it alike.
const PER_IMAGE: u64 = 1_000;

/// What a request needs of an upstream.
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that an upstream may not be able to do")]
#[derive(Debug)]
pub(super) struct Requirements {
    /// An upper bound of its input tokens: a token is at least a byte.
    most_tokens: u64,
    /// Its input tokens, estimated for `o200k_base`.
    tokens: std::sync::OnceLock<u64>,
    max_output: u64,
    tools: bool,
    pub(super) images: bool,
    audio: bool,
    json_schema: bool,
    reasoning: bool,
}

/// What keeps an upstream from taking a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsupported {
    /// Its context is too small.
    Context {
        /// Input tokens, estimated, and the longest answer asked for.
        needed: u64,
        /// Tokens that fit.
        window: u64,
    },
    /// It cannot do something that is asked for.
    Capability(&'static str),
}

impl Unsupported {
    /// The error's code: that of OpenAI's API for a context that is too small.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Unsupported::Context { .. } => "context_length_exceeded",
            Unsupported::Capability(_) => "unsupported_capability",
        }
    }
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unsupported::Context { needed, window } => {
                write!(f, "about {needed} tokens (estimated input and the longest answer) do not fit into {window}")
            }
            Unsupported::Capability(what) => write!(f, "{what} are not supported"),
        }
    }
}

impl Requirements {
    pub(super) fn of(request: &ChatRequest<'_>) -> Self {
        let texts = request.messages.iter().flat_map(|message| &message.content.texts);
        let sum = |of: fn(&crate::protocol::Content<'_>) -> usize| {
            request.messages.iter().map(|message| of(&message.content)).sum::<usize>() as u64
        };
        let (images, audio) = (sum(|content| content.images), sum(|content| content.audio));
        let bytes: usize = texts.map(|text| text.len()).sum();
        let around = PER_MESSAGE * request.messages.len() as u64 + PER_IMAGE * images;
        Requirements {
            most_tokens: (bytes + request.tools_bytes) as u64 + around,
            tokens: std::sync::OnceLock::new(),
            max_output: request.wishes.max_output.unwrap_or(0),
            tools: request.tools > 0,
            images: images > 0,
            audio: audio > 0,
            json_schema: request.wishes.json_schema,
            // Clients send the lower efforts to whatever model they talk to; these are meant.
            reasoning: matches!(request.wishes.reasoning_effort.as_deref(), Some("high" | "xhigh" | "max")),
        }
    }

    /// Input tokens, estimated, if somebody asked for them.
    pub(super) fn counted(&self) -> Option<u64> {
        self.tokens.get().copied()
    }

    /// Input tokens, estimated when first asked for.
    pub(super) fn tokens(&self, request: &ChatRequest<'_>) -> u64 {
        *self.tokens.get_or_init(|| estimated_tokens(request))
    }
}

/// A request's input tokens, estimated for `o200k_base`.
#[must_use]
pub fn estimated_tokens(request: &ChatRequest<'_>) -> u64 {
    let texts = request.messages.iter().flat_map(|message| &message.content.texts);
    let images: usize = request.messages.iter().map(|message| message.content.images).sum();
    texts.map(|text| estimate(text)).sum::<u64>()
        // Definitions are JSON: three letters a token, more or less.
        + request.tools_bytes as u64 / 4
        + PER_MESSAGE * request.messages.len() as u64
        + PER_IMAGE * images as u64
}

impl Gateway {
    /// What keeps an upstream from taking a request. What is unknown keeps nobody.
    pub(super) fn unsupported(
        &self,
        target: &Target,
        request: &ChatRequest<'_>,
        requirements: &Requirements,
    ) -> Option<Unsupported> {
        let upstream = &target.upstream;
        let Capabilities { context_window, tools, images, audio, json_schema, reasoning } =
            target.capabilities(&request.model, &self.catalog);
        let asked = [
            (requirements.tools, tools, "tools"),
            (requirements.images, images, "images"),
            (requirements.audio, audio, "audio inputs"),
            (requirements.json_schema, json_schema, "JSON schemas"),
            // Where fields may be left out, this one can be.
            (requirements.reasoning && !upstream.drop_params, reasoning, "high reasoning efforts"),
        ];
        if let Some((_, _, what)) = asked.into_iter().find(|(needed, able, _)| *needed && *able == Some(false)) {
            return Some(Unsupported::Capability(what));
        }
        let window = context_window?;
        let scaled = |tokens: u64| tokens.saturating_mul(factor(upstream.provider)) / 100;
        // Most requests are far below: they need not be counted.
        if requirements.most_tokens.saturating_mul(2).saturating_add(requirements.max_output) <= window {
            return None;
        }
        let needed = scaled(requirements.tokens(request)).saturating_add(requirements.max_output);
        (needed > window).then_some(Unsupported::Context { needed, window })
    }
}

/// Tokens of a provider's own tokenizer per 100 of `o200k_base`, rounded up: assumptions, as most are not published.
const fn factor(provider: Provider) -> u64 {
    match provider {
        Provider::Openai | Provider::AzureOpenai => 100,
        Provider::Anthropic => 125,
        _ => 110,
    }
}
