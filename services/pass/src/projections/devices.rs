//! The devices at the gates: which are enrolled, and when each was last heard of.

use async_trait::async_trait;
use chassis::{Projection, Record, Scope, Tables, instant};
use chrono::DateTime;
use proto::pass::v1::{
    Device as Shown,
    device::State,
    device_event::{Event, Opened},
};
use sqlx::{AnyConnection, Row as _, any::AnyRow};

use crate::domain::device::Device;

pub(crate) struct Devices;

#[async_trait]
impl Projection for Devices {
    fn name(&self) -> &'static str {
        "devices"
    }

    fn version(&self) -> u32 {
        1
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE device (device_id TEXT PRIMARY KEY, neighbourhood_id TEXT NOT NULL, compound_id TEXT NOT NULL,
           gate_id TEXT NOT NULL, label TEXT NOT NULL, state BIGINT NOT NULL, enrolled_at BIGINT NOT NULL,
           reported_at BIGINT NOT NULL, crossings BIGINT NOT NULL)"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["pass"]
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        let Some(event) = crate::facts::own::<Event>(record)? else { return Ok(()) };
        let db = tables.now().await?;
        let device = record.stream_id.clone();
        let time = record.occurred_at.as_ref().and_then(instant).map_or(0, |time| time.timestamp_micros());
        match event {
            Event::Opened(opened) => open(db, device, opened).await?,
            Event::Enrolled(_) => {
                sqlx::query("UPDATE device SET state = $2, enrolled_at = $3 WHERE device_id = $1")
                    .bind(device)
                    .bind(i64::from(State::Enrolled as i32))
                    .bind(time)
                    .execute(db)
                    .await?;
            }
            Event::Reported(reported) => {
                sqlx::query("UPDATE device SET reported_at = $2, crossings = crossings + $3 WHERE device_id = $1")
                    .bind(device)
                    .bind(time)
                    .bind(i64::from(reported.crossings))
                    .execute(db)
                    .await?;
            }
            Event::Retired(_) => {
                sqlx::query("UPDATE device SET state = $2 WHERE device_id = $1")
                    .bind(device)
                    .bind(i64::from(State::Retired as i32))
                    .execute(db)
                    .await?;
            }
            Event::Kept(_) => {}
        }
        Ok(())
    }
}

/// A device that is enrolled again stays enrolled until then.
async fn open(db: &mut AnyConnection, device: String, opened: Opened) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO device (device_id, neighbourhood_id, compound_id, gate_id, label, state, enrolled_at, reported_at,
           crossings) VALUES ($1, $2, $3, $4, $5, $6, 0, 0, 0)
         ON CONFLICT (device_id) DO UPDATE SET label = excluded.label",
    )
    .bind(device)
    .bind(opened.neighbourhood_id)
    .bind(opened.compound_id)
    .bind(opened.gate_id)
    .bind(opened.label)
    .bind(i64::from(State::Opened as i32))
    .execute(db)
    .await?;
    Ok(())
}

/// One page of devices, of one compound or (empty) of all within reach, in the order of their ids.
pub(crate) async fn list(
    db: &mut AnyConnection,
    scope: &Scope,
    compound: &str,
    after: &str,
    limit: i64,
) -> Result<Vec<Shown>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT device_id, compound_id, gate_id, label, state, enrolled_at, reported_at, crossings FROM device
         WHERE device_id > $1 AND ($2 = '' OR compound_id = $2) AND ($3 = '' OR neighbourhood_id = $3)
         ORDER BY device_id LIMIT $4",
    )
    .bind(after.to_owned())
    .bind(compound.to_owned())
    .bind(scope.neighbourhood().unwrap_or("").to_owned())
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.iter().map(row).collect()
}

fn row(row: &AnyRow) -> Result<Shown, sqlx::Error> {
    let time = |micros: i64| DateTime::from_timestamp_micros(micros).filter(|_| micros != 0).map(chassis::timestamp);
    Ok(Shown {
        name: format!("devices/{}", row.try_get::<String, _>(0)?),
        gate: format!("compounds/{}/gates/{}", row.try_get::<String, _>(1)?, row.try_get::<String, _>(2)?),
        label: row.try_get(3)?,
        state: i32::try_from(row.try_get::<i64, _>(4)?).unwrap_or(0),
        enrol_time: time(row.try_get(5)?),
        report_time: time(row.try_get(6)?),
        crossings: row.try_get(7)?,
    })
}

/// A device as its own stream shows it: without what only the list counts.
pub(crate) fn shown(device: &str, state: &Device) -> Shown {
    let place = state.place.as_ref();
    let stands = match (state.retired, state.enrolled) {
        (true, _) => State::Retired,
        (false, true) => State::Enrolled,
        (false, false) => State::Opened,
    };
    Shown {
        name: format!("devices/{device}"),
        gate: place.map(|place| format!("compounds/{}/gates/{}", place.compound_id, place.gate_id)).unwrap_or_default(),
        state: stands.into(),
        ..Shown::default()
    }
}
