//! `POST /v1/embeddings` of the simulated OpenAI.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use xrouter::catalog::Provider;
use xrouter::simulator::Reply;

use super::{post, refused, refused_at_the_door, upstream};

const PATH: &str = "/embeddings";

fn good() -> Value {
    json!({ "model": "text-embedding-3-small", "input": "four letters a token" })
}

fn with(name: &str, value: Value) -> Value {
    let mut body = good();
    body[name] = value;
    body
}

fn vector(answer: &Value, index: usize) -> Vec<f64> {
    let item = &answer["data"][index];
    assert_eq!((&item["object"], &item["index"]), (&json!("embedding"), &json!(index)));
    item["embedding"].as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

#[tokio::test]
async fn every_form_of_input_gets_a_vector_for_each_input_and_its_tokens_counted() {
    let (simulator, http) = upstream(Provider::Openai).await;
    for (input, vectors, tokens) in [
        (json!("four letters a token"), 1, 5),
        (json!(["one", "two", "three"]), 3, 4),
        (json!([101, 102, 103]), 1, 3),
        (json!([[101, 102], [103]]), 2, 3),
    ] {
        let answer = post(&http, PATH, &with("input", input)).await.json();
        assert_eq!((&answer["object"], &answer["model"]), (&json!("list"), &json!("text-embedding-3-small")));
        assert_eq!(answer["usage"], json!({ "prompt_tokens": tokens, "total_tokens": tokens }));
        assert_eq!(answer["data"].as_array().unwrap().len(), vectors);
        for index in 0..vectors {
            let vector = vector(&answer, index);
            let length: f64 = vector.iter().map(|number| number * number).sum();
            assert_eq!(vector.len(), 8);
            assert!((length - 1.0).abs() < 1e-5, "{length}");
        }
    }
    let counts = simulator.counts();
    assert_eq!((counts.answered, counts.input_tokens, counts.output_tokens), (4, 15, 0));
}

#[tokio::test]
async fn the_same_text_has_the_same_vector_and_another_text_another() {
    let (_simulator, http) = upstream(Provider::Openai).await;
    let together = post(&http, PATH, &with("input", json!(["a", "b"]))).await.json();
    let alone = post(&http, PATH, &with("input", json!("b"))).await.json();
    assert_eq!(vector(&together, 1), vector(&alone, 0));
    assert_ne!(vector(&together, 0), vector(&together, 1));
}

#[tokio::test]
async fn base64_is_the_same_vector_in_little_endian_bytes() {
    let (_simulator, http) = upstream(Provider::Openai).await;
    let plain = post(&http, PATH, &with("encoding_format", json!("float"))).await.json();
    let coded = post(&http, PATH, &with("encoding_format", json!("base64"))).await.json();
    let bytes = STANDARD.decode(coded["data"][0]["embedding"].as_str().unwrap()).unwrap();
    let numbers = bytes.chunks_exact(4).map(|four| f64::from(f32::from_le_bytes(four.try_into().unwrap())));
    assert_eq!(numbers.collect::<Vec<f64>>(), vector(&plain, 0));
}

#[tokio::test]
async fn a_vector_is_as_long_as_was_asked_for() {
    let (_simulator, http) = upstream(Provider::Openai).await;
    let answer = post(&http, PATH, &with("dimensions", json!(1536))).await.json();
    assert_eq!(vector(&answer, 0).len(), 1536);
}

#[tokio::test]
async fn what_openai_refuses_is_refused_in_its_words() {
    let invalid = |name: &str| {
        format!(
            "'$.{name}' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference."
        )
    };
    let (input, format) = (invalid("input"), invalid("encoding_format"));
    let (dimensions, user) = (invalid("dimensions"), invalid("user"));
    let (none, tokens) = (Value::Null, vec![7; 2049]);
    let mut cases = vec![
        (json!({ "model": "absent" }), 400, "you must provide a model parameter", none.clone(), none.clone()),
        (json!({ "model": 3 }), 400, "you must provide a model parameter", none.clone(), none.clone()),
        (json!({ "input": "absent" }), 400, "'input' is a required property", none.clone(), none.clone()),
        (json!({ "top_p": 1 }), 400, "Unrecognized request argument supplied: top_p", none.clone(), none.clone()),
        (json!({ "a": 1, "b": 2 }), 400, "Unrecognized request arguments supplied: a, b", none.clone(), none.clone()),
        (json!({ "encoding_format": "hex" }), 400, &format, none.clone(), none.clone()),
        (json!({ "encoding_format": null }), 400, &format, none.clone(), none.clone()),
        (json!({ "dimensions": 0 }), 400, &dimensions, none.clone(), none.clone()),
        (json!({ "dimensions": "8" }), 400, &dimensions, none.clone(), none.clone()),
        (json!({ "user": 8 }), 400, &user, none.clone(), none.clone()),
        (
            json!({ "dimensions": 1537 }),
            400,
            "Invalid value for 'dimensions' = 1537. Must be less than or equal to 1536.",
            none.clone(),
            none.clone(),
        ),
        (
            json!({ "dimensions": 8, "model": "text-embedding-ada-002" }),
            400,
            "This model does not support specifying dimensions.",
            none.clone(),
            none.clone(),
        ),
        (
            json!({ "model": "gpt-4o" }),
            403,
            "You are not allowed to generate embeddings from this model",
            none.clone(),
            none.clone(),
        ),
        (
            json!({ "model": "auto" }),
            404,
            "The model `auto` does not exist or you do not have access to it.",
            none.clone(),
            json!("model_not_found"),
        ),
        (
            json!({ "input": "four".repeat(8193) }),
            400,
            "This model's maximum context length is 8192 tokens, however you requested 8193 tokens (8193 in your \
             prompt; 0 for the completion). Please reduce your prompt; or completion length.",
            none.clone(),
            none.clone(),
        ),
    ];
    for wrong in [
        json!(null),
        json!(""),
        json!([]),
        json!(["a", ""]),
        json!(["a", 1]),
        json!([1, "a"]),
        json!([1.5]),
        json!([-1]),
        json!([[]]),
        json!([[1], ["a"]]),
        json!({ "text": "a" }),
        json!(7),
        json!(vec!["a"; 2049]),
        json!(tokens),
    ] {
        cases.push((json!({ "input": wrong }), 400, &input, none.clone(), none.clone()));
    }
    refused(PATH, &good(), &cases).await;
}

#[tokio::test]
async fn more_tokens_than_a_request_may_have_are_an_error_of_their_own_type() {
    let (_simulator, http) = upstream(Provider::Openai).await;
    let answer = post(&http, PATH, &with("input", json!(vec!["four".repeat(8000); 38]))).await;
    let message = "Requested 304000 tokens, max 300000 tokens per request";
    let (kind, none) = ("max_tokens_per_request", Value::Null);
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["error"], json!({ "message": message, "type": kind, "param": none, "code": kind }));
}

