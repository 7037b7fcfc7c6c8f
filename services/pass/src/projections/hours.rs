//! Crossings by gate, day and hour of Asia/Shanghai, counted as they come: a crossing that arrives late counts in its own hour.

use async_trait::async_trait;
use chassis::{CALENDAR, Projection, Record, Scope, Tables, day_of, instant};
use chrono::{NaiveDate, Timelike as _};
use proto::pass::v1::{
    Decision, Direction, Finding, HourCount,
    gate_day_event::{Crossed, Event},
};
use sqlx::{AnyConnection, Row as _, any::AnyRow};

use crate::domain::forecast::{DayOfGate, HOURS};

pub(crate) struct Hours;

#[async_trait]
impl Projection for Hours {
    fn name(&self) -> &'static str {
        "hours"
    }

    fn version(&self) -> u32 {
        1
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE gate_hour (compound_id TEXT NOT NULL, day TEXT NOT NULL, gate_id TEXT NOT NULL, hour BIGINT NOT NULL,
           neighbourhood_id TEXT NOT NULL, entered BIGINT NOT NULL, went_out BIGINT NOT NULL, refused BIGINT NOT NULL,
           fevers BIGINT NOT NULL, PRIMARY KEY (compound_id, day, gate_id, hour, neighbourhood_id))"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["pass"]
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        let Some(Event::Crossed(crossed)) = crate::facts::own::<Event>(record)? else { return Ok(()) };
        let Some(at) = crossed.crossed_at.as_ref().and_then(instant) else { return Ok(()) };
        let numbers = numbers(&crossed);
        let key = [
            ("compound_id", crossed.compound_id.into()),
            ("day", day_of(at).to_string().into()),
            ("gate_id", crossed.gate_id.into()),
            ("hour", i64::from(at.with_timezone(&CALENDAR).hour()).into()),
            ("neighbourhood_id", record.office.clone().into()),
        ];
        tables.add("gate_hour", key, numbers).await
    }
}

/// What one crossing adds.
fn numbers(crossed: &Crossed) -> [(&'static str, i64); 4] {
    let allowed = crossed.decision() == Decision::Allowed;
    let through = |direction| i64::from(allowed && crossed.direction() == direction);
    let fever = crossed.findings().any(|finding| finding == Finding::Fever);
    [
        ("entered", through(Direction::In)),
        ("went_out", through(Direction::Out)),
        ("refused", i64::from(!allowed)),
        ("fevers", i64::from(fever)),
    ]
}

/// A compound's day: (gate, its hours in which somebody came). Hours of nobody are not there.
pub(crate) async fn of_day(
    db: &mut AnyConnection,
    scope: &Scope,
    compound: &str,
    day: NaiveDate,
) -> Result<Vec<(String, HourCount)>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT gate_id, hour, entered, went_out, refused, fevers FROM gate_hour
         WHERE compound_id = $1 AND day = $2 AND ($3 = '' OR neighbourhood_id = $3) ORDER BY gate_id, hour",
    )
    .bind(compound.to_owned())
    .bind(day.to_string())
    .bind(scope.neighbourhood().unwrap_or("").to_owned())
    .fetch_all(db)
    .await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, count(row)?))).collect()
}

/// The days of one gate from the first of these on and before the second, as far as anybody came.
pub(crate) async fn of_gate(
    db: &mut AnyConnection,
    scope: &Scope,
    (compound, gate): (&str, &str),
    (from, before): (NaiveDate, NaiveDate),
) -> Result<Vec<DayOfGate>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT day, hour, entered, went_out, refused, fevers FROM gate_hour
         WHERE compound_id = $1 AND day >= $2 AND day < $3 AND gate_id = $4 AND ($5 = '' OR neighbourhood_id = $5)
         ORDER BY day, hour",
    )
    .bind(compound.to_owned())
    .bind(from.to_string())
    .bind(before.to_string())
    .bind(gate.to_owned())
    .bind(scope.neighbourhood().unwrap_or("").to_owned())
    .fetch_all(db)
    .await?;
    let mut days: Vec<DayOfGate> = Vec::new();
    for row in &rows {
        let day: String = row.try_get(0)?;
        let Ok(day) = day.parse::<NaiveDate>() else { continue };
        if days.last().is_none_or(|last| last.day != day) {
            days.push(DayOfGate { day, entered: [0; HOURS], left: [0; HOURS] });
        }
        let (last, counted) = (days.last_mut(), count(row)?);
        if let (Some(last), Ok(hour)) = (last, usize::try_from(counted.hour))
            && hour < HOURS
        {
            last.entered[hour] = u32::try_from(counted.entered).unwrap_or(u32::MAX);
            last.left[hour] = u32::try_from(counted.left).unwrap_or(u32::MAX);
        }
    }
    Ok(days)
}

fn count(row: &AnyRow) -> Result<HourCount, sqlx::Error> {
    Ok(HourCount {
        hour: i32::try_from(row.try_get::<i64, _>(1)?).unwrap_or(0),
        entered: row.try_get(2)?,
        left: row.try_get(3)?,
        refused: row.try_get(4)?,
        fevers: row.try_get(5)?,
    })
}
