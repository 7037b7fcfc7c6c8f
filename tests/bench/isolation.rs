//! A subdistrict's evening on PostgreSQL: thousands of people under orders, each with a reading to be taken. How long the list
//! of all that is open takes, and a round of 300 readings that are handed in at once. The services screening (which knows the
//! method) and isolation run with everything around them, each on a database of its own.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use chassis::{
    Call, Decision, Ledger, Principal, Scope,
    client::{Connection, new_request_id},
};
use chrono::{DateTime, Utc};
use clap::Args;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use mifeng::wiring::Service;
use proto::{
    access::v1::Role,
    isolation::v1::{
        DayPart, Kind, ListTasksRequest, Reading, Reason, RecordObservationsRequest, Task, TaskKind, Terms,
        observation_service_client::ObservationServiceClient, order_event,
    },
    registry::v1::Residence,
};
use serde_json::{Map, Value, json};
use tests::{House, Peers, postgres::Cluster, time, village::Village};
use tokio::time::Instant;

use crate::rounds::{Round, percentile};

#[derive(Args)]
pub(crate) struct Options {
    /// People under an order, each with one open reading.
    #[arg(long, default_value_t = 4_000)]
    tasks: usize,
    /// Readings handed in at once.
    #[arg(long, default_value_t = 300)]
    bulk: usize,
    /// How often the list is read.
    #[arg(long, default_value_t = 200)]
    lists: usize,
}

/// Of the subdistrict (DOMAIN section 6).
const COMPOUNDS: usize = 80;
const NEIGHBOURHOODS: usize = 25;
const PAGE: i32 = 1_000;
const DAY: &str = "2020-02-11";
const EVENING: &str = "2020-02-11T16:30:00+08:00";
const SIDE_BY_SIDE: usize = 64;
const PATIENCE: Duration = Duration::from_mins(5);

pub(crate) async fn measure(options: Options) -> anyhow::Result<Map<String, Value>> {
    let cluster = Cluster::own()?;
    let (mut peers, mut houses) = (Peers::new(), Vec::new());
    for service in [Service::Screening, Service::Isolation] {
        let database = cluster.service_named(service.name()).await?.database;
        let mut known = peers.clone();
        for other in Service::ALL.into_iter().filter(|other| *other != service) {
            known.entry(other.name().to_owned()).or_insert_with(|| vec!["http://127.0.0.1:9".to_owned()]);
        }
        let house = House::of_one(service, database, None, known).await;
        peers.insert(service.name().to_owned(), vec![house.address().to_owned()]);
        houses.push(house);
    }
    let [screening, isolation] = &houses[..] else { anyhow::bail!("there are two services") };
    let results = run(screening, isolation, &options).await?;
    for house in houses {
        house.end().await;
    }
    Ok(results)
}

async fn run(screening: &House, isolation: &House, options: &Options) -> anyhow::Result<Map<String, Value>> {
    let village = Village { neighbourhood: String::new(), compound: String::new(), gate: String::new() };
    village.publish_method(screening).await;
    let ledger = isolation.running().host().ledger("isolation").await?;
    ledger.log().lead().wait_for(|lead| matches!(lead, chassis::Lead::Here { .. })).await?;
    let orders = stream::iter(0..options.tasks).map(|number| order(&ledger, number)).buffer_unordered(SIDE_BY_SIDE);
    orders.try_collect::<Vec<()>>().await?;
    let health = isolation.central("staff/health", Role::Health, "health").at(time(EVENING));
    settled(isolation, &ledger, screening).await?;

    let open = list(&health, "").await?.len();
    ensure!(open == options.tasks, "{open} of {} tasks are open", options.tasks);
    let (mut whole, mut pages) = (Vec::new(), Vec::new());
    for _ in 0..options.lists.max(1) {
        let begun = Instant::now();
        ensure!(list(&health, "").await?.len() == open, "a list became shorter while nothing happened");
        whole.push(begun.elapsed());
        let begun = Instant::now();
        ensure!(!list(&health, "neighbourhoods/n7").await?.is_empty(), "a neighbourhood has nothing to do");
        pages.push(begun.elapsed());
    }

    let mut rounds = Vec::new();
    let numbers: Vec<usize> = (0..options.tasks).collect();
    for chunk in numbers.chunks_exact(options.bulk.max(1)) {
        let readings: Vec<Reading> = chunk.iter().map(|number| reading(*number)).collect();
        let request = RecordObservationsRequest { request_id: new_request_id(), readings };
        let mut client = ObservationServiceClient::new(health.clone());
        let begun = Instant::now();
        let answer = client.record_observations(request).await?.into_inner();
        rounds.push(begun.elapsed());
        ensure!(answer.refused.is_empty(), "a reading was refused: {:?}", answer.refused.first());
    }
    ensure!(!rounds.is_empty(), "there are fewer orders than one round takes");
    settled(isolation, &ledger, screening).await?;
    let left = list(&health, "").await?.len();
    let taken = rounds.len() * options.bulk;
    ensure!(left == open - taken, "{left} tasks are left of {open} after {taken} readings");

    let told = |waits: Vec<Duration>, percent| {
        let waits = [Round { per_second: 0.0, waits }];
        json!((percentile(&waits, percent) * 100.0).round() / 100.0)
    };
    let mut results = Map::new();
    results.insert("tasks".to_owned(), json!(open));
    results.insert("tasks4000_p99_ms".to_owned(), told(whole.clone(), 99));
    results.insert("tasks4000_median_ms".to_owned(), told(whole, 50));
    results.insert("neighbourhood_p99_ms".to_owned(), told(pages, 99));
    results.insert("bulk".to_owned(), json!(options.bulk));
    results.insert("bulk300_ms".to_owned(), told(rounds.clone(), 50));
    results.insert("bulk300_worst_ms".to_owned(), told(rounds, 100));
    Ok(results)
}

