//! Days and half-days of an isolation, in the calendar of Asia/Shanghai (DOMAIN R9 to R11).

use std::fmt;

use chassis::CALENDAR;
use chrono::{DateTime, Days, NaiveDate, Timelike as _, Utc};
use proto::isolation::v1::{DayPart, Terms};

/// The morning's reading is due from here. Breakfast is the first knock at the door that people accept, and the day
/// shift of the neighbourhood begins at six.
pub const MORNING_BEGINS: u32 = 6;
/// The evening's reading is due from here. Body temperature is highest between 16 and 20 o'clock, which is where a reading
/// finds a fever that the morning's missed.
pub const EVENING_BEGINS: u32 = 16;

/// From when until when somebody is isolated and observed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Period {
    /// R10. It counts as day zero.
    pub day_zero: NaiveDate,
    /// The first reading that is due.
    pub first: Slot,
    /// Release is possible on this day or later.
    pub last_day: NaiveDate,
}

impl Period {
    /// `days` after day zero, and never over before the observation began: who comes late is still seen once.
    pub fn new(day_zero: NaiveDate, first: Slot, days: u64) -> Self {
        let last_day = later(day_zero, days).max(first.date);
        Self { day_zero, first, last_day }
    }

    /// The period as the terms of an order say it.
    pub fn of(terms: &Terms) -> Self {
        let date = |text: &str| text.parse().unwrap_or_default();
        let part = Part::of(terms.first_day_part()).unwrap_or(Part::Morning);
        let first = Slot { date: date(&terms.observed_from), part };
        Self { day_zero: date(&terms.day_zero), first, last_day: date(&terms.last_day) }
    }

    /// Puts the period into the terms of an order.
    pub fn into_terms(self, terms: Terms) -> Terms {
        Terms {
            day_zero: self.day_zero.to_string(),
            observed_from: self.first.date.to_string(),
            first_day_part: self.first.part.day_part().into(),
            last_day: self.last_day.to_string(),
            ..terms
        }
    }
}

/// That many days after; the calendar's end where there is no such day.
pub fn later(day: NaiveDate, days: u64) -> NaiveDate {
    day.checked_add_days(Days::new(days)).unwrap_or(NaiveDate::MAX)
}

/// One half-day, which asks for one reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    pub date: NaiveDate,
    pub part: Part,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    #[default]
    Morning,
    Evening,
}

impl Slot {
    /// The half-day of this moment; before six o'clock none of the day has begun.
    pub fn at(now: DateTime<Utc>) -> Option<Self> {
        let local = now.with_timezone(&CALENDAR);
        let part = match local.hour() {
            ..MORNING_BEGINS => return None,
            MORNING_BEGINS..EVENING_BEGINS => Part::Morning,
            _ => Part::Evening,
        };
        Some(Self { date: local.date_naive(), part })
    }

    /// The first reading that can be asked for when observation begins on this day: on the day itself the half-day of the
    /// moment, since nobody can take the morning's temperature in the evening.
    pub fn first_on(date: NaiveDate, now: DateTime<Utc>) -> Self {
        match Self::at(now) {
            Some(slot) if slot.date == date => slot,
            _ => Self { date, part: Part::Morning },
        }
    }

    pub fn has_begun(self, now: DateTime<Utc>) -> bool {
        let today = chassis::day_of(now);
        self.date < today || Self::at(now).is_some_and(|present| self.date == today && self.part <= present.part)
    }

    /// As the contract writes it; `None` where it is none.
    pub fn of(date: &str, part: DayPart) -> Option<Self> {
        Some(Self { date: date.parse().ok()?, part: Part::of(part)? })
    }

    pub fn read(slot: &proto::isolation::v1::Slot) -> Option<Self> {
        Self::of(&slot.date, slot.day_part())
    }

    /// The last half-day of a day.
    pub fn evening(date: NaiveDate) -> Self {
        Self { date, part: Part::Evening }
    }

    /// `None` at the calendar's end.
    fn next(self) -> Option<Self> {
        match self.part {
            Part::Morning => Some(Self { part: Part::Evening, ..self }),
            Part::Evening => Some(Self { date: self.date.succ_opt()?, part: Part::Morning }),
        }
    }

