//! Cases that could not be judged anew, since what was said or seen does not open. They stay until the resident has another
//! verdict, or until everybody was judged without this case standing in the way again.

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Scope, Tables, instant};
use chrono::DateTime;
use proto::{
    Fact as _,
    screening::v1::{self, case_event, rescreening_event},
};
use sqlx::{AnyConnection, Row as _, any::AnyRow};

pub struct SetAside;

#[async_trait]
impl Projection for SetAside {
    fn name(&self) -> &'static str {
        "set_aside"
    }

    fn version(&self) -> u32 {
        1
    }

    /// `run` is a version of the method, or a sequence of the vocabulary; `set_at` is in microseconds.
    fn schema(&self) -> &'static str {
        "CREATE TABLE set_aside (
           case_id TEXT NOT NULL PRIMARY KEY, resident_id TEXT NOT NULL, compound_id TEXT NOT NULL,
           neighbourhood_id TEXT NOT NULL, run TEXT NOT NULL, set_at BIGINT NOT NULL);
         CREATE INDEX set_aside_of_resident ON set_aside (resident_id)"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["screening"]
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        match record.category.as_str() {
            case_event::Event::CATEGORY => {
                if let case_event::Event::Assessed(_) = case_event::Event::from_payload(&record.payload)? {
                    tables.remove("set_aside", [("resident_id", record.subject_id.as_str().into())]).await?;
                }
            }
            rescreening_event::Event::CATEGORY => match rescreening_event::Event::from_payload(&record.payload)? {
                rescreening_event::Event::SetAside(aside) => {
                    put(tables.now().await?, &record.stream_id, aside).await?;
                }
                // A run for a name looks at those who said it, and leaves everybody else as they were.
                rescreening_event::Event::Completed(_) if !is_for_a_name(&record.stream_id) => {
                    completed(tables.now().await?, &record.stream_id).await?;
                }
                rescreening_event::Event::Completed(_)
                | rescreening_event::Event::Begun(_)
                | rescreening_event::Event::Advanced(_) => {}
            },
            _ => {}
        }
        Ok(())
    }
}

async fn put(db: &mut AnyConnection, run: &str, aside: rescreening_event::SetAside) -> anyhow::Result<()> {
    let residence = aside.residence.unwrap_or_default();
    sqlx::query(
        "INSERT INTO set_aside (case_id, resident_id, compound_id, neighbourhood_id, run, set_at)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (case_id) DO UPDATE SET
           run = CASE WHEN $7 = 1 THEN set_aside.run ELSE excluded.run END, set_at = excluded.set_at",
    )
    .bind(aside.case_id)
    .bind(aside.resident_id)
    .bind(residence.compound_id)
    .bind(residence.neighbourhood_id)
    .bind(run.to_owned())
    .bind(aside.time.as_ref().and_then(instant).map_or(0, |time| time.timestamp_micros()))
    .bind(i64::from(is_for_a_name(run)))
    .execute(db)
    .await
    .context("keeping a case that was set aside")?;
    Ok(())
}

/// A run by a sequence of the vocabulary, and not by a version of the method.
fn is_for_a_name(run: &str) -> bool {
    run.contains(':')
}

/// Whatever does not open is touched by every run: what an earlier one has set aside, and this one has not, opens again.
async fn completed(db: &mut AnyConnection, run: &str) -> anyhow::Result<()> {
    sqlx::query("DELETE FROM set_aside WHERE run <> $1")
        .bind(run.to_owned())
        .execute(db)
        .await
        .context("taking back what opens again")?;
    Ok(())
}

/// How many cases within reach wait since a run.
pub async fn count(db: &mut AnyConnection, scope: &Scope, run: &str) -> anyhow::Result<i64> {
    let row = sqlx::query("SELECT COUNT(*) FROM set_aside WHERE run = $1 AND ($2 = '' OR neighbourhood_id = $2)")
        .bind(run.to_owned())
        .bind(scope.neighbourhood().unwrap_or_default().to_owned())
        .fetch_one(db)
        .await
        .context("counting cases that were set aside")?;
    Ok(row.try_get(0)?)
}

/// At most `limit` of the cases within reach that wait since a run, or since any where it is empty; in the order of their ids.
pub async fn list(
    db: &mut AnyConnection,
    scope: &Scope,
    run: &str,
    after: &str,
    limit: i64,
) -> anyhow::Result<Vec<v1::SetAsideCase>> {
    let rows = sqlx::query(
        "SELECT case_id, resident_id, compound_id, neighbourhood_id, run, set_at FROM set_aside
         WHERE case_id > $1 AND ($2 = '' OR neighbourhood_id = $2) AND ($3 = '' OR run = $3) ORDER BY case_id LIMIT $4",
    )
    .bind(after.to_owned())
    .bind(scope.neighbourhood().unwrap_or_default().to_owned())
    .bind(run.to_owned())
    .bind(limit)
    .fetch_all(db)
    .await
    .context("listing cases that were set aside")?;
    Ok(rows.iter().map(aside).collect())
}

fn aside(row: &AnyRow) -> v1::SetAsideCase {
    let name = |collection: &str, column: &str| format!("{collection}/{}", row.get::<String, _>(column));
    let run: String = row.get("run");
    v1::SetAsideCase {
        case: name("cases", "case_id"),
        resident: name("residents", "resident_id"),
        compound: name("compounds", "compound_id"),
        neighbourhood: name("neighbourhoods", "neighbourhood_id"),
        time: DateTime::from_timestamp_micros(row.get("set_at")).map(chassis::timestamp),
        method: if is_for_a_name(&run) { String::new() } else { format!("methods/{run}") },
    }
}
