use std::{
    env,
    io::{self, BufRead, BufReader, Read, Write},
    ops::AddAssign,
    process::{Command, ExitCode, Stdio},
    thread,
    time::Instant,
};

use anyhow::Context as _;

/// How a part ended.
pub(crate) struct Outcome {
    pub(crate) success: bool,
    /// Nothing where the command is no test runner, or never came to its summary.
    pub(crate) counts: Option<Counts>,
}

/// Tests as a runner's summary counts them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// The cargo that started this program, or the one that is found. `cargo run` tells this program about its own package; a
/// build script that looks at the like (ring's does) would run again whenever cargo is called from here and then by hand.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in env::vars_os() {
        let of_this_package = ["CARGO_PKG_", "CARGO_MANIFEST_"];
        if of_this_package.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            cargo.env_remove(name);
        }
    }
    cargo
}

/// Runs a command with its output passed through as it comes, and counts the tests that its summaries name.
pub(crate) fn watch(command: &mut Command) -> anyhow::Result<Outcome> {
    println!("\n$ {}", line(command));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {}", line(command)))?;
    let out = child.stdout.take().context("taking the command's output")?;
    let err = child.stderr.take().context("taking the command's messages")?;
    let errors = thread::spawn(move || pass_through(err, &mut io::stderr()));
    let mut counts = pass_through(out, &mut io::stdout());
    let on_stderr = errors.join().ok().flatten();
    if let Some(more) = on_stderr {
        *counts.get_or_insert_default() += more;
    }
    let status = child.wait().with_context(|| format!("waiting for {}", line(command)))?;
    Ok(Outcome { success: status.success(), counts })
}

/// Whether a command succeeds; what it prints is of no interest.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// This process becomes the command; it returns only where that is impossible.
#[cfg(unix)]
pub(crate) fn become_command(command: &mut Command) -> anyhow::Result<ExitCode> {
    let error = std::os::unix::process::CommandExt::exec(command);
    Err(error).with_context(|| format!("starting {}", line(command)))
}

/// Where a process cannot become another one, it waits for it and passes on how it ended.
#[cfg(not(unix))]
pub(crate) fn become_command(command: &mut Command) -> anyhow::Result<ExitCode> {
    let status = command.status().with_context(|| format!("starting {}", line(command)))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs and prints seconds beside the outcome.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let start = Instant::now();
    let outcome = work();
    (outcome, start.elapsed().as_secs_f64())
}

fn pass_through(from: impl Read, to: &mut impl Write) -> Option<Counts> {
    let mut counts: Option<Counts> = None;
    for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
        // A terminal that was closed is no reason to stop reading: the command would block on a full pipe.
        drop(to.write_all(&line).and_then(|()| to.write_all(b"\n")).and_then(|()| to.flush()));
        if let Some(more) = summary(&without_colours(&String::from_utf8_lossy(&line))) {
            *counts.get_or_insert_default() += more;
        }
    }
    counts
}

/// Reads `Summary [ 1.2s] 7 tests run: 5 passed (1 slow), 2 failed, 3 skipped` (cargo-nextest) and
/// `test result: ok. 5 passed; 0 failed; 1 ignored; ...` (cargo test).
fn summary(line: &str) -> Option<Counts> {
    // Indented, it is the output of one test, which cargo-nextest counts itself.
    let cargo_test = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". "));
    let line = line.trim_start();
    let nextest = line.starts_with("Summary [").then(|| line.split_once(" run: ")).flatten();
    let (_, figures) = nextest.or(cargo_test)?;
    let words: Vec<&str> = figures.split([' ', ',', ';', '(', ')', ':']).filter(|word| !word.is_empty()).collect();
    let mut counts = Counts::default();
    for pair in words.windows(2) {
        let Ok(number) = pair[0].parse::<u64>() else { continue };
        match pair[1] {
            "passed" => counts.passed += number,
            "failed" | "timed" | "exec" => counts.failed += number,
            "skipped" | "ignored" => counts.skipped += number,
            _ => {}
        }
    }
    Some(counts)
}

fn without_colours(line: &str) -> String {
    let mut plain = String::new();
    let mut inside = false;
    for letter in line.chars() {
        match letter {
            '\u{1b}' => inside = true,
            'm' if inside => inside = false,
            _ if inside => {}
            _ => plain.push(letter),
        }
    }
    plain
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_of_nextest_is_counted_with_its_failures_of_every_kind() {
        let line =
            "     Summary [   3.141s] 12 tests run: 8 passed (2 slow), 2 failed, 1 timed out, 1 exec failed, 4 skipped";
        assert_eq!(summary(line), Some(Counts { passed: 8, failed: 4, skipped: 4 }));
    }

    #[test]
    fn a_summary_of_cargo_test_is_counted() {
        let line = "test result: FAILED. 5 passed; 1 failed; 2 ignored; 0 measured; 3 filtered out; finished in 0.1s";
        assert_eq!(summary(line), Some(Counts { passed: 5, failed: 1, skipped: 2 }));
    }

    #[test]
    fn a_line_that_only_mentions_passing_counts_nothing() {
        assert_eq!(summary("        PASS [   0.001s] registry 3 passed 4 failed"), None);
        assert_eq!(summary("    test result: ok. 1 passed; 0 failed; 0 ignored"), None);
    }

    #[test]
    fn colours_are_no_part_of_a_summary() {
        let line = "\u{1b}[32;1m     Summary\u{1b}[0m [   0.1s] \u{1b}[1m1\u{1b}[0m test run: \u{1b}[1m1\u{1b}[0m passed, 0 skipped";
        assert_eq!(summary(&without_colours(line)), Some(Counts { passed: 1, failed: 0, skipped: 0 }));
    }
}
