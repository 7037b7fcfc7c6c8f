//! Sessions, and what was done with which case when: a session's cases are those of its place that somebody worked on in its
//! time. Nothing is counted here, so that a session which is opened late or closed twice changes no figure.

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Scope, Tables, instant};
use chrono::DateTime;
use proto::{
    Fact as _,
    screening::v1::{self, Measure, Outcome, case_event, session, session_event},
};
use sqlx::{AnyConnection, Row as _, any::AnyRow};

use crate::{retrying::ASKED_AGAIN, round::Touch};

pub struct Sessions;

#[async_trait]
impl Projection for Sessions {
    fn name(&self) -> &'static str {
        "sessions"
    }

    fn version(&self) -> u32 {
        1
    }

    /// Times are in microseconds; `closed_at` is 0 while a session is open, `outcome` where a touch is no verdict.
    fn schema(&self) -> &'static str {
        "CREATE TABLE session (
           session_id TEXT NOT NULL PRIMARY KEY, version BIGINT NOT NULL, position BIGINT NOT NULL, place TEXT NOT NULL,
           neighbourhood_id TEXT NOT NULL, staff TEXT NOT NULL, opened_by TEXT NOT NULL, opened_at BIGINT NOT NULL,
           closed_by TEXT NOT NULL, closed_at BIGINT NOT NULL);
         CREATE INDEX session_by_position ON session (position);
         CREATE TABLE session_case (case_id TEXT NOT NULL PRIMARY KEY, resident_id TEXT NOT NULL, household_id TEXT NOT NULL,
           compound_id TEXT NOT NULL, neighbourhood_id TEXT NOT NULL);
         CREATE TABLE session_touch (touch TEXT NOT NULL PRIMARY KEY, case_id TEXT NOT NULL, version BIGINT NOT NULL,
           at BIGINT NOT NULL, outcome BIGINT NOT NULL, measure BIGINT NOT NULL);
         CREATE INDEX session_touch_by_time ON session_touch (at)"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["screening"]
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        match record.category.as_str() {
            session_event::Event::CATEGORY => match session_event::Event::from_payload(&record.payload)? {
                session_event::Event::Opened(opened) => open(tables, record, opened).await,
                session_event::Event::Closed(closed) => close(tables.now().await?, record, closed.by).await,
            },
            case_event::Event::CATEGORY => match case_event::Event::from_payload(&record.payload)? {
                case_event::Event::Opened(opened) => {
                    let residence = opened.residence.unwrap_or_default();
                    let row = [
                        ("case_id", record.stream_id.clone().into()),
                        ("resident_id", opened.resident_id.into()),
                        ("household_id", residence.household_id.into()),
                        ("compound_id", residence.compound_id.into()),
                        ("neighbourhood_id", residence.neighbourhood_id.into()),
                    ];
                    tables.put("session_case", row).await
                }
                case_event::Event::Declared(_) | case_event::Event::EvidenceRecorded(_) => {
                    touch(tables, record, Outcome::Unspecified, Measure::Unspecified).await
                }
                case_event::Event::Assessed(verdict) => {
                    if by_itself(record) {
                        return Ok(());
                    }
                    touch(tables, record, verdict.outcome(), verdict.measure()).await
                }
                case_event::Event::Disputed(_)
                | case_event::Event::DisputeEscalated(_)
                | case_event::Event::DisputeResolved(_)
                | case_event::Event::OverrideProposed(_)
                | case_event::Event::OverrideApproved(_)
                | case_event::Event::OverrideDeclined(_)
                | case_event::Event::OverrideEnded(_)
                | case_event::Event::PhonesChanged(_) => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

async fn open(tables: &mut Tables<'_>, record: &Record, opened: session_event::Opened) -> anyhow::Result<()> {
    let row = [
        ("session_id", record.stream_id.clone().into()),
        ("version", 1.into()),
        ("position", i64::try_from(record.position).context("a position fits into 63 bits")?.into()),
        ("place", opened.place.into()),
        ("neighbourhood_id", opened.neighbourhood_id.into()),
        ("staff", opened.staff.join(" ").into()),
        ("opened_by", opened.by.into()),
        ("opened_at", happened(record).into()),
        ("closed_by", String::new().into()),
        ("closed_at", 0.into()),
    ];
    tables.put("session", row).await
}

async fn close(db: &mut AnyConnection, record: &Record, by: String) -> anyhow::Result<()> {
    sqlx::query("UPDATE session SET closed_by = $2, closed_at = $3, version = $4 WHERE session_id = $1")
        .bind(record.stream_id.clone())
        .bind(by)
        .bind(happened(record))
        .bind(i64::try_from(record.version).context("a version fits into 63 bits")?)
        .execute(db)
        .await
        .context("keeping the end of a session")?;
    Ok(())
}

async fn touch(tables: &mut Tables<'_>, record: &Record, outcome: Outcome, measure: Measure) -> anyhow::Result<()> {
    let version = i64::try_from(record.version).context("a version fits into 63 bits")?;
    let row = [
        ("touch", format!("{}/{version}", record.stream_id).into()),
        ("case_id", record.stream_id.clone().into()),
        ("version", version.into()),
        ("at", happened(record).into()),
        ("outcome", i64::from(outcome as i32).into()),
        ("measure", i64::from(measure as i32).into()),
    ];
    tables.put("session_touch", row).await
}

/// Nobody's work: it follows from another method, another name, another number of phones. What a carrier that was asked again
/// has answered is the work of whoever asked.
fn by_itself(record: &Record) -> bool {
    record.actor.starts_with("reaction/") && !record.command_id.starts_with(ASKED_AGAIN)
}

fn happened(record: &Record) -> i64 {
    record.occurred_at.as_ref().and_then(instant).map_or(0, |time| time.timestamp_micros())
}

/// A session as it stands in the table.
pub(crate) struct Round {
    pub(crate) position: i64,
    pub(crate) session: v1::Session,
    opened_at: i64,
    /// The end of days while it is open.
    closed_at: i64,
}

const COLUMNS: &str =
    "SELECT s.session_id, s.version, s.position, s.place, s.neighbourhood_id, s.staff, s.opened_by, s.opened_at,
    s.closed_by, s.closed_at, p.display_name FROM session s LEFT JOIN session_place p ON p.place = s.place";

/// At most `limit` sessions within reach before a position of the log, the newest first.
pub(crate) async fn list(
    db: &mut AnyConnection,
    scope: &Scope,
    (place, state): (&str, session::State),
    before: i64,
    limit: i64,
) -> anyhow::Result<Vec<Round>> {
    const WHERE: &str = "WHERE s.position < $1 AND ($2 = '' OR s.neighbourhood_id = $2) AND ($3 = '' OR s.place = $3)
        AND ($4 = 0 OR ($4 = 1 AND s.closed_at = 0) OR ($4 = 2 AND s.closed_at > 0)) ORDER BY s.position DESC LIMIT $5";
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} {WHERE}")))
        .bind(before)
        .bind(scope.neighbourhood().unwrap_or_default().to_owned())
        .bind(place.to_owned())
        .bind(i64::from(state as i32))
        .bind(limit)
        .fetch_all(db)
        .await
        .context("listing sessions")?;
    Ok(rows.iter().map(round).collect())
}

/// A session within reach.
pub(crate) async fn find(db: &mut AnyConnection, scope: &Scope, id: &str) -> anyhow::Result<Option<Round>> {
    const WHERE: &str = "WHERE s.session_id = $1 AND ($2 = '' OR s.neighbourhood_id = $2)";
    let row = sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} {WHERE}")))
        .bind(id.to_owned())
        .bind(scope.neighbourhood().unwrap_or_default().to_owned())
        .fetch_optional(db)
        .await
        .context("looking up a session")?;
    Ok(row.as_ref().map(round))
}

