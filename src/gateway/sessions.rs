//! Conversations that are under way: which tier each has, in bounded memory.

use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::catalog::Tier;
use crate::config;
use crate::protocol::{ChatRequest, Timestamp, TokenUsage};
use crate::routing::{self, Pin, SessionRule, Warm};

/// Characters of a system message that tell one conversation from another.
const SYSTEM_HEAD: usize = 1_024;
/// Characters of a first message that do.
const OPENING: usize = 2_048;

/// A hash of a conversation's name and the key that it came with: no key sees another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionKey([u8; 16]);

impl SessionKey {
    /// A number for choosing among upstreams, the same for every step of the conversation.
    pub(super) fn seed(self) -> u64 {
        self.0.first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
    }

    /// Its name in the history where the client gave none.
    pub(super) fn name(self) -> String {
        format!("~{}", routing::hex(&self.0[..8]))
    }
}

/// The conversations, each with its tier.
#[derive(Debug, Clone)]
pub struct Sessions {
    pins: Option<moka::sync::Cache<SessionKey, Pin>>,
    /// When one may go down.
    pub(super) rule: SessionRule,
}

impl Sessions {
    /// Room for the configured number of conversations.
    #[must_use]
    pub fn new(config: &config::Session) -> Self {
        let idle = Duration::from_secs(config.idle_s);
        let pins = config
            .enabled
            .then(|| moka::sync::Cache::builder().max_capacity(config.max_entries).time_to_idle(idle).build());
        let ms = |seconds: u64| i64::try_from(seconds.saturating_mul(1_000)).unwrap_or(i64::MAX);
        let rule = SessionRule {
            idle_ms: ms(config.idle_s),
            cache_ms: ms(config.cache_s),
            when_cheaper: config.down_when_cheaper,
        };
        Sessions { pins, rule }
    }

    /// The conversation of a request: by the name that the client gave, else by how it begins.
    ///
    /// `prompt_cache_key` is often shared by many conversations: it counts together with how one begins.
    pub(super) fn key(&self, request: &ChatRequest<'_>, named: Option<&str>, key: Option<&str>) -> Option<SessionKey> {
        self.pins.as_ref()?;
        let mut hash = Sha256::new();
        let mut add = |part: &str| {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        };
        add(key.unwrap_or_default());
        if let Some(named) = named.or(request.wishes.session_id.as_deref()) {
            add("named");
            add(named);
        } else {
            add("begun");
            add(request.wishes.prompt_cache_key.as_deref().unwrap_or_default());
            let system = request.messages.iter().find(|message| message.role == "system");
            for text in system.into_iter().flat_map(|system| &system.content.texts) {
                add(head(text, SYSTEM_HEAD));
            }
            add(head(&routing::opening(request)?, OPENING));
        }
        let mut key = [0; 16];
        key.copy_from_slice(&hash.finalize()[..16]);
        Some(SessionKey(key))
    }

    pub(super) fn get(&self, key: SessionKey) -> Option<Pin> {
        self.pins.as_ref()?.get(&key)
    }

    /// A step was decided.
    pub(super) fn put(&self, key: SessionKey, tier: Tier, before: Option<Pin>) {
        if let Some(pins) = &self.pins {
            let warm = before.and_then(|pin| pin.warm);
            pins.insert(key, Pin { tier, last_ms: Timestamp::now().0, warm });
        }
    }

    /// A step was answered: what the provider's cache now holds.
    pub(super) fn learn(&self, key: SessionKey, tier: Tier, usage: &TokenUsage) {
        let Some(pins) = &self.pins else { return };
        let (Some(mut pin), Some(input), Some(output)) = (pins.get(&key), usage.input_tokens, usage.output_tokens)
        else {
            return;
        };
        let number = |tokens: u64| i64::try_from(tokens).unwrap_or(i64::MAX);
        let kept = [usage.cached_input_tokens, usage.cache_write_tokens];
        let cached = kept.iter().flatten().copied().reduce(u64::saturating_add).map(number);
        pin.warm = Some(Warm { tier, input: number(input), cached, output: number(output) });
        pin.last_ms = Timestamp::now().0;
        pins.insert(key, pin);
    }
}

fn head(text: &str, characters: usize) -> &str {
    text.char_indices().nth(characters).map_or(text, |(at, _)| &text[..at])
}
