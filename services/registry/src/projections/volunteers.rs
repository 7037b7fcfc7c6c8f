//! Who helps, and what was recorded that they gave? Whether they may, and what they gave to needs, is isolation's to know.

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Scope, Tables, Value};
use proto::{
    event::v1::Sealed,
    isolation::v1::VolunteerStanding,
    registry::v1::{Volunteer, volunteer_event::Event},
};
use sqlx::{AnyConnection, Row as _, any::AnyRow};

use super::{Asked, Page, Reach, SOURCES, Within, event, position, sealed, statement};

pub(crate) struct Volunteers;

/// A volunteer whose person is still sealed; the profile is the stream's.
pub(crate) struct Stored {
    pub(crate) id: String,
    pub(crate) volunteer: Volunteer,
    pub(crate) person: Option<Sealed>,
}

/// What somebody has given.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    pub(crate) minutes: i32,
    pub(crate) times: i32,
    /// ISO dates.
    pub(crate) first: String,
    pub(crate) last: String,
}

impl Given {
    /// With what they gave to needs.
    pub(crate) fn with(&self, standing: &VolunteerStanding) -> Self {
        let days = || {
            [&self.first, &self.last, &standing.first_day, &standing.last_day].into_iter().filter(|day| !day.is_empty())
        };
        Self {
            minutes: self.minutes.saturating_add(standing.minutes),
            times: self.times.saturating_add(standing.times),
            first: days().min().cloned().unwrap_or_default(),
            last: days().max().cloned().unwrap_or_default(),
        }
    }
}

/// Of a neighbourhood or a compound, or of all.
pub(crate) async fn list(
    db: &mut AnyConnection,
    scope: &Scope,
    within: &Within,
    going_on_only: bool,
    asked: &Asked,
) -> anyhow::Result<Page<Stored>> {
    let (reach, own) = Reach::from(scope).people();
    let rows = statement(
        "SELECT v.id, v.resident, v.neighbourhood, v.compound, v.retired, COALESCE(r.person, '') AS person,
            (SELECT CAST(COALESCE(SUM(g.minutes), 0) AS BIGINT) FROM registry_given g WHERE g.volunteer = v.id) AS minutes,
            (SELECT COUNT(*) FROM registry_given g WHERE g.volunteer = v.id) AS times
         FROM registry_volunteer v LEFT JOIN registry_resident r ON r.id = v.resident
         WHERE v.id > $1 AND ($2 = '' OR v.neighbourhood = $2) AND ($3 = '' OR v.neighbourhood = $3)
           AND ($4 = '' OR v.compound = $4) AND ($5 = '' OR v.resident = $5)
           AND ($6 = 0 OR v.retired = 0)
         ORDER BY v.id LIMIT $7",
    )
    .bind(asked.after().to_owned())
    .bind(reach)
    .bind(within.neighbourhood.clone())
    .bind(within.compound.clone())
    .bind(own)
    .bind(i64::from(going_on_only))
    .bind(asked.size + 1)
    .fetch_all(db)
    .await
    .context("reading volunteers")?;
    Ok(asked.page(rows.iter().map(read).collect::<anyhow::Result<_>>()?))
}

/// What was recorded; the caller's reach was checked on the stream.
pub(crate) async fn given(db: &mut AnyConnection, volunteer: &str) -> anyhow::Result<Given> {
    let row = statement(
        "SELECT CAST(COALESCE(SUM(minutes), 0) AS BIGINT), COUNT(*), COALESCE(MIN(day), ''), COALESCE(MAX(day), '')
         FROM registry_given WHERE volunteer = $1",
    )
    .bind(volunteer.to_owned())
    .fetch_one(db)
    .await
    .context("adding up what a volunteer gave")?;
    Ok(Given { minutes: few(row.get(0)), times: few(row.get(1)), first: row.get(2), last: row.get(3) })
}

fn few(number: i64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn read(row: &AnyRow) -> anyhow::Result<(String, Stored)> {
    let text = |column: &str| row.try_get::<String, _>(column);
    let number = |column: &str| row.try_get::<i64, _>(column);
    let id = text("id")?;
    let volunteer = Volunteer {
        name: format!("volunteers/{id}"),
        resident: format!("residents/{}", text("resident")?),
        neighbourhood: format!("neighbourhoods/{}", text("neighbourhood")?),
        compound: format!("compounds/{}", text("compound")?),
        minutes: few(number("minutes")?),
        times: few(number("times")?),
        retired: number("retired")? == 1,
        ..Volunteer::default()
    };
    Ok((id.clone(), Stored { id, volunteer, person: sealed(&text("person")?)? }))
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
        "CREATE TABLE registry_volunteer (
            id TEXT PRIMARY KEY,
            resident TEXT NOT NULL,
            neighbourhood TEXT NOT NULL,
            compound TEXT NOT NULL,
            retired BIGINT NOT NULL
        );
        CREATE INDEX registry_volunteer_neighbourhood ON registry_volunteer (neighbourhood, id);
        CREATE TABLE registry_given (
            position BIGINT PRIMARY KEY,
            volunteer TEXT NOT NULL,
            day TEXT NOT NULL,
            minutes BIGINT NOT NULL
        );
        CREATE INDEX registry_given_volunteer ON registry_given (volunteer, day)"
    }

    fn sources(&self) -> &'static [&'static str] {
        SOURCES
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        match event::<Event>(record)? {
            Some(Event::Enrolled(enrolled)) => {
                let residence = enrolled.residence.unwrap_or_default();
                statement(
                "INSERT INTO registry_volunteer (id, resident, neighbourhood, compound, retired) VALUES ($1, $2, $3, $4, 0)
                 ON CONFLICT (id) DO UPDATE SET compound = excluded.compound",
            )
            .bind(record.stream_id.clone())
            .bind(enrolled.resident_id)
            .bind(residence.neighbourhood_id)
            .bind(residence.compound_id)
            .execute(tables.now().await?)
            .await
            .context("writing a volunteer")?;
                Ok(())
            }
            Some(Event::Served(served)) => {
                let row = [
                    ("position", Value::from(position(record)?)),
                    ("volunteer", record.stream_id.clone().into()),
                    ("day", served.date.into()),
                    ("minutes", i64::from(served.minutes).into()),
                ];
                tables.put("registry_given", row).await
            }
            Some(Event::Retired(_)) => {
                statement("UPDATE registry_volunteer SET retired = 1 WHERE id = $1")
                    .bind(record.stream_id.clone())
                    .execute(tables.now().await?)
                    .await
                    .context("writing that a volunteer retired")?;
                Ok(())
            }
            None | Some(Event::Changed(_) | Event::Thanked(_)) => Ok(()),
        }
    }
}
