//! Numbers whose carrier owes an answer, and those whose person is to be asked again. Nothing personal stands here.

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Scope, Tables, instant};
use chrono::{DateTime, Utc};
use proto::{
    Fact as _,
    screening::v1::{
        NumberInquiry,
        inquiry_event::{Event, Tried},
        number_inquiry::State,
    },
};
use sqlx::{AnyConnection, Row as _, any::AnyRow};

pub struct Waiting;

#[async_trait]
impl Projection for Waiting {
    fn name(&self) -> &'static str {
        "waiting"
    }

    fn version(&self) -> u32 {
        1
    }

    /// Times are microseconds, 0 where there is none.
    fn schema(&self) -> &'static str {
        "CREATE TABLE waiting_number (
           number TEXT NOT NULL PRIMARY KEY, case_id TEXT NOT NULL, phone BIGINT NOT NULL, neighbourhood_id TEXT NOT NULL,
           compound_id TEXT NOT NULL, state BIGINT NOT NULL, source BIGINT NOT NULL, trouble BIGINT NOT NULL,
           detail TEXT NOT NULL, no_data BIGINT NOT NULL, tries BIGINT NOT NULL, last_at BIGINT NOT NULL,
           next_at BIGINT NOT NULL, end_at BIGINT NOT NULL);
         CREATE INDEX waiting_number_due ON waiting_number (next_at)"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["screening"]
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        if record.category != Event::CATEGORY {
            return Ok(());
        }
        let case = &record.stream_id;
        let db = tables.now().await?;
        match Event::from_payload(&record.payload)? {
            Event::CodeSent(sent) => {
                let row = Row {
                    phone: sent.phone,
                    compound: sent.compound_id,
                    state: State::CodeSent,
                    source: sent.source,
                    end: microseconds(sent.end_time.as_ref()),
                    ..Row::default()
                };
                put(db, record, row).await
            }
            Event::CodeNotSent(told) => {
                let row = Row {
                    phone: told.phone,
                    compound: told.compound_id,
                    state: State::AskAgain,
                    source: told.source,
                    trouble: told.trouble,
                    detail: told.detail,
                    no_data: told.no_data,
                    last: microseconds(told.time.as_ref()),
                    ..Row::default()
                };
                put(db, record, row).await
            }
            Event::CodeRejected(rejected) if rejected.expired => {
                let key = key(case, rejected.phone);
                ask_again(&mut *db, &key).await?;
                sqlx::query("UPDATE waiting_number SET trouble = 0, detail = '' WHERE number = $1")
                    .bind(key)
                    .execute(db)
                    .await
                    .context("keeping that a code was wrong")?;
                Ok(())
            }
            Event::CodeRejected(_) => Ok(()),
            Event::Tried(tried) => note(db, &key(case, tried.phone), &tried).await,
            Event::Answered(answered) => forget(db, &key(case, answered.phone)).await,
            Event::Replaced(replaced) => forget(db, &key(case, replaced.phone)).await,
            Event::Lapsed(lapsed) => ask_again(db, &key(case, lapsed.phone)).await,
        }
    }
}

/// It was answered, or is another number by now.
async fn forget(db: &mut AnyConnection, key: &str) -> anyhow::Result<()> {
    sqlx::query("DELETE FROM waiting_number WHERE number = $1")
        .bind(key.to_owned())
        .execute(db)
        .await
        .context("dropping a number that nobody waits for")?;
    Ok(())
}

#[derive(Default)]
struct Row {
    phone: i32,
    compound: String,
    state: State,
    source: i32,
    trouble: i32,
    detail: String,
    no_data: i32,
    last: i64,
    end: i64,
}

async fn put(db: &mut AnyConnection, record: &Record, row: Row) -> anyhow::Result<()> {
    let key = key(&record.stream_id, row.phone);
    sqlx::query(
        "INSERT INTO waiting_number (number, case_id, phone, neighbourhood_id, compound_id, state, source, trouble, detail,
           no_data, tries, last_at, next_at, end_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0, $13)
         ON CONFLICT (number) DO UPDATE SET state = excluded.state, source = excluded.source, trouble = excluded.trouble,
           detail = excluded.detail, no_data = excluded.no_data, last_at = excluded.last_at, next_at = 0,
           end_at = excluded.end_at,
           tries = CASE WHEN excluded.tries = 0 THEN 0 WHEN waiting_number.state = excluded.state THEN waiting_number.tries + 1
             ELSE 1 END",
    )
    .bind(key)
    .bind(record.stream_id.clone())
    .bind(i64::from(row.phone))
    .bind(record.office.clone())
    .bind(row.compound)
    .bind(i64::from(row.state as i32))
    .bind(i64::from(row.source))
    .bind(i64::from(row.trouble))
    .bind(row.detail)
    .bind(i64::from(row.no_data))
    .bind(i64::from(row.state == State::AskAgain))
    .bind(row.last)
    .bind(row.end)
    .execute(db)
    .await
    .context("keeping a number that waits")?;
    Ok(())
}

