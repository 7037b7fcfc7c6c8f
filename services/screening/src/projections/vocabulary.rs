//! What was decided about names, and what became of it.

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Tables, instant};
use chrono::DateTime;
use proto::{
    Fact as _,
    screening::v1::{
        NameDecision, Signature,
        name_decision::State,
        vocabulary_event::{Confirmed, Decided, Event, TakenBack},
    },
};
use sqlx::{AnyConnection, Row as _, any::AnyRow};

use crate::places::spelled;

pub struct Decisions;

#[async_trait]
impl Projection for Decisions {
    fn name(&self) -> &'static str {
        "vocabulary"
    }

    fn version(&self) -> u32 {
        1
    }

    /// `number` is the version of the one stream at which it was decided; `looked_up` the name as it is compared.
    fn schema(&self) -> &'static str {
        "CREATE TABLE name_decision (
           decision_id TEXT NOT NULL PRIMARY KEY, number BIGINT NOT NULL, words BIGINT NOT NULL, spelling TEXT NOT NULL,
           looked_up TEXT NOT NULL, codes TEXT NOT NULL, state BIGINT NOT NULL, decided_by TEXT NOT NULL,
           decided_unit TEXT NOT NULL, decided_at BIGINT NOT NULL, confirmed_by TEXT NOT NULL, confirmed_unit TEXT NOT NULL,
           taken_by TEXT NOT NULL, taken_unit TEXT NOT NULL, reason TEXT NOT NULL, from_sequence BIGINT NOT NULL,
           to_sequence BIGINT NOT NULL, changed_at BIGINT NOT NULL);
         CREATE INDEX name_decision_by_number ON name_decision (number)"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["screening"]
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        if record.category != Event::CATEGORY {
            return Ok(());
        }
        let sequence = i64::try_from(record.version).context("a version fits into 63 bits")?;
        let happened = record.occurred_at.as_ref().and_then(instant).map_or(0, |time| time.timestamp_micros());
        match Event::from_payload(&record.payload)? {
            Event::Decided(decided) => decide(tables, decided, sequence, happened).await,
            Event::Confirmed(confirmed) => confirm(tables.now().await?, confirmed, sequence, happened).await,
            Event::TakenBack(taken) => take_back(tables.now().await?, taken, sequence, happened).await,
        }
    }
}

async fn decide(tables: &mut Tables<'_>, decided: Decided, sequence: i64, happened: i64) -> anyhow::Result<()> {
    let row = [
        ("decision_id", decided.decision_id.into()),
        ("number", sequence.into()),
        ("words", i64::from(decided.words).into()),
        ("looked_up", spelled(&decided.spelling).into()),
        ("spelling", decided.spelling.into()),
        ("codes", decided.codes.join(" ").into()),
        ("state", i64::from(State::Proposed as i32).into()),
        ("decided_by", decided.by.into()),
        ("decided_unit", decided.unit.into()),
        ("decided_at", happened.into()),
        ("confirmed_by", String::new().into()),
        ("confirmed_unit", String::new().into()),
        ("taken_by", String::new().into()),
        ("taken_unit", String::new().into()),
        ("reason", String::new().into()),
        ("from_sequence", 0.into()),
        ("to_sequence", 0.into()),
        ("changed_at", 0.into()),
    ];
    tables.put("name_decision", row).await
}

async fn confirm(db: &mut AnyConnection, confirmed: Confirmed, sequence: i64, happened: i64) -> anyhow::Result<()> {
    sqlx::query(
        "UPDATE name_decision SET state = $2, to_sequence = $3, changed_at = $4
         WHERE state = $5 AND words = (SELECT words FROM name_decision AS new_one WHERE new_one.decision_id = $1)
           AND looked_up = (SELECT looked_up FROM name_decision AS new_one WHERE new_one.decision_id = $1)",
    )
    .bind(confirmed.decision_id.clone())
    .bind(i64::from(State::Replaced as i32))
    .bind(sequence)
    .bind(happened)
    .bind(i64::from(State::InForce as i32))
    .execute(&mut *db)
    .await
    .context("keeping a replaced decision")?;
    sqlx::query(
        "UPDATE name_decision SET state = $2, confirmed_by = $3, confirmed_unit = $4, from_sequence = $5, changed_at = $6
         WHERE decision_id = $1",
    )
    .bind(confirmed.decision_id)
    .bind(i64::from(State::InForce as i32))
    .bind(confirmed.by)
    .bind(confirmed.unit)
    .bind(sequence)
    .bind(happened)
    .execute(db)
    .await
    .context("keeping a confirmed decision")?;
    Ok(())
}

async fn take_back(db: &mut AnyConnection, taken: TakenBack, sequence: i64, happened: i64) -> anyhow::Result<()> {
    sqlx::query(
        "UPDATE name_decision SET state = $2, taken_by = $3, taken_unit = $4, reason = $5,
           to_sequence = CASE WHEN from_sequence > 0 THEN $6 ELSE 0 END, changed_at = $7 WHERE decision_id = $1",
    )
    .bind(taken.decision_id)
    .bind(i64::from(State::TakenBack as i32))
    .bind(taken.by)
    .bind(taken.unit)
    .bind(taken.reason)
    .bind(sequence)
    .bind(happened)
    .execute(db)
    .await
    .context("keeping a decision that was taken back")?;
    Ok(())
}

/// At most `limit` decisions before a number, the latest first, each with its number; of all sources and in all states where
/// they are 0.
pub async fn list(
    db: &mut AnyConnection,
    (words, state): (i32, i32),
    before: i64,
    limit: i64,
) -> anyhow::Result<Vec<(i64, NameDecision)>> {
    let rows = sqlx::query(
        "SELECT decision_id, number, words, spelling, codes, state, decided_by, decided_unit, decided_at, confirmed_by,
           confirmed_unit, taken_by, taken_unit, reason, from_sequence, to_sequence, changed_at FROM name_decision
         WHERE number < $1 AND ($2 = 0 OR words = $2) AND ($3 = 0 OR state = $3) ORDER BY number DESC LIMIT $4",
    )
    .bind(before)
    .bind(i64::from(words))
    .bind(i64::from(state))
    .bind(limit)
    .fetch_all(db)
    .await
    .context("listing decisions about names")?;
    Ok(rows.iter().map(|row| (row.get("number"), shown(row))).collect())
}

fn shown(row: &AnyRow) -> NameDecision {
    let number = |column: &str| i32::try_from(row.get::<i64, _>(column)).unwrap_or_default();
    let time = |column: &str| match row.get::<i64, _>(column) {
        0 => None,
        microseconds => DateTime::from_timestamp_micros(microseconds).map(chassis::timestamp),
    };
    let signature = |by: &str, unit: &str| {
        let (by, unit): (String, String) = (row.get(by), row.get(unit));
        if by.is_empty() { None } else { Some(Signature { by, unit }) }
    };
    let codes: Vec<String> = row.get::<String, _>("codes").split_whitespace().map(str::to_owned).collect();
    NameDecision {
        name: format!("decisions/{}", row.get::<String, _>("decision_id")),
        words: number("words"),
        spelling: row.get("spelling"),
        no_place: codes.is_empty(),
        codes,
        state: number("state"),
        decided: signature("decided_by", "decided_unit"),
        confirmed: signature("confirmed_by", "confirmed_unit"),
        taken_back: signature("taken_by", "taken_unit"),
        reason: row.get("reason"),
        from_sequence: row.get("from_sequence"),
        to_sequence: row.get("to_sequence"),
        decide_time: time("decided_at"),
        change_time: time("changed_at"),
    }
}
