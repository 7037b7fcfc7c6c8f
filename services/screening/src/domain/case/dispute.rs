//! R24: what is said against a verdict, weighed and answered by somebody else, and carried up where nobody answers in time.

use chassis::{Decision, instant};
use chrono::{DateTime, TimeDelta, Utc};
use proto::screening::v1::{
    Instance,
    case_event::{Assessed, DisputeEscalated, DisputeResolved, Disputed, Event, OverrideEnded, override_ended::Cause},
};

use super::{Case, Refused};

/// To whom a dispute goes up, and when: at its due time to the subdistrict, and some hours later to the health team. One
/// that was filed before there were hours for it takes the first step alone.
pub fn steps(disputed: &Disputed) -> Vec<(Instance, DateTime<Utc>)> {
    let Some(due) = disputed.due.as_ref().and_then(instant) else { return Vec::new() };
    let mut steps = vec![(Instance::Subdistrict, due)];
    if disputed.escalation_hours > 0 {
        steps.push((Instance::Health, due + TimeDelta::hours(disputed.escalation_hours.into())));
    }
    steps
}

impl Case {
    pub fn dispute(&self) -> Option<&Disputed> {
        self.dispute.as_ref()
    }

    /// Who has to see to the open dispute.
    pub fn dispute_instance(&self) -> Instance {
        if self.dispute.is_some() { self.escalated } else { Instance::Unspecified }
    }

    pub fn dispute_verdict(&self, disputed: &Disputed) -> Result<Decision<Event>, Refused> {
        self.is_known()?;
        match &self.dispute {
            Some(known) if known == disputed => Ok(self.decision(Vec::new())),
            Some(_) => Err(Refused::AlreadyDisputed),
            None if self.verdict.is_none() => Err(Refused::NotAssessed),
            None => Ok(self.decision(vec![Event::Disputed(disputed.clone())])),
        }
    }

    /// Every step that is due by now and was not taken; nothing where it was answered.
    pub fn escalate(&self, now: DateTime<Utc>) -> Result<Decision<Event>, Refused> {
        self.is_known()?;
        let Some(dispute) = &self.dispute else { return Ok(self.decision(Vec::new())) };
        let due = |(to, at): &(Instance, DateTime<Utc>)| *to > self.escalated && *at <= now;
        let escalated = |(to, _)| Event::DisputeEscalated(DisputeEscalated { to: i32::from(to), due: dispute.due });
        Ok(self.decision(steps(dispute).into_iter().filter(due).map(escalated).collect()))
    }

    /// What may stand in the way of a finding by this person: who filed the dispute, gave the evidence, asked for the verdict
    /// or signed it cannot judge it.
    pub fn can_be_resolved_by(&self, by: &str) -> Result<(), Refused> {
        self.is_known()?;
        let Some(dispute) = &self.dispute else { return Err(Refused::NotDisputed) };
        let gave = self.evidence.iter().any(|evidence| evidence.by == by);
        let judged = self.verdict.as_ref().is_some_and(|verdict| {
            let hand = verdict.r#override.as_ref();
            verdict.by == by || hand.is_some_and(|hand| hand.proposed_by == by || hand.approved_by == by)
        });
        if dispute.by == by || gave || judged {
            return Err(Refused::SamePerson);
        }
        Ok(())
    }

    /// The finding, and the verdict without the visits that were found wrong, or by a method that has come into force since.
    /// Upheld against a verdict that was set by hand, it ends that.
    pub fn resolve(&self, resolved: &DisputeResolved, verdict: Option<&Assessed>) -> Result<Decision<Event>, Refused> {
        if self.dispute.is_none() && self.resolution.as_ref() == Some(resolved) {
            return Ok(self.decision(Vec::new()));
        }
        self.can_be_resolved_by(&resolved.by)?;
        let mut events = vec![Event::DisputeResolved(resolved.clone())];
        if let Some(hand) = self.overriding.in_force().filter(|_| resolved.upheld) {
            events.push(Event::OverrideEnded(OverrideEnded {
                override_id: hand.override_id.clone(),
                cause: Cause::Lifted.into(),
                unit: hand.unit.clone(),
            }));
        }
        events.extend(verdict.cloned().map(Event::Assessed));
        Ok(self.decision(events))
    }
}
