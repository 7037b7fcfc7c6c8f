//! Where residents live, from the registry's log: who may be given a pass by whom, before anything is known of a screening.

use async_trait::async_trait;
use chassis::{Projection, Record, Scope, Tables};
use proto::registry::v1::{Residence, resident_event::Event};
use sqlx::{AnyConnection, Row as _};

pub(crate) struct Residents;

#[async_trait]
impl Projection for Residents {
    fn name(&self) -> &'static str {
        "residents"
    }

    fn version(&self) -> u32 {
        2
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE resident (resident_id TEXT PRIMARY KEY, neighbourhood_id TEXT NOT NULL, compound_id TEXT NOT NULL,
           household_id TEXT NOT NULL, moved_out BIGINT NOT NULL);
         CREATE INDEX resident_by_compound ON resident (compound_id, resident_id)"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["registry"]
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        let resident = ("resident_id", record.stream_id.as_str().into());
        match crate::facts::foreign::<Event>(record)? {
            Some(Event::Registered(registered)) => {
                let home = registered.residence.unwrap_or_default();
                let home = [
                    ("neighbourhood_id", home.neighbourhood_id.into()),
                    ("compound_id", home.compound_id.into()),
                    ("household_id", home.household_id.into()),
                ];
                let [neighbourhood, compound, household] = home.clone();
                let new = [resident.clone(), neighbourhood, compound, household, ("moved_out", 0.into())];
                tables.put("resident", new).await?;
                tables.set("resident", [resident], home).await?;
            }
            Some(event @ (Event::MovedOut(_) | Event::Merged(_) | Event::Unmerged(_))) => {
                let gone = i64::from(!matches!(event, Event::Unmerged(_)));
                tables.set("resident", [resident], [("moved_out", gone.into())]).await?;
            }
            Some(Event::Revealed(_) | Event::Erased(_) | Event::Corrected(_)) | None => {}
        }
        Ok(())
    }
}

/// A resident within reach.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Home {
    pub residence: Residence,
    pub moved_out: bool,
}

/// `None` for somebody unknown and for somebody out of reach alike.
pub(crate) async fn find(db: &mut AnyConnection, scope: &Scope, resident: &str) -> Result<Option<Home>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT neighbourhood_id, compound_id, household_id, moved_out FROM resident WHERE resident_id = $1",
    )
    .bind(resident.to_owned())
    .fetch_optional(db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let residence =
        Residence { neighbourhood_id: row.try_get(0)?, compound_id: row.try_get(1)?, household_id: row.try_get(2)? };
    let home = Home { moved_out: row.try_get::<i64, _>(3)? != 0, residence };
    Ok(Some(home).filter(|home| scope.allows(&home.residence.neighbourhood_id)))
}
