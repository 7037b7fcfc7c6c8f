//! Who asked about whose contacts, why, and how many people they saw.

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Scope, Tables, instant, timestamp};
use chrono::DateTime;
use proto::pass::v1::{CoPresenceQuery, co_presence_event::Event};
use sqlx::{AnyConnection, Row as _, any::AnyRow};

pub(crate) struct Queries;

#[async_trait]
impl Projection for Queries {
    fn name(&self) -> &'static str {
        "co_presence_queries"
    }

    fn version(&self) -> u32 {
        1
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE co_presence_query (position BIGINT PRIMARY KEY, query_id TEXT NOT NULL, case_id TEXT NOT NULL,
           neighbourhood_id TEXT NOT NULL, first_day TEXT NOT NULL, last_day TEXT NOT NULL, minutes BIGINT NOT NULL,
           reason TEXT NOT NULL, asked_by TEXT NOT NULL, unit TEXT NOT NULL, asked_at BIGINT NOT NULL,
           crossings BIGINT NOT NULL, people BIGINT NOT NULL, nameless BIGINT NOT NULL);
         CREATE INDEX co_presence_query_by_case ON co_presence_query (case_id, position);
         CREATE INDEX co_presence_query_by_neighbourhood ON co_presence_query (neighbourhood_id, position)"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["pass"]
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        let Some(Event::Asked(asked)) = crate::facts::own::<Event>(record)? else { return Ok(()) };
        let at = record.occurred_at.as_ref().and_then(instant).map_or(0, |time| time.timestamp_micros());
        let row = [
            ("position", i64::try_from(record.position).context("a position fits into 63 bits")?.into()),
            ("query_id", asked.query_id.into()),
            ("case_id", asked.case_id.into()),
            ("neighbourhood_id", record.office.clone().into()),
            ("first_day", asked.from.into()),
            ("last_day", asked.to.into()),
            ("minutes", i64::from(asked.minutes).into()),
            ("reason", asked.reason.into()),
            ("asked_by", asked.by.into()),
            ("unit", asked.unit.into()),
            ("asked_at", at.into()),
            ("crossings", i64::from(asked.crossings).into()),
            ("people", i64::from(asked.people).into()),
            ("nameless", i64::from(asked.nameless).into()),
        ];
        tables.put("co_presence_query", row).await
    }
}

/// One page and the position after which the next one begins; `case` empty: of all within reach.
pub(crate) async fn list(
    db: &mut AnyConnection,
    scope: &Scope,
    case: &str,
    before: i64,
    limit: i64,
) -> Result<(Vec<CoPresenceQuery>, Option<i64>), sqlx::Error> {
    let rows = sqlx::query(
        "SELECT position, query_id, case_id, first_day, last_day, minutes, reason, asked_by, unit, asked_at, crossings,
           people, nameless
         FROM co_presence_query WHERE ($1 = '' OR case_id = $1) AND ($2 = '' OR neighbourhood_id = $2) AND position < $3
         ORDER BY position DESC LIMIT $4",
    )
    .bind(case.to_owned())
    .bind(scope.neighbourhood().unwrap_or("").to_owned())
    .bind(before)
    .bind(limit)
    .fetch_all(db)
    .await?;
    let last = rows.last().map(|row| row.try_get(0)).transpose()?;
    Ok((rows.iter().map(query).collect::<Result<_, _>>()?, last))
}

fn query(row: &AnyRow) -> Result<CoPresenceQuery, sqlx::Error> {
    let text = |column: usize| row.try_get::<String, _>(column);
    let small = |column: usize| row.try_get::<i64, _>(column).map(|value| i32::try_from(value).unwrap_or(0));
    let case = format!("confirmed-cases/{}", text(2)?);
    Ok(CoPresenceQuery {
        name: format!("{case}/queries/{}", text(1)?),
        case,
        from: text(3)?,
        to: text(4)?,
        minutes: small(5)?,
        reason: text(6)?,
        asked_by: text(7)?,
        unit: text(8)?,
        time: DateTime::from_timestamp_micros(row.try_get(9)?).map(timestamp),
        crossings: small(10)?,
        people: small(11)?,
        nameless: small(12)?,
    })
}
