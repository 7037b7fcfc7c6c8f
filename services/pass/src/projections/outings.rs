//! R18: when somebody of a household went out, at whatever gate, while the method counted it.

use async_trait::async_trait;
use chassis::{Projection, Record, Tables, instant};
use chrono::{DateTime, Utc};
use proto::pass::v1::gate_day_event::Event;
use sqlx::{AnyConnection, Row as _};

use crate::domain::access::AT_ONCE;

pub(crate) struct Outings;

#[async_trait]
impl Projection for Outings {
    fn name(&self) -> &'static str {
        "outings"
    }

    fn version(&self) -> u32 {
        1
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE outing (outing TEXT NOT NULL PRIMARY KEY, household_id TEXT NOT NULL, pass_number TEXT NOT NULL,
           went_at BIGINT NOT NULL);
         CREATE INDEX outing_of_household ON outing (household_id, went_at)"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["pass"]
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        let Some(Event::Crossed(crossed)) = crate::facts::own::<Event>(record)? else { return Ok(()) };
        let (true, Some(home)) = (crossed.outing, crossed.residence) else { return Ok(()) };
        let went = crossed.crossed_at.as_ref().and_then(instant).unwrap_or_default();
        // Scanned twice, somebody goes out once.
        let moment = went.timestamp() / AT_ONCE.num_seconds();
        let row = [
            ("outing", format!("{}/{moment}", crossed.resident_id).into()),
            ("household_id", home.household_id.into()),
            ("pass_number", crossed.pass_number.into()),
            ("went_at", went.timestamp_micros().into()),
        ];
        tables.put("outing", row).await
    }
}

/// How many of a household went out from one time until another; the passage of this pass a moment before is the same one. Asked
/// for the household of a pass that stands at a gate, so there is no scope to it, and only a number comes out.
pub(crate) async fn count(
    db: &mut AnyConnection,
    household: &str,
    (from, until): (DateTime<Utc>, DateTime<Utc>),
    number: &str,
) -> Result<u32, sqlx::Error> {
    let row = sqlx::query(
        "SELECT COUNT(*) FROM outing WHERE household_id = $1 AND went_at >= $2 AND went_at < $3
           AND NOT (pass_number = $4 AND went_at > $5)",
    )
    .bind(household.to_owned())
    .bind(from.timestamp_micros())
    .bind(until.timestamp_micros())
    .bind(number.to_owned())
    .bind((until - AT_ONCE).timestamp_micros())
    .fetch_one(db)
    .await?;
    Ok(u32::try_from(row.try_get::<i64, _>(0)?).unwrap_or(u32::MAX))
}
