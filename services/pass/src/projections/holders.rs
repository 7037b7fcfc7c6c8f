//! The list of holders: who is eligible, what bars them, and which pass they have. Decisions never look here.

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Scope, Tables, instant};
use chrono::DateTime;
use proto::{
    pass::v1::{Access, Holder, Pass, Reason, holder_event::Event},
    registry::v1::Residence,
};
use sqlx::{AnyConnection, Row as _, any::AnyRow};

use crate::domain::holder::renewable_from;

pub(crate) struct Holders;

#[async_trait]
impl Projection for Holders {
    fn name(&self) -> &'static str {
        "holders"
    }

    fn version(&self) -> u32 {
        3
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE holder (resident_id TEXT PRIMARY KEY, neighbourhood_id TEXT NOT NULL, compound_id TEXT NOT NULL,
           household_id TEXT NOT NULL, qualified BIGINT NOT NULL, status_index BIGINT NOT NULL,
           pass_number TEXT NOT NULL, issued BIGINT NOT NULL, expires BIGINT NOT NULL, standing TEXT NOT NULL,
           access BIGINT NOT NULL, version BIGINT NOT NULL);
         CREATE INDEX holder_by_index ON holder (status_index);
         CREATE TABLE holder_bar (resident_id TEXT NOT NULL, bar TEXT NOT NULL, PRIMARY KEY (resident_id, bar));
         CREATE TABLE holder_joined (resident_id TEXT PRIMARY KEY)"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["pass"]
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        let Some(event) = crate::facts::own::<Event>(record)? else { return Ok(()) };
        let resident = record.stream_id.as_str();
        let named = || [("resident_id", resident.into())];
        let bar = |by: String| [("resident_id", resident.into()), ("bar", by.into())];
        match event {
            Event::Qualified(qualified) => {
                lives_at(tables, resident, qualified.residence.unwrap_or_default()).await?;
                tables.set("holder", named(), [("qualified", 1.into())]).await?;
            }
            Event::Barred(barred) => {
                lives_at(tables, resident, barred.residence.unwrap_or_default()).await?;
                tables.put_under("holder_bar", bar(barred.by), []).await?;
            }
            Event::BarLifted(lifted) => tables.remove("holder_bar", bar(lifted.by)).await?,
            Event::Issued(issued) => {
                let access = i64::from(issued.access);
                let micros = |time| instant(&time).map_or(0, |time| time.timestamp_micros());
                let pass = [
                    ("status_index", i64::from(issued.status_index).into()),
                    ("pass_number", issued.number.into()),
                    ("issued", issued.issued.map_or(0, micros).into()),
                    ("expires", issued.expires.map_or(0, micros).into()),
                    ("standing", "active".into()),
                    ("access", access.into()),
                ];
                tables.set("holder", named(), pass).await?;
            }
            Event::Suspended(suspended) => stand(tables, resident, suspended.number, "suspended").await?,
            Event::Reinstated(reinstated) => stand(tables, resident, reinstated.number, "active").await?,
            Event::Joined(_) => tables.put("holder_joined", named()).await?,
            Event::Parted(_) => tables.remove("holder_joined", named()).await?,
            Event::Revoked(revoked) => {
                if revoked.reason() == Reason::MovedOut {
                    tables.set("holder", named(), [("qualified", 0.into())]).await?;
                }
                stand(tables, resident, revoked.number, "revoked").await?;
            }
        }
        let version = i64::try_from(record.version).context("a version fits into 63 bits")?;
        tables.set("holder", named(), [("version", version.into())]).await
    }
}

async fn lives_at(tables: &mut Tables<'_>, resident: &str, home: Residence) -> anyhow::Result<()> {
    let place = [
        ("neighbourhood_id", home.neighbourhood_id.into()),
        ("compound_id", home.compound_id.into()),
        ("household_id", home.household_id.into()),
    ];
    let [neighbourhood, compound, household] = place.clone();
    let new = [
        ("resident_id", resident.into()),
        neighbourhood,
        compound,
        household,
        ("qualified", 0.into()),
        ("status_index", 0.into()),
        ("pass_number", "".into()),
        ("issued", 0.into()),
        ("expires", 0.into()),
        ("standing", "".into()),
        ("access", 0.into()),
        ("version", 0.into()),
    ];
    tables.put("holder", new).await?;
    tables.set("holder", [("resident_id", resident.into())], place).await
}

