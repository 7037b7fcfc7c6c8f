//! Screening: the method that all share, and each person's case.

use clap::Subcommand;

mod by_hand;
/// Carriers asked, evidence entered: `mifeng screening ...`.
pub mod carriers;
mod case;
mod declaration;
mod dispute;
mod itinerary;
pub mod method;
mod place;
mod session;
mod verdict;

pub use by_hand::Records;
pub use place::Command as Place;

#[derive(Subcommand)]
pub enum Command {
    /// The method: the numbers that every verdict rests on
    #[command(subcommand)]
    Method(method::Command),
    /// Cases: declared, seen, compared, explained
    #[command(subcommand)]
    Case(case::Command),
    /// Disputes: what waits for an answer, and how long it may
    #[command(subcommand)]
    Dispute(dispute::Command),
    /// Evening rounds (排查): who screens where, what came of it, who was taken to isolation
    #[command(subcommand)]
    Session(session::Command),
    /// Verdicts set by hand: two people of different units, a reason, evidence, an end
    #[command(subcommand)]
    Override(by_hand::Command),
}

impl Command {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Method(command) => command.run().await,
            Self::Case(command) => command.run().await,
            Self::Dispute(command) => command.run().await,
            Self::Session(command) => command.run().await,
            Self::Override(command) => command.run().await,
        }
    }
}
