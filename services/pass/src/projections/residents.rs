//! Where residents live, from the registry's log: who may be given a pass by whom, before anything is known of a screening.

use std::collections::HashMap;

use async_trait::async_trait;
use chassis::{Projection, Record, Scope, Tables};
use proto::registry::v1::{Residence, resident_event::Event};
use sqlx::{AnyConnection, Row as _, any::AnyRow};

pub(crate) struct Residents;

#[async_trait]
impl Projection for Residents {
    fn name(&self) -> &'static str {
        "residents"
    }

    fn version(&self) -> u32 {
        3
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE resident (resident_id TEXT PRIMARY KEY, neighbourhood_id TEXT NOT NULL, compound_id TEXT NOT NULL,
           household_id TEXT NOT NULL, moved_out BIGINT NOT NULL, merged_into TEXT NOT NULL);
         CREATE INDEX resident_by_compound ON resident (compound_id, resident_id);
         CREATE INDEX resident_merged ON resident (resident_id, merged_into) WHERE merged_into <> ''"
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
                let (moved_out, merged_into) = (("moved_out", 0.into()), ("merged_into", String::new().into()));
                let new = [resident.clone(), neighbourhood, compound, household, moved_out, merged_into];
                tables.put("resident", new).await?;
                tables.set("resident", [resident], home).await?;
            }
            Some(Event::MovedOut(_)) => {
                tables.set("resident", [resident], [("moved_out", 1.into())]).await?;
            }
            Some(Event::Merged(merged)) => {
                let ended = [("moved_out", 1.into()), ("merged_into", merged.into_resident_id.into())];
                tables.set("resident", [resident], ended).await?;
            }
            Some(Event::Unmerged(_)) => {
                let goes_on = [("moved_out", 0.into()), ("merged_into", String::new().into())];
                tables.set("resident", [resident], goes_on).await?;
            }
            Some(Event::Revealed(_) | Event::Erased(_) | Event::Corrected(_)) | None => {}
        }
        Ok(())
    }
}

/// Which records stand for the same people: each that was merged, and the one that it was merged into.
pub(crate) struct Merges(HashMap<String, String>);

impl Merges {
    /// There are some hundreds in a subdistrict.
    pub(crate) async fn all(db: &mut AnyConnection) -> Result<Self, sqlx::Error> {
        let rows = sqlx::query("SELECT resident_id, merged_into FROM resident WHERE merged_into <> ''").fetch_all(db);
        let pair = |row: &AnyRow| Ok((row.try_get(0)?, row.try_get(1)?));
        Ok(Self(rows.await?.iter().map(pair).collect::<Result<_, sqlx::Error>>()?))
    }

    /// The record that goes on for this one: itself, where it was not merged.
    pub(crate) fn living<'a>(&'a self, resident: &'a str) -> &'a str {
        let mut living = resident;
        // The registry merges nothing into a record that was merged itself, so there is no ring; should a log say
        // otherwise, this ends all the same.
        for _ in 0..=self.0.len() {
            match self.0.get(living) {
                Some(into) => living = into,
                None => break,
            }
        }
        living
    }

    /// All records of the person whose record this is.
    pub(crate) fn records<'a>(&'a self, resident: &'a str) -> Vec<&'a str> {
        let living = self.living(resident);
        let ended = self.0.keys().map(String::as_str).filter(|ended| self.living(ended) == living);
        ended.filter(|ended| *ended != living).chain([living]).collect()
    }
}

/// A resident within reach.
#[derive(Clone, Debug, Default, PartialEq)]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_one_person_are_found_along_every_merge() {
        let pairs = [("a", "b"), ("b", "c"), ("d", "c"), ("x", "y")];
        let merges = Merges(pairs.map(|(ended, into)| (ended.to_owned(), into.to_owned())).into());
        let records = |resident| {
            let mut records = merges.records(resident);
            records.sort_unstable();
            records.join("")
        };
        assert_eq!(["a", "c", "d", "x", "nobody else"].map(records), ["abcd", "abcd", "abcd", "xy", "nobody else"]);
        assert_eq!(["a", "c", "x"].map(|resident| merges.living(resident)), ["c", "c", "y"]);
    }
}
