//! Pages, periods and care of the history, against plain SQL over the rows.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
use tempfile::TempDir;
use xrouter::catalog::{NanoUsd, Source, Tier};
use xrouter::protocol::Timestamp;
use xrouter::simulator::Reply;
use xrouter::store::{self, Filter, GroupBy, Period, StatusFilter, Store, TierFilter};

use crate::support::{Fleet, Http, Program, TestApp, question, soon, sums_equal_rows};

/// A history of so many made-up requests over so many days.
async fn seeded(rows: u64, days: u32) -> (TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("xrouter.db");
    store::seed(&path, rows, days, 3, |_| {}).await.unwrap();
    (folder, path)
}

async fn outside(path: &Path) -> SqliteConnection {
    SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap()
}

async fn number(connection: &mut SqliteConnection, statement: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(statement)).fetch_one(connection).await.unwrap()
}

/// All rows that a filter lets through, page by page.
async fn walk(store: &Store, filter: &Filter, limit: u32) -> Vec<i64> {
    let (mut ids, mut before) = (Vec::new(), None);
    loop {
        let page = store.page(filter, before, limit).await.unwrap();
        assert!(page.rows.len() <= limit as usize);
        ids.extend(page.rows.iter().map(|row| row.id));
        match page.next {
            Some(next) => before = Some(next),
            None => return ids,
        }
    }
}

#[tokio::test]
async fn every_filter_finds_exactly_the_rows_that_plain_sql_finds() {
    let (_folder, path) = seeded(20_000, 30).await;
    let store = Store::reading(&path).await.unwrap();
    let mut connection = outside(&path).await;
    let session: String =
        sqlx::query_scalar("select session from sessions where requests > 3 order by id limit 1 offset 40")
            .fetch_one(&mut connection)
            .await
            .unwrap();
    let day = 86_400_000;
    let middle = Timestamp(Timestamp::now().0 - 12 * day);
    let text = |text: &str| Some(text.to_owned());
    let name = |column: &str, value: &str| format!("{column} = (select id from names where name = '{value}')");
    let any = Filter::default();
    let cases: Vec<(Filter, String)> = vec![
        (any.clone(), "true".to_owned()),
        (Filter { tier: Some(TierFilter::Is(Tier::Frontier)), ..any.clone() }, "tier = 2".to_owned()),
        (Filter { tier: Some(TierFilter::None), ..any.clone() }, "tier is null".to_owned()),
        (Filter { upstream: text("lab"), ..any.clone() }, name("upstream_id", "lab")),
        (Filter { model: text("gpt-5.6"), ..any.clone() }, name("selected_model_id", "gpt-5.6")),
        (Filter { key: text("research"), ..any.clone() }, name("key_id", "research")),
        (Filter { source: Some(Source::Forced), ..any.clone() }, name("source_id", "forced")),
        (Filter { status: Some(StatusFilter::Is(504)), ..any.clone() }, "status = 504".to_owned()),
        (Filter { status: Some(StatusFilter::Class(4)), ..any.clone() }, "status between 400 and 499".to_owned()),
        (Filter { status: Some(StatusFilter::Unknown), ..any.clone() }, "status is null".to_owned()),
        (Filter { error_type: text("interrupted"), ..any.clone() }, name("error_type_id", "interrupted")),
        (
            Filter { session: Some(session.clone()), ..any.clone() },
            format!("session_id = (select id from sessions where session = '{session}')"),
        ),
        (Filter { min_tokens: Some(20_000), ..any.clone() }, "input_tokens + output_tokens >= 20000".to_owned()),
        (Filter { min_tokens: Some(0), ..any.clone() }, "true".to_owned()),
        (Filter { min_cost: Some(NanoUsd(150_000_000)), ..any.clone() }, "cost_nanos >= 150000000".to_owned()),
        (Filter { min_duration_us: Some(60_000_000), ..any.clone() }, "duration_us >= 60000000".to_owned()),
        (
            Filter { period: Period { from: Some(middle), to: Some(Timestamp(middle.0 + day)) }, ..any.clone() },
            format!("created_at_ms >= {} and created_at_ms < {}", middle.0, middle.0 + day),
        ),
        (Filter { model: text("nobody has this"), ..any.clone() }, "false".to_owned()),
        (
            Filter {
                key: text("ci"),
                tier: Some(TierFilter::Is(Tier::Cheap)),
                min_duration_us: Some(5_000_000),
                period: Period { from: Some(middle), to: None },
                ..any.clone()
            },
            format!(
                "{} and tier = 0 and duration_us >= 5000000 and created_at_ms >= {}",
                name("key_id", "ci"),
                middle.0
            ),
        ),
    ];
    let mut found = 0;
    for (filter, condition) in cases {
        let statement = format!("select id from requests where {condition} order by id desc");
        let expected: Vec<i64> = sqlx::query_scalar(AssertSqlSafe(statement)).fetch_all(&mut connection).await.unwrap();
        for limit in [7, 1_000] {
            let walked =
                if limit == 7 && expected.len() > 2_000 { continue } else { walk(&store, &filter, limit).await };
            assert_eq!(walked, expected, "{filter:?} by {limit}");
        }
        found += usize::from(!expected.is_empty());
    }
    assert!(found >= 14, "only {found} cases have rows");
}

