//! Many callers, callers that hang up, and ends without notice.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use chassis::event_log::AppendError;
use futures::future::join_all;

use super::{Store, add, all, assert_intact, positions};

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
                while tokio::time::timeout(patience, add(&log, &format!("{caller}-{n}"), &format!("h{caller}"), n))
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

pub(crate) async fn what_was_acknowledged_survives_without_a_close(store: impl Store) {
    let mut acknowledged = BTreeMap::new();
    for life in 0..4 {
        let log = store.open().await;
        let ids: Vec<String> = (0..30).map(|n| format!("{life}-{n}")).collect();
        for (id, answer) in ids.iter().zip(join_all(ids.iter().map(|id| add(&log, id, id, 0))).await) {
            acknowledged.insert(id.clone(), answer.unwrap().first_position);
        }
        // One more that nobody waits for: it may be there or not.
        let id = format!("{life}-x");
        let forgotten = add(&log, &id, &id, 0);
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
