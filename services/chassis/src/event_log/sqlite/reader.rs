//! Connections that cannot write.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteRow},
};

use super::super::{reader::Shelf, rows::select_records};

/// The rows of one file.
pub(super) struct Rows(SqlitePool);

// The outer loop goes over events: the order is the key's.
const BY_POSITION: &str = select_records!(
    "FROM event e CROSS JOIN stream s ON s.stream_no = e.stream_no
     WHERE e.position > ? AND e.position <= ? ORDER BY e.position LIMIT ?"
);

const BY_STREAM: &str = select_records!(
    "FROM stream s CROSS JOIN event e ON e.stream_no = s.stream_no
     WHERE s.category = ? AND s.stream_id = ? AND e.version > ? AND e.position <= ? ORDER BY e.version"
);

const BY_STREAMS: &str = select_records!(
    "FROM json_each(?) n CROSS JOIN stream s ON s.category = ? AND s.stream_id = n.value
     CROSS JOIN event e ON e.stream_no = s.stream_no WHERE e.position <= ? ORDER BY s.stream_no, e.version"
);

impl Rows {
    pub(super) fn new(options: SqliteConnectOptions) -> Self {
        let pool = SqlitePoolOptions::new()
            .min_connections(0)
            .max_connections(4)
            .acquire_timeout(Duration::from_secs(5))
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(options.pragma("query_only", "ON"));
        Self(pool)
    }

    pub(super) async fn close(&self) {
        self.0.close().await;
    }
}

#[async_trait]
impl Shelf for Rows {
    type Row = SqliteRow;

    async fn by_position(&self, after: i64, to: i64, limit: i64) -> sqlx::Result<Vec<SqliteRow>> {
        sqlx::query(BY_POSITION).bind(after).bind(to).bind(limit).fetch_all(&self.0).await
    }

    async fn by_stream(&self, category: &str, stream_id: &str, after: i64, to: i64) -> sqlx::Result<Vec<SqliteRow>> {
        sqlx::query(BY_STREAM).bind(category).bind(stream_id).bind(after).bind(to).fetch_all(&self.0).await
    }

    async fn by_streams(&self, category: &str, stream_ids: &[String], to: i64) -> sqlx::Result<Vec<SqliteRow>> {
        let ids = serde_json::Value::from(stream_ids).to_string();
        sqlx::query(BY_STREAMS).bind(ids).bind(category).bind(to).fetch_all(&self.0).await
    }

    async fn command(&self, command_id: &str) -> sqlx::Result<Option<SqliteRow>> {
        sqlx::query("SELECT fingerprint, first_position, last_position, reply FROM command WHERE command_id = ?")
            .bind(command_id)
            .fetch_optional(&self.0)
            .await
    }

    async fn reservation(&self, scope: &str, key: &[u8]) -> sqlx::Result<Option<SqliteRow>> {
        sqlx::query("SELECT stream_id FROM reservation WHERE scope = ? AND key = ?")
            .bind(scope)
            .bind(key)
            .fetch_optional(&self.0)
            .await
    }
}