#[tokio::test]
async fn a_wrong_key_type_or_body_is_refused_before_anything_else() {
    refused_at_the_door(PATH, &good()).await;
}

#[tokio::test]
async fn a_relative_has_models_of_its_own() {
    let (_simulator, http) = upstream(Provider::OpenaiCompatible).await;
    let mut body = with("dimensions", json!(4));
    body["model"] = json!("bge-m3");
    let answer = post(&http, PATH, &body).await.json();
    assert_eq!((&answer["model"], vector(&answer, 0).len()), (&json!("bge-m3"), 4));
}

#[tokio::test]
async fn the_scripted_faults_are_those_of_chat() {
    let (simulator, http) = upstream(Provider::Openai).await;
    let body = Reply::error(429, "slow down");
    let Reply::Status { status, body, .. } = body else { panic!("a status") };
    simulator.next(Reply::Status { status, body, retry_after: Some("7".to_owned()) });
    let answer = post(&http, PATH, &good()).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, "7"));
    simulator.next(Reply::error(500, "broken"));
    assert_eq!(post(&http, PATH, &good()).await.status, 500);
    simulator.next(Reply::Refuse { status: 503, message: "overloaded".to_owned() });
    assert_eq!(post(&http, PATH, &good()).await.json()["error"]["code"], "server_overloaded");
    simulator.next(Reply::WithoutUsage);
    assert_eq!(post(&http, PATH, &good()).await.json().get("usage"), None);
}

#[tokio::test]
async fn a_cut_answer_ends_after_half_of_its_bytes() {
    let (simulator, http) = upstream(Provider::Openai).await;
    let whole = post(&http, PATH, &good()).await.body.len();
    simulator.next(Reply::CutAfter(1));
    let mut response = http.send(PATH, &good()).await;
    let mut read = 0;
    let end = loop {
        match response.chunk().await {
            Ok(Some(bytes)) => read += bytes.len(),
            end => break end,
        }
    };
    assert!(end.is_err(), "the body has an end");
    assert_eq!((read, simulator.counts().answered), (whole / 2, 1));
}
