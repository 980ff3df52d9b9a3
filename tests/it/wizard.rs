//! `xrouter init` in a real pseudo-terminal; providers and Ollama are the simulator's.

use std::io::Read as _;
use std::path::Path;

use expectrl::process::unix::WaitStatus;
use expectrl::session::OsSession;
use expectrl::{Expect as _, Session};
use xrouter::catalog::Provider;
use xrouter::simulator::{Profile, Simulator, Voice};

use crate::support::{Http, LIMIT, Program, limited, question, still_running};

const ENTER: &str = "\r";
const DOWN: &str = "\u{1b}[B";
const CTRL_C: &str = "\u{3}";
const CLEAR: &str = "\u{15}";
const KEY: &str = "the-secret-key";

/// What is waited for, and what is typed then.
type Step = (String, String);

fn step(wait: &str, keys: &str) -> Step {
    (wait.to_owned(), keys.to_owned())
}

async fn simulator(provider: Provider, key: bool) -> Simulator {
    let api_key = key.then(|| KEY.to_owned());
    let profile = Profile { voice: Voice::Of(provider), model: "simulated".to_owned(), api_key, ..Profile::default() };
    Simulator::start(profile).await.unwrap()
}

/// The wizard in a terminal, and what it has shown.
struct Terminal {
    session: OsSession,
    command: String,
    shown: Vec<u8>,
    /// How much of it was waited for.
    seen: usize,
}

impl Terminal {
    /// The wizard in a terminal of this width.
    fn start(folder: &Path, arguments: &[&str], columns: u16, environment: &[(&str, &str)]) -> Self {
        let mut command = Program::clean("sh", folder);
        // The wizard takes keys as they are only while it waits for one. Here they always come so: a key that is pressed
        // as soon as a question is shown must not end the process, or erase what was typed.
        command.args(["-c", "stty -icanon -isig -icrnl && exec \"$0\" init \"$@\"", Program::XROUTER]);
        command.args(arguments).env("TERM", "xterm-256color").env("LANG", "C.UTF-8");
        // Nothing listens there, unless a test says so.
        command.env("OLLAMA_HOST", "127.0.0.1:1").envs(environment.iter().copied());
        let told = format!("{command:?}");
        let mut session = Session::spawn(command).expect("a pseudo-terminal");
        session.get_process_mut().set_window_size(columns, 50).expect("its size can be set");
        Terminal { session, command: told, shown: Vec::new(), seen: 0 }
    }

    /// Reads until a text is shown; what was shown before it.
    fn wait(&mut self, text: &str) -> String {
        let process = self.process();
        let (found, killed) = limited(LIMIT, process, || {
            let mut piece = [0; 4096];
            loop {
                let new = &self.shown[self.seen..];
                if let Some(at) = new.windows(text.len()).position(|window| window == text.as_bytes()) {
                    break Some(at);
                }
                // Linux ends a pseudo-terminal with an error.
                match self.session.read(&mut piece) {
                    Ok(length @ 1..) => self.shown.extend_from_slice(&piece[..length]),
                    _ => break None,
                }
            }
        });
        assert!(!killed, "no `{text}`: {}", still_running(&self.command, LIMIT, &self.all()));
        let Some(at) = found else { panic!("no `{text}`: {} ended; it had shown:\n{}", self.command, self.all()) };
        let before = String::from_utf8_lossy(&self.shown[self.seen..self.seen + at]).into_owned();
        self.seen += at + text.len();
        before
    }

    fn play(&mut self, steps: &[Step]) {
        for (wait, keys) in steps {
            self.wait(wait);
            self.press(keys);
        }
    }

    fn press(&mut self, keys: &str) {
        self.session.send(keys).unwrap();
    }

