//! A simulated network: the real services' handlers, reactions and read models, each service on a host of its own, over
//! logs in memory and a feed that loses, doubles, delays and reorders. Hosts crash, lines break, commits end with nobody
//! knowing whether they were done. Afterwards the invariants 2 to 6 and 12 of the architecture must hold.
//!
//! A seed decides the story, the faults and the network's delays. It does not decide the order in which SQLite answers:
//! the read models' threads are real ones beside the simulated time. So a seed brings back its faults, and nearly always
//! what came of them, but not each step.

#![expect(clippy::unwrap_used, reason = "a simulation that cannot go on has failed")]

/// HTTP/2 through the simulated network.
mod network;
/// The feed as bad as it may be.
mod wire;
/// What goes wrong, and when.
mod weather;
/// One service on its host.
mod service;
/// What the office asks for.
mod deeds;
/// The office at its end of the network.
mod office;
/// What happens to the people of a village.
mod lives;
/// What must hold afterwards.
mod audit;
/// One run.
mod run;

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use run::{Outcome, run};
use service::Flaw;

/// The office's host.
const OFFICE: &str = "office";

/// Without other word.
const SEEDS: u64 = 24;

#[test]
fn a_village_is_safe_whatever_the_network_does() {
    let (first, seeds) = (number("MIFENG_SIMULATION_SEED"), number("MIFENG_SIMULATION_SEEDS"));
    let seeds = seeds.unwrap_or(if first.is_some() { 1 } else { SEEDS });
    let first = first.unwrap_or_else(|| rand::random::<u32>().into());
    println!("MIFENG_SIMULATION_SEED={first} and the {} after it", seeds - 1);
    let outcomes = runs(first, seeds, Flaw::None);
    println!("{}", Outcome::total(&outcomes));
    let failed: Vec<&Outcome> = outcomes.iter().filter(|outcome| !outcome.violations.is_empty()).collect();
    for outcome in &failed {
        println!("{outcome}\nMIFENG_SIMULATION_SEED={} brings this back:\n{:#?}", outcome.seed, outcome.violations);
    }
    assert!(failed.is_empty(), "{} of {seeds} seeds", failed.len());
}

#[test]
fn a_feed_that_leaves_out_what_is_in_a_record_is_found() {
    let outcomes = runs(1, 2, Flaw::FeedWithHoles);
    assert!(outcomes.iter().all(|outcome| !outcome.violations.is_empty()), "{outcomes:#?}");
}

#[test]
fn a_log_that_forgets_its_commands_is_found() {
    let outcomes = runs(1, 2, Flaw::ForgottenCommands);
    assert!(outcomes.iter().all(|outcome| !outcome.violations.is_empty()), "{outcomes:#?}");
}

/// So many seeds from the first one on, as many at once as there are processors.
fn runs(first: u64, seeds: u64, flaw: Flaw) -> Vec<Outcome> {
    let (next, outcomes) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().unwrap().get() {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        return;
                    }
                    let outcome = run(first + seed, flaw);
                    outcomes.lock().unwrap().push(outcome);
                }
            });
        }
    });
    outcomes.into_inner().unwrap()
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} must be a number, not {text:?}")))
}
