//! A roster 值班表: a week of duties at the gates of a compound. Nobody holds two at once or without the rest between two, who
//! will not come leaves a gap that shows, and what two have agreed on changes hands.

use std::collections::{BTreeMap, BTreeSet};

use chassis::{Aggregate, CALENDAR};
use chrono::{DateTime, Days, NaiveDate, TimeDelta, TimeZone as _, Utc};
use proto::registry::v1::{
    StaffKind,
    roster_event::{Absent, Assigned, Held, Opened, SwapDeclined, SwapProposed, Swapped},
};

/// For all that nobody holds.
pub mod suggestion;
/// What the refusals say, in both languages.
mod words;

// State

#[derive(Clone, Debug, Default)]
pub struct Roster {
    pub opened: Option<Opened>,
    /// Who holds what, by duty.
    held: BTreeMap<String, Held>,
    /// Who will not come on which day.
    absent: BTreeSet<(String, String)>,
    /// Who held what nobody holds now.
    left: BTreeMap<String, String>,
    swaps: BTreeMap<String, (SwapProposed, Answer)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Open,
    Agreed,
    Declined,
}

/// One place to stand at, for one shift.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// {date}.{shift}.{post}.{seat}
    pub id: String,
    pub date: NaiveDate,
    pub shift: String,
    pub gate: String,
    pub kind: StaffKind,
    pub night: bool,
    pub start: DateTime<Utc>,
    pub end: DateTime<Utc>,
}

/// When somebody is on duty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Busy {
    pub staff_id: String,
    pub start: DateTime<Utc>,
    pub end: DateTime<Utc>,
    pub night: bool,
}

/// Of a roster.
pub const DAYS: u64 = 7;

/// All duties of a week, in the order in which they begin.
pub fn slots(opened: &Opened) -> Vec<Slot> {
    let from: NaiveDate = opened.from.parse().unwrap_or_default();
    let mut slots = Vec::new();
    for date in (0..DAYS).filter_map(|day| from.checked_add_days(Days::new(day))) {
        for (number, shift) in opened.shifts.iter().enumerate() {
            let midnight = date.and_hms_opt(0, 0, 0).and_then(|time| CALENDAR.from_local_datetime(&time).single());
            let start = midnight.unwrap_or_default().to_utc() + TimeDelta::minutes(shift.start_minute.into());
            for (at, post) in opened.posts.iter().enumerate() {
                slots.extend((0..post.people).map(|seat| Slot {
                    id: format!("{date}.{number}.{at}.{seat}"),
                    date,
                    shift: shift.label.clone(),
                    gate: post.gate.clone(),
                    kind: post.kind(),
                    night: shift.night,
                    start,
                    end: start + TimeDelta::minutes(shift.minutes.into()),
                }));
            }
        }
    }
    slots.sort_by_key(|slot| slot.start);
    slots
}

impl Roster {
    pub fn slots(&self) -> Vec<Slot> {
        self.opened.as_ref().map(slots).unwrap_or_default()
    }

    /// Who holds a duty; `None`: a gap.
    pub fn holder(&self, duty_id: &str) -> Option<&Held> {
        self.held.get(duty_id)
    }

    /// Who held a duty that nobody holds now.
    pub fn left(&self, duty_id: &str) -> Option<&str> {
        self.left.get(duty_id).map(String::as_str)
    }

    /// When everybody is on duty.
    pub fn busy(&self) -> Vec<Busy> {
        let held = |slot: Slot| {
            let staff_id = self.held.get(&slot.id)?.staff_id.clone();
            Some(Busy { staff_id, start: slot.start, end: slot.end, night: slot.night })
        };
        self.slots().into_iter().filter_map(held).collect()
    }

    pub fn swap(&self, swap_id: &str) -> Option<&(SwapProposed, Answer)> {
        self.swaps.get(swap_id)
    }

    fn rest(&self) -> TimeDelta {
        TimeDelta::hours(self.opened.as_ref().map_or(0, |opened| opened.rest_hours).into())
    }

    fn is_absent(&self, staff_id: &str, date: NaiveDate) -> bool {
        self.absent.contains(&(staff_id.to_owned(), date.to_string()))
    }

    fn kind_of(&self, staff_id: &str) -> Option<StaffKind> {
        let opened = self.opened.as_ref()?;
        opened
            .members
            .iter()
            .find(|member| member.staff_id == staff_id)
            .map(proto::registry::v1::roster_event::Member::kind)
    }
}

