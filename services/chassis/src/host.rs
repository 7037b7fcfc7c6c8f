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
    Clock, Feed, Ledger, Projection, Reaction, Vault, Views,
    access::Tokens,
    consumers::Consumers,
    event_log::{COMMANDS_KEPT, EventLog, sqlite::SqliteLog},
    feed::{InProcess, Remote},
    reactions::{self, Checkpoints},
    secrets::Secrets,
    views::{self, OnFailure},
};

/// One process: which services it runs is for its caller to say.
#[derive(Clone)]
pub struct Host {
    pub clock: Clock,
    pub secrets: Arc<Secrets>,
    pub consumers: Consumers,
    inner: Arc<Inner>,
}

struct Inner {
    data: PathBuf,
    /// Addresses of the services that run elsewhere, by their logs' names.
    peers: BTreeMap<String, String>,
    logs: Mutex<BTreeMap<String, Arc<dyn EventLog>>>,
    /// Logs of peers that are followed, each asked for its head by one task.
    remotes: Mutex<BTreeMap<String, Arc<dyn Feed>>>,
    ledgers: Mutex<BTreeMap<String, Ledger>>,
    views: Mutex<BTreeMap<String, Views>>,
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Host {
    /// Stands on a data folder, which it makes where it is missing. Logs that are not among the `peers` are its own.
    pub fn open(
        data: &Path,
        secrets: Secrets,
        clock: Clock,
        peers: BTreeMap<String, String>,
        stop: CancellationToken,
    ) -> anyhow::Result<Self> {
        std::fs::create_dir_all(data).with_context(|| format!("making the data folder {}", data.display()))?;
        Ok(Self {
            clock,
            secrets: Arc::new(secrets),
            consumers: Consumers::default(),
            inner: Arc::new(Inner {
                data: data.to_owned(),
                peers,
                logs: Mutex::default(),
                remotes: Mutex::default(),
                ledgers: Mutex::default(),
                views: Mutex::default(),
                tracker: TaskTracker::new(),
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
        let path = self.folder(service)?.join("keys.db");
        Vault::open(&path, &self.secrets, self.clock.clone()).await
    }

    /// A service's read models, halted by a record that they cannot take.
    pub async fn views(&self, service: &str, projections: Vec<Box<dyn Projection>>) -> anyhow::Result<Views> {
        let ledger = self.ledger(service).await?;
        self.open_views(service, projections, OnFailure::Halt, Some(ledger)).await
    }

    /// The read models of a service that decides nothing: a record that they cannot take is laid aside.
    pub async fn figures(&self, service: &str, projections: Vec<Box<dyn Projection>>) -> anyhow::Result<Views> {
        self.open_views(service, projections, OnFailure::Park, None).await
    }

    /// Follows the logs that the reaction wants.
    pub async fn react(&self, service: &str, reaction: Box<dyn Reaction>) -> anyhow::Result<()> {
        let mut sources = Vec::new();
        for source in reaction.sources() {
            sources.push(self.feed_for(service, source).await?);
        }
        reactions::start(reactions::Setup {
            service: service.to_owned(),
            reaction: Arc::from(reaction),
            sources,
            checkpoints: Checkpoints::open(&self.folder(service)?.join("reactions.db")).await?,
            consumers: self.consumers.clone(),
            fingerprinter: self.secrets.fingerprinter(),
            tracker: self.inner.tracker.clone(),
            stop: self.inner.stop.clone(),
        })
        .await
    }

    /// Another service's log, to follow: of this process, or of a peer.
    pub async fn feed_for(&self, service: &str, source: &str) -> anyhow::Result<Arc<dyn Feed>> {
        let mut remotes = self.inner.remotes.lock().await;
        if let Some(remote) = remotes.get(source).filter(|_| service != source) {
            return Ok(Arc::clone(remote));
        }
        let Some(address) = self.inner.peers.get(source).filter(|_| service != source) else {
            return Ok(Arc::new(InProcess(self.log(source).await?)));
        };
        let tokens = Tokens::new(&self.secrets);
        let tasks = (&self.inner.tracker, &self.inner.stop);
        let remote: Arc<dyn Feed> = Remote::follow(source, address, service, tokens, self.clock.clone(), tasks)?;
        remotes.insert(source.to_owned(), Arc::clone(&remote));
        Ok(remote)
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
        let mut sources = Vec::new();
        for source in wanted {
            sources.push(self.feed_for(service, source).await?);
        }
        let views = Views::open(views::Setup {
            service: service.to_owned(),
            folder: self.folder(service)?.join("views"),
            projections,
            sources,
            on_failure,
            consumers: self.consumers.clone(),
            ledger,
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
        let path = self.folder(name)?.join("log.db");
        let log: Arc<dyn EventLog> = Arc::new(SqliteLog::open(&path, name, self.clock.clone()).await?);
        logs.insert(name.to_owned(), Arc::clone(&log));
        self.inner.tracker.spawn(forget(Arc::clone(&log), self.clock.clone(), self.inner.stop.clone()));
        Ok(log)
    }

    fn folder(&self, service: &str) -> anyhow::Result<PathBuf> {
        let folder = self.inner.data.join(service);
        std::fs::create_dir_all(&folder).with_context(|| format!("making the folder {}", folder.display()))?;
        Ok(folder)
    }
}

/// Forgets commands whose answers are no longer repeated, once an hour.
async fn forget(log: Arc<dyn EventLog>, clock: Clock, stop: CancellationToken) {
    loop {
        match log.prune_commands(clock.now() - COMMANDS_KEPT).await {
            Ok(0) => {}
            Ok(forgotten) => tracing::info!(log = log.name(), forgotten, "old commands were forgotten"),
            Err(error) => tracing::warn!(log = log.name(), %error, "old commands could not be forgotten"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_hours(1)) => {}
        }
    }
}