async fn stand(tables: &mut Tables<'_>, resident: &str, number: String, standing: &str) -> anyhow::Result<()> {
    let pass = [("resident_id", resident.into()), ("pass_number", number.into())];
    tables.set("holder", pass, [("standing", standing.into())]).await
}

/// Where the numbering of passes goes on.
pub(crate) async fn highest_index(db: &mut AnyConnection) -> Result<u32, sqlx::Error> {
    let row = sqlx::query("SELECT CAST(COALESCE(MAX(status_index), 0) AS BIGINT) FROM holder").fetch_one(db).await?;
    Ok(u32::try_from(row.try_get::<i64, _>(0)?).unwrap_or(0))
}

/// One page of holders, of one compound or (empty) of all within reach, in the order of their ids.
pub(crate) async fn list(
    db: &mut AnyConnection,
    scope: &Scope,
    compound: &str,
    after: &str,
    limit: i64,
) -> Result<Vec<Holder>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT resident_id, compound_id, household_id,
           CASE WHEN resident_id IN (SELECT resident_id FROM holder_joined) THEN 0 ELSE qualified END,
           pass_number, issued, expires, standing, version, access
         FROM holder WHERE resident_id > $1 AND ($2 = '' OR compound_id = $2) AND ($3 = '' OR neighbourhood_id = $3)
         ORDER BY resident_id LIMIT $4",
    )
    .bind(after.to_owned())
    .bind(compound.to_owned())
    .bind(scope.neighbourhood().unwrap_or("").to_owned())
    .bind(limit)
    .fetch_all(&mut *db)
    .await?;
    let mut holders = rows.iter().map(holder).collect::<Result<Vec<_>, _>>()?;
    let Some(last) = holders.last() else { return Ok(holders) };
    let to = last.name.trim_start_matches("residents/").to_owned();
    let bars = sqlx::query("SELECT resident_id, bar FROM holder_bar WHERE resident_id > $1 AND resident_id <= $2")
        .bind(after.to_owned())
        .bind(to)
        .fetch_all(db)
        .await?;
    for row in bars {
        let name = format!("residents/{}", row.try_get::<String, _>(0)?);
        if let Ok(index) = holders.binary_search_by(|holder| holder.name.cmp(&name)) {
            holders[index].eligible = false;
            holders[index].bars.push(row.try_get(1)?);
        }
    }
    Ok(holders)
}

fn holder(row: &AnyRow) -> Result<Holder, sqlx::Error> {
    let resident: String = row.try_get(0)?;
    let number: String = row.try_get(4)?;
    let time = |column: usize| row.try_get(column).map(DateTime::from_timestamp_micros);
    let (issued, expires) = (time(5)?, time(6)?);
    let standing: String = row.try_get(7)?;
    let pass = Pass {
        name: format!("residents/{resident}/pass"),
        number,
        code: String::new(),
        issue_time: issued.map(chassis::timestamp),
        expire_time: expires.map(chassis::timestamp),
        suspended: standing == "suspended",
        revoked: standing == "revoked",
        recalled: false,
        phone: None,
        // Older ones do not say it: at any time.
        access: i32::try_from(row.try_get::<i64, _>(9)?).unwrap_or(0).max(Access::Unrestricted as i32),
        renew_time: issued.zip(expires).map(|(issued, expires)| chassis::timestamp(renewable_from(issued, expires))),
    };
    Ok(Holder {
        name: format!("residents/{resident}"),
        compound: format!("compounds/{}", row.try_get::<String, _>(1)?),
        household: format!("households/{}", row.try_get::<String, _>(2)?),
        eligible: row.try_get::<i64, _>(3)? != 0,
        bars: Vec::new(),
        pass: Some(pass).filter(|pass| !pass.number.is_empty()),
        etag: row.try_get::<i64, _>(8)?.to_string(),
    })
}
