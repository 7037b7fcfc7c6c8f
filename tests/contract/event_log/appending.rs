//! What becomes of a request.

use std::sync::atomic::{AtomicU64, Ordering};

use chassis::{
    Clock,
    event_log::{Append, AppendError, Expected},
};
use chrono::TimeDelta;
use futures::future::join_all;

use super::{Store, add, all, assert_intact, at, claim, command, positions, write};

pub(crate) async fn a_command_takes_effect_once(store: impl Store) {
    let log = store.open().await;
    let first = log.append(command("c", vec![write("h", Expected::Version(0), 2)])).await.unwrap();
    assert_eq!((first.first_position, first.last_position, first.earlier_reply), (1, 2, None));
    assert_eq!(positions(&first.records), [1, 2]);
    let again = log.append(command("c", vec![write("h", Expected::Version(0), 2)])).await.unwrap();
    assert_eq!((again.first_position, again.last_position), (1, 2));
    assert_eq!(again.earlier_reply.unwrap(), b"reply to c");
    assert!(again.records.is_empty());
    assert_eq!(log.head().await.unwrap().position, 2);
    let known = log.find_command("c").await.unwrap().unwrap();
    assert_eq!((known.fingerprint, known.first_position, known.last_position), ([1; 32], 1, 2));
    assert_eq!(log.find_command("d").await.unwrap(), None);
}

pub(crate) async fn a_command_that_is_sent_twenty_times_at_once_takes_effect_once(store: impl Store) {
    let log = store.open().await;
    let answers = join_all((0..20).map(|_| add(&log, "c", "h", 0))).await;
    let new = answers.iter().filter(|answer| answer.as_ref().unwrap().earlier_reply.is_none()).count();
    assert_eq!(new, 1);
    assert_eq!(log.head().await.unwrap().position, 1);
}

pub(crate) async fn a_command_id_with_other_content_is_refused(store: impl Store) {
    let log = store.open().await;
    let other = || Append { fingerprint: [2; 32], ..command("c", vec![write("h", Expected::Any, 1)]) };
    let (one, two) = tokio::join!(add(&log, "c", "h", 0), log.append(other()));
    one.unwrap();
    assert!(matches!(two, Err(AppendError::CommandReused)));
    assert!(matches!(log.append(other()).await, Err(AppendError::CommandReused)));
    assert_eq!(log.head().await.unwrap().position, 1);
}

pub(crate) async fn a_command_without_events_keeps_its_reply(store: impl Store) {
    let log = store.open().await;
    add(&log, "c1", "h", 0).await.unwrap();
    let said = log.append(command("c2", vec![write("h", Expected::Version(1), 0)])).await.unwrap();
    assert_eq!((said.first_position, said.last_position, said.earlier_reply), (1, 1, None));
    let stale = log.append(command("c3", vec![write("h", Expected::Version(0), 0)])).await;
    assert!(matches!(stale, Err(AppendError::Conflict)));
    let again = log.append(command("c2", Vec::new())).await.unwrap();
    assert_eq!(again.earlier_reply.unwrap(), b"reply to c2");
}

/// A process goes by what it remembers, where it can: a stream, a key and a command from before its time are not new.
pub(crate) async fn what_a_process_does_not_remember_counts_all_the_same(store: impl Store) {
    let log = store.open().await;
    log.append(Append { reserve: vec![claim("k", "h")], ..command("c", vec![write("h", Expected::Any, 1)]) })
        .await
        .unwrap();
    log.close().await;
    let log = store.open().await;
    let next = AtomicU64::new(0);
    // After each of these it remembers where the log stands.
    let remember = async || {
        let stream = format!("s{}", next.fetch_add(1, Ordering::Relaxed));
        add(&log, &stream, &stream, 0).await.unwrap();
    };
    for events in [0, 1] {
        remember().await;
        let stale = log.append(command("c1", vec![write("h", Expected::Version(0), events)])).await;
        assert!(matches!(stale, Err(AppendError::Conflict)), "{events} events");
    }
    remember().await;
    let again = log.append(command("c", vec![write("g", Expected::Version(0), 1)])).await.unwrap();
    assert_eq!(again.earlier_reply.as_deref(), Some(&b"reply to c"[..]));
    remember().await;
    let taken = Append { reserve: vec![claim("k", "g")], ..command("c2", vec![write("g", Expected::Version(0), 1)]) };
    assert!(matches!(log.append(taken).await, Err(AppendError::Reserved { .. })));
    remember().await;
    let of_another =
        Append { release: vec![claim("k", "g")], ..command("c3", vec![write("g", Expected::Version(0), 1)]) };
    log.append(of_another).await.unwrap();
    assert_eq!(log.find_reservation("document", b"k").await.unwrap().as_deref(), Some("h"));
    assert_eq!(log.head().await.unwrap().position, 2 + next.load(Ordering::Relaxed));
}

