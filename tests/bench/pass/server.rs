//! What a gate on line waits for: a check of a code through gRPC, signature and all, against the bare echo of the same server,
//! by the same callers over the same connections, in turns; and how long an isolation order takes from its commit to the
//! refusal.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use chassis::{
    Call, Decision, Ledger, Principal, Scope,
    client::{Connection, new_request_id},
    timestamp,
};
use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use credential::number::PassNumber;
use futures::{StreamExt as _, TryStreamExt as _, future::try_join_all, stream};
use pass::{
    desk::Desk,
    domain::{
        holder::{self, Standing},
        keyring::{Keyring, STREAM},
    },
};
use proto::{
    access::v1::Role,
    isolation::v1::{Kind, Terms, order_event},
    pass::v1::{CheckPassRequest, Decision as Gate, Finding, holder_event, pass_service_client::PassServiceClient},
    registry::v1::Residence,
};
use serde_json::{Map, Value, json};
use tests::{House, village::Village};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::{Options, crossings};
use crate::rounds::{Round, count, median_of, percentile};

/// What is asked of the server.
#[derive(Clone, Copy)]
pub(super) enum Way {
    /// Health, which is outside the access layer.
    Echo,
    Check,
}

/// A house with holders, and codes of some of them.
pub(super) struct Street {
    pub(super) house: House,
    pub(super) village: Village,
    home: Residence,
    /// Different codes, so that nothing is answered from a cache.
    pub(super) codes: Arc<Vec<String>>,
    pub(super) holders: u32,
}

/// Codes that are shown in turns.
const CODES: u32 = 20_000;

pub(super) async fn measure(options: &Options) -> anyhow::Result<Map<String, Value>> {
    let folder = tempfile::Builder::new().prefix("bench-pass-").tempdir_in(&options.folder)?;
    let street = Street::of(House::on(folder).await, options.passes.max(10)).await?;
    let open = |_| Connection::open(street.house.address(), None);
    let connections = (0..options.connections.max(1)).map(open).collect::<Result<Vec<_>, _>>()?;
    let callers = (0..options.callers).map(|number| {
        let (device, Village { neighbourhood, gate, .. }) = (format!("device/{number}"), &street.village);
        let token = street.house.token(&device, Role::Guard, neighbourhood, neighbourhood, gate);
        connections[number % connections.len()].clone().with_token(&token)
    });
    let callers = callers.collect::<Result<Vec<_>, _>>()?;
    let length = Duration::from_secs(options.seconds);
    for way in [Way::Echo, Way::Check] {
        street.round(way, &callers, length / 4).await?;
    }
    let [mut echo, mut check] = [const { Vec::new() }; 2];
    for _ in 0..options.rounds {
        echo.push(street.round(Way::Echo, &callers, length).await?);
        check.push(street.round(Way::Check, &callers, length).await?);
    }
    let crossings = crossings::measure(&street, options, &connections).await?;
    let refusals = street.refusals(callers.first().context("somebody has to ask")?, options.orders).await?;
    let mut results = Map::new();
    let mut note = |name: &str, value: f64| results.insert(name.to_owned(), json!((value * 100.0).round() / 100.0));
    for (name, rounds) in [("echo", &echo), ("check", &check)] {
        note(&format!("{name}_per_s"), median_of(rounds));
        note(&format!("{name}_p50_ms"), percentile(rounds, 50));
        note(&format!("{name}_p99_ms"), percentile(rounds, 99));
    }
    note("ratio_check", median_of(&check) / median_of(&echo));
    let refusals = [Round { per_second: 0.0, waits: refusals }];
    note("order_to_refusal_p50_ms", percentile(&refusals, 50));
    note("order_to_refusal_p99_ms", percentile(&refusals, 99));
    results.extend(crossings);
    results.insert("callers".to_owned(), json!(options.callers));
    results.insert("orders".to_owned(), json!(options.orders));
    street.house.end().await;
    Ok(results)
}

impl Street {
    /// Their facts go straight into the log, as the service would have written them.
    async fn of(house: House, holders: u32) -> anyhow::Result<Self> {
        let village = Village::found(&house, "330212002001").await;
        village.publish_method(&house).await;
        let host = house.running().host();
        let (ledger, desk, now) = (
            host.ledger("pass").await?,
            Desk::new(&host.secrets, host.secrets.beside(pass::ROOT_SECRET)?),
            host.clock.now(),
        );
        let home = Residence {
            neighbourhood_id: bare(&village.neighbourhood),
            compound_id: bare(&village.compound),
            household_id: "household".to_owned(),
        };
        let issuing = stream::iter(1..=holders).map(|index| issue(&ledger, &home, index, now));
        issuing.buffer_unordered(512).try_for_each(async |()| Ok(())).await?;
        let (ring, _) = ledger.load::<Keyring>(STREAM).await?;
        let known = ring.find(1).context("the first key was announced")?;
        let step = (holders / CODES).max(1);
        let code = |index| {
            let pass = pass_of(&home, index, now)?;
            Ok(desk.paper(&pass, "王", known)?.code)
        };
        let codes = (1..=holders).step_by(usize::try_from(step)?).map(code).collect::<anyhow::Result<Vec<_>>>()?;
        house.settled().await;
        Ok(Self { house, village, home, codes: Arc::new(codes), holders })
    }

