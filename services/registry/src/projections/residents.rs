//! Who lives behind which door, and whose phone or document is this?

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Scope, Tables, Vault};
use proto::{
    event::v1::Sealed,
    registry::v1::{
        Person, Resident,
        resident_event::{Corrected, Event, Registered},
    },
};
use sqlx::{AnyConnection, Row as _, any::AnyRow};

use super::{Asked, Page, Reach, SOURCES, Within, event, index, position, sealed, statement, version, written};
use crate::{keys, place::Door};

/// Opens the sealed person for as long as it takes to make the blind indexes.
pub(crate) struct Residents {
    pub(crate) vault: Vault,
}

/// A resident whose person is still sealed.
pub(crate) struct Stored {
    pub(crate) resident: Resident,
    pub(crate) person: Option<Sealed>,
}

#[async_trait]
impl Projection for Residents {
    fn name(&self) -> &'static str {
        "residents"
    }

    fn version(&self) -> u32 {
        3
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE registry_resident (
            id TEXT PRIMARY KEY,
            neighbourhood TEXT NOT NULL,
            compound TEXT NOT NULL,
            household TEXT NOT NULL,
            person TEXT NOT NULL,
            document_index TEXT NOT NULL,
            moved_out BIGINT NOT NULL,
            merged_into TEXT NOT NULL,
            erased BIGINT NOT NULL,
            door TEXT NOT NULL,
            version BIGINT NOT NULL,
            changed BIGINT NOT NULL
        );
        CREATE INDEX registry_resident_changed ON registry_resident (neighbourhood, changed);
        CREATE INDEX registry_resident_door ON registry_resident (door);
        CREATE INDEX registry_resident_compound ON registry_resident (compound, door);
        CREATE INDEX registry_resident_household ON registry_resident (household, door);
        CREATE INDEX registry_resident_document ON registry_resident (document_index);
        CREATE TABLE registry_phone (
            resident TEXT NOT NULL,
            phone_index TEXT NOT NULL,
            PRIMARY KEY (resident, phone_index)
        );
        CREATE INDEX registry_phone_index ON registry_phone (phone_index)"
    }

    fn sources(&self) -> &'static [&'static str] {
        SOURCES
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        let db = tables.now().await?;
        match event::<Event>(record)? {
            None => return Ok(()),
            Some(Event::Registered(registered)) => self.register(db, record, registered).await?,
            Some(Event::MovedOut(_)) => {
                change(db, "UPDATE registry_resident SET moved_out = 1 WHERE id = $1", record).await?;
            }
            Some(Event::Revealed(_)) => {}
            Some(Event::Corrected(corrected)) => self.correct(db, record, &corrected).await?,
            // For every list they are as good as moved out.
            Some(Event::Merged(merged)) => {
                statement("UPDATE registry_resident SET moved_out = 1, merged_into = $2 WHERE id = $1")
                    .bind(record.stream_id.clone())
                    .bind(merged.into_resident_id)
                    .execute(&mut *db)
                    .await
                    .context("merging a resident")?;
            }
            Some(Event::Unmerged(_)) => {
                change(db, "UPDATE registry_resident SET moved_out = 0, merged_into = '' WHERE id = $1", record)
                    .await?;
            }
            Some(Event::Erased(_)) => {
                let erase = "UPDATE registry_resident SET erased = 1, person = '', document_index = '' WHERE id = $1";
                change(db, erase, record).await?;
                change(db, "DELETE FROM registry_phone WHERE resident = $1", record).await?;
            }
        }
        statement("UPDATE registry_resident SET version = $2, changed = $3 WHERE id = $1")
            .bind(record.stream_id.clone())
            .bind(version(record))
            .bind(position(record)?)
            .execute(db)
            .await
            .context("writing a resident's version")?;
        Ok(())
    }
}

impl Residents {
    async fn correct(&self, db: &mut AnyConnection, record: &Record, corrected: &Corrected) -> anyhow::Result<()> {
        let person = self.opened(corrected.person.as_ref()).await?;
        let document = person.document.as_ref().and_then(|document| keys::document_index(&self.vault, document));
        statement("UPDATE registry_resident SET person = $2, document_index = $3 WHERE id = $1")
            .bind(record.stream_id.clone())
            .bind(written(corrected.person.as_ref()))
            .bind(document.map(index).unwrap_or_default())
            .execute(&mut *db)
            .await
            .context("correcting a resident")?;
        change(db, "DELETE FROM registry_phone WHERE resident = $1", record).await?;
        self.phones(db, record, &person).await
    }