pub(crate) async fn of_many_decisions_on_one_version_one_is_taken(store: impl Store) {
    let log = store.open().await;
    let ids: Vec<String> = (0..50).map(|n| format!("c{n}")).collect();
    let answers = join_all(ids.iter().map(|id| add(&log, id, "h", 0))).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert!(answers.iter().all(|answer| matches!(answer, Ok(_) | Err(AppendError::Conflict))));
    assert_eq!(log.head().await.unwrap().position, 1);
}

pub(crate) async fn decisions_on_one_stream_chain_within_a_batch(store: impl Store) {
    let log = store.open().await;
    let ids: Vec<String> = (0..50).map(|n| format!("c{n}")).collect();
    let answers = join_all(ids.iter().zip(0..).map(|(id, version)| add(&log, id, "h", version))).await;
    assert!(answers.iter().all(Result::is_ok));
    let versions: Vec<u64> =
        log.read_stream("household", "h", 0).await.unwrap().iter().map(|record| record.version).collect();
    assert_eq!(versions, (1..=50).collect::<Vec<u64>>());
}

pub(crate) async fn a_conflict_fails_its_request_alone(store: impl Store) {
    let log = store.open().await;
    let ids: Vec<String> = (0..100).map(|n| format!("c{n}")).collect();
    let answers = join_all(ids.iter().zip(0..).map(|(id, n)| add(&log, id, id, u64::from(n % 5 == 0)))).await;
    for (answer, n) in answers.iter().zip(0..) {
        assert_eq!(matches!(answer, Err(AppendError::Conflict)), n % 5 == 0, "{answer:?}");
    }
    assert_eq!(positions(&all(&log).await), (1..=80).collect::<Vec<u64>>());
    // A refused command was not done: with the right version it is.
    add(&log, "c0", "c0", 0).await.unwrap();
    assert_intact(&log).await;
}

pub(crate) async fn a_request_writes_to_all_its_streams_or_to_none(store: impl Store) {
    let log = store.open().await;
    let both = |id: &str, second: u64| {
        let writes = vec![write("a", Expected::Any, 2), write("b", Expected::Version(second), 1)];
        log.append(command(id, writes))
    };
    assert!(matches!(both("c1", 1).await, Err(AppendError::Conflict)));
    assert_eq!(log.head().await.unwrap().position, 0);
    assert_eq!(both("c2", 0).await.unwrap().last_position, 3);
    // Twice the same stream: the second write goes on from the first.
    let writes = vec![write("a", Expected::Version(2), 1), write("a", Expected::Version(3), 1)];
    assert_eq!(log.append(command("c3", writes)).await.unwrap().records[1].version, 4);
}

pub(crate) async fn a_stream_that_collects_takes_everything(store: impl Store) {
    let log = store.open().await;
    let scan = |n| log.append(command(&format!("c{n}"), vec![write("gate", Expected::Any, 1)]));
    for answer in join_all((0..100).map(scan)).await {
        answer.unwrap();
    }
    let records = log.read_stream("household", "gate", 0).await.unwrap();
    assert!(records.iter().map(|record| record.version).eq(1..=100));
}

pub(crate) async fn a_full_batch_is_taken_and_a_larger_request_refused_alone(store: impl Store) {
    let log = store.open().await;
    let huge = |bytes: usize| {
        let mut write = write("huge", Expected::Any, 1);
        write.events[0].payload = vec![7; bytes];
        vec![write]
    };
    let (full, many, large, largest, small) = tokio::join!(
        log.append(command("full", vec![write("a", Expected::Version(0), 1_024)])),
        log.append(command("many", vec![write("b", Expected::Version(0), 1_025)])),
        log.append(command("large", huge(4 << 20))),
        log.append(command("largest", huge((4 << 20) - 100))),
        add(&log, "small", "d", 0),
    );
    assert_eq!(full.unwrap().records.len(), 1_024);
    assert!(matches!(many, Err(AppendError::TooLarge { events: 1_025, .. })));
    assert!(matches!(large, Err(AppendError::TooLarge { events: 1, .. })));
    assert_eq!(largest.unwrap().records[0].payload.len(), (4 << 20) - 100);
    small.unwrap();
    assert_eq!(log.head().await.unwrap().position, 1_026);
    assert_intact(&log).await;
}

pub(crate) async fn commands_are_forgotten_and_events_are_not(store: impl Store) {
    let start = at("2020-01-01T00:00:00Z");
    let (clock, hand) = Clock::manual(start);
    let log = store.open_at(clock).await;
    let old: Vec<String> = (0..1_500).map(|n| format!("old {n}")).collect();
    for answer in join_all(old.iter().map(|id| log.append(command(id, Vec::new())))).await {
        answer.unwrap();
    }
    hand.advance(TimeDelta::days(31));
    add(&log, "new", "h", 0).await.unwrap();
    let before = start + TimeDelta::days(1);
    assert_eq!(log.prune_commands(before).await.unwrap(), 1_500);
    assert_eq!(log.prune_commands(before).await.unwrap(), 0);
    assert_eq!(log.find_command("old 7").await.unwrap(), None);
    assert!(log.find_command("new").await.unwrap().is_some());
    assert_intact(&log).await;
}
