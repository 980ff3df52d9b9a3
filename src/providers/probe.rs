//! Whether an upstream can be used: its list of models, and the smallest request there is.

use std::time::{Duration, Instant};

use super::{Asked, Client, Context, Fetched, Listed, Original, ProviderError, Reply, Target, TurnStore};
use super::{list_page, read_error};
use crate::protocol::{ChatRequest, TokenUsage};

/// Most pages of one list.
const PAGES: usize = 20;
/// Tokens of the smallest answer: some refuse fewer.
const TOKENS: u32 = 16;

/// The models that an upstream lists.
///
/// # Errors
/// It cannot be reached, refuses, or lists none within the limit.
pub async fn models(client: &Client, target: &Target, limit: Duration) -> Result<Vec<Listed>, ProviderError> {
    let provider = target.upstream.provider;
    let asking = async {
        let mut all = Vec::new();
        let mut url = target.models_url();
        for _ in 0..PAGES {
            let mut reply = client.models(target, &url).await?;
            if !reply.status.is_success() {
                return Err(refusal(reply, target).await);
            }
            let body = reply.body().await?;
            let Some(page) = list_page(provider, &url, &body) else {
                let reason = "its list of models has another form than expected".to_owned();
                return Err(ProviderError::Malformed { provider, reason });
            };
            all.extend(page.models);
            match page.next {
                Some(next) => url = next,
                None => break,
            }
        }
        Ok(all)
    };
    tokio::time::timeout(limit, asking).await.unwrap_or(Err(ProviderError::Timeout { provider, limit }))
}

/// What came of the smallest request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tried {
    /// How long it took: to the whole answer, or to a stream's first piece.
    pub took: Duration,
    /// The tokens of a whole answer, as it tells them.
    pub usage: TokenUsage,
}

/// Asks a model for a few tokens, plain or streamed.
///
/// # Errors
/// It cannot be reached, refuses, or does not answer within the limit.
pub async fn ask(
    client: &Client,
    target: &Target,
    model: &str,
    stream: bool,
    limit: Duration,
) -> Result<Tried, ProviderError> {
    let provider = target.upstream.provider;
    let body = serde_json::json!({
        "model": model, "max_tokens": TOKENS, "stream": stream,
        "messages": [{ "role": "user", "content": "Say ok." }],
    });
    let body = body.to_string();
    let unreadable = |reason: String| ProviderError::Malformed { provider, reason };
    let request = ChatRequest::parse(body.as_bytes()).map_err(|error| unreadable(error.to_string()))?;
    let (turns, fetched) = (TurnStore::default(), Fetched::new());
    let context = Context { upstream: &target.upstream, model, scope: "", turns: &turns, fetched: &fetched };
    let outbound = target.dialect.write(&mut Original::new(&request), &context)?;
    let begun = Instant::now();
    let asking = async {
        let mut reply = client.chat(target, model, stream, outbound.body, None).await?;
        if !reply.status.is_success() {
            return match refusal(reply, target).await {
                // It answers, and thinks longer than it may here.
                ProviderError::Status { status: 400, message, .. } if message.contains("output limit was reached") => {
                    Ok(TokenUsage::default())
                }
                error => Err(error),
            };
        }
        if stream {
            let kind = reply.content_type();
            if !target.dialect.framing().is_type(kind) {
                return Err(unreadable(format!("it does not stream: its type is `{kind}`")));
            }
            let first = reply.chunk().await?;
            return first.map(|_| TokenUsage::default()).ok_or_else(|| unreadable("its stream is empty".to_owned()));
        }
        let body = reply.body().await?;
        let asked = Asked { provider, model, created: 0, include_usage: false };
        Ok(target.dialect.read(body, asked)?.usage)
    };
    let usage = tokio::time::timeout(limit, asking).await.unwrap_or(Err(ProviderError::Timeout { provider, limit }))?;
    Ok(Tried { took: begun.elapsed(), usage })
}

/// An answer with an error status as an error, without what it was called with.
async fn refusal(mut reply: Reply, target: &Target) -> ProviderError {
    let text = reply.body().await.unwrap_or_default();
    let mut error = read_error(target.upstream.provider, reply.status.as_u16(), &reply.headers, &text);
    error.redact(target.upstream.secrets());
    error
}
