//! Read models of the pass service built anew from a log that is long: the crossings of a district's gates. With everything
//! that a running service has around it, over SQLite in one process and over PostgreSQL in processes apart.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use chassis::{
    Clock, Lead,
    event_log::{Append, EventLog, Expected, NewEvent, Write},
};
use clap::Args;
use mifeng::wiring::Service;
use proto::{
    Fact as _,
    pass::v1::{
        Decision, Direction,
        gate_day_event::{Crossed, Event},
    },
    registry::v1::Residence,
};
use serde_json::{Map, Value, json};
use tests::{House, Peers, postgres::Cluster};
use tokio::time::Instant;

use crate::rounds::count;

#[derive(Args)]
pub(crate) struct Options {
    /// Crossings in the log.
    #[arg(long, default_value_t = 1_000_000)]
    events: usize,
    /// How often the read models are built anew; the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

/// Crossings per append.
const TOGETHER: usize = 1_000;
/// Gates of the district.
const GATES: usize = 64;

pub(crate) async fn measure(options: Options) -> anyhow::Result<Map<String, Value>> {
    let mut results = Map::new();
    let mut note = |name: &str, value: f64| {
        results.insert(name.to_owned(), json!(value.round()));
    };
    let house = House::new().await;
    note("rebuild_sqlite_events_per_s", rebuilt(&house, &options).await?);
    house.end().await;
    let cluster = Cluster::own()?;
    let (mut peers, mut houses) = (Peers::new(), Vec::new());
    // The one that is measured comes last, and knows the others.
    for service in [Service::Registry, Service::Screening, Service::Isolation, Service::Pass] {
        let database = cluster.service_named(service.name()).await?.database;
        let mut known = peers.clone();
        for other in Service::ALL.into_iter().filter(|other| *other != service) {
            known.entry(other.name().to_owned()).or_insert_with(|| vec!["http://127.0.0.1:9".to_owned()]);
        }
        let house = House::of_one(service, database, None, known).await;
        peers.insert(service.name().to_owned(), vec![house.address().to_owned()]);
        houses.push(house);
    }
    let pass = houses.last().context("there is a pass service")?;
    note("rebuild_events_per_s", rebuilt(pass, &options).await?);
    results.insert("events".to_owned(), json!(options.events));
    for house in houses {
        house.end().await;
    }
    Ok(results)
}

/// Events per second, of the log's own ones.
async fn rebuilt(house: &House, options: &Options) -> anyhow::Result<f64> {
    let host = house.running().host();
    let log = Arc::clone(host.ledger("pass").await?.log());
    log.lead().wait_for(|lead| matches!(lead, Lead::Here { .. })).await?;
    let before = log.head().await?.position;
    fill(&*log, options.events).await?;
    let head = log.head().await?.position;
    ensure!(head - before == options.events as u64, "the log holds {head} events");
    let views = host.all_views().await.remove("pass").context("the pass service has read models")?;
    let progress = host.consumers.find("pass/views", "pass").context("they follow its log")?;
    let patience = Instant::now() + Duration::from_mins(10);
    ensure!(progress.wait_for(head, patience).await, "the read models did not follow");
    let mut rates = Vec::new();
    for _ in 0..options.rounds {
        let begun = Instant::now();
        let (_, records) = views.rebuild().await?;
        rates.push(count(usize::try_from(records)?) / begun.elapsed().as_secs_f64());
    }
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().context("at least one round is needed")
}

async fn fill(log: &dyn EventLog, events: usize) -> anyhow::Result<()> {
    let clock = Clock::system();
    for first in (0..events).step_by(TOGETHER) {
        let gate = first / TOGETHER % GATES;
        let crossings = first..events.min(first + TOGETHER);
        let write = Write {
            category: Event::CATEGORY,
            stream_id: format!("gate-{gate}:2020-02-11:{first}"),
            expected: Expected::Version(0),
            office: format!("n{}", gate % 25),
            subject_id: String::new(),
            events: crossings.map(|number| crossing(gate, number)).collect(),
        };
        log.append(Append {
            command_id: clock.id().to_string(),
            fingerprint: [7; 32],
            reply: Vec::new(),
            writes: vec![write],
            reserve: Vec::new(),
            release: Vec::new(),
            actor: "device/bench".to_owned(),
            correlation_id: String::new(),
            causation_id: String::new(),
            traceparent: String::new(),
            occurred_at: clock.now(),
        })
        .await?;
    }
    Ok(())
}

fn crossing(gate: usize, number: usize) -> NewEvent {
    let crossed = Crossed {
        crossing_id: format!("crossing-{number:016}"),
        gate_id: format!("gate-{gate}"),
        compound_id: format!("compound-{}", gate / 4),
        crossed_at: Some(chassis::timestamp(Clock::system().now())),
        direction: Direction::In.into(),
        decision: Decision::Allowed.into(),
        temperature_decicelsius: 366,
        mask: true,
        resident_id: format!("resident-{:016}", number % 150_000),
        pass_number: format!("{number:08}"),
        residence: Some(Residence::default()),
        ..Crossed::default()
    };
    let event = Event::Crossed(crossed);
    NewEvent { event_type: event.type_name(), schema_version: 1, payload: event.to_payload() }
}
