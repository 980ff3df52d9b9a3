//! Real programs: the router's own binary, Redis, and whatever else a test starts. None outlives [`LIMIT`].

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::LIMIT;

/// A child process that ends with the test.
pub(crate) struct Program {
    /// What was run.
    command: String,
    child: Child,
    printed: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Program {
    /// The router's binary.
    pub(crate) const XROUTER: &str = env!("CARGO_BIN_EXE_xrouter");

    /// The router in a folder, with none of the environment's configuration.
    pub(crate) fn xrouter(folder: &Path) -> Command {
        Self::clean(Self::XROUTER, folder)
    }

    /// A program in a folder, with nothing of the environment but where programs are.
    pub(crate) fn clean(program: &str, folder: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(folder)
            .env_clear()
            .env("HOME", folder)
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
    }

    /// Runs the router to its end.
    pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Output {
        let mut command = Self::xrouter(folder);
        command.args(arguments);
        Self::output(command)
    }

    /// Runs a command that reads nothing to its end, and keeps what it prints.
    pub(crate) fn output(mut command: Command) -> Output {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self::finish(command)
    }

    /// Runs a command to its end, with the standard streams that it was given.
    pub(crate) fn finish(command: Command) -> Output {
        Self::finish_within(LIMIT, command)
    }

    fn finish_within(limit: Duration, mut command: Command) -> Output {
        let told = format!("{command:?}");
        let child = command.spawn().unwrap_or_else(|error| panic!("{told}: {error}"));
        // Its ends of pipes must not stay open here.
        drop(command);
        let (output, killed) = limited(limit, child.id(), || child.wait_with_output());
        let output = output.expect("its output can be read");
        let printed = [output.stdout.as_slice(), &output.stderr].map(String::from_utf8_lossy).concat();
        assert!(!killed, "{}", still_running(&told, limit, &printed));
        output
    }

    /// Starts a command and reads its lines until one fulfils a condition; returns that line.
    pub(crate) fn start_until(mut command: Command, condition: impl Fn(&str) -> bool) -> (Self, String) {
        let told = format!("{command:?}");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{told}: {error}"));
        let printed = Arc::default();
        let (sender, lines) = mpsc::channel();
        // The pipes are read to their end, or the program would fail to print.
        let stdout = keep(child.stdout.take().expect("its output"), &printed, move |line| {
            let _ = sender.send(line.to_owned());
        });
        let stderr = keep(child.stderr.take().expect("its errors"), &printed, |_| {});
        let mut program = Program { command: told, child, printed, readers: vec![stdout, stderr] };
        let (line, killed) = limited(LIMIT, program.child.id(), || lines.iter().find(|line| condition(line)));
        let Some(line) = line else {
            let printed = program.printed();
            assert!(!killed, "{}", still_running(&program.command, LIMIT, &printed));
            panic!("{} ended before it was ready; it printed:\n{printed}", program.command);
        };
        (program, line)
    }

    /// SIGKILL: the process is gone at once.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it has ended");
    }

    /// SIGINT, as Ctrl-C sends it; returns the exit code.
    pub(crate) fn interrupt(&mut self) -> Option<i32> {
        signal("INT", self.child.id());
        self.end(LIMIT).code()
    }

    /// Waits for its end.
    fn end(&mut self, limit: Duration) -> ExitStatus {
        let (status, killed) = limited(limit, self.child.id(), || self.child.wait());
        if killed {
            let printed = self.printed();
            panic!("{}", still_running(&self.command, limit, &printed));
        }
        status.expect("it has ended")
    }

    /// Everything that it printed until its end, which is waited for.
    pub(crate) fn printed(&mut self) -> String {
        limited(LIMIT, self.child.id(), || {
            for reader in self.readers.drain(..) {
                reader.join().expect("its output can be read");
            }
        });
        self.printed.lock().expect("nobody panics with it").clone()
    }
}

impl Drop for Program {
    #[expect(clippy::print_stderr, reason = "a test that fails shows what its programs said")]
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let printed = self.printed();
            eprintln!("{} printed:\n{printed}", self.command);
        }
    }
}

/// Waits for what comes at the latest when a process ends. At the limit, a thread that sleeps until then kills the
/// process; the flag tells that it had to.
pub(crate) fn limited<T>(limit: Duration, process: u32, wait: impl FnOnce() -> T) -> (T, bool) {
    let (over, is_over) = mpsc::channel::<()>();
    let watching = thread::spawn(move || {
        let killed = is_over.recv_timeout(limit) == Err(RecvTimeoutError::Timeout);
        if killed {
            signal("KILL", process);
        }
        killed
    });
    let value = wait();
    drop(over);
    (value, watching.join().expect("the watch ends"))
}

/// What a test says of a process that its limit ended.
pub(crate) fn still_running(command: &str, limit: Duration, printed: &str) -> String {
    let mut text = format!("{command} was still running after {limit:?} and was killed; it had printed:\n");
    let _ = write!(text, "{}", if printed.is_empty() { "nothing" } else { printed });
    text
}

/// The shell has `kill` built in: not every machine has the program.
fn signal(name: &str, process: u32) {
    let mut shell = Command::new("sh");
    // A process that has just ended by itself is none to complain about.
    shell.args(["-c", "kill -\"$0\" \"$1\" 2>/dev/null", name, &process.to_string()]);
    shell.status().expect("the shell runs");
}

/// Reads lines on a thread of its own, keeps them, and hands each on.
fn keep(
    source: impl Read + Send + 'static,
    printed: &Arc<Mutex<String>>,
    each: impl Fn(&str) + Send + 'static,
) -> JoinHandle<()> {
    let printed = printed.clone();
    thread::spawn(move || {
        for line in BufReader::new(source).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            let mut printed = printed.lock().expect("nobody panics with it");
            printed.push_str(&line);
            printed.push('\n');
            each(&line);
        }
    })
}

/// A real Redis on a free port; its URL.
pub(crate) fn redis_server() -> (Program, String) {
    let port = free_port();
    redis_on(port)
}

fn redis_on(port: u16) -> (Program, String) {
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
    let (program, _) = Program::start_until(command, |line| line.contains("Ready to accept connections"));
    (program, format!("redis://127.0.0.1:{port}/0"))
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

/// What a call that must panic said.
fn complaint(call: impl FnOnce()) -> String {
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).expect_err("it complains");
    *panic.downcast().expect("a text")
}

#[test]
fn a_program_that_never_ends_is_killed_and_told_with_what_it_printed() {
    let script = "echo here I am; echo and here >&2; exec sleep 1000000";
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    let (mut program, line) = Program::start_until(command, |line| line.contains("here"));
    assert_eq!(line, "here I am");
    let told = complaint(|| {
        program.end(Duration::ZERO);
    });
    for part in [script, "still running", "here I am\n", "and here\n"] {
        assert!(told.contains(part), "{part} in {told}");
    }
    let mut command = Command::new("sleep");
    command.arg("1000000").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let told = complaint(|| drop(Program::finish_within(Duration::ZERO, command)));
    assert!(told.contains("\"sleep\" \"1000000\" was still running") && told.ends_with("nothing"), "{told}");
}

#[test]
fn a_program_that_ends_too_early_is_told_with_what_it_printed() {
    let mut command = Command::new("sh");
    command.args(["-c", "echo no configuration >&2"]);
    let told = complaint(|| drop(Program::start_until(command, |_| true)));
    assert!(told.contains("ended before it was ready") && told.contains("no configuration"), "{told}");
}
