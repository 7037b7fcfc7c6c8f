//! The one connection that writes. Each step of a commit is one statement over all rows of the batch.

use std::fs::File;

use anyhow::anyhow;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{
    ConnectOptions as _, Connection as _, Row as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteRow},
};

use super::{
    super::{
        batch::{Batch, Known, Plan, Stream},
        rows,
        store::{Store, StoreError},
        tail::Standing,
    },
    classified,
    statements::{Binding, Statements, Table},
    writing,
};

/// Writes one log.
pub(super) struct Writer {
    options: SqliteConnectOptions,
    /// None before the first batch and after the connection broke.
    db: Option<SqliteConnection>,
    /// What the last commit left; None when only the file knows.
    left: Option<Left>,
    statements: Statements,
    /// Held as long as anything is written.
    _lock: File,
}

#[derive(Clone, Copy)]
struct Left {
    head: Standing,
    last_stream_no: i64,
}

impl Writer {
    pub(super) fn new(options: SqliteConnectOptions, lock: File) -> Self {
        Self { options: writing(options), db: None, left: None, statements: Statements::default(), _lock: lock }
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

    /// The rows that a list of names finds, by the place of the name.
    async fn look_up<T>(
        &mut self,
        table: Table,
        rows: usize,
        bind: impl FnOnce(Binding) -> Binding,
        found: impl Fn(&SqliteRow) -> anyhow::Result<T>,
    ) -> Result<Vec<Option<T>>, StoreError> {
        let mut all: Vec<Option<T>> = (0..rows).map(|_| None).collect();
        if rows == 0 {
            return Ok(all);
        }
        let query = bind(self.statements.query(table, rows));
        for row in query.0.fetch_all(self.connected().await?).await.map_err(classified)? {
            let place = row.try_get::<i64, _>(0).map_err(classified)?;
            let place = usize::try_from(place).ok().and_then(|place| all.get_mut(place));
            *place.ok_or_else(|| StoreError::Fault(anyhow!("a row that was not asked for")))? =
                Some(found(&row).map_err(StoreError::Fault)?);
        }
        Ok(all)
    }

    /// Writes rows, all of them: an insert that loses one without a word is a fault.
    async fn insert(
        &mut self,
        table: Table,
        rows: usize,
        bind: impl FnOnce(Binding) -> Binding,
    ) -> Result<(), StoreError> {
        if rows == 0 {
            return Ok(());
        }
        let query = bind(self.statements.query(table, rows));
        let done = query.0.execute(self.connected().await?).await.map_err(classified)?;
        if done.rows_affected() == rows as u64 {
            Ok(())
        } else {
            Err(StoreError::Fault(anyhow!("{} of {rows} rows were written", done.rows_affected())))
        }
    }

    async fn write(&mut self, plan: &Plan<'_>) -> Result<(), StoreError> {
        let recorded_at = plan.recorded_at.timestamp_micros();
        self.insert(Table::Stream, plan.streams.len(), |query| {
            plan.streams.iter().fold(query, |query, ((category, stream_id), stream)| {
                query.number(stream.number).text(category).text(stream_id).position(stream.version)
            })
        })
        .await?;
        self.insert(Table::Event, plan.records.len(), |query| {
            plan.records.iter().fold(query, |query, (stream_no, record)| {
                let occurred_at = record.occurred_at.as_ref().and_then(crate::instant).unwrap_or_default();
                query
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
        })
        .await?;
        self.insert(Table::Command, plan.commands.len(), |query| {
            plan.commands.iter().fold(query, |query, done| {
                query
                    .text(&done.request.command_id)
                    .bytes(&done.request.fingerprint)
                    .position(done.first_position)
                    .position(done.last_position)
                    .bytes(&done.request.reply)
                    .number(recorded_at)
            })
        })
        .await?;
        self.write_keys(plan).await?;
        let moved = sqlx::query("UPDATE log_head SET position = ?, chain = ? WHERE id = 1")
            .bind(plan.head.position.cast_signed())
            .bind(&plan.head.chain[..])
            .execute(self.connected().await?)
            .await
            .map_err(classified)?;
        if moved.rows_affected() == 1 { Ok(()) } else { Err(StoreError::Fault(anyhow!("the log has no head"))) }
    }

    async fn write_keys(&mut self, plan: &Plan<'_>) -> Result<(), StoreError> {
        for ((scope, key), holder) in &plan.keys {
            if holder.is_none() {
                sqlx::query("DELETE FROM reservation WHERE scope = ? AND key = ?")
                    .bind(*scope)
                    .bind(*key)
                    .execute(self.connected().await?)
                    .await
                    .map_err(classified)?;
            }
        }
        let held: Vec<_> = plan.keys.iter().filter_map(|(name, holder)| Some((name, holder.as_ref()?))).collect();
        self.insert(Table::Key, held.len(), |query| {
            held.iter().fold(query, |query, ((scope, key), holder)| query.text(scope).bytes(key).text(holder))
        })
        .await
    }
}

#[async_trait]
impl Store for Writer {
    const TURNS: usize = 1;

    async fn begin(&mut self, batch: &Batch<'_>) -> Result<Known, StoreError> {
        sqlx::raw_sql("BEGIN IMMEDIATE").execute(self.connected().await?).await.map_err(classified)?;
        let Left { head, last_stream_no } = self.left().await?;
        let commands = self
            .look_up(
                Table::FindCommand,
                batch.commands.list.len(),
                |query| batch.commands.list.iter().fold(query, |query, id| query.text(id)),
                |row| rows::known_command(row, 1),
            )
            .await?;
        let streams = self
            .look_up(
                Table::FindStream,
                batch.streams.list.len(),
                |query| batch.streams.list.iter().fold(query, |query, (category, id)| query.text(category).text(id)),
                |row| {
                    Ok(Stream {
                        number: row.try_get(1)?,
                        version: row.try_get::<i64, _>(2)?.cast_unsigned(),
                        new: false,
                    })
                },
            )
            .await?;
        let keys = self
            .look_up(
                Table::FindKey,
                batch.keys.list.len(),
                |query| batch.keys.list.iter().fold(query, |query, (scope, key)| query.text(scope).bytes(key)),
                |row| Ok(row.try_get(1)?),
            )
            .await?;
        Ok(Known { head, last_stream_no, commands, streams, keys })
    }

    async fn commit(&mut self, plan: &Plan<'_>) -> Result<(), StoreError> {
        self.write(plan).await?;
        sqlx::raw_sql("COMMIT").execute(self.connected().await?).await.map_err(classified)?;
        let last_stream_no = plan.streams.iter().map(|(_, stream)| stream.number).max();
        if let Some(left) = &mut self.left {
            left.head = plan.head;
            left.last_stream_no = left.last_stream_no.max(last_stream_no.unwrap_or(0));
        }
        Ok(())
    }

    async fn roll_back(&mut self, after: Option<&StoreError>) {
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

/// What the file says of its head.
pub(super) async fn standing(db: &mut SqliteConnection) -> anyhow::Result<Standing> {
    rows::standing(&sqlx::query("SELECT position, chain FROM log_head WHERE id = 1").fetch_one(db).await?, 0)
}
