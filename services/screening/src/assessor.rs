//! Opens what a verdict needs, has it judged by the pure function, and seals the reasons. It decides nothing: whoever asked
//! appends the verdict only on the version of the case that was opened here.

use std::sync::Arc;

use chassis::{Failure, Ledger, Refuse as _, Vault};
use chrono::NaiveDate;
use proto::{
    event::v1::Sealed,
    screening::v1::{
        Declaration, Itinerary, Reasons, StruckVisit,
        case_event::{Assessed, EvidenceRecorded},
    },
};

use crate::{
    domain::{
        case::{Case, Refused},
        method::Method,
        vocabulary::{self, Vocabulary},
    },
    messages,
    places::Learned,
    verdict::{Judgement, Person, Rules, judge_with},
};

#[derive(Clone)]
pub(crate) struct Assessor {
    pub(crate) ledger: Ledger,
    pub(crate) vault: Vault,
}

/// What a command adds to the case that it judges.
#[derive(Default)]
pub(crate) struct Addition<'a> {
    pub(crate) scan: Option<(&'a EvidenceRecorded, Option<&'a Itinerary>)>,
    pub(crate) struck: &'a [StruckVisit],
}

impl Assessor {
    /// The verdict on a case with this addition, under these rules; `as_of` is the day for which the evidence is weighed.
    pub(crate) async fn assess(
        &self,
        case: &Case,
        addition: Addition<'_>,
        rules: &Rules,
        as_of: NaiveDate,
    ) -> Result<Assessed, Failure> {
        let opened = case.opened().ok_or_else(|| refused(Refused::NotFound))?;
        let declaration = case.declaration().ok_or_else(|| refused(Refused::NotDeclared))?;
        let struck = [case.struck(), addition.struck].concat();
        let mut person = self.person(as_of, case.phones(), declaration, case.evidence(), &struck).await?;
        let mut evidence_ids: Vec<String> =
            case.evidence().iter().map(|evidence| evidence.evidence_id.clone()).collect();
        if let Some((evidence, itinerary)) = addition.scan {
            person.scans.push(messages::scan(evidence, itinerary, &struck)?);
            evidence_ids.push(evidence.evidence_id.clone());
        }
        let (learned, sequence) = self.learned().await?;
        let judgement = judge_with(&person, rules, &learned);
        let reasons = messages::reasons(&judgement, &evidence_ids, &person.scans);
        Ok(Assessed {
            resident_id: opened.resident_id.clone(),
            residence: opened.residence.clone(),
            evidence_ids,
            reasons: Some(self.vault.seal(&opened.resident_id, &reasons).await?),
            again: case.verdict().is_some(),
            vocabulary: sequence,
            ..figures(&judgement, rules, as_of)
        })
    }

    /// All that was said and seen, opened. Refused where the person's data were erased.
    pub(crate) async fn person(
        &self,
        as_of: NaiveDate,
        phones: i32,
        declaration: &Sealed,
        evidence: &[EvidenceRecorded],
        struck: &[StruckVisit],
    ) -> Result<Person, Failure> {
        let declaration: Declaration = self.open(declaration).await?;
        let mut scans = Vec::with_capacity(evidence.len());
        for evidence in evidence {
            let itinerary: Option<Itinerary> = match &evidence.itinerary {
                Some(sealed) => Some(self.open(sealed).await?),
                None => None,
            };
            scans.push(messages::scan(evidence, itinerary.as_ref(), struck)?);
        }
        let phones = usize::try_from(phones).unwrap_or_default();
        Ok(Person { as_of, phones, stays: messages::stays(&declaration)?, scans })
    }

    /// What people have decided about names, and its sequence.
    pub(crate) async fn learned(&self) -> Result<(Arc<Learned>, i64), Failure> {
        let (vocabulary, _) = self.ledger.load::<Vocabulary>(vocabulary::STREAM).await?;
        Ok((Arc::clone(vocabulary.learned()), vocabulary.sequence()))
    }

    /// What a version of the method compares with.
    pub(crate) async fn rules(&self, version: &str) -> Result<Rules, Failure> {
        let (method, _) = self.ledger.load::<Method>(version).await?;
        let content = method.content().ok_or_else(|| refused(Refused::NoMethod))?;
        Ok(messages::rules(version, content)?)
    }

    /// The reasons of a verdict; `None` where the person's data were erased.
    pub(crate) async fn reasons(&self, verdict: &Assessed) -> Result<Option<Reasons>, Failure> {
        match &verdict.reasons {
            Some(sealed) => self.vault.reveal(sealed).await,
            None => Ok(None),
        }
    }

    async fn open<M: prost::Message + prost::Name + Default>(&self, sealed: &Sealed) -> Result<M, Failure> {
        self.vault.reveal(sealed).await?.ok_or_else(|| refused(Refused::Erased))
    }
}

/// What a judgement says without its reasons.
pub(crate) fn figures(judgement: &Judgement, rules: &Rules, as_of: NaiveDate) -> Assessed {
    Assessed {
        outcome: judgement.outcome.into(),
        risk: judgement.risk.into(),
        honesty: judgement.honesty.into(),
        measure: judgement.measure.into(),
        method_version: rules.version.clone(),
        last_exposure: judgement.last_exposure.map(|day| day.to_string()).unwrap_or_default(),
        as_of: as_of.to_string(),
        ..Assessed::default()
    }
}

pub(crate) fn refused(refusal: Refused) -> Failure {
    Failure::Refused(refusal.refusal())
}
