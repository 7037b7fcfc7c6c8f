//! Who may be asked for help: volunteers as the registry enrolled them, whether their own screening is clear, as screening
//! told it, how much each has given to needs; and the doors between which they go.

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Scope, Tables, Value, day_of, instant};
use proto::{
    Fact as _,
    isolation::v1::{VolunteerStanding, need_event},
    registry::v1::{VolunteerProfile, compound_event, household_event, volunteer_event},
    screening::v1::{Measure, Outcome, case_event},
};
use sqlx::{AnyConnection, Row as _, any::AnyRow};

pub(crate) struct Volunteers;

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
        "SELECT v.volunteer_id, v.resident_id, v.compound_id, v.building, v.skills, v.times,
           (SELECT CAST(COALESCE(SUM(h.minutes), 0) AS BIGINT) FROM helped h WHERE h.volunteer_id = v.volunteer_id) AS given
         FROM volunteer v JOIN screened s ON s.resident_id = v.resident_id AND s.clear = 1
           AND s.position = (SELECT MAX(l.position) FROM screened l WHERE l.resident_id = v.resident_id)
         WHERE v.volunteer_id = $1 AND v.neighbourhood_id = $2 AND v.retired = 0",
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

/// How a volunteer within the caller's reach stands, and where the register has them; `None` for an unknown or foreign one.
pub(crate) async fn standing(
    db: &mut AnyConnection,
    scope: &Scope,
    volunteer_id: &str,
) -> anyhow::Result<Option<(VolunteerStanding, String)>> {
    let row = sqlx::query(
        "SELECT v.neighbourhood_id, v.resident_id,
            COALESCE((SELECT s.clear FROM screened s WHERE s.resident_id = v.resident_id
                ORDER BY s.position DESC LIMIT 1), -1),
            (SELECT CAST(COALESCE(SUM(h.minutes), 0) AS BIGINT) FROM helped h WHERE h.volunteer_id = v.volunteer_id),
            (SELECT COUNT(*) FROM helped h WHERE h.volunteer_id = v.volunteer_id),
            COALESCE((SELECT MIN(h.day) FROM helped h WHERE h.volunteer_id = v.volunteer_id), ''),
            COALESCE((SELECT MAX(h.day) FROM helped h WHERE h.volunteer_id = v.volunteer_id), '')
         FROM volunteer v WHERE v.volunteer_id = $1",
    )
    .bind(volunteer_id.to_owned())
    .fetch_optional(db)
    .await
    .context("reading how a volunteer stands")?;
    let Some(row) = row.filter(|row| scope.allows(&row.get::<String, _>(0))) else { return Ok(None) };
    let few = |column: usize| i32::try_from(row.get::<i64, _>(column)).unwrap_or(i32::MAX);
    let standing = VolunteerStanding {
        volunteer: format!("volunteers/{volunteer_id}"),
        screened: row.get::<i64, _>(2) >= 0,
        cleared: row.get::<i64, _>(2) == 1,
        minutes: few(3),
        times: few(4),
        first_day: row.get(5),
        last_day: row.get(6),
    };
    Ok(Some((standing, row.get(1))))
}

/// Those of the compound first, then the others of the neighbourhood; of many the ones who have given least.
pub(crate) async fn available(
    db: &mut AnyConnection,
    (neighbourhood_id, compound_id): (&str, &str),
    most: i64,
) -> anyhow::Result<Vec<Helper>> {
    let rows = sqlx::query(
        "SELECT v.volunteer_id, v.resident_id, v.compound_id, v.building, v.skills, v.times,
           (SELECT CAST(COALESCE(SUM(h.minutes), 0) AS BIGINT) FROM helped h WHERE h.volunteer_id = v.volunteer_id) AS given
         FROM volunteer v JOIN screened s ON s.resident_id = v.resident_id AND s.clear = 1
           AND s.position = (SELECT MAX(l.position) FROM screened l WHERE l.resident_id = v.resident_id)
         WHERE v.neighbourhood_id = $1 AND v.retired = 0
         ORDER BY CASE WHEN v.compound_id = $2 THEN 0 ELSE 1 END, given, v.volunteer_id LIMIT $3",
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
impl Projection for Volunteers {
    fn name(&self) -> &'static str {
        "volunteers"
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
           times TEXT NOT NULL,
           retired BIGINT NOT NULL
         );
         CREATE INDEX volunteer_neighbourhood ON volunteer (neighbourhood_id, compound_id);
         CREATE TABLE screened (
           position BIGINT NOT NULL PRIMARY KEY,
           resident_id TEXT NOT NULL,
           clear BIGINT NOT NULL
         );
         CREATE INDEX screened_resident ON screened (resident_id, position);
         CREATE TABLE helped (
           position BIGINT NOT NULL PRIMARY KEY,
           volunteer_id TEXT NOT NULL,
           day TEXT NOT NULL,
           minutes BIGINT NOT NULL
         );
         CREATE INDEX helped_volunteer ON helped (volunteer_id, day);
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
                "INSERT INTO volunteer (volunteer_id, resident_id, neighbourhood_id, compound_id, building, skills, times, retired)
                 VALUES ($1, $2, $3, $4, '', '', '', 0)
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
            sqlx::query("UPDATE volunteer SET retired = 1 WHERE volunteer_id = $1")
                .bind(id)
                .execute(tables.now().await?)
                .await
                .context("noting that a volunteer retired")?;
            Ok(())
        }
        volunteer_event::Event::Served(_) | volunteer_event::Event::Thanked(_) => Ok(()),
    }
}

async fn profile(tables: &mut Tables<'_>, id: String, profile: VolunteerProfile) -> anyhow::Result<()> {
    let skills = profile.skills.iter().map(|skill| format!(",{skill},")).collect::<Vec<_>>().concat();
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

/// As for a pass: free by a clear verdict, or by two who set it by hand. The last verdict counts; each has a row, since rows
/// go into a table many at a time, and a wave of verdicts is told of all at once.
async fn screened(tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
    // The other facts of a case are large and say nothing here.
    if record.r#type != "case.assessed" {
        return Ok(());
    }
    let case_event::Event::Assessed(assessed) = case_event::Event::from_payload(&record.payload)? else {
        return Ok(());
    };
    let clear =
        matches!((assessed.outcome(), assessed.measure()), (Outcome::Clear, _) | (Outcome::Overridden, Measure::None));
    let position = i64::try_from(record.position).context("a position fits into 63 bits")?;
    let row = [
        ("position", Value::from(position)),
        ("resident_id", assessed.resident_id.into()),
        ("clear", i64::from(clear).into()),
    ];
    tables.put("screened", row).await
}

async fn helped(tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
    if record.r#type != "need.completed" {
        return Ok(());
    }
    let need_event::Event::Completed(done) = need_event::Event::from_payload(&record.payload)? else {
        return Ok(());
    };
    let Some(id) = done.responsible.strip_prefix("volunteers/") else { return Ok(()) };
    let at = done.time.as_ref().and_then(instant).unwrap_or_default();
    let position = i64::try_from(record.position).context("a position fits into 63 bits")?;
    let row = [
        ("position", Value::from(position)),
        ("volunteer_id", id.to_owned().into()),
        ("day", day_of(at).to_string().into()),
        ("minutes", i64::from(done.minutes).into()),
    ];
    tables.put("helped", row).await
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
