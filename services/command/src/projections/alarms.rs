//! Which alarms are there, which are open, and which go up? What one says is read from its stream.

use std::collections::HashSet;

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Scope, Tables, instant};
use chrono::{DateTime, Utc};
use proto::{
    Fact as _,
    command::v1::{OpenAlarms, alarm_event::Event},
};
use sqlx::{AnyConnection, Row as _};

use crate::domain::alarm::Condition;

pub(crate) struct Alarms;

/// What a list is of.
pub(crate) struct Wanted<'a> {
    /// A neighbourhood's id; empty: any.
    pub(crate) neighbourhood_id: &'a str,
    /// Also those that are over or closed.
    pub(crate) all: bool,
    /// The place in the list behind which the page begins.
    pub(crate) after: &'a str,
    pub(crate) size: i64,
}

/// Places in the list and ids of the alarms within the caller's reach, the newest first.
pub(crate) async fn list(
    db: &mut AnyConnection,
    scope: &Scope,
    wanted: &Wanted<'_>,
) -> anyhow::Result<Vec<(String, String)>> {
    let sql = if wanted.all {
        "SELECT place, alarm_id FROM alarm
         WHERE place > $1 AND ($2 = '' OR neighbourhood_id = $2) AND ($3 = '' OR neighbourhood_id = $3)
         ORDER BY place LIMIT $4"
    } else {
        "SELECT place, alarm_id FROM alarm
         WHERE open = 1 AND place > $1 AND ($2 = '' OR neighbourhood_id = $2) AND ($3 = '' OR neighbourhood_id = $3)
         ORDER BY place LIMIT $4"
    };
    let rows = sqlx::query(sql)
        .bind(wanted.after.to_owned())
        .bind(scope.neighbourhood().unwrap_or_default().to_owned())
        .bind(wanted.neighbourhood_id.to_owned())
        .bind(wanted.size)
        .fetch_all(db)
        .await
        .context("listing alarms")?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// How many alarms are open within the caller's reach, by neighbourhood's id; under the empty id those of none alone.
pub(crate) async fn open_by_neighbourhood(db: &mut AnyConnection, scope: &Scope) -> anyhow::Result<Vec<OpenAlarms>> {
    let rows = sqlx::query(
        "SELECT neighbourhood_id, COUNT(*) FROM alarm WHERE open = 1 AND ($1 = '' OR neighbourhood_id = $1)
         GROUP BY neighbourhood_id ORDER BY neighbourhood_id",
    )
    .bind(scope.neighbourhood().unwrap_or_default().to_owned())
    .fetch_all(db)
    .await
    .context("counting open alarms")?;
    let counted = |row: &sqlx::any::AnyRow| {
        let id: String = row.get(0);
        let neighbourhood = if id.is_empty() { id } else { format!("neighbourhoods/{id}") };
        OpenAlarms { neighbourhood, alarms: i32::try_from(row.get::<i64, _>(1)).unwrap_or(i32::MAX) }
    };
    Ok(rows.iter().map(counted).collect())
}

/// Ids of open alarms whose condition may end by itself.
pub(crate) async fn passing(db: &mut AnyConnection) -> anyhow::Result<HashSet<String>> {
    let rows = sqlx::query("SELECT alarm_id FROM alarm WHERE open = 1 AND passes = 1")
        .fetch_all(db)
        .await
        .context("looking for alarms that may be over")?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Ids of alarms that nobody has acknowledged in time, the oldest first.
pub(crate) async fn going_up(db: &mut AnyConnection, now: DateTime<Utc>, most: usize) -> anyhow::Result<Vec<String>> {
    let rows = sqlx::query("SELECT alarm_id FROM alarm WHERE goes_up <= $1 ORDER BY goes_up LIMIT $2")
        .bind(now.timestamp_micros())
        .bind(i64::try_from(most).unwrap_or(i64::MAX))
        .fetch_all(db)
        .await
        .context("looking for alarms that go up")?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Never.
const STAYS: i64 = i64::MAX;

#[async_trait]
impl Projection for Alarms {
    fn name(&self) -> &'static str {
        "alarms"
    }

    fn version(&self) -> u32 {
        1
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE alarm (alarm_id TEXT NOT NULL PRIMARY KEY, place TEXT NOT NULL, neighbourhood_id TEXT NOT NULL,
           passes BIGINT NOT NULL, open BIGINT NOT NULL, goes_up BIGINT NOT NULL);
         CREATE INDEX alarm_by_place ON alarm (place);
         CREATE INDEX alarm_open_by_place ON alarm (open, place);
         CREATE INDEX alarm_open_by_neighbourhood ON alarm (open, neighbourhood_id);
         CREATE INDEX alarm_going_up ON alarm (goes_up)"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["command"]
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        if record.category != Event::CATEGORY {
            return Ok(());
        }
        let id = record.stream_id.clone();
        let micros = |stamp: Option<&prost_types::Timestamp>| {
            stamp.and_then(instant).map_or(STAYS, |time| time.timestamp_micros())
        };
        let (open, goes_up): (i64, i64) = match Event::from_payload(&record.payload)? {
            Event::Raised(raised) => {
                let newest_first = i64::MAX - micros(raised.time.as_ref());
                let row = [
                    ("alarm_id", id.clone().into()),
                    ("place", format!("{newest_first:019}-{id}").into()),
                    ("neighbourhood_id", raised.neighbourhood_id.clone().into()),
                    ("passes", i64::from(Condition::passes(raised.kind())).into()),
                    ("open", 1.into()),
                    ("goes_up", micros(raised.due_time.as_ref()).into()),
                ];
                return tables.put("alarm", row).await;
            }
            Event::Assigned(_) => return Ok(()),
            Event::Acknowledged(_) => (1, STAYS),
            Event::WentUp(went_up) => (1, micros(went_up.due_time.as_ref())),
            Event::Grew(grew) => (1, micros(grew.due_time.as_ref())),
            Event::Returned(returned) => (1, micros(returned.due_time.as_ref())),
            Event::Over(_) | Event::Closed(_) => (0, STAYS),
        };
        tables.set("alarm", [("alarm_id", id.into())], [("open", open.into()), ("goes_up", goes_up.into())]).await
    }
}
