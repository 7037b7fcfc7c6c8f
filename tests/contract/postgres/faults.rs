//! Servers that are killed, frozen, and given old data.

use std::{sync::Arc, time::Duration};

use chassis::{
    Clock, Lead, Lease, database,
    event_log::{AppendError, EventLog, Expected, postgres::PgLog},
};
use tests::postgres::{Cluster, Service};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::event_log::{command, write};

async fn open(service: &Service, lease: Lease) -> Arc<PgLog> {
    Arc::new(PgLog::open(&service.database, &service.name, Clock::system(), lease).await.unwrap())
}

/// Sends it until it is done.
async fn insist(log: &PgLog, id: &str, stream: &str, version: u64) -> u64 {
    loop {
        match log.append(command(id, vec![write(stream, Expected::Version(version), 1)])).await {
            Ok(done) => return done.last_position,
            Err(AppendError::Unknown(_)) => tokio::time::sleep(Duration::from_millis(50)).await,
            Err(error) => panic!("{error:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kill_9_of_the_server() {
    let cluster = Arc::new(Cluster::own().unwrap());
    let service = cluster.service().await.unwrap();
    let lease = Lease::contend(&service.database, "http://one", &CancellationToken::new()).await.unwrap();
    let log = open(&service, lease.clone()).await;
    let callers = (0..16_u64).map(|caller| {
        let log = Arc::clone(&log);
        tokio::spawn(async move {
            for n in 0..60 {
                insist(&log, &format!("{caller}-{n}"), &format!("h{caller}"), n).await;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
    });
    let callers: Vec<_> = callers.collect();
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        let cluster = Arc::clone(&cluster);
        let again = move || {
            cluster.kill();
            cluster.start().unwrap();
        };
        tokio::task::spawn_blocking(again).await.unwrap();
    }
    for caller in callers {
        caller.await.unwrap();
    }
    let found = log.verify().await.unwrap();
    assert_eq!((found.records, found.broken_at), (16 * 60, None));
    assert_eq!(*log.lead().borrow(), *lease.watch().borrow(), "nobody else was there to lead");
    log.close().await;
    lease.give_back().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_goes_silent_keeps_nobody_waiting_for_ever() {
    let cluster = Cluster::own().unwrap();
    let service = cluster.service().await.unwrap();
    let lease = Lease::contend(&service.database, "http://one", &CancellationToken::new()).await.unwrap();
    let log = open(&service, lease.clone()).await;
    insist(&log, "0", "h", 0).await;
    cluster.freeze();
    let asked = Instant::now();
    let answer = log.append(command("1", vec![write("h", Expected::Version(1), 1)])).await;
    assert!(matches!(answer, Err(AppendError::Unknown(_))), "{answer:?}");
    assert!(log.head().await.is_err(), "who cannot be sure to lead alone asks, and is not answered");
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
    assert!(matches!(*lease.watch().borrow(), Lead::Here { .. }), "nobody has said otherwise");
    assert_eq!(lease.sure(), None);
    cluster.thaw();
    let done = timeout(Duration::from_secs(20), insist(&log, "1", "h", 1)).await.expect("it goes on");
    assert_eq!(done, 2);
    log.close().await;
    lease.give_back().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_from_an_older_backup_takes_nothing_until_it_has_a_new_id() {
    let cluster = Cluster::own().unwrap();
    let service = cluster.service().await.unwrap();
    let log = open(&service, Lease::alone()).await;
    insist(&log, "0", "h", 0).await;
    cluster.stop();
    let backup = cluster.copy_data().unwrap();
    cluster.start().unwrap();
    insist(&log, "1", "h", 1).await;
    let old = log.head().await.unwrap().log_id;
    cluster.stop();
    cluster.put_back(&backup).unwrap();
    cluster.start().unwrap();
    let append = || command("2", vec![write("h", Expected::Version(1), 1)]);
    let mut told = String::new();
    // The connection from before is found broken first.
    for _ in 0..3 {
        match log.append(append()).await {
            Err(AppendError::Unknown(error)) => told = format!("{error:#}"),
            other => panic!("{other:?}"),
        }
    }
    assert!(told.contains("older backup") && told.contains("mifeng database renew"), "{told}");
    let renewed = database::renew(&cluster.administrator(), &service.name).await.unwrap();
    match log.append(append()).await {
        Err(AppendError::Unknown(error)) => {
            assert!(format!("{error:#}").contains("start this process anew"), "{error:#}");
        }
        other => panic!("{other:?}"),
    }
    log.close().await;
    let log = open(&service, Lease::alone()).await;
    assert_eq!(log.head().await.unwrap().log_id, renewed);
    assert_eq!(log.renewed_from().await.unwrap(), Some(old));
    assert_eq!(insist(&log, "2", "h", 1).await, 2);
    assert_eq!(log.verify().await.unwrap().broken_at, None);
    log.close().await;
}
