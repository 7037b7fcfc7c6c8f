//! Who is to be watched, until when, and when were they last met?

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Scope, Tables, instant, timestamp};
use chrono::DateTime;
use proto::{
    event::v1::Sealed,
    registry::v1::{
        KeyPerson,
        key_person_event::{Event, Flagged},
        resident_event,
    },
};
use sqlx::{AnyConnection, Row as _, any::AnyRow};

use super::{Asked, Page, Reach, SOURCES, Within, door, event, sealed, statement, written};

pub(crate) struct KeyPersons;

/// Somebody who is watched; why, and who they are, is still sealed.
pub(crate) struct Stored {
    pub(crate) key_person: KeyPerson,
    pub(crate) reasons: Option<Sealed>,
    pub(crate) person: Option<Sealed>,
}

#[async_trait]
impl Projection for KeyPersons {
    fn name(&self) -> &'static str {
        "key persons"
    }

    fn version(&self) -> u32 {
        1
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE registry_key_person (
            resident TEXT PRIMARY KEY,
            neighbourhood TEXT NOT NULL,
            compound TEXT NOT NULL,
            household TEXT NOT NULL,
            reasons TEXT NOT NULL,
            flagged_at BIGINT NOT NULL,
            until TEXT NOT NULL
        );
        CREATE INDEX registry_key_person_compound ON registry_key_person (neighbourhood, compound)"
    }

    fn sources(&self) -> &'static [&'static str] {
        SOURCES
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        let db = tables.now().await?;
        match event::<Event>(record)? {
            Some(Event::Flagged(flagged)) => return flag(db, record, flagged).await,
            Some(Event::Unflagged(_)) => return drop_flag(db, &record.stream_id).await,
            None => {}
        }
        match event::<resident_event::Event>(record)? {
            Some(resident_event::Event::MovedOut(_) | resident_event::Event::Erased(_)) => {
                drop_flag(db, &record.stream_id).await
            }
            // Who is watched under one record goes on being watched, whatever becomes of the record.
            None
            | Some(
                resident_event::Event::Registered(_)
                | resident_event::Event::Revealed(_)
                | resident_event::Event::Corrected(_)
                | resident_event::Event::Merged(_)
                | resident_event::Event::Unmerged(_),
            ) => Ok(()),
        }
    }
}

async fn flag(db: &mut AnyConnection, record: &Record, flagged: Flagged) -> anyhow::Result<()> {
    let at = record.occurred_at.as_ref().and_then(instant).unwrap_or_default();
    let residence = flagged.residence.unwrap_or_default();
    statement(
        "INSERT INTO registry_key_person (resident, neighbourhood, compound, household, reasons, flagged_at, until)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (resident) DO UPDATE SET
            reasons = excluded.reasons, flagged_at = excluded.flagged_at, until = excluded.until",
    )
    .bind(record.stream_id.clone())
    .bind(residence.neighbourhood_id)
    .bind(residence.compound_id)
    .bind(residence.household_id)
    .bind(written(flagged.reasons.as_ref()))
    .bind(at.timestamp_micros())
    .bind(flagged.until)
    .execute(db)
    .await
    .context("writing a key person")?;
    Ok(())
}

async fn drop_flag(db: &mut AnyConnection, resident: &str) -> anyhow::Result<()> {
    statement("DELETE FROM registry_key_person WHERE resident = $1")
        .bind(resident.to_owned())
        .execute(db)
        .await
        .context("dropping a key person")?;
    Ok(())
}

/// What a list of them is asked for.
pub(crate) struct Watch {
    /// Whose flag has not ended before this day, as an ISO date.
    pub(crate) today: String,
    /// Met since then, in microseconds, is seen.
    pub(crate) since: i64,
    pub(crate) overdue_only: bool,
}

/// Those whose flag holds, in the order of their doors.
pub(crate) async fn list(
    db: &mut AnyConnection,
    scope: &Scope,
    place: &Within,
    watch: &Watch,
    asked: &Asked,
) -> anyhow::Result<Page<Stored>> {
    let (within, _) = Reach::from(scope).people();
    let rows = statement(
        "SELECT k.resident, k.reasons, k.flagged_at, k.until, r.person, r.door, COALESCE(m.met_at, 0) AS met_at,
            h.id AS household, h.compound, h.building, h.unit, h.room
         FROM registry_key_person k
         JOIN registry_resident r ON r.id = k.resident
         JOIN registry_household h ON h.id = k.household
         LEFT JOIN registry_met m ON m.resident = k.resident
         WHERE ($1 = '' OR k.neighbourhood = $1) AND ($2 = '' OR k.neighbourhood = $2) AND ($3 = '' OR k.compound = $3)
           AND (k.until = '' OR k.until >= $4) AND ($5 = 0 OR COALESCE(m.met_at, 0) < $6)
           AND r.door > $7 ORDER BY r.door LIMIT $8",
    )
    .bind(within)
    .bind(place.neighbourhood.clone())
    .bind(place.compound.clone())
    .bind(watch.today.clone())
    .bind(i64::from(watch.overdue_only))
    .bind(watch.since)
    .bind(asked.after.clone())
    .bind(asked.size + 1)
    .fetch_all(db)
    .await
    .context("reading key persons")?;
    let read = |row| read(row, watch.since);
    Ok(asked.page(rows.iter().map(read).collect::<anyhow::Result<_>>()?))
}

fn read(row: &AnyRow, since: i64) -> anyhow::Result<(String, Stored)> {
    let time = |micros: i64| DateTime::from_timestamp_micros(micros).map(timestamp);
    let met_at: i64 = row.try_get("met_at")?;
    let key_person = KeyPerson {
        resident: format!("residents/{}", row.try_get::<String, _>("resident")?),
        door: Some(door(row)?),
        masked_name: String::new(),
        reasons: Vec::new(),
        flagged: time(row.try_get("flagged_at")?),
        until: row.try_get("until")?,
        last_seen: if met_at == 0 { None } else { time(met_at) },
        overdue: met_at < since,
    };
    let reasons = sealed(&row.try_get::<String, _>("reasons")?)?;
    let person = sealed(&row.try_get::<String, _>("person")?)?;
    Ok((row.try_get("door")?, Stored { key_person, reasons, person }))
}
