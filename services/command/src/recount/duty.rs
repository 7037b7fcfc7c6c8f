//! Rosters duty by duty, rounds tick by tick, volunteers.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Days, NaiveDate, Utc};
use proto::{
    Fact as _, UnreadableFact,
    registry::v1::{
        roster_event::{self, Held, Opened},
        round_event, volunteer_event,
    },
};

use super::{Counting, Told, time};

#[derive(Default)]
pub(super) struct Duty {
    rosters: HashMap<String, Roster>,
    /// By round: where, how often a day, and when it was made.
    rounds: HashMap<String, (String, i64, Vec<DateTime<Utc>>)>,
    /// Where those help who do.
    volunteers: BTreeMap<String, String>,
}

#[derive(Default)]
struct Roster {
    opened: Opened,
    /// Who holds which duty.
    held: BTreeMap<String, String>,
}

impl Duty {
    pub(super) fn read(&mut self, told: &Told<'_>) -> Result<(), UnreadableFact> {
        match told.category {
            roster_event::Event::CATEGORY => {
                self.rosters
                    .entry(told.id.to_owned())
                    .or_default()
                    .read(roster_event::Event::from_payload(told.payload)?);
            }
            round_event::Event::CATEGORY => {
                let (place, a_day, made) = self.rounds.entry(told.id.to_owned()).or_default();
                match round_event::Event::from_payload(told.payload)? {
                    round_event::Event::Planned(event) => {
                        (*place, *a_day) = (event.neighbourhood_id, event.times_per_day.into());
                    }
                    round_event::Event::Ticked(event) => made.push(time(event.time.as_ref())),
                }
            }
            volunteer_event::Event::CATEGORY => match volunteer_event::Event::from_payload(told.payload)? {
                volunteer_event::Event::Enrolled(event) => {
                    let place = event.residence.unwrap_or_default().neighbourhood_id;
                    self.volunteers.insert(told.id.to_owned(), place);
                }
                volunteer_event::Event::Retired(_) => {
                    self.volunteers.remove(told.id);
                }
                volunteer_event::Event::Changed(_)
                | volunteer_event::Event::Served(_)
                | volunteer_event::Event::Thanked(_) => {}
            },
            _ => {}
        }
        Ok(())
    }

    pub(super) fn count(&self, counting: &mut Counting) {
        for roster in self.rosters.values() {
            let duties = roster.duties(counting.today);
            let figures = counting.of(&roster.opened.neighbourhood_id);
            for duty in duties {
                figures.duties += 1;
                figures.roster_gaps += i64::from(!roster.held.contains_key(&duty));
            }
        }
        for (neighbourhood, a_day, made) in self.rounds.values() {
            let today = counting.today;
            let made = made.iter().filter(|at| chassis::day_of(**at) == today).count();
            let figures = counting.of(neighbourhood);
            figures.rounds_due += a_day;
            figures.rounds_made += i64::try_from(made).unwrap_or(i64::MAX);
        }
        for neighbourhood in self.volunteers.values() {
            counting.of(neighbourhood).volunteers += 1;
        }
    }
}

impl Roster {
    fn read(&mut self, event: roster_event::Event) {
        match event {
            roster_event::Event::Opened(event) => self.opened = event,
            roster_event::Event::Assigned(event) => self.give(event.duties),
            roster_event::Event::Swapped(event) => self.give(event.duties),
            roster_event::Event::Absent(event) => self.held.retain(|duty, _| !event.duty_ids.contains(duty)),
            roster_event::Event::SwapProposed(_) | roster_event::Event::SwapDeclined(_) => {}
        }
    }

    fn give(&mut self, duties: Vec<Held>) {
        self.held.extend(duties.into_iter().map(|held| (held.duty_id, held.staff_id)));
    }

    /// Names of the duties of a day of its week.
    fn duties(&self, day: NaiveDate) -> BTreeSet<String> {
        let from: NaiveDate = self.opened.from.parse().unwrap_or_default();
        let mut duties = BTreeSet::new();
        if day >= from && from.checked_add_days(Days::new(7)).is_some_and(|end| day < end) {
            for shift in 0..self.opened.shifts.len() {
                for (at, post) in self.opened.posts.iter().enumerate() {
                    duties.extend((0..post.people).map(|seat| format!("{day}.{shift}.{at}.{seat}")));
                }
            }
        }
        duties
    }
}
