//! The command centre: how fast the logs fold into its picture on one core, how far the picture is behind its events, and how long
//! an overview of a subdistrict takes.

/// A closed day of the subdistrict, absorbed.
mod day;

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use chassis::{
    Clock,
    event_log::{Append, EventLog, Expected, NewEvent, Write},
};
use clap::Args;
use command::fold::Fold;
use mifeng::wiring::{Plan, Service};
use proto::{
    Fact,
    access::v1::Role,
    command::v1::{GetOverviewRequest, Overview, command_service_client::CommandServiceClient},
    event::v1::Record,
    isolation::v1::{Kind, Terms, order_event},
    pass::v1::{Decision, Direction, gate_day_event, holder_event},
    registry::v1::{Residence, Tenure, household_event, neighbourhood_event, resident_event},
    screening::v1::{Outcome, case_event},
};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tests::House;
use tokio::time::{Instant, MissedTickBehavior};

use crate::rounds::count;

#[derive(Args)]
pub(crate) struct Options {
    /// People of the subdistrict; all else is in proportion.
    #[arg(long, default_value_t = 150_000)]
    people: u32,
    /// Crossings in the log.
    #[arg(long, default_value_t = 400_000)]
    crossings: usize,
    /// Events per second while the lag is measured.
    #[arg(long, default_value_t = 2_000)]
    pace: u32,
    /// For so many seconds.
    #[arg(long, default_value_t = 15)]
    seconds: u32,
    /// Overviews that are asked for, one after another.
    #[arg(long, default_value_t = 300)]
    overviews: usize,
    #[command(flatten)]
    day: day::Options,
    /// Leaves the simulated day out.
    #[arg(long)]
    without_day: bool,
}

const NEIGHBOURHOODS: usize = 25;
/// Events per append of the filling.
const TOGETHER: usize = 1_000;

/// An event on its way into a log, with its stream.
struct Told {
    log: &'static str,
    category: &'static str,
    stream: String,
    office: String,
    event: NewEvent,
}

pub(crate) async fn measure(options: &Options) -> anyhow::Result<Map<String, Value>> {
    let told = subdistrict(usize::try_from(options.people)?, options.crossings);
    let mut results = Map::new();
    results.insert("events".to_owned(), json!(told.len()));
    results.insert("fold_events_per_s".to_owned(), json!(folded(&told)?.round()));
    // The centre alone: the other services would do something about what is put into their logs.
    let alone = |data: &Path| Plan { services: vec![Service::Command, Service::Office], ..tests::plan(data) };
    let folder = TempDir::new().context("a folder for the logs")?;
    let house = House::planned(folder, alone).await;
    for log in ["registry", "screening", "pass", "isolation"] {
        fill(&house, log, &told).await?;
    }
    house.settled().await;
    let rounded = |ms: f64| json!((ms * 100.0).round() / 100.0);
    let (now, past) = overviews(&house, options.overviews).await?;
    results.insert("overview_ms".to_owned(), rounded(now));
    results.insert("overview_as_of_ms".to_owned(), rounded(past));
    let (median, worst, pace) = lag(&house, options).await?;
    results.insert("lag_p50_ms".to_owned(), rounded(median));
    results.insert("lag_p99_ms".to_owned(), rounded(worst));
    results.insert("lag_events_per_s".to_owned(), rounded(pace));
    house.end().await;
    if !options.without_day {
        results.extend(day::measure(options.people, &options.day).await?);
    }
    Ok(results)
}

/// Events per second on this thread, the fastest of three folds; what a record takes to be decoded is in it.
fn folded(told: &[Told]) -> anyhow::Result<f64> {
    let now = chassis::timestamp(Clock::system().now());
    let records: Vec<Record> = told
        .iter()
        .map(|told| Record {
            log: told.log.to_owned(),
            category: told.category.to_owned(),
            stream_id: told.stream.clone(),
            office: told.office.clone(),
            payload: told.event.payload.clone(),
            occurred_at: Some(now),
            recorded_at: Some(now),
            ..Record::default()
        })
        .collect();
    let mut best: f64 = 0.0;
    for _ in 0..3 {
        let (mut fold, begun) = (Fold::default(), Instant::now());
        for record in &records {
            fold.take(record)?;
        }
        best = best.max(count(records.len()) / begun.elapsed().as_secs_f64());
    }
    Ok(best)
}

