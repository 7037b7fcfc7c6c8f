//! Who put right what is known of this person, when and why? What it was, and is, stays sealed in the log.

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Scope, Tables, timestamp};
use chrono::DateTime;
use proto::registry::v1::{Correction, resident_event::Event};
use sqlx::{AnyConnection, Row as _, any::AnyRow};

use super::{Asked, Page, Reach, SOURCES, event, position, statement};

pub(crate) struct Corrections;

#[async_trait]
impl Projection for Corrections {
    fn name(&self) -> &'static str {
        "corrections"
    }

    fn version(&self) -> u32 {
        1
    }

    /// `fields` are numbers of the contract, with blanks between.
    fn schema(&self) -> &'static str {
        "CREATE TABLE registry_correction (
            position BIGINT PRIMARY KEY,
            resident TEXT NOT NULL,
            neighbourhood TEXT NOT NULL,
            actor TEXT NOT NULL,
            fields TEXT NOT NULL,
            reason TEXT NOT NULL,
            at BIGINT NOT NULL
        );
        CREATE INDEX registry_correction_resident ON registry_correction (resident, position)"
    }

    fn sources(&self) -> &'static [&'static str] {
        SOURCES
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        let Some(Event::Corrected(corrected)) = event::<Event>(record)? else { return Ok(()) };
        let at = record.occurred_at.as_ref().and_then(chassis::instant).unwrap_or_default();
        let fields: Vec<String> = corrected.fields.iter().map(ToString::to_string).collect();
        statement(
            "INSERT INTO registry_correction (position, resident, neighbourhood, actor, fields, reason, at)
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (position) DO UPDATE SET at = excluded.at",
        )
        .bind(position(record)?)
        .bind(record.stream_id.clone())
        .bind(record.office.clone())
        .bind(record.actor.clone())
        .bind(fields.join(" "))
        .bind(corrected.reason)
        .bind(at.timestamp_micros())
        .execute(tables.now().await?)
        .await
        .context("writing a correction")?;
        Ok(())
    }
}

/// A page of them, the newest first.
pub(crate) async fn list(
    db: &mut AnyConnection,
    scope: &Scope,
    resident: &str,
    asked: &Asked,
) -> anyhow::Result<Page<Correction>> {
    let (within, own) = Reach::from(scope).people();
    let rows = statement(
        "SELECT position, actor, fields, reason, at FROM registry_correction
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
    .context("reading corrections")?;
    let corrections: Result<Vec<(String, Correction)>, sqlx::Error> = rows.iter().map(read).collect();
    Ok(asked.page(corrections?))
}

fn read(row: &AnyRow) -> Result<(String, Correction), sqlx::Error> {
    let fields: String = row.try_get("fields")?;
    let correction = Correction {
        time: DateTime::from_timestamp_micros(row.try_get("at")?).map(timestamp),
        actor: row.try_get("actor")?,
        fields: fields.split_whitespace().filter_map(|field| field.parse().ok()).collect(),
        reason: row.try_get("reason")?,
    };
    Ok((row.try_get::<i64, _>("position")?.to_string(), correction))
}
