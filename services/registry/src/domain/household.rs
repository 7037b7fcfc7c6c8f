//! A household 户: a room, who holds it, and the landlord who answers for tenants.

use chassis::{Aggregate, Kind, Refuse, reason};
use proto::{
    event::v1::Sealed,
    registry::v1::{
        self as contract, Tenure,
        household_event::{LandlordChanged, Registered},
    },
};

// State

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Household {
    registered: Option<Registered>,
    /// The command that last changed the landlord.
    changed_by: String,
}

impl Household {
    pub const fn registered(&self) -> Option<&Registered> {
        self.registered.as_ref()
    }
}

// Events

pub use proto::registry::v1::household_event::Event;

// Refusals

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("a rented household needs its landlord")]
    LandlordMissing,
    #[error("this household is registered already with other data")]
    RegisteredOtherwise,
    #[error("no such rented household")]
    NotRented,
}

impl Refuse for Refusal {
    fn refusal(&self) -> chassis::Refusal {
        match self {
            Self::LandlordMissing => chassis::Refusal::new(
                Kind::Invalid,
                reason(contract::Refusal::FieldInvalid.as_str_name()),
                "租住的房屋必须登记房东：请填写房东姓名",
                "a rented household needs its landlord: give the landlord's name",
            ),
            Self::RegisteredOtherwise => chassis::Refusal::new(
                Kind::AlreadyExists,
                reason(contract::Refusal::AlreadyExists.as_str_name()),
                "该户已以其他内容登记：请核对",
                "this household is registered already with other data: compare the two",
            ),
            Self::NotRented => crate::domain::not_found("household"),
        }
    }
}

// Decisions

/// Where a household is, by ids and as its door is marked.
#[derive(Clone, Copy, Debug)]
pub struct Door<'a> {
    pub neighbourhood_id: &'a str,
    pub compound_id: &'a str,
    pub building: &'a str,
    pub unit: &'a str,
    pub room: &'a str,
}

impl Household {
    pub fn register(&self, door: Door<'_>, tenure: Tenure, landlord: Option<Sealed>) -> Result<Vec<Event>, Refusal> {
        if tenure == Tenure::Rented && landlord.is_none() {
            return Err(Refusal::LandlordMissing);
        }
        let new = Registered {
            neighbourhood_id: door.neighbourhood_id.to_owned(),
            compound_id: door.compound_id.to_owned(),
            building: door.building.to_owned(),
            unit: door.unit.to_owned(),
            room: door.room.to_owned(),
            tenure: tenure.into(),
            landlord,
        };
        match &self.registered {
            None => Ok(vec![Event::Registered(new)]),
            // Sealing the same landlord twice gives other bytes.
            Some(known) if Registered { landlord: known.landlord.clone(), ..new } == *known => Ok(Vec::new()),
            Some(_) => Err(Refusal::RegisteredOtherwise),
        }
    }

    /// Another landlord, or another number of theirs. Sealed anew each time, so the command's own id says what was done.
    pub fn change_landlord(&self, change_id: &str, landlord: Sealed) -> Result<Vec<Event>, Refusal> {
        if self.registered.as_ref().is_none_or(|home| home.tenure() != Tenure::Rented) {
            return Err(Refusal::NotRented);
        }
        if self.changed_by == change_id {
            return Ok(Vec::new());
        }
        Ok(vec![Event::LandlordChanged(LandlordChanged { change_id: change_id.to_owned(), landlord: Some(landlord) })])
    }
}

// Evolve

impl Aggregate for Household {
    type Event = Event;

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Registered(registered) => self.registered = Some(registered.clone()),
            Event::LandlordChanged(changed) => {
                self.changed_by.clone_from(&changed.change_id);
                if let Some(registered) = &mut self.registered {
                    registered.landlord.clone_from(&changed.landlord);
                }
            }
        }
    }
}

// Tests

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::given::given;

    const DOOR: Door<'static> =
        Door { neighbourhood_id: "n1", compound_id: "c1", building: "3", unit: "1", room: "402" };

    #[test]
    fn an_owner_who_lives_there_needs_no_landlord() {
        let registered = given(&[]).when(|h: &Household| h.register(DOOR, Tenure::Owned, None)).unwrap();
        assert_eq!(registered.len(), 1);
    }

    #[test]
    fn a_rented_household_needs_its_landlord() {
        let refused = given(&[]).when(|h: &Household| h.register(DOOR, Tenure::Rented, None));
        assert_eq!(refused, Err(Refusal::LandlordMissing));
        let sealed = Some(Sealed { subject_id: "h1".into(), ..Sealed::default() });
        assert!(given(&[]).when(|h: &Household| h.register(DOOR, Tenure::Rented, sealed.clone())).is_ok());
    }

    #[test]
    fn a_rented_household_may_get_another_landlord_and_an_owner_none() {
        let sealed = |nonce: u8| Sealed { subject_id: "h1".into(), nonce: vec![nonce], ..Sealed::default() };
        let history = given(&[]).when(|h: &Household| h.register(DOOR, Tenure::Rented, Some(sealed(1)))).unwrap();
        let changed = given(&history).when(|h: &Household| h.change_landlord("c1", sealed(2))).unwrap();
        let after: Household = given(&[history, changed].concat()).then();
        assert_eq!(after.registered().unwrap().landlord, Some(sealed(2)));
        let owned = given(&[]).when(|h: &Household| h.register(DOOR, Tenure::Owned, None)).unwrap();
        let refused = given(&owned).when(|h: &Household| h.change_landlord("c1", sealed(2)));
        assert_eq!(refused, Err(Refusal::NotRented));
    }

    #[test]
    fn a_household_is_registered_once() {
        let history = given(&[]).when(|h: &Household| h.register(DOOR, Tenure::Owned, None)).unwrap();
        let other = Door { room: "403", ..DOOR };
        let refused = given(&history).when(|h: &Household| h.register(other, Tenure::Owned, None));
        assert_eq!(refused, Err(Refusal::RegisteredOtherwise));
    }
}
