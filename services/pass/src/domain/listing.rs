//! The list of suspended passes, as a fold of the log: whoever has folded the same records has the same list. Its sequence is
//! the log's position of the last record that made it another one, and it is as of the latest time at which anything on record
//! happened; no replica counts, and none looks at its own clock. What changed is kept for a while, so that an older list can be
//! had again and a gate be sent the difference.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chrono::{DateTime, Utc};
use credential::{
    list::{Contents, State, SuspensionList},
    reason::Reason,
    time::{Hour, Second},
};

/// What a record means for the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A status index was given.
    Issued { index: u32 },
    /// A pass does not count, for now or for good.
    Listed { index: u32, state: State, expires: Hour },
    /// It counts again.
    Lifted { index: u32 },
    /// What the compound was issued before this hour does not count; `None`: it does.
    Line { compound: u16, before: Option<Hour> },
}

#[derive(Clone, Debug, Default)]
pub struct Listing {
    stamp: Stamp,
    lines: BTreeMap<u16, Hour>,
    listed: BTreeMap<u32, Entry>,
    /// When listed passes expire.
    expiring: BTreeSet<(Hour, u32)>,
    /// The latest changes, the oldest first.
    steps: VecDeque<Step>,
}

/// What a list says besides who is on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stamp {
    sequence: u32,
    made: Second,
    high_water: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    state: State,
    expires: Hour,
}

/// How one list was before the next.
#[derive(Clone, Debug)]
struct Step {
    before: Stamp,
    undo: Vec<Undo>,
}

#[derive(Clone, Copy, Debug)]
enum Undo {
    Entry(u32, Option<Entry>),
    Line(u16, Option<Hour>),
}

/// Changes that can be undone: some days of a subdistrict. A gate that was away for longer takes the whole list.
const MOST_STEPS: usize = 20_000;

/// Hours for which an expired pass stays listed: a gate's clock may be a day behind.
const MARGIN: u16 = 48;

impl Listing {
    /// Takes in a record that changes the list, or only says that nothing has changed.
    pub fn take(&mut self, position: u64, happened: DateTime<Utc>, changes: &[Change]) {
        let before = self.stamp;
        self.stamp.sequence = u32::try_from(position).unwrap_or(u32::MAX);
        self.stamp.made = before.made.max(Second::of_unix(happened.timestamp()).unwrap_or_default());
        let mut undo = Vec::with_capacity(changes.len());
        for change in changes {
            match *change {
                Change::Issued { index } => self.stamp.high_water = self.stamp.high_water.max(index),
                Change::Listed { index, state, expires } => {
                    undo.push(self.put(index, Some(Entry { state, expires })));
                }
                Change::Lifted { index } => undo.push(self.put(index, None)),
                Change::Line { compound, before: Some(hour) } => {
                    undo.push(Undo::Line(compound, self.lines.insert(compound, hour)));
                }
                Change::Line { compound, before: None } => {
                    undo.push(Undo::Line(compound, self.lines.remove(&compound)));
                }
            }
        }
        self.drop_expired(&mut undo);
        if self.steps.len() >= MOST_STEPS {
            self.steps.pop_front();
        }
        self.steps.push_back(Step { before, undo });
    }

    pub fn sequence(&self) -> u32 {
        self.stamp.sequence
    }

    pub fn made(&self) -> Second {
        self.stamp.made
    }

    /// The newest list. Refuses what the format has no room for.
    pub fn list(&self) -> Result<SuspensionList, Reason> {
        SuspensionList::new(contents(
            self.stamp,
            self.lines.clone(),
            self.listed.iter().map(|(at, entry)| (*at, *entry)),
        ))
    }

    /// The list under an earlier sequence; `None` where it never was one, or lies too far back.
    pub fn list_at(&self, sequence: u32) -> Option<SuspensionList> {
        if sequence == self.stamp.sequence {
            return self.list().ok();
        }
        let mut lines = self.lines.clone();
        let mut changed: BTreeMap<u32, Option<Entry>> = BTreeMap::new();
        for step in self.steps.iter().rev() {
            for undo in step.undo.iter().rev() {
                match *undo {
                    Undo::Entry(index, entry) => {
                        changed.insert(index, entry);
                    }
                    Undo::Line(compound, Some(hour)) => {
                        lines.insert(compound, hour);
                    }
                    Undo::Line(compound, None) => {
                        lines.remove(&compound);
                    }
                }
            }
            if step.before.sequence <= sequence {
                if step.before.sequence < sequence || sequence == 0 {
                    return None;
                }
                let stayed = self.listed.iter().filter(|(index, _)| !changed.contains_key(index));
                let stayed = stayed.map(|(index, entry)| (*index, *entry));
                let back = changed.iter().filter_map(|(index, entry)| entry.map(|entry| (*index, entry)));
                return SuspensionList::new(contents(step.before, lines, stayed.chain(back))).ok();
            }
        }
        None
    }

    fn put(&mut self, index: u32, entry: Option<Entry>) -> Undo {
        let before = match entry {
            Some(entry) => {
                self.expiring.insert((entry.expires, index));
                self.listed.insert(index, entry)
            }
            None => self.listed.remove(&index),
        };
        if let Some(before) = before
            && entry.is_none_or(|entry| entry.expires != before.expires)
        {
            self.expiring.remove(&(before.expires, index));
        }
        Undo::Entry(index, before)
    }

