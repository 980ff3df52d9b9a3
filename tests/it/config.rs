//! Layers, names, secrets and errors of the configuration.

use std::path::{Path, PathBuf};
use std::time::Duration;

use xrouter::catalog::{Provider, Tier};
use xrouter::config::{self, ClassifierKind, ConfigError, Loaded, Secret, Sources};

const TIERS: &str = r#"
[tiers.cheap]
base_url = "http://localhost:1"
model = "a"
[tiers.medium]
base_url = "http://localhost:2"
model = "b"
[tiers.frontier]
base_url = "http://localhost:3"
model = "c"
"#;

fn sources(toml: &str, environment: &[(&str, &str)]) -> Sources {
    let mut sources = Sources::from_toml(toml.to_owned());
    sources.environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    sources
}

fn load(toml: &str, environment: &[(&str, &str)]) -> Loaded {
    config::load(&sources(toml, environment)).unwrap_or_else(|error| panic!("{error}"))
}

/// The lines of the error.
fn problems(toml: &str, environment: &[(&str, &str)]) -> Vec<String> {
    match config::load(&sources(toml, environment)) {
        Ok(_) => panic!("this is no error"),
        Err(error) => error.to_string().lines().map(str::to_owned).collect(),
    }
}

#[test]
fn later_layers_win_key_by_key() {
    let toml = format!("[server]\nport = 1\nbody_limit = 9999\n{TIERS}");
    let mut sources = sources(&toml, &[("HOST", "127.0.0.2"), ("XROUTER_SERVER__HOST", "127.0.0.3")]);
    sources.dotenv = Some((PathBuf::from(".env"), "PORT=2\nHOST=127.0.0.1\nLOG_LEVEL=debug\n".to_owned()));
    let config = config::load(&sources).unwrap().config;
    assert_eq!(config.server.port, 2, ".env over the file");
    assert_eq!(config.server.host.as_deref(), Some("127.0.0.3"), "XROUTER_… over the flat name over .env");
    assert_eq!((config.server.body_limit, config.log.level.as_str()), (9999, "debug"));
    assert_eq!(config.cache.max_entries, 50_000, "the default");
}

