//! SIGKILL under load: what a client has in full is in the history, the file stays whole, and totals equal the rows.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use sqlx::{Connection, SqliteConnection};
use xrouter::simulator::{Profile, Reply, Simulator};

use crate::support::{Http, Program, question, soon, sums_equal_rows};

async fn configure(folder: &Path) -> Simulator {
    let upstream = Simulator::start(Profile::default()).await.unwrap();
    let base = upstream.base_url();
    let toml = format!(
        "[server]\nhost = \"127.0.0.1\"\nport = 0\n[tiers.cheap]\nbase_url = \"{base}\"\nmodel = \"a\"\n\
         [tiers.medium]\nbase_url = \"{base}\"\nmodel = \"b\"\n[tiers.frontier]\nbase_url = \"{base}\"\nmodel = \"c\"\n"
    );
    std::fs::write(folder.join("xrouter.toml"), toml).unwrap();
    upstream
}

fn start(folder: &Path) -> (Program, Http) {
    let mut command = Program::xrouter(folder);
    command.arg("run");
    let (program, line) = Program::start_until(command, |line| line.contains("dashboard"));
    let url = line.split_whitespace().last().unwrap().trim_end_matches("/dashboard").to_owned();
    (program, Http::new(url))
}

#[tokio::test]
async fn every_answer_that_a_client_finished_is_in_the_history_after_twenty_kills_under_load() {
    let folder = tempfile::tempdir().unwrap();
    let _upstream = configure(folder.path()).await;
    let answered: Arc<Mutex<HashSet<String>>> = Arc::default();
    for round in 0..20_u32 {
        let (mut program, http) = start(folder.path());
        let clients: Vec<_> = (0..8)
            .map(|client| {
                let (http, answered) = (http.clone(), answered.clone());
                tokio::spawn(async move {
                    for number in 0.. {
                        let id = format!("{round}-{client}-{number}");
                        let mut body = question(&id);
                        // Streams too, and answers whose tokens have to be counted.
                        body["stream"] = (number % 2 == 0).into();
                        let Some(response) = http.with("x-request-id", &id).try_chat(&body).await else { return };
                        assert_eq!(response.status, 200);
                        let whole = number % 2 == 1 || response.text().ends_with("data: [DONE]\n\n");
                        if whole {
                            answered.lock().unwrap().insert(id);
                        }
                    }
                })
            })
            .collect();
        // At another moment every time: after so many answers, and somewhere within the next one.
        let before = answered.lock().unwrap().len();
        let enough = 20 + usize::try_from(round * 37 % 113).unwrap();
        soon(async {
            while answered.lock().unwrap().len() < before + enough {
                tokio::task::yield_now().await;
            }
        })
        .await;
        program.kill();
        for client in clients {
            client.await.unwrap();
        }
        check(&mut open(folder.path()).await).await;
    }
    // The last journal is brought in by the next start.
    let (mut program, _) = start(folder.path());
    program.interrupt();
    let mut connection = open(folder.path()).await;
    let kept: Vec<String> =
        sqlx::query_scalar("select request_id from requests").fetch_all(&mut connection).await.unwrap();
    let unique: HashSet<&String> = kept.iter().collect();
    assert_eq!(unique.len(), kept.len(), "no row is there twice");
    let answered = std::mem::take(&mut *answered.lock().unwrap());
    let lost: Vec<&String> = answered.iter().filter(|id| !unique.contains(id)).collect();
    assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), answered.len());
    let open: Vec<String> = sqlx::query_scalar(
        "select request_id from requests where error_type_id = (select id from names where name = 'interrupted')",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert!(open.iter().all(|id| !answered.contains(id)), "what was finished is not called interrupted");
    check(&mut connection).await;
    let left: i64 = sqlx::query_scalar("select count(*) from in_flight").fetch_one(&mut connection).await.unwrap();
    assert_eq!(left, 0);
    assert!(journals(folder.path()).is_empty(), "{:?}", journals(folder.path()));
}

#[tokio::test]
async fn a_request_under_way_at_a_kill_is_closed_as_interrupted_by_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = configure(folder.path()).await;
    let (mut program, http) = start(folder.path());
    upstream.next(Reply::StallAfter(3));
    let mut body = question("hang on");
    body["stream"] = true.into();
    let mut response = http.with("x-request-id", "hanging").open(&body).await;
    response.chunk().await.unwrap();
    // It can be seen while it is under way.
    let under_way = soon(async {
        loop {
            let seen = http.get("/requests/hanging").await;
            if seen.status == 200 {
                break seen.json();
            }
        }
    })
    .await;
    assert_eq!(under_way["request"]["status"], serde_json::Value::Null);
    assert!(under_way["explanation"].to_string().contains("under way"), "{under_way}");
    program.kill();
    let (mut program, http) = start(folder.path());
    let row = http.get("/requests/hanging").await.json()["request"].clone();
    assert_eq!((row["error_type"].as_str(), row["status"].as_i64()), (Some("interrupted"), None), "{row}");
    assert_eq!((row["duration_ms"].as_f64(), row["cost_usd"].as_f64()), (None, None), "unknown is not 0");
    let ready = http.get("/readyz").await.json();
    assert_eq!((ready["served"].as_u64(), ready["stored"].as_u64()), (Some(1), Some(1)), "{ready}");
    program.interrupt();
    check(&mut open(folder.path()).await).await;
}

/// The journal's files beside the history.
fn journals(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains(".pending-")).collect()
}

async fn open(folder: &Path) -> SqliteConnection {
    SqliteConnection::connect(&format!("sqlite://{}", folder.join("xrouter.db").display())).await.unwrap()
}

/// Integrity, and that every rollup is the sum of its rows.
async fn check(connection: &mut SqliteConnection) {
    let check: String = sqlx::query_scalar("pragma integrity_check").fetch_one(&mut *connection).await.unwrap();
    assert_eq!(check, "ok");
    let vacuum: i64 = sqlx::query_scalar("pragma auto_vacuum").fetch_one(&mut *connection).await.unwrap();
    assert_eq!(vacuum, 2, "incremental");
    sums_equal_rows(connection).await;
}
