//! Who may be asked for help: volunteers as the registry enrolled them, whether their own screening is clear, as screening
//! told it, how much each has given to needs; and the doors between which they go.

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Scope, Tables, Value};
use proto::{
    Fact as _,
    isolation::v1::need_event,
    registry::v1::{VolunteerProfile, compound_event, household_event, volunteer_event},
    screening::v1::{Measure, Outcome, case_event},
};
use sqlx::{AnyConnection, Row as _, any::AnyRow};

pub(crate) struct Helpers;

/// A volunteer whose own screening is clear.
pub(crate) struct Helper {
    pub(crate) volunteer_id: String,
    pub(crate) resident_id: String,
    pub(crate) compound_id: String,
    pub(crate) building: String,
    /// Numbers of skills with a comma before and behind each.
    pub(crate) skills: String,
    /// weekday:from:to, in minutes, with blanks between.
    pub(crate) times: String,
    /// Minutes that they have given to needs.
    pub(crate) given: i64,
}

/// A volunteer who may help in this neighbourhood; `None` for one who is unknown, foreign, retired or not cleared.
pub(crate) async fn cleared(
    db: &mut AnyConnection,
    neighbourhood_id: &str,
    volunteer_id: &str,
) -> anyhow::Result<Option<Helper>> {
    let row = sqlx::query(
        "SELECT v.volunteer_id, v.resident_id, v.compound_id, v.building, v.skills, v.times, COALESCE(h.minutes, 0)
         FROM volunteer v JOIN screened s ON s.resident_id = v.resident_id AND s.clear = 1
           LEFT JOIN helped h ON h.volunteer_id = v.volunteer_id
         WHERE v.volunteer_id = $1 AND v.neighbourhood_id = $2",
    )
    .bind(volunteer_id.to_owned())
    .bind(neighbourhood_id.to_owned())
    .fetch_optional(db)
    .await
    .context("finding a volunteer")?;
    Ok(row.as_ref().map(read))
}

/// Whether there is such a volunteer within the caller's reach, cleared or not.
pub(crate) async fn known(db: &mut AnyConnection, scope: &Scope, volunteer_id: &str) -> anyhow::Result<bool> {
    let row = sqlx::query("SELECT neighbourhood_id FROM volunteer WHERE volunteer_id = $1")
        .bind(volunteer_id.to_owned())
        .fetch_optional(db)
        .await
        .context("finding a volunteer")?;
    Ok(row.is_some_and(|row| scope.allows(&row.get::<String, _>(0))))
}

/// Those of the compound first, then the others of the neighbourhood; of many the ones who have given least.
pub(crate) async fn available(
    db: &mut AnyConnection,
    (neighbourhood_id, compound_id): (&str, &str),
    most: i64,
) -> anyhow::Result<Vec<Helper>> {
    let rows = sqlx::query(
        "SELECT v.volunteer_id, v.resident_id, v.compound_id, v.building, v.skills, v.times, COALESCE(h.minutes, 0)
         FROM volunteer v JOIN screened s ON s.resident_id = v.resident_id AND s.clear = 1
           LEFT JOIN helped h ON h.volunteer_id = v.volunteer_id
         WHERE v.neighbourhood_id = $1
         ORDER BY CASE WHEN v.compound_id = $2 THEN 0 ELSE 1 END, COALESCE(h.minutes, 0), v.volunteer_id LIMIT $3",
    )
    .bind(neighbourhood_id.to_owned())
    .bind(compound_id.to_owned())
    .bind(most)
    .fetch_all(db)
    .await
    .context("listing volunteers")?;
    Ok(rows.iter().map(read).collect())
}

/// The building of a household, as doors have it.
pub(crate) async fn building(db: &mut AnyConnection, household_id: &str) -> anyhow::Result<String> {
    let row = sqlx::query("SELECT building FROM home WHERE household_id = $1")
        .bind(household_id.to_owned())
        .fetch_optional(db)
        .await
        .context("finding a household")?;
    Ok(row.map(|row| row.get(0)).unwrap_or_default())
}

/// The neighbourhood of a compound, where it is within the caller's reach.
pub(crate) async fn neighbourhood_of(
    db: &mut AnyConnection,
    scope: &Scope,
    compound_id: &str,
) -> anyhow::Result<Option<String>> {
    let row = sqlx::query("SELECT neighbourhood_id FROM compound WHERE compound_id = $1")
        .bind(compound_id.to_owned())
        .fetch_optional(db)
        .await
        .context("finding a compound")?;
    Ok(row.map(|row| row.get(0)).filter(|neighbourhood: &String| scope.allows(neighbourhood)))
}

fn read(row: &AnyRow) -> Helper {
    Helper {
        volunteer_id: row.get(0),
        resident_id: row.get(1),
        compound_id: row.get(2),
        building: row.get(3),
        skills: row.get(4),
        times: row.get(5),
        given: row.get(6),
    }
}

