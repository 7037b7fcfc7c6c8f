//! The contract of an event log, rule by rule, over any store.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use chassis::{
    Clock,
    event_log::{
        Append, AppendError, Appended, Claim, EventLog, Expected, NewEvent, Record, Write,
    },
};
use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;

/// Somewhere to keep one log, empty at first.
#[async_trait]
pub(crate) trait Store: Send + Sync + Sized + 'static {
    async fn empty() -> Self;
    /// Opens the log "registry", again after it was closed or dropped.
    async fn open_at(&self, clock: Clock) -> Arc<dyn EventLog>;
    /// Changes rows behind the log's back, past all guards.
    async fn tamper(&self, sql: &'static str);

    async fn open(&self) -> Arc<dyn EventLog> {
        self.open_at(Clock::system()).await
    }
}

/// Makes one test of each rule.
macro_rules! held_by {
    ($store:ty) => {
        crate::event_log::held_by!($store:
            a_command_takes_effect_once,
            a_command_that_is_sent_twenty_times_at_once_takes_effect_once,
            a_command_id_with_other_content_is_refused,
            a_command_without_events_keeps_its_reply,
            of_many_decisions_on_one_version_one_is_taken,
            decisions_on_one_stream_chain_within_a_batch,
            a_conflict_fails_its_request_alone,
            a_request_writes_to_all_its_streams_or_to_none,
            a_stream_that_collects_takes_everything,
            positions_have_no_hole_however_callers_hang_up,
            no_reader_sees_a_position_before_the_one_before,
            the_chain_is_the_documented_one,
            an_edited_event_is_found,
            a_removed_event_is_found,
            a_log_that_was_cut_is_found,
            a_key_is_held_by_one_stream,
            a_key_is_handed_on_within_one_request,
            a_refused_request_reserves_nothing,
            records_are_read_by_position_and_by_stream,
            the_store_tells_what_memory_told,
            a_sleeping_reader_is_woken,
            what_was_acknowledged_survives_without_a_close,
            closing_finishes_what_waits,
            a_full_batch_is_taken_and_a_larger_request_refused_alone,
            commands_are_forgotten_and_events_are_not,
        );
        #[test]
        fn random_appends_agree_with_the_model() {
            crate::model::random_appends_agree_with_the_model::<$store>();
        }
    };
    ($store:ty: $($rule:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $rule() {
                crate::event_log::$rule(<$store as crate::event_log::Store>::empty().await).await;
            }
        )*
    };
}
pub(crate) use held_by;

pub(crate) fn command(id: &str, writes: Vec<Write>) -> Append {
    Append {
        command_id: id.to_owned(),
        fingerprint: [1; 32],
        reply: format!("reply to {id}").into_bytes(),
        writes,
        reserve: Vec::new(),
        release: Vec::new(),
        actor: "staff/1".to_owned(),
        correlation_id: format!("correlation of {id}"),
        causation_id: "cause".to_owned(),
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
        occurred_at: at("2020-02-10T08:00:00.123456789Z"),
    }
}

pub(crate) fn write(stream: &str, expected: Expected, events: usize) -> Write {
    let event = |n| NewEvent {
        event_type: "household.registered",
        schema_version: 1,
        payload: format!("event {n} of {stream}").into_bytes(),
    };
    Write {
        category: "household",
        stream_id: stream.to_owned(),
        expected,
        office: "n1".to_owned(),
        subject_id: if stream.len().is_multiple_of(2) {
            String::new()
        } else {
            "resident 1".to_owned()
        },
        events: (1..=events).map(event).collect(),
    }
}

pub(crate) fn claim(key: &str, stream: &str) -> Claim {
    Claim {
        scope: "document".to_owned(),
        key: key.as_bytes().to_vec(),
        stream_id: stream.to_owned(),
    }
}

fn at(time: &str) -> DateTime<Utc> {
    time.parse().unwrap()
}

async fn add(
    log: &Arc<dyn EventLog>,
    id: &str,
    stream: &str,
    version: u64,
) -> Result<Appended, AppendError> {
    log.append(command(id, vec![write(stream, Expected::Version(version), 1)])).await
}

async fn all(log: &Arc<dyn EventLog>) -> Vec<Arc<Record>> {
    let mut all: Vec<Arc<Record>> = Vec::new();
    loop {
        let more = log.read(all.last().map_or(0, |record| record.position), 1_000).await.unwrap();
        if more.is_empty() {
            return all;
        }
        all.extend(more);
    }
}

fn positions(records: &[Arc<Record>]) -> Vec<u64> {
    records.iter().map(|record| record.position).collect()
}

async fn assert_intact(log: &Arc<dyn EventLog>) {
    let (head, found) = (log.head().await.unwrap(), log.verify().await.unwrap());
    assert_eq!(found.broken_at, None);
    assert_eq!((found.records, found.chain), (head.position, head.chain));
}

