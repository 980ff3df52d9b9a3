//! The end of the process: nothing is lost, and nothing makes it wait for ever.

use std::path::Path;

use sqlx::{Connection, SqliteConnection};
use xrouter::simulator::Reply;

use crate::support::{Fleet, Http, Program, TestApp, question, soon};

async fn open(folder: &Path) -> SqliteConnection {
    SqliteConnection::connect(&format!("sqlite://{}", folder.join("xrouter.db").display())).await.unwrap()
}

#[tokio::test]
async fn a_stream_that_is_cut_off_by_the_end_is_in_the_history() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    fleet.cheap.next(Reply::StallAfter(3));
    let mut body = question("hi");
    body["stream"] = true.into();
    let response = app.http.open(&body).await;
    let folder = app.stop().await;
    drop(response);
    let mut connection = open(folder.path()).await;
    let rows: Vec<(i64, i64)> =
        sqlx::query_as("select status, stream from requests").fetch_all(&mut connection).await.unwrap();
    assert_eq!(rows, [(499, 1)]);
}

#[tokio::test]
async fn a_locked_history_makes_nobody_wait_and_does_not_keep_the_process_from_ending() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    assert_eq!(app.http.chat(&question("before")).await.status, 200);
    app.stored(1).await;
    let mut lock = SqliteConnection::connect(&format!("sqlite://{}", app.store.path().display())).await.unwrap();
    sqlx::query("begin immediate").execute(&mut lock).await.unwrap();
    assert_eq!(app.http.chat(&question("while it is locked")).await.status, 200);
    let mut state = app.store.state();
    soon(state.wait_for(|state| state.stalled.is_some())).await.unwrap();
    let ready = app.http.get("/readyz").await;
    assert_eq!((ready.status, ready.json()["ready"].as_bool()), (503, Some(false)));
    app.stop().await;
}

#[tokio::test]
async fn rows_that_waited_for_a_lock_are_written_once_it_is_gone() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    let mut lock = SqliteConnection::connect(&format!("sqlite://{}", app.store.path().display())).await.unwrap();
    sqlx::query("begin immediate").execute(&mut lock).await.unwrap();
    assert_eq!(app.http.chat(&question("hi")).await.status, 200);
    soon(app.store.state().wait_for(|state| state.stalled.is_some())).await.unwrap();
    sqlx::query("rollback").execute(&mut lock).await.unwrap();
    app.stored(1).await;
    assert_eq!(app.http.get("/readyz").await.status, 200);
    assert_eq!(app.row().await.status, Some(200));
}

#[tokio::test]
async fn a_full_disk_keeps_rows_waiting_and_fails_no_request() {
    let fleet = Fleet::start().await;
    let folder = tempfile::tempdir().unwrap();
    let toml = fleet.toml("[server]\nhost = \"127.0.0.1\"\nport = 0");
    std::fs::write(folder.path().join("xrouter.toml"), toml).unwrap();
    let mut command = Program::clean("sh", folder.path());
    // No file may grow past 1000 blocks of 512 bytes; the signal that would end the process is ignored.
    command.args(["-c", "ulimit -f 1000; trap '' XFSZ; exec \"$0\" run", Program::XROUTER]);
    let (_program, line) = Program::start_until(command, |line| line.contains("dashboard"));
    let http = Http::new(line.split_whitespace().last().unwrap().trim_end_matches("/dashboard").to_owned());
    let mut ready = http.get("/readyz").await;
    for number in 0..2000 {
        if ready.status == 503 {
            break;
        }
        assert_eq!(http.chat(&question(&format!("{number} {}", "x".repeat(50)))).await.status, 200);
        ready = http.get("/readyz").await;
    }
    assert_eq!(ready.status, 503, "the disk is full by now");
    for _ in 0..20 {
        assert_eq!(http.chat(&question("hi")).await.status, 200);
    }
    let ready = http.get("/readyz").await.json();
    let figure = |name: &str| ready[name].as_u64().unwrap();
    assert_eq!(figure("dropped"), 0, "rows wait");
    assert_eq!(figure("served"), figure("stored") + figure("queued") + figure("spilled"), "{ready}");
}