#[tokio::test]
async fn any_period_and_grouping_adds_up_to_its_rows() {
    let (_folder, path) = seeded(6_000, 9).await;
    let store = Store::reading(&path).await.unwrap();
    let mut connection = outside(&path).await;
    let now = Timestamp::now().0;
    let mut state = 5_u64;
    let mut draw = |below: i64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(state >> 33).unwrap() % below
    };
    let groups: [&[GroupBy]; 8] = [
        &[GroupBy::Tier],
        &[GroupBy::Model],
        &[GroupBy::Key, GroupBy::Day],
        &[GroupBy::Hour],
        &[GroupBy::Month, GroupBy::Upstream],
        &[GroupBy::Source],
        &[GroupBy::Tier, GroupBy::Model, GroupBy::Key],
        &[GroupBy::Hour, GroupBy::Source],
    ];
    for round in 0..40 {
        let from = now - draw(9 * 86_400_000);
        let to = from + draw(4 * 86_400_000);
        let period = match round % 4 {
            0 => Period { from: Some(Timestamp(from)), to: None },
            1 => Period { from: None, to: Some(Timestamp(to)) },
            _ => Period { from: Some(Timestamp(from)), to: Some(Timestamp(to)) },
        };
        let within = format!(
            "created_at_ms >= {} and created_at_ms < {}",
            period.from.map_or(i64::MIN, |time| time.0),
            period.to.map_or(i64::MAX, |time| time.0)
        );
        let by = groups[round % groups.len()];
        let figures = store.usage_by(period, by).await.unwrap();
        assert_eq!(figures.period, period, "no edge moves as long as the rows are kept");
        let grouped: BTreeMap<Vec<Option<String>>, [i64; 5]> = figures
            .figures
            .groups
            .iter()
            .map(|group| {
                let sums = &group.totals;
                let figures =
                    [sums.requests, sums.input_tokens, sums.cost.0, sums.duration.count(), sums.estimated_requests];
                (group.keys.clone(), figures)
            })
            .collect();
        let key = |group: &GroupBy| match group {
            GroupBy::Tier => "case tier when 0 then 'cheap' when 1 then 'medium' when 2 then 'frontier' end",
            GroupBy::Model => "(select name from names where id = selected_model_id)",
            GroupBy::Upstream => "(select name from names where id = upstream_id)",
            GroupBy::Key => "(select name from names where id = key_id)",
            GroupBy::Source => "(select name from names where id = source_id)",
            GroupBy::Hour => "strftime('%Y-%m-%dT%H:00:00Z', created_at_ms / 1000, 'unixepoch')",
            GroupBy::Day => "strftime('%Y-%m-%d', created_at_ms / 1000, 'unixepoch')",
            GroupBy::Month => "strftime('%Y-%m', created_at_ms / 1000, 'unixepoch')",
        };
        let keys: Vec<&str> = by.iter().map(key).collect();
        let statement = format!(
            "select {}, count(*), coalesce(sum(input_tokens), 0), coalesce(sum(cost_nanos), 0), count(duration_us),
             sum(usage_source = 2) from requests where {within} group by {}",
            keys.join(", "),
            (1..=keys.len()).map(|index| index.to_string()).collect::<Vec<_>>().join(", ")
        );
        let rows = sqlx::query(AssertSqlSafe(statement)).fetch_all(&mut connection).await.unwrap();
        let expected: BTreeMap<Vec<Option<String>>, [i64; 5]> = rows
            .iter()
            .map(|row| {
                use sqlx::Row as _;
                let keys = (0..by.len()).map(|index| row.get(index)).collect();
                let figure = |index: usize| row.get(by.len() + index);
                (keys, [figure(0), figure(1), figure(2), figure(3), figure(4)])
            })
            .collect();
        assert_eq!(grouped, expected, "{period:?} {by:?}");
        let tiers = store.usage_by_tier(period).await.unwrap().figures;
        assert_eq!(tiers.total.requests, expected.values().map(|sums| sums[0]).sum::<i64>());
    }
}

