//! Real programs: the router's own binary, and Redis.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// A child process that ends with the test.
pub(crate) struct Program {
    child: Child,
}

impl Program {
    /// The router's binary in a folder, with none of the environment's configuration.
    pub(crate) fn xrouter(folder: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xrouter"));
        command
            .current_dir(folder)
            .env_clear()
            .env("HOME", folder)
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
    }

    /// Runs the router to its end.
    pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Output {
        Self::xrouter(folder).args(arguments).stdin(Stdio::null()).output().expect("the program runs")
    }

    /// Starts a command and reads its lines until one fulfils a condition; returns that line.
    pub(crate) fn start_until(mut command: Command, condition: impl Fn(&str) -> bool) -> (Self, String) {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let line = lines.find(|line| line.as_ref().is_ok_and(|line| condition(line)));
        // The pipe must stay open and be read, or the program would fail to print.
        std::thread::spawn(move || lines.for_each(drop));
        let Some(Ok(line)) = line else { panic!("the program ended before it was ready") };
        (Program { child }, line)
    }

    /// SIGKILL: the process is gone at once.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it has ended");
    }

    /// SIGINT, as Ctrl-C sends it; returns the exit code.
    pub(crate) fn interrupt(&mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-INT", &id]).status().expect("kill runs");
        self.child.wait().expect("it has ended").code()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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
