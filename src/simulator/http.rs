//! The sockets' side: a request in, checked and understood by its dialect; an answer, a stream or a fault out.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use poem::http::StatusCode;
use poem::web::{Data, Path};
use poem::{Body, EndpointExt, Request, Response, Route, get, handler, post};
use serde_json::Value;

use super::answer::{count_tokens, input_tokens, pieces, thought, turn};
use super::turn::{Asked, Call, Finish, Refusal, Said, Usage};
use super::voice::{Place, Voice};
use super::{Counts, Reply, Shared, lock};
use crate::catalog::Provider;

/// The paths of a dialect.
pub(super) fn routes(shared: Arc<Shared>) -> impl poem::Endpoint + 'static {
    let voice = shared.profile.voice;
    let prefix = voice.prefix();
    let routes = match voice {
        Voice::Of(Provider::Anthropic) => Route::new().at("/v1/messages", post(complete)).at("/v1/models", get(models)),
        Voice::Of(Provider::Gemini) => {
            Route::new().at("/v1beta/models/:operation", post(operate)).at("/v1beta/models", get(models))
        }
        Voice::Of(Provider::Cohere) => Route::new().at("/v2/chat", post(complete)).at("/v1/models", get(models)),
        Voice::CohereV1 => Route::new().at("/v1/chat", post(complete)).at("/v1/models", get(models)),
        Voice::Of(Provider::AzureOpenai) => Route::new()
            .at("/openai/deployments/:deployment/chat/completions", post(deployed))
            .at("/openai/v1/chat/completions", post(complete))
            .at("/openai/v1/models", get(models))
            .at("/openai/models", get(models)),
        Voice::Of(provider) => {
            let routes = Route::new()
                .at(format!("{prefix}/chat/completions"), post(complete))
                .at(format!("{prefix}/models"), get(models));
            if provider == Provider::Ollama {
                routes.at("/api/tags", get(models)).at("/api/pull", post(pull))
            } else {
                routes
            }
        }
    };
    routes.data(shared)
}

fn respond(status: u16, content_type: &str, body: Vec<u8>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Response::builder().status(status).content_type(content_type).body(body)
}

fn refuse(voice: Voice, refusal: &Refusal) -> Response {
    let body = voice.error(refusal.status, &refusal.message, refusal.param.as_deref());
    respond(refusal.status, "application/json", body.to_string().into())
}

#[handler]
fn models(request: &Request, Data(shared): Data<&Arc<Shared>>) -> Response {
    shared.count(|counts| counts.lists += 1);
    let voice = shared.profile.voice;
    // These show theirs to everybody.
    let is_public = matches!(voice, Voice::Of(Provider::Openrouter | Provider::Ollama));
    if let Some(refusal) = unauthorised(shared, request).filter(|_| !is_public) {
        return refuse(voice, &refusal);
    }
    let list = shared.profile.voice.models(&shared.profile.model);
    respond(200, "application/json", list.to_string().into())
}

/// Ollama's way to bring a model: a line of JSON for each step.
#[handler]
async fn pull(body: Body) -> Response {
    let asked = body.into_json::<serde_json::Value>().await.unwrap_or_default();
    let model = asked["model"].as_str().unwrap_or_default();
    let lines = if model.is_empty() || model.contains("nowhere") {
        vec![serde_json::json!({ "error": "pull model manifest: file does not exist" })]
    } else {
        let layer = |completed: u64| {
            serde_json::json!({ "status": "pulling 8eeb52dfb3bb", "digest": "sha256:8eeb52dfb3bb", "total": 4_000_000,
                "completed": completed })
        };
        let mut lines = vec![serde_json::json!({ "status": "pulling manifest" })];
        lines.extend((1..=4).map(|part| layer(part * 1_000_000)));
        lines.extend(
            ["verifying sha256 digest", "writing manifest", "success"]
                .map(|status| serde_json::json!({ "status": status })),
        );
        lines
    };
    let text: Vec<String> = lines.iter().map(|line| format!("{line}\n")).collect();
    respond(200, "application/x-ndjson", text.concat().into())
}

#[handler]
async fn complete(request: &Request, body: Body, Data(shared): Data<&Arc<Shared>>) -> Response {
    answer(shared.clone(), request, body, Place::default()).await
}

