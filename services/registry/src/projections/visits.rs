//! Who was seen when, and by whom? Every visit; and for each household and each resident the last time that somebody met them.

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Scope, Tables, instant, timestamp};
use chrono::DateTime;
use proto::registry::v1::{Visit, VisitOutcome, visits_event::Event};
use sqlx::{AnyConnection, Row as _, any::AnyRow};

use super::{Asked, Page, Reach, SOURCES, event, position, statement};

pub(crate) struct VisitsMade;

#[async_trait]
impl Projection for VisitsMade {
    fn name(&self) -> &'static str {
        "visits"
    }

    fn version(&self) -> u32 {
        1
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE registry_visit (
            position BIGINT PRIMARY KEY,
            id TEXT NOT NULL,
            household TEXT NOT NULL,
            neighbourhood TEXT NOT NULL,
            compound TEXT NOT NULL,
            outcome BIGINT NOT NULL,
            residents TEXT NOT NULL,
            unknown BIGINT NOT NULL,
            visitor TEXT NOT NULL,
            task TEXT NOT NULL,
            at BIGINT NOT NULL
        );
        CREATE INDEX registry_visit_household ON registry_visit (household, position);
        CREATE INDEX registry_visit_compound ON registry_visit (compound, position);
        CREATE TABLE registry_touch (
            household TEXT PRIMARY KEY,
            met_at BIGINT NOT NULL,
            tried_at BIGINT NOT NULL
        );
        CREATE TABLE registry_met (
            resident TEXT PRIMARY KEY,
            met_at BIGINT NOT NULL
        )"
    }

    fn sources(&self) -> &'static [&'static str] {
        SOURCES
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        let db = tables.now().await?;
        let Some(Event::Visited(visit)) = event::<Event>(record)? else { return Ok(()) };
        let at = visit.visited_at.as_ref().and_then(instant).unwrap_or_default().timestamp_micros();
        let residence = visit.residence.clone().unwrap_or_default();
        statement(
            "INSERT INTO registry_visit
                (position, id, household, neighbourhood, compound, outcome, residents, unknown, visitor, task, at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
             ON CONFLICT (position) DO UPDATE SET at = excluded.at",
        )
        .bind(position(record)?)
        .bind(visit.visit_id.clone())
        .bind(record.stream_id.clone())
        .bind(residence.neighbourhood_id)
        .bind(residence.compound_id)
        .bind(i64::from(visit.outcome))
        .bind(visit.resident_ids.join(","))
        .bind(i64::from(visit.unknown_occupants))
        .bind(visit.visitor.clone())
        .bind(visit.task_id.clone())
        .bind(at)
        .execute(&mut *db)
        .await
        .context("writing a visit")?;
        let met = visit.outcome() == VisitOutcome::Met;
        touch(db, &record.stream_id, if met { (at, 0) } else { (0, at) })
            .await
            .context("writing a household's visit")?;
        for resident in &visit.resident_ids {
            meet(db, resident, at).await.context("writing when a resident was met")?;
        }
        Ok(())
    }
}

/// The later one counts: visits are written down in any order.
async fn touch(db: &mut AnyConnection, household: &str, (met_at, tried_at): (i64, i64)) -> Result<(), sqlx::Error> {
    statement(
        "INSERT INTO registry_touch (household, met_at, tried_at) VALUES ($1, $2, $3)
         ON CONFLICT (household) DO UPDATE SET
            met_at = CASE WHEN excluded.met_at > registry_touch.met_at THEN excluded.met_at
                ELSE registry_touch.met_at END,
            tried_at = CASE WHEN excluded.tried_at > registry_touch.tried_at THEN excluded.tried_at
                ELSE registry_touch.tried_at END",
    )
    .bind(household.to_owned())
    .bind(met_at)
    .bind(tried_at)
    .execute(db)
    .await?;
    Ok(())
}

async fn meet(db: &mut AnyConnection, resident: &str, at: i64) -> Result<(), sqlx::Error> {
    statement(
        "INSERT INTO registry_met (resident, met_at) VALUES ($1, $2)
         ON CONFLICT (resident) DO UPDATE SET
            met_at = CASE WHEN excluded.met_at > registry_met.met_at THEN excluded.met_at ELSE registry_met.met_at END",
    )
    .bind(resident.to_owned())
    .bind(at)
    .execute(db)
    .await?;
    Ok(())
}

/// Whose visits are asked for; empty texts bind nothing.
#[derive(Default)]
pub(crate) struct Home {
    pub(crate) compound: String,
    pub(crate) household: String,
}

/// A page of them, the one recorded last first.
pub(crate) async fn list(
    db: &mut AnyConnection,
    scope: &Scope,
    home: Home,
    asked: &Asked,
) -> anyhow::Result<Page<Visit>> {
    let (within, own) = Reach::from(scope).places();
    let rows = statement(
        "SELECT position, id, household, outcome, residents, unknown, visitor, task, at FROM registry_visit
         WHERE ($1 = '' OR neighbourhood = $1) AND ($2 = '' OR compound = $2) AND ($3 = '' OR compound = $3)
           AND ($4 = '' OR household = $4) AND position < $5 ORDER BY position DESC LIMIT $6",
    )
    .bind(within)
    .bind(own)
    .bind(home.compound)
    .bind(home.household)
    .bind(asked.before())
    .bind(asked.size + 1)
    .fetch_all(db)
    .await
    .context("reading visits")?;
    let visits: Result<Vec<(String, Visit)>, sqlx::Error> = rows.iter().map(read).collect();
    Ok(asked.page(visits?))
}

fn read(row: &AnyRow) -> Result<(String, Visit), sqlx::Error> {
    let text = |column: &str| row.try_get::<String, _>(column);
    let number = |column: &str| row.try_get::<i64, _>(column);
    let residents = text("residents")?;
    let residents = residents.split(',').filter(|id| !id.is_empty()).map(|id| format!("residents/{id}"));
    let task = text("task")?;
    let visit = Visit {
        name: format!("households/{}/visits/{}", text("household")?, text("id")?),
        outcome: i32::try_from(number("outcome")?).unwrap_or_default(),
        residents: residents.collect(),
        unknown_occupants: i32::try_from(number("unknown")?).unwrap_or(i32::MAX),
        visitor: text("visitor")?,
        task: if task.is_empty() { task } else { format!("tasks/{task}") },
        time: DateTime::from_timestamp_micros(number("at")?).map(timestamp),
    };
    Ok((number("position")?.to_string(), visit))
}
