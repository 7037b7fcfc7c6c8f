//! Read models: what a service shows, made from its own log and others' and never the truth. All projections of a service
//! live in one generation and move together, one transaction per batch with the checkpoint in it; so a generation is at
//! one position of each source, whatever the crash point and the redelivery. A rebuild fills a new generation beside the
//! live one and takes its place once it has caught up.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use anyhow::anyhow;
use async_trait::async_trait;
use sqlx::{Any, AnyConnection, pool::PoolConnection};
use tokio::{sync::Mutex, task::JoinHandle, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::Status;

use crate::{
    Call, Feed, Kind, Ledger, Record, Refusal,
    consumers::{Consumers, Progress},
    lease::Lease,
};
use generation::Generation;

/// From the beginning to the head.
mod filling;
/// From record to record.
mod follow;
/// The tables.
mod generation;
/// What could not be applied.
mod parked;
/// Where generations lie.
mod shelf;
/// What a replica does that does not lead.
mod replica;
/// Rows that go in together.
mod tables;
#[cfg(test)]
mod tests;

pub use parked::Parked;
pub use shelf::Shelf;
pub use tables::{Tables, Value};

/// A view of one or several logs. It decides nothing and can be dropped.
#[async_trait]
pub trait Projection: Send + Sync + 'static {
    fn name(&self) -> &'static str;
    /// Raised when `schema` or `apply` change: a new generation is built.
    fn version(&self) -> u32;
    /// `CREATE TABLE` and `CREATE INDEX` statements in the SQL that SQLite and PostgreSQL share, separated by `;`.
    fn schema(&self) -> &'static str;
    /// The logs that it listens to.
    fn sources(&self) -> &'static [&'static str];
    /// Puts one record into the tables. The checkpoint moves in the same transaction.
    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()>;
}

/// What happens to a record that cannot be applied after five tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// Nothing after it is applied until an operator resumes: for services that decide.
    Halt,
    /// It and the later ones of its stream are laid aside: for statistics.
    Park,
}

/// The read models of one service.
#[derive(Clone)]
pub struct Views {
    inner: Arc<Inner>,
}

struct Inner {
    service: String,
    shelf: Shelf,
    projections: Vec<Box<dyn Projection>>,
    sources: Vec<Arc<dyn Feed>>,
    on_failure: OnFailure,
    consumers: Consumers,
    ledger: Option<Ledger>,
    lease: Lease,
    tracker: TaskTracker,
    stop: CancellationToken,
    live: RwLock<Arc<Generation>>,
    /// Those of the live generation. Whoever holds them is the only one to rebuild.
    followers: Mutex<Vec<JoinHandle<()>>>,
}

/// What a service's views are made of.
pub struct Setup {
    pub service: String,
    /// Where the generations lie.
    pub shelf: Shelf,
    pub projections: Vec<Box<dyn Projection>>,
    pub sources: Vec<Arc<dyn Feed>>,
    pub on_failure: OnFailure,
    pub consumers: Consumers,
    /// The service's own ledger, where it has one: what its reactions have written is waited for too.
    pub ledger: Option<Ledger>,
    /// Which replica moves the read models; the others watch them move.
    pub lease: Lease,
    pub tracker: TaskTracker,
    pub stop: CancellationToken,
}

/// How long a query waits for the views to see what its caller has seen.
const PATIENCE: Duration = Duration::from_secs(2);

/// How far behind a new generation may be when it takes over; the rest follows within a batch.
const CAUGHT_UP: u64 = 100;

/// The tables for one call. Nobody waits for them before they are needed.
pub struct Reading<'a> {
    views: &'a Views,
    call: &'a Call,
    connection: Option<PoolConnection<Any>>,
}

impl Reading<'_> {
    /// A connection, as [`Views::read`] gives it.
    pub async fn db(&mut self) -> Result<&mut AnyConnection, Status> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.views.read(self.call).await?,
        };
        Ok(self.connection.insert(connection))
    }

    /// What the caller has seen of a log.
    pub fn seen(&self, source: &str) -> u64 {
        self.call.after.get(source).copied().unwrap_or_default()
    }
}

