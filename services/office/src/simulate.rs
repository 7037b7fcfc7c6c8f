//! A synthetic subdistrict (DOMAIN section 6), of any size, that lives its days against a running demonstration server through the
//! same API that every office uses. It knows the truth about everybody, so it can say what the method finds and whom it wrongs; and
//! it is the load generator. Everything comes from the seed: told again, it changes nothing.

mod care;
/// What happens on a day.
pub mod day;
mod deeds;
mod dice;
mod files;
mod founding;
mod gates;
mod learning;
mod meter;
/// Every number of the world.
pub mod numbers;
mod publishing;
/// Truth against verdicts.
pub mod report;
mod run;
mod screening;
mod shown;
mod stage;
/// Where people were, what they say, what their phones show.
pub mod travels;
mod workbook;
/// Places and people.
pub mod world;

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use chrono::NaiveDate;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use proto::{
    command::v1::{GetOverviewRequest, RecountRequest, command_service_client::CommandServiceClient},
    screening::v1::MethodContent,
};
use serde::Serialize;
use tokio::time::Instant;

use self::{
    day::Streets,
    meter::Meter,
    report::Column,
    run::{Agenda, Run},
    world::World,
};
pub use self::{meter::Row, numbers::Numbers, publishing::Publication, run::Pace};
use crate::{
    cast::{Casting, Ids},
    connect::Connect,
    desk::typed,
    output::{Output, json, print},
};

#[derive(Args)]
pub struct Simulate {
    #[command(flatten)]
    connect: Connect,
    /// How many days, from 11 February 2020 on
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=60))]
    days: u32,
    /// How many people; everything else is in proportion where it is not said
    #[arg(long, default_value_t = 150_000, value_parser = clap::value_parser!(u32).range(1..=2_000_000))]
    people: u32,
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=900))]
    neighbourhoods: Option<u32>,
    /// At least as many as neighbourhoods
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    compounds: Option<u32>,
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    households: Option<u32>,
    /// Main gates with a computer that hands over by quarters of an hour; a server enrols ten a minute
    #[arg(long, value_name = "NUMBER")]
    gate_computers: Option<u32>,
    /// Another seed, other people: the same seed tells the same
    #[arg(long, default_value_t = 1)]
    seed: u32,
    /// Simulated seconds in a second, or max: as fast as it goes
    #[arg(long, default_value = "max", value_parser = speed)]
    speed: Speed,
    /// Deeds under way at once
    #[arg(long, default_value_t = 64, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=4_096))]
    at_once: u16,
    /// Truth against verdicts: concealments found and missed, who was wronged and for how long
    #[arg(long)]
    report: bool,
    /// Publishes another method at noon of this day, counted from 1; the report has a column before and one after
    #[arg(long, value_name = "DAY", requires = "method")]
    publish_on: Option<u32>,
    /// The other method, as `mifeng method draft` takes it
    #[arg(long, value_name = "FILE.json", requires = "publish_on")]
    method: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

/// People of a household at the most: in one room each has a name of their own.
const CROWD: u32 = 20;

/// `None`: as fast as it goes.
#[derive(Clone, Copy, Debug)]
pub struct Speed(Option<f64>);

/// Where and what to simulate.
pub struct Playbill {
    pub address: String,
    /// An administrator's token.
    pub token: String,
    /// The authority that signed the server's certificate (PEM), where it is one of the installation's own.
    pub authority: Option<Vec<u8>>,
    pub seed: u32,
    pub numbers: Numbers,
    pub days: u32,
    pub pace: Pace,
    pub publication: Option<Publication>,
    /// No progress on the terminal.
    pub quiet: bool,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    pub seed: u32,
    pub days: u32,
    pub world: Numbers,
    /// Setting up is not in it.
    pub seconds: f64,
    pub calls: usize,
    pub calls_per_s: f64,
    pub errors: u64,
    pub load: Vec<Row>,
    /// Before and after the other method, or how it is in the end.
    pub report: Vec<Column>,
    /// Of the subdistrict, as the command centre has it at the end of the last day.
    pub figures: serde_json::Value,
    pub recount_equal: bool,
    pub records: u64,
}