/// Whether there is less than the rest between the two.
fn too_close(slot: &Slot, other: &Busy, rest: TimeDelta) -> bool {
    slot.start < other.end + rest && other.start < slot.end + rest
}

// Events

pub use proto::registry::v1::roster_event::Event;

// Refusals

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("no such roster, duty or swap")]
    Unknown,
    #[error("the week of this compound has a roster with other data")]
    OpenedOtherwise,
    #[error("somebody else holds the duty")]
    Taken { duty: String },
    #[error("there would be too little rest")]
    TooLittleRest { duty: String, hours: i32 },
    #[error("they will not come on that day")]
    Absent { duty: String },
    #[error("no member of this roster, or of another kind")]
    NotOnRoster,
    #[error("the swap is closed")]
    SwapClosed,
    #[error("only who holds it can give it away")]
    NotYours,
}

// Decisions

impl Roster {
    pub fn open(&self, opened: &Opened) -> Result<Vec<Event>, Refusal> {
        match &self.opened {
            None => Ok(vec![Event::Opened(opened.clone())]),
            Some(known) if known == opened => Ok(Vec::new()),
            Some(_) => Err(Refusal::OpenedOtherwise),
        }
    }

    /// Duties and who shall hold them, all or none. `elsewhere`: when they are on duty in the weeks beside this one.
    pub fn assign(&self, wanted: &[(String, String)], elsewhere: &[Busy]) -> Result<Vec<Event>, Refusal> {
        let slots: BTreeMap<String, Slot> = self.slots().into_iter().map(|slot| (slot.id.clone(), slot)).collect();
        let mut busy = self.busy();
        busy.extend_from_slice(elsewhere);
        let mut duties: Vec<Held> = Vec::new();
        for (duty_id, staff_id) in wanted {
            let slot = slots.get(duty_id).ok_or(Refusal::Unknown)?;
            let holder = self.held.get(duty_id).or_else(|| duties.iter().find(|held| held.duty_id == *duty_id));
            match holder {
                Some(held) if held.staff_id == *staff_id => continue,
                Some(_) => return Err(Refusal::Taken { duty: duty_id.clone() }),
                None => {}
            }
            self.fits(slot, staff_id, &busy)?;
            busy.push(Busy { staff_id: staff_id.clone(), start: slot.start, end: slot.end, night: slot.night });
            duties.push(Held {
                duty_id: duty_id.clone(),
                staff_id: staff_id.clone(),
                instead_of: self.left.get(duty_id).filter(|left| *left != staff_id).cloned().unwrap_or_default(),
            });
        }
        Ok(if duties.is_empty() { Vec::new() } else { vec![Event::Assigned(Assigned { duties })] })
    }

    /// Whether somebody can hold a duty besides what they hold.
    fn fits(&self, slot: &Slot, staff_id: &str, busy: &[Busy]) -> Result<(), Refusal> {
        if self.kind_of(staff_id) != Some(slot.kind) {
            return Err(Refusal::NotOnRoster);
        }
        if self.is_absent(staff_id, slot.date) {
            return Err(Refusal::Absent { duty: slot.id.clone() });
        }
        let rest = self.rest();
        if busy.iter().any(|other| other.staff_id == staff_id && too_close(slot, other, rest)) {
            let hours = self.opened.as_ref().map_or(0, |opened| opened.rest_hours);
            return Err(Refusal::TooLittleRest { duty: slot.id.clone(), hours });
        }
        Ok(())
    }

    /// They will not come on a day of this week: what they held then, nobody holds.
    pub fn report_absence(&self, staff_id: &str, date: NaiveDate) -> Result<Vec<Event>, Refusal> {
        if self.kind_of(staff_id).is_none() {
            return Err(Refusal::NotOnRoster);
        }
        let slots = self.slots();
        if !slots.iter().any(|slot| slot.date == date) {
            return Err(Refusal::Unknown);
        }
        if self.is_absent(staff_id, date) {
            return Ok(Vec::new());
        }
        let theirs =
            |slot: &&Slot| slot.date == date && self.held.get(&slot.id).is_some_and(|held| held.staff_id == staff_id);
        Ok(vec![Event::Absent(Absent {
            staff_id: staff_id.to_owned(),
            date: date.to_string(),
            duty_ids: slots.iter().filter(theirs).map(|slot| slot.id.clone()).collect(),
        })])
    }

