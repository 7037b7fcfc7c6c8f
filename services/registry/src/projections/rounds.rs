//! Which rounds are planned where, and which were made on a day, by whom?

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Scope, Tables, Value, day_of, instant, timestamp};
use chrono::DateTime;
use proto::registry::v1::{Round, round_event::Event};
use sqlx::{AnyConnection, Row as _, any::AnyRow};

use super::{Asked, Page, Reach, SOURCES, Within, event, position, statement};

pub(crate) struct Rounds;

/// Those that are planned, with what was made of each on a day; `missing_only`: fewer times than planned.
pub(crate) async fn list(
    db: &mut AnyConnection,
    scope: &Scope,
    within: &Within,
    (day, missing_only): (&str, bool),
    asked: &Asked,
) -> anyhow::Result<Page<Round>> {
    let (reach, own) = Reach::from(scope).places();
    let rows = statement(
        "SELECT r.id, r.compound, r.kind, r.spot, r.per_day, r.done, r.last_at,
            COALESCE((SELECT t.done_by FROM registry_tick t WHERE t.round = r.id AND t.at = r.last_at
                ORDER BY t.position DESC LIMIT 1), '') AS last_by
         FROM (SELECT q.id, q.neighbourhood, q.compound, q.kind, q.spot, q.per_day,
                (SELECT COUNT(*) FROM registry_tick t WHERE t.round = q.id AND t.day = $1) AS done,
                (SELECT CAST(COALESCE(MAX(t.at), 0) AS BIGINT) FROM registry_tick t WHERE t.round = q.id) AS last_at
            FROM registry_round q
            WHERE q.per_day > 0 AND q.id > $2 AND ($3 = '' OR q.neighbourhood = $3) AND ($4 = '' OR q.compound = $4)
              AND ($5 = '' OR q.neighbourhood = $5) AND ($6 = '' OR q.compound = $6)) r
         WHERE $7 = 0 OR r.done < r.per_day
         ORDER BY r.id LIMIT $8",
    )
    .bind(day.to_owned())
    .bind(asked.after().to_owned())
    .bind(reach)
    .bind(own)
    .bind(within.neighbourhood.clone())
    .bind(within.compound.clone())
    .bind(i64::from(missing_only))
    .bind(asked.size + 1)
    .fetch_all(db)
    .await
    .context("reading rounds")?;
    let rounds: Result<Vec<_>, sqlx::Error> = rows.iter().map(read).collect();
    Ok(asked.page(rounds?))
}

fn read(row: &AnyRow) -> Result<(String, Round), sqlx::Error> {
    let few = |column: &str| row.try_get::<i64, _>(column).map(|number| i32::try_from(number).unwrap_or(i32::MAX));
    let id: String = row.try_get("id")?;
    let last: i64 = row.try_get("last_at")?;
    let round = Round {
        name: format!("rounds/{id}"),
        compound: format!("compounds/{}", row.try_get::<String, _>("compound")?),
        kind: few("kind")?,
        spot: row.try_get("spot")?,
        times_per_day: few("per_day")?,
        done: few("done")?,
        last_time: DateTime::from_timestamp_micros(last).filter(|_| last > 0).map(timestamp),
        last_by: row.try_get("last_by")?,
    };
    Ok((id, round))
}

#[async_trait]
impl Projection for Rounds {
    fn name(&self) -> &'static str {
        "rounds"
    }

    fn version(&self) -> u32 {
        1
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE registry_round (
            id TEXT PRIMARY KEY,
            neighbourhood TEXT NOT NULL,
            compound TEXT NOT NULL,
            kind BIGINT NOT NULL,
            spot TEXT NOT NULL,
            per_day BIGINT NOT NULL
        );
        CREATE INDEX registry_round_compound ON registry_round (neighbourhood, compound, id);
        CREATE TABLE registry_tick (
            position BIGINT PRIMARY KEY,
            round TEXT NOT NULL,
            day TEXT NOT NULL,
            at BIGINT NOT NULL,
            done_by TEXT NOT NULL
        );
        CREATE INDEX registry_tick_round ON registry_tick (round, day);
        CREATE INDEX registry_tick_last ON registry_tick (round, at)"
    }

    fn sources(&self) -> &'static [&'static str] {
        SOURCES
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        match event::<Event>(record)? {
            None => Ok(()),
            Some(Event::Planned(planned)) => {
                statement(
                    "INSERT INTO registry_round (id, neighbourhood, compound, kind, spot, per_day)
                     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO UPDATE SET per_day = excluded.per_day",
                )
                .bind(record.stream_id.clone())
                .bind(planned.neighbourhood_id)
                .bind(planned.compound_id)
                .bind(i64::from(planned.kind))
                .bind(planned.spot)
                .bind(i64::from(planned.times_per_day))
                .execute(tables.now().await?)
                .await
                .context("writing a round")?;
                Ok(())
            }
            Some(Event::Ticked(ticked)) => {
                let at = ticked.time.as_ref().and_then(instant).unwrap_or_default();
                let row = [
                    ("position", Value::from(position(record)?)),
                    ("round", record.stream_id.clone().into()),
                    ("day", day_of(at).to_string().into()),
                    ("at", at.timestamp_micros().into()),
                    ("done_by", ticked.by.into()),
                ];
                tables.put("registry_tick", row).await
            }
        }
    }
}