#[tokio::test]
async fn pruning_takes_what_is_too_old_and_nothing_else_and_the_file_shrinks() {
    let (_folder, path) = seeded(40_000, 60).await;
    let mut connection = outside(&path).await;
    sums_equal_rows_of_hours(&mut connection).await;
    // Whole minutes go, as sums by minute do.
    let too_old = || (Timestamp::now().0 - 20 * 86_400_000) / 60_000 * 60_000;
    let cutoff = too_old();
    let hours = number(&mut connection, "select sum(requests) from rollup_hour").await;
    let young = format!("select created_at_ms from requests where created_at_ms >= {cutoff}");
    let young: Vec<i64> = sqlx::query_scalar(AssertSqlSafe(young)).fetch_all(&mut connection).await.unwrap();
    let kept = i64::try_from(young.len()).unwrap();
    let size = std::fs::metadata(&path).unwrap().len();
    let mut steps = 0;
    let pruned = store::prune(&path, 20, 3, |_| steps += 1).await.unwrap();
    assert!(steps > 20, "in small steps: {steps}");
    let left = number(&mut connection, "select count(*) from requests").await;
    assert_eq!(i64::try_from(pruned.rows).unwrap(), 40_000 - left);
    // Its own clock is read after ours: what has grown too old in between may be gone as well.
    let grown = |until: i64| i64::try_from(young.iter().filter(|time| **time < until).count()).unwrap();
    assert!((kept - grown(too_old())..=kept).contains(&left), "{left} rows are left, {kept} were to be kept");
    assert!(number(&mut connection, "select min(created_at_ms) from requests").await >= cutoff);
    assert_eq!(number(&mut connection, "select sum(requests) from rollup_hour").await, hours, "hours stay for ever");
    let orphans = "select (select count(*) from marks where zone not in (select zone from zones))
        + (select count(*) from attempts where request not in (select id from requests))
        + (select count(*) from sessions s where not exists (select 1 from requests where session_id = s.id) and last_ms < ";
    assert_eq!(number(&mut connection, &format!("{orphans}{cutoff})")).await, 0);
    sqlx::query("pragma wal_checkpoint(truncate)").execute(&mut connection).await.unwrap();
    let smaller = std::fs::metadata(&path).unwrap().len();
    assert!(smaller < size * 9 / 10, "{smaller} of {size} bytes");
    let again = i64::try_from(store::prune(&path, 20, 3, |_| {}).await.unwrap().rows).unwrap();
    assert!(again <= grown(too_old()), "nothing is left to do: {again}");
    let stats = store::stats(&path).await.unwrap();
    assert_eq!((stats.requests, stats.rows), (40_000, left - again));
    // What an hour that was cut can no longer tell from rows is told by the whole hour, and said.
    let store = Store::reading(&path).await.unwrap();
    let from = Timestamp(cutoff - 10 * 86_400_000 + 1_234_567);
    let figures = store.usage_by_tier(Period { from: Some(from), to: None }).await.unwrap();
    let told = figures.period.from.unwrap();
    assert!(told.0 % 3_600_000 == 0 && told <= from, "{told} for {from}");
    let expected = format!("select sum(requests) from rollup_hour where begin_ms >= {}", told.0);
    let sum = figures.figures.total.requests;
    assert_eq!(sum, number(&mut connection, &expected).await);
    assert!(walk(&store, &Filter { key: Some("ci".to_owned()), ..Filter::default() }, 500).await.len() > 100);
}

/// Rows older than the minutes that are kept have none: what is longer must be right all the same.
async fn sums_equal_rows_of_hours(connection: &mut SqliteConnection) {
    let hours = number(connection, "select sum(requests) from rollup_hour").await;
    assert_eq!(hours, number(connection, "select count(*) from requests").await);
}

#[tokio::test]
async fn thresholds_are_learnt_from_the_scores_of_the_history() {
    let (folder, _path) = seeded(1_000, 1).await;
    let fleet = Fleet::start().await;
    let share = "[classifier]\ntarget_share = { cheap = 0.0, medium = 0.0, frontier = 1.0 }\n";
    let toml = fleet.toml(&format!("[server]\nhost = \"127.0.0.1\"\nport = 0\n{share}"));
    std::fs::write(folder.path().join("xrouter.toml"), toml).unwrap();
    let mut command = Program::xrouter(folder.path());
    command.arg("run");
    let (mut program, line) = Program::start_until(command, |line| line.contains("dashboard"));
    let http = Http::new(line.split_whitespace().last().unwrap().trim_end_matches("/dashboard").to_owned());
    // The thresholds go down.
    soon(async {
        loop {
            let body = question("which day is it").to_string();
            let route = http.post("/v1/route", "application/json", body).await.json();
            if route["decision"] == 2 {
                break;
            }
            assert_eq!(route["decision"], 0);
        }
    })
    .await;
    assert_eq!(program.interrupt(), Some(130));
}

#[tokio::test]
async fn a_router_prunes_by_itself_while_it_serves() {
    let (folder, path) = seeded(3_000, 40).await;
    let fleet = Fleet::start().await;
    let toml = fleet.toml("[server]\nhost = \"127.0.0.1\"\nport = 0\n[store]\nkeep_days = 10");
    std::fs::write(folder.path().join("xrouter.toml"), toml).unwrap();
    let mut command = Program::xrouter(folder.path());
    command.arg("run");
    let (mut program, line) = Program::start_until(command, |line| line.contains("dashboard"));
    let http = Http::new(line.split_whitespace().last().unwrap().trim_end_matches("/dashboard").to_owned());
    let old = format!("/requests?limit=1&to={}", Timestamp(Timestamp::now().0 - 10 * 86_400_000));
    // The old rows go.
    soon(async {
        loop {
            assert_eq!(http.chat(&question("hi")).await.status, 200);
            if http.get(&old).await.json()["requests"] == Value::Array(Vec::new()) {
                break;
            }
        }
    })
    .await;
    assert_eq!(program.interrupt(), Some(130));
    let mut connection = outside(&path).await;
    assert_eq!(number(&mut connection, "select sum(requests) > 3000 from rollup_total").await, 1);
}

#[tokio::test]
async fn a_history_that_is_removed_while_it_is_written_is_made_anew_and_nothing_served_since_is_lost() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    assert_eq!(app.http.chat(&question("before")).await.status, 200);
    app.stored(1).await;
    assert_eq!(app.http.get("/usage").await.json()["total"]["requests"], 1);
    let path = app.store.path().to_owned();
    for suffix in ["", "-wal", "-shm"] {
        std::fs::remove_file(format!("{}{suffix}", path.display())).unwrap();
    }
    for number in 0..20 {
        assert_eq!(app.http.chat(&question(&format!("after {number}"))).await.status, 200);
    }
    app.stored(21).await;
    let state = app.store.state().borrow().clone();
    assert_eq!((state.served, state.dropped, state.spilled, state.queued), (21, 0, 0, 0), "{state:?}");
    assert_eq!(app.http.get("/usage").await.json()["total"]["requests"], 20, "the new file has what came since");
    assert_eq!(app.http.get("/readyz").await.status, 200);
    let mut connection = outside(&path).await;
    assert_eq!(number(&mut connection, "select count(*) from requests").await, 20);
    sums_equal_rows(&mut connection).await;
}

