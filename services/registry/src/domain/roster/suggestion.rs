//! Who could hold what nobody holds: the same answer for the same roster. Duties are filled in the order in which they begin.
//! A night goes to who has had the fewest nights, these and the four weeks before counted; any other shift to who has the
//! fewest; of equals to who has rested longest.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use proto::registry::v1::StaffKind;

use super::{Busy, Roster, Slot};

/// What somebody carries in a week, and the nights of the four weeks before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    pub staff_id: String,
    pub kind: StaffKind,
    pub shifts: i32,
    pub nights: i32,
    pub nights_before: i32,
}

#[derive(Debug, Default)]
pub struct Suggestion {
    /// Duty and staff.
    pub assignments: Vec<(String, String)>,
    /// Duties that nobody can hold.
    pub unfilled: Vec<String>,
    pub loads: Vec<Load>,
}

impl Roster {
    /// `before`: the weeks before and after, as far as they are known.
    pub fn loads(&self, before: &[Busy]) -> Vec<Load> {
        let members = self.opened.iter().flat_map(|opened| &opened.members);
        let mut loads: Vec<Load> = members
            .map(|member| Load {
                staff_id: member.staff_id.clone(),
                kind: member.kind(),
                shifts: 0,
                nights: 0,
                nights_before: count(before, &member.staff_id),
            })
            .collect();
        for busy in self.busy() {
            add(&mut loads, &busy);
        }
        loads
    }

    /// `before`: the weeks before; `elsewhere`: those beside this one, between which and this one there must be rest.
    pub fn suggest(&self, before: &[Busy], elsewhere: &[Busy]) -> Suggestion {
        let mut busy = self.busy();
        busy.extend_from_slice(elsewhere);
        let mut suggestion = Suggestion { loads: self.loads(before), ..Suggestion::default() };
        for slot in self.slots().into_iter().filter(|slot| self.holder(&slot.id).is_none()) {
            match self.best(&slot, &suggestion.loads, &busy) {
                Some(staff_id) => {
                    let held = Busy { staff_id: staff_id.clone(), start: slot.start, end: slot.end, night: slot.night };
                    add(&mut suggestion.loads, &held);
                    busy.push(held);
                    suggestion.assignments.push((slot.id, staff_id));
                }
                None => suggestion.unfilled.push(slot.id),
            }
        }
        suggestion
    }

    fn best(&self, slot: &Slot, loads: &[Load], busy: &[Busy]) -> Option<String> {
        let mut rested: BTreeMap<&str, DateTime<Utc>> = BTreeMap::new();
        for other in busy.iter().filter(|other| other.end <= slot.start) {
            let last = rested.entry(&other.staff_id).or_insert(other.end);
            *last = other.end.max(*last);
        }
        loads
            .iter()
            .filter(|load| self.fits(slot, &load.staff_id, busy).is_ok())
            .min_by_key(|load| {
                let nights = load.nights + load.nights_before;
                let carried = if slot.night { (nights, load.shifts) } else { (load.shifts, nights) };
                let last = rested.get(load.staff_id.as_str()).copied().unwrap_or(DateTime::<Utc>::MIN_UTC);
                (carried, last, &load.staff_id)
            })
            .map(|load| load.staff_id.clone())
    }
}

fn count(busy: &[Busy], staff_id: &str) -> i32 {
    let nights = busy.iter().filter(|busy| busy.night && busy.staff_id == staff_id).count();
    i32::try_from(nights).unwrap_or(i32::MAX)
}

fn add(loads: &mut [Load], busy: &Busy) {
    if let Some(load) = loads.iter_mut().find(|load| load.staff_id == busy.staff_id) {
        load.shifts += 1;
        load.nights += i32::from(busy.night);
    }
}
