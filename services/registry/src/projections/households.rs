//! Which households are behind the doors of a compound, and who holds them?

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Scope, Tables};
use proto::{
    event::v1::Sealed,
    registry::v1::{Household, household_event::Event},
};
use sqlx::{AnyConnection, Row as _, any::AnyRow};

use super::{Asked, Page, Reach, SOURCES, event, sealed, statement, version, written};
use crate::place;

pub(crate) struct Households;

/// A household whose landlord is still sealed.
pub(crate) struct Stored {
    pub(crate) household: Household,
    pub(crate) landlord: Option<Sealed>,
}

#[async_trait]
impl Projection for Households {
    fn name(&self) -> &'static str {
        "households"
    }

    fn version(&self) -> u32 {
        4
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE registry_household (
            id TEXT PRIMARY KEY,
            neighbourhood TEXT NOT NULL,
            compound TEXT NOT NULL,
            building TEXT NOT NULL,
            building_order TEXT NOT NULL,
            unit TEXT NOT NULL,
            room TEXT NOT NULL,
            tenure BIGINT NOT NULL,
            landlord TEXT NOT NULL,
            door TEXT NOT NULL,
            version BIGINT NOT NULL
        );
        CREATE INDEX registry_household_door ON registry_household (door);
        CREATE INDEX registry_household_room ON registry_household (room);
        CREATE INDEX registry_household_compound ON registry_household (compound, door)"
    }

    fn sources(&self) -> &'static [&'static str] {
        SOURCES
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        match event::<Event>(record)? {
            None => Ok(()),
            Some(Event::Registered(registered)) => {
                let order = place::order(&registered.building, &registered.unit, &registered.room);
                let door = format!("{}/{order}/{}", registered.compound_id, record.stream_id);
                let row = [
                    ("id", record.stream_id.as_str().into()),
                    ("neighbourhood", registered.neighbourhood_id.into()),
                    ("compound", registered.compound_id.into()),
                    ("building_order", place::building_order(&registered.building).into()),
                    ("building", registered.building.into()),
                    ("unit", registered.unit.into()),
                    ("room", registered.room.into()),
                    ("tenure", i64::from(registered.tenure).into()),
                    ("landlord", written(registered.landlord.as_ref()).into()),
                    ("door", door.into()),
                    ("version", version(record).into()),
                ];
                tables.put("registry_household", row).await?;
                // Residents look their door up here.
                tables.now().await.map(drop)
            }
            Some(Event::LandlordChanged(changed)) => {
                let landlord = ("landlord", written(changed.landlord.as_ref()).into());
                tables
                    .set(
                        "registry_household",
                        [("id", record.stream_id.as_str().into())],
                        [landlord, ("version", version(record).into())],
                    )
                    .await
            }
        }
    }
}

const SELECT: &str = "SELECT h.id, h.compound, h.building, h.unit, h.room, h.tenure, h.landlord, h.door, h.version,
        (SELECT CAST(COUNT(*) AS BIGINT) FROM registry_resident r WHERE r.household = h.id AND r.moved_out = 0) AS residents
     FROM registry_household h
     WHERE ($1 = '' OR h.neighbourhood = $1) AND ($2 = '' OR h.compound = $2) AND h.door > $3
       AND ($4 = '' OR $4 = COALESCE(
         (SELECT b.grid FROM registry_building b WHERE b.compound = h.compound AND b.building = h.building AND b.grid <> ''),
         (SELECT w.grid FROM registry_building w WHERE w.compound = h.compound AND w.building = ''), ''))
     ORDER BY h.door LIMIT $5";

/// Where the households are that are asked for; empty texts bind nothing.
#[derive(Default)]
pub(crate) struct Place {
    pub(crate) compound: String,
    /// A household belongs to the grid of its building, else to that of its compound.
    pub(crate) grid: String,
}

/// The households of a place, or of all, in the order of their doors.
pub(crate) async fn list(
    db: &mut AnyConnection,
    scope: &Scope,
    place: Place,
    asked: &Asked,
) -> anyhow::Result<Page<Stored>> {
    let (within, _) = Reach::from(scope).people();
    let rows = statement(SELECT)
        .bind(within)
        .bind(place.compound)
        .bind(asked.after.clone())
        .bind(place.grid)
        .bind(asked.size + 1)
        .fetch_all(db)
        .await
        .context("reading households")?;
    Ok(asked.page(rows.iter().map(read).collect::<anyhow::Result<_>>()?))
}

pub(crate) async fn get(db: &mut AnyConnection, scope: &Scope, id: &str) -> anyhow::Result<Option<Stored>> {
    let (within, _) = Reach::from(scope).people();
    let row = statement(
        "SELECT h.id, h.compound, h.building, h.unit, h.room, h.tenure, h.landlord, h.door, h.version,
            (SELECT CAST(COUNT(*) AS BIGINT) FROM registry_resident r WHERE r.household = h.id AND r.moved_out = 0) AS residents
         FROM registry_household h WHERE ($1 = '' OR h.neighbourhood = $1) AND h.id = $2",
    )
    .bind(within)
    .bind(id.to_owned())
    .fetch_optional(db)
    .await
    .context("reading a household")?;
    row.as_ref().map(|row| read(row).map(|(_, stored)| stored)).transpose()
}

fn read(row: &AnyRow) -> anyhow::Result<(String, Stored)> {
    let id: String = row.try_get("id")?;
    let compound: String = row.try_get("compound")?;
    let household = Household {
        name: format!("households/{id}"),
        compound: format!("compounds/{compound}"),
        building: row.try_get("building")?,
        unit: row.try_get("unit")?,
        room: row.try_get("room")?,
        tenure: i32::try_from(row.try_get::<i64, _>("tenure")?).unwrap_or_default(),
        landlord: String::new(),
        residents: i32::try_from(row.try_get::<i64, _>("residents")?).unwrap_or(i32::MAX),
        etag: row.try_get::<i64, _>("version")?.to_string(),
    };
    let landlord = sealed(&row.try_get::<String, _>("landlord")?)?;
    Ok((row.try_get("door")?, Stored { household, landlord }))
}