/// A subdistrict in its closed days: everybody registered, screened and with a pass, one in a hundred isolated, and crossings.
fn subdistrict(people: usize, crossings: usize) -> Vec<Told> {
    let mut told = Vec::new();
    for number in 0..NEIGHBOURHOODS {
        let event = neighbourhood_event::Opened { display_name: format!("第{number}社区"), ..Default::default() };
        let event = neighbourhood_event::Event::Opened(event);
        told.push(fact("registry", format!("n{number}"), String::new(), &event));
    }
    for number in 0..people * 2 / 5 {
        let neighbourhood_id = format!("n{}", number % NEIGHBOURHOODS);
        let event = household_event::Registered {
            neighbourhood_id: neighbourhood_id.clone(),
            tenure: if number.is_multiple_of(4) { Tenure::Owned } else { Tenure::Rented }.into(),
            ..Default::default()
        };
        told.push(fact("registry", format!("h{number}"), neighbourhood_id, &household_event::Event::Registered(event)));
    }
    for number in 0..people {
        life(&mut told, number);
    }
    for number in 0..crossings {
        told.push(crossing(number, number % people));
    }
    told
}

fn life(told: &mut Vec<Told>, number: usize) {
    let (office, resident_id) = (format!("n{}", number * 2 / 5 % NEIGHBOURHOODS), format!("r{number}"));
    let residence = Some(Residence {
        neighbourhood_id: office.clone(),
        compound_id: format!("c{}", number % 80),
        household_id: format!("h{}", number * 2 / 5),
    });
    let registered = resident_event::Registered { residence: residence.clone(), ..Default::default() };
    told.push(fact("registry", resident_id.clone(), office.clone(), &resident_event::Event::Registered(registered)));
    let opened =
        case_event::Opened { resident_id: resident_id.clone(), residence: residence.clone(), ..Default::default() };
    told.push(fact("screening", format!("k{number}"), office.clone(), &case_event::Event::Opened(opened)));
    let isolated = number.is_multiple_of(100);
    let outcome = if isolated { Outcome::DeclaredKeyArea } else { Outcome::Clear };
    let assessed = case_event::Assessed {
        resident_id: resident_id.clone(),
        residence: residence.clone(),
        outcome: outcome.into(),
        method_version: "2020-02-09".to_owned(),
        ..Default::default()
    };
    told.push(fact("screening", format!("k{number}"), office.clone(), &case_event::Event::Assessed(assessed)));
    if isolated {
        let terms = Some(Terms {
            resident_id,
            residence,
            kind: Kind::Home.into(),
            observed_from: "2020-02-11".to_owned(),
            last_day: "2020-02-25".to_owned(),
            ..Default::default()
        });
        let ordered = order_event::Ordered { terms, ..Default::default() };
        told.push(fact("isolation", format!("o{number}"), office, &order_event::Event::Ordered(ordered)));
    } else {
        let expires = Some(chassis::timestamp(Clock::system().now() + chrono::TimeDelta::days(14)));
        let issued = holder_event::Issued { residence, expires, ..Default::default() };
        told.push(fact("pass", resident_id, office, &holder_event::Event::Issued(issued)));
    }
}

fn crossing(number: usize, resident: usize) -> Told {
    let crossed = gate_day_event::Crossed {
        crossing_id: format!("x{number:016}"),
        gate_id: format!("g{}", number % 4),
        compound_id: format!("c{}", resident % 80),
        crossed_at: Some(chassis::timestamp(Clock::system().now())),
        direction: if number.is_multiple_of(2) { Direction::Out } else { Direction::In }.into(),
        decision: Decision::Allowed.into(),
        temperature_decicelsius: 366,
        mask: true,
        resident_id: format!("r{resident}"),
        ..Default::default()
    };
    let office = format!("n{}", resident * 2 / 5 % NEIGHBOURHOODS);
    fact("pass", format!("day-{}", number / TOGETHER), office, &gate_day_event::Event::Crossed(crossed))
}

fn fact<E: Fact>(log: &'static str, stream: String, office: String, event: &E) -> Told {
    let new = NewEvent { event_type: event.type_name(), schema_version: 1, payload: event.to_payload() };
    Told { log, category: E::CATEGORY, stream, office, event: new }
}

/// Puts the events of one log where they belong.
async fn fill(house: &House, log: &str, told: &[Told]) -> anyhow::Result<()> {
    let ledger = house.running().host().ledger(log).await?;
    let of_log: Vec<&Told> = told.iter().filter(|told| told.log == log).collect();
    for part in of_log.chunks(TOGETHER) {
        append(&**ledger.log(), part).await?;
    }
    Ok(())
}

