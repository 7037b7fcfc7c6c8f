//! What figures have laid aside: records that could not be applied, and the later ones of their streams, until somebody
//! resumes. A stream's records stay in order: none is applied while an earlier one is parked.

use std::collections::{HashMap, HashSet};

use anyhow::Context as _;
use sqlx::{AnyConnection, Connection as _, Row as _};

use super::{
    Generation, Inner,
    follow::{self, OtherLog},
    tables::Gathering,
};
use crate::{Feed, Record, consumers::Progress, disk::is_full};

/// A record that was laid aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    pub position: u64,
    /// "<category>/<stream id>"
    pub stream: String,
    /// "<category>.<event>"
    pub event_type: String,
    pub error: String,
}

impl Parked {
    pub(super) async fn read(
        db: &mut AnyConnection,
        source: &str,
        after: u64,
        limit: i64,
    ) -> anyhow::Result<Vec<Self>> {
        let rows = sqlx::query(
            "SELECT position, stream, type, error FROM parked WHERE source = $1 AND position > $2
             ORDER BY position LIMIT $3",
        )
        .bind(source.to_owned())
        .bind(i64::try_from(after).context("a position fits into 63 bits")?)
        .bind(limit)
        .fetch_all(db)
        .await
        .context("reading what was parked")?;
        let parked = rows.into_iter().map(|row| Self {
            position: u64::try_from(row.get::<i64, _>(0)).unwrap_or(0),
            stream: row.get(1),
            event_type: row.get(2),
            error: row.get(3),
        });
        Ok(parked.collect())
    }
}

/// The streams that stand still, by source.
#[derive(Debug, Default)]
pub(super) struct Streams(HashMap<String, HashSet<String>>);

impl Streams {
    pub(super) async fn read(db: &mut AnyConnection) -> anyhow::Result<Self> {
        let rows = sqlx::query("SELECT DISTINCT source, stream FROM parked")
            .fetch_all(db)
            .await
            .context("reading what was parked")?;
        let mut streams = Self::default();
        for row in rows {
            streams.0.entry(row.get(0)).or_default().insert(row.get(1));
        }
        Ok(streams)
    }

    pub(super) fn of(&self, source: &str) -> Option<&HashSet<String>> {
        self.0.get(source).filter(|streams| !streams.is_empty())
    }

    pub(super) fn add(&mut self, source: &str, streams: HashSet<String>) {
        if !streams.is_empty() {
            self.0.entry(source.to_owned()).or_default().extend(streams);
        }
    }
}

pub(super) fn stream_of(record: &Record) -> String {
    format!("{}/{}", record.category, record.stream_id)
}

/// How many records of a source are laid aside.
pub(super) async fn count(db: &mut AnyConnection, source: &str) -> anyhow::Result<u64> {
    let count = sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM parked WHERE source = $1")
        .bind(source.to_owned())
        .fetch_one(db)
        .await
        .context("counting what was parked")?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Lays a record aside.
pub(super) async fn park(db: &mut AnyConnection, record: &Record, error: String) -> anyhow::Result<()> {
    sqlx::query(
        "INSERT INTO parked (source, position, stream, type, error) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (source, position) DO UPDATE SET error = excluded.error",
    )
    .bind(record.log.clone())
    .bind(i64::try_from(record.position).context("a position fits into 63 bits")?)
    .bind(stream_of(record))
    .bind(record.r#type.clone())
    .bind(error)
    .execute(db)
    .await
    .context("parking a record")?;
    Ok(())
}

/// Applies a record so that a failure leaves nothing of it; the inner error says why it failed.
pub(super) async fn attempt(
    views: &Inner,
    db: &mut AnyConnection,
    record: &Record,
) -> anyhow::Result<Result<(), String>> {
    let mut savepoint = db.begin().await.context("setting a savepoint")?;
    let mut gathering = Gathering::at_once(views.projections.len());
    match follow::apply(views, &mut savepoint, &mut gathering, record).await {
        Ok(()) => {
            savepoint.commit().await.context("keeping a savepoint")?;
            Ok(Ok(()))
        }
        Err(error) => {
            // For want of room none is laid aside.
            if is_full(&error) {
                return Err(error);
            }
            savepoint.rollback().await.context("undoing a record")?;
            Ok(Err(format!("{error:#}")))
        }
    }
}

/// Records per transaction of a replay.
const BATCH: i64 = 256;

/// Tries again what was laid aside of a source, in order. What succeeds is parked no longer; a stream whose records all
/// did is followed again. The source's follower runs this itself, so nothing of the source is applied meanwhile.
pub(super) async fn replay(
    views: &Inner,
    generation: &Generation,
    source: &dyn Feed,
    progress: &Progress,
) -> anyhow::Result<()> {
    let name = source.source();
    let checkpoint = generation.checkpoint(name).await?;
    let mut still = HashSet::new();
    let (mut after, mut done) = (0, 0_u64);
    loop {
        let parked = Parked::read(&mut generation.writer.lock().await.db, name, after, BATCH).await?;
        let Some(last) = parked.last() else { break };
        after = last.position;
        let mut records = Vec::with_capacity(parked.len());
        for parked in &parked {
            let read = follow::read(source, parked.position - 1, 1).await?;
            let record = read.into_iter().next().filter(|record| record.log_id == checkpoint.log_id);
            records.push(record.ok_or_else(|| OtherLog(name.to_owned()))?);
        }
        let mut writer = generation.writer.lock().await;
        writer.renew_if_in_doubt().await?;
        writer.in_doubt = true;
        let mut transaction = writer.db.begin().await.context("beginning to replay")?;
        for record in records {
            let stream = stream_of(&record);
            if still.contains(&stream) {
                continue;
            }
            // First of all: it takes the lock under which nobody else writes. What is not there any more was applied.
            if !forget(&mut transaction, &record).await? {
                continue;
            }
            match attempt(views, &mut transaction, &record).await? {
                Ok(()) => done += 1,
                Err(error) => {
                    park(&mut transaction, &record, error).await?;
                    still.insert(stream);
                }
            }
        }
        transaction.commit().await.context("committing a replay")?;
        writer.in_doubt = false;
    }
    let mut writer = generation.writer.lock().await;
    writer.parked = Streams::read(&mut writer.db).await?;
    let left = count(&mut writer.db, name).await?;
    progress.reached(checkpoint.position, left);
    drop(writer);
    tracing::info!(service = views.service, source = name, done, left, "what was parked was tried again");
    Ok(())
}

/// `false` where it was not parked.
async fn forget(db: &mut AnyConnection, record: &Record) -> anyhow::Result<bool> {
    let forgotten = sqlx::query("DELETE FROM parked WHERE source = $1 AND position = $2")
        .bind(record.log.clone())
        .bind(i64::try_from(record.position).context("a position fits into 63 bits")?)
        .execute(db)
        .await
        .context("forgetting a parked record")?;
    Ok(forgotten.rows_affected() > 0)
}
