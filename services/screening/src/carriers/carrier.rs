//! What a carrier can be asked, whichever it is: to send a code to a number, and with that code where the number was. Every
//! answer that cannot be read is a trouble that names the place in it, never an empty itinerary.
//!
//! Nothing of a number has a `Debug`, and no trouble repeats a value.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use chrono::NaiveDate;
use proto::screening::v1::{self, Itinerary, NoData, Permission, Visit};
use serde::de::DeserializeOwned;

/// One of the three.
#[async_trait]
pub trait Carrier: Send + Sync {
    /// Sends a code by SMS.
    async fn send_code(&self, number: &str) -> Result<Sent, Trouble>;
    /// Where the number was. `today` is the last day that an answer may speak of.
    async fn look_up(&self, permission: &Permission, today: NaiveDate) -> Result<Answer, Trouble>;
}

/// What comes of asking for a code.
#[cfg_attr(test, derive(Debug, PartialEq, Eq))]
pub enum Sent {
    /// It is on its way.
    Code {
        /// To be shown with the code.
        ticket: String,
        /// How long both hold.
        holds: Duration,
    },
    /// The carrier has no such number, or can send it nothing.
    Nobody(NoData),
}

/// What comes of asking where a number was.
#[cfg_attr(test, derive(Debug, PartialEq))]
pub enum Answer {
    Seen(Window, Itinerary),
    /// Not clean (R4).
    NoData(Window, NoData),
    WrongCode,
    ExpiredCode,
}

/// R1: the days that the source says it covers, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub from: NaiveDate,
    pub to: NaiveDate,
}

/// Why there is no answer yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub kind: v1::Trouble,
    /// For whoever runs this. No value out of an answer.
    pub detail: String,
    /// How long the carrier wants to be left alone.
    pub pause: Option<Duration>,
}

/// Visits of an answer: a phone that changes city every hour for a month stays below.
const MOST: usize = 1_000;

/// Characters of a place's name.
const PLACE: usize = 100;

/// Tickets are kept for as long as they hold.
const TICKET: usize = 500;
const LONGEST: Duration = Duration::from_hours(24);

impl Trouble {
    pub fn new(kind: v1::Trouble, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), pause: None }
    }

    pub fn broken(detail: impl Into<String>) -> Self {
        Self::new(v1::Trouble::BrokenAnswer, detail)
    }

    pub fn busy(pause: Option<Duration>) -> Self {
        Self { pause, ..Self::new(v1::Trouble::Busy, "") }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.as_str_name().trim_start_matches("TROUBLE_"))?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, ": {}", self.detail) }
    }
}

/// An answer's bytes in the carrier's own form.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Trouble> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize(&mut json);
    // The reader's own words would quote what it read.
    let form = read.map_err(|error| match error.path().to_string().as_str() {
        "." => Trouble::broken("the answer is no JSON of the agreed form"),
        path => Trouble::broken(format!("{path} is missing or not of the agreed form")),
    })?;
    json.end().map_err(|_| Trouble::broken("there is something behind the end of the answer"))?;
    Ok(form)
}

/// A ticket as it may be kept.
pub(super) fn ticket(field: &str, ticket: Option<String>, seconds: Option<u64>) -> Result<Sent, Trouble> {
    let ticket = ticket.filter(|ticket| (1..=TICKET).contains(&ticket.len()));
    let ticket = ticket.ok_or_else(|| Trouble::broken(format!("{field}: there is no ticket, or a very long one")))?;
    let holds = seconds.filter(|seconds| *seconds > 0).map(Duration::from_secs);
    let holds = holds.ok_or_else(|| Trouble::broken(format!("{field}: it does not say how long it holds")))?;
    Ok(Sent::Code { ticket, holds: holds.min(LONGEST) })
}

impl Window {
    /// In order, and not of days that have not come.
    pub(super) fn new(from: NaiveDate, to: NaiveDate, today: NaiveDate) -> Result<Self, Trouble> {
        if from > to {
            return Err(Trouble::broken("the window ends before it begins"));
        }
        if to > today {
            return Err(Trouble::broken("the window goes beyond today"));
        }
        Ok(Self { from, to })
    }

    /// Of an answer without one: nothing is known of any day, and the day of the question stands for that.
    pub(super) fn none(today: NaiveDate) -> Self {
        Self { from: today, to: today }
    }

    /// All that was seen, each visit with what it is called in the answer. A known number without a visit is no data: it was
    /// not even seen at home.
    pub(super) fn seen(self, visits: Vec<(String, Visit)>) -> Result<Answer, Trouble> {
        if visits.len() > MOST {
            return Err(Trouble::broken(format!("there are more than {MOST} visits")));
        }
        for (path, visit) in &visits {
            let wrong = |what: &str| Err(Trouble::broken(format!("{path}: {what}")));
            let days = (visit.first.parse::<NaiveDate>(), visit.last.parse::<NaiveDate>());
            let (Ok(first), Ok(last)) = days else { return wrong("there is a day that no calendar has") };
            if visit.place.is_empty() || visit.place.chars().count() > PLACE {
                return wrong("there is no place's name");
            }
            if first > last {
                return wrong("the stay ends before it begins");
            }
            if first < self.from || last > self.to {
                return wrong("the stay lies outside the window");
            }
            if visit.hours.is_some_and(|hours| !(0..=24).contains(&hours)) {
                return wrong("there are no such hours in a day");
            }
        }
        if visits.is_empty() {
            return Ok(Answer::NoData(self, NoData::NoRecord));
        }
        Ok(Answer::Seen(self, Itinerary { visits: visits.into_iter().map(|(_, visit)| visit).collect() }))
    }
}

#[cfg(test)]
pub(super) mod given {
    //! What the adapters' tests have in common.

    use super::*;

    pub(crate) fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    /// The day of the story.
    pub(crate) fn today() -> NaiveDate {
        day("2020-02-11")
    }

    /// Place, first and last day, hours.
    pub(crate) type Row = (String, String, String, Option<i32>);

    #[track_caller]
    pub(crate) fn seen(answer: Result<Answer, Trouble>) -> (String, String, Vec<Row>) {
        let Ok(Answer::Seen(window, itinerary)) = answer else { panic!("{answer:?}") };
        let visits = itinerary.visits.into_iter().map(|visit| (visit.place, visit.first, visit.last, visit.hours));
        (window.from.to_string(), window.to.to_string(), visits.collect())
    }

    #[track_caller]
    pub(crate) fn broken(answer: Result<Answer, Trouble>, named: &str) {
        let trouble = answer.unwrap_err();
        assert_eq!(trouble.kind, v1::Trouble::BrokenAnswer);
        assert!(trouble.detail.contains(named), "{trouble} does not name {named}");
        assert!(!trouble.detail.contains("武汉"), "a trouble repeats no value: {trouble}");
    }

    pub(crate) fn visit(place: &str, first: &str, last: &str, hours: Option<i32>) -> Row {
        (place.to_owned(), first.to_owned(), last.to_owned(), hours)
    }
}
