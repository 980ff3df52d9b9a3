//! Conversations keep their tier.

use serde_json::{Value, json};

use crate::support::{Fleet, TestApp};

const HARD: &str = "prove that the merge of two replicas converges whatever order the updates come in";

/// Conversations do not go down, even where that is cheaper.
const STAY: &str = "[session]\ndown_when_cheaper = false\n";

/// A request whose conversation is made of these turns, a person's and the model's in turn.
fn conversation(turns: &[&str]) -> Value {
    let messages: Vec<Value> = turns
        .iter()
        .enumerate()
        .map(|(at, text)| json!({ "role": if at % 2 == 0 { "user" } else { "assistant" }, "content": text }))
        .collect();
    json!({ "model": "auto", "messages": messages })
}

#[tokio::test]
async fn a_conversation_goes_up_at_once_and_stays() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml(STAY)).await;
    let mut turns = vec!["what is the capital of France?"];
    assert_eq!(app.http.chat(&conversation(&turns)).await.route().1, "cheap");
    turns.extend(["Paris.", HARD]);
    assert_eq!(app.http.chat(&conversation(&turns)).await.route().1, "frontier");
    turns.extend(["Take two updates.", "and what is the capital of Spain?"]);
    let route = app.http.chat(&conversation(&turns)).await;
    assert_eq!((route.route().1, route.route().2), ("frontier", "session"));
    // Another conversation is not held by it.
    let other = conversation(&["and what is the capital of Spain?"]);
    assert_eq!(app.http.chat(&other).await.route().1, "cheap");
}

#[tokio::test]
async fn it_goes_down_where_the_provider_has_nothing_cached_and_the_tier_below_costs_less() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    assert_eq!(app.http.chat(&conversation(&[HARD])).await.route().1, "frontier");
    let easy = conversation(&[HARD, "Done.", "and what is the capital of Spain?"]);
    assert_eq!(app.http.chat(&easy).await.route().1, "cheap");
    let rows = app.rows().await;
    assert!(rows[1].reason.as_deref().unwrap().starts_with("cheaper than frontier"), "{:?}", rows[1].reason);
}

#[tokio::test]
async fn a_tool_loop_of_thirty_steps_never_switches() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    let mut body = conversation(&[HARD]);
    assert_eq!(app.http.chat(&body).await.route().1, "frontier");
    for step in 0..30 {
        let messages = body["messages"].as_array_mut().unwrap();
        let call =
            json!({ "id": format!("c{step}"), "type": "function", "function": { "name": "sh", "arguments": "{}" } });
        messages.push(json!({ "role": "assistant", "content": null, "tool_calls": [call] }));
        messages.push(json!({ "role": "tool", "tool_call_id": format!("c{step}"), "content": "hello" }));
        let response = app.http.chat(&body).await;
        assert_eq!((response.route().1, response.route().2), ("frontier", "session"), "step {step}");
    }
}

#[tokio::test]
async fn a_tool_loop_that_fails_again_and_again_goes_up_a_tier_and_a_person_takes_it_down() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    let mut body = conversation(&["rename the file notes.txt to old.txt"]);
    assert_eq!(app.http.chat(&body).await.route().1, "cheap");
    let steps = [
        ("mv: cannot stat 'notes.txt': No such file or directory", "cheap"),
        ("readme.md", "cheap"),
        ("mv: cannot stat 'notes.txt': No such file or directory", "medium"),
        ("readme.md", "medium"),
        ("mv: cannot stat 'notes.txt': No such file or directory", "medium"),
        ("mv: cannot stat 'notes.txt': No such file or directory", "frontier"),
        ("done", "frontier"),
    ];
    for (step, (result, tier)) in steps.into_iter().enumerate() {
        let messages = body["messages"].as_array_mut().unwrap();
        let id = format!("c{step}");
        let call = json!({ "id": id, "type": "function", "function": { "name": "sh", "arguments": "{}" } });
        messages.push(json!({ "role": "assistant", "content": null, "tool_calls": [call] }));
        messages.push(json!({ "role": "tool", "tool_call_id": id, "content": result }));
        let response = app.http.chat(&body).await;
        assert_eq!((response.route().1, response.route().2), (tier, "session"), "step {step}");
    }
    let rows = app.rows().await;
    assert_eq!(rows[3].reason.as_deref(), Some("a tool loop that fails again and again goes up from cheap"));
    let messages = body["messages"].as_array_mut().unwrap();
    messages.push(json!({ "role": "assistant", "content": "It is renamed." }));
    messages.push(json!({ "role": "user", "content": "thanks" }));
    assert_eq!(app.http.chat(&body).await.route().1, "cheap");
}

#[tokio::test]
async fn a_loop_goes_up_once_however_often_its_step_is_sent_and_not_past_a_bound_of_ones_own() {
    let fleet = Fleet::start().await;
    let failing = || {
        let mut body = conversation(&["rename the file notes.txt to old.txt"]);
        let messages = body["messages"].as_array_mut().unwrap();
        for step in 0..2 {
            let call = json!({ "id": format!("c{step}"), "type": "function", "function": { "name": "sh", "arguments": "{}" } });
            messages.push(json!({ "role": "assistant", "content": null, "tool_calls": [call] }));
            let result = "mv: cannot stat 'notes.txt': No such file or directory";
            messages.push(json!({ "role": "tool", "tool_call_id": format!("c{step}"), "content": result }));
        }
        body
    };
    let bound = "[[classifier.rules]]\nname = \"small\"\nat_most = \"cheap\"\n";
    for (more, tier) in [("", "medium"), (bound, "cheap")] {
        let app = TestApp::start(&fleet.toml(more)).await;
        assert_eq!(app.http.chat(&conversation(&["rename the file notes.txt to old.txt"])).await.route().1, "cheap");
        for _ in 0..3 {
            assert_eq!(app.http.chat(&failing()).await.route().1, tier, "{more}");
        }
    }
}

