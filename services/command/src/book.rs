//! What adds up, over time. Every figure is a sum of shares: who or what counts somewhere, from when until when. A share that is
//! over, or was never right, is taken back by its opposite, so that any past minute can be asked for what was known then.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, NaiveDate, Utc};

use crate::figures::Which;

/// Minutes since 1970, rounded up: what a log took in at 03:12:30 is known from 03:13 on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Minute(u32);

impl Minute {
    /// From the beginning, and for ever.
    pub const BEGINNING: Self = Self(0);
    pub const NEVER: Self = Self(u32::MAX);
    const OF_A_DAY: u32 = 1_440;

    /// The first minute that has not begun before this time.
    pub fn from(time: DateTime<Utc>) -> Self {
        Self(
            u32::try_from(
                time.timestamp_micros().div_euclid(60_000_000) + i64::from(time.timestamp_micros() % 60_000_000 != 0),
            )
            .unwrap_or(0),
        )
    }

    /// The last minute that has begun at this time.
    pub fn within(time: DateTime<Utc>) -> Self {
        Self(u32::try_from(time.timestamp().div_euclid(60)).unwrap_or(0))
    }
}

/// A calendar day in Asia/Shanghai as a number; days before 1970 are day 0.
pub fn day(date: NaiveDate) -> u32 {
    u32::try_from((date - NaiveDate::default()).num_days()).unwrap_or(0)
}

/// What a share counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Of {
    Figure(Which),
    /// A figure of one calendar day.
    Day(Which, u32),
    /// Persons in isolation, by kind (central, home, watch) and the day on which their observation began.
    Isolation(i32, u32),
    /// Households, by the day on which somebody of theirs was last met.
    Touched(u32),
    /// Verdicts in force, by the number of their method's version.
    JudgedBy(u32),
    /// What was set by hand, by the number of its unit.
    ByHand(Act, u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Act {
    Verdict,
    Override,
    Proposal,
}

/// The number of a neighbourhood; what belongs to the subdistrict alone has the number of an empty name.
pub type Place = u32;

/// A part of a figure: so much, from then until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    pub place: Place,
    pub of: Of,
    pub count: i64,
    pub from: Minute,
    pub until: Minute,
}

impl Share {
    /// One, from now on and for ever.
    pub fn one(place: Place, of: Of) -> Self {
        Self { place, of, count: 1, from: Minute::BEGINNING, until: Minute::NEVER }
    }

    #[must_use]
    pub fn times(self, count: i64) -> Self {
        Self { count, ..self }
    }

    #[must_use]
    pub fn from(self, from: Minute) -> Self {
        Self { from, ..self }
    }

    #[must_use]
    pub fn until(self, until: Minute) -> Self {
        Self { until, ..self }
    }
}

/// All figures at all minutes.
#[derive(Default)]
pub struct Book {
    series: HashMap<(Place, Of), Series>,
}

#[derive(Default)]
struct Series {
    /// What was learnt, and when.
    learnt: Steps,
    /// What comes about by itself: a pass ends, an answer is late.
    foreseen: Steps,
    total: i64,
}

/// Changes by minute, with the sums of whole days beside them.
#[derive(Default)]
struct Steps(BTreeMap<u32, Day>);

#[derive(Default)]
struct Day {
    sum: i64,
    minutes: Vec<(u16, i64)>,
}

impl Book {
    /// Puts the shares that something has now in the place of those that it had. `at` is when that became known; what was known
    /// of the time before stays.
    pub fn change(&mut self, before: &mut Vec<Share>, after: Vec<Share>, at: Minute) {
        if *before == after {
            return;
        }
        for gone in before.iter().filter(|share| !after.contains(share)) {
            self.add(&Share { count: -gone.count, ..*gone }, at);
        }
        for new in after.iter().filter(|share| !before.contains(share)) {
            self.add(new, at);
        }
        *before = after;
    }

    /// The same for shares that say themselves since when they were known: what was known of the past changes, too.
    pub fn rewrite(&mut self, before: &mut Vec<Share>, after: Vec<Share>, at: Minute) {
        for gone in before.iter().filter(|share| !after.contains(share)) {
            self.enter(&Share { count: -gone.count, ..*gone }, at);
        }
        for new in after.iter().filter(|share| !before.contains(share)) {
            self.enter(new, at);
        }
        *before = after;
    }

    /// A share that became known at this minute: it counts from then on, or later where it says so.
    pub fn add(&mut self, share: &Share, at: Minute) {
        self.enter(&share.from(share.from.max(at)), at);
    }

    fn enter(&mut self, share: &Share, at: Minute) {
        if share.from >= share.until {
            return;
        }
        let series = self.series.entry((share.place, share.of)).or_default();
        series.step(share.from, share.count, at);
        if share.until < Minute::NEVER {
            series.step(share.until, -share.count, at);
        }
    }

    /// By all that is known, with what comes about by itself until this minute.
    pub fn now(&self, place: Place, of: Of, now: Minute) -> i64 {
        self.series.get(&(place, of)).map_or(0, |series| series.total + series.foreseen.until(now))
    }

