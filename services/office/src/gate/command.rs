//! What the office says about its gates, and what is said at the gate PC.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{
    devices,
    enrolment::{Server, enrol},
    folder::Settings,
    journal::Journal,
    run::{self, Run},
    watch::Watch,
};
use crate::{
    connect::{Connect, data_folder},
    output::{Output, on_the_clock, print, table, word},
};

#[derive(Subcommand)]
pub enum Command {
    #[command(flatten)]
    Devices(devices::Command),
    /// At the gate PC: enrols it with the code that the office opened
    #[command(
        after_help = "Example:\n  mifeng gate enrol 7K2M9Q4RX0TB --address https://mifeng.example.cn:7443 --folder /var/lib/mifeng-gate"
    )]
    Enrol(Box<Enrol>),
    /// At the gate PC: reads a scanner gun and the keyboard, says the verdict, records; on line and off
    #[command(after_help = run::EXAMPLES)]
    Run(Box<Run>),
    /// At the gate PC: what waits to be sent
    #[command(after_help = "Example:\n  mifeng gate queue --folder /var/lib/mifeng-gate -o json")]
    Queue(Here),
    /// At the gate PC: keys, list and clock, and how many wait
    #[command(after_help = "Example:\n  mifeng gate status --folder /var/lib/mifeng-gate")]
    Status(Here),
}

#[derive(Args)]
pub struct Enrol {
    /// Twelve characters, with or without dashes
    code: String,
    /// The gate's own folder
    #[arg(long, env = "MIFENG_GATE", value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// The root's public key as it was printed, 64 hexadecimal digits; by default it is taken from the server and shown
    #[arg(long, value_name = "DIGITS")]
    root: Option<String>,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Args)]
pub struct Here {
    /// The gate's own folder
    #[arg(long, env = "MIFENG_GATE", value_name = "FOLDER")]
    folder: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

impl Command {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Devices(command) => command.run().await,
            Self::Enrol(enrol) => enrol.run().await,
            Self::Run(run) => run.run().await,
            Self::Queue(here) => here.queue(),
            Self::Status(here) => here.status(),
        }
    }
}

/// The folder that was named, or the usual one beside the server's.
pub fn folder(named: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    match named {
        Some(folder) => Ok(folder),
        None => Ok(data_folder(false)?.with_file_name("mifeng-gate")),
    }
}

impl Enrol {
    async fn run(self) -> anyhow::Result<()> {
        let folder = folder(self.folder)?;
        let server = Server { address: self.connect.address()?, authority: self.connect.authority_file() };
        let connection = self.connect.anonymous()?;
        let printed = self.root.as_deref();
        let station = enrol(&folder, server, connection, &self.code, printed, Watch::of_this_machine()).await?;
        let Settings { device, gate, root, .. } = station.settings();
        print(&format!("{device} enrolled at {gate}"))?;
        print(&format!("root {root} (compare it with the printed one)"))?;
        print(&format!("kept in {}; now: mifeng gate run --folder {}", folder.display(), folder.display()))
    }
}

impl Here {
    fn queue(self) -> anyhow::Result<()> {
        let waiting = Journal::peek(&folder(self.folder)?)?;
        if self.output.is_json() {
            for entry in &waiting {
                print(&serde_json::to_string(entry)?)?;
            }
            return Ok(());
        }
        let mut table = table();
        table.set_header(["time", "", "decision", "because", "°C", "boot", "number"]);
        for entry in &waiting {
            let crossing = entry.crossing();
            let because: Vec<&str> = crossing.findings().map(|finding| word(finding.as_str_name())).collect();
            table.add_row([
                on_the_clock(entry.at),
                word(crossing.direction().as_str_name()).to_owned(),
                word(crossing.decision().as_str_name()).to_owned(),
                because.join(", "),
                run::degrees(entry.decicelsius),
                entry.boot.chars().take(8).collect(),
                entry.sequence.to_string(),
            ]);
        }
        print(&table.to_string())?;
        print(&format!("{} wait to be sent", waiting.len()))
    }

    fn status(self) -> anyhow::Result<()> {
        let folder = folder(self.folder)?;
        let standing = super::standing::peek(&folder, Watch::of_this_machine())?;
        run::show_standing(self.output, &standing)
    }
}
