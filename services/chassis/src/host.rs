//! Everything that a process's services stand on, wired once: logs, vaults, views, reactions, and an orderly end.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use tokio::sync::Mutex;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Clock, Feed, Ledger, Memory, Projection, Reaction, Remembered, Vault, Views,
    access::Tokens,
    client::Connection,
    consumers::Consumers,
    event_log::{EventLog, postgres::PgLog, sqlite::SqliteLog},
    feed::{self, InProcess, Remote},
    inbox::Inbox,
    lease::Lease,
    memory,
    nats::Nats,
    postgres::Database,
    reactions::{self, Checkpoints},
    secrets::Secrets,
    views::{self, OnFailure, Shelf},
};

/// What goes on beside a log.
mod upkeep;

/// One process: which services it runs is for its caller to say.
#[derive(Clone)]
pub struct Host {
    pub clock: Clock,
    pub secrets: Arc<Secrets>,
    pub consumers: Consumers,
    /// Whether this process writes, where replicas share a store.
    pub lease: Lease,
    inner: Arc<Inner>,
}

struct Inner {
    data: PathBuf,
    store: Store,
    nats: Option<Nats>,
    /// Addresses of the services that run elsewhere, one per replica, by their logs' names.
    peers: BTreeMap<String, Vec<String>>,
    /// Where this process is reached.
    address: String,
    logs: Mutex<BTreeMap<String, Arc<dyn EventLog>>>,
    /// Logs of peers that are followed, each asked for its head by one task.
    remotes: Mutex<BTreeMap<String, Arc<dyn Feed>>>,
    ledgers: Mutex<BTreeMap<String, Ledger>>,
    views: Mutex<BTreeMap<String, Views>>,
    memories: Mutex<BTreeMap<String, Arc<dyn Memory>>>,
    tracker: TaskTracker,
    stop: CancellationToken,
}

/// Where a process keeps what it must not forget.
#[derive(Clone)]
pub enum Store {
    /// In the data folder, one folder per service. The process has it to itself.
    Folder,
    /// In the database of the one service that the process runs, whose replicas share it.
    Database(Database),
}

/// What a process is founded on.
pub struct Foundation {
    /// Made where it is missing.
    pub data: PathBuf,
    pub store: Store,
    /// What carries the logs between processes; without it each asks the others.
    pub nats: Option<Nats>,
    pub secrets: Secrets,
    pub clock: Clock,
    /// Addresses of the services that run elsewhere, one per replica. Logs that are not among them are the process's own.
    pub peers: BTreeMap<String, Vec<String>>,
    /// Where the other replicas reach this process.
    pub address: String,
    pub stop: CancellationToken,
}

impl Host {
    /// Stands on a data folder alone.
    pub fn open(
        data: &Path,
        secrets: Secrets,
        clock: Clock,
        peers: BTreeMap<String, Vec<String>>,
        stop: CancellationToken,
    ) -> anyhow::Result<Self> {
        let (store, address) = (Store::Folder, String::new());
        let foundation = Foundation { data: data.to_owned(), store, nats: None, secrets, clock, peers, address, stop };
        Self::on(foundation, Lease::alone(), TaskTracker::new())
    }

    /// Stands on whatever it is given. Contends for the lead where replicas share the store.
    pub async fn found(foundation: Foundation) -> anyhow::Result<Self> {
        let tracker = TaskTracker::new();
        let lease = match &foundation.store {
            Store::Folder => Lease::alone(),
            Store::Database(database) => Lease::contend(database, &foundation.address, &foundation.stop).await?,
        };
        Self::on(foundation, lease, tracker)
    }

    fn on(foundation: Foundation, lease: Lease, tracker: TaskTracker) -> anyhow::Result<Self> {
        let Foundation { data, store, nats, secrets, clock, peers, address, stop } = foundation;
        std::fs::create_dir_all(&data).with_context(|| format!("making the data folder {}", data.display()))?;
        Ok(Self {
            clock,
            secrets: Arc::new(secrets),
            consumers: Consumers::default(),
            lease,
            inner: Arc::new(Inner {
                data,
                store,
                nats,
                peers,
                address,
                logs: Mutex::default(),
                remotes: Mutex::default(),
                ledgers: Mutex::default(),
                views: Mutex::default(),
                memories: Mutex::default(),
                tracker,
                stop,
            }),
        })
    }

    /// With a log in place of the one that would be opened. Before any service starts.
    pub async fn with_log(self, log: Arc<dyn EventLog>) -> Self {
        self.inner.logs.lock().await.insert(log.name().to_owned(), log);
        self
    }

