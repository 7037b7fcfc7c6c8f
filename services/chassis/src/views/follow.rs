//! Moves one generation along one source. Invariant: a batch's effects and its checkpoint are one transaction, so a record
//! is applied exactly once however often it is delivered.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use proto::event::v1::consumer::State;
use sqlx::{AnyConnection, Connection as _};

use super::{Generation, Inner, OnFailure};
use crate::{Feed, Record, consumers::Progress};

/// Records per transaction.
const BATCH: usize = 512;
/// A record that fails this often is halted on, or parked.
const TRIES: u32 = 5;

pub(super) struct Follower {
    pub(super) views: Arc<Inner>,
    pub(super) generation: Arc<Generation>,
    pub(super) source: Arc<dyn Feed>,
    pub(super) progress: Arc<Progress>,
}

impl Follower {
    pub(super) async fn run(self, opening: bool) {
        let stopped = async {
            tokio::select! {
                () = self.views.stop.cancelled() => {}
                () = self.generation.retired.cancelled() => {}
            }
        };
        tokio::pin!(stopped);
        let mut wake = self.source.wake();
        let mut tries = 0;
        if opening {
            tracing::debug!(service = self.views.service, source = self.source.source(), "following");
        }
        loop {
            wake.mark_unchanged();
            let step = tokio::select! {
                biased;
                () = &mut stopped => return,
                step = step(&self.views, &self.generation, &self.source, &self.progress, tries) => step,
            };
            let pause = match step {
                Ok(0) => {
                    tries = 0;
                    // A wake-up may be lost: polling is the truth.
                    Pause::ForMore(Duration::from_secs(1))
                }
                Ok(_) => {
                    tries = 0;
                    continue;
                }
                Err(error) => {
                    tries += 1;
                    self.failed(tries, &error)
                }
            };
            tokio::select! {
                () = &mut stopped => return,
                () = pause.over(&mut wake, &self.progress) => {}
            }
            if self.progress.standing().state == State::Halted {
                tries = 0;
                self.progress.failing(State::Retrying, "");
            }
        }
    }

    fn failed(&self, tries: u32, error: &anyhow::Error) -> Pause {
        let text = format!("{error:#}");
        let (service, source) = (&self.views.service, self.source.source());
        if tries < TRIES || (self.views.on_failure == OnFailure::Park && !error.is::<OtherLog>()) {
            tracing::warn!(error = text, service, source, tries, "read models fail and try again");
            self.progress.failing(State::Retrying, &text);
            return Pause::For(Duration::from_millis(50 << tries.min(6)));
        }
        tracing::error!(error = text, service, source, "read models halted: mend the cause, then `mifeng doctor resume`");
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
    async fn over(self, wake: &mut tokio::sync::watch::Receiver<u64>, progress: &Progress) {
        match self {
            Self::ForMore(time) => {
                tokio::select! {
                    _ = wake.changed() => {}
                    () = tokio::time::sleep(time) => {}
                    // Resumed although it runs: what was parked is to be tried again.
                    () = progress.resumed() => {}
                }
            }
            Self::For(time) => tokio::time::sleep(time).await,
            Self::UntilResumed => progress.resumed().await,
        }
    }
}

/// Fills a generation that nobody reads yet, until it is at most `behind` records away from the head.
pub(super) async fn catch_up(
    views: &Inner,
    generation: &Generation,
    source: &Arc<dyn Feed>,
    progress: &Progress,
    behind: u64,
) -> anyhow::Result<u64> {
    let mut records = 0;
    loop {
        let taken = step(views, generation, source, progress, TRIES).await?;
        records += taken;
        let head = source.head().await?.position;
        if taken == 0 || head.saturating_sub(progress.standing().position) == 0 {
            return Ok(records);
        }
        if head.saturating_sub(progress.standing().position) <= behind && taken < BATCH as u64 {
            return Ok(records);
        }
    }
}

/// Applies the next batch; 0 where there is none.
async fn step(
    views: &Inner,
    generation: &Generation,
    source: &Arc<dyn Feed>,
    progress: &Progress,
    tries: u32,
) -> anyhow::Result<u64> {
    let name = source.source();
    let checkpoint = generation.checkpoint(name).await?;
    let position = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.position);
    let records = source.read(position, BATCH).await.context("reading the source")?;
    let Some(last) = records.last() else { return Ok(0) };
    if let Some(checkpoint) = &checkpoint
        && checkpoint.log_id != last.log_id
    {
        return Err(OtherLog(name.to_owned()).into());
    }
    if records[0].position != position + 1 {
        anyhow::bail!("the log {name} has a hole: {} follows {position}", records[0].position);
    }
    let mut writer = generation.writer.lock().await;
    let mut transaction = writer.begin().await.context("beginning a batch")?;
    // After some tries, one by one, to find out which record it is.
    let careful = tries >= TRIES && views.on_failure == OnFailure::Park;
    for record in &records {
        if careful || !generation.parked.lock().await.is_empty() {
            apply_or_park(views, generation, &mut transaction, record).await?;
        } else {
            apply(views, &mut transaction, record).await?;
        }
    }
    sqlx::query(
        "INSERT INTO checkpoint (source, log_id, position) VALUES ($1, $2, $3)
         ON CONFLICT (source) DO UPDATE SET log_id = excluded.log_id, position = excluded.position",
    )
    .bind(name.to_owned())
    .bind(last.log_id.clone())
    .bind(i64::try_from(last.position).context("a position fits into 63 bits")?)
    .execute(&mut *transaction)
    .await
    .context("moving the checkpoint")?;
    transaction.commit().await.context("committing a batch")?;
    drop(writer);
    progress.reached(last.position, generation.parked_of(name).await);
    Ok(records.len() as u64)
}

