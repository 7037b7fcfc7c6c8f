//! When X then Y. A reaction sees another log's (or its own) records and sends commands to its own service. It has no memory:
//! its commands' ids derive from (consumer, log, position), so a record delivered again changes nothing.

use std::{collections::HashMap, path::Path, sync::Arc, time::Duration};

use anyhow::Context as _;
use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use proto::event::v1::consumer::State;
use sqlx::{AnyConnection, Connection as _, Executor as _, Row as _};
use tokio::sync::Mutex;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Call, Failure, Feed, Record,
    call::Fingerprinter,
    consumers::{Consumers, Progress},
};

#[async_trait]
pub trait Reaction: Send + Sync + 'static {
    /// The logs whose records it wants.
    fn sources(&self) -> &'static [&'static str];
    /// Does what the record calls for, by commands with `call` or derived from it. An error is tried again; what stays an
    /// error halts the reactions with an alarm, since skipping one would leave somebody barred, or free.
    async fn react(&self, record: &Record, call: &Call) -> Result<(), Failure>;
}

/// What one service's reactions stand on.
pub(crate) struct Setup {
    pub(crate) service: String,
    pub(crate) reaction: Arc<dyn Reaction>,
    pub(crate) sources: Vec<Arc<dyn Feed>>,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) consumers: Consumers,
    pub(crate) fingerprinter: Fingerprinter,
    pub(crate) tracker: TaskTracker,
    pub(crate) stop: CancellationToken,
}

/// Starts following every source.
pub(crate) async fn start(setup: Setup) -> anyhow::Result<()> {
    let consumer = format!("{}/reactions", setup.service);
    for source in setup.sources {
        let checkpoint = setup.checkpoints.read(&consumer, source.source()).await?;
        let progress = setup.consumers.enter(&consumer, source.source(), checkpoint.position);
        let follower = Follower {
            consumer: consumer.clone(),
            reaction: Arc::clone(&setup.reaction),
            source,
            checkpoints: setup.checkpoints.clone(),
            fingerprinter: setup.fingerprinter.clone(),
            progress,
            checkpoint,
        };
        setup.tracker.spawn(follower.run(setup.stop.clone()));
    }
    Ok(())
}

/// Records taken at once; those of one person stay in order, different persons' go side by side.
const BATCH: usize = 256;
const SIDE_BY_SIDE: usize = 64;
/// A record that fails this often halts the reactions.
const TRIES: u32 = 5;

struct Follower {
    consumer: String,
    reaction: Arc<dyn Reaction>,
    source: Arc<dyn Feed>,
    checkpoints: Checkpoints,
    fingerprinter: Fingerprinter,
    progress: Arc<Progress>,
    checkpoint: Checkpoint,
}

