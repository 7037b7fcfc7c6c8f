//! Tickets and proofs. They prove a place and its days, and never that somebody was nowhere else: they are no scan of a
//! number, close nothing, and make nothing clear by themselves. Once there is a verdict, it is given again with them (R10: new
//! proof recomputes).

use chassis::Decision;
use proto::screening::v1::{
    EvidenceKind,
    case_event::{Assessed, Event, EvidenceRecorded},
};

use super::{Case, Refused, says_the_same};

/// Whether it is a paper, and no scan of a number.
pub fn is_paper(evidence: &EvidenceRecorded) -> bool {
    matches!(evidence.kind(), EvidenceKind::Ticket | EvidenceKind::Workplace | EvidenceKind::Lodging)
}

impl Case {
    /// What may stand in the way of a paper.
    pub fn takes_papers(&self) -> Result<(), Refused> {
        self.is_known()?;
        if self.declaration.is_none() {
            return Err(Refused::NotDeclared);
        }
        // Whoever answers the dispute weighs it: it belongs into the finding.
        if self.dispute.is_some() {
            return Err(Refused::AlreadyDisputed);
        }
        Ok(())
    }

    /// A paper, and the verdict with it where there was one that says something else.
    pub fn file(&self, paper: &EvidenceRecorded, verdict: Option<&Assessed>) -> Result<Decision<Event>, Refused> {
        if self.evidence.iter().any(|known| known.evidence_id == paper.evidence_id) {
            return Ok(self.decision(Vec::new()));
        }
        self.takes_papers()?;
        let mut events = vec![Event::EvidenceRecorded(paper.clone())];
        if let (Some(known), Some(verdict)) = (&self.verdict, verdict)
            && !says_the_same(known, verdict)
            // A verdict set by hand stands until its end, and is then given anew with all that is on record.
            && self.overriding.in_force().is_none()
        {
            events.push(Event::Assessed(Assessed { again: true, ..verdict.clone() }));
        }
        Ok(self.decision(events))
    }

    /// R23: a doubt rests on the scan of a number, and not on what supports.
    pub(super) fn has_scan(&self) -> bool {
        self.evidence.iter().any(|evidence| !is_paper(evidence))
    }
}
