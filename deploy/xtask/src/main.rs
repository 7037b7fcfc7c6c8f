//! The house's tools: `cargo xtask up`, `cargo xtask test`, `cargo xtask bench`, `cargo xtask contract`. Each does its own
//! set-up and says what it could not set up.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool speaks to its terminal")]

/// What `test` runs, in which order.
mod parts;

/// The closing lines.
mod report;

/// Commands that are run: passed through, or watched for what they counted.
mod process;

/// The tools that the parts need, installed where that is possible.
mod tools;

/// Processes that run beside this one.
mod background;

/// `cargo xtask up --distributed`: every service in a process of its own.
mod distributed;

/// Known bugs, brought back.
mod museum;

/// docker-compose.yml, brought up for real.
mod compose;

/// `buf` over proto/, and the baseline that it compares with.
mod contract;

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::Context as _;
use clap::{Parser, Subcommand};

use crate::{parts::Part, process::cargo};

/// Builds, starts, tests and measures mifeng.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Builds mifeng and starts all services in one process; everything after `up` goes to `mifeng up`.
    /// With --distributed every service gets a process of its own, over PostgreSQL and NATS
    #[command(disable_help_flag = true)]
    Up {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
        arguments: Vec<String>,
    },
    /// Checks everything, or only the parts named
    Test {
        /// Without one: all, in this order
        parts: Vec<Part>,
        /// How often the faults part kills the process (a few times without it), and how many seeds are simulated (200)
        #[arg(long, value_name = "N")]
        rounds: Option<u32>,
        /// Passed on to the test runner, for example a part of a test's name
        #[arg(last = true)]
        runner: Vec<String>,
    },
    /// Measures (release build): `log`, `rpc`, `feed`, `rebuild`, `screening`, `rescreen`, `isolation` or `pass`, and `--json` for one object
    #[command(disable_help_flag = true)]
    Bench {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
        arguments: Vec<String>,
    },
    /// The contract in proto/
    Contract {
        #[command(subcommand)]
        task: ContractTask,
    },
}

#[derive(Subcommand)]
enum ContractTask {
    /// Makes today's contract the one that later ones must not break, and writes a golden file for each new event type
    Freeze {
        /// Even though it breaks what was frozen before: only as long as nobody keeps a log of that version
        #[arg(long)]
        breaking: bool,
    },
}

fn main() -> ExitCode {
    carry_out(Cli::parse().task, &root()).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn carry_out(task: Task, root: &Path) -> anyhow::Result<ExitCode> {
    match task {
        Task::Up { arguments } => up(root, &arguments),
        Task::Test { parts, rounds, runner } => Ok(parts::run(root, &parts, rounds, &runner)),
        Task::Bench { arguments } => {
            let mut bench = cargo();
            bench.args(["run", "--release", "--package", "tests", "--bin", "bench", "--"]).args(arguments);
            process::become_command(bench.current_dir(root))
        }
        Task::Contract { task: ContractTask::Freeze { breaking } } => contract::freeze(root, breaking),
    }
}

/// This process becomes `mifeng up`, so that Ctrl-C reaches it and nothing stands between it and the terminal.
fn up(root: &Path, arguments: &[String]) -> anyhow::Result<ExitCode> {
    if let Some(at) = arguments.iter().position(|argument| argument == "--distributed") {
        let others: Vec<String> = [&arguments[..at], &arguments[at + 1..]].concat();
        return distributed::up(root, &others);
    }
    let binary = build_mifeng(root)?;
    process::become_command(Command::new(binary).arg("up").args(arguments))
}

fn build_mifeng(root: &Path) -> anyhow::Result<PathBuf> {
    // Among the whole workspace: with the features that the tests are built with, and so only once.
    let mut build = cargo();
    let built = build.args(["build", "--workspace", "--bin", "mifeng"]).current_dir(root).status();
    anyhow::ensure!(built.context("starting cargo")?.success(), "mifeng could not be built: see above");
    // Wherever cargo put this program, it puts that one too.
    let here = std::env::current_exe().context("finding where the build puts its programs")?;
    Ok(here.with_file_name(format!("mifeng{}", std::env::consts::EXE_SUFFIX)))
}

fn root() -> PathBuf {
    // As cargo says when it runs this: two clones that share a target folder may share the program, too.
    let here = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&here).join("../..").components().collect::<PathBuf>()
}
