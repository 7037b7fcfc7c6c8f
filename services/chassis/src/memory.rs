//! What every replica of a service remembers of the logs, folded from their first records at each start and followed from then
//! on: for answers that may wait for no database. It decides nothing. Invariants: each record is taken once and in the order of
//! its log, and `ready` comes only after the heads that the logs had when it began, at the start or anew. While it is made, the
//! logs go in side by side by the times of their records; a source that is away holds nobody back for long.

/// The logs side by side.
mod lanes;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use proto::event::v1::consumer::State;
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::Status;

use crate::{
    Call, Feed, Kind, Ledger, Parked, Record, Refusal,
    consumers::{Consumers, Progress},
};
use lanes::Lanes;

/// A fold of one or several logs.
pub trait Memory: Send + Sync + 'static {
    /// The logs that it listens to.
    fn sources(&self) -> &'static [&'static str];
    /// Takes in one record. One that it cannot read must leave it as it was: it is tried again.
    fn take(&self, record: &Arc<Record>) -> anyhow::Result<()>;
    /// A log was restored or made anew: nothing counts that was taken in, and all of them come again from their beginnings.
    fn forget(&self);
    /// How many records of a source it has passed over because they, or earlier ones of their streams, cannot be read.
    fn laid_aside(&self, _source: &str) -> u64 {
        0
    }
    /// The first of them.
    fn parked(&self, _source: &str, _most: usize) -> Vec<Parked> {
        Vec::new()
    }
}

/// How far the memory of a service is.
#[derive(Clone)]
pub struct Remembered {
    service: String,
    ledger: Ledger,
    sources: Vec<Followed>,
}

#[derive(Clone)]
struct Followed {
    progress: Arc<Progress>,
    /// Its lane.
    number: usize,
    lanes: Arc<Lanes>,
}

/// What a memory stands on.
pub(crate) struct Setup {
    pub(crate) service: String,
    pub(crate) memory: Arc<dyn Memory>,
    pub(crate) sources: Vec<Arc<dyn Feed>>,
    pub(crate) ledger: Ledger,
    pub(crate) consumers: Consumers,
    pub(crate) tracker: TaskTracker,
    pub(crate) stop: CancellationToken,
}

/// Records of one read.
const BATCH: usize = 2_000;

/// How long a query waits for the memory to know what its caller has seen.
const PATIENCE: Duration = Duration::from_secs(2);

/// Starts following every source.
pub(crate) fn start(setup: Setup) -> Remembered {
    let Setup { service, memory, sources, ledger, consumers, tracker, stop } = setup;
    let consumer = format!("{service}/memory");
    let lanes = Lanes::new(memory, sources.len());
    let mut followed = Vec::new();
    for (number, source) in sources.into_iter().enumerate() {
        let progress = consumers.enter(&consumer, source.source(), 0);
        let begun = Followed { progress, number, lanes: Arc::clone(&lanes) };
        followed.push(begun.clone());
        let follower = Follower { source, followed: begun, log_id: String::new() };
        let stop = stop.clone();
        tracker.spawn(async move {
            stop.run_until_cancelled(follower.run()).await;
        });
    }
    Remembered { service, ledger, sources: followed }
}

impl Remembered {
    /// The same memory for answers that follow from this log alone: they wait for no other one.
    #[must_use]
    pub fn of(&self, source: &str) -> Self {
        let sources = self.sources.iter().filter(|followed| followed.progress.source == source);
        Self { sources: sources.cloned().collect(), ..self.clone() }
    }

    /// Whether it knows all that the logs held when this process started, or when it began anew.
    pub fn ready(&self) -> bool {
        self.sources.iter().all(|followed| followed.lanes.known(followed.number))
    }

