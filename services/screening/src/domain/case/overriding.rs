//! R23: a verdict set by hand takes two people of different units, a reason from the list, evidence and an end. Nothing of it
//! is in force before the second signature, and nothing of it stays behind its end.

use chassis::{Decision, instant};
use chrono::{DateTime, Utc};
use proto::screening::v1::case_event::{
    Assessed, Event, OverrideApproved, OverrideDeclined, OverrideEnded, OverrideProposed, override_ended::Cause,
};

use super::{Case, Refused};

// State

#[derive(Clone, Debug, Default)]
pub struct Overriding {
    /// Waits for its second signature.
    proposed: Option<OverrideProposed>,
    in_force: Option<OverrideProposed>,
    /// How the others came to their end.
    settled: Vec<(String, Settled)>,
}

/// What became of a proposal that no longer waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    Approved(OverrideApproved),
    Declined(OverrideDeclined),
}

impl Overriding {
    pub fn proposed(&self) -> Option<&OverrideProposed> {
        self.proposed.as_ref()
    }

    pub fn in_force(&self) -> Option<&OverrideProposed> {
        self.in_force.as_ref()
    }

    fn settled(&self, id: &str) -> Option<&Settled> {
        self.settled.iter().find(|(known, _)| known == id).map(|(_, settled)| settled)
    }

    pub(super) fn propose(&mut self, proposed: &OverrideProposed) {
        self.proposed = Some(proposed.clone());
    }

    pub(super) fn approve(&mut self, approved: &OverrideApproved) {
        self.in_force = self.proposed.take();
        self.settled.push((approved.override_id.clone(), Settled::Approved(approved.clone())));
    }

    pub(super) fn decline(&mut self, declined: &OverrideDeclined) {
        self.proposed = None;
        self.settled.push((declined.override_id.clone(), Settled::Declined(declined.clone())));
    }

    pub(super) fn end(&mut self, ended: &OverrideEnded) {
        for slot in [&mut self.proposed, &mut self.in_force] {
            if slot.as_ref().is_some_and(|known| known.override_id == ended.override_id) {
                *slot = None;
            }
        }
    }
}

// Decisions

impl Case {
    pub fn overriding(&self) -> &Overriding {
        &self.overriding
    }

    /// What may stand in the way of a proposal. A dispute is answered, not passed over.
    pub fn accepts_override(&self) -> Result<(), Refused> {
        self.is_known()?;
        match (&self.verdict, &self.dispute, self.overriding.proposed()) {
            (None, ..) => Err(Refused::NotAssessed),
            (_, Some(_), _) => Err(Refused::AlreadyDisputed),
            (_, _, Some(_)) => Err(Refused::AlreadyProposed),
            (Some(_), None, None) => Ok(()),
        }
    }

    pub fn propose_override(&self, proposed: &OverrideProposed) -> Result<Decision<Event>, Refused> {
        if self.overriding.proposed() == Some(proposed) {
            return Ok(self.decision(Vec::new()));
        }
        self.accepts_override()?;
        Ok(self.decision(vec![Event::OverrideProposed(proposed.clone())]))
    }

    /// The proposal, where this person of this unit may approve it at this time.
    pub fn can_be_approved(
        &self,
        id: &str,
        (by, unit): (&str, &str),
        now: DateTime<Utc>,
    ) -> Result<&OverrideProposed, Refused> {
        self.is_known()?;
        let proposed = self.overriding.proposed().filter(|proposed| proposed.override_id == id);
        let proposed = proposed.ok_or(Refused::NotProposed)?;
        if proposed.by == by {
            return Err(Refused::SameSigner);
        }
        // One person with two accounts of one unit is one signature.
        if proposed.unit == unit {
            return Err(Refused::SameUnit);
        }
        if self.dispute.is_some() {
            return Err(Refused::AlreadyDisputed);
        }
        if proposed.expire_time.as_ref().and_then(instant).is_none_or(|end| end <= now) {
            return Err(Refused::TooLate);
        }
        Ok(proposed)
    }

    /// The second signature and the verdict that it puts in force, in the place of the one set by hand before.
    pub fn approve_override(
        &self,
        approved: &OverrideApproved,
        verdict: &Assessed,
        now: DateTime<Utc>,
    ) -> Result<Decision<Event>, Refused> {
        let id = &approved.override_id;
        if self.overriding.settled(id) == Some(&Settled::Approved(approved.clone())) {
            return Ok(self.decision(Vec::new()));
        }
        self.can_be_approved(id, (&approved.by, &approved.unit), now)?;
        let mut events = Vec::with_capacity(3);
        events.extend(self.overriding.in_force().map(|replaced| ended(replaced, Cause::Replaced)));
        events.push(Event::OverrideApproved(approved.clone()));
        events.push(Event::Assessed(verdict.clone()));
        Ok(self.decision(events))
    }

    /// Whoever proposed it may take it back, too.
    pub fn decline_override(&self, declined: &OverrideDeclined) -> Result<Decision<Event>, Refused> {
        self.is_known()?;
        let id = &declined.override_id;
        let same = |known: &Settled| matches!(known, Settled::Declined(known) if (&known.by, &known.unit) == (&declined.by, &declined.unit));
        if self.overriding.settled(id).is_some_and(same) {
            return Ok(self.decision(Vec::new()));
        }
        if self.overriding.proposed().is_none_or(|proposed| proposed.override_id != *id) {
            return Err(Refused::NotProposed);
        }
        Ok(self.decision(vec![Event::OverrideDeclined(declined.clone())]))
    }

    /// What is over by now: a proposal that nobody approved, and a verdict set by hand. Then the verdict by the method comes
    /// back, which is `None` where nothing can be judged any more.
    pub fn end_overrides(&self, verdict: Option<&Assessed>, now: DateTime<Utc>) -> Result<Decision<Event>, Refused> {
        self.is_known()?;
        let mut events = Vec::new();
        events.extend(over(self.overriding.proposed(), now).map(|proposed| ended(proposed, Cause::Lapsed)));
        if let Some(hand) = over(self.overriding.in_force(), now) {
            events.push(ended(hand, Cause::Expired));
            events.extend(verdict.map(|verdict| Event::Assessed(Assessed { again: true, ..verdict.clone() })));
        }
        Ok(self.decision(events))
    }
}

fn over(set: Option<&OverrideProposed>, now: DateTime<Utc>) -> Option<&OverrideProposed> {
    set.filter(|set| set.expire_time.as_ref().and_then(instant).is_none_or(|end| end <= now))
}

fn ended(set: &OverrideProposed, cause: Cause) -> Event {
    Event::OverrideEnded(OverrideEnded {
        override_id: set.override_id.clone(),
        cause: cause.into(),
        unit: set.unit.clone(),
    })
}