#[test]
fn every_flat_name_of_the_earlier_router_works() {
    let loaded = load(
        "",
        &[
            ("HOST", "127.0.0.1"),
            ("PORT", "4000"),
            ("BODY_LIMIT", "6000000"),
            ("ROUTER_API_KEY", "rk"),
            ("LOG_LEVEL", "warn"),
            ("LOG_TO_FILE", "YES"),
            ("LOG_DIR", "/tmp/l"),
            ("DECISION_HEADER", "X-D"),
            ("UPSTREAM_HEADER", "X-U"),
            ("REDIS_URL", "redis://localhost:1"),
            ("CACHE_ENABLED", "0"),
            ("CACHE_TTL_MS", "5"),
            ("CACHE_MAX", "6"),
            ("AZURE_API_VERSION", "2025-01-01"),
            ("ANTHROPIC_VERSION", "v"),
            ("UPSTREAM_TIMEOUT_MS", "7000"),
            ("CLASSIFIER_ENABLED", "on"),
            ("CLASSIFIER_BASE_URL", "http://localhost:11434"),
            ("CLASSIFIER_API_KEY", "ck"),
            ("CLASSIFIER_MODEL", "llama3.1"),
            ("CLASSIFIER_SYSTEM_PROMPT", "Say 0, 1 or 2."),
            ("CLASSIFIER_STRATEGY", "last_user"),
            ("CLASSIFIER_MAX_TOKENS", "2"),
            ("CLASSIFIER_MAX_CHARS", "100"),
            ("CLASSIFIER_TEMPERATURE", "0.5"),
            ("CLASSIFIER_TIMEOUT_MS", "900"),
            ("CLASSIFIER_LOGIT_BIAS", "{\"15\": 100}"),
            ("CLASSIFIER_FORCE_STREAM", "false"),
            ("CLASSIFIER_WARMUP", "no"),
            ("CLASSIFIER_WARMUP_DELAY_MS", "1"),
            ("CLASSIFIER_KEEP_ALIVE_MS", "2"),
            ("CLASSIFIER_LOADING_RETRY_MS", "3"),
            ("CLASSIFIER_LOADING_MAX_RETRIES", "4"),
            ("MEDIUM_NAME", "mid"),
            ("MEDIUM_PROVIDER", "groq"),
            ("MEDIUM_API_KEY", "gsk_x"),
            ("MEDIUM_MODEL", "m"),
            ("MEDIUM_HEADERS", "{\"X-A\": \"b\"}"),
            ("MEDIUM_TIMEOUT_MS", "8000"),
            ("MEDIUM_DEPLOYMENT", "d"),
            ("MEDIUM_API_VERSION", "av"),
            ("FRONTIER_BASE_URL", "https://openrouter.ai/api"),
            ("FRONTIER_MODEL", "f"),
            ("CHEAP_MODEL", ""),
        ],
    );
    let config = &loaded.config;
    assert_eq!(
        (config.server.host.as_deref(), config.server.port, config.server.body_limit),
        (Some("127.0.0.1"), 4000, 6_000_000)
    );
    assert_eq!(config.server.api_key.as_ref().map(Secret::expose), Some("rk"));
    assert_eq!((config.log.level.as_str(), config.log.to_file, config.log.dir.as_str()), ("warn", true, "/tmp/l"));
    assert_eq!((config.headers.decision.as_str(), config.headers.upstream.as_str()), ("X-D", "X-U"));
    assert_eq!((config.cache.enabled, config.cache.ttl_ms, config.cache.max_entries), (false, 5, 6));
    assert_eq!(config.cache.redis_url.as_ref().map(Secret::expose), Some("redis://localhost:1"));
    assert_eq!(config.upstream_defaults.azure_api_version, "2025-01-01");
    assert_eq!(
        (config.upstream_defaults.anthropic_version.as_str(), config.upstream_defaults.timeout_ms),
        ("v", Some(7000))
    );
    let classifier = &config.classifier;
    assert_eq!((classifier.effective_kind(), classifier.strategy), (ClassifierKind::Llm, config::Strategy::LastUser));
    assert_eq!((classifier.max_tokens, classifier.max_chars, classifier.timeout_ms), (2, 100, 900));
    assert_eq!(classifier.system_prompt, "Say 0, 1 or 2.");
    assert_eq!(classifier.logit_bias.as_ref().unwrap()["15"], 100.0);
    assert_eq!((classifier.force_stream, classifier.warmup), (false, false));
    assert_eq!((classifier.warmup_delay_ms, classifier.keep_alive_ms), (1, 2));
    assert_eq!((classifier.loading_retry_ms, classifier.loading_max_retries, classifier.temperature), (3, 4, 0.5));
    let [cheap, medium, frontier] = Tier::ALL.map(|tier| &loaded.upstreams.of(tier)[0]);
    assert_eq!((cheap.endpoint.root(), cheap.model.as_deref()), ("http://localhost:11434/v1", Some("llama3.1")));
    assert_eq!(cheap.timeouts.total, Duration::from_secs(7));
    assert_eq!(
        (medium.name.as_str(), medium.provider, medium.endpoint.root()),
        ("mid", Provider::Groq, "https://api.groq.com/openai/v1")
    );
    assert_eq!((medium.headers[0].0.as_str(), medium.timeouts.first_token), ("x-a", Duration::from_secs(8)));
    assert_eq!((frontier.provider, frontier.endpoint.root()), (Provider::Openrouter, "https://openrouter.ai/api/v1"));
}

#[test]
fn the_kind_of_classifier_follows_from_what_is_set() {
    let kind = |toml: &str, environment: &[(&str, &str)]| {
        load(&format!("{toml}{TIERS}"), environment).config.classifier.effective_kind()
    };
    assert_eq!(kind("", &[]), ClassifierKind::Embedded);
    let llm = [("CLASSIFIER_BASE_URL", "http://x:1"), ("CLASSIFIER_MODEL", "m")];
    assert_eq!(kind("", &llm), ClassifierKind::Llm);
    assert_eq!(kind("[classifier]\nkind = \"cascade\"", &llm), ClassifierKind::Cascade);
    assert_eq!(
        kind("[classifier]\nkind = \"llm\"", &[llm[0], llm[1], ("CLASSIFIER_ENABLED", "off")]),
        ClassifierKind::Off
    );
}

