//! Streams: every byte, the usage chunk, breaks, and clients that leave.

use futures_util::StreamExt;
use serde_json::{Value, json};
use xrouter::simulator::Reply;

use crate::support::{Fleet, TestApp, question, soon};

fn streamed(text: &str) -> Value {
    let mut body = question(text);
    body["stream"] = json!(true);
    body
}

/// The text without the events that hold only usage.
fn without_usage_chunk(stream: &str) -> String {
    stream.split_inclusive("\n\n").filter(|event| !event.contains("\"choices\":[]")).collect()
}

#[tokio::test]
async fn a_stream_passes_through_byte_for_byte_but_for_the_usage_chunk_that_the_router_asked_for() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    let response = app.http.chat(&streamed("good morning")).await;
    assert_eq!(response.status, 200);
    assert_eq!(response.header("content-type"), "text/event-stream");
    assert_eq!(response.route(), ("0", "cheap", "embedded", "1"));
    let sent = String::from_utf8(fleet.cheap.last().answer).unwrap();
    assert!(sent.contains("\"choices\":[]"), "the router asked for usage");
    assert_eq!(response.text(), without_usage_chunk(&sent));
    assert!(response.text().ends_with("data: [DONE]\n\n"));
    let counts = fleet.cheap.counts();
    let row = app.row().await;
    assert_eq!(row.usage.input_tokens, Some(counts.input_tokens));
    assert_eq!(row.usage.output_tokens, Some(counts.output_tokens));
    assert_eq!(row.usage.reasoning_tokens, Some(counts.reasoning_tokens));
    assert!(row.stream && row.first_token_us.is_some());
}

#[tokio::test]
async fn a_client_that_asks_for_the_usage_chunk_gets_every_byte() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    let mut body = streamed("good morning");
    body["stream_options"] = json!({ "include_usage": true });
    let response = app.http.chat(&body).await;
    assert_eq!(response.body, fleet.cheap.last().answer);
    assert!(response.text().contains("\"choices\":[]"));
    assert!(app.row().await.usage.input_tokens.is_some());
}

#[tokio::test]
async fn comments_line_ends_and_strange_characters_survive() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    let stream = ": OPENROUTER PROCESSING\r\n\r\ndata:{\"model\":\"m\",\"choices\":[{\"delta\":{\"content\":\"a\u{2028}b\u{85}\"}}]}\r\n\r\n\
                  : again\n\ndata: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    fleet.cheap.next(Reply::Raw { content_type: "text/event-stream; charset=utf-8".to_owned(), body: stream.into() });
    let response = app.http.chat(&streamed("hi")).await;
    assert_eq!(response.text(), stream);
    let row = app.row().await;
    assert_eq!((row.response_model.as_deref(), row.error_type), (Some("m"), None));
    assert_eq!(row.usage_source.as_str(), "estimated");
}

#[tokio::test]
async fn a_stream_that_breaks_off_ends_with_an_error_event_and_is_recorded_as_interrupted() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    for reply in [Reply::CutAfter(4), Reply::ErrorAfter(4)] {
        fleet.cheap.next(reply.clone());
        let response = app.http.chat(&streamed("hello there")).await;
        assert_eq!(response.status, 200);
        let text = response.text();
        let last = text.trim_end().rsplit("\n\n").next().unwrap();
        let error: Value = serde_json::from_str(last.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(error["error"]["code"], "interrupted", "{reply:?}");
        assert_eq!(error["error"]["upstream"], "c");
        assert!(!text.contains("[DONE]") && !text.contains("event:"));
    }
    for row in app.rows().await {
        assert_eq!((row.status, row.error_type.as_deref()), (Some(200), Some("interrupted")));
    }
    assert_eq!(fleet.medium.counts().requests, 0, "nothing is retried after the first byte");
}

#[tokio::test]
async fn a_stream_that_falls_silent_is_given_up_after_the_idle_limit() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("").replace("name = \"c\"", "name = \"c\"\nidle_timeout_ms = 50")).await;
    fleet.cheap.next(Reply::StallAfter(3));
    let response = app.http.chat(&streamed("hi")).await;
    assert!(response.text().contains("did not answer within"), "{}", response.text());
    assert_eq!(app.row().await.error_type.as_deref(), Some("interrupted"));
    soon(fleet.cheap.wait_for(|counts| counts.cancelled == 1)).await;
}

