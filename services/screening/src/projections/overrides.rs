//! Verdicts set by hand, from the proposal to the end, and how much each unit has set by hand. No word of them stands here.

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Scope, Tables, instant};
use chrono::{DateTime, Utc};
use proto::{
    Fact as _,
    screening::v1::{
        ManualVerdicts, Override, Signature,
        case_event::{
            Event, OverrideApproved, OverrideDeclined, OverrideEnded, OverrideProposed, override_ended::Cause,
        },
        r#override::State,
    },
};
use sqlx::{AnyConnection, AssertSqlSafe, Row as _, any::AnyRow};

pub struct Overrides;

#[async_trait]
impl Projection for Overrides {
    fn name(&self) -> &'static str {
        "overrides"
    }

    fn version(&self) -> u32 {
        1
    }

    /// Times are in microseconds, 0 where there is none.
    fn schema(&self) -> &'static str {
        "CREATE TABLE override (
           override_id TEXT NOT NULL PRIMARY KEY, case_id TEXT NOT NULL, resident_id TEXT NOT NULL, neighbourhood_id TEXT NOT NULL,
           state BIGINT NOT NULL, reason BIGINT NOT NULL, measure BIGINT NOT NULL, evidence_ids TEXT NOT NULL,
           expire_at BIGINT NOT NULL, proposed_by TEXT NOT NULL, proposed_unit TEXT NOT NULL, proposed_at BIGINT NOT NULL,
           position BIGINT NOT NULL, decided_by TEXT NOT NULL, decided_unit TEXT NOT NULL, decided_at BIGINT NOT NULL,
           ended_at BIGINT NOT NULL);
         CREATE INDEX override_by_position ON override (position);
         CREATE INDEX override_by_end ON override (state, expire_at);
         CREATE TABLE by_hand (unit TEXT NOT NULL, neighbourhood_id TEXT NOT NULL, assessed BIGINT NOT NULL,
           proposed BIGINT NOT NULL, approved BIGINT NOT NULL, declined BIGINT NOT NULL, came_into_force BIGINT NOT NULL,
           in_force BIGINT NOT NULL, upheld BIGINT NOT NULL, rejected BIGINT NOT NULL, PRIMARY KEY (unit, neighbourhood_id))"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["screening"]
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        if record.category != Event::CATEGORY {
            return Ok(());
        }
        match Event::from_payload(&record.payload)? {
            Event::Assessed(assessed) if !assessed.by.is_empty() => {
                add(tables, record, &assessed.unit, [("assessed", 1)]).await
            }
            Event::DisputeResolved(resolved) => {
                let (upheld, rejected) = (i64::from(resolved.upheld), i64::from(!resolved.upheld));
                add(tables, record, &resolved.unit, [("upheld", upheld), ("rejected", rejected)]).await
            }
            Event::OverrideProposed(proposed) => propose(tables, record, proposed).await,
            Event::OverrideApproved(approved) => approve(tables, record, &approved).await,
            Event::OverrideDeclined(declined) => decline(tables, record, &declined).await,
            Event::OverrideEnded(ended) => end(tables, record, &ended).await,
            Event::Opened(_)
            | Event::Declared(_)
            | Event::EvidenceRecorded(_)
            | Event::Assessed(_)
            | Event::Disputed(_)
            | Event::DisputeEscalated(_)
            | Event::PhonesChanged(_) => Ok(()),
        }
    }
}

const COUNTS: [&str; 8] =
    ["assessed", "proposed", "approved", "declined", "came_into_force", "in_force", "upheld", "rejected"];

/// To what a unit has set by hand in the record's neighbourhood.
async fn add<const N: usize>(
    tables: &mut Tables<'_>,
    record: &Record,
    unit: &str,
    counts: [(&str, i64); N],
) -> anyhow::Result<()> {
    let key = [("unit", unit.to_owned().into()), ("neighbourhood_id", record.office.clone().into())];
    let number = |column: &'static str| {
        (column, counts.iter().filter(|(name, _)| *name == column).map(|(_, number)| number).sum::<i64>())
    };
    tables.add("by_hand", key, COUNTS.map(number)).await
}

