//! The router learns from its owner: reports on decisions, and thresholds made from them.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::support::{Fleet, Program, TestApp, question};

async fn report(app: &TestApp, body: Value) -> (u16, Value) {
    let answer = app.http.post("/v1/feedback", "application/json", body.to_string()).await;
    (answer.status, answer.json())
}

#[tokio::test]
async fn a_report_on_a_decision_is_kept_and_a_wrong_one_is_refused_by_name() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    let id = app.http.chat(&question("hi")).await.header("x-request-id").to_owned();
    let (status, kept) = report(&app, json!({ "request_id": id, "verdict": "worse" })).await;
    assert_eq!((status, &kept), (200, &json!({ "request_id": id, "decided": "cheap", "usable": true })));
    let mut forced = question("hi");
    forced["model"] = json!("xrouter/cheap");
    let unscored = app.http.chat(&forced).await.header("x-request-id").to_owned();
    let (status, kept) = report(&app, json!({ "request_id": unscored, "tier": "medium" })).await;
    assert_eq!((status, &kept["usable"]), (200, &json!(false)));
    for (body, status, param) in [
        (json!({ "request_id": "none", "verdict": "worse" }), 404, json!(null)),
        (json!({ "request_id": id }), 400, json!("verdict")),
        (json!({ "request_id": id, "verdict": "worse", "tier": "cheap" }), 400, json!("verdict")),
        (json!({ "request_id": id, "verdict": "bad" }), 400, json!("verdict")),
        (json!({ "request_id": id, "tier": "huge" }), 400, json!("verdict")),
        (json!({ "verdict": "worse" }), 400, json!("verdict")),
    ] {
        let (told, answer) = report(&app, body.clone()).await;
        assert_eq!((told, &answer["error"]["param"]), (status, &param), "{body}: {answer}");
    }
}

#[tokio::test]
async fn thresholds_are_learnt_from_reports_and_taken_back() {
    let fleet = Fleet::start().await;
    let toml = format!("# mine\n{}", fleet.toml(""));
    let app = TestApp::start(&toml).await;
    // Somebody for whom all that is decided cheap is too weak.
    let asked = [
        "What is the capital of",
        "Translate into French the word for",
        "Give me a synonym of",
        "Spell the name of",
        "Which day is the feast of",
        "How do you say hello to",
        "When was the birth of",
        "What colour has the flag of",
        "Write a haiku about",
        "Name three towns near",
        "Is there a river in",
        "What do people eat in",
        "Who painted the view of",
    ];
    let places = ["Lisbon", "Oslo", "Lima", "Accra"];
    let mut reported = 0;
    for (begin, place) in asked.iter().flat_map(|begin| places.iter().map(move |place| (begin, place))) {
        let answer = app.http.chat(&question(&format!("{begin} {place}"))).await;
        let id = answer.header("x-request-id").to_owned();
        reported += usize::from(report(&app, json!({ "request_id": id, "tier": "medium" })).await.0 == 200);
    }
    assert_eq!(reported, 52);
    app.store.flush().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("xrouter.toml");
    std::fs::write(&file, &toml).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let database = app.database().display().to_string();
    let train = |arguments: &[&str]| {
        let all = [&["train", "-c", "xrouter.toml"], arguments].concat();
        let output = Program::run(folder.path(), &all);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.success(), text(output.stdout), text(output.stderr))
    };
    let from_history = ["--from-history", "--db", &database];
    let (done, report, error) = train(&[&from_history[..], &["--json"]].concat());
    assert!(done, "{error}");
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["labels"], json!({ "reported with its tier": 52 }));
    let figure = |name: &str| report[name].as_f64().unwrap();
    assert!(figure("missed_after") < figure("missed_before"), "{report}");
    assert!(report["learnt"]["medium_at"].as_f64() < report["now"]["medium_at"].as_f64(), "{report}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), toml, "nothing is replaced without --apply");

    let (done, _, error) = train(&[&from_history[..], &["--apply"]].concat());
    assert!(done, "{error}");
    let applied = std::fs::read_to_string(&file).unwrap();
    // Keys may stand in it.
    for kept in ["xrouter.toml", "xrouter.toml.before-learning"] {
        let mode = std::fs::metadata(folder.path().join(kept)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{kept}");
    }
    assert!(applied.starts_with("# mine") && applied.contains("medium_at"), "{applied}");
    let shown = Program::run(folder.path(), &["config", "show", "-c", "xrouter.toml"]);
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    let (done, _, error) = train(&["--revert"]);
    assert!(done, "{error}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), toml);
    let (done, _, error) = train(&["--revert"]);
    assert!(!done && error.contains("there was no --apply"), "{error}");
}

#[tokio::test]
async fn few_labels_change_nothing() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    app.http.chat(&question("hi")).await;
    app.store.flush().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("xrouter.toml"), fleet.toml("")).unwrap();
    let database = app.database().display().to_string();
    let arguments = ["train", "-c", "xrouter.toml", "--from-history", "--db", &database];
    let output = Program::run(folder.path(), &arguments);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("at least 40 labels are needed"), "{text}");
    let output = Program::run(folder.path(), &[&arguments[..], &["--apply"]].concat());
    assert_eq!(output.status.code(), Some(2));
}