    /// Waits for as long at most until it is [ready](Self::ready): for questions that can wait while a process starts.
    pub async fn made(&self, patience: Duration) {
        let until = Instant::now() + patience;
        while !self.ready() && Instant::now() < until {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until it knows what the caller has seen, and what this service did about it. Refuses with `MEMORY_BEHIND` when
    /// that takes more than two seconds.
    pub async fn caught_up(&self, call: &Call) -> Result<(), Status> {
        if !self.ready() {
            return Err(behind(&self.service));
        }
        if call.after.is_empty() {
            return Ok(());
        }
        let until = Instant::now() + PATIENCE;
        let mut seen = call.after.clone();
        if self.ledger.is_of_others(&seen) {
            self.ledger.settle_until(&call.after, until - PATIENCE / 4).await;
            let own = self.ledger.log();
            let head = own.head().await.map_err(|error| Status::from(crate::Failure::from(error)))?;
            seen.insert(own.name().to_owned(), head.position);
        }
        for Followed { progress, .. } in &self.sources {
            if let Some(position) = seen.get(&progress.source)
                && !progress.wait_for(*position, until).await
            {
                return Err(behind(&self.service));
            }
        }
        Ok(())
    }
}

/// Moves the memory along one source.
struct Follower {
    source: Arc<dyn Feed>,
    followed: Followed,
    log_id: String,
}

/// How often a lane that waits for the others looks again: one of them may have stopped answering.
const LOOK: Duration = Duration::from_millis(50);

impl Follower {
    async fn run(mut self) {
        let mut wake = self.source.wake();
        let mut resumes = self.followed.progress.resumes();
        let mut failures: u32 = 0;
        loop {
            wake.mark_unchanged();
            match self.step().await {
                Ok(0) => {
                    failures = 0;
                    // A wake-up may be lost: polling is the truth.
                    tokio::select! {
                        _ = wake.changed() => {}
                        // What was laid aside is tried again, and with it all that may have rested on it.
                        Ok(()) = resumes.changed() => self.followed.lanes.begin_anew(),
                        () = tokio::time::sleep(Duration::from_secs(1)) => {}
                    }
                }
                Ok(_) => failures = 0,
                Err(error) => {
                    failures += 1;
                    let (error, consumer) = (format!("{error:#}"), &self.followed.progress.consumer);
                    tracing::warn!(error, consumer, failures, "the memory stands still and tries again");
                    self.followed.progress.failing(State::Retrying, &error);
                    tokio::time::sleep(Duration::from_millis(50 << failures.min(7))).await;
                }
            }
        }
    }

    /// Takes the next batch in; 0 where there is none.
    async fn step(&mut self) -> anyhow::Result<usize> {
        let Followed { progress, number, lanes } = self.followed.clone();
        let (epoch, position) = lanes.reading(number);
        let records = self.source.read(position, BATCH).await.context("reading the source")?;
        let log_id = match records.first() {
            Some(first) => first.log_id.clone(),
            None => self.source.head().await.context("asking for the source's head")?.log_id,
        };
        if self.log_id != log_id {
            let before = std::mem::replace(&mut self.log_id, log_id);
            if !before.is_empty() {
                lanes.forget(epoch);
                return Ok(1);
            }
        }
        let read = records.len();
        lanes.offer(number, epoch, records);
        loop {
            let consumed = lanes.consumed.notified();
            let (standing, taken) = lanes.merge(number, self.source.source());
            // One that fails has failed since its first try, unless it got on in between.
            if taken.is_ok() || standing.position > progress.standing().position {
                progress.reached(standing.position, lanes.memory.laid_aside(self.source.source()));
            }
            taken?;
            if standing.waiting == 0 {
                return Ok(read);
            }
            drop(tokio::time::timeout(LOOK, consumed).await);
        }
    }
}

fn behind(service: &str) -> Status {
    Refusal::new(
        Kind::Unavailable,
        "MEMORY_BEHIND",
        "服务刚启动，正在读取记录：请稍候重试；如果持续出现，请管理员运行 mifeng doctor",
        "the service is still reading its record: retry in a moment; if it stays so, have the administrator run `mifeng doctor`",
    )
    .about("service", service)
    .into()
}