async fn propose(tables: &mut Tables<'_>, record: &Record, proposed: OverrideProposed) -> anyhow::Result<()> {
    add(tables, record, &proposed.unit, [("proposed", 1)]).await?;
    let expire_at = proposed.expire_time.as_ref().and_then(instant).map_or(0, |time| time.timestamp_micros());
    let row = [
        ("override_id", proposed.override_id.into()),
        ("case_id", record.stream_id.clone().into()),
        ("resident_id", record.subject_id.clone().into()),
        ("neighbourhood_id", record.office.clone().into()),
        ("state", i64::from(State::Proposed as i32).into()),
        ("reason", i64::from(proposed.reason).into()),
        ("measure", i64::from(proposed.measure).into()),
        ("evidence_ids", proposed.evidence_ids.join("\n").into()),
        ("expire_at", expire_at.into()),
        ("proposed_by", proposed.by.into()),
        ("proposed_unit", proposed.unit.into()),
        ("proposed_at", happened(record).into()),
        ("position", i64::try_from(record.position).context("a position fits into 63 bits")?.into()),
        ("decided_by", String::new().into()),
        ("decided_unit", String::new().into()),
        ("decided_at", 0.into()),
        ("ended_at", 0.into()),
    ];
    tables.put("override", row).await
}

async fn approve(tables: &mut Tables<'_>, record: &Record, approved: &OverrideApproved) -> anyhow::Result<()> {
    add(tables, record, &approved.unit, [("approved", 1)]).await?;
    let db = tables.now().await?;
    decide(db, record, &approved.override_id, State::InForce, (&approved.by, &approved.unit)).await?;
    let row = sqlx::query("SELECT proposed_unit FROM override WHERE override_id = $1")
        .bind(approved.override_id.clone())
        .fetch_optional(&mut *db)
        .await
        .context("looking up an override")?;
    let proposer: String = row.map(|row| row.get(0)).unwrap_or_default();
    add(tables, record, &proposer, [("came_into_force", 1), ("in_force", 1)]).await
}

async fn decline(tables: &mut Tables<'_>, record: &Record, declined: &OverrideDeclined) -> anyhow::Result<()> {
    add(tables, record, &declined.unit, [("declined", 1)]).await?;
    let db = tables.now().await?;
    decide(db, record, &declined.override_id, State::Declined, (&declined.by, &declined.unit)).await
}

async fn decide(
    db: &mut AnyConnection,
    record: &Record,
    id: &str,
    state: State,
    (by, unit): (&str, &str),
) -> anyhow::Result<()> {
    sqlx::query(
        "UPDATE override SET state = $2, decided_by = $3, decided_unit = $4, decided_at = $5 WHERE override_id = $1",
    )
    .bind(id.to_owned())
    .bind(i64::from(state as i32))
    .bind(by.to_owned())
    .bind(unit.to_owned())
    .bind(happened(record))
    .execute(db)
    .await
    .context("keeping what became of an override")?;
    Ok(())
}

async fn end(tables: &mut Tables<'_>, record: &Record, ended: &OverrideEnded) -> anyhow::Result<()> {
    let state = match ended.cause() {
        Cause::Expired | Cause::Unspecified => State::Expired,
        Cause::Lifted => State::Lifted,
        Cause::Replaced => State::Replaced,
        Cause::Lapsed => State::Lapsed,
    };
    sqlx::query("UPDATE override SET state = $2, ended_at = $3 WHERE override_id = $1")
        .bind(ended.override_id.clone())
        .bind(i64::from(state as i32))
        .bind(happened(record))
        .execute(tables.now().await?)
        .await
        .context("keeping the end of an override")?;
    if state == State::Lapsed {
        return Ok(());
    }
    add(tables, record, &ended.unit, [("in_force", -1)]).await
}

/// In microseconds.
fn happened(record: &Record) -> i64 {
    record.occurred_at.as_ref().and_then(instant).map_or(0, |time| time.timestamp_micros())
}

/// Which overrides are wanted; empty leaves a field open.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub resident: String,
    pub open: bool,
    pub unit: String,
}

const COLUMNS: &str =
    "SELECT override_id, case_id, resident_id, neighbourhood_id, state, reason, measure, evidence_ids, expire_at,
    proposed_by, proposed_unit, proposed_at, position, decided_by, decided_unit, decided_at, ended_at FROM override";

