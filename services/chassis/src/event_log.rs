//! The truth of a service: an append-only log. Events stand in it at positions 1, 2, 3 … without a hole, in the order of
//! their commits, each one the next version of its stream, each chained to the one before by a hash. Callers decide
//! outside any lock and hand over what they decided; one appender per log puts everything that waits into one commit.
//!
//! Invariants, which the contract suite in `tests/contract` holds against every store:
//! - what was acknowledged is there after a crash, and is never changed;
//! - nobody sees position p + 1 before p;
//! - a command takes effect at most once, however often it is sent and whenever its caller hangs up;
//! - a request that is refused never fails its neighbours in the same commit.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::sync::watch;

use crate::Lead;

/// Requests of one commit, decided one by one in memory.
mod batch;
/// Where callers hand over, and wait.
mod entrance;
/// The hash that runs through a log.
pub mod chain;
/// The one task that writes.
mod appender;
/// What waits for it.
mod queue;
/// What it knows without a look.
mod recollection;
/// What it writes to.
mod store;
/// Reads from a store, and finds damage.
mod reader;
/// Rows to records.
mod rows;
/// The log in a PostgreSQL database.
pub mod postgres;
/// A log in memory, for tests.
pub mod memory;
/// The log in one SQLite file.
pub mod sqlite;
/// The head and the latest records, in memory.
mod tail;

pub use proto::event::v1::{Head, Record};

/// A service's log.
#[async_trait]
pub trait EventLog: Send + Sync + 'static {
    /// "registry"
    fn name(&self) -> &str;

    /// Writes all of a command's events or none. Dropping this future neither undoes nor doubles them: the command may
    /// be sent again with the same id, and is answered as the first time.
    async fn append(&self, append: Append) -> Result<Appended, AppendError>;

    /// Where the log stands: position 0 and 32 zero bytes while it is empty.
    async fn head(&self) -> Result<Head, LogError>;

    /// At most `limit` records behind a position, in order and without a hole; none at the head. One answer holds 5,000
    /// records at most.
    async fn read(&self, after_position: u64, limit: usize) -> Result<Vec<Arc<Record>>, LogError>;

    /// All records of a stream behind a version, in order.
    async fn read_stream(
        &self,
        category: &str,
        stream_id: &str,
        after_version: u64,
    ) -> Result<Vec<Arc<Record>>, LogError>;

    /// All records of different streams of a category, each stream's in order; nothing of a stream without events.
    async fn read_streams(&self, category: &str, stream_ids: &[String]) -> Result<Vec<Arc<Record>>, LogError> {
        let mut records = Vec::new();
        for stream_id in stream_ids {
            records.extend(self.read_stream(category, stream_id, 0).await?);
        }
        Ok(records)
    }

    /// A command that has taken effect, for 30 days, and not before its events can be read.
    async fn find_command(&self, command_id: &str) -> Result<Option<KnownCommand>, LogError>;

    /// The id of the stream that holds a key.
    async fn find_reservation(&self, scope: &str, key: &[u8]) -> Result<Option<String>, LogError>;

    /// Shows the position of the head, after each commit. A hint: who polls misses nothing.
    fn wake(&self) -> watch::Receiver<u64>;

    /// Computes the chain again over the whole log, from the store and not from memory.
    async fn verify(&self) -> Result<Verification, LogError>;

    /// Forgets commands that were recorded before a time, and counts them. See [`COMMANDS_KEPT`].
    async fn prune_commands(&self, before: DateTime<Utc>) -> Result<u64, LogError>;

    /// Which replica writes here. An append that another replica's process is sent is answered [`AppendError::Unknown`].
    fn lead(&self) -> watch::Receiver<Lead>;

    /// The fence under which this process alone writes, now; `None` while another one may. What was remembered of
    /// streams under one fence holds under the same fence, and under no other.
    fn sole_writer(&self) -> Option<i64>;

    /// The id that the log had before it was restored from an older backup, if it ever was.
    async fn renewed_from(&self) -> Result<Option<String>, LogError> {
        Ok(None)
    }

    /// Finishes what waits, then lets go of the store. Later appends are answered [`AppendError::Unknown`].
    async fn close(&self);
}

