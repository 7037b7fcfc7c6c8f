//! A durable command through gRPC (decide, append one event of about 200 bytes, sync, answer) against the bare echo of the
//! same server, by the same callers over the same connections. In turns, so that neither has the quieter minutes; the
//! medians of all rounds are compared.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use chassis::client::{Connection, new_request_id};
use chrono::{Days, NaiveDate};
use clap::Args;
use futures::future::try_join_all;
use mifeng::wiring::Service;
use proto::{
    access::v1::{GetPrincipalRequest, Role, access_service_client::AccessServiceClient},
    registry::v1::{
        Compound, CreateCompoundRequest, CreateNeighbourhoodRequest, Neighbourhood, Regime, SetRegimeRequest,
        registry_service_client::RegistryServiceClient,
    },
};
use serde_json::{Map, Value, json};
use tests::{House, Peers, postgres::Cluster};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::{
    log::Kind,
    rounds::{Round, count, median_of, percentile},
};

#[derive(Args)]
pub(crate) struct Options {
    /// Callers at once, who each wait for their answer before they send the next request.
    #[arg(long, default_value_t = 64)]
    callers: usize,
    /// HTTP/2 connections that they share.
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// Rounds of each way.
    #[arg(long, default_value_t = 5)]
    rounds: u64,
    /// Seconds per round and way.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// A folder on the disk that is to be measured; PostgreSQL is measured where temporary files are.
    #[arg(long, default_value = ".")]
    folder: PathBuf,
    /// Measures one kind of database alone.
    #[arg(long, value_enum)]
    only: Option<Kind>,
}

/// What is asked of the server.
#[derive(Clone, Copy)]
enum Way {
    /// Health, which is outside the access layer.
    Echo,
    /// Through the access layer, and nothing more.
    Principal,
    /// A new stream of its own for each command, with a key that it holds: an event of some 200 bytes.
    Command,
    /// One more event in the caller's own stream.
    Regime,
}

/// Each is somebody, with a budget of calls and a compound of their own.
struct Caller {
    connection: Connection,
    compound: String,
}

/// Sixty characters.
const NAME: &str = "宁波市海曙区白云街道金家漕社区居民委员会长丰二村网格管理服务中心第一工作站综合治理办公室暨疫情防控登记点甲乙丙丁戊己庚辛";

pub(crate) async fn measure(options: Options) -> anyhow::Result<Map<String, Value>> {
    let mut results = Map::new();
    if options.only != Some(Kind::Postgres) {
        let house = House::on(tempfile::Builder::new().prefix("bench-rpc-").tempdir_in(&options.folder)?).await;
        in_house(&options, &house, "sqlite", &mut results).await?;
    }
    if options.only != Some(Kind::Sqlite) {
        let cluster = Cluster::own()?;
        let database = cluster.service_named("registry").await?.database;
        let house = House::of_one(Service::Registry, database, None, Peers::new()).await;
        in_house(&options, &house, "pg", &mut results).await?;
        house.end().await;
    }
    for (name, value) in [("callers", options.callers), ("connections", options.connections)] {
        results.insert(name.to_owned(), json!(value));
    }
    results.insert("rounds".to_owned(), json!(options.rounds));
    results.insert("seconds".to_owned(), json!(options.seconds));
    Ok(results)
}

async fn in_house(
    options: &Options,
    house: &House,
    store: &str,
    results: &mut Map<String, Value>,
) -> anyhow::Result<()> {
    let open = |_| Connection::open(house.address(), None);
    let connections = (0..options.connections.max(1)).map(open).collect::<Result<Vec<_>, _>>()?;
    let callers = callers(house, &connections, options.callers).await?;
    let made = AtomicU64::new(1 + callers.len() as u64);
    let length = Duration::from_secs(options.seconds);
    // The first calls connect, and fill what is cached.
    for way in [Way::Echo, Way::Principal, Way::Command, Way::Regime] {
        round(way, &callers, length / 4, &made).await?;
    }
    let [mut echo, mut principal, mut command, mut regime] = [const { Vec::new() }; 4];
    for _ in 0..options.rounds {
        echo.push(round(Way::Echo, &callers, length, &made).await?);
        command.push(round(Way::Command, &callers, length, &made).await?);
        regime.push(round(Way::Regime, &callers, length, &made).await?);
        principal.push(round(Way::Principal, &callers, length, &made).await?);
    }
    let head = house.running().host().logs().await["registry"].head().await?.position;
    anyhow::ensure!(head == made.into_inner(), "the log holds {head} events, which is not what was answered");
    let mut note = |name: &str, value: f64| results.insert(name.to_owned(), json!((value * 100.0).round() / 100.0));
    for (name, rounds) in [("echo", &echo), ("principal", &principal), ("command", &command), ("regime", &regime)] {
        note(&format!("{store}_{name}_per_s"), median_of(rounds));
        note(&format!("{store}_{name}_p50_ms"), percentile(rounds, 50));
        note(&format!("{store}_{name}_p99_ms"), percentile(rounds, 99));
    }
    note(&format!("ratio_rpc_{store}"), median_of(&command) / median_of(&echo));
    note(&format!("ratio_regime_{store}"), median_of(&regime) / median_of(&echo));
    note(&format!("ratio_principal_{store}"), median_of(&principal) / median_of(&echo));
    Ok(())
}

