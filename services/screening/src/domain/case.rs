//! One occasion on which one person is screened: declared before anything is seen, seen number by number, judged once all
//! is there; disputed, and judged again by the finding. The verdict itself is made beforehand by a pure function on what
//! was opened; whoever made it on an older version of the case makes it again.

use std::collections::BTreeMap;

use chassis::{Aggregate, Decision};
use proto::{
    event::v1::Sealed,
    registry::v1::Residence,
    screening::v1::{
        Instance, Measure, Outcome, StruckVisit, case,
        case_event::{Assessed, Declared, DisputeResolved, Disputed, Event, EvidenceRecorded, Opened, PhonesChanged},
    },
};
use uuid::Uuid;

mod dispute;
mod overriding;
mod papers;
mod phones;
mod refused;
#[cfg(test)]
mod tests;

pub use dispute::steps;
pub use overriding::{Overriding, Settled};
pub use papers::is_paper;
pub use phones::{moved, replaced};
pub use refused::{Refused, not_found};

// State

#[derive(Clone, Debug, Default)]
pub struct Case {
    opened: Option<Opened>,
    /// By which this case goes (R5), and what the registry says by now.
    phones: i32,
    phones_on_record: i32,
    phones_changed: Option<PhonesChanged>,
    /// The registry's correction that was taken in last, and by which each number came to its place.
    corrected_by: String,
    since: BTreeMap<i32, String>,
    declaration: Option<Sealed>,
    /// Each with the place that its number has by now.
    evidence: Vec<EvidenceRecorded>,
    verdict: Option<Assessed>,
    dispute: Option<Disputed>,
    resolution: Option<DisputeResolved>,
    struck: Vec<StruckVisit>,
    /// Who has to see to the dispute: it was late so often.
    escalated: Instance,
    overriding: Overriding,
}

/// Under which the ids of first cases are named: a random UUID.
const NAMESPACE: Uuid = Uuid::from_u128(0x1f0c_6c0e_5a3b_4d27_9a77_40c6_2f51_83be);

/// A reservation that a resident's case holds while it waits for its verdict.
const OPEN: &str = "open case";

/// The case that opens when a resident registers: everybody can name it.
pub fn first_case_of(resident_id: &str) -> String {
    Uuid::new_v5(&NAMESPACE, resident_id.as_bytes()).to_string()
}

impl Case {
    pub fn opened(&self) -> Option<&Opened> {
        self.opened.as_ref()
    }

    /// Empty for a case that was never opened.
    pub fn neighbourhood(&self) -> &str {
        self.residence().map_or("", |residence| &residence.neighbourhood_id)
    }

    pub fn residence(&self) -> Option<&Residence> {
        self.opened.as_ref().and_then(|opened| opened.residence.as_ref())
    }

    pub fn declaration(&self) -> Option<&Sealed> {
        self.declaration.as_ref()
    }

    /// `phone` is the place that the number has by now; 0: it is on record no more.
    pub fn evidence(&self) -> &[EvidenceRecorded] {
        &self.evidence
    }

    pub fn struck(&self) -> &[StruckVisit] {
        &self.struck
    }

    pub fn verdict(&self) -> Option<&Assessed> {
        self.verdict.as_ref()
    }

    pub fn standing(&self) -> case::State {
        match (&self.opened, &self.declaration, &self.verdict, &self.dispute) {
            (None, ..) => case::State::Unspecified,
            (.., Some(_)) => case::State::Disputed,
            (_, _, Some(_), None) => case::State::Assessed,
            (_, Some(_), None, None) => case::State::Declared,
            (_, None, None, None) => case::State::Due,
        }
    }

    pub fn phones(&self) -> i32 {
        self.phones
    }

    /// How many of the person's numbers somebody has asked a carrier about.
    pub fn scanned(&self) -> i32 {
        self.scanned_with(None)
    }

    /// R5: with a scan of this number, none is left.
    pub fn completes(&self, phone: i32) -> bool {
        self.scanned_with(Some(phone)) >= self.phones()
    }

    fn scanned_with(&self, phone: Option<i32>) -> i32 {
        let scanned =
            |number: &i32| Some(*number) == phone || self.evidence.iter().any(|evidence| evidence.phone == *number);
        i32::try_from((1..=self.phones()).filter(scanned).count()).unwrap_or(i32::MAX)
    }

    /// Judged, and more evidence would change nothing: only a verdict for want of evidence waits for more of it.
    fn is_closed(&self) -> bool {
        self.verdict.as_ref().is_some_and(|verdict| verdict.outcome() != Outcome::InsufficientEvidence)
    }
}

// Decisions

impl Case {
    pub fn open(&self, opened: &Opened) -> Result<Decision<Event>, Refused> {
        match &self.opened {
            Some(known) if known == opened => Ok(self.decision(Vec::new())),
            Some(_) => Err(Refused::AlreadyOpen),
            None => {
                let neighbourhood = opened.residence.as_ref().map_or("", |residence| &residence.neighbourhood_id);
                Ok(Decision::new(vec![Event::Opened(opened.clone())])
                    .office(neighbourhood)
                    .subject(opened.resident_id.clone())
                    .reserve(OPEN, &opened.resident_id))
            }
        }
    }

