//! What gates put on record through gRPC: one by one, each durable before its answer, against the bare echo of the same server
//! by the same callers; and in batches, as a gate sends what it decided by itself.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use chassis::{
    Clock, Decision,
    client::{Connection, new_request_id},
    timestamp,
};
use futures::future::try_join_all;
use proto::{
    access::v1::Role,
    pass::v1::{
        Decision as AtGate, Direction, Finding, GateCrossing, RecordCrossingRequest, RecordCrossingsRequest, ShownPass,
        device_event, gate_crossing, gate_service_client::GateServiceClient, pass_service_client::PassServiceClient,
        record_crossing_request,
    },
    registry::v1::compound_event,
};
use serde_json::{Map, Value, json};
use tests::village::Village;

use super::{
    Options,
    server::{Street, Way, bare, by_bench, number},
};
use crate::rounds::{Round, count, median_of, percentile};

/// Crossings of one request.
const BATCH: u32 = 100;
/// Milliseconds between two of them, on the gate's steady clock.
const APART: u32 = 10;

/// A gate with its device.
struct Gate {
    /// compounds/{compound}/gates/{gate}
    name: String,
    connection: Connection,
    /// One life of its program, and what it has recorded.
    boot: String,
    recorded: AtomicU64,
    codes: Arc<Vec<String>>,
    /// Where among the codes and the holders it begins.
    start: usize,
    holders: u32,
    clock: Clock,
}

pub(super) async fn measure(
    street: &Street,
    options: &Options,
    connections: &[Connection],
) -> anyhow::Result<Map<String, Value>> {
    let gates = gates(street, options.callers, connections).await?;
    let callers: Vec<Connection> = gates.iter().map(|gate| gate.connection.clone()).collect();
    let length = Duration::from_secs(options.seconds);
    let one_by_one = |gate: Arc<Gate>, turn| async move { gate.records(turn).await };
    let together = |gate: Arc<Gate>, _| async move { gate.sends().await };
    street.round(Way::Echo, &callers, length / 4).await?;
    round(&gates, length / 4, one_by_one).await?;
    round(&gates, length / 4, together).await?;
    let [mut echo, mut single, mut batches] = [const { Vec::new() }; 3];
    for _ in 0..options.rounds {
        echo.push(street.round(Way::Echo, &callers, length).await?);
        single.push(round(&gates, length, one_by_one).await?);
        batches.push(round(&gates, length, together).await?);
    }
    let mut results = Map::new();
    let mut note = |name: &str, value: f64| results.insert(name.to_owned(), json!((value * 100.0).round() / 100.0));
    note("crossing_per_s", median_of(&single));
    note("crossing_p50_ms", percentile(&single, 50));
    note("crossing_p99_ms", percentile(&single, 99));
    note("ratio_crossing", median_of(&single) / median_of(&echo));
    note("crossings_batched_per_s", median_of(&batches) * f64::from(BATCH));
    note("batch_p50_ms", percentile(&batches, 50));
    note("batch_p99_ms", percentile(&batches, 99));
    results.insert("gates".to_owned(), json!(gates.len()));
    Ok(results)
}

/// Each caller at a gate of its own, with a device that is enrolled there. The facts go straight into the logs, as the services
/// would have written them.
async fn gates(street: &Street, gates: usize, connections: &[Connection]) -> anyhow::Result<Vec<Arc<Gate>>> {
    let Village { neighbourhood, compound, .. } = &street.village;
    let host = street.house.running().host();
    let (registry, pass, now) = (host.ledger("registry").await?, host.ledger("pass").await?, host.clock.now());
    let mut all = Vec::new();
    for place in 0..gates {
        let (gate_id, device) = (format!("bench-{place}"), format!("bench-device-{place}"));
        let added = compound_event::GateAdded { gate_id: gate_id.clone(), display_name: gate_id.clone() };
        let added = Decision::new(vec![compound_event::Event::GateAdded(added)]).office(bare(neighbourhood));
        registry.collect(&by_bench(now), &bare(compound), added, ()).await?;
        let opened = device_event::Opened {
            compound_id: bare(compound),
            gate_id: gate_id.clone(),
            neighbourhood_id: bare(neighbourhood),
            expires: Some(timestamp(now)),
            ..device_event::Opened::default()
        };
        let enrolled = device_event::Event::Enrolled(device_event::Enrolled {});
        let events = Decision::new(vec![device_event::Event::Opened(opened), enrolled]).office(bare(neighbourhood));
        pass.collect(&by_bench(now), &device, events, ()).await?;
        let name = format!("{compound}/gates/{gate_id}");
        let token = street.house.token(&format!("device/{device}"), Role::Guard, neighbourhood, neighbourhood, &name);
        let connection = connections.get(place % connections.len().max(1)).context("somebody has to ask")?;
        all.push(Arc::new(Gate {
            name,
            connection: connection.clone().with_token(&token)?,
            boot: new_request_id(),
            recorded: AtomicU64::new(0),
            codes: Arc::clone(&street.codes),
            start: place * street.codes.len() / gates,
            holders: street.holders,
            clock: host.clock.clone(),
        }));
    }
    street.house.settled().await;
    Ok(all)
}