    /// With a feed of another service's log in place of the one that would be followed. Before any service starts.
    pub async fn with_feed(self, feed: Arc<dyn Feed>) -> Self {
        self.inner.remotes.lock().await.insert(feed.source().to_owned(), feed);
        self
    }

    /// A service's hold on its own log. The same one however often it is asked for: two would not know of each other what
    /// they remember of streams.
    pub async fn ledger(&self, service: &str) -> anyhow::Result<Ledger> {
        let log = self.log(service).await?;
        let mut ledgers = self.inner.ledgers.lock().await;
        let ledger = ledgers.entry(service.to_owned()).or_insert_with(|| Ledger::new(log, self.consumers.clone()));
        Ok(ledger.clone())
    }

    /// The personal data of a service, under keys of its own.
    pub async fn vault(&self, service: &str) -> anyhow::Result<Vault> {
        match &self.inner.store {
            Store::Folder => {
                let path = self.folder(service)?.join("keys.db");
                Vault::open(&path, &self.secrets, self.clock.clone()).await
            }
            Store::Database(database) => Vault::in_database(&database.keys(), &self.secrets, self.clock.clone()).await,
        }
    }

    /// A service's read models, halted by a record that they cannot take.
    pub async fn views(&self, service: &str, projections: Vec<Box<dyn Projection>>) -> anyhow::Result<Views> {
        let ledger = self.ledger(service).await?;
        self.open_views(service, projections, OnFailure::Halt, Some(ledger)).await
    }

    /// The read models of a service that decides about nobody: a record that they cannot take is laid aside, and the others are
    /// shown.
    pub async fn figures(&self, service: &str, projections: Vec<Box<dyn Projection>>) -> anyhow::Result<Views> {
        self.open_views(service, projections, OnFailure::Park, None).await
    }

    /// Follows the logs that the reaction wants.
    pub async fn react(&self, service: &str, reaction: Box<dyn Reaction>) -> anyhow::Result<()> {
        let sources = self.feeds_for(service, reaction.sources()).await?;
        reactions::start(reactions::Setup {
            service: service.to_owned(),
            reaction: Arc::from(reaction),
            sources,
            checkpoints: match &self.inner.store {
                Store::Folder => Checkpoints::open(&self.folder(service)?.join("reactions.db")).await?,
                Store::Database(database) => Checkpoints::in_database(database),
            },
            consumers: self.consumers.clone(),
            lease: self.lease.clone(),
            fingerprinter: self.secrets.fingerprinter(),
            tracker: self.inner.tracker.clone(),
            stop: self.inner.stop.clone(),
        })
        .await
    }

    /// Folds the logs that the memory wants, from their beginnings, on every replica.
    pub async fn remember(&self, service: &str, memory: Arc<dyn Memory>) -> anyhow::Result<Remembered> {
        let sources = self.feeds_for(service, memory.sources()).await?;
        self.inner.memories.lock().await.insert(service.to_owned(), Arc::clone(&memory));
        Ok(memory::start(memory::Setup {
            service: service.to_owned(),
            memory,
            sources,
            ledger: self.ledger(service).await?,
            consumers: self.consumers.clone(),
            tracker: self.inner.tracker.clone(),
            stop: self.inner.stop.clone(),
        }))
    }

    /// Another service's log, to follow: of this process, or of a peer.
    pub async fn feed_for(&self, service: &str, source: &str) -> anyhow::Result<Arc<dyn Feed>> {
        let mut remotes = self.inner.remotes.lock().await;
        if let Some(remote) = remotes.get(source).filter(|_| service != source) {
            return Ok(Arc::clone(remote));
        }
        let Some(addresses) = self.inner.peers.get(source).filter(|_| service != source) else {
            return Ok(Arc::new(InProcess(self.log(source).await?)));
        };
        let tokens = Tokens::new(&self.secrets);
        let tasks = (&self.inner.tracker, &self.inner.stop);
        // Behind an inbox it is asked when it is needed.
        let poll = if self.inner.nats.is_some() { Duration::from_secs(30) } else { feed::POLL };
        let clock = self.clock.clone();
        let remote: Arc<dyn Feed> = Remote::follow(source, addresses, service, tokens, clock, poll, tasks)?;
        let remote = match &self.inner.nats {
            Some(nats) => Inbox::follow(source, remote, nats.clone(), tasks),
            None => remote,
        };
        remotes.insert(source.to_owned(), Arc::clone(&remote));
        Ok(remote)
    }

    async fn feeds_for(&self, service: &str, sources: &[&str]) -> anyhow::Result<Vec<Arc<dyn Feed>>> {
        let mut feeds = Vec::new();
        for source in sources {
            feeds.push(self.feed_for(service, source).await?);
        }
        Ok(feeds)
    }