/// Two logs of three streams with two events each, written one by one.
async fn six_events(log: &Arc<dyn EventLog>) {
    for n in 0..6_u64 {
        add(log, &format!("c{n}"), &format!("h{}", n % 3), n / 3).await.unwrap();
    }
}

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

pub(crate) async fn a_command_that_is_sent_twenty_times_at_once_takes_effect_once(
    store: impl Store,
) {
    let log = store.open().await;
    let answers = join_all((0..20).map(|_| add(&log, "c", "h", 0))).await;
    let new =
        answers.iter().filter(|answer| answer.as_ref().unwrap().earlier_reply.is_none()).count();
    assert_eq!(new, 1);
    assert_eq!(log.head().await.unwrap().position, 1);
}

pub(crate) async fn a_command_id_with_other_content_is_refused(store: impl Store) {
    let log = store.open().await;
    let other =
        || Append { fingerprint: [2; 32], ..command("c", vec![write("h", Expected::Any, 1)]) };
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
    let answers =
        join_all(ids.iter().zip(0..).map(|(id, version)| add(&log, id, "h", version))).await;
    assert!(answers.iter().all(Result::is_ok));
    let versions: Vec<u64> = log
        .read_stream("household", "h", 0)
        .await
        .unwrap()
        .iter()
        .map(|record| record.version)
        .collect();
    assert_eq!(versions, (1..=50).collect::<Vec<u64>>());
}

