//! Which reports of a day are on record?

use std::collections::BTreeMap;

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Scope, Tables, instant};
use chrono::{DateTime, NaiveDate, Utc};
use proto::{Fact as _, command::v1::report_event::Event};
use sqlx::{AnyConnection, Row as _};

/// What is on record of one report.
pub(crate) struct Filed {
    pub(crate) time: DateTime<Utc>,
    pub(crate) by: String,
    /// The first filing was.
    pub(crate) late: bool,
    pub(crate) zero: bool,
    pub(crate) corrections: i32,
}

/// By form and neighbourhood id (empty: the subdistrict's).
pub(crate) type Filings = BTreeMap<(String, String), Filed>;

/// Of one day.
pub(crate) async fn of_day(db: &mut AnyConnection, scope: &Scope, day: NaiveDate) -> anyhow::Result<Filings> {
    let rows = sqlx::query(
        "SELECT form, neighbourhood, filed_at, filed_by, late, zero, corrections FROM command_report
         WHERE day = $1 AND ($2 = '' OR neighbourhood = $2)",
    )
    .bind(day.to_string())
    .bind(scope.neighbourhood().unwrap_or_default().to_owned())
    .fetch_all(db)
    .await
    .context("reading which reports were filed")?;
    let mut filed = Filings::new();
    for row in rows {
        let report = Filed {
            time: DateTime::from_timestamp_micros(row.try_get(2)?).unwrap_or_default(),
            by: row.try_get(3)?,
            late: row.try_get::<i64, _>(4)? == 1,
            zero: row.try_get::<i64, _>(5)? == 1,
            corrections: i32::try_from(row.try_get::<i64, _>(6)?).unwrap_or(i32::MAX),
        };
        filed.insert((row.try_get(0)?, row.try_get(1)?), report);
    }
    Ok(filed)
}

pub(crate) struct Reports;

#[async_trait]
impl Projection for Reports {
    fn name(&self) -> &'static str {
        "reports"
    }

    fn version(&self) -> u32 {
        1
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE command_report (day TEXT NOT NULL, form TEXT NOT NULL, neighbourhood TEXT NOT NULL,
            filed_at BIGINT NOT NULL, filed_by TEXT NOT NULL, late BIGINT NOT NULL, zero BIGINT NOT NULL,
            corrections BIGINT NOT NULL, PRIMARY KEY (day, form, neighbourhood));
         CREATE INDEX command_report_neighbourhood ON command_report (day, neighbourhood)"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["command"]
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        if record.category != Event::CATEGORY {
            return Ok(());
        }
        let Event::Filed(filed) = Event::from_payload(&record.payload).context("reading a report")?;
        let time = filed.time.as_ref().and_then(instant).unwrap_or_default();
        // Whether it was late is what the first filing was.
        sqlx::query(
            "INSERT INTO command_report (day, form, neighbourhood, filed_at, filed_by, late, zero, corrections)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (day, form, neighbourhood) DO UPDATE SET filed_at = excluded.filed_at,
               filed_by = excluded.filed_by, zero = excluded.zero, corrections = excluded.corrections",
        )
        .bind(filed.day)
        .bind(filed.form_id)
        .bind(filed.neighbourhood_id)
        .bind(time.timestamp_micros())
        .bind(filed.by)
        .bind(i64::from(filed.late))
        .bind(i64::from(filed.report.unwrap_or_default().zero))
        // Each filing is one event of its stream.
        .bind(i64::try_from(record.version.saturating_sub(1)).context("a version beyond the tables")?)
        .execute(tables.now().await?)
        .await
        .context("noting a report")?;
        Ok(())
    }
}
