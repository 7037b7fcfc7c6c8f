//! Which grids is a neighbourhood made of, and which buildings belong to which?

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Scope, Tables};
use proto::registry::v1::{Building, Grid, grid_event::Event};
use sqlx::{AnyConnection, Row as _, any::AnyRow};

use super::{Asked, Page, Reach, SOURCES, event, statement, version};

pub(crate) struct Grids;

#[async_trait]
impl Projection for Grids {
    fn name(&self) -> &'static str {
        "grids"
    }

    fn version(&self) -> u32 {
        1
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE registry_grid (
            id TEXT PRIMARY KEY,
            neighbourhood TEXT NOT NULL,
            display_name TEXT NOT NULL,
            version BIGINT NOT NULL
        )"
    }

    fn sources(&self) -> &'static [&'static str] {
        SOURCES
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        let Some(Event::Opened(opened)) = event::<Event>(record)? else { return Ok(()) };
        statement(
            "INSERT INTO registry_grid (id, neighbourhood, display_name, version) VALUES ($1, $2, $3, $4)
             ON CONFLICT (id) DO UPDATE SET version = excluded.version",
        )
        .bind(record.stream_id.clone())
        .bind(opened.neighbourhood_id)
        .bind(opened.display_name)
        .bind(version(record))
        .execute(tables.now().await?)
        .await
        .context("writing a grid")?;
        Ok(())
    }
}

/// The grids of a neighbourhood, or of all where it is empty. A household belongs to the grid of its building, else to that of
/// its compound.
pub(crate) async fn list(
    db: &mut AnyConnection,
    scope: &Scope,
    neighbourhood: &str,
    asked: &Asked,
) -> anyhow::Result<Page<Grid>> {
    let (within, only) = Reach::from(scope).places();
    let rows = statement(
        "SELECT g.id, g.neighbourhood, g.display_name, g.version,
            (SELECT CAST(COUNT(*) AS BIGINT) FROM registry_household h
             LEFT JOIN registry_building b ON b.compound = h.compound AND b.building = h.building AND b.grid <> ''
             LEFT JOIN registry_building w ON w.compound = h.compound AND w.building = ''
             WHERE h.neighbourhood = g.neighbourhood AND COALESCE(b.grid, w.grid, '') = g.id) AS households
         FROM registry_grid g
         WHERE ($1 = '' OR g.neighbourhood = $1) AND $2 = '' AND ($3 = '' OR g.neighbourhood = $3) AND g.id > $4
         ORDER BY g.id LIMIT $5",
    )
    .bind(within)
    .bind(only)
    .bind(neighbourhood.to_owned())
    .bind(asked.after().to_owned())
    .bind(asked.size + 1)
    .fetch_all(db)
    .await
    .context("reading grids")?;
    let grid = |row: &AnyRow| -> Result<(String, Grid), sqlx::Error> {
        let id: String = row.try_get("id")?;
        let grid = Grid {
            name: format!("grids/{id}"),
            display_name: row.try_get("display_name")?,
            neighbourhood: format!("neighbourhoods/{}", row.try_get::<String, _>("neighbourhood")?),
            households: i32::try_from(row.try_get::<i64, _>("households")?).unwrap_or(i32::MAX),
            etag: row.try_get::<i64, _>("version")?.to_string(),
        };
        Ok((id, grid))
    };
    Ok(asked.page(rows.iter().map(grid).collect::<Result<_, _>>()?))
}

/// The buildings of a compound, or of all where it is empty, in the order of the doors.
pub(crate) async fn buildings(
    db: &mut AnyConnection,
    scope: &Scope,
    compound: &str,
    asked: &Asked,
) -> anyhow::Result<Page<Building>> {
    let (within, only) = Reach::from(scope).places();
    let rows = statement(
        "SELECT b.compound, b.building, b.units, b.grid, b.door
         FROM registry_building b JOIN registry_compound c ON c.id = b.compound
         WHERE ($1 = '' OR c.neighbourhood = $1) AND ($2 = '' OR c.id = $2) AND ($3 = '' OR c.id = $3) AND b.door > $4
         ORDER BY b.door LIMIT $5",
    )
    .bind(within)
    .bind(only)
    .bind(compound.to_owned())
    .bind(asked.after().to_owned())
    .bind(asked.size + 1)
    .fetch_all(db)
    .await
    .context("reading buildings")?;
    let building = |row: &AnyRow| -> Result<(String, Building), sqlx::Error> {
        let grid: String = row.try_get("grid")?;
        let building = Building {
            compound: format!("compounds/{}", row.try_get::<String, _>("compound")?),
            building: row.try_get("building")?,
            units: i32::try_from(row.try_get::<i64, _>("units")?).unwrap_or(i32::MAX),
            grid: if grid.is_empty() { grid } else { format!("grids/{grid}") },
        };
        Ok((row.try_get("door")?, building))
    };
    Ok(asked.page(rows.iter().map(building).collect::<Result<_, _>>()?))
}
