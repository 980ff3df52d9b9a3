//! The program as people run it: what it says, and its exit codes.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Http, Program, question};

fn folder_with(toml: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("xrouter.toml"), toml).unwrap();
    folder
}

const TIERS: &str = "[tiers.cheap]\nbase_url = \"http://127.0.0.1:1\"\nmodel = \"a\"\n[tiers.medium]\nbase_url = \"http://127.0.0.1:1\"\nmodel = \"b\"\n[tiers.frontier]\nbase_url = \"http://127.0.0.1:1\"\nmodel = \"c\"\n";

/// The exit code and the lines on standard error.
fn failure(output: &Output) -> (Option<i32>, Vec<String>) {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    (output.status.code(), text.lines().map(str::to_owned).collect())
}

fn out(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn run_without_any_configuration_explains_itself() {
    let folder = tempfile::tempdir().unwrap();
    let (code, lines) = failure(&Program::run(folder.path(), &["run"]));
    assert_eq!(code, Some(2));
    let text = lines.join("\n");
    assert!(
        text.contains("there is no configuration") && text.contains("xrouter demo") && text.contains("xrouter init"),
        "{text}"
    );
}

#[test]
fn each_way_to_fail_at_start_has_one_clear_line_and_its_exit_code() {
    let wrong_key = folder_with(&format!("[server]\nprot = 1\n{TIERS}"));
    let (code, lines) = failure(&Program::run(wrong_key.path(), &["run"]));
    assert_eq!((code, lines.len()), (Some(2), 1), "{lines:?}");
    assert!(
        lines[0].contains("server.prot: is no known key; did you mean `port`?") && lines[0].contains("xrouter.toml:2"),
        "{lines:?}"
    );

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let busy = folder_with(&format!("[server]\nport = {port}\n{TIERS}"));
    let (code, lines) = failure(&Program::run(busy.path(), &["run"]));
    assert_eq!((code, lines.len()), (Some(1), 1), "{lines:?}");
    assert!(
        lines[0].contains(&format!("cannot listen on 127.0.0.1:{port}")) && lines[0].contains("server.port"),
        "{lines:?}"
    );

    let foreign = folder_with(&format!("[server]\nport = 0\n{TIERS}"));
    std::fs::write(foreign.path().join("xrouter.db"), "this is a letter, no database. ".repeat(100)).unwrap();
    let (code, lines) = failure(&Program::run(foreign.path(), &["run"]));
    assert_eq!((code, lines.len()), (Some(2), 1), "{lines:?}");
    assert!(lines[0].contains("xrouter.db is no xrouter history") && lines[0].contains("store.url"), "{lines:?}");
    assert!(std::fs::read_to_string(foreign.path().join("xrouter.db")).unwrap().starts_with("this is a letter"));

    let blocked = folder_with(&format!("[server]\nport = 0\n[store]\nurl = \"sqlite://xrouter.toml/h.db\"\n{TIERS}"));
    let (code, lines) = failure(&Program::run(blocked.path(), &["run"]));
    assert_eq!((code, lines.len()), (Some(2), 1), "{lines:?}");

    let missing = tempfile::tempdir().unwrap();
    let (code, lines) = failure(&Program::run(missing.path(), &["run", "-c", "nowhere.toml"]));
    assert_eq!((code, lines.len()), (Some(2), 1), "{lines:?}");
    assert!(lines[0].contains("cannot read") && lines[0].contains("nowhere.toml"), "{lines:?}");
    assert_eq!(Program::run(missing.path(), &["fly"]).status.code(), Some(2), "usage");
}

#[tokio::test]
async fn a_server_says_where_it_is_and_ends_on_ctrl_c_with_everything_stored() {
    let folder = folder_with(&format!("[server]\nport = 0\n{TIERS}"));
    let mut command = Program::xrouter(folder.path());
    command.arg("run");
    let (mut program, line) = Program::start_until(command, |line| line.contains("dashboard"));
    let http = Http::new(line.split_whitespace().last().unwrap().trim_end_matches("/dashboard").to_owned());
    let response = http.chat(&question("hi")).await;
    assert_eq!((response.status, response.route()), (502, ("0", "frontier", "embedded", "3")));
    assert_eq!(program.interrupt(), Some(130));
    let pool =
        sqlx::SqlitePool::connect(&format!("sqlite://{}", folder.path().join("xrouter.db").display())).await.unwrap();
    let rows: i64 = sqlx::query_scalar("select count(*) from requests").fetch_one(&pool).await.unwrap();
    assert_eq!(rows, 1);
}

#[test]
fn config_check_show_and_schema_tell_what_is_in_force() {
    let folder = folder_with(&format!("[server]\napi_key = \"very-secret\"\n{TIERS}"));
    let check = out(&Program::run(folder.path(), &["config", "check"]));
    assert!(check.contains('✓') && check.contains("frontier  openai_compatible/c at http://127.0.0.1:1/v1"), "{check}");
    let show = out(&Program::run(folder.path(), &["config", "show"]));
    assert!(show.contains("[redacted]") && !show.contains("very-secret") && show.contains("xrouter.toml:2"), "{show}");
    let json: Value = serde_json::from_str(&out(&Program::run(folder.path(), &["config", "show", "--json"]))).unwrap();
    assert!(json.as_array().unwrap().iter().any(|row| row["key"] == "tiers.cheap.model" && row["value"] == "\"a\""));
    let schema: Value = serde_json::from_str(&out(&Program::run(folder.path(), &["config", "schema"]))).unwrap();
    assert!(schema["properties"]["tiers"].is_object());
    let broken = folder_with("[server]\nport = \"x\"");
    let (code, lines) = failure(&Program::run(broken.path(), &["config", "check"]));
    assert_eq!((code, lines.len()), (Some(2), 1), "{lines:?}");
}

/// What the demo prints until everything is sent and Ctrl-C ends it.
fn demo(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Program::xrouter(folder);
    command.args(["demo", "--port", "0"]).args(arguments);
    let (mut program, _) = Program::start_until(command, |line| line == "Ctrl-C ends it.");
    assert_eq!(program.interrupt(), Some(130));
    program.printed()
}

#[test]
fn the_demo_sends_and_prints() {
    let folder = tempfile::tempdir().unwrap();
    let text = demo(folder.path(), &["--requests", "10", "--db", "demo.db"]);
    for expected in ["cheap", "medium", "frontier", "embedded", "10 requests cost", "saved", "/dashboard", "curl"] {
        assert!(text.contains(expected), "{expected} in\n{text}");
    }
    assert!(folder.path().join("demo.db").exists());
}

#[test]
fn the_demo_ends_by_itself_wherever_it_is() {
    let folder = tempfile::tempdir().unwrap();
    // Nothing is left to do after the time, and far more is left than the time suffices for.
    for requests in ["0", "100000"] {
        let text =
            out(&Program::run(folder.path(), &["demo", "--port", "0", "--requests", requests, "--seconds", "1"]));
        assert!(text.contains("/dashboard") && !text.contains("Ctrl-C ends it."), "{text}");
    }
}

#[test]
fn a_model_of_ones_own_classifies_in_place_of_the_one_that_ships() {
    let with = |bytes: &[u8]| {
        let folder = folder_with(&format!("[classifier]\nembedded_file = \"own.bin\"\n{TIERS}"));
        std::fs::write(folder.path().join("own.bin"), bytes).unwrap();
        folder
    };
    let shipped = include_bytes!("../../config/classifier.bin");
    // The bias of the medium boundary, the second of four sums of three figures after the magic: every text needs more.
    let mut own = shipped.to_vec();
    own[8 + 5 * 4..8 + 6 * 4].copy_from_slice(&99.0_f32.to_le_bytes());
    let folder = with(&own);
    let text = out(&Program::run(folder.path(), &["classify", "hello, my name is Ann"]));
    assert!(!text.starts_with("cheap"), "{text}");
    for bad in [&shipped[..1000], b""] {
        let (code, lines) = failure(&Program::run(with(bad).path(), &["classify", "hi"]));
        assert_eq!((code, lines.len()), (Some(2), 1), "{lines:?}");
        assert!(lines[0].contains("own.bin` of classifier.embedded_file: it is no classifier"), "{lines:?}");
    }
}

#[test]
fn classify_explains_a_text() {
    let folder = tempfile::tempdir().unwrap();
    let text = out(&Program::run(folder.path(), &["classify", "which day is it"]));
    assert!(text.starts_with("cheap (0), decided by embedded") && text.contains("frontier"), "{text}");
    assert!(!text.contains("letter groups"), "{text}");
    let full = out(&Program::run(folder.path(), &["classify", "which day is it", "--explain", "full"]));
    assert!(full.contains("letter groups") && full.contains("confidence"), "{full}");
    let json: Value = serde_json::from_str(&out(&Program::run(folder.path(), &["classify", "--json", "hi"]))).unwrap();
    assert_eq!((json["tier"].as_i64(), json["source"].as_str()), (Some(0), Some("embedded")));
    let lines =
        "{\"id\":1,\"prompt\":\"hi\"}\n{\"id\":\"b\",\"messages\":[{\"role\":\"user\",\"content\":\"thanks\"}]}\n";
    std::fs::write(folder.path().join("in.jsonl"), lines).unwrap();
    let answers = out(&Program::run(folder.path(), &["classify", "--jsonl", "in.jsonl"]));
    let answers: Vec<Value> = answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((answers.len(), &answers[1]["id"], &answers[1]["tier"]), (2, &Value::from("b"), &Value::from(0)));
}

#[test]
fn init_writes_from_flags_what_run_can_read_and_keeps_what_it_replaces() {
    let folder = tempfile::tempdir().unwrap();
    let flags = |frontier: &'static str| {
        let flags =
            ["init", "--yes", "--no-probe", "--cheap", "ollama:llama3.1", "--medium", "groq:openai/gpt-oss-120b"];
        [flags.as_slice(), &["--frontier", frontier]].concat()
    };
    let text = out(&Program::run(folder.path(), &flags("openai:gpt-5")));
    assert!(text.contains("xrouter run -c xrouter.toml") && text.contains("set GROQ_API_KEY"), "{text}");
    let first = std::fs::read_to_string(folder.path().join("xrouter.toml")).unwrap();
    out(&Program::run(folder.path(), &flags("openai:gpt-5")));
    assert!(!folder.path().join("xrouter.toml.bak").exists(), "nothing was replaced");
    out(&Program::run(folder.path(), &flags("openai:gpt-5-mini")));
    assert_eq!(std::fs::read_to_string(folder.path().join("xrouter.toml.bak")).unwrap(), first);
    let mut check = Program::xrouter(folder.path());
    check.args(["config", "check"]).env("GROQ_API_KEY", "k").env("OPENAI_API_KEY", "k");
    assert!(out(&Program::output(check)).contains("groq/openai/gpt-oss-120b"));
    let empty = tempfile::tempdir().unwrap();
    for (flags, missing) in [
        (["--cheap", "ollama:x"].as_slice(), "--medium is missing"),
        (&["--cheap", "nobody:x"], "the providers are xrouter"),
        (&["--cheap", "openai_compatible:x"], "--cheap-base-url is missing"),
        (&["--cheap", "azure_openai:", "--cheap-base-url", "http://x"], "--cheap-deployment is missing"),
        (&["--mode", "cloud"], "--frontier is missing"),
        (&[], "--cheap is missing: local engines were not looked for"),
        (&["--import"], "--import: there is no"),
    ] {
        let all = [["init", "--yes", "--no-probe"].as_slice(), flags].concat();
        let (code, lines) = failure(&Program::run(empty.path(), &all));
        assert!(code == Some(2) && lines[0].contains(missing), "{flags:?}: {lines:?}");
        assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0, "nothing is written");
    }
}