    /// By who holds the one duty. It is looked at whether it can be, before anybody is asked.
    pub fn propose_swap(
        &self,
        (swap_id, by): (&str, &str),
        (own, other): (&str, &str),
        elsewhere: &[Busy],
    ) -> Result<Vec<Event>, Refusal> {
        if self.swaps.contains_key(swap_id) {
            return Ok(Vec::new());
        }
        let (mine, theirs) = (self.held.get(own), self.held.get(other));
        let (mine, theirs) = (mine.ok_or(Refusal::Unknown)?, theirs.ok_or(Refusal::Unknown)?);
        if mine.staff_id != by || theirs.staff_id == by {
            return Err(Refusal::NotYours);
        }
        let proposed = SwapProposed {
            swap_id: swap_id.to_owned(),
            own_duty_id: own.to_owned(),
            other_duty_id: other.to_owned(),
            by: by.to_owned(),
            asked: theirs.staff_id.clone(),
        };
        self.swapped(&proposed, elsewhere)?;
        Ok(vec![Event::SwapProposed(proposed)])
    }

    /// By who is asked.
    pub fn answer_swap(
        &self,
        swap_id: &str,
        (by, agree): (&str, bool),
        elsewhere: &[Busy],
    ) -> Result<Vec<Event>, Refusal> {
        let (proposed, answer) = self.swaps.get(swap_id).ok_or(Refusal::Unknown)?;
        if proposed.asked != by {
            return Err(Refusal::NotYours);
        }
        match (answer, agree) {
            (Answer::Open, true) => {}
            (Answer::Open, false) => {
                return Ok(vec![Event::SwapDeclined(SwapDeclined { swap_id: swap_id.to_owned() })]);
            }
            (Answer::Agreed, true) | (Answer::Declined, false) => return Ok(Vec::new()),
            (Answer::Agreed, false) | (Answer::Declined, true) => return Err(Refusal::SwapClosed),
        }
        let holds = |duty: &str, staff: &str| self.held.get(duty).is_some_and(|held| held.staff_id == staff);
        if !holds(&proposed.own_duty_id, &proposed.by) || !holds(&proposed.other_duty_id, by) {
            return Err(Refusal::SwapClosed);
        }
        let duties = self.swapped(proposed, elsewhere)?;
        Ok(vec![Event::Swapped(Swapped { swap_id: swap_id.to_owned(), duties })])
    }

    /// Who would hold the two duties.
    fn swapped(&self, swap: &SwapProposed, elsewhere: &[Busy]) -> Result<Vec<Held>, Refusal> {
        let slots = self.slots();
        let find = |id: &str| slots.iter().find(|slot| slot.id == id).ok_or(Refusal::Unknown);
        let (own, other) = (find(&swap.own_duty_id)?, find(&swap.other_duty_id)?);
        let mut without = self.clone();
        without.held.remove(&own.id);
        without.held.remove(&other.id);
        let mut busy = without.busy();
        busy.extend_from_slice(elsewhere);
        without.fits(own, &swap.asked, &busy)?;
        without.fits(other, &swap.by, &busy)?;
        let held = |slot: &Slot, staff: &str| Held {
            duty_id: slot.id.clone(),
            staff_id: staff.to_owned(),
            instead_of: String::new(),
        };
        Ok(vec![held(own, &swap.asked), held(other, &swap.by)])
    }
}

// Evolve

impl Aggregate for Roster {
    type Event = Event;

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Opened(opened) => self.opened = Some(opened.clone()),
            Event::Assigned(Assigned { duties }) => self.hold(duties),
            Event::Absent(Absent { staff_id, date, duty_ids }) => {
                self.absent.insert((staff_id.clone(), date.clone()));
                for duty in duty_ids {
                    self.held.remove(duty);
                    self.left.insert(duty.clone(), staff_id.clone());
                }
            }
            Event::SwapProposed(proposed) => {
                self.swaps.insert(proposed.swap_id.clone(), (proposed.clone(), Answer::Open));
            }
            Event::Swapped(Swapped { swap_id, duties }) => {
                self.hold(duties);
                self.answered(swap_id, Answer::Agreed);
            }
            Event::SwapDeclined(SwapDeclined { swap_id }) => self.answered(swap_id, Answer::Declined),
        }
    }
}

impl Roster {
    fn hold(&mut self, duties: &[Held]) {
        for held in duties {
            self.left.remove(&held.duty_id);
            self.held.insert(held.duty_id.clone(), held.clone());
        }
    }

    fn answered(&mut self, swap_id: &str, answer: Answer) {
        if let Some(swap) = self.swaps.get_mut(swap_id) {
            swap.1 = answer;
        }
    }
}

// Tests

#[cfg(test)]
mod tests;
