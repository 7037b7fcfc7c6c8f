//! A version of the method is published, and everybody on record is judged by it, on PostgreSQL: from the publication until
//! every changed verdict is durable, and until every pass that falls with it is suspended where the pass service looks. The
//! services screening, isolation and pass run with everything around them, each on a database of its own.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use chassis::{Vault, Views, client::new_request_id, event_log::EventLog};
use clap::Args;
use mifeng::wiring::Service;
use proto::{
    access::v1::Role,
    screening::v1::{
        ApproveMethodRequest, DraftMethodRequest, DryRunMethodRequest, GetRescreeningRequest, KeyArea, Level, Measure,
        MethodContent, PublishMethodRequest, method_service_client::MethodServiceClient, rescreening::State,
        screening_service_client::ScreeningServiceClient,
    },
};
use screening::method_file::sample_content;
use serde_json::{Map, Value, json};
use sqlx::Row as _;
use tests::{House, Peers, postgres::Cluster};
use tokio::time::Instant;

use crate::rounds::count;

/// People with their cases and passes.
mod crowd;

#[derive(Args)]
pub(crate) struct Options {
    /// People with a clear verdict and a pass.
    #[arg(long, default_value_t = 150_000)]
    people: usize,
    /// One in so many was where the new key area is.
    #[arg(long, default_value_t = 20)]
    one_in: usize,
}

/// How long anything may take before it is given up.
const PATIENCE: Duration = Duration::from_mins(20);

const LOOK: Duration = Duration::from_millis(10);

pub(crate) async fn measure(options: Options) -> anyhow::Result<Map<String, Value>> {
    let cluster = Cluster::own()?;
    let (mut peers, mut houses) = (Peers::new(), Vec::new());
    for service in [Service::Screening, Service::Isolation, Service::Pass] {
        let database = cluster.service_named(service.name()).await?.database;
        let mut known = peers.clone();
        for other in Service::ALL.into_iter().filter(|other| *other != service) {
            known.entry(other.name().to_owned()).or_insert_with(|| vec!["http://127.0.0.1:9".to_owned()]);
        }
        let house = House::of_one(service, database, None, known).await;
        peers.insert(service.name().to_owned(), vec![house.address().to_owned()]);
        houses.push(house);
    }
    let [screening, _, pass] = &houses[..] else { anyhow::bail!("there are three services") };
    let results = run(screening, pass, &options).await?;
    for house in houses {
        house.end().await;
    }
    Ok(results)
}

async fn run(screening: &House, pass: &House, options: &Options) -> anyhow::Result<Map<String, Value>> {
    let (people, touched) = (options.people, options.people.div_ceil(options.one_in.max(1)));
    publish(screening, "sample", sample_content()).await?;
    until_done(screening, "sample").await?;
    let logs = (log(screening, "screening").await?, log(pass, "pass").await?);
    let vault: Vault = screening.running().host().vault("screening").await?;
    let set_up = Instant::now();
    crowd::fill((&*logs.0, &*logs.1), &vault, people, options.one_in.max(1)).await?;
    follow(screening, "screening/views", "screening").await?;
    follow(pass, "pass/views", "pass").await?;
    for consumer in ["pass/reactions", "pass/views"] {
        follow_across(pass, consumer, &logs.0).await?;
    }
    let set_up = set_up.elapsed();

    let longer = longer();
    approve(screening, "longer", longer).await?;
    let begun = Instant::now();
    let mut officer = MethodServiceClient::new(officer(screening));
    let dry_run = officer.dry_run_method(DryRunMethodRequest { name: "methods/longer".into() }).await?.into_inner();
    let dry_run_s = begun.elapsed().as_secs_f64();
    let foreseen = dry_run.figures.unwrap_or_default().touched;
    ensure!(usize::try_from(foreseen)? == touched, "{} touched, and {touched} were there", dry_run.en);

    let views = pass.running().host().all_views().await.remove("pass").context("the pass service has read models")?;
    let before = (logs.0.head().await?.position, logs.1.head().await?.position);
    let begun = Instant::now();
    put_in_force(screening, "longer").await?;
    let answered_s = begun.elapsed().as_secs_f64();
    let verdicts = async {
        told(&*logs.0, before.0, "case.assessed", touched).await?;
        Ok::<_, anyhow::Error>(begun.elapsed().as_secs_f64())
    };
    let passes = async {
        suspended(pass, &views, before.1, touched).await?;
        Ok::<_, anyhow::Error>(begun.elapsed().as_secs_f64())
    };
    let (verdicts_s, passes_s) = tokio::try_join!(verdicts, passes)?;
    until_done(screening, "longer").await?;
    let done_s = begun.elapsed().as_secs_f64();

    let mut results = Map::new();
    results.insert("people".to_owned(), json!(people));
    results.insert("touched".to_owned(), json!(touched));
    for (name, seconds) in [
        ("verdicts_s", verdicts_s),
        ("passes_s", passes_s),
        ("publish_answered_s", answered_s),
        ("everybody_judged_s", done_s),
        ("dry_run_s", dry_run_s),
        ("set_up_s", set_up.as_secs_f64()),
    ] {
        results.insert(name.to_owned(), json!((seconds * 1_000.0).round() / 1_000.0));
    }
    results.insert("dry_run_people_per_s".to_owned(), json!((count(people) / dry_run_s).round()));
    Ok(results)
}

