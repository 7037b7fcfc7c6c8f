//! Disputes by their due time, with the steps that they went up. No word of them stands here.

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Scope, Tables, instant};
use chrono::{DateTime, Utc};
use proto::{
    Fact as _,
    screening::v1::{
        Dispute, Escalation, Instance, StatementAuthor,
        case_event::{DisputeEscalated, DisputeResolved, Disputed, Event},
        dispute::State,
    },
};
use sqlx::{AnyConnection, AssertSqlSafe, Row as _, any::AnyRow};

use crate::domain::case::steps;

pub struct Disputes;

#[async_trait]
impl Projection for Disputes {
    fn name(&self) -> &'static str {
        "disputes"
    }

    fn version(&self) -> u32 {
        1
    }

    /// Times are in microseconds, 0 where there is none. `next_step_at` is when it goes up again.
    fn schema(&self) -> &'static str {
        "CREATE TABLE screening_dispute (
           dispute TEXT NOT NULL PRIMARY KEY, case_id TEXT NOT NULL, version BIGINT NOT NULL, resident_id TEXT NOT NULL,
           compound_id TEXT NOT NULL, neighbourhood_id TEXT NOT NULL, state BIGINT NOT NULL, author BIGINT NOT NULL,
           filed_by TEXT NOT NULL, filed_at BIGINT NOT NULL, due_at BIGINT NOT NULL, next_step_at BIGINT NOT NULL,
           last_step_at BIGINT NOT NULL, instance BIGINT NOT NULL, subdistrict_at BIGINT NOT NULL, health_at BIGINT NOT NULL,
           evidence_ids TEXT NOT NULL, struck BIGINT NOT NULL, resolved_by TEXT NOT NULL, resolved_at BIGINT NOT NULL,
           resolved_position BIGINT NOT NULL);
         CREATE INDEX screening_dispute_by_due ON screening_dispute (state, due_at, dispute);
         CREATE INDEX screening_dispute_of_case ON screening_dispute (case_id, state);
         CREATE INDEX screening_dispute_by_answer ON screening_dispute (resolved_position)"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["screening"]
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        if record.category != Event::CATEGORY {
            return Ok(());
        }
        match Event::from_payload(&record.payload)? {
            Event::Disputed(disputed) => file(tables, record, disputed).await,
            Event::DisputeEscalated(escalated) => escalate(tables.now().await?, record, escalated).await,
            Event::DisputeResolved(resolved) => resolve(tables.now().await?, record, &resolved).await,
            Event::Opened(_)
            | Event::Declared(_)
            | Event::EvidenceRecorded(_)
            | Event::Assessed(_)
            | Event::OverrideProposed(_)
            | Event::OverrideApproved(_)
            | Event::OverrideDeclined(_)
            | Event::OverrideEnded(_)
            | Event::PhonesChanged(_) => Ok(()),
        }
    }
}

async fn file(tables: &mut Tables<'_>, record: &Record, disputed: Disputed) -> anyhow::Result<()> {
    let steps: Vec<i64> = steps(&disputed).iter().map(|(_, at)| at.timestamp_micros()).collect();
    let author = match disputed.author() {
        StatementAuthor::Unspecified => StatementAuthor::Person,
        author => author,
    };
    let residence = disputed.residence.unwrap_or_default();
    let due = disputed.due.as_ref().and_then(instant).map_or(0, |due| due.timestamp_micros());
    let version = i64::try_from(record.version).context("a version fits into 63 bits")?;
    let row = [
        ("dispute", format!("{}/{version}", record.stream_id).into()),
        ("case_id", record.stream_id.clone().into()),
        ("version", version.into()),
        ("resident_id", record.subject_id.clone().into()),
        ("compound_id", residence.compound_id.into()),
        ("neighbourhood_id", record.office.clone().into()),
        ("state", i64::from(State::Open as i32).into()),
        ("author", i64::from(author as i32).into()),
        ("filed_by", disputed.by.into()),
        ("filed_at", happened(record).into()),
        ("due_at", due.into()),
        ("next_step_at", steps.first().copied().unwrap_or(0).into()),
        ("last_step_at", steps.get(1).copied().unwrap_or(0).into()),
        ("instance", i64::from(Instance::Neighbourhood as i32).into()),
        ("subdistrict_at", 0.into()),
        ("health_at", 0.into()),
        ("evidence_ids", String::new().into()),
        ("struck", 0.into()),
        ("resolved_by", String::new().into()),
        ("resolved_at", 0.into()),
        ("resolved_position", 0.into()),
    ];
    tables.put("screening_dispute", row).await
}

