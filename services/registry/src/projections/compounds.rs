//! Which compounds are there, with which gates, and how strictly are they guarded?

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Scope, Tables, Value};
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
        match event::<Event>(record)? {
            None => return Ok(()),
            Some(Event::Opened(opened)) => open(tables, record, opened).await,
            Some(Event::GateAdded(added)) => add_gate(tables, record, added).await,
            Some(Event::RegimeSet(set)) => set_regime(tables, record, set).await,
            Some(Event::BuildingAdded(added)) => add_building(tables, record, added).await,
            Some(Event::GridAssigned(assigned)) => assign_grid(tables, record, assigned).await,
        }
        .context("writing a compound")
    }
}

async fn open(tables: &mut Tables<'_>, record: &Record, opened: Opened) -> anyhow::Result<()> {
    let row = [
        ("id", record.stream_id.as_str().into()),
        ("neighbourhood", opened.neighbourhood_id.into()),
        ("display_name", opened.display_name.into()),
        ("management_group", opened.management_group.into()),
        ("regime", i64::from(i32::from(Regime::Open)).into()),
        ("regime_from", "".into()),
        ("version", version(record).into()),
    ];
    tables.put("registry_compound", row).await
}

async fn add_gate(tables: &mut Tables<'_>, record: &Record, added: GateAdded) -> anyhow::Result<()> {
    let gate = [("compound", record.stream_id.as_str().into()), ("id", added.gate_id.into())];
    let rest = [("display_name", added.display_name.into()), ("added", version(record).into())];
    tables.put_under("registry_gate", gate, rest).await?;
    touched(tables, record).await
}

/// The compound as a whole stands among its buildings under the empty name.
async fn add_building(tables: &mut Tables<'_>, record: &Record, added: BuildingAdded) -> anyhow::Result<()> {
    building(tables, record, added.building, ("units", i64::from(added.units).into())).await
}

async fn assign_grid(tables: &mut Tables<'_>, record: &Record, assigned: GridAssigned) -> anyhow::Result<()> {
    building(tables, record, assigned.building, ("grid", assigned.grid_id.into())).await
}

async fn building(
    tables: &mut Tables<'_>,
    record: &Record,
    building: String,
    known: (&'static str, Value),
) -> anyhow::Result<()> {
    let door = format!("{}/{}", record.stream_id, place::building_order(&building));
    let key = [("compound", record.stream_id.as_str().into()), ("building", building.into())];
    let new = [("units", 0.into()), ("grid", "".into()), ("door", door.into())];
    tables.put_under("registry_building", key.clone(), new).await?;
    tables.set("registry_building", key, [known]).await?;
    touched(tables, record).await
}

async fn touched(tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
    let compound = [("id", record.stream_id.as_str().into())];
    tables.set("registry_compound", compound, [("version", version(record).into())]).await
}

async fn set_regime(tables: &mut Tables<'_>, record: &Record, set: RegimeSet) -> anyhow::Result<()> {
    let compound = [("id", record.stream_id.as_str().into())];
    let regime = [("regime", i64::from(set.regime).into()), ("regime_from", set.from.into())];
    tables.set("registry_compound", compound, regime).await?;
    touched(tables, record).await
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