async fn note(db: &mut AnyConnection, key: &str, tried: &Tried) -> anyhow::Result<()> {
    sqlx::query(
        "UPDATE waiting_number SET state = $2, trouble = $3, detail = $4, tries = $5, last_at = $6, next_at = $7
         WHERE number = $1",
    )
    .bind(key.to_owned())
    .bind(i64::from(State::Waiting as i32))
    .bind(i64::from(tried.trouble))
    .bind(tried.detail.clone())
    .bind(i64::from(tried.tries))
    .bind(microseconds(tried.time.as_ref()))
    .bind(microseconds(tried.next_time.as_ref()))
    .execute(db)
    .await
    .context("keeping a try")?;
    Ok(())
}

async fn ask_again(db: &mut AnyConnection, key: &str) -> anyhow::Result<()> {
    sqlx::query("UPDATE waiting_number SET state = $2, next_at = 0 WHERE number = $1")
        .bind(key.to_owned())
        .bind(i64::from(State::AskAgain as i32))
        .execute(db)
        .await
        .context("keeping that a person is to be asked again")?;
    Ok(())
}

/// Cases and numbers whose next try is due, the longest overdue first. For the task that tries again, which acts for all.
pub(crate) async fn due(db: &mut AnyConnection, now: DateTime<Utc>, limit: i64) -> anyhow::Result<Vec<(String, i32)>> {
    let rows = sqlx::query(
        "SELECT case_id, phone FROM waiting_number WHERE next_at > 0 AND next_at <= $1 ORDER BY next_at LIMIT $2",
    )
    .bind(now.timestamp_micros())
    .bind(limit)
    .fetch_all(db)
    .await
    .context("looking for numbers to try again")?;
    Ok(rows.iter().map(|row| (row.get(0), i32::try_from(row.get::<i64, _>(1)).unwrap_or_default())).collect())
}

/// At most `limit` numbers within reach that wait for their carrier or their person, behind a key.
pub(crate) async fn list(
    db: &mut AnyConnection,
    scope: &Scope,
    compound: &str,
    after: &str,
    limit: i64,
) -> anyhow::Result<Vec<NumberInquiry>> {
    let rows = sqlx::query(
        "SELECT case_id, phone, state, source, trouble, detail, no_data, tries, last_at, next_at, end_at FROM waiting_number
         WHERE number > $1 AND state IN ($2, $3) AND ($4 = '' OR neighbourhood_id = $4) AND ($5 = '' OR compound_id = $5)
         ORDER BY number LIMIT $6",
    )
    .bind(after.to_owned())
    .bind(i64::from(State::Waiting as i32))
    .bind(i64::from(State::AskAgain as i32))
    .bind(scope.neighbourhood().unwrap_or("").to_owned())
    .bind(compound.to_owned())
    .bind(limit)
    .fetch_all(db)
    .await
    .context("listing numbers that wait")?;
    Ok(rows.iter().map(shown).collect())
}

/// By which a page goes on.
pub(crate) fn key(case: &str, phone: i32) -> String {
    format!("{case}/{phone:03}")
}

fn shown(row: &AnyRow) -> NumberInquiry {
    let number = |column: &str| i32::try_from(row.get::<i64, _>(column)).unwrap_or_default();
    let time = |column: &str| {
        let microseconds: i64 = row.get(column);
        DateTime::from_timestamp_micros(microseconds).filter(|_| microseconds > 0).map(chassis::timestamp)
    };
    NumberInquiry {
        phone: number("phone"),
        state: number("state"),
        source: number("source"),
        trouble: number("trouble"),
        detail: row.get("detail"),
        no_data: number("no_data"),
        tries: number("tries"),
        last_try_time: time("last_at"),
        next_try_time: time("next_at"),
        permission_end_time: time("end_at"),
        case: format!("cases/{}", row.get::<String, _>("case_id")),
    }
}

fn microseconds(time: Option<&prost_types::Timestamp>) -> i64 {
    time.and_then(instant).map_or(0, |time| time.timestamp_micros())
}