async fn apply(views: &Inner, db: &mut AnyConnection, record: &Record) -> anyhow::Result<()> {
    for projection in &views.projections {
        if projection.sources().contains(&record.log.as_str()) {
            projection.apply(db, record).await.with_context(|| {
                let Record { r#type, position, log, .. } = record;
                format!("applying {type} at position {position} of {log} to the projection {}", projection.name())
            })?;
        }
    }
    Ok(())
}

/// Applies a record within a savepoint; when that fails, it and all later ones of its stream are laid aside.
async fn apply_or_park(
    views: &Inner,
    generation: &Generation,
    db: &mut AnyConnection,
    record: &Record,
) -> anyhow::Result<()> {
    let stream = format!("{}/{}/{}", record.log, record.category, record.stream_id);
    let error = if generation.parked.lock().await.contains(&stream) {
        "an earlier record of this stream is parked".to_owned()
    } else {
        let mut savepoint = db.begin().await.context("setting a savepoint")?;
        match apply(views, &mut savepoint, record).await {
            Ok(()) => return savepoint.commit().await.context("keeping a savepoint"),
            Err(error) => {
                savepoint.rollback().await.context("undoing a record")?;
                format!("{error:#}")
            }
        }
    };
    tracing::error!(error, service = views.service, stream, position = record.position, "a record was parked");
    sqlx::query(
        "INSERT INTO parked (source, position, stream, error) VALUES ($1, $2, $3, $4)
         ON CONFLICT (source, position) DO NOTHING",
    )
    .bind(record.log.clone())
    .bind(i64::try_from(record.position).context("a position fits into 63 bits")?)
    .bind(format!("{}/{}", record.category, record.stream_id))
    .bind(error)
    .execute(&mut *db)
    .await
    .context("parking a record")?;
    generation.parked.lock().await.insert(stream);
    Ok(())
}

/// The source is another log than the one that was followed: restored from an older backup, or made anew.
#[derive(Debug, thiserror::Error)]
#[error("the log {0} is another one than before (restored or made anew): build the read models again with `mifeng log rebuild`")]
struct OtherLog(String);
