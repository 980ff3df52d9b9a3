//! `xrouter models` and `xrouter doctor`, against simulated providers.

use std::path::Path;

use serde_json::Value;
use xrouter::catalog::Provider;
use xrouter::simulator::{Profile, Reply, Simulator, Voice};

use crate::support::{Fleet, Program, redis_server};

const KEY: &str = "the-secret-key";

async fn simulator(provider: Provider) -> Simulator {
    let profile = Profile {
        voice: Voice::Of(provider),
        model: String::new(),
        api_key: Some(KEY.to_owned()),
        ..Profile::default()
    };
    Simulator::start(profile).await.unwrap()
}

fn write(folder: &Path, toml: &str) {
    std::fs::write(folder.join("xrouter.toml"), toml).unwrap();
}

/// Runs a command off the runtime's threads, as it blocks.
async fn run(folder: &Path, arguments: &'static [&'static str]) -> (Option<i32>, String) {
    let folder = folder.to_owned();
    let output = tokio::task::spawn_blocking(move || Program::run(&folder, arguments)).await.unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code(), text)
}

#[tokio::test]
async fn every_provider_lists_its_models_and_answers_the_smallest_request() {
    for (provider, model) in [
        (Provider::Anthropic, "claude-sonnet-4-5"),
        (Provider::Gemini, "gemini-3.5-flash"),
        (Provider::Cohere, "command-a-03-2025"),
        (Provider::AzureOpenai, "gpt-4o"),
        (Provider::Openai, "gpt-4o"),
        (Provider::Mistral, "mistral-large-latest"),
        (Provider::Groq, "openai/gpt-oss-120b"),
        (Provider::Together, "llama"),
        (Provider::Openrouter, "anthropic/claude-sonnet-4.5"),
        (Provider::Ollama, "llama3.1"),
        (Provider::OpenaiCompatible, "local"),
    ] {
        let simulator = simulator(provider).await;
        let folder = tempfile::tempdir().unwrap();
        write(
            folder.path(),
            &format!(
                "[server]\nport = 0\n[classifier]\nkind = \"off\"\n[tiers.frontier]\nprovider = \"{provider}\"\nname = \"it\"\n\
                 base_url = \"{}\"\nmodel = \"{model}\"\napi_key = \"${{KEY}}\"\n",
                simulator.base_url()
            ),
        );
        std::fs::write(folder.path().join(".env"), format!("KEY={KEY}\n")).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let file = folder.path().join(".env");
            std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        let (code, text) = run(folder.path(), &["doctor"]).await;
        assert_eq!(code, Some(0), "{provider}: {text}");
        assert!(text.contains("all is well") && text.contains("frontier it, stream"), "{provider}: {text}");
        let (code, text) = run(folder.path(), &["models", "--json"]).await;
        assert_eq!(code, Some(0), "{provider}: {text}");
        let json: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&json[0]["from"], &json[0]["upstream"]), (&Value::from("upstream"), &Value::from("it")), "{json}");
        assert!(!json[0]["models"].as_array().unwrap().is_empty(), "{provider}: {json}");
        assert!(!text.contains(KEY));
    }
}

#[tokio::test]
async fn what_is_wrong_is_told_with_what_mends_it() {
    let folder = tempfile::tempdir().unwrap();
    let dead_key = simulator(Provider::Groq).await;
    let no_stream = simulator(Provider::OpenaiCompatible).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    write(
        folder.path(),
        &format!(
            "[server]\nport = {port}\n[cache]\nredis_url = \"redis://127.0.0.1:1/0\"\n[store]\nurl = \"sqlite:///proc/none/x.db\"\n\
             [tiers.cheap]\nprovider = \"ollama\"\nbase_url = \"http://127.0.0.1:1\"\nmodel = \"small\"\n\
             [tiers.medium]\nprovider = \"groq\"\nbase_url = \"{}\"\nmodel = \"m\"\napi_key = \"wrong-key-123\"\n\
             [tiers.frontier]\nbase_url = \"{}\"\nmodel = \"large\"\napi_key = \"{KEY}\"\nname = \"f\"\n",
            dead_key.base_url(),
            no_stream.base_url()
        ),
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let file = folder.path().join("xrouter.toml");
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o644)).unwrap();
    }
    no_stream.next(Reply::Answer);
    no_stream.next(Reply::Raw { content_type: "application/json".to_owned(), body: b"{}".to_vec() });
    let (code, text) = run(folder.path(), &["doctor"]).await;
    assert_eq!(code, Some(1), "{text}");
    for word in [
        "is Ollama started (`ollama serve`)",
        "check the key: is it whole",
        "it does not stream",
        "chmod 600",
        "set server.port",
        "is cache.redis_url right",
        "set store.url to a file",
        "7 things are to be fixed",
    ] {
        assert!(text.contains(word), "{word}\n{text}");
    }
    assert!(!text.contains("wrong-key-123"), "{text}");
    let (code, text) = run(folder.path(), &["doctor", "--json"]).await;
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &json["ok"]), (Some(1), &Value::from(false)));
    let nothing = tempfile::tempdir().unwrap();
    let (code, text) = run(nothing.path(), &["doctor"]).await;
    assert!(code == Some(1) && text.contains("`xrouter init` writes one"), "{text}");
}

#[tokio::test]
async fn a_configuration_that_works_is_well_with_classifier_and_redis() {
    let folder = tempfile::tempdir().unwrap();
    let (_redis, url) = redis_server();
    let fleet = Fleet::start().await;
    let judge = Simulator::start(Profile::default()).await.unwrap();
    judge.always(Reply::Text("0".to_owned()));
    write(
        folder.path(),
        &fleet.toml(&format!(
            "[server]\nport = 0\n[classifier]\nkind = \"cascade\"\nbase_url = \"{}\"\nmodel = \"judge\"\nwarmup = false\n\
             [cache]\nredis_url = \"{url}\"\n",
            judge.base_url()
        )),
    );
    let (code, text) = run(folder.path(), &["doctor"]).await;
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("judge says cheap") && text.contains("Redis"), "{text}");
    // A model that talks instead of judging.
    judge.always(Reply::Text("I think that this is easy".to_owned()));
    let (code, text) = run(folder.path(), &["doctor"]).await;
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("does it answer with 0, 1 or 2 alone"), "{text}");
}

#[tokio::test]
async fn where_no_list_comes_the_catalogue_s_is_shown_and_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        "[classifier]\nkind = \"off\"\n[tiers.frontier]\nprovider = \"openai\"\nbase_url = \"http://127.0.0.1:1/v1\"\nname = \"gone\"\n",
    );
    let (code, text) = run(folder.path(), &["models", "gone", "--prices"]).await;
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("these are the catalogue's, read on 2026-"), "{text}");
    assert!(text.contains("gpt-4o ") && text.contains("US dollars per million tokens"), "{text}");
    let (code, text) = run(folder.path(), &["models", "nobody"]).await;
    assert!(code == Some(2) && text.contains("`nobody` is no upstream, tier"), "{text}");
    let empty = tempfile::tempdir().unwrap();
    let (code, text) = run(empty.path(), &["models"]).await;
    assert!(code == Some(2) && text.contains("xrouter models openai"), "{text}");
}
