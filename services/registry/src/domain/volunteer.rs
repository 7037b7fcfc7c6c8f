//! A volunteer 志愿者: a resident who helps, what they can, when they have time, and what they have given. Whether they may
//! help follows from their own screening, which this does not know: it is looked up where it is asked.

use std::collections::BTreeSet;

use chassis::{Aggregate, Kind, Refuse, reason};
use proto::registry::v1::{
    self as contract, VolunteerProfile,
    volunteer_event::{Changed, Enrolled, Retired, Served, Thanked},
};

// State

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Volunteer {
    enrolled: Option<Enrolled>,
    pub profile: VolunteerProfile,
    services: BTreeSet<String>,
    letter: String,
    pub retired: bool,
}

impl Volunteer {
    pub const fn enrolled(&self) -> Option<&Enrolled> {
        self.enrolled.as_ref()
    }
}

// Events

pub use proto::registry::v1::volunteer_event::Event;

// Refusals

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("no such volunteer")]
    Unknown,
    #[error("the volunteer goes on no more")]
    Retired,
    #[error("nothing was given yet")]
    NoService,
}

impl Refuse for Refusal {
    fn refusal(&self) -> chassis::Refusal {
        let precondition = |name: contract::Refusal, zh: &'static str, en: &'static str| {
            chassis::Refusal::new(Kind::Precondition, reason(name.as_str_name()), zh, en)
        };
        match self {
            Self::Unknown => crate::domain::not_found("volunteer"),
            Self::Retired => precondition(
                contract::Refusal::Retired,
                "该志愿者已退出：如重新参加，请再次登记",
                "the volunteer goes on no more: enrol them again if they come back",
            ),
            Self::NoService => precondition(
                contract::Refusal::NoService,
                "还没有服务时长：请先登记服务",
                "no time was given yet: record it first",
            ),
        }
    }
}

// Decisions

impl Volunteer {
    pub fn enrol(&self, enrolled: &Enrolled) -> Vec<Event> {
        if self.enrolled.is_some() { Vec::new() } else { vec![Event::Enrolled(enrolled.clone())] }
    }

    pub fn change(&self, profile: &VolunteerProfile) -> Result<Vec<Event>, Refusal> {
        self.goes_on()?;
        if self.profile == *profile {
            return Ok(Vec::new());
        }
        Ok(vec![Event::Changed(Changed { profile: Some(profile.clone()) })])
    }

    pub fn serve(&self, served: &Served) -> Result<Vec<Event>, Refusal> {
        if self.services.contains(&served.service_id) {
            return Ok(Vec::new());
        }
        self.goes_on()?;
        Ok(vec![Event::Served(served.clone())])
    }

    /// `minutes` and `times` are what was given so far, needs included. Also for who goes on no more.
    pub fn thank(&self, letter_id: &str, minutes: i32, times: i32) -> Result<Vec<Event>, Refusal> {
        if self.enrolled.is_none() {
            return Err(Refusal::Unknown);
        }
        if self.letter == letter_id {
            return Ok(Vec::new());
        }
        if times == 0 {
            return Err(Refusal::NoService);
        }
        Ok(vec![Event::Thanked(Thanked { letter_id: letter_id.to_owned(), minutes, times })])
    }

    pub fn retire(&self) -> Result<Vec<Event>, Refusal> {
        match (&self.enrolled, self.retired) {
            (None, _) => Err(Refusal::Unknown),
            (Some(_), true) => Ok(Vec::new()),
            (Some(_), false) => Ok(vec![Event::Retired(Retired {})]),
        }
    }

    fn goes_on(&self) -> Result<(), Refusal> {
        match (&self.enrolled, self.retired) {
            (None, _) => Err(Refusal::Unknown),
            (Some(_), true) => Err(Refusal::Retired),
            (Some(_), false) => Ok(()),
        }
    }
}

// Evolve

impl Aggregate for Volunteer {
    type Event = Event;

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Enrolled(enrolled) => {
                self.profile = enrolled.profile.clone().unwrap_or_default();
                self.enrolled = Some(enrolled.clone());
            }
            Event::Changed(Changed { profile }) => self.profile = profile.clone().unwrap_or_default(),
            Event::Served(served) => {
                self.services.insert(served.service_id.clone());
            }
            Event::Thanked(thanked) => self.letter.clone_from(&thanked.letter_id),
            Event::Retired(_) => self.retired = true,
        }
    }
}

// Tests

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::given::given;

    fn enrolled() -> Vec<Event> {
        let enrolled = Enrolled { resident_id: "r1".into(), ..Enrolled::default() };
        given(&[]).when(|v: &Volunteer| Ok::<_, Refusal>(v.enrol(&enrolled))).unwrap()
    }

    #[test]
    fn time_given_counts_once() {
        let served = Served { service_id: "s1".into(), minutes: 90, ..Served::default() };
        let mut history = enrolled();
        history.extend(given(&history).when(|v: &Volunteer| v.serve(&served)).unwrap());
        assert_eq!(given(&history).when(|v: &Volunteer| v.serve(&served)), Ok(vec![]));
    }

    #[test]
    fn who_has_retired_is_thanked_and_serves_no_more() {
        let mut history = enrolled();
        history.extend(given(&history).when(Volunteer::retire).unwrap());
        let served = Served { service_id: "s1".into(), ..Served::default() };
        assert_eq!(given(&history).when(|v: &Volunteer| v.serve(&served)), Err(Refusal::Retired));
        assert_eq!(given(&history).when(|v: &Volunteer| v.thank("l1", 90, 1)).unwrap().len(), 1);
    }

    #[test]
    fn nobody_is_thanked_for_nothing() {
        assert_eq!(given(&enrolled()).when(|v: &Volunteer| v.thank("l1", 0, 0)), Err(Refusal::NoService));
        assert_eq!(given(&[]).when(|v: &Volunteer| v.thank("l1", 5, 1)), Err(Refusal::Unknown));
    }
}
