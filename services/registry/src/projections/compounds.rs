//! Which compounds are there, with which gates, and how strictly are they guarded?

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Scope, Tables};
use proto::registry::v1::{
    Compound, Gate, Regime,
    compound_event::{BuildingAdded, Event, GateAdded, GridAssigned, Opened, RegimeSet},
};
use sqlx::{AnyConnection, Row as _, any::AnyRow};

use super::{Asked, Page, Reach, SOURCES, event, statement, version};
use crate::place;

pub(crate) struct Compounds;

#[async_trait]
impl Projection for Compounds {
    fn name(&self) -> &'static str {
        "compounds"
    }

    fn version(&self) -> u32 {
        2
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE registry_compound (
            id TEXT PRIMARY KEY,
            neighbourhood TEXT NOT NULL,
            display_name TEXT NOT NULL,
            management_group TEXT NOT NULL,
            regime BIGINT NOT NULL,
            regime_from TEXT NOT NULL,
            version BIGINT NOT NULL
        );
        CREATE INDEX registry_compound_neighbourhood ON registry_compound (neighbourhood, id);
        CREATE TABLE registry_gate (
            compound TEXT NOT NULL,
            id TEXT NOT NULL,
            display_name TEXT NOT NULL,
            added BIGINT NOT NULL,
            PRIMARY KEY (compound, id)
        );
        CREATE TABLE registry_building (
            compound TEXT NOT NULL,
            building TEXT NOT NULL,
            units BIGINT NOT NULL,
            grid TEXT NOT NULL,
            door TEXT NOT NULL,
            PRIMARY KEY (compound, building)
        )"
    }

    fn sources(&self) -> &'static [&'static str] {
        SOURCES
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        let db = tables.now().await?;
        match event::<Event>(record)? {
            None => return Ok(()),
            Some(Event::Opened(opened)) => open(db, record, opened).await,
            Some(Event::GateAdded(added)) => add_gate(db, record, added).await,
            Some(Event::RegimeSet(set)) => set_regime(db, record, set).await,
            Some(Event::BuildingAdded(added)) => add_building(db, record, added).await,
            Some(Event::GridAssigned(assigned)) => assign_grid(db, record, assigned).await,
        }
        .context("writing a compound")
    }
}

async fn open(db: &mut AnyConnection, record: &Record, opened: Opened) -> Result<(), sqlx::Error> {
    statement(
        "INSERT INTO registry_compound
            (id, neighbourhood, display_name, management_group, regime, regime_from, version)
         VALUES ($1, $2, $3, $4, $5, '', $6)
         ON CONFLICT (id) DO UPDATE SET version = excluded.version",
    )
    .bind(record.stream_id.clone())
    .bind(opened.neighbourhood_id)
    .bind(opened.display_name)
    .bind(opened.management_group)
    .bind(i64::from(i32::from(Regime::Open)))
    .bind(version(record))
    .execute(db)
    .await?;
    Ok(())
}

async fn add_gate(db: &mut AnyConnection, record: &Record, added: GateAdded) -> Result<(), sqlx::Error> {
    statement(
        "INSERT INTO registry_gate (compound, id, display_name, added) VALUES ($1, $2, $3, $4)
         ON CONFLICT (compound, id) DO UPDATE SET display_name = excluded.display_name",
    )
    .bind(record.stream_id.clone())
    .bind(added.gate_id)
    .bind(added.display_name)
    .bind(version(record))
    .execute(&mut *db)
    .await?;
    touched(db, record).await
}

/// The compound as a whole stands among its buildings under the empty name.
async fn add_building(db: &mut AnyConnection, record: &Record, added: BuildingAdded) -> Result<(), sqlx::Error> {
    statement(
        "INSERT INTO registry_building (compound, building, units, grid, door) VALUES ($1, $2, $3, '', $4)
         ON CONFLICT (compound, building) DO UPDATE SET units = excluded.units",
    )
    .bind(record.stream_id.clone())
    .bind(added.building.clone())
    .bind(i64::from(added.units))
    .bind(format!("{}/{}", record.stream_id, place::building_order(&added.building)))
    .execute(&mut *db)
    .await?;
    touched(db, record).await
}

