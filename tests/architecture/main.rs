//! The house keeps its own rules: who may depend on whom, what a contract must say, and that no fact ever written becomes
//! unreadable. Each test names every place that breaks its rule.

#![expect(clippy::unwrap_used, reason = "a test that cannot read the house has failed")]

/// Which crate may use which, and what a decision may not touch.
mod arrows;

/// Every RPC has its row, every refusal its name.
mod contract;

/// One file per event type, readable for ever.
mod golden;

/// Names, sizes, folders.
mod house;

/// The files that the rules are about.
mod tree;

/// Fails with all violations at once, so that they can be mended at once.
#[track_caller]
fn hold(rule: &str, violations: &[String]) {
    assert!(violations.is_empty(), "{rule}\n  {}", violations.join("\n  "));
}
