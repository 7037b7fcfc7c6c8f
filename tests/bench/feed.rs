//! From the answer to a command in the registry to the moment when the command centre holds what it did: over
//! PostgreSQL, relay, NATS and inbox, at a steady pace. Nobody waits for it meanwhile, so that batches gather as they would.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use chassis::{
    client::{Connection, new_request_id},
    nats::{Config, Nats},
};
use clap::Args;
use mifeng::wiring::Service;
use proto::{
    access::v1::Role,
    registry::v1::{CreateNeighbourhoodRequest, Neighbourhood, registry_service_client::RegistryServiceClient},
};
use serde_json::{Map, Value, json};
use tests::{House, Peers, apart::nats_server, nats::Server, postgres::Cluster};
use tokio::time::{Instant, MissedTickBehavior};

#[derive(Args)]
pub(crate) struct Options {
    /// Events per second.
    #[arg(long, default_value_t = 500)]
    pace: u32,
    /// How long, in seconds.
    #[arg(long, default_value_t = 20)]
    seconds: u32,
}

pub(crate) async fn measure(options: Options) -> anyhow::Result<Map<String, Value>> {
    let program = nats_server().context("a nats-server is needed: see `cargo xtask test contract`")?;
    let (cluster, nats) = (Cluster::own()?, Server::start(program, "").await);
    let open = async |name: &str| {
        let config = Config { url: nats.url(), ..Config::default() };
        anyhow::Ok(Some(Nats::open(&config, name).await?))
    };
    let mut peers = Peers::new();
    let mut houses = Vec::new();
    for service in [Service::Registry, Service::Screening, Service::Pass, Service::Isolation, Service::Command] {
        let database = cluster.service_named(service.name()).await?.database;
        // Those that come later know those before them; the ones that are measured need no more.
        let mut known = peers.clone();
        for other in Service::ALL {
            // Nobody answers there, and nobody is asked: NATS carries it.
            known.entry(other.name().to_owned()).or_insert_with(|| vec!["http://127.0.0.1:9".to_owned()]);
        }
        known.remove(service.name());
        let house = House::of_one(service, database, open(service.name()).await?, known).await;
        peers.insert(service.name().to_owned(), vec![house.address().to_owned()]);
        houses.push(house);
    }
    let (registry, command) = (&houses[0], &houses[4]);
    let token = registry.token("staff/officer", Role::Officer, "subdistrict", "", "");
    let connection = Connection::open(registry.address(), Some(token))?;
    let progress = command.running().host().consumers.find("command/memory", "registry");
    let progress = progress.context("the command centre follows the registry")?;
    // When each position could be read, as somebody sees who looks each millisecond.
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
    // The first ones connect everything.
    for number in 0..20 {
        RegistryServiceClient::new(connection.clone()).create_neighbourhood(opening(900_000_000 + number)).await?;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut beat = tokio::time::interval(Duration::from_secs(1) / options.pace);
    beat.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (begun, count) = (Instant::now(), options.pace * options.seconds);
    let mut sent = Vec::new();
    for number in 0..count {
        beat.tick().await;
        let mut registry = RegistryServiceClient::new(connection.clone());
        sent.push(tokio::spawn(async move {
            let answer = registry.create_neighbourhood(opening(number)).await?;
            let position = answer.metadata().get("mf-position").and_then(|text| text.to_str().ok());
            let position = position.and_then(|text| text.split_once('=')?.1.parse::<u64>().ok());
            anyhow::Ok((position.context("an answer says where its effect stands")?, Instant::now()))
        }));
    }
    let mut commits = Vec::new();
    for answer in sent {
        commits.push(answer.await??);
    }
    let pace = f64::from(count) / begun.elapsed().as_secs_f64();
    let last = commits.iter().map(|(position, _)| *position).max().unwrap_or(0);
    ensure!(
        progress.wait_for(last, Instant::now() + Duration::from_secs(30)).await,
        "the read model did not get there"
    );
    // Whoever looks has seen it, too.
    while seen.lock().unwrap_or_else(PoisonError::into_inner).last().is_none_or(|(position, _)| *position < last) {
        tokio::task::yield_now().await;
    }
    looking.abort();
    let seen = std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
    let mut waits: Vec<f64> = commits
        .iter()
        .filter_map(|(position, at)| {
            let place = seen.partition_point(|(seen, _)| seen < position);
            let (_, readable) = seen.get(place)?;
            Some(readable.saturating_duration_since(*at).as_secs_f64() * 1_000.0)
        })
        .collect();
    ensure!(waits.len() == commits.len(), "{} of {} commits were seen", waits.len(), commits.len());
    waits.sort_unstable_by(f64::total_cmp);
    let at = |percent: usize| waits[(waits.len() * percent / 100).min(waits.len() - 1)];
    let mut results = Map::new();
    for (name, value) in [("feed_p50_ms", at(50)), ("feed_p99_ms", at(99)), ("feed_events_per_s", pace)] {
        results.insert(name.to_owned(), json!((value * 100.0).round() / 100.0));
    }
    results.insert("events".to_owned(), json!(commits.len()));
    for house in houses {
        house.end().await;
    }
    Ok(results)
}

fn opening(number: u32) -> CreateNeighbourhoodRequest {
    let neighbourhood = Neighbourhood {
        display_name: format!("第{number}社区"),
        code: format!("{number:012}"),
        ..Neighbourhood::default()
    };
    CreateNeighbourhoodRequest { request_id: new_request_id(), neighbourhood: Some(neighbourhood) }
}
