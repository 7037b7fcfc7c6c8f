//! The published versions of the method, for the numbers that isolation needs: its length and the limit of fever.

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Tables, instant};
use chrono::{DateTime, Utc};
use proto::{Fact as _, screening::v1::method_event};
use sqlx::{AnyConnection, Row as _, any::AnyRow};

pub(crate) struct Methods;

#[derive(Clone, Debug)]
pub(crate) struct Method {
    pub(crate) version: String,
    /// R9.
    pub(crate) isolation_days: u64,
    /// R14: tenths of a degree Celsius from which it is a fever.
    pub(crate) fever_decicelsius: i32,
}

/// The version in force at a time. What is dated before the first version goes by that one: there is no other.
pub(crate) async fn in_force(db: &mut AnyConnection, at: DateTime<Utc>) -> anyhow::Result<Option<Method>> {
    let row = sqlx::query(
        "SELECT version, isolation_days, fever_decicelsius FROM method
         ORDER BY CASE WHEN in_force_from <= $1 THEN -in_force_from ELSE in_force_from END, published_at_position DESC LIMIT 1",
    )
    .bind(at.timestamp_micros())
    .fetch_optional(db)
    .await
    .context("reading the method in force")?;
    row.as_ref().map(read).transpose()
}

pub(crate) async fn find(db: &mut AnyConnection, version: &str) -> anyhow::Result<Option<Method>> {
    let row = sqlx::query("SELECT version, isolation_days, fever_decicelsius FROM method WHERE version = $1")
        .bind(version.to_owned())
        .fetch_optional(db)
        .await
        .context("reading a method")?;
    row.as_ref().map(read).transpose()
}

fn read(row: &AnyRow) -> anyhow::Result<Method> {
    Ok(Method {
        version: row.get(0),
        isolation_days: u64::try_from(row.get::<i64, _>(1)).context("days of isolation are no negative number")?,
        fever_decicelsius: i32::try_from(row.get::<i64, _>(2)).context("a temperature fits into 31 bits")?,
    })
}

#[async_trait]
impl Projection for Methods {
    fn name(&self) -> &'static str {
        "methods"
    }

    fn version(&self) -> u32 {
        2
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE method (
           version TEXT NOT NULL PRIMARY KEY,
           published_at_position BIGINT NOT NULL,
           in_force_from BIGINT NOT NULL,
           isolation_days BIGINT NOT NULL,
           fever_decicelsius BIGINT NOT NULL
         );"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["screening"]
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        if record.category != method_event::Event::CATEGORY {
            return Ok(());
        }
        let method_event::Event::Published(published) = method_event::Event::from_payload(&record.payload)? else {
            return Ok(());
        };
        let content = published.content.unwrap_or_default();
        // One that does not say from when is in force from its publication on.
        let from =
            published.in_force_time.as_ref().or(record.occurred_at.as_ref()).and_then(instant).unwrap_or_default();
        let db = tables.now().await?;
        sqlx::query(
            "INSERT INTO method (version, published_at_position, in_force_from, isolation_days, fever_decicelsius)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (version) DO UPDATE SET published_at_position = excluded.published_at_position,
               in_force_from = excluded.in_force_from, isolation_days = excluded.isolation_days, fever_decicelsius = excluded.fever_decicelsius",
        )
        .bind(published.version)
        .bind(i64::try_from(record.position).context("a position fits into 63 bits")?)
        .bind(from.timestamp_micros())
        .bind(i64::from(content.isolation_days))
        .bind(i64::from(content.fever_decicelsius))
        .execute(db)
        .await
        .context("noting a method")?;
        Ok(())
    }
}