#[test]
fn the_earlier_routers_upstreams_json_is_read_from_a_file_and_a_variable() {
    let folder = tempfile::tempdir().unwrap();
    let document = r#"{"cheap": {"name": "one", "provider": "ollama", "baseUrl": "http://localhost:11434", "model": "${M}", "apiKey": null},
        "medium": {"baseUrl": "https://api.groq.com/openai/v1", "apiKey": "gsk_x", "model": "m", "timeoutMs": 5, "headers": {"X-A": "b"}},
        "frontier": {"baseUrl": "http://h:1", "model": "f"}}"#;
    std::fs::write(folder.path().join("up.json"), document).unwrap();
    let mut sources = sources(
        "",
        &[
            ("UPSTREAMS_FILE", "up.json"),
            ("UPSTREAMS_JSON", r#"{"frontier": {"model": "g"}}"#),
            ("M", "llama"),
            ("MEDIUM_MODEL", "flat"),
        ],
    );
    sources.config_file = Some(folder.path().join("xrouter.toml"));
    let loaded = config::load(&sources).unwrap();
    let [cheap, medium, frontier] = Tier::ALL.map(|tier| &loaded.upstreams.of(tier)[0]);
    assert_eq!((cheap.name.as_str(), cheap.provider, cheap.model.as_deref()), ("one", Provider::Ollama, Some("llama")));
    assert_eq!(
        (medium.provider, medium.model.as_deref(), medium.timeouts.total),
        (Provider::Groq, Some("flat"), Duration::from_millis(5))
    );
    assert_eq!(frontier.model.as_deref(), Some("g"), "the variable over the file");
    let wrong = problems(TIERS, &[("UPSTREAMS_JSON", r#"{"cheap": {"baseURL": "x"}, "huge": {}}"#)]);
    assert_eq!(
        wrong,
        [
            "cheap.baseURL: is no known key; did you mean `baseUrl`? (UPSTREAMS_JSON)",
            "huge: names no tier; the tiers are cheap, medium and frontier (UPSTREAMS_JSON)"
        ]
    );
}

#[test]
fn errors_name_the_key_the_place_and_what_is_allowed_all_at_once() {
    let toml = format!(
        "[server]\nport = 70000\nprot = 1\n\n[classifier]\nkind = \"lmm\"\nmedium_at = \"x\"\n[log]\nlevel = \"loud=\"\n[cahce]\nx = 1\n{TIERS}"
    );
    let found = problems(&toml, &[("CACHE_MAX", "many"), ("XROUTER_SERVER__PROT", "1"), ("LOG_TO_FILE", "perhaps")]);
    assert_eq!(
        found,
        [
            "XROUTER_SERVER__PROT: names no key; did you mean XROUTER_SERVER__PORT? (environment variable XROUTER_SERVER__PROT)"
        ]
    );
    let found = problems(&toml, &[("CACHE_MAX", "many"), ("LOG_TO_FILE", "perhaps")]);
    insta::assert_snapshot!("config_errors", found.join("\n"));
}

#[test]
fn what_is_missing_or_cannot_be_called_is_named() {
    let cases: [(&str, &[(&str, &str)], &str); 9] = [
        (
            "",
            &[],
            "tiers.cheap: is not configured; set tiers.cheap.base_url or tiers.cheap.provider (or CHEAP_BASE_URL)",
        ),
        (
            "[tiers.cheap]\nmodel = \"x\"",
            &[],
            "tiers.cheap.base_url: is not set, and openai_compatible has no address of its own",
        ),
        ("[tiers.cheap]\nbase_url = \"nonsense\"", &[], "tiers.cheap.base_url: `nonsense` is not a URL"),
        (
            "[tiers.cheap]\nprovider = \"gorq\"",
            &[],
            "tiers.cheap.provider: `gorq` is no known provider; did you mean `groq`?",
        ),
        (
            "[tiers.cheap]\nprovider = \"azure_openai\"",
            &[],
            "tiers.cheap.base_url: is not set, and azure_openai has no address of its own",
        ),
        (
            "[tiers.cheap]\napi_key = \"${NOPE}\"",
            &[],
            "tiers.cheap.api_key: names the variable NOPE, which is not set; set NOPE in the environment or in .env (xrouter.toml:2)",
        ),
        (
            "[tiers.cheap]\napi_key_file = \"/no/such\"\nbase_url = \"http://x\"",
            &[],
            "tiers.cheap.api_key_file: cannot read `/no/such`",
        ),
        (
            "[embeddings]\nprovider = \"anthropic\"",
            &[],
            "embeddings.provider: anthropic has no embeddings in OpenAI's form",
        ),
        ("[classifier]\nkind = \"llm\"", &[], "classifier.base_url: is not set, and the classifier is a model"),
    ];
    for (toml, environment, expected) in cases {
        let found = problems(toml, environment);
        assert!(found.iter().any(|line| line.starts_with(expected)), "{expected}\n{found:#?}");
    }
}

#[test]
fn rules_have_names_of_their_own_and_those_that_are_switched_off_are_there() {
    let rule = |name: &str| format!("[[classifier.rules]]\nname = \"{name}\"\ntier = \"cheap\"\n");
    let cases = [
        (
            "[classifier]\nrules_off = [\"greetings\"]\n".to_owned(),
            "there is no rule `greetings`; did you mean `greeting`?",
        ),
        (rule("a") + &rule("a"), "classifier.rules.1.name: `a` is the name of another rule"),
        (rule("greeting"), "classifier.rules.0.name: `greeting` is the name of another rule"),
        (rule("my rule"), "classifier.rules.0.name: `my rule` is no name of a rule"),
        ("[session]\nshared = true\n".to_owned(), "session.shared: there is no Redis to share through"),
    ];
    for (toml, expected) in cases {
        let found = problems(&format!("{toml}{TIERS}"), &[]);
        assert!(found.iter().any(|line| line.contains(expected)), "{expected}\n{found:#?}");
    }
    // One that is switched off may be replaced.
    let replaced = format!("[classifier]\nrules_off = [\"greeting\"]\n{}{TIERS}", rule("greeting"));
    assert!(config::load(&sources(&replaced, &[])).is_ok());
}

#[test]
fn a_tier_has_either_keys_of_its_own_or_a_list() {
    let toml = format!(
        "{}[[tiers.frontier.upstreams]]\nbase_url = \"http://x:1\"\n",
        TIERS.replace("[tiers.frontier]", "[tiers.frontier]\nname = \"n\"")
    );
    let found = problems(&toml, &[]);
    assert!(found[0].contains("has both keys of its own and tiers.frontier.upstreams"), "{found:?}");
    assert!(found[0].contains("xrouter.toml:"), "{found:?}");
}

#[test]
fn broken_toml_is_told_with_its_line() {
    let error = config::load(&sources("[server]\nport = \n", &[])).unwrap_err();
    assert!(matches!(&error, ConfigError::Syntax { line: 2, .. }), "{error:?}");
    assert!(error.to_string().starts_with("xrouter.toml:2: "), "{error}");
}

#[test]
fn secrets_come_from_the_text_a_variable_or_a_file_and_are_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), "from-file\n").unwrap();
    let toml = TIERS
        .replace("model = \"a\"", "model = \"a\"\napi_key = \"literal-key\"")
        .replace("model = \"b\"", "model = \"b\"\napi_key = \"${MY_KEY}\"\nheaders = { X-Auth = \"header-secret\" }")
        .replace("model = \"c\"", "model = \"c\"\napi_key_file = \"key\"");
    let mut sources = sources(&toml, &[("MY_KEY", "from-variable")]);
    sources.config_file = Some(folder.path().join("xrouter.toml"));
    let loaded = config::load(&sources).unwrap();
    let keys = Tier::ALL.map(|tier| loaded.upstreams.of(tier)[0].api_key.as_ref().map(Secret::expose).unwrap());
    assert_eq!(keys, ["literal-key", "from-variable", "from-file"]);
    let shown = config::show(&sources).unwrap();
    let text: String = shown.iter().map(|row| format!("{} = {} # {}\n", row.key, row.value, row.origin)).collect();
    let debug = format!("{loaded:?}{text}");
    for secret in ["literal-key", "from-variable", "from-file", "header-secret"] {
        assert!(!debug.contains(secret), "{secret} is shown");
    }
    assert!(
        text.contains("tiers.cheap.api_key = [redacted]") && text.contains("tiers.medium.headers.X-Auth = [redacted]"),
        "{text}"
    );
    assert!(text.contains("server.port = 3000 # default"), "{text}");
}