/// All gates at once, each waiting for its answer before it sends again.
async fn round<D, F>(gates: &[Arc<Gate>], length: Duration, deed: D) -> anyhow::Result<Round>
where
    D: Fn(Arc<Gate>, usize) -> F + Copy + Send + Sync + 'static,
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let start = Instant::now();
    let tasks = gates.iter().map(|gate| {
        let gate = Arc::clone(gate);
        tokio::spawn(async move {
            let mut waits = Vec::new();
            for turn in 0.. {
                if start.elapsed() >= length {
                    break;
                }
                let sent = Instant::now();
                deed(Arc::clone(&gate), turn).await?;
                waits.push(sent.elapsed());
            }
            anyhow::Ok(waits)
        })
    });
    let mut waits = Vec::new();
    for gate in try_join_all(tasks).await? {
        waits.extend(gate?);
    }
    Ok(Round { per_second: count(waits.len()) / start.elapsed().as_secs_f64(), waits })
}

impl Gate {
    /// One passage, checked and put on record by the centre.
    async fn records(&self, turn: usize) -> anyhow::Result<()> {
        let code = self.codes[(self.start + turn) % self.codes.len()].clone();
        let request = RecordCrossingRequest {
            request_id: new_request_id(),
            gate: self.name.clone(),
            direction: Direction::Out.into(),
            cross_time: None,
            temperature_decicelsius: 365,
            mask: true,
            identity: Some(record_crossing_request::Identity::Code(code)),
        };
        let crossing = PassServiceClient::new(self.connection.clone()).record_crossing(request).await?.into_inner();
        let verdict = crossing.verdict.unwrap_or_default();
        ensure!(verdict.decision() == AtGate::Allowed, "a good code was refused: {verdict:?}");
        Ok(())
    }

    /// The next hundred that the gate has decided by itself.
    async fn sends(&self) -> anyhow::Result<()> {
        let last = self.recorded.load(Ordering::Relaxed);
        let now = self.clock.now();
        let crossings = (1..=BATCH).map(|place| self.decided(last + u64::from(place), place));
        let request = RecordCrossingsRequest {
            request_id: new_request_id(),
            boot: self.boot.clone(),
            raw_time: Some(timestamp(now)),
            monotonic_ms: i64::from((BATCH + 1) * APART),
            crossings: crossings.collect::<anyhow::Result<_>>()?,
        };
        let answer = GateServiceClient::new(self.connection.clone()).record_crossings(request).await?.into_inner();
        let mark = answer.marks.first().map_or(0, |mark| mark.sequence);
        ensure!(answer.unfiled.is_empty() && mark == last + u64::from(BATCH), "not all are on record: {answer:?}");
        self.recorded.store(mark, Ordering::Relaxed);
        Ok(())
    }

    fn decided(&self, sequence: u64, place: u32) -> anyhow::Result<GateCrossing> {
        let holder = u64::try_from(self.start)? + sequence;
        let holder = u32::try_from(holder % u64::from(self.holders))? + 1;
        let shown = ShownPass { pass_number: number(holder)?.to_string(), typed: false };
        Ok(GateCrossing {
            boot: self.boot.clone(),
            sequence,
            raw_time: Some(timestamp(self.clock.now())),
            monotonic_ms: i64::from(place * APART),
            direction: Direction::In.into(),
            temperature_decicelsius: 365,
            mask: true,
            decision: AtGate::Allowed.into(),
            findings: vec![Finding::Valid.into()],
            key_id: 1,
            identity: Some(gate_crossing::Identity::Shown(shown)),
            ..GateCrossing::default()
        })
    }
}
