//! Connections that cannot write, and records made of rows.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, anyhow};
use chrono::DateTime;
use proto::event::v1::Record;
use sqlx::{
    Row as _, SqlitePool,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteRow},
};

use super::super::{
    KnownCommand, LogError, Verification, chain,
    chain::Chain,
    tail::{Standing, Tail},
};

/// Reads one log.
pub(super) struct Reader {
    pool: SqlitePool,
    tail: Arc<Tail>,
}

/// However many are asked for.
pub(super) const MOST_RECORDS: usize = 5_000;

/// Every column of a record. The outer loop goes over events: the order is the key's.
macro_rules! select_records {
    ($rest:literal) => {
        concat!(
            "SELECT e.position, s.category, s.stream_id, e.version, e.event_id, e.type, e.schema_version, e.payload, ",
            "e.command_id, e.correlation_id, e.causation_id, e.actor, e.office, e.subject_id, e.traceparent, ",
            "e.occurred_at, e.recorded_at, e.chain ",
            $rest
        )
    };
}

const BY_POSITION: &str = select_records!(
    "FROM event e CROSS JOIN stream s ON s.stream_no = e.stream_no
     WHERE e.position > ? AND e.position <= ? ORDER BY e.position LIMIT ?"
);

const BY_STREAM: &str = select_records!(
    "FROM stream s CROSS JOIN event e ON e.stream_no = s.stream_no
     WHERE s.category = ? AND s.stream_id = ? AND e.version > ? AND e.position <= ? ORDER BY e.version"
);

impl Reader {
    pub(super) fn new(options: SqliteConnectOptions, tail: Arc<Tail>) -> Self {
        let pool = SqlitePoolOptions::new()
            .min_connections(0)
            .max_connections(4)
            .acquire_timeout(Duration::from_secs(5))
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(options.pragma("query_only", "ON"));
        Self { pool, tail }
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }

    pub(super) async fn read(&self, after_position: u64, limit: usize) -> Result<Vec<Arc<Record>>, LogError> {
        // Not beyond the head that others are told of.
        self.range(after_position, self.tail.standing().position, limit).await
    }

