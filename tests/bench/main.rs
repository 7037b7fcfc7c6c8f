//! Measures what the design promises. `cargo run --release -p tests --bin bench -- log`

#![expect(clippy::print_stdout, reason = "the results are its output")]

use clap::{Parser, Subcommand};

/// A closed day of the subdistrict, absorbed.
mod command_day;
/// From the commit in one service to the read model of another.
mod feed;
/// Open tasks, and the readings of a round.
mod isolation;
/// Commands that one log takes per second.
mod log;
/// Codes, lists and changes of the pass.
mod pass;
/// Read models made anew.
mod rebuild;
/// Everybody judged by another version of the method.
mod rescreen;
/// Medians and percentiles.
mod rounds;
/// Durable commands per second through gRPC.
mod rpc;
/// Verdicts per second on one core.
mod screening;

/// Measures the parts that everything else waits for.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
    /// One JSON object in place of a table.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum What {
    /// Appends to the event log: many callers together against one event per commit.
    Log(log::Options),
    /// Durable commands through gRPC against the bare echo of the same server.
    Rpc(rpc::Options),
    /// How long a simulated closed day of the subdistrict takes until the command centre has it.
    Command(command_day::Options),
    /// How long a commit takes to another service's read model, over NATS.
    Feed(feed::Options),
    /// The pass: characters, bytes, verifications on one thread, beside a certificate like the EU's; checks through gRPC.
    Pass(pass::Options),
    /// Events per second by which read models are built anew from a long log.
    Rebuild(rebuild::Options),
    /// How long the list of all open tasks takes, and 300 readings handed in at once, on PostgreSQL.
    Isolation(isolation::Options),
    /// How long a published method takes to new verdicts and suspended passes.
    Rescreen(rescreen::Options),
    /// What was declared against what was seen, on one core.
    Screening(screening::Options),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { what, json } = Arguments::parse();
    let results = match what {
        What::Log(options) => log::measure(options).await?,
        What::Rpc(options) => rpc::measure(options).await?,
        What::Command(options) => command_day::measure(&options).await?,
        What::Feed(options) => feed::measure(options).await?,
        What::Pass(options) => pass::measure(&options).await?,
        What::Rebuild(options) => rebuild::measure(options).await?,
        What::Isolation(options) => isolation::measure(options).await?,
        What::Rescreen(options) => rescreen::measure(options).await?,
        What::Screening(options) => screening::measure(&options)?,
    };
    if json {
        println!("{}", serde_json::Value::Object(results));
    } else {
        for (name, value) in results {
            println!("{name:<32} {value:>14}");
        }
    }
    Ok(())
}
