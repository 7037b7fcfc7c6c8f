//! Which neighbourhoods are there?

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Scope, Tables};
use proto::registry::v1::{Neighbourhood, neighbourhood_event::Event};
use sqlx::{AnyConnection, Row as _, any::AnyRow};

use super::{Asked, Page, Reach, SOURCES, event, statement, version};

pub(crate) struct Neighbourhoods;

#[async_trait]
impl Projection for Neighbourhoods {
    fn name(&self) -> &'static str {
        "neighbourhoods"
    }

    fn version(&self) -> u32 {
        1
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE registry_neighbourhood (
            id TEXT PRIMARY KEY,
            display_name TEXT NOT NULL,
            code TEXT NOT NULL,
            version BIGINT NOT NULL
        )"
    }

    fn sources(&self) -> &'static [&'static str] {
        SOURCES
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        let Some(Event::Opened(opened)) = event::<Event>(record)? else { return Ok(()) };
        let row = [
            ("id", record.stream_id.clone().into()),
            ("display_name", opened.display_name.into()),
            ("code", opened.code.into()),
            ("version", version(record).into()),
        ];
        tables.put("registry_neighbourhood", row).await
    }
}

pub(crate) async fn list(db: &mut AnyConnection, scope: &Scope, asked: &Asked) -> anyhow::Result<Page<Neighbourhood>> {
    let (neighbourhood, _) = Reach::from(scope).places();
    let rows = statement(
        "SELECT id, display_name, code, version FROM registry_neighbourhood
         WHERE ($1 = '' OR id = $1) AND id > $2 ORDER BY id LIMIT $3",
    )
    .bind(neighbourhood)
    .bind(asked.after.clone())
    .bind(asked.size + 1)
    .fetch_all(db)
    .await
    .context("reading neighbourhoods")?;
    let rows: Result<Vec<_>, sqlx::Error> = rows.iter().map(read).collect();
    Ok(asked.page(rows?))
}

fn read(row: &AnyRow) -> Result<(String, Neighbourhood), sqlx::Error> {
    let id: String = row.try_get("id")?;
    let neighbourhood = Neighbourhood {
        name: format!("neighbourhoods/{id}"),
        display_name: row.try_get("display_name")?,
        code: row.try_get("code")?,
        etag: row.try_get::<i64, _>("version")?.to_string(),
    };
    Ok((id, neighbourhood))
}