    /// What nobody could cross with any more need not be listed.
    fn drop_expired(&mut self, undo: &mut Vec<Undo>) {
        let now = self.stamp.made.hour();
        while let Some((_, index)) =
            self.expiring.first().copied().filter(|(expires, _)| expires.0.saturating_add(MARGIN) <= now.0)
        {
            let undone = self.put(index, None);
            undo.push(undone);
        }
    }
}

fn contents(stamp: Stamp, lines: BTreeMap<u16, Hour>, listed: impl Iterator<Item = (u32, Entry)>) -> Contents {
    Contents {
        sequence: stamp.sequence,
        made: stamp.made,
        high_water: stamp.high_water,
        lines: lines.into_iter().collect(),
        listed: listed.map(|(index, entry)| (index, entry.state)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use credential::list::Delta;
    use proptest::prelude::*;

    use super::*;

    const LONG: Hour = Hour(5_000);

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(Second(0).unix() + hours * 3_600, 0).unwrap()
    }

    fn listed(index: u32, state: State) -> Change {
        Change::Listed { index, state, expires: LONG }
    }

    fn states(list: &SuspensionList) -> Vec<(u32, State)> {
        list.listed().collect()
    }

    #[test]
    fn a_list_says_who_is_suspended_and_how_far_numbers_were_given() {
        let mut listing = Listing::default();
        listing.take(3, at(1_000), &[Change::Issued { index: 1 }]);
        listing.take(4, at(1_001), &[Change::Issued { index: 2 }]);
        listing.take(9, at(1_002), &[listed(1, State::Suspended)]);
        let list = listing.list().unwrap();
        assert_eq!((list.sequence(), list.high_water(), list.made().hour()), (9, 2, Hour(1_002)));
        assert_eq!(states(&list), [(1, State::Suspended)]);
        listing.take(12, at(900), &[Change::Lifted { index: 1 }]);
        let list = listing.list().unwrap();
        assert_eq!(list.made().hour(), Hour(1_002), "what happened earlier and came later makes no list older");
        assert_eq!(states(&list), []);
    }

    #[test]
    fn an_expired_pass_leaves_the_list_two_days_later_and_no_sooner() {
        let mut listing = Listing::default();
        listing.take(1, at(1_000), &[Change::Issued { index: 1 }]);
        let short = Change::Listed { index: 1, state: State::Revoked, expires: Hour(1_100) };
        listing.take(2, at(1_001), &[short]);
        listing.take(3, at(1_147), &[]);
        assert_eq!(states(&listing.list().unwrap()), [(1, State::Revoked)]);
        listing.take(4, at(1_148), &[]);
        assert_eq!(states(&listing.list().unwrap()), []);
        assert_eq!(states(&listing.list_at(3).unwrap()), [(1, State::Revoked)]);
    }

    #[test]
    fn only_what_was_a_list_can_be_had_again() {
        let mut listing = Listing::default();
        listing.take(3, at(1_000), &[Change::Issued { index: 5 }]);
        listing.take(7, at(1_000), &[listed(5, State::Revoked)]);
        for never in [0, 1, 2, 4, 6, 8] {
            assert_eq!(listing.list_at(never), None, "{never}");
        }
        assert_eq!(listing.list_at(3).unwrap().high_water(), 5);
        for position in 8..8 + u64::try_from(MOST_STEPS).unwrap() {
            listing.take(position, at(1_000), &[]);
        }
        assert_eq!(listing.list_at(3), None, "too far back");
        assert!(listing.list_at(8).is_some());
    }

    fn changes() -> impl Strategy<Value = Vec<Vec<Change>>> {
        let state = prop_oneof![Just(State::Suspended), Just(State::Revoked)];
        let change = prop_oneof![
            (0..20_u32, state, 1_010..1_100_u16).prop_map(|(index, state, hour)| Change::Listed {
                index,
                state,
                expires: Hour(hour)
            }),
            (0..20_u32).prop_map(|index| Change::Lifted { index }),
            (0..3_u16, prop::option::of(1..9_u16))
                .prop_map(|(compound, hour)| Change::Line { compound, before: hour.map(Hour) }),
        ];
        prop::collection::vec(prop::collection::vec(change, 0..4), 1..40)
    }

    proptest! {
        #[test]
        fn every_list_that_was_can_be_had_again_and_the_difference_leads_to_the_newest(records in changes()) {
            let mut listing = Listing::default();
            listing.take(1, at(1_000), &[Change::Issued { index: 20 }]);
            let mut lists = vec![listing.list().unwrap()];
            for (number, record) in records.iter().enumerate() {
                let number = i64::try_from(number).unwrap();
                listing.take(u64::try_from(number).unwrap() * 2 + 3, at(1_000 + number * 7), record);
                lists.push(listing.list().unwrap());
            }
            let newest = listing.list().unwrap();
            for list in lists {
                let again = listing.list_at(list.sequence()).unwrap();
                prop_assert_eq!(&again, &list);
                let mut held = again;
                held.apply(&Delta::between(&list, &newest)).unwrap();
                prop_assert_eq!(held, newest.clone());
            }
        }
    }
}