/// All that is open, page by page.
async fn list(connection: &Connection, parent: &str) -> anyhow::Result<Vec<Task>> {
    let mut client = ObservationServiceClient::new(connection.clone());
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListTasksRequest {
            parent: parent.to_owned(),
            kind: TaskKind::Reading.into(),
            page_size: PAGE,
            page_token,
            ..ListTasksRequest::default()
        };
        let page = client.list_tasks(request).await?.into_inner();
        all.extend(page.tasks);
        if page.next_page_token.is_empty() {
            return Ok(all);
        }
        page_token = page.next_page_token;
    }
}

/// Until the service's views have seen its own log and the method.
async fn settled(isolation: &House, ledger: &Ledger, screening: &House) -> anyhow::Result<()> {
    let method = screening.running().host().ledger("screening").await?;
    for (source, log) in [("isolation", ledger.log()), ("screening", method.log())] {
        let head = log.head().await?.position;
        let progress = isolation.running().host().consumers.find("isolation/views", source);
        let progress = progress.context("the views follow the log")?;
        ensure!(progress.wait_for(head, Instant::now() + PATIENCE).await, "the views did not follow {source}");
    }
    Ok(())
}

fn name(number: usize) -> String {
    format!("order-{number:08}")
}

async fn order(ledger: &Ledger, number: usize) -> anyhow::Result<()> {
    let compound = number % COMPOUNDS;
    let neighbourhood_id = format!("n{}", compound % NEIGHBOURHOODS);
    let resident_id = format!("resident-{number:08}");
    let residence = Residence {
        neighbourhood_id: neighbourhood_id.clone(),
        compound_id: format!("c{compound}"),
        household_id: format!("h{}", number / 2),
    };
    let terms = Terms {
        resident_id: resident_id.clone(),
        residence: Some(residence),
        kind: Kind::Central.into(),
        reason: Reason::KeyArea.into(),
        day_zero: DAY.into(),
        observed_from: DAY.into(),
        first_day_part: DayPart::Evening.into(),
        last_day: "2020-02-25".into(),
        method_version: "2020-02-09".into(),
        evidence_ids: vec!["e1".into()],
        ..Terms::default()
    };
    let ordered = order_event::Ordered { terms: Some(terms), ..order_event::Ordered::default() };
    let decision =
        Decision::new(vec![order_event::Event::Ordered(ordered)]).office(neighbourhood_id).subject(resident_id);
    ledger.collect(&by_bench(time(EVENING), number), &name(number), decision, ()).await?;
    Ok(())
}

fn reading(number: usize) -> Reading {
    Reading {
        order: format!("orders/{}", name(number)),
        date: DAY.into(),
        day_part: DayPart::Evening.into(),
        temperature_decicelsius: 362 + i32::try_from(number % 8).unwrap_or(0),
        ..Reading::default()
    }
}

fn by_bench(now: DateTime<Utc>, number: usize) -> Call {
    let principal = Principal {
        subject: "reaction/bench".into(),
        role: Role::Service,
        unit: String::new(),
        scope: Scope::Everywhere,
    };
    Call::by(principal, now, &format!("bench-order-{number}"))
}
