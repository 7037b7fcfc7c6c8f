//! The log in memory: the contract, and what becomes of a commit in mid-flight.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chassis::{
    Clock,
    event_log::{
        AppendError, EventLog, Expected, Record,
        memory::{Break, Luck, Memory, MemoryLog},
    },
};

use crate::event_log::{Store, Tampering, command, held_by, write};

#[async_trait]
impl Store for Memory {
    async fn empty() -> Self {
        Self::default()
    }

    async fn open_at(&self, clock: Clock) -> Arc<dyn EventLog> {
        Arc::new(MemoryLog::open(self, "registry", clock))
    }

    async fn tamper(&self, how: Tampering) {
        Self::tamper(self, |records| {
            let mut edit = |position: u64, change: &dyn Fn(&mut Record)| {
                change(Arc::make_mut(records.get_mut(&position).unwrap()));
            };
            match how {
                Tampering::Actor => edit(5, &|record| "staff/9".clone_into(&mut record.actor)),
                Tampering::Time => edit(4, &|record| record.occurred_at.as_mut().unwrap().nanos += 1_000),
                Tampering::Payload => edit(3, &|record| record.payload.clone_from(&record.chain)),
                Tampering::Name => {
                    // "h1" has the second and the fifth of the six.
                    for position in [2, 5] {
                        edit(position, &|record| "another".clone_into(&mut record.stream_id));
                    }
                }
                Tampering::Removal => drop(records.remove(&4)),
                Tampering::Cut => records.retain(|position, _| *position <= 4),
            }
        });
    }
}

held_by!(Memory);

/// One append into a memory whose commits fare like this.
async fn with_luck(luck: Luck) -> (Memory, Arc<dyn EventLog>) {
    let memory = Memory::with_fate(Arc::new(move || luck));
    let log = memory.open().await;
    (memory, log)
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_unknown_and_found_on_the_retry() {
    let once = || command("c", vec![write("h", Expected::Version(0), 1)]);
    for (breaks, events) in [(Break::Undone, 0), (Break::Done, 1)] {
        let (memory, log) = with_luck(Luck { breaks: Some(breaks), ..Luck::default() }).await;
        assert!(matches!(log.append(once()).await, Err(AppendError::Unknown(_))));
        assert_eq!(log.head().await.unwrap().position, events, "{breaks:?}");
        assert_eq!(memory.records().len() as u64, events);
        assert_eq!(log.find_command("c").await.unwrap().is_some(), events == 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_undoes_a_commit_or_leaves_it_done_but_never_half() {
    let second = Duration::from_secs(1);
    for (luck, events) in
        [(Luck { before: second, ..Luck::default() }, 0), (Luck { after: second, ..Luck::default() }, 3)]
    {
        let (memory, log) = with_luck(luck).await;
        let append = log.append(command("c", vec![write("h", Expected::Version(0), 3)]));
        assert!(tokio::time::timeout(second / 2, append).await.is_err(), "the commit is in flight");
        drop(log);
        let log = memory.open().await;
        assert_eq!(log.head().await.unwrap().position, events, "{luck:?}");
        tokio::time::sleep(second * 2).await;
        assert_eq!(memory.records().len() as u64, events, "who was there before writes no more");
    }
}

/// A retry that found the command and not its events was answered from a state without them.
#[tokio::test(start_paused = true)]
async fn a_command_is_not_known_before_its_events_can_be_read() {
    let second = Duration::from_secs(1);
    let (memory, log) = with_luck(Luck { after: second, ..Luck::default() }).await;
    let append = log.append(command("c", vec![write("h", Expected::Version(0), 1)]));
    let looks = async {
        tokio::time::sleep(second / 2).await;
        assert_eq!(memory.records().len(), 1, "it is committed");
        assert_eq!(log.find_command("c").await.unwrap(), None);
        assert!(log.read_stream("household", "h", 0).await.unwrap().is_empty());
    };
    let (appended, ()) = tokio::join!(append, looks);
    appended.unwrap();
    assert!(log.find_command("c").await.unwrap().is_some());
    assert_eq!(log.read_stream("household", "h", 0).await.unwrap().len(), 1);
}
