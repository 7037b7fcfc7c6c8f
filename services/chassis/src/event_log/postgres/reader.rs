//! Questions that any replica may ask.

use async_trait::async_trait;
use sqlx::{PgPool, postgres::PgRow};
use tokio::time::timeout;

use super::{
    super::{reader::Shelf, rows::select_records},
    STEP,
};

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

#[async_trait]
impl Shelf for Rows {
    type Row = PgRow;

    async fn by_position(&self, after: i64, to: i64, limit: i64) -> sqlx::Result<Vec<PgRow>> {
        answered(sqlx::query(BY_POSITION).bind(after).bind(to).bind(limit).fetch_all(&self.0)).await
    }

    async fn by_stream(&self, category: &str, stream_id: &str, after: i64, to: i64) -> sqlx::Result<Vec<PgRow>> {
        answered(sqlx::query(BY_STREAM).bind(category).bind(stream_id).bind(after).bind(to).fetch_all(&self.0)).await
    }

    async fn command(&self, command_id: &str) -> sqlx::Result<Option<PgRow>> {
        let sql = "SELECT fingerprint, first_position, last_position, reply FROM log.command WHERE command_id = $1";
        answered(sqlx::query(sql).bind(command_id).fetch_optional(&self.0)).await
    }

    async fn reservation(&self, scope: &str, key: &[u8]) -> sqlx::Result<Option<PgRow>> {
        let sql = "SELECT stream_id FROM log.reservation WHERE scope = $1 AND key = $2";
        answered(sqlx::query(sql).bind(scope).bind(key).fetch_optional(&self.0)).await
    }
}

/// A server that has gone silent is an error like any other.
async fn answered<T>(asked: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    timeout(2 * STEP, asked).await.unwrap_or_else(|late| Err(sqlx::Error::Io(late.into())))
}
