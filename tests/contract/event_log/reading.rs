//! What readers see, and what an auditor finds.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;

use super::{Store, Tampering, add, all, assert_intact, at, positions, six_events};

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
                    assert!(records.iter().map(|record| record.position).eq(after + 1..=after + records.len() as u64));
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
    for (how, position) in [(Tampering::Actor, 5), (Tampering::Time, 4), (Tampering::Payload, 3), (Tampering::Name, 2)]
    {
        let log = store.open().await;
        if log.head().await.unwrap().position == 0 {
            six_events(&log).await;
        }
        store.tamper(how).await;
        let found = log.verify().await.unwrap();
        assert_eq!((found.broken_at, found.records), (Some(position), position - 1), "{how:?}");
        log.close().await;
    }
}

pub(crate) async fn a_removed_event_is_found(store: impl Store) {
    let log = store.open().await;
    six_events(&log).await;
    store.tamper(Tampering::Removal).await;
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
    store.tamper(Tampering::Cut).await;
    assert_eq!(log.verify().await.unwrap().broken_at, Some(5));
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
    let several = ["h1", "nobody", "h0"].map(str::to_owned);
    let streams = log.read_streams("household", &several).await.unwrap();
    let of = |stream: &str| -> Vec<u64> {
        streams.iter().filter(|record| record.stream_id == stream).map(|record| record.position).collect()
    };
    assert_eq!(of("h1"), [2, 5]);
    assert_eq!(of("h0"), positions(&log.read_stream("household", "h0", 0).await.unwrap()));
    assert!(streams.iter().all(|record| several.contains(&record.stream_id)));
    assert!(log.read_streams("resident", &several).await.unwrap().is_empty());
    assert!(log.read_streams("household", &[]).await.unwrap().is_empty());
    let record = &log.read(0, 1).await.unwrap()[0];
    assert_eq!(
        (&*record.log, &*record.category, &*record.stream_id, record.version),
        ("registry", "household", "h0", 1)
    );
    assert_eq!((&*record.command_id, &*record.office, &*record.payload), ("c0", "n1", &b"event 1 of h0"[..]));
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
    let reader = tokio::spawn(async move { *wake.wait_for(|position| *position >= 3).await.unwrap() });
    six_events(&log).await;
    let woken = tokio::time::timeout(Duration::from_secs(5), reader).await.unwrap().unwrap();
    assert!((3..=6).contains(&woken));
}
