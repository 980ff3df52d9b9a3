//! The order of steps: the key, the content type, the JSON, the request, the script, the answer.

use std::sync::Arc;

use poem::web::Data;
use poem::{Body, Request, Response, Route, handler, post};
use serde_json::Value;

use super::super::delivery::{halved, receive, respond, scripted, streamed, whole};
use super::super::turn::Refusal;
use super::super::voice::Voice;
use super::super::{Reply, Shared};
use super::{Checked, Endpoint, Scene, Sent, completions, embeddings, form, responses};
use crate::catalog::Provider;

/// Adds the endpoints below a prefix.
pub(in super::super) fn routes(routes: Route, prefix: &str) -> Route {
    routes
        .at(format!("{prefix}/embeddings"), post(embed))
        .at(format!("{prefix}/completions"), post(complete))
        .at(format!("{prefix}/responses"), post(respond_to))
}

#[handler]
async fn embed(request: &Request, body: Body, Data(shared): Data<&Arc<Shared>>) -> Response {
    serve(shared.clone(), request, body, &embeddings::ENDPOINT).await
}

#[handler]
async fn complete(request: &Request, body: Body, Data(shared): Data<&Arc<Shared>>) -> Response {
    serve(shared.clone(), request, body, &completions::ENDPOINT).await
}

#[handler]
async fn respond_to(request: &Request, body: Body, Data(shared): Data<&Arc<Shared>>) -> Response {
    serve(shared.clone(), request, body, &responses::ENDPOINT).await
}

async fn serve(shared: Arc<Shared>, request: &Request, body: Body, endpoint: &Endpoint) -> Response {
    let body = receive(&shared, request, body).await;
    let asked = match read(&shared, request, &body, endpoint) {
        Ok(asked) => asked,
        Err(refusal) => {
            shared.count(|counts| counts.refused += 1);
            return respond(refusal.status, "application/json", form::error(&refusal).to_string().into());
        }
    };
    let reply = shared.reply();
    let voice = shared.profile.voice;
    if let Some(response) = scripted(voice, &reply).await {
        return response;
    }
    let own = shared.profile.model.as_str();
    let model = if own.is_empty() { asked["model"].as_str().unwrap_or_default() } else { own };
    let number = shared.counts.borrow().requests;
    let reasoning_percent = shared.profile.reasoning_percent;
    let written = (endpoint.answer)(&Scene { asked: &asked, reply: &reply, model, number, reasoning_percent });
    let usage = (reply != Reply::WithoutUsage).then_some(written.usage);
    match written.sent {
        Sent::Halved(answer) => halved(shared, answer.to_string(), usage, &reply).await,
        Sent::Whole(answer, pieces) => whole(&shared, answer.to_string().into(), pieces, usage).await,
        Sent::Events(events, failure) => streamed(shared, events, failure, usage, &reply),
    }
}

/// Reads a request, and refuses what the real API refuses.
fn read(shared: &Shared, request: &Request, body: &[u8], endpoint: &Endpoint) -> Result<Value, Refusal> {
    authorise(shared, request)?;
    content_type(request)?;
    let asked: Value = serde_json::from_slice(body).map_err(|_| form::no_json())?;
    if !asked.is_object() {
        return Err(form::no_json());
    }
    let provider = match shared.profile.voice {
        Voice::Of(provider) => provider,
        Voice::CohereV1 => Provider::Cohere,
    };
    (endpoint.check)(provider, &asked)?;
    Ok(asked)
}

fn authorise(shared: &Shared, request: &Request) -> Checked {
    let Some(key) = &shared.profile.api_key else { return Ok(()) };
    match request.header("authorization").and_then(|value| value.strip_prefix("Bearer ")) {
        Some(given) if given == key => Ok(()),
        Some(given) => {
            let message = format!(
                "Incorrect API key provided: {given}. You can find your API key at \
                 https://platform.openai.com/account/api-keys."
            );
            Err(Refusal::new(401, message).coded("invalid_api_key"))
        }
        None => {
            let message = "You didn't provide an API key. You need to provide your API key in an Authorization header \
                           using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).";
            Err(Refusal::new(401, message))
        }
    }
}

fn content_type(request: &Request) -> Checked {
    let given = request.content_type().unwrap_or_default();
    if given.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json")) {
        return Ok(());
    }
    let message = format!(
        "Unsupported content type: '{given}'. This API method only accepts 'application/json' requests, but you \
         specified the header 'Content-Type: {given}'. Please try again with a supported content type."
    );
    Err(Refusal::new(400, message).coded("unsupported_content_type"))
}