    /// Reads to the end; the exit code and what was said last.
    fn end(mut self) -> (i32, String) {
        let process = self.process();
        let (status, killed) = limited(LIMIT, process, || {
            // Linux ends a pseudo-terminal with an error.
            let _ = self.session.read_to_end(&mut self.shown);
            self.session.get_process().wait()
        });
        assert!(!killed, "{}", still_running(&self.command, LIMIT, &self.all()));
        let status = status.expect("it has ended");
        let WaitStatus::Exited(_, code) = status else { panic!("{status:?}") };
        (code, String::from_utf8_lossy(&self.shown[self.seen..]).into_owned())
    }

    fn process(&self) -> u32 {
        u32::try_from(self.session.get_process().pid().as_raw()).expect("it is one process")
    }

    fn all(&self) -> String {
        String::from_utf8_lossy(&self.shown).into_owned()
    }
}

/// Plays on a thread of its own, as it blocks.
async fn wizard(
    folder: &Path,
    arguments: &'static [&'static str],
    environment: Vec<(&'static str, String)>,
    steps: Vec<Step>,
) -> (i32, String) {
    let folder = folder.to_owned();
    let playing = tokio::task::spawn_blocking(move || {
        let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut terminal = Terminal::start(&folder, arguments, 100, &environment);
        terminal.play(&steps);
        terminal.end()
    });
    playing.await.unwrap()
}

/// Down to the provider with this place among those offered, and what follows.
fn openai_compatible(tier: &str, simulator: &Simulator, place: usize) -> Vec<Step> {
    vec![
        step(&format!("serves the {tier} tier"), &format!("{}{ENTER}", DOWN.repeat(place))),
        step("Address of its API", &format!("{}{ENTER}", simulator.base_url())),
        step("Where is its key", ENTER),
        step(&format!("model for the {tier} tier"), ENTER),
    ]
}

