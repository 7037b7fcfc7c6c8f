//! A household: registered, visited, with passes, in isolation.

use std::collections::HashMap;

use proto::registry::v1::{Tenure, VisitOutcome, household_event, visits_event};

use super::{Fold, Told, names, person::TOUCH, time};
use crate::{
    book::{Minute, Of, Place, Share, day},
    figures::Which,
};

#[derive(Default)]
pub(super) struct Households(HashMap<String, Household>);

#[derive(Default)]
pub(super) struct Household {
    place: Place,
    /// Whether it is rented; `None` before the register says.
    rented: Option<bool>,
    /// The latest time at which somebody of it was met, in microseconds.
    met_at: Option<i64>,
    /// Whose passes open a gate, and until when.
    pub(super) passes: HashMap<String, Minute>,
    /// Home isolations in force, and isolations that were completed.
    pub(super) home_isolations: usize,
    pub(super) completed: usize,
    shares: Vec<Share>,
}

impl Households {
    pub(super) fn counted(&self, wanted: impl Fn(&[Share]) -> bool) -> Vec<String> {
        names("households", self.0.iter().map(|(id, household)| (id, &household.shares)), wanted)
    }
}

impl Fold {
    pub(super) fn household(&mut self, told: Told<'_>, event: &household_event::Event) {
        let household_event::Event::Registered(event) = event else { return };
        let place = self.places.number(&event.neighbourhood_id);
        let rented = event.tenure() == Tenure::Rented;
        self.of_household(told.id, place, told.at, |household| household.rented = Some(rented));
    }

    pub(super) fn visited(&mut self, told: Told<'_>, event: &visits_event::Event) {
        let visits_event::Event::Visited(event) = event else { return };
        let place = self.places.number(&event.residence.clone().unwrap_or_default().neighbourhood_id);
        let visited_at = time(event.visited_at.as_ref());
        self.count(told, place, Of::Day(Which::VisitsToday, day(chassis::day_of(visited_at))));
        if event.outcome() == VisitOutcome::Met {
            self.of_household(told.id, place, told.at, |household| {
                household.met_at = household.met_at.max(Some(visited_at.timestamp_micros()));
            });
        }
        self.met(told.at, event);
    }

    /// Changes what is counted of a household.
    pub(super) fn of_household(&mut self, id: &str, place: Place, at: Minute, change: impl FnOnce(&mut Household)) {
        if !self.households.0.contains_key(id) {
            self.households.0.insert(id.to_owned(), Household { place, ..Household::default() });
        }
        let Some(household) = self.households.0.get_mut(id) else { return };
        change(household);
        let shares = household.shares();
        self.book.change(&mut household.shares, shares, at);
    }
}

impl Household {
    fn shares(&self) -> Vec<Share> {
        let one = |which| Share::one(self.place, Of::Figure(which));
        let mut shares = Vec::new();
        if let Some(rented) = self.rented {
            shares.push(one(Which::Households));
            if rented {
                shares.push(one(Which::Rented));
            }
            match self.met_at.and_then(chrono::DateTime::from_timestamp_micros) {
                None => shares.push(one(Which::NeverVisitedHouseholds)),
                Some(met) => {
                    let until = Minute::from(met + chrono::TimeDelta::days(TOUCH));
                    shares.push(one(Which::VisitedHouseholds).until(until));
                    shares.push(Share::one(self.place, Of::Touched(day(chassis::day_of(met)))));
                }
            }
        }
        if let Some(until) = self.passes.values().max() {
            shares.push(one(Which::HouseholdsWithPass).until(*until));
        }
        if self.home_isolations > 0 {
            shares.push(one(Which::HomeIsolationHouseholds));
        }
        if self.completed > 0 {
            shares.push(one(Which::ReleasedHouseholds));
        }
        shares
    }
}

#[cfg(test)]
mod tests {
    use chassis::timestamp;
    use proto::registry::v1::{Tenure, VisitOutcome, visits_event};

    use crate::tests::{
        Street,
        street::{residence, time},
    };

    fn visit(street: &mut Street, at: &str, outcome: VisitOutcome) {
        let visited = visits_event::Visited {
            residence: Some(residence("n1/h1")),
            outcome: outcome.into(),
            visited_at: Some(timestamp(time(at))),
            ..Default::default()
        };
        street.tell("h1", visits_event::Event::Visited(visited));
    }

    #[test]
    fn a_household_is_covered_for_a_fortnight_after_somebody_was_met() {
        let mut street = Street::new();
        street.at("2020-02-11 08:00").household("n1/h1", Tenure::Rented);
        street.at("2020-02-11 10:00");
        visit(&mut street, "2020-02-11 09:30", VisitOutcome::NobodyHome);
        street.at("2020-02-12 10:00");
        visit(&mut street, "2020-02-12 09:30", VisitOutcome::Met);
        let at = |time: &str| {
            let figures = street.live(time).figures["n1"];
            (figures.visited_households, figures.never_visited_households)
        };
        assert_eq!([at("2020-02-26 09:29"), at("2020-02-26 09:30")], [(1, 0), (0, 0)]);
        let tried = street.as_of("2020-02-11 11:00").figures["n1"];
        assert_eq!((tried.households, tried.rented, tried.never_visited_households, tried.visits_today), (1, 1, 1, 1));
    }

    #[test]
    fn ages_of_the_last_touch_grow_by_themselves_and_an_older_visit_takes_none_back() {
        let mut street = Street::new();
        street.at("2020-02-12 08:00").household("n1/h1", Tenure::Owned);
        visit(&mut street, "2020-02-12 08:00", VisitOutcome::Met);
        visit(&mut street, "2020-02-10 08:00", VisitOutcome::Met);
        let age = |time: &str| street.live(time).touches["n1"];
        assert_eq!(age("2020-02-13 23:00").within_a_day, 1);
        assert_eq!(age("2020-02-14 00:00").within_three_days, 1);
        assert_eq!((age("2020-02-27 00:00").older, age("2020-02-27 00:00").oldest_days), (1, 15));
    }
}
