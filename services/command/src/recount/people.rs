//! Households and residents as the registry has them, every visit, and who is watched.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Days, NaiveDate, Utc};
use proto::{
    Fact as _, UnreadableFact,
    command::v1::TouchAges,
    registry::v1::{
        Tenure, VisitOutcome, household_event, key_person_event, neighbourhood_event, resident_event, visits_event,
    },
};

use super::{Counting, Told, time};

#[derive(Default)]
pub(super) struct People {
    /// What they are called, by id.
    pub(super) neighbourhoods: BTreeMap<String, String>,
    /// Neighbourhood and tenure.
    households: HashMap<String, (String, Tenure)>,
    residents: HashMap<String, Resident>,
    watched: HashMap<String, Watched>,
    visits: Vec<Visit>,
}

#[derive(Default)]
struct Resident {
    neighbourhood: String,
    moved_out: bool,
    merged: bool,
}

struct Watched {
    neighbourhood: String,
    /// The last day; `None`: until a decision.
    until: Option<NaiveDate>,
}

struct Visit {
    household: String,
    neighbourhood: String,
    at: DateTime<Utc>,
    met: bool,
    residents: Vec<String>,
}

impl People {
    /// The neighbourhood of somebody who lives here now.
    pub(super) fn home(&self, resident: &str) -> Option<&str> {
        let resident = self.residents.get(resident)?;
        (!resident.moved_out && !resident.merged).then_some(&*resident.neighbourhood)
    }

    /// A neighbourhood, where the record is of one.
    pub(super) fn open(&mut self, told: &Told<'_>) -> Result<(), UnreadableFact> {
        if told.category == neighbourhood_event::Event::CATEGORY {
            let neighbourhood_event::Event::Opened(event) = neighbourhood_event::Event::from_payload(told.payload)?;
            self.neighbourhoods.insert(told.id.to_owned(), event.display_name);
        }
        Ok(())
    }

    pub(super) fn read(&mut self, told: &Told<'_>) -> Result<(), UnreadableFact> {
        match told.category {
            household_event::Event::CATEGORY => {
                if let household_event::Event::Registered(event) = household_event::Event::from_payload(told.payload)? {
                    let tenure = event.tenure();
                    self.households.insert(told.id.to_owned(), (event.neighbourhood_id, tenure));
                }
            }
            resident_event::Event::CATEGORY => {
                self.resident(told.id, resident_event::Event::from_payload(told.payload)?);
            }
            key_person_event::Event::CATEGORY => match key_person_event::Event::from_payload(told.payload)? {
                key_person_event::Event::Flagged(event) => {
                    let neighbourhood = event.residence.unwrap_or_default().neighbourhood_id;
                    let watched = Watched { neighbourhood, until: event.until.parse().ok() };
                    self.watched.insert(told.id.to_owned(), watched);
                }
                key_person_event::Event::Unflagged(_) => {
                    self.watched.remove(told.id);
                }
            },
            visits_event::Event::CATEGORY => {
                if let visits_event::Event::Visited(event) = visits_event::Event::from_payload(told.payload)? {
                    self.visits.push(Visit {
                        household: told.id.to_owned(),
                        at: time(event.visited_at.as_ref()),
                        met: event.outcome() == VisitOutcome::Met,
                        neighbourhood: event.residence.unwrap_or_default().neighbourhood_id,
                        residents: event.resident_ids,
                    });
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn resident(&mut self, id: &str, event: resident_event::Event) {
        let resident = self.residents.entry(id.to_owned()).or_default();
        match event {
            resident_event::Event::Registered(event) => {
                resident.neighbourhood = event.residence.unwrap_or_default().neighbourhood_id;
            }
            resident_event::Event::MovedOut(_) => {
                resident.moved_out = true;
                self.watched.remove(id);
            }
            resident_event::Event::Erased(_) => {
                self.watched.remove(id);
            }
            resident_event::Event::Merged(_) => resident.merged = true,
            resident_event::Event::Unmerged(_) => resident.merged = false,
            resident_event::Event::Revealed(_) | resident_event::Event::Corrected(_) => {}
        }
    }

    pub(super) fn count(&self, counting: &mut Counting) {
        for id in self.residents.keys() {
            if let Some(home) = self.home(id) {
                counting.of(home).residents += 1;
            }
        }
        for visit in &self.visits {
            if chassis::day_of(visit.at) == counting.today {
                counting.of(&visit.neighbourhood).visits_today += 1;
            }
        }
        self.count_households(counting);
        let met = self.visits.iter().filter(|visit| visit.met && !counting.past(over(visit.at)));
        let seen: BTreeSet<&String> = met.flat_map(|visit| &visit.residents).collect();
        for (id, watched) in &self.watched {
            let ended = watched.until.and_then(|last| last.succ_opt()).is_some_and(|end| counting.today >= end);
            if !ended {
                let figures = counting.of(&watched.neighbourhood);
                figures.key_persons += 1;
                figures.key_persons_seen += i64::from(seen.contains(id));
            }
        }
    }

    fn count_households(&self, counting: &mut Counting) {
        for (neighbourhood, tenure) in self.households.values() {
            let figures = counting.of(neighbourhood);
            figures.households += 1;
            figures.rented += i64::from(*tenure == Tenure::Rented);
        }
        let mut last_met: BTreeMap<&String, DateTime<Utc>> = BTreeMap::new();
        for visit in self.visits.iter().filter(|visit| visit.met) {
            let last = last_met.entry(&visit.household).or_insert(visit.at);
            *last = visit.at.max(*last);
        }
        for (id, (neighbourhood, _)) in &self.households {
            match last_met.get(id) {
                None => counting.of(neighbourhood).never_visited_households += 1,
                Some(met) => {
                    if !counting.past(over(*met)) {
                        counting.of(neighbourhood).visited_households += 1;
                    }
                    let days = (counting.today - chassis::day_of(*met)).num_days().max(0);
                    let ages = counting.shown.touches.entry(neighbourhood.clone()).or_default();
                    *touched(ages, days) += 1;
                    ages.oldest_days = ages.oldest_days.max(i32::try_from(days).unwrap_or(i32::MAX));
                }
            }
        }
    }
}

/// When a visit counts no longer: after a fortnight.
fn over(visited: DateTime<Utc>) -> DateTime<Utc> {
    visited.checked_add_days(Days::new(14)).unwrap_or(visited)
}

fn touched(ages: &mut TouchAges, days: i64) -> &mut i64 {
    if days <= 1 {
        &mut ages.within_a_day
    } else if days <= 3 {
        &mut ages.within_three_days
    } else if days <= 7 {
        &mut ages.within_a_week
    } else if days <= 14 {
        &mut ages.within_two_weeks
    } else {
        &mut ages.older
    }
}