/// Agents put the time into their system message.
#[tokio::test]
async fn a_clock_in_the_system_message_begins_no_new_conversation() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml(STAY)).await;
    let with_clock = |clock: &str, turns: &[&str]| {
        let mut body = conversation(turns);
        let system = json!({ "role": "system", "content": format!("You are an agent. Now: {clock}.") });
        body["messages"].as_array_mut().unwrap().insert(0, system);
        body
    };
    assert_eq!(app.http.chat(&with_clock("2026-11-30T09:05:59Z", &[HARD])).await.route().1, "frontier");
    let next = with_clock("2026-11-30T10:6:1Z", &[HARD, "Take two updates.", "and what is the capital of Spain?"]);
    assert_eq!(app.http.chat(&next).await.route().2, "session");
}

#[tokio::test]
async fn a_named_conversation_is_known_by_its_name() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml(STAY)).await;
    for (field, name) in [("metadata", json!({ "session_id": "a" })), ("metadata", json!({ "session_id": "b" }))] {
        let mut hard = conversation(&[HARD]);
        hard[field] = name.clone();
        assert_eq!(app.http.chat(&hard).await.route().1, "frontier");
        let mut easy = conversation(&["what is the capital of France?"]);
        easy[field] = name;
        assert_eq!(app.http.chat(&easy).await.route().2, "session", "{field}");
    }
    let rows = app.rows().await;
    assert_eq!(rows.iter().filter_map(|row| row.session.as_deref()).collect::<Vec<_>>(), ["a", "a", "b", "b"]);
}

#[tokio::test]
async fn conversations_that_share_a_cache_key_or_a_greeting_are_not_one() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml(STAY)).await;
    let with_key = |turns: &[&str]| {
        let mut body = conversation(turns);
        body["prompt_cache_key"] = json!("app");
        body
    };
    assert_eq!(app.http.chat(&with_key(&[HARD])).await.route().1, "frontier");
    let other = with_key(&["list the files", "a, b", "which is the newest?"]);
    assert_eq!(app.http.chat(&other).await.route().1, "cheap");
    let greeting = conversation(&["hi", "Hello!", HARD]);
    assert_eq!(app.http.chat(&greeting).await.route().1, "frontier");
    assert_eq!(app.http.chat(&conversation(&["hi"])).await.route().1, "cheap");
    // Nor does the new one take the tier away from the other's tool loop.
    let mut step = greeting;
    let messages = step["messages"].as_array_mut().unwrap();
    let call = json!({ "id": "c", "type": "function", "function": { "name": "sh", "arguments": "{}" } });
    messages.push(json!({ "role": "assistant", "content": null, "tool_calls": [call] }));
    messages.push(json!({ "role": "tool", "tool_call_id": "c", "content": "hello" }));
    let response = app.http.chat(&step).await;
    assert_eq!((response.route().1, response.route().2), ("frontier", "session"));
}

#[tokio::test]
async fn conversations_can_be_left_alone() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("[session]\nenabled = false\n")).await;
    assert_eq!(app.http.chat(&conversation(&[HARD])).await.route().1, "frontier");
    let easy = conversation(&[HARD, "Done.", "what is the capital of France?"]);
    assert_eq!(app.http.chat(&easy).await.route().1, "cheap");
}

#[tokio::test]
async fn an_outage_is_passed_by_and_the_conversation_comes_back() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    let easy = conversation(&["what is the capital of France?"]);
    assert_eq!(app.http.chat(&easy).await.route().1, "cheap");
    fleet.cheap.next(xrouter::simulator::Reply::error(500, "down"));
    assert_eq!(app.http.chat(&easy).await.route().1, "medium");
    assert_eq!(app.http.chat(&easy).await.route().1, "cheap");
}

#[tokio::test]
async fn a_conversation_is_known_by_its_clients_own_header_and_a_sub_agent_has_one_of_its_own() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml(STAY)).await;
    let main = app.http.with("session-id", "s-1").with("thread-id", "s-1");
    let helper = app.http.with("session-id", "s-1").with("thread-id", "t-2");
    let easy = conversation(&["and what is the capital of Spain?"]);
    assert_eq!(main.chat(&conversation(&[HARD])).await.route().1, "frontier");
    assert_eq!(helper.chat(&easy).await.route().1, "cheap", "a sub-agent is not held by its parent");
    assert_eq!(main.chat(&easy).await.route().1, "frontier", "and does not move it");
    let rows = app.rows().await;
    let told: Vec<_> = rows.iter().map(|row| (row.session.as_deref(), row.agent.as_deref())).collect();
    assert_eq!(told, [(Some("s-1"), None), (Some("s-1"), Some("t-2")), (Some("s-1"), None)]);
}