#[cfg(unix)]
#[test]
fn init_keeps_what_is_there_as_it_is() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let real = folder.path().join("real.toml");
    // Not complete, its owner's alone, and reached by a link.
    std::fs::write(&real, "# mine\n[server]\napi_key = \"routersecret\"\nport = 19040\n").unwrap();
    std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::os::unix::fs::symlink("real.toml", folder.path().join("xrouter.toml")).unwrap();
    let flags = ["init", "--yes", "--no-probe", "--mode", "cloud", "--frontier", "openai:gpt-5"];
    let text = out(&Program::run(folder.path(), &flags));
    assert!(
        text.contains("127.0.0.1:19040") && text.contains("THE-ROUTERS-KEY") && !text.contains("routersecret"),
        "{text}"
    );
    assert!(std::fs::symlink_metadata(folder.path().join("xrouter.toml")).unwrap().is_symlink());
    assert_eq!(std::fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o600);
    let toml = std::fs::read_to_string(&real).unwrap();
    assert!(toml.starts_with("# mine\n[server]") && toml.contains("gpt-5"), "{toml}");
    // Tiers that stay name variables, too: all that are missing are told.
    let three =
        "[tiers.cheap]\nbase_url = \"http://x\"\n[tiers.medium]\nprovider = \"groq\"\napi_key = \"${GROQ_API_KEY}\"\n";
    std::fs::write(&real, three).unwrap();
    let text = out(&Program::run(folder.path(), &flags));
    assert!(text.contains("set GROQ_API_KEY") && text.contains("set OPENAI_API_KEY"), "{text}");
    // What is laid over the file is told.
    let mut command = Program::xrouter(folder.path());
    command.args(flags).env("FRONTIER_MODEL", "other");
    let text = out(&Program::output(command));
    assert!(text.contains("FRONTIER_MODEL in the environment or in .env: laid over"), "{text}");
    // The name of a variable is one, and a key that was pasted there is not repeated.
    let pasted = [flags.as_slice(), &["--frontier-key-env", "sk-12345"]].concat();
    let (code, lines) = failure(&Program::run(folder.path(), &pasted));
    assert!(
        code == Some(2) && lines[0].contains("wants the name of a variable") && !lines[0].contains("12345"),
        "{lines:?}"
    );
    let other = tempfile::tempdir().unwrap();
    std::fs::write(other.path().join("upstreams.json"), "{broken").unwrap();
    let (code, lines) = failure(&Program::run(other.path(), &["init", "--yes", "--no-probe", "--import"]));
    assert!(code == Some(2) && lines.join(" ").contains("is no JSON"), "{lines:?}");
}

