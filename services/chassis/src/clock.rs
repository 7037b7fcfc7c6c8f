//! Time and ids come from a clock that is passed in. The calendar is Asia/Shanghai wherever the server stands: a day of
//! isolation ends at midnight there.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, FixedOffset, NaiveDate, TimeDelta, Utc};
use uuid::{ContextV7, Timestamp, Uuid};

/// China has kept one offset and no summer time since 1991.
pub const CALENDAR: FixedOffset = FixedOffset::east_opt(8 * 3600).expect("eight hours are a valid offset");

/// Where a process takes its time from.
#[derive(Clone, Debug)]
pub struct Clock {
    reading: Reading,
    /// Keeps the ids of one millisecond in order.
    ids: Arc<Mutex<ContextV7>>,
}

#[derive(Clone, Debug)]
enum Reading {
    System,
    /// Started at another time, going on at the usual pace.
    Shifted(TimeDelta),
    Manual(Arc<Mutex<DateTime<Utc>>>),
}

/// Moves a manual clock.
#[derive(Clone, Debug)]
pub struct Hand(Arc<Mutex<DateTime<Utc>>>);

impl Clock {
    pub fn system() -> Self {
        Self::reading(Reading::System)
    }

    /// Shows `start` now and goes on from there.
    pub fn starting_at(start: DateTime<Utc>) -> Self {
        Self::reading(Reading::Shifted(start - system_time()))
    }

    /// Showed `start` at a time that several processes know, so that they show the same.
    pub fn since(start: DateTime<Utc>, then: DateTime<Utc>) -> Self {
        Self::reading(Reading::Shifted(start - then))
    }

    /// Stands still until its hand is moved.
    pub fn manual(start: DateTime<Utc>) -> (Self, Hand) {
        let shown = Arc::new(Mutex::new(start));
        (Self::reading(Reading::Manual(Arc::clone(&shown))), Hand(shown))
    }

    fn reading(reading: Reading) -> Self {
        Self { reading, ids: Arc::new(Mutex::new(ContextV7::new())) }
    }

    /// Microseconds are all that the logs keep.
    pub fn now(&self) -> DateTime<Utc> {
        let now = match &self.reading {
            Reading::System => system_time(),
            Reading::Shifted(shift) => system_time() + *shift,
            Reading::Manual(shown) => *shown.lock().unwrap_or_else(PoisonError::into_inner),
        };
        DateTime::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now)
    }

    /// UUID v7 at this clock's time.
    pub fn id(&self) -> Uuid {
        let now = self.now();
        let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
        let context = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        Uuid::new_v7(Timestamp::from_unix(&*context, seconds, now.timestamp_subsec_nanos()))
    }
}

impl Hand {
    pub fn set(&self, time: DateTime<Utc>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = time;
    }

    pub fn advance(&self, by: TimeDelta) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that asks the system")]
fn system_time() -> DateTime<Utc> {
    Utc::now()
}

/// The calendar day in Asia/Shanghai.
pub fn day_of(time: DateTime<Utc>) -> NaiveDate {
    time.with_timezone(&CALENDAR).date_naive()
}

/// When a day begins there; the calendar's end where there is no such time.
pub fn midnight(date: NaiveDate) -> DateTime<Utc> {
    let local = date.and_hms_opt(0, 0, 0).and_then(|time| time.and_local_timezone(CALENDAR).single());
    local.map_or(DateTime::<Utc>::MAX_UTC, |time| time.to_utc())
}

pub fn timestamp(time: DateTime<Utc>) -> prost_types::Timestamp {
    let nanos = i32::try_from(time.timestamp_subsec_nanos()).unwrap_or(0);
    prost_types::Timestamp { seconds: time.timestamp(), nanos }
}

/// `None` outside the range that the calendar knows.
pub fn instant(timestamp: &prost_types::Timestamp) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(timestamp.seconds, u32::try_from(timestamp.nanos).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_at_midnight_in_shanghai() {
        let before: DateTime<Utc> = "2020-02-10T15:59:59Z".parse().unwrap();
        let after: DateTime<Utc> = "2020-02-10T16:00:00Z".parse().unwrap();
        assert_eq!(day_of(before).to_string(), "2020-02-10");
        assert_eq!(day_of(after).to_string(), "2020-02-11");
    }

    #[test]
    fn ids_of_one_instant_are_in_order() {
        let (clock, hand) = Clock::manual("2020-02-11T00:00:00Z".parse().unwrap());
        let ids: Vec<Uuid> = (0..1000).map(|_| clock.id()).collect();
        assert!(ids.is_sorted());
        hand.advance(TimeDelta::milliseconds(1));
        assert!(clock.id() > ids[999]);
    }
}