#[test]
fn an_open_router_listens_on_loopback_only_unless_told_otherwise() {
    assert_eq!(load(TIERS, &[]).config.server.bind_host(), "127.0.0.1");
    assert_eq!(load(TIERS, &[("ROUTER_API_KEY", "k")]).config.server.bind_host(), "0.0.0.0");
    let open = load(TIERS, &[("HOST", "0.0.0.0")]);
    assert_eq!(open.config.server.bind_host(), "0.0.0.0");
    assert!(open.warnings[0].contains("server.api_key is not set"), "{:?}", open.warnings);
}

#[test]
fn the_example_names_every_key_parses_and_equals_the_defaults() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("xrouter.toml.example");
    let written = std::fs::read_to_string(path).unwrap();
    assert_eq!(written, config::example(), "run `just example`");
    let values = |toml: &str| -> Vec<(String, String)> {
        config::show(&sources(toml, &[])).unwrap().into_iter().map(|row| (row.key, row.value)).collect()
    };
    assert_eq!(values(&written), values(""));
    // Every key that is commented out shows an example that is allowed.
    let uncommented: String = written
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.split(" = ").next().is_some_and(|key| !key.contains(' ')) && rest.contains(" = ") => {
                rest
            }
            _ => line,
        })
        .filter(|line| !line.starts_with("api_key_file") && !line.starts_with("provider = \"groq\""))
        .map(|line| format!("{line}\n"))
        .collect();
    let environment = ["ROUTER_API_KEY", "CLASSIFIER_API_KEY", "GROQ_API_KEY"].map(|name| (name, "k"));
    let medium = "[tiers.medium]\nbase_url = \"http://h:1\"";
    let frontier = "[tiers.frontier]\nbase_url = \"http://h:2\"";
    let toml = uncommented
        .replace("[tiers.medium]", medium)
        .replace("[tiers.frontier]", frontier)
        .replace("${REDIS_URL}", "redis://h");
    load(&toml, &environment);
}

