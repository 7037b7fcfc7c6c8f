//! What everybody has said and what was seen of them, person by person, so that all can be judged anew in one go: the same
//! ciphertexts that stand in the log, in another order. They are opened with the residents' own keys, and nothing of them
//! can be read once a key is destroyed.

use std::collections::HashMap;

use anyhow::Context as _;
use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD as BASE64};
use chassis::{Projection, Record, Scope, Tables};
use chrono::NaiveDate;
use prost::Message as _;
use proto::{
    Fact as _,
    event::v1::Sealed,
    registry::v1::Residence,
    screening::v1::{
        Honesty, Level, Measure, Outcome, StruckVisit, case,
        case_event::{Assessed, DisputeResolved, Event, EvidenceRecorded, PhonesChanged},
    },
};
use sqlx::{AnyConnection, Row as _, any::AnyRow};

use crate::domain::case::moved;

pub struct Papers;

/// What a paper is.
const DECLARATION: i64 = 1;
const EVIDENCE: i64 = 2;
const FINDING: i64 = 3;
const PHONES: i64 = 4;

#[async_trait]
impl Projection for Papers {
    fn name(&self) -> &'static str {
        "papers"
    }

    fn version(&self) -> u32 {
        2
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE paper (paper TEXT NOT NULL PRIMARY KEY, resident_id TEXT NOT NULL, neighbourhood_id TEXT NOT NULL,
           case_id TEXT NOT NULL, version BIGINT NOT NULL, kind BIGINT NOT NULL, content TEXT NOT NULL);
         CREATE INDEX paper_of_resident ON paper (resident_id, case_id, version)"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["screening"]
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        if record.category != Event::CATEGORY {
            return Ok(());
        }
        let (kind, content) = match Event::from_payload(&record.payload)? {
            Event::Declared(declared) => (DECLARATION, declared.declaration.unwrap_or_default().encode_to_vec()),
            Event::EvidenceRecorded(evidence) => (EVIDENCE, evidence.encode_to_vec()),
            // What was found stays sealed in the log: only what was struck is of use here.
            Event::DisputeResolved(resolved) if !resolved.struck.is_empty() => {
                (FINDING, DisputeResolved { struck: resolved.struck, ..DisputeResolved::default() }.encode_to_vec())
            }
            Event::PhonesChanged(changed) if !changed.for_the_next && !changed.former_places.is_empty() => {
                (PHONES, changed.encode_to_vec())
            }
            Event::DisputeResolved(_)
            | Event::Opened(_)
            | Event::Assessed(_)
            | Event::Disputed(_)
            | Event::DisputeEscalated(_)
            | Event::OverrideProposed(_)
            | Event::OverrideApproved(_)
            | Event::OverrideDeclined(_)
            | Event::OverrideEnded(_)
            | Event::PhonesChanged(_) => return Ok(()),
        };
        let row = [
            ("paper", format!("{}/{}", record.stream_id, record.version).into()),
            ("resident_id", record.subject_id.clone().into()),
            ("neighbourhood_id", record.office.clone().into()),
            ("case_id", record.stream_id.clone().into()),
            ("version", i64::try_from(record.version).context("a version fits into 63 bits")?.into()),
            ("kind", kind.into()),
            ("content", BASE64.encode(content).into()),
        ];
        tables.put("paper", row).await
    }
}

/// A case with a verdict, and what that rests on.
pub(crate) struct Filed {
    pub(crate) case_id: String,
    pub(crate) resident_id: String,
    pub(crate) residence: Residence,
    pub(crate) phones: i32,
    pub(crate) disputed: bool,
    /// Where its verdict stands in the log.
    pub(crate) position: i64,
    /// What it says, without its reasons.
    pub(crate) verdict: Assessed,
    /// The day for which the evidence was weighed.
    pub(crate) as_of: NaiveDate,
    pub(crate) declaration: Option<Sealed>,
    pub(crate) evidence: Vec<EvidenceRecorded>,
    pub(crate) struck: Vec<StruckVisit>,
    /// What stands here is no such record.
    pub(crate) damaged: bool,
}

/// Which cases are wanted.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) scope: Scope,
    /// Only verdicts that stand behind this position of the log.
    pub(crate) behind: i64,
}

/// Some residents with all their cases.
pub(crate) struct Page {
    /// The last resident looked at: the next page begins behind.
    pub(crate) to: String,
    pub(crate) cases: Vec<Filed>,
}

/// So many cases with a verdict, of whoever lives here.
pub(crate) async fn count(db: &mut AnyConnection) -> anyhow::Result<i64> {
    let row = sqlx::query(
        "SELECT COUNT(*) FROM screening_case WHERE outcome <> 0
           AND NOT EXISTS (SELECT 1 FROM departed WHERE departed.resident_id = screening_case.resident_id)",
    )
    .fetch_one(db)
    .await;
    Ok(row.context("counting cases")?.try_get(0)?)
}

