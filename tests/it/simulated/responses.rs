//! `POST /v1/responses` of the simulated OpenAI: what it answers.

use serde_json::{Value, json};
use xrouter::catalog::Provider;
use xrouter::simulator::Reply;

use super::{post, upstream};
use crate::support::Http;

const PATH: &str = "/responses";

fn request(change: Value) -> Value {
    let mut body = json!({ "model": "gpt-5.5", "input": "hello" });
    let Value::Object(fields) = change else { panic!("fields") };
    body.as_object_mut().unwrap().extend(fields);
    body
}

fn function(name: &str) -> Value {
    let parameters = json!({ "type": "object", "properties": { "place": { "type": "string" } } });
    json!({ "type": "function", "name": name, "parameters": parameters, "strict": false })
}

async fn answer(http: &Http, change: Value) -> Value {
    let response = post(http, PATH, &request(change)).await;
    assert_eq!(response.status, 200, "{}", response.text());
    response.json()
}

/// The events of a stream: their names say what their data say, and they are numbered.
async fn events(http: &Http, mut change: Value) -> Vec<Value> {
    change["stream"] = json!(true);
    let response = post(http, PATH, &request(change)).await;
    assert_eq!(response.header("content-type"), "text/event-stream");
    let text = response.text();
    let events = text.strip_suffix("\n\n").expect("a last blank line").split("\n\n").enumerate();
    let read = events.map(|(number, event)| {
        let (name, data) = event.strip_prefix("event: ").unwrap().split_once("\ndata: ").unwrap();
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!((&data["type"], &data["sequence_number"]), (&json!(name), &json!(number)));
        data
    });
    read.collect()
}

/// The types of events, without the common beginning; several deltas in a row are one.
fn order(events: &[Value]) -> Vec<&str> {
    let kinds = events.iter().map(|event| event["type"].as_str().unwrap().strip_prefix("response.").unwrap());
    let mut order: Vec<&str> = kinds.collect();
    order.dedup();
    order
}

/// The prefix of an id, whose rest has the length that such ids have.
fn prefix(id: &Value) -> &str {
    let (prefix, rest) = id.as_str().unwrap().split_once('_').unwrap();
    assert_eq!(rest.len(), 32);
    prefix
}

#[tokio::test]
async fn a_plain_answer_has_a_message_its_usage_and_what_was_asked() {
    let (simulator, http) = upstream(Provider::Openai).await;
    let change = json!({ "model": "gpt-4o", "temperature": 0.5, "metadata": { "a": "b" }, "instructions": "be short" });
    let answer = answer(&http, change).await;
    assert_eq!(
        (prefix(&answer["id"]), &answer["object"], &answer["status"]),
        ("resp", &json!("response"), &json!("completed"))
    );
    let [message] = answer["output"].as_array().unwrap().as_slice() else { panic!("{answer}") };
    assert_eq!(
        (prefix(&message["id"]), &message["type"], &message["status"]),
        ("msg", &json!("message"), &json!("completed"))
    );
    let part = &message["content"][0];
    assert_eq!(
        (&part["type"], &part["annotations"], &part["logprobs"]),
        (&json!("output_text"), &json!([]), &json!([]))
    );
    for (name, value) in [
        ("model", json!("gpt-4o")),
        ("temperature", json!(0.5)),
        ("top_p", json!(1.0)),
        ("store", json!(true)),
        ("tool_choice", json!("auto")),
        ("instructions", json!("be short")),
        ("metadata", json!({ "a": "b" })),
        ("text", json!({ "format": { "type": "text" }, "verbosity": "medium" })),
        ("error", Value::Null),
    ] {
        assert_eq!(answer[name], value, "{name}");
    }
    let usage = &answer["usage"];
    assert_eq!(usage["input_tokens_details"], json!({ "cached_tokens": 0, "cache_write_tokens": 0 }));
    let counts = simulator.counts();
    assert_eq!(usage["input_tokens"], counts.input_tokens);
    assert_eq!(usage["output_tokens"], counts.output_tokens);
    assert_eq!(usage["total_tokens"], counts.input_tokens + counts.output_tokens);
}