impl Views {
    /// Opens the live generation, or starts a new one where the projections have changed.
    pub async fn open(setup: Setup) -> anyhow::Result<Self> {
        setup.shelf.prepare()?;
        let fingerprint = fingerprint(&setup.projections);
        let opening = setup.shelf.opening().await?;
        let live = match Generation::open(&setup.shelf, &fingerprint).await? {
            Some(live) => live,
            None => Generation::create(&setup.shelf, &fingerprint, &setup.projections, true).await?,
        };
        opening.done().await;
        // Another replica may be reading an older one, or filling a newer one: those go with its next rebuild.
        if !setup.shelf.is_shared() {
            setup.shelf.drop_others(live.number).await;
        }
        let live = Arc::new(live);
        let inner = Inner {
            service: setup.service,
            shelf: setup.shelf,
            projections: setup.projections,
            sources: setup.sources,
            on_failure: setup.on_failure,
            consumers: setup.consumers,
            ledger: setup.ledger,
            lease: setup.lease,
            tracker: setup.tracker,
            stop: setup.stop,
            live: RwLock::new(Arc::clone(&live)),
            followers: Mutex::default(),
        };
        let views = Self { inner: Arc::new(inner) };
        let mut followers = views.inner.followers.lock().await;
        for source in &views.inner.sources {
            let mut writer = live.writer.lock().await;
            let position = writer.checkpoint(source.source()).await?.position;
            let parked = parked::count(&mut writer.db, source.source()).await?;
            drop(writer);
            let progress = views.inner.consumers.enter(&views.consumer(), source.source(), position);
            progress.reached(position, parked);
            followers.push(views.follow(&live, source, progress));
        }
        drop(followers);
        if views.inner.shelf.is_shared() {
            views.inner.tracker.spawn(replica::adopt(views.clone(), fingerprint));
        }
        Ok(views)
    }

    /// A connection to the tables, once they have seen what the caller has seen. Refuses with `UNAVAILABLE` when they
    /// cannot within two seconds.
    pub async fn read(&self, call: &Call) -> Result<PoolConnection<Any>, Status> {
        if !call.after.is_empty() {
            self.caught_up(call).await?;
        }
        // A generation that takes over meanwhile has seen no less.
        self.connection().await
    }

    /// The same where the tables may not be needed at all: for questions that memory answers for the most part.
    pub fn reading<'a>(&'a self, call: &'a Call) -> Reading<'a> {
        Reading { views: self, call, connection: None }
    }

    /// A connection to the tables as they are.
    pub async fn connection(&self) -> Result<PoolConnection<Any>, Status> {
        self.live().readers.acquire().await.map_err(|error| {
            tracing::error!(error = format!("{error:#}"), service = self.inner.service, "the views cannot be read");
            behind(&self.inner.service)
        })
    }

    /// How far the live generation is in each source.
    pub fn progress(&self) -> Vec<Arc<Progress>> {
        let consumer = self.consumer();
        let sources = self.inner.sources.iter();
        sources.filter_map(|source| self.inner.consumers.find(&consumer, source.source())).collect()
    }

    /// What was laid aside of a source, the oldest first.
    pub async fn parked(&self, source: &str, limit: i64) -> anyhow::Result<Vec<Parked>> {
        self.live().parked(source, limit).await
    }

    /// Builds everything anew beside the live generation, then switches. Returns the new generation's number and how many
    /// records it took. When it fails, the live one stays.
    pub async fn rebuild(&self) -> anyhow::Result<(u32, u64)> {
        let mut followers = self.inner.followers.lock().await;
        // What an earlier rebuild replaced has been kept until now for those who were still reading it.
        self.inner.shelf.drop_others(self.live().number).await;
        let fingerprint = fingerprint(&self.inner.projections);
        let new = Generation::create(&self.inner.shelf, &fingerprint, &self.inner.projections, false).await?;
        let new = Arc::new(new);
        let filled = self.inner.stop.run_until_cancelled(self.fill(&new)).await;
        let filled = filled.unwrap_or_else(|| Err(anyhow!("the process ends before the read models are built")));
        let rebuilt = match filled {
            Ok(records) => self.switch(&new, &mut followers).await.map(|more| (new.number, records + more)),
            Err(error) => Err(error),
        };
        let Ok((generation, records)) = rebuilt else {
            if let Some(new) = Arc::into_inner(new) {
                new.close().await;
            }
            self.inner.shelf.drop_others(self.live().number).await;
            return rebuilt;
        };
        tracing::info!(service = self.inner.service, generation, records, "read models were built anew");
        Ok((generation, records))
    }

    /// Until it is near the head of every source: while one is read, the others go on.
    async fn fill(&self, new: &Generation) -> anyhow::Result<u64> {
        let mut records = 0;
        loop {
            let mut most = 0;
            for source in &self.inner.sources {
                let taken = filling::catch_up(&self.inner, new, source, CAUGHT_UP).await?;
                most = most.max(taken);
                records += taken;
            }
            if most <= follow::BATCH as u64 {
                return Ok(records);
            }
        }
    }