/// At most `limit` of the overrides within reach before a position, the latest first; each with its position.
pub async fn list(
    db: &mut AnyConnection,
    scope: &Scope,
    filter: &Filter,
    before: i64,
    limit: i64,
) -> anyhow::Result<Vec<(i64, Override)>> {
    let sql = format!(
        "{COLUMNS} WHERE position < $1 AND ($2 = '' OR neighbourhood_id = $2) AND ($3 = '' OR resident_id = $3)
           AND ($4 = 0 OR state IN ($5, $6)) AND ($7 = '' OR proposed_unit = $7 OR decided_unit = $7)
         ORDER BY position DESC LIMIT $8"
    );
    // Composed of this file's own words only; every value is bound.
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(before)
        .bind(scope.neighbourhood().unwrap_or("").to_owned())
        .bind(filter.resident.clone())
        .bind(i64::from(filter.open))
        .bind(i64::from(State::Proposed as i32))
        .bind(i64::from(State::InForce as i32))
        .bind(filter.unit.clone())
        .bind(limit)
        .fetch_all(db)
        .await
        .context("listing overrides")?;
    Ok(rows.iter().map(|row| (row.get("position"), shown(row))).collect())
}

/// One override within reach.
pub async fn find(db: &mut AnyConnection, scope: &Scope, id: &str) -> anyhow::Result<Option<Override>> {
    let row = sqlx::query(AssertSqlSafe(format!("{COLUMNS} WHERE override_id = $1")))
        .bind(id.to_owned())
        .fetch_optional(db)
        .await
        .context("looking up an override")?;
    Ok(row.filter(|row| scope.allows(row.get("neighbourhood_id"))).map(|row| shown(&row)))
}

/// Cases with an override, proposed or in force, that is over by now.
pub(crate) async fn ending(db: &mut AnyConnection, now: DateTime<Utc>) -> anyhow::Result<Vec<String>> {
    let rows = sqlx::query(
        "SELECT DISTINCT case_id FROM override WHERE state IN ($1, $2) AND expire_at <= $3 ORDER BY case_id",
    )
    .bind(i64::from(State::Proposed as i32))
    .bind(i64::from(State::InForce as i32))
    .bind(now.timestamp_micros())
    .fetch_all(db)
    .await
    .context("looking for overrides that end")?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// What units have set by hand within reach; all of them where none is named.
pub async fn units(db: &mut AnyConnection, scope: &Scope, unit: &str) -> anyhow::Result<Vec<ManualVerdicts>> {
    let sums: Vec<String> = COUNTS.iter().map(|column| format!("CAST(SUM({column}) AS BIGINT) AS {column}")).collect();
    let sql = format!(
        "SELECT unit, {} FROM by_hand WHERE ($1 = '' OR neighbourhood_id = $1) AND ($2 = '' OR unit = $2)
         GROUP BY unit ORDER BY unit",
        sums.join(", ")
    );
    // Composed of this file's own words only; every value is bound.
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(scope.neighbourhood().unwrap_or("").to_owned())
        .bind(unit.to_owned())
        .fetch_all(db)
        .await
        .context("counting what was set by hand")?;
    let row = |row: &AnyRow| ManualVerdicts {
        unit: row.get("unit"),
        assessed: row.get("assessed"),
        proposed: row.get("proposed"),
        approved: row.get("approved"),
        declined: row.get("declined"),
        came_into_force: row.get("came_into_force"),
        in_force: row.get("in_force"),
        upheld: row.get("upheld"),
        rejected: row.get("rejected"),
    };
    Ok(rows.iter().map(row).collect())
}

fn shown(row: &AnyRow) -> Override {
    let number = |column: &str| i32::try_from(row.get::<i64, _>(column)).unwrap_or_default();
    let time = |column: &str| match row.get::<i64, _>(column) {
        0 => None,
        microseconds => DateTime::from_timestamp_micros(microseconds).map(chassis::timestamp),
    };
    let signature = |by: &str, unit: &str| {
        let (by, unit): (String, String) = (row.get(by), row.get(unit));
        if by.is_empty() { None } else { Some(Signature { by, unit }) }
    };
    let case: String = row.get("case_id");
    Override {
        name: format!("cases/{case}/overrides/{}", row.get::<String, _>("override_id")),
        case: format!("cases/{case}"),
        resident: format!("residents/{}", row.get::<String, _>("resident_id")),
        neighbourhood: format!("neighbourhoods/{}", row.get::<String, _>("neighbourhood_id")),
        state: number("state"),
        reason: number("reason"),
        measure: number("measure"),
        evidence_ids: row.get::<String, _>("evidence_ids").lines().map(str::to_owned).collect(),
        expire_time: time("expire_at"),
        proposed: signature("proposed_by", "proposed_unit"),
        propose_time: time("proposed_at"),
        decided: signature("decided_by", "decided_unit"),
        decide_time: time("decided_at"),
        end_time: time("ended_at"),
        document: String::new(),
        decline_reason: String::new(),
    }
}