/// How long a command's answer is kept: longer than any device's offline queue.
pub const COMMANDS_KEPT: chrono::TimeDelta = chrono::TimeDelta::days(30);

/// One command's effect. Without any event it stores the command and its reply alone.
#[derive(Clone, Debug)]
pub struct Append {
    /// One per intention, made by the client. Never empty.
    pub command_id: String,
    /// Tells a repeated command from another one with the same id.
    pub fingerprint: [u8; 32],
    /// Kept, and handed out when the same command comes again.
    pub reply: Vec<u8>,
    pub writes: Vec<Write>,
    /// Keys to hold, after those to release were released.
    pub reserve: Vec<Claim>,
    pub release: Vec<Claim>,
    pub actor: String,
    pub correlation_id: String,
    pub causation_id: String,
    pub traceparent: String,
    pub occurred_at: DateTime<Utc>,
}

/// New events of one stream. Without events it is a condition on the stream's version.
#[derive(Clone, Debug)]
pub struct Write {
    pub category: &'static str,
    pub stream_id: String,
    pub expected: Expected,
    /// The neighbourhood whose record this is; empty for the subdistrict's.
    pub office: String,
    /// The resident whom it is about; empty for nobody.
    pub subject_id: String,
    pub events: Vec<NewEvent>,
}

/// The version that the events were decided on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// This one: 0 for a stream that does not exist yet.
    Version(u64),
    /// Whatever it is: for streams that only collect.
    Any,
}

#[derive(Clone, Debug)]
pub struct NewEvent {
    /// "<category>.<event>"
    pub event_type: &'static str,
    pub schema_version: u32,
    pub payload: Vec<u8>,
}

/// A key within a scope that one stream holds at a time. Reserving what the stream holds already, and releasing what it
/// does not hold, does nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub scope: String,
    pub key: Vec<u8>,
    pub stream_id: String,
}

/// What an append came to.
#[derive(Clone, Debug)]
pub struct Appended {
    /// Of the command's events. A command without events stands at the head that it found.
    pub first_position: u64,
    pub last_position: u64,
    /// The reply of the time before, where the command was known: nothing was written now.
    pub earlier_reply: Option<Vec<u8>>,
    /// What was written now.
    pub records: Vec<Arc<Record>>,
}

/// Why an append was not done, or why nobody knows whether it was.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    #[error("the stream is not at the expected version")]
    Conflict,
    #[error("the command id was used for another command")]
    CommandReused,
    #[error("another stream holds a key of {scope}")]
    Reserved { scope: String, stream_id: String },
    #[error("{events} events of {bytes} bytes are more than one commit takes")]
    TooLarge { events: usize, bytes: usize },
    /// Nothing is lost and nothing is written; appends succeed again when there is space.
    #[error("the disk is full")]
    Full,
    /// The store broke off or is out of reach. The same command may be sent again with the same id: if it was done, its
    /// reply is repeated.
    #[error("the store did not answer")]
    Unknown(#[source] anyhow::Error),
    #[error("the store cannot take this")]
    Fault(#[source] anyhow::Error),
}

/// Why a log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("the log {log} is damaged at position {position}: stop the server and restore the log from a backup")]
    Damaged { log: String, position: u64 },
    #[error("the log cannot be reached")]
    Store(#[from] anyhow::Error),
}

/// A command that has taken effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownCommand {
    pub fingerprint: [u8; 32],
    pub reply: Vec<u8>,
    pub first_position: u64,
    pub last_position: u64,
}

/// What came of computing the chain again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// Records whose chain follows, from the first one on.
    pub records: u64,
    /// The first position where the log is not what was appended.
    pub broken_at: Option<u64>,
    /// Of the last record that follows.
    pub chain: Vec<u8>,
}
