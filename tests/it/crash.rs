//! SIGKILL under load: the file stays whole, and totals equal the rows.

use futures_util::future::join_all;
use sqlx::{Connection, SqliteConnection};
use xrouter::simulator::{Profile, Simulator};

use crate::support::{Http, Program, question};

#[tokio::test]
async fn a_kill_under_load_loses_at_most_the_last_group_and_corrupts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Simulator::start(Profile::default()).await.unwrap();
    let base = upstream.base_url();
    let toml = format!(
        "[server]\nhost = \"127.0.0.1\"\nport = 0\n[tiers.cheap]\nbase_url = \"{base}\"\nmodel = \"a\"\n\
         [tiers.medium]\nbase_url = \"{base}\"\nmodel = \"b\"\n[tiers.frontier]\nbase_url = \"{base}\"\nmodel = \"c\"\n"
    );
    std::fs::write(folder.path().join("xrouter.toml"), toml).unwrap();
    let mut answered: u64 = 0;
    for round in 0..3 {
        let mut command = Program::xrouter(folder.path());
        command.arg("run");
        let (mut program, line) = Program::start_until(command, |line| line.contains("dashboard"));
        let url = line.split_whitespace().last().unwrap().trim_end_matches("/dashboard").to_owned();
        let http = Http::new(url);
        for batch in 0..4 {
            if batch == 3 {
                // What came before the last group is in the file.
                while http.get("/readyz").await.json()["stored"] != 75 {}
            }
            let requests = (0..25).map(|number| {
                let http = http.clone();
                async move { http.chat(&question(&format!("{round} {batch} {number}"))).await.status }
            });
            answered += join_all(requests).await.into_iter().filter(|status| *status == 200).count() as u64;
        }
        program.kill();
        let (rows, sums) = look(folder.path()).await;
        assert_eq!(rows, sums, "requests, input and output tokens: rows against rollups");
        let lost = answered - u64::try_from(rows.0).unwrap();
        assert!(lost <= 25 * (round + 1), "{lost} of {answered} lost: more than the last group of each round");
    }
}

/// Integrity, and the sums of the rows and of the rollups.
async fn look(folder: &std::path::Path) -> ((i64, i64, i64), (i64, i64, i64)) {
    let url = format!("sqlite://{}", folder.join("xrouter.db").display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    let check: String = sqlx::query_scalar("pragma integrity_check").fetch_one(&mut connection).await.unwrap();
    assert_eq!(check, "ok");
    let vacuum: i64 = sqlx::query_scalar("pragma auto_vacuum").fetch_one(&mut connection).await.unwrap();
    assert_eq!(vacuum, 2, "incremental");
    let rows = sqlx::query_as(
        "select count(*), coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0) from requests",
    );
    let rows = rows.fetch_one(&mut connection).await.unwrap();
    let sums = sqlx::query_as(
        "select coalesce(sum(requests), 0), coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0) from rollup_hour",
    );
    let sums = sums.fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    (rows, sums)
}
