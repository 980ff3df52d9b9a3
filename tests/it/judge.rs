//! Judging without answering: `/v1/systemone` in the form of decision models, and a text for `/v1/route`.

use serde_json::{Value, json};

use crate::support::{Fleet, TestApp};

const HARD: &str = "Prove that every finite integral domain is a field, and say where finiteness is used.";

async fn app() -> (Fleet, TestApp) {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    (fleet, app)
}

async fn judge(app: &TestApp, state: Value, questions: Value) -> (u16, Value) {
    let body = json!({ "model": "xrouter", "state": state, "questions": questions });
    let answer = app.http.post("/v1/systemone", "application/json", body.to_string()).await;
    (answer.status, answer.json())
}

/// The members of an object, in order.
fn members(object: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

fn sum(probabilities: &Value) -> f64 {
    probabilities.as_object().unwrap().values().map(|share| share.as_f64().unwrap()).sum()
}

#[tokio::test]
async fn every_kind_of_question_is_answered_in_the_exact_form_of_a_decision_model() {
    let (_fleet, app) = app().await;
    let levels = json!(["a sentence", "some thought", { "about": "days of work" }]);
    // As OpenClaw asks: with null where nothing is said.
    let questions = json!({
        "tier": { "type": "choice", "instructions": null, "criteria": { "cheap": null, "medium": "a solid model", "frontier": {} } },
        "effort": { "type": "score", "instructions": "How much?", "criteria": levels },
        "strong": { "type": "noul", "instructions": "It needs a frontier model", "criteria": null },
    });
    let (status, answer) = judge(&app, json!(HARD), questions).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(members(&answer), ["answers", "model", "usage"]);
    assert_eq!(members(&answer["usage"]), ["input_tokens", "output_tokens"]);
    assert!(answer["usage"]["input_tokens"].as_u64().unwrap() > 10);
    let model = answer["model"].as_str().unwrap();
    assert!(
        model.starts_with("xrouter-") && model.chars().all(|it| it.is_ascii_alphanumeric() || it == '-'),
        "{model}"
    );
    let answers = &answer["answers"];
    assert_eq!(members(answers), ["effort", "strong", "tier"]);

    let tier = &answers["tier"];
    assert_eq!(members(tier), ["choice", "confidence", "probabilities", "type"]);
    assert_eq!((&tier["type"], &tier["choice"]), (&json!("choice"), &json!("frontier")));
    assert_eq!(members(&tier["probabilities"]), ["cheap", "frontier", "medium"]);
    assert!((sum(&tier["probabilities"]) - 1.0).abs() < 1e-9);
    let likeliest = tier["probabilities"]["frontier"].as_f64().unwrap();
    assert!((tier["confidence"].as_f64().unwrap() - (likeliest - 1.0 / 3.0) * 1.5).abs() < 1e-9);

    let effort = &answers["effort"];
    assert_eq!(members(effort), ["confidence", "legend", "probabilities", "score", "type"]);
    assert_eq!(effort["legend"], json!({ "0": levels[0], "1": levels[1], "2": levels[2] }));
    assert!((sum(&effort["probabilities"]) - 1.0).abs() < 1e-9);
    let mean = effort["probabilities"]["1"].as_f64().unwrap() + 2.0 * effort["probabilities"]["2"].as_f64().unwrap();
    assert!((effort["score"].as_f64().unwrap() - mean).abs() < 1e-9 && mean > 1.5, "{effort}");

    assert_eq!(members(&answers["strong"]), ["noul", "type"]);
    assert_eq!(answers["strong"]["noul"], tier["probabilities"]["frontier"]);
}

#[tokio::test]
async fn a_state_is_a_text_or_a_chat_request_or_any_json() {
    let (_fleet, app) = app().await;
    let cases = [
        (json!("hi there"), "simple"),
        (json!(null), "simple"),
        (
            json!({ "messages": [{ "role": "system", "content": HARD }, { "role": "user", "content": "hi there" }] }),
            "simple",
        ),
        (json!(HARD), "complex"),
        (json!({ "user": "u1", "query": HARD }), "complex"),
        (json!([HARD]), "complex"),
        (json!({ "messages": ["hi", "there"] }), "simple"),
    ];
    for (case, choice) in cases {
        let questions = json!({ "q": { "type": "choice", "criteria": { "simple": null, "complex": null } } });
        let (status, answer) = judge(&app, case.clone(), questions).await;
        assert_eq!((status, &answer["answers"]["q"]["choice"]), (200, &json!(choice)), "{case}");
    }
    assert_eq!(app.rows().await.len(), 0, "nothing is recorded");
}

#[tokio::test]
async fn a_question_on_anything_else_is_refused_by_name() {
    let (_fleet, app) = app().await;
    let levels: Vec<u8> = (0..11).collect();
    let cases = [
        (
            json!({ "type": "choice", "criteria": { "billing": null, "support": null } }),
            "option `billing` names no tier",
        ),
        (
            json!({ "type": "choice", "criteria": { "easy": null, "simple": null } }),
            "not the only one for the cheap tier",
        ),
        (json!({ "type": "choice", "criteria": {} }), "it has no options"),
        (json!({ "type": "score", "criteria": levels }), "it has 11 levels: at most 10"),
        (json!({ "type": "score", "criteria": [] }), "it has no levels"),
        (json!({ "type": "noul", "instructions": "Is it spam?" }), "its statement names no tier"),
        (json!({ "type": "noul" }), "its statement names no tier"),
    ];
    for (question, why) in cases {
        let (status, answer) = judge(&app, json!("x"), json!({ "q": question })).await;
        assert_eq!((status, &answer["error"]["param"]), (400, &json!("questions.q")), "{question}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.starts_with("question `q`: ") && message.contains(why), "{message}");
    }
    let long = "It needs a frontier model. ".repeat(100_000);
    let (status, _) = judge(&app, json!("x"), json!({ "q": { "type": "noul", "instructions": long } })).await;
    assert_eq!(status, 400);
    for questions in [json!({}), json!([]), json!({ "q": { "type": "box" } }), json!({ "q": { "type": "score" } })] {
        let (status, answer) = judge(&app, json!("x"), questions.clone()).await;
        assert_eq!((status, &answer["error"]["param"]), (400, &json!("questions")), "{questions}");
    }
}

#[tokio::test]
async fn a_text_alone_is_decided_as_the_request_that_holds_it() {
    let (_fleet, app) = app().await;
    let route = async |body: Value| {
        let answer = app.http.post("/v1/route", "application/json", body.to_string()).await;
        (answer.status, answer.json())
    };
    let (status, mut of_text) = route(json!({ "text": HARD })).await;
    assert_eq!((status, &of_text["decision"]), (200, &json!(2)), "{of_text}");
    assert!((sum(&of_text["probabilities"]) - 1.0).abs() < 1e-9);
    let (_, mut of_request) =
        route(json!({ "model": "auto", "messages": [{ "role": "user", "content": HARD }] })).await;
    for answer in [&mut of_text, &mut of_request] {
        answer.as_object_mut().unwrap().remove("classify_ms");
    }
    assert_eq!(of_text, of_request);
    let (_, forced) = route(json!({ "model": "xrouter/cheap", "text": HARD })).await;
    assert_eq!((&forced["decision"], &forced["probabilities"]), (&json!(0), &json!(null)));
    for beside in ["messages", "tools", "reasoning_effort"] {
        let (status, both) = route(json!({ "text": "x", beside: [] })).await;
        assert_eq!((status, &both["error"]["param"]), (400, &json!("text")), "{both}");
    }
    assert_eq!(route(json!({ "text": 7 })).await.0, 400);
}