    pub(super) async fn round(&self, way: Way, callers: &[Connection], length: Duration) -> anyhow::Result<Round> {
        let start = Instant::now();
        let tasks = callers.iter().enumerate().map(|(caller, connection)| {
            let (connection, gate, codes) = (connection.clone(), self.village.gate.clone(), Arc::clone(&self.codes));
            let codes_per_caller = codes.len() / callers.len();
            tokio::spawn(async move {
                let mut waits = Vec::new();
                for number in caller * codes_per_caller.. {
                    if start.elapsed() >= length {
                        break;
                    }
                    let sent = Instant::now();
                    let connection = connection.clone();
                    match way {
                        Way::Echo => {
                            HealthClient::new(connection).check(HealthCheckRequest::default()).await?;
                        }
                        Way::Check => {
                            let code = codes[number % codes.len()].clone();
                            let request = CheckPassRequest { gate: gate.clone(), code, direction: 0 };
                            let answer = PassServiceClient::new(connection).check_pass(request).await?.into_inner();
                            let verdict = answer.verdict.unwrap_or_default();
                            ensure!(verdict.decision() == Gate::Allowed, "a good code was refused: {verdict:?}");
                        }
                    }
                    waits.push(sent.elapsed());
                }
                anyhow::Ok(waits)
            })
        });
        let mut waits = Vec::new();
        for caller in try_join_all(tasks).await? {
            waits.extend(caller?);
        }
        Ok(Round { per_second: count(waits.len()) / start.elapsed().as_secs_f64(), waits })
    }

    /// One holder after the other is isolated, and stands at the gate until it refuses.
    async fn refusals(&self, guard: &Connection, orders: u32) -> anyhow::Result<Vec<Duration>> {
        let host = self.house.running().host();
        let isolation = host.ledger("isolation").await?;
        let mut waits = Vec::new();
        for index in 1..=orders.min(self.holders) {
            let terms = Terms {
                resident_id: resident(index),
                residence: Some(self.home.clone()),
                kind: Kind::Home.into(),
                ..Terms::default()
            };
            let ordered = order_event::Ordered { terms: Some(terms), ..order_event::Ordered::default() };
            let decision = Decision::new(vec![order_event::Event::Ordered(ordered)])
                .office(self.home.neighbourhood_id.as_str())
                .subject(resident(index));
            let call = by_bench(host.clock.now());
            isolation.collect(&call, &format!("order-{index}"), decision, ()).await?;
            let committed = Instant::now();
            let number = number(index)?.to_string();
            loop {
                let request = CheckPassRequest { gate: self.village.gate.clone(), code: number.clone(), direction: 0 };
                let answer = PassServiceClient::new(guard.clone()).check_pass(request).await?.into_inner();
                if answer.verdict.unwrap_or_default().findings().any(|finding| finding == Finding::Isolated) {
                    break;
                }
                ensure!(committed.elapsed() < Duration::from_secs(30), "an isolated person is let through");
            }
            waits.push(committed.elapsed());
        }
        Ok(waits)
    }
}

async fn issue(ledger: &Ledger, home: &Residence, index: u32, now: DateTime<Utc>) -> anyhow::Result<()> {
    let pass = pass_of(home, index, now)?;
    let qualified = holder_event::Qualified { by: pass.by.clone(), residence: Some(home.clone()) };
    let issued = holder_event::Issued {
        number: pass.number,
        status_index: index,
        by: pass.by,
        expires: Some(timestamp(pass.expires)),
        residence: Some(home.clone()),
        issued: Some(timestamp(pass.issued)),
        key_id: pass.key_id.into(),
        ..holder_event::Issued::default()
    };
    let events = vec![holder_event::Event::Qualified(qualified), holder_event::Event::Issued(issued)];
    let decision = Decision::new(events).office(home.neighbourhood_id.as_str()).subject(resident(index));
    ledger.collect(&by_bench(now), &resident(index), decision, ()).await?;
    Ok(())
}

fn pass_of(home: &Residence, index: u32, now: DateTime<Utc>) -> anyhow::Result<holder::Pass> {
    let issued = now.duration_trunc(TimeDelta::hours(1))?;
    Ok(holder::Pass {
        number: number(index)?.to_string(),
        by: format!("cases/{index}"),
        issued,
        expires: issued + TimeDelta::days(14),
        residence: home.clone(),
        standing: Standing::Active,
        key_id: 1,
        access: pass::domain::access::Access::Unrestricted,
        compound: None,
    })
}

pub(super) fn number(index: u32) -> anyhow::Result<PassNumber> {
    let [_, a, b, c] = index.to_be_bytes();
    PassNumber::new(index, [a, b, c, 7, 7]).context("an index has 24 bits")
}

fn resident(index: u32) -> String {
    format!("resident-{index}")
}

pub(super) fn bare(name: &str) -> String {
    name.rsplit('/').next().unwrap_or(name).to_owned()
}

pub(super) fn by_bench(now: DateTime<Utc>) -> Call {
    let principal =
        Principal { subject: "staff/bench".into(), role: Role::Service, unit: String::new(), scope: Scope::Everywhere };
    Call::by(principal, now, &new_request_id())
}
