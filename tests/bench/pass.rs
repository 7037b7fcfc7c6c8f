//! The pass: what a code, a list and a change take, and how fast one thread makes and checks them. Beside it, in the same
//! rounds, a certificate in the format of the EU's DCC, of the length that half of its test corpus has. Then the same passes at
//! the gates of a server.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value, json};

/// A certificate like the EU's.
mod dcc;
/// What gates put on record.
mod crossings;
/// What needs no server.
mod library;
/// What a gate on line waits for.
mod server;

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
    /// Gates at once, which each wait for their answer before they ask again.
    #[arg(long, default_value_t = 64)]
    callers: usize,
    /// HTTP/2 connections that they share.
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// Holders who are isolated, one after the other.
    #[arg(long, default_value_t = 200)]
    orders: u32,
    /// A folder on the disk that is to be measured.
    #[arg(long, default_value = ".")]
    folder: PathBuf,
}

pub(crate) async fn measure(options: &Options) -> anyhow::Result<Map<String, Value>> {
    let mut results = library::measure(options)?;
    results.extend(server::measure(options).await?);
    results.insert("passes".to_owned(), json!(options.passes));
    results.insert("rounds".to_owned(), json!(options.rounds));
    results.insert("seconds".to_owned(), json!(options.seconds));
    Ok(results)
}
