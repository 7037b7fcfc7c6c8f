//! Confirmed cases as isolation has them on record: the only persons whose contacts may be asked for.

use async_trait::async_trait;
use chassis::{Projection, Record, Scope, Tables};
use proto::isolation::v1::{
    CaseTerms,
    confirmed_case_event::{Confirmed, Event, Reported},
};
use sqlx::{AnyConnection, Row as _};

use crate::domain::co_presence::{Case, Signature, Standing};

pub(crate) struct ConfirmedCases;

#[async_trait]
impl Projection for ConfirmedCases {
    fn name(&self) -> &'static str {
        "confirmed_cases"
    }

    fn version(&self) -> u32 {
        1
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE confirmed_case (case_id TEXT PRIMARY KEY, resident_id TEXT NOT NULL, neighbourhood_id TEXT NOT NULL,
           first_day TEXT NOT NULL, last_day TEXT NOT NULL, reported_by TEXT NOT NULL, reported_unit TEXT NOT NULL,
           confirmed_by TEXT NOT NULL, confirmed_unit TEXT NOT NULL, withdrawn BIGINT NOT NULL)"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["isolation"]
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        let Some(event) = crate::facts::foreign::<Event>(record)? else { return Ok(()) };
        let case = record.stream_id.clone();
        match event {
            Event::Reported(Reported { terms, by, unit }) => {
                let CaseTerms { resident_id, residence, infectious_from, infectious_until, .. } =
                    terms.unwrap_or_default();
                let row = [
                    ("case_id", case.into()),
                    ("resident_id", resident_id.into()),
                    ("neighbourhood_id", residence.unwrap_or_default().neighbourhood_id.into()),
                    ("first_day", infectious_from.into()),
                    ("last_day", infectious_until.into()),
                    ("reported_by", by.into()),
                    ("reported_unit", unit.into()),
                    ("confirmed_by", String::new().into()),
                    ("confirmed_unit", String::new().into()),
                    ("withdrawn", 0_i64.into()),
                ];
                tables.put("confirmed_case", row).await
            }
            Event::Confirmed(Confirmed { by, unit, .. }) => {
                sqlx::query("UPDATE confirmed_case SET confirmed_by = $2, confirmed_unit = $3 WHERE case_id = $1")
                    .bind(case)
                    .bind(by)
                    .bind(unit)
                    .execute(tables.now().await?)
                    .await?;
                Ok(())
            }
            Event::Withdrawn(_) => {
                sqlx::query("UPDATE confirmed_case SET withdrawn = 1 WHERE case_id = $1")
                    .bind(case)
                    .execute(tables.now().await?)
                    .await?;
                Ok(())
            }
        }
    }
}

/// `None` for a case that is not there and for one out of reach alike.
pub(crate) async fn find(db: &mut AnyConnection, scope: &Scope, case: &str) -> Result<Option<Case>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT resident_id, neighbourhood_id, first_day, last_day, reported_by, reported_unit, confirmed_by,
           confirmed_unit, withdrawn
         FROM confirmed_case WHERE case_id = $1 AND ($2 = '' OR neighbourhood_id = $2)",
    )
    .bind(case.to_owned())
    .bind(scope.neighbourhood().unwrap_or("").to_owned())
    .fetch_optional(db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let text = |column: usize| row.try_get::<String, _>(column);
    let day = |column: usize| Ok::<_, sqlx::Error>(text(column)?.parse().unwrap_or_default());
    let confirmed = Signature { by: text(6)?, unit: text(7)? };
    let standing = match (row.try_get::<i64, _>(8)?, confirmed.by.is_empty()) {
        (0, true) => Standing::Reported,
        (0, false) => Standing::Confirmed(confirmed),
        _ => Standing::Withdrawn,
    };
    Ok(Some(Case {
        id: case.to_owned(),
        resident_id: text(0)?,
        neighbourhood_id: text(1)?,
        infectious: (day(2)?, day(3)?),
        reported: Signature { by: text(4)?, unit: text(5)? },
        standing,
    }))
}