async fn callers(house: &House, connections: &[Connection], count: usize) -> anyhow::Result<Vec<Caller>> {
    let (mut callers, mut neighbourhood) = (Vec::new(), None);
    for number in 0..count {
        let token = house.token(&format!("staff/{number}"), Role::Officer, "subdistrict", "", "");
        let connection = connections[number % connections.len()].clone().with_token(&token)?;
        let mut registry = RegistryServiceClient::new(connection.clone());
        let home = match &neighbourhood {
            Some(home) => home,
            None => neighbourhood
                .insert(registry.create_neighbourhood(opening("999999999999".to_owned())).await?.into_inner().name),
        };
        let compound =
            Compound { display_name: format!("小区{number}"), neighbourhood: home.clone(), ..Compound::default() };
        let request = CreateCompoundRequest { request_id: new_request_id(), compound: Some(compound) };
        callers.push(Caller { connection, compound: registry.create_compound(request).await?.into_inner().name });
    }
    Ok(callers)
}

fn opening(code: String) -> CreateNeighbourhoodRequest {
    let neighbourhood = Neighbourhood { display_name: NAME.to_owned(), code, ..Neighbourhood::default() };
    CreateNeighbourhoodRequest { request_id: new_request_id(), neighbourhood: Some(neighbourhood) }
}

async fn round(way: Way, callers: &[Caller], length: Duration, made: &AtomicU64) -> anyhow::Result<Round> {
    let start = Instant::now();
    let tasks = callers.iter().enumerate().map(|(caller, Caller { connection, compound })| {
        let (connection, compound) = (connection.clone(), compound.clone());
        // Numbers that no other round takes.
        let first = made.load(Ordering::Relaxed) + (caller as u64) * 1_000_000_000;
        tokio::spawn(async move {
            let mut waits = Vec::new();
            for number in first.. {
                if start.elapsed() >= length {
                    break;
                }
                let sent = Instant::now();
                way.call(&connection, &compound, number).await?;
                waits.push(sent.elapsed());
            }
            anyhow::Ok(waits)
        })
    });
    let mut waits = Vec::new();
    for caller in try_join_all(tasks).await? {
        waits.extend(caller?);
    }
    if matches!(way, Way::Command | Way::Regime) {
        made.fetch_add(waits.len() as u64, Ordering::Relaxed);
    }
    Ok(Round { per_second: count(waits.len()) / start.elapsed().as_secs_f64(), waits })
}

impl Way {
    async fn call(self, connection: &Connection, compound: &str, number: u64) -> anyhow::Result<()> {
        let connection = connection.clone();
        match self {
            Self::Echo => {
                HealthClient::new(connection).check(HealthCheckRequest::default()).await?;
            }
            Self::Principal => {
                AccessServiceClient::new(connection).get_principal(GetPrincipalRequest {}).await?;
            }
            Self::Regime => {
                let from = NaiveDate::from_ymd_opt(2020, 2, 11)
                    .and_then(|day| day.checked_add_days(Days::new(number % 9_000)));
                let request = SetRegimeRequest {
                    request_id: new_request_id(),
                    compound: compound.to_owned(),
                    regime: Regime::Closed.into(),
                    from: from.unwrap_or_default().to_string(),
                    etag: String::new(),
                };
                RegistryServiceClient::new(connection).set_regime(request).await?;
            }
            Self::Command => {
                let request = opening(format!("{number:012}"));
                RegistryServiceClient::new(connection).create_neighbourhood(request).await?;
            }
        }
        Ok(())
    }
}
