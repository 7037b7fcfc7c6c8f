//! Moves one generation along one source. Invariant: a batch's effects and its checkpoint are one transaction, so a record
//! is applied exactly once however often it is delivered.

use std::{collections::HashSet, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use anyhow::{Context as _, anyhow, bail};
use futures::FutureExt as _;
use proto::event::v1::consumer::State;
use sqlx::{AnyConnection, Connection as _};
use tokio::sync::watch;
use tracing::Instrument as _;

use super::{
    Generation, Inner, OnFailure,
    generation::{Checkpoint, Writer},
    parked::{self, stream_of},
    tables::Gathering,
};
use crate::{
    Feed, Record,
    consumers::Progress,
    disk::{is_full, passes},
    feed::unreachable,
    museum::Bug,
    telemetry,
};

/// Records per transaction.
pub(super) const BATCH: usize = 512;
/// A batch that takes longer waits for a store that has gone silent.
const LONGEST: Duration = Duration::from_secs(30);
/// A record that fails this often is halted on, or parked.
pub(super) const TRIES: u32 = 5;

pub(super) struct Follower {
    pub(super) views: Arc<Inner>,
    pub(super) generation: Arc<Generation>,
    pub(super) source: Arc<dyn Feed>,
    pub(super) progress: Arc<Progress>,
}

/// What goes wrong one time after the other.
#[derive(Default)]
struct Failures {
    applying: u32,
    reading: u32,
}

impl Follower {
    pub(super) async fn run(self) {
        let stopped = async {
            tokio::select! {
                () = self.views.stop.cancelled() => {}
                () = self.generation.retired.cancelled() => {}
            }
        };
        tokio::pin!(stopped);
        let mut wake = self.source.wake();
        let mut resumes = self.progress.resumes();
        let mut failures = Failures::default();
        let mut replaying = false;
        let mut lead = self.views.lease.watch();
        // In which what is remembered of the generation holds.
        let mut term = None;
        loop {
            let now = lead.borrow_and_update().clone();
            if term.as_ref() != Some(&now) {
                term = tokio::select! {
                    biased;
                    () = &mut stopped => return,
                    term = self.until_leading(now, &mut lead) => term,
                };
                continue;
            }
            wake.mark_unchanged();
            if resumes.has_changed().unwrap_or(false) {
                resumes.mark_unchanged();
                replaying = true;
            }
            // Dropped in mid-transaction at the end: the generation is not written to any more, and opened again it is
            // where the last commit left it.
            let step = tokio::select! {
                biased;
                () = &mut stopped => return,
                step = self.step(&failures, replaying) => step,
            };
            let pause = match step {
                // Another replica leads by now: it does what is to be done.
                _ if !self.views.lease.leads() => continue,
                Ok(records) => {
                    failures = Failures::default();
                    replaying = false;
                    if records > 0 {
                        if records < BATCH as u64 {
                            tokio::select! {
                                () = &mut stopped => return,
                                () = self.progress.company() => {}
                            }
                        }
                        continue;
                    }
                    // A wake-up may be lost: polling is the truth.
                    Pause::ForMore(Duration::from_secs(1))
                }
                Err(error) => self.failed(&mut failures, &mut resumes, &error),
            };
            tokio::select! {
                () = &mut stopped => return,
                () = pause.over(&mut wake, &mut resumes) => {}
            }
            if self.progress.standing().state == State::Halted {
                failures = Failures::default();
                self.progress.failing(State::Retrying, "");
            }
        }
    }

    async fn step(&self, failures: &Failures, replaying: bool) -> anyhow::Result<u64> {
        if replaying && self.generation.writer.lock().await.parked.of(self.source.source()).is_some() {
            parked::replay(&self.views, &self.generation, &*self.source, &self.progress).await?;
        }
        step(&self.views, &self.generation, &*self.source, &self.progress, failures.applying >= TRIES).await
    }

    fn failed(&self, failures: &mut Failures, resumes: &mut watch::Receiver<u64>, error: &anyhow::Error) -> Pause {
        let text = format!("{error:#}");
        let (service, source) = (&self.views.service, self.source.source());
        // A source that is away, or a full disk, is no reason to stand still once that is over.
        if passes(error) {
            if failures.reading == 0 {
                tracing::warn!(error = text, service, source, "read models wait");
            }
            failures.reading += 1;
            self.progress.failing(State::Retrying, &text);
            return Pause::For(Duration::from_millis(50 << failures.reading.min(6)));
        }
        failures.applying += 1;
        let parks = self.views.on_failure == OnFailure::Park;
        if !error.is::<OtherLog>() && (parks || failures.applying < TRIES) {
            tracing::warn!(error = text, service, source, tries = failures.applying, "read models fail and try again");
            self.progress.failing(State::Retrying, &text);
            return Pause::For(Duration::from_millis(50 << failures.applying.min(6)));
        }
        tracing::error!(
            error = text,
            service,
            source,
            "read models halted: mend the cause, then `mifeng doctor resume`"
        );
        resumes.mark_unchanged();
        self.progress.failing(State::Halted, &text);
        Pause::UntilResumed
    }
}

enum Pause {
    ForMore(Duration),
    For(Duration),
    UntilResumed,
}

impl Pause {
    async fn over(self, wake: &mut watch::Receiver<u64>, resumes: &mut watch::Receiver<u64>) {
        let resumed = async {
            if resumes.changed().await.is_ok() {
                // Seen, not taken: the next round acts on it.
                resumes.mark_changed();
            }
        };
        match self {
            Self::ForMore(time) => {
                tokio::select! {
                    _ = wake.changed() => {}
                    () = tokio::time::sleep(time) => {}
                    () = resumed => {}
                }
            }
            Self::For(time) => {
                tokio::select! {
                    () = tokio::time::sleep(time) => {}
                    () = resumed => {}
                }
            }
            Self::UntilResumed => resumed.await,
        }
    }
}

/// How a batch is applied.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Care {
    /// Rows are gathered: fast, but who of them failed is not known.
    Gather,
    OneByOne,
    /// One by one, and what fails is laid aside.
    Park,
}

