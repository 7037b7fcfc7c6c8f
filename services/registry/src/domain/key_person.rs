//! A key person 重点人员: a resident who is to be watched, with the reasons sealed, until a day or until somebody decides.

use chassis::{Aggregate, Refuse};
use proto::{
    event::v1::Sealed,
    registry::v1::{
        KeyDecision, Residence,
        key_person_event::{Flagged, Unflagged},
    },
};

// State

#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeyPerson {
    flagged: Option<Flagged>,
    /// What ended the last flag.
    ended: Option<KeyDecision>,
}

impl KeyPerson {
    /// The flag that nobody has taken away, also when its last day has passed.
    pub const fn flag(&self) -> Option<&Flagged> {
        self.flagged.as_ref()
    }
}

// Events

pub use proto::registry::v1::key_person_event::Event;

// Refusals

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("no such key person")]
    NeverFlagged,
}

impl Refuse for Refusal {
    fn refusal(&self) -> chassis::Refusal {
        match self {
            Self::NeverFlagged => crate::domain::not_found("key person"),
        }
    }
}

// Decisions

impl KeyPerson {
    /// `flag_id` is the same for the same command; a further flag takes the place of the one before.
    pub fn flag_for(
        &self,
        flag_id: &str,
        residence: &Residence,
        reasons: Sealed,
        until: &str,
    ) -> Result<Vec<Event>, Refusal> {
        if self.flagged.as_ref().is_some_and(|flag| flag.flag_id == flag_id) {
            return Ok(Vec::new());
        }
        Ok(vec![Event::Flagged(Flagged {
            flag_id: flag_id.to_owned(),
            residence: Some(residence.clone()),
            reasons: Some(reasons),
            until: until.to_owned(),
        })])
    }

    pub fn unflag(&self, decision: KeyDecision) -> Result<Vec<Event>, Refusal> {
        match (&self.flagged, self.ended) {
            (Some(_), _) => Ok(vec![Event::Unflagged(Unflagged { decision: decision.into() })]),
            (None, Some(_)) => Ok(Vec::new()),
            (None, None) => Err(Refusal::NeverFlagged),
        }
    }
}

// Evolve

impl Aggregate for KeyPerson {
    type Event = Event;

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Flagged(flagged) => self.flagged = Some(flagged.clone()),
            Event::Unflagged(unflagged) => {
                self.flagged = None;
                self.ended = Some(unflagged.decision());
            }
        }
    }
}

// Tests

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::given::given;

    fn flag(history: &[Event], id: &str, until: &str) -> Vec<Event> {
        let decide = |k: &KeyPerson| k.flag_for(id, &Residence::default(), Sealed::default(), until);
        [history, &given(history).when(decide).unwrap()].concat()
    }

    #[test]
    fn a_further_flag_takes_the_place_of_the_one_before() {
        let history = flag(&flag(&[], "f1", ""), "f2", "2020-02-23");
        let person: KeyPerson = given(&history).then();
        assert_eq!(person.flag().map(|flag| flag.until.as_str()), Some("2020-02-23"));
    }

    #[test]
    fn a_flag_ends_by_a_decision_once() {
        let history = flag(&[], "f1", "");
        let ended = given(&history).when(|k: &KeyPerson| k.unflag(KeyDecision::Passed)).unwrap();
        let history = [history, ended].concat();
        assert_eq!(given(&history).then::<KeyPerson>().flag(), None);
        assert_eq!(given(&history).when(|k: &KeyPerson| k.unflag(KeyDecision::CaredFor)), Ok(vec![]));
    }

    #[test]
    fn who_was_never_flagged_cannot_be_unflagged() {
        let refused = given(&[]).when(|k: &KeyPerson| k.unflag(KeyDecision::Passed));
        assert_eq!(refused, Err(Refusal::NeverFlagged));
    }

    #[test]
    fn who_was_unflagged_can_be_flagged_again() {
        let history = flag(&[], "f1", "");
        let ended = given(&history).when(|k: &KeyPerson| k.unflag(KeyDecision::Passed)).unwrap();
        let again = flag(&[history, ended].concat(), "f2", "");
        assert!(given(&again).then::<KeyPerson>().flag().is_some());
    }
}