#[tokio::test]
async fn where_texts_are_captured_the_model_itself_is_fitted_and_taken_back() {
    let fleet = Fleet::start().await;
    let toml = fleet.toml("[store]\ncapture = true\n[classifier]\nlearn_templates = false\n");
    let app = TestApp::start(&toml).await;
    // Somebody whose tide tables are hard, and whose reviews are not, whatever either looks like.
    let months = [
        "May", "June", "July", "August", "October", "March", "April", "winter", "autumn", "spring", "Lent", "Easter",
        "Yule",
    ];
    let mut reported = 0;
    for month in months {
        for (text, tier) in [
            (format!("Work out the tide table of the harbour for {month}"), "frontier"),
            (format!("Make a tide table for the ferry in {month}"), "frontier"),
            (format!("Compare the reviews of the café in {month} with those of its neighbours"), "cheap"),
            (format!("Explain why the reviews of the café got worse in {month}"), "cheap"),
        ] {
            let id = app.http.chat(&question(&text)).await.header("x-request-id").to_owned();
            reported += usize::from(report(&app, json!({ "request_id": id, "tier": tier })).await.0 == 200);
        }
    }
    assert_eq!(reported, 52);
    let listed = app.rows().await.remove(0);
    assert_eq!(listed.features.prompt, None, "lists have no room for it");
    let first = app.store.request(&listed.request_id).await.unwrap().unwrap();
    assert_eq!(first.features.prompt.as_deref(), Some("Work out the tide table of the harbour for May"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("xrouter.toml");
    std::fs::write(&file, &toml).unwrap();
    let database = app.database().display().to_string();
    let run = |arguments: &[&str]| {
        let output = Program::run(folder.path(), arguments);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        assert!(output.status.success(), "{}", text(output.stderr));
        text(output.stdout)
    };
    let from_history = ["train", "-c", "xrouter.toml", "--from-history", "--db", &database];
    let figures: Value = serde_json::from_str(&run(&[&from_history[..], &["--json"]].concat())).unwrap();
    let figure = |name: &str| figures[name].as_f64().unwrap();
    assert!(figure("model_missed_after") < figure("model_missed_before") / 4.0, "{figures}");
    assert!(figure("model_missed_after") < figure("missed_after"), "{figures}");
    run(&[&from_history[..], &["--apply"]].concat());
    assert!(std::fs::read_to_string(&file).unwrap().contains("embedded_file = \"learnt-"));
    let decided = |text: &str| run(&["classify", "-c", "xrouter.toml", text]);
    let tides = "Work out the tide table of the harbour for Whitsun";
    assert!(decided(tides).starts_with("frontier"), "{}", decided(tides));
    assert!(decided("good morning").starts_with("cheap"));
    run(&["train", "-c", "xrouter.toml", "--revert"]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), toml);
    assert!(!decided(tides).starts_with("frontier"), "{}", decided(tides));
}
