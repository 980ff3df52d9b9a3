//! Conversations that are under way: which tier each has, in bounded memory.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use crate::cache::{Recent, Redis};
use crate::catalog::Tier;
use crate::config;
use crate::protocol::{Caller, ChatRequest, FieldHash, Timestamp, TokenUsage, first_chars};
use crate::routing::{self, Pin, PromptCacheState, SessionRule};

/// Characters of a system message that tell one conversation from another.
const SYSTEM_HEAD: usize = 1_024;
/// Characters of a first message that do.
const OPENING: usize = 2_048;

/// A hash of a conversation's name and the key that it came with: no key sees another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct SessionKey([u8; 16]);

impl SessionKey {
    /// A number for choosing among upstreams, the same for every step of the conversation.
    pub(super) fn seed(self) -> u64 {
        self.0.first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
    }

    /// Its name in the history where the client gave none.
    pub(super) fn name(self) -> String {
        format!("~{}", hex::encode(&self.0[..8]))
    }
}

/// The conversations, each with its tier.
#[derive(Debug, Clone)]
pub struct Sessions {
    pins: Option<Arc<Recent<SessionKey, Pin>>>,
    /// Where other routers know them from.
    shared: Option<Redis>,
    idle_ms: u64,
}

/// A conversation while a step of it is under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) key: SessionKey,
    /// As it was known when the step began.
    known: Option<Pin>,
    /// Whether the step goes on with what is known, or only begins like it.
    goes_on: bool,
    /// The tier that it is held to; nothing where the step leaves the conversation as it is.
    tier: Option<Tier>,
    /// See [`Pin::raised`].
    raised: u64,
}

impl Held {
    pub(super) fn pin(&self) -> Option<Pin> {
        self.known.filter(|_| self.goes_on)
    }

    /// A step was decided. One that begins like another conversation does not take that one's tier away: it may be in
    /// a tool loop.
    pub(super) fn to(mut self, tier: Option<Tier>, raised: u64) -> Self {
        let is_other = |tier: &Tier| !self.goes_on && self.known.is_some_and(|known| known.tier > *tier);
        self.tier = tier.filter(|tier| !is_other(tier));
        self.raised = raised;
        self
    }
}

impl Sessions {
    /// Room for the configured number of conversations.
    #[must_use]
    pub fn new(config: &config::Session, redis: Option<Redis>) -> Self {
        let idle = Duration::from_secs(config.idle_s);
        // Every step writes its conversation anew: the time to live is one without a step.
        Sessions {
            pins: config.enabled.then(|| Arc::new(Recent::new(config.max_entries, idle))),
            shared: redis.filter(|_| config.shared),
            idle_ms: config.idle_s.saturating_mul(1_000),
        }
    }

    /// When one may go down.
    #[must_use]
    pub fn rule(config: &config::Session) -> SessionRule {
        let ms = |seconds: u64| i64::try_from(seconds.saturating_mul(1_000)).unwrap_or(i64::MAX);
        SessionRule {
            idle_ms: ms(config.idle_s),
            cache_ms: ms(config.cache_s),
            when_cheaper: config.down_when_cheaper,
            escalates: config.up_when_stuck,
        }
    }

    /// The conversation of a request: by the name that the client gave, else by how it begins.
    ///
    /// A sub-agent's conversation is one of its own. `prompt_cache_key` is often shared by many conversations: it counts together with how one begins.
    pub(super) fn key(
        &self,
        request: &ChatRequest<'_>,
        named: Option<&str>,
        agent: Option<&str>,
        caller: &Caller,
    ) -> Option<SessionKey> {
        self.pins.as_ref()?;
        let mut hash = FieldHash::default();
        let mut add = |part: &str| hash.add(part);
        add(caller.scope());
        if let Some(agent) = agent {
            add("agent");
            add(agent);
        }
        if let Some(named) = named.or(request.wishes.session_id.as_deref()) {
            add("named");
            add(named);
        } else {
            add("begun");
            add(request.wishes.prompt_cache_key.as_deref().unwrap_or_default());
            let system = request.messages.iter().find(|message| message.role == "system");
            for text in system.into_iter().flat_map(|system| &system.content.texts) {
                // Without its digits: a clock in it begins no new conversation.
                first_chars(text, SYSTEM_HEAD)
                    .split(|character: char| character.is_ascii_digit())
                    .filter(|it| !it.is_empty())
                    .for_each(&mut add);
            }
            add(first_chars(&routing::opening(request)?, OPENING));
        }
        Some(SessionKey(hash.finish()))
    }

    /// What is known of a conversation, as one of its steps begins. Without a name, a request to which nobody has
    /// answered yet begins one (`goes_on` is false), whoever began one so before.
    pub(super) async fn begin(&self, key: SessionKey, goes_on: bool) -> Held {
        let shared = match &self.shared {
            // Boxed, as all the futures around it would be as large as this one, and are moved for every request.
            Some(redis) => Box::pin(redis.get(&name(key))).await.ok().flatten().as_deref().and_then(read),
            None => None,
        };
        // Where Redis is gone, what this router knows itself still holds. Of one that only begins like another, the other
        // need not be known yet: when the step ends, it is looked for.
        let known = shared.or_else(|| self.pins.as_ref().filter(|_| goes_on)?.get(&key));
        Held { key, known, goes_on, tier: None, raised: 0 }
    }