#[tokio::test]
async fn a_stream_that_fails_before_its_first_event_is_answered_by_the_next_tier() {
    let html = Reply::Raw { content_type: "text/html".to_owned(), body: b"<html>oops</html>".to_vec() };
    let error = Reply::Raw {
        content_type: "text/event-stream".to_owned(),
        body: b"data: {\"error\":{\"message\":\"overloaded\",\"code\":529}}\n\n".to_vec(),
    };
    let empty = Reply::Raw { content_type: "text/event-stream".to_owned(), body: b": ping\n\n".to_vec() };
    let garbage = Reply::Raw { content_type: "text/event-stream".to_owned(), body: b"data: {oops\n\n".to_vec() };
    for reply in [html, error, empty, garbage, Reply::ErrorAfter(0), Reply::CutAfter(0)] {
        let fleet = Fleet::start().await;
        let app = TestApp::start(&fleet.toml("")).await;
        fleet.cheap.next(reply.clone());
        let response = app.http.chat(&streamed("hi")).await;
        assert_eq!(response.route(), ("0", "medium", "embedded", "2"), "{reply:?}");
        assert!(response.text().ends_with("data: [DONE]\n\n"));
    }
}

#[tokio::test]
async fn a_stream_that_ends_after_its_finish_reason_without_done_is_complete() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    let stream = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\
                  \"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\n";
    fleet.cheap.next(Reply::Raw { content_type: "text/event-stream".to_owned(), body: stream.into() });
    let expected = format!("{stream}data: [DONE]\n\n");
    assert_eq!(app.http.chat(&streamed("hi")).await.text(), expected, "clients wait for it");
    let row = app.row().await;
    assert_eq!((row.error_type, row.usage.input_tokens, row.usage.output_tokens), (None, Some(3), Some(2)));
}

#[tokio::test]
async fn a_client_that_leaves_cancels_the_upstream_and_is_recorded() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    fleet.cheap.next(Reply::StallAfter(3));
    let response = app.http.open(&streamed("hi")).await;
    let mut body = response.bytes_stream();
    body.next().await.unwrap().unwrap();
    drop(body);
    soon(fleet.cheap.wait_for(|counts| counts.cancelled == 1)).await;
    app.stored(1).await;
    let row = app.row().await;
    assert_eq!((row.status, row.error_type.as_deref()), (Some(499), Some("client_closed")));
}

#[tokio::test]
async fn a_client_that_leaves_a_plain_request_is_recorded_as_well() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    fleet.cheap.next(Reply::Silence);
    let http = app.http.clone();
    let waiting = tokio::spawn(async move { http.chat(&question("hi")).await });
    soon(fleet.cheap.wait_for(|counts| counts.requests == 1)).await;
    waiting.abort();
    app.stored(1).await;
    assert_eq!(app.row().await.error_type.as_deref(), Some("client_closed"));
}

#[tokio::test]
async fn tool_calls_stream_through() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    let mut body = streamed("hi");
    body["tools"] = json!([{ "type": "function", "function": { "name": "look", "parameters":
        { "type": "object", "properties": { "at": { "type": "string" } } } } }]);
    let response = app.http.chat(&body).await;
    assert!(response.text().contains("\"finish_reason\":\"tool_calls\""));
    assert_eq!(response.text(), without_usage_chunk(&String::from_utf8(fleet.cheap.last().answer).unwrap()));
    assert!(app.row().await.first_token_us.is_some());
}

#[tokio::test]
async fn a_stream_that_ends_inside_an_event_still_ends_with_a_readable_error() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    let whole = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    for fragment in ["data: {\"choi", "data: {\"choices\":[{\"delta\":{\"content\":\"b\"}}]}\n"] {
        let body = format!("{whole}{fragment}");
        fleet.cheap.next(Reply::Raw { content_type: "text/event-stream".to_owned(), body: body.into() });
        let text = app.http.chat(&streamed("hi")).await.text();
        let rest = text.strip_prefix(whole).unwrap();
        let error: Value = serde_json::from_str(rest.strip_prefix("data: ").unwrap().trim_end()).unwrap();
        assert_eq!(error["error"]["code"], "interrupted");
    }
}

#[tokio::test]
async fn what_a_provider_says_of_a_key_in_mid_stream_stays_here() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    let body = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n\
                data: {\"error\":{\"message\":\"bad key sk-abcdef\",\"code\":401}}\n\n";
    fleet.cheap.next(Reply::Raw { content_type: "text/event-stream".to_owned(), body: body.into() });
    let text = app.http.chat(&streamed("hi")).await.text();
    assert!(text.contains("interrupted") && !text.contains("sk-abcdef"), "{text}");
}
