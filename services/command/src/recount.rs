//! The figures again, by another way: of each person, house, pass, order and need is kept what was said of it, and all of it is
//! counted at the end, for one moment. Nothing here knows of shares, of changes or of the fold, so that where the two agree, both
//! have understood the logs.

/// Households, residents, visits, who is watched.
mod people;
/// Cases, methods, what units set by hand.
mod screening;
/// Passes, and what happens at gates.
mod gates;
/// Orders, readings, confirmed cases.
mod isolation;
/// Needs and stock.
mod care;
/// Rosters, rounds, volunteers.
mod duty;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use proto::{UnreadableFact, command::v1::Figures, event::v1::Record};

use crate::{book::Minute, picture::Shown};

/// What the records say so far, of those that were known until a minute.
#[derive(Default)]
pub struct Recount {
    pub records: u64,
    until: Minute,
    heard: HashMap<String, DateTime<Utc>>,
    /// Log, category and id of each stream with a record that cannot be read.
    aside: BTreeSet<(String, String, String)>,
    people: people::People,
    screening: screening::Screening,
    gates: gates::Gates,
    isolation: isolation::Isolation,
    care: care::Care,
    duty: duty::Duty,
}

/// One record as those files read it.
struct Told<'a> {
    id: &'a str,
    category: &'a str,
    payload: &'a [u8],
    office: &'a str,
    /// When it happened.
    happened: DateTime<Utc>,
    /// When it was known, and on which day.
    known: DateTime<Utc>,
    day: NaiveDate,
}

/// The moment that is counted for, and what was counted.
struct Counting {
    minute: Minute,
    time: DateTime<Utc>,
    today: NaiveDate,
    shown: Shown,
}

impl Counting {
    fn of(&mut self, neighbourhood: &str) -> &mut Figures {
        if !self.shown.figures.contains_key(neighbourhood) {
            self.shown.figures.insert(neighbourhood.to_owned(), Figures::default());
        }
        self.shown.figures.get_mut(neighbourhood).expect("it was just put there")
    }

    /// Whether a time has come.
    fn past(&self, time: DateTime<Utc>) -> bool {
        Minute::from(time) <= self.minute
    }
}

impl Recount {
    /// Of what was known until this minute.
    pub fn until(until: Minute) -> Self {
        Self { until, ..Self::default() }
    }

    /// Takes one record of any of the four logs; those of one log in order, the logs in any. One that cannot be read is laid
    /// aside with the later ones of its stream.
    pub fn take(&mut self, record: &Record) {
        self.records += 1;
        let known = self.known(record);
        let stream = (record.log.clone(), record.category.clone(), record.stream_id.clone());
        if self.aside.contains(&stream) {
            return;
        }
        let told = Told {
            id: &record.stream_id,
            category: &record.category,
            payload: &record.payload,
            office: &record.office,
            happened: time(record.occurred_at.as_ref()),
            known,
            day: chassis::day_of(known),
        };
        // Which neighbourhoods there are is asked of all that is known.
        let taken = if Minute::from(known) <= self.until { self.read(&told) } else { self.people.open(&told) };
        if let Err(UnreadableFact::Garbled(_)) = taken {
            self.aside.insert(stream);
        }
    }

    /// Since when it was known.
    fn known(&mut self, record: &Record) -> DateTime<Utc> {
        let heard = self.heard.entry(record.log.clone()).or_default();
        *heard = time(record.recorded_at.as_ref()).max(time(record.occurred_at.as_ref())).max(*heard);
        *heard
    }

    fn read(&mut self, told: &Told<'_>) -> Result<(), UnreadableFact> {
        self.people.open(told)?;
        self.people.read(told)?;
        self.screening.read(told)?;
        self.gates.read(told)?;
        self.isolation.read(told)?;
        self.care.read(told)?;
        self.duty.read(told)
    }

    /// All figures and their parts at a time, whose minute this is.
    pub fn shown(&self, time: DateTime<Utc>, minute: Minute) -> Shown {
        let shown = Shown { time, ..Shown::default() };
        let mut counting = Counting { minute, time, today: chassis::day_of(time), shown };
        for id in self.people.neighbourhoods.keys() {
            counting.of(id);
        }
        self.people.count(&mut counting);
        self.screening.count(&self.people, &mut counting);
        self.gates.count(&self.people, &mut counting);
        self.isolation.count(&mut counting);
        self.care.count(&mut counting);
        self.duty.count(&mut counting);
        let mut shown = counting.shown;
        let is_one = |id: &String| self.people.neighbourhoods.contains_key(id);
        shown.figures.retain(|id, _| is_one(id));
        shown.names.clone_from(&self.people.neighbourhoods);
        shown
    }
}

fn time(stamp: Option<&prost_types::Timestamp>) -> DateTime<Utc> {
    stamp.and_then(chassis::instant).unwrap_or_default()
}

/// How many there are of each.
fn tally<K: Ord>(each: impl Iterator<Item = K>) -> BTreeMap<K, i64> {
    let mut counts = BTreeMap::new();
    for key in each {
        *counts.entry(key).or_default() += 1;
    }
    counts
}
