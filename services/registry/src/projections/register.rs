//! What is registered in one neighbourhood, all of it in one go: for imports and for the search for duplicates, which would
//! otherwise ask once for every row.

use anyhow::Context as _;
use chassis::Scope;
use proto::{event::v1::Sealed, registry::v1::Tenure};
use sqlx::{AnyConnection, Row as _, any::AnyRow};

use super::{Reach, sealed, statement};

/// A household with what an import compares.
pub(crate) struct Home {
    pub(crate) id: String,
    pub(crate) compound: String,
    pub(crate) building: String,
    pub(crate) unit: String,
    pub(crate) room: String,
    pub(crate) tenure: Tenure,
    pub(crate) landlord: Option<Sealed>,
}

/// Somebody who lives there now, still sealed.
pub(crate) struct Occupant {
    pub(crate) id: String,
    pub(crate) household: String,
    /// A blind index; empty for somebody without a document.
    pub(crate) document: String,
    pub(crate) person: Sealed,
}

pub(crate) async fn homes(db: &mut AnyConnection, scope: &Scope, neighbourhood: &str) -> anyhow::Result<Vec<Home>> {
    let (within, _) = Reach::from(scope).people();
    let rows = statement(
        "SELECT id, compound, building, unit, room, tenure, landlord FROM registry_household
         WHERE ($1 = '' OR neighbourhood = $1) AND neighbourhood = $2",
    )
    .bind(within)
    .bind(neighbourhood.to_owned())
    .fetch_all(db)
    .await
    .context("reading a neighbourhood's households")?;
    let home = |row: &AnyRow| -> anyhow::Result<Home> {
        let text = |column: &str| row.try_get::<String, _>(column);
        let tenure = i32::try_from(row.try_get::<i64, _>("tenure")?)?;
        Ok(Home {
            id: text("id")?,
            compound: text("compound")?,
            building: text("building")?,
            unit: text("unit")?,
            room: text("room")?,
            tenure: Tenure::try_from(tenure).unwrap_or_default(),
            landlord: sealed(&text("landlord")?)?,
        })
    };
    rows.iter().map(home).collect()
}

/// Whom a place of a neighbourhood has now: not those who moved out, were merged or erased.
pub(crate) async fn occupants(
    db: &mut AnyConnection,
    scope: &Scope,
    neighbourhood: &str,
) -> anyhow::Result<Vec<Occupant>> {
    let (within, own) = Reach::from(scope).people();
    let rows = statement(
        "SELECT id, household, document_index, person FROM registry_resident
         WHERE ($1 = '' OR neighbourhood = $1) AND ($2 = '' OR id = $2) AND neighbourhood = $3
           AND moved_out = 0 AND erased = 0",
    )
    .bind(within)
    .bind(own)
    .bind(neighbourhood.to_owned())
    .fetch_all(db)
    .await
    .context("reading a neighbourhood's residents")?;
    let mut occupants = Vec::with_capacity(rows.len());
    for row in rows {
        let text = |column: &str| row.try_get::<String, _>(column);
        let Some(person) = sealed(&text("person")?)? else { continue };
        let (id, household, document) = (text("id")?, text("household")?, text("document_index")?);
        occupants.push(Occupant { id, household, document, person });
    }
    Ok(occupants)
}
