//! Which confirmed cases there are: by person, by neighbourhood. What a case says is read from its stream.

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Scope, Tables};
use proto::{
    Fact as _,
    isolation::v1::confirmed_case_event::{Event, Reported},
};
use sqlx::{AnyConnection, Row as _};

pub(crate) struct ConfirmedCases;

/// Ids of the cases within the caller's reach, in the order of their ids, after this one; `resident_id` empty: of everybody.
pub(crate) async fn list(
    db: &mut AnyConnection,
    scope: &Scope,
    resident_id: &str,
    after: &str,
    size: i64,
) -> anyhow::Result<Vec<String>> {
    let rows = sqlx::query(
        "SELECT case_id FROM confirmed_case
         WHERE case_id > $1 AND ($2 = '' OR neighbourhood_id = $2) AND ($3 = '' OR resident_id = $3)
         ORDER BY case_id LIMIT $4",
    )
    .bind(after.to_owned())
    .bind(scope.neighbourhood().unwrap_or_default().to_owned())
    .bind(resident_id.to_owned())
    .bind(size)
    .fetch_all(db)
    .await
    .context("listing confirmed cases")?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

#[async_trait]
impl Projection for ConfirmedCases {
    fn name(&self) -> &'static str {
        "confirmed_cases"
    }

    fn version(&self) -> u32 {
        1
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE confirmed_case (case_id TEXT NOT NULL PRIMARY KEY, resident_id TEXT NOT NULL,
           neighbourhood_id TEXT NOT NULL);
         CREATE INDEX confirmed_case_by_resident ON confirmed_case (resident_id, case_id);
         CREATE INDEX confirmed_case_by_neighbourhood ON confirmed_case (neighbourhood_id, case_id)"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["isolation"]
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        if record.category != Event::CATEGORY {
            return Ok(());
        }
        let Event::Reported(Reported { terms, .. }) = Event::from_payload(&record.payload)? else { return Ok(()) };
        let terms = terms.unwrap_or_default();
        let row = [
            ("case_id", record.stream_id.clone().into()),
            ("resident_id", terms.resident_id.into()),
            ("neighbourhood_id", terms.residence.unwrap_or_default().neighbourhood_id.into()),
        ];
        tables.put("confirmed_case", row).await
    }
}
