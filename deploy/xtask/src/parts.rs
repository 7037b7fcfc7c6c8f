use std::{ffi::OsString, path::Path, process::ExitCode};

use clap::ValueEnum;

use crate::{
    build_mifeng, compose, contract, museum,
    process::{self, Outcome, cargo, timed},
    report::{Ending, Report},
    tools,
};

/// What can be tested alone. The cheap ones come first, so that a slip shows within seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// rustfmt
    Fmt,
    /// clippy, every warning an error
    Clippy,
    /// buf: style of the contract, and that it breaks nothing that was frozen
    Proto,
    /// Licences, one TLS stack, known holes
    Deny,
    /// Tests inside the crates
    Unit,
    /// The arrows between the crates, the table of RPCs, the golden events
    Architecture,
    /// What every store and feed must do alike
    Contract,
    /// Known bugs brought back, each of which a suite must notice
    Museum,
    /// Users' stories through real services
    Journeys,
    /// Services over a simulated network that loses, doubles, delays and reorders
    Simulation,
    /// kill -9 and other accidents
    Faults,
    /// docker-compose.yml brought up for real, and the story played through its proxy
    Compose,
}

/// Runs the parts asked for, prints the closing lines, and fails where one of them failed.
pub(crate) fn run(root: &Path, asked: &[Part], rounds: Option<u32>, runner: &[String]) -> ExitCode {
    let all = Part::value_variants();
    let mut report = Report::default();
    for part in all.iter().copied().filter(|part| asked.is_empty() || asked.contains(part)) {
        println!("\n== {}", part.name());
        let (ending, seconds) = timed(|| part.run(root, rounds, runner));
        let ending = ending.unwrap_or_else(|error| Ending::Failed(format!("{error:#}"), None));
        report.add(part.name(), ending, seconds);
    }
    if all.iter().any(|part| part.starts_servers() && (asked.is_empty() || asked.contains(part))) {
        missing_servers(&mut report);
    }
    println!("{report}");
    if report.failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Fmt => "fmt",
            Self::Clippy => "clippy",
            Self::Proto => "proto",
            Self::Deny => "deny",
            Self::Unit => "unit",
            Self::Architecture => "architecture",
            Self::Contract => "contract",
            Self::Museum => "museum",
            Self::Journeys => "journeys",
            Self::Simulation => "simulation",
            Self::Faults => "faults",
            Self::Compose => "compose",
        }
    }

    fn run(self, root: &Path, rounds: Option<u32>, runner: &[String]) -> anyhow::Result<Ending> {
        match self {
            Self::Fmt => plain(root, "rustfmt", &["fmt", "--all", "--check"]),
            Self::Clippy => {
                plain(root, "clippy", &["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"])
            }
            Self::Proto => contract::check(root),
            Self::Deny => deny(root),
            Self::Unit => tests(root, &["--workspace", "--lib", "--bins"], &[], rounds, runner),
            // Named among the whole workspace: of one package alone, every dependency would be built again for its features.
            Self::Architecture | Self::Simulation => {
                tests(root, &["--workspace", "--test", self.name()], &[], rounds, runner)
            }
            Self::Contract | Self::Journeys | Self::Faults => {
                build_mifeng(root)?;
                tests(root, &["--workspace", "--test", self.name()], &servers(), rounds, runner)
            }
            Self::Museum => museum::check(root, &servers()),
            Self::Compose => compose::check(root),
        }
    }

    /// Whether its tests start databases and message servers of their own.
    fn starts_servers(self) -> bool {
        matches!(self, Self::Contract | Self::Museum | Self::Journeys | Self::Faults)
    }
}

/// How many seeds the simulation takes: few by itself, so many here.
const SEEDS: &str = "MIFENG_SIMULATION_SEEDS";
const SIMULATED: u32 = 200;

/// A command of cargo's that comes as a component of the toolchain.
fn plain(root: &Path, component: &str, arguments: &[&str]) -> anyhow::Result<Ending> {
    tools::component(component, arguments[0]);
    let outcome = process::watch(cargo().args(arguments).current_dir(root))?;
    Ok(ending(&outcome))
}

fn tests(
    root: &Path,
    which: &[&str],
    servers: &[(&str, OsString)],
    rounds: Option<u32>,
    runner: &[String],
) -> anyhow::Result<Ending> {
    tools::font();
    let mut command = cargo();
    if tools::nextest() {
        command.args(["nextest", "run"]).args(which).args(runner);
    } else {
        command.arg("test").args(which).arg("--").args(runner);
    }
    if let Ok(here) = std::env::current_exe() {
        // Tests that start and kill a process of their own take this one.
        command.env("MIFENG_BIN", here.with_file_name(format!("mifeng{}", std::env::consts::EXE_SUFFIX)));
    }
    command.envs(servers.iter().map(|(variable, value)| (*variable, value)));
    if let Some(rounds) = rounds {
        command.env("MIFENG_FAULT_ROUNDS", rounds.to_string());
    }
    if rounds.is_some() || std::env::var_os(SEEDS).is_none() {
        command.env(SEEDS, rounds.unwrap_or(SIMULATED).to_string());
    }
    let outcome = process::watch(command.current_dir(root))?;
    Ok(ending(&outcome))
}

/// Where tests find the servers that they start. Tests that need one which is missing leave it out.
fn servers() -> Vec<(&'static str, OsString)> {
    let mut found = Vec::new();
    if let Ok(folder) = tools::postgres() {
        found.push(("MIFENG_POSTGRES_BIN", folder.into_os_string()));
    }
    let nats = tools::nats_servers().programs;
    if let (false, Ok(programs)) = (nats.is_empty(), std::env::join_paths(&nats)) {
        found.push(("MIFENG_NATS_SERVER", programs));
    }
    found
}

/// What the tests had to leave out, with the line that helps.
fn missing_servers(report: &mut Report) {
    if let Err(why) = tools::postgres() {
        report.add("postgresql", Ending::Skipped(why), 0.0);
    }
    let nats = tools::nats_servers();
    if !nats.missing.is_empty() {
        report.add("nats-server", Ending::Skipped(nats.missing.join("; ")), 0.0);
    }
}

/// cargo-deny takes minutes to build and is no toolchain's own: used where somebody installed it. What must never slip in
/// (a second TLS stack, SQL in an office) the architecture tests look at too.
fn deny(root: &Path) -> anyhow::Result<Ending> {
    if !process::succeeds(cargo().args(["deny", "--version"])) {
        return Ok(Ending::Skipped("cargo-deny is not there: cargo install --locked cargo-deny".to_owned()));
    }
    let check = |what: &[&str]| {
        let mut command = cargo();
        command.args(["deny", "--config", ".deny.toml", "check"]).args(what).current_dir(root);
        process::watch(&mut command)
    };
    let outcome = check(&["bans", "licenses", "sources"])?;
    if !outcome.success {
        return Ok(ending(&outcome));
    }
    // The list of known holes is fetched over the network: without one, the rest was looked at all the same.
    if !process::succeeds(cargo().args(["deny", "--config", ".deny.toml", "fetch", "db"])) {
        return Ok(Ending::Skipped("bans and licences hold; the list of known holes could not be fetched".to_owned()));
    }
    Ok(ending(&check(&["advisories"])?))
}

fn ending(outcome: &Outcome) -> Ending {
    if outcome.success {
        Ending::Passed(outcome.counts)
    } else {
        Ending::Failed("see above".to_owned(), outcome.counts)
    }
}