/// Gemini has the model and what is to be done with it in the path.
#[handler]
async fn operate(
    Path(operation): Path<String>,
    request: &Request,
    body: Body,
    Data(shared): Data<&Arc<Shared>>,
) -> Response {
    let (model, action) = operation.rsplit_once(':').unwrap_or((&operation, ""));
    let streams = action == "streamGenerateContent";
    let sse = request.uri().query().is_some_and(|query| query.contains("alt=sse"));
    if !(streams && sse || action == "generateContent") {
        return refuse(shared.profile.voice, &Refusal::new(404, format!("{action} is not served here")));
    }
    let place = Place { model: model.to_owned(), stream: streams };
    answer(shared.clone(), request, body, place).await
}

/// Azure's deployments want a version.
#[handler]
async fn deployed(
    Path(deployment): Path<String>,
    request: &Request,
    body: Body,
    Data(shared): Data<&Arc<Shared>>,
) -> Response {
    if !request.uri().query().is_some_and(|query| query.contains("api-version=20")) {
        return refuse(shared.profile.voice, &Refusal::new(404, "Resource not found"));
    }
    answer(shared.clone(), request, body, Place { model: deployment, stream: false }).await
}

/// What is said to a wrong key, if this is one.
fn unauthorised(shared: &Shared, request: &Request) -> Option<Refusal> {
    let voice = shared.profile.voice;
    let key = shared.profile.api_key.as_ref()?;
    if voice.key(request.headers()).as_ref() == Some(key) {
        return None;
    }
    let bearer = request.header("authorization").unwrap_or("none");
    Some(match voice {
        // Google answers so, whatever the standard says.
        Voice::Of(Provider::Gemini) => Refusal::new(400, "API key not valid. Please pass a valid API key."),
        _ => Refusal::new(401, format!("Incorrect API key provided: {bearer}")),
    })
}

async fn answer(shared: Arc<Shared>, request: &Request, body: Body, place: Place) -> Response {
    let voice = shared.profile.voice;
    shared.count(|counts| counts.requests += 1);
    let body = body.into_bytes().await.unwrap_or_default();
    {
        let mut last = lock(&shared.last);
        last.request = body.to_vec();
        last.path = request.uri().to_string();
        last.answer.clear();
        let text = |value: &poem::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        last.headers = request.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    }
    if let Some(refusal) = unauthorised(&shared, request) {
        return refuse(voice, &refusal);
    }
    let Ok(asked) = serde_json::from_slice::<Value>(&body) else {
        return refuse(voice, &Refusal::new(400, "the body is no JSON"));
    };
    if let Err(refusal) = voice.check(request.headers(), &asked, &place) {
        shared.count(|counts| counts.refused += 1);
        return refuse(voice, &refusal);
    }
    let reply = shared.reply();
    match &reply {
        Reply::Status { status, body, retry_after } => {
            let mut response = respond(*status, "application/json", body.clone().into());
            if let Some(value) = retry_after.as_deref().and_then(|value| value.parse().ok()) {
                response.headers_mut().insert("retry-after", value);
            }
            return response;
        }
        Reply::Refuse { status, message } => return refuse(voice, &Refusal::new(*status, message.as_str())),
        Reply::Silence => return std::future::pending().await,
        Reply::Raw { content_type, body } => return respond(200, content_type, body.clone()),
        Reply::Gzip { content_type, body } => {
            let mut response = respond(200, content_type, body.clone());
            response.headers_mut().insert("content-encoding", poem::http::HeaderValue::from_static("gzip"));
            return response;
        }
        _ => {}
    }
    let asked = voice.understand(&asked, &place);
    let said = say(&shared, &asked, &reply);
    if asked.stream { streamed(shared, &asked, &said, &reply) } else { whole(&shared, said).await }
}