    /// Nothing moves in the old generation until the new one has seen all that the old one has and has taken its place: so
    /// nobody who was told that a record is there to read ever misses it.
    async fn switch(&self, new: &Arc<Generation>, followers: &mut Vec<JoinHandle<()>>) -> anyhow::Result<u64> {
        let old = self.live();
        let mut held = old.writer.lock().await;
        let (mut records, mut standings) = (0, Vec::new());
        for source in &self.inner.sources {
            let aside = Progress::aside(&self.inner.service, source.source());
            let goal = held.checkpoint(source.source()).await?;
            let mut reached = new.checkpoint(source.source()).await?;
            // After a restore the old one stands in a log that is no more.
            let comparable = reached.log_id.is_empty() || reached.log_id == goal.log_id;
            while comparable && reached.position < goal.position {
                let taken = follow::step(&self.inner, new, &**source, &aside, true).await?;
                anyhow::ensure!(taken > 0, "the log {} ends before position {}", source.source(), goal.position);
                records += taken;
                reached = new.checkpoint(source.source()).await?;
            }
            let parked = parked::count(&mut new.writer.lock().await.db, source.source()).await?;
            standings.push((reached.position, parked));
        }
        new.make_live().await?;
        self.show(new);
        drop(held);
        self.follow_anew(new, standings, followers).await;
        Ok(records)
    }

    /// From now on queries read this generation, and nothing moves the one before.
    fn show(&self, new: &Arc<Generation>) {
        let old = self.live();
        *self.inner.live.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(new);
        old.retired.cancel();
    }

    /// `standings`: how far it is in each source, and what it has parked.
    async fn follow_anew(
        &self,
        new: &Arc<Generation>,
        standings: Vec<(u64, u64)>,
        followers: &mut Vec<JoinHandle<()>>,
    ) {
        // The last word about the progress is the new one's.
        for follower in followers.drain(..) {
            drop(follower.await);
        }
        for (source, (position, parked)) in self.inner.sources.iter().zip(standings) {
            // Those who wait at it for a record go on waiting, now for the new generation.
            let entered = self.inner.consumers.find(&self.consumer(), source.source());
            let progress = entered.unwrap_or_else(|| self.inner.consumers.enter(&self.consumer(), source.source(), 0));
            progress.reached(position, parked);
            followers.push(self.follow(new, source, progress));
        }
    }

    fn consumer(&self) -> String {
        format!("{}/views", self.inner.service)
    }

    fn live(&self) -> Arc<Generation> {
        Arc::clone(&self.inner.live.read().unwrap_or_else(PoisonError::into_inner))
    }

    async fn caught_up(&self, call: &Call) -> Result<(), Status> {
        let until = Instant::now() + PATIENCE;
        let consumer = self.consumer();
        let mut seen = call.after.clone();
        if let Some(ledger) = &self.inner.ledger
            && ledger.is_of_others(&call.after)
        {
            // What this service did about the others' news is in its own log: read as far as that.
            // It may be that it cannot do anything about it: that must leave time for the views.
            ledger.settle_until(&call.after, until - PATIENCE / 4).await;
            let head = ledger.log().head().await.map_err(|error| Status::from(crate::Failure::from(error)))?;
            seen.insert(ledger.log().name().to_owned(), head.position);
        }
        for (source, position) in &seen {
            if let Some(progress) = self.inner.consumers.find(&consumer, source)
                && !progress.wait_for(*position, until).await
            {
                return Err(behind(&self.inner.service));
            }
        }
        Ok(())
    }

    fn follow(&self, generation: &Arc<Generation>, source: &Arc<dyn Feed>, progress: Arc<Progress>) -> JoinHandle<()> {
        let follower = follow::Follower {
            views: Arc::clone(&self.inner),
            generation: Arc::clone(generation),
            source: Arc::clone(source),
            progress,
        };
        self.inner.tracker.spawn(follower.run())
    }
}

/// Of the tables that every generation has: raised when they change.
const LAYOUT: u32 = 2;

/// Names and versions: another set of projections needs another generation.
fn fingerprint(projections: &[Box<dyn Projection>]) -> String {
    let versions: Vec<String> = projections.iter().map(|p| format!("{} {}", p.name(), p.version())).collect();
    format!("{LAYOUT}\n{}", versions.join("\n"))
}

fn behind(service: &str) -> Status {
    Refusal::new(
        Kind::Unavailable,
        "VIEWS_BEHIND",
        "查询数据正在更新：请稍候重试；如果持续出现，请管理员运行 mifeng doctor",
        "the read models are still catching up: retry in a moment; if it stays so, have the administrator run `mifeng doctor`",
    )
    .about("service", service)
    .into()
}
