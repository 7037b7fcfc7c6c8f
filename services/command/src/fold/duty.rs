//! Who helps and who stands where: duties and their gaps, rounds, volunteers.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{Days, NaiveDate};
use proto::registry::v1::{
    roster_event::{self, Held},
    round_event, volunteer_event,
};

use super::{Fold, Told, names, time};
use crate::{
    book::{Of, Place, Share, day},
    figures::Which,
};

#[derive(Default)]
pub(super) struct Duty {
    rosters: HashMap<String, Roster>,
    rounds: HashMap<String, Vec<Share>>,
    volunteers: HashMap<String, Vec<Share>>,
    /// Where a round is made.
    round_places: HashMap<String, Place>,
}

#[derive(Default)]
struct Roster {
    place: Place,
    from: NaiveDate,
    /// Duties of each day.
    a_day: i64,
    held: BTreeSet<String>,
    shares: Vec<Share>,
}

/// A roster is a week, as the registry has it.
const WEEK: u64 = 7;

impl Duty {
    pub(super) fn counted(&self, wanted: impl Fn(&[Share]) -> bool) -> Vec<String> {
        names("volunteers", self.volunteers.iter(), wanted)
    }
}

impl Fold {
    pub(super) fn roster(&mut self, told: Told<'_>, event: roster_event::Event) {
        match event {
            roster_event::Event::Opened(event) => {
                let people: i64 = event.posts.iter().map(|post| i64::from(post.people)).sum();
                let shifts = i64::try_from(event.shifts.len()).unwrap_or(0);
                let roster = Roster {
                    place: self.places.number(&event.neighbourhood_id),
                    from: event.from.parse().unwrap_or_default(),
                    a_day: people * shifts,
                    ..Roster::default()
                };
                self.duty.rosters.insert(told.id.to_owned(), roster);
                self.of_roster(told, |_| {});
            }
            roster_event::Event::Assigned(event) => self.of_roster(told, |roster| roster.hold(&event.duties)),
            roster_event::Event::Swapped(event) => self.of_roster(told, |roster| roster.hold(&event.duties)),
            roster_event::Event::Absent(event) => self.of_roster(told, |roster| {
                for duty in &event.duty_ids {
                    roster.held.remove(duty);
                }
            }),
            roster_event::Event::SwapProposed(_) | roster_event::Event::SwapDeclined(_) => {}
        }
    }

    fn of_roster(&mut self, told: Told<'_>, change: impl FnOnce(&mut Roster)) {
        let Some(roster) = self.duty.rosters.get_mut(told.id) else { return };
        change(roster);
        let shares = roster.shares();
        self.book.change(&mut roster.shares, shares, told.at);
    }

    pub(super) fn round(&mut self, told: Told<'_>, event: round_event::Event) {
        match event {
            round_event::Event::Planned(event) => {
                let place = self.places.number(&event.neighbourhood_id);
                self.duty.round_places.insert(told.id.to_owned(), place);
                let share = Share::one(place, Of::Figure(Which::RoundsDue)).times(event.times_per_day.into());
                let before = self.duty.rounds.entry(told.id.to_owned()).or_default();
                self.book.change(before, vec![share], told.at);
            }
            round_event::Event::Ticked(event) => {
                let Some(place) = self.duty.round_places.get(told.id).copied() else { return };
                let made = day(chassis::day_of(time(event.time.as_ref())));
                self.count(told, place, Of::Day(Which::RoundsMade, made));
            }
        }
    }

    pub(super) fn volunteer(&mut self, told: Told<'_>, event: volunteer_event::Event) {
        let shares = match event {
            volunteer_event::Event::Enrolled(event) => {
                let place = self.places.number(&event.residence.unwrap_or_default().neighbourhood_id);
                vec![Share::one(place, Of::Figure(Which::Volunteers))]
            }
            volunteer_event::Event::Retired(_) => Vec::new(),
            volunteer_event::Event::Changed(_)
            | volunteer_event::Event::Served(_)
            | volunteer_event::Event::Thanked(_) => return,
        };
        let before = self.duty.volunteers.entry(told.id.to_owned()).or_default();
        self.book.change(before, shares, told.at);
    }
}

impl Roster {
    fn hold(&mut self, duties: &[Held]) {
        self.held.extend(duties.iter().map(|held| held.duty_id.clone()));
    }

    fn shares(&self) -> Vec<Share> {
        let mut held: BTreeMap<&str, i64> = BTreeMap::new();
        for duty in &self.held {
            // {date}.{shift}.{post}.{seat}
            *held.entry(duty.split('.').next().unwrap_or_default()).or_default() += 1;
        }
        let mut shares = Vec::new();
        for date in (0..WEEK).filter_map(|days| self.from.checked_add_days(Days::new(days))) {
            let gaps = self.a_day - held.get(date.to_string().as_str()).copied().unwrap_or(0);
            shares.push(Share::one(self.place, Of::Day(Which::Duties, day(date))).times(self.a_day));
            shares.push(Share::one(self.place, Of::Day(Which::RosterGaps, day(date))).times(gaps));
        }
        shares.retain(|share| share.count != 0);
        shares
    }
}
