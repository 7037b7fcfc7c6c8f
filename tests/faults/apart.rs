//! Accidents of services apart, one after the other while others work: processes and servers are killed or stand still, the
//! transport loses what it held, lines go silent. After each one everything converges by itself.

use std::time::{Duration, Instant};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};
use tests::{
    apart::{Apart, nats_server},
    line::Condition,
};

use crate::{
    audit,
    deeds::{Place, Recorder},
    killing::number,
    offices::Offices,
};

#[derive(Clone, Copy, Debug)]
enum Accident {
    KillLeader(&'static str),
    KillEveryReplica(&'static str),
    KillPostgres,
    KillNats,
    FreezeService(&'static str),
    FreezePostgres,
    FreezeNats,
    NatsLosesEverything,
    NatsLosesTheEnd,
    NatsGetsAnOldCopy,
    PostgresGoesSilent,
    PostgresIsCutOff,
    NatsGoesSilent,
}

use Accident::{
    FreezeNats, FreezePostgres, FreezeService, KillEveryReplica, KillLeader, KillNats, KillPostgres, NatsGetsAnOldCopy,
    NatsGoesSilent, NatsLosesEverything, NatsLosesTheEnd, PostgresGoesSilent, PostgresIsCutOff,
};

const ACCIDENTS: [Accident; 16] = [
    KillLeader("registry"),
    KillLeader("screening"),
    KillEveryReplica("pass"),
    KillEveryReplica("isolation"),
    KillEveryReplica("command"),
    KillPostgres,
    KillNats,
    FreezeService("registry"),
    FreezeService("screening"),
    FreezePostgres,
    FreezeNats,
    NatsLosesEverything,
    NatsLosesTheEnd,
    NatsGetsAnOldCopy,
    PostgresGoesSilent,
    PostgresIsCutOff,
];

const REPLICAS: usize = 2;
const LANES: u32 = 3;

/// What happens where no number of rounds is asked for: among it what has found faults before.
const USUAL: [Accident; 6] = [
    PostgresGoesSilent,
    KillLeader("registry"),
    NatsGetsAnOldCopy,
    KillPostgres,
    KillEveryReplica("pass"),
    NatsLosesEverything,
];

#[tokio::test(flavor = "multi_thread")]
async fn services_apart_lose_nothing_and_come_back_by_themselves() {
    let Some(nats) = nats_server() else { return };
    let seed = number("MIFENG_FAULT_SEED").unwrap_or_else(rand::random);
    let asked = number("MIFENG_FAULT_ROUNDS");
    let rounds = asked.unwrap_or(u32::try_from(USUAL.len()).unwrap());
    println!("MIFENG_FAULT_SEED={seed} MIFENG_FAULT_ROUNDS={rounds}");
    // How long a line stays silent, and a process stands still.
    let (silence, standstill) = if asked.is_some() { (60, 10) } else { (15, 5) };
    let (silence, standstill) = (Duration::from_secs(silence), Duration::from_secs(standstill));
    let mut random = StdRng::seed_from_u64(seed.into());
    let mut apart = Apart::start(nats, REPLICAS).await;
    let offices = Offices::of_services(&apart);
    let place = Place::found(&offices).await;
    let recorder = Recorder::start(&offices, &place, LANES);
    let mut accidents = if asked.is_some() { Vec::new() } else { USUAL.into_iter().rev().collect() };
    for round in 1..=rounds {
        if accidents.is_empty() {
            accidents = [&ACCIDENTS[..], &[NatsGoesSilent]].concat();
            accidents.shuffle(&mut random);
        }
        let accident = accidents.pop().expect("there are some");
        tokio::time::sleep(Duration::from_millis(random.random_range(300..1_500))).await;
        let before = recorder.acknowledged();
        accident.happens(&mut apart, silence, standstill).await;
        let over = Instant::now();
        apart.ready().await;
        goes_on(&recorder).await;
        println!(
            "| round {round} | {accident:?} | acknowledged meanwhile {} | goes on after {:.1} s |",
            recorder.acknowledged() - before,
            over.elapsed().as_secs_f64()
        );
    }
    let book = recorder.stop().await;
    let over = Instant::now();
    audit::nothing_lost(&offices, &place, &book).await;
    audit::recounted(&offices).await;
    println!("| settled and counted again within {:.1} s |", over.elapsed().as_secs_f64());
    rebuilt(&offices).await;
    audit::nothing_lost(&offices, &place, &book).await;
    audit::recounted(&offices).await;
}

impl Accident {
    /// From its beginning to its end: everything that is to come back has been started again.
    async fn happens(self, apart: &mut Apart, silence: Duration, standstill: Duration) {
        match self {
            KillLeader(service) => {
                // Whoever of them leads: the second one is left to take over, and the first one comes back as a follower.
                let name = format!("{service}-1");
                apart.kill(&name).await;
                tokio::time::sleep(Duration::from_secs(4)).await;
                apart.run(&name);
            }
            KillEveryReplica(service) => {
                let names: Vec<String> = (1..=REPLICAS).map(|number| format!("{service}-{number}")).collect();
                for name in &names {
                    apart.kill(name).await;
                }
                for name in &names {
                    apart.run(name);
                }
            }
            KillPostgres => {
                apart.postgres.kill();
                tokio::time::sleep(Duration::from_millis(500)).await;
                apart.postgres.start().unwrap();
            }
            KillNats => {
                apart.nats.kill().await;
                tokio::time::sleep(Duration::from_millis(500)).await;
                apart.nats.run().await;
            }
            FreezeService(service) => {
                let name = format!("{service}-1");
                apart.freeze(&name).await;
                tokio::time::sleep(standstill).await;
                apart.thaw(&name).await;
            }
            FreezePostgres => {
                apart.postgres.freeze();
                tokio::time::sleep(standstill).await;
                apart.postgres.thaw();
            }
            FreezeNats => {
                apart.nats.freeze().await;
                tokio::time::sleep(standstill).await;
                apart.nats.thaw().await;
            }
            NatsLosesEverything => {
                apart.nats.kill().await;
                apart.nats.delete_data();
                apart.nats.run().await;
            }
            NatsLosesTheEnd => {
                apart.nats.kill().await;
                apart.nats.truncate_data(1, 2);
                apart.nats.run().await;
            }
            NatsGetsAnOldCopy => {
                apart.nats.kill().await;
                let copy = apart.nats.copy_data();
                apart.nats.run().await;
                tokio::time::sleep(Duration::from_secs(2)).await;
                apart.nats.kill().await;
                apart.nats.replace_data(copy.path());
                apart.nats.run().await;
            }
            PostgresGoesSilent => {
                apart.to_postgres.put(Condition::Silent);
                tokio::time::sleep(silence).await;
                apart.to_postgres.put(Condition::Sound);
            }
            PostgresIsCutOff => {
                apart.to_postgres.put(Condition::Cut);
                tokio::time::sleep(silence).await;
                apart.to_postgres.put(Condition::Sound);
            }
            NatsGoesSilent => {
                apart.to_nats.put(Condition::Silent);
                tokio::time::sleep(silence).await;
                apart.to_nats.put(Condition::Sound);
            }
        }
    }
}

/// Waits until commands are acknowledged again.
async fn goes_on(recorder: &Recorder) {
    let before = recorder.acknowledged();
    let begun = Instant::now();
    while recorder.acknowledged() < before + LANES as usize {
        assert!(begun.elapsed() < Duration::from_mins(2), "nothing is acknowledged any more");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// All read models built anew from the logs.
async fn rebuilt(offices: &Offices) {
    for service in ["registry", "screening", "pass", "isolation"] {
        let request = proto::event::v1::RebuildViewsRequest {
            request_id: format!("fault:rebuild:{service}"),
            log: service.to_owned(),
        };
        offices.logs().rebuild_views(request).await.unwrap();
    }
    let request = proto::command::v1::RebuildRequest { request_id: "fault:rebuild:figures".to_owned() };
    offices.command().rebuild(request).await.unwrap();
}