#[cfg(unix)]
#[test]
fn a_reader_that_leaves_is_the_end_and_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Program::xrouter(folder.path());
    command.args(["config", "schema"]).stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
    let output = Program::finish(command);
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn hardware_and_completions_print_something_useful() {
    let folder = tempfile::tempdir().unwrap();
    let json: Value = serde_json::from_str(&out(&Program::run(folder.path(), &["hardware", "--json"]))).unwrap();
    assert!(json["snapshot"]["cpu"]["logical_cores"].as_i64().unwrap() >= 1);
    assert!(out(&Program::run(folder.path(), &["hardware"])).contains("memory"));
    assert!(out(&Program::run(folder.path(), &["completions", "bash"])).contains("_xrouter"));
    assert!(out(&Program::run(folder.path(), &["--help"])).contains("demo"));
}

#[test]
fn nothing_of_a_machine_is_in_the_program_s_folder_after_a_demo() {
    let folder = tempfile::tempdir().unwrap();
    out(&Program::run(folder.path(), &["demo", "--port", "0", "--requests", "1", "--seconds", "2"]));
    let left: Vec<_> = std::fs::read_dir(folder.path() as &Path).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn another_programs_database_is_left_as_it_is() {
    let folder = folder_with(&format!("[server]\nport = 0\n{TIERS}"));
    let path = folder.path().join("xrouter.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    sqlx::query("create table recipes (name text)").execute(&pool).await.unwrap();
    pool.close().await;
    let before = std::fs::read(&path).unwrap();
    let (code, lines) = failure(&Program::run(folder.path(), &["run"]));
    assert_eq!(code, Some(2));
    assert!(lines[0].contains("it holds other tables (recipes)"), "{lines:?}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn an_upstreams_json_alone_configures_the_router_and_the_demo_does_not_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let tier = "{\"baseUrl\": \"http://127.0.0.1:1\", \"model\": \"a\"}";
    let document = format!("{{\"cheap\": {tier}, \"medium\": {tier}, \"frontier\": {tier}}}");
    std::fs::write(folder.path().join("upstreams.json"), document).unwrap();
    let check = out(&Program::run(folder.path(), &["config", "check"]));
    assert!(check.contains("frontier  openai_compatible/a at http://127.0.0.1:1/v1"), "{check}");
    let demo = demo(folder.path(), &["--requests", "2"]);
    assert!(demo.contains("2 requests cost"), "{demo}");
}

#[test]
fn a_simulated_provider_serves_and_refuses_as_the_real_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Program::xrouter(folder.path());
    command.args(["simulate", "anthropic"]);
    let (mut program, line) = Program::start_until(command, |line| line.contains("base_url"));
    let url = line.split_whitespace().last().unwrap().to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let response = runtime.block_on(Http::new(url).post("/messages", "application/json", r#"{"model":"m"}"#));
    assert_eq!(response.status, 400);
    assert!(response.json()["error"]["message"].as_str().unwrap().contains("anthropic-version"), "{}", response.text());
    assert_eq!(program.interrupt(), Some(130));
    let wrong = Program::run(folder.path(), &["simulate", "nobody"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8(wrong.stderr).unwrap().contains("anthropic, gemini, cohere"));
}

#[tokio::test]
async fn replay_tells_what_another_configuration_would_move() {
    let fleet = crate::support::Fleet::start().await;
    let app = crate::support::TestApp::start(&fleet.toml("")).await;
    for text in ["which day is it", "prove that you can explain to me how a B-tree index works", "hi"] {
        assert_eq!(app.http.chat(&crate::support::question(text)).await.status, 200);
    }
    let mut forced = crate::support::question("hi");
    forced["model"] = "xrouter/medium".into();
    assert_eq!(app.http.chat(&forced).await.status, 200);
    assert_eq!(app.rows().await.len(), 4);
    let folder = folder_with(&fleet.toml("[classifier]\nmedium_at = 0.0\nfrontier_at = 1.0\n"));
    let database = app.database().display().to_string();
    let replay = |more: &[&str]| {
        let mut arguments = vec!["replay", "--config", "xrouter.toml", "--db", &database, "--since", "1h"];
        arguments.extend(more);
        out(&Program::run(folder.path(), &arguments))
    };
    let json: Value = serde_json::from_str(&replay(&["--json"])).unwrap();
    assert_eq!((&json["requests"], &json["cannot_tell"]), (&Value::from(4), &serde_json::json!({})));
    // The greeting is held where it was by its rule.
    let up = serde_json::json!({ "from": 0, "to": 1, "requests": 1 });
    assert!(json["moved"].as_array().unwrap().contains(&up), "{json}");
    assert!(json["cost_usd_after"].as_f64() > json["cost_usd_before"].as_f64(), "{json}");
    let text = replay(&[]);
    // Rules that look at what is kept of each request are decided anew; what one on words would do cannot be told.
    let rule = |more: &str| format!("[[classifier.rules]]\nname = \"r\"\ntier = \"medium\"\n{more}\n");
    for (more, moved) in [
        ("max_chars = 2", 1),
        ("min_chars = 30", 1),
        ("step = [\"tool_loop\"]", 0),
        ("max_tools = 0", 3),
        ("min_tools = 1", 0),
        ("reasoning_effort = [\"low\"]", 0),
        ("model = \"^auto$\"", 3),
        ("text = \"hi\"", 0),
    ] {
        std::fs::write(folder.path().join("xrouter.toml"), fleet.toml(&rule(more))).unwrap();
        let json: Value = serde_json::from_str(&replay(&["--json"])).unwrap();
        let count =
            json["moved"].as_array().unwrap().iter().map(|moved| moved["requests"].as_u64().unwrap()).sum::<u64>();
        assert_eq!(count, moved, "{more}: {json}");
    }
    for (kind, moved) in [("off", 2), ("llm", 0)] {
        let more = format!("[classifier]\nkind = \"{kind}\"\nbase_url = \"http://127.0.0.1:1\"\nmodel = \"m\"\n");
        std::fs::write(folder.path().join("xrouter.toml"), fleet.toml(&more)).unwrap();
        let json: Value = serde_json::from_str(&replay(&["--json"])).unwrap();
        let count =
            json["moved"].as_array().unwrap().iter().map(|moved| moved["requests"].as_u64().unwrap()).sum::<u64>();
        assert_eq!(count, moved, "{kind}: {json}");
        assert_eq!(
            json["cannot_tell"]["a model would be asked"].as_u64().unwrap_or(0),
            if kind == "llm" { 3 } else { 0 }
        );
    }
    let without = |rules: &str| {
        let toml = format!("[classifier]\nrules_off = [{rules}]\nfrontier_at = 1.0\n");
        std::fs::write(folder.path().join("xrouter.toml"), fleet.toml(&toml)).unwrap();
        let json: Value = serde_json::from_str(&replay(&["--json"])).unwrap();
        json
    };
    // A rule that nobody looked at then, as another had settled it, may hold now.
    let json = without("\"greeting\", \"proof\"");
    assert_eq!(
        (&json["moved"], &json["cannot_tell"]["rule `concurrency` needs the text"]),
        (&serde_json::json!([]), &Value::from(1))
    );
    let json = without("\"greeting\", \"proof\", \"concurrency\"");
    assert_eq!(json["moved"], serde_json::json!([{ "from": 2, "to": 1, "requests": 1 }]));
    assert!(text.contains("4 requests since 1h") && text.contains("cheap    → medium"), "{text}");
}

#[test]
fn the_same_rows_train_the_same_bytes_and_eval_judges() {
    let folder = tempfile::tempdir().unwrap();
    let ours: Vec<&str> = include_str!("../../training/prompts/first.jsonl").lines().step_by(40).collect();
    let measured = (0..20_u8).map(|row| {
        let weak = f64::from(row % 2);
        serde_json::json!({ "id": row, "source": "exam", "lang": "en", "label_kind": "measured",
            "text": format!("Which of these is right? {}", "ABCDE ".repeat(usize::from(row))),
            "weak": weak, "mid": 1.0, "strong": 1.0, "tier": u8::from(weak < 0.5) })
        .to_string()
        .replace("\"id\":", "\"number\":")
    });
    let rows: Vec<String> = ours.iter().map(|row| (*row).to_owned()).chain(measured).collect();
    for name in ["train.jsonl", "dev.jsonl"] {
        std::fs::write(folder.path().join(name), rows.join("\n")).unwrap();
    }
    let train = |file: &str| {
        out(&Program::run(folder.path(), &["train", ".", "--out", file]));
        std::fs::read(folder.path().join(file)).unwrap()
    };
    let model = train("one.bin");
    assert!(model.len() <= 512 * 1024 && model == train("other.bin"));
    let report: Value =
        serde_json::from_str(&out(&Program::run(folder.path(), &["eval", "dev.jsonl", "--json"]))).unwrap();
    assert_eq!(report["sources"]["exam"]["rows"], 20);
    assert!(report["mix"]["in"]["APGR"].is_f64(), "{report}");
    std::fs::write(folder.path().join("bad.jsonl"), "{\"text\":\"a\"}\n{\"tier\":7,\"text\":\"b\"}\n").unwrap();
    let (code, lines) = failure(&Program::run(folder.path(), &["eval", "bad.jsonl"]));
    assert_eq!(code, Some(2));
    assert!(lines[0].contains("bad.jsonl, line 2") && lines[0].contains("`tier`"), "{lines:?}");
    let (code, lines) = failure(&Program::run(folder.path(), &["train", "nowhere"]));
    assert_eq!(code, Some(2));
    assert!(lines[0].contains("neither train.jsonl nor train.jsonl.gz"), "{lines:?}");
}
