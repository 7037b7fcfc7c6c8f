//! When passes are good for going out (R18), by the numbers of the method as the centre last told them.

use chassis::{CALENDAR, day_of};
use chrono::{DateTime, NaiveDate, TimeDelta, Timelike as _, Utc};
use proto::pass::v1::Gate;
use serde::{Deserialize, Serialize};

use super::journal::Facts;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// A method has told them: where it has no quota, none holds. Before that a pass is taken at its word.
    pub known: bool,
    pub daytime: Option<Hours>,
    pub outings: Option<Outings>,
}

/// Of the day in Ningbo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hours {
    pub from: u32,
    pub to: u32,
}

/// So many of a household within so many days, today among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outings {
    pub people: usize,
    pub days: u32,
}

impl Limits {
    pub fn of(gate: &Gate) -> Self {
        let number = |number: i32| u32::try_from(number).unwrap_or_default();
        let (from, to) = (number(gate.daytime_from_hour), number(gate.daytime_to_hour));
        let (people, days) = (number(gate.outing_people), number(gate.outing_days));
        Self {
            known: !gate.method_version.is_empty(),
            daytime: (from < to).then_some(Hours { from, to }),
            outings: usize::try_from(people)
                .ok()
                .filter(|people| *people > 0 && days > 0)
                .map(|people| Outings { people, days }),
        }
    }

    /// The hours that keep the holder from going out now.
    pub fn closed(&self, facts: &Facts, now: DateTime<Utc>) -> Option<Hours> {
        let hour = now.with_timezone(&CALENDAR).hour();
        self.daytime.filter(|hours| facts.daytime && !(hours.from..hours.to).contains(&hour))
    }

    /// The quota that holds for this pass.
    pub fn quota(&self, facts: &Facts) -> Option<Outings> {
        let own = Outings { people: 1, days: facts.outing_days.into() };
        if facts.outing_days == 0 {
            None
        } else if self.known {
            self.outings
        } else {
            Some(own)
        }
    }
}

impl Outings {
    /// The first day that counts.
    pub fn first_day(&self, now: DateTime<Utc>) -> NaiveDate {
        day_of(now) - TimeDelta::days(i64::from(self.days) - 1)
    }
}