    /// From this half-day to the last one, both included.
    pub fn through(self, last: Self) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(self), |slot| slot.next()).take_while(move |slot| *slot <= last)
    }

    /// "2月10日晚"
    pub fn zh(self) -> String {
        let part = match self.part {
            Part::Morning => "早",
            Part::Evening => "晚",
        };
        format!("{}{part}", zh(self.date))
    }

    /// "10 February, evening"
    pub fn en(self) -> String {
        format!("{}, {}", self.date.format("%-d %B"), self.part.word())
    }
}

/// "2月10日"
pub fn zh(date: NaiveDate) -> String {
    date.format("%-m月%-d日").to_string()
}

/// "2020-02-10 evening"
impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.date, self.part.word())
    }
}

impl Part {
    const fn word(self) -> &'static str {
        match self {
            Self::Morning => "morning",
            Self::Evening => "evening",
        }
    }

    pub fn of(part: DayPart) -> Option<Self> {
        match part {
            DayPart::Morning => Some(Self::Morning),
            DayPart::Evening => Some(Self::Evening),
            DayPart::Unspecified => None,
        }
    }

    pub fn day_part(self) -> DayPart {
        match self {
            Self::Morning => DayPart::Morning,
            Self::Evening => DayPart::Evening,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn moment(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(&format!("{text}:00+08:00")).unwrap().to_utc()
    }

    fn morning(date: &str) -> Slot {
        Slot { date: day(date), part: Part::Morning }
    }

    #[test]
    fn fourteen_days_after_day_zero_is_the_last_day_across_the_leap_day() {
        let end = |zero: &str| Period::new(day(zero), morning(zero), 14).last_day.to_string();
        assert_eq!(end("2020-02-10"), "2020-02-24");
        assert_eq!(end("2020-02-15"), "2020-02-29");
        assert_eq!(end("2020-02-16"), "2020-03-01");
        assert_eq!(end("2020-01-20"), "2020-02-03");
        assert_eq!(end("2019-02-16"), "2019-03-02");
    }

    #[test]
    fn who_left_the_area_long_ago_is_still_seen_on_the_day_of_the_order() {
        let period = Period::new(day("2020-01-20"), morning("2020-02-11"), 14);
        assert_eq!(period.last_day, day("2020-02-11"));
    }

    #[test]
    fn a_half_day_begins_by_the_clock_of_shanghai() {
        let evening = Slot::evening(day("2020-02-29"));
        assert!(!evening.has_begun(moment("2020-02-29T15:59")));
        assert!(evening.has_begun(moment("2020-02-29T16:00")));
        assert!(evening.has_begun(moment("2020-03-01T00:00")));
        assert!(!morning("2020-03-01").has_begun(moment("2020-03-01T05:59")));
        assert!(morning("2020-03-01").has_begun(moment("2020-03-01T06:00")));
        assert!(!morning("2020-03-02").has_begun(moment("2020-03-01T23:59")));
    }

    #[test]
    fn half_days_follow_each_other_through_the_leap_day() {
        let slots: Vec<String> =
            Slot::evening(day("2020-02-28")).through(morning("2020-03-01")).map(|slot| slot.to_string()).collect();
        assert_eq!(slots, ["2020-02-28 evening", "2020-02-29 morning", "2020-02-29 evening", "2020-03-01 morning"]);
    }

    #[test]
    fn the_first_reading_is_of_the_half_day_in_which_observation_begins() {
        let today = day("2020-02-11");
        let first = |time: &str| Slot::first_on(today, moment(time)).to_string();
        assert_eq!(first("2020-02-11T02:00"), "2020-02-11 morning");
        assert_eq!(first("2020-02-11T10:00"), "2020-02-11 morning");
        assert_eq!(first("2020-02-11T20:00"), "2020-02-11 evening");
        assert_eq!(first("2020-02-12T20:00"), "2020-02-11 morning");
    }

    #[test]
    fn terms_carry_a_period_there_and_back() {
        let period = Period::new(day("2020-02-16"), Slot::evening(day("2020-02-17")), 14);
        assert_eq!(Period::of(&period.into_terms(Terms::default())), period);
    }

    #[test]
    fn the_end_of_the_calendar_is_no_panic() {
        assert_eq!(later(day("2100-12-31"), u64::MAX), NaiveDate::MAX);
        let last = Slot::evening(NaiveDate::MAX);
        assert_eq!(last.through(last).count(), 1);
    }
}