/// What was done in it.
pub(crate) async fn touches(db: &mut AnyConnection, of: &Round) -> anyhow::Result<Vec<Touch>> {
    let rows = sqlx::query(
        "SELECT t.case_id, c.household_id, c.resident_id, t.at, t.outcome, t.measure
         FROM session_touch t JOIN session_case c ON c.case_id = t.case_id LEFT JOIN home h ON h.household_id = c.household_id
         WHERE t.at >= $1 AND t.at <= $2 AND c.neighbourhood_id = $3
           AND ('compounds/' || c.compound_id = $4 OR COALESCE(
             (SELECT b.grid FROM home_grid b WHERE b.compound_id = h.compound_id AND b.building = h.building),
             (SELECT w.grid FROM home_grid w WHERE w.compound_id = h.compound_id AND w.building = ''), '') = $4)
         ORDER BY t.at, t.case_id, t.version",
    )
    .bind(of.opened_at)
    .bind(of.closed_at)
    .bind(of.session.neighbourhood.trim_start_matches("neighbourhoods/").to_owned())
    .bind(of.session.place.clone())
    .fetch_all(db)
    .await
    .context("reading what was done in a session")?;
    Ok(rows.iter().map(done).collect())
}

fn done(row: &AnyRow) -> Touch {
    let number = |column: &str| i32::try_from(row.get::<i64, _>(column)).unwrap_or_default();
    Touch {
        case_id: row.get("case_id"),
        household_id: row.get("household_id"),
        resident_id: row.get("resident_id"),
        at: row.get("at"),
        outcome: Outcome::try_from(number("outcome")).unwrap_or_default(),
        measure: Measure::try_from(number("measure")).unwrap_or_default(),
    }
}

fn round(row: &AnyRow) -> Round {
    let (opened_at, closed_at): (i64, i64) = (row.get("opened_at"), row.get("closed_at"));
    let time = |at: i64| DateTime::from_timestamp_micros(at).filter(|_| at != 0).map(chassis::timestamp);
    let state = if closed_at == 0 { session::State::Open } else { session::State::Closed };
    let session = v1::Session {
        name: format!("sessions/{}", row.get::<String, _>("session_id")),
        place: row.get("place"),
        display_name: row.get::<Option<String>, _>("display_name").unwrap_or_default(),
        neighbourhood: format!("neighbourhoods/{}", row.get::<String, _>("neighbourhood_id")),
        state: state.into(),
        staff: row.get::<String, _>("staff").split_whitespace().map(str::to_owned).collect(),
        opened_by: row.get("opened_by"),
        open_time: time(opened_at),
        closed_by: row.get("closed_by"),
        close_time: time(closed_at),
        figures: None,
        hand_overs: Vec::new(),
        etag: row.get::<i64, _>("version").to_string(),
    };
    Round {
        position: row.get("position"),
        session,
        opened_at,
        closed_at: if closed_at == 0 { i64::MAX } else { closed_at },
    }
}
