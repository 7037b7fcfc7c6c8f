//! The clock of readings: from when one is due, until when, and to whom one that nobody took goes up.

use chassis::CALENDAR;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use proto::isolation::v1::{Doubt, Level};

use super::period::{EVENING_BEGINS, MORNING_BEGINS, Part, Slot};

/// The numbers of observation. The method has no place for them yet; here they stand together, as data that decisions are given.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// O'clock in Asia/Shanghai by which the morning's reading is taken.
    pub morning_until: u32,
    pub evening_until: u32,
    /// But nobody owes one sooner than this after their order began.
    pub first_within: TimeDelta,
    /// After that hour a missed reading is the neighbourhood's, and then the subdistrict's.
    pub neighbourhood_after: TimeDelta,
    pub subdistrict_after: TimeDelta,
    /// So many equal readings in a row are doubted.
    pub same_values: usize,
    /// How long a reporting code is good.
    pub code_lives: TimeDelta,
    /// Within which time other work of an order is done: checks of homes, signatures, transfers.
    pub desk_work: TimeDelta,
    /// Within which time the health team has taken notice of a fever, and a neighbourhood of a breach.
    pub alert: TimeDelta,
}

/// What is shipped. At ten the daily report is due (R22), so the morning is known by then; body temperature is highest until
/// twenty o'clock. Two hours are the way to a door, and a second walk to it; four more, and the subdistrict sends somebody before the next
/// reading is due. Seven equal readings come by chance less than once in ten thousand people. A code outlives one night.
pub const SHIPPED: Schedule = Schedule {
    morning_until: 10,
    evening_until: 20,
    first_within: TimeDelta::hours(2),
    neighbourhood_after: TimeDelta::hours(2),
    subdistrict_after: TimeDelta::hours(6),
    same_values: 7,
    code_lives: TimeDelta::hours(24),
    desk_work: TimeDelta::hours(24),
    alert: TimeDelta::minutes(30),
};

impl Schedule {
    /// By when a reading of an order is taken that began then.
    pub fn due(&self, slot: Slot, began: DateTime<Utc>) -> DateTime<Utc> {
        let until = match slot.part {
            Part::Morning => self.morning_until,
            Part::Evening => self.evening_until,
        };
        at(slot.date, until).max(began + self.first_within)
    }

    /// Whose a reading is by now that nobody took; `None` while there is time.
    pub fn level(&self, slot: Slot, began: DateTime<Utc>, now: DateTime<Utc>) -> Option<Level> {
        let late = now - self.due(slot, began);
        if late < TimeDelta::zero() {
            None
        } else if late < self.neighbourhood_after {
            Some(Level::Grid)
        } else if late < self.subdistrict_after {
            Some(Level::Neighbourhood)
        } else {
            Some(Level::Subdistrict)
        }
    }

    /// When a reading that stands at this level goes up; `None` at the top.
    pub fn next_step(&self, slot: Slot, began: DateTime<Utc>, level: Option<Level>) -> Option<DateTime<Utc>> {
        let due = self.due(slot, began);
        match level {
            None | Some(Level::Unspecified) => Some(due),
            Some(Level::Grid) => Some(due + self.neighbourhood_after),
            Some(Level::Neighbourhood) => Some(due + self.subdistrict_after),
            Some(Level::Subdistrict) => None,
        }
    }

    /// Whether a reading is doubted: so many before it, the newest first, said the same to the tenth of a degree.
    pub fn doubt(&self, before: &[i32], decicelsius: i32) -> Doubt {
        let same = before.iter().take_while(|other| **other == decicelsius).count();
        if same + 1 >= self.same_values { Doubt::SameValue } else { Doubt::Unspecified }
    }
}

/// When a half-day begins.
pub fn opens(slot: Slot) -> DateTime<Utc> {
    let begins = match slot.part {
        Part::Morning => MORNING_BEGINS,
        Part::Evening => EVENING_BEGINS,
    };
    at(slot.date, begins)
}

/// An hour of a day in Asia/Shanghai, wherever the server stands; the calendar's end where there is no such time.
pub fn at(date: NaiveDate, hour: u32) -> DateTime<Utc> {
    let local = date.and_hms_opt(hour, 0, 0).and_then(|time| time.and_local_timezone(CALENDAR).single());
    local.map_or(DateTime::<Utc>::MAX_UTC, |time| time.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(&format!("{text}:00+08:00")).unwrap().to_utc()
    }

    fn slot(date: &str, part: Part) -> Slot {
        Slot { date: date.parse().unwrap(), part }
    }

    #[test]
    fn a_missed_reading_goes_up_from_the_grid_to_the_subdistrict() {
        let evening = slot("2020-02-29", Part::Evening);
        let level = |time: &str| SHIPPED.level(evening, DateTime::default(), moment(time));
        assert_eq!(level("2020-02-29T19:59"), None);
        assert_eq!(level("2020-02-29T20:00"), Some(Level::Grid));
        assert_eq!(level("2020-02-29T22:00"), Some(Level::Neighbourhood));
        // Behind midnight and the end of a month.
        assert_eq!(level("2020-03-01T01:59"), Some(Level::Neighbourhood));
        assert_eq!(level("2020-03-01T02:00"), Some(Level::Subdistrict));
    }

    #[test]
    fn each_step_is_taken_when_the_next_level_begins() {
        let morning = slot("2020-02-12", Part::Morning);
        let (mut level, mut steps) = (None, Vec::new());
        while let Some(step) = SHIPPED.next_step(morning, DateTime::default(), level) {
            level = SHIPPED.level(morning, DateTime::default(), step);
            steps.push((step, level));
        }
        let times = ["2020-02-12T10:00", "2020-02-12T12:00", "2020-02-12T16:00"].map(moment);
        let levels = [Level::Grid, Level::Neighbourhood, Level::Subdistrict].map(Some);
        assert_eq!(steps, times.into_iter().zip(levels).collect::<Vec<_>>());
    }

    #[test]
    fn an_order_of_the_afternoon_is_late_with_nothing_when_it_begins() {
        let (morning, began) = (slot("2020-02-11", Part::Morning), moment("2020-02-11T15:23"));
        let level = |time: &str| SHIPPED.level(morning, began, moment(time));
        assert_eq!((level("2020-02-11T17:22"), level("2020-02-11T17:23")), (None, Some(Level::Grid)));
        assert_eq!(SHIPPED.due(slot("2020-02-11", Part::Evening), began), moment("2020-02-11T20:00"));
    }

    #[test]
    fn half_days_are_those_of_ningbo() {
        assert_eq!(opens(slot("2020-03-01", Part::Morning)), "2020-02-29T22:00:00Z".parse::<DateTime<Utc>>().unwrap());
        assert_eq!(opens(slot("2020-03-01", Part::Evening)), "2020-03-01T08:00:00Z".parse::<DateTime<Utc>>().unwrap());
    }

    #[test]
    fn a_reading_that_never_changes_is_doubted() {
        assert_eq!(SHIPPED.doubt(&[365; 6], 365), Doubt::SameValue);
        assert_eq!(SHIPPED.doubt(&[365; 5], 365), Doubt::Unspecified);
        assert_eq!(SHIPPED.doubt(&[365, 365, 366, 365, 365, 365, 365], 365), Doubt::Unspecified);
        assert_eq!(SHIPPED.doubt(&[365; 9], 366), Doubt::Unspecified);
    }
}