    async fn range(&self, after: u64, to: u64, limit: usize) -> Result<Vec<Arc<Record>>, LogError> {
        let rows = sqlx::query(BY_POSITION)
            .bind(after.cast_signed())
            .bind(to.cast_signed())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.pool)
            .await
            .context("reading records")
            .map_err(LogError::Store)?;
        let mut records = Vec::with_capacity(rows.len());
        for (row, position) in rows.iter().zip(after + 1..) {
            let record = self.record(row).map_err(|_| self.damaged(position))?;
            if record.position != position {
                return Err(self.damaged(position));
            }
            records.push(Arc::new(record));
        }
        let expected = usize::try_from(to.saturating_sub(after)).unwrap_or(usize::MAX).min(limit);
        if records.len() < expected {
            return Err(self.damaged(after + 1 + records.len() as u64));
        }
        Ok(records)
    }

    pub(super) async fn read_stream(
        &self,
        category: &str,
        stream_id: &str,
        after_version: u64,
    ) -> Result<Vec<Arc<Record>>, LogError> {
        let rows = sqlx::query(BY_STREAM)
            .bind(category)
            .bind(stream_id)
            .bind(i64::try_from(after_version).unwrap_or(i64::MAX))
            .bind(self.tail.standing().position.cast_signed())
            .fetch_all(&self.pool)
            .await
            .with_context(|| format!("reading the stream {category}/{stream_id}"))
            .map_err(LogError::Store)?;
        let mut records = Vec::with_capacity(rows.len());
        for (row, version) in rows.iter().zip(after_version + 1..) {
            let record = self.record(row).map_err(LogError::Store)?;
            if record.version != version {
                return Err(self.damaged(record.position));
            }
            records.push(Arc::new(record));
        }
        Ok(records)
    }

    pub(super) async fn find_command(&self, command_id: &str) -> Result<Option<KnownCommand>, LogError> {
        let row =
            sqlx::query("SELECT fingerprint, first_position, last_position, reply FROM command WHERE command_id = ?")
                .bind(command_id)
                .fetch_optional(&self.pool)
                .await
                .context("looking for a command")
                .map_err(LogError::Store)?;
        row.map(|row| known_command(&row, 0)).transpose().map_err(LogError::Store)
    }

    pub(super) async fn find_reservation(&self, scope: &str, key: &[u8]) -> Result<Option<String>, LogError> {
        sqlx::query_scalar("SELECT stream_id FROM reservation WHERE scope = ? AND key = ?")
            .bind(scope)
            .bind(key)
            .fetch_optional(&self.pool)
            .await
            .with_context(|| format!("looking for a key of {scope}"))
            .map_err(LogError::Store)
    }

    /// Up to the head as this process knows it: a store that was put back behind it is found, too.
    pub(super) async fn verify(&self) -> Result<Verification, LogError> {
        let head = self.tail.standing();
        let mut found = Standing { position: 0, chain: chain::START };
        let broken = |found: Standing| Verification {
            records: found.position,
            broken_at: Some(found.position + 1),
            chain: found.chain.to_vec(),
        };
        while found.position < head.position {
            let records = match self.range(found.position, head.position, 1_000).await {
                Ok(records) => records,
                // Nearer than a thousand records the break is found by reading one by one.
                Err(LogError::Damaged { .. }) => match self.range(found.position, found.position + 1, 1).await {
                    Ok(records) => records,
                    Err(LogError::Damaged { .. }) => return Ok(broken(found)),
                    Err(error) => return Err(error),
                },
                Err(error) => return Err(error),
            };
            for record in records {
                let link = chain::link(&found.chain, &record);
                if record.chain != link {
                    return Ok(broken(found));
                }
                found = Standing { position: record.position, chain: link };
            }
        }
        let broken_at = (found.chain != head.chain).then_some(head.position);
        Ok(Verification { records: found.position, broken_at, chain: found.chain.to_vec() })
    }

    fn damaged(&self, position: u64) -> LogError {
        LogError::Damaged { log: self.tail.log.clone(), position }
    }

    fn record(&self, row: &SqliteRow) -> anyhow::Result<Record> {
        let number = |column: usize| anyhow::Ok(row.try_get::<i64, _>(column)?.cast_unsigned());
        let text = |column: usize| anyhow::Ok(row.try_get::<String, _>(column)?);
        let time = |column: usize| {
            let micros = row.try_get::<i64, _>(column)?;
            let time = DateTime::from_timestamp_micros(micros).ok_or_else(|| anyhow!("no time: {micros}"))?;
            anyhow::Ok(Some(crate::timestamp(time)))
        };
        Ok(Record {
            log: self.tail.log.clone(),
            log_id: self.tail.log_id.clone(),
            position: number(0)?,
            category: text(1)?,
            stream_id: text(2)?,
            version: number(3)?,
            event_id: text(4)?,
            r#type: text(5)?,
            schema_version: u32::try_from(number(6)?)?,
            payload: row.try_get(7)?,
            command_id: text(8)?,
            correlation_id: text(9)?,
            causation_id: text(10)?,
            actor: text(11)?,
            office: text(12)?,
            subject_id: row.try_get::<Option<String>, _>(13)?.unwrap_or_default(),
            traceparent: text(14)?,
            occurred_at: time(15)?,
            recorded_at: time(16)?,
            chain: row.try_get(17)?,
        })
    }
}

/// Fingerprint, positions and reply, from a column on.
pub(super) fn known_command(row: &SqliteRow, column: usize) -> anyhow::Result<KnownCommand> {
    Ok(KnownCommand {
        fingerprint: hash(row, column)?,
        first_position: row.try_get::<i64, _>(column + 1)?.cast_unsigned(),
        last_position: row.try_get::<i64, _>(column + 2)?.cast_unsigned(),
        reply: row.try_get(column + 3)?,
    })
}

/// 32 bytes.
pub(super) fn hash(row: &SqliteRow, column: usize) -> anyhow::Result<Chain> {
    let bytes: &[u8] = row.try_get(column)?;
    Chain::try_from(bytes).context("a hash has 32 bytes")
}
