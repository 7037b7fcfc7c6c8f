//! Whom did a visitor find at a door whom nobody knows, and of how many is it still not said who they are?

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Scope, Tables, instant, timestamp};
use chrono::DateTime;
use proto::{
    event::v1::Sealed,
    registry::v1::{
        UnknownOccupants,
        visits_event::{Event, OccupantsResolved, Visited},
    },
};
use sqlx::{AnyConnection, Row as _, any::AnyRow};

use super::{Asked, Page, Reach, SOURCES, Within, door, event, position, sealed, statement, written};

pub(crate) struct Occupants;

/// What was found at a door; the note about it is still sealed.
pub(crate) struct Stored {
    pub(crate) occupants: UnknownOccupants,
    pub(crate) note: Option<Sealed>,
}

#[async_trait]
impl Projection for Occupants {
    fn name(&self) -> &'static str {
        "occupants"
    }

    fn version(&self) -> u32 {
        1
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE registry_occupants (
            visit TEXT PRIMARY KEY,
            household TEXT NOT NULL,
            neighbourhood TEXT NOT NULL,
            compound TEXT NOT NULL,
            position BIGINT NOT NULL,
            found BIGINT NOT NULL,
            note TEXT NOT NULL,
            visitor TEXT NOT NULL,
            at BIGINT NOT NULL
        );
        CREATE INDEX registry_occupants_position ON registry_occupants (neighbourhood, position);
        CREATE TABLE registry_resolution (
            position BIGINT PRIMARY KEY,
            visit TEXT NOT NULL,
            resolved BIGINT NOT NULL
        );
        CREATE INDEX registry_resolution_visit ON registry_resolution (visit)"
    }

    fn sources(&self) -> &'static [&'static str] {
        SOURCES
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        let db = tables.now().await?;
        match event::<Event>(record)? {
            Some(Event::Visited(visit)) if visit.unknown_occupants > 0 => find(db, record, visit).await,
            Some(Event::OccupantsResolved(resolved)) => resolve(db, record, resolved).await,
            None | Some(Event::Visited(_)) => Ok(()),
        }
    }
}

async fn find(db: &mut AnyConnection, record: &Record, visit: Visited) -> anyhow::Result<()> {
    let at = visit.visited_at.as_ref().and_then(instant).unwrap_or_default();
    let residence = visit.residence.unwrap_or_default();
    statement(
        "INSERT INTO registry_occupants (visit, household, neighbourhood, compound, position, found, note, visitor, at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (visit) DO UPDATE SET found = excluded.found",
    )
    .bind(visit.visit_id)
    .bind(record.stream_id.clone())
    .bind(residence.neighbourhood_id)
    .bind(residence.compound_id)
    .bind(position(record)?)
    .bind(i64::from(visit.unknown_occupants))
    .bind(written(visit.note.as_ref()))
    .bind(visit.visitor)
    .bind(at.timestamp_micros())
    .execute(db)
    .await
    .context("writing unknown occupants")?;
    Ok(())
}

/// A row for each answer, so that one that is delivered twice counts once.
async fn resolve(db: &mut AnyConnection, record: &Record, resolved: OccupantsResolved) -> anyhow::Result<()> {
    let registered = i64::try_from(resolved.resident_ids.len()).unwrap_or(i64::MAX);
    statement(
        "INSERT INTO registry_resolution (position, visit, resolved) VALUES ($1, $2, $3)
         ON CONFLICT (position) DO UPDATE SET resolved = excluded.resolved",
    )
    .bind(position(record)?)
    .bind(resolved.visit_id.clone())
    .bind(registered.saturating_add(i64::from(resolved.dismissed)))
    .execute(&mut *db)
    .await
    .context("writing who unknown occupants are")?;
    if resolved.last {
        statement("UPDATE registry_occupants SET note = '' WHERE visit = $1")
            .bind(resolved.visit_id)
            .execute(db)
            .await
            .context("dropping a note about occupants")?;
    }
    Ok(())
}

/// Those of whom it is not said yet who they are, the oldest first.
pub(crate) async fn unresolved(
    db: &mut AnyConnection,
    scope: &Scope,
    place: &Within,
    asked: &Asked,
) -> anyhow::Result<Page<Stored>> {
    let (within, _) = Reach::from(scope).people();
    let rows = statement(
        "SELECT o.visit, o.position, o.found, o.found - o.resolved AS unresolved, o.note, o.visitor, o.at, h.id AS household,
            h.compound, h.building, h.unit, h.room
         FROM (SELECT u.visit, u.household, u.neighbourhood, u.compound, u.position, u.found, u.note, u.visitor, u.at,
                (SELECT CAST(COALESCE(SUM(r.resolved), 0) AS BIGINT) FROM registry_resolution r WHERE r.visit = u.visit)
                    AS resolved
            FROM registry_occupants u) o
         JOIN registry_household h ON h.id = o.household
         WHERE o.found > o.resolved AND ($1 = '' OR o.neighbourhood = $1) AND ($2 = '' OR o.neighbourhood = $2)
           AND ($3 = '' OR o.compound = $3) AND o.position > $4 ORDER BY o.position LIMIT $5",
    )
    .bind(within)
    .bind(place.neighbourhood.clone())
    .bind(place.compound.clone())
    .bind(asked.beyond())
    .bind(asked.size + 1)
    .fetch_all(db)
    .await
    .context("reading unknown occupants")?;
    Ok(asked.page(rows.iter().map(read).collect::<anyhow::Result<_>>()?))
}

fn read(row: &AnyRow) -> anyhow::Result<(String, Stored)> {
    let number = |column: &str| row.try_get::<i64, _>(column);
    let few = |column: &str| number(column).map(|number| i32::try_from(number).unwrap_or(i32::MAX));
    let door = door(row)?;
    let occupants = UnknownOccupants {
        name: format!("{}/visits/{}", door.household, row.try_get::<String, _>("visit")?),
        door: Some(door),
        found: few("found")?,
        unresolved: few("unresolved")?,
        note: String::new(),
        visitor: row.try_get("visitor")?,
        time: DateTime::from_timestamp_micros(number("at")?).map(timestamp),
    };
    Ok((number("position")?.to_string(), Stored { occupants, note: sealed(&row.try_get::<String, _>("note")?)? }))
}