/// What is written is served, and answers.
async fn serves(folder: &Path, forced: &str, environment: &[(&str, &str)]) {
    let (folder, environment): (_, Vec<(String, String)>) = (
        folder.to_owned(),
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    );
    let started = tokio::task::spawn_blocking(move || {
        let mut command = Program::xrouter(&folder);
        command.args(["run", "-c", "xrouter.toml"]).envs(environment).env("PORT", "0");
        Program::start_until(command, |line| line.contains("listens on"))
    });
    let (_program, line) = started.await.unwrap();
    let address = line.split("listens on ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap().to_owned();
    let mut body = question("hello");
    body["model"] = format!("xrouter/{forced}").into();
    let answer = Http::new(format!("http://{address}")).chat(&body).await;
    assert_eq!((answer.status, answer.route().1), (200, forced), "{}", answer.text());
}

#[tokio::test]
async fn quick_start_pulls_a_model_asks_for_two_tiers_and_serves() {
    let folder = tempfile::tempdir().unwrap();
    let ollama = simulator(Provider::Ollama, false).await;
    let groq = simulator(Provider::Groq, true).await;
    let anthropic = simulator(Provider::Anthropic, true).await;
    let host = ollama.address_url().trim_start_matches("http://").to_owned();
    let steps = vec![
        step("How much do you want", ENTER),
        step("Which model of Ollama", &format!("{DOWN}{ENTER}")),
        step("is there", ""),
        step("serves the medium tier", ENTER),
        step("Address of its API", &format!("{CLEAR}{}{ENTER}", groq.base_url())),
        step("Where is its key", ENTER),
        step("model for the medium tier", ENTER),
        // Ready ones come first: groq and ollama, then xrouter, openai_compatible, openai, anthropic.
        step("serves the frontier tier", &format!("{}{ENTER}", DOWN.repeat(5))),
        step("Address of its API", &format!("{CLEAR}{}{ENTER}", anthropic.base_url())),
        step("Where is its key", ENTER),
        step("The key", &format!("{KEY}{ENTER}")),
        step("model for the frontier tier", ENTER),
        step("what will be written", ""),
        step("Write xrouter.toml?", ENTER),
    ];
    let environment = vec![("OLLAMA_HOST", host), ("GROQ_API_KEY", KEY.to_owned())];
    let (code, rest) = wizard(folder.path(), &[], environment, steps).await;
    assert_eq!(code, 0, "{rest}");
    assert!(rest.contains("next: xrouter run -c xrouter.toml") && rest.contains("openclaw.json"), "{rest}");
    assert!(!rest.contains(KEY));
    let toml = std::fs::read_to_string(folder.path().join("xrouter.toml")).unwrap();
    assert!(toml.contains("kind = \"cascade\"") && toml.contains("api_key = \"${ANTHROPIC_API_KEY}\""), "{toml}");
    assert!(!toml.contains(KEY), "{toml}");
    assert_eq!(std::fs::read_to_string(folder.path().join(".env")).unwrap(), format!("ANTHROPIC_API_KEY={KEY}\n"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(folder.path().join(".env")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    for tier in ["cheap", "medium", "frontier"] {
        serves(folder.path(), tier, &[("GROQ_API_KEY", KEY)]).await;
    }
}

#[tokio::test]
async fn full_set_up_and_a_second_run_that_starts_from_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let [cheap, medium, frontier] = [(); 3].map(|()| simulator(Provider::OpenaiCompatible, false));
    let (cheap, medium, frontier) = tokio::join!(cheap, medium, frontier);
    let mut steps = vec![step("How much do you want", &format!("{DOWN}{ENTER}"))];
    for (tier, simulator) in [("cheap", &cheap), ("medium", &medium), ("frontier", &frontier)] {
        steps.extend(openai_compatible(tier, simulator, 1));
    }
    steps.push(step("What decides", &format!("{DOWN}{ENTER}")));
    steps.push(step("Write xrouter.toml?", ENTER));
    let (code, rest) = wizard(folder.path(), &[], Vec::new(), steps).await;
    assert_eq!(code, 0, "{rest}");
    let first = std::fs::read_to_string(folder.path().join("xrouter.toml")).unwrap();
    assert!(first.contains("kind = \"cascade\"") && first.contains("# Everyday requests"), "{first}");
    serves(folder.path(), "medium", &[]).await;
    // Its own lines stay where they are; one tier is changed.
    let own = first.replace("[tiers.cheap]", "[server]\nport = 3456 # mine\n\n[tiers.cheap]");
    std::fs::write(folder.path().join("xrouter.toml"), &own).unwrap();
    let mut steps = vec![
        step("an existing configuration", ""),
        step("How much do you want", ENTER),
        step("cheap tier: keep", ENTER),
        step("medium tier: keep", "n"),
    ];
    steps.extend(openai_compatible("medium", &frontier, 1));
    steps.push(step("frontier tier: keep", ENTER));
    steps.push(step("What decides", ENTER));
    steps.push(step("a back-up of the old one is kept", ENTER));
    let (code, rest) = wizard(folder.path(), &[], Vec::new(), steps).await;
    assert_eq!(code, 0, "{rest}");
    assert_eq!(std::fs::read_to_string(folder.path().join("xrouter.toml.bak")).unwrap(), own);
    let second = std::fs::read_to_string(folder.path().join("xrouter.toml")).unwrap();
    assert_eq!(second, own.replace(&medium.base_url(), &frontier.base_url()));
    serves(folder.path(), "medium", &[]).await;
}

#[tokio::test]
async fn full_cloud_is_one_upstream_and_azure_asks_for_its_parts() {
    let folder = tempfile::tempdir().unwrap();
    let azure = simulator(Provider::AzureOpenai, true).await;
    let steps = vec![
        step("How much do you want", &format!("{}{ENTER}", DOWN.repeat(2))),
        step("serves the frontier tier", &format!("{}{ENTER}", DOWN.repeat(6))),
        step("Address of the Azure resource", &format!("{}{ENTER}", azure.address_url())),
        step("Which deployment", &format!("gpt-4o{ENTER}")),
        step("Which API version", ENTER),
        step("Where is its key", ENTER),
        step("The key", &format!("{KEY}{ENTER}")),
        step("gpt-4o answers in", ""),
        step("Write xrouter.toml?", ENTER),
    ];
    let (code, rest) = wizard(folder.path(), &[], Vec::new(), steps).await;
    assert_eq!(code, 0, "{rest}");
    let toml = std::fs::read_to_string(folder.path().join("xrouter.toml")).unwrap();
    for line in ["kind = \"off\"", "deployment = \"gpt-4o\"", "api_version = \"2024-10-21\"", "${AZURE_OPENAI_API_KEY}"]
    {
        assert!(toml.contains(line), "{line}\n{toml}");
    }
    assert!(!toml.contains("[tiers.cheap]"), "{toml}");
    serves(folder.path(), "frontier", &[]).await;
}

#[tokio::test]
async fn a_dead_key_and_a_dead_network_are_explained_and_may_be_kept() {
    let folder = tempfile::tempdir().unwrap();
    let groq = simulator(Provider::Groq, true).await;
    let steps = vec![
        // The dead key: told, changed for an address at which nobody answers, and kept.
        step("serves the frontier tier", ENTER),
        step("Address of its API", &format!("{CLEAR}{}{ENTER}", groq.base_url())),
        step("Where is its key", ENTER),
        step("models of the catalogue, read on", ""),
        step("model for the frontier tier", ENTER),
        step("check the key", ""),
        step("tier does not answer", ENTER),
        step("serves the frontier tier", ENTER),
        step("Address of its API", &format!("{CLEAR}http://127.0.0.1:1/openai/v1{ENTER}")),
        step("Where is its key", ENTER),
        step("model for the frontier tier", ENTER),
        step("is the server started", ""),
        step("tier does not answer", &format!("{}{ENTER}", DOWN.repeat(2))),
        step("Write xrouter.toml?", ENTER),
    ];
    let environment = vec![("GROQ_API_KEY", "wrong-key-123".to_owned())];
    let (code, rest) = wizard(folder.path(), &["--mode", "cloud"], environment, steps).await;
    assert_eq!(code, 0, "{rest}");
    assert!(!rest.contains("wrong-key-123"), "{rest}");
    assert!(
        std::fs::read_to_string(folder.path().join("xrouter.toml")).unwrap().contains("http://127.0.0.1:1/openai/v1")
    );
}

#[tokio::test]
async fn ctrl_c_at_any_question_writes_nothing() {
    let groq = simulator(Provider::Groq, true).await;
    let steps = [
        step("How much do you want", &format!("{}{ENTER}", DOWN.repeat(2))),
        step("serves the frontier tier", ENTER),
        step("Address of its API", &format!("{CLEAR}{}{ENTER}", groq.base_url())),
        step("Where is its key", &format!("{DOWN}{ENTER}")),
        step("The key", &format!("{KEY}{ENTER}")),
        step("model for the frontier tier", ENTER),
        step("Write xrouter.toml?", ENTER),
    ];
    for at in 0..steps.len() {
        let folder = tempfile::tempdir().unwrap();
        let mut played = steps[..at].to_vec();
        played.push(step(&steps[at].0, CTRL_C));
        let environment = vec![("GROQ_API_KEY", "k".to_owned())];
        let (code, rest) = wizard(folder.path(), &[], environment, played).await;
        assert_eq!(code, 130, "at `{}`: {rest}", steps[at].0);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "at `{}`", steps[at].0);
    }
}

#[tokio::test]
async fn ctrl_c_leaves_an_existing_file_and_a_quick_start_as_they_were() {
    let ollama = simulator(Provider::Ollama, false).await;
    let host = ollama.address_url().trim_start_matches("http://").to_owned();
    let existing = "[tiers.cheap]\nbase_url = \"http://127.0.0.1:1\"\nmodel = \"a\"\n\
        [tiers.medium]\nbase_url = \"http://127.0.0.1:1\"\n[tiers.frontier]\nbase_url = \"http://127.0.0.1:1\"\n";
    let kept = vec![
        // Where all is there already, the full set-up stands first.
        step("How much do you want", ENTER),
        step("cheap tier: keep", ENTER),
        step("medium tier: keep", ENTER),
        step("frontier tier: keep", ENTER),
        step("What decides", ENTER),
        step("Write xrouter.toml", ENTER),
    ];
    let quick = vec![
        step("How much do you want", ENTER),
        step("Which model of Ollama", ENTER),
        step("serves the medium tier", ENTER),
    ];
    let old = vec![step("take its upstreams over", ENTER)];
    for (file, text, steps) in [
        ("xrouter.toml", existing, kept),
        ("other.txt", "nothing", quick),
        (".env", "CLASSIFIER_ENABLED=false\nFRONTIER_BASE_URL=http://127.0.0.1:1\n", old),
    ] {
        for at in 0..steps.len() {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join(file), text).unwrap();
            let mut played = steps[..at].to_vec();
            played.push(step(&steps[at].0, CTRL_C));
            let environment = vec![("OLLAMA_HOST", host.clone())];
            let (code, rest) = wizard(folder.path(), &[], environment, played).await;
            assert_eq!(code, 130, "at `{}`: {rest}", steps[at].0);
            assert_eq!(std::fs::read_to_string(folder.path().join(file)).unwrap(), text);
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "at `{}`", steps[at].0);
        }
    }
}

