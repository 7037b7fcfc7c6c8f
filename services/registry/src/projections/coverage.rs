//! The two full coverages (两个全覆盖): of the households of a place, how many were visited; of its key persons, how many seen?
//! And which households wait? Read from the tables of households, visits and key persons.

use anyhow::Context as _;
use chassis::{Scope, day_of, timestamp};
use chrono::{DateTime, NaiveDate, Utc};
use proto::registry::v1::{Coverage, OverdueHousehold};
use sqlx::{AnyConnection, Row as _, any::AnyRow};

use super::{Asked, Page, Reach, Within, door, statement};

/// What counts as visited and as seen.
pub(crate) struct Measure {
    pub(crate) today: NaiveDate,
    /// Met since then, in microseconds, is visited.
    pub(crate) since: i64,
    /// The same of key persons.
    pub(crate) key_since: i64,
}

/// What a row is about.
#[derive(Clone, Copy)]
pub(crate) enum By {
    /// All in one row.
    Total = 0,
    Compound = 1,
    Building = 2,
}

/// A page of places, by compound and in the order of the buildings. Flags that have ended count nowhere.
pub(crate) async fn list(
    db: &mut AnyConnection,
    scope: &Scope,
    place: &Within,
    (measure, by): (&Measure, By),
    asked: &Asked,
) -> anyhow::Result<Page<Coverage>> {
    let (within, _) = Reach::from(scope).people();
    let rows = statement(
        "SELECT place, MIN(compound) AS compound, MIN(building) AS building, CAST(COUNT(*) AS BIGINT) AS households,
            CAST(SUM(CASE WHEN met_at >= $2 THEN 1 ELSE 0 END) AS BIGINT) AS visited,
            CAST(SUM(CASE WHEN met_at < $2 AND tried_at >= $2 THEN 1 ELSE 0 END) AS BIGINT) AS tried,
            CAST(SUM(CASE WHEN met_at = 0 THEN 1 ELSE 0 END) AS BIGINT) AS never,
            COALESCE(MIN(CASE WHEN met_at > 0 THEN met_at END), 0) AS oldest,
            CAST(SUM(flagged) AS BIGINT) AS flagged, CAST(SUM(seen) AS BIGINT) AS seen
         FROM (SELECT CASE WHEN $1 = 0 THEN '.' WHEN $1 = 1 THEN h.compound ELSE h.compound || '/' || h.building_order END
                AS place, h.compound AS compound, h.building AS building, COALESCE(t.met_at, 0) AS met_at,
                COALESCE(t.tried_at, 0) AS tried_at, COALESCE(w.flagged, 0) AS flagged, COALESCE(w.seen, 0) AS seen
            FROM registry_household h
            LEFT JOIN registry_touch t ON t.household = h.id
            LEFT JOIN (SELECT k.household AS household, COUNT(*) AS flagged,
                    SUM(CASE WHEN m.met_at >= $3 THEN 1 ELSE 0 END) AS seen
                FROM registry_key_person k LEFT JOIN registry_met m ON m.resident = k.resident
                WHERE k.until = '' OR k.until >= $4 GROUP BY k.household) w ON w.household = h.id
            WHERE ($5 = '' OR h.neighbourhood = $5) AND ($6 = '' OR h.neighbourhood = $6) AND ($7 = '' OR h.compound = $7)
            ) counted
         WHERE place > $8 GROUP BY place ORDER BY place LIMIT $9",
    )
    .bind(by as i64)
    .bind(measure.since)
    .bind(measure.key_since)
    .bind(measure.today.to_string())
    .bind(within)
    .bind(place.neighbourhood.clone())
    .bind(place.compound.clone())
    .bind(asked.after.clone())
    .bind(asked.size + 1)
    .fetch_all(db)
    .await
    .context("counting visited households")?;
    Ok(asked.page(rows.iter().map(|row| counted(row, by)).collect::<Result<_, _>>()?))
}

fn counted(row: &AnyRow, by: By) -> Result<(String, Coverage), sqlx::Error> {
    let number = |column: &str| row.try_get::<i64, _>(column);
    let few = |column: &str| number(column).map(|number| i32::try_from(number).unwrap_or(i32::MAX));
    let compound: String = row.try_get("compound")?;
    let coverage = Coverage {
        compound: if matches!(by, By::Total) { String::new() } else { format!("compounds/{compound}") },
        building: if matches!(by, By::Building) { row.try_get("building")? } else { String::new() },
        households: few("households")?,
        visited: few("visited")?,
        tried_in_vain: few("tried")?,
        never_visited: few("never")?,
        oldest_visit: time(number("oldest")?).map(timestamp),
        key_persons: few("flagged")?,
        key_persons_seen: few("seen")?,
    };
    Ok((row.try_get("place")?, coverage))
}

/// Households where nobody was met since then, in the order of their doors.
pub(crate) async fn overdue(
    db: &mut AnyConnection,
    scope: &Scope,
    place: &Within,
    measure: &Measure,
    asked: &Asked,
) -> anyhow::Result<Page<OverdueHousehold>> {
    let (within, _) = Reach::from(scope).people();
    let rows = statement(
        "SELECT h.id AS household, h.compound, h.building, h.unit, h.room, h.door, COALESCE(t.met_at, 0) AS met_at,
            COALESCE(t.tried_at, 0) AS tried_at
         FROM registry_household h LEFT JOIN registry_touch t ON t.household = h.id
         WHERE ($1 = '' OR h.neighbourhood = $1) AND ($2 = '' OR h.neighbourhood = $2) AND ($3 = '' OR h.compound = $3)
           AND COALESCE(t.met_at, 0) < $4 AND h.door > $5 ORDER BY h.door LIMIT $6",
    )
    .bind(within)
    .bind(place.neighbourhood.clone())
    .bind(place.compound.clone())
    .bind(measure.since)
    .bind(asked.after.clone())
    .bind(asked.size + 1)
    .fetch_all(db)
    .await
    .context("reading overdue households")?;
    let read = |row| waiting(row, measure.today);
    Ok(asked.page(rows.iter().map(read).collect::<Result<_, _>>()?))
}

fn waiting(row: &AnyRow, today: NaiveDate) -> Result<(String, OverdueHousehold), sqlx::Error> {
    let met = time(row.try_get("met_at")?);
    let days = met.map_or(0, |met| (today - day_of(met)).num_days());
    let household = OverdueHousehold {
        door: Some(door(row)?),
        last_visit: met.map(timestamp),
        days_since: i32::try_from(days).unwrap_or(i32::MAX),
        last_try: time(row.try_get("tried_at")?).map(timestamp),
    };
    Ok((row.try_get("door")?, household))
}

/// `None` for what never happened.
fn time(micros: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(micros).filter(|_| micros > 0)
}