    /// Without a key the person was erased later on: there is nothing to find them by.
    async fn opened(&self, sealed: Option<&Sealed>) -> anyhow::Result<Person> {
        match sealed {
            Some(sealed) => Ok(self.vault.reveal::<Person>(sealed).await?.unwrap_or_default()),
            None => Ok(Person::default()),
        }
    }

    async fn phones(&self, db: &mut AnyConnection, record: &Record, person: &Person) -> anyhow::Result<()> {
        for phone in &person.phones {
            statement("INSERT INTO registry_phone (resident, phone_index) VALUES ($1, $2) ON CONFLICT DO NOTHING")
                .bind(record.stream_id.clone())
                .bind(index(keys::phone_index(&self.vault, phone)))
                .execute(&mut *db)
                .await
                .context("writing a resident's phone")?;
        }
        Ok(())
    }

    async fn register(&self, db: &mut AnyConnection, record: &Record, registered: Registered) -> anyhow::Result<()> {
        let residence = registered.residence.unwrap_or_default();
        let person = self.opened(registered.person.as_ref()).await?;
        let document = person.document.as_ref().and_then(|document| keys::document_index(&self.vault, document));
        let door = door(db, &residence.household_id).await?;
        statement(
            "INSERT INTO registry_resident
                (id, neighbourhood, compound, household, person, document_index, moved_out, merged_into, erased, door,
                 version, changed)
             VALUES ($1, $2, $3, $4, $5, $6, 0, '', 0, $7, $8, $9)
             ON CONFLICT (id) DO UPDATE SET version = excluded.version",
        )
        .bind(record.stream_id.clone())
        .bind(residence.neighbourhood_id)
        .bind(residence.compound_id)
        .bind(residence.household_id)
        .bind(written(registered.person.as_ref()))
        .bind(document.map(index).unwrap_or_default())
        .bind(format!("{door}/{}", record.stream_id))
        .bind(version(record))
        .bind(position(record)?)
        .execute(&mut *db)
        .await
        .context("writing a resident")?;
        self.phones(db, record, &person).await
    }
}

async fn change(db: &mut AnyConnection, sql: &'static str, record: &Record) -> anyhow::Result<()> {
    statement(sql).bind(record.stream_id.clone()).execute(db).await.context("changing a resident")?;
    Ok(())
}

async fn door(db: &mut AnyConnection, household: &str) -> anyhow::Result<String> {
    let row = statement("SELECT door FROM registry_household WHERE id = $1")
        .bind(household.to_owned())
        .fetch_optional(db)
        .await
        .context("reading a household's door")?;
    Ok(row.map(|row| row.try_get("door")).transpose()?.unwrap_or_default())
}

/// A resident's row with the door of their household.
macro_rules! select {
    ($condition:literal) => {
        concat!(
            "SELECT r.id, r.neighbourhood, r.compound, r.household, r.person, r.moved_out, r.merged_into, r.erased, r.door,
                r.version,
                h.building, h.unit, h.room
             FROM registry_resident r JOIN registry_household h ON h.id = r.household ",
            $condition
        )
    };
}

/// Whose home is asked for; empty texts bind nothing.
#[derive(Default)]
pub(crate) struct Home {
    pub(crate) compound: String,
    pub(crate) household: String,
}

/// The residents of a compound or a household, or of all, in the order of their doors.
pub(crate) async fn list(
    db: &mut AnyConnection,
    scope: &Scope,
    home: Home,
    asked: &Asked,
) -> anyhow::Result<Page<Stored>> {
    let (within, own) = Reach::from(scope).people();
    let rows = statement(select!(
        "WHERE ($1 = '' OR r.neighbourhood = $1) AND ($2 = '' OR r.id = $2) AND ($3 = '' OR r.compound = $3)
           AND ($4 = '' OR r.household = $4) AND r.door > $5 ORDER BY r.door LIMIT $6"
    ))
    .bind(within)
    .bind(own)
    .bind(home.compound)
    .bind(home.household)
    .bind(asked.after.clone())
    .bind(asked.size + 1)
    .fetch_all(db)
    .await
    .context("reading residents")?;
    Ok(asked.page(rows.iter().map(read).collect::<anyhow::Result<_>>()?))
}

pub(crate) async fn get(db: &mut AnyConnection, scope: &Scope, id: &str) -> anyhow::Result<Option<Stored>> {
    let (within, own) = Reach::from(scope).people();
    let row = statement(select!("WHERE ($1 = '' OR r.neighbourhood = $1) AND ($2 = '' OR r.id = $2) AND r.id = $3"))
        .bind(within)
        .bind(own)
        .bind(id.to_owned())
        .fetch_optional(db)
        .await
        .context("reading a resident")?;
    row.as_ref().map(|row| read(row).map(|(_, stored)| stored)).transpose()
}

