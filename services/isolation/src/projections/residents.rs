//! Where each resident lives, as the registry told it.

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Scope, Tables};
use proto::{
    Fact as _,
    registry::v1::{
        Residence,
        resident_event::{self, Registered, Unmerged},
    },
};
use sqlx::{AnyConnection, Row as _};

pub(crate) struct Residents;

/// The resident's home, where it is within the caller's reach.
pub(crate) async fn find(
    db: &mut AnyConnection,
    scope: &Scope,
    resident_id: &str,
) -> anyhow::Result<Option<Residence>> {
    let row = sqlx::query(
        "SELECT neighbourhood_id, compound_id, household_id FROM resident
         WHERE resident_id = $1 AND ($2 = '' OR neighbourhood_id = $2)",
    )
    .bind(resident_id.to_owned())
    .bind(scope.neighbourhood().unwrap_or_default().to_owned())
    .fetch_optional(db)
    .await
    .context("finding a resident")?;
    Ok(row.map(|row| Residence { neighbourhood_id: row.get(0), compound_id: row.get(1), household_id: row.get(2) }))
}

/// Where a household is, as one of those who are registered there tells, where it is within the caller's reach.
pub(crate) async fn household(
    db: &mut AnyConnection,
    scope: &Scope,
    household_id: &str,
) -> anyhow::Result<Option<Residence>> {
    let row = sqlx::query(
        "SELECT neighbourhood_id, compound_id, household_id FROM resident
         WHERE household_id = $1 AND ($2 = '' OR neighbourhood_id = $2) LIMIT 1",
    )
    .bind(household_id.to_owned())
    .bind(scope.neighbourhood().unwrap_or_default().to_owned())
    .fetch_optional(db)
    .await
    .context("finding a household")?;
    Ok(row.map(|row| Residence { neighbourhood_id: row.get(0), compound_id: row.get(1), household_id: row.get(2) }))
}

#[async_trait]
impl Projection for Residents {
    fn name(&self) -> &'static str {
        "residents"
    }

    fn version(&self) -> u32 {
        2
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE resident (
           resident_id TEXT NOT NULL PRIMARY KEY,
           neighbourhood_id TEXT NOT NULL,
           compound_id TEXT NOT NULL,
           household_id TEXT NOT NULL
         );
         CREATE INDEX resident_household ON resident (household_id);"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["registry"]
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        if record.category != resident_event::Event::CATEGORY {
            return Ok(());
        }
        let resident = ("resident_id", record.stream_id.as_str().into());
        match resident_event::Event::from_payload(&record.payload)? {
            resident_event::Event::Registered(Registered { residence, .. })
            | resident_event::Event::Unmerged(Unmerged { residence, .. }) => {
                let residence = residence.unwrap_or_default();
                let home = [
                    ("neighbourhood_id", residence.neighbourhood_id.into()),
                    ("compound_id", residence.compound_id.into()),
                    ("household_id", residence.household_id.into()),
                ];
                tables.put_under("resident", [resident.clone()], home.clone()).await?;
                tables.set("resident", [resident], home).await?;
            }
            resident_event::Event::MovedOut(_)
            | resident_event::Event::Erased(_)
            | resident_event::Event::Merged(_) => tables.remove("resident", [resident]).await?,
            resident_event::Event::Revealed(_) | resident_event::Event::Corrected(_) => {}
        }
        Ok(())
    }
}
