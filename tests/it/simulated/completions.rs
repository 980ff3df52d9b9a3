//! `POST /v1/completions` of the simulated OpenAI.

use serde_json::{Value, json};
use xrouter::catalog::Provider;
use xrouter::simulator::Reply;

use super::{data, post, refused, refused_at_the_door, upstream};

const PATH: &str = "/completions";

fn good() -> Value {
    json!({ "model": "gpt-3.5-turbo-instruct", "prompt": "four letters a token" })
}

fn with(change: Value) -> Value {
    let mut body = good();
    let Value::Object(fields) = change else { panic!("fields") };
    body.as_object_mut().unwrap().extend(fields);
    body
}

async fn answer(change: Value) -> Value {
    let (_simulator, http) = upstream(Provider::Openai).await;
    let response = post(&http, PATH, &with(change)).await;
    assert_eq!(response.status, 200, "{}", response.text());
    response.json()
}

/// The chunks of a stream, without the end that every stream has.
async fn chunks(change: Value) -> Vec<Value> {
    let (_simulator, http) = upstream(Provider::Openai).await;
    let mut data = data(&post(&http, PATH, &with(change)).await);
    assert_eq!(data.pop().unwrap(), "[DONE]");
    data.iter().map(|data| serde_json::from_str(data).unwrap()).collect()
}

#[tokio::test]
async fn a_prompt_is_answered_by_a_text_of_sixteen_tokens_with_its_usage() {
    let (simulator, http) = upstream(Provider::Openai).await;
    let answer = post(&http, PATH, &good()).await.json();
    assert_eq!(
        (&answer["id"], &answer["object"], &answer["model"]),
        (&json!("cmpl-1"), &json!("text_completion"), &json!("gpt-3.5-turbo-instruct"))
    );
    let text = "Here is a short answer to your question. The main point is that the two parts";
    let choice = json!({ "text": text, "index": 0, "logprobs": null, "finish_reason": "length" });
    assert_eq!(answer["choices"], json!([choice]));
    assert_eq!(answer["usage"], json!({ "prompt_tokens": 5, "completion_tokens": 16, "total_tokens": 21 }));
    let counts = simulator.counts();
    assert_eq!((counts.answered, counts.input_tokens, counts.output_tokens), (1, 5, 16));
}

#[tokio::test]
async fn every_form_of_prompt_is_answered_once_for_each_prompt() {
    for (prompt, choices, tokens) in [
        (json!(null), 1, 1),
        (json!(["one", "two", "three"]), 3, 4),
        (json!([101, 102, 103]), 1, 3),
        (json!([[101, 102], [103]]), 2, 3),
    ] {
        let answer = answer(json!({ "prompt": prompt })).await;
        let indices: Vec<&Value> =
            answer["choices"].as_array().unwrap().iter().map(|choice| &choice["index"]).collect();
        assert_eq!(indices, (0..choices).collect::<Vec<u64>>());
        assert_eq!(answer["usage"]["prompt_tokens"], tokens);
    }
}

#[tokio::test]
async fn a_suffix_counts_as_input() {
    assert_eq!(answer(json!({ "suffix": "eight..." })).await["usage"]["prompt_tokens"], 7);
}

#[tokio::test]
async fn an_answer_ends_before_the_first_stop() {
    let answer = answer(json!({ "stop": [" to", " question"], "max_tokens": 50 })).await;
    assert_eq!(answer["choices"][0]["text"], "Here is a short answer");
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
}

