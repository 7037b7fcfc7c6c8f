//! The pass: what a code, a list and a change take, and how fast one thread makes and checks them. Beside it, in the same
//! rounds, a certificate in the format of the EU's DCC, of the length that half of its test corpus has.

use clap::Args;
use serde_json::{Map, Value, json};

/// A certificate like the EU's.
mod dcc;
/// What needs no server.
mod library;

#[derive(Args)]
pub(crate) struct Options {
    /// Passes that were issued; one in a hundred is suspended or revoked.
    #[arg(long, default_value_t = 250_000)]
    passes: u32,
    /// Rounds of each kind.
    #[arg(long, default_value_t = 5)]
    rounds: u64,
    /// Seconds per round and kind.
    #[arg(long, default_value_t = 2)]
    seconds: u64,
}

pub(crate) fn measure(options: &Options) -> anyhow::Result<Map<String, Value>> {
    let mut results = library::measure(options)?;
    results.insert("passes".to_owned(), json!(options.passes));
    results.insert("rounds".to_owned(), json!(options.rounds));
    results.insert("seconds".to_owned(), json!(options.seconds));
    Ok(results)
}
