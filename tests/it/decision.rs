//! Which step decides: forced, disabled, cache, embedded.

use serde_json::json;

use crate::support::{Fleet, TestApp, question};

const HARD: &str = "Prove rigorously that the lock-free queue keeps its invariant under concurrent updates, derive the \
                    asymptotic cost, and explain every trade-off of the distributed design in depth.";

#[tokio::test]
async fn a_client_that_names_a_tier_gets_it() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    for (model, decision, tier) in
        [("xrouter/cheap", "0", "cheap"), ("medium", "1", "medium"), ("xrouter/frontier", "2", "frontier")]
    {
        let mut body = question(HARD);
        body["model"] = json!(model);
        assert_eq!(app.http.chat(&body).await.route(), (decision, tier, "forced", "1"), "{model}");
    }
    let response = app.http.with("x-xrouter-tier", "frontier").chat(&question("hi")).await;
    assert_eq!(response.route(), ("2", "frontier", "forced", "1"));
    let wrong = app.http.with("x-xrouter-tier", "huge").chat(&question("hi")).await;
    assert_eq!((wrong.status, wrong.json()["error"]["param"].as_str()), (400, Some("X-Xrouter-Tier")));
    let mut body = question("hi");
    body["model"] = json!("auto:best");
    let wrong = app.http.chat(&body).await;
    assert_eq!((wrong.status, wrong.json()["error"]["param"].as_str()), (400, Some("model")));
    assert!(wrong.text().contains("auto:save, auto:balanced, auto:quality"), "{}", wrong.text());
}

#[tokio::test]
async fn easy_goes_cheap_and_hard_goes_to_the_frontier_in_both_languages() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    for text in ["hi", "Thanks!", "What's the weather like?", "你好", "谢谢，再见"] {
        assert_eq!(app.http.chat(&question(text)).await.route(), ("0", "cheap", "embedded", "1"), "{text}");
    }
    for text in [HARD, "请严格证明该分布式一致性算法在网络分区下的安全性，推导其复杂度，并分析每个设计的权衡。"]
    {
        assert_eq!(app.http.chat(&question(text)).await.route(), ("2", "frontier", "embedded", "1"), "{text}");
    }
}

#[tokio::test]
async fn a_long_harness_around_an_easy_question_does_not_make_it_hard() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    let tool =
        json!({ "type": "function", "function": { "name": "prove_theorem", "parameters": { "type": "object" } } });
    let body = json!({
        "model": "auto",
        "messages": [
            { "role": "system", "content": HARD.repeat(50) },
            { "role": "user", "content": "good morning" },
            { "role": "user", "content": [{ "type": "text", "text": format!("<<<BEGIN_OPENCLAW_INTERNAL_CONTEXT>>>\n{HARD}") }] },
        ],
        "tools": vec![tool; 32],
    });
    assert_eq!(app.http.chat(&body).await.route(), ("0", "cheap", "embedded", "1"));
}

#[tokio::test]
async fn the_same_input_is_decided_once() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    assert_eq!(app.http.chat(&question(HARD)).await.route(), ("2", "frontier", "embedded", "1"));
    assert_eq!(app.http.chat(&question(HARD)).await.route(), ("2", "frontier", "cache", "1"));
    let rows = app.rows().await;
    assert_eq!((rows[1].score, &rows[1].reason), (rows[0].score, &rows[0].reason), "and for the same reason");
    let off = TestApp::start(&fleet.toml("[cache]\nenabled = false")).await;
    for _ in 0..2 {
        assert_eq!(off.http.chat(&question(HARD)).await.route().2, "embedded");
    }
}

#[tokio::test]
async fn without_a_classifier_everything_goes_to_the_frontier_which_alone_is_configured() {
    let fleet = Fleet::start().await;
    let toml = format!(
        "[classifier]\nkind = \"off\"\n[tiers.frontier]\nbase_url = \"{}\"\nmodel = \"large\"",
        fleet.frontier.base_url()
    );
    let app = TestApp::start(&toml).await;
    assert_eq!(app.http.chat(&question("hi")).await.route(), ("2", "frontier", "disabled", "1"));
    let mut body = question("hi");
    body["model"] = json!("cheap");
    assert_eq!(app.http.chat(&body).await.route(), ("0", "frontier", "forced", "1"), "there is no cheap tier to use");
}

/// A workflow's template of a kind that no list of forms knows, with much in it that sounds hard.
fn templated(request: &str) -> String {
    format!(
        "Tidewater Pumps keeps a fleet of 400 distributed controllers with a consensus protocol of our own.\n\
         Whoever writes here proves liveness of the protocol and derives bounds under partition for a living.\n\
         Lock-free queues, invariants and asymptotic cost are what these people talk about all day.\n\
         They wrote to the canteen's desk:\n{request}"
    )
}

#[tokio::test]
async fn what_a_keys_requests_repeat_is_learnt_and_left_out() {
    let fleet = Fleet::start().await;
    let tier_of_the_last = async |more: &str| {
        let app = TestApp::start(&fleet.toml(more)).await;
        for request in ["thanks!", "what is for lunch today?", "is there soup?", "may I pay by card?"] {
            app.http.chat(&question(&templated(request))).await;
        }
        let body = question(&templated("good morning"));
        let preview = app.http.post("/v1/route", "application/json", body.to_string()).await;
        let answer = app.http.chat(&body).await;
        let tier = answer.route().1.to_owned();
        assert_eq!(preview.json()["decision"].to_string(), answer.route().0, "{}", preview.text());
        (tier, app.rows().await.last().and_then(|row| row.features.text_chars))
    };
    let (tier, chars) = tier_of_the_last("").await;
    assert_eq!((tier.as_str(), chars), ("cheap", Some(46)));
    let (tier, chars) = tier_of_the_last("[classifier]\nlearn_templates = false\n").await;
    assert_ne!(tier, "cheap");
    assert!(chars > Some(200), "{chars:?}");
}
