//! Questions that any replica may ask.

use async_trait::async_trait;
use sqlx::{PgConnection, PgPool, Postgres, pool::PoolConnection, postgres::PgRow};
use tokio::time::timeout;

use super::super::{reader::Shelf, rows::select_records};
use crate::postgres::TURN;

/// The rows of one database.
pub(super) struct Rows(pub(super) PgPool);

const BY_POSITION: &str = select_records!(
    "FROM log.event e JOIN log.stream s ON s.stream_no = e.stream_no
     WHERE e.position > $1 AND e.position <= $2 ORDER BY e.position LIMIT $3"
);

const BY_STREAM: &str = select_records!(
    "FROM log.stream s JOIN log.event e ON e.stream_no = s.stream_no
     WHERE s.category = $1 AND s.stream_id = $2 AND e.version > $3 AND e.position <= $4 ORDER BY e.version"
);

const BY_STREAMS: &str = select_records!(
    "FROM log.stream s JOIN log.event e ON e.stream_no = s.stream_no
     WHERE s.category = $1 AND s.stream_id = ANY($2) AND e.position <= $3 ORDER BY e.stream_no, e.version"
);

/// A connection while it is asked one question.
struct Asked {
    connection: PoolConnection<Postgres>,
    answered: bool,
}

impl Rows {
    async fn asked(&self) -> sqlx::Result<Asked> {
        Ok(Asked { connection: self.0.acquire().await?, answered: false })
    }
}

impl Asked {
    /// A server that has gone silent is an error like any other in the end.
    async fn answer<T>(mut self, asking: impl AsyncFnOnce(&mut PgConnection) -> sqlx::Result<T>) -> sqlx::Result<T> {
        let answer = timeout(TURN, asking(&mut self.connection)).await;
        let answer = answer.unwrap_or_else(|late| Err(sqlx::Error::Io(late.into())))?;
        self.answered = true;
        Ok(answer)
    }
}

impl Drop for Asked {
    /// Whoever hangs up meanwhile leaves an answer behind that is nobody else's.
    fn drop(&mut self) {
        if !self.answered {
            self.connection.close_on_drop();
        }
    }
}

#[async_trait]
impl Shelf for Rows {
    type Row = PgRow;

    async fn by_position(&self, after: i64, to: i64, limit: i64) -> sqlx::Result<Vec<PgRow>> {
        let query = sqlx::query(BY_POSITION).bind(after).bind(to).bind(limit);
        self.asked().await?.answer(async |connection| query.fetch_all(connection).await).await
    }

    async fn by_stream(&self, category: &str, stream_id: &str, after: i64, to: i64) -> sqlx::Result<Vec<PgRow>> {
        let query = sqlx::query(BY_STREAM).bind(category).bind(stream_id).bind(after).bind(to);
        self.asked().await?.answer(async |connection| query.fetch_all(connection).await).await
    }

    async fn by_streams(&self, category: &str, stream_ids: &[String], to: i64) -> sqlx::Result<Vec<PgRow>> {
        let query = sqlx::query(BY_STREAMS).bind(category).bind(stream_ids).bind(to);
        self.asked().await?.answer(async |connection| query.fetch_all(connection).await).await
    }

    async fn command(&self, command_id: &str) -> sqlx::Result<Option<PgRow>> {
        let sql = "SELECT fingerprint, first_position, last_position, reply FROM log.command WHERE command_id = $1";
        let query = sqlx::query(sql).bind(command_id);
        self.asked().await?.answer(async |connection| query.fetch_optional(connection).await).await
    }

    async fn reservation(&self, scope: &str, key: &[u8]) -> sqlx::Result<Option<PgRow>> {
        let query =
            sqlx::query("SELECT stream_id FROM log.reservation WHERE scope = $1 AND key = $2").bind(scope).bind(key);
        self.asked().await?.answer(async |connection| query.fetch_optional(connection).await).await
    }
}
