//! The one connection that writes. Each step of a commit is one statement over all rows of the batch.

use std::fs::File;

use anyhow::{Context as _, anyhow};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{
    ConnectOptions as _, Connection as _, Executor as _, Row as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteRow},
};

use super::{
    super::{
        batch::{Batch, Known, Plan, Stream},
        rows,
        store::{Grounds, Store, StoreError},
        tail::Standing,
    },
    classified,
    statements::{Statements, Table},
    writing,
};

/// Writes one log.
pub(super) struct Writer {
    options: SqliteConnectOptions,
    /// None before the first batch and after the connection broke.
    db: Option<SqliteConnection>,
    /// What the last commit left; None when only the file knows.
    left: Option<Left>,
    /// Rows that this connection has written; None when only SQLite knows.
    written: Option<i64>,
    statements: Statements,
    /// Held as long as anything is written.
    _lock: File,
}

/// Comes first in a look, and in a commit without one.
const BEGIN: &str = "BEGIN IMMEDIATE;";

/// Comes last in a commit: only where as many rows were written on this connection as should be, since a head without its
/// chain is refused.
const MOVE_HEAD: &str =
    "UPDATE log_head SET position = ?, chain = CASE total_changes() WHEN ? THEN ? END WHERE id = 1; COMMIT";

#[derive(Clone, Copy)]
struct Left {
    head: Standing,
    last_stream_no: i64,
}

impl Writer {
    pub(super) fn new(options: SqliteConnectOptions, lock: File) -> Self {
        Self {
            options: writing(options),
            db: None,
            left: None,
            written: None,
            statements: Statements::default(),
            _lock: lock,
        }
    }

    /// From the next batch on.
    #[cfg(test)]
    pub(super) fn reconnect_with(&mut self, options: SqliteConnectOptions) {
        self.options = writing(options);
        self.db = None;
    }