/// The residents behind one, in the order of their ids, with about `limit` cases; `None` behind the last.
pub(crate) async fn page(
    db: &mut AnyConnection,
    wanted: &Wanted,
    after: &str,
    limit: i64,
) -> anyhow::Result<Option<Page>> {
    let neighbourhood = wanted.scope.neighbourhood().unwrap_or("").to_owned();
    let row = sqlx::query(
        "SELECT MAX(resident_id) FROM (SELECT resident_id FROM screening_case
           WHERE resident_id > $1 AND outcome <> 0 AND ($2 = '' OR neighbourhood_id = $2) AND assessed_position > $3
             AND NOT EXISTS (SELECT 1 FROM departed WHERE departed.resident_id = screening_case.resident_id)
           ORDER BY resident_id LIMIT $4) AS next_ones",
    )
    .bind(after.to_owned())
    .bind(neighbourhood.clone())
    .bind(wanted.behind)
    .bind(limit)
    .fetch_one(&mut *db)
    .await
    .context("looking for the next residents")?;
    let Some(to) = row.try_get::<Option<String>, _>(0)? else { return Ok(None) };
    let rows = sqlx::query(
        "SELECT case_id, resident_id, household_id, compound_id, neighbourhood_id, phones, state, outcome, risk, honesty, measure, method,
           last_exposure, as_of, assessed_position FROM screening_case
         WHERE resident_id > $1 AND resident_id <= $2 AND outcome <> 0 AND ($3 = '' OR neighbourhood_id = $3)
           AND assessed_position > $4
           AND NOT EXISTS (SELECT 1 FROM departed WHERE departed.resident_id = screening_case.resident_id)
         ORDER BY resident_id, case_id",
    )
    .bind(after.to_owned())
    .bind(to.clone())
    .bind(neighbourhood.clone())
    .bind(wanted.behind)
    .fetch_all(&mut *db)
    .await
    .context("reading cases")?;
    let mut cases = rows.iter().map(filed).collect::<anyhow::Result<Vec<_>>>()?;
    let rows = sqlx::query(
        "SELECT case_id, kind, content FROM paper
         WHERE resident_id > $1 AND resident_id <= $2 AND ($3 = '' OR neighbourhood_id = $3)
         ORDER BY resident_id, case_id, version",
    )
    .bind(after.to_owned())
    .bind(to.clone())
    .bind(neighbourhood)
    .fetch_all(db)
    .await
    .context("reading papers")?;
    let places: HashMap<String, usize> =
        cases.iter().enumerate().map(|(place, case)| (case.case_id.clone(), place)).collect();
    for row in &rows {
        // Papers of a case without a verdict are not wanted.
        let Some(place) = places.get(row.try_get::<&str, _>("case_id")?) else { continue };
        let taken = take(&mut cases[*place], row);
        cases[*place].damaged |= taken.is_err();
    }
    Ok(Some(Page { to, cases }))
}

fn take(case: &mut Filed, row: &AnyRow) -> anyhow::Result<()> {
    case.take(row.try_get("kind")?, &BASE64.decode(row.try_get::<&str, _>("content")?)?)
}

impl Filed {
    fn take(&mut self, kind: i64, content: &[u8]) -> anyhow::Result<()> {
        match kind {
            DECLARATION => self.declaration = Some(Sealed::decode(content)?),
            EVIDENCE => self.evidence.push(EvidenceRecorded::decode(content)?),
            PHONES => {
                let changed = PhonesChanged::decode(content)?;
                for evidence in &mut self.evidence {
                    evidence.phone = moved(evidence.phone, &changed);
                }
            }
            _ => self.struck.extend(DisputeResolved::decode(content)?.struck),
        }
        Ok(())
    }

    /// Everything that has to be opened for a judgement.
    pub(crate) fn sealed(&self) -> impl Iterator<Item = &Sealed> {
        self.declaration.iter().chain(self.evidence.iter().filter_map(|evidence| evidence.itinerary.as_ref()))
    }
}

fn filed(row: &AnyRow) -> anyhow::Result<Filed> {
    let number = |column: &str| -> anyhow::Result<i32> { Ok(i32::try_from(row.try_get::<i64, _>(column)?)?) };
    let as_of: &str = row.try_get("as_of")?;
    let day: Option<NaiveDate> = as_of.parse().ok();
    let verdict = Assessed {
        outcome: Outcome::try_from(number("outcome")?).unwrap_or_default().into(),
        risk: Level::try_from(number("risk")?).unwrap_or_default().into(),
        honesty: Honesty::try_from(number("honesty")?).unwrap_or_default().into(),
        measure: Measure::try_from(number("measure")?).unwrap_or_default().into(),
        method_version: row.try_get("method")?,
        last_exposure: row.try_get("last_exposure")?,
        as_of: as_of.to_owned(),
        ..Assessed::default()
    };
    Ok(Filed {
        case_id: row.try_get("case_id")?,
        resident_id: row.try_get("resident_id")?,
        residence: Residence {
            neighbourhood_id: row.try_get("neighbourhood_id")?,
            compound_id: row.try_get("compound_id")?,
            household_id: row.try_get("household_id")?,
        },
        phones: number("phones")?,
        position: row.try_get("assessed_position")?,
        disputed: number("state")? == case::State::Disputed as i32,
        verdict,
        as_of: day.unwrap_or_default(),
        declaration: None,
        evidence: Vec::new(),
        struck: Vec::new(),
        damaged: day.is_none(),
    })
}