async fn append(log: &dyn EventLog, part: &[&Told]) -> anyhow::Result<u64> {
    let clock = Clock::system();
    let write = |told: &&Told| Write {
        category: told.category,
        stream_id: told.stream.clone(),
        expected: Expected::Any,
        office: told.office.clone(),
        subject_id: String::new(),
        events: vec![told.event.clone()],
    };
    let appended = log.append(Append {
        command_id: clock.id().to_string(),
        fingerprint: [7; 32],
        reply: Vec::new(),
        writes: part.iter().map(write).collect(),
        reserve: Vec::new(),
        release: Vec::new(),
        actor: "device/bench".to_owned(),
        correlation_id: String::new(),
        causation_id: String::new(),
        traceparent: String::new(),
        occurred_at: clock.now(),
    });
    Ok(appended.await?.last_position)
}

/// The median of an overview now and of one of a past minute, in milliseconds, through gRPC.
async fn overviews(house: &House, times: usize) -> anyhow::Result<(f64, f64)> {
    // Several people ask, since each has a budget.
    let somebody = |number: usize| house.central(&format!("staff/officer-{number}"), Role::Officer, "subdistrict");
    let mut commands: Vec<_> =
        (0..times.div_ceil(20)).map(|number| CommandServiceClient::new(somebody(number))).collect();
    let asking = commands.len().max(1);
    let mut medians = Vec::new();
    for time in [None, Some(chassis::timestamp(Clock::system().now() - chrono::TimeDelta::minutes(1)))] {
        let mut waits = Vec::new();
        for number in 0..times {
            let command = &mut commands[number % asking];
            let begun = Instant::now();
            let overview: Overview = command.get_overview(GetOverviewRequest { time }).await?.into_inner();
            waits.push(begun.elapsed().as_secs_f64() * 1_000.0);
            ensure!(overview.neighbourhoods.len() == NEIGHBOURHOODS || time.is_some(), "an overview is not whole");
        }
        waits.sort_by(f64::total_cmp);
        medians.push(waits.get(waits.len() / 2).copied().context("an overview was asked for")?);
    }
    Ok((medians[0], medians[1]))
}

/// From the answer to an append until the picture has it: median, 99th of a hundred, and the pace that was kept.
async fn lag(house: &House, options: &Options) -> anyhow::Result<(f64, f64, f64)> {
    let ledger = house.running().host().ledger("pass").await?;
    let progress =
        house.running().host().consumers.find("command/memory", "pass").context("the centre follows passes")?;
    let seen: Arc<Mutex<Vec<(u64, Instant)>>> = Arc::default();
    let looking = {
        let (seen, progress) = (Arc::clone(&seen), Arc::clone(&progress));
        tokio::spawn(async move {
            let mut last = 0;
            loop {
                let position = progress.standing().position;
                if position != last {
                    seen.lock().unwrap_or_else(PoisonError::into_inner).push((position, Instant::now()));
                    last = position;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
    };
    let mut beat = tokio::time::interval(Duration::from_secs(1) / options.pace);
    beat.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (begun, mut sent) = (Instant::now(), Vec::new());
    for number in 0..usize::try_from(options.pace * options.seconds)? {
        beat.tick().await;
        let ledger = ledger.clone();
        sent.push(tokio::spawn(async move {
            let told = crossing(10_000_000 + number, number % 1_000);
            let position = append(&**ledger.log(), &[&told]).await?;
            anyhow::Ok((position, Instant::now()))
        }));
    }
    let mut commits = Vec::new();
    for commit in sent {
        commits.push(commit.await??);
    }
    let pace = count(commits.len()) / begun.elapsed().as_secs_f64();
    let last = commits.iter().map(|(position, _)| *position).max().unwrap_or(0);
    ensure!(progress.wait_for(last, Instant::now() + Duration::from_secs(30)).await, "the picture did not get there");
    // Whoever looks has seen it, too.
    while seen.lock().unwrap_or_else(PoisonError::into_inner).last().is_none_or(|(position, _)| *position < last) {
        tokio::task::yield_now().await;
    }
    looking.abort();
    let seen = std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
    let wait = |(position, at): &(u64, Instant)| {
        let (_, readable) = seen.get(seen.partition_point(|(seen, _)| seen < position))?;
        Some(readable.saturating_duration_since(*at).as_secs_f64() * 1_000.0)
    };
    let mut waits: Vec<f64> = commits.iter().filter_map(wait).collect();
    ensure!(waits.len() == commits.len(), "{} of {} events were seen", waits.len(), commits.len());
    waits.sort_by(f64::total_cmp);
    let at = |percent: usize| waits[(waits.len() * percent / 100).min(waits.len() - 1)];
    Ok((at(50), at(99), pace))
}