async fn assign_grid(db: &mut AnyConnection, record: &Record, assigned: GridAssigned) -> Result<(), sqlx::Error> {
    statement(
        "INSERT INTO registry_building (compound, building, units, grid, door) VALUES ($1, $2, 0, $3, $4)
         ON CONFLICT (compound, building) DO UPDATE SET grid = excluded.grid",
    )
    .bind(record.stream_id.clone())
    .bind(assigned.building.clone())
    .bind(assigned.grid_id)
    .bind(format!("{}/{}", record.stream_id, place::building_order(&assigned.building)))
    .execute(&mut *db)
    .await?;
    touched(db, record).await
}

async fn touched(db: &mut AnyConnection, record: &Record) -> Result<(), sqlx::Error> {
    statement("UPDATE registry_compound SET version = $2 WHERE id = $1")
        .bind(record.stream_id.clone())
        .bind(version(record))
        .execute(db)
        .await?;
    Ok(())
}

async fn set_regime(db: &mut AnyConnection, record: &Record, set: RegimeSet) -> Result<(), sqlx::Error> {
    statement("UPDATE registry_compound SET regime = $2, regime_from = $3, version = $4 WHERE id = $1")
        .bind(record.stream_id.clone())
        .bind(i64::from(set.regime))
        .bind(set.from)
        .bind(version(record))
        .execute(db)
        .await?;
    Ok(())
}

const COLUMNS: &str = "SELECT id, neighbourhood, display_name, management_group, regime, regime_from, version
     FROM registry_compound WHERE ($1 = '' OR neighbourhood = $1) AND ($2 = '' OR id = $2)
     AND ($3 = '' OR neighbourhood = $3) AND ($4 = '' OR id = $4) AND id > $5 ORDER BY id LIMIT $6";

/// The compounds of a neighbourhood, or of all where it is empty.
pub(crate) async fn list(
    db: &mut AnyConnection,
    scope: &Scope,
    neighbourhood: &str,
    asked: &Asked,
) -> anyhow::Result<Page<Compound>> {
    select(db, scope, neighbourhood, "", asked).await.context("reading compounds")
}

pub(crate) async fn get(db: &mut AnyConnection, scope: &Scope, id: &str) -> anyhow::Result<Option<Compound>> {
    let one = Asked { after: String::new(), size: 1 };
    let page = select(db, scope, "", id, &one).await.context("reading a compound")?;
    Ok(page.rows.into_iter().next())
}

async fn select(
    db: &mut AnyConnection,
    scope: &Scope,
    neighbourhood: &str,
    id: &str,
    asked: &Asked,
) -> Result<Page<Compound>, sqlx::Error> {
    let (within, only) = Reach::from(scope).places();
    let rows = statement(COLUMNS)
        .bind(within)
        .bind(only)
        .bind(neighbourhood.to_owned())
        .bind(id.to_owned())
        .bind(asked.after.clone())
        .bind(asked.size + 1)
        .fetch_all(&mut *db)
        .await?;
    let mut page = asked.page(rows.iter().map(read).collect::<Result<_, _>>()?);
    for compound in &mut page.rows {
        compound.gates = gates(db, compound.name.trim_start_matches("compounds/")).await?;
    }
    Ok(page)
}

async fn gates(db: &mut AnyConnection, compound: &str) -> Result<Vec<Gate>, sqlx::Error> {
    let rows = statement("SELECT id, display_name FROM registry_gate WHERE compound = $1 ORDER BY added, id")
        .bind(compound.to_owned())
        .fetch_all(db)
        .await?;
    let gate = |row: &AnyRow| {
        let id: String = row.try_get("id")?;
        Ok(Gate { name: format!("compounds/{compound}/gates/{id}"), display_name: row.try_get("display_name")? })
    };
    rows.iter().map(gate).collect()
}

fn read(row: &AnyRow) -> Result<(String, Compound), sqlx::Error> {
    let id: String = row.try_get("id")?;
    let neighbourhood: String = row.try_get("neighbourhood")?;
    let compound = Compound {
        name: format!("compounds/{id}"),
        display_name: row.try_get("display_name")?,
        neighbourhood: format!("neighbourhoods/{neighbourhood}"),
        management_group: row.try_get("management_group")?,
        gates: Vec::new(),
        regime: i32::try_from(row.try_get::<i64, _>("regime")?).unwrap_or_default(),
        regime_from: row.try_get("regime_from")?,
        etag: row.try_get::<i64, _>("version")?.to_string(),
    };
    Ok((id, compound))
}