    /// Moves what is in the WAL into the database file.
    pub(super) async fn close(mut self) {
        let Some(mut db) = self.db.take() else { return };
        let checkpoint = sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut db).await;
        if let Err(error) = checkpoint.and(db.close().await) {
            tracing::warn!(%error, "the log was not put in order at its end; that is done at the next start");
        }
    }

    async fn connected(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        if self.db.is_none() {
            self.written = None;
            self.db = Some(self.options.connect().await.map_err(classified)?);
        }
        self.db.as_mut().ok_or_else(|| StoreError::Unknown(anyhow!("there is no connection")))
    }

    async fn left(&mut self) -> Result<Left, StoreError> {
        if let Some(left) = self.left {
            return Ok(left);
        }
        let db = self.connected().await?;
        let head = standing(db).await.map_err(StoreError::Unknown)?;
        let last_stream_no: i64 = sqlx::query_scalar("SELECT COALESCE(MAX(stream_no), 0) FROM stream")
            .fetch_one(db)
            .await
            .map_err(classified)?;
        Ok(*self.left.insert(Left { head, last_stream_no }))
    }

    /// How many rows this connection has written so far.
    async fn written(&mut self) -> Result<i64, StoreError> {
        self.connected().await?;
        if let Some(written) = self.written.take() {
            return Ok(written);
        }
        let asked = sqlx::query_scalar("SELECT total_changes()").fetch_one(self.connected().await?);
        asked.await.map_err(classified)
    }

    /// All that a plan changes, durably: an insert that loses a row without a word is refused.
    async fn write(&mut self, plan: &Plan<'_>, grounds: Grounds) -> Result<(), StoreError> {
        let recorded_at = plan.recorded_at.timestamp_micros();
        let held: Vec<_> = plan.keys.iter().filter_map(|(name, holder)| Some((name, holder.as_ref()?))).collect();
        let (first, keys) = match grounds {
            Grounds::Looked => ("", Table::Key),
            Grounds::Recollected => (BEGIN, Table::NewKey),
        };
        let tables = [
            (Table::Stream, plan.streams.len()),
            (Table::Event, plan.records.len()),
            (Table::Command, plan.commands.len()),
            (keys, held.len()),
        ];
        let rows: usize = tables.iter().map(|(_, rows)| rows).sum();
        let written = self.written().await? + i64::try_from(rows).unwrap_or(i64::MAX);
        let script = self
            .statements
            .script(first, &tables, MOVE_HEAD)
            .rows(Table::Stream, &plan.streams, |script, ((category, stream_id), stream)| {
                script.number(stream.number).text(category).text(stream_id).position(stream.version)
            })
            .rows(Table::Event, &plan.records, |script, (stream_no, record)| {
                let occurred_at = record.occurred_at.as_ref().and_then(crate::instant).unwrap_or_default();
                script
                    .position(record.position)
                    .number(*stream_no)
                    .position(record.version)
                    .text(&record.event_id)
                    .text(&record.r#type)
                    .number(record.schema_version.into())
                    .bytes(&record.payload)
                    .text(&record.command_id)
                    .text(&record.correlation_id)
                    .text(&record.causation_id)
                    .text(&record.actor)
                    .text(&record.office)
                    .text_or_null(&record.subject_id)
                    .text(&record.traceparent)
                    .number(occurred_at.timestamp_micros())
                    .number(recorded_at)
                    .bytes(&record.chain)
            })
            .rows(Table::Command, &plan.commands, |script, done| {
                script
                    .text(&done.request.command_id)
                    .bytes(&done.request.fingerprint)
                    .position(done.first_position)
                    .position(done.last_position)
                    .bytes(&done.request.reply)
                    .number(recorded_at)
            })
            .rows(keys, &held, |script, ((scope, key), holder)| script.text(scope).bytes(key).text(holder))
            .position(plan.head.position)
            .number(written)
            .bytes(&plan.head.chain);
        self.connected().await?.execute(script.0).await.map_err(not_whole)?;
        self.written = Some(written + 1);
        Ok(())
    }

    async fn free_keys(&mut self, plan: &Plan<'_>) -> Result<(), StoreError> {
        for ((scope, key), holder) in &plan.keys {
            if holder.is_none() {
                self.written = None;
                sqlx::query("DELETE FROM reservation WHERE scope = ? AND key = ?")
                    .bind(*scope)
                    .bind(*key)
                    .execute(self.connected().await?)
                    .await
                    .map_err(classified)?;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Store for Writer {
    const RECOLLECTS: bool = true;

    async fn begin(&mut self, batch: &Batch<'_>) -> Result<Known, StoreError> {
        let (commands, streams, keys) = (&batch.commands.list, &batch.streams.list, &batch.keys.list);
        let tables =
            [(Table::FindCommand, commands.len()), (Table::FindStream, streams.len()), (Table::FindKey, keys.len())];
        let script = self
            .statements
            .script(BEGIN, &tables, "")
            .rows(Table::FindCommand, commands, |script, id| script.text(id))
            .rows(Table::FindStream, streams, |script, (category, id)| script.text(category).text(id))
            .rows(Table::FindKey, keys, |script, (scope, key)| script.text(scope).bytes(key));
        let rows = script.0.fetch_all(self.connected().await?).await.map_err(classified)?;
        let Left { head, last_stream_no } = self.left().await?;
        let mut known = Known {
            head,
            last_stream_no,
            commands: vec![None; commands.len()],
            streams: vec![None; streams.len()],
            keys: vec![None; keys.len()],
        };
        rows.iter().try_for_each(|row| take(row, &mut known)).map_err(StoreError::Fault)?;
        Ok(known)
    }

    async fn commit(&mut self, plan: &Plan<'_>, grounds: Grounds) -> Result<(), StoreError> {
        if grounds == Grounds::Looked {
            self.free_keys(plan).await?;
        }
        self.write(plan, grounds).await?;
        let last_stream_no = plan.streams.iter().map(|(_, stream)| stream.number).max();
        if let Some(left) = &mut self.left {
            left.head = plan.head;
            left.last_stream_no = left.last_stream_no.max(last_stream_no.unwrap_or(0));
        }
        Ok(())
    }

    async fn roll_back(&mut self, after: Option<&StoreError>) {
        self.written = None;
        let Some(db) = &mut self.db else { return };
        if after.is_some() {
            self.left = None;
        }
        // After some errors SQLite has rolled back already, and says so: the connection is sound if it can begin again.
        let sound = sqlx::raw_sql("ROLLBACK").execute(&mut *db).await.is_ok()
            || sqlx::raw_sql("BEGIN; ROLLBACK").execute(&mut *db).await.is_ok();
        if matches!(after, Some(StoreError::Full)) {
            // What waits in the WAL may take less room in the file; then the WAL is written from its beginning again.
            drop(sqlx::raw_sql("PRAGMA wal_checkpoint(PASSIVE)").execute(&mut *db).await);
        }
        // On a full disk a new connection might not even find the room to open: keep this one.
        if !sound || matches!(after, Some(StoreError::Unknown(_) | StoreError::Fault(_))) {
            self.db = None;
        }
    }

    async fn prune(&mut self, before: DateTime<Utc>, most: u32) -> Result<u64, StoreError> {
        self.written = None;
        let pruned = sqlx::query(
            "DELETE FROM command WHERE rowid IN
                (SELECT rowid FROM command WHERE recorded_at < ? ORDER BY recorded_at LIMIT ?)",
        )
        .bind(before.timestamp_micros())
        .bind(i64::from(most))
        .execute(self.connected().await?)
        .await
        .map_err(classified)?;
        Ok(pruned.rows_affected())
    }
}

/// What an error means for an append whose head asks for all of its rows.
fn not_whole(error: sqlx::Error) -> StoreError {
    match error.as_database_error() {
        Some(refused) if refused.message().contains("log_head.chain") => {
            StoreError::Fault(anyhow!("fewer rows were written than should be, or more"))
        }
        _ => classified(error),
    }
}

/// Puts what was found where it was asked for.
fn take(row: &SqliteRow, known: &mut Known) -> anyhow::Result<()> {
    let place = usize::try_from(row.try_get::<i64, _>(1)?)?;
    let table = row.try_get::<u8, _>(0)?;
    let unasked = "a row that was not asked for";
    if table == Table::FindCommand as u8 {
        *known.commands.get_mut(place).context(unasked)? = Some(rows::known_command(row, 2)?);
    } else if table == Table::FindStream as u8 {
        let (number, version) = (row.try_get(2)?, row.try_get::<i64, _>(3)?.cast_unsigned());
        *known.streams.get_mut(place).context(unasked)? = Some(Stream { number, version, new: false });
    } else {
        *known.keys.get_mut(place).context(unasked)? = Some(row.try_get(2)?);
    }
    Ok(())
}

/// What the file says of its head.
pub(super) async fn standing(db: &mut SqliteConnection) -> anyhow::Result<Standing> {
    rows::standing(&sqlx::query("SELECT position, chain FROM log_head WHERE id = 1").fetch_one(db).await?, 0)
}
