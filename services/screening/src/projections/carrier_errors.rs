//! How often each carrier was found wrong about which pair of cities.

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Tables};
use proto::{
    Fact as _,
    screening::v1::{CarrierError, carrier_error_event::Event},
};
use sqlx::{AnyConnection, Row as _, any::AnyRow};

use crate::places::Code;

pub struct CarrierErrors;

#[async_trait]
impl Projection for CarrierErrors {
    fn name(&self) -> &'static str {
        "carrier_errors"
    }

    fn version(&self) -> u32 {
        1
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE carrier_error (source BIGINT NOT NULL, city TEXT NOT NULL, instead TEXT NOT NULL, errors BIGINT NOT NULL,
           last_day TEXT NOT NULL, PRIMARY KEY (source, city, instead))"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["screening"]
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        if record.category != Event::CATEGORY {
            return Ok(());
        }
        let Event::Counted(counted) = Event::from_payload(&record.payload)?;
        sqlx::query(
            "INSERT INTO carrier_error (source, city, instead, errors, last_day) VALUES ($1, $2, $3, 1, $4)
             ON CONFLICT (source, city, instead) DO UPDATE SET errors = carrier_error.errors + 1,
               last_day = CASE WHEN excluded.last_day > carrier_error.last_day THEN excluded.last_day
                 ELSE carrier_error.last_day END",
        )
        .bind(i64::from(counted.source))
        .bind(counted.city)
        .bind(counted.instead)
        .bind(counted.day)
        .execute(tables.now().await?)
        .await
        .context("counting an error of a carrier")?;
        Ok(())
    }
}

/// At most `limit` pairs behind so many, the most frequent first; of all sources where it is 0.
pub async fn list(db: &mut AnyConnection, source: i32, behind: i64, limit: i64) -> anyhow::Result<Vec<CarrierError>> {
    let rows = sqlx::query(
        "SELECT source, city, instead, errors, last_day FROM carrier_error WHERE $1 = 0 OR source = $1
         ORDER BY errors DESC, source, city, instead LIMIT $2 OFFSET $3",
    )
    .bind(i64::from(source))
    .bind(limit)
    .bind(behind)
    .fetch_all(db)
    .await
    .context("listing errors of carriers")?;
    Ok(rows.iter().map(shown).collect())
}

fn shown(row: &AnyRow) -> CarrierError {
    let (city, instead): (String, String) = (row.get("city"), row.get("instead"));
    let name = |code: &str| Code::parse(code).and_then(Code::short_name).unwrap_or_default().to_owned();
    CarrierError {
        source: i32::try_from(row.get::<i64, _>("source")).unwrap_or_default(),
        city_name: name(&city),
        instead_name: name(&instead),
        city,
        instead,
        errors: row.get("errors"),
        last_day: row.get("last_day"),
    }
}