impl Follower {
    async fn run(mut self, stop: CancellationToken) {
        let mut wake = self.source.wake();
        let mut tries = 0;
        loop {
            wake.mark_unchanged();
            let step = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                step = self.step() => step,
            };
            match step {
                Ok(0) => {
                    tries = 0;
                    tokio::select! {
                        () = stop.cancelled() => return,
                        _ = wake.changed() => {}
                        () = tokio::time::sleep(Duration::from_secs(1)) => {}
                    }
                }
                Ok(_) => tries = 0,
                Err(error) => {
                    tries += 1;
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = self.recover(&mut tries, &error) => {}
                    }
                }
            }
        }
    }

    async fn recover(&self, tries: &mut u32, error: &anyhow::Error) {
        let text = format!("{error:#}");
        if *tries < TRIES {
            tracing::warn!(error = text, consumer = self.consumer, tries, "a reaction fails and is tried again");
            self.progress.failing(State::Retrying, &text);
            tokio::time::sleep(Duration::from_millis(50 << *tries)).await;
            return;
        }
        tracing::error!(error = text, consumer = self.consumer, "reactions halted: mend the cause, then resume");
        self.progress.failing(State::Halted, &text);
        self.progress.resumed().await;
        self.progress.failing(State::Retrying, "");
        *tries = 0;
    }

    /// Reacts to the next batch; 0 where there is none.
    async fn step(&mut self) -> anyhow::Result<usize> {
        let records = self.source.read(self.checkpoint.position, BATCH).await.context("reading the source")?;
        let Some(last) = records.last() else { return Ok(0) };
        if !self.checkpoint.log_id.is_empty() && self.checkpoint.log_id != last.log_id {
            anyhow::bail!(
                "the log {} is another one than before (restored or made anew): an operator must decide",
                self.source.source()
            );
        }
        let mut by_person: HashMap<&str, Vec<&Record>> = HashMap::new();
        for record in &records {
            let key = if record.subject_id.is_empty() { &record.stream_id } else { &record.subject_id };
            by_person.entry(key).or_default().push(record);
        }
        let mut reacting = Vec::with_capacity(by_person.len());
        for records in by_person.into_values() {
            reacting.push(self.react(records));
        }
        stream::iter(reacting)
            .buffer_unordered(SIDE_BY_SIDE)
            .try_collect::<()>()
            .await?;
        let checkpoint = Checkpoint { log_id: last.log_id.clone(), position: last.position };
        self.checkpoints.write(&self.consumer, self.source.source(), &checkpoint).await?;
        self.checkpoint = checkpoint;
        self.progress.reached(self.checkpoint.position, 0);
        Ok(records.len())
    }

    async fn react(&self, records: Vec<&Record>) -> anyhow::Result<()> {
        for record in records {
            let call = Call::reaction(&self.consumer, record, &self.fingerprinter);
            self.reaction.react(record, &call).await.with_context(|| {
                format!("reacting to {} at position {} of {}", record.r#type, record.position, record.log)
            })?;
        }
        Ok(())
    }
}

/// Up to where a log's records were reacted to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Checkpoint {
    log_id: String,
    position: u64,
}

/// The checkpoints of a service's reactions. One that is lost or old is no harm: reacting again changes nothing.
#[derive(Clone)]
pub(crate) struct Checkpoints(Arc<Mutex<AnyConnection>>);

impl Checkpoints {
    pub(crate) async fn open(path: &Path) -> anyhow::Result<Self> {
        sqlx::any::install_default_drivers();
        let opening = || format!("opening the reactions' checkpoints {}", path.display());
        let url = format!("sqlite://{}?mode=rwc", path.display());
        let mut connection = AnyConnection::connect(&url).await.with_context(opening)?;
        connection
            .execute(sqlx::raw_sql(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000;
                 CREATE TABLE IF NOT EXISTS checkpoint (consumer TEXT NOT NULL, source TEXT NOT NULL, log_id TEXT NOT NULL,
                   position BIGINT NOT NULL, PRIMARY KEY (consumer, source));",
            ))
            .await
            .with_context(opening)?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    async fn read(&self, consumer: &str, source: &str) -> anyhow::Result<Checkpoint> {
        let row = sqlx::query("SELECT log_id, position FROM checkpoint WHERE consumer = $1 AND source = $2")
            .bind(consumer.to_owned())
            .bind(source.to_owned())
            .fetch_optional(&mut *self.0.lock().await)
            .await
            .context("reading a checkpoint")?;
        Ok(row.map_or_else(Checkpoint::default, |row| Checkpoint {
            log_id: row.get(0),
            position: u64::try_from(row.get::<i64, _>(1)).unwrap_or(0),
        }))
    }

    async fn write(&self, consumer: &str, source: &str, checkpoint: &Checkpoint) -> anyhow::Result<()> {
        sqlx::query(
            "INSERT INTO checkpoint (consumer, source, log_id, position) VALUES ($1, $2, $3, $4)
             ON CONFLICT (consumer, source) DO UPDATE SET log_id = excluded.log_id, position = excluded.position",
        )
        .bind(consumer.to_owned())
        .bind(source.to_owned())
        .bind(checkpoint.log_id.clone())
        .bind(i64::try_from(checkpoint.position).context("a position fits into 63 bits")?)
        .execute(&mut *self.0.lock().await)
        .await
        .context("moving a checkpoint")?;
        Ok(())
    }
}
