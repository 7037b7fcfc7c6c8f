//! The registers: who and what is where.

use clap::Subcommand;

mod compound;
mod correction;
mod duplicate;
mod grid;
mod household;
mod import;
mod key_person;
mod neighbourhood;
mod resident;
mod roster;
mod round;
mod staff;
mod visit;
mod volunteer;

#[derive(Subcommand)]
pub enum Command {
    /// Neighbourhoods (社区)
    #[command(subcommand)]
    Neighbourhood(neighbourhood::Command),
    /// Compounds (小区), their gates and their regime
    #[command(subcommand)]
    Compound(compound::Command),
    /// Grids (网格) and buildings (楼幢)
    #[command(subcommand)]
    Grid(grid::Command),
    /// Households (户), one by one or from a workbook
    #[command(subcommand)]
    Household(household::Command),
    /// Residents (居民), masked unless there is a reason
    #[command(subcommand)]
    Resident(resident::Command),
    /// Workers, guards and whoever else serves
    #[command(subcommand)]
    Staff(staff::Command),
    /// Workbooks: the template, residents, places
    #[command(subcommand)]
    Import(import::Command),
    /// From door to door (走访): visits, coverage, people whom nobody knows
    #[command(subcommand)]
    Visit(visit::Command),
    /// Residents who are to be watched (重点人员)
    #[command(subcommand)]
    KeyPerson(key_person::Command),
    /// Residents who help (志愿者)
    #[command(subcommand)]
    Volunteer(volunteer::Command),
    /// Who holds which gate when (值班表)
    #[command(subcommand)]
    Roster(roster::Command),
    /// What is done again and again: disinfection, door to door, patrols (巡查)
    #[command(subcommand)]
    Round(round::Command),
}

impl Command {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Neighbourhood(command) => command.run().await,
            Self::Compound(command) => command.run().await,
            Self::Grid(command) => command.run().await,
            Self::Household(command) => command.run().await,
            Self::Resident(command) => command.run().await,
            Self::Staff(command) => command.run().await,
            Self::Import(command) => command.run().await,
            Self::Visit(command) => command.run().await,
            Self::KeyPerson(command) => command.run().await,
            Self::Volunteer(command) => command.run().await,
            Self::Roster(command) => command.run().await,
            Self::Round(command) => command.run().await,
        }
    }
}
