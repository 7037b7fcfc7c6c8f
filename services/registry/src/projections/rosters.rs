//! Which weeks are there, and which duties does nobody hold?

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Scope, Tables, Value};
use proto::registry::v1::{
    Roster,
    roster_event::{Event, Held, Opened},
};
use sqlx::{AnyConnection, Row as _, any::AnyRow};

use super::{Asked, Page, Reach, SOURCES, Within, event, statement};
use crate::domain::roster::slots;

pub(crate) struct Rosters;

/// The latest week first.
pub(crate) async fn list(
    db: &mut AnyConnection,
    scope: &Scope,
    within: &Within,
    asked: &Asked,
) -> anyhow::Result<Page<Roster>> {
    let (reach, own) = Reach::from(scope).places();
    let rows = statement(
        "SELECT r.id, r.compound, r.week, r.week_key,
            (SELECT COUNT(*) FROM registry_duty d WHERE d.roster = r.id AND d.staff = '') AS gaps
         FROM registry_roster r
         WHERE ($1 = '' OR r.neighbourhood = $1) AND ($2 = '' OR r.compound = $2) AND ($3 = '' OR r.neighbourhood = $3)
           AND ($4 = '' OR r.compound = $4) AND ($5 = '' OR r.week_key < $5)
         ORDER BY r.week_key DESC LIMIT $6",
    )
    .bind(reach)
    .bind(own)
    .bind(within.neighbourhood.clone())
    .bind(within.compound.clone())
    .bind(asked.after().to_owned())
    .bind(asked.size + 1)
    .fetch_all(db)
    .await
    .context("reading rosters")?;
    let read = |row: &AnyRow| {
        let roster = Roster {
            name: format!("rosters/{}", row.get::<String, _>(0)),
            compound: format!("compounds/{}", row.get::<String, _>(1)),
            from: row.get(2),
            gaps: i32::try_from(row.get::<i64, _>(4)).unwrap_or(i32::MAX),
            ..Roster::default()
        };
        (row.get::<String, _>(3), roster)
    };
    Ok(asked.page(rows.iter().map(read).collect()))
}

/// Roster and duty of those that nobody holds, that are not over and begin before then; the next one first.
pub(crate) async fn gaps(
    db: &mut AnyConnection,
    scope: &Scope,
    within: &Within,
    (now, until): (i64, i64),
    asked: &Asked,
) -> anyhow::Result<Page<(String, String)>> {
    let (reach, own) = Reach::from(scope).places();
    let rows = statement(
        "SELECT roster, duty, begin_key FROM registry_duty
         WHERE staff = '' AND begins <= $1 AND ends > $2 AND begin_key > $3 AND ($4 = '' OR neighbourhood = $4)
           AND ($5 = '' OR compound = $5) AND ($6 = '' OR neighbourhood = $6) AND ($7 = '' OR compound = $7)
         ORDER BY begin_key LIMIT $8",
    )
    .bind(until)
    .bind(now)
    .bind(asked.after().to_owned())
    .bind(reach)
    .bind(own)
    .bind(within.neighbourhood.clone())
    .bind(within.compound.clone())
    .bind(asked.size + 1)
    .fetch_all(db)
    .await
    .context("reading gaps")?;
    let read = |row: &AnyRow| (row.get::<String, _>(2), (row.get::<String, _>(0), row.get::<String, _>(1)));
    Ok(asked.page(rows.iter().map(read).collect()))
}

#[async_trait]
impl Projection for Rosters {
    fn name(&self) -> &'static str {
        "rosters"
    }

    fn version(&self) -> u32 {
        1
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE registry_roster (
            id TEXT PRIMARY KEY,
            neighbourhood TEXT NOT NULL,
            compound TEXT NOT NULL,
            week TEXT NOT NULL,
            week_key TEXT NOT NULL
        );
        CREATE INDEX registry_roster_week ON registry_roster (neighbourhood, week_key);
        CREATE TABLE registry_duty (
            id TEXT PRIMARY KEY,
            roster TEXT NOT NULL,
            duty TEXT NOT NULL,
            neighbourhood TEXT NOT NULL,
            compound TEXT NOT NULL,
            staff TEXT NOT NULL,
            begins BIGINT NOT NULL,
            ends BIGINT NOT NULL,
            begin_key TEXT NOT NULL
        );
        CREATE INDEX registry_duty_roster ON registry_duty (roster, staff);
        CREATE INDEX registry_duty_gap ON registry_duty (staff, begin_key)"
    }

    fn sources(&self) -> &'static [&'static str] {
        SOURCES
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        let roster = record.stream_id.as_str();
        match event::<Event>(record)? {
            Some(Event::Opened(opened)) => open(tables, roster, opened).await,
            Some(Event::Assigned(assigned)) => hold(tables, roster, &assigned.duties).await,
            Some(Event::Swapped(swapped)) => hold(tables, roster, &swapped.duties).await,
            Some(Event::Absent(absent)) => {
                for duty in absent.duty_ids {
                    put(tables, roster, &duty, "").await?;
                }
                Ok(())
            }
            None | Some(Event::SwapProposed(_) | Event::SwapDeclined(_)) => Ok(()),
        }
    }
}

async fn open(tables: &mut Tables<'_>, roster: &str, opened: Opened) -> anyhow::Result<()> {
    for slot in slots(&opened) {
        let begins = slot.start.timestamp_micros();
        let id = format!("{roster}/{}", slot.id);
        let row = [
            ("id", Value::from(id.clone())),
            ("roster", roster.to_owned().into()),
            ("duty", slot.id.into()),
            ("neighbourhood", opened.neighbourhood_id.clone().into()),
            ("compound", opened.compound_id.clone().into()),
            ("staff", String::new().into()),
            ("begins", begins.into()),
            ("ends", slot.end.timestamp_micros().into()),
            ("begin_key", format!("{begins:020}/{id}").into()),
        ];
        tables.put("registry_duty", row).await?;
    }
    let row = [
        ("id", Value::from(roster.to_owned())),
        ("neighbourhood", opened.neighbourhood_id.into()),
        ("compound", opened.compound_id.into()),
        ("week", opened.from.clone().into()),
        ("week_key", format!("{}/{roster}", opened.from).into()),
    ];
    tables.put("registry_roster", row).await
}

async fn hold(tables: &mut Tables<'_>, roster: &str, duties: &[Held]) -> anyhow::Result<()> {
    for held in duties {
        put(tables, roster, &held.duty_id, &held.staff_id).await?;
    }
    Ok(())
}

async fn put(tables: &mut Tables<'_>, roster: &str, duty: &str, staff: &str) -> anyhow::Result<()> {
    statement("UPDATE registry_duty SET staff = $2 WHERE id = $1")
        .bind(format!("{roster}/{duty}"))
        .bind(staff.to_owned())
        .execute(tables.now().await?)
        .await
        .context("writing who holds a duty")?;
    Ok(())
}