/// 台州 is a key area from the sixth of February.
fn longer() -> MethodContent {
    let mut content = sample_content();
    content.key_areas.push(KeyArea {
        place: "331000".into(),
        from: "2020-02-06".into(),
        to: String::new(),
        level: Level::Medium.into(),
        measure: Measure::Home.into(),
    });
    content
}

async fn publish(house: &House, version: &str, content: MethodContent) -> anyhow::Result<()> {
    approve(house, version, content).await?;
    put_in_force(house, version).await
}

async fn approve(house: &House, version: &str, content: MethodContent) -> anyhow::Result<()> {
    let draft =
        DraftMethodRequest { request_id: new_request_id(), version: version.to_owned(), content: Some(content) };
    let name = ScreeningServiceClient::new(officer(house)).draft_method(draft).await?.into_inner().name;
    let health = house.central("staff/health", Role::Health, "health");
    let approve = ApproveMethodRequest { request_id: new_request_id(), name };
    ScreeningServiceClient::new(health).approve_method(approve).await?;
    Ok(())
}

async fn put_in_force(house: &House, version: &str) -> anyhow::Result<()> {
    let name = format!("methods/{version}");
    let publish = PublishMethodRequest { request_id: new_request_id(), name, in_force_time: None };
    ScreeningServiceClient::new(officer(house)).publish_method(publish).await?;
    Ok(())
}

fn officer(house: &House) -> chassis::client::Connection {
    house.central("staff/officer", Role::Officer, "subdistrict")
}

async fn log(house: &House, service: &str) -> anyhow::Result<Arc<dyn EventLog>> {
    let log = Arc::clone(house.running().host().ledger(service).await?.log());
    log.lead().wait_for(|lead| matches!(lead, chassis::Lead::Here { .. })).await?;
    Ok(log)
}

/// Until a consumer has seen all of its own service's log.
async fn follow(house: &House, consumer: &str, source: &str) -> anyhow::Result<()> {
    let log = log(house, source).await?;
    follow_across(house, consumer, &log).await
}

async fn follow_across(house: &House, consumer: &str, log: &Arc<dyn EventLog>) -> anyhow::Result<()> {
    let progress = house.running().host().consumers.find(consumer, log.name()).context("it follows the log")?;
    let head = log.head().await?.position;
    ensure!(progress.wait_for(head, Instant::now() + PATIENCE).await, "{consumer} did not follow {}", log.name());
    Ok(())
}

/// Until so many records of a type stand in the log behind a position.
async fn told(log: &dyn EventLog, mut after: u64, what: &str, wanted: usize) -> anyhow::Result<()> {
    let (mut found, patience) = (0, Instant::now() + PATIENCE);
    while found < wanted {
        ensure!(Instant::now() < patience, "{found} of {wanted} {what}");
        let records = log.read(after, 1_000).await?;
        found += records.iter().filter(|record| record.r#type == what).count();
        match records.last() {
            Some(last) => after = last.position,
            None => tokio::time::sleep(LOOK).await,
        }
    }
    Ok(())
}

/// Until so many passes are suspended in the log behind a position and the read model shows them: asked once, since to count
/// them takes a processor that the services need.
async fn suspended(house: &House, views: &Views, before: u64, wanted: usize) -> anyhow::Result<()> {
    let log = log(house, "pass").await?;
    told(&*log, before, "holder.suspended", wanted).await?;
    follow(house, "pass/views", "pass").await?;
    let mut db = views.connection().await?;
    let row = sqlx::query("SELECT COUNT(*) FROM holder WHERE standing = 'suspended'").fetch_one(&mut *db).await?;
    let found = usize::try_from(row.try_get::<i64, _>(0)?)?;
    ensure!(found >= wanted, "{found} of {wanted} passes are shown as suspended");
    Ok(())
}

async fn until_done(house: &House, version: &str) -> anyhow::Result<()> {
    let mut client = MethodServiceClient::new(officer(house));
    let patience = Instant::now() + PATIENCE;
    loop {
        let request = GetRescreeningRequest { name: format!("methods/{version}") };
        let progress = client.get_rescreening(request).await?.into_inner();
        if progress.state() == State::Done {
            return Ok(());
        }
        ensure!(Instant::now() < patience, "{} of {} were judged", progress.done, progress.cases);
        tokio::time::sleep(LOOK).await;
    }
}