#[tokio::test]
async fn a_stream_of_text_has_every_event_in_its_order_and_ends_without_done() {
    let (_simulator, http) = upstream(Provider::Openai).await;
    let events = events(&http, json!({ "model": "gpt-4o" })).await;
    assert_eq!(
        order(&events),
        [
            "created",
            "in_progress",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "completed",
        ]
    );
    let of = |kind: &str| events.iter().find(|event| event["type"] == format!("response.{kind}")).unwrap();
    let deltas = events.iter().filter(|event| event["type"] == "response.output_text.delta");
    let text: String = deltas.clone().map(|event| event["delta"].as_str().unwrap()).collect();
    let item = &of("output_item.done")["item"];
    assert_eq!((&item["content"][0]["text"], &of("output_text.done")["text"]), (&json!(text), &json!(text)));
    for delta in deltas {
        assert_eq!(
            (&delta["item_id"], &delta["output_index"], &delta["content_index"]),
            (&item["id"], &json!(0), &json!(0))
        );
        assert!(delta["obfuscation"].is_string() && delta["logprobs"] == json!([]));
    }
    let (begun, done) = (&of("created")["response"], &of("completed")["response"]);
    assert_eq!(
        (&begun["status"], &begun["output"], &begun["usage"]),
        (&json!("in_progress"), &json!([]), &Value::Null)
    );
    assert_eq!((&done["id"], &done["output"]), (&begun["id"], &json!([item])));
    assert!(done["usage"]["total_tokens"].is_u64());
}

#[tokio::test]
async fn deltas_are_not_padded_if_nobody_wants_it() {
    let (_simulator, http) = upstream(Provider::Openai).await;
    let events = events(&http, json!({ "stream_options": { "include_obfuscation": false } })).await;
    assert!(events.iter().all(|event| event.get("obfuscation").is_none()));
}

#[tokio::test]
async fn a_thought_comes_before_the_message_with_a_summary_and_a_seal_if_they_are_wanted() {
    let (_simulator, http) = upstream(Provider::Openai).await;
    let change =
        json!({ "reasoning": { "effort": "low", "summary": "auto" }, "include": ["reasoning.encrypted_content"] });
    let events = events(&http, change).await;
    assert_eq!(
        order(&events)[2..9],
        [
            "output_item.added",
            "reasoning_summary_part.added",
            "reasoning_summary_text.delta",
            "reasoning_summary_text.done",
            "reasoning_summary_part.done",
            "output_item.done",
            "output_item.added",
        ]
    );
    let done = &events.last().unwrap()["response"];
    let thought = &done["output"][0];
    assert_eq!((prefix(&thought["id"]), &done["output"][1]["type"]), ("rs", &json!("message")));
    assert!(thought["summary"][0]["text"].as_str().unwrap().contains("The user asks: hello"), "{thought}");
    assert!(thought["encrypted_content"].as_str().unwrap().starts_with("gAAAA"));
    assert!(done["usage"]["output_tokens_details"]["reasoning_tokens"].as_u64().unwrap() > 0);

    let plain = answer(&http, json!({})).await;
    assert_eq!(plain["output"][0]["summary"], json!([]));
    assert_eq!(plain["output"][0].get("encrypted_content"), None);
    let none = answer(&http, json!({ "reasoning": { "effort": "none" } })).await;
    assert_eq!(none["output"][0]["type"], "message");
}

#[tokio::test]
async fn a_function_is_called_and_its_result_is_spoken_about() {
    let (_simulator, http) = upstream(Provider::Openai).await;
    let change = json!({ "model": "gpt-4o", "tools": [function("weather"), function("clock")], "input": "do both" });
    let events = events(&http, change.clone()).await;
    let item =
        ["output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done"];
    assert_eq!(order(&events)[2..10], [item, item].concat());
    let output = events.last().unwrap()["response"]["output"].as_array().unwrap().clone();
    let names: Vec<&Value> = output.iter().map(|item| &item["name"]).collect();
    assert_eq!((names, prefix(&output[0]["id"])), (vec![&json!("weather"), &json!("clock")], "fc"));
    assert_eq!(
        (&output[0]["status"], &output[0]["arguments"]),
        (&json!("completed"), &json!("{\"place\":\"sample\"}"))
    );

    let results = output
        .iter()
        .map(|call| json!({ "type": "function_call_output", "call_id": call["call_id"], "output": "fine" }));
    let input: Vec<Value> =
        [json!({ "role": "user", "content": "do both" })].into_iter().chain(output.clone()).chain(results).collect();
    let next = answer(&http, json!({ "model": "gpt-4o", "tools": change["tools"], "input": input })).await;
    assert_eq!(next["output"][0]["type"], "message");
}

