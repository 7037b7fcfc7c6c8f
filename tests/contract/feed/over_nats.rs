use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chassis::{
    Clock, Feed,
    event_log::{EventLog, Head, LogError, Record},
    inbox::Inbox,
    nats::{Config, Nats},
    relay::{Relay, RelayStanding, Setup},
};
use tempfile::TempDir;
use tests::nats::{Server, find};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Way, open_log, version};

/// A log in a file, its relay, a server, and inboxes behind it.
pub(crate) struct OverNats<const OLDEST: bool> {
    pub(crate) server: Server,
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) folder: TempDir,
    pub(crate) source: Arc<Source>,
    pub(crate) relay: Sending,
    receiving: Tasks,
}

/// Tasks that end with their owner.
pub(crate) struct Tasks {
    pub(crate) tracker: TaskTracker,
    pub(crate) stop: CancellationToken,
}

impl Tasks {
    pub(crate) fn new() -> Self {
        Self { tracker: TaskTracker::new(), stop: CancellationToken::new() }
    }

    pub(crate) fn both(&self) -> (&TaskTracker, &CancellationToken) {
        (&self.tracker, &self.stop)
    }

    pub(crate) async fn end(&self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A replica that publishes.
pub(crate) struct Sending {
    pub(crate) leads: watch::Sender<bool>,
    standing: watch::Receiver<RelayStanding>,
    tasks: Tasks,
}

impl Sending {
    pub(crate) async fn start(url: &str, log: &Arc<dyn EventLog>, leads: bool, renewed_from: Option<String>) -> Self {
        let config = Config { url: url.to_owned(), ..Config::default() };
        let nats = Nats::open(&config, "registry").await.unwrap();
        Self::over(nats, log, leads, renewed_from)
    }

    pub(crate) fn over(nats: Nats, log: &Arc<dyn EventLog>, leads: bool, renewed_from: Option<String>) -> Self {
        let (leads, led) = watch::channel(leads);
        let tasks = Tasks::new();
        let setup = Setup { log: Arc::clone(log), nats, leads: led, renewed_from, clock: Clock::system() };
        let relay = Relay::start(setup, tasks.both());
        Self { leads, standing: relay.standing(), tasks }
    }

    /// Waits until it stands as a test expects.
    pub(crate) async fn until(&self, expected: impl FnMut(&RelayStanding) -> bool) -> RelayStanding {
        let mut standing = self.standing.clone();
        let arrived = tokio::time::timeout(Duration::from_mins(1), standing.wait_for(expected)).await;
        arrived.unwrap_or_else(|_| panic!("the relay stands at {:?}", self.standing.borrow())).unwrap().clone()
    }

    pub(crate) async fn published(&self, position: u64) {
        self.until(|standing| standing.published == position && standing.alarm.is_none()).await;
    }

    pub(crate) async fn alarm(&self) -> String {
        self.until(|standing| standing.alarm.is_some()).await.alarm.unwrap()
    }

    pub(crate) async fn end(&self) {
        self.tasks.end().await;
    }
}

/// The source as it is asked directly: it can be away, and counts how often it was read.
pub(crate) struct Source {
    log: Arc<dyn EventLog>,
    away: AtomicBool,
    reads: AtomicU64,
    wake: watch::Sender<u64>,
}

impl Source {
    pub(crate) fn new(log: &Arc<dyn EventLog>) -> Arc<Self> {
        let (log, away, reads) = (Arc::clone(log), AtomicBool::new(false), AtomicU64::new(0));
        Arc::new(Self { log, away, reads, wake: watch::Sender::new(0) })
    }

    pub(crate) fn away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    pub(crate) fn reads(&self) -> u64 {
        self.reads.load(Ordering::SeqCst)
    }

    fn reach(&self) -> Result<(), LogError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(LogError::Store(std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into()));
        }
        Ok(())
    }
}

#[async_trait]
impl Feed for Source {
    fn source(&self) -> &str {
        self.log.name()
    }

    async fn head(&self) -> Result<Head, LogError> {
        self.reach()?;
        self.log.head().await
    }

    async fn read(&self, after_position: u64, limit: usize) -> Result<Vec<Arc<Record>>, LogError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.reach()?;
        self.log.read(after_position, limit).await
    }

    /// Never fires: what the inbox learns, it learns by NATS or by asking.
    fn wake(&self) -> watch::Receiver<u64> {
        self.wake.subscribe()
    }
}

#[async_trait]
impl<const OLDEST: bool> Way for OverNats<OLDEST> {
    async fn open() -> Option<Self> {
        let server = Server::start(find(version(OLDEST))?, "").await;
        let folder = TempDir::new().unwrap();
        let log = open_log(&folder).await;
        let relay = Sending::start(&server.url(), &log, true, None).await;
        let source = Source::new(&log);
        Some(Self { server, log, folder, source, relay, receiving: Tasks::new() })
    }

    fn log(&self) -> Arc<dyn EventLog> {
        Arc::clone(&self.log)
    }

    async fn feed(&self) -> Arc<dyn Feed> {
        let config = Config { url: self.server.url(), ..Config::default() };
        let nats = Nats::open(&config, "pass").await.unwrap();
        Inbox::follow("registry", Arc::clone(&self.source) as Arc<dyn Feed>, nats, self.receiving.both())
    }
}

impl<const OLDEST: bool> OverNats<OLDEST> {
    /// Everything is in the stream.
    pub(crate) async fn settle(&self) {
        self.relay.published(self.log.head().await.unwrap().position).await;
    }
}
