//! Opens what a verdict needs, has it judged by the pure function, and seals the reasons. It decides nothing: whoever asked
//! appends the verdict only on the version of the case that was opened here.

use chassis::{Failure, Ledger, Refuse as _, Vault, day_of};
use chrono::{DateTime, Utc};
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
    },
    messages,
    verdict::{Person, Rules, judge},
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
    /// The verdict on a case with this addition, under this version of the method, on the day of `now`.
    pub(crate) async fn assess(
        &self,
        case: &Case,
        addition: Addition<'_>,
        version: &str,
        now: DateTime<Utc>,
    ) -> Result<Assessed, Failure> {
        let opened = case.opened().ok_or_else(|| refused(Refused::NotFound))?;
        let declaration = case.declaration().ok_or_else(|| refused(Refused::NotDeclared))?;
        let declaration: Declaration = self.open(declaration).await?;
        let rules = self.rules(version).await?;

        let struck = [case.struck(), addition.struck].concat();
        let mut evidence_ids = Vec::new();
        let mut scans = Vec::new();
        for evidence in case.evidence() {
            let itinerary: Option<Itinerary> = match &evidence.itinerary {
                Some(sealed) => Some(self.open(sealed).await?),
                None => None,
            };
            scans.push(messages::scan(evidence, itinerary.as_ref(), &struck)?);
            evidence_ids.push(evidence.evidence_id.clone());
        }
        if let Some((evidence, itinerary)) = addition.scan {
            scans.push(messages::scan(evidence, itinerary, &struck)?);
            evidence_ids.push(evidence.evidence_id.clone());
        }
        let person = Person {
            as_of: day_of(now),
            phones: usize::try_from(opened.phones).unwrap_or_default(),
            stays: messages::stays(&declaration)?,
            scans,
        };
        let judgement = judge(&person, &rules);
        let reasons = messages::reasons(&judgement, &evidence_ids, &person.scans);
        Ok(Assessed {
            resident_id: opened.resident_id.clone(),
            residence: opened.residence.clone(),
            outcome: judgement.outcome.into(),
            risk: judgement.risk.into(),
            honesty: judgement.honesty.into(),
            measure: judgement.measure.into(),
            method_version: rules.version,
            evidence_ids,
            reasons: Some(self.vault.seal(&opened.resident_id, &reasons).await?),
            last_exposure: judgement.last_exposure.map(|day| day.to_string()).unwrap_or_default(),
            again: case.verdict().is_some(),
        })
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

    async fn rules(&self, version: &str) -> Result<Rules, Failure> {
        let (method, _) = self.ledger.load::<Method>(version).await?;
        let content = method.content().ok_or_else(|| refused(Refused::NoMethod))?;
        Ok(messages::rules(version, content)?)
    }
}

pub(crate) fn refused(refusal: Refused) -> Failure {
    Failure::Refused(refusal.refusal())
}