#[tokio::test]
async fn a_custom_tool_gets_free_text_and_a_namespace_is_named() {
    let (_simulator, http) = upstream(Provider::Openai).await;
    let custom = json!({ "type": "custom", "name": "exec", "format": { "type": "grammar", "syntax": "lark", "definition": "start: /.+/" } });
    let namespace =
        json!({ "type": "namespace", "name": "functions", "description": "", "tools": [custom, function("wait")] });
    // As Codex has them: no tools of the request, but an item.
    let input = json!([
        { "type": "additional_tools", "id": "at_1", "role": "developer", "tools": [namespace] },
        { "type": "message", "role": "user", "content": [{ "type": "input_text", "text": "run it" }] },
    ]);
    let events = events(&http, json!({ "model": "gpt-4o", "input": input })).await;
    assert_eq!(
        order(&events)[2..6],
        ["output_item.added", "custom_tool_call_input.delta", "custom_tool_call_input.done", "output_item.done"]
    );
    let call = &events.last().unwrap()["response"]["output"][0];
    assert_eq!((prefix(&call["id"]), &call["type"]), ("ctc", &json!("custom_tool_call")));
    assert_eq!((&call["name"], &call["namespace"]), (&json!("exec"), &json!("functions")));
    assert_eq!(call["input"], "a free text for the tool");
    let named = json!({ "model": "gpt-4o", "input": input, "tool_choice": { "type": "function", "name": "wait" } });
    assert_eq!(answer(&http, named).await["output"][0]["name"], "wait");
}

#[tokio::test]
async fn a_search_of_the_web_is_done_by_the_provider_and_cited() {
    let (_simulator, http) = upstream(Provider::Openai).await;
    let change =
        json!({ "model": "gpt-4o", "tools": [{ "type": "web_search" }, function("f")], "input": "search the web" });
    let events = events(&http, change).await;
    assert_eq!(
        order(&events)[2..10],
        [
            "output_item.added",
            "web_search_call.in_progress",
            "web_search_call.searching",
            "web_search_call.completed",
            "output_item.done",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
        ]
    );
    assert!(order(&events).contains(&"output_text.annotation.added"));
    let output = &events.last().unwrap()["response"]["output"];
    assert_eq!((prefix(&output[0]["id"]), &output[0]["action"]["type"]), ("ws", &json!("search")));
    assert_eq!(output[1]["content"][0]["annotations"][0]["type"], "url_citation");
}

#[tokio::test]
async fn a_search_of_the_tools_is_left_to_the_client() {
    let (_simulator, http) = upstream(Provider::Openai).await;
    let tool = json!({ "type": "tool_search", "execution": "client", "description": "more", "parameters": {} });
    let answer = answer(&http, json!({ "model": "gpt-4o", "tools": [tool], "input": "search the tools" })).await;
    let call = &answer["output"][0];
    assert_eq!(
        (prefix(&call["id"]), &call["type"], &call["execution"]),
        ("tsc", &json!("tool_search_call"), &json!("client"))
    );
}

