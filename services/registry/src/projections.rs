//! What the registry shows. Personal fields stay sealed in these tables too and are opened and masked on reading; they are
//! found by blind index. Every query takes the caller's `Scope` and sees nothing outside it.

/// Compounds with their gates and regime.
pub(crate) mod compounds;
/// Who put right what is known of whom.
pub(crate) mod corrections;
/// How many households were visited, which wait.
pub(crate) mod coverage;
/// Grids and the buildings in them.
pub(crate) mod grids;
/// Households in the order of their doors.
pub(crate) mod households;
/// Who is to be watched.
pub(crate) mod key_persons;
/// Neighbourhoods by id.
pub(crate) mod neighbourhoods;
/// People found at a door whom nobody knew.
pub(crate) mod occupants;
/// A whole neighbourhood in one go.
pub(crate) mod register;
/// Residents in the order of their doors, and by blind index.
pub(crate) mod residents;
/// Who looked at whom.
pub(crate) mod reveals;
/// Weeks of duties, and gaps in them.
pub(crate) mod rosters;
/// What is to be done again and again, and was.
pub(crate) mod rounds;
/// Staff of a neighbourhood.
pub(crate) mod staff;
/// Visits, and when households and residents were last met.
pub(crate) mod visits;
/// Residents who help, and what they have given.
pub(crate) mod volunteers;

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use chassis::{Projection, Record, Scope, Vault, page};
use prost::Message as _;
use proto::{Fact, event::v1::Sealed, registry::v1::Door};
use sqlx::{
    Any, Row as _,
    any::{AnyArguments, AnyRow},
    query::Query,
};

/// The service's own log is all that most of them are made of.
const SOURCES: &[&str] = &["registry"];

pub(crate) fn all(vault: &Vault) -> Vec<Box<dyn Projection>> {
    vec![
        Box::new(neighbourhoods::Neighbourhoods),
        Box::new(compounds::Compounds),
        Box::new(grids::Grids),
        // Residents look up where their household stands in the order of the doors.
        Box::new(households::Households),
        Box::new(residents::Residents { vault: vault.clone() }),
        Box::new(reveals::Reveals),
        Box::new(corrections::Corrections),
        Box::new(staff::StaffMembers),
        Box::new(visits::VisitsMade),
        Box::new(occupants::Occupants),
        Box::new(key_persons::KeyPersons),
        Box::new(volunteers::Volunteers),
        Box::new(rosters::Rosters),
        Box::new(rounds::Rounds),
    ]
}

/// One page of a list, and the token of the next; empty after the last.
pub(crate) struct Page<T> {
    pub(crate) rows: Vec<T>,
    pub(crate) next: String,
}

/// What a list is asked for.
pub(crate) struct Asked {
    /// The key after which the page begins.
    after: String,
    size: i64,
}

impl Asked {
    pub(crate) fn new(page_size: i32, page_token: &str) -> Result<Self, tonic::Status> {
        Ok(Self { after: page::after(page_token)?, size: page::size(page_size) })
    }

    /// With no more rows on a page than this.
    pub(crate) fn at_most(self, rows: i64) -> Self {
        Self { size: self.size.min(rows), ..self }
    }

    /// The key after which the page begins; empty for the first one.
    pub(crate) fn after(&self) -> &str {
        &self.after
    }

    /// The same for a list whose keys are positions, the newest first. Another list's token leads nowhere, never to the first
    /// page again.
    fn before(&self) -> i64 {
        if self.after.is_empty() { i64::MAX } else { self.after.parse().unwrap_or(0) }
    }

    /// The same, the oldest first.
    fn beyond(&self) -> i64 {
        if self.after.is_empty() { 0 } else { self.after.parse().unwrap_or(i64::MAX) }
    }

    /// How many rows a page has.
    pub(crate) fn most(&self) -> usize {
        usize::try_from(self.size).unwrap_or(usize::MAX)
    }

    /// Of one row more than the page has, which says whether there is a next one.
    pub(crate) fn page<T>(&self, mut rows: Vec<(String, T)>) -> Page<T> {
        let more = rows.len() > self.most();
        rows.truncate(self.most());
        let next = rows.last().filter(|_| more).map(|(key, _)| page::token_after(key)).unwrap_or_default();
        Page { rows: rows.into_iter().map(|(_, row)| row).collect(), next }
    }
}

/// A scope as conditions: an empty text binds nothing.
struct Reach {
    neighbourhood: String,
    compound: String,
    resident: String,
}

impl From<&Scope> for Reach {
    fn from(scope: &Scope) -> Self {
        let neighbourhood = scope.neighbourhood().unwrap_or_default().to_owned();
        let (compound, resident) = match scope {
            Scope::Gate { compound, .. } => (compound.clone(), String::new()),
            Scope::Own { resident, .. } => (String::new(), resident.clone()),
            Scope::Everywhere | Scope::Neighbourhood(_) | Scope::Nobody => (String::new(), String::new()),
        };
        Self { neighbourhood, compound, resident }
    }
}

/// A part of what the caller may see; empty texts bind nothing.
#[derive(Default)]
pub(crate) struct Within {
    pub(crate) neighbourhood: String,
    pub(crate) compound: String,
}

/// Matches no id: a resident sees no list of others' things.
const NONE: &str = "\u{1}";

impl Reach {
    /// Neighbourhood and compound, for what is nobody's own.
    fn places(self) -> (String, String) {
        if self.resident.is_empty() { (self.neighbourhood, self.compound) } else { (NONE.to_owned(), NONE.to_owned()) }
    }

    /// Neighbourhood and resident, for what is about a person: none of a gate's business.
    fn people(self) -> (String, String) {
        if self.compound.is_empty() { (self.neighbourhood, self.resident) } else { (NONE.to_owned(), NONE.to_owned()) }
    }
}

/// The event in a record, where it is one of this aggregate.
fn event<E: Fact>(record: &Record) -> anyhow::Result<Option<E>> {
    if record.category != E::CATEGORY {
        return Ok(None);
    }
    E::from_payload(&record.payload).map(Some).with_context(|| format!("reading a {}", record.r#type))
}

fn position(record: &Record) -> anyhow::Result<i64> {
    i64::try_from(record.position).context("a position beyond the tables")
}

fn version(record: &Record) -> i64 {
    i64::try_from(record.version).unwrap_or(i64::MAX)
}

/// Of a row with the columns household, compound, building, unit, room.
fn door(row: &AnyRow) -> Result<Door, sqlx::Error> {
    let text = |column: &str| row.try_get::<String, _>(column);
    Ok(Door {
        household: format!("households/{}", text("household")?),
        compound: format!("compounds/{}", text("compound")?),
        building: text("building")?,
        unit: text("unit")?,
        room: text("room")?,
    })
}

fn written(sealed: Option<&Sealed>) -> String {
    sealed.map(|sealed| STANDARD_NO_PAD.encode(sealed.encode_to_vec())).unwrap_or_default()
}

fn sealed(written: &str) -> anyhow::Result<Option<Sealed>> {
    if written.is_empty() {
        return Ok(None);
    }
    let bytes = STANDARD_NO_PAD.decode(written).context("reading a sealed text")?;
    Ok(Some(Sealed::decode(&*bytes).context("reading a sealed message")?))
}

/// A blind index as text.
pub(crate) fn index(blind: [u8; 32]) -> String {
    STANDARD_NO_PAD.encode(blind)
}

/// Rows change only in the tables of this service: every statement is a constant.
fn statement(sql: &'static str) -> Query<'static, Any, AnyArguments> {
    sqlx::query(sql)
}
