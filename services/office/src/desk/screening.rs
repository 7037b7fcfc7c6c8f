//! Screening: the method that all share, and each person's case.

use clap::Subcommand;

/// Carriers asked, evidence entered: `mifeng screening ...`.
pub mod carriers;
mod case;
mod declaration;
mod itinerary;
mod method;
mod verdict;

#[derive(Subcommand)]
pub enum Command {
    /// The method: the numbers that every verdict rests on
    #[command(subcommand)]
    Method(method::Command),
    /// Cases: declared, seen, compared, explained
    #[command(subcommand)]
    Case(case::Command),
}

impl Command {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Method(command) => command.run().await,
            Self::Case(command) => command.run().await,
        }
    }
}