    /// By what was known at this minute.
    pub fn as_of(&self, place: Place, of: Of, then: Minute) -> i64 {
        self.series.get(&(place, of)).map_or(0, |series| series.learnt.until(then) + series.foreseen.until(then))
    }

    /// Every figure that somewhere was ever counted.
    pub fn counted(&self) -> impl Iterator<Item = (Place, Of)> {
        self.series.keys().copied()
    }
}

impl Series {
    fn step(&mut self, minute: Minute, by: i64, at: Minute) {
        if minute <= at {
            self.total += by;
            self.learnt.add(minute, by);
        } else {
            self.foreseen.add(minute, by);
        }
    }
}

impl Steps {
    fn add(&mut self, Minute(minute): Minute, by: i64) {
        let day = self.0.entry(minute / Minute::OF_A_DAY).or_default();
        day.sum += by;
        let minute = u16::try_from(minute % Minute::OF_A_DAY).unwrap_or(u16::MAX);
        match day.minutes.binary_search_by_key(&minute, |(minute, _)| *minute) {
            Ok(place) => day.minutes[place].1 += by,
            Err(place) => day.minutes.insert(place, (minute, by)),
        }
    }

    fn until(&self, Minute(minute): Minute) -> i64 {
        let today = minute / Minute::OF_A_DAY;
        let whole: i64 = self.0.range(..today).map(|(_, day)| day.sum).sum();
        let of_today = self.0.get(&today).map_or(0, |day| {
            let begun = day.minutes.iter().take_while(|(at, _)| u32::from(*at) <= minute % Minute::OF_A_DAY);
            begun.map(|(_, by)| by).sum()
        });
        whole + of_today
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PASSES: Of = Of::Figure(Which::Passes);

    fn minute(number: u32) -> Minute {
        Minute(number)
    }

    #[test]
    fn a_minute_is_known_when_it_is_over() {
        let time = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        assert_eq!(Minute::from(time("2020-02-11T03:12:00Z")), Minute::within(time("2020-02-11T03:12:59Z")));
        assert!(Minute::from(time("2020-02-11T03:12:00.000001Z")) > Minute::within(time("2020-02-11T03:12:59Z")));
    }

    #[test]
    fn a_pass_counts_from_when_it_is_known_until_it_ends() {
        let mut book = Book::default();
        let mut shares = Vec::new();
        book.change(&mut shares, vec![Share::one(1, PASSES).until(minute(500))], minute(100));
        assert_eq!([99, 100, 499, 500].map(|then| book.as_of(1, PASSES, minute(then))), [0, 1, 1, 0]);
        assert_eq!(book.now(1, PASSES, minute(50)), 1, "what is known now counts, whatever somebody's clock shows");
        assert_eq!(book.now(1, PASSES, minute(500)), 0);
        assert_eq!(book.now(2, PASSES, minute(200)), 0);
    }

    #[test]
    fn a_pass_that_is_taken_back_before_its_end_does_not_end_twice() {
        let mut book = Book::default();
        let mut shares = Vec::new();
        book.change(&mut shares, vec![Share::one(1, PASSES).until(minute(500))], minute(100));
        book.change(&mut shares, Vec::new(), minute(300));
        assert_eq!([299, 300, 600].map(|then| book.as_of(1, PASSES, minute(then))), [1, 0, 0]);
        assert_eq!(book.now(1, PASSES, minute(600)), 0);
    }

    #[test]
    fn what_begins_later_and_is_over_before_never_counts() {
        let late = Of::Figure(Which::DisputesLate);
        let mut book = Book::default();
        let mut shares = Vec::new();
        book.change(&mut shares, vec![Share::one(1, late).from(minute(1_540))], minute(100));
        book.change(&mut shares, Vec::new(), minute(200));
        for then in [100, 200, 1_540, 5_000] {
            assert_eq!((book.as_of(1, late, minute(then)), book.now(1, late, minute(then))), (0, 0));
        }
    }

    proptest! {
        /// Whatever is put and taken back in whatever order: a minute shows what a plain count of that time shows.
        #[test]
        fn every_minute_is_what_a_plain_count_says(
            acts in proptest::collection::vec((0_usize..4, 0_u32..4_000, 0_u32..4_000, 0_u32..200), 1..40),
            asked in 0_u32..9_000,
        ) {
            let mut book = Book::default();
            let mut held: [Vec<Share>; 4] = Default::default();
            // What each of the four had, and since when.
            let mut past: [Vec<(u32, Vec<Share>)>; 4] = Default::default();
            let mut clock = 0;
            for (who, from, until, pause) in acts {
                clock += pause;
                let share = Share::one(1, PASSES).from(minute(from)).until(minute(until));
                let after = if from % 3 == 0 { Vec::new() } else { vec![share] };
                book.change(&mut held[who], after.clone(), minute(clock));
                past[who].push((clock, after));
            }
            let counted: i64 = past.iter().map(|past| {
                let last = past.iter().rev().find(|(since, _)| *since <= asked);
                last.map_or(0, |(_, shares)| {
                    shares.iter().filter(|share| share.from <= minute(asked) && share.until > minute(asked)).map(|share| share.count).sum()
                })
            }).sum();
            prop_assert_eq!(book.as_of(1, PASSES, minute(asked)), counted);
        }
    }
}
