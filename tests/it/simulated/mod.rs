//! The simulated upstreams themselves: what they answer, and that they refuse what the real API refuses.

mod completions;
mod embeddings;
mod responses;
mod responses_refused;

use serde_json::{Value, json};
use xrouter::catalog::Provider;
use xrouter::simulator::{Profile, Simulator, Voice};

use crate::support::{Http, Response};

/// A simulated OpenAI, or one of its relatives, that answers as the model that it is asked for.
async fn upstream(provider: Provider) -> (Simulator, Http) {
    let profile = Profile { voice: Voice::Of(provider), model: String::new(), ..Profile::default() };
    let simulator = Simulator::start(profile).await.unwrap();
    let http = Http::new(simulator.base_url());
    (simulator, http)
}

async fn post(http: &Http, path: &str, body: &Value) -> Response {
    http.post(path, "application/json", body.to_string()).await
}

/// What a refusal has in it.
fn refusal(response: &Response) -> (u16, String, Value, Value) {
    let error = response.json()["error"].clone();
    assert_eq!(error["type"], "invalid_request_error", "{error}");
    (response.status, error["message"].as_str().unwrap().to_owned(), error["param"].clone(), error["code"].clone())
}

/// Sends requests that differ from a good one in some fields, and compares the refusals: status, message, `param`, `code`.
/// A field that is set to the text `absent` is left out.
async fn refused(path: &str, good: &Value, cases: &[(Value, u16, &str, Value, Value)]) {
    let (simulator, http) = upstream(Provider::Openai).await;
    assert_eq!(post(&http, path, good).await.status, 200);
    for (change, status, message, param, code) in cases {
        let mut body = good.clone();
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
            if value == "absent" {
                body.as_object_mut().unwrap().remove(name);
            }
        }
        let (is, said, at, coded) = refusal(&post(&http, path, &body).await);
        assert_eq!((is, said.as_str(), &at, &coded), (*status, *message, param, code), "{change}");
    }
    assert_eq!(simulator.counts().refused, cases.len() as u64);
}

/// What is refused before the body is looked at.
async fn refused_at_the_door(path: &str, good: &Value) {
    let api_key = Some("the-key".to_owned());
    let profile = Profile { voice: Voice::Of(Provider::Openai), api_key, ..Profile::default() };
    let simulator = Simulator::start(profile).await.unwrap();
    let http = Http::new(simulator.base_url());
    let (status, message, _, code) = refusal(&post(&http, path, good).await);
    assert_eq!((status, code), (401, Value::Null));
    assert!(message.starts_with("You didn't provide an API key."), "{message}");
    let (status, message, _, code) = refusal(&post(&http.with("authorization", "Bearer other"), path, good).await);
    assert_eq!((status, code), (401, json!("invalid_api_key")));
    assert!(message.starts_with("Incorrect API key provided: other."), "{message}");
    let http = http.with("authorization", "Bearer the-key");
    let (status, message, _, code) = refusal(&http.post(path, "text/plain", good.to_string()).await);
    assert_eq!((status, code), (400, json!("unsupported_content_type")));
    assert!(message.starts_with("Unsupported content type: 'text/plain'."), "{message}");
    for body in ["{", "[]", ""] {
        let (status, message, ..) = refusal(&http.post(path, "application/json", body).await);
        assert_eq!(status, 400);
        assert!(message.starts_with("We could not parse the JSON body"), "{message}");
    }
    assert_eq!(http.post(path, "application/json; charset=utf-8", good.to_string()).await.status, 200);
}

/// The data of a stream's events, in order.
fn data(response: &Response) -> Vec<String> {
    assert_eq!(response.header("content-type"), "text/event-stream");
    let events = response.text();
    let events = events.strip_suffix("\n\n").expect("a last blank line").split("\n\n");
    events.map(|event| event.lines().find_map(|line| line.strip_prefix("data: ")).unwrap().to_owned()).collect()
}