#[async_trait]
impl Projection for Helpers {
    fn name(&self) -> &'static str {
        "helpers"
    }

    fn version(&self) -> u32 {
        1
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE volunteer (
           volunteer_id TEXT NOT NULL PRIMARY KEY,
           resident_id TEXT NOT NULL,
           neighbourhood_id TEXT NOT NULL,
           compound_id TEXT NOT NULL,
           building TEXT NOT NULL,
           skills TEXT NOT NULL,
           times TEXT NOT NULL
         );
         CREATE INDEX volunteer_neighbourhood ON volunteer (neighbourhood_id, compound_id);
         CREATE TABLE screened (
           resident_id TEXT NOT NULL PRIMARY KEY,
           clear BIGINT NOT NULL
         );
         CREATE TABLE helped (
           volunteer_id TEXT NOT NULL PRIMARY KEY,
           minutes BIGINT NOT NULL
         );
         CREATE TABLE compound (
           compound_id TEXT NOT NULL PRIMARY KEY,
           neighbourhood_id TEXT NOT NULL
         );
         CREATE TABLE home (
           household_id TEXT NOT NULL PRIMARY KEY,
           building TEXT NOT NULL
         );"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["registry", "screening", "isolation"]
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        match (record.log.as_str(), record.category.as_str()) {
            (volunteer_event::Event::LOG, volunteer_event::Event::CATEGORY) => volunteered(tables, record).await,
            (case_event::Event::LOG, case_event::Event::CATEGORY) => screened(tables, record).await,
            (need_event::Event::LOG, need_event::Event::CATEGORY) => helped(tables, record).await,
            (household_event::Event::LOG, household_event::Event::CATEGORY) => housed(tables, record).await,
            (compound_event::Event::LOG, compound_event::Event::CATEGORY) => opened(tables, record).await,
            _ => Ok(()),
        }
    }
}

async fn volunteered(tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
    let id = record.stream_id.clone();
    match volunteer_event::Event::from_payload(&record.payload)? {
        volunteer_event::Event::Enrolled(enrolled) => {
            let residence = enrolled.residence.unwrap_or_default();
            sqlx::query(
                "INSERT INTO volunteer (volunteer_id, resident_id, neighbourhood_id, compound_id, building, skills, times)
                 VALUES ($1, $2, $3, $4, '', '', '')
                 ON CONFLICT (volunteer_id) DO UPDATE SET compound_id = excluded.compound_id",
            )
            .bind(id.clone())
            .bind(enrolled.resident_id)
            .bind(residence.neighbourhood_id)
            .bind(residence.compound_id)
            .execute(tables.now().await?)
            .await
            .context("noting a volunteer")?;
            profile(tables, id, enrolled.profile.unwrap_or_default()).await
        }
        volunteer_event::Event::Changed(changed) => profile(tables, id, changed.profile.unwrap_or_default()).await,
        volunteer_event::Event::Retired(_) => {
            sqlx::query("DELETE FROM volunteer WHERE volunteer_id = $1")
                .bind(id)
                .execute(tables.now().await?)
                .await
                .context("dropping a volunteer")?;
            Ok(())
        }
        volunteer_event::Event::Served(_) | volunteer_event::Event::Thanked(_) => Ok(()),
    }
}

async fn profile(tables: &mut Tables<'_>, id: String, profile: VolunteerProfile) -> anyhow::Result<()> {
    let skills = profile.skills.iter().map(|skill| format!(",{skill},")).collect::<String>();
    let times = profile.availability.iter().map(|part| {
        let (weekday, from, to) = (part.weekday, part.from_minute, part.to_minute);
        format!("{weekday}:{from}:{to}")
    });
    sqlx::query("UPDATE volunteer SET building = $2, skills = $3, times = $4 WHERE volunteer_id = $1")
        .bind(id)
        .bind(profile.building)
        .bind(skills)
        .bind(times.collect::<Vec<_>>().join(" "))
        .execute(tables.now().await?)
        .await
        .context("noting what a volunteer can do")?;
    Ok(())
}

/// As for a pass: free by a clear verdict, or by two who set it by hand. The last verdict counts.
async fn screened(tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
    let case_event::Event::Assessed(assessed) = case_event::Event::from_payload(&record.payload)? else {
        return Ok(());
    };
    let clear = match (assessed.outcome(), assessed.measure()) {
        (Outcome::Clear, _) | (Outcome::Overridden, Measure::None) => 1_i64,
        _ => 0,
    };
    sqlx::query(
        "INSERT INTO screened (resident_id, clear) VALUES ($1, $2)
         ON CONFLICT (resident_id) DO UPDATE SET clear = excluded.clear",
    )
    .bind(assessed.resident_id)
    .bind(clear)
    .execute(tables.now().await?)
    .await
    .context("noting a verdict")?;
    Ok(())
}

async fn helped(tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
    let need_event::Event::Completed(done) = need_event::Event::from_payload(&record.payload)? else {
        return Ok(());
    };
    let Some(id) = done.responsible.strip_prefix("volunteers/") else { return Ok(()) };
    tables.add("helped", [("volunteer_id", Value::from(id.to_owned()))], [("minutes", done.minutes.into())]).await
}

async fn housed(tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
    let household_event::Event::Registered(home) = household_event::Event::from_payload(&record.payload)? else {
        return Ok(());
    };
    let row = [("household_id", record.stream_id.clone().into()), ("building", home.building.into())];
    tables.put("home", row).await
}

async fn opened(tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
    let compound_event::Event::Opened(opened) = compound_event::Event::from_payload(&record.payload)? else {
        return Ok(());
    };
    let row = [("compound_id", record.stream_id.clone().into()), ("neighbourhood_id", opened.neighbourhood_id.into())];
    tables.put("compound", row).await
}
