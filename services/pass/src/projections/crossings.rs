//! The crossings of all gates, newest first: who asks how a gate's night went reads the end of it. Two more questions go by
//! the same rows, each with an index of its own: where somebody was seen last (`presence`), and who was at a gate at a time
//! (`meetings`).

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Scope, Tables, instant};
use chrono::DateTime;
use proto::pass::v1::{Crossing, Verdict, gate_day_event::Event};
use sqlx::{AnyConnection, Row as _, any::AnyRow};

pub(crate) struct Crossings;

#[async_trait]
impl Projection for Crossings {
    fn name(&self) -> &'static str {
        "crossings"
    }

    fn version(&self) -> u32 {
        2
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE crossing (position BIGINT PRIMARY KEY, crossing_id TEXT NOT NULL, neighbourhood_id TEXT NOT NULL,
           compound_id TEXT NOT NULL, gate_id TEXT NOT NULL, crossed_at BIGINT NOT NULL, direction BIGINT NOT NULL,
           decision BIGINT NOT NULL, findings TEXT NOT NULL, decicelsius BIGINT NOT NULL, mask BIGINT NOT NULL,
           resident_id TEXT NOT NULL, person_id TEXT NOT NULL, by_hand BIGINT NOT NULL);
         CREATE INDEX crossing_by_compound ON crossing (compound_id, position);
         CREATE INDEX crossing_by_person ON crossing (person_id, crossed_at, position) WHERE person_id <> '';
         CREATE INDEX crossing_by_gate ON crossing (compound_id, gate_id, crossed_at)"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["pass"]
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        let Some(Event::Crossed(crossed)) = crate::facts::own::<Event>(record)? else {
            return Ok(());
        };
        let findings: Vec<String> = crossed.findings.iter().map(ToString::to_string).collect();
        // People of another neighbourhood stay nameless here, though the record knows them.
        let own = crossed.residence.as_ref().is_some_and(|home| home.neighbourhood_id == record.office);
        let crossed_at = crossed.crossed_at.as_ref().and_then(instant).map_or(0, |time| time.timestamp_micros());
        // Whoever it was, for what only counts people, and for the health team.
        let person = crossed.resident_id.clone();
        let row = [
            ("position", i64::try_from(record.position).context("a position fits into 63 bits")?.into()),
            ("crossing_id", crossed.crossing_id.into()),
            ("neighbourhood_id", record.office.clone().into()),
            ("compound_id", crossed.compound_id.into()),
            ("gate_id", crossed.gate_id.into()),
            ("crossed_at", crossed_at.into()),
            ("direction", i64::from(crossed.direction).into()),
            ("decision", i64::from(crossed.decision).into()),
            ("findings", findings.join(",").into()),
            ("decicelsius", i64::from(crossed.temperature_decicelsius).into()),
            ("mask", i64::from(crossed.mask).into()),
            ("resident_id", if own { crossed.resident_id } else { String::new() }.into()),
            ("person_id", person.into()),
            ("by_hand", i64::from(!crossed.manual_reason.is_empty()).into()),
        ];
        tables.put("crossing", row).await
    }
}

/// One page of crossings and the position after which the next one begins; `gate` empty: of all the compound's gates.
pub(crate) async fn list(
    db: &mut AnyConnection,
    scope: &Scope,
    (compound, gate): (&str, &str),
    before: i64,
    limit: i64,
) -> Result<(Vec<Crossing>, Option<i64>), sqlx::Error> {
    let rows = sqlx::query(
        "SELECT position, crossing_id, compound_id, gate_id, crossed_at, direction, decision, findings, decicelsius,
           mask, resident_id
         FROM crossing WHERE compound_id = $1 AND ($2 = '' OR gate_id = $2) AND ($3 = '' OR neighbourhood_id = $3)
           AND position < $4
         ORDER BY position DESC LIMIT $5",
    )
    .bind(compound.to_owned())
    .bind(gate.to_owned())
    .bind(scope.neighbourhood().unwrap_or("").to_owned())
    .bind(before)
    .bind(limit)
    .fetch_all(db)
    .await?;
    let last = rows.last().map(|row| row.try_get(0)).transpose()?;
    Ok((rows.iter().map(crossing).collect::<Result<_, _>>()?, last))
}

fn crossing(row: &AnyRow) -> Result<Crossing, sqlx::Error> {
    let number = |column: usize| row.try_get::<i64, _>(column);
    let small = |column: usize| number(column).map(|value| i32::try_from(value).unwrap_or(0));
    let gate = format!("compounds/{}/gates/{}", row.try_get::<String, _>(2)?, row.try_get::<String, _>(3)?);
    let findings: String = row.try_get(7)?;
    let resident: String = row.try_get(10)?;
    let verdict = Verdict {
        decision: small(6)?,
        findings: findings.split(',').filter_map(|finding| finding.parse().ok()).collect(),
        say_zh: String::new(),
        say_en: String::new(),
        resident: if resident.is_empty() { resident } else { format!("residents/{resident}") },
    };
    Ok(Crossing {
        name: format!("{gate}/crossings/{}", row.try_get::<String, _>(1)?),
        gate,
        cross_time: DateTime::from_timestamp_micros(number(4)?).map(chassis::timestamp),
        direction: small(5)?,
        verdict: Some(verdict),
        temperature_decicelsius: small(8)?,
        mask: number(9)? != 0,
    })
}
