//! Which gates there are and which compounds they serve, from the registry's log. Compounds under one management share
//! their gates: a pass of one opens the gates of all.

use async_trait::async_trait;
use chassis::{Projection, Reading, Record, Scope, Tables};
use proto::registry::v1::compound_event::Event;
use sqlx::{AnyConnection, Row as _};
use tonic::Status;

use crate::{resources::fault, roll};

pub(crate) struct Gates;

#[async_trait]
impl Projection for Gates {
    fn name(&self) -> &'static str {
        "gates"
    }

    fn version(&self) -> u32 {
        1
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE compound (compound_id TEXT PRIMARY KEY, neighbourhood_id TEXT NOT NULL,
           management_group TEXT NOT NULL);
         CREATE TABLE gate (compound_id TEXT NOT NULL, gate_id TEXT NOT NULL, PRIMARY KEY (compound_id, gate_id))"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["registry"]
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        let db = tables.now().await?;
        match crate::facts::foreign::<Event>(record)? {
            Some(Event::Opened(opened)) => {
                sqlx::query(
                    "INSERT INTO compound (compound_id, neighbourhood_id, management_group) VALUES ($1, $2, $3)
                     ON CONFLICT (compound_id) DO UPDATE SET neighbourhood_id = excluded.neighbourhood_id,
                     management_group = excluded.management_group",
                )
                .bind(record.stream_id.clone())
                .bind(opened.neighbourhood_id)
                .bind(opened.management_group)
                .execute(db)
                .await?;
            }
            Some(Event::GateAdded(added)) => {
                sqlx::query(
                    "INSERT INTO gate (compound_id, gate_id) VALUES ($1, $2)
                     ON CONFLICT (compound_id, gate_id) DO NOTHING",
                )
                .bind(record.stream_id.clone())
                .bind(added.gate_id)
                .execute(db)
                .await?;
            }
            Some(Event::RegimeSet(_) | Event::BuildingAdded(_) | Event::GridAssigned(_)) | None => {}
        }
        Ok(())
    }
}

/// A gate within reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gate {
    pub neighbourhood_id: String,
    pub compound_id: String,
    pub id: String,
    management_group: String,
}

/// The ids of all compounds, whoever they belong to: nothing of them is shown to anybody.
pub(crate) async fn all_compounds(db: &mut AnyConnection) -> Result<Vec<String>, sqlx::Error> {
    let rows = sqlx::query("SELECT compound_id FROM compound ORDER BY compound_id").fetch_all(db).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// `None` for a gate that is not there and for one out of reach alike; a guard reaches one gate.
pub(crate) async fn find(
    db: &mut AnyConnection,
    scope: &Scope,
    compound: &str,
    gate: &str,
) -> Result<Option<Gate>, sqlx::Error> {
    if let Scope::Gate { compound: own_compound, gate: own_gate, .. } = scope
        && (own_compound != compound || own_gate != gate)
    {
        return Ok(None);
    }
    let row = sqlx::query(
        "SELECT c.neighbourhood_id, c.management_group FROM gate g JOIN compound c ON c.compound_id = g.compound_id
         WHERE g.compound_id = $1 AND g.gate_id = $2",
    )
    .bind(compound.to_owned())
    .bind(gate.to_owned())
    .fetch_optional(db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let found = Gate {
        neighbourhood_id: row.try_get(0)?,
        compound_id: compound.to_owned(),
        id: gate.to_owned(),
        management_group: row.try_get(1)?,
    };
    Ok(Some(found).filter(|gate| scope.allows(&gate.neighbourhood_id)))
}

/// The neighbourhood of a compound; `None` for one that is not there and for one out of reach alike.
pub(crate) async fn compound(
    db: &mut AnyConnection,
    scope: &Scope,
    compound: &str,
) -> Result<Option<String>, sqlx::Error> {
    let row = sqlx::query("SELECT neighbourhood_id FROM compound WHERE compound_id = $1")
        .bind(compound.to_owned())
        .fetch_optional(db)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let neighbourhood: String = row.try_get(0)?;
    Ok(Some(neighbourhood).filter(|neighbourhood| scope.allows(neighbourhood)))
}

/// The ids of a compound's gates within reach, in their order.
pub(crate) async fn of_compound(
    db: &mut AnyConnection,
    scope: &Scope,
    compound: &str,
) -> Result<Vec<String>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT g.gate_id FROM gate g JOIN compound c ON c.compound_id = g.compound_id
         WHERE g.compound_id = $1 AND ($2 = '' OR c.neighbourhood_id = $2) ORDER BY g.gate_id",
    )
    .bind(compound.to_owned())
    .bind(scope.neighbourhood().unwrap_or("").to_owned())
    .fetch_all(db)
    .await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

impl Gate {
    /// As memory has it, which reads the same record.
    pub(crate) fn remembered(gate: roll::Gate, id: &str) -> Self {
        let roll::Gate { neighbourhood_id, compound_id, management_group } = gate;
        Self { neighbourhood_id, compound_id, id: id.to_owned(), management_group }
    }

    /// Whether the people of a compound use this gate.
    pub(crate) async fn serves(&self, reading: &mut Reading<'_>, compound: &str) -> Result<bool, Status> {
        if self.compound_id == compound || self.management_group.is_empty() {
            return Ok(self.compound_id == compound);
        }
        let row = sqlx::query(
            "SELECT compound_id FROM compound
             WHERE compound_id = $1 AND management_group = $2 AND neighbourhood_id = $3",
        )
        .bind(compound.to_owned())
        .bind(self.management_group.clone())
        .bind(self.neighbourhood_id.clone())
        .fetch_optional(reading.db().await?)
        .await;
        Ok(row.map_err(fault)?.is_some())
    }

    /// The compounds whose people use this gate, its own first.
    pub(crate) async fn compounds(&self, db: &mut AnyConnection) -> Result<Vec<String>, sqlx::Error> {
        let mut compounds = vec![self.compound_id.clone()];
        if self.management_group.is_empty() {
            return Ok(compounds);
        }
        let rows = sqlx::query(
            "SELECT compound_id FROM compound
             WHERE management_group = $1 AND neighbourhood_id = $2 AND compound_id <> $3 ORDER BY compound_id",
        )
        .bind(self.management_group.clone())
        .bind(self.neighbourhood_id.clone())
        .bind(self.compound_id.clone())
        .fetch_all(db)
        .await?;
        for row in rows {
            compounds.push(row.try_get(0)?);
        }
        Ok(compounds)
    }
}
