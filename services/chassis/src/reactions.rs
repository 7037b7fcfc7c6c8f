//! When X then Y. A reaction sees another log's (or its own) records and sends commands to its own service. It has no memory:
//! its commands' ids derive from (consumer, log, position), so a record delivered again changes nothing.

use std::{
    collections::{HashMap, HashSet},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use async_trait::async_trait;
use futures::{FutureExt as _, StreamExt as _, stream};
use proto::event::v1::consumer::State;
use tokio::{sync::watch, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument as _;

use crate::{
    Call, Failure, Feed, Record,
    call::Fingerprinter,
    consumers::{Consumers, Progress},
    disk::passes,
    feed::unreachable,
    lease::{Lead, Lease},
    museum::Bug,
    telemetry,
};

/// How far they are.
mod checkpoints;
#[cfg(test)]
mod tests;

pub(crate) use checkpoints::{Checkpoint, Checkpoints};

#[async_trait]
pub trait Reaction: Send + Sync + 'static {
    /// The logs whose records it wants.
    fn sources(&self) -> &'static [&'static str];
    /// Whether a record calls for anything; most do not, and cost nothing more.
    fn wants(&self, _record: &Record) -> bool {
        true
    }
    /// Sees records together before it reacts to each, to read at once what their decisions need. Only an economy: what fails
    /// here fails again where it is needed.
    async fn foresee(&self, _records: &[&Record]) -> Result<(), Failure> {
        Ok(())
    }
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
    /// Which replica reacts; the others see how far it is.
    pub(crate) lease: Lease,
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
            lease: setup.lease.clone(),
            progress,
            kept: Kept { position: checkpoint.position, at: None },
            checkpoint,
            done: HashSet::new(),
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
/// What takes longer has failed: standing still without a word is worse.
const LONGEST: Duration = Duration::from_secs(30);

struct Follower {
    consumer: String,
    reaction: Arc<dyn Reaction>,
    source: Arc<dyn Feed>,
    checkpoints: Checkpoints,
    fingerprinter: Fingerprinter,
    lease: Lease,
    progress: Arc<Progress>,
    /// Everything up to here was reacted to.
    checkpoint: Checkpoint,
    kept: Kept,
    /// Beyond the checkpoint, while an earlier record fails. Reacting to them again would change nothing either.
    done: HashSet<u64>,
}

/// The last checkpoint that was kept.
struct Kept {
    position: u64,
    /// None before the first one.
    at: Option<Instant>,
}

/// Between two checkpoints of a follower that always finds more: each is a commit of its own.
const KEEPING: Duration = Duration::from_millis(200);

/// A record that was not reacted to; nor were the later ones of the same person.
struct Failed {
    position: u64,
    error: anyhow::Error,
}

impl Follower {
    async fn run(mut self, stop: CancellationToken) {
        self.follow(&stop).await;
        let source = self.source.source().to_owned();
        if self.lease.leads()
            && let Err(error) = self.keep(&source).await
        {
            tracing::warn!(error = format!("{error:#}"), source, "what was reacted to last is reacted to again");
        }
    }

    async fn follow(&mut self, stop: &CancellationToken) {
        let mut wake = self.source.wake();
        let mut lead = self.lease.watch();
        // In which the remembered checkpoint holds.
        let mut term = None;
        let mut tries = 0;
        loop {
            let now = lead.borrow_and_update().clone();
            if term.as_ref() != Some(&now) {
                term = tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    term = self.until_leading(now, &mut lead) => term,
                };
                continue;
            }
            wake.mark_unchanged();
            let before = self.checkpoint.position;
            let step = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                step = self.step() => step,
            };
            match step {
                // Another replica leads by now: it does what is to be done.
                _ if !self.lease.leads() => {}
                Ok(0) => {
                    tries = 0;
                    // No record will tell that a failure is over.
                    if self.progress.standing().failing_since.is_some() && !Bug::FailureThatStays.is_back() {
                        self.progress.reached(self.checkpoint.position, 0);
                    }
                    tokio::select! {
                        () = stop.cancelled() => return,
                        _ = wake.changed() => {}
                        () = tokio::time::sleep(Duration::from_secs(1)) => {}
                    }
                }
                Ok(records) => {
                    tries = 0;
                    if records < BATCH {
                        tokio::select! {
                            () = stop.cancelled() => return,
                            () = self.progress.company() => {}
                        }
                    }
                }
                Err(error) => {
                    tries = if self.checkpoint.position > before { 1 } else { tries + 1 };
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = self.recover(&mut tries, &error) => {}
                    }
                }
            }
        }
    }

    /// One look at how far the replica is that leads; the new term, once this one does.
    async fn until_leading(&mut self, now: Lead, lead: &mut watch::Receiver<Lead>) -> Option<Lead> {
        match self.checkpoints.read(&self.consumer, self.source.source()).await {
            Ok(checkpoint) => {
                self.kept = Kept { position: checkpoint.position, at: None };
                self.checkpoint = checkpoint;
                self.done.clear();
                self.progress.reached(self.checkpoint.position, 0);
                if matches!(now, Lead::Here { .. }) {
                    return Some(now);
                }
            }
            Err(error) => self.progress.failing(State::Retrying, &format!("{error:#}")),
        }
        self.progress.glance(lead).await;
        None
    }

    async fn recover(&mut self, tries: &mut u32, error: &anyhow::Error) {
        let text = format!("{error:#}");
        let other_log = error.is::<OtherLog>();
        // A source that is away, or a full disk, is no reason to stand still once that is over.
        if passes(error) || (*tries < TRIES && !other_log) {
            tracing::warn!(error = text, consumer = self.consumer, tries, "a reaction fails and is tried again");
            self.progress.failing(State::Retrying, &text);
            tokio::time::sleep(Duration::from_millis(50 << (*tries).min(6))).await;
            return;
        }
        tracing::error!(error = text, consumer = self.consumer, "reactions halted: mend the cause, then resume");
        let mut resumes = self.progress.resumes();
        self.progress.failing(State::Halted, &text);
        drop(resumes.changed().await);
        if other_log {
            self.checkpoint = Checkpoint::default();
            self.done.clear();
        }
        self.progress.failing(State::Retrying, "");
        *tries = 0;
    }

    /// Reacts to the next batch; 0 where there is none.
    async fn step(&mut self) -> anyhow::Result<usize> {
        let name = self.source.source().to_owned();
        let after = self.checkpoint.position;
        let records = self.source.read(after, BATCH).await.map_err(unreachable).context("reading the source")?;
        let log_id = match records.first() {
            Some(first) => first.log_id.clone(),
            // Restored from an older backup, a log may be shorter than what was seen of it.
            None => self.source.head().await.map_err(unreachable)?.log_id,
        };
        if !self.checkpoint.log_id.is_empty() && self.checkpoint.log_id != log_id {
            return Err(OtherLog(name).into());
        }
        let (Some(first), Some(last)) = (records.first(), records.last()) else {
            self.keep(&name).await?;
            return Ok(0);
        };
        anyhow::ensure!(first.position == after + 1, "the log {name} has a hole: {} follows {after}", first.position);
        let due = |record: &&Record| !self.done.contains(&record.position) && self.reaction.wants(record);
        let due: Vec<&Record> = records.iter().map(|record| &**record).filter(due).collect();
        if !due.is_empty()
            && let Ok(Err(error)) = tokio::time::timeout(LONGEST, self.reaction.foresee(&due)).await
        {
            tracing::debug!(error = format!("{:#}", anyhow::Error::new(error)), source = name, "nothing was foreseen");
        }
        let mut by_person: HashMap<&str, Vec<&Record>> = HashMap::new();
        for record in due {
            let key = if record.subject_id.is_empty() { &record.stream_id } else { &record.subject_id };
            by_person.entry(key).or_default().push(record);
        }
        let mut reacting = Vec::with_capacity(by_person.len());
        for records in by_person.into_values() {
            reacting.push(self.react_in_order(records));
        }
        // All to their end, also where one fails: a stranger's trouble is no reason to leave somebody barred, or free.
        let outcomes: Vec<(Vec<u64>, Option<Failed>)> =
            stream::iter(reacting).buffer_unordered(SIDE_BY_SIDE).collect().await;
        let mut failed: Option<Failed> = None;
        for (done, failure) in outcomes {
            self.done.extend(done);
            if let Some(failure) = failure
                && failed.as_ref().is_none_or(|first| failure.position < first.position)
            {
                failed = Some(failure);
            }
        }
        let reached = failed.as_ref().map_or(last.position, |failed| failed.position - 1);
        if reached > after {
            self.checkpoint = Checkpoint { log_id, position: reached };
            self.done.retain(|position| *position > reached);
            self.progress.reached(reached, 0);
            if self.kept.at.is_none_or(|at| at.elapsed() >= KEEPING) {
                self.keep(&name).await?;
            }
        }
        match failed {
            Some(failed) => Err(failed.error),
            None => Ok(records.len()),
        }
    }

    async fn keep(&mut self, source: &str) -> anyhow::Result<()> {
        if self.kept.position != self.checkpoint.position {
            self.checkpoints.write(&self.consumer, source, &self.checkpoint).await?;
            self.kept = Kept { position: self.checkpoint.position, at: Some(Instant::now()) };
        }
        Ok(())
    }

    /// One person's records, up to the first that fails.
    async fn react_in_order(&self, records: Vec<&Record>) -> (Vec<u64>, Option<Failed>) {
        let mut done = Vec::with_capacity(records.len());
        for record in records {
            let Record { r#type, position, log, .. } = record;
            let span = tracing::info_span!("react", consumer = self.consumer, source = log, r#type, position);
            telemetry::continue_trace(&span, &record.traceparent);
            if let Err(error) = self.react(record).instrument(span).await {
                let error = error.context(format!("reacting to {type} at position {position} of {log}"));
                return (done, Some(Failed { position: *position, error }));
            }
            done.push(*position);
        }
        (done, None)
    }

    async fn react(&self, record: &Record) -> anyhow::Result<()> {
        let mut call = Call::reaction(&self.consumer, record, &self.fingerprinter);
        let here = telemetry::traceparent_of_current();
        if !here.is_empty() {
            call.traceparent = here;
        }
        // A follower that panics would stand still and nobody would hear of it.
        let reacted = AssertUnwindSafe(self.reaction.react(record, &call)).catch_unwind();
        match tokio::time::timeout(LONGEST, reacted).await {
            Ok(Ok(reacted)) => Ok(reacted?),
            Ok(Err(_)) => bail!("the reaction panicked"),
            Err(_) => bail!("the reaction did not end within {} s", LONGEST.as_secs()),
        }
    }
}

/// The source is another log than the one that was followed.
#[derive(Debug, thiserror::Error)]
#[error("the log {0} is another one than before (restored or made anew): resume to react to it from its first record")]
struct OtherLog(String);