/// What a day was.
#[derive(Clone, Copy, Debug)]
pub struct Day {
    pub screenings: usize,
    pub crossings: usize,
    pub calls: usize,
    pub errors: u64,
    /// Until the last answer.
    pub elapsed: Duration,
}

/// A subdistrict that is set up, and lives day by day.
pub struct Simulation {
    run: Arc<Run>,
    agenda: Agenda,
    streets: Streets,
    telling: Telling,
    pace: Pace,
    /// How many days have gone by.
    lived: u32,
}

impl Simulate {
    pub async fn run(self) -> anyhow::Result<()> {
        let (address, token) = self.connect.demonstration()?;
        let numbers = self.numbers()?;
        let publication = match (self.publish_on, &self.method) {
            (Some(day), Some(file)) => {
                ensure!((1..=self.days).contains(&day), "--publish-on {day}: the days are 1 to {}", self.days);
                Some(Publication { day, content: typed::read_message::<MethodContent>(file)? })
            }
            _ => None,
        };
        let outcome = play(Playbill {
            address,
            token,
            authority: self.connect.authority()?,
            seed: self.seed,
            numbers,
            days: self.days,
            pace: Pace { factor: self.speed.0, at_once: self.at_once.into() },
            publication,
            quiet: self.output.is_json(),
        });
        let outcome = outcome.await?;
        let outcome = if self.report { outcome } else { Outcome { report: Vec::new(), ..outcome } };
        if self.output.is_json() {
            return print(&serde_json::to_string_pretty(&outcome)?);
        }
        shown::show(&outcome)?;
        ensure!(outcome.recount_equal, "the figures differ from the logs: see `mifeng command recount`");
        Ok(())
    }

    fn numbers(&self) -> anyhow::Result<Numbers> {
        let scaled = Numbers::of_people(self.people);
        let numbers = Numbers {
            neighbourhoods: self.neighbourhoods.unwrap_or(scaled.neighbourhoods),
            households: self.households.unwrap_or(scaled.households),
            gate_computers: self.gate_computers.unwrap_or(scaled.gate_computers),
            ..scaled
        };
        let compounds = self.compounds.unwrap_or(numbers.compounds.max(numbers.neighbourhoods));
        ensure!(
            compounds >= numbers.neighbourhoods,
            "--compounds {compounds}: each of the {} neighbourhoods needs one",
            numbers.neighbourhoods
        );
        ensure!(
            (1..=CROWD).contains(&numbers.people.div_ceil(numbers.households)) && numbers.households <= numbers.people,
            "--households {}: with {} people that is no household of 1 to {CROWD}",
            numbers.households,
            numbers.people
        );
        Ok(Numbers { compounds, ..numbers })
    }
}

/// Sets it up and lets its days go by. The same seed on the same data is absorbed.
pub async fn play(playbill: Playbill) -> anyhow::Result<Outcome> {
    let (days, seed) = (playbill.days, playbill.seed);
    let publication = playbill.publication.clone();
    let mut simulation = Simulation::found(playbill).await?;
    let mut before = None;
    let begun = Instant::now();
    for day in 1..=days {
        let noon = publication.as_ref().filter(|publication| publication.day == day);
        before = simulation.live(noon).await?.1.or(before);
    }
    let seconds = begun.elapsed().as_secs_f64();
    let Simulation { run, telling, .. } = simulation;
    let last = day::date(run.world.first_day, days - 1);
    run.settled().await?;
    let night = files::night(last);
    run.find_orders(night).await?;
    telling.step("reading the record");
    let report = before.into_iter().chain([report::last_column(&run, night).await?]).collect();
    let mut command = CommandServiceClient::new(run.stage.officer.at(night));
    let overview =
        command.get_overview(GetOverviewRequest::default()).await.context("asking the command centre")?.into_inner();
    let recount = command.recount(RecountRequest::default()).await.context("recounting the logs")?.into_inner();
    telling.bar.finish_and_clear();
    let calls = run.meter.calls();
    Ok(Outcome {
        seed,
        days,
        world: run.world.numbers.clone(),
        seconds,
        calls,
        calls_per_s: (f64::from(u32::try_from(calls)?) / seconds).round(),
        errors: run.meter.errors(),
        load: run.meter.rows(),
        report,
        figures: json(&overview.subdistrict.unwrap_or_default())?,
        recount_equal: recount.equal,
        records: recount.records,
    })
}