async fn escalate(db: &mut AnyConnection, record: &Record, escalated: DisputeEscalated) -> anyhow::Result<()> {
    let sql = match escalated.to() {
        Instance::Health => {
            "UPDATE screening_dispute SET instance = $3, health_at = $4, next_step_at = 0 WHERE case_id = $1 AND state = $2"
        }
        Instance::Subdistrict | Instance::Neighbourhood | Instance::Unspecified => {
            "UPDATE screening_dispute SET instance = $3, subdistrict_at = $4, next_step_at = last_step_at
             WHERE case_id = $1 AND state = $2"
        }
    };
    sqlx::query(sql)
        .bind(record.stream_id.clone())
        .bind(i64::from(State::Open as i32))
        .bind(i64::from(escalated.to))
        .bind(happened(record))
        .execute(db)
        .await
        .context("keeping a step up")?;
    Ok(())
}

async fn resolve(db: &mut AnyConnection, record: &Record, resolved: &DisputeResolved) -> anyhow::Result<()> {
    let state = if resolved.upheld { State::Upheld } else { State::Rejected };
    sqlx::query(
        "UPDATE screening_dispute SET state = $3, next_step_at = 0, evidence_ids = $4, struck = $5, resolved_by = $6,
           resolved_at = $7, resolved_position = $8 WHERE case_id = $1 AND state = $2",
    )
    .bind(record.stream_id.clone())
    .bind(i64::from(State::Open as i32))
    .bind(i64::from(state as i32))
    .bind(resolved.evidence_ids.join(" "))
    .bind(i64::try_from(resolved.struck.len()).unwrap_or(i64::MAX))
    .bind(resolved.by.clone())
    .bind(happened(record))
    .bind(i64::try_from(record.position).context("a position fits into 63 bits")?)
    .execute(db)
    .await
    .context("keeping a finding")?;
    Ok(())
}

/// In microseconds.
fn happened(record: &Record) -> i64 {
    record.occurred_at.as_ref().and_then(instant).map_or(0, |time| time.timestamp_micros())
}

/// Which disputes are wanted; empty and zero leave a field open, but for the state.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub resident: String,
    pub compound: String,
    pub state: i32,
    pub instance: i32,
    pub late: bool,
}

const COLUMNS: &str = "SELECT dispute, case_id, version, resident_id, compound_id, neighbourhood_id, state, author, filed_by,
    filed_at, due_at, instance, subdistrict_at, health_at, evidence_ids, struck, resolved_by, resolved_at FROM screening_dispute";

/// At most `limit` of the disputes within reach behind a key, in the order of their due times; each with its key.
pub async fn list(
    db: &mut AnyConnection,
    scope: &Scope,
    filter: &Filter,
    (due, dispute): (i64, &str),
    limit: i64,
    now: DateTime<Utc>,
) -> anyhow::Result<Vec<((i64, String), Dispute)>> {
    let sql = format!(
        "{COLUMNS} WHERE state = $1 AND (due_at > $2 OR (due_at = $2 AND dispute > $3)) AND ($4 = '' OR neighbourhood_id = $4)
           AND ($5 = '' OR resident_id = $5) AND ($6 = '' OR compound_id = $6) AND instance >= $7
           AND ($8 = 0 OR due_at < CASE WHEN resolved_at > 0 THEN resolved_at ELSE $8 END)
         ORDER BY due_at, dispute LIMIT $9"
    );
    // Composed of this file's own words only; every value is bound.
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(i64::from(filter.state))
        .bind(due)
        .bind(dispute.to_owned())
        .bind(scope.neighbourhood().unwrap_or("").to_owned())
        .bind(filter.resident.clone())
        .bind(filter.compound.clone())
        .bind(i64::from(filter.instance))
        .bind(if filter.late { now.timestamp_micros() } else { 0 })
        .bind(limit)
        .fetch_all(db)
        .await
        .context("listing disputes")?;
    Ok(rows.iter().map(|row| ((row.get("due_at"), row.get("dispute")), shown(row, now))).collect())
}