#[tokio::test]
async fn a_narrow_terminal_without_colours_is_enough() {
    let folder = tempfile::tempdir().unwrap();
    let local = simulator(Provider::OpenaiCompatible, false).await;
    let base_url = local.base_url();
    let path = folder.path().to_owned();
    let played = tokio::task::spawn_blocking(move || {
        let mut terminal = Terminal::start(&path, &["--mode", "cloud"], 34, &[("NO_COLOR", "1")]);
        let seen = terminal.wait("frontier tier");
        terminal.press(&format!("{DOWN}{ENTER}"));
        terminal.play(&[
            step("Address", &format!("{base_url}{ENTER}")),
            step("key", ENTER),
            step("type to search", ENTER),
            step("Write", ENTER),
        ]);
        (seen, terminal.end())
    });
    let (seen, (code, rest)) = played.await.unwrap();
    assert_eq!(code, 0, "{rest}");
    // Movements of the cursor are there; colours are not.
    let colours = |text: &str| ["[31m", "[32m", "[33m", "[36m", "[2m"].iter().any(|code| text.contains(code));
    assert!(!colours(&seen) && !colours(&rest), "{seen:?}");
    assert!(folder.path().join("xrouter.toml").exists());
}

#[tokio::test]
async fn files_of_the_earlier_router_are_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let old = simulator(Provider::OpenaiCompatible, true).await;
    let dotenv = format!(
        "CLASSIFIER_ENABLED=false\nPORT=19033\nFRONTIER_BASE_URL={}\nFRONTIER_API_KEY={KEY}\nFRONTIER_MODEL=simulated\n",
        old.base_url()
    );
    std::fs::write(folder.path().join(".env"), &dotenv).unwrap();
    let path = folder.path().to_owned();
    let arguments = ["init", "--yes", "--import"];
    let output = tokio::task::spawn_blocking(move || Program::run(&path, &arguments)).await.unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("simulated answers in") && text.contains("127.0.0.1:19033"), "{text}");
    assert!(text.contains("FRONTIER_BASE_URL, FRONTIER_MODEL in the environment or in .env: laid over"), "{text}");
    let toml = std::fs::read_to_string(folder.path().join("xrouter.toml")).unwrap();
    assert!(toml.contains("api_key = \"${FRONTIER_API_KEY}\"") && toml.contains(&old.base_url()), "{toml}");
    assert_eq!(std::fs::read_to_string(folder.path().join(".env")).unwrap(), dotenv, "it is left as it was");
    serves(folder.path(), "frontier", &[]).await;
}