    /// A step was decided: other routers must know before its answer brings the next step.
    pub(super) async fn hold(&self, held: &Held) {
        if let (Some(redis), Some(tier)) = (&self.shared, held.tier)
            && held.known.is_none_or(|known| known.tier != tier)
        {
            let pin = Pin { tier, last_ms: Timestamp::now().0, prompt_cache: None, raised: held.raised };
            // A Redis that is gone remembers nothing, which it has said in the log.
            let _ = Box::pin(redis.put(&name(held.key), &write(&pin), self.idle_ms)).await;
        }
    }

    /// A step has ended; `answered` by which tier, with which tokens, if it was.
    pub(super) fn end(&self, held: &Held, answered: Option<(Tier, &TokenUsage)>) {
        let (Some(pins), Some(tier)) = (&self.pins, held.tier) else { return };
        // A step beside this one has moved it up, which stands.
        if pins.get(&held.key).is_some_and(|now| now.tier > tier && Some(now) != held.known) {
            return;
        }
        let prompt_cache = answered.and_then(|(tier, usage)| prompt_cache(tier, usage));
        let prompt_cache = prompt_cache.or_else(|| held.pin().and_then(|pin| pin.prompt_cache));
        let pin = Pin { tier, last_ms: Timestamp::now().0, prompt_cache, raised: held.raised };
        pins.put(held.key, pin);
        if let (Some(redis), Ok(runtime)) = (&self.shared, tokio::runtime::Handle::try_current()) {
            let (redis, idle_ms, key) = (redis.clone(), self.idle_ms, held.key);
            runtime.spawn(async move {
                let _ = redis.put(&name(key), &write(&pin), idle_ms).await;
            });
        }
    }
}

/// What a provider's cache holds after an answer.
fn prompt_cache(tier: Tier, usage: &TokenUsage) -> Option<PromptCacheState> {
    let kept = [usage.cached_input_tokens, usage.cache_write_tokens];
    let cached = kept.iter().flatten().copied().reduce(u64::saturating_add);
    Some(PromptCacheState { tier, input: usage.input_tokens?, cached, output: usage.output_tokens? })
}

/// The name in Redis.
fn name(key: SessionKey) -> String {
    format!("xrouter:session:{}", hex::encode(key.0))
}

/// `TIER LAST_MS`, then, if it is known, `TIER INPUT CACHED OUTPUT` of the last answer, with `-` for unknown, then, if its
/// tool loop went up, `+FAILURES`.
pub(super) fn write(pin: &Pin) -> String {
    let mut text = format!("{} {}", pin.tier.number(), pin.last_ms);
    if let Some(cache) = pin.prompt_cache {
        let cached = cache.cached.map_or("-".to_owned(), |cached| cached.to_string());
        let _ = write!(text, " {} {} {cached} {}", cache.tier.number(), cache.input, cache.output);
    }
    if pin.raised > 0 {
        let _ = write!(text, " +{}", pin.raised);
    }
    text
}

/// What [`write()`] wrote; anything else is nothing.
pub(super) fn read(text: &str) -> Option<Pin> {
    let (text, raised) = match text.rsplit_once(" +") {
        Some((text, raised)) => (text, raised.parse().ok()?),
        None => (text, 0),
    };
    let mut words = text.split(' ');
    let tier = |word: Option<&str>| Tier::from_number(word?.parse().ok()?);
    let (pinned, last_ms) = (tier(words.next())?, words.next()?.parse().ok()?);
    let mut pin = Pin { tier: pinned, last_ms, prompt_cache: None, raised };
    if let Some(word) = words.next() {
        let (answered, input) = (tier(Some(word))?, words.next()?.parse().ok()?);
        let cached = match words.next()? {
            "-" => None,
            figure => Some(figure.parse().ok()?),
        };
        pin.prompt_cache =
            Some(PromptCacheState { tier: answered, input, cached, output: words.next()?.parse().ok()? });
    }
    words.next().is_none().then_some(pin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_anything_else_is_nothing() {
        let prompt_cache = |cached| Some(PromptCacheState { tier: Tier::Cheap, input: 12_000, cached, output: 7 });
        for prompt_cache in [None, prompt_cache(None), prompt_cache(Some(9_000))] {
            for raised in [0, 7] {
                let pin = Pin { tier: Tier::Frontier, last_ms: 1_764_000_000_000, prompt_cache, raised };
                assert_eq!(read(&write(&pin)), Some(pin));
            }
        }
        for text in ["", "1", "7 1", "1 x", "1 2 1 5 -", "1 2 1 5 - 6 7", "1 2 1 5 x 6"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_step_that_ends_late_does_not_take_back_what_one_beside_it_moved_up() {
        let config = config::Session {
            enabled: true,
            shared: false,
            idle_s: 60,
            cache_s: 60,
            down_when_cheaper: true,
            up_when_stuck: true,
            max_entries: 10,
        };
        let sessions = Sessions::new(&config, None);
        let key = SessionKey([1; 16]);
        let begin = || futures_util::FutureExt::now_or_never(sessions.begin(key, true)).unwrap();
        let (early, late) = (begin().to(Some(Tier::Cheap), 0), begin().to(Some(Tier::Frontier), 0));
        sessions.end(&late, None);
        sessions.end(&early, None);
        assert_eq!(begin().pin().map(|pin| pin.tier), Some(Tier::Frontier));
        // Whoever saw it may move it down.
        sessions.end(&begin().to(Some(Tier::Medium), 0), None);
        assert_eq!(begin().pin().map(|pin| pin.tier), Some(Tier::Medium));
    }
}