    /// For what must be asked of a service within a request: each of its replicas, or this process where it runs here.
    pub fn connections_to(&self, service: &str) -> anyhow::Result<Vec<Connection>> {
        let own = vec![self.inner.address.clone()];
        let addresses = self.inner.peers.get(service).unwrap_or(&own);
        addresses.iter().filter(|address| !address.is_empty()).map(|address| Connection::open(address, None)).collect()
    }

    /// Where a log stands that somebody here follows; `None` where it cannot be asked.
    pub async fn head_of(&self, source: &str) -> Option<u64> {
        let local = self.inner.logs.lock().await.get(source).cloned();
        if let Some(log) = local {
            return log.head().await.ok().map(|head| head.position);
        }
        let remote = self.inner.remotes.lock().await.get(source).cloned();
        remote?.head().await.ok().map(|head| head.position)
    }

    /// The logs that are open in this process, by name.
    pub async fn logs(&self) -> BTreeMap<String, Arc<dyn EventLog>> {
        self.inner.logs.lock().await.clone()
    }

    /// The read models of this process, by service.
    pub async fn all_views(&self) -> BTreeMap<String, Views> {
        self.inner.views.lock().await.clone()
    }

    /// What the services of this process remember, by service.
    pub async fn all_memories(&self) -> BTreeMap<String, Arc<dyn Memory>> {
        self.inner.memories.lock().await.clone()
    }

    /// Tasks that must end before the process does.
    pub fn tracker(&self) -> &TaskTracker {
        &self.inner.tracker
    }

    pub fn stop(&self) -> &CancellationToken {
        &self.inner.stop
    }

    /// Ends what follows the logs, then the logs themselves. What was acknowledged is on the disk already.
    pub async fn close(&self) {
        self.inner.stop.cancel();
        self.inner.tracker.close();
        if tokio::time::timeout(Duration::from_secs(20), self.inner.tracker.wait()).await.is_err() {
            tracing::warn!("some tasks did not end within 20 s and are left behind");
        }
        for log in self.logs().await.values() {
            log.close().await;
        }
        self.lease.give_back().await;
    }

    async fn open_views(
        &self,
        service: &str,
        projections: Vec<Box<dyn Projection>>,
        on_failure: OnFailure,
        ledger: Option<Ledger>,
    ) -> anyhow::Result<Views> {
        let wanted: std::collections::BTreeSet<&str> =
            projections.iter().flat_map(|projection| projection.sources()).copied().collect();
        let sources = self.feeds_for(service, &Vec::from_iter(wanted)).await?;
        let views = Views::open(views::Setup {
            service: service.to_owned(),
            shelf: match &self.inner.store {
                Store::Folder => Shelf::Folder(self.folder(service)?.join("views")),
                Store::Database(database) => Shelf::Database(database.clone()),
            },
            projections,
            sources,
            on_failure,
            consumers: self.consumers.clone(),
            ledger,
            lease: self.lease.clone(),
            tracker: self.inner.tracker.clone(),
            stop: self.inner.stop.clone(),
        })
        .await
        .with_context(|| format!("opening the read models of {service}"))?;
        self.inner.views.lock().await.insert(service.to_owned(), views.clone());
        Ok(views)
    }

    async fn log(&self, name: &str) -> anyhow::Result<Arc<dyn EventLog>> {
        let mut logs = self.inner.logs.lock().await;
        if let Some(log) = logs.get(name) {
            return Ok(Arc::clone(log));
        }
        let log: Arc<dyn EventLog> = match &self.inner.store {
            Store::Folder => {
                let path = self.folder(name)?.join("log.db");
                Arc::new(SqliteLog::open(&path, name, self.clock.clone()).await?)
            }
            Store::Database(database) => {
                Arc::new(PgLog::open(database, name, self.clock.clone(), self.lease.clone()).await?)
            }
        };
        logs.insert(name.to_owned(), Arc::clone(&log));
        let forgetting =
            upkeep::forget(Arc::clone(&log), self.lease.clone(), self.clock.clone(), self.inner.stop.clone());
        self.inner.tracker.spawn(forgetting);
        if let Some(nats) = &self.inner.nats {
            self.publish(&log, nats.clone()).await?;
        }
        Ok(log)
    }

    fn folder(&self, service: &str) -> anyhow::Result<PathBuf> {
        let folder = self.inner.data.join(service);
        std::fs::create_dir_all(&folder).with_context(|| format!("making the folder {}", folder.display()))?;
        Ok(folder)
    }
}
