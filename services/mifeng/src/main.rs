//! mifeng (密缝): one binary with a role. `up` runs everything in one process, `serve` one service, `route` is one address
//! for services apart, `installation` and `database` prepare for them, everything else is an office's command.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use office::output::ReadEnough;

mod database;
mod installation;
mod route;
mod serve;
mod try_out;
mod up;

#[derive(Parser)]
#[command(
    name = "mifeng",
    version,
    about = "密缝: keeps an epidemic out of a subdistrict's compounds, and its people fed and heard"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs every service in this process, on a data folder of its own
    Up(up::Up),
    /// Runs one service in this process
    Serve(serve::Serve),
    /// One address for services that run apart on this machine
    Route(route::Route),
    /// Prepares the services' PostgreSQL databases
    Database(database::Database),
    #[command(subcommand)]
    Installation(installation::Installation),
    /// Names of places: what they stand for, without a server, and what was decided about those that no table knows
    #[command(subcommand)]
    Place(try_out::Place),
    /// Carriers asked with the person's code, evidence entered by hand, what is on record about verdicts, and the verdict
    /// without a server
    #[command(subcommand)]
    Screening(try_out::Screening),
    #[command(flatten)]
    Office(office::Command),
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Cli::parse().command {
        // Boxed: whatever is not asked for need not lie on the stack.
        Command::Up(up) => Box::pin(up.run()).await,
        Command::Serve(serve) => Box::pin(serve.run()).await,
        Command::Route(route) => route.run().await,
        Command::Database(database) => database.run().await,
        Command::Installation(installation) => installation.run(),
        Command::Place(command) => command.run().await,
        Command::Screening(command) => Box::pin(command.run()).await,
        Command::Office(command) => command.run().await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<ReadEnough>() => ExitCode::SUCCESS,
        Err(error) => {
            office::report(&error);
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_of_all_commands_fit_together() {
        Cli::command().debug_assert();
    }
}
