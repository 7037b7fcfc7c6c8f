//! What this gate has seen: passes that it has read, who went which way last, and which households were out. Folded from the
//! journal, so that a restart forgets nothing.

use std::collections::HashMap;

use chassis::day_of;
use chrono::{DateTime, TimeDelta, Utc};
use proto::pass::v1::{Decision, Direction};

use super::{
    journal::{Entry, Facts, Whom},
    limits::Outings,
};

/// The same pass in the same direction within this time is one passage, scanned twice.
pub const AT_ONCE: TimeDelta = TimeDelta::minutes(3);

#[derive(Clone, Debug, Default)]
pub struct Memory {
    facts: HashMap<String, Facts>,
    last: HashMap<String, (DateTime<Utc>, Direction)>,
    /// By compound and household tag: when somebody went out.
    outings: HashMap<(u16, [u8; 3]), Vec<DateTime<Utc>>>,
}

impl Memory {
    pub fn of(entries: &[Entry]) -> Self {
        let mut memory = Self::default();
        for entry in entries {
            memory.note(entry);
        }
        memory
    }

    /// Only who was let through has crossed.
    pub fn note(&mut self, entry: &Entry) {
        let (number, facts) = match &entry.who {
            Whom::Pass { number, facts, .. } => (number, facts.as_ref()),
            Whom::Manual { number, .. } => (number, None),
            Whom::Visitor { .. } => return,
        };
        if number.is_empty() || entry.decision != Decision::Allowed as i32 {
            return;
        }
        if let Some(facts) = facts {
            self.facts.insert(number.clone(), facts.clone());
        }
        let direction = Direction::try_from(entry.direction).unwrap_or_default();
        let again = self.scanned_twice(number, direction, entry.at);
        if direction == Direction::Out
            && !again
            && let Some(facts) = self.facts.get(number)
        {
            self.outings.entry((facts.compound, facts.household)).or_default().push(entry.at);
        }
        self.last.insert(number.clone(), (entry.at, direction));
    }

    pub fn facts(&self, number: &str) -> Option<&Facts> {
        self.facts.get(number)
    }

    /// When the pass went this way before, where it should not go the same way again: within three minutes, or in after in.
    pub fn passed_back(&self, number: &str, direction: Direction, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let (at, last) = self.last.get(number).copied()?;
        let again = last == direction && (direction == Direction::In || now - at < AT_ONCE);
        again.then_some(at)
    }

    /// R18: whether so many of the household were out on the last days, today among them. A pass that is scanned twice goes out
    /// once.
    pub fn outing_used(&self, number: &str, facts: &Facts, quota: Outings, now: DateTime<Utc>) -> bool {
        if self.scanned_twice(number, Direction::Out, now) {
            return false;
        }
        let first = quota.first_day(now);
        let outings = self.outings.get(&(facts.compound, facts.household));
        outings.into_iter().flatten().filter(|at| day_of(**at) >= first).count() >= quota.people
    }

    fn scanned_twice(&self, number: &str, direction: Direction, now: DateTime<Utc>) -> bool {
        self.last.get(number).is_some_and(|(at, last)| *last == direction && now - *at < AT_ONCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::journal::tests::entry;

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn facts(household: u8, outing_days: u8) -> Facts {
        Facts { compound: 1, household: [household; 3], expires: 0, outing_days, daytime: false, resident: true }
    }

    fn crossed(number: &str, direction: Direction, at: &str, facts: Facts) -> Entry {
        let who = Whom::Pass { number: number.to_owned(), typed: false, facts: Some(facts) };
        Entry { at: time(at), direction: direction.into(), who, ..entry(number) }
    }

    #[test]
    fn the_same_way_again_is_noticed_within_three_minutes_and_in_after_in_always() {
        let mut memory = Memory::default();
        memory.note(&crossed("p", Direction::Out, "2020-02-11T08:00:00Z", facts(1, 0)));
        let out = |at| memory.passed_back("p", Direction::Out, time(at));
        assert_eq!(out("2020-02-11T08:02:59Z"), Some(time("2020-02-11T08:00:00Z")));
        assert_eq!(out("2020-02-11T08:03:00Z"), None, "who goes out unseen comes in and goes out again");
        assert_eq!(memory.passed_back("p", Direction::In, time("2020-02-11T08:01:00Z")), None);
        memory.note(&crossed("p", Direction::In, "2020-02-11T09:00:00Z", facts(1, 0)));
        assert!(memory.passed_back("p", Direction::In, time("2020-02-13T08:00:00Z")).is_some());
        assert!(memory.passed_back("q", Direction::In, time("2020-02-11T09:00:00Z")).is_none());
    }

    #[test]
    fn a_household_goes_out_once_in_its_days_whoever_of_it_goes() {
        let mut memory = Memory::default();
        memory.note(&crossed("p", Direction::Out, "2020-02-11T00:00:00Z", facts(1, 2)));
        let one = Outings { people: 1, days: 2 };
        let used = |household, quota, at| memory.outing_used("q", &facts(household, 2), quota, time(at));
        assert!(used(1, one, "2020-02-12T15:59:00Z"), "the day after");
        assert!(!used(1, one, "2020-02-12T16:00:00Z"), "the third day begins at midnight in Ningbo");
        assert!(!used(2, one, "2020-02-11T10:00:00Z"), "another household");
        assert!(!used(1, Outings { people: 2, days: 2 }, "2020-02-11T10:00:00Z"), "one of two");
        assert!(!memory.outing_used("p", &facts(1, 2), one, time("2020-02-11T00:02:00Z")), "scanned twice");
    }

    #[test]
    fn who_was_turned_away_has_not_crossed() {
        let mut memory = Memory::default();
        let refused = Decision::Refused.into();
        memory.note(&Entry { decision: refused, ..crossed("p", Direction::In, "2020-02-11T08:00:00Z", facts(1, 1)) });
        assert!(memory.facts("p").is_none());
        assert!(memory.passed_back("p", Direction::In, time("2020-02-11T08:01:00Z")).is_none());
    }
}