/// Who has this phone or this document, in the order of the doors. An empty index finds nobody.
pub(crate) async fn find(
    db: &mut AnyConnection,
    scope: &Scope,
    (phone_index, document_index): (&str, &str),
    place: &Within,
    asked: &Asked,
) -> anyhow::Result<Page<Stored>> {
    let (within, own) = Reach::from(scope).people();
    let rows = statement(select!(
        "WHERE ($1 = '' OR r.neighbourhood = $1) AND ($2 = '' OR r.id = $2)
           AND (($3 <> '' AND r.id IN (SELECT resident FROM registry_phone WHERE phone_index = $3))
             OR ($4 <> '' AND r.document_index = $4))
           AND ($5 = '' OR r.neighbourhood = $5) AND ($6 = '' OR r.compound = $6) AND r.door > $7
         ORDER BY r.door LIMIT $8"
    ))
    .bind(within)
    .bind(own)
    .bind(phone_index.to_owned())
    .bind(document_index.to_owned())
    .bind(place.neighbourhood.clone())
    .bind(place.compound.clone())
    .bind(asked.after.clone())
    .bind(asked.size + 1)
    .fetch_all(db)
    .await
    .context("finding residents")?;
    Ok(asked.page(rows.iter().map(read).collect::<anyhow::Result<_>>()?))
}

/// Who lives behind a door, in the order of the doors; without a building or a unit, behind every door of this room.
pub(crate) async fn behind(
    db: &mut AnyConnection,
    scope: &Scope,
    door: &Door,
    place: &Within,
    asked: &Asked,
) -> anyhow::Result<Page<Stored>> {
    let (within, own) = Reach::from(scope).people();
    let rows = statement(select!(
        "WHERE ($1 = '' OR r.neighbourhood = $1) AND ($2 = '' OR r.id = $2)
           AND h.room = $3 AND ($4 = '' OR h.unit = $4) AND ($5 = '' OR h.building = $5)
           AND ($6 = '' OR r.neighbourhood = $6) AND ($7 = '' OR r.compound = $7) AND r.door > $8
         ORDER BY r.door LIMIT $9"
    ))
    .bind(within)
    .bind(own)
    .bind(door.room.clone())
    .bind(door.unit.clone())
    .bind(door.building.clone())
    .bind(place.neighbourhood.clone())
    .bind(place.compound.clone())
    .bind(asked.after.clone())
    .bind(asked.size + 1)
    .fetch_all(db)
    .await
    .context("finding residents by their door")?;
    Ok(asked.page(rows.iter().map(read).collect::<anyhow::Result<_>>()?))
}

/// A row as it was after a change.
pub(crate) struct Changed {
    pub(crate) id: String,
    pub(crate) door: String,
    pub(crate) person: Option<Sealed>,
    /// Of the change, in the log.
    pub(crate) position: i64,
}

/// The rows of a neighbourhood that changed after a position of the log, in the order of their last changes.
pub(crate) async fn changed(
    db: &mut AnyConnection,
    neighbourhood: &str,
    after: i64,
    most: i64,
) -> anyhow::Result<Vec<Changed>> {
    let rows = statement(
        "SELECT id, door, person, changed FROM registry_resident
         WHERE neighbourhood = $1 AND changed > $2 ORDER BY changed LIMIT $3",
    )
    .bind(neighbourhood.to_owned())
    .bind(after)
    .bind(most)
    .fetch_all(db)
    .await
    .context("reading residents that have changed")?;
    let change = |row: &AnyRow| {
        let person = sealed(&row.try_get::<String, _>("person")?)?;
        Ok(Changed { id: row.try_get("id")?, door: row.try_get("door")?, person, position: row.try_get("changed")? })
    };
    rows.iter().map(change).collect()
}

fn read(row: &AnyRow) -> anyhow::Result<(String, Stored)> {
    let text = |column: &str| row.try_get::<String, _>(column);
    let number = |column: &str| row.try_get::<i64, _>(column);
    let merged_into = text("merged_into")?;
    let resident = Resident {
        name: format!("residents/{}", text("id")?),
        household: format!("households/{}", text("household")?),
        compound: format!("compounds/{}", text("compound")?),
        neighbourhood: format!("neighbourhoods/{}", text("neighbourhood")?),
        moved_out: number("moved_out")? != 0 && merged_into.is_empty(),
        erased: number("erased")? != 0,
        etag: number("version")?.to_string(),
        building: text("building")?,
        unit: text("unit")?,
        room: text("room")?,
        merged_into: if merged_into.is_empty() { merged_into } else { format!("residents/{merged_into}") },
        ..Resident::default()
    };
    Ok((text("door")?, Stored { resident, person: sealed(&text("person")?)? }))
}
