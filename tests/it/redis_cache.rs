//! Decisions and conversations in a real Redis, and Redis gone in mid-run.

use xrouter::simulator::{Profile, Reply, Simulator};

use crate::support::{Fleet, TestApp, question, redis_server, soon};

const HARD: &str = "prove that the merge of two replicas converges whatever order the updates come in";
const EASY: &str = "what is the capital of France?";

#[tokio::test]
async fn decisions_are_shared_through_redis_and_a_redis_that_is_gone_is_a_miss() {
    let (mut redis, url) = redis_server();
    let fleet = Fleet::start().await;
    let judge = Simulator::start(Profile::default()).await.unwrap();
    judge.always(Reply::Text("1".to_owned()));
    let toml = fleet.toml(&format!(
        "[classifier]\nbase_url = \"{}\"\nmodel = \"judge\"\nwarmup = false\n[cache]\nredis_url = \"{url}\"\nredis_timeout_ms = 60000\n",
        judge.base_url()
    ));
    let one = TestApp::start(&toml).await;
    let other = TestApp::start(&toml).await;
    // The first question of a router finds no connection yet and only opens one.
    let client = redis::Client::open(url).unwrap();
    let mut direct = client.get_multiplexed_async_connection().await.unwrap();
    soon(async {
        loop {
            one.http.chat(&question("connect")).await;
            other.http.chat(&question("connect")).await;
            let sources = (one.http.chat(&question("connect")).await, other.http.chat(&question("connect")).await);
            if sources.0.route().2 == "cache" && sources.1.route().2 == "cache" {
                break;
            }
        }
    })
    .await;
    let keys: Vec<String> = redis::cmd("KEYS").arg("xrouter:decision:*").query_async(&mut direct).await.unwrap();
    assert_eq!(keys.len(), 1);
    let ttl: i64 = redis::cmd("PTTL").arg(&keys[0]).query_async(&mut direct).await.unwrap();
    assert!((3_000_000..=3_600_000).contains(&ttl), "{ttl}");

    assert_eq!(one.http.chat(&question("shared")).await.route(), ("1", "medium", "llm", "1"));
    assert_eq!(other.http.chat(&question("shared")).await.route(), ("1", "medium", "cache", "1"));

    redis.kill();
    for _ in 0..3 {
        let response = one.http.chat(&question("shared")).await;
        assert_eq!((response.status, response.route()), (200, ("1", "medium", "llm", "1")));
    }
}

#[tokio::test]
async fn routers_share_conversations_through_redis_and_each_keeps_its_own_when_it_is_gone() {
    let (mut redis, url) = redis_server();
    let fleet = Fleet::start().await;
    let toml = fleet.toml(&format!(
        "[session]\nshared = true\ndown_when_cheaper = false\n[cache]\nredis_url = \"{url}\"\nredis_timeout_ms = 60000\n"
    ));
    let one = TestApp::start(&toml).await;
    let other = TestApp::start(&toml).await;
    let named = |name: &str, text: &str| {
        let mut body = question(text);
        body["metadata"] = serde_json::json!({ "session_id": name });
        body
    };
    // The first questions only open the connections.
    soon(async {
        for round in 0.. {
            let name = format!("connect-{round}");
            one.http.chat(&named(&name, HARD)).await;
            if other.http.chat(&named(&name, EASY)).await.route().2 == "session" {
                break;
            }
        }
    })
    .await;
    assert_eq!(other.http.chat(&named("a", EASY)).await.route().1, "cheap");
    assert_eq!(other.http.chat(&named("a", HARD)).await.route().1, "frontier");
    let held = one.http.chat(&named("a", EASY)).await;
    assert_eq!((held.route().1, held.route().2), ("frontier", "session"));

    redis.kill();
    let held = one.http.chat(&named("a", EASY)).await;
    assert_eq!((held.status, held.route().1, held.route().2), (200, "frontier", "session"));
    assert_eq!(one.http.chat(&named("b", EASY)).await.route().1, "cheap");
}