    /// Before anything was seen it can be said anew; afterwards it is frozen.
    pub fn declare(&self, declaration: &Sealed) -> Result<Decision<Event>, Refused> {
        self.is_known()?;
        if self.declaration.as_ref() == Some(declaration) {
            return Ok(self.decision(Vec::new()));
        }
        if !self.evidence.is_empty() || self.verdict.is_some() {
            return Err(Refused::Frozen);
        }
        Ok(self.decision(vec![Event::Declared(Declared { declaration: Some(declaration.clone()) })]))
    }

    /// What may stand in the way of a scan, before anybody goes to the trouble of judging it.
    pub fn accepts(&self, phone: i32) -> Result<(), Refused> {
        self.is_known()?;
        if self.declaration.is_none() {
            return Err(Refused::NotDeclared);
        }
        if self.is_closed() || self.dispute.is_some() {
            return Err(Refused::AlreadyAssessed);
        }
        if !(1..=self.phones()).contains(&phone) {
            return Err(Refused::NoSuchPhone { phones: self.phones() });
        }
        Ok(())
    }

    /// A scan, and the verdict on all that is there where it was the last number's.
    pub fn record(&self, evidence: &EvidenceRecorded, verdict: Option<&Assessed>) -> Result<Decision<Event>, Refused> {
        if self.evidence.iter().any(|known| known.evidence_id == evidence.evidence_id) {
            return Ok(self.decision(Vec::new()));
        }
        self.accepts(evidence.phone)?;
        let mut events = vec![Event::EvidenceRecorded(evidence.clone())];
        events.extend(verdict.cloned().map(Event::Assessed));
        Ok(self.decision(events))
    }

    /// A verdict on what there is. Without every number's scan it cannot be clear (R4, R5); and a doubt needs at least one,
    /// or a bare declaration, typed by anybody, would take somebody's pass (R23).
    pub fn assess(&self, verdict: &Assessed) -> Result<Decision<Event>, Refused> {
        self.is_known()?;
        if self.verdict.as_ref() == Some(verdict) {
            return Ok(self.decision(Vec::new()));
        }
        if self.declaration.is_none() {
            return Err(Refused::NotDeclared);
        }
        if self.verdict.is_some() {
            return Err(Refused::AlreadyAssessed);
        }
        if !self.has_scan() && self.phones() > 0 && verdict.measure() == Measure::Ask {
            return Err(Refused::NoEvidence);
        }
        Ok(self.decision(vec![Event::Assessed(verdict.clone())]))
    }

    /// R25: the verdict by another version of the method or by other words for places, on what is on record. Nothing where it
    /// says the same; nothing while a dispute is open: its finding is judged by the method that is in force then. Nor while
    /// two people have set it by hand: their word stands until its end, and then the method of that day.
    pub fn reassess(&self, verdict: &Assessed) -> Result<Decision<Event>, Refused> {
        self.is_known()?;
        let known = self.verdict.as_ref().ok_or(Refused::NotAssessed)?;
        if self.dispute.is_some() || self.overriding.in_force().is_some() || says_the_same(known, verdict) {
            return Ok(self.decision(Vec::new()));
        }
        let again = Assessed { again: true, ..verdict.clone() };
        Ok(self.decision(vec![Event::Assessed(again)]))
    }

    fn is_known(&self) -> Result<(), Refused> {
        if self.opened.is_some() { Ok(()) } else { Err(Refused::NotFound) }
    }

    /// Events of this case, which is nobody's open one once it is judged.
    fn decision(&self, events: Vec<Event>) -> Decision<Event> {
        let resident = self.opened.as_ref().map_or("", |opened| &opened.resident_id);
        let judged = events.iter().any(|event| matches!(event, Event::Assessed(_)));
        let decision = Decision::new(events).office(self.neighbourhood()).subject(resident);
        if judged { decision.release(OPEN, resident) } else { decision }
    }
}

/// Whether two verdicts have the same consequences, whatever their versions and reasons.
pub fn says_the_same(one: &Assessed, other: &Assessed) -> bool {
    let said = |verdict: &Assessed| (verdict.outcome, verdict.risk, verdict.honesty, verdict.measure);
    said(one) == said(other) && one.last_exposure == other.last_exposure
}

// Evolve

impl Aggregate for Case {
    type Event = Event;

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Opened(opened) => {
                self.opened = Some(opened.clone());
                (self.phones, self.phones_on_record) = (opened.phones, opened.phones);
            }
            Event::Declared(declared) => self.declaration.clone_from(&declared.declaration),
            Event::EvidenceRecorded(evidence) => self.evidence.push(evidence.clone()),
            Event::Assessed(verdict) => self.verdict = Some(verdict.clone()),
            Event::Disputed(disputed) => {
                self.dispute = Some(disputed.clone());
                self.escalated = Instance::Neighbourhood;
            }
            Event::DisputeEscalated(escalated) => self.escalated = escalated.to(),
            Event::OverrideProposed(proposed) => self.overriding.propose(proposed),
            Event::OverrideApproved(approved) => self.overriding.approve(approved),
            Event::OverrideDeclined(declined) => self.overriding.decline(declined),
            Event::OverrideEnded(ended) => self.overriding.end(ended),
            Event::PhonesChanged(changed) => self.go_by(changed),
            Event::DisputeResolved(resolved) => {
                self.dispute = None;
                self.struck.extend(resolved.struck.iter().cloned());
                self.resolution = Some(resolved.clone());
            }
        }
    }
}
