//! Bugs that were in logs like ours once, brought back one after the other (`chassis/src/museum.rs`): each must make a
//! suite fail. What this prints of those failures is their tests' names alone, so that nobody takes them for the run's.

use std::{ffi::OsString, path::Path, process::Stdio};

use anyhow::{Context as _, bail};

use crate::{
    process::{Counts, cargo},
    report::Ending,
    tools,
};

/// The switch, and the tests among which one must notice.
const BUGS: [(&str, &str); 7] = [
    ("position-from-a-sequence", "binary(contract) & test(sqlite::) & !test(random)"),
    ("notify-missed", "binary(contract) & test(replicas::)"),
    ("unknown-commit-as-new", "binary(contract) & test(sqlite::) & !test(random)"),
    ("checkpoint-apart", "package(chassis) & test(views::)"),
    ("cancelled-begin", "package(chassis) & test(views::)"),
    ("fence-ignored", "binary(contract) & test(replicas::)"),
    ("failure-that-stays", "package(chassis) & (test(views::) | test(reactions::))"),
];

pub(crate) fn check(root: &Path, servers: &[(&str, OsString)]) -> anyhow::Result<Ending> {
    if !tools::nextest() {
        return Ok(Ending::Skipped("it picks tests by cargo-nextest: cargo install --locked cargo-nextest".to_owned()));
    }
    let mut counts = Counts::default();
    for (bug, tests) in BUGS {
        let failed = failed_with(root, bug, tests, servers)?;
        if failed.is_empty() {
            counts.failed += 1;
            println!("{bug}: NOT caught by {tests}");
        } else {
            counts.passed += 1;
            println!("{bug}: caught by {}", failed.join(", "));
        }
    }
    Ok(match counts.failed {
        0 => Ending::Passed(Some(counts)),
        _ => Ending::Failed("a bug that came back was not noticed".to_owned(), Some(counts)),
    })
}

/// The tests that fail with the bug. Whatever else goes wrong is an error.
fn failed_with(root: &Path, bug: &str, tests: &str, servers: &[(&str, OsString)]) -> anyhow::Result<Vec<String>> {
    let mut command = cargo();
    command.args(["nextest", "run", "--workspace", "--no-fail-fast", "--color=never", "--retries=0"]);
    command.args(["--failure-output=never", "--success-output=never", "--filterset", tests]);
    command.envs(servers.iter().map(|(variable, value)| (*variable, value)));
    let done = command.env("MIFENG_MUSEUM", bug).current_dir(root).stdin(Stdio::null()).output();
    let done = done.context("starting cargo nextest")?;
    let said = String::from_utf8_lossy(&done.stderr);
    match done.status.code() {
        Some(0) => Ok(Vec::new()),
        Some(TESTS_FAILED) => Ok(names(&said)),
        _ => bail!("the tests could not be run: {said}"),
    }
}

/// Of cargo-nextest.
const TESTS_FAILED: i32 = 100;

/// `        FAIL [   0.012s] (3/9) chassis views::tests::name` (or `TIMEOUT`, `SIGABRT`), each once.
fn names(said: &str) -> Vec<String> {
    let ends = ["FAIL [", "TIMEOUT [", "SIG"];
    let lines = said.lines().map(str::trim_start).filter(|line| ends.iter().any(|end| line.starts_with(end)));
    let mut names: Vec<String> = lines
        .filter_map(|line| line.rsplit(' ').next())
        .map(|name| name.rsplit("::").next().unwrap_or(name).to_owned())
        .collect();
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_that_failed_are_named_once() {
        let said = "        PASS [   0.011s] (1/3) chassis views::tests::a\n        FAIL [   0.012s] (3/3) chassis views::tests::b\n\
                    ────────────\n        FAIL [   0.012s] (3/3) chassis views::tests::b\n";
        assert_eq!(names(said), ["b"]);
    }
}
