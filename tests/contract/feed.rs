//! The contract of a feed, rule by rule: straight from the log, and over NATS with the oldest and the newest server. What is
//! true of NATS alone follows in `faults.rs` and `doors.rs`.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chassis::{
    Clock, Feed,
    event_log::{EventLog, Expected, Record, sqlite::SqliteLog},
    feed::InProcess,
};
use tempfile::TempDir;
use tests::nats::Version;

use crate::event_log::{command, write};

/// Who may do what at the server, and TLS.
mod doors;
/// What happens to NATS, and to the log behind it.
mod faults;
/// The feed over NATS.
mod over_nats;
/// What every consumer may rely on.
mod reading;

use over_nats::OverNats;

/// A log, and the way to its consumers.
#[async_trait]
pub(crate) trait Way: Send + Sync + Sized + 'static {
    /// `None` where this machine does not have what it takes.
    async fn open() -> Option<Self>;
    fn log(&self) -> Arc<dyn EventLog>;
    /// A consumer's end, of a process that has just started.
    async fn feed(&self) -> Arc<dyn Feed>;
}

/// In one process.
pub(crate) struct Straight {
    log: Arc<dyn EventLog>,
    _folder: TempDir,
}

#[async_trait]
impl Way for Straight {
    async fn open() -> Option<Self> {
        let folder = TempDir::new().unwrap();
        Some(Self { log: open_log(&folder).await, _folder: folder })
    }

    fn log(&self) -> Arc<dyn EventLog> {
        Arc::clone(&self.log)
    }

    async fn feed(&self) -> Arc<dyn Feed> {
        Arc::new(InProcess(self.log()))
    }
}

macro_rules! held_over {
    ($way:ty: $($part:ident::$rule:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $rule() {
                match <$way as crate::feed::Way>::open().await {
                    Some(way) => crate::feed::$part::$rule(way).await,
                    None => println!("skipped: there is no nats-server of this version; name one in MIFENG_NATS_SERVER"),
                }
            }
        )*
    };
}

macro_rules! every_way {
    ($way:ty) => {
        held_over!($way:
            reading::every_record_arrives_once_in_order_and_byte_for_byte,
            reading::a_consumer_that_begins_late_gets_everything,
            reading::a_consumer_that_was_away_for_ten_thousand_records_catches_up,
            reading::a_sleeping_consumer_is_woken,
            reading::the_head_is_the_logs,
        );
    };
}

macro_rules! over_nats {
    ($way:ty) => {
        every_way!($way);
        held_over!($way:
            faults::a_consumer_catches_up_while_the_source_is_away,
            faults::nothing_stands_still_while_nats_is_away,
            faults::a_server_that_was_killed_is_found_again,
            faults::a_server_that_stands_still_is_noticed,
            faults::a_stream_that_was_deleted_is_published_again,
            faults::data_that_were_deleted_are_published_again,
            faults::data_that_were_cut_are_published_again,
            faults::data_that_were_set_back_are_published_again,
            faults::two_relays_neither_interleave_nor_double,
            faults::a_relay_that_does_not_lead_publishes_nothing,
            faults::a_log_that_was_set_back_alarms_and_publishes_nothing,
            faults::a_log_that_was_set_back_and_has_grown_alarms_and_publishes_nothing,
            faults::another_log_alarms_and_a_renewed_one_is_published_anew,
            doors::a_services_rights_suffice_and_end_at_its_own_events,
            doors::the_deployments_configuration_serves_over_tls,
        );
    };
}

mod straight {
    every_way!(crate::feed::Straight);
}

mod over_oldest {
    over_nats!(crate::feed::OverNats<{ crate::feed::OLDEST }>);
}

mod over_newest {
    over_nats!(crate::feed::OverNats<{ crate::feed::NEWEST }>);
}

/// Versions as constants, since a type can be told apart by nothing else.
const OLDEST: bool = true;
const NEWEST: bool = false;

const fn version(oldest: bool) -> Version {
    if oldest { Version::Oldest } else { Version::Newest }
}

async fn open_log(folder: &TempDir) -> Arc<dyn EventLog> {
    Arc::new(SqliteLog::open(&folder.path().join("log.db"), "registry", Clock::system()).await.unwrap())
}

/// Appends so many records, to a hundred streams.
async fn add(log: &Arc<dyn EventLog>, records: usize) {
    let from = log.head().await.unwrap().position;
    for batch in 0..records.div_ceil(500) {
        let rest = (records - batch * 500).min(500);
        let streams = 0..rest.min(100);
        let writes = streams.map(|n| {
            let events = rest / 100 + usize::from(n < rest % 100);
            write(&format!("a stream, no. {n} > {batch}"), Expected::Any, events)
        });
        let id = format!("c{from}/{batch}/{}", uuid::Uuid::from_u128(u128::from(from)));
        log.append(command(&id, writes.collect())).await.unwrap();
    }
    assert_eq!(log.head().await.unwrap().position, from + records as u64);
}

/// Reads as a consumer does: behind its checkpoint, without a hole, and patiently where something is away.
async fn read_to(feed: &Arc<dyn Feed>, mut checkpoint: u64, end: u64) -> Vec<Arc<Record>> {
    let reading = async {
        let mut all: Vec<Arc<Record>> = Vec::new();
        let mut wake = feed.wake();
        while checkpoint < end {
            wake.mark_unchanged();
            let Ok(records) = feed.read(checkpoint, 256).await else {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            if records.is_empty() {
                drop(tokio::time::timeout(Duration::from_secs(1), wake.changed()).await);
            }
            for record in records {
                assert_eq!(record.position, checkpoint + 1, "a hole or a record that came twice");
                checkpoint = record.position;
                all.push(record);
            }
        }
        all
    };
    tokio::time::timeout(Duration::from_mins(1), reading).await.expect("the consumer arrives")
}

async fn assert_arrives(way: &impl Way, feed: &Arc<dyn Feed>, checkpoint: u64) {
    let log = way.log();
    let end = log.head().await.unwrap().position;
    let arrived = read_to(feed, checkpoint, end).await;
    let mut expected = Vec::new();
    while expected.last().map_or(checkpoint, |record: &Arc<Record>| record.position) < end {
        let after = expected.last().map_or(checkpoint, |record| record.position);
        expected.extend(log.read(after, 5_000).await.unwrap());
    }
    assert_eq!(arrived.len(), expected.len());
    for (arrived, expected) in arrived.iter().zip(&expected) {
        assert_eq!(arrived, expected);
    }
}
