//! A member of staff: a worker 社工, a guard 特保, a director, somebody of the health team, a volunteer 志愿者.

use chassis::{Aggregate, Kind, Refuse, reason};
use proto::{
    event::v1::Sealed,
    registry::v1::{self as contract, StaffKind, staff_event::Enrolled},
};

// State

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Staff {
    enrolled: Option<Enrolled>,
}

impl Staff {
    pub const fn enrolled(&self) -> Option<&Enrolled> {
        self.enrolled.as_ref()
    }
}

// Events

pub use proto::registry::v1::staff_event::Event;

// Refusals

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("this member of staff is enrolled already with other data")]
    EnrolledOtherwise,
}

impl Refuse for Refusal {
    fn refusal(&self) -> chassis::Refusal {
        chassis::Refusal::new(
            Kind::AlreadyExists,
            reason(contract::Refusal::AlreadyExists.as_str_name()),
            "该工作人员已以其他内容登记：请核对",
            "this member of staff is enrolled already with other data: compare the two",
        )
    }
}

// Decisions

impl Staff {
    /// `neighbourhood_id` is empty for those who work for the whole subdistrict.
    pub fn enrol(&self, kind: StaffKind, neighbourhood_id: &str, person: Sealed) -> Result<Vec<Event>, Refusal> {
        match &self.enrolled {
            None => Ok(vec![Event::Enrolled(Enrolled {
                kind: kind.into(),
                neighbourhood_id: neighbourhood_id.to_owned(),
                person: Some(person),
            })]),
            Some(known) if known.kind() == kind && known.neighbourhood_id == neighbourhood_id => Ok(Vec::new()),
            Some(_) => Err(Refusal::EnrolledOtherwise),
        }
    }
}

// Evolve

impl Aggregate for Staff {
    type Event = Event;

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Enrolled(enrolled) => self.enrolled = Some(enrolled.clone()),
        }
    }
}

// Tests

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::given::given;

    #[test]
    fn staff_are_enrolled_once() {
        let enrol = |kind| move |s: &Staff| s.enrol(kind, "n1", Sealed::default());
        let history = given(&[]).when(enrol(StaffKind::Guard)).unwrap();
        assert_eq!(given(&history).when(enrol(StaffKind::Guard)), Ok(vec![]));
        assert_eq!(given(&history).when(enrol(StaffKind::Worker)), Err(Refusal::EnrolledOtherwise));
    }
}
