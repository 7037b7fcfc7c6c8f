//! Who was taken to isolation for which case, by whom and where to, as isolation has it on record.

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Scope, Tables, instant};
use chrono::DateTime;
use proto::{
    Fact as _,
    isolation::v1::order_event::{Event, HandedOver},
    screening::v1::SessionHandOver,
};
use sqlx::{AnyConnection, Row as _, any::AnyRow};

pub struct HandOvers;

#[async_trait]
impl Projection for HandOvers {
    fn name(&self) -> &'static str {
        "hand_overs"
    }

    fn version(&self) -> u32 {
        1
    }

    /// Times are in microseconds, 0 before the hand-over.
    fn schema(&self) -> &'static str {
        "CREATE TABLE hand_over (
           order_id TEXT NOT NULL PRIMARY KEY, case_id TEXT NOT NULL, resident_id TEXT NOT NULL,
           neighbourhood_id TEXT NOT NULL, handed_by TEXT NOT NULL, receiver TEXT NOT NULL, vehicle TEXT NOT NULL,
           receipt TEXT NOT NULL, place TEXT NOT NULL, left_at BIGINT NOT NULL, received_at BIGINT NOT NULL);
         CREATE INDEX hand_over_by_time ON hand_over (neighbourhood_id, received_at)"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["isolation"]
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        if record.category != Event::CATEGORY {
            return Ok(());
        }
        match Event::from_payload(&record.payload)? {
            Event::Ordered(ordered) => {
                let terms = ordered.terms.unwrap_or_default();
                let none = || String::new().into();
                let row = [
                    ("order_id", record.stream_id.clone().into()),
                    ("case_id", terms.case_id.into()),
                    ("resident_id", terms.resident_id.into()),
                    ("neighbourhood_id", terms.residence.unwrap_or_default().neighbourhood_id.into()),
                    ("handed_by", none()),
                    ("receiver", none()),
                    ("vehicle", none()),
                    ("receipt", none()),
                    ("place", none()),
                    ("left_at", 0.into()),
                    ("received_at", 0.into()),
                ];
                tables.put("hand_over", row).await
            }
            Event::HandedOver(done) => hand_over(tables.now().await?, record, done).await,
            Event::Proposed(_)
            | Event::Observed(_)
            | Event::Breached(_)
            | Event::Released(_)
            | Event::Missed(_)
            | Event::Acknowledged(_)
            | Event::CodeOpened(_)
            | Event::Assigned(_)
            | Event::HomeChecked(_)
            | Event::DayZeroProved(_)
            | Event::ChangeProposed(_)
            | Event::ChangeDecided(_)
            | Event::Moved(_)
            | Event::TransferProposed(_)
            | Event::TransferDecided(_)
            | Event::Sighted(_) => Ok(()),
        }
    }
}

async fn hand_over(db: &mut AnyConnection, record: &Record, done: HandedOver) -> anyhow::Result<()> {
    let happened = record.occurred_at.as_ref().and_then(instant).unwrap_or_default();
    // Older records name neither, and mean whoever wrote them, then.
    let at = |time: Option<&prost_types::Timestamp>| time.and_then(instant).unwrap_or(happened).timestamp_micros();
    let (left, received) = (at(done.leave_time.as_ref()), at(done.receive_time.as_ref()));
    let handed_by = if done.handed_by.is_empty() { record.actor.clone() } else { done.handed_by };
    sqlx::query(
        "UPDATE hand_over SET handed_by = $2, receiver = $3, vehicle = $4, receipt = $5, place = $6, left_at = $7,
           received_at = $8 WHERE order_id = $1",
    )
    .bind(record.stream_id.clone())
    .bind(handed_by)
    .bind(done.receiver)
    .bind(done.vehicle)
    .bind(done.receipt)
    .bind(done.place)
    .bind(left)
    .bind(received)
    .execute(db)
    .await
    .context("keeping a hand-over")?;
    Ok(())
}

/// Those of a neighbourhood within reach since a time, in their order.
pub(crate) async fn since(
    db: &mut AnyConnection,
    scope: &Scope,
    neighbourhood: &str,
    microseconds: i64,
) -> anyhow::Result<Vec<SessionHandOver>> {
    let rows = sqlx::query(
        "SELECT order_id, case_id, resident_id, handed_by, receiver, vehicle, receipt, place, left_at, received_at
         FROM hand_over WHERE neighbourhood_id = $1 AND ($2 = '' OR neighbourhood_id = $2) AND received_at >= $3
           AND received_at > 0 ORDER BY received_at, order_id",
    )
    .bind(neighbourhood.to_owned())
    .bind(scope.neighbourhood().unwrap_or_default().to_owned())
    .bind(microseconds)
    .fetch_all(db)
    .await
    .context("reading hand-overs")?;
    Ok(rows.iter().map(read).collect())
}

fn read(row: &AnyRow) -> SessionHandOver {
    let name = |collection: &str, column: &str| format!("{collection}/{}", row.get::<String, _>(column));
    let time = |column: &str| DateTime::from_timestamp_micros(row.get(column)).map(chassis::timestamp);
    SessionHandOver {
        order: name("orders", "order_id"),
        case: name("cases", "case_id"),
        resident: name("residents", "resident_id"),
        handed_by: row.get("handed_by"),
        receiver: row.get("receiver"),
        vehicle: row.get("vehicle"),
        receipt: row.get("receipt"),
        place: row.get("place"),
        leave_time: time("left_at"),
        receive_time: time("received_at"),
    }
}
