//! One log as its consumers see it. In one process the feed is the log itself; between processes it is a relay and an
//! inbox, and a consumer cannot tell the difference.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use async_trait::async_trait;
use chrono::TimeDelta;
use proto::{
    access::v1::{Principal, Role},
    event::v1::{GetHeadRequest, ReadRecordsRequest, event_log_service_client::EventLogServiceClient},
};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Clock,
    access::Tokens,
    client::Connection,
    event_log::{EventLog, Head, LogError, Record},
};

/// Records of one source in order, from any position, and a wake-up when there are more.
#[async_trait]
pub trait Feed: Send + Sync + 'static {
    /// The log's name.
    fn source(&self) -> &str;
    async fn head(&self) -> Result<Head, LogError>;
    /// At most `limit` records with greater positions, without a hole.
    async fn read(&self, after_position: u64, limit: usize) -> Result<Vec<Arc<Record>>, LogError>;
    /// Shows the head after each commit; a hint, since polling is the truth.
    fn wake(&self) -> watch::Receiver<u64>;
}

/// The source is away: its consumers wait and go on by themselves, whatever they do about a record that they cannot take.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the source cannot be reached")]
pub(crate) struct Unreachable;

/// Marks what passes by itself. A damaged log does not.
pub(crate) fn unreachable(error: LogError) -> anyhow::Error {
    match error {
        LogError::Store(error) => error.context(Unreachable),
        error @ LogError::Damaged { .. } => error.into(),
    }
}

/// Straight from the log of the same process.
#[derive(Clone)]
pub struct InProcess(pub Arc<dyn EventLog>);

#[async_trait]
impl Feed for InProcess {
    fn source(&self) -> &str {
        self.0.name()
    }

    async fn head(&self) -> Result<Head, LogError> {
        self.0.head().await
    }

    async fn read(&self, after_position: u64, limit: usize) -> Result<Vec<Arc<Record>>, LogError> {
        self.0.read(after_position, limit).await
    }

    fn wake(&self) -> watch::Receiver<u64> {
        self.0.wake()
    }
}

/// Another process's log, asked over gRPC. It is polled: the relay between services pushes, this is the plain way for a
/// service that runs alone.
pub struct Remote {
    source: String,
    service: String,
    /// One for each replica; which of them is asked.
    connections: Vec<Connection>,
    asked: AtomicUsize,
    tokens: Tokens,
    clock: Clock,
    wake: watch::Sender<u64>,
}

/// How often a remote log is asked for its head by whoever hears of it in no other way.
pub const POLL: Duration = Duration::from_millis(100);

/// An answer stops at a megabyte of payloads, and the record that goes beyond it may be as large as a commit.
const LARGEST_ANSWER: usize = 16 << 20;

impl Remote {
    /// Follows the head of `source` at its replicas' `addresses`, asked every `poll`, until `stop`.
    pub fn follow(
        source: &str,
        addresses: &[String],
        service: &str,
        tokens: Tokens,
        clock: Clock,
        poll: Duration,
        tasks: (&TaskTracker, &CancellationToken),
    ) -> anyhow::Result<Arc<Self>> {
        let remote = Arc::new(Self {
            source: source.to_owned(),
            service: format!("service/{service}"),
            connections: addresses.iter().map(|address| Connection::open(address, None)).collect::<Result<_, _>>()?,
            asked: AtomicUsize::new(0),
            tokens,
            clock,
            wake: watch::Sender::new(0),
        });
        let (tracker, stop) = tasks;
        let (polled, stop) = (Arc::clone(&remote), stop.clone());
        tracker.spawn(async move {
            let poll = async {
                loop {
                    if let Ok(head) = polled.head().await {
                        polled.wake.send_if_modified(|seen| std::mem::replace(seen, head.position) != head.position);
                    }
                    tokio::time::sleep(poll).await;
                }
            };
            stop.run_until_cancelled(poll).await;
        });
        Ok(remote)
    }

    fn client(&self) -> anyhow::Result<EventLogServiceClient<Connection>> {
        let person = Principal { subject: self.service.clone(), role: Role::Service.into(), ..Principal::default() };
        let token = self.tokens.issue(&person, TimeDelta::minutes(5), self.clock.now())?;
        let asked = self.asked.load(Ordering::Relaxed) % self.connections.len().max(1);
        let connection = self.connections.get(asked).context("a peer has an address")?;
        let client = EventLogServiceClient::new(connection.clone().with_token(&token.token)?);
        Ok(client.max_decoding_message_size(LARGEST_ANSWER))
    }

    /// The next replica is asked from now on, where this one failed.
    fn noting<T>(&self, answer: Result<T, tonic::Status>) -> Result<T, tonic::Status> {
        if answer.is_err() {
            self.asked.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }
}

#[async_trait]
impl Feed for Remote {
    fn source(&self) -> &str {
        &self.source
    }

    async fn head(&self) -> Result<Head, LogError> {
        let request = GetHeadRequest { log: self.source.clone() };
        let head = self.noting(self.client()?.get_head(request).await);
        Ok(head.with_context(|| format!("asking for the head of the log {}", self.source))?.into_inner())
    }

    async fn read(&self, after_position: u64, limit: usize) -> Result<Vec<Arc<Record>>, LogError> {
        let request = ReadRecordsRequest {
            log: self.source.clone(),
            after_position,
            page_size: i32::try_from(limit).unwrap_or(i32::MAX).min(1_000),
            ..ReadRecordsRequest::default()
        };
        let read = self.noting(self.client()?.read_records(request).await);
        let read = read.with_context(|| format!("reading the log {}", self.source))?.into_inner();
        Ok(read.records.into_iter().map(Arc::new).collect())
    }

    fn wake(&self) -> watch::Receiver<u64> {
        self.wake.subscribe()
    }
}

#[cfg(test)]
mod tests;
