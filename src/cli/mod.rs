//! The command line: one file per command.
//!
//! Enters: arguments. Leaves: text on the terminal and an exit code: 0 fine, 1 failed while running,
//! 2 usage, configuration or history file, 130 Ctrl-C. Read this file first.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line prints")]

mod bench;
mod classify;
mod config;
mod db;
mod demo;
mod doctor;
mod eval;
mod hardware;
mod init;
mod learn;
mod models;
mod offline;
mod reach;
mod replay;
mod run;
mod signal;
mod simulate;
mod train;
mod usage;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::app::AppError;
use crate::config::{ConfigError, Loaded, Sources};
use crate::store::{OpenError, StoreError};

/// An inference router: decides how strong a model each request needs, and keeps the history.
#[derive(Debug, Parser)]
#[command(name = "xrouter", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve
    Run(run::Run),
    /// Show the whole thing at work, with simulated upstreams; needs no key
    Demo(demo::Demo),
    /// Write a configuration, question by question or from flags
    Init(Box<init::Init>),
    /// Check, show or describe the configuration
    Config(config::ConfigCommand),
    /// Show how a text is decided, and why
    Classify(classify::Classify),
    /// Measure how well the configured classifier routes labelled prompts
    Eval(eval::Eval),
    /// Decide the history anew with another configuration: what would move, what it would cost, what is at risk
    Replay(replay::Replay),
    /// Train the embedded classifier on labelled prompts
    Train(train::Train),
    /// Show tokens and money by tier, period and group, straight from the history's file
    Usage(usage::Usage),
    /// Care for the history's file, also while a router writes it
    Db(db::Db),
    /// Show what this machine has, and which local engine and models suit it
    Hardware(hardware::Hardware),
    /// List the models that the upstreams offer
    Models(models::Models),
    /// Check the configuration and everything that it names
    Doctor(doctor::Doctor),
    /// Serve a strict simulation of a provider's API on this machine; needs no key
    Simulate(simulate::Simulate),
    /// Print completions for a shell
    Completions {
        /// bash, elvish, fish, powershell or zsh
        shell: clap_complete::Shell,
    },
}

/// Where the configuration is.
#[derive(Debug, Clone, clap::Args)]
struct ConfigFile {
    /// Configuration file [default: ./xrouter.toml, else xrouter/xrouter.toml in the user's configuration folder]
    #[arg(short, long, value_name = "FILE", env = "XROUTER_CONFIG")]
    config: Option<PathBuf>,
}

impl ConfigFile {
    fn sources(&self) -> Result<Sources, Failure> {
        Ok(Sources::discover(self.config.as_deref())?)
    }
}

/// Where the history is.
#[derive(Debug, Clone, clap::Args)]
struct HistoryFile {
    /// The history's file [default: the one of the configuration]
    #[arg(long, value_name = "FILE")]
    db: Option<PathBuf>,
    #[command(flatten)]
    file: ConfigFile,
}

impl HistoryFile {
    /// The settings of the history, and its file.
    fn find(&self) -> Result<(crate::config::Store, PathBuf), Failure> {
        let (store, path) = crate::config::history(&self.file.sources()?)?;
        Ok((store, self.db.clone().unwrap_or(path)))
    }
}

/// How a command ended, if not well.
#[derive(Debug)]
enum Failure {
    /// Usage, configuration or history file: exit code 2.
    Usage(anyhow::Error),
    /// While running: exit code 1.
    Running(anyhow::Error),
    /// While running, and said already: exit code 1.
    Told,
    /// Ctrl-C: exit code 130, and nothing to say.
    Interrupted,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Usage(error) | Failure::Running(error) => f.write_str(&chain(error)),
            Failure::Told | Failure::Interrupted => Ok(()),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Failure::Usage(error.into())
    }
}

impl From<AppError> for Failure {
    fn from(error: AppError) -> Self {
        match error {
            AppError::History(_) | AppError::Upstream(_) | AppError::Model { .. } => Failure::Usage(error.into()),
            AppError::Listen { .. } | AppError::Client(_) => Failure::Running(error.into()),
        }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Failure::Usage(error.into())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Failure::Running(error.into())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Failure::Running(error.into())
    }
}

/// Reads the command line and does what it says.
#[must_use]
pub fn main() -> ExitCode {
    leave_quietly();
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Run(command) => block_on(command.run()),
        Command::Demo(command) => block_on(command.run()),
        Command::Init(command) => command.run(),
        Command::Config(command) => command.run(),
        Command::Classify(command) => block_on(command.run()),
        Command::Eval(command) => block_on(command.run()),
        Command::Replay(command) => block_on(command.run()),
        Command::Train(command) => block_on(command.run()),
        Command::Usage(command) => block_on(command.run()),
        Command::Db(command) => block_on(command.run()),
        Command::Hardware(command) => block_on(command.run()),
        Command::Models(command) => block_on(command.run()),
        Command::Doctor(command) => block_on(command.run()),
        Command::Simulate(command) => block_on(command.run()),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "xrouter", &mut std::io::stdout());
            Ok(())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Interrupted) => ExitCode::from(130),
        Err(Failure::Told) => ExitCode::from(1),
        Err(Failure::Usage(error)) => say(&error, 2),
        Err(Failure::Running(error)) => say(&error, 1),
    }
}

/// Whoever reads our output may leave (`xrouter … | head`): that is the end of it, and no panic.
fn leave_quietly() {
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let message = panic.payload_as_str().unwrap_or_default();
        if message.starts_with("failed printing to std") && message.contains("Broken pipe") {
            std::process::exit(0);
        }
        told(panic);
    }));
}

/// A thread for each processor; for one alone, the thread that there is: no task is handed to another then.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let is_alone = std::thread::available_parallelism().is_ok_and(|count| count.get() == 1);
    let mut builder = if is_alone {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    builder.enable_all().build()
}

fn block_on(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = runtime()?;
    let result = runtime.block_on(work);
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    result
}

fn say(error: &anyhow::Error, code: u8) -> ExitCode {
    let mark = console::style("error:").for_stderr().red().bold();
    for line in chain(error).lines() {
        eprintln!("{mark} {line}");
    }
    ExitCode::from(code)
}

/// An error and its causes, without those that it tells itself.
fn chain(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// What a command needs to know to serve: the configuration, checked.
fn load(sources: &Sources) -> Result<Loaded, Failure> {
    Ok(crate::config::load(sources)?)
}
