//! Which versions of the method there are, and which is in force: the one published last.

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Tables, instant};
use chrono::{DateTime, Utc};
use proto::{Fact as _, screening::v1::method_event::Event};
use sqlx::{AnyConnection, Row as _};

pub struct Methods;

#[async_trait]
impl Projection for Methods {
    fn name(&self) -> &'static str {
        "methods"
    }

    fn version(&self) -> u32 {
        1
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE published_method (version TEXT NOT NULL PRIMARY KEY, position BIGINT NOT NULL, published_at BIGINT NOT NULL)"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["screening"]
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        if record.category != Event::CATEGORY {
            return Ok(());
        }
        let db = tables.now().await?;
        match Event::from_payload(&record.payload)? {
            Event::Drafted(_) | Event::Approved(_) => Ok(()),
            Event::Published(_) => {
                sqlx::query(
                    "INSERT INTO published_method (version, position, published_at) VALUES ($1, $2, $3)
                     ON CONFLICT (version) DO UPDATE SET position = excluded.position, published_at = excluded.published_at",
                )
                .bind(record.stream_id.clone())
                .bind(i64::try_from(record.position).context("a position fits into 63 bits")?)
                .bind(microseconds(record))
                .execute(db)
                .await
                .context("keeping a published method")?;
                Ok(())
            }
        }
    }
}

/// A version that was published.
pub struct Published {
    pub version: String,
    pub time: Option<DateTime<Utc>>,
}

/// The version in force.
pub async fn in_force(db: &mut AnyConnection) -> anyhow::Result<Option<Published>> {
    let row = sqlx::query("SELECT version, published_at FROM published_method ORDER BY position DESC LIMIT 1")
        .fetch_optional(db)
        .await
        .context("looking up the method in force")?;
    Ok(row.map(|row| Published { version: row.get(0), time: DateTime::from_timestamp_micros(row.get(1)) }))
}

/// When a version was published.
pub async fn find(db: &mut AnyConnection, version: &str) -> anyhow::Result<Option<Published>> {
    let row = sqlx::query("SELECT version, published_at FROM published_method WHERE version = $1")
        .bind(version.to_owned())
        .fetch_optional(db)
        .await
        .context("looking up a method")?;
    Ok(row.map(|row| Published { version: row.get(0), time: DateTime::from_timestamp_micros(row.get(1)) }))
}

/// When it happened.
pub(super) fn microseconds(record: &Record) -> i64 {
    record.occurred_at.as_ref().and_then(instant).map_or(0, |time| time.timestamp_micros())
}