/// What the model says.
fn say(shared: &Shared, asked: &Asked, reply: &Reply) -> Said {
    let number = shared.counts.borrow().requests;
    let (text, calls) = match reply {
        Reply::Text(text) => (text.clone(), Vec::new()),
        Reply::Blocked => (String::new(), Vec::new()),
        _ => turn(asked),
    };
    let mut said = pieces(&text);
    let whole = said.len();
    // Whoever scripts a text wants to see all of it.
    if let Some(limit) = asked.limit.filter(|_| !matches!(reply, Reply::Text(_))) {
        said.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    let calls: Vec<Call> = calls
        .into_iter()
        .enumerate()
        .map(|(index, (name, arguments))| Call {
            // Nine letters and digits fit every provider.
            id: format!("call{:04}{index}", number % 10_000),
            name,
            pieces: pieces(&arguments),
        })
        .collect();
    let thinking = asked.thinks.then(|| thought(asked));
    let spoken: u64 =
        said.iter().chain(calls.iter().flat_map(|call| &call.pieces)).map(|piece| count_tokens(piece)).sum();
    let thoughts = thinking.as_deref().map_or(0, count_tokens) + spoken * shared.profile.reasoning_percent / 100;
    let input = input_tokens(asked);
    let writes = shared.profile.voice == Voice::Of(Provider::Anthropic) && asked.cached;
    let usage = Usage {
        input,
        cached: if asked.cached { input / 2 } else { 0 },
        written: if writes { input / 4 } else { 0 },
        output: spoken + thoughts,
        reasoning: thoughts,
    };
    let finish = match reply {
        Reply::Blocked => Finish::Blocked,
        _ if !calls.is_empty() => Finish::Calls,
        _ if said.len() < whole => Finish::Length,
        _ => Finish::Stop,
    };
    Said {
        id: format!("chatcmpl-{number}"),
        model: if shared.profile.model.is_empty() { asked.model.clone() } else { shared.profile.model.clone() },
        thinking,
        pieces: said,
        calls,
        finish,
        usage: (*reply != Reply::WithoutUsage).then_some(usage),
    }
}

impl Usage {
    fn add_to(self, counts: &mut Counts) {
        counts.answered += 1;
        counts.input_tokens += self.input;
        counts.cached_input_tokens += self.cached;
        counts.output_tokens += self.output;
        counts.reasoning_tokens += self.reasoning;
    }
}

async fn whole(shared: &Shared, said: Said) -> Response {
    let tokens = u32::try_from(said.pieces.len()).unwrap_or(u32::MAX);
    let wait = shared.profile.first_token + shared.profile.per_token * tokens;
    if wait > Duration::ZERO {
        tokio::time::sleep(wait).await;
    }
    if let Some(usage) = said.usage {
        shared.count(|counts| usage.add_to(counts));
    }
    let bytes = shared.profile.voice.whole(&said).to_string().into_bytes();
    lock(&shared.last).answer.clone_from(&bytes);
    respond(200, "application/json", bytes)
}

/// What happens after the last event that is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Proper,
    Cut,
    Stall,
}

/// Counts a stream that the caller closes.
struct Open {
    shared: Arc<Shared>,
    ended: bool,
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.ended {
            self.shared.count(|counts| counts.cancelled += 1);
        }
    }
}

fn streamed(shared: Arc<Shared>, asked: &Asked, said: &Said, reply: &Reply) -> Response {
    let voice = shared.profile.voice;
    let mut events = voice.events(said, asked.include_usage);
    let ending = match reply {
        Reply::CutAfter(count) => {
            events.truncate(*count);
            Ending::Cut
        }
        Reply::StallAfter(count) => {
            events.truncate(*count);
            Ending::Stall
        }
        Reply::ErrorAfter(count) => {
            events.truncate(*count);
            events.push(voice.error_event("the model crashed"));
            Ending::Cut
        }
        _ => Ending::Proper,
    };
    let (first, each) = (shared.profile.first_token, shared.profile.per_token);
    let open = Open { shared, ended: false };
    let usage = said.usage;
    let start = (events.into_iter().enumerate(), open);
    let body = stream::unfold(start, move |(mut events, mut open)| async move {
        let Some((number, event)) = events.next() else {
            match ending {
                Ending::Stall => std::future::pending().await,
                Ending::Cut => {
                    open.ended = true;
                    // A pause in the body makes the server write out what it has before the cut.
                    tokio::task::yield_now().await;
                    // An error closes the connection without the end of the body.
                    return Some((Err(std::io::Error::other("cut")), (events, open)));
                }
                Ending::Proper => return None,
            }
        };
        let is_last = events.len() == 0;
        let wait = match number {
            0 => first,
            _ if is_last => Duration::ZERO,
            _ => each,
        };
        if wait > Duration::ZERO {
            tokio::time::sleep(wait).await;
        }
        open.shared.count(|counts| counts.events += 1);
        lock(&open.shared.last).answer.extend_from_slice(event.as_bytes());
        if is_last && ending == Ending::Proper {
            open.ended = true;
            if let Some(usage) = usage {
                open.shared.count(|counts| usage.add_to(counts));
            }
        }
        Some((Ok::<Bytes, std::io::Error>(Bytes::from(event)), (events, open)))
    });
    Response::builder().content_type("text/event-stream").body(Body::from_bytes_stream(body))
}
