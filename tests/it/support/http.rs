//! A plain HTTP client that shows everything of an answer.

use std::sync::LazyLock;

use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::LIMIT;

#[expect(clippy::disallowed_methods, reason = "the tests' own client")]
static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(|| {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(LIMIT)
        .build()
        .expect("a client")
});

/// Talks to one router.
#[derive(Clone)]
pub(crate) struct Http {
    pub(crate) url: String,
    headers: Vec<(String, String)>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// A request with one user message.
pub(crate) fn question(text: &str) -> Value {
    json!({ "model": "auto", "messages": [{ "role": "user", "content": text }] })
}

impl Http {
    pub(crate) fn new(url: String) -> Self {
        Http { url, headers: Vec::new() }
    }

    /// The same client with one more header.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut http = self.clone();
        http.headers.push((name.to_owned(), value.to_owned()));
        http
    }

    fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let request = CLIENT.request(method, format!("{}{path}", self.url));
        self.headers.iter().fold(request, |request, (name, value)| request.header(name, value))
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        read(self.request(reqwest::Method::GET, path).send().await.expect("an answer")).await
    }

    pub(crate) async fn post(&self, path: &str, content_type: &str, body: impl Into<reqwest::Body>) -> Response {
        let request = self.request(reqwest::Method::POST, path).header("content-type", content_type).body(body);
        read(request.send().await.expect("an answer")).await
    }

    pub(crate) async fn chat(&self, body: &Value) -> Response {
        self.post("/v1/chat/completions", "application/json", body.to_string()).await
    }

    /// Sends a chat request; `None` if no whole answer came.
    pub(crate) async fn try_chat(&self, body: &Value) -> Option<Response> {
        let request = self.request(reqwest::Method::POST, "/v1/chat/completions");
        let request = request.header("content-type", "application/json").body(body.to_string());
        let response = request.send().await.ok()?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await.ok()?.to_vec();
        Some(Response { status, headers, body })
    }

    /// Sends a chat request and returns the answer unread.
    pub(crate) async fn open(&self, body: &Value) -> reqwest::Response {
        self.send("/v1/chat/completions", body).await
    }

    /// Sends a request and returns the answer unread.
    pub(crate) async fn send(&self, path: &str, body: &Value) -> reqwest::Response {
        let request = self.request(reqwest::Method::POST, path);
        request.header("content-type", "application/json").body(body.to_string()).send().await.expect("an answer")
    }
}

async fn read(response: reqwest::Response) -> Response {
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let body = response.bytes().await.expect("the whole body").to_vec();
    Response { status, headers, body }
}

impl Response {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("UTF-8")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.text()))
    }

    /// A header's value; empty if it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("ASCII"))
    }

    /// The decision, the tier that answered, the source and the attempts, as the headers tell them.
    pub(crate) fn route(&self) -> (&str, &str, &str, &str) {
        (
            self.header("x-xrouter-decision"),
            self.header("x-xrouter-upstream"),
            self.header("x-xrouter-source"),
            self.header("x-xrouter-attempts"),
        )
    }
}
