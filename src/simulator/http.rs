//! The sockets' side: a request in, checked and understood by its dialect; an answer, a stream or a fault out.

use std::sync::Arc;

use poem::web::{Data, Path};
use poem::{Body, EndpointExt, Request, Response, Route, get, handler, post};
use serde_json::Value;

use super::answer::{count_tokens, input_tokens, pieces, thought, turn};
use super::delivery::{receive, refuse, respond, scripted, streamed, whole};
use super::turn::{Asked, Call, Finish, Refusal, Said, Usage};
use super::voice::{Place, Voice};
use super::{Reply, Shared, openai};
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
            match provider {
                Provider::Ollama => routes.at("/api/tags", get(models)).at("/api/pull", post(pull)),
                Provider::Openai | Provider::OpenaiCompatible | Provider::Xrouter => openai::routes(routes, prefix),
                _ => routes,
            }
        }
    };
    routes.data(shared)
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
    let body = receive(&shared, request, body).await;
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
    if let Some(response) = scripted(voice, &reply).await {
        return response;
    }
    let asked = voice.understand(&asked, &place);
    let said = say(&shared, &asked, &reply);
    if asked.stream {
        let events = voice.events(&said, asked.include_usage);
        return streamed(shared, events, voice.error_event("the model crashed"), said.usage, &reply);
    }
    whole(&shared, voice.whole(&said).to_string().into(), said.pieces.len(), said.usage).await
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
