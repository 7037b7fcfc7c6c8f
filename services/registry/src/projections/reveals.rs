//! Who looked at this person, when, and why did they say?

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Scope, Tables, timestamp};
use chrono::DateTime;
use proto::registry::v1::{Reveal, resident_event::Event};
use sqlx::{AnyConnection, Row as _, any::AnyRow};

use super::{Asked, Page, Reach, SOURCES, event, position, statement};

pub(crate) struct Reveals;

#[async_trait]
impl Projection for Reveals {
    fn name(&self) -> &'static str {
        "reveals"
    }

    fn version(&self) -> u32 {
        1
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE registry_reveal (
            position BIGINT PRIMARY KEY,
            resident TEXT NOT NULL,
            neighbourhood TEXT NOT NULL,
            actor TEXT NOT NULL,
            reason TEXT NOT NULL,
            at BIGINT NOT NULL
        );
        CREATE INDEX registry_reveal_resident ON registry_reveal (resident, position)"
    }

    fn sources(&self) -> &'static [&'static str] {
        SOURCES
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        let Some(Event::Revealed(revealed)) = event::<Event>(record)? else { return Ok(()) };
        let db = tables.now().await?;
        let at = record.occurred_at.as_ref().and_then(chassis::instant).unwrap_or_default();
        statement(
            "INSERT INTO registry_reveal (position, resident, neighbourhood, actor, reason, at)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (position) DO UPDATE SET at = excluded.at",
        )
        .bind(position(record)?)
        .bind(record.stream_id.clone())
        .bind(record.office.clone())
        .bind(record.actor.clone())
        .bind(revealed.reason)
        .bind(at.timestamp_micros())
        .execute(db)
        .await
        .context("writing a reveal")?;
        Ok(())
    }
}

/// A page of them, the newest first.
pub(crate) async fn list(
    db: &mut AnyConnection,
    scope: &Scope,
    resident: &str,
    asked: &Asked,
) -> anyhow::Result<Page<Reveal>> {
    let (within, own) = Reach::from(scope).people();
    let rows = statement(
        "SELECT position, actor, reason, at FROM registry_reveal
         WHERE ($1 = '' OR neighbourhood = $1) AND ($2 = '' OR resident = $2) AND resident = $3 AND position < $4
         ORDER BY position DESC LIMIT $5",
    )
    .bind(within)
    .bind(own)
    .bind(resident.to_owned())
    .bind(asked.before())
    .bind(asked.size + 1)
    .fetch_all(db)
    .await
    .context("reading reveals")?;
    let reveals: Result<Vec<(String, Reveal)>, sqlx::Error> = rows.iter().map(read).collect();
    Ok(asked.page(reveals?))
}

fn read(row: &AnyRow) -> Result<(String, Reveal), sqlx::Error> {
    let time = DateTime::from_timestamp_micros(row.try_get("at")?).map(timestamp);
    let reveal = Reveal { actor: row.try_get("actor")?, reason: row.try_get("reason")?, time };
    Ok((row.try_get::<i64, _>("position")?.to_string(), reveal))
}
