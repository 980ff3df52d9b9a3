//! The sender that a classifier's model is asked through.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, try_unfold};
use reqwest::header::HeaderMap;
use serde::Deserialize;

use crate::catalog::Provider;
use crate::config::ClassifierEndpoint;
use crate::protocol::{ChunkView, TokenUsage};
use crate::providers::{self, Client, Dialect, Framing, ProviderError, Reply, Verdict};
use crate::routing::{Ask, AskError, AskPiece};

/// Time for a connection to the classifier's endpoint; the whole call has the classifier's own limit.
const CONNECT: Duration = Duration::from_secs(5);
/// How its streams are cut into events.
const FRAMING: Framing = Dialect::Openai.framing();

/// Calls one classifier endpoint.
#[derive(Debug)]
pub struct ClassifierCall {
    client: Client,
    url: reqwest::Url,
    headers: HeaderMap,
    local: bool,
}

impl ClassifierCall {
    /// The kind of connection pool that it needs: connect time-out, and whether it is local.
    #[must_use]
    pub fn pool(endpoint: &ClassifierEndpoint) -> (Duration, bool) {
        (CONNECT, endpoint.endpoint.is_local())
    }

    /// Prepares the calls.
    ///
    /// # Errors
    /// Its key cannot stand in a header, or its address is no URL.
    pub fn new(endpoint: &ClassifierEndpoint, client: Client) -> Result<Self, String> {
        let headers = providers::base_headers(endpoint.api_key.as_ref())
            .ok_or("classifier.api_key has characters that cannot stand in a header")?;
        let url = endpoint.endpoint.chat_completions().parse().map_err(|error| format!("classifier: {error}"))?;
        Ok(ClassifierCall { client, url, headers, local: endpoint.endpoint.is_local() })
    }

    async fn send(&self, body: Bytes) -> Result<BoxStream<'static, Result<AskPiece, AskError>>, AskError> {
        let provider = Provider::OpenaiCompatible;
        let mut reply = self
            .client
            .post((CONNECT, self.local), provider, &self.url, self.headers.clone(), body)
            .await
            .map_err(|error| ask_error(&error))?;
        if reply.status.is_success() && FRAMING.is_type(reply.content_type()) {
            return Ok(pieces(reply).boxed());
        }
        let status = reply.status.as_u16();
        let body = reply.body().await.map_err(|error| ask_error(&error))?;
        if (200..300).contains(&status)
            && let Ok(answer) = serde_json::from_slice::<Whole>(&body)
        {
            let text = answer.choices.into_iter().next().and_then(|choice| choice.message.content).unwrap_or_default();
            return Ok(AskPiece { text, usage: answer.usage }.only());
        }
        Err(ask_error(&providers::read_error(provider, status, &reply.headers, &body)))
    }
}

impl Ask for ClassifierCall {
    fn ask(&self, body: Bytes) -> BoxFuture<'_, Result<BoxStream<'static, Result<AskPiece, AskError>>, AskError>> {
        Box::pin(self.send(body))
    }
}

#[derive(Deserialize)]
struct Whole {
    choices: Vec<WholeChoice>,
    #[serde(default)]
    usage: Option<TokenUsage>,
}

#[derive(Deserialize)]
struct WholeChoice {
    message: WholeMessage,
}

#[derive(Deserialize)]
struct WholeMessage {
    content: Option<String>,
}

/// The text pieces of a streamed answer.
fn pieces(reply: Reply) -> impl futures_util::Stream<Item = Result<AskPiece, AskError>> + Send {
    let start = (reply, FRAMING.frames(), Vec::<Bytes>::new().into_iter());
    try_unfold(start, |(mut reply, mut frames, mut events)| async move {
        loop {
            if let Some(event) = events.next() {
                match read(&event)? {
                    Some(piece) => return Ok(Some((piece, (reply, frames, events)))),
                    None => continue,
                }
            }
            let mut fresh: Vec<Bytes> = Vec::new();
            match reply.chunk().await.map_err(|error| ask_error(&error))? {
                Some(piece) => frames.push(piece, &mut fresh).map_err(|error| AskError::Broken(error.to_string()))?,
                None => match frames.finish() {
                    Some(rest) => fresh.push(rest),
                    None => return Ok(None),
                },
            }
            events = fresh.into_iter();
        }
    })
}

fn read(event: &[u8]) -> Result<Option<AskPiece>, AskError> {
    let Some(data) = FRAMING.data(event).filter(|data| data.as_ref() != b"[DONE]") else { return Ok(None) };
    let Ok(view) = serde_json::from_slice::<ChunkView<'_>>(&data) else { return Ok(None) };
    if view.is_error() {
        return Err(ask_error(&providers::read_error(Provider::OpenaiCompatible, 200, &HeaderMap::new(), &data)));
    }
    Ok(Some(AskPiece { text: view.text().to_owned(), usage: view.token_usage() }))
}

fn ask_error(error: &ProviderError) -> AskError {
    match error {
        ProviderError::Status { status, message, .. } => {
            let refused = error.verdict() == Verdict::Operator;
            AskError::Status {
                status: *status,
                message: if refused { error.public_message() } else { message.clone() },
            }
        }
        other => AskError::Broken(other.to_string()),
    }
}