#[tokio::test]
async fn an_echo_puts_the_prompt_before_the_text_and_counts_it_once() {
    let answer = answer(json!({ "echo": true, "max_tokens": 2 })).await;
    assert_eq!(answer["choices"][0]["text"], "four letters a tokenHere is");
    assert_eq!(answer["usage"], json!({ "prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7 }));
}

#[tokio::test]
async fn what_is_made_and_not_returned_counts_too() {
    let answer = answer(json!({ "n": 2, "best_of": 3, "max_tokens": 4 })).await;
    let texts: Vec<&Value> = answer["choices"].as_array().unwrap().iter().map(|choice| &choice["text"]).collect();
    assert_eq!(texts, ["Here is a short", "Choice 1: Here is"]);
    assert_eq!(answer["usage"]["completion_tokens"], 12);
}

#[tokio::test]
async fn the_likelihood_of_tokens_has_as_many_others_as_were_asked_for() {
    let plain = answer(json!({ "logprobs": 2, "max_tokens": 2 })).await;
    assert_eq!(
        plain["choices"][0]["logprobs"],
        json!({
            "tokens": ["Here", " is"], "token_logprobs": [-0.25, -0.25], "text_offset": [20, 24],
            "top_logprobs": [{ "Here": -0.25, " other1": -3.5 }, { " is": -0.25, " other1": -3.5 }],
        })
    );
    let echoed = answer(json!({ "logprobs": 0, "max_tokens": 1, "echo": true, "prompt": "a b" })).await;
    assert_eq!(
        echoed["choices"][0]["logprobs"],
        json!({
            "tokens": ["a", " b", "Here"], "token_logprobs": [null, -0.25, -0.25], "text_offset": [0, 1, 3],
            "top_logprobs": null,
        })
    );
}

#[tokio::test]
async fn a_stream_has_the_same_text_and_no_usage_unless_it_is_asked_for() {
    let whole = answer(json!({ "max_tokens": 40 })).await;
    let chunks = chunks(json!({ "max_tokens": 40, "stream": true })).await;
    let text: String = chunks.iter().map(|chunk| chunk["choices"][0]["text"].as_str().unwrap()).collect();
    assert_eq!(whole["choices"][0]["text"], text);
    let (last, before) = chunks.split_last().unwrap();
    assert_eq!(last["choices"], json!([{ "text": "", "index": 0, "logprobs": null, "finish_reason": "stop" }]));
    assert!(before.iter().all(|chunk| chunk["choices"][0]["finish_reason"].is_null()));
    assert!(chunks.iter().all(|chunk| chunk["object"] == "text_completion" && chunk["id"] == "cmpl-1"));
    assert!(chunks.iter().all(|chunk| chunk.get("usage").is_none()));
}

#[tokio::test]
async fn a_stream_that_is_asked_for_its_usage_ends_with_it() {
    let mut chunks = chunks(json!({ "stream": true, "stream_options": { "include_usage": true } })).await;
    let last = chunks.pop().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"], json!({ "prompt_tokens": 5, "completion_tokens": 16, "total_tokens": 21 }));
    assert!(chunks.iter().all(|chunk| chunk["usage"] == Value::Null && chunk.get("usage").is_some()));
}

#[tokio::test]
async fn the_choices_of_a_stream_come_side_by_side() {
    let chunks = chunks(json!({ "stream": true, "n": 2, "max_tokens": 2, "logprobs": 1 })).await;
    let seen: Vec<_> = chunks.iter().map(|chunk| &chunk["choices"][0]).collect();
    let seen: Vec<_> = seen.iter().map(|choice| (choice["index"].as_u64().unwrap(), &choice["text"])).collect();
    let of = |index: u64, text: &'static str| (index, json!(text));
    let expected = [of(0, "Here"), of(1, "Choice"), of(0, " is"), of(1, " 1:"), of(0, ""), of(1, "")];
    assert_eq!(seen, expected.iter().map(|(index, text)| (*index, text)).collect::<Vec<_>>());
    assert_eq!(chunks[2]["choices"][0]["logprobs"]["text_offset"], json!([24]));
}

type Case = (Value, u16, &'static str, Value, Value);

fn plain(change: Value, message: &'static str) -> Case {
    (change, 400, message, Value::Null, Value::Null)
}

fn coded(change: Value, message: &'static str, param: &str, code: &str) -> Case {
    (change, 400, message, json!(param), json!(code))
}

#[tokio::test]
async fn a_field_of_the_wrong_form_is_refused_in_openais_words() {
    let forms = "Invalid type for 'prompt': expected one of a string, array of strings, array of integers, or array of \
                 integer arrays, but got an integer instead.";
    let mixed = "Invalid type for 'prompt': expected one of a string, array of strings, array of integers, or array of \
                 integer arrays, but got an array instead.";
    let cases = [
        plain(json!({ "model": "absent" }), "you must provide a model parameter"),
        plain(json!({ "messages": [] }), "Unrecognized request argument supplied: messages"),
        coded(
            json!({ "prompt": "absent" }),
            "Missing required parameter: 'prompt'.",
            "prompt",
            "missing_required_parameter",
        ),
        coded(json!({ "prompt": 7 }), forms, "prompt", "invalid_type"),
        coded(json!({ "prompt": ["a", 7] }), mixed, "prompt", "invalid_type"),
        coded(
            json!({ "prompt": [] }),
            "Invalid 'prompt': empty array. Expected an array with minimum length 1, but got an empty array instead.",
            "prompt",
            "empty_array",
        ),
        coded(
            json!({ "max_tokens": "7" }),
            "Invalid type for 'max_tokens': expected an integer, but got a string instead.",
            "max_tokens",
            "invalid_type",
        ),
        coded(
            json!({ "max_tokens": 1.5 }),
            "Invalid type for 'max_tokens': expected an integer, but got a decimal instead.",
            "max_tokens",
            "invalid_type",
        ),
        coded(
            json!({ "max_tokens": -1 }),
            "Invalid 'max_tokens': integer below minimum value. Expected a value >= 0, but got -1 instead.",
            "max_tokens",
            "integer_below_min_value",
        ),
        coded(
            json!({ "n": 130 }),
            "Invalid 'n': integer above maximum value. Expected a value <= 128, but got 130 instead.",
            "n",
            "integer_above_max_value",
        ),
        coded(
            json!({ "logprobs": 6 }),
            "Invalid 'logprobs': integer above maximum value. Expected a value <= 5, but got 6 instead.",
            "logprobs",
            "integer_above_max_value",
        ),
        coded(
            json!({ "temperature": 2.5 }),
            "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 2.5 instead.",
            "temperature",
            "decimal_above_max_value",
        ),
        coded(
            json!({ "presence_penalty": -3 }),
            "Invalid 'presence_penalty': decimal below minimum value. Expected a value >= -2, but got -3 instead.",
            "presence_penalty",
            "decimal_below_min_value",
        ),
        coded(
            json!({ "stream": "true" }),
            "Invalid type for 'stream': expected a boolean, but got a string instead.",
            "stream",
            "invalid_type",
        ),
        coded(
            json!({ "stop": ["a", "b", "c", "d", "e"] }),
            "Invalid 'stop': array too long. Expected an array with maximum length 4, but got an array with length 5 \
             instead.",
            "stop",
            "array_above_max_length",
        ),
        coded(
            json!({ "stop": ["a", 7] }),
            "Invalid type for 'stop[1]': expected a string, but got an integer instead.",
            "stop[1]",
            "invalid_type",
        ),
        coded(
            json!({ "logit_bias": { "50256": 101 } }),
            "Invalid 'logit_bias.50256': decimal above maximum value. Expected a value <= 100, but got 101 instead.",
            "logit_bias.50256",
            "decimal_above_max_value",
        ),
    ];
    refused(PATH, &good(), &cases).await;
}

#[tokio::test]
async fn what_does_not_go_together_is_refused_in_openais_words() {
    let none = Value::Null;
    let cases = [
        (
            json!({ "stream_options": { "include_usage": true } }),
            400,
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            json!("stream_options"),
            none.clone(),
        ),
        coded(
            json!({ "stream": true, "stream_options": { "usage": true } }),
            "Unknown parameter: 'stream_options.usage'.",
            "stream_options.usage",
            "unknown_parameter",
        ),
        plain(
            json!({ "n": 2, "best_of": 1 }),
            "You requested that the server return more choices than it will generate (HINT: you must set 'n' \
             (currently 2) to be at most 'best_of' (currently 1), or omit either parameter if you don't specifically \
             want to use them.)",
        ),
        (
            json!({ "best_of": 2, "stream": true }),
            400,
            "Results cannot be streamed when 'best_of' is greater than 1.",
            json!("best_of"),
            none.clone(),
        ),
        plain(json!({ "model": "davinci-002", "suffix": "end" }), "Unrecognized request argument supplied: suffix"),
        plain(
            json!({ "max_tokens": 4093 }),
            "This model's maximum context length is 4097 tokens, however you requested 4098 tokens (5 in your prompt; \
             4093 for the completion). Please reduce your prompt; or completion length.",
        ),
        (
            json!({ "model": "gpt-4o" }),
            404,
            "This is a chat model and not supported in the v1/completions endpoint. Did you mean to use \
             v1/chat/completions?",
            json!("model"),
            none.clone(),
        ),
        (
            json!({ "model": "auto" }),
            404,
            "The model `auto` does not exist or you do not have access to it.",
            none.clone(),
            json!("model_not_found"),
        ),
    ];
    refused(PATH, &good(), &cases).await;
}

#[tokio::test]
async fn what_may_be_null_may_be_null() {
    let fields = ["suffix", "max_tokens", "temperature", "top_p", "n", "stream", "stream_options", "logprobs", "echo"];
    for name in fields.into_iter().chain(["stop", "presence_penalty", "frequency_penalty", "best_of", "seed"]) {
        assert_eq!(answer(json!({ name: null })).await["object"], "text_completion", "{name}");
    }
}

#[tokio::test]
async fn a_wrong_key_type_or_body_is_refused_before_anything_else() {
    refused_at_the_door(PATH, &good()).await;
}

#[tokio::test]
async fn a_relative_has_models_of_its_own() {
    let (_simulator, http) = upstream(Provider::OpenaiCompatible).await;
    let answer = post(&http, PATH, &with(json!({ "model": "qwen2.5-coder", "suffix": "}" }))).await.json();
    assert_eq!(answer["model"], "qwen2.5-coder");
}

#[tokio::test]
async fn the_scripted_answers_and_faults_are_those_of_chat() {
    let (simulator, http) = upstream(Provider::Openai).await;
    simulator.next(Reply::Text("all of a long text that somebody wants to see, whatever the limit is".to_owned()));
    let answer = post(&http, PATH, &with(json!({ "max_tokens": 1 }))).await.json();
    assert!(answer["choices"][0]["text"].as_str().unwrap().ends_with("the limit is"), "{answer}");
    simulator.next(Reply::Blocked);
    assert_eq!(post(&http, PATH, &good()).await.json()["choices"][0]["finish_reason"], "content_filter");
    simulator.next(Reply::error(500, "broken"));
    assert_eq!(post(&http, PATH, &good()).await.status, 500);
    let stream = with(json!({ "stream": true, "stream_options": { "include_usage": true } }));
    simulator.next(Reply::WithoutUsage);
    assert!(!post(&http, PATH, &stream).await.text().contains("total_tokens"));
    for (reply, events) in [(Reply::CutAfter(2), 2), (Reply::ErrorAfter(2), 3)] {
        simulator.next(reply);
        let mut response = http.send(PATH, &stream).await;
        let mut read = Vec::new();
        let end = loop {
            match response.chunk().await {
                Ok(Some(bytes)) => read.extend_from_slice(&bytes),
                end => break end,
            }
        };
        assert!(end.is_err(), "the stream has an end");
        let read = String::from_utf8(read).unwrap();
        assert_eq!(read.matches("data: ").count(), events, "{read}");
        assert_eq!(read.contains("the model crashed"), events == 3);
    }
}
