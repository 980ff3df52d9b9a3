//! Which upstreams can take a request: moves it up, never down, and never cuts it.

use std::fmt;

use super::Gateway;
use crate::catalog::{Abilities, Provider, Tier};
use crate::protocol::{ChatRequest, estimate};
use crate::providers::Target;

/// Tokens around each message.
const PER_MESSAGE: u64 = 4;
/// Tokens of an image, as a rule: no provider counts it alike.
const PER_IMAGE: u64 = 1_000;

/// What a request needs of an upstream.
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that an upstream may not be able to do")]
#[derive(Debug)]
pub(super) struct Needs {
    /// An upper bound of its input tokens: a token is at least a byte.
    most_tokens: u64,
    /// Its input tokens, estimated for `o200k_base`.
    tokens: std::sync::OnceLock<u64>,
    max_output: u64,
    tools: bool,
    images: bool,
    audio: bool,
    json_schema: bool,
    reasoning: bool,
}

/// What keeps an upstream from taking a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Limit {
    /// Its context is too small.
    Context {
        /// Input tokens, estimated, and the longest answer asked for.
        needed: u64,
        /// Tokens that fit.
        window: u64,
    },
    /// It cannot do something that is asked for.
    Ability(&'static str),
}

impl Limit {
    /// The error's code: that of OpenAI's API for a context that is too small.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Limit::Context { .. } => "context_length_exceeded",
            Limit::Ability(_) => "unsupported_capability",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Limit::Context { needed, window } => {
                write!(f, "about {needed} tokens (estimated input and the longest answer) do not fit into {window}")
            }
            Limit::Ability(what) => write!(f, "{what} are not supported"),
        }
    }
}

impl Needs {
    pub(super) fn of(request: &ChatRequest<'_>) -> Self {
        let texts = request.messages.iter().flat_map(|message| &message.content.texts);
        let sum = |of: fn(&crate::protocol::Content<'_>) -> usize| {
            request.messages.iter().map(|message| of(&message.content)).sum::<usize>() as u64
        };
        let (images, audio) = (sum(|content| content.images), sum(|content| content.audio));
        let bytes: usize = texts.map(|text| text.len()).sum();
        let around = PER_MESSAGE * request.messages.len() as u64 + PER_IMAGE * images;
        Needs {
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

    /// Input tokens, estimated when first asked for.
    pub(super) fn tokens(&self, request: &ChatRequest<'_>) -> u64 {
        *self.tokens.get_or_init(|| {
            let texts = request.messages.iter().flat_map(|message| &message.content.texts);
            let images: usize = request.messages.iter().map(|message| message.content.images).sum();
            texts.map(|text| estimate(text)).sum::<u64>()
                // Definitions are JSON: three letters a token, more or less.
                + request.tools_bytes as u64 / 4
                + PER_MESSAGE * request.messages.len() as u64
                + PER_IMAGE * images as u64
        })
    }
}

impl Gateway {
    /// The first tier from `tier` up of which an upstream can take the request, and what kept those below from it.
    ///
    /// # Errors
    /// None can: what keeps the strongest.
    pub(super) fn guard(
        &self,
        request: &ChatRequest<'_>,
        needs: &Needs,
        tier: Tier,
    ) -> Result<(Tier, Option<Limit>), Limit> {
        let mut limit = None;
        for tier in tier.and_up() {
            let upstreams = &self.tiers[*tier as usize];
            let mut hindered = None;
            let can = upstreams.iter().any(|target| match self.hinders(target, request, needs) {
                Some(limit) => {
                    hindered.get_or_insert(limit);
                    false
                }
                None => true,
            });
            if can || (upstreams.is_empty() && limit.is_none()) {
                return Ok((*tier, limit));
            }
            limit = hindered.or(limit);
        }
        limit.map_or(Ok((tier, None)), Err)
    }

    /// What keeps an upstream from taking a request. What is unknown keeps nobody.
    pub(super) fn hinders(&self, target: &Target, request: &ChatRequest<'_>, needs: &Needs) -> Option<Limit> {
        let upstream = &target.upstream;
        let Abilities { context_window, tools, images, audio, json_schema, reasoning } =
            target.abilities(&request.model, &self.catalog);
        let asked = [
            (needs.tools, tools, "tools"),
            (needs.images, images, "images"),
            (needs.audio, audio, "audio inputs"),
            (needs.json_schema, json_schema, "JSON schemas"),
            // Where fields may be left out, this one can be.
            (needs.reasoning && !upstream.drop_params, reasoning, "high reasoning efforts"),
        ];
        if let Some((_, _, what)) = asked.into_iter().find(|(needed, able, _)| *needed && *able == Some(false)) {
            return Some(Limit::Ability(what));
        }
        let window = context_window?;
        let scaled = |tokens: u64| tokens.saturating_mul(factor(upstream.provider)) / 100;
        // Most requests are far below: they need not be counted.
        if needs.most_tokens.saturating_mul(2).saturating_add(needs.max_output) <= window {
            return None;
        }
        let needed = scaled(needs.tokens(request)).saturating_add(needs.max_output);
        (needed > window).then_some(Limit::Context { needed, window })
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