#[tokio::test]
async fn a_request_that_needed_several_calls_is_told_with_all_of_them() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    fleet.cheap.next(Reply::error(503, "overloaded"));
    let response = app.http.chat(&question("hi")).await;
    assert_eq!(response.status, 200);
    let id = response.header("x-request-id").to_owned();
    let plain = app.http.with("x-request-id", "my-own-id").chat(&question("hi again")).await;
    assert_eq!(plain.status, 200);
    app.store.flush().await;
    let told = app.http.get(&format!("/requests/{id}")).await.json();
    let attempts = told["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 2, "{told}");
    assert_eq!((attempts[0]["status"].as_i64(), attempts[0]["tier"].as_str()), (Some(503), Some("cheap")));
    assert!(attempts[0]["error_type"].is_string() && attempts[0]["duration_ms"].is_number());
    assert_eq!((attempts[1]["status"].as_i64(), attempts[1]["tier"].as_str()), (Some(200), Some("medium")));
    let sentences = told["explanation"].to_string();
    for part in
        ["Decided: cheap (0)", "the medium tier was called last", "Call 1", "answered 503", "The client got 200"]
    {
        assert!(sentences.contains(part), "{part} in {sentences}");
    }
    let own = app.http.get("/requests/my-own-id").await.json();
    assert_eq!(
        (own["request"]["request_id"].as_str(), own["attempts"].as_array().unwrap().len()),
        (Some("my-own-id"), 1)
    );
    let none = app.http.get("/requests/nobody").await;
    assert_eq!((none.status, none.json()["error"]["code"].as_str()), (404, Some("request_not_found")));
}

