//! Read models: what a service shows, made from its own log and others' and never the truth. All projections of a service
//! live in one generation and move together, one transaction per batch with the checkpoint in it; so a generation is at
//! one position of each source, whatever the crash point and the redelivery. A rebuild fills a new generation beside the
//! live one and takes its place once it has caught up.

use std::{
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use anyhow::Context as _;
use async_trait::async_trait;
use sqlx::{Any, pool::PoolConnection};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::Status;

use crate::{
    Call, Feed, Kind, Ledger, Record, Refusal,
    consumers::{Consumers, Progress},
};
use generation::Generation;

mod follow;
mod generation;

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
    async fn apply(&self, db: &mut sqlx::AnyConnection, record: &Record) -> anyhow::Result<()>;
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
    folder: PathBuf,
    projections: Vec<Box<dyn Projection>>,
    sources: Vec<Arc<dyn Feed>>,
    on_failure: OnFailure,
    consumers: Consumers,
    ledger: Option<Ledger>,
    tracker: TaskTracker,
    stop: CancellationToken,
    live: RwLock<Arc<Generation>>,
}

/// What a service's views are made of.
pub struct Setup {
    pub service: String,
    /// Where the generations lie, one file each.
    pub folder: PathBuf,
    pub projections: Vec<Box<dyn Projection>>,
    pub sources: Vec<Arc<dyn Feed>>,
    pub on_failure: OnFailure,
    pub consumers: Consumers,
    /// The service's own ledger, where it has one: what its reactions have written is waited for too.
    pub ledger: Option<Ledger>,
    pub tracker: TaskTracker,
    pub stop: CancellationToken,
}

/// How long a query waits for the views to see what its caller has seen.
const PATIENCE: Duration = Duration::from_secs(2);

/// How far behind a new generation may be when it takes over; the rest follows within a batch.
const CAUGHT_UP: u64 = 100;

impl Views {
    /// Opens the live generation, or starts a new one where the projections have changed.
    pub async fn open(setup: Setup) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&setup.folder)
            .with_context(|| format!("making the folder {}", setup.folder.display()))?;
        let fingerprint = fingerprint(&setup.projections);
        let number = generation::newest(&setup.folder)?;
        let kept = match number {
            Some(number) => Generation::open(&setup.folder, number, &fingerprint).await?,
            None => None,
        };
        let live = match kept {
            Some(live) => live,
            None => Generation::create(&setup.folder, number.unwrap_or(0) + 1, &fingerprint, &setup.projections).await?,
        };
        let live = Arc::new(live);
        let inner = Inner {
            service: setup.service,
            folder: setup.folder,
            projections: setup.projections,
            sources: setup.sources,
            on_failure: setup.on_failure,
            consumers: setup.consumers,
            ledger: setup.ledger,
            tracker: setup.tracker,
            stop: setup.stop,
            live: RwLock::new(Arc::clone(&live)),
        };
        let views = Self { inner: Arc::new(inner) };
        views.follow(&live, true).await?;
        generation::drop_others(&views.inner.folder, live.number);
        Ok(views)
    }

    /// A connection to the tables, once they have seen what the caller has seen. Refuses with `UNAVAILABLE` when they
    /// cannot within two seconds.
    pub async fn read(&self, call: &Call) -> Result<PoolConnection<Any>, Status> {
        if !call.after.is_empty() {
            self.caught_up(call).await?;
        }
        self.connection().await
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

    /// Builds everything anew beside the live generation, then switches. Returns the new generation's number and how many
    /// records it took.
    pub async fn rebuild(&self) -> anyhow::Result<(u32, u64)> {
        let fingerprint = fingerprint(&self.inner.projections);
        let number = generation::newest(&self.inner.folder)?.unwrap_or(0) + 1;
        let new = Generation::create(&self.inner.folder, number, &fingerprint, &self.inner.projections).await?;
        let new = Arc::new(new);
        let mut records = 0;
        for source in &self.inner.sources {
            let progress = Progress::aside(&self.consumer(), source.source());
            records += follow::catch_up(&self.inner, &new, source, &progress, CAUGHT_UP).await?;
        }
        let old = self.live();
        old.retired.cancel();
        self.follow(&new, false).await?;
        *self.inner.live.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&new);
        tracing::info!(service = self.inner.service, generation = number, records, "read models were built anew");
        Ok((number, records))
    }

    fn consumer(&self) -> String {
        format!("{}/views", self.inner.service)
    }

    fn live(&self) -> Arc<Generation> {
        Arc::clone(&self.inner.live.read().unwrap_or_else(PoisonError::into_inner))
    }

    async fn caught_up(&self, call: &Call) -> Result<(), Status> {
        let consumer = self.consumer();
        let mut seen = call.after.clone();
        if let Some(ledger) = &self.inner.ledger {
            // What this service did about the others' news is in its own log: read as far as that.
            ledger.settle(&call.after).await;
            let head = ledger.log().head().await.map_err(|error| Status::from(crate::Failure::from(error)))?;
            seen.insert(ledger.log().name().to_owned(), head.position);
        }
        for (source, position) in &seen {
            if let Some(progress) = self.inner.consumers.find(&consumer, source)
                && !progress.wait_for(*position, PATIENCE).await
            {
                return Err(behind(&self.inner.service));
            }
        }
        Ok(())
    }

    async fn follow(&self, generation: &Arc<Generation>, opening: bool) -> anyhow::Result<()> {
        for source in &self.inner.sources {
            let position = generation.checkpoint(source.source()).await?.map_or(0, |checkpoint| checkpoint.position);
            let progress = self.inner.consumers.enter(&self.consumer(), source.source(), position);
            progress.reached(position, generation.parked_of(source.source()).await);
            let follower = follow::Follower {
                views: Arc::clone(&self.inner),
                generation: Arc::clone(generation),
                source: Arc::clone(source),
                progress,
            };
            self.inner.tracker.spawn(follower.run(opening));
        }
        Ok(())
    }
}

/// Names and versions: another set of projections needs another generation.
fn fingerprint(projections: &[Box<dyn Projection>]) -> String {
    let versions: Vec<String> = projections.iter().map(|p| format!("{} {}", p.name(), p.version())).collect();
    versions.join("\n")
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