/// Applies the next batch; 0 where there is none. `careful`: a record that fails is parked where that is allowed.
pub(super) async fn step(
    views: &Inner,
    generation: &Generation,
    source: &dyn Feed,
    progress: &Progress,
    careful: bool,
) -> anyhow::Result<u64> {
    let records = async |after| read(source, after, BATCH).await;
    step_on(views, generation, source, progress, careful, records).await
}

/// `records`: those behind a position.
pub(super) async fn step_on(
    views: &Inner,
    generation: &Generation,
    source: &dyn Feed,
    progress: &Progress,
    careful: bool,
    records: impl AsyncFnOnce(u64) -> anyhow::Result<Vec<Arc<Record>>>,
) -> anyhow::Result<u64> {
    let checkpoint = generation.checkpoint(source.source()).await?;
    let records = records(checkpoint.position).await?;
    let Some(first) = records.first() else {
        let head = source.head().await.map_err(unreachable)?;
        // Restored from an older backup, a log may be shorter than what was seen of it.
        checkpoint.must_be_of(source.source(), &head.log_id)?;
        // No record will tell that a failure is over, or that a commit which outlived its follower has taken the last ones.
        let standing = progress.standing();
        let over = standing.failing_since.is_some() && !Bug::FailureThatStays.is_back();
        if standing.position < checkpoint.position || over {
            progress.reached(checkpoint.position, standing.parked);
        }
        return Ok(0);
    };
    checkpoint.must_be_of(source.source(), &first.log_id)?;
    if first.position != checkpoint.position + 1 {
        bail!("the log {} has a hole: {} follows {}", source.source(), first.position, checkpoint.position);
    }
    let mut care = if careful && views.on_failure == OnFailure::Park { Care::Park } else { Care::Gather };
    let mut writer = generation.writer.lock().await;
    let mut records = &records[..];
    loop {
        let applying = batch(views, &mut writer, source.source(), &checkpoint, records, care);
        // Given up in mid-transaction, the connection stays in doubt and is exchanged.
        let applied = match tokio::time::timeout(LONGEST, applying).await {
            Ok(applied) => applied,
            Err(late) => Err(anyhow::Error::new(late).context("the read models do not answer").into()),
        };
        match applied {
            Ok(parked) => {
                // Before anybody else gets the writer, so that a generation's progress never goes back.
                let last = records.last().map_or(checkpoint.position, |last| last.position);
                progress.reached(last, parked);
                return Ok(records.len() as u64);
            }
            // Which record it was is known once they are taken one by one.
            Err(Failed { error, .. }) if care == Care::Gather && !passes(&error) => care = Care::OneByOne,
            // What stands before it is applied, and it comes first the next time.
            Err(Failed { at, .. }) if at > 0 => records = &records[..at],
            Err(Failed { error, .. }) => return Err(error),
        }
    }
}

pub(super) async fn read(source: &dyn Feed, after: u64, limit: usize) -> anyhow::Result<Vec<Arc<Record>>> {
    source.read(after, limit).await.map_err(unreachable).context("reading the source")
}

/// A batch that was undone, and which of its records was in the way.
struct Failed {
    at: usize,
    error: anyhow::Error,
}

impl From<anyhow::Error> for Failed {
    fn from(error: anyhow::Error) -> Self {
        Self { at: 0, error }
    }
}

