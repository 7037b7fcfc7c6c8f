//! Where each resident was seen last: who is inside now. Read from the residents of one compound and the last crossing of each
//! that was let through, by its time at the gate; so a crossing that arrives late never takes the place of a newer one.

use chassis::{Scope, timestamp};
use chrono::DateTime;
use proto::pass::v1::{Direction, Presence, Whereabouts};
use sqlx::{AnyConnection, Row as _, any::AnyRow};

/// How many of a compound's residents were last seen so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tally {
    pub whereabouts: Whereabouts,
    /// compounds/{compound}/gates/{gate}; empty where nobody was seen.
    pub gate: String,
    pub by_hand: bool,
    pub people: i32,
}

/// A compound's residents by whereabouts, gate and who vouched.
pub(crate) async fn count(db: &mut AnyConnection, scope: &Scope, compound: &str) -> Result<Vec<Tally>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT c.direction, c.compound_id, c.gate_id, c.by_hand, COUNT(*) FROM
           (SELECT (SELECT l.position FROM crossing l
                    WHERE l.person_id = r.resident_id AND l.person_id <> '' AND l.decision = 1
                    ORDER BY l.crossed_at DESC, l.position DESC LIMIT 1) AS last
            FROM resident r
            WHERE r.compound_id = $1 AND r.moved_out = 0 AND ($2 = '' OR r.neighbourhood_id = $2)) seen
         LEFT JOIN crossing c ON c.position = seen.last
         GROUP BY c.direction, c.compound_id, c.gate_id, c.by_hand",
    )
    .bind(compound.to_owned())
    .bind(scope.neighbourhood().unwrap_or("").to_owned())
    .fetch_all(db)
    .await?;
    let tally = |row: &AnyRow| {
        let people: i64 = row.try_get(4)?;
        let people = i32::try_from(people).unwrap_or(i32::MAX);
        Ok(Tally {
            whereabouts: whereabouts(row.try_get(0)?),
            gate: gate(row.try_get(1)?, row.try_get(2)?),
            by_hand: row.try_get::<Option<i64>, _>(3)?.is_some_and(|by_hand| by_hand != 0),
            people,
        })
    };
    rows.iter().map(tally).collect()
}

/// Which of a compound's residents a list asks for.
pub(crate) struct Filter<'a> {
    pub compound: &'a str,
    /// Compound and gate of their last passage; `None`: all.
    pub gate: Option<&'a [String; 2]>,
    pub whereabouts: Option<Whereabouts>,
}

/// A page of them, after this resident's id.
pub(crate) async fn list(
    db: &mut AnyConnection,
    scope: &Scope,
    filter: &Filter<'_>,
    after: &str,
    limit: i64,
) -> Result<Vec<Presence>, sqlx::Error> {
    let [gate_compound, gate_id] = filter.gate.cloned().unwrap_or_default();
    let wanted = match filter.whereabouts {
        None | Some(Whereabouts::Unspecified) => -1,
        Some(Whereabouts::Inside) => i64::from(Direction::In as i32),
        Some(Whereabouts::Outside) => i64::from(Direction::Out as i32),
        Some(Whereabouts::Unknown) => 0,
    };
    let rows = sqlx::query(
        "SELECT seen.resident_id, seen.household_id, seen.compound_id, c.direction, c.compound_id, c.gate_id, c.by_hand,
           c.crossed_at
         FROM (SELECT r.resident_id, r.household_id, r.compound_id,
                 (SELECT l.position FROM crossing l
                  WHERE l.person_id = r.resident_id AND l.person_id <> '' AND l.decision = 1
                  ORDER BY l.crossed_at DESC, l.position DESC LIMIT 1) AS last
               FROM resident r
               WHERE r.compound_id = $1 AND r.moved_out = 0 AND ($2 = '' OR r.neighbourhood_id = $2)
                 AND r.resident_id > $3) seen
         LEFT JOIN crossing c ON c.position = seen.last
         WHERE ($4 = '' OR (c.compound_id = $4 AND c.gate_id = $5)) AND ($6 < 0 OR COALESCE(c.direction, 0) = $6)
         ORDER BY seen.resident_id LIMIT $7",
    )
    .bind(filter.compound.to_owned())
    .bind(scope.neighbourhood().unwrap_or("").to_owned())
    .bind(after.to_owned())
    .bind(gate_compound)
    .bind(gate_id)
    .bind(wanted)
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.iter().map(presence).collect()
}

fn presence(row: &AnyRow) -> Result<Presence, sqlx::Error> {
    let micros: Option<i64> = row.try_get(7)?;
    Ok(Presence {
        resident: format!("residents/{}", row.try_get::<String, _>(0)?),
        household: format!("households/{}", row.try_get::<String, _>(1)?),
        compound: format!("compounds/{}", row.try_get::<String, _>(2)?),
        whereabouts: whereabouts(row.try_get(3)?).into(),
        gate: gate(row.try_get(4)?, row.try_get(5)?),
        by_hand: row.try_get::<Option<i64>, _>(6)?.is_some_and(|by_hand| by_hand != 0),
        cross_time: micros.and_then(DateTime::from_timestamp_micros).map(timestamp),
    })
}

fn whereabouts(direction: Option<i64>) -> Whereabouts {
    match direction.and_then(|direction| i32::try_from(direction).ok()).and_then(|code| Direction::try_from(code).ok())
    {
        Some(Direction::In) => Whereabouts::Inside,
        Some(Direction::Out) => Whereabouts::Outside,
        Some(Direction::Unspecified) | None => Whereabouts::Unknown,
    }
}

fn gate(compound: Option<String>, gate: Option<String>) -> String {
    match (compound, gate) {
        (Some(compound), Some(gate)) => format!("compounds/{compound}/gates/{gate}"),
        _ => String::new(),
    }
}
