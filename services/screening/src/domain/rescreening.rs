//! The judging anew of all that is on record, once a version of the method has come into force: how far it is, so that it
//! goes on where it stopped, and so that people see it. What it changes stands in the cases.

use std::{collections::BTreeSet, convert::Infallible};

use chassis::{Aggregate, Decision, timestamp};
use chrono::{DateTime, Utc};
use proto::screening::v1::rescreening_event::{Advanced, Begun, Completed, Event, SetAside};

// State

#[derive(Clone, Debug, Default)]
pub struct Rescreening {
    begun: Option<Begun>,
    /// All residents up to this one were looked at.
    reached: String,
    count: Count,
    completed: Option<Completed>,
    /// Cases that could not be judged.
    set_aside: BTreeSet<String>,
}

/// Cases, since the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub done: i64,
    pub changed: i64,
}

impl Rescreening {
    pub fn begun(&self) -> Option<&Begun> {
        self.begun.as_ref()
    }

    pub fn completed(&self) -> Option<&Completed> {
        self.completed.as_ref()
    }

    pub fn reached(&self) -> &str {
        &self.reached
    }

    pub fn count(&self) -> Count {
        self.count
    }

    /// How many cases could not be judged.
    pub fn set_aside(&self) -> usize {
        self.set_aside.len()
    }
}

// Decisions, which nothing refuses: they follow from a publication, which nobody can take back

impl Rescreening {
    /// With so many cases on record, at this position of the log.
    pub fn begin(&self, cases: i64, position: u64, now: DateTime<Utc>) -> Result<Decision<Event>, Infallible> {
        if self.begun.is_some() {
            return Ok(Decision::new(Vec::new()));
        }
        Ok(Decision::new(vec![Event::Begun(Begun { cases, position, time: Some(timestamp(now)) })]))
    }

    /// Up to this resident; nothing where it was further already.
    pub fn advance(&self, resident: &str, count: Count) -> Result<Decision<Event>, Infallible> {
        if self.begun.is_none() || self.completed.is_some() || self.reached.as_str() >= resident {
            return Ok(Decision::new(Vec::new()));
        }
        let Count { done, changed } = count;
        Ok(Decision::new(vec![Event::Advanced(Advanced { resident_id: resident.to_owned(), done, changed })]))
    }

    /// A case that does not open: everybody else goes on.
    pub fn put_aside(&self, case: &SetAside) -> Result<Decision<Event>, Infallible> {
        let known = self.begun.is_none() || self.completed.is_some() || self.set_aside.contains(&case.case_id);
        if known {
            return Ok(Decision::new(Vec::new()));
        }
        let office = case.residence.as_ref().map_or("", |residence| &residence.neighbourhood_id);
        Ok(Decision::new(vec![Event::SetAside(case.clone())]).office(office).subject(&case.resident_id))
    }

    pub fn complete(&self, count: Count, now: DateTime<Utc>) -> Result<Decision<Event>, Infallible> {
        if self.begun.is_none() || self.completed.is_some() {
            return Ok(Decision::new(Vec::new()));
        }
        let Count { done, changed } = count;
        Ok(Decision::new(vec![Event::Completed(Completed { done, changed, time: Some(timestamp(now)) })]))
    }
}

// Evolve

impl Aggregate for Rescreening {
    type Event = Event;

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Begun(begun) => self.begun = Some(*begun),
            Event::Advanced(advanced) => {
                self.reached.clone_from(&advanced.resident_id);
                self.count = Count { done: advanced.done, changed: advanced.changed };
            }
            Event::Completed(completed) => {
                self.count = Count { done: completed.done, changed: completed.changed };
                self.completed = Some(*completed);
            }
            Event::SetAside(case) => {
                self.set_aside.insert(case.case_id.clone());
            }
        }
    }
}

// Tests

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(events: &mut Vec<Event>, decide: impl Fn(&Rescreening) -> Result<Decision<Event>, Infallible>) -> usize {
        let new = decide(&given(events)).unwrap().events;
        let count = new.len();
        events.extend(new);
        assert!(decide(&given(events)).unwrap().events.is_empty(), "deciding again on its own outcome adds no event");
        count
    }

    fn given(events: &[Event]) -> Rescreening {
        let mut rescreening = Rescreening::default();
        for event in events {
            rescreening.evolve(event);
        }
        rescreening
    }

    #[test]
    fn it_goes_on_where_it_stopped_and_ends_once() {
        let now = DateTime::UNIX_EPOCH;
        let (early, late) = (Count { done: 10, changed: 1 }, Count { done: 20, changed: 2 });
        let mut events = Vec::new();
        assert_eq!(decided(&mut events, |run| run.advance("r1", early)), 0, "not before it has begun");
        assert_eq!(decided(&mut events, |run| run.begin(20, 7, now)), 1);
        assert_eq!(decided(&mut events, |run| run.advance("r5", early)), 1);
        assert_eq!(decided(&mut events, |run| run.advance("r3", late)), 0, "never back");
        assert_eq!((given(&events).reached(), given(&events).count()), ("r5", early));
        let garbled = SetAside { case_id: "c1".to_owned(), ..SetAside::default() };
        assert_eq!(decided(&mut events, |run| run.put_aside(&garbled)), 1);
        assert_eq!(given(&events).set_aside(), 1);
        assert_eq!(decided(&mut events, |run| run.complete(late, now)), 1);
        assert_eq!(decided(&mut events, |run| run.advance("r9", late)), 0);
        assert_eq!(given(&events).count(), late);
    }
}
