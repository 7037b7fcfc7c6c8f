//! Who works for which neighbourhood?

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Scope, Tables};
use proto::{
    event::v1::Sealed,
    registry::v1::{Staff, staff_event::Event},
};
use sqlx::{AnyConnection, Row as _, any::AnyRow};

use super::{Asked, Page, Reach, SOURCES, event, sealed, statement, written};

pub(crate) struct StaffMembers;

/// A member of staff whose person is still sealed.
pub(crate) struct Stored {
    pub(crate) staff: Staff,
    pub(crate) person: Option<Sealed>,
}

#[async_trait]
impl Projection for StaffMembers {
    fn name(&self) -> &'static str {
        "staff"
    }

    fn version(&self) -> u32 {
        1
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE registry_staff (
            id TEXT PRIMARY KEY,
            neighbourhood TEXT NOT NULL,
            kind BIGINT NOT NULL,
            person TEXT NOT NULL
        );
        CREATE INDEX registry_staff_neighbourhood ON registry_staff (neighbourhood, id)"
    }

    fn sources(&self) -> &'static [&'static str] {
        SOURCES
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        let Some(Event::Enrolled(enrolled)) = event::<Event>(record)? else { return Ok(()) };
        let db = tables.now().await?;
        statement(
            "INSERT INTO registry_staff (id, neighbourhood, kind, person) VALUES ($1, $2, $3, $4)
             ON CONFLICT (id) DO UPDATE SET person = excluded.person",
        )
        .bind(record.stream_id.clone())
        .bind(enrolled.neighbourhood_id)
        .bind(i64::from(enrolled.kind))
        .bind(written(enrolled.person.as_ref()))
        .execute(db)
        .await
        .context("writing a member of staff")?;
        Ok(())
    }
}

/// The staff of a neighbourhood, or of all where it is empty.
pub(crate) async fn list(
    db: &mut AnyConnection,
    scope: &Scope,
    neighbourhood: &str,
    asked: &Asked,
) -> anyhow::Result<Page<Stored>> {
    let (within, _) = Reach::from(scope).people();
    let rows = statement(
        "SELECT id, neighbourhood, kind, person FROM registry_staff
         WHERE ($1 = '' OR neighbourhood = $1) AND ($2 = '' OR neighbourhood = $2) AND id > $3 ORDER BY id LIMIT $4",
    )
    .bind(within)
    .bind(neighbourhood.to_owned())
    .bind(asked.after.clone())
    .bind(asked.size + 1)
    .fetch_all(db)
    .await
    .context("reading staff")?;
    Ok(asked.page(rows.iter().map(read).collect::<anyhow::Result<_>>()?))
}

fn read(row: &AnyRow) -> anyhow::Result<(String, Stored)> {
    let id: String = row.try_get("id")?;
    let neighbourhood: String = row.try_get("neighbourhood")?;
    let staff = Staff {
        name: format!("staff/{id}"),
        kind: i32::try_from(row.try_get::<i64, _>("kind")?).unwrap_or_default(),
        neighbourhood: if neighbourhood.is_empty() { String::new() } else { format!("neighbourhoods/{neighbourhood}") },
        masked_name: String::new(),
    };
    Ok((id, Stored { staff, person: sealed(&row.try_get::<String, _>("person")?)? }))
}
