//! Upstreams that speak the real dialect, with scripted answers and faults: for `xrouter demo` and
//! the tests. There is no second fake.
//!
//! Enters: chat requests over a real socket, which are refused where the real API would refuse them.
//! Leaves: answers, streams and faults, and an exact count of what was sent. Calls nobody.
//! Read [`Simulator`] first, then `http.rs`; each dialect has a folder that
//! checks, understands and answers, written from the provider's reference and not from the translation under test.

mod answer;
mod anthropic;
mod chat;
mod cohere;
mod cohere_v1;
mod delivery;
mod family;
mod gemini;
mod http;
mod openai;
mod prompts;
mod reply;
mod turn;
mod voice;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::catalog::Provider;
use crate::server::serve;

pub use prompts::{Prompt, prompts};
pub use reply::Reply;
pub use voice::Voice;

/// How a simulated upstream behaves.
#[derive(Debug, Clone)]
pub struct Profile {
    /// The dialect that it speaks.
    pub voice: Voice,
    /// The model that it says it is, whatever is asked for; empty echoes the request's.
    pub model: String,
    /// The bearer key that it wants, if any.
    pub api_key: Option<String>,
    /// Wait before the first token.
    pub first_token: Duration,
    /// Wait before each further token.
    pub per_token: Duration,
    /// Share of the output that is reasoning, in percent.
    pub reasoning_percent: u64,
}

impl Default for Profile {
    fn default() -> Self {
        Profile {
            voice: Voice::Of(Provider::OpenaiCompatible),
            model: "simulated".to_owned(),
            api_key: None,
            first_token: Duration::ZERO,
            per_token: Duration::ZERO,
            reasoning_percent: 0,
        }
    }
}

/// What a simulated upstream has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Requests that came in.
    pub requests: u64,
    /// Requests that the real API would have refused.
    pub refused: u64,
    /// Lists of models that were asked for.
    pub lists: u64,
    /// Answers that were complete.
    pub answered: u64,
    /// Streams that the caller closed before their end.
    pub cancelled: u64,
    /// Events that were taken from a stream.
    pub events: u64,
    /// Input tokens of complete answers.
    pub input_tokens: u64,
    /// Those of them that it says were cached.
    pub cached_input_tokens: u64,
    /// Output tokens of complete answers.
    pub output_tokens: u64,
    /// Those of them that it says were reasoning.
    pub reasoning_tokens: u64,
}

/// A simulated upstream on a free port of the loopback address. Dropping it closes the port.
#[derive(Debug)]
pub struct Simulator {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: CancellationToken,
}

#[derive(Debug)]
struct Shared {
    profile: Profile,
    script: Mutex<VecDeque<Reply>>,
    always: Mutex<Option<Reply>>,
    counts: watch::Sender<Counts>,
    last: Mutex<Last>,
}

/// The last exchange, for comparing bytes.
#[derive(Debug, Default, Clone)]
pub struct Last {
    /// The request's body.
    pub request: Vec<u8>,
    /// The request's path, with its query.
    pub path: String,
    /// The request's headers.
    pub headers: Vec<(String, String)>,
    /// Everything that was sent back.
    pub answer: Vec<u8>,
}

impl Simulator {
    /// Starts an upstream.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start(profile: Profile) -> std::io::Result<Self> {
        Self::start_on(profile, 0).await
    }

    /// Starts an upstream on this port of the loopback address.
    ///
    /// # Errors
    /// The port is taken.
    pub async fn start_on(profile: Profile, port: u16) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            profile,
            script: Mutex::default(),
            always: Mutex::default(),
            counts: watch::Sender::new(Counts::default()),
            last: Mutex::default(),
        });
        let stop = CancellationToken::new();
        tokio::spawn(serve(listener, http::routes(shared.clone()), stop.clone(), Duration::ZERO));
        Ok(Simulator { address, shared, stop })
    }

    /// Its address, without a path.
    #[must_use]
    pub fn address_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The base URL to configure.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}{}", self.address, self.shared.profile.voice.prefix())
    }

    /// The next request that has no earlier reply waiting gets this one.
    pub fn next(&self, reply: Reply) {
        self.shared.script().push_back(reply);
    }

    /// Every request without a reply of its own gets this one.
    pub fn always(&self, reply: Reply) {
        *lock(&self.shared.always) = Some(reply);
    }

    /// What it has done so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        *self.shared.counts.borrow()
    }

    /// Waits until what it has done fulfils a condition.
    pub async fn wait_for(&self, condition: impl FnMut(&Counts) -> bool) -> Counts {
        let mut counts = self.shared.counts.subscribe();
        // The sender lives as long as `self`.
        counts.wait_for(condition).await.map(|counts| *counts).unwrap_or_default()
    }

    /// The last exchange.
    #[must_use]
    pub fn last(&self) -> Last {
        lock(&self.shared.last).clone()
    }

    /// Closes the port.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Shared {
    fn script(&self) -> std::sync::MutexGuard<'_, VecDeque<Reply>> {
        lock(&self.script)
    }

    fn count(&self, change: impl FnOnce(&mut Counts)) {
        self.counts.send_modify(change);
    }

    fn reply(&self) -> Reply {
        let next = self.script().pop_front();
        next.or_else(|| lock(&self.always).clone()).unwrap_or(Reply::Answer)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