/// One dispute within reach.
pub async fn find(
    db: &mut AnyConnection,
    scope: &Scope,
    dispute: &str,
    now: DateTime<Utc>,
) -> anyhow::Result<Option<Dispute>> {
    let row = sqlx::query(AssertSqlSafe(format!("{COLUMNS} WHERE dispute = $1")))
        .bind(dispute.to_owned())
        .fetch_optional(db)
        .await
        .context("looking up a dispute")?;
    let row = row.filter(|row| scope.allows(row.get("neighbourhood_id")));
    Ok(row.map(|row| shown(&row, now)))
}

/// Cases whose dispute goes up by now.
pub(crate) async fn going_up(db: &mut AnyConnection, now: DateTime<Utc>) -> anyhow::Result<Vec<String>> {
    let rows = sqlx::query(
        "SELECT case_id FROM screening_dispute WHERE state = $1 AND next_step_at > 0 AND next_step_at <= $2
         ORDER BY next_step_at, case_id",
    )
    .bind(i64::from(State::Open as i32))
    .bind(now.timestamp_micros())
    .fetch_all(db)
    .await
    .context("looking for late disputes")?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// How many are open past their time.
pub(crate) async fn late(db: &mut AnyConnection, now: DateTime<Utc>) -> anyhow::Result<i64> {
    let row = sqlx::query("SELECT CAST(COUNT(*) AS BIGINT) FROM screening_dispute WHERE state = $1 AND due_at < $2")
        .bind(i64::from(State::Open as i32))
        .bind(now.timestamp_micros())
        .fetch_one(db)
        .await
        .context("counting late disputes")?;
    Ok(row.try_get(0)?)
}

/// A finding that struck visits.
pub(crate) struct Struck {
    pub(crate) case_id: String,
    /// Where it stands in the log.
    pub(crate) position: i64,
}

/// Findings behind a position of the log that struck visits.
pub(crate) async fn struck(db: &mut AnyConnection, behind: i64) -> anyhow::Result<Vec<Struck>> {
    let rows = sqlx::query(
        "SELECT case_id, resolved_position FROM screening_dispute WHERE resolved_position > $1 AND struck > 0
         ORDER BY resolved_position LIMIT 100",
    )
    .bind(behind)
    .fetch_all(db)
    .await
    .context("looking for findings")?;
    Ok(rows.iter().map(|row| Struck { case_id: row.get(0), position: row.get(1) }).collect())
}

fn shown(row: &AnyRow, now: DateTime<Utc>) -> Dispute {
    let number = |column: &str| i32::try_from(row.get::<i64, _>(column)).unwrap_or_default();
    let time =
        |column: &str| DateTime::from_timestamp_micros(row.get(column)).filter(|time| time.timestamp_micros() > 0);
    let name = |collection: &str, column: &str| format!("{collection}/{}", row.get::<String, _>(column));
    let (due, resolved) = (time("due_at"), time("resolved_at"));
    let steps = [(Instance::Subdistrict, "subdistrict_at"), (Instance::Health, "health_at")];
    let escalations = steps.into_iter().filter_map(|(to, column)| {
        time(column).map(|at| Escalation { to: to.into(), time: Some(chassis::timestamp(at)) })
    });
    let left = due.filter(|_| resolved.is_none()).map_or(0, |due| (due - now).num_seconds().div_euclid(60));
    let case: String = row.get("case_id");
    Dispute {
        name: format!("cases/{case}/disputes/{}", row.get::<i64, _>("version")),
        case: format!("cases/{case}"),
        resident: name("residents", "resident_id"),
        compound: name("compounds", "compound_id"),
        neighbourhood: name("neighbourhoods", "neighbourhood_id"),
        state: number("state"),
        author: number("author"),
        filed_by: row.get("filed_by"),
        file_time: time("filed_at").map(chassis::timestamp),
        due_time: due.map(chassis::timestamp),
        left_minutes: left,
        instance: number("instance"),
        escalations: escalations.collect(),
        evidence_ids: row.get::<String, _>("evidence_ids").split_whitespace().map(str::to_owned).collect(),
        struck_visits: number("struck"),
        resolved_by: row.get("resolved_by"),
        resolve_time: resolved.map(chassis::timestamp),
        late: due.is_some_and(|due| due < resolved.unwrap_or(now)),
        statement: None,
        finding: None,
    }
}