#[tokio::test]
async fn a_wish_for_json_is_kept() {
    let (_simulator, http) = upstream(Provider::Openai).await;
    let schema = json!({ "type": "object", "properties": { "n": { "type": "integer" } }, "required": ["n"],
        "additionalProperties": false });
    let format = json!({ "type": "json_schema", "name": "number", "schema": schema, "strict": true });
    let answer = answer(&http, json!({ "model": "gpt-4o", "text": { "format": format } })).await;
    assert_eq!(answer["output"][0]["content"][0]["text"], "{\"n\":7}");
    assert_eq!(answer["text"]["format"], format);
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_incomplete() {
    let (_simulator, http) = upstream(Provider::Openai).await;
    let change = json!({ "model": "gpt-4o", "max_output_tokens": 16, "input": "a long question ".repeat(20) });
    let events = events(&http, change).await;
    let last = events.last().unwrap();
    assert_eq!(last["type"], "response.incomplete");
    assert_eq!(last["response"]["incomplete_details"], json!({ "reason": "max_output_tokens" }));
    assert_eq!(last["response"]["output"][0]["status"], "incomplete");
    assert_eq!(last["response"]["usage"]["output_tokens"], 16);
    // A thought can take all the room that there is.
    let thought = answer(&http, json!({ "max_output_tokens": 16, "input": "a long question ".repeat(20) })).await;
    assert_eq!((&thought["status"], thought["output"].as_array().unwrap().len()), (&json!("incomplete"), 1));
    assert_eq!(thought["usage"]["output_tokens"], 16);
}

#[tokio::test]
async fn a_trigger_makes_one_compaction_that_can_be_sent_back() {
    let (_simulator, http) = upstream(Provider::Openai).await;
    let input = json!([{ "role": "user", "content": "hi" }, { "type": "compaction_trigger" }]);
    let events = events(&http, json!({ "input": input, "store": false })).await;
    assert_eq!(order(&events)[2..], ["output_item.added", "output_item.done", "completed"]);
    let compaction = &events.last().unwrap()["response"]["output"][0];
    assert_eq!((prefix(&compaction["id"]), &compaction["type"]), ("cmp", &json!("compaction")));
    let input = json!([compaction, { "role": "user", "content": "go on" }]);
    assert_eq!(answer(&http, json!({ "input": input, "store": false })).await["status"], "completed");
}

#[tokio::test]
async fn what_was_stored_can_be_gone_on_from_and_referred_to() {
    let (_simulator, http) = upstream(Provider::Openai).await;
    let first = answer(&http, json!({})).await;
    let next = answer(&http, json!({ "previous_response_id": first["id"] })).await;
    assert_eq!(next["previous_response_id"], first["id"]);
    let items = json!([{ "type": "item_reference", "id": first["output"][0]["id"] }, first["output"][1]]);
    assert_eq!(answer(&http, json!({ "input": items })).await["status"], "completed");
}

#[tokio::test]
async fn what_codex_sends_beyond_the_reference_is_taken() {
    let (_simulator, http) = upstream(Provider::Openai).await;
    let change = json!({
        "client_metadata": { "session_id": "s" },
        "tools": [{ "type": "web_search", "external_web_access": true, "search_content_types": ["text", "image"] }],
        "input": [{ "type": "message", "role": "user", "content": "hi",
            "internal_chat_message_metadata_passthrough": { "turn_id": "t" } }],
    });
    assert_eq!(answer(&http, change).await["status"], "completed");
}

#[tokio::test]
async fn a_failing_model_says_so_in_an_event_of_its_own() {
    let (simulator, http) = upstream(Provider::Openai).await;
    simulator.next(Reply::ErrorAfter(3));
    let mut response = http.send(PATH, &request(json!({ "stream": true }))).await;
    let mut read = Vec::new();
    while let Ok(Some(bytes)) = response.chunk().await {
        read.extend_from_slice(&bytes);
    }
    let read = String::from_utf8(read).unwrap();
    let last = read.trim_end().rsplit("data: ").next().unwrap();
    let last: Value = serde_json::from_str(last).unwrap();
    assert_eq!((&last["type"], &last["sequence_number"]), (&json!("response.failed"), &json!(3)));
    assert_eq!(last["response"]["error"], json!({ "code": "server_error", "message": "the model crashed" }));
}

#[tokio::test]
async fn the_scripted_answers_and_faults_are_those_of_chat() {
    let (simulator, http) = upstream(Provider::Openai).await;
    simulator.next(Reply::Text("exactly this".to_owned()));
    let answer_text = answer(&http, json!({ "model": "gpt-4o" })).await["output"][0]["content"][0]["text"].clone();
    assert_eq!(answer_text, "exactly this");
    simulator.next(Reply::Blocked);
    let blocked = answer(&http, json!({})).await;
    assert_eq!(
        (&blocked["status"], &blocked["incomplete_details"]["reason"]),
        (&json!("incomplete"), &json!("content_filter"))
    );
    simulator.next(Reply::WithoutUsage);
    assert_eq!(answer(&http, json!({})).await["usage"], Value::Null);
    simulator.next(Reply::error(429, "slow down"));
    assert_eq!(post(&http, PATH, &request(json!({}))).await.status, 429);
}