#[test]
fn the_schema_describes_every_key() {
    let schema = config::json_schema();
    assert_eq!(schema["properties"].as_object().unwrap().len(), 12);
    let text = schema.to_string();
    assert!(text.contains("body_limit") && text.contains("Largest request body, in bytes."));
}

#[test]
fn the_defaults_of_the_embedded_classifier_are_those_of_the_configuration() {
    let thresholds = xrouter::routing::Thresholds::default();
    let classifier = load(TIERS, &[]).config.classifier;
    assert_eq!((classifier.medium_at, classifier.frontier_at), (thresholds.medium_at, thresholds.frontier_at));
}

#[test]
fn tables_that_cannot_be_read_are_not_shown_either() {
    let headers = "{\"Authorization\": \"Bearer sk-live\",}";
    let found = problems(
        TIERS,
        &[("CHEAP_HEADERS", headers), ("XROUTER_TIERS__MEDIUM__UPSTREAMS", "[{\"api_key\": \"sk-live\"},]")],
    );
    assert_eq!(found.len(), 2);
    let shown = config::show(&sources(TIERS, &[("CHEAP_HEADERS", headers)])).unwrap();
    let text: String = shown.iter().map(|row| row.value.as_str()).chain(found.iter().map(String::as_str)).collect();
    assert!(text.contains("[redacted]") && !text.contains("sk-live"), "{text}");
}

#[test]
fn variables_that_only_begin_like_ours_are_somebody_elses() {
    load(TIERS, &[("XROUTER_PORT", "tcp://10.0.0.1:3000"), ("XROUTER_SERVICE_HOST", "10.0.0.1")]);
}

#[test]
fn a_cheap_tier_with_only_a_name_or_a_limit_is_still_the_classifiers() {
    let toml = TIERS.replace("base_url = \"http://localhost:1\"\nmodel = \"a\"", "name = \"near\"\ntimeout_ms = 5");
    let environment = [("CLASSIFIER_BASE_URL", "http://localhost:11434"), ("CLASSIFIER_MODEL", "llama3.1")];
    let loaded = load(&toml, &environment);
    let cheap = &loaded.upstreams.of(Tier::Cheap)[0];
    assert_eq!((cheap.name.as_str(), cheap.endpoint.root()), ("near", "http://localhost:11434/v1"));
    assert_eq!(cheap.model.as_deref(), Some("llama3.1"));
}

#[test]
fn the_readmes_configuration_is_one() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let toml = readme.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert_eq!(toml.lines().count(), 10, "ten lines, as it says");
    let loaded = load(toml, &[("GROQ_API_KEY", "gsk_k"), ("OPENAI_API_KEY", "sk-k")]);
    let providers = Tier::ALL.map(|tier| loaded.upstreams.of(tier)[0].provider);
    assert_eq!(providers, [Provider::Ollama, Provider::Groq, Provider::Openai]);
}
