//! Which compounds and grids there are, and in which of them a household lives, as the registry told it.

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Scope, Tables};
use proto::{
    Fact as _,
    registry::v1::{compound_event, grid_event, household_event},
};
use sqlx::{AnyConnection, Row as _};

pub struct Homes;

#[async_trait]
impl Projection for Homes {
    fn name(&self) -> &'static str {
        "homes"
    }

    fn version(&self) -> u32 {
        1
    }

    /// `place` is compounds/{compound} or grids/{grid}. A household belongs to the grid of its building, else to that of its
    /// compound, which stands under the building ''.
    fn schema(&self) -> &'static str {
        "CREATE TABLE session_place (place TEXT NOT NULL PRIMARY KEY, neighbourhood_id TEXT NOT NULL, display_name TEXT NOT NULL);
         CREATE TABLE home (household_id TEXT NOT NULL PRIMARY KEY, compound_id TEXT NOT NULL, building TEXT NOT NULL);
         CREATE TABLE home_grid (compound_id TEXT NOT NULL, building TEXT NOT NULL, grid TEXT NOT NULL,
           PRIMARY KEY (compound_id, building))"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["registry"]
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        let id = record.stream_id.clone();
        match record.category.as_str() {
            compound_event::Event::CATEGORY => match compound_event::Event::from_payload(&record.payload)? {
                compound_event::Event::Opened(opened) => {
                    place(tables, format!("compounds/{id}"), opened.neighbourhood_id, opened.display_name).await
                }
                compound_event::Event::GridAssigned(assigned) => {
                    assign(tables.now().await?, id, assigned.building, format!("grids/{}", assigned.grid_id)).await
                }
                compound_event::Event::GateAdded(_)
                | compound_event::Event::RegimeSet(_)
                | compound_event::Event::BuildingAdded(_) => Ok(()),
            },
            grid_event::Event::CATEGORY => {
                let grid_event::Event::Opened(opened) = grid_event::Event::from_payload(&record.payload)?;
                place(tables, format!("grids/{id}"), opened.neighbourhood_id, opened.display_name).await
            }
            household_event::Event::CATEGORY => match household_event::Event::from_payload(&record.payload)? {
                household_event::Event::Registered(home) => {
                    let row = [
                        ("household_id", id.into()),
                        ("compound_id", home.compound_id.into()),
                        ("building", home.building.into()),
                    ];
                    tables.put("home", row).await
                }
                household_event::Event::LandlordChanged(_) => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

async fn place(tables: &mut Tables<'_>, place: String, neighbourhood: String, name: String) -> anyhow::Result<()> {
    let row = [("place", place.into()), ("neighbourhood_id", neighbourhood.into()), ("display_name", name.into())];
    tables.put("session_place", row).await
}

async fn assign(db: &mut AnyConnection, compound: String, building: String, grid: String) -> anyhow::Result<()> {
    sqlx::query(
        "INSERT INTO home_grid (compound_id, building, grid) VALUES ($1, $2, $3)
         ON CONFLICT (compound_id, building) DO UPDATE SET grid = excluded.grid",
    )
    .bind(compound)
    .bind(building)
    .bind(grid)
    .execute(db)
    .await
    .context("keeping which grid a building belongs to")?;
    Ok(())
}

/// The neighbourhood of a compound or grid within reach.
pub async fn neighbourhood(db: &mut AnyConnection, scope: &Scope, place: &str) -> anyhow::Result<Option<String>> {
    let row = sqlx::query(
        "SELECT neighbourhood_id FROM session_place WHERE place = $1 AND ($2 = '' OR neighbourhood_id = $2)",
    )
    .bind(place.to_owned())
    .bind(scope.neighbourhood().unwrap_or_default().to_owned())
    .fetch_optional(db)
    .await
    .context("looking up a place")?;
    Ok(row.map(|row| row.get(0)))
}
