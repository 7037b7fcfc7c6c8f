//! Which versions of the method there are, and which is in force at a time: of those published for then or before, the one
//! that came into force last, and of two at the same moment the one published last.

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Tables, instant};
use chrono::{DateTime, Utc};
use proto::{Fact as _, screening::v1::method_event::Event};
use sqlx::{AnyConnection, Row as _, any::AnyRow};

pub struct Methods;

#[async_trait]
impl Projection for Methods {
    fn name(&self) -> &'static str {
        "methods"
    }

    fn version(&self) -> u32 {
        2
    }

    /// `position` is 0 before it is published.
    fn schema(&self) -> &'static str {
        "CREATE TABLE method (version TEXT NOT NULL PRIMARY KEY, position BIGINT NOT NULL, published_at BIGINT NOT NULL,
           in_force_from BIGINT NOT NULL)"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["screening"]
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        if record.category != Event::CATEGORY {
            return Ok(());
        }
        let version = record.stream_id.clone();
        match Event::from_payload(&record.payload)? {
            Event::Approved(_) => Ok(()),
            Event::Drafted(_) => {
                let none = [("position", 0.into()), ("published_at", 0.into()), ("in_force_from", 0.into())];
                let [position, published_at, in_force_from] = none;
                tables.put("method", [("version", version.into()), position, published_at, in_force_from]).await
            }
            Event::Published(published) => {
                let published_at = microseconds(record);
                let named = published.in_force_time.as_ref().and_then(instant).map(|time| time.timestamp_micros());
                sqlx::query(
                    "INSERT INTO method (version, position, published_at, in_force_from) VALUES ($1, $2, $3, $4)
                     ON CONFLICT (version) DO UPDATE SET position = excluded.position,
                       published_at = excluded.published_at, in_force_from = excluded.in_force_from",
                )
                .bind(version)
                .bind(i64::try_from(record.position).context("a position fits into 63 bits")?)
                .bind(published_at)
                .bind(named.unwrap_or(published_at))
                .execute(tables.now().await?)
                .await
                .context("keeping a published method")?;
                Ok(())
            }
        }
    }
}

/// A version that was published.
#[derive(Clone, Debug)]
pub struct Published {
    pub version: String,
    pub time: DateTime<Utc>,
    /// From here on it is in force.
    pub from: DateTime<Utc>,
    position: i64,
}

/// The version in force at a time.
pub async fn in_force(db: &mut AnyConnection, at: DateTime<Utc>) -> anyhow::Result<Option<Published>> {
    let row = sqlx::query(
        "SELECT version, published_at, in_force_from, position FROM method
         WHERE position > 0 AND in_force_from <= $1 ORDER BY in_force_from DESC, position DESC LIMIT 1",
    )
    .bind(at.timestamp_micros())
    .fetch_optional(db)
    .await
    .context("looking up the method in force")?;
    Ok(row.as_ref().map(published))
}

/// When a version was published, if it was.
pub async fn find(db: &mut AnyConnection, version: &str) -> anyhow::Result<Option<Published>> {
    let row = sqlx::query(
        "SELECT version, published_at, in_force_from, position FROM method WHERE version = $1 AND position > 0",
    )
    .bind(version.to_owned())
    .fetch_optional(db)
    .await
    .context("looking up a method")?;
    Ok(row.as_ref().map(published))
}

/// When the next version takes over.
pub async fn replaced(db: &mut AnyConnection, by: &Published) -> anyhow::Result<Option<DateTime<Utc>>> {
    let row = sqlx::query(
        "SELECT MIN(in_force_from) FROM method
         WHERE position > 0 AND (in_force_from > $1 OR (in_force_from = $1 AND position > $2))",
    )
    .bind(by.from.timestamp_micros())
    .bind(by.position)
    .fetch_one(db)
    .await
    .context("looking up what follows a method")?;
    let time: Option<i64> = row.try_get(0)?;
    Ok(time.and_then(DateTime::from_timestamp_micros))
}

/// At most `limit` versions behind one, in the order of their names.
pub async fn list(db: &mut AnyConnection, after: &str, limit: i64) -> anyhow::Result<Vec<String>> {
    let rows = sqlx::query("SELECT version FROM method WHERE version > $1 ORDER BY version LIMIT $2")
        .bind(after.to_owned())
        .bind(limit)
        .fetch_all(db)
        .await
        .context("listing methods")?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The latest time at which anybody has published.
pub async fn last_published(db: &mut AnyConnection) -> anyhow::Result<DateTime<Utc>> {
    let row = sqlx::query("SELECT MAX(published_at) FROM method").fetch_one(db).await;
    let time: Option<i64> = row.context("looking up the last publication")?.try_get(0)?;
    Ok(time.and_then(DateTime::from_timestamp_micros).unwrap_or_default())
}

fn published(row: &AnyRow) -> Published {
    let time = |column: usize| DateTime::from_timestamp_micros(row.get(column)).unwrap_or_default();
    Published { version: row.get(0), time: time(1), from: time(2), position: row.get(3) }
}

/// When it happened.
fn microseconds(record: &Record) -> i64 {
    record.occurred_at.as_ref().and_then(instant).map_or(0, |time| time.timestamp_micros())
}
