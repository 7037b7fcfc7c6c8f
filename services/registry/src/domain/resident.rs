//! A resident 住户: where they live, and their sealed person. Who looked at the unsealed one is on record with the reason;
//! after an erasure nothing of the person is left but that there was one.

use chassis::{Aggregate, Kind, Refuse, reason};
use proto::{
    event::v1::Sealed,
    registry::v1::{
        self as contract, CorrectedField, Residence,
        resident_event::{Corrected, Erased, Merged, MovedOut, Registered, Revealed, Unmerged},
    },
};

// State

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resident {
    registered: Option<Registered>,
    pub moved_out: bool,
    pub erased: bool,
    /// The resident whose record goes on in the place of this one.
    pub merged_into: Option<String>,
    /// The command that last corrected the person.
    corrected_by: String,
    /// How they came back.
    returned: Option<Sealed>,
    /// It was merged once, and that was undone.
    unmerged: bool,
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

    /// How they came back, where anybody has said.
    pub fn returned(&self) -> Option<&Sealed> {
        self.returned.as_ref().filter(|_| !self.erased)
    }

    /// Whether this command corrected the person last.
    pub fn was_corrected_by(&self, correction_id: &str) -> bool {
        self.corrected_by == correction_id
    }
}

/// What is known of somebody from now on, and why.
#[derive(Clone, Debug, Default)]
pub struct Amended {
    pub person: Sealed,
    pub phones: i32,
    /// What was not known, or was something else.
    pub fields: Vec<CorrectedField>,
    pub reason: String,
    pub returned: Option<Sealed>,
    /// Of each number which place it had before, from 1; 0: it is new. Empty where the numbers stay.
    pub former_places: Vec<i32>,
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
    #[error("the record was merged into another one")]
    Merged,
    #[error("a record cannot go on in its own place")]
    IntoItself,
    #[error("the record was not merged")]
    NotMerged,
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
            Self::Merged => chassis::Refusal::new(
                Kind::Precondition,
                reason(contract::Refusal::Merged.as_str_name()),
                "该记录已并入另一条记录：请使用那一条，或先撤销合并",
                "this record was merged into another one: use that one, or undo the merge first",
            ),
            Self::IntoItself => chassis::Refusal::new(
                Kind::Invalid,
                reason(contract::Refusal::FieldInvalid.as_str_name()),
                "不能把一条记录并入它自己：请指明另一条",
                "a record cannot be merged into itself: name the other one",
            ),
            Self::NotMerged => chassis::Refusal::new(
                Kind::Invalid,
                reason(contract::Refusal::FieldInvalid.as_str_name()),
                "该记录没有被合并过：请核对",
                "this record was not merged into another one: check which one was",
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

    /// What is known of them, put right. Sealed anew each time, so the command's own id says what was done.
    pub fn correct(&self, correction_id: &str, amended: &Amended) -> Result<Vec<Event>, Refusal> {
        self.is_present()?;
        if self.corrected_by == correction_id || amended.fields.is_empty() {
            return Ok(Vec::new());
        }
        Ok(vec![Event::Corrected(Corrected {
            correction_id: correction_id.to_owned(),
            person: Some(amended.person.clone()),
            phones: amended.phones,
            reason: amended.reason.clone(),
            fields: amended.fields.iter().map(|field| i32::from(*field)).collect(),
            returned: amended.returned.clone(),
            former_places: amended.former_places.clone(),
        })])
    }

    /// The same person as another resident of the neighbourhood, whose record goes on.
    pub fn merge(&self, into: &str, residence: &Residence, own: &str, reason: &str) -> Result<Vec<Event>, Refusal> {
        if into == own {
            return Err(Refusal::IntoItself);
        }
        if self.merged_into.as_deref() == Some(into) {
            return Ok(Vec::new());
        }
        self.is_present()?;
        Ok(vec![Event::Merged(Merged {
            into_resident_id: into.to_owned(),
            into_residence: Some(residence.clone()),
            reason: reason.to_owned(),
        })])
    }

    /// They are two people after all; said twice it changes nothing.
    pub fn unmerge(&self, reason: &str) -> Result<Vec<Event>, Refusal> {
        let residence = self.residence().ok_or(Refusal::Unknown)?;
        let Some(from) = &self.merged_into else {
            return if self.unmerged { Ok(Vec::new()) } else { Err(Refusal::NotMerged) };
        };
        Ok(vec![Event::Unmerged(Unmerged {
            from_resident_id: from.clone(),
            residence: Some(residence.clone()),
            reason: reason.to_owned(),
        })])
    }

    /// Whether they still live there, anything is known of them, and this is the record that counts.
    pub fn is_present(&self) -> Result<(), Refusal> {
        self.there()?;
        if self.erased {
            return Err(Refusal::Erased);
        }
        if self.moved_out {
            return Err(Refusal::MovedOut);
        }
        if self.merged_into.is_some() { Err(Refusal::Merged) } else { Ok(()) }
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
            Event::Corrected(corrected) => {
                self.corrected_by.clone_from(&corrected.correction_id);
                self.returned.clone_from(&corrected.returned);
                if let Some(registered) = &mut self.registered {
                    registered.person.clone_from(&corrected.person);
                    registered.phones = corrected.phones;
                }
            }
            Event::Merged(merged) => {
                self.merged_into = Some(merged.into_resident_id.clone());
                self.unmerged = false;
            }
            Event::Unmerged(Unmerged { .. }) => {
                self.merged_into = None;
                self.unmerged = true;
            }
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
    fn what_is_known_of_somebody_present_can_be_put_right() {
        let sealed = Sealed { nonce: vec![7], ..sealed() };
        let fields = vec![CorrectedField::Phones];
        let amended = Amended { person: sealed.clone(), phones: 3, fields, ..Amended::default() };
        let history = registered_and(|r: &Resident| r.correct("c1", &amended));
        let resident: Resident = given(&history).then();
        assert_eq!(resident.person(), Some(&sealed));
        assert!(resident.was_corrected_by("c1"));
        let gone = registered_and(Resident::move_out);
        assert_eq!(given(&gone).when(|r: &Resident| r.correct("c1", &amended)), Err(Refusal::MovedOut));
        let nothing = Amended { fields: Vec::new(), ..amended };
        assert_eq!(given(&history).when(|r: &Resident| r.correct("c2", &nothing)), Ok(vec![]));
    }

    #[test]
    fn a_record_is_merged_into_another_one_and_stands_by_itself_again() {
        let into = residence("h2");
        let history = registered_and(|r: &Resident| r.merge("r2", &into, "r1", "同一人"));
        assert_eq!(given(&history).when(|r: &Resident| r.merge("r3", &into, "r1", "同一人")), Err(Refusal::Merged));
        assert_eq!(given(&history).then::<Resident>().is_present(), Err(Refusal::Merged));
        let undone = given(&history).when(|r: &Resident| r.unmerge("是两个人")).unwrap();
        let again: Resident = given(&[history, undone].concat()).then();
        assert_eq!(again.is_present(), Ok(()));
        assert_eq!(
            given(&registered()).when(|r: &Resident| r.merge("r1", &into, "r1", "同一人")),
            Err(Refusal::IntoItself)
        );
        assert_eq!(given(&registered()).when(|r: &Resident| r.unmerge("是两个人")), Err(Refusal::NotMerged));
    }

    #[test]
    fn nothing_is_decided_about_a_resident_who_is_not_there() {
        assert_eq!(given(&[]).when(Resident::move_out), Err(Refusal::Unknown));
        assert_eq!(given(&[]).when(Resident::erase), Err(Refusal::Unknown));
        assert_eq!(given(&[]).when(|r: &Resident| r.reveal("上门核对")), Err(Refusal::Unknown));
    }
}
