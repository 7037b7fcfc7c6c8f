//! A resident 住户: where they live, and their sealed person. Who looked at the unsealed one is on record with the reason;
//! after an erasure nothing of the person is left but that there was one.

use chassis::{Aggregate, Kind, Refuse, reason};
use proto::{
    event::v1::Sealed,
    registry::v1::{
        self as contract, Residence,
        resident_event::{Erased, MovedOut, Registered, Revealed},
    },
};

// State

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resident {
    registered: Option<Registered>,
    pub moved_out: bool,
    pub erased: bool,
}

impl Resident {
    /// `None` for a resident who is not there.
    pub fn residence(&self) -> Option<&Residence> {
        self.registered.as_ref()?.residence.as_ref()
    }

    /// `None` after an erasure, too.
    pub fn person(&self) -> Option<&Sealed> {
        self.registered.as_ref().filter(|_| !self.erased)?.person.as_ref()
    }
}

// Events

pub use proto::registry::v1::resident_event::Event;

// Refusals

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("no such resident")]
    Unknown,
    #[error("this resident is registered already elsewhere")]
    RegisteredOtherwise,
    #[error("the person's data were erased")]
    Erased,
    #[error("the resident has moved out")]
    MovedOut,
}

impl Refuse for Refusal {
    fn refusal(&self) -> chassis::Refusal {
        match self {
            Self::Unknown => crate::domain::not_found("resident"),
            Self::RegisteredOtherwise => chassis::Refusal::new(
                Kind::AlreadyExists,
                reason(contract::Refusal::AlreadyExists.as_str_name()),
                "该住户已在别处登记：请核对",
                "this resident is registered already elsewhere: compare the two",
            ),
            Self::Erased => chassis::Refusal::new(
                Kind::Precondition,
                reason(contract::Refusal::Erased.as_str_name()),
                "该住户的个人信息已依法删除，无法恢复",
                "this person's data were erased and cannot be brought back",
            ),
            Self::MovedOut => chassis::Refusal::new(
                Kind::Precondition,
                reason(contract::Refusal::MovedOut.as_str_name()),
                "该住户已迁出：请核对，或先重新登记",
                "the resident has moved out: check who it is, or register them anew",
            ),
        }
    }
}

// Decisions

impl Resident {
    pub fn register(&self, residence: &Residence, person: Sealed, phones: i32) -> Result<Vec<Event>, Refusal> {
        match &self.registered {
            None => Ok(vec![Event::Registered(Registered {
                residence: Some(residence.clone()),
                person: Some(person),
                phones,
            })]),
            Some(known) if known.residence.as_ref() == Some(residence) => Ok(Vec::new()),
            Some(_) => Err(Refusal::RegisteredOtherwise),
        }
    }

    pub fn move_out(&self) -> Result<Vec<Event>, Refusal> {
        self.there()?;
        Ok(if self.moved_out { Vec::new() } else { vec![Event::MovedOut(MovedOut {})] })
    }

    /// Looking twice is two looks: only the request's id tells a retry from another one.
    pub fn reveal(&self, reason: &str) -> Result<Vec<Event>, Refusal> {
        self.there()?;
        if self.erased {
            return Err(Refusal::Erased);
        }
        Ok(vec![Event::Revealed(Revealed { reason: reason.to_owned() })])
    }

    pub fn erase(&self) -> Result<Vec<Event>, Refusal> {
        self.there()?;
        Ok(if self.erased { Vec::new() } else { vec![Event::Erased(Erased {})] })
    }

    /// Whether they still live there, and anything is known of them.
    pub fn is_present(&self) -> Result<(), Refusal> {
        self.there()?;
        match (self.erased, self.moved_out) {
            (true, _) => Err(Refusal::Erased),
            (false, true) => Err(Refusal::MovedOut),
            (false, false) => Ok(()),
        }
    }

    fn there(&self) -> Result<(), Refusal> {
        self.registered.as_ref().map(|_| ()).ok_or(Refusal::Unknown)
    }
}

// Evolve

impl Aggregate for Resident {
    type Event = Event;

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Registered(registered) => self.registered = Some(registered.clone()),
            Event::MovedOut(MovedOut {}) => self.moved_out = true,
            Event::Revealed(Revealed { .. }) => {}
            Event::Erased(Erased {}) => self.erased = true,
        }
    }
}

// Tests

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::given::given;

    fn residence(household: &str) -> Residence {
        Residence { neighbourhood_id: "n1".into(), compound_id: "c1".into(), household_id: household.into() }
    }

    fn sealed() -> Sealed {
        Sealed { subject_id: "r1".into(), ..Sealed::default() }
    }

    fn registered() -> Vec<Event> {
        given(&[]).when(|r: &Resident| r.register(&residence("h1"), sealed(), 2)).unwrap()
    }

    fn registered_and(decide: impl Fn(&Resident) -> Result<Vec<Event>, Refusal>) -> Vec<Event> {
        [registered(), given(&registered()).when(decide).unwrap()].concat()
    }

    #[test]
    fn a_resident_is_registered_once_and_in_one_household() {
        let history = registered();
        assert_eq!(given(&history).when(|r: &Resident| r.register(&residence("h1"), sealed(), 2)), Ok(vec![]));
        let elsewhere = given(&history).when(|r: &Resident| r.register(&residence("h2"), sealed(), 2));
        assert_eq!(elsewhere, Err(Refusal::RegisteredOtherwise));
    }

    #[test]
    fn who_moves_out_moves_out_once() {
        let history = [registered(), given(&registered()).when(Resident::move_out).unwrap()].concat();
        assert_eq!(given(&history).when(Resident::move_out), Ok(vec![]));
    }

    #[test]
    fn who_has_moved_out_or_was_erased_is_not_present() {
        let registered: Resident = given(&registered()).then();
        assert_eq!(registered.is_present(), Ok(()));
        let gone: Resident = given(&registered_and(Resident::move_out)).then();
        assert_eq!(gone.is_present(), Err(Refusal::MovedOut));
        let erased: Resident = given(&registered_and(Resident::erase)).then();
        assert_eq!(erased.is_present(), Err(Refusal::Erased));
        assert_eq!(Resident::default().is_present(), Err(Refusal::Unknown));
    }

    #[test]
    fn each_look_at_a_person_is_on_record() {
        let history = registered();
        let resident: Resident = given(&history).then();
        let look = resident.reveal("上门核对").unwrap();
        let after: Resident = given(&[history, look].concat()).then();
        assert_eq!(after.reveal("上门核对").unwrap().len(), 1);
    }

    #[test]
    fn an_erased_person_cannot_be_revealed_and_is_erased_once() {
        let history = [registered(), given(&registered()).when(Resident::erase).unwrap()].concat();
        let resident: Resident = given(&history).then();
        assert_eq!(resident.reveal("上门核对"), Err(Refusal::Erased));
        assert_eq!(resident.person(), None);
        assert_eq!(resident.residence(), Some(&residence("h1")));
        assert_eq!(given(&history).when(Resident::erase), Ok(vec![]));
    }

    #[test]
    fn nothing_is_decided_about_a_resident_who_is_not_there() {
        assert_eq!(given(&[]).when(Resident::move_out), Err(Refusal::Unknown));
        assert_eq!(given(&[]).when(Resident::erase), Err(Refusal::Unknown));
        assert_eq!(given(&[]).when(|r: &Resident| r.reveal("上门核对")), Err(Refusal::Unknown));
    }
}
