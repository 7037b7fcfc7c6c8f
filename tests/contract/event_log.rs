//! The contract of an event log, rule by rule, over any store.

use std::sync::Arc;

use async_trait::async_trait;
use chassis::{
    Clock,
    event_log::{Append, AppendError, Appended, Claim, EventLog, Expected, NewEvent, Record, Write},
};
use chrono::{DateTime, Utc};

/// What becomes of a request.
pub(crate) mod appending;
/// Many callers, callers that hang up, and ends without notice.
pub(crate) mod crowds;
/// Keys that one stream holds at a time.
pub(crate) mod keys;
/// What readers see, and what an auditor finds.
pub(crate) mod reading;

/// Somewhere to keep one log, empty at first.
#[async_trait]
pub(crate) trait Store: Send + Sync + Sized + 'static {
    async fn empty() -> Self;
    /// Opens the log "registry", again after it was closed or dropped.
    async fn open_at(&self, clock: Clock) -> Arc<dyn EventLog>;
    /// Changes rows behind the log's back, past all guards.
    async fn tamper(&self, how: Tampering);

    async fn open(&self) -> Arc<dyn EventLog> {
        self.open_at(Clock::system()).await
    }
}

/// What somebody with a hand on the rows could do to six events.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tampering {
    /// Another actor at position 5.
    Actor,
    /// Another time at position 4.
    Time,
    /// Another payload at position 3.
    Payload,
    /// Another name for the stream "h1".
    Name,
    /// Position 4 is gone.
    Removal,
    /// Everything behind position 4 is gone.
    Cut,
}

impl Tampering {
    /// In the SQL that all databases understand.
    pub(crate) fn sql(self) -> &'static str {
        match self {
            Self::Actor => "UPDATE event SET actor = 'staff/9' WHERE position = 5",
            Self::Time => "UPDATE event SET occurred_at = occurred_at + 1 WHERE position = 4",
            Self::Payload => "UPDATE event SET payload = chain WHERE position = 3",
            Self::Name => "UPDATE stream SET stream_id = 'another' WHERE stream_id = 'h1'",
            Self::Removal => "DELETE FROM event WHERE position = 4",
            Self::Cut => "DELETE FROM event WHERE position > 4",
        }
    }
}

/// Makes one test of each rule.
macro_rules! held_by {
    ($store:ty) => {
        crate::event_log::held_by!($store:
            appending::a_command_takes_effect_once,
            appending::a_command_that_is_sent_twenty_times_at_once_takes_effect_once,
            appending::a_command_id_with_other_content_is_refused,
            appending::a_command_without_events_keeps_its_reply,
            appending::what_a_process_does_not_remember_counts_all_the_same,
            appending::of_many_decisions_on_one_version_one_is_taken,
            appending::decisions_on_one_stream_chain_within_a_batch,
            appending::a_conflict_fails_its_request_alone,
            appending::a_request_writes_to_all_its_streams_or_to_none,
            appending::a_stream_that_collects_takes_everything,
            appending::a_full_batch_is_taken_and_a_larger_request_refused_alone,
            appending::commands_are_forgotten_and_events_are_not,
            keys::a_key_is_held_by_one_stream,
            keys::a_key_is_handed_on_within_one_request,
            keys::a_refused_request_reserves_nothing,
            crowds::positions_have_no_hole_however_callers_hang_up,
            crowds::what_was_acknowledged_survives_without_a_close,
            crowds::closing_finishes_what_waits,
            reading::no_reader_sees_a_position_before_the_one_before,
            reading::the_chain_is_the_documented_one,
            reading::an_edited_event_is_found,
            reading::a_removed_event_is_found,
            reading::a_log_that_was_cut_is_found,
            reading::records_are_read_by_position_and_by_stream,
            reading::the_store_tells_what_memory_told,
            reading::a_sleeping_reader_is_woken,
        );
        #[test]
        fn random_appends_agree_with_the_model() {
            crate::model::random_appends_agree_with_the_model::<$store>();
        }
    };
    ($store:ty: $($part:ident::$rule:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $rule() {
                crate::event_log::$part::$rule(<$store as crate::event_log::Store>::empty().await).await;
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
        subject_id: if stream.len().is_multiple_of(2) { String::new() } else { "resident 1".to_owned() },
        events: (1..=events).map(event).collect(),
    }
}

pub(crate) fn claim(key: &str, stream: &str) -> Claim {
    Claim { scope: "document".to_owned(), key: key.as_bytes().to_vec(), stream_id: stream.to_owned() }
}

fn at(time: &str) -> DateTime<Utc> {
    time.parse().unwrap()
}

async fn add(log: &Arc<dyn EventLog>, id: &str, stream: &str, version: u64) -> Result<Appended, AppendError> {
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

/// Three streams with two events each, written one by one.
async fn six_events(log: &Arc<dyn EventLog>) {
    for n in 0..6_u64 {
        add(log, &format!("c{n}"), &format!("h{}", n % 3), n / 3).await.unwrap();
    }
}
