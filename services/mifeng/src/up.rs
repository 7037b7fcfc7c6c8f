//! The embedded default: every service in one process on SQLite.

use std::{
    collections::BTreeMap,
    io::{IsTerminal as _, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use chassis::{Clock, host::Store, telemetry};
use chrono::TimeDelta;
use clap::Args;
use proto::access::v1::{Principal, Role};

use mifeng::wiring::{Plan, Running, Service};
use office::carriers::{Faults, Setup, Simulator};
use screening::carriers;

#[derive(Args)]
pub(crate) struct Up {
    /// Plays on the 11th of February 2020, in a data folder of its own, and lets requests say when they happen
    #[arg(long)]
    demo: bool,
    /// Erases the demonstration's data folder first
    #[arg(long, requires = "demo")]
    fresh: bool,
    /// Where to listen; port 0 takes a free one
    #[arg(long, env = "MIFENG_LISTEN", default_value = "127.0.0.1:7420", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// The data folder
    #[arg(long, env = "MIFENG_DATA", value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// A demonstration that simulates no carriers
    #[arg(long, requires = "demo")]
    without_carriers: bool,
    #[command(flatten)]
    carriers: carriers::config::Config,
    #[command(flatten)]
    telemetry: telemetry::Config,
}

/// Eight in the morning of the day that the story is about.
pub(crate) const DEMONSTRATION: &str = "2020-02-11T08:00:00+08:00";

impl Up {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let data = match self.data {
            Some(data) => data,
            None => office::data_folder(self.demo)?,
        };
        if self.fresh {
            erase_demonstration(&data)?;
        }
        let clock = if self.demo { Clock::starting_at(DEMONSTRATION.parse()?) } else { Clock::system() };
        let new = !data.join("demonstration").exists() && data.join(chassis::secrets::FILE).exists();
        ensure!(!(self.demo && new), "{} holds real data: the demonstration needs a folder of its own", data.display());
        let mut carriers = self.carriers;
        let simulator = if self.demo && carriers.is_empty() && !self.without_carriers {
            let simulator = simulator(&clock).await?;
            carriers.simulator = Some(simulator.address().to_owned());
            Some(simulator)
        } else {
            None
        };
        let plan = Plan {
            services: Service::ALL.to_vec(),
            listen: self.listen,
            data: data.clone(),
            secret_file: None,
            peers: BTreeMap::new(),
            store: Store::Folder,
            nats: None,
            advertise: None,
            carriers,
            clock: clock.clone(),
            demonstration: self.demo,
        };
        if self.demo {
            std::fs::create_dir_all(&data).with_context(|| format!("making {}", data.display()))?;
            std::fs::write(data.join("demonstration"), "").context("marking the folder as a demonstration's")?;
        } else {
            ensure!(
                !data.join("demonstration").exists(),
                "{} holds a demonstration: real data need a folder of their own",
                data.display()
            );
        }
        let _telemetry = telemetry::start(&self.telemetry, "mifeng")?;
        let running = plan.start().await?;
        if self.demo {
            demonstration_token(&data, &running, &clock)?;
        }
        announce(&data, &running, simulator.as_ref(), self.demo)?;
        running.until_told().await
    }
}

/// A token that only opens made-up data, so that `mifeng demo story` needs no further step.
fn demonstration_token(data: &Path, running: &Running, clock: &Clock) -> anyhow::Result<()> {
    let person = Principal {
        subject: "staff/demonstration".into(),
        role: Role::Administrator.into(),
        unit: "subdistrict".into(),
        ..Principal::default()
    };
    let token = running.tokens.issue(&person, TimeDelta::days(30), clock.now())?;
    office::keep_token(&office::demonstration_token_file(data), &token.token)
}

/// The three carriers, and the phones that their codes arrive on: what they send stands on this terminal.
async fn simulator(clock: &Clock) -> anyhow::Result<Simulator> {
    let setup = Setup {
        listen: ([127, 0, 0, 1], 0).into(),
        seed: 1,
        today: chassis::day_of(clock.now()),
        holds: Duration::from_mins(30),
        faults: Faults::default(),
        tell: true,
    };
    Simulator::start(setup).await
}

fn announce(data: &Path, running: &Running, simulator: Option<&Simulator>, demo: bool) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    let strong = |text: &str| {
        if std::io::stdout().is_terminal() { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
    };
    writeln!(out, "{}", strong("mifeng 密缝 is up"))?;
    writeln!(out, "  gRPC, gRPC-Web   {}", running.address)?;
    writeln!(out, "  metrics          {}/metrics", running.address)?;
    writeln!(out, "  health           {}/healthz", running.address)?;
    writeln!(out, "  data folder      {}", data.display())?;
    if let Some(simulator) = simulator {
        writeln!(out, "  carriers         {} (simulated; their codes appear here)", simulator.address())?;
    }
    match &running.code {
        Some(code) => writeln!(
            out,
            "  first administrator (once)\n                   {}",
            strong(&format!("{}/first-administrator#{code}", running.address))
        )?,
        None => writeln!(out, "  first administrator: claimed already")?,
    }
    if demo {
        writeln!(out, "\nThe clock says 2020-02-11 08:00 in Ningbo. In another terminal:\n  {}", story(data)?)?;
    }
    writeln!(out, "\nCtrl-C ends it.")?;
    out.flush()?;
    Ok(())
}

/// The command as it can be typed here: this very program, and the folder where it is not the usual one.
fn story(data: &Path) -> anyhow::Result<String> {
    let program = std::env::current_exe().context("finding this program")?;
    let here = std::env::current_dir().context("finding the current folder")?;
    let program = program.strip_prefix(&here).unwrap_or(&program).display();
    let usual = data == office::data_folder(true)?;
    Ok(if usual { format!("{program} demo story") } else { format!("{program} demo story --data {}", data.display()) })
}

fn erase_demonstration(data: &Path) -> anyhow::Result<()> {
    if !data.exists() {
        return Ok(());
    }
    ensure!(
        data.join("demonstration").exists(),
        "{} is not a demonstration's folder and stays as it is",
        data.display()
    );
    // Somebody may be at work there.
    let lock = std::fs::File::options().write(true).open(data.join("lock"));
    ensure!(lock.map_or(true, |lock| lock.try_lock().is_ok()), "a process works in {}: stop it first", data.display());
    std::fs::remove_dir_all(data).with_context(|| format!("erasing {}", data.display()))
}
