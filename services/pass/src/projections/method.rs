//! The numbers of the method that passes and gates need, from screening's log: of the version in force at a time.

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Tables, instant};
use chrono::{DateTime, Utc};
use proto::screening::v1::method_event::Event;
use sqlx::{AnyConnection, Row as _};

use crate::domain::access::Limits;

pub(crate) struct MethodInForce;

#[async_trait]
impl Projection for MethodInForce {
    fn name(&self) -> &'static str {
        "method"
    }

    fn version(&self) -> u32 {
        3
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE method (version TEXT PRIMARY KEY, in_force_from BIGINT NOT NULL, position BIGINT NOT NULL,
           pass_days BIGINT NOT NULL, fever_decicelsius BIGINT NOT NULL, daytime_from BIGINT NOT NULL,
           daytime_to BIGINT NOT NULL, outing_people BIGINT NOT NULL, outing_days BIGINT NOT NULL)"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["screening"]
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        let Some(Event::Published(published)) = crate::facts::foreign::<Event>(record)? else {
            return Ok(());
        };
        let content = published.content.context("a method was published without content")?;
        // One that does not say from when is in force from its publication on.
        let from = published.in_force_time.as_ref().or(record.occurred_at.as_ref()).and_then(instant);
        let row = [
            ("version", published.version.into()),
            ("in_force_from", from.unwrap_or_default().timestamp_micros().into()),
            ("position", i64::try_from(record.position).context("a position fits into 63 bits")?.into()),
            ("pass_days", i64::from(content.pass_days).into()),
            ("fever_decicelsius", i64::from(content.fever_decicelsius).into()),
            ("daytime_from", i64::from(content.daytime_from_hour).into()),
            ("daytime_to", i64::from(content.daytime_to_hour).into()),
            ("outing_people", i64::from(content.outing_people).into()),
            ("outing_days", i64::from(content.outing_days).into()),
        ];
        tables.put("method", row).await
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Method {
    pub version: String,
    pub pass_days: i32,
    pub fever_decicelsius: i32,
    /// R18.
    pub limits: Limits,
}

/// One method for everybody, so there is no scope to it. What is dated before the first version goes by that one: there is no
/// other.
pub(crate) async fn in_force(db: &mut AnyConnection, at: DateTime<Utc>) -> Result<Option<Method>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT version, pass_days, fever_decicelsius, daytime_from, daytime_to, outing_people, outing_days FROM method
         ORDER BY CASE WHEN in_force_from <= $1 THEN -in_force_from ELSE in_force_from END, position DESC LIMIT 1",
    )
    .bind(at.timestamp_micros())
    .fetch_optional(db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let number = |column: usize| row.try_get::<i64, _>(column).map(|value| i32::try_from(value).unwrap_or(0));
    let limits = Limits::new([number(3)?, number(4)?], [number(5)?, number(6)?]);
    Ok(Some(Method { version: row.try_get(0)?, pass_days: number(1)?, fever_decicelsius: number(2)?, limits }))
}
