//! Reads a log from its store, and tells a hole or an edited row from what was appended.

use std::sync::Arc;

use anyhow::Context as _;
use async_trait::async_trait;
use proto::event::v1::Record;

use super::{
    KnownCommand, LogError, Verification, chain,
    rows::{self, Columns},
    tail::{Standing, Tail},
};

/// Where the rows of one log lie. Rows of records have the columns of [`rows::select_records`].
#[async_trait]
pub(super) trait Shelf: Send + Sync + 'static {
    type Row: Columns + Send;

    /// Records behind a position and up to another, in order.
    async fn by_position(&self, after: i64, to: i64, limit: i64) -> sqlx::Result<Vec<Self::Row>>;

    /// Records of a stream behind a version and up to a position, in order.
    async fn by_stream(&self, category: &str, stream_id: &str, after: i64, to: i64) -> sqlx::Result<Vec<Self::Row>>;

    /// Records of several streams up to a position, each stream's in order and none between them.
    async fn by_streams(&self, category: &str, stream_ids: &[String], to: i64) -> sqlx::Result<Vec<Self::Row>>;

    /// Fingerprint, first position, last position, reply.
    async fn command(&self, command_id: &str) -> sqlx::Result<Option<Self::Row>>;

    /// The stream's id.
    async fn reservation(&self, scope: &str, key: &[u8]) -> sqlx::Result<Option<Self::Row>>;
}

/// Reads one log.
pub(super) struct Reader<S> {
    pub(super) shelf: S,
    pub(super) tail: Arc<Tail>,
}

/// However many are asked for.
pub(super) const MOST_RECORDS: usize = 5_000;

impl<S: Shelf> Reader<S> {
    /// Records behind a position and up to the head as this process knows it: not beyond what others are told of.
    pub(super) async fn read(&self, after_position: u64, limit: usize) -> Result<Vec<Arc<Record>>, LogError> {
        let limit = limit.min(MOST_RECORDS);
        match self.tail.read(after_position, limit) {
            Some(records) => Ok(records),
            None => self.range(after_position, self.tail.standing().position, limit).await,
        }
    }

    async fn range(&self, after: u64, to: u64, limit: usize) -> Result<Vec<Arc<Record>>, LogError> {
        let most = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = self.shelf.by_position(after.cast_signed(), to.cast_signed(), most).await;
        let rows = rows.context("reading records").map_err(LogError::Store)?;
        let mut records = Vec::with_capacity(rows.len());
        for (row, position) in rows.iter().zip(after + 1..) {
            let record = rows::record(&self.tail, row).map_err(|_| self.damaged(position))?;
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

    /// Records of a stream behind a version, as far as a position.
    pub(super) async fn read_stream(
        &self,
        category: &str,
        stream_id: &str,
        after_version: u64,
        to_position: u64,
    ) -> Result<Vec<Arc<Record>>, LogError> {
        let signed = |number| i64::try_from(number).unwrap_or(i64::MAX);
        let rows = self.shelf.by_stream(category, stream_id, signed(after_version), signed(to_position)).await;
        let rows =
            rows.with_context(|| format!("reading the stream {category}/{stream_id}")).map_err(LogError::Store)?;
        let mut records = Vec::with_capacity(rows.len());
        for (row, version) in rows.iter().zip(after_version + 1..) {
            let record = rows::record(&self.tail, row).map_err(LogError::Store)?;
            if record.version != version {
                return Err(self.damaged(record.position));
            }
            records.push(Arc::new(record));
        }
        Ok(records)
    }

    /// Records of several streams as far as a position.
    pub(super) async fn read_streams(
        &self,
        category: &str,
        stream_ids: &[String],
        to_position: u64,
    ) -> Result<Vec<Arc<Record>>, LogError> {
        let to = i64::try_from(to_position).unwrap_or(i64::MAX);
        let rows = self.shelf.by_streams(category, stream_ids, to).await;
        let rows = rows.with_context(|| format!("reading streams of {category}")).map_err(LogError::Store)?;
        let mut records: Vec<Arc<Record>> = Vec::with_capacity(rows.len());
        for row in &rows {
            let record = rows::record(&self.tail, row).map_err(LogError::Store)?;
            let before = records.last().filter(|before| before.stream_id == record.stream_id);
            if record.version != before.map_or(0, |before| before.version) + 1 {
                return Err(self.damaged(record.position));
            }
            records.push(Arc::new(record));
        }
        Ok(records)
    }

    pub(super) async fn find_command(&self, command_id: &str) -> Result<Option<KnownCommand>, LogError> {
        let row = self.shelf.command(command_id).await.context("looking for a command").map_err(LogError::Store)?;
        let known = row.map(|row| rows::known_command(&row, 0)).transpose().map_err(LogError::Store)?;
        // Not before its events can be read: whoever is told of it reads them next.
        Ok(known.filter(|known| self.tail.shows(known.last_position)))
    }

    pub(super) async fn find_reservation(&self, scope: &str, key: &[u8]) -> Result<Option<String>, LogError> {
        let row = self.shelf.reservation(scope, key).await;
        let row = row.with_context(|| format!("looking for a key of {scope}")).map_err(LogError::Store)?;
        row.map(|row| row.text(0)).transpose().map_err(LogError::Store)
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
}