#[tokio::test]
async fn filters_are_parameters_of_the_api_and_wrong_ones_are_refused_by_name() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    fleet.cheap.next(Reply::error(400, "no"));
    app.http.chat(&question("refused")).await;
    app.http.chat(&question("hi")).await;
    app.store.flush().await;
    let count = async |query: &str| {
        let list = app.http.get(&format!("/requests?{query}")).await.json();
        list["requests"].as_array().unwrap_or_else(|| panic!("{list}")).len()
    };
    assert_eq!(count("").await, 2);
    assert_eq!(count("status=4xx").await, 1);
    assert_eq!(count("status=200&tier=cheap").await, 1);
    assert_eq!(count("error_type=upstream_rejected&period=24h").await, 1);
    assert_eq!(count("min_duration_ms=100000").await, 0);
    assert_eq!(count("model=small&source=embedded").await, 2);
    app.http.with("x-xrouter-session", "talk-1").chat(&question("hello")).await;
    app.http.with("x-xrouter-session", "talk-1").chat(&question("and again")).await;
    app.store.flush().await;
    assert_eq!(count("session=talk-1").await, 2);
    assert_eq!(count("session=talk-2").await, 0);
    for (query, param) in [
        ("tier=huge", "tier"),
        ("status=9xx", "status"),
        ("status=ok", "status"),
        ("min_cost_usd=-1", "min_cost_usd"),
        ("min_duration_ms=1e30", "min_duration_ms"),
        ("from=x", "from"),
    ] {
        let response = app.http.get(&format!("/requests?{query}")).await;
        assert_eq!((response.status, response.json()["error"]["param"].as_str()), (400, Some(param)), "{query}");
    }
}

