//! A closed day of the subdistrict (DOMAIN section 6), simulated against all services on SQLite: 64,000 crossings, 3,000 screenings,
//! and what else a day brings, from midnight to midnight as fast as it goes, until the command centre has seen the heads of all logs
//! and a recount gives its numbers. Setting the subdistrict up is not in the time.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Args;
use office::simulate::{Numbers, Pace, Playbill, Simulation};
use proto::{
    access::v1::Role,
    command::v1::{GetOverviewRequest, RecountRequest, command_service_client::CommandServiceClient},
};
use serde_json::{Map, Value, json};
use tests::{House, time};
use tokio::time::Instant;

#[derive(Args)]
pub(crate) struct Options {
    /// Deeds under way at once.
    #[arg(long, default_value_t = 64)]
    at_once: usize,
    /// Main gates with a computer: ten a minute are enrolled.
    #[arg(long, default_value_t = 12)]
    gate_computers: u32,
}

const PATIENCE: Duration = Duration::from_mins(10);
const LOOK: Duration = Duration::from_millis(10);

pub(super) async fn measure(people: u32, options: &Options) -> anyhow::Result<Map<String, Value>> {
    let house = House::new().await;
    let numbers = Numbers { gate_computers: options.gate_computers, ..Numbers::of_people(people) };
    let playbill = Playbill {
        address: house.address().to_owned(),
        token: house.token("staff/demonstration", Role::Administrator, "subdistrict", "", ""),
        authority: None,
        seed: 1,
        numbers,
        days: 1,
        pace: Pace { factor: None, at_once: options.at_once },
        publication: None,
        quiet: false,
    };
    let begun = Instant::now();
    let mut simulation = Simulation::found(playbill).await?;
    let set_up = begun.elapsed();
    house.settled().await;

    let begun = Instant::now();
    let day = simulation.day().await?;
    let (centre, records) = seen(&house).await?;
    let whole = begun.elapsed();
    ensure!(day.errors == 0, "{} requests were refused or failed: {:?}", day.errors, simulation.load());

    let seconds = |span: Duration| json!((span.as_secs_f64() * 100.0).round() / 100.0);
    let mut results = Map::new();
    results.insert("people".to_owned(), json!(people));
    results.insert("set_up_s".to_owned(), seconds(set_up));
    results.insert("day_crossings".to_owned(), json!(day.crossings));
    results.insert("day_screenings".to_owned(), json!(day.screenings));
    results.insert("day_calls".to_owned(), json!(day.calls));
    results.insert("day_requests_s".to_owned(), seconds(day.elapsed));
    results.insert("day_centre_s".to_owned(), seconds(centre));
    results.insert("day_recounted".to_owned(), json!(records));
    results.insert("day_s".to_owned(), seconds(whole));
    for row in simulation.load() {
        results.insert(format!("day_{}_p99_ms", row.call), json!(row.p99_ms));
    }
    house.end().await;
    Ok(results)
}

/// Waits until the command centre has seen all that the logs hold; then a recount must give its numbers. How long the one took,
/// and how many records the other has read.
async fn seen(house: &House) -> anyhow::Result<(Duration, u64)> {
    let officer = house.central("staff/officer", Role::Officer, "subdistrict").at(time("2020-02-11T23:59:00+08:00"));
    let mut centre = CommandServiceClient::new(officer);
    let begun = Instant::now();
    house.settled().await;
    let mut heads = Vec::new();
    for (name, log) in house.running().host().logs().await {
        heads.push((name.clone(), log.head().await?.position));
    }
    loop {
        let overview =
            centre.get_overview(GetOverviewRequest::default()).await.context("asking for the overview")?.into_inner();
        // A log that the centre does not follow has no position.
        let behind = |(log, head): &(String, u64)| overview.positions.get(log).is_some_and(|seen| seen < head);
        if !heads.iter().any(behind) {
            break;
        }
        ensure!(begun.elapsed() < PATIENCE, "the command centre has not seen {heads:?} within ten minutes");
        tokio::time::sleep(LOOK).await;
    }
    let seen = begun.elapsed();
    let recount = centre.recount(RecountRequest::default()).await.context("recounting")?.into_inner();
    ensure!(recount.equal, "the recount differs: {:?}", recount.differences);
    Ok((seen, recount.records))
}
