//! The command line as a whole.

use clap::{CommandFactory as _, Parser};

#[derive(Parser)]
#[command(name = "mifeng")]
struct Typed {
    #[command(subcommand)]
    _command: crate::Command,
}

#[test]
fn the_arguments_of_all_commands_fit_together() {
    Typed::command().debug_assert();
}

#[test]
fn every_example_in_the_help_can_be_typed() {
    let mut examples = Vec::new();
    collect(&Typed::command(), &mut examples);
    assert!(examples.len() > 40, "only {} examples", examples.len());
    for example in examples {
        if let Err(error) = Typed::try_parse_from(words(&example)) {
            panic!("{example}\n{error}");
        }
    }
}

#[test]
fn a_failure_with_a_context_tells_both() {
    let error = anyhow::Error::new(tonic::Status::unavailable("gone")).context("say it again");
    assert!(crate::has_context(&error));
    assert!(!crate::has_context(&anyhow::Error::new(tonic::Status::unavailable("gone"))));
}

#[test]
fn a_table_shows_times_as_the_clocks_in_ningbo_do() {
    let row = serde_json::json!({ "expire_time": "2020-02-13T20:00:00Z", "day": "2020-02-13", "state": "in-force" });
    assert_eq!(crate::output::cell(&row["expire_time"]), "2020-02-14 04:00");
    assert_eq!(
        (crate::output::cell(&row["day"]), crate::output::cell(&row["state"])),
        ("2020-02-13".into(), "in-force".into())
    );
}

fn collect(command: &clap::Command, examples: &mut Vec<String>) {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    examples.extend(help.lines().filter_map(|line| line.strip_prefix("  ")).map(str::to_owned));
    for command in command.get_subcommands() {
        collect(command, examples);
    }
}

/// As a shell takes them apart: at blanks, but not within single quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in line.split('\'').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}