impl Simulation {
    /// A subdistrict before its first day: everybody registered, the first wave screened, gates manned.
    ///
    /// # Errors
    /// The server is no demonstration, or holds something else.
    pub async fn found(playbill: Playbill) -> anyhow::Result<Self> {
        let telling = Telling::new(playbill.quiet);
        let (ids, meter) = (Ids::new("sim", playbill.seed), Meter::default());
        let authority = playbill.authority.as_deref();
        let casting = Casting::open(&playbill.address, &playbill.token, authority, ids.clone())?;
        casting.demonstration_only(founding::start()).await?;
        let world = World::new(playbill.seed, playbill.numbers);
        let weeks = playbill.days / 7;
        let stage = founding::found(&world, casting, (&ids, &meter, &telling), weeks).await?;
        telling.step("waiting for everybody's case");
        stage.casting.settled(run::PATIENCE).await?;
        telling.step("finding everybody");
        let eve = crate::cast::at(founding::method_day(), 7, 30);
        let known = learning::everybody(&world, &stage, eve).await?;
        let run = Arc::new(Run::new(world, stage, ids, meter, known));
        let mut agenda = Agenda::default();
        run::first_wave(&run, &mut agenda, playbill.pace, &telling).await?;
        run.settled().await?;
        // What comes is measured, not what was set up.
        run.meter.clear()?;
        Ok(Self { run, agenda, streets: Streets::default(), telling, pace: playbill.pace, lived: 0 })
    }

    /// One more day, as fast as the pace allows.
    ///
    /// # Errors
    /// The server is gone, or halted. A request that it refuses is counted and the day goes on.
    pub async fn day(&mut self) -> anyhow::Result<Day> {
        Ok(self.live(None).await?.0)
    }

    async fn live(&mut self, noon: Option<&Publication>) -> anyhow::Result<(Day, Option<Column>)> {
        let (number, begun) = (self.lived, Instant::now());
        let date: NaiveDate = day::date(self.run.world.first_day, number);
        let before = (self.run.meter.calls(), self.run.meter.errors());
        let of = (self.pace, &self.telling);
        let column = run::one_day(&self.run, &mut self.agenda, &mut self.streets, (date, number), of, noon).await?;
        self.lived += 1;
        let day = Day {
            screenings: self.run.world.back_on(number).len(),
            crossings: self.run.world.numbers.crossings_a_day() as usize,
            calls: self.run.meter.calls() - before.0,
            errors: self.run.meter.errors() - before.1,
            elapsed: begun.elapsed(),
        };
        Ok((day, column))
    }

    /// How long each kind of call took since the setting up.
    pub fn load(&self) -> Vec<Row> {
        self.run.meter.rows()
    }
}

/// Progress on the terminal.
struct Telling {
    bar: ProgressBar,
}

impl Telling {
    fn new(quiet: bool) -> Self {
        let style = ProgressStyle::with_template("{msg:34} {bar:30} {pos}/{len} {per_sec}, {elapsed}")
            .expect("the template names only parts that a bar has");
        let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new(0) };
        Self { bar: bar.with_style(style) }
    }

    fn step(&self, what: &str) {
        self.bar.set_message(what.to_owned());
        self.bar.tick();
    }

    fn expect(&self, more: usize) {
        self.bar.inc_length(more as u64);
    }

    fn done(&self) {
        self.bar.inc(1);
    }
}

fn speed(typed: &str) -> Result<Speed, String> {
    if typed.eq_ignore_ascii_case("max") {
        return Ok(Speed(None));
    }
    match typed.parse::<f64>() {
        Ok(factor) if factor.is_finite() && factor > 0.0 => Ok(Speed(Some(factor))),
        _ => Err("write max, or how many simulated seconds go by in one: 3600 is an hour in a second".to_owned()),
    }
}
