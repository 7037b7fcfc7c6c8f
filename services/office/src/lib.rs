//! The neighbourhoods' clients: the command line, and the story that shows what the system does. It knows the contract and
//! nothing of the services' insides.

/// Where the server is and who asks.
pub mod connect;
/// Tables for people, JSON for programs.
pub mod output;
/// Lists as files for a spreadsheet program.
pub mod export;
/// A4 pages to print.
pub mod paper;
/// Health, doctor, logs, tokens.
pub mod operation;
/// The desks of a neighbourhood: its registers, screening, passes, isolation.
pub mod desk {
    /// Whom a command asks, how it shows the answer, how it may be said twice.
    pub mod ask;
    /// What people type.
    pub mod typed;
    pub mod registry;
    pub mod screening;
    pub mod pass;
    pub mod isolation;
    pub mod command;
}
/// A gate that works with the centre away.
pub mod gate {
    /// What the office and the gate PC may say about it.
    pub mod command;
    /// Devices: enrolled, listed, retired; where centre and gate disagree.
    mod devices;
    /// A device, its token and the root that it believes.
    pub mod enrolment;
    /// The guard's terminal.
    mod run;
    /// A line comes in, a verdict and words come out.
    pub mod post;
    /// What a scanner sends and a guard types.
    pub mod line;
    /// A gate with everything that it needs.
    pub mod station;
    /// How it stands: list, clock, queue.
    pub mod standing;
    /// Somebody before they are measured.
    pub mod looks;
    /// What a gate decides by itself.
    pub mod verdict;
    /// What the guard says.
    mod words;
    /// What this gate has seen.
    pub mod memory;
    /// What it has recorded.
    pub mod journal;
    /// When passes are good for going out.
    pub mod limits;
    /// Who it is, which keys it believes, who is suspended.
    pub mod folder;
    /// The gate's time.
    pub mod watch;
    /// The exchange with the centre.
    pub mod centre;
    /// The code in a picture.
    mod image;
}
/// Who acts on a demonstration server.
mod cast;
/// The eleventh of February 2020.
pub mod story;
/// A synthetic subdistrict.
pub mod simulate;
/// Three carriers and everybody's phone.
pub mod carriers;
#[cfg(test)]
mod tests;

use std::io::Write as _;

use chassis::refusal::Spoken;
use clap::{Args, Subcommand};

pub use connect::{data_folder, demonstration_token_file, keep_token};

/// Everything that asks a running server.
#[derive(Subcommand)]
pub enum Command {
    /// Demonstrations on a server started with `mifeng up --demo`
    #[command(subcommand)]
    Demo(Demo),
    /// A synthetic subdistrict on a server started with `mifeng up --demo`: days of it at any speed, with what came of them
    #[command(
        after_help = "Examples:\n  mifeng simulate --people 5000 --report\n  mifeng simulate --days 3 --report -o json\n  mifeng simulate --people \
                      1000 --speed 3600 --at-once 16\n  mifeng simulate --people 20000 --days 4 --publish-on 3 --method 台州.json --report"
    )]
    Simulate(Box<simulate::Simulate>),
    #[command(flatten)]
    Operation(operation::Command),
    #[command(flatten)]
    Registry(desk::registry::Command),
    #[command(flatten)]
    Screening(desk::screening::Command),
    #[command(flatten)]
    Pass(desk::pass::Command),
    /// Gates that decide with the centre away
    #[command(subcommand)]
    Gate(gate::command::Command),
    #[command(flatten)]
    Isolation(desk::isolation::Command),
    #[command(flatten)]
    Command(desk::command::Command),
}

#[derive(Subcommand)]
pub enum Demo {
    /// Plays the 11th of February 2020 in 长丰二村
    Story(Story),
    /// Simulates the three carriers, and the phones that their codes arrive on
    #[command(
        after_help = "Examples:\n  mifeng demo carriers --down mobile --slow 2\n  mifeng demo carriers --seed 7 \
                            --no-data 0.05 --lag-days 1 --border-errors 0.005 --number 13800001234=武汉:2020-01-20:2020-01-22:6"
    )]
    Carriers(carriers::Carriers),
}

#[derive(Args)]
pub struct Story {
    #[command(flatten)]
    connect: connect::Connect,
    /// Another seed, other people: the same seed tells the same story
    #[arg(long, default_value_t = 1)]
    seed: u32,
    /// Only the numbers, as one JSON object
    #[arg(long)]
    json: bool,
}

impl Command {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Demo(Demo::Story(story)) => story.run().await,
            Self::Demo(Demo::Carriers(carriers)) => carriers.run().await,
            Self::Simulate(simulate) => simulate.run().await,
            Self::Operation(command) => command.run().await,
            Self::Registry(command) => command.run().await,
            Self::Screening(command) => command.run().await,
            Self::Pass(command) => command.run().await,
            Self::Gate(command) => command.run().await,
            Self::Isolation(command) => command.run().await,
            Self::Command(command) => command.run().await,
        }
    }
}

impl Story {
    async fn run(self) -> anyhow::Result<()> {
        let (address, token) = self.connect.demonstration()?;
        let authority = self.connect.authority()?;
        let playbill = story::Playbill { address, token, authority, seed: self.seed, json: self.json };
        let numbers = story::play(playbill).await?;
        if self.json {
            writeln!(std::io::stdout(), "{numbers}")?;
        }
        Ok(())
    }
}

/// Tells a failure to whoever sits at the terminal: what a server said in both languages, every field by name.
pub fn report(error: &anyhow::Error) {
    let mut err = std::io::stderr();
    let status = error.chain().find_map(|cause| cause.downcast_ref::<tonic::Status>());
    // Nobody is left to tell where the terminal is gone.
    let told = match status {
        Some(status) => tell_status(&mut err, error, status),
        None => writeln!(err, "error: {error:#}"),
    };
    told.ok();
}

/// Whether something was said about a status on its way up.
fn has_context(error: &anyhow::Error) -> bool {
    error.chain().next().and_then(|outermost| outermost.downcast_ref::<tonic::Status>()).is_none()
}

fn tell_status(err: &mut std::io::Stderr, error: &anyhow::Error, status: &tonic::Status) -> std::io::Result<()> {
    let spoken = Spoken::from(status);
    if has_context(error) {
        writeln!(err, "error: {error}")?;
    }
    writeln!(err, "{}: {}", spoken.reason, spoken.zh)?;
    writeln!(err, "{}: {}", spoken.reason, spoken.en)?;
    for field in spoken.fields {
        writeln!(err, "  {}: {}", field.field, field.zh)?;
        writeln!(err, "  {}: {}", field.field, field.en)?;
    }
    for (name, value) in spoken.metadata {
        writeln!(err, "  {name} = {value}")?;
    }
    Ok(())
}