/// Applies a batch in one transaction. Returns how many records of the source are parked.
async fn batch(
    views: &Inner,
    writer: &mut Writer,
    source: &str,
    checkpoint: &Checkpoint,
    records: &[Arc<Record>],
    care: Care,
) -> Result<u64, Failed> {
    writer.renew_if_in_doubt().await?;
    writer.in_doubt = true;
    if let Some(last) = records.last()
        && Bug::CheckpointApart.is_back()
    {
        checkpoint.advance(&mut writer.db, last).await?;
    }
    let Writer { db, parked, in_doubt, .. } = writer;
    let mut transaction = db.begin().await.context("beginning a batch")?;
    // First of all: it takes the lock under which nobody else writes.
    if let Some(last) = records.last()
        && !Bug::CheckpointApart.is_back()
        && let Err(error) = checkpoint.advance(&mut transaction, last).await
    {
        drop(transaction.rollback().await);
        return Err(error.into());
    }
    match fill(views, &mut transaction, parked.of(source), records, care).await {
        Ok(newly) => {
            let count = if parked.of(source).is_some() || !newly.is_empty() {
                parked::count(&mut transaction, source).await?
            } else {
                0
            };
            transaction.commit().await.context("committing a batch")?;
            *in_doubt = false;
            parked.add(source, newly);
            Ok(count)
        }
        Err(failed) => {
            // Where even that fails, the connection is exchanged: what was in the way is to be told.
            *in_doubt = transaction.rollback().await.is_err() || is_full(&failed.error);
            Err(failed)
        }
    }
}

/// Returns the streams of which a record was parked.
async fn fill(
    views: &Inner,
    db: &mut AnyConnection,
    parked: Option<&HashSet<String>>,
    records: &[Arc<Record>],
    care: Care,
) -> Result<HashSet<String>, Failed> {
    let mut newly = HashSet::new();
    let projections = views.projections.len();
    let mut gathering = if care == Care::Gather { Gathering::of(projections) } else { Gathering::at_once(projections) };
    for (at, record) in records.iter().enumerate() {
        let failed = |error| Failed { at, error };
        if parked.is_none() && care != Care::Park {
            apply(views, db, &mut gathering, record).await.map_err(failed)?;
            continue;
        }
        let stream = stream_of(record);
        if newly.contains(&stream) || parked.is_some_and(|parked| parked.contains(&stream)) {
            let error = "an earlier record of this stream is parked".to_owned();
            parked::park(db, record, error).await.map_err(failed)?;
        } else if care == Care::Park {
            if let Err(error) = parked::attempt(views, db, record).await.map_err(failed)? {
                tracing::error!(error, service = views.service, position = record.position, "a record was parked");
                parked::park(db, record, error).await.map_err(failed)?;
                newly.insert(stream);
            }
        } else {
            apply(views, db, &mut gathering, record).await.map_err(failed)?;
        }
    }
    gathering.settle(db).await?;
    Ok(newly)
}

pub(super) async fn apply(
    views: &Inner,
    db: &mut AnyConnection,
    gathering: &mut Gathering,
    record: &Record,
) -> anyhow::Result<()> {
    let Record { r#type, position, log, .. } = record;
    let span = tracing::debug_span!("apply", service = views.service, source = log, r#type, position);
    if !span.is_disabled() {
        telemetry::continue_trace(&span, &record.traceparent);
    }
    let applied = async {
        for (place, projection) in views.projections.iter().enumerate() {
            if projection.sources().contains(&log.as_str()) {
                // A follower that panics would stand still and nobody would hear of it.
                let mut tables = gathering.tables(place, db);
                let applied = AssertUnwindSafe(projection.apply(&mut tables, record)).catch_unwind().await;
                applied.unwrap_or_else(|_| Err(anyhow!("the projection panicked"))).with_context(|| {
                    format!("applying {type} at position {position} of {log} to the projection {}", projection.name())
                })?;
            }
        }
        Ok(())
    };
    applied.instrument(span).await
}

impl Checkpoint {
    fn must_be_of(&self, source: &str, log_id: &str) -> Result<(), OtherLog> {
        if self.log_id.is_empty() || self.log_id == log_id { Ok(()) } else { Err(OtherLog(source.to_owned())) }
    }

    /// Moves it, if it still stands where the batch was read from. Whoever else wrote meanwhile (a commit of a follower
    /// that was stopped can land after its successor has begun) has applied the same records.
    async fn advance(&self, db: &mut AnyConnection, last: &Record) -> anyhow::Result<()> {
        let position = |position: u64| i64::try_from(position).context("a position fits into 63 bits");
        let moved = sqlx::query(
            "INSERT INTO checkpoint (source, log_id, position) VALUES ($1, $2, $3)
             ON CONFLICT (source) DO UPDATE SET log_id = excluded.log_id, position = excluded.position
             WHERE checkpoint.position = $4",
        )
        .bind(last.log.clone())
        .bind(last.log_id.clone())
        .bind(position(last.position)?)
        .bind(position(self.position)?)
        .execute(db)
        .await
        .context("moving the checkpoint")?;
        anyhow::ensure!(moved.rows_affected() == 1, "the checkpoint has moved meanwhile");
        Ok(())
    }
}

/// The source is another log than the one that was followed: restored from an older backup, or made anew.
#[derive(Debug, thiserror::Error)]
#[error(
    "the log {0} is another one than before (restored or made anew): build the read models again with `mifeng log rebuild`"
)]
pub(super) struct OtherLog(pub(super) String);