pub(crate) async fn a_conflict_fails_its_request_alone(store: impl Store) {
    let log = store.open().await;
    let ids: Vec<String> = (0..100).map(|n| format!("c{n}")).collect();
    let answers =
        join_all(ids.iter().zip(0..).map(|(id, n)| add(&log, id, id, u64::from(n % 5 == 0)))).await;
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

pub(crate) async fn positions_have_no_hole_however_callers_hang_up(store: impl Store) {
    const CALLERS: u64 = 200;
    const EACH: u64 = 5;
    let log = store.open().await;
    let callers = (0..CALLERS).map(|caller| {
        let log = Arc::clone(&log);
        tokio::spawn(async move {
            for n in 0..EACH {
                // Hangs up sooner or later, and sends the same command again.
                let mut patience = Duration::from_micros(50 * (caller % 40));
                while tokio::time::timeout(
                    patience,
                    add(&log, &format!("{caller}-{n}"), &format!("h{caller}"), n),
                )
                .await
                .map_or(true, |answer| answer.is_err())
                {
                    patience = patience * 2 + Duration::from_micros(300);
                }
            }
        })
    });
    for caller in join_all(callers).await {
        caller.unwrap();
    }
    let records = all(&log).await;
    assert_eq!(positions(&records), (1..=CALLERS * EACH).collect::<Vec<u64>>());
    let commands: BTreeSet<&str> = records.iter().map(|record| &*record.command_id).collect();
    assert_eq!(commands.len() as u64, CALLERS * EACH);
    assert_intact(&log).await;
}

pub(crate) async fn no_reader_sees_a_position_before_the_one_before(store: impl Store) {
    const LAST: u64 = 2_000;
    let log = store.open().await;
    let readers = (0..4_u64).map(|reader| {
        let log = Arc::clone(&log);
        tokio::spawn(async move {
            let (mut wake, mut seen) = (log.wake(), 0);
            while seen < LAST {
                wake.changed().await.unwrap();
                let promised = *wake.borrow_and_update();
                while seen < promised {
                    // Even readers begin anew each time and so read from the store as well.
                    let after = if reader % 2 == 0 { 0 } else { seen };
                    let records = log.read(after, 5_000).await.unwrap();
                    assert!(
                        records
                            .iter()
                            .map(|record| record.position)
                            .eq(after + 1..=after + records.len() as u64)
                    );
                    seen = after + records.len() as u64;
                }
            }
        })
    });
    let readers: Vec<_> = readers.collect();
    let writers = (0..40).map(|writer| {
        let log = Arc::clone(&log);
        tokio::spawn(async move {
            for n in 0..LAST / 40 {
                add(&log, &format!("{writer}-{n}"), &format!("h{writer}"), n).await.unwrap();
            }
        })
    });
    for task in join_all(writers.collect::<Vec<_>>().into_iter().chain(readers)).await {
        task.unwrap();
    }
}

pub(crate) async fn the_chain_is_the_documented_one(store: impl Store) {
    let log = store.open().await;
    assert_eq!(log.verify().await.unwrap().records, 0);
    six_events(&log).await;
    let mut chain = chassis::event_log::chain::START;
    for record in all(&log).await {
        chain = chassis::event_log::chain::link(&chain, &record);
        assert_eq!(record.chain, chain);
    }
    assert_eq!(log.head().await.unwrap().chain, chain);
    assert_intact(&log).await;
}

pub(crate) async fn an_edited_event_is_found(store: impl Store) {
    for (sql, position) in [
        ("UPDATE event SET actor = 'staff/9' WHERE position = 5", 5),
        ("UPDATE event SET occurred_at = occurred_at + 1 WHERE position = 4", 4),
        ("UPDATE event SET payload = chain WHERE position = 3", 3),
        ("UPDATE stream SET stream_id = 'another' WHERE stream_id = 'h1'", 2),
    ] {
        let log = store.open().await;
        if log.head().await.unwrap().position == 0 {
            six_events(&log).await;
        }
        store.tamper(sql).await;
        let found = log.verify().await.unwrap();
        assert_eq!((found.broken_at, found.records), (Some(position), position - 1), "{sql}");
        log.close().await;
    }
}

pub(crate) async fn a_removed_event_is_found(store: impl Store) {
    let log = store.open().await;
    six_events(&log).await;
    store.tamper("DELETE FROM event WHERE position = 4").await;
    assert_eq!(log.verify().await.unwrap().broken_at, Some(4));
    log.close().await;
    // After a restart nothing is in memory: a reader is told instead of being given a hole.
    let log = store.open().await;
    let error = log.read(2, 10).await.unwrap_err();
    assert!(error.to_string().contains("damaged at position 4"), "{error}");
}

pub(crate) async fn a_log_that_was_cut_is_found(store: impl Store) {
    let log = store.open().await;
    six_events(&log).await;
    store.tamper("DELETE FROM event WHERE position > 4").await;
    assert_eq!(log.verify().await.unwrap().broken_at, Some(5));
}

pub(crate) async fn a_key_is_held_by_one_stream(store: impl Store) {
    let log = store.open().await;
    let hold = |n: u64| {
        let stream = format!("h{n}");
        let append = command(&format!("c{n}"), vec![write(&stream, Expected::Version(0), 1)]);
        log.append(Append { reserve: vec![claim("id card 1", &stream)], ..append })
    };
    let answers = join_all((0..20).map(hold)).await;
    let held = log.find_reservation("document", b"id card 1").await.unwrap().unwrap();
    for answer in answers {
        match answer {
            Ok(done) => assert_eq!(done.records[0].stream_id, held),
            Err(AppendError::Reserved { scope, stream_id }) => {
                assert_eq!((&*scope, stream_id), ("document", held.clone()))
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(log.head().await.unwrap().position, 1);
    // Who holds it may say so again; another cannot give it back.
    log.append(Append { reserve: vec![claim("id card 1", &held)], ..command("again", Vec::new()) })
        .await
        .unwrap();
    log.append(Append {
        release: vec![claim("id card 1", "x")],
        ..command("not mine", Vec::new())
    })
    .await
    .unwrap();
    assert_eq!(log.find_reservation("document", b"id card 1").await.unwrap(), Some(held));
    assert_eq!(log.find_reservation("phone", b"id card 1").await.unwrap(), None);
}

pub(crate) async fn a_key_is_handed_on_within_one_request(store: impl Store) {
    let log = store.open().await;
    log.append(Append { reserve: vec![claim("k", "a")], ..command("c1", Vec::new()) })
        .await
        .unwrap();
    let hand_on = Append {
        release: vec![claim("k", "a")],
        reserve: vec![claim("k", "b")],
        ..command("c2", Vec::new())
    };
    log.append(hand_on).await.unwrap();
    assert_eq!(log.find_reservation("document", b"k").await.unwrap().unwrap(), "b");
    // Within one batch: given back, then taken.
    let release =
        log.append(Append { release: vec![claim("k", "b")], ..command("c3", Vec::new()) });
    let reserve =
        log.append(Append { reserve: vec![claim("k", "c")], ..command("c4", Vec::new()) });
    let (release, reserve) = tokio::join!(release, reserve);
    release.unwrap();
    reserve.unwrap();
    assert_eq!(log.find_reservation("document", b"k").await.unwrap().unwrap(), "c");
    log.append(Append { release: vec![claim("k", "c")], ..command("c5", Vec::new()) })
        .await
        .unwrap();
    assert_eq!(log.find_reservation("document", b"k").await.unwrap(), None);
}

pub(crate) async fn a_refused_request_reserves_nothing(store: impl Store) {
    let log = store.open().await;
    let refused = command("c1", vec![write("a", Expected::Version(7), 1)]);
    let refused = log.append(Append { reserve: vec![claim("k", "a")], ..refused });
    let taken = log.append(Append { reserve: vec![claim("k", "b")], ..command("c2", Vec::new()) });
    let (refused, taken) = tokio::join!(refused, taken);
    assert!(matches!(refused, Err(AppendError::Conflict)));
    taken.unwrap();
    assert_eq!(log.find_reservation("document", b"k").await.unwrap().unwrap(), "b");
}

pub(crate) async fn records_are_read_by_position_and_by_stream(store: impl Store) {
    let log = store.open().await;
    six_events(&log).await;
    assert_eq!(positions(&log.read(0, 2).await.unwrap()), [1, 2]);
    assert_eq!(positions(&log.read(4, 100).await.unwrap()), [5, 6]);
    assert!(log.read(6, 100).await.unwrap().is_empty());
    assert!(log.read(u64::MAX, 100).await.unwrap().is_empty());
    assert_eq!(positions(&log.read_stream("household", "h1", 0).await.unwrap()), [2, 5]);
    assert_eq!(positions(&log.read_stream("household", "h1", 1).await.unwrap()), [5]);
    assert!(log.read_stream("household", "h1", 2).await.unwrap().is_empty());
    assert!(log.read_stream("resident", "h1", 0).await.unwrap().is_empty());
    let record = &log.read(0, 1).await.unwrap()[0];
    assert_eq!(
        (&*record.log, &*record.category, &*record.stream_id, record.version),
        ("registry", "household", "h0", 1)
    );
    assert_eq!(
        (&*record.command_id, &*record.office, &*record.payload),
        ("c0", "n1", &b"event 1 of h0"[..])
    );
    let occurred_at = record.occurred_at.as_ref().and_then(chassis::instant).unwrap();
    assert_eq!(occurred_at, at("2020-02-10T08:00:00.123456Z"));
}

pub(crate) async fn the_store_tells_what_memory_told(store: impl Store) {
    let log = store.open().await;
    six_events(&log).await;
    let (head, told) = (log.head().await.unwrap(), all(&log).await);
    log.close().await;
    let log = store.open().await;
    assert_eq!(log.head().await.unwrap(), head);
    assert_eq!(all(&log).await, told);
    // Where one answer needs both, the older part is told first and the rest on asking again.
    add(&log, "c9", "h9", 0).await.unwrap();
    assert_eq!(positions(&all(&log).await), (1..=7).collect::<Vec<u64>>());
    assert_eq!(log.read(0, 100).await.unwrap()[..6], told[..]);
    assert_intact(&log).await;
}

pub(crate) async fn a_sleeping_reader_is_woken(store: impl Store) {
    let log = store.open().await;
    let mut wake = log.wake();
    assert_eq!(*wake.borrow_and_update(), 0);
    let reader =
        tokio::spawn(async move { *wake.wait_for(|position| *position >= 3).await.unwrap() });
    six_events(&log).await;
    let woken = tokio::time::timeout(Duration::from_secs(5), reader).await.unwrap().unwrap();
    assert!((3..=6).contains(&woken));
}

pub(crate) async fn what_was_acknowledged_survives_without_a_close(store: impl Store) {
    let mut acknowledged = BTreeMap::new();
    for life in 0..4 {
        let log = store.open().await;
        let ids: Vec<String> = (0..30).map(|n| format!("{life}-{n}")).collect();
        for (id, answer) in
            ids.iter().zip(join_all(ids.iter().map(|id| add(&log, id, id, 0))).await)
        {
            acknowledged.insert(id.clone(), answer.unwrap().first_position);
        }
        // One more that nobody waits for: it may be there or not.
        let forgotten = add(&log, &format!("{life}-x"), &format!("{life}-x"), 0);
        drop(tokio::time::timeout(Duration::from_micros(100), forgotten).await);
        drop(log);
    }
    let log = store.open().await;
    for (id, position) in acknowledged {
        assert_eq!(log.find_command(&id).await.unwrap().unwrap().first_position, position);
        assert_eq!(log.read(position - 1, 1).await.unwrap()[0].command_id, id);
    }
    assert_intact(&log).await;
}

pub(crate) async fn closing_finishes_what_waits(store: impl Store) {
    let log = store.open().await;
    let ids: Vec<String> = (0..300).map(|n| format!("c{n}")).collect();
    let appends = join_all(ids.iter().map(|id| add(&log, id, id, 0)));
    let (answers, ()) = tokio::join!(appends, log.close());
    assert!(matches!(add(&log, "late", "late", 0).await, Err(AppendError::Unknown(_))));
    log.close().await;
    let log = store.open().await;
    let mut done = 0;
    for (id, answer) in ids.iter().zip(answers) {
        assert_eq!(log.find_command(id).await.unwrap().is_some(), answer.is_ok());
        done += u64::from(answer.is_ok());
    }
    assert_eq!(log.head().await.unwrap().position, done);
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