#[tokio::test]
async fn the_places_of_the_rows_add_up_on_metrics_and_readyz() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    for number in 0..5 {
        app.http.chat(&question(&number.to_string())).await;
    }
    let metrics = app.http.get("/metrics").await;
    assert!(metrics.header("content-type").starts_with("application/openmetrics-text; version=1.0.0"));
    let text = metrics.text();
    let figure = |name: &str| -> u64 {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name} in {text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    let places: u64 = ["stored", "queued", "spilled", "dropped"]
        .iter()
        .map(|place| figure(&format!("xrouter_history_rows{{place=\"{place}\"}}")))
        .sum();
    assert_eq!((figure("xrouter_history_served_total "), places), (5, 5), "{text}");
    assert_eq!(figure("xrouter_history_writable "), 1);
}

#[tokio::test]
async fn a_router_without_a_history_serves_and_writes_nothing() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("[store]\nenabled = false")).await;
    assert_eq!(app.http.chat(&question("hi")).await.status, 200);
    assert!(!app.store.path().exists());
    assert_eq!(app.http.get("/readyz").await.json()["served"], 0);
    app.stop().await;
}

#[tokio::test]
async fn commands_read_and_tend_the_history_while_a_router_writes_it() {
    let (folder, _path) = seeded(2_000, 20).await;
    let fleet = Fleet::start().await;
    let toml = fleet.toml("[server]\nhost = \"127.0.0.1\"\nport = 0\n[store]\nkeep_days = 0");
    std::fs::write(folder.path().join("xrouter.toml"), toml).unwrap();
    let mut command = Program::xrouter(folder.path());
    command.arg("run");
    let (_program, line) = Program::start_until(command, |line| line.contains("dashboard"));
    let http = Http::new(line.split_whitespace().last().unwrap().trim_end_matches("/dashboard").to_owned());
    assert_eq!(http.chat(&question("hi")).await.status, 200);
    soon(async { while http.get("/readyz").await.json()["stored"] != 1 {} }).await;
    let out = |arguments: &[&str]| {
        let output = Program::run(folder.path(), arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let table = out(&["usage"]);
    for word in ["tier", "cheap", "medium", "frontier", "total", "of it local", "p95"] {
        assert!(table.contains(word), "{word} in\n{table}");
    }
    let report: Value = serde_json::from_str(&out(&["usage", "--json"])).unwrap();
    assert!(
        report["total"]["requests"].as_i64().unwrap() >= 2_000 && report["total"]["duration_ms"]["p95"].is_number()
    );
    assert_eq!(report["total"]["input_tokens"], http.get("/usage").await.json()["total"]["input_tokens"]);
    let grouped = out(&["usage", "--by", "tier,model", "--since", "7d"]);
    assert!(grouped.contains("claude-sonnet-5-5") && grouped.contains("frontier"), "{grouped}");
    let csv = out(&["usage", "--csv", "--by", "key"]);
    assert!(csv.starts_with("key,requests,input_tokens,") && csv.lines().count() >= 5, "{csv}");
    let rows = out(&["usage", "--csv", "--since", "2001-01-01"]);
    assert!(rows.lines().count() >= 2_001 && rows.starts_with("request_id,time,session,"));
    let stats: Value = serde_json::from_str(&out(&["db", "stats", "--json"])).unwrap();
    assert!(stats["rows"].as_i64().unwrap() >= 2_000, "{stats}");
    assert!(out(&["db", "stats"]).contains("rows for ever"));
    let copy = folder.path().join("copy.db");
    assert!(out(&["db", "backup", "copy.db"]).contains("copy.db"));
    assert!(store::stats(&copy).await.unwrap().rows >= 2_000, "a copy is a history");
    let again = Program::run(folder.path(), &["db", "backup", "copy.db"]);
    assert_eq!(again.status.code(), Some(2), "nothing is overwritten");
    let pruned = out(&["db", "prune", "--keep-days", "5"]);
    assert!(pruned.starts_with("removed ") && !pruned.starts_with("removed 0 rows"), "{pruned}");
    assert_eq!(http.chat(&question("and after")).await.status, 200);
    let second = Program::run(folder.path(), &["db", "seed", "--rows", "1"]);
    assert_eq!(second.status.code(), Some(2), "only one may write rows");
    for (arguments, word) in [
        (&["usage", "--since", "yesterday"][..], "--since"),
        (&["usage", "--by", "colour"], "--by"),
        (&["usage", "--db", "nothing.db"], "there is no history"),
    ] {
        let output = Program::run(folder.path(), arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && error.contains(word), "{arguments:?}: {error}");
    }
}

#[tokio::test]
async fn the_history_of_an_earlier_version_is_brought_up_to_date_with_all_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let migrations = folder.path().join("migrations");
    std::fs::create_dir(&migrations).unwrap();
    for name in ["20261123000000_history.sql", "20261125000000_usage_raw.sql"] {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
        std::fs::copy(here.join(name), migrations.join(name)).unwrap();
    }
    let path = folder.path().join("xrouter.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let options = options.auto_vacuum(sqlx::sqlite::SqliteAutoVacuum::Incremental);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::migrate::Migrator::new(migrations.as_path()).await.unwrap().run(&mut connection).await.unwrap();
    sqlx::query("insert into names (name) values ('embedded'), ('local'), ('small'), ('timeout')")
        .execute(&mut connection)
        .await
        .unwrap();
    for number in 0..700_i64 {
        let failed = number % 50 == 7;
        sqlx::query(
            "insert into requests (request_id, created_at_ms, session, decision, source_id, tier, upstream_id,
             selected_model_id, local, stream, status, error_type_id, attempts, input_tokens, output_tokens, usage_source,
             cost_nanos, frontier_cost_nanos, asked_classifier, first_token_us, duration_us)
             values (?, ?, ?, 0, 1, 0, 2, 3, 1, 0, ?, ?, 1, ?, ?, ?, ?, ?, 0, ?, ?)",
        )
        .bind(format!("old-{number}"))
        .bind(1_790_000_000_000 + number * 400_000)
        .bind((number % 3 == 0).then(|| format!("session-{}", number % 9)))
        .bind(if failed { 504 } else { 200 })
        .bind(failed.then_some(4))
        .bind((!failed).then_some(number * 10))
        .bind((!failed).then_some(number))
        .bind(if failed { 0 } else { 1 + number % 2 })
        .bind((!failed).then_some(number * 1_000))
        .bind((!failed).then_some(number * 9_000))
        .bind((!failed).then_some(number * 500))
        .bind(number * 2_000)
        .execute(&mut connection)
        .await
        .unwrap();
    }
    connection.close().await.unwrap();
    // Reading alone does not change it, and says what to do.
    let reading = Store::reading(&path).await;
    assert!(matches!(&reading, Err(error) if error.to_string().contains("older version")), "{reading:?}");
    let fleet = Fleet::start().await;
    std::fs::write(
        folder.path().join("xrouter.toml"),
        fleet.toml("[server]\nhost = \"127.0.0.1\"\nport = 0\n[store]\nkeep_days = 0"),
    )
    .unwrap();
    let mut command = Program::xrouter(folder.path());
    command.arg("run");
    let (mut program, _) = Program::start_until(command, |line| line.contains("dashboard"));
    program.interrupt();
    let mut connection = outside(&path).await;
    sums_equal_rows(&mut connection).await;
    let store = Store::reading(&path).await.unwrap();
    let failed = walk(&store, &Filter { status: Some(StatusFilter::Is(504)), ..Filter::default() }, 1_000).await;
    assert_eq!(failed.len(), 14);
    let session = walk(&store, &Filter { session: Some("session-3".to_owned()), ..Filter::default() }, 1_000).await;
    assert_eq!(
        i64::try_from(session.len()).unwrap(),
        number(&mut connection, "select requests from sessions where session = 'session-3'").await
    );
    assert_eq!(walk(&store, &Filter { min_tokens: Some(7_000), ..Filter::default() }, 1_000).await.len(), 62);
    assert!(store.request("old-5").await.unwrap().is_some());
}

/// Runs `xrouter run` there. Rights are asked of root as of everybody: it gives up the two that pass them by, and keeps
/// its own files, so that it finds the program wherever that is.
fn run_there(folder: &Path) -> std::process::Output {
    let mut command = Program::xrouter(folder);
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    if is_root {
        let without = "-dac_override,-dac_read_search";
        command = Program::clean("setpriv", folder);
        command.args(["--bounding-set", without, "--inh-caps", without, Program::XROUTER]);
    }
    command.args(["run", "-c", "xrouter.toml"]);
    Program::output(command)
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_left_as_it_is_with_a_word_on_what_to_do() {
    use std::os::unix::fs::PermissionsExt as _;
    let (folder, path) = seeded(200, 2).await;
    let toml = "[server]\nport = 0\n[tiers.cheap]\nbase_url = \"http://127.0.0.1:9/v1\"\nmodel = \"a\"\n\
        [tiers.medium]\nbase_url = \"http://127.0.0.1:9/v1\"\nmodel = \"b\"\n\
        [tiers.frontier]\nbase_url = \"http://127.0.0.1:9/v1\"\nmodel = \"c\"\n";
    std::fs::write(folder.path().join("xrouter.toml"), toml).unwrap();
    let refused = |word: &str| {
        let before = std::fs::read(&path).unwrap();
        let output = run_there(folder.path());
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(word) && error.contains("store.url"), "{word} in {error}");
        assert!(std::fs::read(&path).unwrap() == before, "nothing is overwritten");
    };
    let permit = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    permit(folder.path(), 0o555);
    refused("check that the history's folder is readable and writable");
    permit(folder.path(), 0o755);
    // Where a folder stands, no right makes the lock's file.
    let lock = folder.path().join("xrouter.db.lock");
    std::fs::create_dir(&lock).unwrap();
    refused("check that the history's folder is readable and writable");
    std::fs::remove_dir(&lock).unwrap();
    permit(&path, 0o444);
    refused("check that the file and its folder are readable and writable");
    assert!(!folder.path().join("xrouter.db-shm").exists(), "nothing without rights is left beside it");
    permit(&path, 0o644);
    let mut connection = outside(&path).await;
    sqlx::query("insert into _sqlx_migrations values (29990101000000, 'later', '', 1, x'00', 1)")
        .execute(&mut connection)
        .await
        .unwrap();
    sqlx::query("pragma wal_checkpoint(truncate)").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    refused("was written by a newer version of xrouter (schema 29990101000000)");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[..64].fill(7);
    std::fs::write(&path, bytes).unwrap();
    refused("it is no intact SQLite database");
}

#[tokio::test]
async fn a_request_is_found_the_moment_that_its_answer_is_there() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    for number in 0..20 {
        let id = format!("my-own-id-{number}");
        assert_eq!(app.http.with("x-request-id", &id).chat(&question("hi")).await.status, 200);
        let found = app.http.get(&format!("/requests/{id}")).await;
        assert_eq!((found.status, found.json()["request"]["status"].as_i64()), (200, Some(200)), "{}", found.text());
    }
}
