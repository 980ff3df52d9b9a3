//! What suits a machine, from recorded ones; and this one, whatever it is.

use std::path::Path;

use serde_json::Value;

use crate::support::Program;

fn fixtures() -> Vec<std::path::PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hardware");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_recorded_machine_gets_its_advice() {
    let folder = tempfile::tempdir().unwrap();
    let files = fixtures();
    assert!(files.len() >= 14, "{}", files.len());
    for file in files {
        let output = Program::run(folder.path(), &["hardware", "--snapshot", &file.display().to_string()]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        insta::assert_snapshot!(format!("hardware_{name}"), String::from_utf8(output.stdout).unwrap());
    }
}

#[test]
fn what_is_recommended_fits_and_its_lines_are_a_configuration() {
    let folder = tempfile::tempdir().unwrap();
    for file in fixtures() {
        let output = Program::run(folder.path(), &["hardware", "--json", "--snapshot", &file.display().to_string()]);
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        let advice = &json["advice"];
        for fit in advice["fits"].as_array().unwrap() {
            assert!(fit["needed"].as_u64() <= advice["budget"].as_u64(), "{}: {fit}", file.display());
            let sum: u64 = ["weights", "kv_cache", "overhead"].iter().map(|part| fit[*part].as_u64().unwrap()).sum();
            assert_eq!(Some(sum), fit["needed"].as_u64());
        }
        let toml = advice["toml"].as_str().unwrap();
        assert_eq!(toml.is_empty(), advice["recommended"].is_null(), "{}", file.display());
        if !toml.is_empty() {
            let rest = "[tiers.medium]\nbase_url = \"http://127.0.0.1:1\"\n[tiers.frontier]\nbase_url = \"http://127.0.0.1:1\"\n";
            let mut sources = xrouter::config::Sources::from_toml(format!("{toml}{rest}"));
            sources.environment = vec![("LOCAL_API_KEY".to_owned(), "k".to_owned())];
            xrouter::config::load(&sources).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        }
    }
}

#[test]
fn this_machine_gets_an_answer_that_can_be_recorded_and_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let output = Program::run(folder.path(), &["hardware", "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(json["snapshot"]["cpu"]["logical_cores"].as_u64() >= Some(1));
    std::fs::write(folder.path().join("this.json"), &output.stdout).unwrap();
    let again = Program::run(folder.path(), &["hardware", "--json", "--snapshot", "this.json"]);
    assert_eq!(serde_json::from_slice::<Value>(&again.stdout).unwrap(), json);
    // Figures that no machine has are no panic.
    let gpu = serde_json::json!({ "vendor": "nvidia", "name": "NVIDIA X", "kind": "dedicated", "memory_total": u64::MAX,
        "memory_free": u64::MAX, "compute_capability": u32::MAX, "driver": null });
    let mut huge = json["snapshot"].clone();
    huge["gpus"] = vec![gpu; 16].into();
    huge["memory"] = serde_json::json!({ "total": u64::MAX, "available": 0, "container_limit": null });
    huge["os"] = "linux".into();
    std::fs::write(folder.path().join("huge.json"), huge.to_string()).unwrap();
    let output = Program::run(folder.path(), &["hardware", "--snapshot", "huge.json"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::write(folder.path().join("other.json"), "{\"os\": 1}").unwrap();
    let wrong = Program::run(folder.path(), &["hardware", "--snapshot", "other.json"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("no snapshot"));
}

#[tokio::test]
async fn an_engine_is_measured_in_numbers() {
    use xrouter::simulator::{Profile, Reply, Simulator};
    let engine = Simulator::start(Profile { api_key: Some("k".to_owned()), ..Profile::default() }).await.unwrap();
    engine.always(Reply::Text("0".to_owned()));
    let url = engine.base_url();
    let run = |more: &'static [&'static str], key: bool| {
        let url = url.clone();
        let running = tokio::task::spawn_blocking(move || {
            let folder = tempfile::tempdir().unwrap();
            let mut command = Program::xrouter(folder.path());
            command.args(["hardware", "--bench", &url]).args(more);
            if key {
                command.args(["--key-env", "ENGINE_KEY"]).env("ENGINE_KEY", "k");
            }
            Program::output(command)
        });
        async { running.await.unwrap() }
    };
    let output = run(&["--json"], true).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json["model"], &json["judging"]["prompts"]), (&Value::from("simulated"), &Value::from(60)));
    let judging = &json["judging"];
    // It says cheap to everything: a third of the prompts is.
    assert!((judging["agreement"].as_f64().unwrap() - 1.0 / 3.0).abs() < 1e-9, "{judging}");
    assert_eq!((&judging["trivial_cheap"], &judging["hard_not_cheap"]), (&Value::from(1.0), &Value::from(0.0)));
    assert_eq!((&json["tools"], &json["json"]), (&Value::from(0), &Value::from(0)));
    assert_eq!(json["paces"].as_array().unwrap().len(), 2);
    assert!(json["verdict"].as_str().unwrap().contains("no classifier: it agrees on 33 %"), "{json}");
    let output = run(&[], false).await;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && text.contains("if it wants a key, set api_key"), "{text}");
}
