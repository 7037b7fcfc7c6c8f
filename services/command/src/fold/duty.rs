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

#[cfg(test)]
mod tests {
    use chassis::timestamp;
    use proto::registry::v1::{
        Post, Shift,
        roster_event::{self, Held},
        round_event, volunteer_event,
    };

    use crate::tests::{
        Street,
        street::{residence, time},
    };

    #[test]
    fn a_gap_is_a_duty_of_the_day_that_nobody_holds() {
        let mut street = Street::new();
        let opened = roster_event::Opened {
            neighbourhood_id: "n1".to_owned(),
            from: "2020-02-10".to_owned(),
            shifts: vec![Shift::default(); 3],
            posts: vec![Post { people: 2, ..Post::default() }],
            ..Default::default()
        };
        let duty = "2020-02-12.1.0.1".to_owned();
        let held = Held { duty_id: duty.clone(), staff_id: "s1".to_owned(), ..Held::default() };
        let assigned = roster_event::Assigned { duties: vec![held] };
        let absent = roster_event::Absent { duty_ids: vec![duty], ..Default::default() };
        street.at("2020-02-11 08:00").tell("week", roster_event::Event::Opened(opened));
        street.at("2020-02-12 08:00").tell("week", roster_event::Event::Assigned(assigned));
        street.at("2020-02-12 10:00").tell("week", roster_event::Event::Absent(absent));
        let at = |time: &str| {
            let figures = street.as_of(time).figures["n1"];
            (figures.duties, figures.roster_gaps)
        };
        let times = ["2020-02-11 07:00", "2020-02-11 09:00", "2020-02-12 09:00", "2020-02-12 11:00"];
        assert_eq!(times.map(at), [(0, 0), (6, 6), (6, 5), (6, 6)]);
        assert_eq!(street.live("2020-02-17 09:00").figures["n1"].duties, 0, "a roster is a week");
    }

    #[test]
    fn rounds_are_due_each_day_and_made_on_the_day_of_their_tick() {
        let mut street = Street::new();
        let plan = |times_per_day| {
            let neighbourhood_id = "n1".to_owned();
            round_event::Event::Planned(round_event::Planned { neighbourhood_id, times_per_day, ..Default::default() })
        };
        let made = Some(timestamp(time("2020-02-11 23:50")));
        street.at("2020-02-11 08:00").tell("gate", plan(1)).at("2020-02-11 09:00").tell("gate", plan(2));
        street
            .at("2020-02-12 00:10")
            .tell("gate", round_event::Event::Ticked(round_event::Ticked { time: made, ..Default::default() }));
        let figures = street.live("2020-02-12 01:00").figures["n1"];
        assert_eq!((figures.rounds_due, figures.rounds_made), (2, 0));
    }

    #[test]
    fn volunteers_count_until_they_retire() {
        let mut street = Street::new();
        let enrolled = volunteer_event::Enrolled { residence: Some(residence("n1/h1")), ..Default::default() };
        street.at("2020-02-11 08:00").tell("v", volunteer_event::Event::Enrolled(enrolled));
        street.at("2020-02-11 09:00").tell("v", volunteer_event::Event::Retired(volunteer_event::Retired {}));
        let at = |time: &str| street.as_of(time).figures["n1"].volunteers;
        assert_eq!(["2020-02-11 08:30", "2020-02-11 09:30"].map(at), [1, 0]);
    }
}
